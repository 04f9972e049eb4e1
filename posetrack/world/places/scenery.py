"""Things that stand in the world and belong to nobody: ground, walls, furniture, poles, trees."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.places.furniture import (
    bench,
    box,
    chair,
    pole,
    scenery_mesh,
    table,
    tree,
)
from posetrack.world.rendering.mesh import Mesh, Surface
from posetrack.world.rendering.textures import (
    random_ground_texture,
    random_texture,
    wood,
)

Texture = NDArray[np.uint8]
GroundPoint = tuple[float, float]


def ground(
    texture: Texture, *, size: float = 120.0, tile: float = 4.0, centre: GroundPoint = (0.0, 0.0)
) -> Mesh:
    """A level square at height 0 whose texture repeats.

    Parameters
    ----------
    texture
        (h, w, 3) uint8 BGR, seamless; it covers ``tile`` metres.
    size
        Side of the square in metres.
    tile
        Metres of a side of one copy of the texture.
    centre
        East and north of the middle, metres.

    Examples
    --------
    >>> ground(np.full((2, 2, 3), 90, np.uint8), size=8.0)
    Mesh(4 vertices, 2 faces)
    """
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size / 2
    uv = (corners + size / 2) / tile
    vertices = np.column_stack([corners + centre, np.zeros(4)])
    return scenery_mesh(vertices, np.array([[0, 1, 2], [0, 2, 3]]), uv, texture)


def wall(
    texture: Texture,
    start: GroundPoint,
    end: GroundPoint,
    *,
    height: float = 2.5,
    thickness: float = 0.2,
    tile: float = 2.0,
) -> Mesh:
    """A wall on the ground between two places (east, north) in metres.

    Raises
    ------
    ValueError
        If the two places are the same.

    Examples
    --------
    >>> mesh = wall(np.full((2, 2, 3), 90, np.uint8), (0, 0), (0, 4), height=3)
    >>> mesh.vertices.max(axis=0).round(2)
    array([0.1, 4. , 3. ], dtype=float32)
    """
    east, north = end[0] - start[0], end[1] - start[1]
    length = math.hypot(east, north)
    if length == 0:
        raise ValueError(f"a wall needs two places, got {start} twice")
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, 0.0)
    size = (length, thickness, height)
    return box(texture, size, position=middle, turn=math.atan2(north, east), tile=tile)


def standing(mesh: Mesh) -> Surface:
    """A mesh that does not move, as scenery.

    Examples
    --------
    >>> standing(ground(np.full((2, 2, 3), 90, np.uint8))).owner
    0
    """
    return Surface(mesh, mesh.vertices, mesh.vertices)


def random_ground(rng: np.random.Generator) -> Mesh:
    """A ground of any stuff.

    Examples
    --------
    >>> random_ground(np.random.default_rng(0))
    Mesh(4 vertices, 2 faces)
    """
    return ground(random_ground_texture(rng), tile=rng.uniform(1.5, 6.0))


def random_thing(rng: np.random.Generator, *, position: ArrayLike = (0, 0, 0)) -> Mesh:
    """A table, bench, chair, box, pole or tree.

    Examples
    --------
    >>> len(random_thing(np.random.default_rng(0)).faces) > 10
    True
    """
    return _THINGS[rng.integers(len(_THINGS))](rng, position)


def _random_box(rng: np.random.Generator, position: ArrayLike) -> Mesh:
    size = (rng.uniform(0.2, 1.2), rng.uniform(0.2, 1.2), rng.uniform(0.2, 1.3))
    return box(random_texture(rng), size, position=position, turn=rng.uniform(0, 6.28))


def _random_pole(rng: np.random.Generator, position: ArrayLike) -> Mesh:
    height, radius = rng.uniform(1.0, 5.0), rng.uniform(0.03, 0.2)
    return pole(random_texture(rng), position=position, height=height, radius=radius)


def _random_table(rng: np.random.Generator, position: ArrayLike) -> Mesh:
    size = (rng.uniform(0.7, 2.0), rng.uniform(0.5, 1.0), rng.uniform(0.45, 1.0))
    return table(_stuff(rng), position=position, turn=rng.uniform(0, 6.28), size=size)


def _random_bench(rng: np.random.Generator, position: ArrayLike) -> Mesh:
    return bench(
        _stuff(rng), position=position, turn=rng.uniform(0, 6.28), length=rng.uniform(1, 2.5)
    )


def _random_chair(rng: np.random.Generator, position: ArrayLike) -> Mesh:
    return chair(_stuff(rng), position=position, turn=rng.uniform(0, 6.28))


def _random_tree(rng: np.random.Generator, position: ArrayLike) -> Mesh:
    return tree(rng, position=position, height=rng.uniform(2.5, 8.0))


def _stuff(rng: np.random.Generator) -> Texture:
    return wood(rng) if rng.random() < 0.6 else random_texture(rng)


_THINGS: Final[tuple[Callable[[np.random.Generator, ArrayLike], Mesh], ...]] = (
    _random_box, _random_pole, _random_table, _random_bench, _random_chair, _random_tree,
)  # fmt: skip
