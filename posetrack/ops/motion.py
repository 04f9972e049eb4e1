"""Points and poses moved by optical flow. Pure functions; NaN is the only mark of "not known".

A point counts as inside an image of W x H pixels while it lies on one of its pixels, that is for
x in [-0.5, W - 0.5] and y in [-0.5, H - 0.5], since pixel centres lie at integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.interfaces import FlowEstimator

FloatArray = NDArray[np.floating[Any]]
Float32Array = NDArray[np.float32]


def inside_image(xy: FloatArray, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which points lie on a pixel of the image; NaN does not.

    Parameters
    ----------
    xy
        (..., 2) pixels.
    size
        Width and height in pixels.

    Returns
    -------
    (...) bool.

    Examples
    --------
    >>> inside_image(np.array([[0, 0], [639.5, 20], [639.6, 20], [np.nan, 3]]), (640, 480)).tolist()
    [True, True, False, False]
    """
    limit = np.asarray(size) - 0.5
    return np.asarray(((xy >= -0.5) & (xy <= limit)).all(axis=-1))


def sample_field(field: FloatArray, xy: ArrayLike) -> Float32Array:
    """Values of a dense field at points, bilinear between pixel centres.

    Parameters
    ----------
    field
        (H, W, C), one value of C channels for each pixel.
    xy
        (P, 2) pixels of the field. On the half pixel around the outermost centres the value of
        the nearest centre holds.

    Returns
    -------
    (P, C) float32, NaN for points outside the field and for NaN points.

    Examples
    --------
    >>> field = np.dstack(np.meshgrid([0.0, 1, 2], [0.0, 10]))  # the field is (x, 10 y)
    >>> sample_field(field, [[0.25, 0.5], [2.5, 0], [2.6, 0]]).tolist()
    [[0.25, 5.0], [2.0, 0.0], [nan, nan]]
    """
    points = np.asarray(xy, np.float64).reshape(-1, 2)
    height, width = field.shape[:2]
    inside = inside_image(points, (width, height))
    values = np.full((len(points), field.shape[2]), np.nan, np.float32)
    if not inside.any():
        return values
    clamped = np.clip(points[inside], 0, (width - 1, height - 1))
    x0, y0 = np.floor(clamped).astype(np.intp).T
    x1, y1 = np.minimum(x0 + 1, width - 1), np.minimum(y0 + 1, height - 1)
    along_x, along_y = (clamped - np.column_stack([x0, y0])).T[..., None]
    upper = field[y0, x0] * (1 - along_x) + field[y0, x1] * along_x
    lower = field[y1, x0] * (1 - along_x) + field[y1, x1] * along_x
    values[inside] = upper * (1 - along_y) + lower * along_y
    return values


def move_poses(
    flow: FlowEstimator,
    before: Any,
    after: Any,
    xy: ArrayLike,
    *,
    min_followed: float = 0.25,
) -> Float32Array:
    """Poses of one image where the flow says they are in another.

    Parameters
    ----------
    flow
        Moves the points; called once for all people's keypoints, and not at all without
        any.
    before, after
        The two images as ``flow.prepare`` gave them.
    xy
        (..., K, 2) pixels in the first image, NaN where unseen.
    min_followed
        In [0, 1]: a pose of whose seen keypoints a smaller part could be followed is lost as a
        whole. Higher gives people who leave or are hidden up sooner; lower keeps a person for
        a single keypoint.

    Returns
    -------
    (..., K, 2) float32 pixels in the second image; NaN where unseen, where the keypoint left the
    image or could not be followed, and throughout a lost pose. What was not followed is not
    guessed from the other keypoints: OKS compares what there is.

    Raises
    ------
    ValueError
        If the last axis is not x and y.

    Examples
    --------
    >>> class Right:  # a flow that moves everything by three pixels
    ...     def prepare(self, image): return image.shape
    ...     def move(self, before, after, xy): return xy + (3, 0), np.isfinite(xy).all(axis=1)
    >>> move_poses(Right(), None, None, [[[1, 1], [5, 2], [np.nan, np.nan]]]).tolist()
    [[[4.0, 1.0], [8.0, 2.0], [nan, nan]]]
    """
    poses = np.array(xy, np.float32)
    if poses.ndim < 2 or poses.shape[-1] != 2:
        raise ValueError(f"expected poses of shape (..., K, 2), got {poses.shape}")
    seen = np.isfinite(poses).all(axis=-1)
    moved = np.full_like(poses, np.nan)
    if not seen.any():
        return moved
    ends, valid = flow.move(before, after, poses[seen])
    moved[seen] = np.where(valid[:, None], ends, np.nan)
    followed = np.isfinite(moved).all(axis=-1)
    lost = followed.sum(axis=-1) < min_followed * seen.sum(axis=-1)
    moved[lost] = np.nan
    return moved
