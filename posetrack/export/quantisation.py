"""ONNX networks in 8 bits, calibrated on real crops, by onnxruntime's static quantisation."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from posetrack.checkpoints.card import ModelCard
from posetrack.export.files import with_metadata, write_onnx
from posetrack.files import write_whole
from posetrack.runtimes.int8 import quantise


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
    assert model_card.outputs is not None
    spec = dataclasses.replace(model_card.outputs, precision="int8")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "whole.onnx")
        write_onnx(network, model_card, whole, opset=opset)
        model = quantise(whole.read_bytes(), batch)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, with_metadata(model, dataclasses.replace(model_card, outputs=spec)))
