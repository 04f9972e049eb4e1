"""What each step of the tracker is worth: the paper's ablation on rendered scenes.

>>> from posetrack.world.ablation import QUICK, STEPS, run_ablation
>>> worlds = [QUICK[0].shorten(frames=6)]
>>> rows = run_ablation([STEPS], worlds, seeds=[0], size=(160, 90))
>>> [row.setting for row in rows][:2]
['detector only, box IoU', 'detector only, pose OKS']
"""

from __future__ import annotations

from posetrack.world.ablation.running import Row, run_ablation
from posetrack.world.ablation.settings import (
    BLOCKS,
    NETWORK_STEPS,
    STEPS,
    Block,
    Setting,
)
from posetrack.world.ablation.worlds import (
    QUICK,
    WORLDS,
    ExactFlow,
    OwnMotionFlow,
    RecordedScene,
    StandingFlow,
    World,
)

__all__ = [
    "BLOCKS",
    "NETWORK_STEPS",
    "QUICK",
    "STEPS",
    "WORLDS",
    "Block",
    "ExactFlow",
    "OwnMotionFlow",
    "RecordedScene",
    "Row",
    "Setting",
    "StandingFlow",
    "World",
    "run_ablation",
]
