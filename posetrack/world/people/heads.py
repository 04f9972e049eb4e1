"""Head, ears, nose, hair and hats, in the neutral pose."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.people.flesh import Cell, smooth
from posetrack.world.people.lofting import Piece, circle_of, loft
from posetrack.world.people.rig import JOINT, JOINTS
from posetrack.world.people.shape import Shape
from posetrack.world.rendering.mesh import Part

Float64Array = NDArray[np.float64]

EYES: Final = 0.50
"""Height of the eyes in head lengths above the chin."""
NOSE: Final = 0.335
"""Height of the nose's tip."""
MOUTH: Final = 0.20
"""Height of the mouth."""
FACE_ANGLES: Final = np.linspace(-np.pi, np.pi, 15)
"""Radians around the head, 0 the face, where the head has vertices."""
FACE_ACROSS: Final = 0.5 + 0.5 * np.sign(FACE_ANGLES) * (np.abs(FACE_ANGLES) / np.pi) ** 0.65
"""Where those lie across the texture, 0 to 1: the face has more of it than the back."""
EYE_ANGLE: Final = 0.36
"""Radians of an eye from the middle of the face, around the head."""

# height in head lengths, half width, half depth, forward; in head lengths
_HEAD: Final = np.array(
    [
        (1.00, 0.030, 0.040, -0.055),
        (0.975, 0.150, 0.190, -0.052),
        (0.92, 0.235, 0.300, -0.048),
        (0.82, 0.297, 0.380, -0.040),
        (0.70, 0.325, 0.415, -0.030),
        (0.58, 0.326, 0.418, -0.018),
        (0.48, 0.318, 0.402, -0.008),
        (0.38, 0.306, 0.372, 0.012),
        (0.28, 0.286, 0.325, 0.050),
        (0.18, 0.256, 0.265, 0.105),
        (0.09, 0.205, 0.200, 0.155),
        (0.02, 0.120, 0.120, 0.200),
        (0.00, 0.050, 0.060, 0.200),
    ]
)


def on_head(shape: Shape, angle: ArrayLike, height: ArrayLike) -> Float64Array:
    """(..., 3) metres on the skin of the head.

    Parameters
    ----------
    angle
        Radians around from the middle of the face, positive to the person's right.
    height
        Head lengths above the chin.
    """
    a, k = np.broadcast_arrays(np.asarray(angle, float), np.asarray(height, float))
    wide, deep, forward = (np.interp(k, _HEAD[::-1, 0], column) for column in _HEAD[::-1, 1:].T)
    narrow = 1 - 0.06 * shape.female * smooth(-k, -0.35, 0.0)
    x = np.cos(a) * deep + forward
    y = -np.sin(a) * wide * narrow
    return np.stack([x, y, k], axis=-1) * shape.head + (0.004, 0.0, shape.chin)


def head(shape: Shape, cell: Cell, nose_cell: Cell) -> list[Piece]:
    """Skull with jaw, nose and ears."""
    heights = _HEAD[:, 0]
    skull = loft(
        on_head(shape, FACE_ANGLES[None, :-1], heights[:, None]),
        cell=cell,
        along=1 - heights,
        across=FACE_ACROSS,
        parts=Part.HEAD,
        weights={"head": 1.0},
        caps=(True, True),
    )
    return [skull, _nose(shape, nose_cell), *(_ear(shape, nose_cell, sign) for sign in (1, -1))]


def nose_tip(shape: Shape) -> Float64Array:
    """(3,) metres, the tip of the nose."""
    return on_head(shape, 0.0, NOSE) + np.array([0.085, 0.0, 0.0]) * shape.head


def ear(shape: Shape, sign: int) -> Float64Array:
    """(3,) metres, the middle of the left (1) or right (-1) ear, on its outside."""
    out = np.array([0.0, 0.035 * sign, 0.0]) * shape.head
    return on_head(shape, -sign * np.pi / 2, 0.43) + out


