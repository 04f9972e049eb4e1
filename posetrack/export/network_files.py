"""Exported networks as files: ONNX, torch.export, OpenVINO, TensorRT.

Each says in itself what it needs around it, the JSON of `posetrack.checkpoints.card`:

=============  ======================================================================
ONNX           ``metadata_props``, under ``posetrack``
torch.export   an extra file ``posetrack.json``
OpenVINO       ``rt_info`` of the model, under ``posetrack``
TensorRT       has no place for it: ``NAME.engine.json`` beside the file
=============  ======================================================================

Every file takes any number of crops at a time, and every one is loaded by
`posetrack.estimators.from_file.load_estimator`.
"""

from __future__ import annotations

import dataclasses
import importlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posetrack.checkpoints.card import ModelCard, card_text
from posetrack.checks import require_library
from posetrack.export.graphs import DECODED, OUTPUTS
from posetrack.files import write_whole
from posetrack.runtimes.int8 import quantise
from posetrack.runtimes.onnx_cache import onnx_model

SUFFIXES: Mapping[str, str] = {
    "onnx": ".onnx",
    "torch-export": ".pt2",
    "openvino": ".xml",
    "tensorrt": ".engine",
}
"""Forms, and how the names of their files end."""

_MOST_PEOPLE = 4096
"""Largest batch that a torch.export or TensorRT file is made for."""


def outputs_of(model_card: ModelCard) -> tuple[str, ...]:
    """Names of what an exported network gives.

    Examples
    --------
    >>> from posetrack.checkpoints.card import OutputSpec
    >>> outputs_of(ModelCard(outputs=OutputSpec(decoded=True)))
    ('keypoints', 'scores')
    """
    assert model_card.outputs is not None
    return DECODED if model_card.outputs.decoded else OUTPUTS[model_card.outputs.family]


def write_onnx(network: nn.Module, model_card: ModelCard, path: Path, *, opset: int = 17) -> None:
    """Write a network that `posetrack.export.graphs.prepare` gave as ONNX."""
    content = with_metadata(_as_onnx(network, model_card, opset), model_card)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)


def with_metadata(model: bytes, model_card: ModelCard) -> bytes:
    """An ONNX model that says what it needs.

    Raises
    ------
    ModuleNotFoundError
        If the onnx package is not installed.
    """
    onnx = _onnx()
    proto = onnx.load_from_string(model)
    onnx.helper.set_model_props(proto, {"posetrack": card_text(model_card)})
    content: bytes = proto.SerializeToString()
    return content


def _write_torch_export(network: nn.Module, model_card: ModelCard, path: Path) -> None:
    """Write a prepared network that sees crops as a ``torch.export`` program.

    Raises
    ------
    ValueError
        If it sees whole images.
    """
    dynamic: dict[int, Any] = {0: torch.export.Dim("people", min=1, max=_MOST_PEOPLE)}
    if model_card.outputs is not None and model_card.outputs.family != "heatmaps":
        raise ValueError(
            "a torch.export file is of one image size, and this network sees whole images of any; "
            "export it as onnx or openvino"
        )
    with _quiet(), torch.no_grad():
        program = torch.export.export(network, (_example(model_card),), dynamic_shapes=(dynamic,))
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # names folders of the machine it was made on
        # The example only says what the input looks like; there is no need to keep its values.
        file = io.BytesIO()
        torch.export.save(program, file, extra_files={"posetrack.json": card_text(model_card)})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, file.getvalue())


def _write_openvino(network: nn.Module, model_card: ModelCard, path: Path) -> None:
    """Write a prepared network as OpenVINO's pair ``NAME.xml`` and ``NAME.bin``.

    Raises
    ------
    ModuleNotFoundError
        If OpenVINO is not installed, or onnx, through which it converts.
    """
    openvino = _openvino()
    assert model_card.outputs is not None
    model = openvino.Core().read_model(io.BytesIO(_as_onnx(network, model_card, 17)))
    model.set_rt_info(card_text(model_card), ["posetrack"])
    path.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(
        model, str(path), compress_to_fp16=model_card.outputs.precision == "float16"
    )


