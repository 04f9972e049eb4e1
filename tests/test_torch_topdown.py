from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from filled import fill, filled_state
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from posetrack.checkpoints.recognition import convert_keys
from posetrack.estimators.top_down import TopDown
from posetrack.interfaces import PoseEstimator
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.ops.crops import (
    IMAGENET_BGR_AS_TRAINED,
    IMAGENET_RGB,
    box_to_center_scale,
    crop_matrices,
    crop_people,
    heatmap_to_image,
    normalise,
)
from posetrack.ops.heatmaps import average_flipped, decode_argmax, decode_dark, decode_quarter
from posetrack.runtimes import torch_crops
from posetrack.runtimes.torch import run_with_torch, without_tf32
from posetrack.runtimes.uploads import Uploader
from posetrack.skeletons import COCO_17, MPII_16
from posetrack.structures import Detections

SIZE = (48, 64)
CPU = {"device": "cpu", "input_size": SIZE, "runtime": run_with_torch}
DEVICE = {"device": "cpu", "input_size": SIZE, "on_device": True}
BOXES = Detections(
    [[10, 20, 60, 150], [-30, -20, 40, 60], [100, 90, 400, 300], [70, 70, 71, 72]],
    [0.9, 0.8, 0.7, 0.6],
)


class Tiles(nn.Module):
    """A quick network whose heatmaps are sums of the crop's colours, another mixture each."""

    def __init__(self, keypoints: int = 17) -> None:
        super().__init__()
        weight = fill("tiles.weight", (keypoints, 3, 8, 8), 1.0)
        self.convolution = nn.Conv2d(3, keypoints, 8, stride=4, padding=2, bias=False)
        self.convolution.weight = nn.Parameter(weight)
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.convolution(images)


def picture(height: int = 160, width: int = 240, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("place", [CPU, DEVICE], ids=["host", "device"])
@pytest.mark.parametrize("flip_test", [False, True])
def test_heatmaps_to_look_at_are_those_that_poses_come_from(
    place: dict[str, object], flip_test: bool
) -> None:
    estimate, image = TopDown(Tiles(), flip_test=flip_test, **place), picture()
    crops, maps = estimate.find_heatmaps(image, BOXES)
    assert crops.shape == (4, 64, 48, 3)
    center, scale = box_to_center_scale(BOXES.xyxy, input_size=SIZE, padding=1.25)
    cells, scores = decode_quarter(maps)
    poses = estimate(image, BOXES)
    assert_allclose(heatmap_to_image(cells, center, scale, (12, 16)), poses.xy, atol=1e-3)
    assert_allclose(scores, poses.scores, atol=1e-4)
    nobody, none = estimate.find_heatmaps(image, Detections.empty())
    assert len(nobody) == len(none) == 0


# ---- The authors' and mmpose's pipelines ----


def crops_of(nets: Path) -> np.ndarray:
    files = {
        name: np.load(nets / "cases" / f"pipe_crop_{name}.npz")["crop_cv4"]
        for name in ("000000000785", "synthetic")
    }
    return np.stack([files[name][index] for name in files for index in (0, 2)])


@pytest.mark.parametrize("on_device", [False, True], ids=["host", "device"])
@pytest.mark.parametrize("family", ["ms", "mmpose1"])
def test_crops_lead_to_the_recorded_keypoints(shared: Path, family: str, on_device: bool) -> None:
    nets = shared / "reference" / "nets"
    case = np.load(nets / "cases" / f"e2e_{family}_pose_resnet50.npz")
    with torch.device("meta"):
        network = PoseResNet(50).eval()
    state = convert_keys(filled_state(nets, f"{family}_pose_resnet50", 0.7))
    network.load_state_dict(state, assign=True)
    colours = IMAGENET_BGR_AS_TRAINED if family == "ms" else IMAGENET_RGB
    scale = case["scale"] if family == "ms" else case["scale_pixels"] / 200
    for run, flip in (("single", False), ("flip", True)):
        estimate = TopDown(
            network,
            COCO_17,
            normalisation=colours,
            device="cpu",
            flip_test=flip,
            **({"on_device": True} if on_device else {"runtime": run_with_torch}),
        )
        cells, scores, size = from_crops(estimate, crops_of(nets))
        xy = heatmap_to_image(cells, case["center"], scale, size)
        stable = case[f"{run}_stable"]
        assert stable.sum() > 60
        assert np.abs(xy - case[f"{run}_preds"])[stable].max() < 0.005
        wanted = case[f"{run}_maxvals"][..., 0] if family == "ms" else case[f"{run}_scores"]
        assert_allclose(scores, wanted, atol=1e-4 * wanted.max())


def from_crops(estimate: TopDown, crops: np.ndarray):
    if estimate._on_device is None:
        return estimate._from_crops(crops)
    with torch.inference_mode():
        tensor = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
        found, size = estimate._on_device.decode_crops(
            tensor, estimate.normalisation, estimate.decode, estimate.flip_test
        )
    return found[..., :2].numpy(), found[..., 2].numpy(), size


# ---- The device's operations against those on the host ----


def test_crops_on_the_device_equal_opencvs_up_to_rounding() -> None:
    image = picture(211, 333)
    center, scale = box_to_center_scale(
        np.concatenate([BOXES.xyxy, [[0, 0, 333, 211], [-500, -500, -400, -300]]]), input_size=SIZE
    )
    matrices = crop_matrices(center, scale, SIZE, rotation=[0, 0, 33, 0, -70, 0])
    theirs = crop_people(image, matrices, SIZE).astype(np.float32)
    ours = torch_crops.crop_on_device(
        torch_crops.as_planes(Uploader(torch.device("cpu"))(image)), matrices, SIZE
    )
    difference = np.abs(ours.permute(0, 2, 3, 1).numpy() - theirs)
    # OpenCV 4 rounds positions to 1/32 pixel: a few levels where the picture is steep.
    assert difference.max() <= (0.51 if int(cv2.__version__.split(".")[0]) >= 5 else 5)
    assert (theirs[-1] == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (7, 1), (4000, 3)])
