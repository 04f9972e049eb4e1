"""PoseNet's graph models for TensorFlow.js: read, fetched by name, and run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from weight_server import Served, serving

from posetrack.checkpoints.loading import load_network
from posetrack.checkpoints.tfjs import is_tfjs
from posetrack.estimators.from_file import load_estimator
from posetrack.networks.posenet import PoseNet
from posetrack.weights import fetch, find_cached
from posetrack.weights.catalogue import MODELS, CatalogueEntry, RemoteFile

STRIDES = {0: 2, 2: 2, 4: 2, 6: 2}


def values_of(name: str, tensor: Any) -> np.ndarray[Any, Any]:
    """A parameter in TensorFlow's order."""
    values = tensor.numpy()
    if values.ndim == 4:
        values = values.transpose((2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0))
    return np.ascontiguousarray(values, "<f4")


def graph_of(
    folder: Path, network: PoseNet, *, fused: bool = True, bits: int = 32, shards: int = 1
) -> Path:
    """A network written as TensorFlow.js's converter writes graph models."""
    nodes: list[dict[str, Any]] = [{"name": "image", "op": "Placeholder"}]
    weights, content = [], b""
    state = network.state_dict()
    layers = dict.fromkeys(name.rpartition(".")[0] for name in state)
    for number, layer in enumerate(layers):
        inputs = []
        for leaf in ("weight", "bias"):
            name = f"Const_{2 * number + (leaf == 'bias')}"
            values = values_of(layer, state[f"{layer}.{leaf}"])
            row: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": "float32"}
            if bits == 32:
                content += values.tobytes()
            else:
                least, scale = float(values.min()), float(np.ptp(values)) / (2**bits - 1) or 1.0
                kind = "uint8" if bits == 8 else "uint16"
                row["quantization"] = {"dtype": kind, "min": least, "scale": scale}
                content += np.round((values - least) / scale).astype(f"<u{bits // 8}").tobytes()
            weights.append(row)
            nodes.append({"name": name, "op": "Const"})
            inputs.append(name)
        parts = layer.split(".")
        depthwise = parts[-1] == "depthwise"
        if parts[0] == "features":
            index = int(parts[1].removeprefix("conv"))
            whole = "" if parts[-1] == "conv" else f"_{parts[-1]}"
            title = f"MobilenetV1/MobilenetV1/Conv2d_{index}{whole}/"
            step = STRIDES.get(index, 1) if parts[-1] != "pointwise" else 1
        else:
            title, step = f"MobilenetV1/{parts[0]}_2/", 1
        attributes = {"strides": {"list": {"i": ["1", str(step), str(step), "1"]}}}
        ops = ("_FusedConv2D", "FusedDepthwiseConv2dNative")
        if fused:
            nodes.append({"name": title + "Relu6", "op": ops[depthwise], "attr": attributes,
                          "input": ["before", *inputs]})  # fmt: skip
        else:
            ops = ("Conv2D", "DepthwiseConv2dNative")
            nodes += [
                {"name": title + "kernel", "op": "Identity", "input": [inputs[0]]},
                {"name": title + "conv", "op": ops[depthwise], "attr": attributes,
                 "input": ["before", title + "kernel:0"]},
                {"name": title + "BiasAdd", "op": "BiasAdd",
                 "input": [title + "conv", inputs[1]]},
            ]  # fmt: skip
    names = [f"group1-shard{n + 1}of{shards}.bin" for n in range(shards)]
    each = -(-len(content) // shards)
    for n, name in enumerate(names):
        (folder / name).write_bytes(content[n * each : (n + 1) * each])
    document = {
        "format": "graph-model",
        "modelTopology": {"node": nodes, "library": {}, "versions": {}},
        "weightsManifest": [{"paths": names, "weights": weights}],
    }
    path = folder / "model-stride16.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="module")
def network() -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(0.5)


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("fused", [True, False])
def test_a_graph_model_gives_the_network_back(
    tmp_path: Path, network: PoseNet, fused: bool, shards: int
) -> None:
    path = graph_of(tmp_path, network, fused=fused, shards=shards)
    for given in (path, tmp_path):
        assert is_tfjs(given)
        loaded, found = load_network(given)
        assert isinstance(loaded, PoseNet)
        assert (loaded.width, loaded.output_stride, found.source) == (0.5, 16, "posenet")
        state = loaded.state_dict()
        assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize(("bits", "steps"), [(8, 255), (16, 65535)])
def test_variables_in_fewer_bits_are_the_numbers_they_stand_for(
    tmp_path: Path, network: PoseNet, bits: int, steps: int
) -> None:
    state = load_network(graph_of(tmp_path, network, bits=bits))[0].state_dict()
    for name, value in network.state_dict().items():
        reach = float(value.max() - value.min())
        assert float((state[name] - value).abs().max()) <= 0.51 * reach / steps + 1e-6


def changed(path: Path, change: Any) -> Path:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


def manifest_of(document: Any) -> Any:
    return document["weightsManifest"][0]


DAMAGE = {
    "a path outside": (lambda d: manifest_of(d).update(paths=["../x.bin"]), "no plain name"),
    "an absolute path": (lambda d: manifest_of(d).update(paths=["/etc/passwd"]), "no plain name"),
    "a large shape": (
        lambda d: manifest_of(d)["weights"][0].update(shape=[10**6, 10**6]), "of shape",
    ),
    "a negative side": (lambda d: manifest_of(d)["weights"][0].update(shape=[-1, 8]), "shape"),
    "an unknown type": (lambda d: manifest_of(d)["weights"][0].update(dtype="string"), "string"),
    "a scale that is a list": (
        lambda d: manifest_of(d)["weights"][0].update(
            quantization={"dtype": "uint8", "scale": [1]}), "expected",
    ),
    "a variable too few": (lambda d: manifest_of(d)["weights"].pop(), "keep the files together"),
    "no kernel": (
        lambda d: d["modelTopology"]["node"][3].update(input=["a", "b", "c"]), "has no weight",
    ),
    "no layers": (lambda d: d["modelTopology"].update(node=[]), "layer of a PoseNet"),
    "a layer twice": (
        lambda d: d["modelTopology"]["node"].append(
            {**d["modelTopology"]["node"][3], "name": "again/Conv2d_0/Relu6"}), "twice",
    ),
    "nodes that are none": (lambda d: d["modelTopology"].update(node=[7]), "expected"),
    "many shards": (lambda d: manifest_of(d).update(paths=["a.bin"] * 200), "200 files"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_graphs_are_refused_by_name(tmp_path: Path, network: PoseNet, damage: str) -> None:
    change, message = DAMAGE[damage]
    path = changed(graph_of(tmp_path, network), change)
    with pytest.raises(ValueError, match=message) as caught:
        load_network(path)
    assert "model-stride16.json" in str(caught.value)


def test_a_missing_or_short_file_of_weights_is_named(tmp_path: Path, network: PoseNet) -> None:
    path = graph_of(tmp_path, network, shards=2)
    second = tmp_path / "group1-shard2of2.bin"
    second.write_bytes(second.read_bytes()[:-4])
    with pytest.raises(ValueError, match="missing or cut short"):
        load_network(path)
    second.unlink()
    with pytest.raises(FileNotFoundError, match="shard2of2"):
        load_network(path)


def test_several_graphs_in_a_folder_are_asked_about(tmp_path: Path, network: PoseNet) -> None:
    path = graph_of(tmp_path, network)
    (tmp_path / "model-stride8.json").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="several graph models"):
        load_network(tmp_path)
    assert load_network(path)[0].output_stride == 16


@pytest.fixture
def row(tmp_path: Path, network: PoseNet, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server with such a model, and a row of the table for it."""
    source = tmp_path / "published"
    source.mkdir()
    graph_of(source, network, shards=2)
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    with serving() as server:
        for file in source.iterdir():
            server.files[f"/050/{file.name}"] = Served(file.read_bytes())
        url = f"{server.url}/050/model-stride16.json"
        card = CatalogueEntry(
            "posenet_050", "pose", "posenet", (RemoteFile(url, "", "tfjs"),), 4_000_000
        )
        yield server, card


def test_a_model_is_fetched_with_its_files_once_and_into_a_folder_of_its_own(row: Any) -> None:
    server, card = row
    path = fetch(card)
    assert path.parent.name == "posenet_050"
    assert load_network(path)[0].width == 0.5
    assert len(server.asked) == 3
    assert fetch(card) == path == find_cached(card)
    assert len(server.asked) == 3


def test_a_file_of_weights_that_changed_is_not_used(row: Any) -> None:
    server, card = row
    path = fetch(card)
    shard = path.with_name("group1-shard1of2.bin")
    shard.write_bytes(bytes(len(shard.read_bytes())))
    assert find_cached(card) is None
    server.files["/050/group1-shard1of2.bin"] = Served(shard.read_bytes())
    with pytest.warns(UserWarning, match="changed"), pytest.raises(ConnectionError, match="first"):
        fetch(card)


def test_what_comes_in_its_place_is_refused(row: Any) -> None:
    server, card = row
    server.files["/050/model-stride16.json"] = Served(b"<html>moved</html>")
    with pytest.raises(ConnectionError, match="not the file expected"):
        fetch(card)


def test_names_of_the_table_are_those_that_people_know() -> None:
    for width in ("050", "075", "100"):
        assert MODELS[f"posenet_{width}"].files[0].layout == "tfjs"


def test_trt_pose_says_where_to_get_its_file() -> None:
    with pytest.raises(FileNotFoundError, match=r"drive\.google\.com.*give its path"):
        fetch("trt_pose_resnet18")


@pytest.fixture(scope="session")
def real(shared: Path) -> Path:
    return shared / "data/models/posenet_075_tfjs"


def test_a_real_graph_model_finds_the_people_of_an_image(real: Path, shared: Path) -> None:
    estimate = load_estimator(real, device="cpu")
    image = cv2.imread(str(shared / "data/coco/000000000785.jpg"))
    poses = estimate(image)
    document = json.loads((shared / "data/coco/test_coco.json").read_text())
    truth = next(a for a in document["annotations"] if a["image_id"] == 785)
    points = np.array(truth["keypoints"], float).reshape(17, 3)
    seen = points[:, 2] > 0
    error = np.linalg.norm(poses.xy[0] - points[:, :2], axis=1)[seen]
    assert np.nanmedian(error) < 0.05 * truth["bbox"][3]


def test_output_stride_and_thresholds_are_settings(real: Path, shared: Path) -> None:
    fine = load_estimator(
        real, device="cpu", output_stride=8, pose_threshold=0.9, keypoint_threshold=0.5
    )
    assert fine.output_stride == 8
    assert (fine.min_pose_score, fine.min_keypoint_score) == (0.9, 0.5)
    path = shared / "data/models/simplepose_256x192.onnx"
    with pytest.raises(ValueError, match="sees a crop of each person has no pose threshold"):
        load_estimator(path, pose_threshold=0.5)
    path = shared / "data/models/yolo11n_pose_256.onnx"
    assert load_estimator(path, pose_threshold=0.6, keypoint_threshold=0.2).min_score == 0.6
    with pytest.raises(ValueError, match="one-stage network has no output stride"):
        load_estimator(path, output_stride=8)
