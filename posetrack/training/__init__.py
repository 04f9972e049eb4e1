"""Training of pose networks on people's keypoints, after the paper's recipe.

`read_coco` and `read_mpii` give `Samples`, `train` trains a network on a `CropTask` of them,
`predict` and `measure` say what it gets right. On the command line these are ``posetrack train``
and ``posetrack validate``.

>>> from posetrack.training import PAPER
>>> PAPER.epochs, PAPER.learning_rate, PAPER.drops
(140, 0.001, (90, 120))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_WHERE = {
    "NONE": "augmentation",
    "Appearance": "appearance",
    "Augmentation": "augmentation",
    "CropDataset": "dataset",
    "CropTask": "tasks",
    "Hardware": "run",
    "PAPER": "recipe",
    "POSETRACK": "recipe",
    "Problem": "samples",
    "Recipe": "recipe",
    "Samples": "samples",
    "Task": "tasks",
    "gaussian_targets": "targets",
    "heatmap_accuracy": "losses",
    "joints_mse": "losses",
    "joints_ohkm": "losses",
    "keypoint_weights_by_name": "targets",
    "measure": "validation",
    "predict": "validation",
    "read_coco": "reading_coco",
    "read_dataloop": "reading_dataloop",
    "read_mpii": "reading_mpii",
    "read_roboflow": "reading_roboflow",
    "train": "loop",
}

if TYPE_CHECKING:
    from posetrack.training.appearance import Appearance
    from posetrack.training.augmentation import NONE, Augmentation
    from posetrack.training.dataset import CropDataset
    from posetrack.training.loop import train
    from posetrack.training.losses import heatmap_accuracy, joints_mse, joints_ohkm
    from posetrack.training.reading_coco import read_coco
    from posetrack.training.reading_dataloop import read_dataloop
    from posetrack.training.reading_mpii import read_mpii
    from posetrack.training.reading_roboflow import read_roboflow
    from posetrack.training.recipe import PAPER, POSETRACK, Recipe
    from posetrack.training.run import Hardware
    from posetrack.training.samples import Problem, Samples
    from posetrack.training.targets import gaussian_targets, keypoint_weights_by_name
    from posetrack.training.tasks import CropTask, Task
    from posetrack.training.validation import measure, predict

__all__ = [
    "NONE",
    "PAPER",
    "POSETRACK",
    "Appearance",
    "Augmentation",
    "CropDataset",
    "CropTask",
    "Hardware",
    "Problem",
    "Recipe",
    "Samples",
    "Task",
    "gaussian_targets",
    "heatmap_accuracy",
    "joints_mse",
    "joints_ohkm",
    "keypoint_weights_by_name",
    "measure",
    "predict",
    "read_coco",
    "read_dataloop",
    "read_mpii",
    "read_roboflow",
    "train",
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: the command line's help needs the recipes, but not torch.
    if name not in _WHERE:
        raise AttributeError(f"module 'posetrack.training' has no attribute {name!r}")
    return getattr(import_module(f"posetrack.training.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
