"""A small detector of people: a light trunk, one map of centres, the four sides at each.

After X. Zhou et al., *Objects as Points* (2019), and Z. Liu et al., *Training-Time-Friendly
Network for Real-Time Object Detection* (AAAI 2020): a person is a peak of one map at stride 8;
at the peak stand the distances to the box's sides. There are no anchors to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from posetrack.networks.family import Family, State, require_believable, weight_of
from posetrack.networks.light_trunk import LightTrunk, convolution
from posetrack.networks.trunks import Trunk, recognise_trunk

STRIDE = 8
"""Input pixels from one cell of the maps to the next."""

UNIT = 16.0
"""Pixels that a distance of exp(0) is."""

NARROW_TRUNK = partial(LightTrunk, (24, 48, 96, 160))
"""Makes the detector's own trunk."""

_FARTHEST = 6.0
"""Largest exponent of a distance: 16 exp(6) is 6455 pixels."""


class PersonDetector(nn.Module):
    """Centres and sides of people's boxes, for a batch of images; 2.1 million parameters.

    Parameters
    ----------
    trunk
        Makes the trunk: `NARROW_TRUNK`, or `posetrack.networks.mobile_trunk.MobileTrunk`, with
        which there are 2.1 million parameters.
    channels
        Of the finer features that the coarser ones are joined to.

    Examples
    --------
    >>> network = PersonDetector().eval()
    >>> with torch.inference_mode():
    ...     network(torch.zeros(1, 3, 64, 96)).shape
    torch.Size([1, 5, 8, 12])
    """

    def __init__(
        self,
        *,
        trunk: Callable[[], Trunk] = NARROW_TRUNK,
        channels: int = 96,
    ) -> None:
        super().__init__()
        self.trunk = trunk()
        widths = self.trunk.widths
        self.across = nn.ModuleList(
            convolution(width, channels, kernel=1, active=False) for width in widths[1:]
        )
        self.joined = nn.ModuleList(convolution(channels, channels) for _ in range(2))
        self.centres = nn.Sequential(convolution(channels, 64), nn.Conv2d(64, 1, 1))
        self.sides = nn.Sequential(convolution(channels, 64), nn.Conv2d(64, 4, 1))
        for last, start in ((self.centres[1], -4.0), (self.sides[1], 0.5)):
            nn.init.normal_(last.weight, std=0.001)  # type: ignore[arg-type]
            # Most cells show nobody: start with that prior (T.-Y. Lin et al., Focal Loss, 2017).
            nn.init.constant_(last.bias, start)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, 5, H/8, W/8) of normalised images (N, 3, H, W), sides multiples of 32.

        The first is the logit of a person's centre, the others the logarithms of the distances to
        left, top, right and bottom, in `UNIT` pixels.
        """
        _, eight, sixteen, coarse = self.trunk(images)
        x = self.across[2](coarse)
        for join, across, finer in zip(
            self.joined, (self.across[1], self.across[0]), (sixteen, eight), strict=True
        ):
            up = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = join(torch.relu(up + across(finer)))
        return torch.cat([self.centres(x), self.sides(x)], dim=1)


def boxes_of(maps: Tensor) -> Tensor:
    """Boxes (N, h, w, 4) xyxy in input pixels predicted by every cell of maps (N, 5, h, w).

    Pixel edges count: a box of the whole input ends at its width and height.

    Examples
    --------
    >>> boxes_of(torch.zeros(1, 5, 1, 2))[0, 0].tolist()
    [[-12.0, -12.0, 20.0, 20.0], [-4.0, -12.0, 28.0, 20.0]]
    """
    height, width = maps.shape[2:]
    reach = maps[:, 1:].float().clamp(max=_FARTHEST).exp() * UNIT
    x = (torch.arange(width, device=maps.device) + 0.5) * STRIDE
    y = (torch.arange(height, device=maps.device)[:, None] + 0.5) * STRIDE
    left, top, right, bottom = reach.unbind(1)
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=3)


def rows_of(maps: Tensor) -> Tensor:
    """Boxes and scores predicted by every cell of maps (N, 5, h, w), as (N, h * w, 5).

    xyxy in input pixels as `boxes_of`, and a score in [0, 1] that is 0 where a cell beside has a
    higher one.

    Examples
    --------
    >>> maps = torch.full((1, 5, 1, 3), 0.0)
    >>> maps[0, 0, 0, 1] = 9.0
    >>> rows_of(maps)[0, :, 4].round(decimals=2).tolist()
    [0.0, 1.0, 0.0]
    """
    scores = maps[:, :1].float().sigmoid()
    highest = functional.max_pool2d(scores, 3, 1, 1) == scores
    peaks = (scores * highest).flatten(2).transpose(1, 2)
    return torch.cat([boxes_of(maps).flatten(1, 2), peaks], dim=2)


class PersonRows(nn.Module):
    """A `PersonDetector` that gives `rows_of` its maps: what is run and exported.

    Parameters
    ----------
    network
        The detector; it is used, not copied.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Rows (N, h * w, 5) of normalised images (N, 3, H, W), sides multiples of 32."""
        return rows_of(self.network(images))


def _read(state: State, keypoints: int | None, in_part: bool) -> tuple[dict[str, Any], str]:
    """Settings of a detector; it has no keypoints, and is never read in part."""
    del keypoints, in_part
    what = "a light detector"
    if "joined.0.0.weight" not in state or not any(name.startswith("trunk.") for name in state):
        raise ValueError(
            f"these are not {what}'s weights (trunk.* and joined.*); the first names: "
            f"{', '.join(list(state)[:3])}"
        )
    trunk = recognise_trunk(state, what)
    channels = weight_of(state, "joined.0.0.weight", what).shape[0]
    require_believable(channels)
    return {"trunk": trunk, "channels": channels}, what


FAMILY = Family(PersonDetector, ("joined.",), _read, outputs="boxes", skeletons=())
