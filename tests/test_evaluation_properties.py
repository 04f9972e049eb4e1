"""What must hold for every scene, and the parts against other implementations."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from evaluation_made import people_apart, scenes, sequence
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from posetrack.evaluation import (
    FrameSimilarities,
    evaluate_poses,
    evaluate_posetrack,
    evaluate_posetrack21,
    evaluate_similarities,
)
from posetrack.evaluation.assignment import assign, assign_where_possible
from posetrack.evaluation.clear import identity_matches, tracking_counts
from posetrack.evaluation.event_log import FRAGMENT, SWITCH, events_of_distances
from posetrack.evaluation.posetrack import posetrack_pair
from posetrack.evaluation.regions import common_area, inside_any, region_iou, trapezoids
from posetrack.evaluation.sequences import SequencePair

FEW = settings(max_examples=25)


@FEW
@given(scenes())
def test_ground_truth_against_itself_is_perfect(scene: dict[str, Any]) -> None:
    same = sequence(**scene)
    result = evaluate_posetrack([same], [same])
    assert result.mot is not None
    np.testing.assert_allclose(result.ap.ap, 100)
    for values in (result.mot.mota, result.mot.precision, result.mot.recall):
        np.testing.assert_allclose(values, 100)
    hota = evaluate_posetrack21([same], [same])
    np.testing.assert_allclose(hota.ap.ap, 100)
    for name in ("hota", "det_a", "ass_a", "loc_a", "frag_a", "fa_hota"):
        np.testing.assert_allclose(getattr(hota.hota, name)[:, :-1], 1)
    # The association of the total is an average weighted by true positives, 1 as well.
    np.testing.assert_allclose(hota.hota.hota[:, -1], 1)


@FEW
@given(scenes())
def test_relabelled_ids_change_nothing(scene: dict[str, Any]) -> None:
    truth = sequence(**scene)
    rng = np.random.default_rng(int(scene["ids"].sum()))
    moved = {**scene, "xy": scene["xy"] + rng.normal(0, 6, scene["xy"].shape)}
    first = sequence(**moved)
    old = np.unique(scene["ids"])
    new = dict(zip(old.tolist(), rng.permutation(9999)[: len(old)].tolist(), strict=True))
    again = sequence(**{**moved, "ids": np.vectorize(new.get)(scene["ids"])})
    a, b = (evaluate_posetrack([truth], [p]) for p in (first, again))
    assert a.mot is not None
    assert b.mot is not None
    for name in ("mota", "motp", "precision", "recall"):
        np.testing.assert_array_equal(getattr(a.mot, name), getattr(b.mot, name))
    np.testing.assert_array_equal(a.ap.ap, b.ap.ap)
    x, y = (evaluate_posetrack21([truth], [p]) for p in (first, again))
    np.testing.assert_allclose(x.hota.hota, y.hota.hota, atol=1e-12)


@FEW
@given(st.integers(3, 9), st.integers(2, 4), st.integers(0, 1000), st.data())
def test_a_swap_of_two_people_is_one_switch_each(
    frames: int, people: int, seed: int, data: st.DataObject
) -> None:
    xy = people_apart(frames, people, seed)
    ids = np.tile(np.arange(people), (frames, 1))
    swapped = ids.copy()
    at = data.draw(st.integers(1, frames - 2))  # the last frame is left out
    swapped[at:, [0, 1]] = swapped[at:, [1, 0]]
    result = evaluate_posetrack([sequence(xy, ids)], [sequence(xy, swapped)])
    assert result.mot is not None
    assert result.events is not None
    assert result.mot.counts.switches.tolist() == [2] * 15
    switches = result.events.of(kinds=(SWITCH,))
    assert set(switches.frame.tolist()) == {at}
    assert set(zip(switches.truth.tolist(), switches.predicted.tolist(), strict=True)) == {
        (0, 1),
        (1, 0),
    }
    assert (switches.previous == switches.truth).all()
    objects = people * (frames - 1)
    np.testing.assert_allclose(result.mot.mota, 100 * (1 - 2 / objects))
    assert evaluate_poses([sequence(xy, ids)], [sequence(xy, swapped)]).switches[-1] == 2


def test_a_gap_is_a_fragmentation_where_it_begins() -> None:
    xy, ids = people_apart(6, 1, 0), np.zeros((6, 1), int)
    present = np.ones((6, 1), bool)
    present[2:4] = False
    other = np.ones((6, 2), bool)  # a second person keeps the frames from being empty
    other[:, :1] = present
    both = np.concatenate([xy, xy + 500], axis=1)
    two = np.concatenate([ids, ids + 1], axis=1)
    result = evaluate_posetrack([sequence(both, two)], [sequence(both, two, present=other)])
    assert result.events is not None
    gaps = result.events.of(keypoint="nose", kinds=(FRAGMENT,))
    assert (gaps.frame.tolist(), gaps.truth.tolist()) == ([2], [0])


def test_corrections_count_what_there_is() -> None:
    xy, ids = people_apart(4, 2, 0), np.tile([0, 1], (4, 1))
    present = np.ones((4, 2), bool)
    present[1] = False
    truth, predicted = sequence(xy, ids), sequence(xy, ids, present=present)
    official = evaluate_posetrack([truth], [predicted])
    corrected = evaluate_posetrack(
        [truth],
        [predicted],
        drop_last_frame=False,
        placeholder_frames=False,
        textbook_motp=True,
    )
    assert official.mot is not None
    assert corrected.mot is not None
    assert official.mot.counts.objects.tolist() == [5] * 15  # 2 + one placeholder + 2
    assert official.mot.counts.false_positives.tolist() == [1] * 15
    assert corrected.mot.counts.objects.tolist() == [8] * 15
    assert corrected.mot.counts.misses.tolist() == [2] * 15
    assert corrected.mot.counts.false_positives.tolist() == [0] * 15
    np.testing.assert_allclose(corrected.mot.motp, 100)
    kit = evaluate_posetrack21([truth], [predicted])
    per_frame = evaluate_posetrack21([truth], [predicted], per_frame_misses=True)
    assert kit.hota.fn[0, 0] == 8
    assert per_frame.hota.fn[0, 0] == 2


def costs(rng: np.random.Generator, ties: bool) -> np.ndarray:
    height, width = rng.integers(1, 7, 2)
    values = rng.random((height, width))
    return values.round(1) if ties else values


@pytest.mark.parametrize("ties", [False, True])
def test_assignment_is_scipys_ties_included(ties: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(400):
        cost = costs(rng, ties)
        rows, columns = linear_sum_assignment(cost)
        expected = np.full(len(cost), -1)
        expected[rows] = columns
        assert assign(cost).tolist() == expected.tolist()


def test_allowed_pairs_are_assigned_in_the_largest_number() -> None:
    nan = np.nan
    assert assign_where_possible(np.array([[0.0, 0.4], [0.1, nan]])).tolist() == [1, 0]
    assert assign_where_possible(np.array([[nan, nan], [nan, 0.2]])).tolist() == [-1, 1]
    assert assign_where_possible(np.full((2, 3), nan)).tolist() == [-1, -1]


def random_tracking(seed: int) -> FrameSimilarities:
    rng = np.random.default_rng(seed)
    true_ids, ids, matrices = [], [], []
    for _ in range(30):
        true_ids.append(rng.choice(5, rng.integers(0, 6), replace=False))
        ids.append(rng.choice(8, rng.integers(0, 6), replace=False))
        matrices.append(rng.random((len(true_ids[-1]), len(ids[-1]))))
    return FrameSimilarities("s", np.arange(30), tuple(true_ids), tuple(ids), tuple(matrices))


@pytest.mark.parametrize("seed", range(8))
def test_own_accounting_equals_motmetrics(seed: int) -> None:
    sequence = random_tracking(seed)
    official = evaluate_similarities([sequence])
    distances = sequence.distances(min_similarity=0.5)
    sides = list(sequence.true_ids), list(sequence.predicted_ids)
    rows, _, _ = events_of_distances(*sides, distances)
    ours = tracking_counts(
        rows,
        frames=30,
        predictions=sum(map(len, sides[1])),
        idtp=identity_matches(*sides, distances),
    )
    for name in (
        "mota", "motp", "precision", "recall", "idf1", "idp", "idr", "switches", "misses",
        "fragmentations", "false_positives", "matches", "objects", "predictions", "transfers",
        "ascends", "migrates", "unique_objects", "mostly_tracked", "partially_tracked",
        "mostly_lost", "idtp",
    ):  # fmt: skip
        assert getattr(ours, name) == pytest.approx(getattr(official, name)[-1]), name


def crowd(rng: np.random.Generator, frames: int, people: int, ids: int) -> Any:
    """People on a coarse grid, so that distances tie and lie exactly on the limit."""
    return sequence(
        rng.integers(1, 14, (frames, people, 17, 2)) * 5.0,
        np.stack([rng.choice(ids, people, replace=False) for _ in range(frames)]),
        seen=rng.random((frames, people, 17)) < 0.8,
        present=rng.random((frames, people)) < 0.8,
    )


def motmetrics_of(pair: SequencePair, keypoint: int) -> Any:
    """One keypoint's accumulator, fed as the official evaluator feeds it."""
    import motmetrics

    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    truth, other = pair.truth, pair.predicted
    for f in range(len(pair)):
        g = np.arange(truth.offsets[f], truth.offsets[f + 1])
        p = np.arange(other.offsets[f], other.offsets[f + 1])
        if not len(g) or not len(p):
            accumulator.update([0], [0], [[np.nan]])
            continue
        g, p = g[truth.has[g, keypoint]], p[other.has[p, keypoint]]
        away = truth.xy[g, keypoint][:, None] - other.xy[p, keypoint][None]
        distance = np.linalg.norm(away, axis=2) / truth.sizes[g][:, None]
        accumulator.update(truth.ids[g], other.ids[p], np.where(distance > 0.5, np.nan, distance))
    return accumulator