def _nose(shape: Shape, cell: Cell) -> Piece:
    """A pyramid from between the eyes."""
    inward = np.array([-0.02, 0.0, 0.0]) * shape.head
    root = on_head(shape, 0.0, EYES + 0.02) + inward
    tip = nose_tip(shape)
    wings = [on_head(shape, sign * 0.26, NOSE - 0.035) + inward for sign in (-1, 1)]
    under = on_head(shape, 0.0, NOSE - 0.05) + inward
    faces = [(0, 2, 1), (0, 1, 3), (1, 2, 4), (1, 4, 3)]
    left, top, right, bottom = cell
    middle = ((left + right) / 2, (top + bottom) / 2)
    return Piece(
        np.array([root, tip, wings[0], wings[1], under]),
        np.array(faces, np.int32),
        np.tile(middle, (5, 1)),
        np.full(4, Part.HEAD, np.uint8),
        _on_joint("head", 5),
    )


def _ear(shape: Shape, cell: Cell, sign: int) -> Piece:
    """A small shell at the side of the head."""
    middle = ear(shape, sign)
    ring = circle_of(6) * (0.075, 0.125) * shape.head  # front to back, up and down
    rings = []
    for size, out in ((1.0, -0.045), (1.0, 0.0), (0.5, 0.008)):
        ring_points = np.zeros((6, 3))
        ring_points[:, 0], ring_points[:, 2] = size * ring[:, 0], size * ring[:, 1]
        rings.append(middle + ring_points + (0.0, sign * out * shape.head, 0.0))
    stack = np.array(rings) if sign > 0 else np.array(rings)[:, ::-1]
    left, top, right, bottom = cell
    flat = (left + 0.4 * (right - left), (top + bottom) / 2, (left + right) / 2, (top + bottom) / 2)
    return loft(
        stack,
        cell=flat,
        along=(0, 0, 0),
        parts=Part.HEAD,
        weights={"head": 1.0},
        caps=(False, True),
    )


def hair(shape: Shape, kind: str, cell: Cell, points: int = 12) -> list[Piece]:
    """Hair of a kind of `Looks`; "none" has no mesh."""
    if kind == "none":
        return []
    angles = np.linspace(-np.pi, np.pi, points, endpoint=False)
    thick = {"short": 0.035, "full": 0.095, "long": 0.065, "bun": 0.035}[kind]
    # The hairline: high over the face, above the ears, down to the neck behind.
    turned = np.abs(angles)
    line = np.interp(turned, [0.0, 0.5, 0.8, 1.25, 1.9, 2.4, np.pi], _HAIRLINES[kind])
    rows = np.array([1.0, 0.92, 0.76, 0.52, 0.28, 0.06, 0.0])[:, None]
    height = line + rows * (1.0 - line)
    skin = on_head(shape, angles[None], height)
    middle = np.array([0.004 - 0.03 * shape.head, 0.0, shape.chin + 0.58 * shape.head])
    out = (skin - middle) * (1.0, 1.0, 0.8)
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    room = thick * np.minimum(1.0, 0.25 + 2.4 * (1 - rows**3) * smooth(1 - rows, -0.3, 1.2) + rows)
    edge = np.where(rows > 0, room, -0.01)
    places = skin + out * edge[..., None] * shape.head
    pieces = [_hair_piece(places, cell, rows[:, 0])]
    if kind == "long":
        pieces.append(_falling(shape, cell))
    if kind == "bun":
        pieces.append(_bun(shape, cell))
    return pieces


