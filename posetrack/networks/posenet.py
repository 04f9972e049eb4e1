"""PoseNet: MobileNetV1 with heatmaps, offsets and displacements, for all people of an image.

Papandreou et al., *Towards Accurate Multi-person Pose Estimation in the Wild* (CVPR 2017) and
*PersonLab* (ECCV 2018); Howard et al., *MobileNets* (arXiv:1704.04861). The published weights
are TensorFlow.js's, with batch normalisation folded in. Parameter names are those of the
conversion that rwightman/posenet-pytorch makes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from posetrack.networks.family import Family, State, require_believable, weight_of
from posetrack.ops.crops import PLUS_MINUS_ONE
from posetrack.skeletons import Skeleton

WIDTHS: tuple[float, ...] = (0.5, 0.75, 1.0, 1.01)
"""Published widths; 1.01 is another training of the layers of 1.0."""

OUTPUT_STRIDES: tuple[int, ...] = (8, 16, 32)

_CHANNELS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
_STRIDES = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
"""Of width 1. The narrow networks stop at half the last channels, and at stride 16."""


class PoseMaps(NamedTuple):
    """A `PoseNet`'s output: maps of one size, displacements in input pixels.

    In offsets and displacements the first half of the channels is y, the second half x.
    """

    heatmap: Tensor
    """(N, K, h, w), in [0, 1]."""
    offset: Tensor
    """(N, 2 K, h, w), from a cell to its keypoint."""
    displacement_fwd: Tensor
    """(N, 2 E, h, w), from an edge's parent to its child."""
    displacement_bwd: Tensor
    """(N, 2 E, h, w), from an edge's child to its parent."""


class PoseNet(nn.Module):
    """Heatmaps, offsets and displacements for a batch of images.

    Parameters
    ----------
    width
        0.5, 0.75, 1.0 or 1.01.
    output_stride
        Input pixels to a cell of the maps: 8, 16 or 32. Smaller is finer and slower; the weights
        are the same, so any fits any file.
    keypoints, edges
        K and E: how many parts and how many edges join them; 17 and 16 in the published networks.

    Attributes
    ----------
    output_stride : int
        What the maps really have: widths 0.5 and 0.75 have too few strides for 32 and stay at 16.

    Raises
    ------
    ValueError
        If the width or output stride is not one of those above, or a number is below 1.

    Examples
    --------
    >>> network = PoseNet(0.5).eval()
    >>> with torch.inference_mode():
    ...     network(torch.zeros(1, 3, 65, 33)).offset.shape
    torch.Size([1, 34, 5, 3])
    """

    def __init__(
        self,
        width: float = 1.01,
        *,
        output_stride: int = 16,
        keypoints: int = 17,
        edges: int = 16,
    ) -> None:
        super().__init__()
        if width not in WIDTHS:
            raise ValueError(f"width must be one of {WIDTHS}, got {width}")
        if output_stride not in OUTPUT_STRIDES:
            raise ValueError(f"output_stride must be one of {OUTPUT_STRIDES}, got {output_stride}")
        if keypoints < 1 or edges < 1:
            raise ValueError(f"keypoints and edges must be at least 1, got {keypoints} and {edges}")
        self.width = width
        self.keypoints = keypoints
        self.edges = edges
        self.features, channels, self.output_stride = _features(width, output_stride)
        self.heatmap = nn.Conv2d(channels, keypoints, 1)
        self.offset = nn.Conv2d(channels, 2 * keypoints, 1)
        self.displacement_fwd = nn.Conv2d(channels, 2 * edges, 1)
        self.displacement_bwd = nn.Conv2d(channels, 2 * edges, 1)

    def forward(self, images: Tensor) -> PoseMaps:
        """Maps of images (N, 3, H, W), RGB in [-1, 1], sides a multiple of the stride plus 1."""
        x = self.features(images)
        return PoseMaps(
            torch.sigmoid(self.heatmap(x)),
            self.offset(x),
            self.displacement_fwd(x),
            self.displacement_bwd(x),
        )


class _First(nn.Module):
    """The convolution that sees the image."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, stride, padding=_padding(stride, 1))
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.relu(self.conv(x)))


class _Separable(nn.Module):
    """A convolution of each channel by itself, then one across channels."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels_in,
            channels_in,
            3,
            stride,
            padding=_padding(stride, dilation),
            dilation=dilation,
            groups=channels_in,
        )
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.relu(self.pointwise(self.relu(self.depthwise(x)))))


def _features(width: float, output_stride: int) -> tuple[nn.Sequential, int, int]:
    """Layers, channels of the last, and the stride reached.

    Once the wanted stride is reached, later strides become dilations of the layers after them, so
    that each layer sees as much of the image as it was trained to.
    """
    channels = _channels(width)
    layers = nn.Sequential()
    reached, dilation = 1, 1
    for index, (channels_out, stride) in enumerate(zip(channels, _strides(width), strict=True)):
        full = reached == output_stride
        step, spread = (1, dilation) if full else (stride, 1)
        if full:
            dilation *= stride
        else:
            reached *= stride
        layer = (
            _Separable(channels[index - 1], channels_out, step, spread)
            if index
            else _First(channels_out, step)
        )
        layers.add_module(f"conv{index}", layer)
    return layers, channels[-1], reached


def _channels(width: float) -> list[int]:
    """Channels of each layer; the narrow networks have no 1024 to take a part of."""
    if width >= 1:
        return list(_CHANNELS)
    return [int(width * min(count, 512)) for count in _CHANNELS]


def _strides(width: float) -> tuple[int, ...]:
    return _STRIDES if width >= 1 else (*_STRIDES[:-2], 1, 1)


def _padding(stride: int, dilation: int) -> int:
    """Padding with which a side of ``n * stride + 1`` becomes ``n + 1``, kernel 3."""
    return (stride - 1 + 2 * dilation) // 2


def _read(state: State, keypoints: int | None, partial: bool) -> tuple[dict[str, Any], str]:
    channels = weight_of(state, "features.conv0.conv.weight", "a PoseNet").shape[0]
    widths = {16: 0.5, 24: 0.75, 32: 1.0}
    if channels not in widths:
        raise ValueError(
            f"a PoseNet's first layer has {', '.join(map(str, widths))} channels, this {channels}"
        )
    found: dict[str, Any] = {"width": widths[channels]}
    if not partial or "heatmap.weight" in state:
        found["keypoints"] = weight_of(state, "heatmap.weight", "a PoseNet").shape[0]
        found["edges"] = weight_of(state, "displacement_fwd.weight", "a PoseNet").shape[0] // 2
    found["keypoints"] = keypoints or found.get("keypoints", 17)
    require_believable(found["keypoints"], found.get("edges", 0))
    name = f"a PoseNet of width {widths[channels]:g} with {found['keypoints']} keypoints"
    return found, name


def _size(settings: Mapping[str, Any], skeleton: Skeleton) -> tuple[int, int]:
    del settings, skeleton
    return 513, 513


FAMILY = Family(
    PoseNet,
    ("features.conv0.",),
    _read,
    options=("output_stride",),
    outputs="posenet",
    authors="posenet",
    normalisation=PLUS_MINUS_ONE,
    input_size=_size,
)
