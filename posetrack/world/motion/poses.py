"""Single poses: standing, lying, and random ones within the joints' limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from posetrack.world.people.body import Body
from posetrack.world.people.rig import (
    JOINT,
    JOINTS,
    LIMITS,
    BodyPose,
    angles_from,
    rotations_from,
    turns,
)

Float64Array = NDArray[np.float64]
Angles = Mapping[str, tuple[float, float, float]]
"""Degrees of flexion, abduction and twist by joint. A name without side means both sides."""


def angles_of(given: Angles) -> Float64Array:
    """(J, 3) radians from degrees by joint; joints that are not named are 0.

    Examples
    --------
    >>> angles = angles_of({"elbow": (90, 0, 0)})
    >>> float(angles[JOINT["right_elbow"], 0].round(3))
    1.571
    """
    angles = np.zeros((len(JOINTS), 3))
    for name, degrees in given.items():
        for joint in (name,) if name in JOINT else (f"left_{name}", f"right_{name}"):
            angles[JOINT[joint]] = np.deg2rad(degrees)
    return angles


def with_collar(angles: Float64Array) -> Float64Array:
    """The angles with collar bones that rise with lifted arms, up to 20 degrees."""
    angles = angles.copy()
    for side in ("left", "right"):
        arm, collar = JOINT[f"{side}_shoulder"], JOINT[f"{side}_clavicle"]
        lifted = np.hypot(angles[arm, 0], angles[arm, 1]) - np.deg2rad(60)
        part = np.clip(lifted, 0, None) * 0.17
        angles[collar, 1] = np.clip(angles[collar, 1] + part, *LIMITS[collar, 1])
    return angles


def within_limits(angles: Float64Array) -> Float64Array:
    """The angles (J, 3) moved into `LIMITS`."""
    return np.clip(angles, LIMITS[..., 0], LIMITS[..., 1])


def put_on_ground(body: Body, pose: BodyPose, *, ground: float = 0.0) -> BodyPose:
    """The pose moved up or down until its lowest point touches the ground."""
    lowest = float(body.apply_pose(pose)[:, 2].min())
    return pose.translate((0.0, 0.0, ground - lowest))


def blend(first: BodyPose, second: BodyPose, share: float) -> BodyPose:
    """Between two poses: 0 the first, 1 the second; joints take the smaller rotation."""
    angles = (1 - share) * angles_from(first.rotations) + share * angles_from(second.rotations)
    turn = (second.heading - first.heading + np.pi) % (2 * np.pi) - np.pi
    root = (1 - share) * first.root + share * second.root
    return BodyPose(rotations_from(angles), root, first.heading + share * turn)


STANDING: Final[Angles] = {
    "shoulder": (2, 7, 0),
    "elbow": (12, 0, 0),
    "spine": (1, 0, 0),
    "hip": (1, 3, 5),
    "knee": (3, 0, 0),
}
SITTING: Final[Angles] = {
    "pelvis": (-8, 0, 0),
    "spine": (12, 0, 0),
    "chest": (6, 0, 0),
    "hip": (88, 8, 5),
    "knee": (88, 0, 0),
    "shoulder": (25, 8, 0),
    "elbow": (55, 0, 0),
}
CROUCHING: Final[Angles] = {
    "pelvis": (25, 0, 0),
    "spine": (25, 0, 0),
    "chest": (15, 0, 0),
    "neck": (-20, 0, 0),
    "hip": (115, 15, 10),
    "knee": (130, 0, 0),
    "ankle": (25, 0, 0),
    "shoulder": (55, 10, 0),
    "elbow": (45, 0, 0),
}
KICKING: Final[Angles] = {
    "left_hip": (75, 8, 0),
    "left_knee": (20, 0, 0),
    "right_hip": (-5, 3, 10),
    "right_knee": (10, 0, 0),
    "left_shoulder": (-25, 25, 0),
    "right_shoulder": (50, 25, 0),
    "elbow": (40, 0, 0),
    "pelvis": (-12, 0, 0),
}
STRIDING: Final[Angles] = {
    "left_hip": (35, 2, 0),
    "left_knee": (25, 0, 0),
    "right_hip": (-18, 2, 0),
    "right_knee": (40, 0, 0),
    "left_shoulder": (-35, 8, 0),
    "right_shoulder": (35, 8, 0),
    "elbow": (50, 0, 0),
    "pelvis": (6, 0, 0),
}
BENDING: Final[Angles] = {
    "pelvis": (45, 0, 0),
    "spine": (30, 0, 0),
    "chest": (20, 0, 0),
    "hip": (50, 4, 4),
    "knee": (12, 0, 0),
    "shoulder": (80, 5, 0),
    "elbow": (15, 0, 0),
}
LYING: Final[Angles] = {
    "pelvis": (-90, 0, 0),
    "shoulder": (5, 25, 0),
    "elbow": (15, 0, 0),
    "hip": (5, 8, 15),
    "knee": (12, 0, 0),
    "ankle": (-25, 0, 0),
}

_SPREAD: Final = {
    "pelvis": (6, 5, 0),
    "spine": (8, 5, 8),
    "chest": (6, 5, 8),
    "neck": (9, 6, 12),
    "head": (9, 5, 14),
    "clavicle": (4, 4, 5),
    "shoulder": (22, 16, 25),
    "elbow": (28, 0, 30),
    "wrist": (8, 20, 0),
    "hip": (13, 9, 12),
    "knee": (14, 0, 0),
    "ankle": (10, 6, 6),
    "toe": (6, 0, 0),
}
"""Degrees of the normal noise on a base pose."""


def random_pose(rng: np.random.Generator, body: Body) -> BodyPose:
    """A pose drawn at random, above the origin, its lowest point on the ground.

    Standing, striding, sitting, crouching, kicking, bending and lying, each with noise within
    `LIMITS`; often with arms anywhere; any heading, sometimes tilted as in a jump or a fall.

    Examples
    --------
    >>> from posetrack.world.people.body import random_body
    >>> rng = np.random.default_rng(0)
    >>> pose = random_pose(rng, random_body(rng))
    >>> pose.root.shape
    (3,)
    """
    bases: tuple[Angles, ...] = (
        STANDING, STRIDING, SITTING, CROUCHING, KICKING, BENDING, LYING,
    )  # fmt: skip
    choice = int(rng.choice(len(bases), p=[0.34, 0.22, 0.14, 0.09, 0.08, 0.07, 0.06]))
    lying = bases[choice] is LYING
    angles = angles_of(bases[choice])
    if rng.random() < 0.5:
        angles = angles[_MIRRORED]
    amount = rng.uniform(0.3, 1.3)
    spread = np.deg2rad([_SPREAD[name.split("_")[-1]] for name in JOINTS])
    angles += amount * spread * rng.normal(size=angles.shape)
    _free_arms(rng, angles)
    if lying and rng.random() < 0.5:
        angles[0, 0] += np.pi  # on the belly, arms flat beside the head or the hips
        for side in ("left", "right"):
            angles[JOINT[f"{side}_shoulder"]] = np.deg2rad(
                (
                    rng.uniform(-15, 0),
                    *((rng.uniform(60, 140), 85) if rng.random() < 0.7 else (15, 0)),
                )
            )
            angles[JOINT[f"{side}_elbow"]] *= (0.5, 1, 1)
    heading = float(rng.uniform(-np.pi, np.pi))
    pose = BodyPose(rotations_from(with_collar(within_limits(angles))), np.zeros(3), heading)
    for _ in range(12):
        if not arms_inside(body, pose):
            break
        fresh = angles.copy()
        for side in ("left", "right"):
            fresh[JOINT[f"{side}_shoulder"]] = _any_shoulder(rng)
            fresh[JOINT[f"{side}_elbow"], 0] = np.deg2rad(rng.uniform(0, 120))
        pose = replace(pose, rotations=rotations_from(with_collar(within_limits(fresh))))
    if rng.random() < 0.1:
        pose = _tilt(rng, pose)
    return put_on_ground(body, pose)


def arms_inside(body: Body, pose: BodyPose) -> bool:
    """Whether an elbow, forearm or wrist is inside the trunk or the head."""
    turned, places = body.rig.locate(pose)
    size = body.shape.size * max(body.shape.girth, 0.9)
    middle = turned[JOINT["spine"]], places[JOINT["spine"]]
    chest = turned[JOINT["chest"]], places[JOINT["chest"]]
    skull = turned[JOINT["head"]], places[JOINT["head"]]
    eggs = (
        (*middle, (0.0, 0.0, 0.02), np.array([0.13, 0.185, 0.22]) * size),
        (*chest, (0.0, 0.0, 0.1), np.array([0.14, 0.165, 0.22]) * size),
        (*skull, (0.0, 0.0, 0.36 * body.shape.head), np.full(3, 0.55 * body.shape.head)),
    )
    for side in ("left", "right"):
        elbow, wrist = places[JOINT[f"{side}_elbow"]], places[JOINT[f"{side}_wrist"]]
        hand = wrist + 0.5 * (wrist - elbow)
        for part in np.linspace(0, 1, 5):
            for point in (elbow + part * (wrist - elbow), wrist + part * (hand - wrist)):
                for rotation, position, shift, half in eggs:
                    local = (rotation.T @ (point - position) - shift) / half
                    if local @ local < 1:
                        return True
    return False


def _any_shoulder(rng: np.random.Generator) -> Float64Array:
    """Flexion, abduction and twist of an arm that points anywhere it can."""
    lift, around = np.deg2rad(rng.uniform(10, 170)), np.deg2rad(rng.uniform(-20, 100))
    twist = np.deg2rad(rng.normal(0, 30))
    return np.array([lift * np.cos(around), lift * np.sin(around), twist])


def _free_arms(rng: np.random.Generator, angles: Float64Array) -> None:
    """Give one arm or both, in half of the poses, any place."""
    both = rng.random() < 0.25
    for side in ("left", "right"):
        if both or rng.random() < 0.3:
            angles[JOINT[f"{side}_shoulder"]] = _any_shoulder(rng)
            angles[JOINT[f"{side}_elbow"], 0] = np.deg2rad(rng.uniform(0, 140))


def _tilt(rng: np.random.Generator, pose: BodyPose) -> BodyPose:
    """The whole body turned by up to about half a right angle."""
    tilt = np.deg2rad(rng.normal(0, 25, 3)) * (1, 1, 0)
    rotations = pose.rotations.copy()
    rotations[0] = turns(tilt) @ rotations[0]
    return replace(pose, rotations=rotations)


_MIRRORED: Final = np.array(
    [
        JOINT[
            name.replace("left_", "right_")
            if name.startswith("left_")
            else name.replace("right_", "left_")
        ]
        for name in JOINTS
    ]
)
"""Order of the joints with left and right exchanged."""
