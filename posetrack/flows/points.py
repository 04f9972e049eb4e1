"""Shared by the OpenCV flows: following points in a window of two reduced images, and checks.

The flow is only computed in a window around the points, grown by a margin. On real video that
costs no accuracy, and saves a quarter to a half of the time where people fill a part of the
image. A person's motion then depends, a little, on where the other people are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.flows.scaling import (
    Float32Array,
    Pixels,
    Prepared,
    check_scale,
    prepare_grey,
    to_image,
    to_working,
)
from posetrack.ops.motion import inside_image, sample_field

Field: TypeAlias = Callable[[Pixels, Pixels], NDArray[np.float32]]
Follow: TypeAlias = Callable[[Pixels, Pixels, Float32Array], Float32Array]


def check_points(xy: ArrayLike) -> Float32Array:
    """(P, 2) float32 points, a copy.

    Raises
    ------
    ValueError
        If the shape is another.
    """
    points = np.array(xy, np.float32)
    if points.size == 0 and points.ndim == 1:
        points = points.reshape(0, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"expected points of shape (P, 2), got {points.shape}")
    return points


def check_same_size(
    size_before: NDArray[Any],
    size_after: NDArray[Any],
    shape_before: tuple[int, ...],
    shape_after: tuple[int, ...],
) -> None:
    """Refuse two states between which there is no flow.

    Raises
    ------
    ValueError
        If the images, or the sizes at which they were prepared, differ.
    """
    if not np.array_equal(size_before, size_after):
        raise ValueError(
            f"expected two images of one size, got {tuple(map(int, size_before))} and "
            f"{tuple(map(int, size_after))} (width, height); there is no flow between them"
        )
    if shape_before != shape_after:
        raise ValueError(
            f"the images were prepared in shapes {shape_before} and {shape_after}; "
            "prepare both by one flow, with one scale"
        )


def contrib_flow(name: str, method: str) -> Any:
    """A class of OpenCV's contrib module of optical flow, which plain OpenCV lacks.

    Parameters
    ----------
    name
        What OpenCV calls the class.
    method
        What to call it in an error.

    Raises
    ------
    ModuleNotFoundError
        If it is not there.
    """
    # A plain OpenCV installed over one with contrib modules leaves the empty module behind.
    found = getattr(getattr(cv2, "optflow", None), name, None)
    if found is None:
        raise ModuleNotFoundError(
            f"{method} needs OpenCV's contrib modules, and the OpenCV installed is without: "
            "pip uninstall -y opencv-python opencv-python-headless, then "
            "pip install --force-reinstall --no-deps opencv-contrib-python"
        )
    return found


def follow_field(field: Field) -> Follow:
    """Make a dense flow follow points: each goes where the field at its place says."""
    return partial(_follow_field, field)


def _follow_field(field: Field, before: Pixels, after: Pixels, xy: Float32Array) -> Float32Array:
    return xy + sample_field(field(before, after), xy)


def _move_points(
    follow: Follow,
    before: Prepared,
    after: Prepared,
    xy: ArrayLike,
    *,
    margin: float | None,
    min_side: int = 1,
    max_round_trip: float | None = None,
) -> tuple[Float32Array, NDArray[np.bool_]]:
    """Move points of the full image by what follows points in the reduced one.

    Parameters
    ----------
    follow
        Two uint8 images of one size and (P, 2) points in the first; gives the points in the
        second, NaN where it cannot. Not called without points inside the image.
    before, after
        Two prepared images.
    xy
        (P, 2) pixels of the full image.
    margin
        How far the window reaches beyond the points, as a part of the image's longer side; None
        takes the whole image.
    min_side
        Windows are not narrower or lower; smaller images are padded by repeating their border.
    max_round_trip
        Follow the points back too, and drop those that come out further than this from where
        they started, in pixels of the reduced image. None does not look.

    Returns
    -------
    xy
        (P, 2) float32 pixels of the full image; NaN where the point was outside the image before,
        or was dropped.
    valid
        (P,), False for NaN and for points that left the image.

    Raises
    ------
    ValueError
        If the points have another shape, or the two images do not belong together.
    """
    points = check_points(xy)
    (first, size), (second, size_after) = before, after
    check_same_size(size, size_after, first.shape, second.shape)
    moved = np.full_like(points, np.nan)
    full = (int(size[0]), int(size[1]))
    known = inside_image(points, full)
    if not known.any():
        return moved, known
    start = to_working(points[known], first.shape, size)
    rows, columns = window(start, first.shape, margin, min_side)
    corner = np.array([columns.start, rows.start], np.float32)
    first_part = _part(first, rows, columns, min_side)
    second_part = _part(second, rows, columns, min_side)
    start = start - corner
    end = follow(first_part, second_part, start)
    if max_round_trip is not None:
        back = follow(second_part, first_part, end)
        end[~(np.linalg.norm(back - start, axis=1) <= max_round_trip)] = np.nan
    moved[known] = to_image(end + corner, first.shape, size)
    return moved, inside_image(moved, full)


def window(
    xy: Float32Array, shape: tuple[int, ...], margin: float | None, min_side: int = 1
) -> tuple[slice, slice]:
    """Rows and columns of the smallest window around points, grown by a margin.

    Parameters
    ----------
    xy
        (P, 2) finite points, P at least 1.
    shape
        (h, w, ...) of the image.
    margin
        A part of the longer side; None for the whole image.
    min_side
        The window is not smaller than this, unless the image is.

    Examples
    --------
    >>> window(np.array([[10, 20], [30, 25]], np.float32), (100, 200), 0.1)
    (slice(0, 46, None), slice(0, 51, None))
    >>> window(np.array([[100, 20]], np.float32), (100, 200), 0.1, 64)
    (slice(0, 64, None), slice(69, 133, None))
    """
    if margin is None:
        return slice(0, shape[0]), slice(0, shape[1])
    reach = margin * max(shape[:2])
    low = np.floor(xy.min(axis=0) - reach).astype(int).tolist()
    high = np.ceil(xy.max(axis=0) + reach).astype(int).tolist()
    rows = _span(low[1], high[1] + 1, shape[0], min_side)
    return rows, _span(low[0], high[0] + 1, shape[1], min_side)


def _span(low: int, high: int, limit: int, least: int) -> slice:
    """Cut to [0, limit], then widened to ``least`` as far as that goes."""
    low, high = max(0, low), min(limit, high)
    low = max(0, min(low - max(0, least - (high - low)) // 2, limit - least))
    return slice(low, min(limit, max(high, low + least)))


def _part(pixels: Pixels, rows: slice, columns: slice, min_side: int) -> Pixels:
    """A window of an image, contiguous, and padded to the right and below to ``min_side``."""
    part = np.ascontiguousarray(pixels[rows, columns])
    below, right = max(0, min_side - part.shape[0]), max(0, min_side - part.shape[1])
    if below or right:
        padded: Any = cv2.copyMakeBorder(part, 0, below, 0, right, cv2.BORDER_REPLICATE)
        return cast(Pixels, padded)
    return part


class PixelFlow:
    """Shared by methods that compare pixels: preparing an image, and moving points.

    Parameters
    ----------
    follow
        Moves points from one window to another; NaN where it cannot.
    min_side
        Windows are not smaller than this.
    scale, margin, max_round_trip
        See `posetrack.flows.dis.DisFlow`.
    """

    def __init__(
        self,
        follow: Follow,
        *,
        min_side: int,
        scale: float | None,
        margin: float | None,
        max_round_trip: float | None,
    ) -> None:
        self.scale = check_scale(scale)
        self.margin = margin
        self.max_round_trip = max_round_trip
        self._follow, self._min_side = follow, min_side

    def prepare(self, image: NDArray[Any], /) -> Prepared:
        """Reduced pixels and the full size; see `posetrack.interfaces.FlowEstimator`."""
        return prepare_grey(image, self.scale)

    def move(
        self, before: Prepared, after: Prepared, xy: ArrayLike, /
    ) -> tuple[Float32Array, NDArray[np.bool_]]:
        """Move (P, 2) points; see `posetrack.interfaces.FlowEstimator`."""
        return _move_points(
            self._follow,
            before,
            after,
            xy,
            margin=self.margin,
            min_side=self._min_side,
            max_round_trip=self.max_round_trip,
        )
