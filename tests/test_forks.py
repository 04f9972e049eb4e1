"""Networks and flows in forked children, in copies and in processes that are spawned."""

from __future__ import annotations

import copy
import importlib.util
import io
import multiprocessing
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from posetrack import COCO_17, Detections, Poses, Tracker
from posetrack.devices import Reopening
from posetrack.files import cache_folder

FORKED = """
import os, sys
from pathlib import Path
import numpy as np, torch
from posetrack.ops import compilation
compilation.cache_folder = lambda: Path(os.environ["COMPILED_KERNELS"])
from posetrack import COCO_17, Detections
from posetrack.detectors.light import LightDetector, with_torch
from posetrack.estimators.top_down import TopDown
from posetrack.networks.person_detector import PersonDetector
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.runtimes.onnxruntime import run_with_onnxruntime
from posetrack.runtimes.torch import run_with_torch

torch.manual_seed(0)
torch.set_num_threads(2)  # with one there is nothing to wait for
image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
boxes = Detections([[10, 10, 200, 400]] * 4, [1.0] * 4)
ways = {"torch": {"runtime": run_with_torch}, "onnxruntime": {"runtime": run_with_onnxruntime},
        "device": {"on_device": True}}
runs = {}
for name in sys.argv[1:]:
    if name == "detector":
        detector = LightDetector(with_torch(PersonDetector(), device="cpu"))
        runs[name] = lambda network=detector: network(image).scores[:5]
    else:
        estimator = TopDown(PoseResNet(18), COCO_17, device="cpu", **ways[name])
        runs[name] = lambda network=estimator: network(image, boxes).scores
wanted = {name: run() for name, run in runs.items()}
for name, run in runs.items():
    child = os.fork()
    if child == 0:
        code = 1
        try:
            np.testing.assert_allclose(run(), wanted[name], atol=1e-3)
            code = 0
        finally:
            os._exit(code)
    if code := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        sys.exit(f"{name} ended with {code}")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_runs_networks_that_were_opened_before(tmp_path):
    networks = ["torch", "device", "detector"]
    if all(importlib.util.find_spec(name) for name in ("onnxruntime", "onnx")):
        networks.append("onnxruntime")
    # The time limit ends a child that waits for ever; nothing is measured by it.
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, *networks],
        check=True,
        timeout=600,
        env={
            **os.environ,
            "POSETRACK_HOME": str(tmp_path),  # for the exported network
            "COMPILED_KERNELS": str(cache_folder()),
        },
    )


class TestSession:
    def test_has_the_attributes_of_what_is_open(self):
        session = Reopening(io.StringIO, "text")
        assert session.read(2) == "te"
        assert session.read() == "xt"

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    def test_a_copy_is_opened_anew(self, copied):
        session = Reopening(io.StringIO, "text")
        session.read(2)
        assert copied(session).read() == "text"
        assert session.read() == "xt"

    def test_it_is_opened_anew_in_another_process(self, monkeypatch):
        session = Reopening(io.StringIO, "text")
        session.read(2)
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert session.read() == "text"
        assert session.read() == ""


def flows():
    from posetrack.flows import dis, farneback, lucas_kanade, tvl1

    return [
        dis.DisFlow,
        farneback.FarnebackFlow,
        lucas_kanade.LucasKanadeFlow,
        tvl1.TvL1Flow,
    ]


@pytest.mark.parametrize("make", flows(), ids=lambda make: make.__name__)
def test_trackers_with_a_flow_are_copied_in_mid_video(make):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 96, 160, 3), np.uint8)
    poses = Poses.from_keypoints(rng.uniform(10, 80, (2, 17, 2)), None, COCO_17)
    tracker = Tracker(flow=make())
    tracker.update(images[0], poses=poses)
    copies = [copy.deepcopy(tracker), pickle.loads(pickle.dumps(tracker))]
    wanted = tracker.update(images[1], poses=poses)
    for other in copies:
        found = other.update(images[1], poses=poses)
        np.testing.assert_array_equal(found.ids, wanted.ids)
        np.testing.assert_array_equal(found.poses.xy, wanted.poses.xy)


def test_networks_are_copied():
    torch = pytest.importorskip("torch")
    from posetrack.detectors.light import LightDetector, with_torch
    from posetrack.estimators.top_down import TopDown
    from posetrack.networks.person_detector import PersonDetector
    from posetrack.networks.pose_resnet import PoseResNet
    from posetrack.runtimes.torch import run_with_torch

    torch.manual_seed(0)
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    settings = {"input_size": (32, 64), "device": "cpu", "runtime": run_with_torch}
    tracker = Tracker(
        LightDetector(with_torch(PersonDetector(), device="cpu"), long_side=64),
        TopDown(PoseResNet(18), COCO_17, **settings),
    )
    boxes = Detections([[10, 10, 60, 90]], [1.0])
    copies = [copy.deepcopy(tracker), pickle.loads(pickle.dumps(tracker))]
    wanted = tracker.update(image, detections=boxes)
    for other in copies:
        np.testing.assert_array_equal(
            other.update(image, detections=boxes).poses.xy, wanted.poses.xy
        )
        np.testing.assert_array_equal(other.detector(image).xyxy, tracker.detector(image).xyxy)


def test_a_hog_detector_is_copied():
    from posetrack.detectors.hog import HogDetector

    image = np.zeros((128, 96, 3), np.uint8)
    assert len(pickle.loads(pickle.dumps(HogDetector()))(image)) == 0


def test_trackers_go_to_spawned_processes():
    tracker = Tracker()
    poses = Poses.from_keypoints(np.ones((1, 17, 2)), None, COCO_17)
    tracker.update(poses=poses)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_ids, (tracker, poses)) == tracker.update(poses=poses).ids.tolist()


def _ids(tracker, poses):
    return tracker.update(poses=poses).ids.tolist()


def test_every_module_imports_without_what_only_posix_has():
    code = """
import importlib, os, pkgutil, sys
import posetrack

def bring():
    for module in pkgutil.walk_packages(posetrack.__path__, "posetrack."):
        if module.name != "posetrack.__main__":
            try:
                importlib.import_module(module.name)
            except Exception as error:
                yield module.name, repr(error)

before = list(bring())  # other libraries are loaded with all that there is
for name in [name for name in sys.modules if name.startswith("posetrack.")]:
    del sys.modules[name]
for name in ("fcntl", "resource", "termios", "pwd", "grp"):
    sys.modules[name] = None
for name in ("fork", "geteuid", "getuid", "register_at_fork", "O_NOFOLLOW", "sched_getaffinity"):
    if hasattr(os, name):
        delattr(os, name)
failed = [failure for failure in bring() if failure not in before]
print(failed)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
