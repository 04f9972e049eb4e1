"""Quantities over time: angles, velocities, distances; T frames, N people, NaN where unknown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops import angles as plane
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]

_MAX_STEP = 0.25  # seconds; two frames further apart than this say nothing of a velocity


def angle(
    trajectories: Trajectories, name: str, *, against: plane.Against = "vertical"
) -> Float64Array:
    """(T, N) degrees of an angle by name; segment angles go on over time without jumps.

    See `posetrack.ops.angles` for names, signs and ranges; joint angles lie in [0, 180].

    Raises
    ------
    KeyError
        If there is no such angle, or the skeleton lacks a keypoint of it.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.random.default_rng(0).uniform(0, 9, (4, 2, 17, 2))
    >>> tr = Trajectories(range(4), np.arange(4) / 25, [3, 7], xy, np.ones((4, 2, 17)), COCO_17)
    >>> angle(tr, "left_knee").shape, tr.person(3).angle("left_knee").shape
    ((4, 2), (4,))
    """
    found = plane.angle(trajectories.xy, trajectories.skeleton, name, against=against)
    return plane.unwrap(found) if plane.is_segment(name) else found


def rate_of_change(
    values: ArrayLike, seconds: ArrayLike, *, window: float | None = None
) -> Float64Array:
    """How fast values change, from real times, which need not be even.

    Parameters
    ----------
    values
        (T, ...), NaN where unknown.
    seconds
        (T,), growing.
    window
        Seconds, centred: the slope of the line that fits all values in it best, which smooths.
        When None, central differences; at the ends of a piece, towards the one side there is.

    Returns
    -------
    (T, ...) a second; NaN where the value itself is unknown, or nothing known is near: within a
    quarter of a second, or the window.

    Examples
    --------
    >>> rate_of_change([0.0, 1.0, 4.0, np.nan], [0.0, 1.0, 2.0, 3.0], window=2).tolist()
    [1.0, 2.0, 3.0, nan]
    """
    known = np.asarray(values, np.float64)
    times = np.asarray(seconds, np.float64)
    if window is not None:
        if not window > 0:
            raise ValueError(f"window must be more than 0 seconds, got {window}")
        return _slopes(known, times, window / 2)
    slopes = np.full_like(known, np.nan)
    if len(known) < 2:
        return slopes
    steps = np.diff(times)
    between = np.diff(known, axis=0) / _like(steps, known)
    between[steps > _MAX_STEP] = np.nan
    nothing = np.full_like(known[:1], np.nan)
    before, after = np.concatenate([nothing, between]), np.concatenate([between, nothing])
    width = _like(np.append(0.0, steps), known), _like(np.append(steps, 0.0), known)
    # The slope of the parabola through three points weighs the nearer neighbour more.
    both = (before * width[1] + after * width[0]) / (width[0] + width[1])
    return np.where(np.isfinite(both), both, np.where(np.isfinite(before), before, after))


def _slopes(values: Float64Array, seconds: Float64Array, half: float) -> Float64Array:
    """Slopes of the lines fitted within ``half`` a window around each time."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    sums = {name: np.zeros_like(values) for name in ("n", "t", "tt", "v", "tv")}
    reach, rounding = 0, half * 1e-9
    while (
        reach < len(seconds) - 1
        and (seconds[reach + 1 :] - seconds[: len(seconds) - reach - 1] <= half + rounding).any()
    ):
        reach += 1
    for step in range(-reach, reach + 1):
        here = slice(max(0, -step), len(seconds) - max(0, step))
        there = slice(max(0, step), len(seconds) - max(0, -step))
        away = seconds[there] - seconds[here]
        t = _like(away, values)
        use = known[there] & (np.abs(t) <= half + rounding)
        v = np.where(use, filled[there], 0.0)
        for name, term in (("n", 1.0), ("t", t), ("tt", t * t), ("v", v), ("tv", t * v)):
            sums[name][here] += np.where(use, term, 0.0)
    spread = sums["n"] * sums["tt"] - sums["t"] ** 2
    usable = known & (spread > 1e-12)
    top = sums["n"] * sums["tv"] - sums["t"] * sums["v"]
    return np.where(usable, top / np.where(usable, spread, 1.0), np.nan)


