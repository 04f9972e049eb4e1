"""What runs where only PyTorch, OpenCV, numba, SciPy and a few small wheels are installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import posetrack

CARRIED = {"av", "lap", "motmetrics", "msgspec", "simplejpeg", "platformdirs"}
"""Wheels that travel with ``benchmarks/gpu.py``, which says so."""
ABSENT = (
    "pyarrow", "pandas", "transformers", "matplotlib", "tqdm", "onnx", "openvino", "safetensors",
    "h5py", "xarray", "tables", "sklearn", "motmetrics", "simplejpeg", "av",
)  # fmt: skip

PROGRAM = """
import sys
for name in {absent}:
    sys.modules[name] = None
import cv2, numpy as np
from pathlib import Path
import posetrack
from posetrack import Tracker
from posetrack.build import bundled_detector, bundled_estimator
from posetrack.tracking.pipeline import track_video
from posetrack.video import Frame
import posetrack.detectors.torchvision, posetrack.estimators.keypoint_rcnn, posetrack.flows.raft
image = cv2.imread(str(Path(posetrack.__file__).parent / "bundled" / "selftest.png"))
detector = bundled_detector("cpu", half=False)
tracker = Tracker(detector, bundled_estimator("cpu", half=False, on_device=True))
frames = [Frame(image, number, number / 25) for number in range(2)]
print([people.ids.tolist() for _, people in track_video(frames, tracker)])
"""


def test_the_tracker_runs_without_what_a_bare_machine_lacks() -> None:
    root = Path(posetrack.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(absent=repr(ABSENT))],
        capture_output=True,
        text=True,
        cwd=root,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout.strip().splitlines()[-1])
    assert first
    assert first == second


def test_the_wheels_named_are_all_that_the_package_needs_there() -> None:
    script = Path(posetrack.__file__).parents[1] / "benchmarks" / "gpu.py"
    if not script.is_file():
        pytest.skip("not a checkout")
    command = script.read_text(encoding="utf-8").split("-d .whl", 1)[1].split("mkdir", 1)[0]
    assert set(command.replace("\\", " ").split()) >= CARRIED
