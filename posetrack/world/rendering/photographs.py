"""Photographs without people behind rendered ones, and on things: to train networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.video.image_folders import images_in, read_image
from posetrack.world.rendering.background import Backdrop
from posetrack.world.rendering.lighting import Light, random_light
from posetrack.world.rendering.perspective import Camera

UInt8Array = NDArray[np.uint8]

_LONGEST = 1280
"""Pixels of a cut's longer side: more than a picture that is trained on shows."""


def photographs_in(folder: str | Path) -> tuple[Path, ...]:
    """Image files of a folder, by name.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder, it is a file, or there is no image in it.
    """
    return tuple(images_in(Path(folder)))


def random_cut(rng: np.random.Generator, photographs: Sequence[Path]) -> UInt8Array:
    """A part of one of the photographs, (h, w, 3) BGR, mirrored or not.

    Parameters
    ----------
    rng
        All chance comes from it.
    photographs
        At least one image file.

    Raises
    ------
    ValueError
        If the file drawn is no image.
    """
    image = read_image(photographs[int(rng.integers(len(photographs)))])
    height, width = image.shape[:2]
    share = math.sqrt(rng.uniform(0.15, 1.0))
    wide, tall = max(1, round(width * share)), max(1, round(height * share))
    left, top = int(rng.integers(width - wide + 1)), int(rng.integers(height - tall + 1))
    cut = image[top : top + tall, left : left + wide]
    factor = _LONGEST / max(wide, tall)
    if factor < 1:
        size = (max(1, round(wide * factor)), max(1, round(tall * factor)))
        cut = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(cut[:, ::-1] if rng.random() < 0.5 else cut)


def texture_of(cut: UInt8Array) -> UInt8Array:
    """A photograph as a thing's texture, (256, 256, 3).

    Examples
    --------
    >>> texture_of(np.zeros((40, 90, 3), np.uint8)).shape
    (256, 256, 3)
    """
    return np.asarray(cv2.resize(cut, (256, 256), interpolation=cv2.INTER_AREA), np.uint8)


def behind(rng: np.random.Generator, cut: UInt8Array, camera: Camera) -> Backdrop:
    """A photograph where the camera looks, as wide as it sees or somewhat wider.

    Examples
    --------
    >>> from posetrack.world.rendering.perspective import looking_at
    >>> camera = looking_at((0, 0, 1), (3, 0, 1), focal=50, size=(100, 50))
    >>> drop = behind(np.random.default_rng(0), np.zeros((40, 90, 3), np.uint8), camera)
    >>> drop.span[0] > 1.5, abs(drop.centre[0] - math.pi / 2) <= drop.span[0] / 2
    (True, True)
    """
    right, up = camera.size[0] / 2 / camera.focal, camera.size[1] / 2 / camera.focal
    height, width = cut.shape[:2]
    across, down = 2 * math.atan(right), 2 * math.atan(up)
    # As large as fills the picture, whichever side is short.
    scale = max(across / width, down / height) * rng.uniform(1.0, 1.5)
    span = (scale * width, scale * height * rng.uniform(0.9, 1.1))
    east, north, high = np.asarray(camera.rotation)[2].tolist()
    spare = (max(span[0] - across, 0) / 2, max(span[1] - down, 0) / 2)
    centre = (
        math.atan2(east, north) + float(rng.uniform(-spare[0], spare[0])),
        math.asin(max(-1.0, min(1.0, high))) + float(rng.uniform(-spare[1], spare[1])),
    )
    return Backdrop(cut, span, centre)


def light_like(rng: np.random.Generator, cut: UInt8Array) -> Light:
    """Light as bright and of about the tint that a photograph has, from anywhere.

    Its upper part gives the sky's, its lower part the ground's.

    Examples
    --------
    >>> dark = light_like(np.random.default_rng(0), np.full((8, 8, 3), 20, np.uint8))
    >>> bright = light_like(np.random.default_rng(0), np.full((8, 8, 3), 200, np.uint8))
    >>> dark.sky[1] < bright.sky[1]
    True
    """
    light = random_light(rng)
    middle = max(1, len(cut) // 2)
    above, below = _gain(cut[:middle]), _gain(cut[-middle:])
    whole = (above + below) / 2
    return replace(
        light,
        sun=_times(light.sun, whole),
        sky=_times(light.sky, above),
        ground=_times(light.ground, below),
    )


def _gain(pixels: UInt8Array) -> NDArray[np.float64]:
    """BGR gains of light in which a picture of a grey world is as bright as these pixels."""
    mean = pixels.reshape(-1, 3).mean(axis=0) / 255 + 0.02
    bright = float(mean.mean())
    tint = np.sqrt(mean / bright)  # half of the colour is the things', not the light's
    return np.asarray(tint * np.clip((bright / 0.45) ** 0.6, 0.4, 1.4))


def _times(colour: tuple[float, float, float], gain: NDArray[np.float64]) -> Any:
    return tuple((np.asarray(colour) * gain).tolist())
