"""Networks that see whole images, of torch or exported ones, as one session."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posetrack.runtimes.session import Batch, Session
from posetrack.skeletons import Skeleton

if TYPE_CHECKING:
    import torch
    from torch import nn


def run_whole_image(
    network: nn.Module | Session,
    skeleton: Skeleton,
    *,
    device: str | torch.device = "auto",
    half: bool | None = None,
) -> Session:
    """A network that sees whole images as a session whose maps are float32.

    Parameters
    ----------
    network
        Of torch, see `posetrack.runtimes.torch.run_on_device` for ``device`` and ``half``; or an
        exported one, open.
    skeleton
        The skeleton its keypoints should have.

    Raises
    ------
    ValueError
        If it has not as many keypoints as the skeleton.
    """
    if isinstance(network, Session):
        known = network.card.skeleton
        count = len(skeleton if known is None else known)
    else:
        count = int(network.keypoints)  # type: ignore[arg-type]
    if count != len(skeleton):
        raise ValueError(f"the network has {count} keypoints, {skeleton.name} {len(skeleton)}")
    if isinstance(network, Session):
        return replace(network, run=partial(_run_in_32_bits, network))
    from posetrack.runtimes.torch import run_on_device

    return run_on_device(network, device=device, half=half)


def _run_in_32_bits(network: Session, batch: Batch) -> list[NDArray[Any]]:
    return [np.asarray(part, np.float32) for part in network(batch)]


def output_stride_of(network: nn.Module | Session) -> int:
    """Input pixels to a cell of the maps of a network that sees whole images.

    Raises
    ------
    ValueError
        If an exported network's file does not say it.
    """
    if not isinstance(network, Session):
        return int(network.output_stride)  # type: ignore[arg-type]
    if network.card.outputs is None:
        raise ValueError(f"{network}: the file does not say its output stride")
    return network.card.outputs.output_stride
