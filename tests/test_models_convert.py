"""``posetrack models convert``: any checkpoint as safetensors that say what they need."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from filled import fill_network

from posetrack.checkpoints.card import (
    Decode,
    ModelCard,
    OutputSpec,
    card_text,
    parse_card,
    read_card,
)
from posetrack.checkpoints.loading import load_network
from posetrack.cli import main
from posetrack.cli.models_convert import NORMALISATIONS, normalisation_from
from posetrack.networks.hrnet import HRNet
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose
from posetrack.ops.crops import IMAGENET_BGR_AS_TRAINED, UNIT
from posetrack.skeletons import COCO_17, POSETRACK_17

pytest.importorskip("safetensors", reason="needs the extra posetrack[safetensors]")

NETWORKS = {
    "resnet": lambda: PoseResNet(18, 17, deconv_channels=(8, 8, 8)),
    "caffe": lambda: PoseResNet(50, 17, deconv_channels=(8, 8, 8), stride_on_1x1=True),
    "hrnet": lambda: HRNet(4, 17, activations=False),
    "posenet": lambda: PoseNet(0.5, output_stride=8),
    "trtpose": lambda: TrtPose("resnet18", channels=8),
}
TOLD = {
    "caffe": {"stride_on_1x1": True},
    "hrnet": {"activations": False},
    "posenet": {"output_stride": 8},
}


def saved(folder: Path, network: torch.nn.Module) -> Path:
    fill_network(network, 0.45)
    path = folder / "old.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.mark.parametrize("which", NETWORKS)
def test_the_converted_file_gives_the_same_answers(tmp_path: Path, which: str) -> None:
    network = NETWORKS[which]().eval()
    old, told = saved(tmp_path, network), TOLD.get(which, {})
    # As trained here: what no weights tell is beside them.
    old.with_name("old.pth.json").write_text(json.dumps({"told": told}))
    new = tmp_path / "new.safetensors"
    assert main(["models", "convert", str(old), "-o", str(new)]) == 0
    first, before = load_network(old)
    second, after = load_network(new)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        answers = [net(images) for net in (network, first, second)]
    pairs = [[a] if isinstance(a, torch.Tensor) else a for a in answers]
    for want, one, two in zip(*pairs, strict=True):
        assert torch.equal(want, one)
        assert torch.equal(want, two)
    assert (after.skeleton, after.input_size) == (before.skeleton, before.input_size)
    assert after.normalisation == before.normalisation


def test_all_that_is_said_is_read_back(tmp_path: Path, capsys) -> None:
    old, new = saved(tmp_path, HRNet(4, 17)), tmp_path / "new.safetensors"
    args = ["--skeleton", "posetrack_17", "--size", "384x288", "--normalisation", "unit"]
    args += ["--decode", "dark", "--training-data", "COCO 2017", "--licence", "MIT"]
    assert main(["models", "convert", str(old), "-o", str(new), *args]) == 0
    assert "posetrack_17, 384x288, RGB, dark" in capsys.readouterr().out
    _, found = load_network(new)
    assert (found.skeleton, found.input_size) == (POSETRACK_17, (288, 384))
    assert found.normalisation == UNIT
    about = read_card(new)
    assert about is not None
    assert about.decode is not None
    assert (about.decode.method, about.decode.blur_size) == ("dark", 17)
    assert (about.training_data, about.licence) == ("COCO 2017", "MIT")
    assert about.source_sha256 == hashlib.sha256(old.read_bytes()).hexdigest()
    again = tmp_path / "again.safetensors"
    assert main(["models", "convert", str(new), "-o", str(again)]) == 0
    twice = read_card(again)
    assert twice is not None
    assert (twice.licence, twice.decode) == (about.licence, about.decode)


def test_a_part_is_refused_unless_asked_for_and_then_named(tmp_path: Path, capsys) -> None:
    state = dict(HRNet(4, 17).state_dict())
    del state["bn1.weight"]
    old, new = tmp_path / "old.pth", tmp_path / "new.safetensors"
    torch.save({**state, "neck.weight": torch.zeros(2)}, old)
    assert main(["models", "convert", str(old), "-o", str(new)]) == 1
    assert "does not fit" in capsys.readouterr().err or not new.exists()
    assert main(["models", "convert", str(old), "-o", str(new), "--partial"]) == 0
    out = capsys.readouterr().out
    assert "bn1.weight" in out
    assert "neck.weight" in out


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_harmful_pickle_is_refused_and_not_run(tmp_path: Path, capsys) -> None:
    trace, old = tmp_path / "was-run", tmp_path / "bad.pth"
    torch.save({"state_dict": {**HRNet(4, 17).state_dict(), "x": Harmful(trace)}}, old)
    new = tmp_path / "new.safetensors"
    assert main(["models", "convert", str(old), "-o", str(new)]) == 1
    assert "nothing of it was run" in capsys.readouterr().err
    assert not trace.exists()
    assert not new.exists()


def test_names_that_cannot_be_meant_are_refused(tmp_path: Path, capsys) -> None:
    old = saved(tmp_path, HRNet(4, 17))
    assert main(["models", "convert", str(old), "-o", str(tmp_path / "new.pth")]) == 1
    assert "ends in .safetensors" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["models", "convert", str(old), "-o", "x.safetensors", "--normalisation", "grey"])


def test_normalisations_by_name_and_by_numbers() -> None:
    assert NORMALISATIONS["imagenet-bgr"] is IMAGENET_BGR_AS_TRAINED
    found = normalisation_from("bgr:0.1,0.2,0.3:1,2,3")
    assert (found.mean, found.std, found.rgb) == ((0.1, 0.2, 0.3), (1.0, 2.0, 3.0), False)


def test_what_is_said_survives_its_text() -> None:
    about = ModelCard(
        COCO_17,
        (96, 128),
        UNIT,
        {"activations": False},
        Decode("argmax", 2.5),
        "COCO",
        "MIT",
        "ab",
        OutputSpec("posenet", "float16", False, False, 16),
    )
    assert parse_card(card_text(about), "here") == about
    assert np.all([Decode("dark", s).blur_size % 2 for s in (0.5, 1, 1.5, 2, 3, 4, 6)])


@pytest.mark.parametrize(
    "said",
    [
        '{"decode": {"method": "magic", "sigma": 2}}',
        '{"decode": {"method": "dark", "sigma": 1e9}}',
        '{"decode": {"method": "dark"}}',
        '{"licence": 3}',
        '{"form": {"family": "x", "precision": "int8", "decoded": true, "flip_test": false, '
        '"output_stride": 0}}',
        '{"form": {"family": "heatmaps", "precision": "int8", "decoded": 1, "flip_test": false, '
        '"output_stride": 0}}',
        '{"form": 1}',
    ],
)
def test_what_makes_no_sense_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="a file: what is kept with its weights makes no sense"):
        parse_card(said, "a file")