def _like(column: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """(T,) as (T, 1, ...), to broadcast with the values."""
    return column.reshape(-1, *(1,) * (values.ndim - 1))


def velocity(
    trajectories: Trajectories, keypoint: str, *, window: float | None = None
) -> Float64Array:
    """(T, N, 2) pixels a second of a keypoint, x to the right and y down; see `rate_of_change`.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.arange(4.0)[:, None, None, None] * [2.0, 0] + np.zeros((4, 1, 17, 2))
    >>> tr = Trajectories(range(4), np.arange(4) / 25, [7], xy, np.ones((4, 1, 17)), COCO_17)
    >>> velocity(tr, "nose")[2, 0].tolist(), speed(tr, "nose")[2].tolist()
    ([50.0, 0.0], [50.0])
    """
    places = trajectories.xy[:, :, trajectories.skeleton.index(keypoint)]
    return rate_of_change(places, trajectories.seconds, window=window).round(9)


def speed(
    trajectories: Trajectories, keypoint: str, *, window: float | None = None
) -> Float64Array:
    """(T, N) pixels a second of a keypoint; see `velocity`.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.arange(4.0)[:, None, None, None] * [3.0, 4.0] + np.zeros((4, 1, 17, 2))
    >>> tr = Trajectories(range(4), np.arange(4) / 25, [7], xy, np.ones((4, 1, 17)), COCO_17)
    >>> speed(tr, "nose")[:, 0].tolist()
    [125.0, 125.0, 125.0, 125.0]
    """
    motion = velocity(trajectories, keypoint, window=window)
    return np.asarray(np.hypot(motion[..., 0], motion[..., 1]))


def angular_velocity(
    trajectories: Trajectories, name: str, *, window: float | None = None
) -> Float64Array:
    """(T, N) degrees a second of an angle by name; see `angle` and `rate_of_change`.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy, bend = np.zeros((3, 1, 17, 2)), np.radians([180, 170, 160])
    >>> xy[:, 0, 11, 1] = -1  # the hip above the knee, the ankle turning about it
    >>> xy[:, 0, 15] = np.stack([np.sin(bend), -np.cos(bend)], axis=1)
    >>> tr = Trajectories(range(3), np.arange(3) / 10, [7], xy, np.ones((3, 1, 17)), COCO_17)
    >>> angular_velocity(tr, "left_knee").round(1).ravel().tolist()
    [-100.0, -100.0, -100.0]
    """
    return rate_of_change(angle(trajectories, name), trajectories.seconds, window=window)


def distance(trajectories: Trajectories, first: str, second: str) -> Float64Array:
    """(T, N) pixels between two keypoints of the same person.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 2, 17, 2))
    >>> xy[0, 1, 0] = (3, 4)
    >>> tr = Trajectories([0], [0], [3, 7], xy, np.ones((1, 2, 17)), COCO_17)
    >>> distance(tr, "nose", "left_hip").tolist()
    [[0.0, 5.0]]
    >>> distance_between(tr, (3, "nose"), (7, "nose")).tolist()
    [5.0]
    """
    index = trajectories.skeleton.index
    motion = trajectories.xy[:, :, index(first)] - trajectories.xy[:, :, index(second)]
    return np.asarray(np.hypot(motion[..., 0], motion[..., 1]), np.float64)


def distance_between(
    trajectories: Trajectories, first: tuple[int, str], second: tuple[int, str]
) -> Float64Array:
    """(T,) pixels between keypoints of two people, each given as an id and a keypoint's name.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 2, 17, 2))
    >>> xy[0, 1] = (3, 4)
    >>> tr = Trajectories([0], [0], [3, 7], xy, np.ones((1, 2, 17)), COCO_17)
    >>> distance_between(tr, (3, "left_wrist"), (7, "right_wrist")).tolist()
    [5.0]
    """
    (one, here), (other, there) = first, second
    index = trajectories.skeleton.index
    start = trajectories.person(one).xy[:, 0, index(here)]
    end = trajectories.person(other).xy[:, 0, index(there)]
    return np.asarray(np.hypot(*(end - start).T), np.float64)


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a series without long gaps: frames ``start`` to ``stop``, their values."""

    start: int
    stop: int
    values: Float64Array


def fill_gaps(values: Float64Array, seconds: Float64Array, max_gap: float) -> Iterator[Piece]:
    """The pieces of a series (T,), gaps of at most ``max_gap`` seconds bridged straight.

    Examples
    --------
    >>> series = np.array([1.0, np.nan, 3.0, np.nan, np.nan, 5.0])
    >>> [piece.values.tolist() for piece in fill_gaps(series, np.arange(6) / 10, 0.2)]
    [[1.0, 2.0, 3.0], [5.0]]
    """
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return
    cuts = np.flatnonzero(np.diff(seconds[known]) > max_gap + 1e-9) + 1
    for part in np.split(known, cuts):
        start, stop = int(part[0]), int(part[-1]) + 1
        between = np.interp(seconds[start:stop], seconds[part], values[part])
        yield Piece(start, stop, between)


def smooth_series(values: Float64Array, seconds: Float64Array, window: float) -> Float64Array:
    """Means over a window of seconds, centred; it shrinks alike on both sides at the ends.

    Examples
    --------
    >>> smooth_series(np.array([0.0, 3.0, 0.0, 3.0]), np.arange(4) / 10, 0.2).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    if window <= 0 or len(values) < 3:
        return values
    rows = np.arange(len(values))
    half = window / 2 + 1e-9
    before = rows - np.searchsorted(seconds, seconds - half)
    after = np.searchsorted(seconds, seconds + half, side="right") - 1 - rows
    reach = np.minimum(before, after)
    total = np.concatenate([[0.0], np.cumsum(values - values.mean())])
    means = (total[rows + reach + 1] - total[rows - reach]) / (2 * reach + 1) + values.mean()
    return np.asarray(means.round(12))


def turning_points(values: Float64Array, least: float) -> list[int]:
    """Positions of highs and lows in turn, each at least ``least`` away from the next.

    Smaller swings are passed over. The ends of the series are no turning points.

    Examples
    --------
    >>> turning_points(np.array([0.0, 5.0, 4.5, 6.0, 1.0, 1.2, 0.0, 4.0]), 2.0)
    [3, 6]
    """
    points: list[int] = []
    low = high = 0
    direction = 0
    for position, value in enumerate(values.tolist()):
        if value > values[high]:
            high = position
        if value < values[low]:
            low = position
        if direction >= 0 and value <= values[high] - least:
            if direction:
                points.append(high)
            direction, low = -1, position
        elif direction <= 0 and value >= values[low] + least:
            if direction:
                points.append(low)
            direction, high = 1, position
    return points
