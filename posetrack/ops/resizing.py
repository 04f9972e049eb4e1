"""Resizing an image to the network's size, and mapping boxes back.

A resize is a function of an image and the ``input_size`` that gives the resized image, the scale
(network pixels per image pixel, x and y) and the offset (network pixels, x and y): a point of the
image at ``xy`` is at ``xy * scale + offset`` in the network's input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np

from posetrack.interfaces import Image

Pair: TypeAlias = tuple[float, float]
Resize: TypeAlias = Callable[[Image, tuple[int, int]], tuple[Image, Pair, Pair]]

GREY = 114
"""The grey with which the YOLO family fills the rest of its input."""


def stretch(image: Image, input_size: tuple[int, int]) -> tuple[Image, Pair, Pair]:
    """Fill the input, whatever becomes of the aspect.

    Parameters
    ----------
    image
        (H, W, 3) uint8.
    input_size
        (width, height) of the network's input.

    Returns
    -------
    resized
        (height, width, 3) uint8.
    scale, offset
        See the module's docstring.

    Examples
    --------
    >>> resized, scale, offset = stretch(np.zeros((100, 200, 3), np.uint8), (50, 50))
    >>> resized.shape, scale, offset
    ((50, 50, 3), (0.25, 0.5), (0.0, 0.0))
    """
    height, width = image.shape[:2]
    resized = _resize(image, input_size)
    return resized, (input_size[0] / width, input_size[1] / height), (0.0, 0.0)


def letterbox(image: Image, input_size: tuple[int, int]) -> tuple[Image, Pair, Pair]:
    """Keep the aspect, put the image in the middle and fill the rest with grey.

    What YOLOv5, v8 and their successors are trained with. Parameters and results as `stretch`.

    Examples
    --------
    >>> resized, scale, offset = letterbox(np.zeros((100, 200, 3), np.uint8), (50, 50))
    >>> scale, offset
    ((0.25, 0.25), (0.0, 12.0))
    """
    return _letterbox(image, input_size, 0.5)


def letterbox_corner(image: Image, input_size: tuple[int, int]) -> tuple[Image, Pair, Pair]:
    """Keep the aspect, put the image into the top left corner and fill the rest with grey.

    What YOLOX is trained with. Parameters and results as `stretch`.

    Examples
    --------
    >>> resized, scale, offset = letterbox_corner(np.zeros((100, 200, 3), np.uint8), (50, 50))
    >>> scale, offset, resized[-1, -1].tolist()
    ((0.25, 0.25), (0.0, 0.0), [114, 114, 114])
    """
    return _letterbox(image, input_size, 0.0)


def _letterbox(image: Image, input_size: tuple[int, int], share: float) -> tuple[Image, Pair, Pair]:
    """Letterbox with ``share`` of the free room left of and above the image."""
    height, width = image.shape[:2]
    factor = min(input_size[0] / width, input_size[1] / height)
    inner = (max(1, round(width * factor)), max(1, round(height * factor)))
    left, top = (int((input_size[axis] - inner[axis]) * share) for axis in (0, 1))
    canvas = np.full((input_size[1], input_size[0], 3), GREY, np.uint8)
    canvas[top : top + inner[1], left : left + inner[0]] = _resize(image, inner)
    return canvas, (inner[0] / width, inner[1] / height), (float(left), float(top))


def _resize(image: Image, size: tuple[int, int]) -> Image:
    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)
