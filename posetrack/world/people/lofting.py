"""Skins over rings: pieces of a triangle mesh with their bones' weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.people.rig import JOINT, JOINTS

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a mesh that is not yet joined to the others.

    Parameters
    ----------
    vertices
        (n, 3) metres.
    faces
        (m, 3) numbers of vertices, counter-clockwise seen from outside.
    uv
        (n, 2) in [0, 1].
    parts
        (m,) a `posetrack.world.rendering.mesh.Part` each.
    weights
        (n, J) how much of each joint's motion a vertex makes; rows sum to 1.
    """

    vertices: Float64Array
    faces: NDArray[np.int32]
    uv: Float64Array
    parts: NDArray[np.uint8]
    weights: Float64Array


def loft(
    rings: ArrayLike,
    *,
    cell: tuple[float, float, float, float],
    along: ArrayLike,
    parts: ArrayLike,
    weights: Mapping[str, ArrayLike],
    across: ArrayLike | None = None,
    caps: tuple[bool, bool] = (False, False),
) -> Piece:
    """A tube through rings.

    Parameters
    ----------
    rings
        (R, S, 3) metres, R rings of S points, clockwise seen from the first ring's side, so that
        the skin looks outward.
    cell
        Left, top, right, bottom of the texture's part in uv.
    along
        (R,) where rings lie on its height, 0 top to 1 bottom.
    parts
        A `Part` for all, or (R - 1,) one for each band.
    weights
        By joint's name, a number, (R, 1) or (R, S): the shares of each, made to sum to 1.
    across
        (S + 1,) where the points lie on its width, 0 to 1; evenly unless given.
    caps
        Whether the first and the last ring are closed by a fan.

    Examples
    --------
    >>> circle = circle_of(8)
    >>> rings = np.stack([np.column_stack([circle, np.full(8, z)]) for z in (1.0, 0.0)])
    >>> piece = loft(rings, cell=(0, 0, 1, 1), along=(0, 1), parts=1, weights={"pelvis": 1})
    >>> piece.vertices.shape, piece.faces.shape
    ((18, 3), (16, 3))
    """
    points = np.asarray(rings, np.float64)
    count, around = points.shape[:2]
    closed = np.concatenate([points, points[:, :1]], axis=1)  # the seam has two edges in uv
    shares = np.zeros((count, around + 1, len(JOINTS)))
    for joint, share in weights.items():
        share = np.asarray(share, np.float64)
        if share.ndim == 2 and share.shape[1] == around:
            share = np.concatenate([share, share[:, :1]], axis=1)
        shares[..., JOINT[joint]] += share
    grid = np.arange(count * (around + 1), dtype=np.int32).reshape(count, around + 1)
    corners = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    a, b, c, d = (corner.ravel() for corner in corners)
    faces = [np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)]
    bands = np.repeat(np.broadcast_to(np.asarray(parts, np.uint8), (count - 1,)), around)
    whose = [bands, bands]
    left, top, right, bottom = cell
    spread = np.linspace(0, 1, around + 1) if across is None else np.asarray(across, np.float64)
    u = left + (right - left) * spread
    v = top + (bottom - top) * np.asarray(along, np.float64)
    uv = np.stack(np.broadcast_arrays(u[None], v[:, None]), axis=-1).reshape(-1, 2)
    piece = Piece(
        closed.reshape(-1, 3),
        np.concatenate(faces),
        uv,
        np.concatenate(whose),
        _sum_to_one(shares.reshape(-1, len(JOINTS))),
    )
    for end, wanted in zip((0, count - 1), caps, strict=True):
        piece = _cap(piece, grid[end], bands[0 if end == 0 else -1], end == 0) if wanted else piece
    return piece


def join_pieces(pieces: Sequence[Piece]) -> Piece:
    """All pieces as one."""
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    return Piece(
        np.concatenate([piece.vertices for piece in pieces]),
        np.concatenate(
            [piece.faces + start for piece, start in zip(pieces, starts, strict=False)]
        ).astype(np.int32),
        np.concatenate([piece.uv for piece in pieces]),
        np.concatenate([piece.parts for piece in pieces]),
        np.concatenate([piece.weights for piece in pieces]),
    )


def circle_of(points: int, roundness: float = 2.0) -> Float64Array:
    """(points, 2) on |x|^n + |y|^n = 1: the back (-x), the left (+y), the front, the right.

    Clockwise seen from above, as `loft` wants rings that go downward.
    """
    angles = np.linspace(-np.pi, np.pi, points, endpoint=False)
    directions = np.stack([np.cos(angles), -np.sin(angles)], axis=-1)
    norm = (np.abs(directions) ** roundness).sum(axis=-1, keepdims=True) ** (1 / roundness)
    return np.asarray(directions / norm)


def _cap(piece: Piece, ring: NDArray[np.int32], part: int, first: bool) -> Piece:
    """The piece with a fan over a ring."""
    middle = len(piece.vertices)
    order = (ring[1:], ring[:-1]) if first else (ring[:-1], ring[1:])
    fan = np.stack([*order, np.full(len(ring) - 1, middle)], axis=1)
    rim = ring[:-1]
    return Piece(
        np.concatenate([piece.vertices, piece.vertices[rim].mean(axis=0, keepdims=True)]),
        np.concatenate([piece.faces, fan]).astype(np.int32),
        np.concatenate([piece.uv, piece.uv[ring].mean(axis=0, keepdims=True)]),
        np.concatenate([piece.parts, np.full(len(fan), part, np.uint8)]),
        np.concatenate([piece.weights, piece.weights[rim].mean(axis=0, keepdims=True)]),
    )


def _sum_to_one(shares: Float64Array) -> Float64Array:
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))
