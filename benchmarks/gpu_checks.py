"""What a device computes beside what the CPU computes: the checks of ``gpu.py`` and ``tests/gpu``.

Each check is a function of a device, pictures and a size; it yields what was measured and its
limit. On ``device="cpu"`` the device's path runs on the CPU, which shows that the path is right,
not that the device is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import nn

from posetrack import COCO_17, Detections, Tracker
from posetrack.build import bundled_detector, bundled_estimator
from posetrack.detectors import torchvision as detection
from posetrack.estimators.top_down import TopDown
from posetrack.flows.raft import RaftFlow
from posetrack.networks.hrnet import HRNet
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.networks.posenet import PoseNet
from posetrack.networks.trtpose import TrtPose
from posetrack.ops.crops import IMAGENET_RGB, box_to_center_scale, crop_matrices, crop_people
from posetrack.ops.heatmaps import average_flipped, decode_argmax, decode_dark, decode_quarter
from posetrack.runtimes import torch_crops
from posetrack.runtimes.torch import precision, run_on_device
from posetrack.runtimes.uploads import Uploader
from posetrack.tracking.state import flatten, unflatten
from posetrack.training.recipe import Recipe
from posetrack.training.run import Hardware, Run

PICTURE = Path(torch_crops.__file__).parents[1] / "bundled" / "selftest.png"
"""People in a room, inside the package."""

CPU = torch.device("cpu")

EXACT, FULL = 0.0, 5e-4
"""Limits of relative differences: none, and of 32 bits through a deep network."""


def half_limit(device: torch.device) -> float:
    """Of 16 bits: float16 has 11 of them for digits, bfloat16 has 8."""
    return 2e-2 if device.type == "cuda" else 8e-2


@dataclass(frozen=True)
class Check:
    """A difference and how large it may be."""

    name: str
    measured: float
    limit: float
    unit: str = ""

    @property
    def right(self) -> bool:
        return self.measured <= self.limit  # what is not a number is not right


class Setting(NamedTuple):
    """What a check has to work with."""

    device: torch.device
    pictures: Sequence[np.ndarray]
    small: bool


def read_pictures(folder: Path | None = None) -> list[np.ndarray]:
    """The JPEG files of a folder; without one the picture inside the package."""
    paths = sorted(folder.glob("*.jpg")) if folder is not None else []
    read = [cv2.imread(str(path)) for path in paths or [PICTURE]]
    return [picture for picture in read if picture is not None]


def difference(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Length of the difference, relative to what is wanted."""
    ours, theirs = found.detach().cpu().double(), wanted.detach().cpu().double()
    return float((ours - theirs).norm() / theirs.norm().clamp_min(1e-12))


@torch.no_grad()
def settle(network: nn.Module, run: Callable[[], Any]) -> nn.Module:
    """Random weights whose activations keep their size: normalised by what ``run`` shows them."""
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = None, torch.zeros_like(norm.num_batches_tracked)
        norm.train()
    run()
    for norm in norms:
        norm.momentum = 0.1
    return network.eval()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def boxes_of(picture: np.ndarray) -> Detections:
    """The people that the detector inside the package finds, or all of the picture."""
    found = bundled_detector("cpu", half=False)(picture)
    height, width = picture.shape[:2]
    return found if len(found) else Detections([[0, 0, width, height]], [1.0])


# ---- Crops and decoding ----


def check_crops(at: Setting) -> Iterator[Check]:
    """Crops of people, and of boxes that reach outside the picture."""
    picture = at.pictures[0]
    height, width = picture.shape[:2]
    outside = [[-width / 3, -9, width / 2, height * 1.2], [width * 2, 0, width * 3, height]]
    xyxy = np.concatenate([boxes_of(picture).xyxy, outside])
    center, scale = box_to_center_scale(xyxy, input_size=(192, 256))
    matrices = crop_matrices(center, scale, (192, 256))
    with torch.inference_mode():
        here, there = (
            torch_crops.crop_on_device(
                torch_crops.as_planes(Uploader(place)(picture)), matrices, (192, 256)
            )
            for place in (at.device, CPU)
        )
    levels = float((here.cpu() - there).abs().max())
    yield Check("crops: beside torch on the CPU", levels, 0.25, "grey levels")
    host = crop_people(picture, matrices, (192, 256)).astype(np.float32)
    off = float(np.abs(here.cpu().permute(0, 2, 3, 1).numpy() - host).mean())
    yield Check("crops: beside OpenCV, mean", off, 0.75, "grey levels")


