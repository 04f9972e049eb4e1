"""Points and poses moved by a flow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from posetrack.ops.motion import inside_image, move_poses, sample_field


class Shift:
    """A flow that moves everything alike, and loses what the mask says."""

    def __init__(self, by=(2.0, -1.0), lose=None):
        self.by, self.lose, self.asked = np.asarray(by, np.float32), lose, []

    def prepare(self, image):
        return image.shape

    def move(self, before, after, xy):
        self.asked.append(xy.copy())
        valid = np.ones(len(xy), bool) if self.lose is None else ~np.asarray(self.lose)
        return xy + self.by, valid


def test_a_pixel_reaches_half_a_pixel_around_its_centre():
    xy = np.array([[-0.5, -0.5], [9.5, 4.5], [-0.51, 0], [9.51, 0], [0, 4.51], [np.nan, 0]])
    assert inside_image(xy, (10, 5)).tolist() == [True, True, False, False, False, False]


def test_sampling_at_pixel_centres_gives_the_pixels():
    field = np.random.default_rng(0).normal(size=(4, 6, 2)).astype(np.float32)
    x, y = np.meshgrid(np.arange(6), np.arange(4))
    xy = np.column_stack([x.ravel(), y.ravel()])
    np.testing.assert_array_equal(sample_field(field, xy), field.reshape(-1, 2))


@given(
    arrays(np.float64, (5, 2), elements=st.floats(0, 1)),
    arrays(np.float64, 6, elements=st.floats(-3, 3)),
)
def test_sampling_a_linear_field_is_exact(places, coefficients):
    a, b, c, d, e, f = coefficients
    x, y = np.meshgrid(np.arange(8.0), np.arange(5.0))
    field = np.dstack([a + b * x + c * y, d + e * x + f * y])
    xy = places * (7, 4)
    expected = np.column_stack([a + xy @ (b, c), d + xy @ (e, f)])
    np.testing.assert_allclose(sample_field(field, xy), expected, atol=1e-4)


def test_sampling_outside_the_field_gives_nan_and_on_its_rim_the_nearest_value():
    field = np.arange(6.0).reshape(2, 3, 1)
    values = sample_field(field, [[-0.5, -0.5], [2.5, 1.5], [-0.6, 0], [0, 1.6], [np.nan, 0]])
    np.testing.assert_array_equal(values.ravel(), [0, 5, np.nan, np.nan, np.nan])


def test_a_field_of_one_pixel_can_be_sampled():
    assert sample_field(np.full((1, 1, 2), 7.0), [[0.2, -0.3]]).tolist() == [[7, 7]]


def test_sampling_at_no_points_gives_no_values():
    assert sample_field(np.zeros((3, 3, 2)), np.zeros((0, 2))).shape == (0, 2)


def test_poses_move_with_the_flow_and_unseen_keypoints_stay_unseen():
    poses = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    poses[1, 0] = np.nan
    moved = move_poses(Shift(), None, None, poses)
    np.testing.assert_array_equal(moved, poses + np.array([2, -1], np.float32))
    assert moved.dtype == np.float32


def test_the_flow_is_asked_once_and_never_for_unseen_keypoints():
    poses = np.ones((2, 3, 2))
    poses[0, 1, 0] = np.nan
    flow = Shift()
    move_poses(flow, None, None, poses)
    assert [len(asked) for asked in flow.asked] == [5]
    assert np.isfinite(flow.asked[0]).all()


@pytest.mark.parametrize("shape", [(0, 17, 2), (3, 0, 2), (0, 4, 17, 2)])
def test_without_keypoints_the_flow_is_not_asked(shape):
    flow = Shift()
    assert move_poses(flow, None, None, np.zeros(shape)).shape == shape
    assert flow.asked == []


def test_nobody_seen_means_the_flow_is_not_asked():
    flow = Shift()
    assert np.isnan(move_poses(flow, None, None, np.full((2, 5, 2), np.nan))).all()
    assert flow.asked == []


def test_a_lost_keypoint_is_nan_and_the_others_move():
    poses = np.zeros((1, 4, 2), np.float32)
    moved = move_poses(Shift(lose=[True, False, False, False]), None, None, poses)
    assert np.isnan(moved[0, 0]).all()
    np.testing.assert_array_equal(moved[0, 1:], np.tile([2, -1], (3, 1)))


def test_a_pose_with_too_few_followed_keypoints_is_lost_as_a_whole():
    poses = np.zeros((2, 5, 2), np.float32)
    lose = [True, True, True, True, False] + [False] * 5
    moved = move_poses(Shift(lose=lose), None, None, poses, min_followed=0.25)
    assert np.isnan(moved[0]).all()
    assert np.isfinite(moved[1]).all()
    kept = move_poses(Shift(lose=lose), None, None, poses, min_followed=0.2)
    assert np.isfinite(kept[0, 4]).all()


def test_the_share_counts_only_keypoints_that_were_seen():
    poses = np.full((1, 10, 2), np.nan)
    poses[0, 3] = 1
    assert np.isfinite(move_poses(Shift(), None, None, poses)[0, 3]).all()


def test_moving_changes_nothing_that_was_given():
    poses = np.random.default_rng(0).normal(size=(2, 3, 2)).astype(np.float32)
    poses[0, 0] = np.nan
    poses.flags.writeable = False
    before = poses.copy()
    move_poses(Shift(), None, None, poses)
    np.testing.assert_array_equal(poses, before)


def test_an_array_that_is_no_pose_is_refused():
    with pytest.raises(ValueError, match=r"\(\.\.\., K, 2\), got \(3, 3\)"):
        move_poses(Shift(), None, None, np.zeros((3, 3)))
