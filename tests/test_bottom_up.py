"""The estimators that take the image whole: PoseNet's and trt_pose's."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from filled import fill_network
from numpy.testing import assert_allclose, assert_array_equal
from test_paf_decoding import STANDING, drawn
from test_posenet_decoding import planted
from torch import nn

from posetrack import Tracker
from posetrack.estimators.from_file import load_estimator
from posetrack.estimators.posenet import PoseNetEstimator, posenet_input, posenet_size
from posetrack.estimators.top_down import TopDown
from posetrack.estimators.trtpose import TrtPoseEstimator, trtpose_input
from posetrack.interfaces import BottomUpEstimator
from posetrack.networks.hrnet import HRNet
from posetrack.networks.posenet import PoseMaps, PoseNet
from posetrack.networks.trtpose import PafMaps, TrtPose
from posetrack.ops.crops import IMAGENET_RGB
from posetrack.runtimes.torch import run_on_device, run_with_torch
from posetrack.skeletons import COCO_17, COCO_17_NECK, MPII_16


class Drawn(nn.Module):
    """In a network's place: gives the maps it was made with, and keeps what it was asked."""

    output_stride = 16

    def __init__(self, maps: list[np.ndarray], kind: type, keypoints: int) -> None:
        super().__init__()
        self.maps = [torch.from_numpy(np.float32(part))[None] for part in maps]
        self.kind, self.keypoints = kind, keypoints

    def forward(self, images: torch.Tensor) -> tuple:
        del images
        return self.kind(*self.maps)


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 99, np.uint8)


# ---- PoseNet ----


