"""Legs that reach for the ground: two-link inverse kinematics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.people.body import Body
from posetrack.world.people.rig import JOINT, BodyPose, turn_y, turn_z

Float64Array = NDArray[np.float64]

SIDES: Final = (("left", 1.0), ("right", -1.0))
STRETCH: Final = 0.997
"""How much of its length a leg uses at most, so that the knee does not snap straight."""

_MOST_TOE: Final = float(np.deg2rad(60))
_SOFT: Final = 0.012  # metres around a straight leg within which the pelvis eases down


@dataclass(frozen=True)
class Sole:
    """Where a foot is.

    Parameters
    ----------
    ball
        (3,) metres, the ground below the ball of the foot (its toe joint).
    heading
        Radians, where the toes point.
    pitch
        Radians, toes up positive. With the heel up (negative) the ball stays where it is and the
        toes stay level; with the toes up the foot turns about the heel.
    """

    ball: Float64Array
    heading: float
    pitch: float = 0.0


def leg_length(body: Body) -> float:
    """Metres from hip to ankle, stretched."""
    return body.rig.length("left_knee") + body.rig.length("left_ankle")


def ankle_of(body: Body, sole: Sole) -> tuple[Float64Array, Float64Array]:
    """Place (3,) of the ankle of a foot and the foot's rotation (3, 3) in the world."""
    to_toe = body.rig.offsets[JOINT["left_toe"]]
    level = turn_z(sole.heading)
    turned = level @ turn_y(-sole.pitch)
    above = np.array([0.0, 0.0, body.shape.ankle + to_toe[2]])  # of the toe joint over the sole
    joint = sole.ball + above
    if sole.pitch > 0:
        heel = np.array([-0.25 * 0.152 * body.height, 0.0, -body.shape.ankle])
        ground = joint + level @ (heel - to_toe)
        return ground - turned @ heel, turned
    return joint - turned @ to_toe, turned


def with_feet(
    body: Body,
    pose: BodyPose,
    soles: Mapping[str, Sole],
    *,
    knees_out: float = 0.0,
) -> BodyPose:
    """The pose with legs that put the feet where they should be.

    Parameters
    ----------
    body
        Whose legs.
    pose
        Root, heading and the pelvis's rotation are taken as they are.
    soles
        By "left" and "right"; a side that is not named stays as it is. A foot out of reach is
        brought as near as the leg goes.
    knees_out
        Radians by which the knees point outward of the toes.

    Returns
    -------
    pose
        With rotations of hips, knees, ankles and toes replaced.
    """
    rotations = pose.rotations.copy()
    pelvis = turn_z(pose.heading) @ rotations[0]
    lengths = body.rig.length("left_knee"), body.rig.length("left_ankle")
    for side, sign in SIDES:
        if side not in soles:
            continue
        sole = soles[side]
        ankle, foot = ankle_of(body, sole)
        hip = pose.root + pelvis @ body.rig.offsets[JOINT[f"{side}_hip"]]
        ahead = pelvis.T @ turn_z(sole.heading + sign * knees_out)[:, 0]
        upper, knee = two_links(*lengths, pelvis.T @ (ankle - hip), ahead)
        rotations[JOINT[f"{side}_hip"]] = upper
        rotations[JOINT[f"{side}_knee"]] = knee
        rotations[JOINT[f"{side}_ankle"]] = (pelvis @ upper @ knee).T @ foot
        rotations[JOINT[f"{side}_toe"]] = turn_y(float(np.clip(sole.pitch, -_MOST_TOE, 0.0)))
    return BodyPose(rotations, pose.root, pose.heading)


def reach(
    body: Body,
    pose: BodyPose,
    soles: Mapping[str, Sole],
    shares: Mapping[str, float] | None = None,
) -> float:
    """Metres by which the pelvis must come down for the feet to be in reach.

    Smooth in the feet's places: some millimetres where a leg is nearly straight, towards 0 where
    all are well bent. A foot whose share is less than 1 counts less, as it does in the air.
    """
    pelvis = turn_z(pose.heading) @ pose.rotations[0]
    longest = STRETCH * leg_length(body)
    down = 0.0
    for side, sole in soles.items():
        hip = pose.root + pelvis @ body.rig.offsets[JOINT[f"{side}_hip"]]
        away = ankle_of(body, sole)[0] - hip
        height = np.sqrt(max(longest**2 - away[0] ** 2 - away[1] ** 2, 0.0))
        missing = -away[2] - height - down
        share = 1.0 if shares is None else shares[side]
        down += share * 0.5 * (missing + np.hypot(missing, _SOFT * body.shape.size))
    return float(down)


def two_links(
    upper: float,
    lower: float,
    target: ArrayLike,
    ahead: Float64Array,
    *,
    bends: float = 1.0,
) -> tuple[Float64Array, Float64Array]:
    """Rotations of a limb's two joints that bring its end to a place.

    Parameters
    ----------
    upper, lower
        Metres of thigh and shank, or of upper arm and forearm.
    target
        (3,) metres from the first joint, in the frame of its parent. A place out of reach is
        approached.
    ahead
        (3,) where the limb's front looks: where a knee points, and where an elbow does not.
    bends
        1 for a knee, which folds backward; -1 for an elbow.

    Examples
    --------
    >>> first, second = two_links(0.4, 0.4, (0.2, 0, -0.6), np.array([1.0, 0, 0]))
    >>> down = np.array([0, 0, -0.4])
    >>> (first @ down + first @ second @ down).round(6).tolist()
    [0.2, 0.0, -0.6]
    """
    to_target = np.asarray(target, np.float64)
    distance = float(np.linalg.norm(to_target))
    least = np.sqrt(upper**2 + lower**2 - 2 * upper * lower * np.cos(np.deg2rad(32)))
    span = min(max(distance, least), STRETCH * (upper + lower))
    cosine = (upper**2 + lower**2 - span**2) / (2 * upper * lower)
    folds = turn_y(bends * (np.pi - np.arccos(np.clip(cosine, -1, 1))))
    rest = np.array([0.0, 0.0, -upper]) + folds @ (0.0, 0.0, -lower)
    goal = _frame(to_target / max(distance, 1e-9), np.cross(ahead, to_target))
    return goal @ _frame(rest / span, np.array([0.0, 1.0, 0.0])).T, folds


def _frame(down: Float64Array, sideways: Float64Array) -> Float64Array:
    """(3, 3), columns ahead, left and up of a limb that points down along a unit vector."""
    left = sideways / max(float(np.linalg.norm(sideways)), 1e-9)
    return np.column_stack([np.cross(down, left) * -1, left, -down])