def peaks(people: int) -> torch.Tensor:
    """Heatmaps (N, 17, 64, 48) with one peak each, some at the border, some empty."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 48, (2, people, 17, 1, 1))
    y = y * 64 / 48
    rows, columns = np.mgrid[:64, :48]
    maps = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8) * rng.uniform(0, 1, x.shape)
    maps += rng.normal(0, 1e-4, maps.shape)
    maps[0, 0] = np.nan
    maps[0, 1] = 0
    return torch.from_numpy(maps.astype(np.float32))


def check_decoding(at: Setting) -> Iterator[Check]:
    """Arg-max, quarter offset, DARK and flip test, beside those on the host."""
    maps = peaks(3 if at.small else 40)
    decoders: Sequence[tuple[str, Callable[..., Any], float]] = (
        ("arg-max", decode_argmax, EXACT),
        ("quarter", decode_quarter, EXACT),
        ("DARK", decode_dark, 2e-3),
    )
    for name, decode, limit in decoders:
        on_device = torch_crops.on_device(decode)
        assert on_device is not None
        xy, scores = (part.cpu().numpy() for part in on_device(maps.to(at.device)))
        wanted, wanted_scores = decode(maps.numpy())
        unlike = float(np.isnan(xy).sum() != np.isnan(wanted).sum())
        yield Check(f"{name}: NaN where the host has it", unlike, EXACT)
        yield Check(f"{name}: cells", float(np.nanmax(np.abs(xy - wanted))), limit, "cells")
        yield Check(f"{name}: scores", float(np.abs(scores - wanted_scores).max()), EXACT)
    order = COCO_17.mirror_order
    plain, mirrored = maps.nan_to_num(0), maps.nan_to_num(0).flip(1)
    averaged = torch_crops.average_flipped_on_device(
        plain.to(at.device), mirrored.to(at.device), torch.from_numpy(order).to(at.device)
    )
    host = average_flipped(plain.numpy(), mirrored.numpy(), order)
    yield Check("flip test", float(np.abs(averaged.cpu().numpy() - host).max()), 1e-6)


# ---- Pose networks ----


def pose_networks(small: bool) -> dict[str, nn.Module]:
    """Random ones whose activations stay in range."""
    made: dict[str, Callable[[], nn.Module]] = {"PoseResNet-18": partial(PoseResNet, 18, 17)}
    if not small:
        made = {"PoseResNet-50": partial(PoseResNet, 50, 17), "HRNet-W32": partial(HRNet, 32, 17)}
    networks = {}
    for name, make in made.items():
        torch.manual_seed(0)
        network = make()
        networks[name] = settle(network, partial(network, noise(2, 3, 128, 96)))
    return networks


def check_pose_networks(at: Setting) -> Iterator[Check]:
    """Heatmaps of random networks, with the flip test, in 32 and 16 bits."""
    size = (48, 64) if at.small else (192, 256)
    crops = noise(2 if at.small else 6, 3, size[1], size[0]) * 50 + 120
    kept: list[np.ndarray] = []

    def keep(heatmaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        kept.append(heatmaps)
        return decode_argmax(heatmaps)

    for name, network in pose_networks(at.small).items():
        answers = []
        for device, half in ((CPU, False), (at.device, False), (at.device, True)):
            estimate = TopDown(
                network, COCO_17, input_size=size, device=device, half=half, on_device=True
            )
            path = estimate._on_device
            assert path is not None
            with torch.inference_mode():
                path.decode_crops(crops.to(device), IMAGENET_RGB, keep, flip_test=True)
            answers.append(torch.from_numpy(kept.pop()))
        yield Check(f"{name}: heatmaps, 32 bits", difference(answers[1], answers[0]), FULL)
        limit = half_limit(at.device)
        yield Check(f"{name}: heatmaps, 16 bits", difference(answers[2], answers[0]), limit)


def check_bundled_pose(at: Setting) -> Iterator[Check]:
    """Keypoints of the trained network inside the package on real people, in 32 and 16 bits."""
    truth = bundled_estimator("cpu", half=False, on_device=True)
    for half in (False, True):
        moved = []
        estimate = bundled_estimator(str(at.device), half=half, on_device=True)
        for picture in at.pictures:
            boxes = boxes_of(picture)
            wanted, found = truth(picture, boxes), estimate(picture, boxes)
            sure = wanted.scores > 0.3
            moved.append(np.linalg.norm(found.xy - wanted.xy, axis=2)[sure])
        pixels = np.concatenate(moved)
        bits = 16 if half else 32
        middle, far = np.median(pixels), np.percentile(pixels, 99)
        yield Check(
            f"bundled pose, {bits} bits: median", float(middle), 0.5 if half else 0.02, "px"
        )
        yield Check(
            f"bundled pose, {bits} bits: 99th percentile", float(far), 5.0 if half else 0.5, "px"
        )


# ---- Detectors, flow, networks that see whole images ----

DETECTORS = tuple(detection.NETWORKS)
FEW_DETECTORS = ("ssdlite320_mobilenet_v3_large",)


def answers_of(network: Any, images: torch.Tensor) -> list[torch.Tensor]:
    """A torchvision detector's maps and what its heads say of fixed boxes, before any sorting."""
    features = network.backbone(images)
    maps = list(features.values()) if isinstance(features, Mapping) else [features]
    if not hasattr(network, "rpn"):
        return [*maps, *network.head(maps).values()]
    objectness, deltas = network.rpn.head(maps)
    height, width = images.shape[2:]
    boxes = torch.tensor([[0.1, 0.1, 0.5, 0.9], [0.4, 0.2, 0.8, 0.7]], device=images.device)
    boxes = [boxes * torch.tensor([width, height, width, height], device=images.device)] * len(
        images
    )
    heads, named = network.roi_heads, features
    if not isinstance(named, Mapping):
        named = {"0": features}
    sizes = [(height, width)] * len(images)
    found = heads.box_predictor(heads.box_head(heads.box_roi_pool(named, boxes, sizes)))
    answers = [*maps, *objectness, *deltas, *found]
    if heads.has_keypoint():
        pooled = heads.keypoint_roi_pool(named, boxes, sizes)
        answers.append(heads.keypoint_predictor(heads.keypoint_head(pooled)))
    return answers


