"""A small pose network of the paper's kind: a light trunk, three transposed convolutions.

What the paper's network leaves out is added: the trunk's features of each resolution join the
transposed convolution's of the same one. They cost little, and a network that has seen little data
finds positions sooner by them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from posetrack.networks.family import (
    Family,
    State,
    last_layer,
    require_believable,
    weight_of,
)
from posetrack.networks.light_trunk import LightTrunk
from posetrack.networks.trunks import Trunk, recognise_trunk

DECONVOLUTIONS = (128, 96, 64)


class PoseLight(nn.Module):
    """Heatmaps of every keypoint, for a batch of crops; 3.4 million parameters.

    Parameters
    ----------
    keypoints
        K, how many heatmaps come out.
    trunk
        Makes the trunk: `posetrack.networks.light_trunk.LightTrunk`, or
        `posetrack.networks.mobile_trunk.MobileTrunk`, with which there are 2.8 million parameters.
    deconv_channels
        Channels of the three transposed convolutions.

    Raises
    ------
    ValueError
        If there are not three transposed convolutions.

    Examples
    --------
    >>> import torch
    >>> network = PoseLight(17).eval()
    >>> with torch.inference_mode():
    ...     network(torch.zeros(1, 3, 64, 32)).shape
    torch.Size([1, 17, 16, 8])
    """

    def __init__(
        self,
        keypoints: int = 17,
        *,
        trunk: Callable[[], Trunk] = LightTrunk,
        deconv_channels: Sequence[int] = DECONVOLUTIONS,
    ) -> None:
        super().__init__()
        if keypoints < 1:
            raise ValueError(f"keypoints must be at least 1, got {keypoints}")
        if len(deconv_channels) != 3:
            raise ValueError(f"expected three deconv_channels, got {deconv_channels}")
        self.keypoints = keypoints
        self.trunk = trunk()
        widths = self.trunk.widths
        before = (widths[3], *deconv_channels)
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.ConvTranspose2d(before[i], channels, 4, 2, 1, bias=False),
                nn.BatchNorm2d(channels),
            )
            for i, channels in enumerate(deconv_channels)
        )
        self.across = nn.ModuleList(
            nn.Conv2d(widths[2 - i], channels, 1) for i, channels in enumerate(deconv_channels)
        )
        self.relu = nn.ReLU(inplace=True)
        self.final_layer = nn.Conv2d(deconv_channels[-1], keypoints, 1)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        nn.init.zeros_(self.final_layer.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps (N, K, H/4, W/4) of normalised images (N, 3, H, W), sides multiples of 32."""
        *finer, x = self.trunk(images)
        for up, across, features in zip(self.up, self.across, reversed(finer), strict=True):
            x = self.relu(up(x) + across(features))
        heatmaps: Tensor = self.final_layer(x)
        return heatmaps


def _read(state: State, keypoints: int | None, partial: bool) -> tuple[dict[str, Any], str]:
    what = "a light pose network"
    trunk = recognise_trunk(state, what)
    if not partial and "final_layer.weight" not in state:
        raise ValueError(
            f"by its names this is {what} or a detector, final_layer.weight is missing"
        )
    found: dict[str, Any] = {
        "trunk": trunk,
        "keypoints": last_layer(state, keypoints, partial)["keypoints"],
    }
    if not partial or "up.0.0.weight" in state:
        layers = [weight_of(state, f"up.{number}.0.weight", what) for number in range(3)]
        found["deconv_channels"] = tuple(layer.shape[1] for layer in layers)
    require_believable(found["keypoints"], *found.get("deconv_channels", ()))
    return found, f"{what} with {found['keypoints']} keypoints"


FAMILY = Family(PoseLight, ("trunk.",), _read)
