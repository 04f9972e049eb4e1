"""What a tracker remembers: rows that move, coast, change their name, and are saved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack import COCO_17
from posetrack.tracking.memory import Memory

K = 5


def remembered(frames: list[int], ids: list[int], seed: int = 0) -> Memory:
    """Rows with places drawn at random."""
    rng = np.random.default_rng(seed)
    count = len(ids)
    xy = rng.uniform(0, 100, (count, K, 2)).astype(np.float32)
    corner = rng.uniform(0, 50, (count, 2))
    return Memory(
        xy=xy,
        scores=rng.random((count, K), np.float32),
        xyxy=np.hstack([corner, corner + 20]).astype(np.float32),
        box_scores=rng.random(count, np.float32),
        frame=np.array(frames, np.int64),
        seconds=np.array(frames, np.float64),
        ids=np.array(ids, np.int64),
        flow_age=np.arange(count),
        missed=np.arange(count) + 1,
        hits=np.arange(count) + 2,
        born=np.arange(count) / 4,
        supported=np.arange(count) / 2,
        found_xy=xy + 1,
        found_xyxy=np.hstack([corner, corner + 21]).astype(np.float32),
    )


steps = st.floats(-50, 50, width=32) | st.just(float("nan"))


@given(step=hnp.arrays(np.float32, (3, K), elements=steps))
def test_boxes_go_along_by_the_median_step_of_the_keypoints_known_in_both(step) -> None:
    memory = remembered([0, 0, 0], [1, 2, 3])
    moved = memory.moved_to(memory.xy + step[..., None])
    np.testing.assert_array_equal(moved.xy, memory.xy + step[..., None])
    for row in range(3):
        known = (memory.xy[row] + step[row, :, None] - memory.xy[row])[np.isfinite(step[row])]
        expected = np.median(known, axis=0) if len(known) else np.zeros(2)
        shift = moved.xyxy[row] - memory.xyxy[row]
        np.testing.assert_allclose(shift, np.tile(expected, 2), atol=1e-4)


def test_a_row_whose_keypoints_are_all_lost_keeps_its_box() -> None:
    memory = remembered([0], [1])
    lost = memory.moved_to(np.full_like(memory.xy, np.nan))
    np.testing.assert_array_equal(lost.xyxy, memory.xyxy)
    assert np.isnan(lost.xy).all()


def test_moving_nobody_gives_nobody() -> None:
    nobody = Memory.empty(K)
    assert len(nobody.moved_to(nobody.xy)) == len(nobody.coasted(3)) == 0


@given(
    speed=hnp.arrays(np.float32, 2, elements=st.floats(-20, 20, width=32)),
    ahead=st.integers(0, 5),
)
def test_who_moves_steadily_is_found_where_steady_motion_leads(speed, ahead: int) -> None:
    body = np.random.default_rng(1).uniform(0, 100, (K, 2))
    frames = np.array([4, 5, 7])
    still = remembered(frames.tolist(), [1, 1, 1])
    xy = (body + speed * frames[:, None, None]).astype(np.float32)
    corner = np.array([5, 5]) + speed * frames[:, None]
    xyxy = np.hstack([corner, corner + 30]).astype(np.float32)
    memory = Memory(**{**still.arrays(), "xy": xy, "xyxy": xyxy})
    when = 7 + ahead
    coasted = memory.coasted(when)
    np.testing.assert_allclose(coasted.xy, np.tile(body + speed * when, (3, 1, 1)), atol=1e-2)
    there = np.tile([5, 5] + speed * when, 2) + np.array([0, 0, 30, 30])
    np.testing.assert_allclose(coasted.xyxy, np.tile(there, (3, 1)), atol=1e-2)


def test_everybody_coasts_by_a_motion_of_their_own_whatever_the_order_of_rows() -> None:
    memory = remembered([0, 0, 1, 1, 1], [2, 1, 1, 2, 9])
    xy = np.zeros((5, K, 2), np.float32)
    xy[3], xy[2] = (4, 0), (0, -6)  # in a frame, person 2 goes right and person 1 up
    coasted = Memory(**{**memory.arrays(), "xy": xy}).coasted(2)
    expected = [(8, 0), (0, -12), (0, -12), (8, 0), (0, 0)]
    np.testing.assert_array_equal(coasted.xy[:, 0], expected)
    np.testing.assert_array_equal(coasted.ids, memory.ids)


@given(
    seed=st.integers(0, 99),
    speed=st.integers(2, 20),
    after=st.integers(0, 40),
    mirrored=st.booleans(),
)
def test_who_walks_out_is_gone_when_less_than_half_is_left_of_what_was_last_seen(
    seed: int, speed: int, after: int, mirrored: bool
) -> None:
    frames, size = np.arange(4), (100, 100)
    memory = remembered(frames.tolist(), [7] * 4, seed)
    left = 79 - speed * (3 - frames)  # 20 pixels of the last box are in the picture
    box = np.stack([left, np.full(4, 20), np.full(4, 99), np.full(4, 80)], axis=1)
    if mirrored:
        box[:, [0, 2]] = 99 - box[:, [2, 0]]
    xy = memory.xy[[0, 0, 0, 0]]  # keypoints crowd at the border
    cut = replace(
        memory,
        found_xy=xy,
        found_xyxy=box.astype(np.float32),
        seconds=frames / 10,
        flow_age=np.zeros(4, np.int64),
    )
    gone = cut.walked_out(0.3 + after / 10, size)
    expected = after / 10 - 10 / (10 * speed)  # half of the strip, at that speed
    if abs(expected) > 1e-6:
        assert [*gone] == ([7] if expected > 0 else [])
        assert all(abs(seconds - expected) < 1e-5 for seconds in gone.values())


def test_nobody_walks_out_who_stands_still_or_is_carried_by_flow_alone() -> None:
    memory = remembered([0, 1, 0, 1], [1, 2, 2, 1])
    still = replace(memory, found_xyxy=memory.found_xyxy[[0, 1, 1, 0]], flow_age=memory.ids * 0)
    assert still.walked_out(1000.0, (30, 30)) == {}
    assert replace(memory, flow_age=memory.ids).walked_out(1000.0, (30, 30)) == {}


def test_who_was_seen_once_stays_where_they_were() -> None:
    memory = remembered([3, 3], [1, 2])
    np.testing.assert_array_equal(memory.coasted(9).xy, memory.xy)


def test_where_people_were_found_is_kept_however_they_are_moved() -> None:
    memory = remembered([0, 1], [1, 1])
    for moved in (memory.moved_to(memory.xy * 2), memory.coasted(5), memory.renamed(1, 2)):
        found = moved.as_found()
        np.testing.assert_array_equal(found.xy, memory.found_xy)
        np.testing.assert_array_equal(found.xyxy, memory.found_xyxy)


@given(ids=st.lists(st.integers(-4, 4), max_size=8), old=st.integers(-4, 4))
def test_renaming_changes_one_name_everywhere_and_nothing_else(ids: list[int], old: int) -> None:
    memory = remembered([0] * len(ids), ids)
    renamed = memory.renamed(old, 77)
    assert renamed.ids.tolist() == [77 if name == old else name for name in ids]
    for name, values in memory.arrays().items():
        if name != "ids":
            np.testing.assert_array_equal(renamed.arrays()[name], values)
    assert memory.ids.tolist() == ids


def test_since_keeps_a_frame_and_all_later_ones() -> None:
    memory = remembered([1, 2, 3, 4], [1, 1, 1, 1])
    assert memory.since(3).frame.tolist() == [3, 4]
    assert len(memory.since(5)) == 0


def test_spread_rows_are_the_newest_and_the_oldest_of_each_stretch_of_time() -> None:
    frames = list(range(20))
    memory = remembered(frames, [1] * 20)
    # Cells of four seconds each: 0-3, 4-7, ...; the newest row is 19, what is over 16 s old is not.
    assert memory.spread_over(16, 6, now=19.0).frame.tolist() == [4, 8, 12, 16, 19]
    assert memory.spread_over(16, 3, now=19.0).frame.tolist() == [16, 19]


def test_which_rows_stay_does_not_depend_on_how_often_it_is_asked() -> None:
    memory, kept = remembered([0], [1])[:0], remembered([0], [1])[:0]
    for frame in range(40):
        row = remembered([frame], [1], seed=frame)
        memory, kept = memory.join(row), kept.join(row)
        kept = kept.spread_over(10, 6, now=float(frame))
        assert kept.frame.tolist() == memory.spread_over(10, 6, now=float(frame)).frame.tolist()
        assert len(kept) <= 6


def test_everybody_has_a_deque_of_their_own() -> None:
    memory = remembered([0, 1, 1, 2, 9, 9], [1, 1, 2, 1, 1, 3])
    spread = memory.spread_over(20, 4, now=9.0)
    rows = list(zip(spread.frame.tolist(), spread.ids.tolist(), strict=True))
    assert rows == [(0, 1), (1, 2), (9, 1), (9, 3)]


def test_the_latest_row_of_each_comes_in_the_order_asked() -> None:
    memory = remembered([0, 0, 1, 1, 2], [1, 2, 1, 2, 1])
    latest = memory.latest_of(np.array([2, 1]))
    assert list(zip(latest.ids.tolist(), latest.frame.tolist(), strict=True)) == [(2, 1), (1, 2)]


def test_scaling_scales_both_axes_by_their_own_factor() -> None:
    memory = remembered([0], [1])
    scaled = memory.scaled((2, 0.5))
    np.testing.assert_allclose(scaled.xy, memory.xy * [2, 0.5])
    np.testing.assert_allclose(scaled.xyxy, memory.xyxy * [2, 0.5, 2, 0.5])
    np.testing.assert_allclose(scaled.as_found().xy, memory.found_xy * [2, 0.5])
    np.testing.assert_allclose(scaled.as_found().xyxy, memory.found_xyxy * [2, 0.5, 2, 0.5])


def test_joined_rows_stand_older_first() -> None:
    joined = remembered([0], [1]).join(remembered([1, 1], [1, 2]))
    assert joined.frame.tolist() == [0, 1, 1]


@given(ids=st.lists(st.integers(-9, 9), max_size=6), seed=st.integers(0, 9))
def test_arrays_rebuild_the_same_rows(ids: list[int], seed: int) -> None:
    memory = remembered(list(range(len(ids))), ids, seed)
    rebuilt = Memory.from_arrays(memory.arrays())
    for name, values in memory.arrays().items():
        np.testing.assert_array_equal(rebuilt.arrays()[name], values)
        assert rebuilt.arrays()[name].dtype == values.dtype


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ids", None),
        ("xy", None),
        ("hits", None),
        ("ids", np.zeros(3, np.int64)),
        ("ids", np.zeros(2)),
        ("scores", np.zeros((2, K + 1), np.float32)),
        ("scores", np.array([["a"] * K] * 2)),
        ("xyxy", np.zeros((2, 3), np.float32)),
        ("frame", np.zeros((2, 1), np.int64)),
        ("xy", np.zeros((2, K, 3), np.float32)),
        pytest.param("xy", np.zeros(2, np.float32), id="xy-flat"),
        pytest.param("ids", np.int64(3), id="ids-a-number"),
    ],
)
def test_what_are_no_rows_of_a_memory_is_refused_by_name(name: str, values: Any) -> None:
    arrays = remembered([0, 1], [1, 2]).arrays()
    if values is None:
        del arrays[name]
    else:
        arrays[name] = values
    with pytest.raises(ValueError, match="not a tracker's state"):
        Memory.from_arrays(arrays)


def test_as_poses_rows_keep_box_and_scores() -> None:
    rows = Memory.empty(17).poses(COCO_17)
    assert rows.xy.shape == (0, 17, 2)
