"""The networks inside the package."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import posetrack
from posetrack import Detections, Tracker
from posetrack import build as defaults
from posetrack.checkpoints.conversion import halve_weights
from posetrack.checkpoints.weight_files import read_tensors, read_weights
from posetrack.cli import main, parser
from posetrack.cli.network_options import build_detector, build_estimator
from posetrack.detectors.light import LightDetector, load_light_detector
from posetrack.estimators.from_file import load_estimator
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.estimators.top_down import TopDown
from posetrack.export.graph_beside import write_graph
from posetrack.networks.light_trunk import LightTrunk
from posetrack.networks.person_detector import PersonDetector
from posetrack.networks.pose_light import PoseLight
from posetrack.runs.networks import weight_files
from posetrack.skeletons import COCO_17
from posetrack.training.saving import save_weights
from posetrack.world import random_frame


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose bundled networks are small and know nothing; no runtime but torch."""
    monkeypatch.setattr(defaults, "__file__", str(tmp_path / "defaults.py"))
    monkeypatch.setattr("posetrack.runtimes.torch_crops.find_spec", lambda _: None)
    (tmp_path / "bundled").mkdir()
    trunk = partial(LightTrunk, (4, 4, 4, 4), (0, 0, 0, 0), 4)
    networks = {
        "detector": (PersonDetector(trunk=trunk, channels=4), [96, 64]),
        "estimator": (PoseLight(17, trunk=trunk, deconv_channels=(4, 4, 4)), [32, 64]),
    }
    torch.manual_seed(0)
    for kind, (network, size) in networks.items():
        file = save_weights(tmp_path, kind, network.state_dict(), {"input_size": size})
        halve_weights(file, tmp_path / "bundled" / defaults.BUNDLED_FILES[kind])
    return tmp_path


def options(*given):
    return parser().parse_args(["track", "video.mp4", "--device", "cpu", *given])


def test_a_tracker_runs_on_them(package):
    detector = defaults.bundled_detector("cpu", min_score=0.9)
    estimator = defaults.bundled_estimator("cpu")
    assert (detector.long_side, estimator.input_size, estimator.skeleton) == (96, (32, 64), COCO_17)
    image = np.zeros((48, 64, 3), np.uint8)
    poses = estimator(image, Detections([[4, 4, 30, 40]], [1.0]))
    assert poses.xy.shape == (1, 17, 2)
    assert len(Tracker(detector=detector, estimator=estimator).update(image)) == 0
    tracker = Tracker(detector=detector, estimator=estimator, box_memory=0.5)
    assert tracker.settled == {"box_memory": 0.5, "min_new_score": 0.25}
    assert tracker.asked_for == {"min_new_score": 0.25}


def test_a_tracker_that_takes_them_in_place_of_others_suits_itself_to_them(package, monkeypatch):
    networks = {"detector": defaults.bundled_detector("cpu"),
                "estimator": defaults.bundled_estimator("cpu")}  # fmt: skip
    monkeypatch.setattr(defaults, "default_networks", lambda *kinds, **_: networks)
    tracker = Tracker()
    assert tracker.settled == {"box_memory": 0.4, "min_new_score": 0.3}
    tracker.update(np.zeros((48, 64, 3), np.uint8))
    assert tracker.settled == defaults.BUNDLED_SUITS


def test_a_detector_asks_for_what_its_card_says(package, tmp_path):
    card = {"input_size": [96, 64], "tracker_settings": {"min_new_score": 0.4}}
    state = read_weights(package / "bundled" / defaults.BUNDLED_FILES["detector"]).tensors
    file = save_weights(tmp_path, "asking", state, card)
    assert load_light_detector(file, device="cpu").tracker_settings == {"min_new_score": 0.4}
    file = save_weights(tmp_path, "wrong", state, {**card, "tracker_settings": {"memory": "9"}})
    with pytest.raises(ValueError, match="tracker_settings must be numbers from 0 to 1"):
        load_light_detector(file, device="cpu")


def test_the_command_line_finds_them_by_name(package):
    arguments = options("--detector", "bundled", "--estimator", "bundled", "--min-score", "0.7")
    detector, estimator = (
        build_detector(arguments),
        build_estimator(arguments),
    )
    assert (detector.min_score, estimator.input_size) == (0.7, (32, 64))
    names = {"detector": arguments.detector, "estimator": arguments.estimator}
    files = weight_files(names, estimator=estimator)
    assert {kind: path.parent.name for kind, path in files.items()} == {
        "detector": "bundled",
        "estimator": "bundled",
    }


