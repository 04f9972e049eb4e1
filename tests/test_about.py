from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from posetrack.checkpoints.card import read_card
from posetrack.checkpoints.loading import load_network
from posetrack.networks.hrnet import HRNet
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.ops.crops import Normalisation
from posetrack.skeletons import COCO_17, POSETRACK_17, Skeleton

DOG = Skeleton("dog", ("nose", "tail"), (("nose", "tail"),), (), (0.1, 0.2))
COLOURS = Normalisation((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), rgb=False)
SAID = {
    "skeleton": dataclasses.asdict(DOG),
    "input_size": (96, 128),
    "normalisation": dataclasses.asdict(COLOURS),
    "epoch": 7,
}


def kept(folder: Path, network: torch.nn.Module, said: object) -> Path:
    path = folder / "best.pth"
    torch.save(network.state_dict(), path)
    (folder / "best.pth.json").write_text(said if isinstance(said, str) else json.dumps(said))
    return path


def test_a_file_of_ours_says_what_it_needs(tmp_path: Path) -> None:
    path = kept(tmp_path, HRNet(4, 2), SAID)
    _, found = load_network(path)
    assert (found.source, found.skeleton, found.input_size) == ("posetrack", DOG, (96, 128))
    assert found.normalisation == COLOURS


def test_what_is_asked_for_goes_before_what_the_file_says(tmp_path: Path) -> None:
    other = dataclasses.replace(DOG, name="cat")
    rgb = dataclasses.replace(COLOURS, rgb=True)
    path = kept(tmp_path, HRNet(4, 2), SAID)
    _, found = load_network(path, skeleton=other, input_size=(64, 64), normalisation=rgb)
    assert (found.skeleton, found.input_size, found.normalisation) == (other, (64, 64), rgb)


def test_what_leaves_no_trace_in_the_weights_is_told(tmp_path: Path) -> None:
    path = kept(tmp_path, HRNet(4, 2), {**SAID, "told": {"activations": False}})
    network, _ = load_network(path)
    assert not any(isinstance(part, torch.nn.ReLU) for part in network.modules())
    assert any(isinstance(part, torch.nn.ReLU)
               for part in load_network(path, activations=True)[0].modules())  # fmt: skip
    path = kept(tmp_path, PoseResNet(50), {"told": {"stride_on_1x1": True}})
    assert load_network(path)[0].stride_on_1x1


def test_a_file_of_ours_gives_its_trunk_to_other_keypoints(tmp_path: Path) -> None:
    path = kept(tmp_path, HRNet(4, 2), SAID)
    network, found = load_network(path, partial=True, keypoints=17)
    assert (network.keypoints, found.skeleton) == (17, COCO_17)
    _, found = load_network(path, partial=True, keypoints=17, skeleton=POSETRACK_17)
    assert found.skeleton == POSETRACK_17


def header(metadata: object) -> bytes:
    text = json.dumps({"__metadata__": metadata}).encode()
    return len(text).to_bytes(8, "little") + text


def test_a_safetensors_header_is_read(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    path.write_bytes(header({"posetrack": json.dumps(SAID)}))
    said = read_card(path)
    assert said is not None
    assert (said.skeleton, said.input_size, said.normalisation) == (DOG, (96, 128), COLOURS)


@pytest.mark.parametrize(
    "content",
    [b"", b"1234567", header({"format": "pt"}), header(None), header({"posetrack": 3}),
     (10**12).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]",
     (3).to_bytes(8, "little") + b"{{{"],
)  # fmt: skip
def test_others_safetensors_say_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    assert read_card(path) is None


def test_a_whole_safetensors_file_loads_as_ours(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "best.safetensors"
    state = HRNet(4, 2).state_dict()
    safetensors.save_file(state, path, metadata={"posetrack": json.dumps(SAID)})
    assert load_network(path)[1].skeleton == DOG


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("{", "makes no sense"),
        ("[1]", "got list"),
        ({"input_size": [192]}, "width and a height"),
        ({"input_size": [192, -1]}, "width and a height"),
        ({"input_size": [192, 10**9]}, "width and a height"),
        ({"input_size": 3}, "makes no sense"),
        ({"skeleton": {"name": "a"}}, "'keypoints' must be a list of names, got None"),
        ({"skeleton": {**SAID["skeleton"], "sigmas": [1]}}, "2 positive sigmas"),
        ({"normalisation": {"mean": [0], "std": [1], "rgb": True}}, "three numbers"),
        ({"normalisation": 4}, "makes no sense"),
        ({"told": {"activations": "no"}}, "switches"),
        ({"told": {"colour": 1}}, "has no colour"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, said: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_network(kept(tmp_path, HRNet(4, 17), said))