@pytest.mark.parametrize("seed", range(6))
def test_crowds_count_as_in_motmetrics(seed: int) -> None:
    import motmetrics

    rng = np.random.default_rng(seed)
    frames = int(rng.integers(4, 12))
    true = crowd(rng, frames, int(rng.integers(1, 6)), 9)
    other = crowd(rng, frames, int(rng.integers(1, 7)), 12)
    result = evaluate_posetrack([true], [other])
    pair = posetrack_pair(true, other)
    pair = pair.first(len(pair) - 1)
    assert result.mot is not None
    names = ("misses", "switches", "false_positives", "objects", "detections")
    for k in (0, 7, 14):
        with warnings.catch_warnings(), motmetrics.lap.set_default_solver("scipy"):
            warnings.simplefilter("ignore")
            accumulator = motmetrics_of(pair, k)
            official = motmetrics.metrics.create().compute(
                accumulator, metrics=[f"num_{name}" for name in names], return_dataframe=False
            )
            distance = accumulator.events["D"].sum()
        for name in names:
            assert getattr(result.mot.counts, name)[k] == official[f"num_{name}"], name
        assert result.mot.counts.distance[k] == pytest.approx(distance)


def test_evaluating_leaves_warnings_as_they_were() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        evaluate_similarities([random_tracking(0)])
        assert list(warnings.filters) == before


