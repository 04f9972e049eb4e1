"""The networks of trt_pose: confidence maps of keypoints and the fields that join them.

The method is that of Cao, Simon, Wei, Sheikh, *Realtime Multi-Person 2D Pose Estimation using
Part Affinity Fields* (CVPR 2017); the networks are NVIDIA's (NVIDIA-AI-IOT/trt_pose): a
classifier's layers, two heads that upsample, and attention in front of each answer. Names are
those of the published files, the classifier's unused last layer among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torchvision.models import densenet121, resnet18
from torchvision.models.densenet import DenseNet
from torchvision.models.resnet import ResNet

from posetrack.networks.family import Family, State, require_believable, weight_of
from posetrack.skeletons import COCO_17_NECK, Skeleton

BACKBONES: dict[str, int] = {"resnet18": 512, "densenet121": 1024}
"""Channels that each backbone ends with."""


class PafMaps(NamedTuple):
    """A `TrtPose`'s output: maps of a quarter of the input's size."""

    cmap: Tensor
    """(N, K, h, w), how surely a keypoint is in each cell; about [0, 1]."""
    paf: Tensor
    """(N, 2 L, h, w), for each link a field that points from its first part to its second."""


class TrtPose(nn.Sequential):
    """Confidence maps and part affinity fields for a batch of images.

    Parameters
    ----------
    backbone
        ``"resnet18"`` or ``"densenet121"``.
    keypoints, links
        K and L, 18 and 21 in the published networks. A link takes two channels of the fields.
    channels
        Of the heads' layers.

    Raises
    ------
    ValueError
        If the backbone is not one of those, or a number is below 1.

    Examples
    --------
    >>> network = TrtPose("resnet18").eval()
    >>> with torch.inference_mode():
    ...     maps = network(torch.zeros(1, 3, 64, 96))
    >>> maps.cmap.shape, maps.paf.shape
    (torch.Size([1, 18, 16, 24]), torch.Size([1, 42, 16, 24]))
    """

    def __init__(
        self,
        backbone: str = "resnet18",
        keypoints: int = 18,
        links: int = 21,
        *,
        channels: int = 256,
    ) -> None:
        if backbone not in BACKBONES:
            raise ValueError(f"backbone must be one of {', '.join(BACKBONES)}, got {backbone!r}")
        if min(keypoints, links, channels) < 1:
            raise ValueError(
                "keypoints, links and channels must be at least 1, "
                f"got {keypoints}, {links} and {channels}"
            )
        trunk = _ResNet18() if backbone == "resnet18" else _DenseNet121()
        super().__init__(trunk, _Heads(BACKBONES[backbone], keypoints, links, channels))
        self.backbone = backbone
        self.keypoints = keypoints
        self.links = links

    def forward(self, images: Tensor) -> PafMaps:
        """Maps of normalised RGB images (N, 3, H, W) whose sides are multiples of 32."""
        trunk, heads = self
        return cast(PafMaps, heads(trunk(images)))


class _ResNet18(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resnet: ResNet = resnet18(weights=None)

    def forward(self, images: Tensor) -> Tensor:
        trunk = self.resnet
        x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(images))))
        return cast(Tensor, trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(x)))))


class _DenseNet121(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.densenet: DenseNet = densenet121(weights=None)

    def forward(self, images: Tensor) -> Tensor:
        """Up to the last normalisation; the ReLU that a classifier has after it is left out."""
        return cast(Tensor, self.densenet.features(images))


class _Heads(nn.Module):
    """Upsampling by 8, attention and answer, once for keypoints and once for links."""

    def __init__(self, channels_in: int, keypoints: int, links: int, channels: int) -> None:
        super().__init__()
        self.cmap_up = _upsampling(channels_in, channels)
        self.paf_up = _upsampling(channels_in, channels)
        self.cmap_att = nn.Conv2d(channels, channels, 3, padding=1)
        self.paf_att = nn.Conv2d(channels, channels, 3, padding=1)
        self.cmap_conv = nn.Conv2d(channels, keypoints, 1)
        self.paf_conv = nn.Conv2d(channels, 2 * links, 1)

    def forward(self, x: Tensor) -> PafMaps:
        parts, fields = self.cmap_up(x), self.paf_up(x)
        return PafMaps(
            self.cmap_conv(parts * torch.sigmoid(self.cmap_att(parts))),
            self.paf_conv(fields * torch.tanh(self.paf_att(fields))),
        )


def _upsampling(channels_in: int, channels: int) -> nn.Sequential:
    """Three times a transposed convolution of stride 2, batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [
            nn.ConvTranspose2d(channels_in, channels, 4, stride=2, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        channels_in = channels
    return nn.Sequential(*layers)


def _read(state: State, keypoints: int | None, partial: bool) -> tuple[dict[str, Any], str]:
    dense = any(name.startswith("0.densenet.") for name in state)
    found: dict[str, Any] = {"backbone": "densenet121" if dense else "resnet18"}
    what = f"a trt_pose network with {found['backbone']}"
    if not partial or "1.cmap_conv.weight" in state:
        parts, channels = weight_of(state, "1.cmap_conv.weight", what).shape[:2]
        links = weight_of(state, "1.paf_conv.weight", what).shape[0] // 2
        found |= {"keypoints": parts, "links": links, "channels": channels}
    found["keypoints"] = keypoints or found.get("keypoints", 18)
    require_believable(*(value for value in found.values() if isinstance(value, int)))
    return found, f"{what} and {found['keypoints']} keypoints"


def _size(settings: Mapping[str, Any], skeleton: Skeleton) -> tuple[int, int]:
    del skeleton
    return (256, 256) if settings["backbone"] == "densenet121" else (224, 224)


FAMILY = Family(
    TrtPose,
    ("0.resnet.", "0.densenet."),
    _read,
    outputs="trt_pose",
    authors="trt_pose",
    skeletons=(COCO_17_NECK,),
    input_size=_size,
)