def test_thin_images_are_cropped_too(size: tuple[int, int]) -> None:
    width, height = size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    matrices = np.array([[[1.5, 0, 3.0 - width * 1.2], [0, 1.5, 2.0]]])
    theirs = crop_people(image, matrices, SIZE).astype(np.float32)
    pixels = torch_crops.as_planes(Uploader(torch.device("cpu"))(image))
    ours = torch_crops.crop_on_device(pixels, matrices, SIZE).permute(0, 2, 3, 1).numpy()
    assert theirs.any()
    assert np.abs(ours - theirs).max() <= 0.52


@pytest.mark.parametrize("colours", [IMAGENET_RGB, IMAGENET_BGR_AS_TRAINED])
def test_colours_are_normalised_alike(colours) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 6, 4, 3), dtype=np.uint8)
    mean, std = torch_crops.colours_on_device(colours, torch.device("cpu"))
    planes = torch.from_numpy(crops).permute(0, 3, 1, 2).float()
    ours = ((planes.flip(1) if colours.rgb else planes) - mean) / std
    assert_allclose(ours.numpy(), normalise(crops, colours), atol=2e-6)


def heatmap_examples(kind: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 20, 2)
    shape = (2, 17, height, width)
    if kind == "noise":
        return rng.normal(size=shape).astype(np.float32)
    if kind == "ties":
        return rng.integers(0, 3, shape).astype(np.float32)
    if kind == "holes":
        maps = rng.normal(size=shape).astype(np.float32)
        maps[rng.random(shape) < 0.4] = np.nan
        maps[0, 3] = np.nan
        return maps
    y, x = np.mgrid[:height, :width]
    centre = rng.uniform(-2, [width + 2, height + 2], (2, 17, 2))
    squares = (x - centre[..., 0, None, None]) ** 2 + (y - centre[..., 1, None, None]) ** 2
    return (rng.uniform(-0.2, 1, (2, 17, 1, 1)) * np.exp(-squares / 8)).astype(np.float32)


@pytest.mark.parametrize(
    "decode",
    [decode_argmax, decode_quarter, decode_dark, partial(decode_dark, blur_size=5)],
    ids=["argmax", "quarter", "dark", "dark5"],
)
@settings(max_examples=60, derandomize=True)
@given(kind=st.sampled_from(["noise", "ties", "holes", "blobs"]), seed=st.integers(0, 10**6))
def test_decoders_on_the_device_equal_those_on_the_host(decode, kind: str, seed: int) -> None:
    dark = decode not in (decode_argmax, decode_quarter)
    maps = heatmap_examples("blobs" if dark else kind, seed)
    xy, scores = decode(maps)
    counterpart = torch_crops.on_device(decode)
    assert counterpart is not None
    ours_xy, ours_scores = counterpart(torch.from_numpy(maps))
    assert_array_equal(ours_scores.numpy(), scores)
    assert_allclose(ours_xy.numpy(), xy, rtol=1e-4, atol=1e-4 if dark else 0)