@FEW
@given(st.integers(3, 8), st.integers(0, 10**6))
def test_points_and_areas_of_polygons_agree(corners: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    outline = np.sort(rng.uniform(0, 2 * np.pi, corners))
    around = np.stack([np.cos(outline), np.sin(outline)], axis=1) * rng.uniform(3, 5, (corners, 1))
    polygon = around + 5  # star-shaped, so that it does not cross itself
    box = np.array([2.0, 3.0, 7.5, 8.0])
    grid = (np.arange(200) + 0.5) / 20
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    inside = inside_any(points, np.zeros(len(points), np.int64), [[polygon]])
    in_box = ((points > box[:2]) & (points < box[2:])).all(axis=1)
    cut = trapezoids(polygon)
    assert common_area(cut, box) == pytest.approx((inside & in_box).sum() / 400, abs=0.6)


def test_points_on_an_outline_are_not_inside() -> None:
    triangle = np.array([[0.1, 0.1], [10.1, 0.1], [5.1, 10.1]])
    points = np.array([[0.1, 0.1], [5.1, 0.1], [5.1, 3.0], [5.1, 10.1], [20.0, 0.1]])
    where = np.zeros(5, np.int64)
    assert inside_any(points, where, [[triangle]]).tolist() == [False, False, True, False, False]


def test_a_crossing_outline_counts_by_even_odd_for_points() -> None:
    angles = np.deg2rad(90 + 144 * np.arange(5))
    star = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.array([[0.0, 0.0], [0.0, 0.7]])
    assert inside_any(points, np.zeros(2, np.int64), [[star]]).tolist() == [False, True]


def test_a_bow_tie_keeps_the_lobe_that_turns_as_a_whole() -> None:
    bow = np.array([[0.0, 0.0], [4.0, 3.0], [4.0, 0.0], [0.0, 1.0]])
    cut = trapezoids(bow)
    x = 1.0  # the outlines cross at (1, 0.75)
    assert cut.area == pytest.approx(3.0 * (4 - x) / 2)
    assert cut.parts == 1
    assert region_iou(cut, np.array([0.0, 0.0, 4.0, 3.0])) == pytest.approx(4.5 / 12)
