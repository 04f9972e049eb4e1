"""Which trunk a small network stands on, by the names of its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from torch import Tensor

from posetrack.networks.family import State, count_names, require_believable, weight_of
from posetrack.networks.light_trunk import LightTrunk
from posetrack.networks.mobile_trunk import MobileTrunk


class Trunk(Protocol):
    """Gives features (N, C, H/s, W/s) for s of 4, 8, 16 and 32, of C ``widths``."""

    @property
    def widths(self) -> Sequence[int]:
        """C of each."""

    def __call__(self, images: Tensor, /) -> list[Tensor]:
        """Features of normalised images (N, 3, H, W)."""


def recognise_trunk(state: State, network: str) -> Callable[[], Trunk]:
    """What builds the trunk whose weights stand in a state dict under ``trunk.``.

    Parameters
    ----------
    state
        Of the whole network.
    network
        What to call it in a message.

    Raises
    ------
    ValueError
        If it has no trunk that is known, or an implausibly wide one.

    Examples
    --------
    >>> from posetrack.networks.pose_light import PoseLight
    >>> recognise_trunk(PoseLight(trunk=MobileTrunk).state_dict(), "a network")().widths
    (24, 32, 96, 320)
    """
    if "trunk.features.0.0.weight" in state:
        return MobileTrunk
    firsts = [weight_of(state, f"trunk.stages.{stage}.0.0.weight", network) for stage in range(4)]
    widths = tuple(first.shape[0] for first in firsts)
    stem = firsts[0].shape[1]
    require_believable(stem, *widths)
    blocks = tuple(
        count_names(state, rf"trunk\.stages\.{stage}\.\d+\.first\.0\.weight") for stage in range(4)
    )
    return partial(LightTrunk, widths, blocks, stem)
