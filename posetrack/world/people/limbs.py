"""Limbs of a person as lofted rings, hanging as in the neutral pose.

Profiles are metres for an adult of 1.75 m and average girth. Lengths along arms and legs go from
0 at the shoulder or hip to 1 at the wrist or ankle.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from posetrack.world.people.flesh import Cell, smooth
from posetrack.world.people.lofting import Piece, circle_of, loft
from posetrack.world.people.looks import Clothes
from posetrack.world.people.shape import Shape
from posetrack.world.rendering.mesh import Part

Float64Array = NDArray[np.float64]

ARM_ENDS: Final = (-0.08, 1.04)
"""Along the arm, at the top and the bottom of its part of the texture."""
LEG_ENDS: Final = (-0.10, 1.02)
"""Along the leg, at the top and the bottom of its part of the texture."""
ELBOW: Final = 0.538
"""The elbow along the arm."""

# along, radius across, radius in depth, forward
_ARM: Final = np.array(
    [
        (-0.068, 0.014, 0.018, 0.0),
        (-0.054, 0.031, 0.035, 0.0),
        (-0.020, 0.045, 0.051, 0.0),
        (0.04, 0.052, 0.058, 0.0),
        (0.11, 0.053, 0.059, 0.0),
        (0.24, 0.048, 0.054, 0.0),
        (0.40, 0.043, 0.046, 0.002),
        (0.50, 0.039, 0.041, 0.0),
        (0.538, 0.040, 0.040, 0.0),
        (0.64, 0.042, 0.044, 0.002),
        (0.80, 0.034, 0.036, 0.002),
        (0.95, 0.025, 0.029, 0.0),
        (1.04, 0.022, 0.030, 0.0),
    ]
)
_LEG: Final = np.array(
    [
        (-0.10, 0.070, 0.080, 0.0),
        (-0.03, 0.084, 0.092, 0.002),
        (0.05, 0.087, 0.093, 0.004),
        (0.15, 0.083, 0.089, 0.008),
        (0.27, 0.075, 0.081, 0.010),
        (0.38, 0.064, 0.070, 0.008),
        (0.45, 0.057, 0.061, 0.005),
        (0.50, 0.054, 0.058, 0.004),
        (0.55, 0.051, 0.055, -0.002),
        (0.64, 0.054, 0.059, -0.012),
        (0.72, 0.051, 0.055, -0.014),
        (0.83, 0.041, 0.044, -0.009),
        (0.93, 0.033, 0.037, -0.004),
        (1.02, 0.034, 0.042, -0.004),
    ]
)
# in foot lengths from the ankle, half width, height in metres
_FOOT: Final = np.array(
    [
        (-0.275, 0.012, 0.050),
        (-0.255, 0.026, 0.075),
        (-0.16, 0.035, 0.100),
        (-0.02, 0.037, 0.112),
        (0.12, 0.038, 0.092),
        (0.28, 0.043, 0.070),
        (0.43, 0.049, 0.056),
        (0.57, 0.047, 0.046),
        (0.68, 0.035, 0.038),
        (0.73, 0.017, 0.028),
    ]
)
# in hand lengths below the wrist, half width front to back, half thickness
_HAND: Final = np.array(
    [
        (-0.05, 0.027, 0.021),
        (0.20, 0.037, 0.018),
        (0.45, 0.043, 0.016),
        (0.68, 0.039, 0.013),
        (0.90, 0.030, 0.010),
        (1.00, 0.014, 0.006),
    ]
)
_THUMB: Final = np.array([(0.08, 0.015, 0.020), (0.30, 0.014, 0.040), (0.62, 0.007, 0.062)])


def arm(shape: Shape, worn: Clothes, cell: Cell, side: str, points: int = 10) -> Piece:
    """Shoulder to wrist, hanging."""
    length = 0.316 * shape.height
    build = shape.size * (1 + 0.75 * (shape.girth - 1)) * (1 - 0.14 * shape.female)
    sleeve = worn.sleeves if worn.top is not None else 0.0
    # Without a sleeve the shirt still covers the shoulder's ball.
    end = sleeve if sleeve > 0 else 0.02
    along, wide, deep, forward = _with_garment(
        _ARM, build, end, worn.ease if worn.top is not None else 0.0, 0.7
    )
    sign = 1.0 if side == "left" else -1.0
    ring = circle_of(points)
    y = sign * shape.half_shoulders + ring[:, 1] * wide
    x = -0.008 + ring[:, 0] * deep + forward * shape.size
    z = np.broadcast_to(shape.shoulder - along * length, x.shape)
    upper, fore = Part[f"{side.upper()}_UPPER_ARM"], Part[f"{side.upper()}_FOREARM"]
    moves, bends = smooth(along, -0.10, 0.15), smooth(along, ELBOW - 0.05, ELBOW + 0.05)
    turns = 0.6 * smooth(along, 0.95, 1.05)
    return loft(
        np.stack([x, y, z], axis=-1),
        cell=cell,
        along=(along[:, 0] - ARM_ENDS[0]) / (ARM_ENDS[1] - ARM_ENDS[0]),
        parts=np.where(along[1:, 0] <= ELBOW + 1e-6, int(upper), int(fore)),
        weights={
            f"{side}_clavicle": 1 - moves,
            f"{side}_shoulder": moves * (1 - bends),
            f"{side}_elbow": bends * (1 - turns),
            f"{side}_wrist": bends * turns,
        },
        caps=(True, False),
    )


def leg(shape: Shape, worn: Clothes, cell: Cell, side: str, points: int = 10) -> Piece:
    """Hip to ankle."""
    length = shape.hip - shape.ankle
    build = shape.size * (1 + 0.7 * (shape.girth - 1)) * (1 + 0.02 * shape.female)
    along, wide, deep, forward = _with_garment(_LEG, build, worn.legs, worn.ease, 0.85)
    sign = 1.0 if side == "left" else -1.0
    ring = circle_of(points)
    y = sign * shape.half_hips + ring[:, 1] * wide
    x = ring[:, 0] * deep + forward * shape.size
    z = np.broadcast_to(shape.hip - along * length, x.shape)
    thigh, shank = Part[f"{side.upper()}_THIGH"], Part[f"{side.upper()}_SHANK"]
    moves, bends = smooth(along, -0.14, 0.08), smooth(along, 0.43, 0.57)
    turns = 0.7 * smooth(along, 0.93, 1.02)
    return loft(
        np.stack([x, y, z], axis=-1),
        cell=cell,
        along=(along[:, 0] - LEG_ENDS[0]) / (LEG_ENDS[1] - LEG_ENDS[0]),
        parts=np.where(along[1:, 0] <= 0.5 + 1e-6, int(thigh), int(shank)),
        weights={
            "pelvis": 1 - moves,
            f"{side}_hip": moves * (1 - bends),
            f"{side}_knee": bends * (1 - turns),
            f"{side}_ankle": bends * turns,
        },
        caps=(True, True),
    )


def _with_garment(
    profile: Float64Array, build: float, end: float, ease: float, straight: float
) -> tuple[Float64Array, ...]:
    """Along, half width, half depth and forward (R, 1) of a limb in a sleeve to ``end``.

    Two rings at the garment's end make its edge. ``straight`` keeps it from narrowing below that
    share of its widest, as loose cloth hangs.
    """
    steps = [end - 0.002, end + 0.002] if 0 < end < 1 else []
    along = np.sort(np.concatenate([profile[:, 0], steps]))
    wide, deep, forward = (np.interp(along, profile[:, 0], column) for column in profile[:, 1:].T)
    covered = along < end
    hang = straight * min(ease / 0.016, 1.0)
    sides = []
    for radius in (wide, deep):
        skin = radius * build
        least = np.where(along > 0.1, hang * skin[along <= 0.2].max() * (1 - 0.25 * along), 0)
        cloth = np.maximum(skin, least) + 0.002 + ease * smooth(along, -0.1, 0.2)
        sides.append(np.where(covered, cloth, skin))
    return tuple(column[:, None] for column in (along, *sides, forward))


def foot(shape: Shape, cell: Cell, side: str, points: int = 8) -> Piece:
    """A shoe on the ground."""
    sign = 1.0 if side == "left" else -1.0
    length = 0.152 * shape.height
    ring = circle_of(points, 2.6)  # starts below, then left, top, right
    along, wide, high = (column[:, None] for column in _FOOT.T)
    x = np.broadcast_to(along * length, (len(along), points))
    y = sign * shape.half_hips + ring[:, 1] * wide * shape.size
    y = y - sign * 0.012 * shape.size * smooth(along, 0.3, 0.73)  # toes point inward a little
    z = np.maximum((0.5 + 0.5 * ring[:, 0]) * high * shape.size, 0)
    toes = smooth(along, 0.36, 0.52)
    return loft(
        np.stack([x, y, z], axis=-1),
        cell=cell,
        along=(along[:, 0] - along[0, 0]) / np.ptp(along),
        parts=Part[f"{side.upper()}_FOOT"],
        weights={f"{side}_ankle": 1 - toes, f"{side}_toe": toes},
        caps=(True, True),
    )


def hand(shape: Shape, cell: Cell, side: str) -> list[Piece]:
    """A mitten and a thumb, hanging, the palm to the thigh."""
    sign = 1.0 if side == "left" else -1.0
    length = 0.105 * shape.height
    wrist = shape.shoulder - 0.316 * shape.height
    size = shape.size * (1 - 0.08 * shape.female)
    part = Part[f"{side.upper()}_HAND"]
    pieces = []
    for profile, points, is_thumb in ((_HAND, 8, False), (_THUMB, 6, True)):
        along, first, second = (column[:, None] for column in profile.T)
        ring = circle_of(points)
        if is_thumb:
            x = ring[:, 0] * first * size + second * size
            y = ring[:, 1] * 0.9 * first * size - sign * 0.012 * size
        else:
            x, y = ring[:, 0] * first * size, ring[:, 1] * second * size
        y = y + sign * (shape.half_shoulders - 0.022 * size * np.clip(along, 0, 1) ** 2)
        z = np.broadcast_to(wrist - along * length, x.shape)
        pieces.append(
            loft(
                np.stack([x - 0.008, y, z], axis=-1),
                cell=cell,
                along=np.clip(profile[:, 0], 0, 1),
                parts=part,
                weights={f"{side}_wrist": 1.0},
                caps=(True, True),
            )
        )
    return pieces
