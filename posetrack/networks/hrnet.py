"""HRNet: branches of several resolutions side by side, heatmaps from the finest.

Sun, Xiao, Liu, Wang, *Deep High-Resolution Representation Learning for Human Pose Estimation*
(CVPR 2019, arXiv:1902.09212). The blocks are torchvision's; every name is that of the authors'
files, so a published state dict fits as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch.nn.functional as F  # noqa: N812, the field's name for it
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from posetrack.networks.family import Family, State, last_layer, require_believable, weight_of

MODULES: tuple[int, int, int] = (1, 4, 3)
"""Exchange units in stages 2, 3 and 4, which have 2, 3 and 4 branches."""

_BLOCKS = 4
"""Residual blocks in each branch of an exchange unit, and bottlenecks in the first stage."""


_WIDEST = 128
"""Channels of the finest branch that are believed of a file."""


class HRNet(nn.Module):
    """Heatmaps of every keypoint, for a batch of crops.

    Parameters
    ----------
    width
        Channels of the finest branch, 32 or 48 in the paper; each coarser branch has twice as
        many.
    keypoints
        K, how many heatmaps come out.
    final_kernel
        1 or 3, kernel of the last convolution.
    batch_norm
        When False, no batch normalisation anywhere, for ablations. Nothing takes its place: the
        convolutions before it have no bias, as in the whole network.
    group_norm
        Group normalisation, of groups of at most 32 channels, in place of batch normalisation: it
        does not depend on the batch, however small.
    activations
        When False, the identity instead of every ReLU, for ablations.

    Raises
    ------
    ValueError
        If ``width`` or ``keypoints`` is below 1, or the kernel not one of those above; if there
        are to be two normalisations.

    Notes
    -----
    The sides of the input should be multiples of 32, as those of the published networks are.
    Others run too: coarse maps are stretched to the finer ones' size.

    Examples
    --------
    >>> import torch
    >>> network = HRNet(8, 17).eval()
    >>> with torch.inference_mode():
    ...     network(torch.zeros(1, 3, 64, 32)).shape
    torch.Size([1, 17, 16, 8])
    """

    def __init__(
        self,
        width: int = 32,
        keypoints: int = 17,
        *,
        final_kernel: int = 1,
        batch_norm: bool = True,
        group_norm: bool = False,
        activations: bool = True,
    ) -> None:
        super().__init__()
        if width < 1 or keypoints < 1:
            raise ValueError(
                f"width and keypoints must be at least 1, got width={width}, keypoints={keypoints}"
            )
        if final_kernel not in (1, 3):
            raise ValueError(f"final_kernel must be 1 or 3, got {final_kernel}")
        if group_norm and not batch_norm:
            raise ValueError("group_norm=True takes the place of batch normalisation; leave it on")
        self.width = width
        self.keypoints = keypoints
        self.activations = activations
        channels = [width, 2 * width, 4 * width, 8 * width]
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _bottlenecks()
        self.transition1 = nn.ModuleList(
            [_conv(256, channels[0]), nn.Sequential(_conv(256, channels[1], stride=2))]
        )
        self.stage2 = _stage(channels[:2], MODULES[0])
        self.transition2 = _new_branch(channels[:3])
        self.stage3 = _stage(channels[:3], MODULES[1])
        self.transition3 = _new_branch(channels)
        self.stage4 = _stage(channels, MODULES[2], finest_only=True)
        self.final_layer = nn.Conv2d(width, keypoints, final_kernel, padding=final_kernel // 2)
        _start(self)
        if group_norm:
            _replace(self, nn.BatchNorm2d, _group_norm)
        if not batch_norm:
            _replace(self, nn.BatchNorm2d)
        if not activations:
            _replace(self, nn.ReLU)

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps (N, K, H/4, W/4) of normalised images (N, 3, H, W)."""
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.layer1(self.relu(self.bn2(self.conv2(x))))
        maps = [branch(x) for branch in self.transition1]
        maps = self.stage2(maps)
        maps = self.stage3([*maps, self.transition2[-1](maps[-1])])
        maps = self.stage4([*maps, self.transition3[-1](maps[-1])])
        return cast(Tensor, self.final_layer(maps[0]))


