"""Trunk and skirt of a person as lofted rings, in the neutral pose.

Profiles are metres for an adult of 1.75 m and average girth. Lengths along the trunk are in trunk
lengths above the hip joints; 1 is at the shoulders.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.people.lofting import Piece, circle_of, loft
from posetrack.world.people.looks import Clothes
from posetrack.world.people.shape import Shape
from posetrack.world.rendering.mesh import Part

Float64Array = NDArray[np.float64]
Cell = tuple[float, float, float, float]

TRUNK_ENDS: Final = (1.36, -0.22)
"""Trunk lengths at the top and the bottom of the trunk's part of the texture."""
# along, half width, half depth, forward, share of girth, what being female adds to the width
_TRUNK: Final = np.array(
    [
        (1.36, 0.050, 0.054, 0.004, 0.5, -0.14),
        (1.25, 0.054, 0.056, -0.008, 0.5, -0.14),
        (1.18, 0.067, 0.059, -0.018, 0.4, -0.12),
        (1.135, 0.112, 0.062, -0.022, 0.3, -0.08),
        (1.09, 0.157, 0.066, -0.021, 0.2, -0.08),
        (1.03, 0.176, 0.079, -0.016, 0.2, -0.08),
        (0.95, 0.172, 0.097, -0.010, 0.3, -0.08),
        (0.85, 0.166, 0.113, -0.003, 0.4, -0.09),
        (0.72, 0.161, 0.119, 0.003, 0.7, -0.10),
        (0.56, 0.151, 0.112, 0.004, 0.9, -0.10),
        (0.40, 0.142, 0.101, 0.003, 1.1, -0.10),
        (0.26, 0.143, 0.099, 0.002, 1.2, -0.07),
        (0.12, 0.158, 0.107, -0.003, 1.0, 0.01),
        (-0.02, 0.166, 0.113, -0.009, 0.8, 0.05),
        (-0.13, 0.150, 0.102, -0.012, 0.7, 0.05),
        (-0.22, 0.080, 0.066, -0.010, 0.5, 0.02),
    ]
)


