"""What trajectories tell: angles, speeds, distances, repetitions, gait, rules, postures, reports.

Pure functions of `Trajectories`. Series are (T, N), NaN where unknown; limits are in seconds.
"""

from posetrack.analysis.measures import (
    MEASURES,
    body_height,
    hip_height,
    measure,
    shoulder_height,
    trunk_tilt,
    uprightness,
    wrist_height,
)
from posetrack.analysis.repetitions import EXERCISES, Exercise, Repetition, find_repetitions
from posetrack.analysis.series import (
    angle,
    angular_velocity,
    distance,
    distance_between,
    rate_of_change,
    speed,
    velocity,
)

__all__ = [
    "EXERCISES",
    "MEASURES",
    "Exercise",
    "Repetition",
    "angle",
    "angular_velocity",
    "body_height",
    "distance",
    "distance_between",
    "find_repetitions",
    "hip_height",
    "measure",
    "rate_of_change",
    "shoulder_height",
    "speed",
    "trunk_tilt",
    "uprightness",
    "velocity",
    "wrist_height",
]