class _Exchange(nn.Module):
    """Residual blocks in each branch, then every branch gets the sum of all (paper, section 3)."""

    def __init__(self, channels: list[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(_BLOCKS))) for width in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_path(channels, source, target) for source in range(len(channels)))
            for target in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        return [
            self.relu(self._sum(cast(nn.ModuleList, paths), maps, maps[target].shape[2:]))
            for target, paths in enumerate(self.fuse_layers)
        ]

    @staticmethod
    def _sum(paths: nn.ModuleList, maps: list[Tensor], size: tuple[int, ...]) -> Tensor:
        """Sum of all branches at one resolution, branch 0 first, as the authors add them."""
        total: Tensor | None = None
        for path, x in zip(paths, maps, strict=True):
            part = path(x)
            if part.shape[2:] != size:
                part = F.interpolate(part, size=size, mode="nearest")
            total = part if total is None else total + part
        assert total is not None  # there are at least two branches
        return total


def _path(channels: list[int], source: int, target: int) -> nn.Module:
    """From one branch's resolution and channels to another's; upsampling is left to the sum."""
    if source == target:
        return nn.Identity()
    if source > target:
        return _conv(channels[source], channels[target], kernel=1, relu=False)
    steps = [_conv(channels[source], channels[source], stride=2) for _ in range(source + 1, target)]
    last = _conv(channels[source], channels[target], stride=2, relu=False)
    return nn.Sequential(*steps, last)


def _stage(channels: list[int], modules: int, finest_only: bool = False) -> nn.Sequential:
    """Exchange units in a row; with ``finest_only`` the last gives branch 0 alone."""
    outputs = [len(channels)] * modules
    if finest_only:
        outputs[-1] = 1
    return nn.Sequential(*(_Exchange(channels, count) for count in outputs))


def _new_branch(channels: list[int]) -> nn.ModuleList:
    """One more branch, from the last; the others pass as they are and only take up a number."""
    kept = [nn.Identity() for _ in channels[:-1]]
    return nn.ModuleList([*kept, nn.Sequential(_conv(*channels[-2:], stride=2))])


def _bottlenecks() -> nn.Sequential:
    """The first stage: 64 channels in, 256 out."""
    wider = nn.Sequential(nn.Conv2d(64, 256, 1, bias=False), nn.BatchNorm2d(256))
    first = Bottleneck(64, 64, downsample=wider)
    return nn.Sequential(first, *(Bottleneck(256, 64) for _ in range(_BLOCKS - 1)))


def _conv(
    channels_in: int, channels_out: int, *, kernel: int = 3, stride: int = 1, relu: bool = True
) -> nn.Sequential:
    """Convolution, batch normalisation and, where wanted, ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def _start(network: nn.Module) -> None:
    """Weights before training: normal with deviation 0.001, biases 0 (the authors')."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.001)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _replace(
    network: nn.Module,
    kind: type[nn.Module],
    make: Callable[[Any], nn.Module] = lambda _: nn.Identity(),
) -> None:
    """Put another layer, the identity if not said, in the place of every layer of a kind."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, kind):
                setattr(module, name, make(child))


def _group_norm(batch_norm: nn.BatchNorm2d) -> nn.Module:
    """Of as many groups of the same size as there are, up to 32 (Wu and He, ECCV 2018)."""
    channels = batch_norm.num_features
    return nn.GroupNorm(math.gcd(32, channels), channels)


def _read(state: State, keypoints: int | None, partial: bool) -> tuple[dict[str, Any], str]:
    width = weight_of(state, "stage2.0.branches.0.0.conv1.weight", "an HRNet").shape[0]
    if width > _WIDEST:
        raise ValueError(f"an HRNet of width {width}? At most {_WIDEST}; a wrong file?")
    found = {
        "width": width,
        **last_layer(state, keypoints, partial),
        "batch_norm": "bn1.weight" in state,
        "group_norm": "bn1.weight" in state and "bn1.running_mean" not in state,
    }
    require_believable(found["keypoints"])
    return found, f"an HRNet-W{width} with {found['keypoints']} keypoints"


FAMILY = Family(
    HRNet,
    ("stage2.", "transition1."),
    _read,
    options=("activations",),
    authors="HRNet's authors",
)
