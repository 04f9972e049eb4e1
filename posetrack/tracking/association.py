"""The steps between the networks: which boxes to look into, and how alike two people are.

Pure functions on poses and boxes; `posetrack.tracking.tracker` puts them in order.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.boxes import area, boxes_around, clip_boxes, iou_matrix, nms
from posetrack.ops.compilation import compile_kernel, kernel_input
from posetrack.ops.matching import match_greedily
from posetrack.ops.oks import oks_matrix, oks_nms
from posetrack.structures import Detections, Poses, assemble, concatenate_detections
from posetrack.tracking.memory import Memory, number_ids, unseen

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
    sigmas = now.skeleton.sigmas
    return oks_matrix(past.xy, now.xy, area(past.boxes.xyxy), sigmas, at_least=0.01)


def box_similarity(past: Poses, now: Poses, /) -> NDArray[np.floating]:
    """IoU of each past pose's box with each box of now: the paper's baseline."""
    return iou_matrix(past.boxes.xyxy, now.boxes.xyxy)


def best_by_id(
    similarity: NDArray[np.floating], ids: NDArray[np.int64], weights: FloatArray | None = None
) -> tuple[NDArray[np.int64], FloatArray]:
    """Join the rows of one identity: its similarity is the largest over all remembered frames.

    Parameters
    ----------
    similarity
        (R, N), a row for each remembered pose; NaN says nothing.
    ids
        (R,), whose pose each row is.
    weights
        (R,) by which each row's similarities are multiplied; None: 1.

    Returns
    -------
    known
        (I,) the different ids, ascending.
    best
        (I, N) float32.

    Examples
    --------
    >>> similarity = np.array([[0.125, 0.5], [1.0, 0.0], [0.25, 0.75]])
    >>> known, best = best_by_id(similarity, np.array([2, 1, 2]))
    >>> known.tolist(), best.tolist()
    ([1, 2], [[1.0, 0.0], [0.25, 0.75]])
    """
    known, place, _ = number_ids(kernel_input(ids, np.int64))
    best = np.full((len(known), similarity.shape[1]), np.nan, np.float32)
    if weights is None:
        weights = np.ones(len(ids), np.float32)
    values = kernel_input(similarity, np.float32)
    _keep_best(values, kernel_input(weights, np.float32), place, best)
    return known, best


@compile_kernel
def _keep_best(
    similarity: FloatArray, weights: FloatArray, place: NDArray[np.intp], best: FloatArray
) -> None:
    """Each row of ``best`` is the largest of the weighted rows that have their place there."""
    for row in range(similarity.shape[0]):
        target, weight = place[row], weights[row]
        for column in range(similarity.shape[1]):
            value = similarity[row, column] * weight
            held = best[target, column]
            if value == value and not value <= held:
                best[target, column] = value


def flow_boxes(
    xy: FloatArray,
    scores: FloatArray,
    *,
    growth: float,
    size: tuple[int, int],
    last: FloatArray | None = None,
    memory: float = 0.0,
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
    last, memory
        (M, 4) xyxy, the last boxes moved along, and their share in the boxes, in [0, 1]: the
        extent of few keypoints is narrow, and the last box knows nothing of a new posture. 0 is
        the paper's.

    Returns
    -------
    boxes
        Of those with an area inside the image.
    rows
        Which of the M each box is from.
    """
    xyxy = clip_boxes(boxes_around(xy, grow=growth), size)
    rows = np.flatnonzero(_have_area(xyxy))
    if last is not None and memory > 0:
        mean = (1 - memory) * xyxy + memory * clip_boxes(last, size)
        xyxy = np.where(_have_area(mean)[:, None], mean, xyxy)
    return Detections(xyxy[rows], scores[rows]), rows


def _have_area(xyxy: NDArray[np.floating]) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore"):
        return np.asarray((xyxy[:, 2:] - xyxy[:, :2] > 1).all(axis=1))