def test_the_input_is_prepared_as_in_the_reference(shared: Path) -> None:
    recorded = json.loads(
        (shared / "reference/nets/cases/posenet_decode.json").read_text()
    )["input_preparation"]  # fmt: skip
    blocks = np.random.default_rng(101).integers(0, 256, (30, 40, 3))
    image = np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)
    assert len(recorded["cases"]) == 3
    for case in recorded["cases"]:
        size = posenet_size(320, 240, case["scale_factor"], case["output_stride"])
        batch = posenet_input(image, size)
        assert list(batch.shape) == case["shape"]
        assert_allclose([240 / size[1], 320 / size[0]], case["output_scale_yx"])
        assert batch.mean() == pytest.approx(case["mean"], abs=1e-5)
        assert batch.std() == pytest.approx(case["std"], abs=1e-5)
        row = np.array(case["row_60"])
        assert_allclose(batch[0, :, 60, :: -(-size[0] // row.shape[-1])][:, : row.shape[-1]],
                        row, atol=1e-5)  # fmt: skip


def test_posenet_gives_planted_people_back_in_image_pixels() -> None:
    inside = np.random.default_rng(0).uniform(-60, 60, (2, 17, 2))
    inside += np.array([[[100, 150]], [[350, 150]]])
    network = Drawn(planted(inside, grid=(19, 33)), PoseMaps, 17)
    estimate = PoseNetEstimator(network, device="cpu")
    poses = estimate(grey(576, 1024))
    assert isinstance(estimate, BottomUpEstimator)
    assert poses.skeleton == COCO_17
    order = np.argsort(poses.xy[:, 0, 0])
    assert_allclose(poses.xy[order], inside * [1024 / 513, 576 / 289], atol=0.01)
    assert_allclose(np.sort(poses.boxes.scores), [0.95, 1], atol=1e-5)
    assert_allclose(poses.boxes.xyxy[:, :2], poses.xy.min(axis=1))


def test_keypoints_below_the_threshold_are_unseen_and_poses_of_none_are_nobody() -> None:
    xy = np.random.default_rng(1).uniform(50, 200, (1, 17, 2))
    maps = planted(xy, grid=(17, 17))
    maps[0][9] *= 0.2
    network = Drawn(maps, PoseMaps, 17)
    poses = PoseNetEstimator(network, device="cpu", min_keypoint_score=0.3)(grey(257, 257))
    assert np.isnan(poses.xy[0, 9]).all()
    assert np.isfinite(np.delete(poses.xy[0], 9, axis=0)).all()
    nobody = PoseNetEstimator(network, device="cpu", min_score=1.0, min_keypoint_score=1.0)
    maps[0] *= 0.99
    assert len(nobody(grey(257, 257))) == 1
    assert len(PoseNetEstimator(Drawn(maps, PoseMaps, 17), device="cpu", min_score=1.0)(
        grey(257, 257))) == 0  # fmt: skip


@pytest.mark.parametrize(
    ("image", "settings", "size"),
    [
        ((994, 1768), {}, (513, 289)),
        ((1768, 994), {}, (289, 513)),
        ((240, 320), {"scale": 0.7125}, (225, 161)),
        ((10, 2000), {}, (513, 17)),
        ((1, 1), {"scale": 1.0}, (17, 17)),
        ((994, 1768), {"input_size": (257, 513)}, (257, 145)),
    ],
)
def test_posenets_input_fits_and_keeps_the_images_shape(image, settings, size) -> None:
    estimate = PoseNetEstimator(PoseNet(0.5), device="cpu", **settings)
    assert estimate._size(image[1], image[0]) == size
    assert len(estimate(grey(*image)).skeleton) == 17


# ---- trt_pose ----


def test_trtpose_gives_drawn_people_back_in_image_pixels() -> None:
    xy = 0.8 * STANDING + np.array([[2, 4], [32, 5]])[:, None]
    network = Drawn(list(drawn(xy, (40, 56))), PafMaps, 18)
    estimate = TrtPoseEstimator(network, device="cpu")
    poses = estimate(grey(600, 896))  # 150 rows of 160 are the image's
    assert isinstance(estimate, BottomUpEstimator)
    assert poses.skeleton == COCO_17_NECK
    assert len(poses) == 2
    order = np.argsort(poses.xy[:, 0, 0])
    assert_allclose(poses.xy[order], (xy + 0.5) * 16, atol=12)


def test_what_is_left_of_the_input_is_the_mean_colour() -> None:
    image = np.full((100, 200, 3), 255, np.uint8)
    batch, seen = trtpose_input(image, (224, 224))
    assert (batch.shape, seen) == ((1, 3, 128, 224), (224, 112))
    assert_array_equal(batch[:, :, 112:], 0)
    white = (1 - np.array(IMAGENET_RGB.mean)) / np.array(IMAGENET_RGB.std)
    assert_allclose(batch[0, :, 50, 50], white, rtol=1e-5)
    assert trtpose_input(image[:1, :1], (224, 224))[0].shape == (1, 3, 224, 224)
    assert trtpose_input(np.zeros((1, 5000, 3), np.uint8), (224, 224))[1] == (224, 1)


def test_lone_keypoints_are_nobody() -> None:
    cmap = np.zeros((18, 56, 56))
    cmap[:5, 20, 20] = cmap[3, 40, 40] = 0.9
    network = Drawn([cmap, np.zeros((42, 56, 56))], PafMaps, 18)
    assert len(TrtPoseEstimator(network, device="cpu")(grey(90, 90))) == 0
    every = TrtPoseEstimator(network, device="cpu", min_keypoints=1)(grey(90, 90))
    assert len(every) == 6
    assert_array_equal(np.isfinite(every.xy[..., 0]).sum(axis=1), 1)


# ---- Both ----


@pytest.mark.parametrize(
    "network", [PoseNet(0.5), TrtPose("resnet18", channels=8), TrtPose("densenet121", channels=8)]
)
def test_folding_and_memory_order_change_no_map(network: nn.Module) -> None:
    fill_network(network, 0.7)
    images = np.random.default_rng(0).normal(size=(1, 3, 65, 97)).astype(np.float32)
    if isinstance(network, TrtPose):
        images = images[..., :64, :96].copy()
    with torch.inference_mode():
        wanted = network.eval()(torch.from_numpy(images))
    for ours, theirs in zip(run_on_device(network, device="cpu")(images), wanted, strict=True):
        assert np.abs(ours[0] - theirs[0].numpy()).max() <= 1e-4 * theirs.abs().max()


@pytest.mark.parametrize("kind", [PoseNetEstimator, TrtPoseEstimator])
def test_images_come_back_untouched_and_other_than_images_are_refused(kind: type) -> None:
    network = PoseNet(0.5) if kind is PoseNetEstimator else TrtPose("resnet18", channels=8)
    estimate = kind(network, device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    image.flags.writeable = False
    assert estimate(image).skeleton == estimate.skeleton
    assert estimate(image[..., 0]).skeleton == estimate.skeleton
    with pytest.raises(TypeError, match="expected an image"):
        estimate(None)
    with pytest.raises(ValueError, match="expected an image"):
        estimate(image[:0])


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (PoseNetEstimator, {"skeleton": MPII_16}, "17 keypoints, mpii_16 16"),
        (PoseNetEstimator, {"max_poses": 0}, "max_poses"),
        (PoseNetEstimator, {"min_score": 2}, "min_score"),
        (PoseNetEstimator, {"nms_radius": -1}, "nms_radius"),
        (PoseNetEstimator, {"scale": 0}, "scale must be above 0"),
        (PoseNetEstimator, {"input_size": (0, 9)}, "width"),
        (TrtPoseEstimator, {"skeleton": COCO_17}, "18 keypoints, coco_17 17"),
        (TrtPoseEstimator, {"min_keypoints": 0}, "min_keypoints"),
        (TrtPoseEstimator, {"input_size": (9, 0)}, "height"),
    ],
)
def test_settings_out_of_range_are_refused(kind: type, settings: dict, message: str) -> None:
    network = PoseNet(0.5) if kind is PoseNetEstimator else TrtPose("resnet18", channels=8)
    with pytest.raises(ValueError, match=message):
        kind(network, device="cpu", **settings)


def test_a_tracker_with_one_needs_no_detector() -> None:
    xy = np.random.default_rng(0).uniform(-50, 50, (2, 17, 2))
    xy += np.array([[[100, 130]], [[350, 150]]])
    estimate = PoseNetEstimator(Drawn(planted(xy, grid=(19, 33)), PoseMaps, 17), device="cpu")
    tracker = Tracker(estimator=estimate)
    image = cv2.resize(np.random.default_rng(1).integers(0, 256, (9, 16, 3), np.uint8), (1024, 576))
    assert [tracker.update(image).ids.tolist() for _ in range(3)] == [[1, 2]] * 3


# ---- From files ----


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda: HRNet(4), TopDown),
        (lambda: PoseNet(0.5), PoseNetEstimator),
        (lambda: TrtPose("resnet18", channels=8), TrtPoseEstimator),
    ],
)
def test_a_file_becomes_the_estimator_of_its_network(tmp_path: Path, build, kind: type) -> None:
    path = tmp_path / "weights.pth"
    torch.save(build().state_dict(), path)
    settings = {"runtime": run_with_torch} if kind is TopDown else {}
    estimate = load_estimator(path, device="cpu", input_size=(64, 96), **settings)
    assert type(estimate) is kind
    assert estimate.input_size == (64, 96)
    if kind is TopDown:
        crops = {"flip_test": True, "runtime": run_with_torch}
        assert load_estimator(path, device="cpu", **crops).flip_test
    else:
        with pytest.raises(ValueError, match="flip_test is for networks that see a crop"):
            load_estimator(path, device="cpu", flip_test=True)
