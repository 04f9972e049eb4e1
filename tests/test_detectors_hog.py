"""OpenCV's people detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.detectors.hog import HogDetector, merge_windows
from posetrack.ops.boxes import iou_matrix

pytestmark = pytest.mark.skipif(
    not hasattr(cv2, "HOGDescriptor"), reason="this OpenCV was built without HOGDescriptor"
)


def first_image(shared: Path, video: str) -> np.ndarray[Any, Any]:
    return cv2.VideoCapture(str(shared / "data/videos" / video)).read()[1]


def test_a_running_player_is_found(shared: Path) -> None:
    image = first_image(shared, "football.mp4")
    before = image.copy()
    found = HogDetector(working_height=360)(image)
    by_eye = [[360, 270, 570, 570]]  # from the hair to the lower foot, 1280 x 720
    assert iou_matrix(by_eye, found.xyxy).max() > 0.5
    assert len(found) <= 4
    np.testing.assert_array_equal(image, before)


def test_pedestrians_are_found(shared: Path) -> None:
    found = HogDetector()(first_image(shared, "street.mp4"))
    assert 3 <= len(found) <= 10
    assert (found.scores >= 0.5).all()
    assert (np.diff(found.scores) <= 0).all()


def test_boxes_scale_with_the_image(shared: Path) -> None:
    image = first_image(shared, "football.mp4")
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    detect = HogDetector(working_height=360)
    large_boxes, small_boxes = detect(image), detect(small)
    assert iou_matrix(large_boxes.xyxy[:1], small_boxes.xyxy * 2).max() > 0.8


@pytest.mark.parametrize("shape", [(1, 1), (50, 10), (10, 500), (128, 64), (2000, 30)], ids=str)
def test_images_of_any_shape_are_taken(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    found = HogDetector(working_height=256)(image)
    assert (found.xyxy[:, 2] <= shape[1] - 1).all()


@pytest.mark.parametrize(
    "wrong",
    [{"working_height": 64}, {"pyramid_step": 1.0}, {"max_people": 0}, {"max_iou": -1}],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        HogDetector(**wrong)


@given(st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_merged_windows_lie_within_the_windows_and_no_margin_is_counted_twice(
    count: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 50, (count, 2))
    boxes = np.hstack([corner, corner + rng.uniform(20, 60, (count, 2))]).astype(np.float32)
    margins = rng.uniform(0.05, 1, count).astype(np.float32)
    merged, scores = merge_windows(boxes, margins)
    assert len(merged) == len(scores) <= count
    if count:
        assert (merged >= boxes.min(axis=0) - 1e-3).all()
        assert (merged <= boxes.max(axis=0) + 1e-3).all()
        assert -np.log(1 - scores).sum() <= margins.sum() * 1.001
