"""Numbers of one run of a tracker over one scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.evaluation.precision import average_precision, rank_keypoints
from posetrack.evaluation.sequences import Bools, Floats, Ints, People, SequencePair, head_sizes
from posetrack.evaluation.whole_poses import FrameSimilarities, evaluate_similarities
from posetrack.ops.boxes import iou_matrix
from posetrack.ops.matching import match_optimally
from posetrack.structures import Detections, Tracks
from posetrack.world.scoring import frame_similarities
from posetrack.world.truth import Truth

MEASURES: Final = {
    "mAP": "mAP",
    "MOTA": "MOTA",
    "IDF1": "IDF1",
    "HOTA": "HOTA",
    "switches": "switches",
    "recall": "recall",
    "missed": "recall of missed",
    "ms": "ms a frame",
}
"""Columns and their headings; percent but for switches and milliseconds."""

_Frame = tuple[Ints, NDArray[Any], Bools, NDArray[Any], Floats]

MIN_OKS: Final = 0.5
MIN_IOU: Final = 0.5


def measure(
    truths: Sequence[Truth], tracks: Sequence[Tracks], detected: Sequence[Detections | None]
) -> dict[str, float]:
    """Scores of tracks in a rendered scene, all but the time; see `MEASURES`.

    Parameters
    ----------
    truths, tracks
        One a frame.
    detected
        What the detector found in each frame; None where it did not look.

    Examples
    --------
    >>> from posetrack.world import crossing
    >>> scene = crossing(people=2, frames=2, size=(160, 90))
    >>> truths = [truth for _, truth in scene]
    >>> tracks = [Tracks(truth.poses(), truth.ids[truth.visible_rows()]) for truth in truths]
    >>> scores = measure(truths, tracks, [None, None])
    >>> scores["mAP"], scores["MOTA"], scores["missed"]
    (100.0, 100.0, 100.0)
    """
    pairs = frame_similarities(truths, tracks, min_oks=MIN_OKS)
    row = evaluate_similarities([pairs], min_similarity=MIN_OKS).rows()["poses"]
    return {
        "mAP": keypoint_ap(truths, tracks, pairs),
        "MOTA": row["MOTA"],
        "IDF1": row["IDF1"],
        "HOTA": row["HOTA"],
        "switches": row["IDs"],
        "recall": row["Rec"],
        "missed": recall_after_misses(truths, detected, pairs),
    }


def keypoint_ap(
    truths: Sequence[Truth], tracks: Sequence[Tracks], pairs: FrameSimilarities
) -> float:
    """Mean over keypoints of PoseTrack's average precision: right within half a head, percent.

    Hidden keypoints count, those outside the picture do not; nor do people of whom too little can
    be seen, or tracks that find them.
    """
    true: list[_Frame] = []
    found: list[_Frame] = []
    for truth, people, true_ids, ids in zip(
        truths, tracks, pairs.true_ids, pairs.predicted_ids, strict=True
    ):
        of_skeleton = truth.to(people.skeleton)
        rows = np.flatnonzero(np.isin(truth.ids, true_ids))
        has = of_skeleton.visibility[rows] > 0
        true.append(
            (truth.ids[rows], of_skeleton.xy[rows], has, has, head_sizes(truth.heads[rows]))
        )
        kept = np.flatnonzero(np.isin(people.ids, ids))
        xy = people.xy[kept]
        known = np.asarray(np.isfinite(xy).all(axis=2))
        scores = people.poses.scores[kept]
        found.append((people.ids[kept], xy, known, scores, np.full(len(kept), np.nan)))
    pair = SequencePair(pairs.name, np.arange(len(truths)), _people(true), _people(found))
    return float(average_precision(rank_keypoints(pair)).ap[-1])


def _people(frames: Sequence[_Frame]) -> People:
    """One side of a sequence from ids, places, which are there, scores and sizes of each frame."""
    ids, xy, has, scores, sizes = (
        np.concatenate([frame[part] for frame in frames]) for part in range(5)
    )
    offsets = np.cumsum([0, *(len(frame[0]) for frame in frames)], dtype=np.int64)
    return People(
        offsets, ids, np.nan_to_num(xy.astype(np.float64)), has, scores.astype(np.float64), sizes
    )


def recall_after_misses(
    truths: Sequence[Truth], detected: Sequence[Detections | None], pairs: FrameSimilarities
) -> float:
    """Of the people who should be found and whom no detection covers, the percentage in the tracks.

    Frames on which the detector was not run count as missed. NaN if nobody was missed.
    """
    missed = found = 0
    for truth, boxes, true_ids, matrix in zip(
        truths, detected, pairs.true_ids, pairs.similarities, strict=True
    ):
        lost = ~_have_detection(truth, boxes, true_ids)
        rows, _ = match_optimally(matrix, at_least=MIN_OKS)
        missed += int(lost.sum())
        found += int(lost[rows].sum())
    return 100 * found / missed if missed else float("nan")


def _have_detection(truth: Truth, boxes: Detections | None, ids: Ints) -> Bools:
    """Which people a detection belongs to, one to one."""
    covered = np.zeros(len(ids), np.bool_)
    if boxes is not None and len(boxes) and len(ids):
        wanted = truth.clipped_boxes[np.searchsorted(truth.ids, ids)]
        rows, _ = match_optimally(iou_matrix(wanted, boxes.xyxy), at_least=MIN_IOU)
        covered[rows] = True
    return covered
