"""Recognises the network and the source of a state dict by its names and shapes.

A new family is a file in `posetrack.networks` and a line in `FAMILIES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from posetrack.networks import hrnet, pose_light, pose_resnet, posenet, trtpose
from posetrack.networks.family import Architecture, Family, State

FAMILIES: tuple[Family, ...] = (
    trtpose.FAMILY,
    posenet.FAMILY,
    hrnet.FAMILY,
    pose_light.FAMILY,
    pose_resnet.FAMILY,
)
"""Networks that find keypoints; of those whose names fit, the first."""

_PREFIX = re.compile(r"^(?:module\.)*(?:backbone\.|keypoint_head\.|head\.)?")


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
        If it is of no known family, or implausibly large.

    Examples
    --------
    >>> recognise(posenet.PoseNet(0.75).state_dict()).name
    'a PoseNet of width 0.75 with 17 keypoints'
    """
    for family in FAMILIES:
        if any(name.startswith(family.prefixes) for name in state):
            return family.recognise(state, keypoints, partial)
    names = ", ".join(list(state)[:3])
    raise ValueError(
        "this is no network known here (not a ResNet-18, 34, 50, 101 or 152 with "
        "deconvolutions, an HRNet, a light pose network, a PoseNet or a network of trt_pose). "
        f"The first names: {names}"
    )


def convert_keys(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a state dict's entries to the authors' names, which are `PoseResNet`'s.

    ``module.`` (DataParallel), ``backbone.``, ``head.`` (mmpose 1.x) and ``keypoint_head.`` (0.x)
    are taken off, mmpose's ``data_preprocessor.*`` is dropped.

    Raises
    ------
    ValueError
        If two entries come to have the same name.

    Examples
    --------
    >>> import torch
    >>> old = {"module.backbone.conv1.weight": torch.zeros(1), "data_preprocessor.mean": None}
    >>> list(convert_keys(old))
    ['conv1.weight']
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        short = _PREFIX.sub("", name)
        if short.startswith("data_preprocessor."):
            continue
        if short in renamed:
            raise ValueError(f"{name} stands twice, with and without what comes before {short}")
        renamed[short] = tensor
    return renamed


def source_of(tensors: Mapping[str, Tensor], family: Family) -> str:
    """The source whose names a state dict uses.

    Parameters
    ----------
    tensors
        As in the file.
    family
        The network it is of.

    Returns
    -------
    source
        ``"authors"`` (the paper's), ``"HRNet's authors"``, ``"mmpose 0.x"``, ``"mmpose 1.x"``,
        ``"torchvision"``, ``"posenet"`` or ``"trt_pose"``.

    Examples
    --------
    >>> import torch
    >>> source_of({"module.backbone.conv1.weight": torch.zeros(1)}, hrnet.FAMILY)
    'mmpose 1.x'
    """
    bare = [re.sub(r"^(?:module\.)+", "", name) for name in tensors]
    if family.outputs != "heatmaps":
        return family.authors
    if any(name.startswith("keypoint_head.") for name in bare):
        return "mmpose 0.x"
    if any(name.startswith(("backbone.", "head.")) for name in bare):
        return "mmpose 1.x"
    if family.authors != "authors":
        return family.authors
    return "torchvision" if "fc.weight" in bare else "authors"
