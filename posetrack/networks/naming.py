"""Whose names a weight file uses, and renaming them to those of this package's networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from posetrack.networks.hrnet import HRNet
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose

Source = Literal[
    "posetrack",
    "authors",
    "HRNet's authors",
    "mmpose 0.x",
    "mmpose 1.x",
    "torchvision",
    "posenet",
    "trt_pose",
]

_PREFIX = re.compile(r"^(?:module\.)*(?:backbone\.|keypoint_head\.|head\.)?")


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


def source_of(tensors: Mapping[str, Tensor], kind: type[nn.Module]) -> Source:
    """Whose names a state dict uses.

    Parameters
    ----------
    tensors
        As in the file.
    kind
        The network it is of.

    Examples
    --------
    >>> import torch
    >>> source_of({"module.backbone.conv1.weight": torch.zeros(1)}, HRNet)
    'mmpose 1.x'
    """
    bare = [re.sub(r"^(?:module\.)+", "", name) for name in tensors]
    if kind is TrtPose:
        return "trt_pose"
    if kind is PoseNet:
        return "posenet"
    if any(name.startswith("keypoint_head.") for name in bare):
        return "mmpose 0.x"
    if any(name.startswith(("backbone.", "head.")) for name in bare):
        return "mmpose 1.x"
    if kind is HRNet:
        return "HRNet's authors"
    return "torchvision" if "fc.weight" in bare else "authors"