@pytest.mark.parametrize("size", ["192x256", "256x256"])
def test_quarter_decoding_on_the_device_equals_the_authors(shared: Path, size: str) -> None:
    case = np.load(shared / "reference" / "nets" / "cases" / "pipe_decode.npz")
    maps = case[f"{size}_heatmaps"]
    xy, scores = torch_crops.quarter_on_device(torch.from_numpy(maps))
    assert_array_equal(scores.numpy(), case[f"{size}_maxvals"][..., 0])
    image = heatmap_to_image(
        xy.numpy(), case[f"{size}_center"], case[f"{size}_scale"], (maps.shape[3], maps.shape[2])
    )
    assert_allclose(image, case[f"{size}_final_preds"], atol=1e-3)


def test_the_flip_test_on_the_device_equals_the_hosts() -> None:
    rng = np.random.default_rng(0)
    plain, mirrored = rng.normal(size=(2, 3, 17, 9, 7)).astype(np.float32)
    ours = torch_crops.average_flipped_on_device(
        torch.from_numpy(plain),
        torch.from_numpy(mirrored),
        torch.from_numpy(COCO_17.mirror_order),
    )
    assert_array_equal(ours.numpy(), average_flipped(plain, mirrored, COCO_17.mirror_order))


# ---- The estimator ----


@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("decode", [decode_quarter, decode_dark])
def test_both_ways_find_the_same_keypoints(decode, flip_test: bool) -> None:
    image, settings = picture(), {"decode": decode, "flip_test": flip_test}
    host = TopDown(Tiles(), COCO_17, **CPU, **settings)(image, BOXES)
    device = TopDown(Tiles(), COCO_17, **DEVICE, **settings)(image, BOXES)
    assert host.boxes is device.boxes is BOXES
    assert_allclose(device.scores, host.scores, atol=0.02)
    # A crop's rounded grey levels may decide between two cells of nearly one height, and DARK
    # asks for curvatures, of which these maps have little.
    close = np.abs(device.xy - host.xy).max(axis=2) < 0.05
    assert close.mean() > 0.8


