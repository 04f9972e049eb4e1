"""``posetrack batch``: many videos, over processes or machines."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posetrack.checks import check_whole
from posetrack.cli.input_checks import check_files, check_folder
from posetrack.cli.network_options import check_networks, skeleton_ahead
from posetrack.cli.options import Parser, add_option
from posetrack.cli.track import (
    add_tracking,
    check_angle_names,
    choose_outputs,
    open_tracker,
    paths_of,
    reading_from,
    settings_of,
)
from posetrack.cluster.jobs import Done, Job, Work
from posetrack.cluster.scheduling import Worker
from posetrack.runs.networks import Weights

_OF_THE_BATCH = ("workers", "retries", "address", "lists", "out")


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser: Parser = commands.add_parser(
        "batch",
        help="track many videos, over the cores, GPUs and machines there are",
        description="Track many videos as `posetrack track --resume` does, several at a time. "
        "Networks are loaded once a worker; a video that fails leaves the others alone and is "
        "named in the end; one whose process died is gone on with; what is finished with the same "
        "settings is passed over. Results do not depend on how many workers there are.",
    )
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="VIDEO",
        help="a file, folder or quoted pattern, or an address such as s3://bucket/games/*.mp4",
    )
    parser.add_argument(
        "--list",
        dest="lists",
        action="append",
        type=Path,
        default=None,
        metavar="FILE",
        help="a text file with one of these a line",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="(default: one a GPU, or one for --cores cores)"
    )
    parser.add_argument(
        "--cores", type=int, default=2, metavar="N", help="cores that a worker's libraries use"
    )
    add_option(
        parser,
        "cluster.scheduling:run_jobs",
        "retries",
        "how often a video is begun again",
        metavar="N",
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="a cluster of Ray; auto: the one of this machine; local: a new one here",
    )
    add_tracking(parser, several_devices=True)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Track them all; 1 where one is not whole."""
    from tqdm import tqdm

    from posetrack.cluster.scheduling import run_jobs
    from posetrack.cluster.sources import find_jobs
    from posetrack.cluster.summary import describe_results, write_summary

    check_whole(0, retries=arguments.retries)
    check_whole(1, cores=arguments.cores)
    if arguments.boxes is not None:
        raise ValueError("--boxes FILE goes with one video: `posetrack track` takes it")
    choose_outputs(arguments)
    check_folder(arguments.out)
    for device in arguments.device.split(","):
        check_networks(_on(arguments, device))
    check_angle_names(arguments.angles, skeleton_ahead(arguments))
    lists = arguments.lists or []
    check_files(*lists)
    jobs = find_jobs(arguments.sources, lists, segments=bool(arguments.segment))
    arguments.out.mkdir(parents=True, exist_ok=True)
    arguments.out = arguments.out.absolute()
    failed = 0
    with _workers(arguments) as workers, tqdm(total=len(jobs), unit=" videos", disable=None) as bar:

        def report(job: Job, done: Done) -> None:
            nonlocal failed
            bar.update()
            failed += bool(done.failure)
            bar.set_postfix_str(f"{failed} failed", refresh=False)
            for line in (*done.problems, *([f"failed: {done.failure}"] if done.failure else [])):
                bar.write(f"{job.name}: {line}", file=sys.stderr)

        results = run_jobs(jobs, workers, retries=arguments.retries, report=report)
    path = write_summary(arguments.out, jobs, results)
    print("\n".join([*describe_results(jobs, results), f"-> {path}"]))
    return int(bool(failed))


@contextmanager
def _workers(arguments: argparse.Namespace) -> Iterator[Sequence[Worker]]:
    """One a device, or as many as there are cores for; ended whatever happens."""
    devices, cores = arguments.device.split(","), arguments.cores
    make = TrackingMaker(str(arguments.out), arguments)
    if arguments.workers is not None:
        check_whole(1, workers=arguments.workers)
    with ExitStack() as stack:
        workers: list[Worker] = []
        if arguments.address is None:
            from posetrack.cluster.processes import ProcessWorker
            from posetrack.devices import usable_cores, uses_cuda

            usual = 1 if uses_cuda(devices[0]) else max(1, usable_cores() // cores)
            count = arguments.workers or max(usual, len(devices))
            for number in range(count):
                workers.append(ProcessWorker(make, devices[number % len(devices)], cores))
                stack.callback(workers[-1].close)
        else:
            from posetrack.cluster.ray_actors import RayWorker, connect, count_workers

            gpus = int(devices[0].startswith("cuda"))
            ray = stack.enter_context(connect(arguments.address))
            # Ray says which GPU is whose.
            device = "cuda" if gpus else devices[0]
            for _ in range(arguments.workers or count_workers(ray, cores, gpus)):
                workers.append(RayWorker(ray, make, device, cores, gpus))
                stack.callback(workers[-1].close)
        yield workers


def _on(arguments: argparse.Namespace, device: str) -> argparse.Namespace:
    changed = copy(arguments)
    changed.device = device
    return changed


@dataclass(frozen=True)
class TrackingMaker:
    """Makes what tracks videos, in the process that does; see `posetrack.cluster.jobs.MakeWork`.

    Parameters
    ----------
    out
        Where results go.
    arguments
        Of the command.
    """

    out: str
    arguments: argparse.Namespace = field(hash=False)

    def __call__(self, device: str) -> Work:
        """Load the networks."""
        from posetrack.selftest import check_loaded

        work = Tracking(self.arguments, *open_tracker(_on(self.arguments, device)))
        check_loaded(device)
        return work


class Tracking:
    """Tracks one video after another with networks that are loaded once.

    Parameters
    ----------
    arguments
        Of the command.
    tracker, weights
        With the networks, and what they came from.
    """

    def __init__(self, arguments: argparse.Namespace, tracker: Any, weights: Weights) -> None:
        self._arguments = arguments
        self._wanted = choose_outputs(arguments)
        self._tracker, self._weights = tracker, weights
        settings = settings_of(arguments) | tracker.settled
        # What a file says of its making does not depend on who made it.
        kinds = dict.fromkeys(re.sub(r":\d+", "", name) for name in arguments.device.split(","))
        settings |= {"device": ",".join(kinds)}
        self._settings = {k: value for k, value in settings.items() if k not in _OF_THE_BATCH}

    def __call__(self, job: Job) -> Done:
        """Track a video."""
        from posetrack.cluster.sources import fetch_copy
        from posetrack.runs.results import Run
        from posetrack.runs.writer import ResultPaths

        arguments = self._arguments
        with fetch_copy(job, arguments.out / ".sources") as source:
            keep = [Path(source), *paths_of(self._weights)]
            try:
                outcome = Run(
                    source,
                    self._tracker,
                    self._wanted,
                    ResultPaths(arguments.out, job.name, keep),
                    settings=self._settings,
                    weights=self._weights,
                    reading=reading_from(arguments),
                    ahead=arguments.ahead,
                    unrelated=arguments.unrelated,
                    resume=True,
                ).track()
            finally:
                self._tracker.reset()
        if not outcome.frames:
            raise ValueError(f"{job.source}: no frame between --start and --stop")
        problems = (*outcome.lines, *outcome.problems)
        return Done(outcome.frames, outcome.people, outcome.passed_over, problems)