def _write_tensorrt(network: nn.Module, model_card: ModelCard, path: Path) -> None:
    """Build a TensorRT engine for the GPU of this machine. Not tested: no test machine has it.

    Raises
    ------
    ModuleNotFoundError
        If TensorRT is not installed.
    RuntimeError
        If TensorRT cannot build the network.
    """
    with require_library("a TensorRT engine needs NVIDIA's package and a GPU", "tensorrt"):
        trt: Any = importlib.import_module("tensorrt")
    assert model_card.outputs is not None
    assert model_card.input_size is not None
    width, height = model_card.input_size
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    graph = builder.create_network(0)
    parser = trt.OnnxParser(graph, logger)
    if not parser.parse(_as_onnx(network, model_card, 17)):
        reasons = "; ".join(str(parser.get_error(row)) for row in range(parser.num_errors))
        raise RuntimeError(f"TensorRT cannot read the network: {reasons}")
    config = builder.create_builder_config()
    if model_card.outputs.precision == "float16" and hasattr(trt.BuilderFlag, "FP16"):
        config.set_flag(trt.BuilderFlag.FP16)
    profile = builder.create_optimization_profile()
    shapes = [(count, 3, height, width) for count in (1, 8, 64)]
    profile.set_shape("images", *shapes)
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(graph, config)
    if engine is None:
        raise RuntimeError("TensorRT could not build an engine; its log says why")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path.with_name(path.name + ".json"), card_text(model_card).encode())
    write_whole(path, bytes(engine))


WRITERS: Mapping[str, Callable[[nn.Module, ModelCard, Path], None]] = {
    "onnx": write_onnx,
    "torch-export": _write_torch_export,
    "openvino": _write_openvino,
    "tensorrt": _write_tensorrt,
}
"""The function that writes each format."""


def files_of(path: Path) -> tuple[Path, ...]:
    """All files that make up an exported network.

    Examples
    --------
    >>> [path.name for path in files_of(Path("net.xml"))]
    ['net.xml', 'net.bin']
    """
    if path.suffix == ".xml":
        return path, path.with_suffix(".bin")
    return (path, path.with_name(path.name + ".json")) if path.suffix == ".engine" else (path,)


def _as_onnx(network: nn.Module, model_card: ModelCard, opset: int) -> bytes:
    assert model_card.input_size is not None
    assert model_card.outputs is not None
    if (
        model_card.outputs.decoded
        and model_card.decode is not None
        and model_card.decode.method == "dark"
    ):
        raise ValueError(
            "DARK's window cannot be expressed in ONNX, which OpenVINO and TensorRT are made from, "
            "too; decode with quarter or argmax, or export without decoding"
        )
    any_size = model_card.outputs.family != "heatmaps"  # images have any shape, crops have one
    names = outputs_of(model_card)
    return onnx_model(network, example_size(model_card), names, opset=opset, any_size=any_size)


def example_size(model_card: ModelCard) -> tuple[int, int]:
    """Width and height of an input that the network takes.

    Examples
    --------
    >>> from posetrack.checkpoints.card import OutputSpec
    >>> spec = OutputSpec("posenet", output_stride=16)
    >>> example_size(ModelCard(input_size=(60, 60), outputs=spec))
    (49, 49)
    """
    assert model_card.input_size is not None
    assert model_card.outputs is not None
    if model_card.outputs.family == "posenet":
        step = model_card.outputs.output_stride
        width, height = (max((side - 1) // step, 1) * step + 1 for side in model_card.input_size)
        return width, height
    if model_card.outputs.family == "trt_pose":
        width, height = (max(side // 32, 1) * 32 for side in model_card.input_size)
        return width, height
    return model_card.input_size


def _example(model_card: ModelCard) -> torch.Tensor:
    width, height = example_size(model_card)
    return torch.zeros(2, 3, height, width)


@contextmanager
def _quiet() -> Iterator[None]:
    """Tracers warn of sizes that become constants, which here they are to be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _onnx() -> Any:
    with require_library("exporting a network needs the onnx package", "posetrack[onnx]"):
        import onnx
    return onnx


def _openvino() -> Any:
    with require_library("OpenVINO is not installed", "posetrack[openvino]"):
        import openvino
    return openvino


def write_int8_onnx(
    network: nn.Module,
    model_card: ModelCard,
    path: Path,
    batch: NDArray[np.float32],
    *,
    opset: int = 17,
) -> None:
    """Write a prepared network as ONNX in 8 bits, see `posetrack.runtimes.int8.quantise`.

    Parameters
    ----------
    network, model_card
        What `posetrack.export.graphs.prepare` gave, in float32.
    path
        The file.
    batch
        (N, 3, height, width) float32, normalised crops such as the network will see; they decide
        the range of every layer. Some tens do.
    opset
        Version of ONNX's operators.

    Raises
    ------
    ModuleNotFoundError
        If onnxruntime or onnx is not installed.
    ValueError
        If there are no crops.
    """
    assert model_card.outputs is not None
    spec = dataclasses.replace(model_card.outputs, precision="int8")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole.onnx")
        write_onnx(network, model_card, whole, opset=opset)
        model = quantise(whole.read_bytes(), batch)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, with_metadata(model, dataclasses.replace(model_card, outputs=spec)))
