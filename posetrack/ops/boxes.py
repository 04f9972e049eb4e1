"""Boxes as plain arrays: area, overlap, suppression of doubles, boxes around poses.

A box is ``xyxy``: left, top, right, bottom, in pixels. Functions take any float dtype, compute in
float32 if all they are given is float32 and in float64 otherwise, and accept no boxes at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.compilation import compile_kernel, float_type, kernel_input
from posetrack.structures import FloatArray


def area(xyxy: ArrayLike) -> FloatArray:
    """Areas of boxes.

    Parameters
    ----------
    xyxy
        (N, 4), pixels.

    Returns
    -------
    area
        (N,), square pixels: width times height, where the width is right - left. NaN for a box
        of NaN.

    Raises
    ------
    ValueError
        If ``xyxy`` is not (N, 4).

    Examples
    --------
    >>> area([[0, 0, 10, 5]]).tolist()
    [50.0]
    """
    boxes = _boxes(xyxy, "xyxy")
    sides: FloatArray = boxes[:, 2:] - boxes[:, :2]
    areas: FloatArray = sides[:, 0] * sides[:, 1]
    return areas


def iou_matrix(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Intersection over union of every box in ``a`` with every box in ``b``.

    Parameters
    ----------
    a
        (N, 4) xyxy, pixels.
    b
        (M, 4) xyxy, pixels.

    Returns
    -------
    iou
        (N, M), in [0, 1]; 0 where a box has no area or is NaN.

    Raises
    ------
    ValueError
        If an argument is not an array of boxes.

    Examples
    --------
    >>> iou_matrix([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]]).round(3).tolist()
    [[0.333, 0.0]]
    """
    first, second = _boxes(a, "a"), _boxes(b, "b")
    dtype = float_type(first, second)
    iou: FloatArray = _iou_matrix(kernel_input(first, dtype), kernel_input(second, dtype))
    return iou


def nms(
    xyxy: ArrayLike, scores: ArrayLike, *, max_iou: float, inclusive: bool = False
) -> NDArray[np.intp]:
    """Rows of the boxes that are left when every double of a better box is dropped.

    Boxes are visited by falling score; a box is kept if its overlap with each box kept before it
    is at most ``max_iou``.

    Parameters
    ----------
    xyxy
        (N, 4), pixels.
    scores
        (N,), larger is better. NaN counts as worse than any number.
    max_iou
        Largest allowed intersection over union, in [0, 1]. Lower drops more doubles, and more
        people who stand close together.
    inclusive
        Count the right and bottom pixel to the box, so that a width is right - left + 1. This is
        how the authors of Simple Baselines and HRNet measure boxes; it matters for small ones.

    Returns
    -------
    kept
        (<= N,) rows of ``xyxy``, by falling score; the lower row first where scores are equal.

    Raises
    ------
    ValueError
        If shapes disagree.

    Examples
    --------
    >>> boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]]
    >>> nms(boxes, [0.5, 0.6, 0.9], max_iou=0.7).tolist()
    [2, 1]
    """
    boxes = _boxes(xyxy, "xyxy")
    confidences = np.asarray(scores)
    if confidences.ndim != 1 or len(confidences) != len(boxes):
        raise ValueError(f"scores must have shape ({len(boxes)},), got {confidences.shape}")
    dtype = float_type(boxes, confidences)
    kept: NDArray[np.intp] = _nms(
        kernel_input(boxes, dtype),
        kernel_input(confidences, dtype),
        float(max_iou),
        1.0 if inclusive else 0.0,  # added to widths and heights
    )
    return kept


def boxes_around(xy: ArrayLike, *, grow: float = 0.15) -> FloatArray:
    """Bounding boxes of poses' seen keypoints, a little larger than the keypoints' extent.

    Section 3.2 of Xiao et al. (ECCV 2018): the box of a pose that optical flow has moved to the
    next image is the bounding box of its joints, extended by a fraction of 15 % (section 4). The
    growth is shared: each of the four sides moves out by ``grow / 2`` of the extent along its
    axis, so that width and height become ``1 + grow`` times what they were and the centre stays.

    Parameters
    ----------
    xy
        (N, K, 2), pixels; NaN = unseen. A keypoint with one NaN coordinate counts as unseen.
    grow
        Growth of the width and of the height as a fraction of each; 0 gives the tight box.

    Returns
    -------
    xyxy
        (N, 4), pixels. A row of NaN for a pose without a seen keypoint; drop those rows before
        making `Detections` of them.

    Raises
    ------
    ValueError
        If ``xy`` is not (N, K, 2).

    Examples
    --------
    >>> boxes_around([[[0, 0], [100, 200], [np.nan, np.nan]]]).tolist()
    [[-7.5, -15.0, 107.5, 215.0]]
    """
    poses = np.asarray(xy)
    if poses.ndim != 3 or poses.shape[2] != 2:
        if poses.size:
            raise ValueError(f"xy must have shape (N, K, 2), got {poses.shape}")
        poses = poses.reshape(len(poses) if poses.ndim else 0, 0, 2)
    boxes: FloatArray = _boxes_around(kernel_input(poses, float_type(poses)), grow / 2)
    return boxes


