"""What giving out 10,000 short jobs costs, by processes and by Ray, and whether memory stays flat.

    python benchmarks/cluster.py [--jobs 10000] [--workers 2] [--engines processes,ray]

Each job tracks a frame of a drawn scene held in memory, with networks that read the truth. From
each engine's own processor time, that of the process that gives jobs out and for Ray that of its
daemons, the cost a job follows; memory of all of them is looked at every tenth of the jobs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posetrack import Tracker
from posetrack.cluster.jobs import Done, Job
from posetrack.cluster.processes import ProcessWorker
from posetrack.cluster.scheduling import run_jobs
from posetrack.testing import SceneDetector, SceneEstimator, crossing

DAEMONS = ("raylet", "gcs_server", "log_monitor.py", "dashboard", "runtime_env")


@dataclass(frozen=True)
class Fakes:
    """Makes work that tracks a frame, and says in microseconds how long it took."""

    frames: int = 1

    def __call__(self, device: str) -> Callable[[Job], Done]:
        scene = crossing(frames=self.frames)
        images = list(scene)
        tracker = Tracker(SceneDetector(scene), SceneEstimator(scene))

        def work(job: Job) -> Done:
            started = time.perf_counter()
            for image in images:
                people = tracker.update(image)
            tracker.reset()
            return Done(round((time.perf_counter() - started) * 1e6), len(people))

        return work


def tree(process: int) -> dict[int, tuple[str, float, float]]:
    """Command, processor seconds and MB of a process and all below it."""
    found: dict[int, tuple[int, str, float, float]] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        memory = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        found[int(folder.name)] = int(fields[1]), command, cpu, memory
    inside, more = {process}, True
    while more:
        below = {one for one, (parent, *_) in found.items() if parent in inside} - inside
        inside |= below
        more = bool(below)
    return {one: found[one][1:] for one in inside if one in found}


def own_seconds(process: int, engine: str) -> float:
    """Processor seconds of what gives out jobs, not of what does them."""
    return sum(
        cpu
        for one, (command, cpu, _) in tree(process).items()
        if one == process or (engine == "ray" and any(name in command for name in DAEMONS))
    )


def measure(engine: str, workers: list, jobs: list[Job]) -> None:
    process = os.getpid()
    run_jobs(jobs[: 20 * len(workers)], workers)  # they start, load and compile
    seen: list[tuple[int, float]] = []
    done_so_far = 0

    def report(job: Job, done: Done) -> None:
        nonlocal done_so_far
        done_so_far += 1
        if done_so_far % (len(jobs) // 10) == 0:
            seen.append((done_so_far, sum(memory for _, _, memory in tree(process).values())))

    before, started = own_seconds(process, engine), time.monotonic()
    results = run_jobs(jobs, workers, report=report)
    wall, cost = time.monotonic() - started, own_seconds(process, engine) - before
    work = sum(done.frames for done in results) / 1e6
    failed = sum(bool(done.failure) for done in results)
    print(
        f"{engine}: {len(jobs)} jobs on {len(workers)} workers in {wall:.0f} s, {failed} failed; "
        f"a job takes {work / len(jobs) * 1e3:.1f} ms by the clock there, "
        f"and {cost / len(jobs) * 1e3:.2f} ms of processor to give out"
    )
    print("  MB of all processes: " + ", ".join(f"{count}: {size:.0f}" for count, size in seen))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engines", default="processes,ray")
    arguments = parser.parse_args()
    jobs = [Job(str(number), "scene") for number in range(arguments.jobs)]
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if "processes" in arguments.engines:
        workers = [ProcessWorker(Fakes(), "cpu", 1) for _ in range(arguments.workers)]
        try:
            measure("processes", workers, jobs)
        finally:
            for worker in workers:
                worker.close()
    if "ray" in arguments.engines:
        from posetrack.cluster.ray_actors import RayWorker, connect

        with connect("local") as ray:
            workers = [RayWorker(ray, Fakes(), "cpu", 1) for _ in range(arguments.workers)]
            measure("ray", workers, jobs)
            for worker in workers:
                worker.close()
    for child in multiprocessing.active_children():
        child.join(10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
