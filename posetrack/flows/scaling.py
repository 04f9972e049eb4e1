"""Images reduced for the flow, and points between the full image and the reduced one.

A prepared image is ``(pixels, size)``: uint8 pixels at the working size, and the width and height
of the image they were made from. Both are plain arrays, so a tracker's state can be saved. Points
go in and come out in pixels of the full image; with pixel centres at integers,

    x_working = (x + 0.5) * working width / full width - 0.5.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.images import as_bgr

Pixels: TypeAlias = NDArray[np.uint8]
Prepared: TypeAlias = tuple[Pixels, NDArray[np.int64]]
Float32Array: TypeAlias = NDArray[np.float32]

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
    return _prepare(grey, scale)


def prepare_colour(image: NDArray[Any], scale: float | None) -> Prepared:
    """Reduced BGR pixels (h, w, 3), and the full size (width, height).

    Examples
    --------
    >>> prepare_colour(np.zeros((480, 640, 3), np.uint8), None)[0].shape
    (416, 554, 3)
    """
    return _prepare(as_bgr(image), scale)


def _prepare(pixels: Pixels, scale: float | None) -> Prepared:
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
