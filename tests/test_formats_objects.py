"""supervision, Ultralytics and MediaPipe: with the real libraries where they are installed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tracks_made import tracks

from posetrack import COCO_17, Poses, Tracks
from posetrack.formats.objects import (
    MEDIAPIPE_33,
    from_mediapipe,
    from_supervision,
    from_ultralytics,
    to_supervision,
    to_supervision_detections,
    to_ultralytics,
    tracks_from_supervision,
    tracks_from_ultralytics,
)


def people() -> Tracks:
    rng = np.random.default_rng(2)
    xy = rng.uniform(5, 300, (2, 17, 2)).astype(np.float32)
    xy[1, 3] = np.nan
    poses = Poses.from_keypoints(xy, rng.uniform(0.1, 1, (2, 17)), COCO_17)
    return Tracks(poses, [4, 70])


def assert_same(found: Tracks, wanted: Tracks) -> None:
    assert found.ids.tolist() == wanted.ids.tolist()
    np.testing.assert_array_equal(found.xy, wanted.xy)
    np.testing.assert_array_equal(found.scores, wanted.scores)
    np.testing.assert_array_equal(found.boxes.xyxy, wanted.boxes.xyxy)
    np.testing.assert_array_equal(found.boxes.scores, wanted.boxes.scores)


def test_supervision_takes_tracks_and_gives_them_back() -> None:
    pytest.importorskip("supervision", reason="needs supervision")
    made = people()
    points, boxes = to_supervision(made), to_supervision_detections(made)
    assert len(points) == len(boxes) == 2
    assert boxes.tracker_id.tolist() == [4, 70]
    assert_same(tracks_from_supervision(points, boxes), made)
    assert tracks_from_supervision(points).ids.tolist() == [4, 70]
    nobody = Tracks.empty(COCO_17)
    assert len(tracks_from_supervision(to_supervision(nobody))) == 0
    assert len(to_supervision_detections(nobody)) == 0


def test_supervision_draws_what_it_was_given() -> None:
    supervision = pytest.importorskip("supervision", reason="needs supervision")
    image = np.zeros((320, 320, 3), np.uint8)
    supervision.VertexAnnotator(radius=3).annotate(image, to_supervision(people()))
    assert image[:3, :3].max() == 0  # the keypoint that was not seen is not drawn in the corner
    assert image.max() > 0


def test_ultralytics_takes_tracks_and_gives_them_back() -> None:
    pytest.importorskip("ultralytics", reason="needs ultralytics")
    made = people()
    result = to_ultralytics(made, np.zeros((320, 320, 3), np.uint8))
    assert result.boxes.id.tolist() == [4, 70]
    assert_same(tracks_from_ultralytics(result), made)
    assert len(result.summary()) == 2
    nobody = to_ultralytics(Tracks.empty(COCO_17), np.zeros((9, 9, 3), np.uint8))
    assert len(tracks_from_ultralytics(nobody)) == 0


class OnDevice:
    """What a tensor on another device answers to."""

    def __init__(self, values: Any) -> None:
        self.values = np.array(values, np.float32)

    def detach(self) -> OnDevice:
        return self

    def cpu(self) -> OnDevice:
        return self

    def numpy(self) -> np.ndarray:
        return self.values


@given(made=tracks(COCO_17))
@settings(max_examples=20)
def test_a_result_whose_tensors_are_elsewhere_is_read(made: Tracks) -> None:
    boxes = SimpleNamespace(
        xyxy=OnDevice(made.boxes.xyxy), conf=OnDevice(made.boxes.scores), id=None
    )
    points = SimpleNamespace(xy=OnDevice(made.xy), conf=OnDevice(made.scores))
    found = from_ultralytics(SimpleNamespace(boxes=boxes, keypoints=points))
    nothing = (np.nan_to_num(made.xy) == 0).all(axis=-1) & (made.scores == 0)
    np.testing.assert_array_equal(found.xy, np.where(nothing[..., None], np.nan, made.xy))
    np.testing.assert_array_equal(found.boxes.xyxy, made.boxes.xyxy)


def test_what_has_no_identities_is_told_where_to_get_them() -> None:
    made = people()
    points = SimpleNamespace(xy=made.xy, keypoint_confidence=made.scores, data={})
    with pytest.raises(ValueError, match="tracker_id"):
        tracks_from_supervision(points)
    assert len(from_supervision(points)) == 2
    boxes = SimpleNamespace(xyxy=made.boxes.xyxy, conf=made.boxes.scores, id=None)
    keypoints = SimpleNamespace(xy=made.xy, conf=None)
    with pytest.raises(ValueError, match="no ids"):
        tracks_from_ultralytics(SimpleNamespace(boxes=boxes, keypoints=keypoints))
    with pytest.raises(ValueError, match="no keypoints"):
        from_ultralytics(SimpleNamespace(boxes=boxes, keypoints=None))


def test_what_is_marked_invisible_is_not_seen() -> None:
    made = people()
    visible = np.ones((2, 17), bool)
    visible[0, 5] = False
    points = SimpleNamespace(xy=made.xy, keypoint_confidence=made.scores, visible=visible)
    found = from_supervision(points)
    assert np.isnan(found.xy[0, 5]).all()
    assert found.scores[0, 5] == 0


def landmarks(count: int = 33, **more: float) -> list[SimpleNamespace]:
    return [SimpleNamespace(x=k / 64, y=0.5, z=0.1, **more) for k in range(count)]


def test_landmarks_are_fractions_of_the_image() -> None:
    found = from_mediapipe(SimpleNamespace(pose_landmarks=[landmarks(visibility=0.75)]), (640, 480))
    assert found.skeleton is MEDIAPIPE_33
    assert found.xy[0, 32].tolist() == [319.5, 239.5]
    assert (found.scores == 0.75).all()


def test_the_older_solution_gives_one_person_or_none() -> None:
    one = SimpleNamespace(pose_landmarks=SimpleNamespace(landmark=landmarks(visibility=1.0)))
    assert len(from_mediapipe(one, (640, 480))) == 1
    assert len(from_mediapipe(SimpleNamespace(pose_landmarks=None), (640, 480))) == 0


def test_landmarks_of_a_hand_are_refused() -> None:
    with pytest.raises(ValueError, match="33 landmarks"):
        from_mediapipe(SimpleNamespace(pose_landmarks=[landmarks(21)]), (640, 480))


def test_mediapipe_names_are_in_its_order() -> None:
    places = {0: "nose", 2: "left_eye", 8: "right_ear", 9: "left_mouth", 12: "right_shoulder"}
    places |= {17: "left_pinky", 22: "right_thumb", 24: "right_hip", 31: "left_foot_index"}
    assert {k: MEDIAPIPE_33.keypoints[k] for k in places} == places
    assert len(MEDIAPIPE_33.mirrored) == 16
