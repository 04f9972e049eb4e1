"""What a training image looks like: its colours, its sharpness, what is in front of it.

For networks that have to work on images unlike those they learn from: domain randomisation. It
acts on uint8 pixels in place and costs a fraction of the warp that cut the crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_LUMA = np.array([0.114, 0.587, 0.299])
"""Share of blue, green and red in a grey of the same brightness."""


@dataclass(frozen=True)
class Appearance:
    """How much the pixels of training images differ from epoch to epoch; by default not at all.

    Parameters
    ----------
    colour_jitter
        Largest change of brightness, contrast, saturation and each colour's gain, 0.4 for +-40 %;
        hue turns by up to a fifth of it of a full turn.
    greyscale
        Probability of losing all colour.
    blur
        Probability of one of: defocus, motion blur, and being enlarged from a smaller image.
    noise
        Probability of noise, of up to 20 grey levels.
    cutout
        Probability of one to four patches that hide parts of the image, of one colour, of noise,
        or of the image's own pixels from elsewhere.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    Random erasing: Z. Zhong et al., *Random Erasing Data Augmentation* (AAAI 2020).

    Examples
    --------
    >>> Appearance().active, Appearance(blur=0.5).active
    (False, True)
    """

    colour_jitter: float = 0.0
    greyscale: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {value}")

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        return any(vars(self).values())


def change_pixels(
    image: NDArray[np.uint8], appearance: Appearance, rng: np.random.Generator
) -> None:
    """Change an image in place.

    Parameters
    ----------
    image
        (H, W, 3) uint8 BGR, contiguous.
    appearance
        How much.
    rng
        What is drawn depends on it alone.

    Examples
    --------
    >>> image = np.full((8, 8, 3), 100, np.uint8)
    >>> change_pixels(image, Appearance(colour_jitter=0.5), np.random.default_rng(0))
    >>> bool((image == 100).all())
    False
    """
    if not appearance.active:
        return
    if rng.random() < appearance.cutout:
        _hide(image, rng)
    if rng.random() < appearance.blur:
        _blur(image, rng)
    grey = rng.random() < appearance.greyscale
    if grey or appearance.colour_jitter:
        cv2.transform(image, _colour_matrix(appearance.colour_jitter, grey, rng), dst=image)
    if rng.random() < appearance.noise:
        _add_noise(image, rng)


def _colour_matrix(strength: float, grey: bool, rng: np.random.Generator) -> NDArray[np.float64]:
    """(3, 4) from BGR and 1 to BGR: hue, saturation, gains, contrast and brightness at once."""
    brightness, contrast, saturation = 1 + strength * rng.uniform(-1, 1, 3)
    gains = 1 + strength / 2 * rng.uniform(-1, 1, 3)
    angle = 2 * np.pi * strength / 5 * rng.uniform(-1, 1)
    cos, sin = np.cos(angle), np.sin(angle)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    # Turned about the grey axis (Rodrigues' formula).
    hue = cos * np.eye(3) + sin * across + (1 - cos) / 3
    keep = 0.0 if grey else saturation
    mixed = keep * hue + (1 - keep) * np.tile(_LUMA, (3, 1))
    matrix = contrast * brightness * (np.ones(3) if grey else gains)[:, None] * mixed
    offset = 128 * (1 - contrast) * brightness
    return np.concatenate([matrix, np.full((3, 1), offset)], axis=1)


def _blur(image: NDArray[np.uint8], rng: np.random.Generator) -> None:
    kind, height, width = rng.integers(3), *image.shape[:2]
    if kind == 0:
        cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 2.5)), dst=image)
    elif kind == 1:
        length = int(rng.integers(2, 6)) * 2 + 1
        kernel = np.zeros((length, length), np.float32)
        angle, reach = rng.uniform(0, np.pi), length // 2
        ends = np.rint(reach + reach * np.array([np.cos(angle), np.sin(angle)])).astype(int)
        cv2.line(kernel, tuple(2 * reach - ends), tuple(ends), 1.0)
        cv2.filter2D(image, -1, kernel / kernel.sum(), dst=image)
    else:
        factor = rng.uniform(0.25, 0.8)
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        cv2.resize(small, (width, height), dst=image, interpolation=cv2.INTER_LINEAR)


def _add_noise(image: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Mean of two even draws a value: a triangle, at a tenth of a Gaussian's price."""
    strength = rng.uniform(0.02, 0.2)
    bits = np.frombuffer(rng.bytes(2 * image.size), np.uint8).reshape(2, *image.shape)
    mean = cv2.addWeighted(bits[0], 0.5, bits[1], 0.5, 0.0)
    cv2.addWeighted(image, 1.0, mean, 2 * strength, -255.0 * strength, dst=image)


def _hide(image: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    for _ in range(rng.integers(1, 5)):
        tall = max(1, int(height * rng.uniform(0.05, 0.35)))
        wide = max(1, int(width * rng.uniform(0.08, 0.5)))
        top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
        patch = image[top : top + tall, left : left + wide]
        kind = rng.integers(3)
        if kind == 0:
            patch[:] = rng.integers(0, 256, 3)
        elif kind == 1:
            patch[:] = rng.integers(0, 256, patch.shape, dtype=np.uint8)
        else:
            top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
            patch[:] = image[top : top + tall, left : left + wide].copy()
