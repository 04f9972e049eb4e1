"""Detections, poses and tracks: what they check and what they keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack import COCO_17, Detections, Poses, Tracks
from posetrack.structures import concatenate_detections


def poses(count: int) -> Poses:
    rng = np.random.default_rng(count)
    return Poses.from_keypoints(rng.uniform(0, 100, (count, 17, 2)), None, COCO_17)


def test_xywh_given_for_xyxy_is_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match="were these xywh"):
        Detections([[100, 100, 20, 40]], [1.0])


@pytest.mark.parametrize(
    ("xyxy", "scores"),
    [
        ([[0, 0, 1, np.nan]], [1]),
        ([[0, 0, 1, 1]], [np.inf]),
        ([[0, 0, 1]], [1]),
        ([[0, 0, 1, 1]], [1, 2]),
        ([0, 0, 1, 1], [1]),
    ],
)
def test_boxes_that_make_no_sense_are_refused(xyxy: list, scores: list) -> None:
    with pytest.raises(ValueError, match=r"finite|shape"):
        Detections(xyxy, scores)


def test_nobody_has_the_right_shapes() -> None:
    assert Detections([], []).xyxy.shape == (0, 4)
    assert Poses.empty(COCO_17).scores.shape == (0, 17)
    assert len(list(Tracks.empty(COCO_17))) == 0
    assert len(concatenate_detections(Detections.empty(), Detections.empty())) == 0


def test_what_is_given_is_copied_and_cannot_be_changed_behind_its_owner() -> None:
    xyxy = np.array([[0, 0, 10, 10]], np.float32)
    boxes = Detections(xyxy, [1])
    xyxy[:] = 7
    assert boxes.xyxy[0, 2] == 10
    with pytest.raises(ValueError, match="read-only"):
        boxes.xyxy[0, 0] = 3


def test_a_half_unseen_keypoint_is_wholly_unseen_and_scores_nothing() -> None:
    xy = np.ones((1, 17, 2))
    xy[0, 3, 1] = np.nan
    pose = Poses(xy, np.ones((1, 17)), Detections([[0, 0, 2, 2]], [1]), COCO_17)
    assert np.isnan(pose.xy[0, 3]).all()
    assert pose.scores[0, 3] == 0


def test_a_pose_without_keypoints_has_a_box_of_no_size() -> None:
    pose = Poses.from_keypoints(np.full((1, 17, 2), np.nan), None, COCO_17)
    assert pose.boxes.xyxy.tolist() == [[0, 0, 0, 0]]
    assert pose.scores.sum() == 0


def test_the_skeleton_must_fit() -> None:
    with pytest.raises(ValueError, match=r"\(1, 17, 2\)"):
        Poses(np.ones((1, 15, 2)), np.ones((1, 15)), Detections([[0, 0, 1, 1]], [1]), COCO_17)


def test_an_id_twice_in_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Tracks(poses(2), [3, 3])


def test_one_integer_as_index_is_refused_since_it_would_drop_the_axis() -> None:
    with pytest.raises(TypeError, match=r"\[\[1\]\]"):
        poses(2)[1]  # type: ignore[index]


@given(st.lists(st.booleans(), max_size=6))
def test_a_mask_keeps_the_same_rows_of_everything(mask: list[bool]) -> None:
    tracks = Tracks(poses(len(mask)), np.arange(1, len(mask) + 1))
    kept = tracks[np.array(mask, bool)]
    rows = np.flatnonzero(mask)
    assert kept.ids.tolist() == (rows + 1).tolist()
    np.testing.assert_array_equal(kept.xy, tracks.xy[rows])
    assert [person.id for person in kept] == kept.ids.tolist()


def test_a_person_knows_keypoints_by_name() -> None:
    (person,) = Tracks(poses(1), [9], [3])
    index = COCO_17.index("left_wrist")
    assert person["left_wrist"] == (*map(float, person.xy[index]), 1.0)
    assert person.source == "flow"
    with pytest.raises(KeyError, match="left_wing"):
        person["left_wing"]
