"""Motions of people: functions from seconds to a `BodyPose`, by what they do."""

from posetrack.world.manners import Manner, random_manner
from posetrack.world.motion_gait import Gait, Path, running, walking
from posetrack.world.motion_ground import falling, lying, push_ups
from posetrack.world.motion_place import (
    arms_raised,
    bending,
    gesturing,
    jumping_jacks,
    sitting_down,
    squats,
    standing,
)
from posetrack.world.stances import Motion

__all__ = [
    "Gait",
    "Manner",
    "Motion",
    "Path",
    "arms_raised",
    "bending",
    "falling",
    "gesturing",
    "jumping_jacks",
    "lying",
    "push_ups",
    "random_manner",
    "running",
    "sitting_down",
    "squats",
    "standing",
    "walking",
]
