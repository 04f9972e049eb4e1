from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from posetrack.checkpoints.loading import load_network
from posetrack.checkpoints.tfjs import is_tfjs, posenet_name, read_tfjs_weights
from posetrack.networks.posenet import PoseNet


def variable_of(name: str) -> str:
    """The published name of one of `PoseNet`'s parameters."""
    *layer, leaf = name.split(".")
    kind = "biases" if leaf == "bias" else "weights"
    if layer[0] != "features":
        return f"MobilenetV1/{layer[0]}_2/{kind}"
    if layer[2] == "conv":
        return f"MobilenetV1/Conv2d_{layer[1][4:]}/{kind}"
    kind = "depthwise_weights" if layer[2] == "depthwise" and leaf == "weight" else kind
    return f"MobilenetV1/Conv2d_{layer[1][4:]}_{layer[2]}/{kind}"


def published(folder: Path, state: dict[str, torch.Tensor]) -> dict[str, dict]:
    """Write a state dict as TensorFlow.js's converter does; the manifest."""
    manifest = {}
    for name, tensor in state.items():
        values = tensor.numpy()
        if values.ndim == 4:
            # (out, in, h, w) to (h, w, in, out); depthwise (C, 1, h, w) to (h, w, C, 1).
            values = values.transpose((2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0))
        variable = variable_of(name)
        file = variable.replace("/", "_")
        (folder / file).write_bytes(np.ascontiguousarray(values, "<f4").tobytes())
        manifest[variable] = {"filename": file, "shape": list(values.shape)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return manifest


@pytest.mark.parametrize("width", [0.5, 0.75, 1.0])
def test_a_published_folder_gives_the_network_back(tmp_path: Path, width: float) -> None:
    torch.manual_seed(0)
    state = PoseNet(width).state_dict()
    published(tmp_path, state)
    for path in (tmp_path, tmp_path / "manifest.json"):
        assert is_tfjs(path)
        network, found = load_network(path, output_stride=8)
        assert isinstance(network, PoseNet)
        assert (network.width, network.output_stride, found.source) == (width, 8, "posenet")
        loaded = network.state_dict()
        assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_other_heads_are_left_out(tmp_path: Path) -> None:
    manifest = published(tmp_path, PoseNet(0.5).state_dict())
    manifest["MobilenetV1/segment_2/weights"] = {"filename": "nowhere", "shape": [1]}
    manifest["MobilenetV1/heatmap_1/weights"] = {"filename": "nowhere", "shape": [1]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert len(read_tfjs_weights(tmp_path).tensors) == 62


def test_names_are_posenets() -> None:
    assert {posenet_name(variable_of(name)) for name in PoseNet(0.5).state_dict()} == set(
        PoseNet(0.5).state_dict()
    )


HEAD = "MobilenetV1/heatmap_2/biases"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "JSON"),
        ("[1]", "expected"),
        ("{}", "none of its 0 variables"),
        (json.dumps({HEAD: 3}), "needs a filename and a shape"),
        (json.dumps({HEAD: {"filename": "../secret", "shape": [2]}}), "no plain name"),
        (json.dumps({HEAD: {"filename": "/etc/passwd", "shape": [2]}}), "no plain name"),
        (json.dumps({HEAD: {"filename": "bias", "shape": [-2]}}), r"has shape \[-2\]"),
        (json.dumps({HEAD: {"filename": "bias", "shape": [True]}}), r"has shape \[True\]"),
        (json.dumps({HEAD: {"filename": "bias", "shape": [3]}}), "has 8 bytes; .* takes 12"),
        (json.dumps({HEAD: {"filename": "bias", "shape": [10**7, 10**7]}}), "has 8 bytes"),
        (json.dumps({HEAD: {"filename": "bias", "shape": [2]},
                     HEAD.lower(): {"filename": "bias", "shape": [2]}}), "twice"),
    ],
)  # fmt: skip
def test_what_is_no_such_folder_is_called_so(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    (tmp_path / "bias").write_bytes(bytes(8))
    with pytest.raises(ValueError, match=message):
        load_network(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    manifest = published(tmp_path, PoseNet(0.5).state_dict())
    (tmp_path / manifest[HEAD]["filename"]).unlink()
    with pytest.raises(FileNotFoundError, match="heatmap_2_biases"):
        load_network(tmp_path)


def test_a_folder_without_a_manifest_is_only_a_folder(tmp_path: Path) -> None:
    assert not is_tfjs(tmp_path)
    with pytest.raises(IsADirectoryError):
        load_network(tmp_path)
