from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from posetrack.ops.paf import (
    TRT_POSE_LINKS,
    _assign,
    _best_pairs,
    _find_peaks,
    _join_pairs,
    _link_scores,
    _refine_peaks,
    decode_paf,
)
from posetrack.skeletons import COCO_17_NECK

LINKS = np.array(TRT_POSE_LINKS)


def cut(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A recorded array without the room that the whole batch needed."""
    return array[tuple(slice(size) for size in like.shape)]


def test_every_step_equals_the_reference(shared: Path) -> None:
    nets = shared / "reference" / "nets"
    recorded = json.loads((nets / "cases" / "trtpose_parse.json").read_text())
    table = np.array(recorded["topology_paf_row_paf_col_part_a_part_b"])
    assert_array_equal(table[:, :2].ravel(), np.arange(2 * len(LINKS)))
    assert_array_equal(table[:, 2:], LINKS)
    assert tuple(recorded["keypoints"]) == COCO_17_NECK.keypoints
    for entry in recorded["files"]:
        case, given = np.load(nets / entry["file"]), entry["params"]
        window, samples = given["cmap_window"], given["line_integral_samples"]
        for image in range(entry["batch"]):
            cmap, paf = case["cmap"][image], case["paf"][image]
            counts, peaks = _find_peaks(
                cmap, np.float32(given["cmap_threshold"]), window, given["max_num_parts"]
            )
            assert_array_equal(counts, case["peak_counts"][image])
            want = cut(case["peaks"][image], peaks)
            held = np.arange(peaks.shape[1]) < counts[:, None]
            assert_array_equal(peaks[held], want[held])
            places = _refine_peaks(cmap, counts, peaks, window)
            assert_allclose(places[held], case["refined_peaks"][image][:, : len(held[0])][held],
                            atol=1e-5)  # fmt: skip
            graph = _link_scores(paf, LINKS, counts, places, samples)
            assert_allclose(graph, cut(case["score_graph"][image], graph), atol=1e-5)
            partners = _best_pairs(graph, LINKS, counts, np.float32(given["link_threshold"]))
            assert_array_equal(partners, cut(case["connections"][image], partners))
            people = _join_pairs(LINKS, counts, partners, given["max_num_objects"])
            assert len(people) == case["object_counts"][image]
            assert_array_equal(people, case["objects"][image][: len(people)])
            xy, scores = decode_paf(cmap, paf)
            assert_array_equal(np.isfinite(xy).all(axis=-1), people >= 0)
            assert_array_equal(scores > 0, people >= 0)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 3))
def test_an_assignment_costs_least_of_all(seed: int, rows: int, more: int) -> None:
    cost = np.random.default_rng(seed).normal(size=(rows, rows + more))
    owner = _assign(cost)
    assert sorted(owner[owner >= 0]) == list(range(rows))
    total = sum(cost[i, j] for j, i in enumerate(owner) if i >= 0)
    best = min(sum(cost[i, j] for i, j in enumerate(way))
               for way in permutations(range(rows + more), rows))  # fmt: skip
    assert total == pytest.approx(best)


def test_an_assignment_of_many_agrees_with_scipys() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    cost = np.random.default_rng(3).normal(size=(40, 60))
    owner = _assign(cost)
    total = sum(cost[i, j] for j, i in enumerate(owner) if i >= 0)
    assert total == pytest.approx(cost[optimize.linear_sum_assignment(cost)].sum())


def test_costs_that_are_not_finite_still_give_every_row_a_column() -> None:
    owner = _assign(np.array([[np.nan, 1.0], [np.inf, np.nan]]))
    assert_array_equal(owner, [1, 0])


def drawn(xy: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Maps of people (N, 18, 2) in cells: bumps at keypoints, unit fields near the links."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    across, down = columns - xy[..., 0, None, None], rows - xy[..., 1, None, None]
    cmap = np.exp(-(across**2 + down**2) / 2).max(axis=0)
    paf = np.zeros((2 * len(LINKS), *size))
    for person in xy:
        for i, (first, second) in enumerate(LINKS):
            way = person[second] - person[first]
            length = max(np.hypot(*way), 1e-6)
            unit = way / length
            ahead = (columns - person[first, 0]) * unit[0] + (rows - person[first, 1]) * unit[1]
            aside = (columns - person[first, 0]) * unit[1] - (rows - person[first, 1]) * unit[0]
            near = (ahead > -1.5) & (ahead < length + 1.5) & (abs(aside) < 1.5)
            paf[2 * i][near], paf[2 * i + 1][near] = unit[1], unit[0]
    return cmap, paf


STANDING = np.array([
    (10, 3), (11, 2), (9, 2), (12.5, 3), (7.5, 3), (14, 8), (6, 8), (16, 14), (4, 14), (17, 20),
    (3, 20), (12.5, 20), (7.5, 20), (13, 28), (7, 28), (13, 36), (7, 36), (10, 7),
])  # fmt: skip
"""Someone 18 cells wide and 34 high, facing us, by COCO's keypoints and the neck."""


@pytest.mark.parametrize("people", [1, 2, 3])
def test_drawn_people_come_back_whole_and_in_place(people: int) -> None:
    xy = 2 * STANDING + np.array([[2, 2], [48, 6], [94, 3]])[:people, None]
    size = (90, 140)
    found, scores = decode_paf(*drawn(xy, size))
    assert found.shape == (people, 18, 2)
    assert np.isfinite(found).all()
    assert scores.min() > 0.7
    cells = found * [size[1], size[0]] - 0.5
    order = np.argsort(cells[:, 0, 0])
    assert_allclose(cells[order], xy, atol=0.6)


def test_nobody_is_not_an_error() -> None:
    xy, scores = decode_paf(np.zeros((18, 9, 7)), np.zeros((42, 9, 7)))
    assert (xy.shape, scores.shape) == ((0, 18, 2), (0, 18))


def test_a_plateau_gives_several_peaks_and_a_window_at_the_border_is_mirrored() -> None:
    cmap = np.zeros((1, 6, 6), np.float32)
    cmap[0, 0, 0] = cmap[0, 4, 4] = cmap[0, 4, 5] = 1
    counts, peaks = _find_peaks(cmap, np.float32(0.5), 3, 100)
    assert_array_equal(counts, [3])
    assert_array_equal(peaks[0], [[0, 0], [4, 4], [4, 5]])
    places = _refine_peaks(cmap, counts, peaks, 3) * 6 - 0.5
    # Right of column 5 lies column 4 again, at its own place 6.
    assert_allclose(places[0], [[0, 0], [4, 4.5], [4, 5]], atol=1e-6)


def test_peaks_and_people_stop_at_their_limits() -> None:
    cmap = np.zeros((18, 20, 20), np.float32)
    cmap[:, ::4, ::4] = 0.5
    assert decode_paf(cmap, np.zeros((42, 20, 20)), max_parts=3)[0].shape == (54, 18, 2)
    assert decode_paf(cmap, np.zeros((42, 20, 20)), max_people=7)[0].shape == (7, 18, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("which", [0, 1])
def test_maps_that_are_not_finite_do_no_harm(bad: float, which: int) -> None:
    maps = drawn(STANDING[None], (42, 24))
    maps[which][:, ::3, ::3] = bad
    xy, scores = decode_paf(*maps)
    assert np.isfinite(scores).all()
    assert_array_equal(np.isfinite(xy).all(axis=-1), scores > 0)


def test_values_below_zero_cannot_move_a_peak_away() -> None:
    cmap = np.full((1, 9, 9), -0.04168, np.float32)
    cmap[0, 4, 4], cmap[0, 4, 5] = 1, 0.0003
    xy, _ = decode_paf(cmap, np.zeros((0, 9, 9)), links=np.zeros((0, 2), int))
    assert (abs(xy * 9 - 0.5 - 4) <= 9).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cmap": np.zeros((18, 4))}, r"cmap must be \(K, h, w\)"),
        ({"paf": np.zeros((42, 4, 4))}, r"paf must be \(42, 5, 4\)"),
        ({"paf": np.zeros((2, 5, 4)), "links": [(0, 18)]}, "links name keypoints up to 18"),
        ({"window": 4}, "odd"),
        ({"samples": 1}, "at least 2"),
        ({"max_parts": 0}, "at least 1"),
        ({"max_people": 0}, "at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict, message: str) -> None:
    given = {"cmap": np.zeros((18, 5, 4)), "paf": np.zeros((42, 5, 4)), **change}
    with pytest.raises(ValueError, match=message):
        decode_paf(**given)