def check_detectors(at: Setting) -> Iterator[Check]:
    """Detectors of torchvision, random: their maps and heads; and that the whole of each runs."""
    picture = at.pictures[0]
    images = noise(2, 3, 64, 96) if at.small else noise(2, 3, 320, 416)
    for name in FEW_DETECTORS if at.small else DETECTORS:
        torch.manual_seed(0)
        settings = {"keypoints": True} if name.startswith("keypoint") else {}
        network = detection.NETWORKS[name](None, **settings)
        settle(network, partial(answers_of, network, images))
        with torch.inference_mode():
            wanted = answers_of(network, images)
        on_device = copy.deepcopy(network).to(at.device)
        for half in (False, True):
            with torch.inference_mode(), precision(at.device, half):
                found = answers_of(on_device, images.to(at.device))
            worst = max(difference(*pair) for pair in zip(found, wanted, strict=True))
            limit = 4 * half_limit(at.device) if half else 2 * FULL
            yield Check(f"{name}: maps, {16 if half else 32} bits", worst, limit)
        detect = detection.TorchvisionDetector(on_device, device=at.device, min_score=0.0)
        people = detect(picture)
        yield Check(f"{name}: boxes are finite", float(not np.isfinite(people.xyxy).all()), EXACT)


def check_bundled_detector(at: Setting) -> Iterator[Check]:
    """Boxes of the trained detector inside the package on real people."""
    for half in (False, True):
        detect = bundled_detector(str(at.device), half=half)
        wanted = bundled_detector("cpu", half=False)
        worst, unlike = 0.0, 0
        for picture in at.pictures:
            theirs, ours = wanted(picture), detect(picture)
            unlike += abs(len(theirs) - len(ours))
            if len(ours) and len(theirs):
                apart = np.abs(ours.xyxy[:, None] - theirs.xyxy[None]).max(axis=2)
                worst = max(worst, float(np.median(apart.min(axis=1))))
        bits = 16 if half else 32
        yield Check(f"bundled detector, {bits} bits: boxes", worst, 2.0 if half else 0.1, "px")
        yield Check(
            f"bundled detector, {bits} bits: people more or fewer", unlike, 2 if half else 0
        )


def check_flow(at: Setting) -> Iterator[Check]:
    """RAFT with random weights: points moved, relative to how far they move."""
    from torchvision.models.optical_flow import raft_large, raft_small

    size = (160, 128) if at.small else (640, 360)
    first = cv2.resize(at.pictures[0], size)
    second = np.roll(first, (2, 3), axis=(0, 1))
    xy = np.random.default_rng(0).uniform(0, np.array(size) - 1, (50, 2)).astype(np.float32)
    for make in (raft_small,) if at.small else (raft_small, raft_large):
        torch.manual_seed(0)
        network = make(weights=None)
        steps = 2 if at.small else 6
        frames = noise(2, 3, 128, 160)
        settle(network, partial(network, frames[:1], frames[1:], num_flow_updates=1))
        moved = []
        for device, half in ((CPU, False), (at.device, False), (at.device, True)):
            flow = RaftFlow(network, updates=steps, half=half, device=device)
            with precision(device, half=False):
                ends, _ = flow.move(flow.prepare(first), flow.prepare(second), xy)
            moved.append(torch.from_numpy(ends - xy))
        name = make.__name__
        yield Check(f"{name}: points, 32 bits", difference(moved[1], moved[0]), 5e-3)
        yield Check(f"{name}: points, 16 bits", difference(moved[2], moved[0]), 0.2)


