"""Scenes and fakes: what they draw is what they say, and the same seed says the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack import Detections
from posetrack.interfaces import PoseEstimator
from posetrack.ops.boxes import iou_matrix
from posetrack.testing import (
    SceneDetector,
    SceneEstimator,
    camera_pan,
    crossing,
    leaving,
    walking,
)


@settings(max_examples=20)
@given(frame=st.integers(0, 2**16 - 1))
def test_a_picture_tells_its_frame(frame: int) -> None:
    scene = walking(np.broadcast_to(np.array([40.0, 100]), (2**16, 1, 2)), size=(64, 48))
    assert scene.frame_of(scene.render(frame)) == frame


@pytest.mark.parametrize("make", [crossing, leaving, camera_pan])
def test_the_same_seed_draws_the_same_and_another_differs(make) -> None:
    one, same, other = make(frames=4, seed=1), make(frames=4, seed=1), make(frames=4, seed=2)
    np.testing.assert_array_equal(one.render(3), same.render(3))
    assert (one.render(3) != other.render(3)).mean() > 0.2


def test_people_are_drawn_where_the_truth_says() -> None:
    scene = walking(np.full((1, 1, 2), (160.0, 200.0)))
    nobody = walking(np.full((1, 1, 2), (160.0, 200.0)), present=np.zeros((1, 1), bool))
    changed = (scene.render(0) != nobody.render(0)).any(axis=2)
    rows, columns = np.nonzero(changed)
    left, top, right, bottom = scene.boxes(0)[0]
    assert left <= columns.min() <= columns.max() <= right
    assert top <= rows.min() <= rows.max() <= bottom
    x, y = np.rint(scene.xy[0, 0]).astype(int).T
    assert changed[y, x].mean() > 0.9
    assert len(nobody.truth(0)[0]) == 0


def test_those_who_left_are_not_in_the_truth_and_ids_stay() -> None:
    scene = leaving()
    truth = [scene.truth(frame)[1].tolist() for frame in range(len(scene))]
    assert truth[0] == [1, 2]
    assert truth[-1] == [1, 3]
    for frame, ids in enumerate(truth):
        assert len(scene.truth(frame)[0]) == len(ids)


def test_a_pan_moves_the_whole_picture() -> None:
    pan = np.array([[0.0, 0], [10, 0]])
    empty = np.zeros((2, 1), bool)
    scene = walking(np.full((2, 1, 2), 100.0), pan=pan, present=empty)
    first, second = scene.render(0)[1:], scene.render(1)[1:]
    np.testing.assert_array_equal(first[:, 10:], second[:, :-10])


def test_the_detector_makes_the_same_mistakes_in_whatever_order_it_is_asked() -> None:
    scene = camera_pan(frames=12)
    faults = {"miss": 0.4, "false": 1.0, "jitter": 0.05}
    forward = [SceneDetector(scene, seed=4, **faults)(image) for image in scene]
    one = SceneDetector(scene, seed=4, **faults)
    for frame in (11, 3, 0, 3):
        np.testing.assert_array_equal(one(scene.render(frame)).xyxy, forward[frame].xyxy)
    other = [SceneDetector(scene, seed=5, **faults)(image) for image in scene]
    assert [len(found) for found in other] != [len(found) for found in forward]


def test_mistakes_come_at_the_rates_asked() -> None:
    scene = camera_pan(frames=150, people=3)
    missing, inventing = SceneDetector(scene, miss=0.3), SceneDetector(scene, miss=1.0, false=2.0)
    counts = np.array([(len(missing(image)), len(inventing(image))) for image in scene])
    assert 0.63 < counts[:, 0].mean() / 3 < 0.77
    assert 1.6 < counts[:, 1].mean() < 2.4


def test_without_faults_the_detector_tells_the_truth() -> None:
    scene = crossing(frames=5)
    found = SceneDetector(scene)(scene.render(4))
    np.testing.assert_allclose(found.xyxy, scene.truth(4)[0].boxes.xyxy, rtol=1e-6)


def test_the_estimator_finds_who_fills_the_box_and_nobody_elsewhere() -> None:
    scene = crossing(frames=3)
    truth, _ = scene.truth(2)
    empty = [0.0, 0.0, 20.0, 30.0]
    boxes = Detections([truth.boxes.xyxy[1], empty, truth.boxes.xyxy[0]], [0.9, 0.5, 0.8])
    poses = SceneEstimator(scene)(scene.render(2), boxes)
    np.testing.assert_allclose(poses.xy[[0, 2]], truth.xy[[1, 0]])
    assert (poses.scores[[0, 2]] > 0.7).all()
    assert (poses.scores[1] < 0.2).all()
    assert iou_matrix(poses.boxes.xyxy, boxes.xyxy).argmax(axis=1).tolist() == [0, 1, 2]


def test_the_fakes_are_backends_and_leave_the_image_alone() -> None:
    scene = crossing(frames=2)
    estimator = SceneEstimator(scene, jitter=0.01)
    assert isinstance(estimator, PoseEstimator)
    image = scene.render(1)
    before = image.copy()
    poses = estimator(image, SceneDetector(scene, jitter=0.1)(image))
    again = estimator(image, poses.boxes)
    np.testing.assert_array_equal(poses.xy, again.xy)
    np.testing.assert_array_equal(image, before)
    assert len(estimator(image, Detections.empty())) == 0
