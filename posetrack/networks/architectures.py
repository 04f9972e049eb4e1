"""Which network a state dict is of, read off its names and shapes.

A few things leave no trace there: on which convolution a bottleneck has its stride, whether there
are activations, and how fine a PoseNet's maps are. They have to be told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from posetrack.networks.hrnet import HRNet
from posetrack.networks.pose_light import PoseLight
from posetrack.networks.pose_resnet import BLOCKS, PoseResNet
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose

State = Mapping[str, Tensor]

_LARGEST = 4096
"""Most channels or keypoints believed before memory is asked for."""

_WIDEST_HRNET = 128


@dataclass(frozen=True)
class Architecture:
    """A network that can be built.

    Parameters
    ----------
    kind
        Its class.
    settings
        What the class is called with.
    name
        What to call it in a message, with its article.
    """

    kind: type[nn.Module]
    settings: Mapping[str, Any]
    name: str

    def build(self, **told: Any) -> nn.Module:
        """Build the network, with what its file cannot tell.

        Raises
        ------
        ValueError
            If something is told that is not such a network's.
        """
        known = TOLD[self.kind]
        unknown = sorted(set(told) - set(known))
        if unknown:
            raise ValueError(
                f"this is {self.name}, which has no {', '.join(unknown)}; what can be told of it: "
                f"{', '.join(known) or 'nothing'}"
            )
        return self.kind(**self.settings, **told)


TOLD: Mapping[type[nn.Module], tuple[str, ...]] = {
    PoseResNet: ("stride_on_1x1",),
    HRNet: ("activations",),
    PoseLight: (),
    PoseNet: ("output_stride",),
    TrtPose: (),
}
"""The settings of each network that are in no file."""


def recognise(state: State, *, keypoints: int | None = None, partial: bool = False) -> Architecture:
    """The network that a state dict is of.

    Parameters
    ----------
    state
        Under the names of this package's networks.
    keypoints
        With ``partial``, another number of keypoints than the state dict has.
    partial
        Let the network's end be missing, or be another's: it gets the usual one.

    Raises
    ------
    ValueError
        If it is of none of them, or too large to be believed.

    Examples
    --------
    >>> recognise(PoseNet(0.75).state_dict()).name
    'a PoseNet of width 0.75 with 17 keypoints'
    """
    for marks, read in _FAMILIES:
        if any(name.startswith(marks) for name in state):
            return read(state, keypoints if partial else None, partial)
    names = ", ".join(list(state)[:3])
    raise ValueError(
        "this is none of the networks known here (not a ResNet-18, 34, 50, 101 or 152 with "
        "deconvolutions, an HRNet, a light pose network, a PoseNet or a network of trt_pose). "
        f"The first names: {names}"
    )


def _pose_resnet(state: State, keypoints: int | None, partial: bool) -> Architecture:
    blocks = tuple(_count(state, rf"layer{stage}\.(\d+)\.conv1\.weight") for stage in (1, 2, 3, 4))
    bottleneck = "layer1.0.conv3.weight" in state
    depths = [depth for depth in BLOCKS if BLOCKS[depth] == blocks and (depth >= 50) == bottleneck]
    if not depths:
        names = ", ".join(list(state)[:3])
        raise ValueError(
            f"this is not a ResNet-18, 34, 50, 101 or 152: its stages have {blocks} blocks. "
            f"The first names are {names}"
        )
    found: dict[str, Any] = {"depth": depths[0], **_end(state, keypoints, partial)}
    layers = _deconvolutions(state)
    if layers or not partial:
        found["deconv_channels"] = tuple(layer.shape[1] for layer in layers)
        found["deconv_kernels"] = tuple(layer.shape[2] for layer in layers)
        found["deconv_bias"] = "deconv_layers.0.bias" in state
    _require_believable(found["keypoints"], *found.get("deconv_channels", ()))
    name = f"a ResNet-{depths[0]} with {found['keypoints']} keypoints"
    return Architecture(PoseResNet, found, name)


def _hrnet(state: State, keypoints: int | None, partial: bool) -> Architecture:
    width = _weight(state, "stage2.0.branches.0.0.conv1.weight", "an HRNet").shape[0]
    if width > _WIDEST_HRNET:
        raise ValueError(f"an HRNet of width {width}? At most {_WIDEST_HRNET}; a wrong file?")
    found = {"width": width, **_end(state, keypoints, partial), "batch_norm": "bn1.weight" in state}
    _require_believable(found["keypoints"])
    return Architecture(HRNet, found, f"an HRNet-W{width} with {found['keypoints']} keypoints")


def _posenet(state: State, keypoints: int | None, partial: bool) -> Architecture:
    channels = _weight(state, "features.conv0.conv.weight", "a PoseNet").shape[0]
    widths = {16: 0.5, 24: 0.75, 32: 1.0}
    if channels not in widths:
        raise ValueError(
            f"a PoseNet's first layer has {', '.join(map(str, widths))} channels, this {channels}"
        )
    found: dict[str, Any] = {"width": widths[channels]}
    if not partial or "heatmap.weight" in state:
        found["keypoints"] = _weight(state, "heatmap.weight", "a PoseNet").shape[0]
        found["edges"] = _weight(state, "displacement_fwd.weight", "a PoseNet").shape[0] // 2
    found["keypoints"] = keypoints or found.get("keypoints", 17)
    _require_believable(found["keypoints"], found.get("edges", 0))
    name = f"a PoseNet of width {widths[channels]:g} with {found['keypoints']} keypoints"
    return Architecture(PoseNet, found, name)


def _trtpose(state: State, keypoints: int | None, partial: bool) -> Architecture:
    dense = any(name.startswith("0.densenet.") for name in state)
    found: dict[str, Any] = {"backbone": "densenet121" if dense else "resnet18"}
    what = f"a trt_pose network with {found['backbone']}"
    if not partial or "1.cmap_conv.weight" in state:
        parts, channels = _weight(state, "1.cmap_conv.weight", what).shape[:2]
        links = _weight(state, "1.paf_conv.weight", what).shape[0] // 2
        found |= {"keypoints": parts, "links": links, "channels": channels}
    found["keypoints"] = keypoints or found.get("keypoints", 18)
    _require_believable(*(value for value in found.values() if isinstance(value, int)))
    return Architecture(TrtPose, found, f"{what} and {found['keypoints']} keypoints")


def _pose_light(state: State, keypoints: int | None, partial: bool) -> Architecture:
    what = "a light pose network"
    firsts = [_weight(state, f"trunk.stages.{stage}.0.0.weight", what) for stage in range(4)]
    if not partial and "final_layer.weight" not in state:
        raise ValueError(
            f"by its names this is {what} or a detector, final_layer.weight is missing"
        )
    found: dict[str, Any] = {
        "widths": tuple(first.shape[0] for first in firsts),
        "blocks": tuple(
            _count(state, rf"trunk\.stages\.{stage}\.\d+\.first\.0\.weight") for stage in range(4)
        ),
        "stem": firsts[0].shape[1],
        "keypoints": _end(state, keypoints, partial)["keypoints"],
    }
    if not partial or "up.0.0.weight" in state:
        layers = [_weight(state, f"up.{number}.0.weight", what) for number in range(3)]
        found["deconv_channels"] = tuple(layer.shape[1] for layer in layers)
    _require_believable(
        found["keypoints"], found["stem"], *found["widths"], *found.get("deconv_channels", ())
    )
    return Architecture(PoseLight, found, f"{what} with {found['keypoints']} keypoints")


_FAMILIES: tuple[tuple[tuple[str, ...], Callable[[State, int | None, bool], Architecture]], ...] = (
    (("0.resnet.", "0.densenet."), _trtpose),
    (("features.conv0.",), _posenet),
    (("stage2.", "transition1."), _hrnet),
    (("trunk.",), _pose_light),
    (("layer1.", "deconv_layers."), _pose_resnet),
)
"""How names begin that only one family has, and what reads its settings; the first that fits."""


def _end(state: State, keypoints: int | None, partial: bool) -> dict[str, Any]:
    """Number of keypoints and kernel of the last convolution."""
    final = state.get("final_layer.weight")
    if final is None or final.ndim != 4:
        if not partial:
            extra = " (a head with extra convolutions is not supported)" if final is None else ""
            raise ValueError(f"final_layer.weight is missing or not of four dimensions{extra}")
        return {"keypoints": keypoints or 17}
    return {"keypoints": keypoints or final.shape[0], "final_kernel": final.shape[2]}


def _deconvolutions(state: State) -> list[Tensor]:
    """Weights of the transposed convolutions, each 3 places after the one before."""
    layers: list[Tensor] = []
    while f"deconv_layers.{3 * len(layers)}.weight" in state:
        name = f"deconv_layers.{3 * len(layers)}.weight"
        layers.append(_weight(state, name, "a ResNet with deconvolutions"))
    return layers


def _weight(state: State, name: str, what: str) -> Tensor:
    """A convolution's weight by name."""
    weight = state.get(name)
    if weight is None:
        raise ValueError(f"by its names this is {what}, but {name} is missing")
    if weight.ndim != 4:
        raise ValueError(f"by its names this is {what}, but {name} has shape {tuple(weight.shape)}")
    return weight


def _count(state: State, pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in state)


def _require_believable(*counts: int) -> None:
    if max(counts) > _LARGEST:
        raise ValueError(
            f"{max(counts)} keypoints or channels are more than {_LARGEST}; a wrong file?"
        )
