"""What is seen where nothing stands: a picture wrapped around the world, infinitely far away."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.world.rendering.textures import (
    blotches,
    grass,
    near_colours,
    noise,
    paint,
    random_colour,
    random_texture,
)

UInt8Array = NDArray[np.uint8]
Float32Array = NDArray[np.float32]

WIDTH, HEIGHT = 512, 256  # of skies and views, half of the world around and from zenith to nadir


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


def sky(rng: np.random.Generator, *, clouds: float | None = None) -> Backdrop:
    """Blue, grey or evening sky over a far plain; ``clouds`` from 0 to 1, at random when None.

    Examples
    --------
    >>> sky(np.random.default_rng(0)).texture.shape
    (256, 512, 3)
    """
    return Backdrop(_sky(rng, rng.beta(0.8, 0.8) if clouds is None else clouds))


def city(rng: np.random.Generator) -> Backdrop:
    """Houses with windows at the horizon, under a sky."""
    texture = _sky(rng, rng.random())
    horizon, at = HEIGHT // 2, 0
    lit = random_colour(rng)
    while at < WIDTH:
        wide, tall = int(rng.integers(14, 60)), int(rng.gamma(3.0, 8.0)) + 6
        house = texture[max(horizon - tall, 0) : horizon + 4, at : at + wide]
        house[:] = random_colour(rng) * rng.uniform(0.4, 1.0)
        step_x, step_y = rng.integers(4, 9, 2)
        for row in range(2, house.shape[0] - 4, step_y):
            house[row : row + step_y // 2, 2 : house.shape[1] - 2] = _windows(
                rng, house, row, int(step_y // 2), int(step_x), lit
            )
        at += wide + int(rng.integers(0, 12))
    return Backdrop(texture)


def _windows(
    rng: np.random.Generator,
    house: UInt8Array,
    row: int,
    tall: int,
    step: int,
    lit: NDArray[np.float64],
) -> UInt8Array:
    """One floor of a house, with windows."""
    floor = house[row : row + tall, 2 : house.shape[1] - 2].copy()
    for left in range(0, floor.shape[1] - step // 2, step):
        floor[:, left : left + step // 2] = lit if rng.random() < 0.3 else (40, 35, 30)
    return floor


def forest(rng: np.random.Generator) -> Backdrop:
    """Trees around: leaves above the horizon, trunks, grass below it."""
    texture = _sky(rng, rng.random())
    horizon = HEIGHT // 2
    leaves = noise(rng, (WIDTH, HEIGHT), cells=(32, 16), octaves=4, roughness=0.8)
    crowns = noise(rng, (WIDTH, HEIGHT), cells=(16, 1), octaves=5, roughness=0.6)[:1]
    up = (horizon - np.arange(HEIGHT, dtype=np.float32))[:, None] / horizon
    wooded = (up < rng.uniform(0.1, 0.3) + 0.4 * crowns) & (up > -0.03)
    green = (rng.uniform(15, 60), rng.uniform(50, 120), rng.uniform(30, 110))
    foliage = paint(leaves, near_colours(rng, green, 5, spread=0.4))
    texture[wooded] = foliage[wooded]
    for left in rng.integers(0, WIDTH, int(rng.integers(10, 60))):
        top = horizon - int(rng.integers(4, 30))
        texture[top : horizon + 6, left : left + int(rng.integers(1, 5))] = rng.uniform(20, 90, 3)
    lawn = grass(rng)
    texture[horizon + 4 :] = np.hstack([lawn, lawn])[: HEIGHT - horizon - 4]
    return Backdrop(texture)


def _sky(rng: np.random.Generator, clouds: float) -> UInt8Array:
    """(HEIGHT, WIDTH, 3), zenith at the top, nadir at the bottom."""
    zenith = np.array([rng.uniform(150, 245), rng.uniform(100, 190), rng.uniform(40, 130)])
    zenith = zenith if rng.random() < 0.7 else random_colour(rng)
    pale = 255 - (255 - zenith) * rng.uniform(0.15, 0.6)
    plain_colour = random_colour(rng) * rng.uniform(0.4, 0.9)
    stops = np.array([zenith, (zenith + pale) / 2, pale, plain_colour, plain_colour * 0.7])
    up = np.linspace(0, 1, HEIGHT)
    scale = np.stack([np.interp(up, (0, 0.3, 0.5, 0.502, 1), stops[:, c]) for c in range(3)], 1)
    texture = np.repeat(scale[:, None], WIDTH, axis=1).astype(np.float32)
    field = noise(rng, (WIDTH, HEIGHT), cells=(8, 8), octaves=6, roughness=0.55)
    cover = np.clip((field - (1 - clouds) * 0.9) / 0.35, 0, 1)
    cover[HEIGHT // 2 :] = 0
    white = np.float32(rng.uniform(170, 250)) * (1 - np.float32(0.25) * cover)
    texture += cover[..., None] * (white[..., None] - texture)
    return texture.astype(np.uint8)


def _picture(texture: UInt8Array, rng: np.random.Generator) -> Backdrop:
    """A texture that a camera sees about once."""
    wide = rng.uniform(0.5, 2.0)
    tall = wide * texture.shape[0] / texture.shape[1] * rng.uniform(0.7, 1.4)
    return Backdrop(texture, (wide, tall), (rng.uniform(-3, 3), rng.uniform(-0.5, 0.5)))


def _gradient(rng: np.random.Generator) -> UInt8Array:
    corners = np.stack([random_colour(rng) for _ in range(4)]).reshape(2, 2, 3)
    smooth = cv2.resize(corners.astype(np.float32), (256, 256), interpolation=cv2.INTER_LINEAR)
    return np.asarray(smooth.astype(np.uint8))


def _one(rng: np.random.Generator) -> UInt8Array:
    return np.full((4, 4, 3), random_colour(rng)).astype(np.uint8)


def _shapes(rng: np.random.Generator) -> UInt8Array:
    """Polygons, ellipses, lines and boxes over one another, on anything."""
    texture = random_texture(rng) if rng.random() < 0.5 else _gradient(rng)
    for _ in range(int(rng.integers(4, 60))):
        colour = random_colour(rng).tolist()
        centre, size = rng.integers(0, 256, 2), rng.gamma(2.0, 14.0)
        kind = rng.integers(4)
        if kind == 0:
            angle = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 8))))
            reach = size * rng.uniform(0.4, 1.3, len(angle))[:, None]
            corners = centre + reach * np.stack([np.cos(angle), np.sin(angle)], 1)
            cv2.fillPoly(texture, [corners.astype(np.int32)], colour, cv2.LINE_AA)
        elif kind == 1:
            axes = (int(size * rng.uniform(0.2, 1)) + 1, int(size) + 1)
            turn = rng.uniform(0, 180)
            cv2.ellipse(texture, centre.tolist(), axes, turn, 0, 360, colour, -1, cv2.LINE_AA)
        elif kind == 2:
            end = (centre + rng.normal(0, 3 * size, 2)).astype(int).tolist()
            cv2.line(texture, centre.tolist(), end, colour, int(rng.integers(1, 12)), cv2.LINE_AA)
        else:
            end = (centre + size * rng.uniform(0.3, 2, 2)).astype(int).tolist()
            cv2.rectangle(texture, centre.tolist(), end, colour, -1)
    return texture


def _collage(rng: np.random.Generator) -> UInt8Array:
    """Patches of stuff at any size side by side and over one another."""
    texture = random_texture(rng)
    stuff = [random_texture(rng) for _ in range(3)] + [_gradient(rng)]
    for _ in range(int(rng.integers(3, 16))):
        patch = stuff[rng.integers(len(stuff))]
        share = rng.uniform(0.3, 1.0)
        patch = patch[: int(256 * share), : int(256 * share)]
        height, width = rng.integers(16, 160, 2)
        top, left = rng.integers(0, 256 - height), rng.integers(0, 256 - width)
        resized = cv2.resize(patch, (int(width), int(height)), interpolation=cv2.INTER_AREA)
        texture[top : top + height, left : left + width] = resized
    return texture


def _room(rng: np.random.Generator) -> UInt8Array:
    """A wall over a floor, with a window, doors and pictures on it."""
    wall, floor = random_texture(rng), random_texture(rng)
    wall = np.maximum(wall, _one(rng)[0, 0]) if rng.random() < 0.5 else _gradient(rng)
    edge = int(rng.integers(130, 220))
    texture = wall.copy()
    for _ in range(int(rng.integers(0, 6))):
        left, top = rng.integers(0, 220), rng.integers(5, 90)
        wide, tall = rng.integers(15, 70), rng.integers(15, 70)
        tall = edge - top if rng.random() < 0.3 else tall  # a door
        inside = texture[top : min(top + tall, edge), left : left + wide]
        inside[:] = random_colour(rng)
        rim = int(rng.integers(1, 4))
        content = random_texture(rng)[: inside.shape[0], : inside.shape[1]]
        inside[rim:-rim, rim:-rim] = content[rim:-rim, rim:-rim]
    squeezed = cv2.resize(floor, (256, 256 - edge), interpolation=cv2.INTER_AREA)
    texture[edge:] = squeezed
    texture[edge - 3 : edge] = random_colour(rng)
    return texture


def _rough(rng: np.random.Generator) -> UInt8Array:
    """Each colour its own noise."""
    cells = 2 ** int(rng.integers(0, 5))
    fields = [
        noise(rng, cells=(cells, cells), octaves=7, roughness=rng.uniform(0.4, 0.8))
        for _ in range(3)
    ]
    return np.asarray((np.stack(fields, axis=2) * 255).astype(np.uint8))


_VIEWS: Final[tuple[Callable[[np.random.Generator], Backdrop], ...]] = (sky, city, forest)
_PICTURES: Final[tuple[Callable[[np.random.Generator], UInt8Array], ...]] = (
    _one, _gradient, random_texture, blotches, _shapes, _shapes, _collage, _collage, _room, _room,
    _rough,
)  # fmt: skip


def random_backdrop(rng: np.random.Generator) -> Backdrop:
    """A backdrop of any kind, from one colour over skies, woods and rooms to a wild collage.

    For training: the background should reveal nothing about the people.

    Examples
    --------
    >>> random_backdrop(np.random.default_rng(0)).texture.dtype
    dtype('uint8')
    """
    if rng.random() < 0.35:
        view = _VIEWS[rng.integers(len(_VIEWS))](rng)
        return Backdrop(view.texture, view.span, (rng.uniform(-3, 3), rng.uniform(-0.1, 0.1)))
    return _picture(_PICTURES[rng.integers(len(_PICTURES))](rng), rng)
