"""PoseNet's weights as published for TensorFlow.js, in both of its formats, read as data.

The older one is a folder of plain numbers: ``manifest.json`` maps each variable's name to its file
and shape; a file holds little-endian float32 values and nothing else. See
rwightman/posenet-pytorch for where such folders were hosted.

The newer one is a *graph model*: a JSON file with the network's nodes and, beside it, binary files
with all variables one after the other, perhaps in 8 or 16 bits. The layer's name stands in its
node's, kernel and bias are the node's inputs. No node is run here; the network is
`posetrack.networks.posenet.PoseNet`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posetrack.checkpoints.weight_files import WeightFile
from posetrack.files import read_bytes, read_json
from posetrack.weights.shards import shard_names

MANIFEST = "manifest.json"

_LARGEST = 2**24
"""Most numbers believed in one variable; the published ones have a million at most."""

_LARGEST_JSON = 2**24
"""Bytes; a PoseNet's graph takes thirty thousand."""

_STRIDES = (8, 16, 32)

_LAYER = re.compile(
    r"[^/]+/(?:conv2d_(?P<number>\d+)(?:_(?P<part>depthwise|pointwise))?"
    r"|(?P<head>heatmap|offset|displacement_fwd|displacement_bwd)_2)"
    r"/(?P<kind>weights|depthwise_weights|biases)",
    re.IGNORECASE,
)


def is_tfjs(path: str | Path) -> bool:
    """Whether a path is a folder of such weights, or its JSON file.

    Examples
    --------
    >>> is_tfjs("no_such_folder")
    False
    """
    path = Path(path)
    if path.name == MANIFEST:
        return path.is_file()
    return (path / MANIFEST).is_file() or _graph_file(path) is not None


def _graph_file(path: Path) -> Path | None:
    """The JSON of a graph model, given by itself or as the one in a folder."""
    if path.is_dir():
        files = [file for file in sorted(path.glob("*.json")) if _has_graph(file)]
        if len(files) > 1:
            names = ", ".join(file.name for file in files[:5])
            raise ValueError(f"{path}: several graph models ({names}); give one of the files")
        return files[0] if files else None
    return path if path.suffix == ".json" and path.is_file() and _has_graph(path) else None


def _has_graph(path: Path) -> bool:
    """Whether a JSON file is a graph model's; decided by its words, without parsing it."""
    if path.stat().st_size > _LARGEST_JSON:
        return False
    content = path.read_bytes()
    return b'"modelTopology"' in content and b'"weightsManifest"' in content


def read_tfjs_weights(path: str | Path) -> WeightFile:
    """PoseNet's tensors, under the names of `posetrack.networks.posenet.PoseNet`.

    Parameters
    ----------
    path
        The folder, or its ``manifest.json`` or graph model. Variables that PoseNet does not have
        (other heads) are left out.

    Returns
    -------
    weights
        Of a graph model also, as an option, the output stride that it was published for.

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
    ...     manifest = '{"MobilenetV1/heatmap_2/biases": {"filename": "bias", "shape": [17]}}'
    ...     _ = Path(folder, "manifest.json").write_text(manifest)
    ...     read_tfjs_weights(folder).tensors["heatmap.bias"].shape
    torch.Size([17])
    """
    manifest = Path(path)
    if manifest.name != MANIFEST and not (manifest / MANIFEST).is_file():
        graph = _graph_file(manifest)
        if graph is not None:
            return _read_graph(graph)
    if manifest.is_dir():
        manifest /= MANIFEST
    variables = read_json(manifest, dict[str, Any], max_bytes=_LARGEST_JSON)
    tensors: dict[str, Tensor] = {}
    for variable, described in variables.items():
        name = posenet_name(variable)
        if name is None:
            continue
        if name in tensors:
            raise ValueError(f"{manifest}: {variable} stands twice, in other letters")
        tensors[name] = _read(manifest.parent, variable, described)
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


