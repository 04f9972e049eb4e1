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
>>> result.rows()["MOTA"]["MOTA"], result.rows()["AP"]["Total"]
(100.0, 100.0)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posetrack._lazy import export_lazily

if TYPE_CHECKING:
    from posetrack.evaluation.boxes21 import BoxResult as BoxResult
    from posetrack.evaluation.boxes21 import (
        evaluate_posetrack21_boxes as evaluate_posetrack21_boxes,
    )
    from posetrack.evaluation.clear import KeypointMot as KeypointMot
    from posetrack.evaluation.coco import CocoResult as CocoResult
    from posetrack.evaluation.coco import evaluate_coco as evaluate_coco
    from posetrack.evaluation.event_log import EventLog as EventLog
    from posetrack.evaluation.hota import Hota as Hota
    from posetrack.evaluation.mpii import MpiiResult as MpiiResult
    from posetrack.evaluation.mpii import PckResult as PckResult
    from posetrack.evaluation.mpii import evaluate_mpii as evaluate_mpii
    from posetrack.evaluation.mpii import pck as pck
    from posetrack.evaluation.official_converter import posetrack17_to_18 as posetrack17_to_18
    from posetrack.evaluation.official_converter import posetrack18_to_17 as posetrack18_to_17
    from posetrack.evaluation.posetrack import PoseTrackResult as PoseTrackResult
    from posetrack.evaluation.posetrack import evaluate_posetrack as evaluate_posetrack
    from posetrack.evaluation.posetrack21 import PoseTrack21Result as PoseTrack21Result
    from posetrack.evaluation.posetrack21 import evaluate_posetrack21 as evaluate_posetrack21
    from posetrack.evaluation.posetrack_files import read_sequence as read_sequence
    from posetrack.evaluation.precision import AveragePrecision as AveragePrecision
    from posetrack.evaluation.score_tables import metrics_json as metrics_json
    from posetrack.evaluation.sequences import AnnotatedSequence as AnnotatedSequence
    from posetrack.evaluation.whole_poses import FrameSimilarities as FrameSimilarities
    from posetrack.evaluation.whole_poses import TrackingResult as TrackingResult
    from posetrack.evaluation.whole_poses import evaluate_poses as evaluate_poses
    from posetrack.evaluation.whole_poses import evaluate_similarities as evaluate_similarities
    from posetrack.evaluation.whole_poses import iou_similarities as iou_similarities
    from posetrack.evaluation.whole_poses import oks_similarities as oks_similarities

# Loaded on first use: each protocol needs other libraries.
__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "boxes21": ["BoxResult", "evaluate_posetrack21_boxes"],
        "clear": ["KeypointMot"],
        "coco": ["CocoResult", "evaluate_coco"],
        "official_converter": ["posetrack17_to_18", "posetrack18_to_17"],
        "event_log": ["EventLog"],
        "hota": ["Hota"],
        "mpii": ["MpiiResult", "PckResult", "evaluate_mpii", "pck"],
        "whole_poses": [
            "FrameSimilarities",
            "TrackingResult",
            "evaluate_poses",
            "evaluate_similarities",
            "iou_similarities",
            "oks_similarities",
        ],
        "posetrack": ["PoseTrackResult", "evaluate_posetrack"],
        "posetrack21": ["PoseTrack21Result", "evaluate_posetrack21"],
        "precision": ["AveragePrecision"],
        "posetrack_files": ["read_sequence"],
        "score_tables": ["metrics_json"],
        "sequences": ["AnnotatedSequence"],
    },
)
