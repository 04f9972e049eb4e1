"""People on the ground: falling, lying, push-ups."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.motion.legs import SIDES, leg_length, two_links
from posetrack.world.motion.poses import LYING, angles_of, blend, put_on_ground, with_collar
from posetrack.world.motion.stances import Motion
from posetrack.world.motion.standing import standing
from posetrack.world.people.body import Body
from posetrack.world.people.rig import JOINT, BodyPose, rotations_from, turn_x, turn_y, turn_z

Float64Array = NDArray[np.float64]


def lying(
    body: Body,
    position: ArrayLike = (0.0, 0.0),
    heading: float = 0.0,
    *,
    on_belly: bool = False,
    seed: int = 0,
) -> Motion:
    """Lie on the back or the belly, the hips at a place, and breathe.

    ``heading`` is where the person would face standing up from there: the head of a person lying on
    the back points the opposite way, on the belly that way.
    """
    rng = np.random.default_rng(seed)
    angles = angles_of(LYING)
    angles[0] = np.deg2rad((88, 0, 0) if on_belly else (-88, 0, 0))
    for side in ("left", "right"):
        # Turned out and lifted, the forearm lies flat beside the head.
        lifted, turned = rng.uniform(70, 130), 85.0
        if not on_belly and rng.random() < 0.5:
            lifted, turned = rng.uniform(12, 60), rng.uniform(-60, 30)
        angles[JOINT[f"{side}_shoulder"]] = np.deg2rad((-4.0, lifted, turned))
        angles[JOINT[f"{side}_elbow"], 0] = np.deg2rad(rng.uniform(10, 75))
        knee = np.deg2rad(rng.uniform(2, 12) if on_belly else rng.uniform(4, 45))
        angles[JOINT[f"{side}_hip"], 0] = 0.0 if on_belly else 0.6 * knee
        angles[JOINT[f"{side}_knee"], 0] = knee
        angles[JOINT[f"{side}_ankle"]] = np.deg2rad((-40 if on_belly else -25, 0, 0))
    at = np.array([*np.asarray(position, np.float64)[:2], 0.0])

    def pose(seconds: float) -> BodyPose:
        breath = angles.copy()
        breath[JOINT["chest"], 0] += 0.02 * np.sin(2 * np.pi * 0.25 * seconds)
        return put_on_ground(body, BodyPose(rotations_from(with_collar(breath)), at, heading))

    return pose


def falling(
    body: Body,
    position: ArrayLike = (0.0, 0.0),
    heading: float = 0.0,
    *,
    begin: float = 1.0,
    duration: float = 0.9,
    forward: bool = True,
    seed: int = 0,
) -> Motion:
    """Stand, fall from second ``begin`` on within ``duration`` seconds, and lie.

    Forward on the belly, else backward on the back. The feet stay near ``position``.

    Examples
    --------
    >>> from posetrack.world.people.body import random_body
    >>> fall = falling(random_body(np.random.default_rng(0)), begin=1.0)
    >>> bool(fall(0.9).root[2] > 0.6), bool(fall(3.0).root[2] < 0.3)
    (True, True)
    """
    upright = standing(body, position, heading, seed=seed)
    lies = lying(body, position, heading, on_belly=forward, seed=seed)
    ahead = turn_z(heading)[:2, 0] * (1.0 if forward else -1.0)
    leg = leg_length(body)

    def pose(seconds: float) -> BodyPose:
        if seconds <= begin:
            return upright(seconds)
        share = min((seconds - begin) / duration, 1.0) ** 2  # faster and faster, as things fall
        mixed = blend(upright(seconds), lies(seconds), share)
        crumple = 4 * share * (1 - share)
        rotations = mixed.rotations.copy()
        for side, _ in SIDES:
            knee, hip = JOINT[f"{side}_knee"], JOINT[f"{side}_hip"]
            rotations[knee] = rotations[knee] @ turn_y(np.deg2rad(35 * crumple))
            rotations[hip] = rotations[hip] @ turn_y(np.deg2rad(-20 * crumple))
        away = ahead * leg * float(np.sin(0.5 * np.pi * share))
        start = upright(begin).root[:2]
        root = np.array([*(start + away), mixed.root[2]])
        return put_on_ground(body, BodyPose(rotations, root, mixed.heading))

    return pose


def push_ups(
    body: Body, position: ArrayLike = (0.0, 0.0), heading: float = 0.0, *, period: float = 2.0
) -> Motion:
    """Push-ups once every ``period`` seconds, arms straight at second 0.

    ``position`` is below the toes and the head points to ``heading``.
    """
    arm = body.rig.length("left_elbow"), body.rig.length("left_wrist")
    leg, toe = leg_length(body), body.rig.offsets[JOINT["left_toe"]]
    along = leg + body.shape.trunk  # from the ankles to the shoulders
    palm = 0.05 * body.shape.size
    high, low = 0.97 * sum(arm) + palm, 0.22 * body.shape.size
    ankle = np.array([0.0, 0.0, float(toe[0]) + 0.05 * body.shape.size])  # the toes are bent
    level = turn_z(heading)
    start = np.array([*np.asarray(position, np.float64)[:2], 0.0])
    hands_at = np.sqrt(along**2 - (high - ankle[2]) ** 2)

    def pose(seconds: float) -> BodyPose:
        down = 0.5 - 0.5 * np.cos(2 * np.pi * seconds / period)
        rise = np.arcsin((high + (low - high) * down - ankle[2]) / along)
        pitch = 0.5 * np.pi - float(rise)
        given = {
            "pelvis": (np.rad2deg(pitch), 0.0, 0.0),
            "head": (-18.0, 0.0, 0.0),
            "ankle": (np.rad2deg(float(rise)), 0.0, 0.0),
            "toe": (60.0, 0.0, 0.0),
        }
        rotations = rotations_from(angles_of(given))
        root = start + level @ (ankle + turn_y(pitch) @ (0.0, 0.0, leg))
        plank = BodyPose(rotations, root, heading)
        turned, places = body.rig.locate(plank)
        for side, sign in SIDES:
            shoulder = JOINT[f"{side}_shoulder"]
            frame = turned[JOINT[f"{side}_clavicle"]]
            spread = sign * (body.shape.half_shoulders + 0.05 * body.shape.size)
            wrist = start + level @ np.array([hands_at, spread, palm])
            outward = level @ np.array([0.75, -sign * 0.65, 0.0])  # elbows go back and out
            upper, fore = two_links(
                *arm, frame.T @ (wrist - places[shoulder]), frame.T @ outward, bends=-1.0
            )
            rotations[shoulder] = upper
            rotations[JOINT[f"{side}_elbow"]], rotations[JOINT[f"{side}_wrist"]] = _flat_hand(
                fore, (frame @ upper @ fore).T @ level[:, 0], sign
            )
        return BodyPose(rotations, root, heading)

    return pose


def _flat_hand(
    fore: Float64Array, fingers: Float64Array, sign: float
) -> tuple[Float64Array, Float64Array]:
    """Rotations of elbow and wrist by which the fingers point along (3,) in the forearm's frame.

    The forearm turns about itself until the hand gets there by bending back.
    """
    turn = math.atan2(-sign * fingers[0], sign * fingers[1])
    back = math.atan2(math.hypot(fingers[0], fingers[1]), -fingers[2])
    return fore @ turn_z(turn), turn_x(sign * min(back, float(np.deg2rad(85))))