def _read(folder: Path, variable: str, described: Any) -> Tensor:
    """One variable, in PyTorch's order of dimensions."""
    file = described.get("filename") if isinstance(described, Mapping) else None
    shape = described.get("shape") if isinstance(described, Mapping) else None
    if not isinstance(file, str) or not isinstance(shape, list):
        raise ValueError(f"{folder / MANIFEST}: {variable} needs a filename and a shape")
    if not re.fullmatch(r"\w[\w.-]*", file):
        raise ValueError(
            f"{folder / MANIFEST}: {variable} is declared to be in {file!r}, no plain name"
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
    return _turn_axes(values, depthwise="depthwise" in variable.lower())


def _turn_axes(values: NDArray[np.float32], *, depthwise: bool) -> Tensor:
    """Height, width, in, out in PyTorch's order; a depthwise kernel has the channel third."""
    if values.ndim == 4:
        values = values.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


_FUSED = ("_FusedConv2D", "FusedDepthwiseConv2dNative")
_PLAIN = ("Conv2D", "DepthwiseConv2dNative")
_ADDS = ("BiasAdd", "Add", "AddV2")

_NODE = re.compile(
    r"(?:^|/)(?:conv2d_(?P<number>\d{1,2})(?:_(?P<part>depthwise|pointwise))?"
    r"|(?P<head>heatmap|offset|displacement_fwd|displacement_bwd)_2)(?:/|$)",
    re.IGNORECASE,
)


class _Quantization(msgspec.Struct):
    """How numbers stand for values: ``stored * scale + min``."""

    dtype: str
    scale: float = 1.0
    min: float = 0.0


class _Constant(msgspec.Struct):
    """A variable in the binary files: where it is follows from those before it."""

    name: str
    shape: list[int]
    dtype: str = "float32"
    quantization: _Quantization | None = None


class _Group(msgspec.Struct):
    paths: list[str]
    weights: list[_Constant]


class _Node(msgspec.Struct):
    name: str
    op: str
    input: list[str] = []
    attr: dict[str, Any] = {}


class _Topology(msgspec.Struct):
    node: list[_Node]


class _Graph(msgspec.Struct):
    modelTopology: _Topology  # noqa: N815
    weightsManifest: list[_Group]  # noqa: N815


def _read_graph(path: Path) -> WeightFile:
    """Kernels and biases of the layers whose names stand in the nodes' names."""
    graph = read_json(path, _Graph, max_bytes=_LARGEST_JSON)
    shard_names(path)  # plain names, or it is refused
    constants = _constants(path, graph.weightsManifest)
    nodes = {node.name: node for node in graph.modelTopology.node}
    biases = {
        _source(nodes, node.input[0]): node.input[1]
        for node in nodes.values()
        if node.op in _ADDS and len(node.input) == 2
    }
    tensors: dict[str, Tensor] = {}
    stride = 1
    for node in nodes.values():
        match = _NODE.search(node.name)
        if match is None or node.op not in (*_FUSED, *_PLAIN) or len(node.input) < 2:
            continue
        depthwise = "Depthwise" in node.op
        layer = (match["head"] or "").lower()
        if not layer:
            part = (match["part"] or "conv").lower()
            layer = f"features.conv{int(match['number'])}.{part}"
            stride *= _stride_of(node)
        bias = node.input[2] if len(node.input) > 2 else biases.get(node.name)
        for leaf, name in (("weight", node.input[1]), ("bias", bias)):
            found = None if name is None else constants.get(_source(nodes, name))
            if found is None:
                raise ValueError(f"{path}: {node.name[:80]} has no {leaf} among its weights")
            if f"{layer}.{leaf}" in tensors:
                raise ValueError(f"{path}: {node.name[:80]} stands twice")
            tensors[f"{layer}.{leaf}"] = _turn_axes(found, depthwise=depthwise)
    if not tensors:
        raise ValueError(f"{path}: none of its {len(nodes)} nodes is a layer of a PoseNet")
    return WeightFile(tensors, options={"output_stride": stride} if stride in _STRIDES else {})


def _source(nodes: Mapping[str, _Node], name: str) -> str:
    """The node that computes a value, behind those that only pass it on."""
    for _ in range(8):
        name = name.removeprefix("^").partition(":")[0]
        node = nodes.get(name)
        if node is None or node.op != "Identity" or not node.input:
            break
        name = node.input[0]
    return name


def _stride_of(node: _Node) -> int:
    """Pixels to a cell: the second of four strides, which are texts in this JSON."""
    strides = node.attr.get("strides")
    listed = strides.get("list") if isinstance(strides, Mapping) else None
    values = listed.get("i") if isinstance(listed, Mapping) else None
    second = str(values[1]) if isinstance(values, list) and len(values) == 4 else "1"
    return int(second) if re.fullmatch("[12]", second) else 1


def _constants(path: Path, groups: list[_Group]) -> dict[str, NDArray[np.float32]]:
    """All variables by name, those stored in fewer bits as the numbers that they stand for."""
    found: dict[str, NDArray[np.float32]] = {}
    for group in groups:
        content = b"".join(read_bytes(path.parent / name, 4 * _LARGEST) for name in group.paths)
        offset = 0
        for constant in group.weights:
            values, offset = _constant(path, constant, content, offset)
            found[constant.name] = values
        if offset != len(content):
            raise ValueError(
                f"{path}: its variables take {offset:,} bytes, {', '.join(group.paths)[:80]} has "
                f"{len(content):,}; keep the files together as published"
            )
    return found


def _constant(
    path: Path, constant: _Constant, content: bytes, offset: int
) -> tuple[NDArray[np.float32], int]:
    """A variable from its place on, and where the next one begins."""
    stored, scale, least = constant.dtype, 1.0, 0.0
    if constant.quantization is not None:
        stored, scale = constant.quantization.dtype, constant.quantization.scale
        least = constant.quantization.min
    kind = {"float32": "<f4", "float16": "<f2", "uint8": "u1", "uint16": "<u2", "int32": "<i4"}
    if stored not in kind or not all(0 < side <= _LARGEST for side in constant.shape):
        raise ValueError(
            f"{path}: {constant.name[:80]} of {stored} and shape {str(constant.shape)[:80]}"
        )
    count, each = math.prod(constant.shape), np.dtype(kind[stored])
    end = offset + count * each.itemsize
    if count > _LARGEST or end > len(content):
        raise ValueError(
            f"{path}: {constant.name[:80]} of shape {constant.shape} takes bytes up to {end:,}, "
            f"there are {len(content):,}; a file of weights is missing or cut short"
        )
    values = np.frombuffer(content, each, count, offset).astype(np.float32)
    if scale != 1 or least != 0:
        values = values * np.float32(scale) + np.float32(least)
    return values.reshape(constant.shape), end
