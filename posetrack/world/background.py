"""What is seen where nothing stands: a picture wrapped around the world, infinitely far away."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Backdrop:
    """A picture at infinity; beyond its borders it goes on mirrored.

    The camera's turning and zooming move it, its walking does not: the flow there is that of
    directions, not of places.

    Parameters
    ----------
    texture
        (h, w, 3) uint8 BGR.
    span
        Radians that the picture covers to the side (azimuth) and up (height).
    centre
        Azimuth (0 north, to the east) and height above the horizon of its middle, radians.

    Raises
    ------
    ValueError
        If the texture is not such an image, or a span not positive.
    """

    texture: UInt8Array
    span: tuple[float, float] = (math.pi, math.pi)
    centre: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        texture = np.ascontiguousarray(self.texture, np.uint8)
        if texture.ndim != 3 or texture.shape[2] != 3 or not texture.size:
            raise ValueError(f"a backdrop needs an (h, w, 3) texture, got shape {texture.shape}")
        if not min(self.span) > 0:
            raise ValueError(f"a backdrop's span must be positive, got {self.span}")
        object.__setattr__(self, "texture", texture)


def plain(colour: tuple[int, int, int] = (200, 190, 180)) -> Backdrop:
    """One colour everywhere.

    Examples
    --------
    >>> plain((1, 2, 3)).texture.tolist()
    [[[1, 2, 3]]]
    """
    return Backdrop(np.array([[colour]], np.uint8))
