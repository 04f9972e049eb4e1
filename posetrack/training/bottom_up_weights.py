"""Starting weights of the networks that see whole images."""

from __future__ import annotations

import torch
from torch import nn

from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose

_RARE = -3.0
"""Logit of a share of one in twenty: most cells of a heatmap belong to nobody."""


def start_weights(network: nn.Module, *, radius: float = 32.0) -> None:
    """Draw a network's weights so that it learns from the first step on.

    Parameters
    ----------
    network
        A `PoseNet` or a `TrtPose`; changed. Random numbers are PyTorch's.
    radius
        Of a PoseNet's disks, in input pixels: what its offsets and displacements are about as
        large as. Started near 0 they take thousands of steps to grow to hundreds of pixels.

    Notes
    -----
    He et al., *Delving Deep into Rectifiers* (ICCV 2015): normal with variance 2 over the inputs
    of a cell, so that signals keep their size through layers without normalisation, which a
    PoseNet has none of. Answers that are mostly 0 start small, as in Lin et al., *Focal Loss*
    (ICCV 2017), section 4.1.

    Examples
    --------
    >>> network = PoseNet(0.5)
    >>> start_weights(network)
    >>> network.heatmap.bias[0].item()
    -3.0
    """
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.normal_(layer.weight, 0, (2 / _inputs(layer)) ** 0.5)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        if isinstance(network, PoseNet):
            nn.init.normal_(network.heatmap.weight, 0, 0.01)
            if network.heatmap.bias is not None:
                nn.init.constant_(network.heatmap.bias, _RARE)
            for end in (network.offset, network.displacement_fwd, network.displacement_bwd):
                nn.init.normal_(end.weight, 0, radius / end.in_channels**0.5)
        elif isinstance(network, TrtPose):
            for name in ("cmap_conv", "paf_conv"):
                nn.init.normal_(network.get_parameter(f"1.{name}.weight"), 0, 0.01)


def _inputs(layer: nn.Conv2d | nn.ConvTranspose2d) -> float:
    """Numbers that an output is summed from."""
    height, width = layer.kernel_size
    if isinstance(layer, nn.ConvTranspose2d):
        return layer.in_channels * height * width / (layer.stride[0] * layer.stride[1])
    return layer.in_channels // layer.groups * height * width
