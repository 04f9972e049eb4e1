"""Pictures of stuff, drawn by rule: noise, tiles, brick, wood, grass, cloudy skies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Texture = NDArray[np.uint8]
Field = NDArray[np.float32]


def noise(
    rng: np.random.Generator,
    size: tuple[int, int] = (256, 256),
    *,
    cells: tuple[int, int] = (4, 4),
    octaves: int = 4,
    roughness: float = 0.5,
) -> Field:
    """Seamless noise (height, width) in [0, 1]: sums of finer and finer random grids.

    Parameters
    ----------
    size
        Width and height, each a power of two.
    cells
        Columns and rows of the coarsest grid, each a power of two.
    octaves
        How many grids, each twice as fine as the one before; those finer than a pixel are left.
    roughness
        Strength of a grid as a share of the one before.

    Examples
    --------
    >>> field = noise(np.random.default_rng(0), (32, 16))
    >>> field.shape, float(field.min()), float(field.max())
    ((16, 32), 0.0, 1.0)
    """
    width, height = size
    total = rng.random((cells[1], cells[0]), np.float32)
    strength = np.float32(1)
    while total.shape != (height, width):
        total = _finer(total, (width, height))
        octaves, strength = octaves - 1, strength * np.float32(roughness)
        if octaves > 0:
            total += strength * rng.random(total.shape, np.float32)
    low, high = total.min(), total.max()
    return np.asarray((total - low) / max(high - low, np.float32(1e-6)))


def _finer(field: Field, size: tuple[int, int]) -> Field:
    """Seamless values (h, w) smoothly on a grid twice as fine, where it is not yet ``size``."""
    height, width = field.shape
    across, down = 1 + (width < size[0]), 1 + (height < size[1])
    framed = cv2.copyMakeBorder(field, 2, 2, 2, 2, cv2.BORDER_WRAP)
    large = ((width + 4) * across, (height + 4) * down)
    smooth = cv2.resize(framed, large, interpolation=cv2.INTER_CUBIC)
    return np.array(smooth[2 * down : -2 * down, 2 * across : -2 * across])


def paint(field: Field, colours: ArrayLike) -> Texture:
    """Values (h, w) in [0, 1] as colours (h, w, 3), by a scale of BGR colours (n, 3).

    Examples
    --------
    >>> paint(np.array([[0, 0.4, 1]], np.float32), [(0, 0, 0), (100, 200, 50)]).tolist()
    [[[0, 0, 0], [40, 80, 20], [100, 200, 50]]]
    """
    scale = np.asarray(colours, float)
    stops = np.linspace(0, 1, len(scale))
    at = np.linspace(0, 1, 256)
    table = np.stack([np.interp(at, stops, scale[:, c]) for c in range(3)], axis=1)
    table = np.clip(table + 0.5, 0, 255).astype(np.uint8)
    places = (np.clip(field, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    return np.asarray(cv2.LUT(cv2.merge([places] * 3), table[None]))


def random_colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """A BGR colour (3,): more often dull than bright.

    Examples
    --------
    >>> random_colour(np.random.default_rng(0)).shape
    (3,)
    """
    value = rng.uniform(30, 240)
    tint = rng.uniform(0.35, 1.0, 3)
    share = rng.beta(1.0, 2.2)  # of the tint
    colour: NDArray[np.float64] = value * (1 - share + share * tint / tint.max())
    return colour


def near_colours(
    rng: np.random.Generator, colour: ArrayLike, count: int, *, spread: float = 0.15
) -> NDArray[np.float64]:
    """``count`` colours around one, (count, 3), from dark to bright."""
    bright = np.sort(np.exp(rng.normal(0, spread, count)))[:, None]
    tint = np.exp(rng.normal(0, spread / 4, (count, 3)))
    return np.asarray(np.clip(np.asarray(colour, float) * bright * tint, 0, 255))


def _mottle(
    rng: np.random.Generator, colour: ArrayLike, *, cells: int, octaves: int, spread: float
) -> Texture:
    field = noise(rng, cells=(cells, cells), octaves=octaves, roughness=rng.uniform(0.5, 0.9))
    return paint(field, near_colours(rng, colour, 4, spread=spread))


def plaster(rng: np.random.Generator) -> Texture:
    """A painted wall with faint stains."""
    return _mottle(rng, random_colour(rng), cells=2, octaves=6, spread=0.06)


def asphalt(rng: np.random.Generator) -> Texture:
    """Dark and grainy."""
    grey = np.full(3, rng.uniform(50, 130)) * rng.uniform(0.93, 1.07, 3)
    ground = _mottle(rng, grey, cells=2, octaves=4, spread=0.1)
    grain = np.float32(rng.uniform(4, 14)) * rng.standard_normal((256, 256, 1), np.float32)
    return _bytes(ground + grain)


def grass(rng: np.random.Generator) -> Texture:
    """Green to yellow, with blades as upright noise."""
    colour = np.array([rng.uniform(20, 60), rng.uniform(80, 150), rng.uniform(50, 130)])
    blades = noise(rng, cells=(64, 16), octaves=2, roughness=0.8)
    patches = noise(rng, cells=(4, 4), octaves=4, roughness=0.6)
    return paint(0.55 * blades + 0.45 * patches, near_colours(rng, colour, 5, spread=0.35))


def wood(rng: np.random.Generator) -> Texture:
    """Boards with grain."""
    colour = np.array([0.45, 0.68, 1.0]) * rng.uniform(70, 210)
    grain = noise(rng, cells=(2, 32), octaves=4, roughness=0.8)
    boards = 2 ** int(rng.integers(0, 4))
    height = 256 // boards
    shift = np.repeat(rng.normal(0, 0.12, boards), height)[:, None]
    field = grain * np.float32(0.7) + 0.15 + shift.astype(np.float32)
    texture = paint(np.asarray(field), near_colours(rng, colour, 4, spread=0.25))
    if boards > 1:
        texture[::height] //= 2
    return texture


def tiles(rng: np.random.Generator) -> Texture:
    """Squares with joints, alike, or of two colours in turn."""
    return _lay_planks(rng, 2 ** int(rng.integers(1, 4)), aspect=1, bond=False)


def brick(rng: np.random.Generator) -> Texture:
    """Courses of bricks, each shifted by half a brick."""
    return _lay_planks(rng, 2 ** int(rng.integers(2, 4)), aspect=2, bond=True)


def _bytes(values: NDArray[np.floating]) -> Texture:
    return np.asarray(np.clip(values, 0, 255).astype(np.uint8))


def _lay_planks(rng: np.random.Generator, columns: int, *, aspect: int, bond: bool) -> Texture:
    across, down = 256 // columns, 256 // (columns * aspect)
    rows = 256 // down
    if bond:
        colour = np.array([rng.uniform(40, 110), rng.uniform(50, 120), rng.uniform(110, 190)])
        colour = colour if rng.random() < 0.7 else random_colour(rng)
        colours = near_colours(rng, colour, columns * rows, spread=0.12)
        rng.shuffle(colours)
        each = colours.reshape(rows, columns, 3)
    else:
        pair = np.stack([random_colour(rng), random_colour(rng)])
        pair = pair if rng.random() < 0.4 else pair[[0, 0]]
        each = pair[np.indices((rows, columns)).sum(axis=0) % 2]
        each = each * rng.uniform(0.94, 1.06, (rows, columns, 1))
    texture = each.astype(np.float32).repeat(down, axis=0).repeat(across, axis=1)
    edge = max(across // 24, 1)
    joint = np.full(3, rng.uniform(60, 200), np.float32)
    texture.reshape(256, columns, across, 3)[:, :, :edge] = joint
    if bond:
        odd = texture.reshape(rows, down, 256, 3)[1::2]
        odd[:] = np.roll(odd, across // 2, axis=2)
    texture.reshape(rows, down, 256, 3)[:, :edge] = joint
    dirt = 0.85 + 0.3 * noise(rng, cells=(4, 4), octaves=6, roughness=0.8)[..., None]
    return _bytes(texture * dirt)


def stripes(rng: np.random.Generator) -> Texture:
    """Bands of two to five colours, upright, level or aslant."""
    count = int(rng.integers(2, 6))
    colours = np.stack([random_colour(rng) for _ in range(count)])
    turns = np.array([(1, 0), (0, 1), (1, 1), (1, -1), (2, 1)])[rng.integers(5)]
    along = np.arange(256, dtype=np.float32) / 256
    phase = (turns[0] * along + turns[1] * along[:, None]) * 2 ** int(rng.integers(0, 5))
    bands = (phase % 1 * count).astype(np.uint8)
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, :count] = colours
    return np.asarray(cv2.LUT(cv2.merge([bands] * 3), table))


def blotches(rng: np.random.Generator) -> Texture:
    """Noise in wild colours, smooth or with hard edges."""
    cells = 2 ** int(rng.integers(1, 6))
    field = noise(rng, cells=(cells, cells), octaves=int(rng.integers(1, 6)),
                  roughness=rng.uniform(0.3, 0.9))  # fmt: skip
    colours = np.stack([random_colour(rng) for _ in range(int(rng.integers(2, 7)))])
    if rng.random() < 0.4:
        steps = len(colours)
        field = np.floor(field * (steps - 0.01)) / max(steps - 1, 1)
    return paint(np.asarray(field, np.float32), colours)


_GROUNDS: Final = (asphalt, grass, tiles, wood, plaster, brick)
_WALLS: Final = (plaster, brick, wood, tiles, stripes, plaster)
_ANY: Final[tuple[Callable[[np.random.Generator], Texture], ...]] = (
    plaster, asphalt, grass, wood, tiles, brick, stripes, blotches,
)  # fmt: skip


def random_ground_texture(rng: np.random.Generator) -> Texture:
    """What one walks on (256, 256, 3), seamless."""
    return _GROUNDS[rng.integers(len(_GROUNDS))](rng)


def random_wall_texture(rng: np.random.Generator) -> Texture:
    """What walls are made of (256, 256, 3), seamless."""
    return _WALLS[rng.integers(len(_WALLS))](rng)


def random_texture(rng: np.random.Generator) -> Texture:
    """Any of the seamless ones (256, 256, 3).

    Examples
    --------
    >>> random_texture(np.random.default_rng(1)).shape
    (256, 256, 3)
    """
    return _ANY[rng.integers(len(_ANY))](rng)