def smooth(value: ArrayLike, low: float, high: float) -> Float64Array:
    """0 below ``low``, 1 above ``high``, smooth between (3 t^2 - 2 t^3).

    Examples
    --------
    >>> smooth([-1, 0.5, 2], 0, 1).tolist()
    [0.0, 0.5, 1.0]
    """
    t = np.clip((np.asarray(value, np.float64) - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def trunk(shape: Shape, worn: Clothes, cell: Cell, points: int = 18) -> Piece:
    """Hips to neck."""
    extra = [worn.hem + 0.005, worn.hem - 0.005] if worn.top is not None else []
    along = np.sort(np.concatenate([_TRUNK[:, 0], extra]))[::-1]
    # A shirt hangs straight from the widest of the hips.
    at = np.where(along > worn.hem, np.maximum(along, -0.02), along) if worn.top else along
    profile = [np.interp(at, _TRUNK[::-1, 0], column) for column in _TRUNK[::-1, 1:].T]
    wide, deep, forward, share, adds = (column[:, None] for column in profile)
    girth = 1 + (shape.girth - 1) * share
    ring = circle_of(points, 2.35)
    level = along[:, None]
    y = ring[:, 1] * wide * girth * (1 + adds * shape.female) * shape.size
    x = (ring[:, 0] * deep * girth + forward) * shape.size
    front = np.clip(ring[:, 0], 0, 1)
    at = y / shape.size
    bust = np.exp(-(((np.abs(at) - 0.07) / 0.055) ** 2) - ((level - 0.68) / 0.15) ** 2)
    chest = np.exp(-(((np.abs(at) - 0.07) / 0.06) ** 2) - ((level - 0.75) / 0.14) ** 2)
    belly = np.exp(-((at / 0.12) ** 2) - ((level - 0.24) / 0.2) ** 2)
    seat = np.exp(-(((np.abs(at) - 0.075) / 0.06) ** 2) - ((level + 0.06) / 0.12) ** 2)
    spare = max(shape.girth - 1, 0.0)
    x += (
        front
        * shape.size
        * (
            (0.042 * bust * shape.girth) * smooth(shape.female, 0.4, 1)
            + 0.012 * chest * (1 - shape.female)
            + 0.14 * spare * belly
        )
    )
    x -= np.clip(-ring[:, 0], 0, 1) * shape.size * (0.026 + 0.01 * shape.female) * seat
    if worn.top is not None:
        grown = _over_legs(shape, worn, level, np.abs(y).max(axis=1, keepdims=True))
        y *= np.where(level > worn.hem, grown, 1.0)
    room = _room_of_trunk(along, worn)[:, None]
    y += np.sign(ring[:, 1]) * np.abs(ring[:, 1]) * room
    x += ring[:, 0] * room
    z = np.broadcast_to(shape.hip + level * shape.trunk, x.shape)
    return loft(
        np.stack([x, y, z], axis=-1),
        cell=cell,
        along=(TRUNK_ENDS[0] - along) / (TRUNK_ENDS[0] - TRUNK_ENDS[1]),
        parts=np.where(along[:-1] > 1.18, int(Part.HEAD), int(Part.TRUNK)),
        weights=_trunk_weights(shape, level, y),
        caps=(False, True),
    )


def _over_legs(
    shape: Shape, worn: Clothes, level: Float64Array, half: Float64Array
) -> Float64Array:
    """What half widths (R, 1) of a shirt or skirt grow by, a factor, to hold the legs' tops."""
    thigh = 0.087 * shape.size * (1 + 0.7 * (shape.girth - 1))
    wanted = shape.half_hips + thigh + worn.ease
    near = smooth(-level, -0.22, -0.05)
    return np.asarray(1 + near * (np.maximum(wanted / half, 1) - 1))


def _room_of_trunk(along: Float64Array, worn: Clothes) -> Float64Array:
    if worn.top is None:
        return np.where(along < worn.hem, 0.004, 0.0)
    shirt = (0.6 + 1.2 * smooth(-along, -0.5, 0.1)) * worn.ease * smooth(-along, -1.12, -0.95)
    over_legs = 0.012 * smooth(-along, -0.12, 0.02)  # a shirt over the hips hides their tops
    return np.where(along > worn.hem, shirt + over_legs + 0.002, 0.002)


def _trunk_weights(shape: Shape, level: Float64Array, y: Float64Array) -> dict[str, Float64Array]:
    spine, chest = smooth(level, 0.05, 0.38), smooth(level, 0.40, 0.72)
    neck, head = smooth(level, 1.06, 1.20), smooth(level, 1.20, 1.36)
    lateral = smooth(np.abs(y) / shape.half_shoulders, 0.3, 0.95)
    collar = 0.8 * lateral * smooth(level, 0.72, 0.95) * (1 - neck)
    arm = 0.4 * smooth(np.abs(y) / shape.half_shoulders, 0.6, 1.0)
    arm = arm * smooth(level, 0.70, 0.95) * smooth(-level, -1.12, -1.0)
    thigh = 0.35 * smooth(-level, -0.02, 0.22) * np.ones_like(y)
    left = smooth(y / shape.half_hips, -0.5, 0.5)
    still = 1 - thigh
    return {
        "pelvis": (1 - spine) * still,
        "spine": spine * (1 - chest) * still,
        "chest": chest * (1 - neck) * (1 - collar) * (1 - arm),
        "neck": neck * (1 - head) * np.ones_like(y),
        "head": head * np.ones_like(y),
        "left_clavicle": collar * (y > 0) * (1 - arm),
        "right_clavicle": collar * (y < 0) * (1 - arm),
        "left_shoulder": arm * (y > 0),
        "right_shoulder": arm * (y < 0),
        "left_hip": thigh * left,
        "right_hip": thigh * (1 - left),
    }


def skirt(shape: Shape, worn: Clothes, cell: Cell, points: int = 18) -> Piece:
    """From the waist to ``worn.skirt`` along the leg; each thigh carries its side."""
    dress = worn.coat or worn.bottom is worn.top
    waist, rows = 0.26 if dress or worn.hem > 0 else worn.hem + 0.02, 8
    length = shape.hip - shape.ankle
    down = np.linspace(-waist * shape.trunk / length, worn.skirt, rows)[:, None]
    level = -down * length / shape.trunk
    wide, deep, forward, share = (
        np.interp(level, _TRUNK[::-1, 0], _TRUNK[::-1, column]) for column in (1, 2, 3, 4)
    )
    below = down > 0
    wide = np.where(below, np.maximum(wide, 0.167), wide) + 0.16 * np.clip(down, 0, 1)
    deep = (
        np.where(below, np.maximum(deep, 0.113), deep)
        + 0.21 * np.clip(down, 0, 1)
        + (0.018 if worn.legs else 0.0)
    )
    girth = 1 + (shape.girth - 1) * np.where(below, 0.8, share)
    ring = circle_of(points)
    room = (0.012 + (1.2 if worn.coat else 0.5) * worn.ease) * np.where(
        np.arange(rows) > 0, 1.0, 0.2
    )[:, None]
    half = wide * girth * (1 + 0.03 * shape.female) * shape.size
    y = ring[:, 1] * (half * _over_legs(shape, worn, level, half) + room)
    seat = 0.02 * smooth(-np.abs(down - 0.03), -0.2, 0.0) * np.clip(-ring[:, 0], 0, 1)
    x = ring[:, 0] * (deep * girth * shape.size + room) + (forward - seat) * shape.size
    z = np.broadcast_to(shape.hip - down * length, x.shape)
    thigh = 0.92 * smooth(down, -0.02, 0.3) * np.ones_like(y)
    left = smooth(y / np.abs(y).max(axis=1, keepdims=True), -0.4, 0.4)
    return loft(
        np.stack([x, y, z], axis=-1),
        cell=cell,
        along=np.linspace(0, 1, rows),
        parts=Part.SKIRT,
        weights={
            "pelvis": 1 - thigh,
            "left_hip": thigh * left,
            "right_hip": thigh * (1 - left),
        },
    )
