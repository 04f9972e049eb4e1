"""torchvision's detection networks: built, loaded and run without a download."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posetrack.detectors.torchvision import NETWORKS, TorchvisionDetector, ssdlite_mobilenet

IMAGE = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)


class Fixed(nn.Module):
    """Answers as torchvision's networks do, always the same, and keeps what it was given."""

    def __init__(self, boxes: Any, labels: Any, scores: Any) -> None:
        super().__init__()
        self.boxes = nn.Parameter(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))
        self.labels, self.scores = torch.tensor(labels, dtype=torch.int64), torch.tensor(scores)
        self.seen: list[Tensor] = []

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.seen += images
        return [{"boxes": self.boxes, "labels": self.labels, "scores": self.scores}]


def people_and_others() -> Fixed:
    boxes = [[10, 5, 30, 50], [11, 5, 30, 50], [40, 5, 60, 50], [60, 5, 70, 50], [-9, 0, 5, 99]]
    return Fixed(boxes, [1, 1, 18, 1, 1], [0.8, 0.9, 0.95, 0.3, 0.7])


def test_people_are_kept_without_doubles_and_clipped() -> None:
    found = TorchvisionDetector(people_and_others(), device="cpu")(IMAGE)
    np.testing.assert_allclose(found.xyxy, [[11, 5, 30, 50], [0, 0, 5, 59]])
    np.testing.assert_allclose(found.scores, [0.9, 0.7])


def test_thresholds_and_label_are_arguments() -> None:
    network = people_and_others()
    assert len(TorchvisionDetector(network, device="cpu", max_people=1)(IMAGE)) == 1
    assert len(TorchvisionDetector(network, device="cpu", min_score=0.2)(IMAGE)) == 3
    assert len(TorchvisionDetector(network, device="cpu", max_iou=1.0)(IMAGE)) == 3
    assert len(TorchvisionDetector(network, device="cpu", person=18)(IMAGE)) == 1
    with pytest.raises(ValueError, match="max_iou"):
        TorchvisionDetector(network, device="cpu", max_iou=50)


def test_nobody_is_not_an_error() -> None:
    found = TorchvisionDetector(Fixed([], [], torch.zeros(0).tolist()), device="cpu")(IMAGE)
    assert found.xyxy.shape == (0, 4)


def test_the_network_is_given_rgb_in_unit_range() -> None:
    network = people_and_others()
    image = np.zeros((4, 6, 3), np.uint8)
    image[:] = (255, 51, 0)
    image.flags.writeable = False
    TorchvisionDetector(network, device="cpu")(image)
    assert network.seen[0].shape == (3, 4, 6)
    np.testing.assert_allclose(network.seen[0][:, 0, 0], [0, 0.2, 1], atol=1e-6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_where_there_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match='use "auto" or "cpu"'):
        TorchvisionDetector(people_and_others(), device="cuda")
    assert TorchvisionDetector(people_and_others()).device.type == "cpu"


# Small inputs and few proposals, so that untrained networks answer within a blink.
SMALL: dict[str, dict[str, Any]] = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": {"min_size": 64, "max_size": 64},
    "fasterrcnn_mobilenet_v3_large_fpn": {"min_size": 64, "max_size": 64},
    "fasterrcnn_resnet50_fpn": {"min_size": 64, "max_size": 64},
    "fasterrcnn_resnet50_fpn_v2": {"min_size": 64, "max_size": 64},
    "retinanet_resnet50_fpn_v2": {"min_size": 64, "max_size": 64, "topk_candidates": 20},
    "fcos_resnet50_fpn": {"min_size": 64, "max_size": 64, "topk_candidates": 20},
    "ssdlite320_mobilenet_v3_large": {"topk_candidates": 20},
    "keypointrcnn_resnet50_fpn": {"min_size": 64, "max_size": 64},
}
FEW = {"rpn_post_nms_top_n_test": 20, "rpn_pre_nms_top_n_test": 50}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_builds_and_runs(name: str) -> None:
    torch.manual_seed(0)
    settings = SMALL[name] | (FEW if "rcnn" in name else {})
    network = NETWORKS[name](None, **settings)
    assert not network.training
    found = TorchvisionDetector(network, device="cpu", min_score=0.0)(IMAGE)
    assert found.xyxy.shape == (len(found), 4)
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= [79, 59, 79, 59]).all()
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_published_number_of_parameters(name: str, shared: Path) -> None:
    rows = json.loads((shared / "reference/nets/torchvision_weights.json").read_text())["weights"]
    published = {row["num_params"] for row in rows if row["builder"] == name}
    if name == "keypointrcnn_resnet50_fpn":
        pytest.skip("its keypoint branch is taken off")
    with torch.device("meta"):  # shapes only
        network = NETWORKS[name](None)
    every = sum(values.numel() for values in network.parameters())
    # In some, torchvision counts batch normalisation as constants when it fetches weights.
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    frozen = every - sum(values.numel() for norm in norms for values in norm.parameters())
    assert published & {every, frozen}


@pytest.fixture(scope="session")
def state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return ssdlite_mobilenet(None, num_classes=3).state_dict()