def test_a_bright_spot_is_found_where_it_is() -> None:
    class Brightness(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            grey = images.mean(1, keepdim=True) + 3
            return nn.functional.avg_pool2d(grey, 7, 4, padding=3).repeat(1, 17, 1, 1)

    y, x = np.mgrid[:300, :400]
    spot = 255 * np.exp(-((x - 203) ** 2 + (y - 148) ** 2) / 128)
    image = np.repeat(spot[..., None], 3, axis=2).astype(np.uint8)
    boxes = Detections([[150, 80, 250, 230], [190, 140, 260, 200]], [1, 1])
    for way in (CPU, DEVICE):
        poses = TopDown(Brightness(), COCO_17, **{**way, "input_size": (192, 256)})(image, boxes)
        assert np.abs(poses.xy - [203, 148]).max() < 1.5


@pytest.mark.parametrize("way", [CPU, DEVICE], ids=["host", "device"])
def test_chunks_change_nothing(way: dict) -> None:
    image = picture()
    for flip_test in (False, True):
        whole = TopDown(Tiles(), COCO_17, **way, flip_test=flip_test)(image, BOXES)
        for max_batch in (1, 3):
            estimate = TopDown(Tiles(), COCO_17, **way, flip_test=flip_test, max_batch=max_batch)
            parts = estimate(image, BOXES)
            assert_allclose(parts.xy, whole.xy, atol=1e-3)
            assert_allclose(parts.scores, whole.scores, atol=1e-4)


@pytest.mark.parametrize("way", [CPU, DEVICE], ids=["host", "device"])
def test_several_images_at_once_give_what_each_gives(way: dict) -> None:
    images = [picture(), picture()[::-1], picture()[:200], picture()]
    people = [BOXES, BOXES[np.arange(1)], Detections.empty(), BOXES]
    for max_batch in (3, 64):
        estimate = TopDown(Tiles(), COCO_17, **way, max_batch=max_batch)
        for found, image, boxes in zip(
            estimate.estimate_all(images, people), images, people, strict=True
        ):
            alone = estimate(image, boxes)
            assert len(found) == len(boxes)
            assert_allclose(found.xy, alone.xy, atol=1e-3)
            assert_allclose(found.scores, alone.scores, atol=1e-4)


@pytest.mark.parametrize("way", [CPU, DEVICE], ids=["host", "device"])
def test_nobody_is_nobody_and_nothing_is_run(way: dict) -> None:
    class Never(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise AssertionError("was run")

    poses = TopDown(Never(), COCO_17, **way)(picture(), Detections.empty())
    assert poses.xy.shape == (0, 17, 2)


@pytest.mark.parametrize("way", [CPU, DEVICE], ids=["host", "device"])
def test_boxes_without_size_or_far_outside_do_no_harm(way: dict) -> None:
    boxes = Detections(
        [[50, 60, 50, 60], [0, 0, 0, 0], [9e5, 9e5, 9e5 + 1, 9e5 + 9], [-1e9, -1e9, 1e9, 1e9]],
        np.ones(4),
    )
    poses = TopDown(Tiles(), COCO_17, **way)(picture(), boxes)
    assert np.isfinite(poses.scores).all()
    assert np.abs(poses.xy[0] - [50, 60]).max() <= 1


@pytest.mark.parametrize("way", [CPU, DEVICE], ids=["host", "device"])
def test_inputs_come_back_untouched(way: dict) -> None:
    network = Tiles().train()
    image = picture()
    before = image.copy()
    estimate = TopDown(network, COCO_17, **way)
    first = estimate(image, BOXES)
    assert_array_equal(image, before)
    assert network.training
    assert network.convolution.weight.requires_grad
    with torch.no_grad():
        network.convolution.weight.zero_()
    assert_array_equal(estimate(image, BOXES).xy, first.xy)
    image.flags.writeable = False
    assert_array_equal(estimate(image, BOXES).xy, first.xy)
    assert_array_equal(estimate(np.asfortranarray(before)[:], BOXES).xy, first.xy)


def test_a_decoder_of_ones_own_works_on_both_ways() -> None:
    def centre(heatmaps: np.ndarray):
        assert isinstance(heatmaps, np.ndarray)
        count, keypoints = heatmaps.shape[:2]
        xy = np.full((count, keypoints, 2), (6, 8), np.float32)
        return xy, np.ones((count, keypoints), np.float32)

    for way in (CPU, DEVICE):
        poses = TopDown(Tiles(), COCO_17, **way, decode=centre)(picture(), BOXES)
        assert_allclose(poses.xy[0], np.full((17, 2), (35, 85)), atol=1e-3)


def test_half_precision_stays_near() -> None:
    torch.manual_seed(0)
    network = PoseResNet(18, 17, deconv_channels=(8, 8, 8)).eval()
    for parameter in network.final_layer.parameters():
        nn.init.normal_(parameter)
    full = TopDown(network, COCO_17, **DEVICE)
    half = TopDown(network, COCO_17, **DEVICE, half=True)
    image = picture()
    want, have = full(image, BOXES), half(image, BOXES)
    assert not np.array_equal(want.scores, have.scores)
    assert np.abs(want.scores - have.scores).max() < 0.05 * np.abs(want.scores).max()
    assert next(half._on_device.network.parameters()).dtype == torch.bfloat16
    assert next(network.parameters()).dtype == torch.float32


def test_it_is_a_pose_estimator() -> None:
    estimate = TopDown(Tiles(), COCO_17, **CPU)
    assert isinstance(estimate, PoseEstimator)
    assert estimate.skeleton is COCO_17


def test_the_tf32_switch_is_put_back() -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32
    with without_tf32():
        assert not cudnn.conv.fp32_precision.startswith("tf")
    assert cudnn.allow_tf32 == before


@pytest.mark.parametrize("way", [CPU, DEVICE], ids=["host", "device"])
def test_a_network_for_another_skeleton_is_refused(way: dict) -> None:
    estimate = TopDown(Tiles(17), MPII_16, **way)
    with pytest.raises(ValueError, match=r"expected \(N, 16, h, w\).*another skeleton"):
        estimate(picture(), BOXES)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((4, 4, 3), np.int32),
        np.zeros((0, 4, 3), np.uint8),
        None,
    ],
)
def test_what_is_no_image_is_refused(image) -> None:
    with pytest.raises((TypeError, ValueError), match="expected an image"):
        TopDown(Tiles(), COCO_17, **CPU)(image, BOXES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**CPU, "max_batch": 0}, "max_batch"),
        ({**CPU, "half": True}, "half precision"),
        ({**DEVICE, "runtime": run_with_torch}, "a runtime runs on the host"),
    ],
)
def test_settings_without_meaning_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TopDown(Tiles(), COCO_17, **settings)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("flip_test", [False, True])
def test_the_gpu_finds_what_the_cpu_finds(flip_test: bool) -> None:
    torch.manual_seed(0)
    network = PoseResNet(18, 17).eval()
    nn.init.normal_(network.final_layer.weight)
    image = picture(480, 640)
    cpu = TopDown(network, COCO_17, **CPU, flip_test=flip_test)(image, BOXES)
    for half, apart in ((False, 1e-3), (True, 0.05)):
        gpu = TopDown(
            network, COCO_17, input_size=SIZE, device="cuda", flip_test=flip_test, half=half
        )(image, BOXES)
        assert np.abs(gpu.scores - cpu.scores).max() < apart * np.abs(cpu.scores).max() + 1e-3
        assert (np.abs(gpu.xy - cpu.xy).max(axis=2) < 1).mean() > 0.8