def cut_sides(xyxy: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which sides of boxes lie at the border of the image or beyond it.

    Parameters
    ----------
    xyxy
        (N, 4) pixels.
    size
        Width and height of the image.

    Returns
    -------
    sides
        (N, 4), left, top, right, bottom; within a pixel of the border counts.

    Examples
    --------
    >>> cut_sides(np.array([[-3.0, 5, 50, 99]]), (100, 100)).tolist()
    [[True, False, False, True]]
    """
    low, high = xyxy[:, :2] < 1, xyxy[:, 2:] > np.array(size, np.float32) - 2
    return np.concatenate([low, high], axis=1)


def clip_boxes(xyxy: ArrayLike, size: tuple[int, int]) -> FloatArray:
    """Boxes cut off at the edges of an image.

    Parameters
    ----------
    xyxy
        (N, 4), pixels.
    size
        Width and height of the image. Pixel centres lie at integers, so coordinates end up
        within [0, width - 1] and [0, height - 1].

    Returns
    -------
    xyxy
        (N, 4). A box outside the image becomes one without area at the edge; NaN stays.

    Raises
    ------
    ValueError
        If ``xyxy`` is not (N, 4) or the size is not positive.

    Examples
    --------
    >>> clip_boxes([[-5, 10, 700, 50]], (640, 480)).tolist()
    [[0.0, 10.0, 639.0, 50.0]]
    """
    width, height = size
    if width < 1 or height < 1:
        raise ValueError(f"size must be a positive (width, height), got {size}")
    boxes = _boxes(xyxy, "xyxy")
    edge = np.array([width - 1, height - 1, width - 1, height - 1], boxes.dtype)
    clipped: FloatArray = np.clip(boxes, np.zeros(4, boxes.dtype), edge)
    return clipped


def _boxes(values: ArrayLike, name: str) -> NDArray[Any]:
    """``values`` as a float (N, 4) array; an empty list becomes (0, 4)."""
    boxes = np.asarray(values)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        if boxes.size:
            raise ValueError(
                f"{name} must be boxes of shape (N, 4): left, top, right, bottom; got {boxes.shape}"
            )
        boxes = boxes.reshape(0, 4)
    return boxes if boxes.dtype.kind == "f" else boxes.astype(np.float64)


@compile_kernel
def _iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    iou = np.zeros((len(a), len(b)), a.dtype)
    for i in range(len(a)):
        area_a = (a[i, 2] - a[i, 0]) * (a[i, 3] - a[i, 1])
        for j in range(len(b)):
            width = min(a[i, 2], b[j, 2]) - max(a[i, 0], b[j, 0])
            height = min(a[i, 3], b[j, 3]) - max(a[i, 1], b[j, 1])
            # Boxes that only touch, and those with NaN, overlap by 0.
            if width > 0 and height > 0:
                both = width * height
                either = area_a + (b[j, 2] - b[j, 0]) * (b[j, 3] - b[j, 1]) - both
                if either > 0:
                    iou[i, j] = both / either
    return iou


@compile_kernel
def _nms(xyxy: FloatArray, scores: FloatArray, max_iou: float, extra: float) -> NDArray[np.intp]:
    count = len(xyxy)
    order = np.empty(count, np.intp)
    if count <= 64:
        # Insertion sort: stable, and for a frame's worth of boxes faster than a call to sort.
        for i in range(count):
            score, j = scores[i], i
            while j > 0 and (
                scores[order[j - 1]] < score
                or (np.isnan(scores[order[j - 1]]) and not np.isnan(score))
            ):
                order[j] = order[j - 1]
                j -= 1
            order[j] = i
    else:
        order[:] = np.argsort(-scores, kind="mergesort")
    kept = np.empty(count, np.intp)
    size = 0
    # Greedy: a box is kept unless a better one that was kept overlaps it too much.
    for rank in range(count):
        i = order[rank]
        left, top, right, bottom = xyxy[i, 0], xyxy[i, 1], xyxy[i, 2], xyxy[i, 3]
        area_i = (right - left + extra) * (bottom - top + extra)
        keep = True
        for j in kept[:size]:
            width = min(right, xyxy[j, 2]) - max(left, xyxy[j, 0]) + extra
            height = min(bottom, xyxy[j, 3]) - max(top, xyxy[j, 1]) + extra
            if width > 0 and height > 0:
                both = width * height
                area_j = (xyxy[j, 2] - xyxy[j, 0] + extra) * (xyxy[j, 3] - xyxy[j, 1] + extra)
                if both / (area_i + area_j - both) > max_iou:
                    keep = False
                    break
        if keep:
            kept[size] = i
            size += 1
    return kept[:size]


@compile_kernel
def _boxes_around(xy: FloatArray, margin: float) -> FloatArray:
    boxes = np.empty((len(xy), 4), xy.dtype)
    for n in range(len(xy)):
        left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
        for k in range(xy.shape[1]):
            x, y = xy[n, k, 0], xy[n, k, 1]
            if not (np.isnan(x) or np.isnan(y)):
                left, right = min(left, x), max(right, x)
                top, bottom = min(top, y), max(bottom, y)
        if right < left:
            boxes[n, :] = np.nan
        else:
            dx, dy = (right - left) * margin, (bottom - top) * margin
            boxes[n, 0], boxes[n, 1] = left - dx, top - dy
            boxes[n, 2], boxes[n, 3] = right + dx, bottom + dy
    return boxes
