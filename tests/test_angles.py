"""Angles of joints and segments against closed forms, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.ops.angles import (
    angle,
    angle_names,
    is_segment,
    joint_angle,
    segment_angle,
    unwrap,
)
from posetrack.skeletons import BODY_25, COCO_17, KNOWN_SKELETONS, MPII_16
from posetrack.trajectories import Trajectories

degrees = st.floats(-179, 179)
inner = st.floats(1, 179)


def turned(xy: np.ndarray, by: float) -> np.ndarray:
    """Places turned anticlockwise as seen, y down, by degrees."""
    c, s = np.cos(np.radians(by)), np.sin(np.radians(by))
    return xy @ np.array([[c, -s], [s, c]])


def pose(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 100, (17, 2))


@given(inner, degrees, st.floats(0.1, 50), st.floats(0.1, 50), st.tuples(degrees, degrees))
def test_a_joint_bent_by_so_much_has_that_angle(bend, turn, upper, lower, place) -> None:
    first = np.array([upper, 0.0])
    last = turned(np.array([lower, 0.0]), bend)
    points = turned(np.array([first, [0, 0], last]), turn) + place
    assert joint_angle(*points) == pytest.approx(bend, abs=1e-6)


@given(degrees, degrees, st.floats(0.1, 50))
def test_a_segment_turned_anticlockwise_as_seen_has_that_angle(turn, place, length) -> None:
    start = np.array([place, place])
    right = segment_angle(start, start + turned(np.array([length, 0.0]), turn))
    hanging = segment_angle(start, start + turned(np.array([0.0, length]), turn), zero=(0, 1))
    assert right == pytest.approx(turn, abs=1e-6)
    assert hanging == pytest.approx(turn, abs=1e-6)


@given(st.integers(0, 99), degrees, st.floats(0.1, 9), st.floats(-99, 99))
def test_joint_angles_know_neither_place_nor_size_nor_rotation(seed, turn, scale, shift) -> None:
    xy = pose(seed)
    moved = scale * turned(xy, turn) + shift
    for name in ("left_knee", "right_hip", "left_elbow", "right_shoulder"):
        before = angle(xy, COCO_17, name)
        assert angle(moved, COCO_17, name) == pytest.approx(before, abs=1e-5)


@given(st.integers(0, 99), st.floats(-40, 40))
def test_segment_angles_turn_with_the_person(seed, turn) -> None:
    xy = pose(seed)
    for name in ("left_thigh", "right_forearm", "trunk", "head"):
        change = angle(turned(xy, turn), COCO_17, name) - angle(xy, COCO_17, name)
        assert (change - turn + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 99))
def test_a_mirrored_person_has_left_and_right_exchanged(seed) -> None:
    xy = pose(seed)
    mirrored = (xy * (-1, 1))[COCO_17.mirror_order]
    for name in ("knee", "hip", "elbow", "shoulder"):
        assert angle(mirrored, COCO_17, f"left_{name}") == pytest.approx(
            angle(xy, COCO_17, f"right_{name}")
        )
    for left, right in (("left_thigh", "right_thigh"), ("trunk", "trunk")):
        assert angle(mirrored, COCO_17, left) == pytest.approx(-angle(xy, COCO_17, right))


def test_who_stands_with_hanging_arms_has_segments_at_0_and_joints_straight() -> None:
    xy = np.zeros((17, 2))
    at = {"shoulder": 40, "elbow": 60, "wrist": 80, "hip": 100, "knee": 150, "ankle": 200}
    for joint, y in at.items():
        for side, x in (("left", 20), ("right", 0)):
            xy[COCO_17.index(f"{side}_{joint}")] = (x, y)
    xy[0] = (10, 0)
    for name in angle_names(COCO_17):
        expected = 0 if is_segment(name) else 180
        expected = 0 if name.endswith("_shoulder") else expected  # the arm lies along the trunk
        assert abs(angle(xy, COCO_17, name)) == pytest.approx(expected), name
    assert angle(xy, COCO_17, "trunk", against="horizontal") == pytest.approx(90)
    assert angle(xy, COCO_17, "left_thigh", against="horizontal") == pytest.approx(-90)


def test_a_missing_keypoint_makes_its_angles_nan_and_no_others() -> None:
    xy = pose(0)
    xy[COCO_17.index("left_ankle")] = np.nan
    gone = {name for name in angle_names(COCO_17) if np.isnan(angle(xy, COCO_17, name))}
    assert gone == {"left_knee", "left_shank"}
    assert angle(xy, COCO_17, "knee") == angle(xy, COCO_17, "right_knee")


def test_two_keypoints_in_one_place_have_no_angle() -> None:
    assert np.isnan(joint_angle([1, 1], [1, 1], [2, 2]))
    assert np.isnan(segment_angle([1, 1], [1, 1]))


def test_a_limb_that_goes_round_does_not_jump() -> None:
    true = np.linspace(0, 900, 200)
    wrapped = (true + 180) % 360 - 180
    wrapped[[50, 51, 120]] = np.nan
    found = unwrap(wrapped)
    known = np.isfinite(found)
    assert known.sum() == 197
    np.testing.assert_allclose(found[known], true[known], atol=1e-9)


def test_feet_give_an_ankle_angle_where_the_skeleton_has_them() -> None:
    assert "left_ankle" in angle_names(BODY_25)
    assert "left_ankle" not in angle_names(COCO_17)
    assert all("left_knee" in angle_names(known) for known in KNOWN_SKELETONS.values())
    assert "head" not in angle_names(MPII_16)


def test_unknown_angles_are_refused_by_name() -> None:
    with pytest.raises(KeyError, match=r"no angle 'left_tail'.*left_knee"):
        angle(pose(0), COCO_17, "left_tail")
    with pytest.raises(KeyError, match="no keypoint 'tail'"):
        angle(pose(0), COCO_17, "nose-tail-left_hip")
    assert np.isfinite(angle(pose(0), COCO_17, "nose-left_hip-left_knee"))


def test_a_persons_angle_is_a_series_and_of_several_is_refused() -> None:
    xy = np.stack([np.stack([pose(t), pose(t + 50)]) for t in range(5)])
    tr = Trajectories(range(5), np.arange(5) / 25, [3, 7], xy, np.ones((5, 2, 17)), COCO_17)
    np.testing.assert_allclose(
        tr.person(7).angle("left_knee"),
        angle(tr.xy[:, 1], COCO_17, "left_knee"),
    )
    with pytest.raises(ValueError, match=r"of one person, here are 2: take person\(id\)"):
        tr.angle("left_knee")
