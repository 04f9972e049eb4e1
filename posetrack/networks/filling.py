"""Putting a file's tensors into a network, and saying what does not fit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def fill(
    network: nn.Module, title: str, state: Mapping[str, Tensor], *, partial: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Put a state dict's tensors into a network.

    Shapes are compared before anything is copied, so that a file cannot ask for more memory than
    the network has.

    Parameters
    ----------
    network
        May lie on the meta device, unless ``partial``; changed.
    title
        What to call it in a message.
    state
        Under the network's names. Counts of batches, which old files lack, are 0 where missing.
    partial
        Leave what does not fit at its starting values.

    Returns
    -------
    missing
        Names that the state dict did not give, or in another shape.
    left_over
        Names that the network does not have, or in another shape.

    Raises
    ------
    ValueError
        If something does not fit, unless ``partial``, or a weight is not finite.

    Examples
    --------
    >>> line = nn.Linear(1, 2)
    >>> fill(line, "a line", {"weight": torch.zeros(2, 1)}, partial=True)
    (('bias',), ())
    """
    wanted = network.state_dict()
    given = {
        name: state.get(name, torch.zeros((), dtype=torch.int64))
        for name in wanted
        if name in state or name.endswith(".num_batches_tracked")
    }
    missing = [name for name in wanted if name not in given]
    left_over = [name for name in state if name not in wanted]
    wrong = [name for name in given if given[name].shape != wanted[name].shape]
    if not partial and (missing or left_over or wrong):
        shapes = [
            f"{name} {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
            for name in wrong
        ]
        raise ValueError(
            f"does not fit {title}."
            + _listed("Missing", missing)
            + _listed("Left over", left_over)
            + _listed("Of the wrong shape", shapes)
            + " With partial=True what fits is taken."
        )
    fitting = {
        name: tensor.to(wanted[name].dtype, memory_format=torch.contiguous_format, copy=True)
        for name, tensor in given.items()
        if name not in wrong
    }
    broken = [name for name, tensor in fitting.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"has NaN or infinity in its weights.{_listed('In', broken)}")
    network.load_state_dict(fitting, strict=False, assign=True)
    return (*missing, *wrong), (*left_over, *wrong)


def _listed(title: str, names: list[str]) -> str:
    """The first few of some names, and how many more; nothing if there are none."""
    if not names:
        return ""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f" {title}: {', '.join(names[:6])}{more}."
