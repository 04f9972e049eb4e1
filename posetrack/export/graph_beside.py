"""ONNX graphs of the light networks whose weights stay in the safetensors file beside them.

ONNX lets a tensor be some bytes of another file. So the package holds every weight once: torch
reads the safetensors file by its names, onnxruntime the same bytes through the graph, which widens
them from 16 bits to 32 when it is opened.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from torch import nn

from posetrack.checkpoints.card import ModelCard, OutputSpec, card_text, read_card
from posetrack.checkpoints.loading import detector_of, load_network
from posetrack.checkpoints.weight_files import read_weights
from posetrack.files import write_whole
from posetrack.networks.person_detector import PersonRows
from posetrack.runtimes.onnx_cache import onnx_model

_ONNX_KINDS = {"F16": "FLOAT16", "F32": "FLOAT"}


def write_graph(weights: str | Path) -> Path:
    """Write ``NAME.onnx`` beside ``NAME.safetensors``, from which it takes its weights.

    Parameters
    ----------
    weights
        Of a `posetrack.networks.person_detector.PersonDetector` or of a pose network that sees
        crops, as `posetrack.checkpoints.conversion.halve_weights` writes them. A graph fits this
        one file: write it anew with every new file.

    Returns
    -------
    graph
        The file. `posetrack.detectors.light.load_light_detector` or
        `posetrack.estimators.onnx.OnnxTopDown` runs it.

    Raises
    ------
    ModuleNotFoundError
        If the onnx package, which only the writing needs, is not installed.
    ValueError
        If the file is not in safetensors, is of another network, or does not say its input size.
    """
    weights = Path(weights)
    if weights.suffix != ".safetensors":
        raise ValueError(f"{weights}: expected a .safetensors file")
    model_card = read_card(weights) or ModelCard()
    if model_card.input_size is None:
        raise ValueError(f"{weights}: it does not say its input size, which a graph needs")
    network, family = _network_of(weights)
    model = onnx_model(
        network,
        model_card.input_size,
        ["boxes" if family == "boxes" else "heatmaps"],
        any_size=family == "boxes",
        keep_names=True,
    )
    with_outputs = dataclasses.replace(model_card, outputs=OutputSpec(family, "float16"))
    path = weights.with_suffix(".onnx")
    prefix = "network." if family == "boxes" else ""
    write_whole(path, _referring(model, weights, prefix, with_outputs))
    return path


def _network_of(weights: Path) -> tuple[nn.Module, str]:
    tensors = read_weights(weights).tensors
    if "joined.0.0.weight" in tensors:
        return PersonRows(detector_of(tensors)).eval(), "boxes"
    network, _ = load_network(weights)
    return network.eval(), "heatmaps"


def _referring(model: bytes, weights: Path, prefix: str, with_outputs: ModelCard) -> bytes:
    """A model whose weights are bytes of another file; ``prefix`` is before their names in it."""
    import onnx

    proto = onnx.load_from_string(model)
    graph = proto.graph
    with weights.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        rows: dict[str, Any] = json.loads(file.read(size))
    widened, kept = {}, []
    for tensor in graph.initializer:
        name = tensor.name.removeprefix(prefix)
        row = rows.get(name)
        if row is None:
            kept.append(tensor)
            continue
        kind = getattr(onnx.TensorProto, _ONNX_KINDS[row["dtype"]])
        outside = onnx.TensorProto(name=name, dims=row["shape"], data_type=kind)
        outside.data_location = onnx.TensorProto.EXTERNAL
        first, last = row["data_offsets"]
        for key, value in (
            ("location", weights.name),
            ("offset", str(8 + size + first)),
            ("length", str(last - first)),
        ):
            outside.external_data.add(key=key, value=value)
        kept.append(outside)
        widened[tensor.name] = onnx.helper.make_node(
            "Cast", [name], [f"{name} in 32 bits"], to=onnx.TensorProto.FLOAT
        )
    nodes = list(graph.node)
    for node in nodes:
        for row, given in enumerate(node.input):
            if given in widened:
                node.input[row] = widened[given].output[0]
        node.ClearField("doc_string")  # names folders of the machine it was made on
    for field, items in (("initializer", kept), ("node", [*widened.values(), *nodes])):
        graph.ClearField(field)
        getattr(graph, field).extend(items)
    onnx.helper.set_model_props(proto, {"posetrack": card_text(with_outputs)})
    content: bytes = proto.SerializeToString()
    return content