def test_the_command_line_takes_a_detector_trained_here(package):
    detector = build_detector(options("--detector", str(package / "detector.safetensors")))
    assert isinstance(detector, LightDetector)


def test_a_package_without_them_says_so(package):
    (package / "bundled" / defaults.BUNDLED_FILES["detector"]).unlink()
    with pytest.raises(FileNotFoundError, match="no bundled detector"):
        defaults.bundled_detector("cpu")


def test_what_is_in_the_package_runs_and_is_small():
    """The files themselves, where they are there; each has its card."""
    folder = Path(posetrack.__file__).parent / "bundled"
    files = [folder / name for name in defaults.BUNDLED_FILES.values()]
    if not all(file.is_file() for file in files):
        pytest.skip("this copy of the package has no bundled networks")
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 12e6
    assert all(file.with_suffix(".md").is_file() for file in files)
    image = np.random.default_rng(0).integers(0, 255, (180, 320, 3), dtype=np.uint8)
    defaults.bundled_detector("cpu")(image)
    from posetrack.runtimes.torch import run_with_torch

    estimator = defaults.bundled_estimator("cpu", runtime=run_with_torch)
    assert estimator(image, Detections([[10, 10, 60, 160]], [1.0])).xy.shape == (1, 17, 2)


@pytest.fixture(scope="module")
def bundled():
    """The folder in the package."""
    folder = Path(posetrack.__file__).parent / "bundled"
    if not all((folder / name).is_file() for name in defaults.BUNDLED_FILES.values()):
        pytest.skip("this copy of the package has no bundled networks")
    return folder


@pytest.fixture(scope="module")
def rendered():
    """A picture with people in it, and their boxes."""
    image, truth = random_frame(7, 3, size=(320, 180), people=(2, 3))
    return image, truth.poses().boxes


@pytest.mark.parametrize("name", defaults.BUNDLED_FILES.values())
def test_a_graph_takes_every_weight_from_the_file_beside_it(bundled, name):
    onnx = pytest.importorskip("onnx")
    weights = bundled / name
    assert weights.with_suffix(".onnx").stat().st_size < 100_000
    graph = onnx.load(weights.with_suffix(".onnx"), load_external_data=False).graph
    content = weights.read_bytes()
    tensors = read_tensors(weights)
    outside = [tensor for tensor in graph.initializer if tensor.external_data]
    assert {tensor.name for tensor in outside} == set(tensors)
    for tensor in outside:
        said = {entry.key: entry.value for entry in tensor.external_data}
        assert said["location"] == name
        start = int(said["offset"])
        stored = content[start : start + int(said["length"])]
        assert stored == tensors[tensor.name].numpy().tobytes()


def test_without_torch_they_answer_as_with_it(bundled, rendered):
    pytest.importorskip("onnxruntime")
    from posetrack.runtimes.torch import run_with_torch

    image, boxes = rendered
    detectors = [
        load_light_detector(bundled / name, device="cpu", min_score=0.1)
        for name in ("person_detector.onnx", "person_detector.safetensors")
    ]
    plain, known = (detect(image) for detect in detectors)
    assert len(plain) == len(known) > 0
    assert np.allclose(plain.xyxy, known.xyxy, atol=1e-3)
    assert np.allclose(plain.scores, known.scores, atol=1e-5)
    settings = {"decode": lambda maps: (maps.max(axis=3)[:, :, :2], maps.max(axis=(2, 3)))}
    with_onnx = defaults.bundled_estimator("cpu", **settings)
    with_torch = defaults.bundled_estimator("cpu", runtime=run_with_torch, **settings)
    assert isinstance(with_onnx, OnnxTopDown)
    assert isinstance(with_torch, TopDown)
    assert np.allclose(with_onnx(image, boxes).scores, with_torch(image, boxes).scores, atol=1e-5)
    decoded = defaults.bundled_estimator("cpu")(image, boxes)
    assert np.allclose(
        decoded.xy, defaults.bundled_estimator("cpu", runtime=run_with_torch)(image, boxes).xy
    )


