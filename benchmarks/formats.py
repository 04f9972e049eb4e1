"""Writing tracks as they come: time a frame of each writer, against what one would write by hand.

Run ``python benchmarks/formats.py``. Five people of 17 keypoints a frame, made once; the writers
and the alternatives take the same frames in blocks, in turn, and the median block counts. Writing
by hand is Python's own ``csv`` and ``json`` modules, one row or entry a person, with the whole
JSON list kept in memory until the end; pandas gets all rows at once. Then the size of the files
and the time to read them back, and a table of a million rows.
"""

from __future__ import annotations

import csv
import json
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.formats import (
    CocoWriter,
    CsvWriter,
    ParquetWriter,
    PoseTrack18Writer,
    read_table,
)
from posetrack.formats.table import column_names
from posetrack.skeletons import COCO_17
from posetrack.structures import Poses, Tracks

PEOPLE, BLOCK, BLOCKS = 5, 100, 30
MILLION_PEOPLE, MILLION_FRAMES = 10, 100_000


def walking(count: int, people: int) -> list[Tracks]:
    """Tracks of people who drift about, a twentieth of their keypoints unseen."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(100, 900, (people, 17, 2))
    made = []
    for _ in range(count):
        xy = xy + rng.normal(0, 2, xy.shape)
        seen = rng.random(xy.shape[:2]) > 0.05
        poses = Poses.from_keypoints(
            np.where(seen[..., None], xy, np.nan), rng.uniform(0, 1, seen.shape), COCO_17
        )
        made.append(Tracks(poses, np.arange(people) + 1))
    return made


class CsvByHand:
    """What a script would do: a row a person through the csv module."""

    def __init__(self, path: Path) -> None:
        self.stream = path.open("w", newline="")
        self.rows = csv.writer(self.stream)
        self.rows.writerow(column_names(COCO_17))

    def write(self, index: int, seconds: float, tracks: Tracks) -> None:
        """Add a frame."""
        for person in tracks:
            parts = zip(person.xy.tolist(), person.scores.tolist(), strict=True)
            numbers = [value for (x, y), score in parts for value in (x, y, score)]
            row = [index, seconds, person.id, *person.box.tolist(), person.box_score]
            self.rows.writerow([*row, person.score, person.source, person.flow_age, *numbers])

    def close(self) -> None:
        """Finish the file."""
        self.stream.close()


class JsonByHand:
    """What a script would do: all entries in a list, dumped at the end."""

    def __init__(self, path: Path) -> None:
        self.path, self.entries = path, []

    def write(self, index: int, _: float, tracks: Tracks) -> None:
        """Add a frame."""
        for person in tracks:
            left, top, right, bottom = person.box.tolist()
            points = np.column_stack([np.nan_to_num(person.xy), person.scores])
            self.entries.append(
                {
                    "image_id": index,
                    "category_id": 1,
                    "keypoints": points.ravel().tolist(),
                    "score": person.score * person.box_score,
                    "bbox": [left, top, right - left, bottom - top],
                    "track_id": person.id,
                }
            )

    def close(self) -> None:
        """Finish the file."""
        self.path.write_text(json.dumps(self.entries))


WRITERS: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "CSV": ("t.csv", lambda path: CsvWriter(path, COCO_17), "csv by hand"),
    "Parquet": ("t.parquet", lambda path: ParquetWriter(path, COCO_17), "csv by hand"),
    "PoseTrack18": ("p.json", lambda path: PoseTrack18Writer(path, COCO_17), "json by hand"),
    "COCO": ("c.json", lambda path: CocoWriter(path, COCO_17), "json by hand"),
    "csv by hand": ("h.csv", CsvByHand, ""),
    "json by hand": ("h.json", JsonByHand, ""),
}


def write_all(folder: Path) -> None:
    frames = walking(BLOCK * BLOCKS, PEOPLE)
    sinks = {name: make(folder / file) for name, (file, make, _) in WRITERS.items()}
    times: dict[str, list[float]] = {name: [] for name in sinks}
    for block in range(BLOCKS):
        for name, sink in sinks.items():
            start = time.perf_counter()
            for number, tracks in enumerate(
                frames[block * BLOCK : (block + 1) * BLOCK], block * BLOCK
            ):
                sink.write(number, number / 25, tracks)
            times[name].append((time.perf_counter() - start) / BLOCK)
    rows = PEOPLE * BLOCK * BLOCKS
    print(
        f"{'':14}{'ms a frame':>12}{'by hand':>10}{'ratio':>8}{'close, s':>10}{'bytes a row':>13}"
    )
    for name, sink in sinks.items():
        start = time.perf_counter()
        sink.close()
        closing = time.perf_counter() - start
        file, _, other = WRITERS[name]
        ours = float(np.median(times[name])) * 1e3
        theirs = float(np.median(times[other])) * 1e3 if other else ours
        size = (folder / file).stat().st_size / rows
        print(f"{name:14}{ours:12.3f}{theirs:10.3f}{ours / theirs:8.2f}{closing:10.2f}{size:13.0f}")


def read_million(folder: Path) -> None:
    # More frames than a row group holds, so that nothing is compressed as a repetition.
    frames = walking(8000, MILLION_PEOPLE)
    for name, writer in (("m.csv", CsvWriter), ("m.parquet", ParquetWriter)):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        with writer(folder / name, COCO_17) as sink:
            for index in range(MILLION_FRAMES):
                sink.write(index, index / 25, frames[index % len(frames)])
        wrote = time.perf_counter() - start
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        size = (folder / name).stat().st_size / 1e6
        print(f"  write {name:10} {wrote:5.1f} s, {size:4.0f} MB, memory grew by {grown:.0f} MB")
    for name in ("m.csv", "m.parquet"):
        start = time.perf_counter()
        table = read_table(folder / name)
        print(f"  read  {name:10} {time.perf_counter() - start:5.1f} s, {len(table)} rows")
    try:
        import pandas
    except ModuleNotFoundError:
        print("  pandas is not installed: nothing to compare reading and writing at once with")
        return
    start = time.perf_counter()
    frame = pandas.read_csv(folder / "m.csv")
    print(f"  pandas.read_csv  {time.perf_counter() - start:5.1f} s")
    start = time.perf_counter()
    frame.head(100_000).to_csv(folder / "pandas.csv", index=False)
    print(
        f"  DataFrame.to_csv {10 * (time.perf_counter() - start):5.1f} s (ten times 100,000 rows)"
    )


def main() -> None:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "pyarrow"))
    print(f"python {platform.python_version()}, {versions}; {sys.platform}\n")
    with tempfile.TemporaryDirectory() as folder:
        print(f"{PEOPLE} people a frame, {BLOCK * BLOCKS} frames, medians of {BLOCKS} blocks")
        write_all(Path(folder))
        print(f"\na million rows: {MILLION_PEOPLE} people, {MILLION_FRAMES} frames")
        read_million(Path(folder))


if __name__ == "__main__":
    main()
