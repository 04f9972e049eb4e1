"""Things that stand in the world and belong to nobody: ground, walls, furniture, poles, trees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.world.mesh import Mesh, Part, Surface


def ground(
    texture: NDArray[np.uint8],
    *,
    size: float = 120.0,
    tile: float = 4.0,
    centre: tuple[float, float] = (0.0, 0.0),
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
    return Mesh(vertices, [[0, 1, 2], [0, 2, 3]], uv, [Part.SCENERY] * 2, texture)  # type: ignore[arg-type]


def standing(mesh: Mesh) -> Surface:
    """A mesh that does not move, as scenery.

    Examples
    --------
    >>> standing(ground(np.full((2, 2, 3), 90, np.uint8))).owner
    0
    """
    return Surface(mesh, mesh.vertices, mesh.vertices)
