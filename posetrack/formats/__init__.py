"""Files that tracks are written to and read from.

Every writer is a `FrameSink`: it takes frame after frame and writes as it goes, so memory stays
flat however long the video. A file appears under its name only when it is whole; what there was
under that name stays until then. A run that is interrupted leaves what it had beside it, as
``match.partial.csv``; `recover` finishes what a killed process left.

>>> from posetrack.formats import CsvWriter, read_table
>>> from posetrack.skeletons import COCO_17
>>> from posetrack.structures import Poses, Tracks
>>> import numpy as np, pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "match.csv"
>>> people = Tracks(Poses.from_keypoints(np.ones((2, 17, 2)), None, COCO_17), [4, 7])
>>> with CsvWriter(path, COCO_17) as table:
...     table.write(0, 0.0, people)
>>> read_table(path).ids.tolist()
[4, 7]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_WHERE = {
    "CocoWriter": "coco",
    "CsvWriter": "table_writers",
    "FrameSink": "sinks",
    "ParquetWriter": "table_writers",
    "PoseTrack18Writer": "posetrack18",
    "TrackTable": "table",
    "describe_file": "provenance",
    "describe_run": "provenance",
    "read_table": "table_reading",
    "recover": "recovery",
}

if TYPE_CHECKING:
    from posetrack.formats.coco import CocoWriter
    from posetrack.formats.posetrack18 import PoseTrack18Writer
    from posetrack.formats.provenance import describe_file, describe_run
    from posetrack.formats.recovery import recover
    from posetrack.formats.sinks import FrameSink
    from posetrack.formats.table import TrackTable
    from posetrack.formats.table_reading import read_table
    from posetrack.formats.table_writers import CsvWriter, ParquetWriter

__all__ = [
    "CocoWriter",
    "CsvWriter",
    "FrameSink",
    "ParquetWriter",
    "PoseTrack18Writer",
    "TrackTable",
    "describe_file",
    "describe_run",
    "read_table",
    "recover",
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: a program that writes JSON only need not load pyarrow.
    if name not in _WHERE:
        raise AttributeError(f"module 'posetrack.formats' has no attribute {name!r}")
    return getattr(import_module(f"posetrack.formats.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
