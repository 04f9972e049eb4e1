"""Reading of PoseNet's weights as TensorFlow.js publishes them: a folder of plain numbers.

``manifest.json`` maps each variable's name to its file and shape; a file holds little-endian
float32 values and nothing else. See rwightman/posenet-pytorch for where such folders are hosted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posetrack.networks.weight_files import WeightFile

MANIFEST = "manifest.json"

_LARGEST = 2**24
"""Most numbers believed in one variable; the published ones have a million at most."""

_LAYER = re.compile(
    r"[^/]+/(?:conv2d_(?P<number>\d+)(?:_(?P<part>depthwise|pointwise))?"
    r"|(?P<head>heatmap|offset|displacement_fwd|displacement_bwd)_2)"
    r"/(?P<kind>weights|depthwise_weights|biases)",
    re.IGNORECASE,
)


def is_tfjs(path: str | Path) -> bool:
    """Whether a path is such a folder's manifest, or a folder that has one.

    Examples
    --------
    >>> is_tfjs("no_such_folder")
    False
    """
    path = Path(path)
    return (path / MANIFEST).is_file() or (path.name == MANIFEST and path.is_file())


def read_tfjs_weights(path: str | Path) -> WeightFile:
    """PoseNet's tensors, under the names of `posetrack.networks.posenet.PoseNet`.

    Parameters
    ----------
    path
        The folder, or its ``manifest.json``. Variables that PoseNet does not have (other heads)
        are left out.

    Raises
    ------
    FileNotFoundError
        If the manifest or a file that it names is not there.
    ValueError
        If the manifest is not one, names a file elsewhere, or a file has another size than its
        shape says.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "bias").write_bytes(np.zeros(17, "<f4").tobytes())
    ...     about = {"MobilenetV1/heatmap_2/biases": {"filename": "bias", "shape": [17]}}
    ...     _ = Path(folder, "manifest.json").write_text(json.dumps(about))
    ...     read_tfjs_weights(folder).tensors["heatmap.bias"].shape
    torch.Size([17])
    """
    manifest = Path(path)
    if manifest.is_dir():
        manifest /= MANIFEST
    try:
        variables = json.loads(manifest.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{manifest} is not JSON: {error}") from error
    if not isinstance(variables, Mapping):
        raise ValueError(f"{manifest}: expected variables by name, got {type(variables).__name__}")
    tensors: dict[str, Tensor] = {}
    for variable, about in variables.items():
        name = posenet_name(variable)
        if name is None:
            continue
        if name in tensors:
            raise ValueError(f"{manifest}: {variable} stands twice, in other letters")
        tensors[name] = _read(manifest.parent, variable, about)
    if not tensors:
        raise ValueError(f"{manifest}: none of its {len(variables)} variables is a PoseNet's")
    return WeightFile(tensors)


def posenet_name(variable: str) -> str | None:
    """A variable's name in `PoseNet`, None for those it does not have.

    Examples
    --------
    >>> posenet_name("MobilenetV1/Conv2d_3_depthwise/depthwise_weights")
    'features.conv3.depthwise.weight'
    >>> posenet_name("MobilenetV1/segment_2/weights") is None
    True
    """
    match = _LAYER.fullmatch(variable)
    if match is None:
        return None
    leaf = "bias" if match["kind"].lower() == "biases" else "weight"
    if match["head"] is not None:
        return f"{match['head'].lower()}.{leaf}"
    part = (match["part"] or "conv").lower()
    return f"features.conv{int(match['number'])}.{part}.{leaf}"


def _read(folder: Path, variable: str, about: Any) -> Tensor:
    """One variable, in PyTorch's order of dimensions."""
    file = about.get("filename") if isinstance(about, Mapping) else None
    shape = about.get("shape") if isinstance(about, Mapping) else None
    if not isinstance(file, str) or not isinstance(shape, list):
        raise ValueError(f"{folder / MANIFEST}: {variable} needs a filename and a shape")
    if not re.fullmatch(r"\w[\w.-]*", file):
        raise ValueError(
            f"{folder / MANIFEST}: {variable} is said to be in {file!r}, no plain name"
        )
    if not all(type(side) is int and 0 < side <= _LARGEST for side in shape):
        raise ValueError(f"{folder / MANIFEST}: {variable} has shape {shape}")
    count = math.prod(shape)
    size = (folder / file).stat().st_size
    if count > _LARGEST or size != 4 * count:
        raise ValueError(
            f"{folder / file} has {size} bytes; {variable} of shape {shape} takes {4 * count}"
        )
    values = np.fromfile(folder / file, "<f4").reshape(shape)
    if len(shape) == 4:
        # Height, width, in, out; a depthwise one has the channel's number third, and 1 last.
        turned = (2, 3, 0, 1) if "depthwise" in variable.lower() else (3, 2, 0, 1)
        values = values.transpose(turned)
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
