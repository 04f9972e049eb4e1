"""One network for boxes and keypoints: the tracker's contract, and Keypoint R-CNN."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("torchvision")

import torch
from torchvision.models.detection import keypointrcnn_resnet50_fpn

from posetrack import COCO_17, Detections, Poses, Tracker
from posetrack.build import build_estimator
from posetrack.detectors.torchvision import keypoint_rcnn_resnet50
from posetrack.estimators.keypoint_rcnn import KeypointRCNN
from posetrack.flows.dis import DisFlow
from posetrack.interfaces import SharedNetwork
from posetrack.testing import SceneDetector, SceneEstimator, crossing
from posetrack.tracking.pipeline import track_video
from posetrack.video import Frame

Array = np.ndarray[Any, Any]


class Both:
    """A scene's detector and estimator as one network that notes what is asked of it."""

    def __init__(self, scene: Any) -> None:
        self._detect, self._estimate = SceneDetector(scene), SceneEstimator(scene)
        self.skeleton = self._estimate.skeleton
        self.asked: list[str] = []

    def prepare(self, image: Array, /) -> Array:
        self.asked.append("prepare")
        return image.copy()

    def detect(self, state: Array, /) -> Detections:
        self.asked.append("detect")
        return self._detect(state)

    def estimate(self, state: Array, boxes: Detections, /) -> Poses:
        self.asked.append("estimate")
        return self._estimate(state, boxes)


def ids_of(tracker: Tracker, scene: Any, ahead: int = 0) -> list[list[int]]:
    frames = [Frame(image, index, index / 25) for index, image in enumerate(scene)]
    return [people.ids.tolist() for _, people in track_video(frames, tracker, ahead=ahead)]


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize("detect_every", [1, 3])
def test_a_shared_network_is_prepared_once_an_image_and_tracks_alike(
    detect_every: int, ahead: int
) -> None:
    scene = crossing(frames=6)
    both = Both(scene)
    apart = Tracker(SceneDetector(scene), SceneEstimator(scene), detect_every=detect_every)
    expected = ids_of(apart, scene)
    assert isinstance(both, SharedNetwork)
    assert ids_of(Tracker(None, both, detect_every=detect_every), scene, ahead) == expected
    assert both.asked.count("prepare") == both.asked.count("estimate") == 6
    assert both.asked.count("detect") == -(-6 // detect_every)


def test_it_may_be_given_as_both_and_gives_way_to_another_detector_or_boxes() -> None:
    scene = crossing(frames=3)
    both = Both(scene)
    twice = Tracker(both, both)  # type: ignore[arg-type]
    assert len(twice.update(next(iter(scene)))) == 2
    assert both.asked == ["prepare", "detect", "estimate"]
    both.asked.clear()
    beside = Tracker(SceneDetector(scene), both)
    assert len(beside.update(next(iter(scene)))) == 2
    assert both.asked == ["prepare", "estimate"]
    both.asked.clear()
    given = Tracker(None, both)
    boxes = SceneDetector(scene)(next(iter(scene)))
    assert len(given.update(next(iter(scene)), detections=boxes)) == 2
    assert both.asked == ["prepare", "estimate"]


@pytest.fixture(scope="module")
def plain() -> Any:
    """torchvision's own network with random weights, such that it finds boxes."""
    torch.manual_seed(0)
    return keypointrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=2, min_size=160, max_size=240,
        box_score_thresh=0.0, box_detections_per_img=8,
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def shared(plain: Any) -> KeypointRCNN:
    return KeypointRCNN(plain, device="cpu", min_score=0.0, max_iou=1.0)


IMAGE = np.random.default_rng(1).integers(0, 256, (120, 170, 3), np.uint8)


def test_boxes_and_keypoints_are_torchvisions(plain: Any, shared: KeypointRCNN) -> None:
    pixels = torch.from_numpy(IMAGE.copy()).permute(2, 0, 1).flip(0).float() / 255
    with torch.inference_mode():
        expected = plain([pixels])[0]
    state = shared.prepare(IMAGE)
    found = shared.detect(state)
    order = np.argsort(-expected["scores"].numpy(), kind="stable")
    boxes = expected["boxes"].numpy()[order]
    whole = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
    assert whole.sum() >= 3
    # Ours end at the last pixel's centre.
    inside = np.minimum(boxes[whole], [169, 119, 169, 119])
    np.testing.assert_allclose(found.xyxy, inside, atol=1e-2)
    # Keypoints in these boxes, torchvision's before they are clipped to whole pixels of the image.
    poses = shared.estimate(state, Detections(boxes[whole], np.ones(whole.sum())))
    keypoints = expected["keypoints"].numpy()[order][whole][..., :2]
    near = np.abs(poses.xy - keypoints).max(axis=2)
    assert np.median(near) < 0.05
    assert poses.boxes.xyxy.shape == (whole.sum(), 4)


def test_scores_are_shares_and_grow_with_the_peak(shared: KeypointRCNN) -> None:
    from posetrack.estimators.keypoint_rcnn import _peak_shares

    maps = torch.zeros(1, 2, 56, 56)
    maps[0, 1, 20, 30] = 12.0
    flat, sharp = _peak_shares(maps)[0].tolist()
    assert flat == pytest.approx(9 / 56**2, abs=1e-4)  # in the corner, where it finds its peak
    assert sharp > 0.9
    state = shared.prepare(IMAGE)
    scores = shared.estimate(state, Detections([[10, 10, 60, 90]], [1])).scores
    assert ((scores >= 0) & (scores <= 1)).all()


def test_nobody_and_boxes_outside_do_no_harm(shared: KeypointRCNN) -> None:
    state = shared.prepare(IMAGE)
    assert shared.estimate(state, Detections.empty()).xy.shape == (0, 17, 2)
    boxes = Detections([[-500, -500, -400, -400], [5, 5, 5, 5]], [1, 1])
    assert np.isfinite(shared.estimate(state, boxes).xy).all()
    assert shared(IMAGE, boxes).skeleton is COCO_17


def test_a_tracker_runs_its_backbone_once_an_image(plain: Any) -> None:
    network = KeypointRCNN(plain, device="cpu", min_score=0.0)
    passes = []
    handle = plain.backbone.register_forward_hook(lambda *_: passes.append(1))
    try:
        tracker = Tracker(None, network, DisFlow(), min_pose_score=0.0, min_new_score=0.0)
        for _ in range(3):
            tracker.update(IMAGE)
    finally:
        handle.remove()
    assert len(passes) == 3


def test_other_networks_and_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no keypoints"):
        KeypointRCNN(keypoint_rcnn_resnet50(None), device="cpu")
    with pytest.raises(FileNotFoundError, match="What you can do"):
        build_estimator("keypointrcnn", device="cpu", offline=True)
