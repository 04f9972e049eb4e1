"""Solid things of the world: boxes, posts, tables, benches, chairs and trees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.places.distractors import ball_profile, lathe
from posetrack.world.rendering.mesh import Mesh, Part
from posetrack.world.rendering.textures import near_colours, noise, paint

Texture = NDArray[np.uint8]

_CORNERS: Final = np.array(
    [[x, y, z] for z in (0.0, 1.0) for y in (-0.5, 0.5) for x in (-0.5, 0.5)]
)
# Corners of each side of a box, counter-clockwise from outside, and the axes along which its
# texture runs. The first four stand upright.
_SIDES: Final = (
    ((0, 1, 5, 4), (0, 2)),
    ((1, 3, 7, 5), (1, 2)),
    ((3, 2, 6, 7), (0, 2)),
    ((2, 0, 4, 6), (1, 2)),
    ((4, 5, 7, 6), (0, 1)),
    ((2, 3, 1, 0), (0, 1)),
)


def box(
    texture: Texture,
    size: tuple[float, float, float] = (0.5, 0.5, 0.5),
    *,
    position: ArrayLike = (0.0, 0.0, 0.0),
    turn: float = 0.0,
    tile: float = 1.0,
) -> Mesh:
    """A box with sharp edges; its texture repeats.

    Parameters
    ----------
    texture
        (h, w, 3) uint8 BGR, seamless; it covers ``tile`` metres.
    size
        East, north and up in metres, before it is turned.
    position
        (3,) metres, the middle of its bottom.
    turn
        Radians about the upright axis, from east to north.
    tile
        Metres of a side of one copy of the texture.

    Examples
    --------
    >>> mesh = box(np.full((2, 2, 3), 90, np.uint8), (2, 1, 1))
    >>> mesh, mesh.vertices.min(axis=0).tolist()
    (Mesh(24 vertices, 12 faces), [-1.0, -0.5, 0.0])
    """
    solid = _CORNERS * size
    order = np.array([side for side, _ in _SIDES]).ravel()
    uv = np.concatenate([solid[list(side)][:, axes] for side, axes in _SIDES]) / tile
    uv[:, 1] *= -1  # textures begin at the top
    first = 4 * np.arange(6)[:, None, None]
    faces = (first + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)
    cosine, sine = math.cos(turn), math.sin(turn)
    turned = solid[order] @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    return scenery_mesh(turned + np.asarray(position, float), faces, uv, texture)


def pole(
    texture: Texture, *, position: ArrayLike = (0, 0, 0), height: float = 3.0, radius: float = 0.08
) -> Mesh:
    """An upright post, round, closed at the top.

    Examples
    --------
    >>> pole(np.full((2, 2, 3), 90, np.uint8), height=4.0).vertices[:, 2].max()
    np.float32(4.0)
    """
    return lathe([(radius, 0.0), (radius, height), (0.0, height)], texture, position=position)


def table(
    texture: Texture,
    *,
    position: ArrayLike = (0, 0, 0),
    turn: float = 0.0,
    size: tuple[float, float, float] = (1.4, 0.8, 0.75),
) -> Mesh:
    """A plate on four legs; ``size`` in metres.

    Examples
    --------
    >>> table(np.full((2, 2, 3), 90, np.uint8))
    Mesh(120 vertices, 60 faces)
    """
    wide, deep, tall = size
    legs = [
        ((0.05, 0.05, tall - 0.04), (x * (wide - 0.1) / 2, y * (deep - 0.1) / 2, 0.0))
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    return _build(texture, [((wide, deep, 0.04), (0, 0, tall - 0.04)), *legs], position, turn)


def bench(
    texture: Texture, *, position: ArrayLike = (0, 0, 0), turn: float = 0.0, length: float = 1.8
) -> Mesh:
    """A seat with a back, facing south before it is turned.

    Examples
    --------
    >>> bench(np.full((2, 2, 3), 90, np.uint8)).vertices[:, 2].max()
    np.float32(0.85)
    """
    parts = [
        ((length, 0.45, 0.05), (0, 0, 0.42)),
        ((length, 0.05, 0.3), (0, 0.22, 0.55)),
        *(((0.06, 0.4, 0.42), (x * (length / 2 - 0.15), 0, 0)) for x in (-1, 1)),
        *(((0.06, 0.05, 0.4), (x * (length / 2 - 0.15), 0.2, 0.4)) for x in (-1, 1)),
    ]
    return _build(texture, parts, position, turn)


def chair(texture: Texture, *, position: ArrayLike = (0, 0, 0), turn: float = 0.0) -> Mesh:
    """A seat on four legs with a back, facing south before it is turned.

    Examples
    --------
    >>> chair(np.full((2, 2, 3), 90, np.uint8)).vertices[:, 2].max()
    np.float32(0.9)
    """
    legs = [((0.04, 0.04, 0.44), (x * 0.19, y * 0.19, 0.0)) for x in (-1, 1) for y in (-1, 1)]
    plates = [((0.42, 0.42, 0.04), (0, 0, 0.43)), ((0.42, 0.04, 0.42), (0, 0.19, 0.48))]
    return _build(texture, [*plates, *legs], position, turn)


def tree(rng: np.random.Generator, *, position: ArrayLike = (0, 0, 0), height: float = 5.0) -> Mesh:
    """A trunk with a crown of a few rough balls.

    Examples
    --------
    >>> mesh = tree(np.random.default_rng(0), height=6.0)
    >>> 4 < mesh.vertices[:, 2].max() < 8
    np.True_
    """
    bark = paint(noise(rng, (64, 128), cells=(16, 4)), near_colours(rng, (45, 60, 80), 4))
    green = (rng.uniform(15, 60), rng.uniform(60, 130), rng.uniform(30, 120))
    field = noise(rng, (64, 128), cells=(16, 32), octaves=3, roughness=0.9)
    texture = np.hstack([bark, paint(field, near_colours(rng, green, 5, spread=0.45))])
    thick, bare = rng.uniform(0.02, 0.04) * height, rng.uniform(0.3, 0.45) * height
    trunk = lathe([(thick, 0.0), (0.7 * thick, bare), (0.2 * thick, 0.8 * height)], texture)
    parts = [_in_half(trunk, 0, texture)]
    for _ in range(int(rng.integers(2, 6))):
        radius = rng.uniform(0.15, 0.28) * height
        ball = lathe(ball_profile(radius), texture)
        rough = ball.vertices * rng.uniform(0.85, 1.15, (len(ball.vertices), 1))
        _close_seam(rough, 17)
        aside = rng.normal(0, 0.1, 2) * height
        shift = (*aside, bare + rng.uniform(0, max(height - bare - 2 * radius, 0.1)))
        parts.append(
            _in_half(Mesh(rough + shift, ball.faces, ball.uv, ball.parts, texture), 1, texture)
        )
    whole = _join_meshes(parts)
    return scenery_mesh(
        whole.vertices + np.asarray(position, float), whole.faces, whole.uv, texture
    )


def scenery_mesh(vertices: ArrayLike, faces: ArrayLike, uv: ArrayLike, texture: Texture) -> Mesh:
    """A mesh whose triangles are all scenery."""
    return Mesh(
        np.asarray(vertices, np.float32),
        np.asarray(faces, np.int32),
        np.asarray(uv, np.float32),
        np.full(len(np.asarray(faces)), Part.SCENERY, np.uint8),
        texture,
    )


def _join_meshes(meshes: Sequence[Mesh]) -> Mesh:
    """Meshes of one texture as one."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    return scenery_mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
        np.concatenate([mesh.uv for mesh in meshes]),
        meshes[0].texture,
    )