def same_weights(network: nn.Module, state: dict[str, Tensor]) -> bool:
    own = network.state_dict()
    return all(torch.equal(own[key], state[key]) for key in state)


def test_weights_come_from_a_state_dict_or_a_file(state: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    assert same_weights(ssdlite_mobilenet(state, num_classes=3), state)
    assert same_weights(ssdlite_mobilenet(path, num_classes=3), state)
    assert not same_weights(ssdlite_mobilenet(None, num_classes=3), state)


def test_missing_batch_counters_do_not_matter(state: dict[str, Tensor]) -> None:
    lean = {key: value for key, value in state.items() if "num_batches_tracked" not in key}
    assert len(lean) < len(state)
    assert same_weights(ssdlite_mobilenet(lean, num_classes=3), lean)


def test_the_older_names_of_published_files_are_understood() -> None:
    build = NETWORKS["fasterrcnn_mobilenet_v3_large_320_fpn"]
    state = build(None).state_dict()
    older = {
        key.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        .replace("inner_blocks.0.0.", "inner_blocks.0.")
        .replace("layer_blocks.1.0.", "layer_blocks.1."): value
        for key, value in state.items()
        if "num_batches_tracked" not in key
    }
    assert "rpn.head.conv.weight" in older
    assert "backbone.fpn.layer_blocks.1.weight" in older
    lean = {key: value for key, value in state.items() if "num_batches_tracked" not in key}
    assert same_weights(build(older), lean)


def test_weights_trained_without_variance_floor_are_used_so() -> None:
    small = SMALL["fasterrcnn_resnet50_fpn"]
    build = NETWORKS["fasterrcnn_resnet50_fpn"]
    untrained = build(None, **small)
    loaded = build(untrained.state_dict(), **small)
    floors = {module.eps for module in loaded.modules() if isinstance(module, nn.BatchNorm2d)}
    assert floors == {0.0}


def test_weights_of_another_network_are_refused(state: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match=r"size mismatch for .*num_classes="):
        ssdlite_mobilenet(state)
    lacking = dict(list(state.items())[1:])
    with pytest.raises(ValueError, match="1 missing, as"):
        ssdlite_mobilenet(lacking, num_classes=3)
    with pytest.raises(ValueError, match="1 too many, as extra"):
        ssdlite_mobilenet({**state, "extra": torch.zeros(1)}, num_classes=3)


def test_bad_weight_files_are_refused(tmp_path: Path, state: dict[str, Tensor]) -> None:
    with pytest.raises(FileNotFoundError):
        ssdlite_mobilenet(tmp_path / "nowhere.pth")
    path = tmp_path / "weights.pth"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        ssdlite_mobilenet(path)
    torch.save(state, path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="cut short"):
        ssdlite_mobilenet(path)


def test_a_file_that_wants_to_run_code_is_refused(tmp_path: Path) -> None:
    trace = tmp_path / "it ran"

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (trace,))

    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(ValueError, match=str(path)):
        ssdlite_mobilenet(path)
    assert not trace.exists()


def test_reduced_precision_finds_about_the_same(state: dict[str, Tensor]) -> None:
    network = ssdlite_mobilenet(state, num_classes=3, topk_candidates=20)
    plain = TorchvisionDetector(network, device="cpu", min_score=0.0, max_iou=1)(IMAGE)
    half = TorchvisionDetector(network, device="cpu", min_score=0.0, max_iou=1, half=True)(IMAGE)
    assert half.scores[0] == pytest.approx(plain.scores[0], abs=0.05)


class ByWidth(nn.Module):
    """One person in each image, as wide as half of it."""

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        return [
            {
                "boxes": torch.tensor([[0.0, 0, image.shape[2] / 2, image.shape[1]]] * row),
                "labels": torch.ones(row, dtype=torch.int64),
                "scores": torch.full((row,), 0.9),
            }
            for row, image in enumerate(images, start=1)
        ]


def test_several_images_at_once_each_get_their_own_people() -> None:
    detect = TorchvisionDetector(ByWidth(), device="cpu", max_iou=1.0)
    images = [np.zeros((40, width, 3), np.uint8) for width in (20, 60, 80)]
    found = detect.detect_all(images)
    assert [people.xyxy[:, 2].tolist() for people in found] == [[10], [30, 30], [40, 40, 40]]
    assert detect.detect_all([]) == []


def test_images_at_once_give_what_each_gives_alone() -> None:
    network = ssdlite_mobilenet(None, score_thresh=0.0, detections_per_img=20)
    detect = TorchvisionDetector(network, device="cpu", person=61, min_score=0.0)
    images = [IMAGE, np.ascontiguousarray(IMAGE[:, ::-1])]
    for together, image in zip(detect.detect_all(images), images, strict=True):
        alone = detect(image)
        assert len(together) == len(alone) > 0
        np.testing.assert_allclose(together.xyxy, alone.xyxy, atol=0.01)


def test_a_number_of_images_that_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="images_at_once must be at least 1, got 0"):
        TorchvisionDetector(ByWidth(), device="cpu", images_at_once=0)
