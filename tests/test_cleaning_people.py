"""Left and right, tracklets of one person, whom to keep, and cleaning while a video runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from cleaning_made import RATE, error, idf1, jittered, of_keypoints, swapped, walkers
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack import COCO_17, Poses, Tracks, Trajectories
from posetrack.cleaning import (
    OnlineCleaner,
    TorsoColours,
    at_click,
    collect_colours,
    drop_short,
    fill_gaps,
    gate_scores,
    in_box,
    join_tracklets,
    keep,
    largest,
    longest,
    mend_swaps,
    most_central,
    most_moving,
    one_euro,
    select_person,
    torso_histogram,
    undo,
    with_id,
)
from posetrack.skeletons import Skeleton
from posetrack.testing import walking
from posetrack.trajectories import NOBODY, Origin
from posetrack.video import Frame

BODY = ["eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
SPANS = {
    "body, one frame": [(40, 41, BODY)],
    "body, half a second": [(40, 55, BODY)],
    "legs": [(30, 36, ["hip", "knee", "ankle"]), (90, 92, ["hip", "knee", "ankle"])],
    "arms and, later, legs": [(30, 40, ["shoulder", "elbow", "wrist"]), (60, 66, BODY[5:])],
    "one pair": [(50, 53, ["wrist"]), (100, 104, ["ankle"])],
    "from the start": [(0, 8, BODY)],
}


def is_swapped(made: Trajectories) -> np.ndarray:
    return (made.origin & int(Origin.SWAPPED)) > 0


@pytest.mark.parametrize("spans", SPANS.values(), ids=SPANS)
def test_exchanged_sides_are_mended_and_exactly_they_are_flagged(
    spans: list[tuple[int, int, list[str]]],
) -> None:
    truth = walkers()
    raw = swapped(truth, spans)
    made = mend_swaps(raw)
    # Sides that are nearer than the limit may stay as they are; all others are as they were.
    wrong = (raw.xy != truth.xy).any(axis=-1)
    order = truth.skeleton.mirror_order
    apart = np.linalg.norm(truth.xy - truth.xy[:, :, order], axis=-1) > 20
    np.testing.assert_array_equal(made.xy[apart], truth.xy[apart])
    assert (is_swapped(made) == wrong)[apart].all()
    assert error(made, truth) < 0.2 * error(raw, truth)


@pytest.mark.parametrize("sigma", [0.0, 2.0, 4.0])
def test_sides_that_are_right_stay(sigma: float) -> None:
    made = mend_swaps(jittered(walkers(300, 3), sigma))
    assert is_swapped(made).mean() < 0.002


def test_exchanged_sides_are_mended_in_jitter() -> None:
    truth = walkers()
    spans = [(30, 42, BODY), (70, 74, ["hip", "knee", "ankle"]), (100, 101, ["shoulder"])]
    raw = jittered(swapped(truth, spans), 2.0)
    assert error(mend_swaps(raw), truth) < 0.5 * error(raw, truth)


def test_scores_go_with_their_keypoints() -> None:
    truth = walkers(60, 1)
    truth = replace(truth, scores=np.where(np.arange(17) % 2, 0.9, 0.6) + np.zeros((60, 1, 17)))
    made = mend_swaps(swapped(truth, [(20, 24, BODY)]))
    np.testing.assert_array_equal(made.scores, truth.scores)


def test_a_skeleton_without_mirrored_pairs_has_nothing_to_mend() -> None:
    dot = Skeleton("dot", ("nose",), (), (), (0.1,))
    made = Trajectories(
        range(5), np.arange(5) / 25, [1], np.ones((5, 1, 1, 2)), np.ones((5, 1, 1)), dot
    )
    assert mend_swaps(made) is made


def occluded(*, gap: tuple[int, int] = (60, 85), sigma: float = 1.0) -> tuple:
    """Two walkers who vanish for a while and come back with new ids; truth and what was tracked."""
    truth = walkers(180, 2)
    noisy = jittered(truth, sigma)
    xy = np.full((180, 4, 17, 2), np.nan, np.float32)
    xy[: gap[0], :2], xy[gap[1] :, 2:] = noisy.xy[: gap[0]], noisy.xy[gap[1] :, ::-1]
    return truth, of_keypoints(xy)


def test_joining_across_a_full_occlusion_raises_idf1() -> None:
    truth, tracked = occluded()
    made = join_tracklets(tracked, max_gap=2.0)
    assert made.ids.tolist() == [1, 2]
    before, after = idf1(truth, tracked), idf1(truth, made)
    assert before < 0.7
    assert after > 0.9
    assert idf1(truth, fill_gaps(made, 1.0)) > 0.98


def test_joining_is_undone_and_tells_the_ids_there_were() -> None:
    _, tracked = occluded()
    made = join_tracklets(tracked)
    assert made.raw is not None
    assert made.raw.ids[[0, 70, 100], 0].tolist() == [1, NOBODY, 4]
    again = undo(made)
    order = np.argsort(again.ids)
    assert again.ids[order].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(again.xy[:, order], tracked.xy)
    np.testing.assert_array_equal(again.boxes[:, order], tracked.boxes)


def test_tracklets_beyond_the_limit_or_elsewhere_are_not_joined() -> None:
    _, tracked = occluded()
    assert join_tracklets(tracked, max_gap=0.5) is tracked
    xy = tracked.xy.copy()
    xy[85:] += (0, 3000)
    assert join_tracklets(of_keypoints(xy)).ids.tolist() == [1, 2, 3, 4]
    grown = tracked.xy.copy()
    grown[85:] = grown[85:].mean(axis=2, keepdims=True) * -1 + 2 * grown[85:]
    assert join_tracklets(of_keypoints(grown)).ids.tolist() == [1, 2, 3, 4]


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_joining_keeps_every_measurement_and_joins_none_that_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    xy = walkers(60, 1).xy + np.zeros((60, 6, 17, 2)) + rng.normal(0, 1, (60, 6, 17, 2))
    for who in range(6):
        start = int(rng.integers(0, 50))
        gone = np.ones(60, bool)
        gone[start : start + int(rng.integers(1, 25))] = False
        xy[gone, who] = np.nan
    tracked = of_keypoints(xy)
    made = join_tracklets(tracked)
    assert np.isfinite(made.xy).sum() == np.isfinite(tracked.xy).sum()
    assert (made.present.sum(axis=1) == tracked.present.sum(axis=1)).all()
    assert set(made.ids.tolist()) <= set(tracked.ids.tolist())


def test_colours_tell_two_people_apart_who_come_back_in_each_others_place() -> None:
    still = np.zeros((40, 2, 2)) + np.array([[120, 200], [200, 200]])
    still[20:] = still[20:, ::-1]
    scene = walking(still, height=150.0, seed=4)
    xy = np.full((40, 4, 17, 2), np.nan)
    xy[:15, :2], xy[25:, 2:] = scene.xy[:15], scene.xy[25:]
    tracked = of_keypoints(xy)
    frames = [Frame(scene.render(t), t, t / RATE) for t in range(40)]
    colours = collect_colours(frames, tracked)
    assert sorted(colours) == [1, 2, 3, 4]
    blind, seeing = join_tracklets(tracked), join_tracklets(tracked, colours=colours)
    assert blind.raw is not None
    assert seeing.raw is not None
    assert blind.raw.ids[30].tolist() == [4, 3]  # who stands nearest
    assert seeing.raw.ids[30].tolist() == [3, 4]  # who wears the same


def test_a_torso_that_is_not_seen_has_no_colours() -> None:
    scene = walking(np.array([[[120.0, 200.0]]]))
    image, xy = scene.render(0), scene.xy[0, 0].copy()
    assert torso_histogram(image, xy + 5000, COCO_17) is None
    xy[5] = np.nan
    assert torso_histogram(image, xy, COCO_17) is None
    colours = TorsoColours()
    colours.update(image, Tracks(Poses.from_keypoints(xy[None], None, COCO_17), [3]), 0.0)
    assert colours.histograms() == {}


def crowd() -> Trajectories:
    """1 is there throughout; 2 is near and brief; 3 is in the middle; 4 jumps up and down."""
    body = np.random.default_rng(0).uniform(0, 1, (17, 2)) * (40, 100)
    body[0], body[1] = 0, (40, 100)
    xy = np.zeros((90, 4, 17, 2)) + body
    xy[:, 0] += (0, 0)
    xy[:, 1] = xy[:, 1] * 3 + (800, 0)
    xy[:, 2] += (480, 200)
    xy[:, 3] += (100, 300)
    xy[:, 3, :, 1] += 60 * np.sin(np.arange(90) / 30 * 2 * np.pi)[:, None]
    xy[:45, 1], xy[80:, 2], xy[80:, 3] = np.nan, np.nan, np.nan
    return of_keypoints(xy, metadata={"image_size": [1000, 500]})


RANKED: list[tuple[Callable, int]] = [
    (largest, 2),
    (longest, 1),
    (most_central, 3),
    (most_moving, 4),
    (with_id(3), 3),
    (in_box([790, 0, 900, 310], 2.0), 2),
    (at_click(500, 250, 1.0), 3),
]


@pytest.mark.parametrize(("how", "who"), RANKED)
def test_the_person_meant_is_chosen(how: Callable, who: int) -> None:
    assert select_person(crowd(), how).ids.tolist() == [who]


def test_a_joined_persons_old_id_still_finds_them() -> None:
    _, tracked = occluded()
    assert select_person(join_tracklets(tracked), with_id(4)).ids.tolist() == [1]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (with_id(9), "nobody has the id 9"),
        (at_click(500, 20, 1.0), r"nobody is at the place 500, 20 at 1\.00 s; there are id 1"),
        (in_box([0, 0, 5, 5], 2.0), "nobody is at the box"),
        (at_click(500, 250, 99.0), "nobody is in the picture"),
    ],
)
def test_who_is_not_there_is_told(how: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select_person(crowd(), how)


def test_limits_of_length_and_number() -> None:
    assert drop_short(crowd(), 2.0).ids.tolist() == [1, 3, 4]
    assert keep(crowd(), 2, by=largest).ids.tolist() == [1, 2]
    assert keep(crowd(), 9).ids.tolist() == [1, 2, 3, 4]
    nobody = of_keypoints(np.ones((3, 0, 17, 2)))
    assert select_person(nobody, largest).ids.tolist() == []
    with pytest.raises(ValueError, match="at least one"):
        keep(crowd(), 0)


def online(made: Trajectories, cleaner: OnlineCleaner) -> tuple[np.ndarray, np.ndarray]:
    """A trajectory frame by frame; (T, N, K, 2) and origins."""
    xy, origin = np.full_like(made.xy, np.nan), np.zeros_like(made.origin)
    rows = {int(who): row for row, who in enumerate(made.ids)}
    for t, (_, seconds, tracks) in enumerate(made.to_table().frames()):
        cleaned, flags = cleaner.update(tracks, seconds)
        order = [rows[int(who)] for who in cleaned.ids]
        xy[t, order], origin[t, order] = cleaned.xy, flags
    return xy, origin


def test_online_smoothing_is_the_one_euro_filter() -> None:
    raw = jittered(walkers(90, 2))
    boxes = np.broadcast_to([0.0, 0, 90, 90], (90, 2, 4))  # of one size throughout
    raw = replace(raw, boxes=boxes)
    xy, _ = online(raw, OnlineCleaner())
    np.testing.assert_allclose(xy, one_euro(raw).xy, atol=0.01)


def test_online_gates_holds_for_the_limit_and_no_longer() -> None:
    truth = walkers(60, 1)
    scores = np.ones((60, 1, 17))
    scores[20:40, 0, 9] = 0.1
    raw = replace(truth, scores=scores)
    xy, origin = online(raw, OnlineCleaner(max_gap=0.2, smooth=False))
    held = np.arange(20, 20 + 5)  # a fifth of a second after frame 19 is frame 25
    assert np.isfinite(xy[:25, 0, 9]).all()
    assert (xy[held, 0, 9] == truth.xy[19, 0, 9]).all()
    assert np.isfinite(xy[25, 0, 9]).all()
    assert np.isnan(xy[26:40, 0, 9]).all()
    assert (origin[20:26, 0, 9] == Origin.REJECTED | Origin.FILLED).all()
    assert (origin[26:40, 0, 9] == Origin.REJECTED).all()
    gated = gate_scores(raw, 0.2)
    np.testing.assert_array_equal(xy[40:], gated.xy[40:])


def test_online_cleaners_do_not_share_and_reset_is_as_new() -> None:
    raw = jittered(walkers(40, 1))
    one, other = OnlineCleaner(), OnlineCleaner()
    first, _ = online(raw, one)
    one.reset()
    again, _ = online(raw, one)
    alone, _ = online(raw, other)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, alone)
    tracks = Tracks(Poses.empty(COCO_17), [])
    assert len(other.update(tracks, 99.0)[0]) == 0


def test_online_time_must_grow() -> None:
    tracks = Tracks(Poses.from_keypoints(np.ones((1, 17, 2)), None, COCO_17), [1])
    cleaner = OnlineCleaner()
    cleaner.update(tracks, 1.0)
    with pytest.raises(ValueError, match="time must grow"):
        cleaner.update(tracks, 1.0)
