"""Training of pose networks on people's keypoints, after the paper's recipe.

`read_coco` and `read_mpii` give `Samples`, `train` trains a network on a `CropTask` of them,
`predict` and `measure` say what it gets right. On the command line these are ``posetrack train``
and ``posetrack validate``.

>>> from posetrack.training import PAPER
>>> PAPER.epochs, PAPER.learning_rate, PAPER.drops
(140, 0.001, (90, 120))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posetrack._lazy import export_lazily

if TYPE_CHECKING:
    from posetrack.training.appearance import Appearance as Appearance
    from posetrack.training.augmentation import NONE as NONE
    from posetrack.training.augmentation import Augmentation as Augmentation
    from posetrack.training.dataset import CropDataset as CropDataset
    from posetrack.training.loop import train as train
    from posetrack.training.losses import heatmap_accuracy as heatmap_accuracy
    from posetrack.training.losses import joints_mse as joints_mse
    from posetrack.training.losses import joints_ohkm as joints_ohkm
    from posetrack.training.losses import side_mse as side_mse
    from posetrack.training.reading_coco import read_coco as read_coco
    from posetrack.training.reading_dataloop import read_dataloop as read_dataloop
    from posetrack.training.reading_labels import read_labels as read_labels
    from posetrack.training.reading_mpii import read_mpii as read_mpii
    from posetrack.training.reading_roboflow import read_roboflow as read_roboflow
    from posetrack.training.recipe import PAPER as PAPER
    from posetrack.training.recipe import POSETRACK as POSETRACK
    from posetrack.training.recipe import Recipe as Recipe
    from posetrack.training.run import Hardware as Hardware
    from posetrack.training.samples import Problem as Problem
    from posetrack.training.samples import Samples as Samples
    from posetrack.training.targets import gaussian_targets as gaussian_targets
    from posetrack.training.targets import keypoint_weights_by_name as keypoint_weights_by_name
    from posetrack.training.tasks import CropTask as CropTask
    from posetrack.training.tasks import Task as Task
    from posetrack.training.validation import measure as measure
    from posetrack.training.validation import predict as predict

# Loaded on first use: the command line's help needs the recipes, but not torch.
__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "appearance": ["Appearance"],
        "augmentation": ["Augmentation", "NONE"],
        "dataset": ["CropDataset"],
        "loop": ["train"],
        "losses": ["heatmap_accuracy", "joints_mse", "joints_ohkm", "side_mse"],
        "reading_coco": ["read_coco"],
        "reading_dataloop": ["read_dataloop"],
        "reading_labels": ["read_labels"],
        "reading_mpii": ["read_mpii"],
        "reading_roboflow": ["read_roboflow"],
        "recipe": ["PAPER", "POSETRACK", "Recipe"],
        "run": ["Hardware"],
        "samples": ["Problem", "Samples"],
        "targets": ["gaussian_targets", "keypoint_weights_by_name"],
        "tasks": ["CropTask", "Task"],
        "validation": ["measure", "predict"],
    },
)
