"""``posetrack track`` with checkpoints of every family."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from filled import fill_network
from torch import nn

from posetrack import build
from posetrack.cli import main
from posetrack.estimators.top_down import TopDown
from posetrack.networks.hrnet import HRNet
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose
from posetrack.runs.networks import weight_files

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three images, and no runtime but torch."""
    monkeypatch.setattr("posetrack.runtimes.torch_crops.find_spec", lambda _: None)
    monkeypatch.setenv("POSETRACK_OFFLINE", "1")
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    (tmp_path / "images").mkdir()
    image = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    for index in range(3):
        frame = cv2.resize(image, (160, 120), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / "images" / f"{index:03d}.png"), frame)
    return tmp_path


def track(folder: Path, network: nn.Module, *more: str) -> int:
    fill_network(network, 0.7)
    torch.save(network.state_dict(), folder / "weights.pth")
    out, images, weights = (str(folder / name) for name in ("out", "images", "weights.pth"))
    options = ["--format", "csv", "--no-overlay", "--device", "cpu"]
    return main(["track", images, "-o", out, "--estimator", weights, *options, *more])


@pytest.mark.parametrize(
    "network", [PoseNet(0.5), TrtPose("resnet18", channels=8)], ids=["posenet", "trtpose"]
)
def test_a_network_for_whole_images_needs_no_detector(folder: Path, network: nn.Module) -> None:
    assert track(folder, network, "--size", "64x96") == 0
    tables = list((folder / "out").glob("*.csv"))
    assert [table.name for table in tables] == ["images.csv"]


def test_a_detector_may_stand_beside_a_network_for_whole_images(folder: Path) -> None:
    more = ("--size", "64x96", "--detector", "bundled", "--device", "cpu")
    assert track(folder, PoseNet(0.5), *more) == 0
    meta = json.loads((folder / "out" / "images.csv.meta.json").read_text())
    assert set(meta["provenance"]["weights"]) == {"estimator", "detector"}


def test_the_detectors_weights_are_not_named_where_none_ran(folder: Path) -> None:
    weights, boxes = folder / "weights.pth", folder / "boxes.txt"
    weights.write_bytes(b"some")
    names = {"estimator": str(weights), "detector": str(weights), "flow": "dis"}
    assert weight_files(names) == {"estimator": weights, "detector": weights}
    assert weight_files(names, boxes) == {"estimator": weights, "boxes": boxes}


def test_the_commit_that_was_loaded_of_a_hub_is_recorded() -> None:
    names = {"estimator": "hf:org/pose@main", "detector": "hf:org/boxes"}
    pose, boxes = SimpleNamespace(revision="0123abc"), SimpleNamespace(revision="")
    assert weight_files(names, detector=boxes, estimator=pose) == {
        "estimator": {"name": "org/pose", "revision": "0123abc"},
        "detector": {"name": "org/boxes", "revision": ""},
    }


def test_without_a_connection_the_bundled_networks_run_and_the_table_says_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "out"
    words = ["--format", "csv", "--no-overlay", "--device", "cpu"]
    assert main(["track", str(folder / "images"), "-o", str(out), *words]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "could not be had" in line]
    assert len(lines) == 1
    assert "posetrack models download" in lines[0]
    made = json.loads((out / "images.csv.meta.json").read_text())["provenance"]["weights"]
    for kind, name in (
        ("estimator", build.estimator_names("cpu")[0]),
        ("detector", build.detector_name("cpu")),
    ):
        used = build.find_bundled_file(kind)
        assert made[kind]["file"] == used.name
        assert made[kind]["sha256"] == hashlib.sha256(used.read_bytes()).hexdigest()
        assert made[kind]["in_place_of"] == name
        assert made[kind]["because"] == "downloads are switched off"


def test_a_network_that_was_named_is_not_replaced(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--estimator", build.ESTIMATOR, "--detector", "bundled", "--device", "cpu"]
    assert main(["track", str(folder / "images"), "-o", str(folder / "out"), *named]) == 1
    said = capsys.readouterr().err
    assert "What you can do" in said
    assert len(said.splitlines()) == 1
    assert not (folder / "out").exists()


def test_an_hrnet_runs_on_the_detectors_boxes(folder: Path) -> None:
    assert track(folder, HRNet(4), "--detector", "hog", "--flip-test", "--size", "64x64") == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--flip-test"], "flip_test is for networks that see a crop"),
        (["--dark"], "dark is for networks that see a crop"),
        (["--skeleton", "mpii_16"], "17 keypoints, skeleton mpii_16 has 16"),
    ],
)
def test_what_makes_no_sense_for_whole_images_is_refused_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert track(folder, PoseNet(0.5), *more) != 0
    assert message in capsys.readouterr().err


def test_an_hrnet_of_the_table_is_set_up_as_its_row_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = HRNet(4).state_dict()
    named = {("keypoint_head." if name.startswith("final") else "backbone.") + name: value
             for name, value in state.items()}  # fmt: skip
    torch.save({"meta": {}, "state_dict": named}, folder / "hrnet.pth")
    monkeypatch.setattr(build, "fetch", lambda *_, **__: folder / "hrnet.pth")
    estimate = build.build_estimator("hrnet-w48-posetrack18-384x288", device="cpu")
    assert isinstance(estimate, TopDown)
    assert estimate.input_size == (288, 384)
    assert estimate.skeleton.name == "posetrack_17"
    assert estimate.normalisation.rgb
