"""Repetitions of made exercises: exact counts, times, depth; and what is not one."""

from __future__ import annotations

import numpy as np
import pytest
from analysis_made import body, of_people, of_scene

from posetrack.analysis import EXERCISES, Exercise, find_repetitions
from posetrack.skeletons import COCO_17
from posetrack.trajectories import Trajectories
from posetrack.world import crossing, jumping_jacks, motion, squats


def complete(found: list, person: int) -> list:
    return [one for one in found if one.person == person and one.outcome == "complete"]


@pytest.mark.parametrize("noise", [0.0, 2.0, 4.0])
@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize(
    ("scene_of", "exercise", "limit"),
    [(squats, "squat", 0.3), (jumping_jacks, "jumping-jack", 0.2)],
)
def test_every_repetition_of_a_scene_is_counted_at_its_time(
    scene_of, exercise, limit, seed, noise
) -> None:
    scene = scene_of(people=3, frames=200, seed=seed)
    found = find_repetitions(of_scene(scene, noise=noise), exercise)
    assert all(one.outcome == "complete" for one in found)
    for person in (1, 2, 3):
        true = [event for event in scene.events if event.person == person]
        mine = complete(found, person)
        assert [one.number for one in mine] == list(range(1, len(true) + 1))
        for one, event in zip(mine, true, strict=True):
            assert one.start == pytest.approx(event.start, abs=limit)
            assert one.turn == pytest.approx((event.start + event.end) / 2, abs=limit)
            assert one.end == pytest.approx(event.end, abs=limit)
            assert one.duration > 0


@pytest.mark.parametrize("heading", [0.0, -0.8, -1.57])
def test_push_ups_are_counted_from_the_side_and_from_the_front(heading) -> None:
    who = body()
    tr = of_people([(who, motion.push_ups(who, (0, 0), heading, period=2))], frames=160, noise=2)
    found = find_repetitions(tr, "push-up")
    assert [one.outcome for one in found] == ["complete"] * 3 + ["cut off"] * (len(found) - 3)
    assert [round(one.turn) for one in found[:3]] == [1, 3, 5]
    assert complete(find_repetitions(tr, "jumping-jack"), 1) == []


def test_a_squat_half_way_down_is_partial_and_a_dip_is_nothing() -> None:
    who = body()
    for depth, outcomes in ((1.0, {"complete"}), (0.55, {"partial"}), (0.25, set())):
        moving = motion.squats(who, (0, 0), -1.0, depth=depth)
        found = find_repetitions(of_people([(who, moving)], frames=160, noise=1), "squat")
        assert {one.outcome for one in found} == outcomes
        assert all(one.number == 0 for one in found if one.outcome != "complete")


def test_who_walks_waves_or_stands_does_no_exercise() -> None:
    who = body()
    still = of_people(
        [(who, motion.standing(who, (0, 0))), (who, motion.gesturing(who, (2, 0), -1.5))],
        frames=150,
        noise=2,
    )
    for tr in (of_scene(crossing(people=3, frames=200), noise=2), still):
        assert [one for name in EXERCISES for one in find_repetitions(tr, name)] == []


def test_an_exercise_cut_off_by_the_end_or_a_long_gap_is_not_counted() -> None:
    who = body()
    whole = of_people([(who, motion.squats(who, (0, 0), -1.0, period=2))], frames=200)
    begun = whole.select(seconds=(0, 5.0))  # the third has just got down
    assert [one.outcome for one in find_repetitions(begun, "squat")] == [
        "complete", "complete", "cut off",
    ]  # fmt: skip
    xy = whole.xy.copy()
    xy[68:85] = np.nan  # most of the second, longer than max_gap
    lost = Trajectories(
        whole.frame, whole.seconds, whole.ids, xy, whole.scores, COCO_17, metadata=whole.metadata
    )
    outcomes = [one.outcome for one in find_repetitions(lost, "squat")]
    assert outcomes.count("complete") == 3
    xy = whole.xy.copy()
    xy[70:76] = np.nan
    short = Trajectories(whole.frame, whole.seconds, whole.ids, xy, whole.scores, COCO_17)
    assert len(complete(find_repetitions(short, "squat"), 1)) == 4


def test_jitter_about_a_threshold_adds_no_repetition() -> None:
    t = np.arange(400) / 25
    slow = 180 - 100 * (0.5 - 0.5 * np.cos(2 * np.pi * t / 8))  # crosses each level slowly
    rng = np.random.default_rng(0)
    noisy = Exercise("curl", lambda tr: (slow + rng.normal(0, 8, 400))[:, None], 150, 100)
    tr = Trajectories(range(400), t, [1], np.zeros((400, 1, 17, 2)), np.ones((400, 1, 17)), COCO_17)
    found = find_repetitions(tr, noisy)
    assert [one.outcome for one in found] == ["complete", "complete"]
    assert [one.depth for one in found] == pytest.approx([80, 80], abs=8)


def test_the_counting_goes_by_seconds_and_not_by_frames() -> None:
    who = body()
    moving = motion.squats(who, (0, 0), -1.0, period=2)
    for rate in (10.0, 60.0):
        tr = of_people([(who, moving)], frames=int(6.2 * rate), rate=rate)
        assert [round(one.turn, 1) for one in find_repetitions(tr, "squat")] == [1, 3, 5]


def test_unknown_exercises_measures_and_levels_are_refused() -> None:
    tr = of_scene(squats(people=1, frames=5))
    with pytest.raises(KeyError, match="no exercise 'plank'; there are squat"):
        find_repetitions(tr, "plank")
    with pytest.raises(KeyError, match=r"no angle 'tail'.*measures are hip_height"):
        find_repetitions(tr, Exercise("wag", "tail", 1, 2))
    with pytest.raises(ValueError, match="two different numbers"):
        Exercise("nothing", "elbow", 90, 90)
