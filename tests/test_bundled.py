"""The networks inside the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import posetrack
from posetrack import Detections, Tracker, defaults
from posetrack.cli import build, parser
from posetrack.detectors.light import LightDetector
from posetrack.networks.halving import halve_weights
from posetrack.networks.person_detector import PersonDetector
from posetrack.networks.pose_light import PoseLight
from posetrack.skeletons import COCO_17
from posetrack.training.saving import save_weights


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose bundled networks are small and know nothing; no runtime but torch."""
    monkeypatch.setattr(defaults, "__file__", str(tmp_path / "defaults.py"))
    monkeypatch.setattr("posetrack.estimators.runtimes.find_spec", lambda _: None)
    (tmp_path / "bundled").mkdir()
    sizes = {"widths": (4, 4, 4, 4), "blocks": (0, 0, 0, 0), "stem": 4}
    networks = {
        "detector": (PersonDetector(**sizes, channels=4), [96, 64]),
        "estimator": (PoseLight(17, **sizes, deconv_channels=(4, 4, 4)), [32, 64]),
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


def test_the_command_line_finds_them_by_name(package):
    arguments = options("--detector", "bundled", "--estimator", "bundled", "--min-score", "0.7")
    detector, estimator = build.build_detector(arguments), build.build_estimator(arguments)
    assert (detector.min_score, estimator.input_size) == (0.7, (32, 64))
    files = build.weight_files(arguments, estimator)
    assert {kind: path.parent.name for kind, path in files.items()} == {
        "detector": "bundled",
        "estimator": "bundled",
    }


def test_the_command_line_takes_a_detector_trained_here(package):
    detector = build.build_detector(options("--detector", str(package / "detector.safetensors")))
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
    assert sum(file.stat().st_size for file in files) <= 12e6
    assert all(file.with_suffix(".md").is_file() for file in files)
    image = np.random.default_rng(0).integers(0, 255, (180, 320, 3), dtype=np.uint8)
    defaults.bundled_detector("cpu")(image)
    from posetrack.estimators.runtimes import run_with_torch

    estimator = defaults.bundled_estimator("cpu", runtime=run_with_torch)
    assert estimator(image, Detections([[10, 10, 60, 160]], [1.0])).xy.shape == (1, 17, 2)
