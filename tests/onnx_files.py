"""Small ONNX files, made for a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Size = int | str


def save(
    path: Path,
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[Size]],
    outputs: Mapping[str, tuple[int, Sequence[Size]]],
    *,
    weights: Sequence[Any] = (),
    opset: int = 13,
    domains: Sequence[Any] = (),
    input_type: int = TensorProto.FLOAT,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(n, input_type, shape) for n, shape in inputs.items()],
        [helper.make_tensor_value_info(n, *kind) for n, kind in outputs.items()],
        weights,
    )
    imports = [helper.make_opsetid("", opset), *domains]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def answering(
    path: Path,
    outputs: Mapping[str, np.ndarray[Any, Any]],
    *,
    input_shape: Sequence[Size] = (1, 3, 64, 64),
    open_sizes: bool = False,
    further_inputs: Mapping[str, Sequence[Size]] | None = None,
) -> Path:
    """A network that takes images and gives ``outputs`` whatever it sees."""
    nodes, kinds = [], {}
    for name, values in outputs.items():
        tensor = numpy_helper.from_array(values, name + "_value")
        nodes.append(helper.make_node("Constant", [], [name], value=tensor))
        shape = [f"{name}{axis}" for axis in range(values.ndim)] if open_sizes else values.shape
        kinds[name] = (helper.np_dtype_to_tensor_dtype(values.dtype), shape)
    inputs = {"images": input_shape, **(further_inputs or {})}
    return save(path, nodes, inputs, kinds)


def brightness_maps(
    path: Path, keypoints: int, *, batch: Size = "N", height: Size = 64, width: Size = 48
) -> Path:
    """A pose network whose every heatmap is the crop's brightness, 4 x 4 pixels a cell."""
    mean = numpy_helper.from_array(np.full((keypoints, 3, 4, 4), 1 / 48, np.float32), "mean")
    node = helper.make_node("Conv", ["data", "mean"], ["maps"], strides=[4, 4])
    h = height // 4 if isinstance(height, int) else "h"
    w = width // 4 if isinstance(width, int) else "w"
    return save(
        path,
        [node],
        {"data": (batch, 3, height, width)},
        {"maps": (onnx.TensorProto.FLOAT, (batch, keypoints, h, w))},
        weights=[mean],
    )
