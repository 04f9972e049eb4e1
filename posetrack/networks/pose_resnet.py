"""The paper's network: a ResNet, a few transposed convolutions, one heatmap per keypoint.

Xiao, Wu, Wei, *Simple Baselines for Human Pose Estimation and Tracking* (ECCV 2018), section 2.
The blocks are torchvision's, whose parameter names are those of the authors' files; the head
keeps the authors' names, so a published state dict fits as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from posetrack.networks.family import (
    Family,
    State,
    count_names,
    last_layer,
    require_believable,
    weight_of,
)

BLOCKS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
"""Blocks in each of the four stages, by depth. From depth 50 on they are bottlenecks."""

_PADDING: dict[int, tuple[int, int]] = {4: (1, 0), 3: (1, 1), 2: (0, 0)}
"""Kernel of a transposed convolution to padding and output padding that double the size."""


class PoseResNet(nn.Module):
    """Heatmaps of every keypoint, for a batch of crops.

    Parameters
    ----------
    depth
        18, 34, 50, 101 or 152.
    keypoints
        K, how many heatmaps come out.
    deconv_channels
        Channels of each transposed convolution; each doubles the resolution. Three of 256 in the
        paper, which makes heatmaps a quarter of the input.
    deconv_kernels
        Kernel of each: 4, 3 or 2. One for each of ``deconv_channels``.
    deconv_bias
        Whether the transposed convolutions, which batch normalisation follows, have a bias.
    final_kernel
        1 or 3, kernel of the last convolution.
    stride_on_1x1
        Stride of a bottleneck on its first 1x1 convolution, as in Caffe's ResNets, instead of on
        the 3x3. The files of both kinds have the same names and shapes, so the caller has to say.

    Raises
    ------
    ValueError
        If the depth or a kernel is not one of those above, or there are not as many kernels as
        channels, or Caffe's stride is asked for a network without bottlenecks.

    Examples
    --------
    >>> import torch
    >>> network = PoseResNet(18, 17).eval()
    >>> with torch.inference_mode():
    ...     network(torch.zeros(1, 3, 64, 32)).shape
    torch.Size([1, 17, 16, 8])
    """

    def __init__(
        self,
        depth: int = 50,
        keypoints: int = 17,
        *,
        deconv_channels: Sequence[int] = (256, 256, 256),
        deconv_kernels: Sequence[int] = (4, 4, 4),
        deconv_bias: bool = False,
        final_kernel: int = 1,
        stride_on_1x1: bool = False,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"depth must be one of {sorted(BLOCKS)}, got {depth}")
        if keypoints < 1:
            raise ValueError(f"keypoints must be at least 1, got {keypoints}")
        if final_kernel not in (1, 3):
            raise ValueError(f"final_kernel must be 1 or 3, got {final_kernel}")
        trunk = ResNet(Bottleneck if depth >= 50 else BasicBlock, list(BLOCKS[depth]))
        if stride_on_1x1:
            _move_stride_to_1x1(trunk)
        self.depth = depth
        self.keypoints = keypoints
        self.stride_on_1x1 = stride_on_1x1
        self.conv1, self.bn1, self.relu = trunk.conv1, trunk.bn1, trunk.relu
        self.maxpool = trunk.maxpool
        self.layer1, self.layer2 = trunk.layer1, trunk.layer2
        self.layer3, self.layer4 = trunk.layer3, trunk.layer4
        channels = trunk.inplanes
        self.deconv_layers = _deconvolutions(channels, deconv_channels, deconv_kernels, deconv_bias)
        self.final_layer = nn.Conv2d(
            deconv_channels[-1] if deconv_channels else channels,
            keypoints,
            final_kernel,
            padding=final_kernel // 2,
        )
        _start_head(self.deconv_layers, self.final_layer)

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps (N, K, H/4, W/4) of normalised images (N, 3, H, W), for three deconvolutions."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return cast(Tensor, self.final_layer(self.deconv_layers(x)))


def _deconvolutions(
    channels_in: int, channels: Sequence[int], kernels: Sequence[int], bias: bool
) -> nn.Sequential:
    """Transposed convolution of stride 2, batch normalisation and ReLU, as often as asked."""
    if len(channels) != len(kernels):
        raise ValueError(
            f"deconv_channels and deconv_kernels must be as many: {channels} and {kernels}"
        )
    layers: list[nn.Module] = []
    for channels_out, kernel in zip(channels, kernels, strict=True):
        if kernel not in _PADDING:
            raise ValueError(f"deconv_kernels must be 4, 3 or 2, got {tuple(kernels)}")
        padding, output_padding = _PADDING[kernel]
        layers += [
            nn.ConvTranspose2d(
                channels_in, channels_out, kernel, 2, padding, output_padding, bias=bias
            ),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        ]
        channels_in = channels_out
    return nn.Sequential(*layers)


def _start_head(deconvolutions: nn.Sequential, final: nn.Conv2d) -> None:
    """Weights of the head before training: normal with deviation 0.001, biases 0 (the paper's)."""
    for layer in (*deconvolutions, final):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.001)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _move_stride_to_1x1(trunk: nn.Module) -> None:
    blocks = [module for module in trunk.modules() if isinstance(module, Bottleneck)]
    if not blocks:
        raise ValueError("stride_on_1x1 is about bottlenecks: depth 50 and up")
    for block in blocks:
        block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride


def _read(state: State, keypoints: int | None, partial: bool) -> tuple[dict[str, Any], str]:
    blocks = tuple(
        count_names(state, rf"layer{stage}\.(\d+)\.conv1\.weight") for stage in (1, 2, 3, 4)
    )
    bottleneck = "layer1.0.conv3.weight" in state
    depths = [depth for depth in BLOCKS if BLOCKS[depth] == blocks and (depth >= 50) == bottleneck]
    if not depths:
        names = ", ".join(list(state)[:3])
        raise ValueError(
            f"this is not a ResNet-18, 34, 50, 101 or 152: its stages have {blocks} blocks. "
            f"The first names are {names}"
        )
    found: dict[str, Any] = {"depth": depths[0], **last_layer(state, keypoints, partial)}
    layers = _upsampling_weights(state)
    if layers or not partial:
        found["deconv_channels"] = tuple(layer.shape[1] for layer in layers)
        found["deconv_kernels"] = tuple(layer.shape[2] for layer in layers)
        found["deconv_bias"] = "deconv_layers.0.bias" in state
    require_believable(found["keypoints"], *found.get("deconv_channels", ()))
    name = f"a ResNet-{depths[0]} with {found['keypoints']} keypoints"
    return found, name


def _upsampling_weights(state: State) -> list[Tensor]:
    """Weights of the transposed convolutions, each 3 places after the one before."""
    layers: list[Tensor] = []
    while f"deconv_layers.{3 * len(layers)}.weight" in state:
        name = f"deconv_layers.{3 * len(layers)}.weight"
        layers.append(weight_of(state, name, "a ResNet with deconvolutions"))
    return layers


FAMILY = Family(PoseResNet, ("layer1.", "deconv_layers."), _read, options=("stride_on_1x1",))
