"""Every number that pose estimation and tracking report, offline, as the official tools have it.

`evaluate_posetrack` is the protocol of PoseTrack 2017 and 2018, `evaluate_posetrack21` and
`evaluate_posetrack21_boxes` that of 2021, `evaluate_poses` tracks whole people by OKS,
`evaluate_coco` and `evaluate_mpii` are for single images. Numbers equal the official evaluators',
quirks included; where a quirk is a fault, an argument gives the corrected number.

>>> import json, pathlib, tempfile
>>> from posetrack.evaluation import evaluate_posetrack
>>> from posetrack.skeletons import POSETRACK_17
>>> folder = pathlib.Path(tempfile.mkdtemp())
>>> names = [f"images/val/000342_mpii_test/{t:06}.jpg" for t in range(3)]
>>> people = [{"image_id": t, "track_id": 1, "keypoints": [10.0 + t, 20.0, 1] * 17,
...            "bbox_head": [0, 0, 30, 40], "scores": [0.9] * 17} for t in range(3)]
>>> document = {"images": [{"id": t, "file_name": name} for t, name in enumerate(names)],
...             "annotations": people,
...             "categories": [{"name": "person", "keypoints": POSETRACK_17.keypoints}]}
>>> file = folder / "000342_mpii_test.json"
>>> _ = file.write_text(json.dumps(document))
>>> result = evaluate_posetrack(file, file)
>>> result.mot_row["MOTA"], result.ap_row["Total"]
(100.0, 100.0)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_WHERE = {
    "AnnotatedSequence": "sequences",
    "AveragePrecision": "precision",
    "BoxResult": "boxes21",
    "CocoResult": "coco",
    "EventLog": "events",
    "FrameSimilarities": "similarities",
    "Hota": "hota",
    "KeypointMot": "keypoint_mot",
    "MpiiResult": "mpii",
    "PckResult": "mpii",
    "PoseTrack21Result": "posetrack21",
    "PoseTrackResult": "posetrack",
    "TrackingResult": "poses",
    "evaluate_coco": "coco",
    "evaluate_mpii": "mpii",
    "evaluate_poses": "poses",
    "evaluate_posetrack": "posetrack",
    "evaluate_posetrack21": "posetrack21",
    "evaluate_posetrack21_boxes": "boxes21",
    "evaluate_similarities": "poses",
    "iou_similarities": "similarities",
    "metrics_json": "report",
    "oks_similarities": "similarities",
    "pck": "mpii",
    "posetrack17_to_18": "convert",
    "posetrack18_to_17": "convert",
    "read_sequence": "reading",
}

if TYPE_CHECKING:
    from posetrack.evaluation.boxes21 import BoxResult, evaluate_posetrack21_boxes
    from posetrack.evaluation.coco import CocoResult, evaluate_coco
    from posetrack.evaluation.convert import posetrack17_to_18, posetrack18_to_17
    from posetrack.evaluation.events import EventLog
    from posetrack.evaluation.hota import Hota
    from posetrack.evaluation.keypoint_mot import KeypointMot
    from posetrack.evaluation.mpii import MpiiResult, PckResult, evaluate_mpii, pck
    from posetrack.evaluation.poses import (
        TrackingResult,
        evaluate_poses,
        evaluate_similarities,
    )
    from posetrack.evaluation.posetrack import PoseTrackResult, evaluate_posetrack
    from posetrack.evaluation.posetrack21 import PoseTrack21Result, evaluate_posetrack21
    from posetrack.evaluation.precision import AveragePrecision
    from posetrack.evaluation.reading import read_sequence
    from posetrack.evaluation.report import metrics_json
    from posetrack.evaluation.sequences import AnnotatedSequence
    from posetrack.evaluation.similarities import (
        FrameSimilarities,
        iou_similarities,
        oks_similarities,
    )

__all__ = [
    "AnnotatedSequence",
    "AveragePrecision",
    "BoxResult",
    "CocoResult",
    "EventLog",
    "FrameSimilarities",
    "Hota",
    "KeypointMot",
    "MpiiResult",
    "PckResult",
    "PoseTrack21Result",
    "PoseTrackResult",
    "TrackingResult",
    "evaluate_coco",
    "evaluate_mpii",
    "evaluate_poses",
    "evaluate_posetrack",
    "evaluate_posetrack21",
    "evaluate_posetrack21_boxes",
    "evaluate_similarities",
    "iou_similarities",
    "metrics_json",
    "oks_similarities",
    "pck",
    "posetrack17_to_18",
    "posetrack18_to_17",
    "read_sequence",
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: each protocol needs other libraries.
    if name not in _WHERE:
        raise AttributeError(f"module 'posetrack.evaluation' has no attribute {name!r}")
    return getattr(import_module(f"posetrack.evaluation.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