def _build(
    texture: Texture,
    boxes: Sequence[tuple[tuple[float, float, float], ArrayLike]],
    position: ArrayLike,
    turn: float,
) -> Mesh:
    """Boxes of (size, place) as one thing, turned and put somewhere."""
    whole = _join_meshes([box(texture, size, position=at) for size, at in boxes])
    cosine, sine = math.cos(turn), math.sin(turn)
    turned = whole.vertices @ np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    return scenery_mesh(turned + np.asarray(position, float), whole.faces, whole.uv, texture)


def _in_half(mesh: Mesh, half: int, texture: Texture) -> Mesh:
    """A mesh whose uv are moved into the left (0) or right (1) half of a texture."""
    edge = 1 / texture.shape[1]
    u = np.clip(mesh.uv[:, 0] / 2 + half / 2, half / 2 + edge, half / 2 + 0.5 - edge)
    return scenery_mesh(mesh.vertices, mesh.faces, np.column_stack([u, mesh.uv[:, 1]]), texture)


def _close_seam(vertices: NDArray[np.float64], ring: int) -> None:
    """Give the last vertex of each ring the first one's place, and the poles one place each."""
    rows = vertices.reshape(-1, ring, 3)
    rows[:, -1] = rows[:, 0]
    rows[0], rows[-1] = rows[0, 0].copy(), rows[-1, 0].copy()
