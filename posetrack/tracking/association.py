"""The steps between the networks: which boxes to look into, and how alike two people are.

Pure functions on poses and boxes; `posetrack.tracking.tracker` puts them in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.boxes import area, boxes_around, clip_boxes, iou_matrix, nms
from posetrack.ops.oks import oks_matrix, oks_nms
from posetrack.structures import Detections, Poses, assemble, concatenate_detections
from posetrack.tracking.memory import Memory

FloatArray = NDArray[np.float32]


class Similarity(Protocol):
    """How alike past poses are to poses of now: (R, N) in [0, 1], larger is closer.

    In both, keypoints that score too low to count are NaN.
    """

    def __call__(self, past: Poses, now: Poses, /) -> NDArray[np.floating]:
        """Compare each of R past poses with each of N poses of now."""
        ...


class Matching(Protocol):
    """One-to-one matching of a similarity matrix: `posetrack.ops.matching.match_greedily`."""

    def __call__(
        self, similarity: NDArray[np.floating], /, *, at_least: float
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Matched rows and columns."""
        ...


def seen_keypoints(poses: Poses, min_keypoint_score: float) -> FloatArray:
    """(N, K, 2) keypoints with those below the score as NaN.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> poses = Poses.from_keypoints(np.ones((1, 17, 2)), np.linspace(0, 1, 17)[None], COCO_17)
    >>> int(np.isnan(seen_keypoints(poses, 0.5)[0, :, 0]).sum())
    8
    """
    return np.where((poses.scores >= min_keypoint_score)[..., None], poses.xy, np.float32(np.nan))


def pose_similarity(past: Poses, now: Poses, /) -> NDArray[np.floating]:
    """Object keypoint similarity of each past pose with each pose of now.

    COCO's OKS with the past pose as the reference: the mean is over the keypoints seen in it, and
    its box's area is the scale.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> grid = np.stack(np.meshgrid(np.arange(17.0), [0.0, 9.0]), axis=-1)
    >>> pose = Poses.from_keypoints(grid[:1] + np.arange(17)[:, None], None, COCO_17)
    >>> pose_similarity(pose, pose).tolist()
    [[1.0]]
    """
    return oks_matrix(past.xy, now.xy, area(past.boxes.xyxy), now.skeleton.sigmas)


def box_similarity(past: Poses, now: Poses, /) -> NDArray[np.floating]:
    """IoU of each past pose's box with each box of now: the paper's baseline."""
    return iou_matrix(past.boxes.xyxy, now.boxes.xyxy)


