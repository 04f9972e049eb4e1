"""A narrow residual trunk that two processor cores can train from nothing.

Plain 3x3 convolutions: networks of depthwise convolutions have fewer operations, but training
them on a CPU takes longer, because they move as much memory. Measured at 256 x 192, batches of
32, two cores, bfloat16, channels last, with the head of `posetrack.networks.pose_light`: about 90
crops a second, where MobileNetV3-Small with a like head trains 70 and MobileNetV2 20 or 30.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

WIDTHS = (32, 64, 128, 192)
BLOCKS = (1, 2, 3, 2)
STEM = 16


class LightTrunk(nn.Module):
    """Features at strides 4, 8, 16 and 32.

    Parameters
    ----------
    widths
        Channels of each stage.
    blocks
        Residual blocks of each stage, after the convolution that halves the resolution.
    stem
        Channels of the first convolution, at stride 2.

    Examples
    --------
    >>> import torch
    >>> trunk = LightTrunk((4, 4, 8, 8), (0, 1, 0, 1))
    >>> [tuple(part.shape) for part in trunk(torch.zeros(1, 3, 64, 32))]
    [(1, 4, 16, 8), (1, 4, 8, 4), (1, 8, 4, 2), (1, 8, 2, 1)]
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        blocks: Sequence[int] = BLOCKS,
        stem: int = STEM,
    ) -> None:
        super().__init__()
        if len(widths) != 4 or len(blocks) != 4:
            raise ValueError(f"a trunk has 4 stages, got widths {widths} and blocks {blocks}")
        self.widths = tuple(widths)
        self.stem = convolution(3, stem, stride=2)
        before = (stem, *widths)
        self.stages = nn.ModuleList(
            nn.Sequential(
                convolution(before[i], widths[i], stride=2),
                *(Residual(widths[i]) for _ in range(blocks[i])),
            )
            for i in range(4)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features (N, C, H/s, W/s) of normalised images (N, 3, H, W) for s of 4, 8, 16, 32."""
        features = [self.stem(images)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[1:]


class Residual(nn.Module):
    """Two 3x3 convolutions beside the identity.

    Parameters
    ----------
    channels
        In and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = convolution(channels, channels, active=False)
        self.relu = nn.ReLU(inplace=True)
        # Starts as the identity: then the first steps train the layers around it.
        nn.init.zeros_(self.second[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Features of the shape of ``x``."""
        result: Tensor = self.relu(x + self.second(self.first(x)))
        return result


def convolution(
    channels_in: int, channels_out: int, *, kernel: int = 3, stride: int = 1, active: bool = True
) -> nn.Sequential:
    """Convolution, batch normalisation and, unless not ``active``, ReLU."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(channels_out)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if active else []))
