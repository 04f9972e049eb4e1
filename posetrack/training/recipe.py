"""The paper's training settings, and the learning rate that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the defaults are the paper's for COCO and MPII.

    Parameters
    ----------
    epochs
        How often everyone is seen.
    batch_size
        People in a step, over all processes.
    learning_rate
        Adam's, at the start.
    drops
        Epochs, counted from 0, at whose start it is multiplied by ``drop_factor``.
    drop_factor
        See ``drops``.
    trunk_rate
        What share of the learning rate a ``trunk`` learns with, such as 0.2 where only that has
        weights to start from.
    weight_decay
        Adam's; the authors have none.
    warm_up
        Steps over which the learning rate rises from nearly 0. 0 for none.
    max_gradient
        Longest gradient, longer ones are shortened to it; None for any.
    ema
        Decay of a moving average of the weights, such as 0.9998; validated and saved in their
        place. None for none.
    hardest
        Count only this many keypoints of each person, the worst (`joints_ohkm`). None for all.
    side_weight
        How much the difference of left and right heatmaps counts besides (`side_mse`): 2 where a
        small network puts both peaks of a pair at one place. 0 for not at all.
    sigma
        Deviation of the targets in heatmap cells.
    unbiased
        See `gaussian_targets`.
    by_keypoint
        Count elbows and knees 1.2 times, wrists and ankles 1.5 times, as HRNet's authors can.
    seed
        Of order and augmentation, and of the starting weights on the command line.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    Xiao et al. (ECCV 2018), section 4.1: Adam, 1e-3, down to 1e-4 at epoch 90 and to 1e-5 at
    120 of 140, batches of 128 (32 on each of 4 GPUs).

    Examples
    --------
    >>> Recipe().at(epoch=95, step=100_000)
    0.0001
    """

    epochs: int = 140
    batch_size: int = 128
    learning_rate: float = 1e-3
    drops: tuple[int, ...] = (90, 120)
    drop_factor: float = 0.1
    trunk_rate: float = 1.0
    weight_decay: float = 0.0
    warm_up: int = 0
    max_gradient: float | None = None
    ema: float | None = None
    hardest: int | None = None
    side_weight: float = 0.0
    sigma: float = 2.0
    unbiased: bool = False
    by_keypoint: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        at_least = {
            "epochs": 0,
            "batch_size": 1,
            "warm_up": 0,
            "weight_decay": 0,
            "side_weight": 0,
            "seed": 0,
        }
        for name, least in at_least.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("learning_rate", "drop_factor", "trunk_rate", "sigma", "max_gradient"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise ValueError(f"ema must be between 0 and 1, such as 0.9998, got {self.ema}")

    def at(self, *, epoch: int, step: int) -> float:
        """Learning rate of a step, counted from 0 over all epochs."""
        passed = sum(drop <= epoch for drop in self.drops)
        rate = self.learning_rate
        for _ in range(passed):
            rate *= self.drop_factor
        return rate * min(1.0, (step + 1) / self.warm_up) if self.warm_up else rate


PAPER: Final = Recipe()
"""COCO and MPII."""

POSETRACK: Final = Recipe(epochs=20, learning_rate=1e-4, drops=(10, 15))
"""Fine-tuning on PoseTrack from COCO's weights, after the paper's section 4.2.

The paper: 1e-4, down to 1e-5 at epoch 10 and to 1e-6 at 15 of 20, in batches of 128. mmpose's
configuration for PoseTrack18 (``td-hm_res50_8xb64-20e_posetrack18-256x192``), which starts from
COCO's weights, too, has the same epochs and drops and begins at 5e-4 for batches of 512, after 500
steps of warm-up: by the linear rule about the same for a batch of 128.
"""