def best_by_id(
    similarity: NDArray[np.floating], ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Join the rows of one identity: its similarity is the largest over all remembered frames.

    Parameters
    ----------
    similarity
        (R, N), a row for each remembered pose; NaN says nothing.
    ids
        (R,), whose pose each row is.

    Returns
    -------
    known
        (I,) the different ids, ascending.
    best
        (I, N).

    Examples
    --------
    >>> similarity = np.array([[0.1, 0.5], [0.9, 0.0], [0.3, 0.6]])
    >>> known, best = best_by_id(similarity, np.array([2, 1, 2]))
    >>> known.tolist(), best.tolist()
    ([1, 2], [[0.9, 0.0], [0.3, 0.6]])
    """
    if not len(ids):
        return ids, similarity
    order = np.argsort(ids, kind="stable")
    known, starts = np.unique(ids[order], return_index=True)
    return known, np.fmax.reduceat(similarity[order], starts, axis=0)


def flow_boxes(
    xy: FloatArray, scores: FloatArray, *, growth: float, size: tuple[int, int]
) -> tuple[Detections, NDArray[np.intp]]:
    """Boxes around keypoints that the flow has moved to this image (the paper, section 3.2).

    Parameters
    ----------
    xy
        (M, K, 2) moved keypoints, NaN where not seen or lost.
    scores
        (M,) the boxes' scores.
    growth
        By how much the extent of the keypoints is enlarged; 0.15 is the paper's.
    size
        Width and height of the image; boxes are cut at its border.

    Returns
    -------
    boxes
        Of those with an area inside the image.
    rows
        Which of the M each box is from.
    """
    xyxy = clip_boxes(boxes_around(xy, grow=growth), size)
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero((xyxy[:, 2] - xyxy[:, 0] > 1) & (xyxy[:, 3] - xyxy[:, 1] > 1))
    return Detections(xyxy[rows], scores[rows]), rows


def merge_boxes(
    detected: Detections, flowed: Detections, *, max_iou: float
) -> tuple[Detections, NDArray[np.intp], NDArray[np.bool_]]:
    """Detector boxes and flow boxes in one set by NMS on their scores (the paper, section 3.3).

    Returns
    -------
    boxes
        The N kept, best first.
    origin
        (N,), -1 for a detector box, else the row of ``flowed``.
    supported
        (N,), whether a detector box is, or overlaps, the box kept.

    Examples
    --------
    >>> seen = Detections([[0, 0, 10, 20]], [0.5])
    >>> moved = Detections([[1, 0, 11, 20], [50, 0, 60, 20]], [0.9, 0.8])
    >>> boxes, origin, supported = merge_boxes(seen, moved, max_iou=0.5)
    >>> origin.tolist(), supported.tolist()
    ([0, 1], [True, False])
    """
    both = concatenate_detections(detected, flowed)
    kept = nms(both.xyxy, both.scores, max_iou=max_iou)
    origin = np.where(kept < len(detected), -1, kept - len(detected))
    overlap = iou_matrix(both.xyxy[kept], detected.xyxy)
    supported = (overlap > max_iou).any(axis=1) | (origin < 0)
    return both[kept], origin, supported


def candidate_boxes(
    detected: Detections,
    last: Memory,
    *,
    looked: bool,
    growth: float,
    max_iou: float,
    size: tuple[int, int],
) -> tuple[Detections, NDArray[np.int64], NDArray[np.int64]]:
    """Where to look for people: the detector's boxes and those that flow has carried here.

    Parameters
    ----------
    detected
        The detector's boxes.
    last
        The people of the last image, moved to this one.
    looked
        Whether the detector was run on this image.
    growth, size
        See `flow_boxes`.
    max_iou
        See `merge_boxes`.

    Returns
    -------
    boxes
        N boxes, best first.
    flow_age
        (N,), 0 where a detection supports the box, else for how many frames flow alone has.
    missed
        (N,), runs of the detector in a row that did not find the person.
    """
    flowed, rows = flow_boxes(last.xy, last.box_scores, growth=growth, size=size)
    boxes, origin, supported = merge_boxes(detected, flowed, max_iou=max_iou)
    flow_age, missed = np.zeros((2, len(boxes)), np.int64)
    source = last[rows[origin[~supported]]]
    flow_age[~supported] = source.flow_age + 1
    missed[~supported] = source.missed + looked
    return boxes, flow_age, missed


def pose_scores(poses: Poses) -> FloatArray:
    """Rescored poses: box score times mean keypoint score (the paper, section 4).

    Returns
    -------
    scores
        (N,) float32. The mean is over all keypoints, an unseen one counting 0, so that a box with
        two sure keypoints in it is no person.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> poses = Poses.from_keypoints(np.ones((1, 17, 2)), np.full((1, 17), 0.5), COCO_17)
    >>> pose_scores(poses).tolist()
    [0.25]
    """
    return np.asarray(poses.boxes.scores * poses.scores.mean(axis=1), np.float32)


@dataclass(frozen=True)
class Found:
    """Poses of one image, and what is known of how each was come by.

    Parameters
    ----------
    poses
        N people.
    seen
        (N, K, 2) their keypoints, NaN where the score is too low to count.
    scores
        (N,) rescored, see `pose_scores`.
    flow_age
        (N,) 0 where a detection supports the box, else for how many frames flow alone has.
    missed
        (N,) runs of the detector in a row that did not find the person.
    given
        Whether they came from the user: then everybody gets an identity, in the given order.
    """

    poses: Poses
    seen: FloatArray
    scores: FloatArray
    flow_age: NDArray[np.int64]
    missed: NDArray[np.int64]
    given: bool = False

    @property
    def seen_poses(self) -> Poses:
        """The poses with the keypoints that count."""
        poses, boxes = self.poses, self.poses.boxes
        return assemble(
            Poses, xy=self.seen, scores=poses.scores, boxes=boxes, skeleton=poses.skeleton
        )

    def shown(self, ids: NDArray[np.int64]) -> NDArray[np.intp]:
        """Which poses have an identity, ascending by it; those given stay in their order."""
        rows = np.flatnonzero(ids > 0)
        return rows if self.given else rows[np.argsort(ids[rows])]


def without_doubles(
    poses: Poses,
    flow_age: NDArray[np.int64],
    missed: NDArray[np.int64],
    *,
    min_keypoint_score: float,
    min_pose_score: float,
    max_oks: float,
) -> Found:
    """Rescoring, then OKS-NMS: of two boxes that hold one person, the better pose stays.

    Returns
    -------
    found
        Best first.
    """
    seen = seen_keypoints(poses, min_keypoint_score)
    scores = pose_scores(poses)
    good = np.flatnonzero(scores >= min_pose_score)
    areas, sigmas = area(poses.boxes.xyxy[good]), poses.skeleton.sigmas
    kept = good[oks_nms(seen[good], scores[good], areas, sigmas, max_oks=max_oks)]
    return Found(poses[kept], seen[kept], scores[kept], flow_age[kept], missed[kept])
