"""Motions of people: functions from seconds to a `BodyPose`, by what they do."""

from posetrack.world.motion.falls import falling, lying, push_ups
from posetrack.world.motion.gait import Gait, Path, running, walking
from posetrack.world.motion.manners import Manner, random_manner
from posetrack.world.motion.stances import Motion
from posetrack.world.motion.standing import (
    bending,
    gesturing,
    jumping_jacks,
    sitting_down,
    squats,
    standing,
    wave_arms,
)

__all__ = [
    "Gait",
    "Manner",
    "Motion",
    "Path",
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
    "wave_arms",
]