def merge_boxes(
    detected: Detections,
    flowed: Detections,
    *,
    max_iou: float,
    size: tuple[int, int] | None = None,
) -> tuple[Detections, NDArray[np.intp], NDArray[np.bool_]]:
    """Detector boxes and flow boxes in one set by NMS on all scores (the paper, section 3.3).

    Parameters
    ----------
    detected, flowed
        Boxes of both kinds.
    max_iou
        Of two boxes that overlap more, the one with the lower score is dropped.
    size
        Width and height of the image: boxes overlap inside it, since flow boxes are cut at its
        border, and a detector's may reach beyond. None: anywhere.

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
    inside = both.xyxy if size is None else clip_boxes(both.xyxy, size)
    kept = nms(inside, both.scores, max_iou=max_iou)
    origin = np.where(kept < len(detected), -1, kept - len(detected))
    overlap = iou_matrix(inside[kept], inside[: len(detected)])
    return both[kept], origin, (overlap > max_iou).any(axis=1) | (origin < 0)


def candidate_boxes(
    detected: Detections,
    last: Memory,
    *,
    growth: float,
    memory: float,
    max_iou: float,
    size: tuple[int, int],
) -> tuple[Detections, NDArray[np.intp]]:
    """Where to look for people: the detector's boxes and those that flow has carried here.

    Parameters
    ----------
    detected
        The detector's boxes.
    last
        The people of the last image, moved to this one.
    growth, memory, size
        See `flow_boxes`.
    max_iou
        See `merge_boxes`.

    Returns
    -------
    boxes
        N boxes, best first.
    source
        (N,), -1 where a detection supports the box, else the row of ``last`` that it is from.
    """
    flowed, rows = flow_boxes(
        last.xy, last.box_scores, growth=growth, size=size, last=last.xyxy, memory=memory
    )
    boxes, origin, supported = merge_boxes(detected, flowed, max_iou=max_iou, size=size)
    source = np.full(len(boxes), -1, np.intp)
    source[~supported] = rows[origin[~supported]]
    return boxes, source


def lie_in(
    seen: FloatArray, around: NDArray[np.floating], xyxy: NDArray[np.floating]
) -> FloatArray:
    """How well poses that were found without boxes lie in the boxes of a detector.

    Parameters
    ----------
    seen
        (N, K, 2) keypoints, NaN where unseen.
    around
        (N, 4) boxes around them.
    xyxy
        (D, 4) the detector's boxes.

    Returns
    -------
    likeness
        (N, D) in [0, 1], the mean of the share of the keypoints that lie in the box, which is high
        also where little of somebody is seen, and the IoU of the boxes, which tells two people
        apart who stand before each other. NaN where less than two thirds of the keypoints do.

    Examples
    --------
    >>> seen = np.array([[[2.0, 2.0], [2.0, 8.0], [np.nan, np.nan]]])
    >>> lie_in(seen, np.array([[0, 0, 4, 10]]), np.array([[0, 0, 4, 10], [3, 0, 7, 10]])).tolist()
    [[1.0, nan]]
    """
    known = np.isfinite(seen).all(axis=2)
    points, boxes = seen[:, None], xyxy[None, :, None]
    with np.errstate(invalid="ignore"):
        inside = ((points >= boxes[..., :2]) & (points <= boxes[..., 2:])).all(axis=3)
    share = inside.sum(axis=2) / np.maximum(known.sum(axis=1), 1)[:, None]
    likeness = np.where(share >= 2 / 3, (share + iou_matrix(around, xyxy)) / 2, np.nan)
    return np.asarray(likeness, np.float32)


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


@dataclass(frozen=True, eq=False)
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
    xyxy
        (N, 4) the whole person's box, which may reach beyond the image: the detection's, or the
        last one moved by flow.
    flow_age
        (N,) 0 where a detection supports the box, else for how many frames flow alone has; -1 where
        the box is that around a pose in no detection.
    missed
        (N,) runs of the detector in a row that did not find the person.
    supported
        (N,) seconds: when a detection last supported the person.
    good
        (N,) False for rows that are nobody, or somebody a second time.
    """

    poses: Poses
    seen: FloatArray
    scores: FloatArray
    xyxy: FloatArray
    flow_age: NDArray[np.int64]
    missed: NDArray[np.int64]
    supported: NDArray[np.float64]
    good: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.poses)

    def __getitem__(self, rows: NDArray[np.intp]) -> Found:
        return Found(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def of(
        cls,
        poses: Poses,
        min_keypoint_score: float,
        now: float,
        last: Memory | None = None,
        source: NDArray[np.intp] | None = None,
        looked: bool = True,
    ) -> Found:
        """What was found now.

        Parameters
        ----------
        poses
            N people.
        min_keypoint_score
            See `seen_keypoints`.
        now
            Seconds.
        last, source
            See `candidate_boxes`; None: a detection supports every pose.
        looked
            Whether the detector was run on this image.
        """
        count = len(poses)
        flow_age, missed = np.zeros((2, count), np.int64)
        supported, xyxy = np.full(count, now), poses.boxes.xyxy.astype(np.float32)
        if last is not None and source is not None:
            carried = source >= 0
            before = last[source[carried]]
            flow_age[carried] = before.flow_age + 1
            missed[carried] = before.missed + looked
            supported[carried], xyxy[carried] = before.supported, before.xyxy
        seen = seen_keypoints(poses, min_keypoint_score)
        good = np.ones(count, np.bool_)
        return cls(poses, seen, pose_scores(poses), xyxy, flow_age, missed, supported, good)

    @property
    def blank(self) -> NDArray[np.bool_]:
        """(N,), who has no keypoint that counts."""
        return unseen(self.seen)

    @property
    def seen_poses(self) -> Poses:
        """The poses with the keypoints that count."""
        poses, boxes = self.poses, self.poses.boxes
        return assemble(
            Poses, xy=self.seen, scores=poses.scores, boxes=boxes, skeleton=poses.skeleton
        )

    def with_detections(
        self,
        detected: Detections,
        *,
        growth: float,
        max_iou: float,
        min_pose_score: float,
        size: tuple[int, int] | None,
        now: float,
    ) -> Found:
        """The same poses with a detector's boxes, then the boxes that have no pose.

        Parameters
        ----------
        detected
            The detector's boxes in the image in which these poses were found without it.
        growth
            By how much the extent of the keypoints of a pose in no box is enlarged to one.
        max_iou
            A box that overlaps a better one, or a pose's, more than this is no further person.
        min_pose_score
            Boxes without a pose whose score is below are nobody.
        size
            Width and height of the image; None: not known.
        now
            Seconds.

        Returns
        -------
        found
            These rows in their order: of those that are good, each in the detection it lies in
            best (see `lie_in`), or with a box around its own and its keypoints' and ``flow_age``
            -1; then a row without keypoints for each detection left, whose score is the box's.
        """
        poses, good = self.poses, np.flatnonzero(self.good)
        around = boxes_around(self.seen[good], grow=growth)
        around = around if size is None else clip_boxes(around, size)
        own = poses.boxes.xyxy[good]
        around = np.concatenate(
            [np.fmin(around[:, :2], own[:, :2]), np.fmax(around[:, 2:], own[:, 2:])], axis=1
        )
        rows, taken = match_greedily(lie_in(self.seen[good], around, detected.xyxy), at_least=0.0)
        xyxy, box_scores = poses.boxes.xyxy.copy(), poses.boxes.scores.copy()
        flow_age = np.full(len(self), -1)
        xyxy[good] = around
        xyxy[good[rows]], box_scores[good[rows]] = detected.xyxy[taken], detected.scores[taken]
        flow_age[good[rows]] = 0
        # Of the boxes without a pose those that are no double of a person there is.
        order = np.argsort(-detected.scores, kind="stable")
        free = order[~np.isin(order, taken) & (detected.scores[order] >= min_pose_score)]
        both = np.concatenate([xyxy[good], detected.xyxy[free]])
        first = np.concatenate([np.full(len(good), np.inf, np.float32), detected.scores[free]])
        kept = nms(both, first, max_iou=max_iou)
        free = free[kept[kept >= len(good)] - len(good)]
        blank = np.full((len(free), *poses.xy.shape[1:]), np.nan, np.float32)
        covariance = poses.covariance
        if covariance is not None:
            unknown = np.full((len(free), *covariance.shape[1:]), np.nan, np.float32)
            covariance = np.concatenate([covariance, unknown])
        whole = Poses(
            np.concatenate([poses.xy, blank]),
            np.concatenate([poses.scores, np.zeros(blank.shape[:2], np.float32)]),
            Detections(
                np.concatenate([xyxy, detected.xyxy[free]]),
                np.concatenate([box_scores, detected.scores[free]]),
            ),
            poses.skeleton,
            covariance,
        )
        # Two that agree are no less sure than the one that is surer.
        scores = np.fmax(pose_scores(whole)[: len(self)], self.scores)
        count = len(whole)
        return Found(
            whole,
            np.concatenate([self.seen, blank]),
            np.concatenate([scores, detected.scores[free]]).astype(np.float32),
            whole.boxes.xyxy.astype(np.float32),
            np.concatenate([flow_age, np.zeros(len(free), np.int64)]),
            np.zeros(count, np.int64),
            np.full(count, now),
            np.concatenate([self.good, np.ones(len(free), np.bool_)]),
        )

    def without_doubles(self, *, min_pose_score: float, max_oks: float) -> Found:
        """Of two boxes that hold one person, only the better pose is good.

        Those whose score is too low are dropped first.
        """
        poses = self.poses
        enough = (self.scores >= min_pose_score) & np.isfinite(self.seen).any(axis=(1, 2))
        rows = np.flatnonzero(enough)
        areas, sigmas = area(poses.boxes.xyxy[rows]), poses.skeleton.sigmas
        kept = oks_nms(self.seen[rows], self.scores[rows], areas, sigmas, max_oks=max_oks)
        good = np.zeros(len(self), np.bool_)
        good[rows[kept]] = True
        return replace(self, good=good)