def check_whole_image(at: Setting) -> Iterator[Check]:
    """PoseNet and trt_pose, random: their maps."""
    made: dict[str, Callable[[], nn.Module]] = {"PoseNet-50": partial(PoseNet, 0.5)}
    if not at.small:
        made |= {"PoseNet-100": partial(PoseNet, 1.0), "trt_pose ResNet-18": TrtPose}
    images = noise(1, 3, 64, 96) if at.small else noise(2, 3, 256, 320)
    for name, make in made.items():
        torch.manual_seed(0)
        network = make()
        settle(network, partial(network, images))
        wanted = run_on_device(network, device=CPU, half=False)(images.numpy())
        for half in (False, True):
            found = run_on_device(network, device=at.device, half=half)(images.numpy())
            worst = max(
                difference(torch.from_numpy(ours), torch.from_numpy(theirs))
                for ours, theirs in zip(found, wanted, strict=True)
            )
            limit = half_limit(at.device) if half else FULL
            yield Check(f"{name}: maps, {16 if half else 32} bits", worst, limit)


# ---- The tracker ----


def scene_of(small: bool) -> tuple[list[np.ndarray], list[Any]]:
    """A rendered street and its truth."""
    from posetrack.world import street

    frames, size = (4, (320, 180)) if small else (60, (640, 360))
    scene = street(people=3, frames=frames, seed=2, size=size)
    pairs = list(scene)
    return [image for image, _ in pairs], [truth for _, truth in pairs]


def tracker_on(at: Setting, device: torch.device, *, half: bool) -> Tracker:
    """With the networks inside the package, run by torch."""
    return Tracker(
        bundled_detector(str(device), half=half, long_side=320 if at.small else 640),
        bundled_estimator(str(device), half=half, on_device=True),
        device=str(device),
    )


def idf1(truths: Sequence[Any], tracks: Sequence[Any]) -> float:
    """Percent; as py-motmetrics counts it, which a bare machine lacks the pandas for."""
    from posetrack.evaluation.clear import identity_matches
    from posetrack.world.scoring import frame_similarities

    found = frame_similarities(truths, tracks, name="scene", min_share=0.1, min_oks=0.5)
    same = identity_matches(
        list(found.true_ids), list(found.predicted_ids), found.distances(min_similarity=0.5)
    )
    people = sum(map(len, found.true_ids)) + sum(map(len, found.predicted_ids))
    return 200.0 * same / max(people, 1)


def check_tracker(at: Setting) -> Iterator[Check]:
    """Ids over a rendered scene: equal in 32 bits, IDF1 within a point in 16; and a run moved."""
    images, truths = scene_of(at.small)
    runs = {}
    kinds = [("CPU", CPU, False), ("32", at.device, False), ("16", at.device, True)]
    for name, device, half in kinds[: 2 if at.small else 3]:  # 16 bits are slow on most CPUs
        tracker = tracker_on(at, device, half=half)
        runs[name] = [tracker.update(image) for image in images]
    ids = {name: [people.ids.tolist() for people in run] for name, run in runs.items()}
    unlike = sum(ours != theirs for ours, theirs in zip(ids["32"], ids["CPU"], strict=True))
    yield Check("tracker, 32 bits: frames with other ids", unlike, EXACT, "frames")
    found = sum(map(len, ids["CPU"]))
    yield Check("tracker: people not found at all", float(found == 0), EXACT)
    scores = {name: idf1(truths, run) for name, run in runs.items()}
    for name in [name for name in runs if name != "CPU"]:
        apart = abs(scores[name] - scores["CPU"])
        yield Check(f"tracker, {name} bits: IDF1 away", apart, 1.0, "points")
    third = len(images) // 3
    places = (at.device, CPU, at.device)
    state, moved = None, []
    for number, place in enumerate(places):
        tracker = tracker_on(at, place, half=False)
        if state is not None:
            tracker.load_state_dict(state)
        end = None if number == 2 else (number + 1) * third
        moved += [tracker.update(image).ids.tolist() for image in images[number * third : end]]
        state = {key: np.array(value) for key, value in tracker.state_dict().items()}
    unlike = sum(ours != theirs for ours, theirs in zip(moved, ids["CPU"], strict=True))
    yield Check("a run moved to the CPU and back: frames with other ids", unlike, EXACT, "frames")


