"""Measures of trajectories: angles, speeds, distances, repetitions, gait, rules, postures, reports.

Pure functions of `Trajectories`. Series are (T, N), NaN where unknown; limits are in seconds.
"""

from posetrack.analysis.conditions import AllOf, AnyOf, Condition, Fallen, Threshold
from posetrack.analysis.gait import Symmetry, cadence, step_times, symmetry
from posetrack.analysis.measures import (
    MEASURES,
    arm_length,
    body_height,
    hip_height,
    leg_length,
    measure,
    shoulder_height,
    trunk_tilt,
    uprightness,
    wrist_height,
)
from posetrack.analysis.metres import Floor, feet, floor_places, floor_speed, metres_per_pixel
from posetrack.analysis.person_reports import AngleRange, PersonReport, reports, to_csv, to_markdown
from posetrack.analysis.posture_files import load_postures, read_labels, save_postures
from posetrack.analysis.posture_training import Trained, train_postures
from posetrack.analysis.postures import PostureClassifier
from posetrack.analysis.repetitions import EXERCISES, Exercise, Repetition, find_repetitions
from posetrack.analysis.rule_conditions import (
    angle_is,
    beyond,
    faster,
    hands_raised,
    inside,
    lying,
    near,
)
from posetrack.analysis.rule_files import read_rules
from posetrack.analysis.rules import Rule, RuleEvent, find_events
from posetrack.analysis.series import (
    angle,
    angular_velocity,
    distance,
    distance_between,
    rate_of_change,
    speed,
    velocity,
)
from posetrack.analysis.tables import (
    angles_csv,
    events_csv,
    floor_csv,
    postures_csv,
    repetitions_csv,
)

__all__ = [
    "EXERCISES",
    "MEASURES",
    "AllOf",
    "AngleRange",
    "AnyOf",
    "Condition",
    "Exercise",
    "Fallen",
    "Floor",
    "PersonReport",
    "PostureClassifier",
    "Repetition",
    "Rule",
    "RuleEvent",
    "Symmetry",
    "Threshold",
    "Trained",
    "angle",
    "angle_is",
    "angles_csv",
    "angular_velocity",
    "arm_length",
    "beyond",
    "body_height",
    "cadence",
    "distance",
    "distance_between",
    "events_csv",
    "faster",
    "feet",
    "find_events",
    "find_repetitions",
    "floor_csv",
    "floor_places",
    "floor_speed",
    "hands_raised",
    "hip_height",
    "inside",
    "leg_length",
    "load_postures",
    "lying",
    "measure",
    "metres_per_pixel",
    "near",
    "postures_csv",
    "rate_of_change",
    "read_labels",
    "read_rules",
    "repetitions_csv",
    "reports",
    "save_postures",
    "shoulder_height",
    "speed",
    "step_times",
    "symmetry",
    "to_csv",
    "to_markdown",
    "train_postures",
    "trunk_tilt",
    "uprightness",
    "velocity",
    "wrist_height",
]