def hat(shape: Shape, kind: str, cell: Cell, points: int = 12) -> list[Piece]:
    """A hat of a kind of `Looks`; "none" has no mesh."""
    if kind == "none":
        return []
    angles = np.linspace(-np.pi, np.pi, points, endpoint=False)
    front = np.cos(angles)
    line = 0.66 + 0.10 * front - (0.08 if kind == "beanie" else 0.0)
    rows = np.array([1.0, 0.9, 0.65, 0.3, 0.0])[:, None]
    skin = on_head(shape, angles[None], line + rows * (1.0 - line))
    middle = on_head(shape, 0.0, 0.6) * (0, 1, 1) + np.array([0.004 - 0.03 * shape.head, 0, 0])
    out = skin - middle
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    places = skin + out * (0.115 * shape.head)
    wide = {"cap": 0.36 * np.clip(front, 0, 1) ** 2, "brim": np.full(points, 0.28)}.get(kind)
    if wide is not None:
        flat = np.stack([front, -np.sin(angles), np.zeros(points)], axis=-1)
        edge = places[-1] + flat * wide[:, None] * shape.head - (0, 0, 0.03 * shape.head)
        places, rows = np.concatenate([places, edge[None]]), np.append(rows, -0.2)[:, None]
    return [_hair_piece(places, cell, (rows[:, 0] + 0.2) / 1.2)]


_HAIRLINES: Final = {
    "short": (0.80, 0.78, 0.66, 0.50, 0.40, 0.22, 0.16),
    "full": (0.78, 0.74, 0.56, 0.36, 0.30, 0.10, 0.05),
    "long": (0.80, 0.72, 0.48, 0.22, 0.10, 0.04, 0.02),
    "bun": (0.80, 0.76, 0.64, 0.50, 0.40, 0.20, 0.14),
}


def _hair_piece(places: Float64Array, cell: Cell, rows: Float64Array) -> Piece:
    return loft(
        places,
        cell=cell,
        along=1 - rows,
        parts=Part.HAIR,
        weights={"head": 1.0},
        caps=(True, False),
    )


def _falling(shape: Shape, cell: Cell, points: int = 10) -> Piece:
    """A flat curtain behind the head down to the shoulder blades."""
    ring = circle_of(points, 2.6)
    levels = np.array([0.55, 0.30, 0.05, -0.20, -0.45, -0.62])[:, None]
    wide = np.interp(levels, [-0.62, -0.3, 0.1, 0.55], [0.20, 0.33, 0.375, 0.33])
    deep = np.interp(levels, [-0.62, -0.3, 0.1, 0.55], [0.04, 0.10, 0.16, 0.16])
    back = np.interp(levels, [-0.62, -0.3, 0.1, 0.55], [-0.50, -0.40, -0.24, -0.22])
    x = ring[:, 0] * deep + back
    y = ring[:, 1] * wide
    places = np.stack([x, y, np.broadcast_to(levels, x.shape)], axis=-1) * shape.head
    loose = smooth(-levels, -0.1, 0.7)
    return loft(
        places + np.array([0.004, 0.0, shape.chin]),
        cell=cell,
        along=np.linspace(0.2, 1, len(levels)),
        parts=Part.HAIR,
        weights={"head": 1 - loose, "neck": 0.4 * loose, "chest": 0.6 * loose},
        caps=(True, True),
    )


def _bun(shape: Shape, cell: Cell, points: int = 8) -> Piece:
    """A ball at the back of the crown."""
    ring = circle_of(points)
    up = np.array([1.0, 0.75, 0.0, -0.75, -1.0])[:, None]
    radius = np.sqrt(np.clip(1 - up**2, 0.02, 1))
    x, y = ring[:, 0] * radius, ring[:, 1] * radius
    ball = np.stack([x, y, np.broadcast_to(up, x.shape)], axis=-1) * 0.17 + (-0.46, 0.0, 0.80)
    return loft(
        ball * shape.head + (0.004, 0.0, shape.chin),
        cell=cell,
        along=np.linspace(0.3, 0.9, len(up)),
        parts=Part.HAIR,
        weights={"head": 1.0},
        caps=(True, True),
    )


def _on_joint(joint: str, count: int) -> Float64Array:
    weights = np.zeros((count, len(JOINTS)))
    weights[:, JOINT[joint]] = 1.0
    return weights
