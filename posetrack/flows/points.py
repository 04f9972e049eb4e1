"""What the OpenCV flows share: a reduced image, a window around the points, and the way back.

A prepared image is ``(pixels, size)``: uint8 pixels at the working size, and the width and height
of the image they were made from. Both are plain arrays, so a tracker's state can be saved. Points
go in and come out in pixels of the full image; with pixel centres at integers,

    x_working = (x + 0.5) * working width / full width - 0.5.

The flow is only computed in a window around the points, grown by a margin. On the shared videos
that costs no accuracy, and saves a quarter to a half of the time where people fill a part of it.
A person's motion then depends, a little, on where the other people are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.images import as_bgr
from posetrack.motion import inside_image, sample_field

Pixels: TypeAlias = NDArray[np.uint8]
Prepared: TypeAlias = tuple[Pixels, NDArray[np.int64]]
Float32Array: TypeAlias = NDArray[np.float32]
Field: TypeAlias = Callable[[Pixels, Pixels], NDArray[np.float32]]
Follow: TypeAlias = Callable[[Pixels, Pixels, Float32Array], Float32Array]

WORKING_AREA: Final = 640 * 360
"""Pixels that an image is reduced to where no scale is given; smaller images stay as they are."""


def working_size(size: tuple[int, int], scale: float | None) -> tuple[int, int]:
    """Width and height at which the flow of an image is computed.

    Parameters
    ----------
    size
        Width and height of the image.
    scale
        In (0, 1]; None reduces larger images to `WORKING_AREA`.

    Examples
    --------
    >>> working_size((1920, 1080), None), working_size((1920, 1080), 0.25)
    ((640, 360), (480, 270))
    """
    width, height = size
    if scale is None:
        scale = min(1.0, float(np.sqrt(WORKING_AREA / (width * height))))
    return max(1, round(width * scale)), max(1, round(height * scale))


def check_scale(scale: float | None) -> float | None:
    """Refuse what is not a scale.

    Raises
    ------
    ValueError
        If it is not in (0, 1].
    """
    if scale is not None and not 0 < scale <= 1:
        raise ValueError(f"expected a scale in (0, 1], such as 0.25 or 0.5, or None; got {scale}")
    return scale


def shrink(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Pixels reduced to a width and height, never the same array.

    Halved while that leaves more than twice what is wanted, then resized once. That is area
    averaging at a quarter of its time in OpenCV, where only halving is fast.

    Examples
    --------
    >>> shrink(np.full((9, 9), 7, np.uint8), (2, 2)).tolist()
    [[7, 7], [7, 7]]
    """
    height, width = pixels.shape[:2]
    reduced: Any = pixels
    while width >= 2 * size[0] and height >= 2 * size[1]:
        width, height = (width + 1) // 2, (height + 1) // 2
        reduced = cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR)
    if (width, height) != tuple(size):
        reduced = cv2.resize(reduced, size, interpolation=cv2.INTER_LINEAR)
    small: Pixels = pixels.copy() if reduced is pixels else reduced
    return small


def prepare_grey(image: NDArray[Any], scale: float | None) -> Prepared:
    """Reduced grey pixels (h, w), and the full size (width, height).

    Examples
    --------
    >>> pixels, size = prepare_grey(np.zeros((480, 640, 3), np.uint8), 0.5)
    >>> pixels.shape, size.tolist()
    ((240, 320), [640, 480])
    """
    # Grey first: one channel to reduce instead of three.
    grey: Any = cv2.cvtColor(as_bgr(image), cv2.COLOR_BGR2GRAY)
    return _prepared(grey, scale)


def prepare_colour(image: NDArray[Any], scale: float | None) -> Prepared:
    """Reduced BGR pixels (h, w, 3), and the full size (width, height).

    Examples
    --------
    >>> prepare_colour(np.zeros((480, 640, 3), np.uint8), None)[0].shape
    (416, 554, 3)
    """
    return _prepared(as_bgr(image), scale)


def _prepared(pixels: Pixels, scale: float | None) -> Prepared:
    height, width = pixels.shape[:2]
    small = shrink(pixels, working_size((width, height), scale))
    return small, np.array([width, height], np.int64)


def to_working(xy: NDArray[Any], shape: tuple[int, ...], size: NDArray[Any]) -> Float32Array:
    """Points of the full image in pixels of an image of ``shape`` (h, w, ...) made from it."""
    scale = np.array([shape[1], shape[0]]) / size
    working: NDArray[np.float64] = (xy.astype(np.float64) + 0.5) * scale - 0.5
    return working.astype(np.float32)


def to_image(xy: NDArray[Any], shape: tuple[int, ...], size: NDArray[Any]) -> Float32Array:
    """The inverse of `to_working`.

    Examples
    --------
    >>> size = np.array([640, 480])
    >>> to_image(to_working(np.array([[9.5, 0]]), (240, 320), size), (240, 320), size).tolist()
    [[9.5, 0.0]]
    """
    scale = size / np.array([shape[1], shape[0]])
    full: NDArray[np.float64] = (xy.astype(np.float64) + 0.5) * scale - 0.5
    return full.astype(np.float32)


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


def contrib_flows(method: str) -> Any:
    """OpenCV's contrib module of optical flow, which plain OpenCV lacks.

    Raises
    ------
    ModuleNotFoundError
        If it is not there.
    """
    if not hasattr(cv2, "optflow"):
        raise ModuleNotFoundError(
            f"{method} needs OpenCV's contrib modules, and the OpenCV installed is without: "
            "pip uninstall opencv-python opencv-python-headless, then "
            "pip install --force-reinstall opencv-contrib-python"
        )
    return cv2.optflow


def follow_field(field: Field) -> Follow:
    """Make a dense flow follow points: each goes where the field at its place says."""

    def follow(before: Pixels, after: Pixels, xy: Float32Array) -> Float32Array:
        return xy + sample_field(field(before, after), xy)

    return follow


def move_points(
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
