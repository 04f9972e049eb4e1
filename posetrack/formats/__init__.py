"""Files that tracks are written to and read from.

The writers of a run's own results are of the kind `FrameSink`: they take frame after frame and
write as they go, so memory stays flat however long the video. ``write_*`` take a whole table for
other programs, `read_any` reads what they and others wrote, and `posetrack.formats.catalogue`
says what each format keeps. A file appears under its name only when it is whole; what there was
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
    "Hints": "hints",
    "ParquetWriter": "table_writers",
    "PoseTrack18Writer": "posetrack18",
    "TrackTable": "table",
    "describe_file": "provenance",
    "describe_run": "provenance",
    "from_mediapipe": "objects",
    "from_supervision": "objects",
    "from_ultralytics": "objects",
    "read_alphapose": "alphapose",
    "read_any": "reading",
    "read_coco_results": "coco",
    "read_dlc": "dlc",
    "read_dlc_h5": "dlc",
    "read_mmpose": "mmpose",
    "read_mot": "mot",
    "read_movement": "movement",
    "read_openpose": "openpose",
    "read_posetrack17": "posetrack17",
    "read_posetrack18": "posetrack18",
    "read_sleap": "sleap",
    "read_table": "table_reading",
    "recover": "recovery",
    "to_supervision": "objects",
    "to_supervision_detections": "objects",
    "to_ultralytics": "objects",
    "tracks_from_supervision": "objects",
    "tracks_from_ultralytics": "objects",
    "write_c3d": "c3d",
    "write_dlc": "dlc",
    "write_dlc_h5": "dlc",
    "write_mot": "mot",
    "write_movement": "movement",
    "write_openpose": "openpose",
    "write_opensim_mot": "opensim",
    "write_posetrack17": "posetrack17",
    "write_sleap": "sleap",
    "write_trc": "opensim",
}

if TYPE_CHECKING:
    from posetrack.formats.alphapose import read_alphapose
    from posetrack.formats.c3d import write_c3d
    from posetrack.formats.coco import CocoWriter, read_coco_results
    from posetrack.formats.dlc import read_dlc, read_dlc_h5, write_dlc, write_dlc_h5
    from posetrack.formats.hints import Hints
    from posetrack.formats.mmpose import read_mmpose
    from posetrack.formats.mot import read_mot, write_mot
    from posetrack.formats.movement import read_movement, write_movement
    from posetrack.formats.objects import (
        from_mediapipe,
        from_supervision,
        from_ultralytics,
        to_supervision,
        to_supervision_detections,
        to_ultralytics,
        tracks_from_supervision,
        tracks_from_ultralytics,
    )
    from posetrack.formats.openpose import read_openpose, write_openpose
    from posetrack.formats.opensim import write_opensim_mot, write_trc
    from posetrack.formats.posetrack17 import read_posetrack17, write_posetrack17
    from posetrack.formats.posetrack18 import PoseTrack18Writer, read_posetrack18
    from posetrack.formats.provenance import describe_file, describe_run
    from posetrack.formats.reading import read_any
    from posetrack.formats.recovery import recover
    from posetrack.formats.sinks import FrameSink
    from posetrack.formats.sleap import read_sleap, write_sleap
    from posetrack.formats.table import TrackTable
    from posetrack.formats.table_reading import read_table
    from posetrack.formats.table_writers import CsvWriter, ParquetWriter

__all__ = [
    "CocoWriter",
    "CsvWriter",
    "FrameSink",
    "Hints",
    "ParquetWriter",
    "PoseTrack18Writer",
    "TrackTable",
    "describe_file",
    "describe_run",
    "from_mediapipe",
    "from_supervision",
    "from_ultralytics",
    "read_alphapose",
    "read_any",
    "read_coco_results",
    "read_dlc",
    "read_dlc_h5",
    "read_mmpose",
    "read_mot",
    "read_movement",
    "read_openpose",
    "read_posetrack17",
    "read_posetrack18",
    "read_sleap",
    "read_table",
    "recover",
    "to_supervision",
    "to_supervision_detections",
    "to_ultralytics",
    "tracks_from_supervision",
    "tracks_from_ultralytics",
    "write_c3d",
    "write_dlc",
    "write_dlc_h5",
    "write_mot",
    "write_movement",
    "write_openpose",
    "write_opensim_mot",
    "write_posetrack17",
    "write_sleap",
    "write_trc",
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: a program that writes JSON only need not load pyarrow.
    if name not in _WHERE:
        raise AttributeError(f"module 'posetrack.formats' has no attribute {name!r}")
    return getattr(import_module(f"posetrack.formats.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
