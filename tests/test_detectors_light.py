"""The light detector as a backend."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from posetrack.checkpoints.loading import detector_of
from posetrack.detectors.light import (
    GREY,
    LightDetector,
    fit,
    load_light_detector,
    people_in,
    with_torch,
)
from posetrack.networks.light_trunk import LightTrunk
from posetrack.networks.mobile_trunk import MobileTrunk
from posetrack.networks.person_detector import PersonDetector, rows_of
from posetrack.networks.pose_light import PoseLight
from posetrack.training.saving import save_weights


def small():
    torch.manual_seed(0)
    return PersonDetector(trunk=partial(LightTrunk, (4, 6, 8, 10), (1, 0, 2, 1), 4), channels=8)


def test_it_fits_into_the_package_with_the_pose_network():
    both = (PersonDetector(), PoseLight(17))
    assert sum(weight.numel() for part in both for weight in part.parameters()) < 5.7e6


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([32, 96, 200]))
def test_any_image_fits_and_its_boxes_come_back(width, height, long_side):
    image = np.full((height, width, 3), 200, np.uint8)
    fitted, scale = fit(image, long_side)
    assert fitted.shape[0] % 32 == fitted.shape[1] % 32 == 0
    inner = np.rint(np.array([width, height]) * scale).astype(int)
    assert max(inner) == long_side
    assert (fitted[: inner[1], : inner[0]] == 200).all()
    assert (fitted[inner[1] :] == GREY).all()
    assert (fitted[:, inner[0] :] == GREY).all()


def test_boxes_are_in_pixels_of_the_image():
    network = small()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.centres[1].bias.fill_(2.0)
        network.sides[1].bias.fill_(-0.5)
    run = with_torch(network, device="cpu")
    detect = LightDetector(run, long_side=64, max_iou=0.99, max_people=None)
    found = detect(np.zeros((64, 128, 3), np.uint8))
    # Cells of 8 input pixels are 16 of the image; all 4 x 8 of them say someone is there, those
    # below the image are cut off.
    assert np.allclose(found.scores, 1 / (1 + np.exp(-2)), atol=1e-5)
    middles = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2
    inner = ((found.xyxy[:, :2] > 0) & (found.xyxy[:, 2:] < [127, 63])).all(axis=1)
    assert inner.sum() >= 6
    assert np.allclose(middles[inner] % 16, 8, atol=1e-3)
    sides = found.xyxy[inner, 2:] - found.xyxy[inner, :2]
    assert np.allclose(sides, 2 * 2 * 16 * np.exp(-0.5), atol=1e-3)


def test_peaks_are_found_once_and_best_first():
    maps = torch.full((1, 5, 6, 6), -5.0)
    maps[0, 0, 1, 1], maps[0, 0, 1, 2], maps[0, 0, 4, 4] = 1.0, 0.5, 2.0
    rows = people_in(rows_of(maps)[0].numpy(), min_score=0.3)
    assert np.allclose(rows[:, 4], torch.tensor([2.0, 1.0]).sigmoid())


def test_the_tracker_takes_it_from_its_file(tmp_path):
    said = {"input_size": [96, 64], "normalisation": {"mean": [0, 0, 0], "std": [1, 1, 1],
            "rgb": False}}  # fmt: skip
    path = save_weights(tmp_path, "best", small().state_dict(), said)
    detect = load_light_detector(path, device="cpu", min_score=0.9)
    assert (detect.long_side, detect.normalisation.rgb) == (96, False)
    assert len(detect(np.zeros((20, 30, 3), np.uint8))) == 0


def test_other_weights_are_refused(tmp_path):
    path = save_weights(tmp_path, "best", {"weight": torch.zeros(1)}, {})
    with pytest.raises(ValueError, match="not a light detector's weights"):
        load_light_detector(path)
    state = dict(small().state_dict())
    del state["sides.1.bias"]
    with pytest.raises(ValueError, match=r"Missing: sides\.1\.bias"):
        detector_of(state)


def test_a_detector_on_mobilenet_is_read_and_run_as_what_it_is(tmp_path):
    torch.manual_seed(0)
    network = PersonDetector(trunk=MobileTrunk, channels=8).eval()
    path = save_weights(tmp_path, "best", network.state_dict(), {"input_size": [96, 64]})
    again = detector_of(network.state_dict())
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(again(image), network(image))
    assert load_light_detector(path, device="cpu").long_side == 96


def test_half_precision_is_about_as_sure():
    network = small()
    image = np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8)
    whole, half = (
        LightDetector(with_torch(network, device="cpu", half=half), long_side=96, min_score=0.0)(
            image
        )
        for half in (False, True)
    )
    assert whole.scores.max() == pytest.approx(half.scores.max(), abs=0.01)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="long_side must be at least 32"):
        LightDetector(with_torch(small(), device="cpu"), long_side=8)
