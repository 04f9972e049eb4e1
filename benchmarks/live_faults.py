"""What becomes of a run on a live source whose server goes wrong.

    python benchmarks/live_faults.py SERVER.py [-o benchmarks/RESULTS/live_faults.txt]

SERVER.py is a program that is given a port and serves RTSP at ``/live``; it is killed and begun
again after 3 and after 30 seconds, stopped for 20 (a stall), killed for good, and left alone while
Ctrl-C comes. The pose network is a stand-in that sees one person who stands still, so that what
becomes of their identity depends on the clock alone. Of each: the lines that were told, the
identities before and after, frames after Ctrl-C, and where the password of the address is found.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from posetrack import COCO_17, Detections, Tracker
from posetrack.runs.results import Run, Wanted
from posetrack.runs.writer import ResultPaths
from posetrack.structures import Poses

PASSWORD = "hush-9271"


@dataclass(frozen=True)
class Case:
    """A fault: what is done to the server at which second, and when the run ends."""

    name: str
    acts: Sequence[tuple[float, str]]
    seconds: float
    spread: float = 1.0
    recency: float = 0.5
    patience: float = 60.0


CASES = (
    Case("back after 3 s", [(5, "kill"), (8, "start")], 16),
    Case("back after 3 s, spread 10 s, recency 0.9", [(5, "kill"), (8, "start")], 16, 10, 0.9),
    Case("back after 30 s, spread 10 s, recency 0.9", [(5, "kill"), (35, "start")], 56, 10, 0.9),
    Case("back after 30 s, spread 60 s, recency 1", [(5, "kill"), (35, "start")], 56, 60, 1),
    Case("silent for 20 s, spread 60 s, recency 1", [(5, "stop"), (25, "go")], 50, 60, 1),
    Case("gone for good, patience 6 s", [(5, "kill")], 60, patience=6),
    Case("Ctrl-C", [(6, "interrupt")], 60),
)


class Standing:
    """One person in the middle of every picture."""

    bottom_up = True

    def __init__(self) -> None:
        self._xy = np.random.default_rng(1).uniform(100, 200, (1, 17, 2)).astype(np.float32)

    def __call__(self, image: Any, /) -> Poses:
        del image
        boxes = Detections([[100, 100, 200, 200]], [0.9])
        return Poses(self._xy, np.full((1, 17), 0.9, np.float32), boxes, COCO_17)


class Server:
    """The server, which may be killed and begun again."""

    def __init__(self, program: str) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])
        self._program = program
        self.start()

    def start(self) -> None:
        line = ["/usr/bin/python3", self._program, str(self.port)]
        self._process = subprocess.Popen(line, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def interrupt(self) -> None:
        """End not the server but the run, as Ctrl-C does."""
        os.kill(os.getpid(), signal.SIGINT)


@contextmanager
def acting(server: Server, case: Case, times: list[float], done: list[float]) -> Iterator[None]:
    """Do what the case says in a thread, from the first frame on; ``done`` gets when."""
    ended = threading.Event()

    def act() -> None:
        while not times and not ended.wait(0.01):
            pass
        begun = time.monotonic()
        for at, what in case.acts:
            if ended.wait(max(0.0, begun + at - time.monotonic())):
                return
            done.append(time.monotonic())
            getattr(server, what)()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        server.kill()


def try_case(case: Case, program: str) -> list[str]:
    """Run one; lines on it."""
    server, lines, acted = Server(program), list[str](), list[float]()
    address = f"rtsp://me:{PASSWORD}@127.0.0.1:{server.port}/live"
    times, after = list[float](), 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored

    def watch(*_: Any) -> bool:
        nonlocal after
        times.append(time.monotonic())
        after += bool(acted)
        return times[-1] - times[0] < case.seconds

    tracker = Tracker(
        None,
        Standing(),
        spread=case.spread,
        recency=case.recency,
        flow_boxes=False,
        flow_similarity=False,
    )
    with tempfile.TemporaryDirectory() as folder, acting(server, case, times, acted):
        outcome = Run(
            address,
            tracker,
            Wanted(("csv", "parquet", "frames"), audio=False),
            ResultPaths(Path(folder), "hall"),
            settings={"address": "not recorded"},
            weights={},
            reading={"live": True, "patience": case.patience},
            watch=watch,
            tell=lambda line: lines.append(line.replace(str(server.port), "PORT")),
        ).track()
        took = time.monotonic() - acted[-1]
        ids = [row.split(",")[2] for row in (Path(folder) / "hall.csv").read_text().split()[1:]]
        files = sorted(path.name for path in Path(folder).iterdir())
        content = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    holding = [name for name, data in content.items() if PASSWORD.encode() in data]
    told = [*lines, *outcome.lines, *outcome.problems]
    holding += [line for line in told if PASSWORD in line]
    said = [f"  {line.replace(str(server.port), 'PORT')}" for line in told]
    facts = [
        f"  {outcome.frames} frames; identities in order: {' '.join(dict.fromkeys(ids))}; largest "
        f"pause {max(np.diff(times)):.1f} s",
        f"  files: {', '.join(files)}; the password is in: {', '.join(holding) or 'none'}",
    ]
    if case.acts[-1][1] == "interrupt":
        facts.append(f"  frames after Ctrl-C: {after}; all files whole {took:.2f} s after it")
    return [case.name, *said, *facts]


def main() -> None:
    """Try all, side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(3, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        found = list(pool.map(try_case, CASES, [arguments.server] * len(CASES)))
    text = "\n".join("\n".join([*lines, ""]) for lines in found)
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
