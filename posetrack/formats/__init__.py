"""Files that tracks are written to and read from.

The writers of a run's own results are of the kind `FrameSink`: they take frame after frame and
write as they go, so memory stays flat however long the video. ``write_*`` take a whole table for
other programs, `read_any` reads what they and others wrote, and `posetrack.formats.registry`
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

from typing import TYPE_CHECKING

from posetrack._lazy import export_lazily

if TYPE_CHECKING:
    from posetrack.formats.alphapose import read_alphapose as read_alphapose
    from posetrack.formats.c3d import read_c3d as read_c3d
    from posetrack.formats.c3d import write_c3d as write_c3d
    from posetrack.formats.coco import CocoWriter as CocoWriter
    from posetrack.formats.coco import read_coco_results as read_coco_results
    from posetrack.formats.cvat import read_cvat as read_cvat
    from posetrack.formats.dlc import read_dlc as read_dlc
    from posetrack.formats.dlc import read_dlc_h5 as read_dlc_h5
    from posetrack.formats.dlc import write_dlc as write_dlc
    from posetrack.formats.dlc import write_dlc_h5 as write_dlc_h5
    from posetrack.formats.dlc import write_dlc_labels as write_dlc_labels
    from posetrack.formats.hints import Hints as Hints
    from posetrack.formats.label_studio import read_label_studio as read_label_studio
    from posetrack.formats.mmpose import read_mmpose as read_mmpose
    from posetrack.formats.mot import read_mot as read_mot
    from posetrack.formats.mot import write_mot as write_mot
    from posetrack.formats.movement import read_movement as read_movement
    from posetrack.formats.movement import write_movement as write_movement
    from posetrack.formats.nwb import read_nwb as read_nwb
    from posetrack.formats.nwb import write_nwb as write_nwb
    from posetrack.formats.objects import from_mediapipe as from_mediapipe
    from posetrack.formats.objects import from_supervision as from_supervision
    from posetrack.formats.objects import from_ultralytics as from_ultralytics
    from posetrack.formats.objects import to_supervision as to_supervision
    from posetrack.formats.objects import to_supervision_detections as to_supervision_detections
    from posetrack.formats.objects import to_ultralytics as to_ultralytics
    from posetrack.formats.objects import tracks_from_supervision as tracks_from_supervision
    from posetrack.formats.objects import tracks_from_ultralytics as tracks_from_ultralytics
    from posetrack.formats.openpifpaf import read_openpifpaf as read_openpifpaf
    from posetrack.formats.openpose import read_openpose as read_openpose
    from posetrack.formats.openpose import write_openpose as write_openpose
    from posetrack.formats.opensim import Motion as Motion
    from posetrack.formats.opensim import read_opensim_mot as read_opensim_mot
    from posetrack.formats.opensim import read_trc as read_trc
    from posetrack.formats.opensim import write_opensim_mot as write_opensim_mot
    from posetrack.formats.opensim import write_trc as write_trc
    from posetrack.formats.posetrack17 import read_posetrack17 as read_posetrack17
    from posetrack.formats.posetrack17 import write_posetrack17 as write_posetrack17
    from posetrack.formats.posetrack18 import PoseTrack18Writer as PoseTrack18Writer
    from posetrack.formats.posetrack18 import read_posetrack18 as read_posetrack18
    from posetrack.formats.provenance import describe_file as describe_file
    from posetrack.formats.provenance import describe_run as describe_run
    from posetrack.formats.reading import read_any as read_any
    from posetrack.formats.recovery import recover as recover
    from posetrack.formats.sinks import FrameSink as FrameSink
    from posetrack.formats.sleap import read_sleap as read_sleap
    from posetrack.formats.sleap import write_sleap as write_sleap
    from posetrack.formats.slp import read_slp as read_slp
    from posetrack.formats.slp import write_slp as write_slp
    from posetrack.formats.table import TrackTable as TrackTable
    from posetrack.formats.table_reading import read_table as read_table
    from posetrack.formats.table_writers import CsvWriter as CsvWriter
    from posetrack.formats.table_writers import ParquetWriter as ParquetWriter
    from posetrack.formats.ultralytics import read_ultralytics as read_ultralytics
    from posetrack.formats.ultralytics import write_ultralytics as write_ultralytics
    from posetrack.formats.yolo import read_yolo as read_yolo
    from posetrack.formats.yolo import write_yolo as write_yolo
    from posetrack.formats.yolo import write_yolo_tracks as write_yolo_tracks

# Loaded on first use: a program that writes JSON only need not load pyarrow.
__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "alphapose": ["read_alphapose"],
        "c3d": ["read_c3d", "write_c3d"],
        "coco": ["CocoWriter", "read_coco_results"],
        "cvat": ["read_cvat"],
        "dlc": ["read_dlc", "read_dlc_h5", "write_dlc", "write_dlc_h5", "write_dlc_labels"],
        "hints": ["Hints"],
        "label_studio": ["read_label_studio"],
        "mmpose": ["read_mmpose"],
        "mot": ["read_mot", "write_mot"],
        "movement": ["read_movement", "write_movement"],
        "nwb": ["read_nwb", "write_nwb"],
        "objects": [
            "from_mediapipe",
            "from_supervision",
            "from_ultralytics",
            "to_supervision",
            "to_supervision_detections",
            "to_ultralytics",
            "tracks_from_supervision",
            "tracks_from_ultralytics",
        ],
        "openpifpaf": ["read_openpifpaf"],
        "openpose": ["read_openpose", "write_openpose"],
        "opensim": ["Motion", "read_opensim_mot", "read_trc", "write_opensim_mot", "write_trc"],
        "posetrack17": ["read_posetrack17", "write_posetrack17"],
        "posetrack18": ["PoseTrack18Writer", "read_posetrack18"],
        "provenance": ["describe_file", "describe_run"],
        "reading": ["read_any"],
        "recovery": ["recover"],
        "sinks": ["FrameSink"],
        "sleap": ["read_sleap", "write_sleap"],
        "slp": ["read_slp", "write_slp"],
        "table": ["TrackTable"],
        "table_reading": ["read_table"],
        "table_writers": ["CsvWriter", "ParquetWriter"],
        "ultralytics": ["read_ultralytics", "write_ultralytics"],
        "yolo": ["read_yolo", "write_yolo", "write_yolo_tracks"],
    },
)