@pytest.mark.parametrize("named", [True, False])
def test_tracking_with_them_needs_neither_torch_nor_torchvision(bundled, tmp_path, named):
    """Without torch they are also what is taken where no network is named."""
    pytest.importorskip("onnxruntime")
    scene = ["synth", "crossing", "--people", "2", "--frames", "3", "--size", "256x144"]
    assert main([*scene, "--no-flow", "-o", str(tmp_path)]) == 0
    code = (
        "import sys; sys.modules.update(torch=None, torchvision=None, onnx=None);"
        "from posetrack.cli import main; sys.exit(main(['track', *sys.argv[1:]]))"
    )
    out = tmp_path / "out"
    names = ["--detector", "bundled", "--estimator", "bundled"] if named else []
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "crossing.mp4", *names, "-o", out],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert ("which is not installed" in done.stderr) == (not named)
    assert "the detector asks for --box-memory 0 --min-new-score 0.25" in done.stderr
    made = json.loads((out / "crossing.csv.meta.json").read_text())["provenance"]["settings"]
    assert (made["box_memory"], made["min_new_score"]) == (0.0, 0.25)
    assert len((out / "crossing.csv").read_text().splitlines()) > 3


@pytest.mark.parametrize("kind", ["detector", "estimator"])
def test_a_graph_can_be_written_beside_other_weights(package, kind):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    graph = write_graph(package / "bundled" / defaults.BUNDLED_FILES[kind])
    assert graph.suffix == ".onnx"
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    if kind == "detector":
        plain, known = (
            load_light_detector(path, device="cpu", min_score=0.001)(image)
            for path in (graph, graph.with_suffix(".safetensors"))
        )
        assert len(plain) > 0
        assert np.allclose(plain.xyxy, known.xyxy, atol=1e-3)
        return
    assert isinstance(defaults.bundled_estimator("cpu"), OnnxTopDown)
    assert isinstance(defaults.bundled_estimator("cpu", half=False), TopDown)
    box = Detections([[10, 10, 60, 80]], [1.0])
    assert np.allclose(
        defaults.bundled_estimator("cpu")(image, box).scores,
        defaults.bundled_estimator("cpu", half=False)(image, box).scores,
        atol=1e-5,
    )


def test_a_graph_is_written_only_beside_weights_that_fit(package, tmp_path):
    with pytest.raises(ValueError, match=r"expected a \.safetensors file"):
        write_graph(tmp_path / "best.pth")
    sizeless = save_weights(tmp_path, "sizeless", PersonDetector().state_dict(), {})
    with pytest.raises(ValueError, match="does not say its input size"):
        write_graph(sizeless)


def test_a_detectors_graph_is_no_pose_network_and_the_other_way_round(bundled):
    pytest.importorskip("onnxruntime")
    with pytest.raises(ValueError, match="a detector of people, not a pose network"):
        load_estimator(bundled / "person_detector.onnx", device="cpu")
    with pytest.raises(ValueError, match="not a light detector's file"):
        load_light_detector(bundled / "pose_light.onnx")


@pytest.mark.parametrize(("arch", "kind"), [("detector", "detector"), ("light", "estimator")])
def test_training_starts_from_them_by_name(package, tmp_path, arch, kind):
    data = tmp_path / "data"
    size = "96x64" if arch == "detector" else "64x32"
    assert main(["synth", "train", "--frames", "2", "--people", "2", "--seed", "5",
                 "--size", "96x64", "-o", str(data)]) == 0  # fmt: skip
    arguments = ["train", "--data", "coco", "--annotations", str(data / "annotations.json"),
                 "--images", str(data / "images"), "--arch", arch, "--init", "bundled",
                 "--size", size, "--epochs", "1", "--batch-size", "2", "--learning-rate", "1e-9",
                 "--device", "cpu", "--quiet", "-o", str(tmp_path / "run")]  # fmt: skip
    assert main(arguments) == 0
    begun = read_weights(package / "bundled" / defaults.BUNDLED_FILES[kind]).tensors
    ended = torch.load(tmp_path / "run" / "last.pth", weights_only=True)["network"]
    moving = ("running_mean", "running_var")
    assert all(
        torch.allclose(weight.float(), ended[name], atol=1e-6)
        for name, weight in begun.items()
        if not name.endswith(moving)
    )
