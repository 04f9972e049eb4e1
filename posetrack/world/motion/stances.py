"""Standing on the ground: where feet are put, and poses that keep them there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from posetrack.world.motion.legs import SIDES, Sole, leg_length, reach, with_feet
from posetrack.world.motion.poses import Angles, angles_of, with_collar, within_limits
from posetrack.world.people.body import Body
from posetrack.world.people.rig import JOINT, BodyPose, rotations_from, turn_z

Motion = Callable[[float], BodyPose]
"""Seconds to a pose."""
Soles = Mapping[str, Sole]

UPRIGHT: Final = 0.993
"""Leg lengths of a standing person's hips above the ankles."""


def feet(
    body: Body, position: ArrayLike, heading: float, *, apart: float, out: float
) -> dict[str, Sole]:
    """Both feet flat on the ground, ``apart`` from the middle (metres of an adult) and turned out.

    ``out`` is in degrees.
    """
    toe = body.rig.offsets[JOINT["left_toe"]][0]
    middle = np.asarray(position, np.float64)[:2]
    soles = {}
    for side, sign in SIDES:
        turned = heading + sign * float(np.deg2rad(out))
        ankle = middle + turn_z(heading)[:2, 1] * (sign * apart * body.shape.size)
        ball = ankle + turn_z(turned)[:2, 0] * toe
        soles[side] = Sole(np.array([*ball, 0.0]), turned)
    return soles


def plant_feet(
    body: Body,
    position: ArrayLike,
    heading: float,
    soles: Soles,
    given: Angles,
    *,
    drop: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    knees_out: float = 0.0,
) -> BodyPose:
    """A pose from degrees by joint whose feet are at ``soles``.

    The hips are ``drop`` metres lower than upright and ``shift`` metres forward and to the left
    of ``position``, and lower still where the legs would not reach.
    """
    angles = angles_of(given)
    for side, _ in SIDES:  # arms beside a wider trunk
        angles[JOINT[f"{side}_shoulder"], 1] += 0.4 * max(body.shape.girth - 1, 0.0)
    rotations = rotations_from(with_collar(within_limits(angles)))
    ground = np.asarray(position, np.float64)[:2] + turn_z(heading)[:2, :2] @ shift
    height = UPRIGHT * leg_length(body) + body.shape.ankle - drop
    pose = BodyPose(rotations, np.array([*ground, height]), heading)
    pose = pose.translate((0.0, 0.0, -reach(body, pose, soles)))
    return with_feet(body, pose, soles, knees_out=knees_out)
