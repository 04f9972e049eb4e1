"""`posetrack batch`: 200 short videos on two workers, one of them killed every 20 seconds.

    python benchmarks/batch.py [--videos 200] [--every 20] [--frames 24]

Drawn scenes with detector and pose network that read the truth (`posetrack.testing`), since only
the order of things is at stake: every table and the overlay are written, as usual. Five of the
files are broken. They are tracked one by one on one worker, and then on two, of which one is killed
(SIGKILL) again and again. It passes where all others are whole, the five are named, and every file
has the bytes that it has one by one.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from posetrack import Tracker
from posetrack.cli import parser as command_line
from posetrack.cli.batch import Tracking
from posetrack.cluster.processes import ProcessWorker
from posetrack.cluster.scheduling import run_jobs
from posetrack.cluster.sources import find_jobs
from posetrack.cluster.summary import describe_results, write_summary
from posetrack.testing import SceneDetector, SceneEstimator, crossing
from posetrack.video import VideoWriter

SCENE_FRAMES = 80
BROKEN = {
    "empty": lambda data: b"",
    "text": lambda data: b"not a video at all\n" * 50,
    "beginning": lambda data: data[:300],
    "no-index": lambda data: data[:8] + bytes(len(data) - 8),
    "noise": lambda data: random.Random(0).randbytes(len(data)),
}


@dataclass(frozen=True)
class SceneMaker:
    """What `posetrack.cli.batch.TrackingMaker` is, with networks that read the truth."""

    out: str
    arguments: argparse.Namespace = field(hash=False)

    def __call__(self, device: str) -> Tracking:
        scene = crossing(frames=SCENE_FRAMES)
        detector = SceneDetector(scene, miss=0.1, false=0.2, jitter=0.02)
        return Tracking(self.arguments, Tracker(detector, SceneEstimator(scene)), {})


def make_videos(folder: Path, count: int, frames: int) -> None:
    images = list(crossing(frames=SCENE_FRAMES))
    for number in range(count - len(BROKEN)):
        start = number % (SCENE_FRAMES - frames)
        with VideoWriter(folder / f"v{number:03}.mp4", rate=25, preset="ultrafast") as video:
            for image in images[start : start + frames]:
                video.write(image)
    data = (folder / "v000.mp4").read_bytes()
    for name, spoil in BROKEN.items():
        (folder / f"broken-{name}.mp4").write_bytes(spoil(data))


def track_all(folder: Path, out: Path, count: int, every: float | None) -> tuple[list, list, int]:
    """Jobs, results and kills of one run of the batch."""
    words = ["batch", str(folder), "-o", str(out), "--cores", "1", "--workers", str(count)]
    arguments = command_line("batch").parse_args(words)
    jobs = find_jobs(arguments.sources)
    out.mkdir(exist_ok=True)
    workers = [ProcessWorker(SceneMaker(str(out), arguments), "cpu", 1) for _ in range(count)]
    over, kills = threading.Event(), 0

    def kill() -> None:
        nonlocal kills
        draw = random.Random(0)
        while every is not None and not over.wait(every):
            children = multiprocessing.active_children()
            if children:
                os.kill(draw.choice(children).pid, signal.SIGKILL)
                kills += 1

    killer = threading.Thread(target=kill)
    killer.start()
    started = time.monotonic()
    try:
        results = run_jobs(jobs, workers)
    finally:
        over.set()
        killer.join()
        for worker in workers:
            worker.close()
    write_summary(out, jobs, results)
    tries = dict(sorted(Counter(done.tries for done in results).items()))
    print(f"{count} workers: {time.monotonic() - started:.0f} s, {kills} kills, tries {tries}")
    return jobs, results, kills


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--every", type=float, default=20.0)
    arguments = parser.parse_args()
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"  # dates apart, files are to be the same
    with tempfile.TemporaryDirectory() as name:
        videos = Path(name) / "videos"
        videos.mkdir()
        make_videos(videos, arguments.videos, arguments.frames)
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        track_all(videos, Path(name) / "one", 1, None)
        jobs, results, kills = track_all(videos, Path(name) / "two", 2, arguments.every)
        print("\n".join(describe_results(jobs, results)).replace(name, "FOLDER"))
        one, two = digests(Path(name) / "one"), digests(Path(name) / "two")
        failed = {job.name for job, done in zip(jobs, results, strict=True) if done.failure}
        different = sorted(key for key in {*one, *two} if one.get(key) != two.get(key))
        print(f"{len(one)} files one by one, {len(two)} with kills, different: {different[:20]}")
        expected = {f"broken-{name}" for name in BROKEN}
        passed = not different and failed == expected and kills > 0
        print("passed" if passed else "FAILED")
        return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
