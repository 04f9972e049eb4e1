"""What tasks of whole images say of themselves, and what they refuse."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import nn

from posetrack.ops.crops import Normalisation
from posetrack.training.recipe import Recipe
from posetrack.training.samples import Samples


def settings_of(samples: Samples, input_size: tuple[int, int]) -> dict[str, Any]:
    """What two runs must share to be one, as JSON."""
    return {"input_size": list(input_size), "keypoints": list(samples.skeleton.keypoints)}


def describe_network(
    samples: Samples, input_size: tuple[int, int], normalisation: Normalisation
) -> dict[str, Any]:
    """What a checkpoint tells of its network."""
    return {
        "skeleton": dataclasses.asdict(samples.skeleton),
        "input_size": input_size,
        "normalisation": dataclasses.asdict(normalisation),
    }


def require_network(
    network: nn.Module, kind: type[nn.Module], wanted: Mapping[str, int], samples: Samples
) -> None:
    """Refuse another kind of network, or one for other keypoints, links or stride.

    Raises
    ------
    ValueError
        If the network is not of ``kind`` or its attributes are not as ``wanted``.
    """
    if not isinstance(network, kind):
        raise ValueError(f"expected a {kind.__name__}, got a {type(network).__name__}")
    for name, count in wanted.items():
        if getattr(network, name) != count:
            raise ValueError(
                f"the network has {name} {getattr(network, name)}, wanted for "
                f"{samples.skeleton.name}: {count}"
            )


def require_plain(recipe: Recipe) -> None:
    """Refuse what only heatmaps of crops have, rather than to leave it out silently."""
    wrong = [name for name in ("hardest", "unbiased", "by_keypoint") if getattr(recipe, name)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)}: only for networks that see a crop of each person")
