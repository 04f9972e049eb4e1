"""Gating, outliers, gaps and smoothing: nearer to the truth, flagged, undone, nothing invented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cleaning_made import RATE, error, jittered, of_keypoints, walkers, with_gaps
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import posetrack
from posetrack import Trajectories
from posetrack.cleaning import (
    butterworth,
    cubic,
    fill_gaps,
    gate_scores,
    kalman,
    linear,
    loess,
    median,
    mend_swaps,
    one_euro,
    pchip,
    reject_outliers,
    savitzky_golay,
    undo,
)
from posetrack.trajectories import NOBODY, Origin, save

Step = Callable[[Trajectories], Trajectories]
SMOOTHERS: dict[str, Step] = {
    "butterworth": butterworth,
    "savitzky_golay": savitzky_golay,
    "median": median,
    "loess": loess,
    "kalman": kalman,
    "kalman_acceleration": lambda tr: kalman(tr, acceleration=True),
    "one_euro": one_euro,
}
STEPS: dict[str, Step] = SMOOTHERS | {
    "gate": lambda tr: gate_scores(tr, 0.5),
    "outliers": reject_outliers,
    "fill": lambda tr: fill_gaps(tr, 0.3),
    "swaps": mend_swaps,
}
# How much of the error of 3 pixels of jitter may remain (a causal filter also lags).
REMAINS = {"one_euro": 0.95, "median": 0.75}


def flags(made: Trajectories, flag: Origin) -> np.ndarray:
    return (made.origin & int(flag)) > 0


def random_tracks(seed: int, frames: int = 40) -> Trajectories:
    rng = np.random.default_rng(seed)
    xy = np.cumsum(rng.normal(0, 3, (frames, 2, 17, 2)), axis=0) + rng.uniform(0, 99, (2, 17, 2))
    xy[rng.random((frames, 2, 17)) < 0.15] = np.nan
    xy[20:22] = xy[20:22][:, :, posetrack.COCO_17.mirror_order]
    xy[5:9, 0] = np.nan
    return of_keypoints(xy, rng.uniform(0, 1, xy.shape[:3]))


@pytest.mark.parametrize("name", SMOOTHERS)
def test_smoothing_brings_jitter_nearer_to_the_truth(name: str) -> None:
    truth = walkers()
    raw = jittered(truth)
    made = SMOOTHERS[name](raw)
    assert error(made, truth) < REMAINS.get(name, 0.65) * error(raw, truth)
    assert (flags(made, Origin.SMOOTHED) == (made.xy != raw.xy).any(axis=-1)).all()


@pytest.mark.parametrize("name", STEPS)
def test_inputs_are_untouched_and_raw_values_kept(name: str) -> None:
    made = random_tracks(3)
    before = {key: getattr(made, key).copy() for key in ("xy", "scores", "origin", "boxes")}
    done = STEPS[name](made)
    for key, value in before.items():
        np.testing.assert_array_equal(getattr(made, key), value)
    assert done.raw is not None
    np.testing.assert_array_equal(done.raw.xy, made.xy)
    np.testing.assert_array_equal(done.raw.scores, made.scores)
    assert ((done.raw.ids == NOBODY) == ~made.present).all()
    again = undo(done)
    for key in ("frame", "ids", "xy", "scores", "boxes", "box_scores"):
        np.testing.assert_array_equal(getattr(again, key), getattr(made, key), key)


@pytest.mark.parametrize("name", STEPS)
def test_what_is_not_flagged_was_not_touched_and_the_other_way_round(name: str) -> None:
    made = random_tracks(4)
    done = STEPS[name](made)
    same = (done.xy == made.xy).all(axis=-1) | (np.isnan(done.xy) & np.isnan(made.xy)).all(axis=-1)
    assert ((done.origin == made.origin) == same).all()
    assert (done.scores == made.scores)[same].all()


@pytest.mark.parametrize("name", SMOOTHERS)
@pytest.mark.parametrize("even", [True, False])
def test_a_constant_stays_constant(name: str, even: bool) -> None:
    xy = np.random.default_rng(0).uniform(0, 900, (1, 1, 17, 2)) + np.zeros((60, 1, 17, 2))
    made = of_keypoints(xy)
    if not even:
        steps = np.random.default_rng(1).uniform(0.02, 0.06, 60)
        made = replace(made, seconds=np.cumsum(steps))
    np.testing.assert_allclose(SMOOTHERS[name](made).xy, made.xy, atol=1e-3)


@pytest.mark.parametrize("name", STEPS)
@given(st.integers(-2000, 2000), st.integers(0, 50))
@settings(max_examples=8)
def test_a_shift_of_everything_shifts_the_answer(name: str, shift: int, seed: int) -> None:
    made = random_tracks(seed)
    # Multiples of 1/16 pixel are exact in float32, so that the shift itself rounds nothing.
    made = replace(made, xy=np.rint(made.xy * 16) / 16, boxes=np.rint(made.boxes * 16) / 16)
    moved = replace(made, xy=made.xy + shift, boxes=made.boxes + shift)
    np.testing.assert_allclose(STEPS[name](moved).xy - shift, STEPS[name](made).xy, atol=2e-3)


@pytest.mark.parametrize("name", SMOOTHERS)
def test_pieces_do_not_see_each_other_across_a_gap(name: str) -> None:
    made = jittered(walkers(120, 1))
    xy = made.xy.copy()
    xy[50:70] = np.nan  # two thirds of a second: beyond every filter's bridge
    holed = replace(made, xy=xy)
    xy = xy.copy()
    xy[70:] += np.random.default_rng(0).normal(0, 99, xy[70:].shape)
    one, other = SMOOTHERS[name](holed), SMOOTHERS[name](replace(holed, xy=xy))
    np.testing.assert_array_equal(one.xy[:70], other.xy[:70])
    assert np.isnan(one.xy[50:70]).all()


@pytest.mark.parametrize("name", SMOOTHERS)
def test_a_single_frame_and_nobody_are_left_alone(name: str) -> None:
    one = of_keypoints(np.ones((1, 1, 17, 2)))
    assert SMOOTHERS[name](one) is one
    nobody = of_keypoints(np.ones((5, 0, 17, 2)))
    assert SMOOTHERS[name](nobody).xy.shape == (5, 0, 17, 2)


def test_too_short_pieces_are_left_alone() -> None:
    made = jittered(walkers(60, 1))
    xy = made.xy.copy()
    xy[3:] = np.nan
    short = replace(made, xy=xy)
    np.testing.assert_array_equal(butterworth(short).xy, short.xy)
    np.testing.assert_array_equal(savitzky_golay(short).xy, short.xy)


def test_butterworth_halves_the_power_at_its_cutoff_and_delays_nothing() -> None:
    t = np.arange(600) / RATE
    for hz, low, high in ((1.0, 0.99, 1.01), (4.0, 0.70, 0.715), (9.0, 0.0, 0.05)):
        wave = np.sin(2 * np.pi * hz * t)
        made = of_keypoints(50 * wave[:, None, None, None] + np.zeros((1, 1, 17, 2)))
        found = butterworth(made, cutoff=4.0).xy[100:-100, 0, 0, 0] / 50
        gain = float(found @ wave[100:-100] / (wave[100:-100] @ wave[100:-100]))
        assert low <= gain <= high


@pytest.mark.parametrize("name", ["butterworth", "savitzky_golay", "loess", "kalman"])
def test_frames_that_do_not_come_evenly_are_no_worse(name: str) -> None:
    rng = np.random.default_rng(5)
    keep = np.sort(rng.choice(300, 200, replace=False))
    truth = walkers(300, 1)
    uneven = truth.select(frames=(0, 300))
    part = replace(
        uneven.select(frames=(0, len(keep))),
        frame=keep,
        seconds=keep / RATE,
        xy=truth.xy[keep],
        boxes=truth.boxes[keep],
    )
    raw = jittered(part)
    assert error(SMOOTHERS[name](raw), part) < 0.75 * error(raw, part)


@pytest.mark.parametrize("way", [linear, pchip, cubic])
def test_filled_gaps_are_near_the_truth_and_exactly_they_are_flagged(way: Callable) -> None:
    truth = walkers()
    raw, gone = with_gaps(truth)
    made = fill_gaps(raw, 0.3, interpolate=way)
    assert (flags(made, Origin.FILLED) == gone).all()
    assert np.isfinite(made.xy).all()
    assert error(made, truth) < 1.0
    last = np.where(np.isnan(raw.xy), 0, raw.xy)
    assert error(made, truth) < 0.01 * error(replace(raw, xy=last), truth)


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.floats(0.02, 0.5))
@settings(max_examples=50)
def test_nothing_is_invented_beyond_the_limit_or_the_ends(there: list[bool], limit: float) -> None:
    seen = np.array(there)
    xy = np.arange(len(seen))[:, None, None, None] + np.zeros((1, 1, 17, 2))
    made = fill_gaps(of_keypoints(np.where(seen[:, None, None, None], xy, np.nan)), limit)
    known = np.flatnonzero(seen)
    for t, found in enumerate(np.isfinite(made.xy[:, 0, 0, 0])):
        before, after = known[known <= t], known[known >= t]
        inside = len(before) and len(after)
        near = inside and (after[0] - before[-1]) / RATE <= limit + 1e-6
        assert found == bool(seen[t] or near)


def test_a_whole_person_who_was_missing_gets_a_box_and_the_raw_says_nobody() -> None:
    xy = np.arange(9.0)[:, None, None, None] + np.arange(17)[:, None] + np.zeros((9, 1, 17, 2))
    xy[3:5] = np.nan
    boxes = np.where(np.isnan(xy[:, :, 0, :1]), np.nan, [-20.0, -20, 40, 40]) + np.zeros((9, 1, 4))
    made = fill_gaps(of_keypoints(xy, boxes=boxes), 0.2)
    assert made.present.all()
    assert made.boxes[3, 0].tolist() == [-20, -20, 40, 40]
    assert made.raw is not None
    assert (made.raw.ids[:, 0] == NOBODY).tolist() == [t in (3, 4) for t in range(9)]
    assert not undo(made).present[3:5].any()


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=25)
def test_gating_twice_is_gating_once(seed: int, limit: float) -> None:
    made = random_tracks(seed, 10)
    once = gate_scores(made, limit)
    assert gate_scores(once, limit) is once or not np.isfinite(once.xy).all()
    np.testing.assert_array_equal(gate_scores(once, limit).xy, once.xy)
    np.testing.assert_array_equal(gate_scores(once, limit).origin, once.origin)
    low = (made.scores < limit) & np.isfinite(made.xy[..., 0])
    assert (flags(once, Origin.REJECTED) == low).all()


def test_outliers_are_found_and_little_else() -> None:
    truth = walkers()
    raw = jittered(truth, 1.0)
    rng = np.random.default_rng(7)
    far = rng.random(raw.scores.shape) < 0.02
    angle = rng.uniform(0, 2 * np.pi, raw.scores.shape)
    jump = 60 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    spoiled = replace(raw, xy=raw.xy + np.where(far[..., None], jump, 0))
    found = flags(reject_outliers(spoiled), Origin.REJECTED)
    assert found[far].mean() > 0.9
    assert found[~far].mean() < 0.01
    mended = fill_gaps(reject_outliers(spoiled), 0.3)
    assert error(mended, truth) < 0.35 * error(spoiled, truth)


@given(arrays(np.float64, (12, 1, 17, 2), elements=st.floats(-1000, 1000)))
@settings(max_examples=25)
def test_outliers_are_those_of_a_plain_reading_of_hampel(xy: np.ndarray) -> None:
    made = of_keypoints(xy)
    found = flags(reject_outliers(made, window=0.2, min_distance=0.0), Origin.REJECTED)[:, 0]
    values = made.xy[:, 0].astype(np.float64)
    for t in range(len(values)):
        window = values[max(t - 3, 0) : t + 4]
        centre = np.median(window, axis=0)
        spread = 1.4826 * np.median(np.abs(window - centre), axis=0)
        wanted = (np.abs(values[t] - centre) > 3 * spread).any(axis=-1)
        assert (found[t] == wanted).all()


def test_flags_combine() -> None:
    truth = walkers(90, 1)
    spoiled = truth.xy.copy()
    spoiled[40, 0, 9] += 80
    made = butterworth(fill_gaps(reject_outliers(jittered(replace(truth, xy=spoiled), 0.5)), 0.3))
    wanted = Origin.REJECTED | Origin.FILLED | Origin.SMOOTHED
    assert made.origin[40, 0, 9] == wanted


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_files_keep_raw_values_and_flags(tmp_path: Path, suffix: str) -> None:
    made = butterworth(fill_gaps(gate_scores(random_tracks(8, 60), 0.1), 0.3), cutoff=5)
    save(made, tmp_path / f"t{suffix}")
    found = posetrack.load(tmp_path / f"t{suffix}")
    assert made.raw is not None
    assert found.raw is not None
    np.testing.assert_array_equal(found.origin, made.origin)
    for name in ("xy", "scores", "ids"):
        np.testing.assert_array_equal(getattr(found.raw, name), getattr(made.raw, name))
    if suffix == ".parquet":
        part = posetrack.trajectories.scan(tmp_path / "t.parquet")
        part = part.select(frames=(3, 20), ids=[2], keypoints=["left_knee"]).load()
        wanted = made.select(frames=(3, 20), ids=[2], keypoints=["left_knee"])
        assert part.raw is not None
        assert wanted.raw is not None
        np.testing.assert_array_equal(part.raw.xy, wanted.raw.xy)
        np.testing.assert_array_equal(part.origin, wanted.origin)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda tr: butterworth(tr, cutoff=15.0), "below half the frame rate, 15 Hz"),
        (lambda tr: butterworth(tr, order=3), "even"),
        (lambda tr: savitzky_golay(tr, window=0.04), "holds 1 frames"),
        (lambda tr: loess(tr, degree=3), "1 or 2"),
        (lambda tr: fill_gaps(tr, 0), "max_gap must be a positive"),
        (lambda tr: kalman(tr, noise=float("nan")), "noise"),
        (lambda tr: median(replace(tr, seconds=np.zeros(len(tr)))), "seconds must grow"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: Step, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong(walkers(20, 1))
