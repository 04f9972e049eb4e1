"""Things that a detector could take for people: balls, cones, bins, pawns, dressmakers' dummies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.rendering.mesh import Mesh, Part

UInt8Array = NDArray[np.uint8]
Profile = Sequence[tuple[float, float]]


def lathe(
    profile: Profile,
    texture: UInt8Array,
    *,
    position: ArrayLike = (0.0, 0.0, 0.0),
    around: int = 16,
) -> Mesh:
    """A thing that is round about an upright axis.

    Parameters
    ----------
    profile
        (radius, height) in metres from the bottom up, at least two.
    texture
        (h, w, 3) uint8 BGR, wrapped around once.
    position
        (3,) metres, the foot of the axis.
    around
        Corners of a ring.

    Raises
    ------
    ValueError
        If the profile has fewer than two points.

    Examples
    --------
    >>> lathe([(0.1, 0.0), (0.1, 1.0)], np.full((1, 1, 3), 90, np.uint8), around=8)
    Mesh(18 vertices, 16 faces)
    """
    if len(profile) < 2:
        raise ValueError(f"a profile needs two points, got {len(profile)}")
    radius, height = np.array(profile, float).T
    angle = np.linspace(0, 2 * np.pi, around + 1)
    x, y = radius[:, None] * np.cos(angle), radius[:, None] * np.sin(angle)
    z = np.broadcast_to(height[:, None], x.shape)
    vertices = np.stack([x, y, z], axis=2).reshape(-1, 3) + np.asarray(position, float)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(radius), np.diff(height)))])
    down = 1 - length / max(length[-1], 1e-9)
    uv = np.stack(np.broadcast_arrays(angle / (2 * np.pi), down[:, None]), axis=2).reshape(-1, 2)
    ring = np.arange(len(profile) * (around + 1)).reshape(len(profile), around + 1)
    a, b, c, d = ring[:-1, :-1], ring[:-1, 1:], ring[1:, 1:], ring[1:, :-1]
    faces = np.stack([a, b, c, a, c, d], axis=2).reshape(-1, 3)
    return Mesh(vertices, faces, uv, np.full(len(faces), Part.SCENERY), texture)  # type: ignore[arg-type]


def ball_profile(radius: float, *, foot: float = 0.0) -> list[tuple[float, float]]:
    """Profile of a ball whose lowest point is ``foot`` metres up.

    Examples
    --------
    >>> ball_profile(1.0)[4]
    (1.0, 1.0)
    """
    angle = np.linspace(-np.pi / 2, np.pi / 2, 9)
    across, up = radius * np.cos(angle), foot + radius * (1 + np.sin(angle))
    return [
        (round(max(r, 0.0), 6), round(z, 6))
        for r, z in zip(across.tolist(), up.tolist(), strict=True)
    ]


def _ball(rng: np.random.Generator) -> Profile:
    return ball_profile(rng.uniform(0.1, 0.5), foot=rng.choice([0.0, rng.uniform(0, 2.0)]))


def _cone(rng: np.random.Generator) -> Profile:
    tall = rng.uniform(0.4, 1.2)
    return [(0.25 * tall, 0), (0.22 * tall, 0.03), (0.03, tall), (0, tall)]


def _bin(rng: np.random.Generator) -> Profile:
    wide, tall = rng.uniform(0.18, 0.4), rng.uniform(0.6, 1.3)
    return [(0.8 * wide, 0), (wide, tall), (0.9 * wide, 1.06 * tall), (0, 1.1 * tall)]


def _pawn(rng: np.random.Generator) -> Profile:
    """A board game's man: body and head, no limbs."""
    tall = rng.uniform(0.9, 1.9)
    head = rng.uniform(0.07, 0.11) * tall
    body = [(0.16 * tall, 0), (0.12 * tall, 0.1 * tall), (0.13 * tall, 0.5 * tall),
            (0.05 * tall, tall - 2 * head)]  # fmt: skip
    return [*body, *ball_profile(head, foot=tall - 2 * head)[1:]]


def _dummy(rng: np.random.Generator) -> Profile:
    """A dressmaker's dummy: a trunk on a stand, without head."""
    tall, wide = rng.uniform(1.2, 1.6), rng.uniform(0.14, 0.2)
    trunk = [(0.7, 0.52), (1.0, 0.6), (0.72, 0.76), (1.0, 0.9), (0.6, 0.96), (0.3, 1.0), (0, 1.0)]
    stand = [(0.2, 0), (0.03, 0.03), (0.03, 0.5 * tall)]
    return [*stand, *((share * wide, up * tall) for share, up in trunk)]


def _post(rng: np.random.Generator) -> Profile:
    """A lamp post or a bollard."""
    wide, tall = rng.uniform(0.04, 0.12), rng.uniform(0.8, 3.5)
    return [(wide, 0), (wide, tall), *ball_profile(rng.uniform(1.0, 2.5) * wide, foot=tall)[1:]]


_KINDS: Final[tuple[Callable[[np.random.Generator], Profile], ...]] = (
    _ball, _cone, _bin, _pawn, _dummy, _post,
)  # fmt: skip


def random_distractor(
    rng: np.random.Generator, texture: UInt8Array, *, position: ArrayLike = (0.0, 0.0, 0.0)
) -> Mesh:
    """One of them, of a size drawn at random.

    Examples
    --------
    >>> grey = np.full((1, 1, 3), 90, np.uint8)
    >>> mesh = random_distractor(np.random.default_rng(0), grey, position=(1, 2, 0))
    >>> bool(mesh.vertices[:, 2].min() >= 0)
    True
    """
    return lathe(_KINDS[rng.integers(len(_KINDS))](rng), texture, position=position)
