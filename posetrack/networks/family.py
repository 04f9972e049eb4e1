"""A family of networks: how its weights are recognised, and the input it takes.

A few settings leave no trace in weights: on which convolution a bottleneck has its stride, whether
there are activations, and how fine a PoseNet's maps are. They are *options*, given by whoever
loads the weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor, nn

from posetrack.ops.crops import Normalisation
from posetrack.skeletons import COCO_17, MPII_16, Skeleton

State: TypeAlias = Mapping[str, Tensor]

LARGEST = 4096
"""Most channels or keypoints believed before memory is asked for."""

Read: TypeAlias = Callable[[State, int | None, bool], tuple[dict[str, Any], str]]
"""State dict, wanted number of keypoints, partial -> what the class is called with, its name."""


def _usual_crop(settings: Mapping[str, Any], skeleton: Skeleton) -> tuple[int, int]:
    """Width and height of the crops that networks are usually trained with.

    Examples
    --------
    >>> _usual_crop({}, COCO_17), _usual_crop({}, MPII_16)
    ((192, 256), (256, 256))
    """
    del settings
    return (256, 256) if skeleton == MPII_16 else (192, 256)


@dataclass(frozen=True)
class Family:
    """A kind of networks that can be recognised and built.

    Parameters
    ----------
    kind
        Its class.
    prefixes
        How names begin that only this family has.
    read
        The class's settings, and what to call it in a message, from a state dict.
    options
        Settings of the class that leave no trace in weights.
    outputs
        What it gives: ``"heatmaps"`` of crops, or the maps of ``"posenet"`` or ``"trt_pose"``.
    authors
        Whose parameter names a file uses that matches no other known source.
    normalisation
        How pixels become its input; None where that depends on whose file it is.
    skeletons
        What its keypoints are, by their number, where a file does not say.
    input_size
        Width and height it was trained with, by its settings and skeleton, where a file does not
        say.
    """

    kind: type[nn.Module]
    prefixes: tuple[str, ...]
    read: Read
    options: tuple[str, ...] = ()
    outputs: str = "heatmaps"
    authors: str = "authors"
    normalisation: Normalisation | None = None
    skeletons: tuple[Skeleton, ...] = (COCO_17, MPII_16)
    input_size: Callable[[Mapping[str, Any], Skeleton], tuple[int, int]] = _usual_crop

    def recognise(
        self, state: State, keypoints: int | None = None, partial: bool = False
    ) -> Architecture:
        """The network of this family that a state dict is of.

        Raises
        ------
        ValueError
            If it is not of this family, or implausibly large.
        """
        settings, name = self.read(state, keypoints if partial else None, partial)
        return Architecture(self, settings, name)


@dataclass(frozen=True)
class Architecture:
    """A network that can be built.

    Parameters
    ----------
    family
        What it is one of.
    settings
        What its class is called with.
    name
        What to call it in a message, with its article.
    """

    family: Family
    settings: Mapping[str, Any]
    name: str

    @property
    def kind(self) -> type[nn.Module]:
        """Its class."""
        return self.family.kind

    def build(self, **options: Any) -> nn.Module:
        """Build the network, with what its file cannot say.

        Raises
        ------
        ValueError
            If an option is not one of such a network's.
        """
        known = self.family.options
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(
                f"this is {self.name}, which has no {', '.join(unknown)}; its options are: "
                f"{', '.join(known) or 'none'}"
            )
        return self.kind(**self.settings, **options)


def last_layer(state: State, keypoints: int | None, partial: bool) -> dict[str, Any]:
    """Number of keypoints and kernel of the last convolution."""
    final = state.get("final_layer.weight")
    if final is None or final.ndim != 4:
        if not partial:
            extra = " (a head with extra convolutions is not supported)" if final is None else ""
            raise ValueError(f"final_layer.weight is missing or not of four dimensions{extra}")
        return {"keypoints": keypoints or 17}
    return {"keypoints": keypoints or final.shape[0], "final_kernel": final.shape[2]}


def weight_of(state: State, name: str, network: str) -> Tensor:
    """A convolution's weight by name.

    Raises
    ------
    ValueError
        If it is missing, or no convolution's; ``network`` is what the others are of.

    Examples
    --------
    >>> import torch
    >>> weight_of({"final.weight": torch.zeros(17, 32, 1, 1)}, "final.weight", "HRNet").shape
    torch.Size([17, 32, 1, 1])
    """
    weight = state.get(name)
    if weight is None:
        raise ValueError(f"by its names this is {network}, but {name} is missing")
    if weight.ndim != 4:
        raise ValueError(
            f"by its names this is {network}, but {name} has shape {tuple(weight.shape)}"
        )
    return weight


def count_names(state: State, pattern: str) -> int:
    """How many names fit a pattern whole."""
    return sum(re.fullmatch(pattern, name) is not None for name in state)


def require_believable(*counts: int) -> None:
    """Refuse a network of more keypoints or channels than anybody has."""
    if max(counts) > LARGEST:
        raise ValueError(
            f"{max(counts)} keypoints or channels are more than {LARGEST}; a wrong file?"
        )
