"""ONNX networks in 8 bits, calibrated on real crops, by onnxruntime's static quantisation."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from posetrack.checkpoints.card import ModelCard
from posetrack.checks import require_library
from posetrack.export.files import with_metadata, write_onnx
from posetrack.files import write_whole

_KINDS = ("Conv", "Add", "MaxPool", "Clip", "Relu")
"""Operators that onnxruntime has 8 bit kernels for, or that pass 8 bits through."""


def write_int8_onnx(
    network: nn.Module,
    model_card: ModelCard,
    path: Path,
    batch: NDArray[np.float32],
    *,
    opset: int = 17,
) -> None:
    """Write a prepared network as ONNX with 8 bit weights and activations.

    The first and the last layers stay in float32: the last makes the heatmaps, whose peaks would
    otherwise be among 256 heights. Transposed convolutions stay, too; there is no fast 8 bit
    kernel for them.

    Parameters
    ----------
    network, about
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
    with require_library("8 bit networks need onnxruntime and onnx", "posetrack[onnx]"):
        import onnx
        from onnxruntime import quantization
    if not len(batch):
        raise ValueError("8 bits need crops to calibrate on, got none")
    assert model_card.outputs is not None
    spec = dataclasses.replace(model_card.outputs, precision="int8")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), _silent():
        warnings.simplefilter("ignore")
        whole, small = Path(folder, "whole.onnx"), Path(folder, "small.onnx")
        write_onnx(network, model_card, whole, opset=opset)
        quantization.quantize_static(
            str(whole),
            str(small),
            _reader(quantization.CalibrationDataReader, batch),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_KINDS),
            nodes_to_exclude=_ends(onnx.load(str(whole)).graph),
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
        )
        model = small.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, with_metadata(model, dataclasses.replace(model_card, outputs=spec)))


def _ends(graph: Any) -> list[str]:
    """Names of the first convolution, of the last, and of all that comes after it."""
    convolutions = [row for row, node in enumerate(graph.node) if node.op_type == "Conv"]
    if not convolutions:
        return []
    after = graph.node[convolutions[-1] :]
    return [graph.node[convolutions[0]].name, *(node.name for node in after)]


def _reader(kind: Any, batch: NDArray[np.float32]) -> Any:
    """One crop after the other, as onnxruntime asks for them."""

    class Crops(kind):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rest: Iterator[NDArray[np.float32]] = iter(batch)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            crop = next(self._rest, None)
            return None if crop is None else {"images": crop[None]}

    return Crops()


class _silent:  # noqa: N801
    """Quiet the advice that the quantiser logs to the root logger."""

    def __enter__(self) -> None:
        logging.disable(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        logging.disable(logging.NOTSET)