def check_flow_state(at: Setting) -> Iterator[Check]:
    """What RAFT remembers of an image of one device is used on the other."""
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    network = raft_small(weights=None)
    size = (160, 128)
    first, second = (cv2.resize(at.pictures[0], size), cv2.resize(at.pictures[-1][::-1], size))
    xy = np.random.default_rng(0).uniform(0, np.array(size) - 1, (20, 2)).astype(np.float32)
    here, there = (
        RaftFlow(network, updates=2, half=False, device=device) for device in (at.device, CPU)
    )
    wanted, _ = there.move(there.prepare(first), there.prepare(second), xy)
    as_arrays = unflatten("flow", flatten("flow", here.prepare(first)))
    with precision(at.device, half=False):
        found, _ = there.move(as_arrays, there.prepare(second), xy)
        back, _ = here.move(as_arrays, here.prepare(second), xy)
    for name, ends in (("to the CPU", found), ("and back", back)):
        moved = difference(torch.from_numpy(ends - xy), torch.from_numpy(wanted - xy))
        yield Check(f"RAFT's state {name}", moved, 5e-3)


# ---- Training ----


class Learned(NamedTuple):
    """A batch for training: images (N, H, W, 3) uint8, targets and weights of their heatmaps."""

    images: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


class InMemory:
    """A `posetrack.training.Task` with one batch of random pictures."""

    def __init__(self, count: int, size: tuple[int, int]) -> None:
        from posetrack.ops.crops import IMAGENET_BGR_AS_TRAINED

        self.normalisation = IMAGENET_BGR_AS_TRAINED
        width, height = size
        draw = torch.Generator().manual_seed(0)
        self.batch = Learned(
            torch.randint(0, 256, (count, height, width, 3), generator=draw, dtype=torch.uint8),
            torch.rand(count, 17, height // 4, width // 4, generator=draw),
            torch.ones(count, 17),
        )

    def __len__(self) -> int:
        return len(self.batch.images)

    def settings(self) -> dict[str, Any]:
        return {}

    def header(self, recipe: Recipe) -> dict[str, Any]:
        return {}

    def dataset(self, network: nn.Module, recipe: Recipe) -> Any:
        return [self.batch]

    def loss(self, output: torch.Tensor, batch: Learned, recipe: Recipe) -> torch.Tensor:
        from posetrack.training.losses import joints_mse

        return joints_mse(output, batch.targets, batch.weights)


def check_training(at: Setting) -> Iterator[Check]:
    """Three steps from the same weights: on the CPU, on the device, and there with AMP."""
    task, losses = InMemory(2 if at.small else 8, (32, 32) if at.small else (192, 256)), {}
    torch.manual_seed(0)
    network: nn.Module = PoseResNet(18, 17)
    if at.small:
        layers = (nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 17, 3, 2, 1))
        network = nn.Sequential(*layers)
    for name, device, amp in (
        ("CPU", CPU, False),
        ("32", at.device, False),
        ("AMP", at.device, True),
    ):
        run = Run(copy.deepcopy(network), task, Recipe(), Hardware(device, half_precision=amp))
        run.network.train()
        with precision(device, half=False):
            losses[name] = torch.stack([run.step(task.batch, 1e-4, 1.0).cpu() for _ in range(3)])
    yield Check("training, 32 bits: loss", difference(losses["32"], losses["CPU"]), 1e-3)
    yield Check("training, AMP: loss", difference(losses["AMP"], losses["CPU"]), 3e-2)
    fell = float(losses["AMP"][-1] - losses["AMP"][0])
    yield Check("training, AMP: loss after three steps less the first", fell, EXACT)


CHECKS: Mapping[str, Callable[[Setting], Iterator[Check]]] = {
    "crops": check_crops,
    "decoding": check_decoding,
    "pose networks": check_pose_networks,
    "bundled pose network": check_bundled_pose,
    "bundled detector": check_bundled_detector,
    "whole images": check_whole_image,
    "flow's state": check_flow_state,
    "training": check_training,
    "tracker": check_tracker,
    "flow": check_flow,
    "detectors": check_detectors,
}
"""By name, the quick ones first."""


def setting(device: str | torch.device, pictures: Sequence[np.ndarray], *, small: bool) -> Setting:
    return Setting(torch.device(device), pictures, small)
