"""What every detector does last: drop the weak, the empty and the doubles."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.boxes import clip_boxes, nms
from posetrack.structures import Detections, FloatArray


def keep_people(
    xyxy: ArrayLike,
    scores: ArrayLike,
    *,
    image_size: tuple[int, int],
    min_score: float,
    max_iou: float | None,
    max_people: int | None,
) -> Detections:
    """Boxes worth looking at, clipped to the image, best first.

    Parameters
    ----------
    xyxy
        (N, 4) pixels. Must be finite where the score is at least ``min_score``.
    scores
        (N,); a NaN is below any threshold.
    image_size
        (width, height).
    min_score
        Boxes below it are dropped.
    max_iou
        Of two boxes that overlap more, the weaker is dropped; None keeps doubles.
    max_people
        How many boxes are kept at most; None for all.

    Returns
    -------
    people
        By falling score. A box that shows less than a pixel of the image is dropped.

    Raises
    ------
    ValueError
        If shapes disagree, or a box that counts is not finite.

    Examples
    --------
    >>> boxes, scores = [[-5, 0, 20, 40], [0, 0, 20, 41], [50, 0, 60, 20]], [0.9, 0.8, 0.1]
    >>> found = keep_people(
    ...     boxes, scores, image_size=(64, 48), min_score=0.5, max_iou=0.5, max_people=None
    ... )
    >>> found.xyxy.tolist()
    [[0.0, 0.0, 20.0, 40.0]]
    """
    boxes, rows = select_people(
        xyxy,
        scores,
        image_size=image_size,
        min_score=min_score,
        max_iou=max_iou,
        max_people=max_people,
    )
    return Detections(boxes, np.asarray(scores, np.float32)[rows])


def select_people(
    xyxy: ArrayLike,
    scores: ArrayLike,
    *,
    image_size: tuple[int, int],
    min_score: float,
    max_iou: float | None,
    max_people: int | None,
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Boxes worth looking at, as `keep_people` has them, and which rows they are.

    Returns
    -------
    boxes
        (M, 4) clipped to the image, by falling score.
    rows
        (M,), where they stand in ``xyxy``.

    Examples
    --------
    >>> boxes, rows = select_people(
    ...     [[0, 0, 9, 9], [1, 1, 30, 30]],
    ...     [0.4, 0.6],
    ...     image_size=(20, 20),
    ...     min_score=0.3,
    ...     max_iou=0.5,
    ...     max_people=None,
    ... )
    >>> boxes[0].tolist(), rows.tolist()
    ([1.0, 1.0, 19.0, 19.0], [1, 0])
    """
    boxes = np.asarray(xyxy, np.float32)
    confidences = np.asarray(scores, np.float32)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or confidences.shape != (len(boxes),):
        raise ValueError(
            f"expected boxes (N, 4) and scores (N,), got {boxes.shape} and {confidences.shape}"
        )
    rows = np.flatnonzero(confidences >= min_score)
    boxes, confidences = boxes[rows], confidences[rows]
    if not np.isfinite(boxes).all() or not np.isfinite(confidences).all():
        row = int(np.flatnonzero(~(np.isfinite(boxes).all(axis=1) & np.isfinite(confidences)))[0])
        raise ValueError(
            f"a box is not finite: {boxes[row].tolist()}, score {confidences[row]:g}; is the "
            "network given the colours and the decoding it was made for?"
        )
    boxes = np.asarray(clip_boxes(boxes, image_size), np.float32)
    seen = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
    boxes, confidences, rows = boxes[seen], confidences[seen], rows[seen]
    order = (
        np.argsort(-confidences, kind="stable")
        if max_iou is None
        else nms(boxes, confidences, max_iou=max_iou)
    )
    order = order[:max_people]
    return boxes[order], rows[order]


def check_thresholds(*, min_score: float, max_iou: float | None, max_people: int | None) -> None:
    """Raise for thresholds out of range.

    Raises
    ------
    ValueError
        If ``min_score`` is not a finite number, ``max_iou`` is outside [0, 1] or ``max_people``
        is below 1.

    Examples
    --------
    >>> check_thresholds(min_score=0.5, max_iou=45, max_people=None)
    Traceback (most recent call last):
    ...
    ValueError: max_iou must lie in [0, 1], got 45
    """
    if not np.isfinite(min_score):
        raise ValueError(f"min_score must be a finite number, got {min_score}")
    if max_iou is not None and not 0 <= max_iou <= 1:
        raise ValueError(f"max_iou must lie in [0, 1], got {max_iou}")
    if max_people is not None and max_people < 1:
        raise ValueError(f"max_people must be at least 1, got {max_people}")
