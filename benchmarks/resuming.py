"""What notes for ``track --resume`` cost, and that long runs stay flat.

    python benchmarks/resuming.py [--frames 100000] [-o benchmarks/RESULTS/resuming.txt]

Small pictures of noise, poses that are given, every table, no flow; a run with notes and one
without, of a tenth of the frames, in processes of their own. Processor time and resident memory of
each tenth, and the processor time of notes alone (of the thread that writes them, its waits for the
disk aside) as a part of the run's. The point of reference is the run without notes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from posetrack import COCO_17, Detections, Tracker
from posetrack.runs import results as room
from posetrack.runs import resuming
from posetrack.runs.results import Run, Wanted
from posetrack.runs.writer import ResultPaths
from posetrack.structures import Poses
from posetrack.video.frames import Facts, Frame, Selection, Source, Status, Step
from posetrack.video.reader import VideoReader

SIDE = 96


class Noise:
    """So many pictures of noise, at 25 a second."""

    def __init__(self, frames: int) -> None:
        from fractions import Fraction

        self.frames = frames
        source = Source("noise", "images")
        self.facts = Facts(source, (SIDE, SIDE), Fraction(25), frames, frames / 25)

    def steps(self) -> Any:
        rng = np.random.default_rng(0)
        tiles = rng.integers(0, 255, (16, SIDE, SIDE, 3), np.uint8)
        for number in range(self.frames):
            frame = Frame(tiles[number % 16].copy(), number, number / 25)
            yield Step([(number / 25, Status.DECODED)], frame)


class Walkers:
    """Three people who walk to and fro; one is away every fourth second."""

    bottom_up = True

    def __init__(self) -> None:
        self._body = np.random.default_rng(1).uniform(0, 20, (1, 17, 2))
        self._number = 0

    def __call__(self, image: Any, /) -> Poses:
        del image
        self._number += 1
        there = 2 if self._number // 25 % 4 == 0 else 3
        shift = 5 * np.sin(self._number / 40)
        xy = (
            self._body
            + np.array([[5 + shift, 8], [38 + shift, 40], [70 - shift, 70]])[:there, None]
        )
        scores = np.full((there, 17), 0.9, np.float32)
        boxes = Detections(np.concatenate([xy.min(1), xy.max(1)], axis=1), np.full(there, 0.9))
        return Poses(xy.astype(np.float32), scores, boxes, COCO_17)


def resident() -> float:
    """Megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(frames: int, resume: bool) -> dict[str, Any]:
    """A run's processor seconds and megabytes at each tenth, and what notes took."""
    import posetrack.video as video_room
    from posetrack.runs.writer import RunWriter

    video_room.open_video = lambda *_, **__: VideoReader(  # type: ignore[assignment]
        Noise(frames), Selection(), prefetch=0
    )
    room.inputs_of = lambda *_, **__: {}  # type: ignore[assignment]
    marks: list[tuple[float, float, int]] = []
    spent = SimpleNamespace(seconds=0.0, count=0, bytes=0)
    write, note = RunWriter.write, resuming.Points.write

    def spied(self: Any, frame: Any, tracks: Any) -> None:
        write(self, frame, tracks)
        if self.frames % (frames // 10) == 0:
            marks.append((time.process_time(), resident(), spent.count))

    def timed(self: Any, make: Any) -> None:
        begun = time.thread_time()
        note(self, make)
        spent.seconds += time.thread_time() - begun
        spent.count += 1
        spent.bytes = max(spent.bytes, self.path.stat().st_size)

    RunWriter.write, resuming.Points.write = spied, timed  # type: ignore[method-assign]
    tracker = Tracker(estimator=Walkers(), flow_boxes=False, flow_similarity=False)
    formats = ("csv", "parquet", "posetrack18", "coco", "frames", "audit")
    with tempfile.TemporaryDirectory() as out:
        begun = time.process_time()
        Run(
            "noise", tracker, Wanted(formats, overlay=False), ResultPaths(Path(out), "noise"),
            settings={}, weights={}, reading={}, ahead=0, resume=resume,
        ).track()  # fmt: skip
        whole = time.process_time() - begun
    times = np.diff([begun, *(mark[0] for mark in marks)])
    return {
        "times": times.tolist(), "memory": [mark[1] for mark in marks], "whole": whole,
        "notes": spent.seconds, "count": spent.count, "bytes": spent.bytes,
    }  # fmt: skip


def main() -> int:
    """Measure both and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    lines = [f"python benchmarks/resuming.py --frames {options.frames}", ""]
    found = {}
    for resume in (False, True):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            frames = options.frames if resume else options.frames // 10
            found[resume] = pool.submit(measure, frames, resume).result()
        one, tenth = found[resume], frames // 10
        lines += [
            f"{frames} frames {'with' if resume else 'without'} notes: {one['whole']:.1f} s of "
            f"processor time, {one['count']} notes, the largest {one['bytes']:,} bytes",
            "  milliseconds a frame by tenths: "
            + " ".join(f"{1e3 * seconds / tenth:.2f}" for seconds in one["times"]),
            "  resident megabytes by tenths:   "
            + " ".join(f"{memory:.0f}" for memory in one["memory"]),
        ]
    part = found[True]["notes"] / found[True]["whole"]
    lines += ["", f"notes took {found[True]['notes']:.2f} s of it, {part:.2%} of the run"]
    report = "\n".join(lines) + "\n"
    print(report)
    if options.out is not None:
        options.out.write_text(report)
    return 0 if part < 0.01 else 1


if __name__ == "__main__":
    sys.exit(main())
