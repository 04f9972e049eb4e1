"""Series over time, measures of the body, steps, symmetry, metres: against what is known."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_made import CAMERA, body, of_people, of_scene
from hypothesis import given
from hypothesis import strategies as st

from posetrack import analysis
from posetrack.skeletons import COCO_17
from posetrack.trajectories import Trajectories
from posetrack.world import motion, squats


def uneven(count: int, seed: int = 0) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).uniform(0.02, 0.06, count))


@given(st.integers(0, 99), st.floats(-9, 9), st.floats(-9, 9), st.floats(-9, 9))
def test_a_parabola_has_its_true_slope_at_uneven_times(seed, a, b, c) -> None:
    t = uneven(30, seed)
    found = analysis.rate_of_change(a + b * t + c * t**2, t)
    np.testing.assert_allclose(found[1:-1], (b + 2 * c * t)[1:-1], atol=1e-6)


@given(st.floats(-9, 9))
def test_a_line_has_its_slope_in_any_window_and_across_missing_values(slope) -> None:
    t = uneven(40)
    values = slope * t
    values[[7, 8, 20]] = np.nan
    found = analysis.rate_of_change(values, t, window=0.3)
    known = np.isfinite(values)
    np.testing.assert_allclose(found[known], slope, atol=1e-6)
    assert np.isnan(found[~known]).all()


def test_a_window_makes_the_slope_of_noise_smaller() -> None:
    t = np.arange(500) / 25
    noisy = np.random.default_rng(0).normal(0, 1, 500)
    rough, smooth = (analysis.rate_of_change(noisy, t, window=w).std() for w in (None, 0.4))
    assert smooth < 0.2 * rough


def test_frames_far_apart_tell_no_velocity() -> None:
    found = analysis.rate_of_change([0.0, 1.0, 2.0, 9.0], [0.0, 0.1, 0.2, 5.0])
    assert np.isfinite(found[:3]).all()
    assert np.isnan(found[3])


def test_an_arm_that_goes_round_has_its_angular_velocity_through_the_wrap() -> None:
    t = np.arange(100) / 25
    xy = np.zeros((100, 1, 17, 2))
    turn = np.radians(200 * t)
    elbow = COCO_17.index("left_elbow")
    xy[:, 0, elbow, 0], xy[:, 0, elbow, 1] = 9 * np.sin(turn), 9 * np.cos(turn)
    tr = Trajectories(range(100), t, [1], xy, np.ones((100, 1, 17)), COCO_17)
    found = analysis.angular_velocity(tr, "left_upper_arm")
    np.testing.assert_allclose(found[:, 0], 200, rtol=1e-4)


def test_distances_within_and_between_people() -> None:
    xy = np.random.default_rng(0).uniform(0, 99, (4, 2, 17, 2)).astype(np.float32)
    xy[2, 1, 9] = np.nan
    tr = Trajectories(range(4), np.arange(4) / 25, [3, 7], xy, np.ones((4, 2, 17)), COCO_17)
    own = analysis.distance(tr, "left_wrist", "nose")
    np.testing.assert_allclose(own, np.linalg.norm(xy[:, :, 9] - xy[:, :, 0], axis=-1), rtol=1e-6)
    assert np.isnan(own[2, 1])
    two = analysis.distance_between(tr, (3, "left_wrist"), (7, "right_knee"))
    np.testing.assert_allclose(two, np.linalg.norm(xy[:, 0, 9] - xy[:, 1, 14], axis=-1), rtol=1e-6)


@pytest.mark.parametrize("heading", [0.0, -0.8, -1.57])
def test_a_body_is_as_tall_in_a_squat_as_standing_from_any_side(heading) -> None:
    who = body()
    tr = of_people([(who, motion.squats(who, (0, 0), heading))], frames=100)
    foot, _ = CAMERA.project([[0, 0, 0], [0, 0, who.height]])
    true = foot[0, 1] - foot[1, 1]
    assert analysis.body_height(tr)[:, 0] == pytest.approx(np.full(100, true), rel=0.09)


def test_postures_have_their_uprightness_from_any_side() -> None:
    who = body()
    for heading in (0.0, -1.57, 1.57):
        stands = of_people([(who, motion.standing(who, (0, 0), heading))], frames=10)
        falls = of_people([(who, motion.falling(who, (0, 0), heading, begin=1))], frames=24, rate=8)
        bends = of_people([(who, motion.bending(who, (0, 0), heading))], frames=24, rate=8)
        assert analysis.uprightness(stands).min() > 0.75
        assert analysis.uprightness(falls)[18:].max() < 0.38
        assert analysis.uprightness(bends).min() > 0.42


@pytest.mark.parametrize("speed", [0.9, 1.2, 1.5])
@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_steps_a_minute_are_those_of_the_walk(speed, noise) -> None:
    who = body()
    walk = motion.walking(who, [(-4, 0), (6, 0)], speed=speed)
    tr = of_people([(who, walk)], frames=150, noise=noise)
    assert analysis.cadence(tr)[0] == pytest.approx(60 * speed / walk.step, rel=0.04)


def test_who_stands_or_squats_takes_no_steps() -> None:
    who = body()
    people = [(who, motion.standing(who, (0, 0))), (who, motion.squats(who, (2, 0)))]
    assert np.isnan(analysis.cadence(of_people(people, frames=120, noise=2))).all()


def test_knees_take_turns_in_walking_and_go_together_in_a_squat_from_the_side() -> None:
    who = body()
    walk = motion.walking(who, [(-4, 0), (6, 0)], speed=1.2)
    walks = analysis.symmetry(of_people([(who, walk)], frames=150), "knee")
    assert walks.phase == pytest.approx(0.5, abs=0.05)
    assert abs(walks.index) < 15
    down = of_people([(who, motion.squats(who, (0, 0), 0.0))], frames=200)
    together = analysis.symmetry(down, "knee")
    assert together.lag == pytest.approx(0, abs=0.05)
    assert abs(together.index) < 15


def test_symmetry_is_of_one_person() -> None:
    with pytest.raises(ValueError, match="one person, here are 2"):
        analysis.symmetry(of_scene(squats(people=2, frames=5)), "knee")


@given(st.integers(0, 999), st.integers(4, 12))
def test_a_floor_takes_points_of_a_camera_to_their_places(seed, count) -> None:
    rng = np.random.default_rng(seed)
    corners = np.array([[-3, -2], [3, -2], [3, 3], [-3, 3]], float)
    places = np.concatenate([corners, rng.uniform(-3, 3, (count - 4, 2))])
    pixels, _ = CAMERA.project(np.column_stack([places, np.zeros(count)]))
    floor = analysis.Floor.from_points(pixels, places)
    anywhere = rng.uniform(-3, 3, (5, 2))
    seen, _ = CAMERA.project(np.column_stack([anywhere, np.zeros(5)]))
    np.testing.assert_allclose(floor.to_metres(seen), anywhere, atol=1e-6)
    np.testing.assert_allclose(floor.to_pixels(anywhere), seen, atol=1e-4)
    assert floor.error < 1e-6


@pytest.mark.parametrize(
    ("pixels", "metres", "message"),
    [
        ([[0, 0], [1, 0], [1, 1]], [[0, 0], [1, 0], [1, 1]], "at least 4"),
        ([[0, 0], [1, 0], [2, 0], [3, 0]], [[0, 0], [1, 0], [2, 0], [3, 0]], "line"),
        ([[0, 0], [1, 0], [1, 1], [0, np.inf]], [[0, 0], [1, 0], [1, 1], [0, 1]], "finite"),
        ([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 0], [1, 0], [1, 1]], "as many"),
    ],
)
def test_points_that_fix_no_floor_are_refused(pixels, metres, message) -> None:
    with pytest.raises(ValueError, match=message):
        analysis.Floor.from_points(pixels, metres)


def test_a_walk_has_its_speed_and_places_in_metres() -> None:
    who = body()
    walk = motion.walking(who, [(-2, 0.5), (9, 0.5)], speed=1.2)
    tr = of_people([(who, walk)], frames=80)
    places = np.array([[-3, -2], [3, -2], [3, 3], [-3, 3]], float)
    pixels, _ = CAMERA.project(np.column_stack([places, np.zeros(4)]))
    floor = analysis.Floor.from_points(pixels, places)
    true = np.array([walk(t).root[:2] for t in tr.seconds])
    off = np.linalg.norm(analysis.floor_places(tr, floor)[:, 0] - true, axis=1)
    assert off.max() < 0.35
    assert np.median(analysis.floor_speed(tr, floor)) == pytest.approx(1.2, rel=0.06)


def test_a_known_height_gives_the_length_of_a_pixel() -> None:
    who = body()
    tr = of_people([(who, motion.standing(who, (0, 0), -1.57))], frames=20)
    true = 6.0 / CAMERA.focal  # six metres from the camera
    assert analysis.metres_per_pixel(tr, who.height) == pytest.approx(true, rel=0.06)


def test_nobody_and_nothing_seen_are_no_errors() -> None:
    nothing = np.full((6, 1, 17, 2), np.nan)
    t = np.arange(6) / 25
    unseen = Trajectories(range(6), t, [1], nothing, np.zeros((6, 1, 17)), COCO_17)
    nobody = Trajectories(range(6), t, [], nothing[:, :0], np.zeros((6, 0, 17)), COCO_17)
    for tr in (unseen, nobody):
        count = len(tr.ids)
        assert np.isnan(analysis.uprightness(tr)).all()
        assert analysis.cadence(tr).shape == (count,)
        assert analysis.find_repetitions(tr, "squat") == []
        assert analysis.reports(tr, exercises=["squat"]) == []
        assert analysis.angles_csv(tr).count("\n") == 1
