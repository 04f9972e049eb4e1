"""Steps a minute, and left against right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from posetrack.analysis.measures import body_height, measure
from posetrack.analysis.series import fill_gaps, smooth_series, turning_points
from posetrack.ops.angles import SIDES
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]

_MIN_SWING: Final = 0.08
"""Of the body's height: how far the ankles must part and cross to be a step."""
_MAX_LAG: Final = 1.5  # seconds by which the two sides may follow each other


@dataclass(frozen=True)
class Symmetry:
    """Left against right of one angle.

    Parameters
    ----------
    angle
        Its name without side.
    left_range, right_range
        Degrees between the 5th and the 95th centile.
    index
        Percent: the difference of the ranges over their mean; 0 is even, negative where the right
        side moves more.
    lag
        Seconds by which the right side follows the left, in either direction; 0 in a squat.
    phase
        The lag as a part of the period, 0 (together) to 0.5 (in turn, as in walking); NaN where
        there is no period.
    """

    angle: str
    left_range: float
    right_range: float
    index: float
    lag: float
    phase: float


def step_times(
    trajectories: Trajectories, *, smooth: float = 0.15, max_gap: float = 0.3
) -> list[Float64Array]:
    """For each person the seconds of their steps: when the ankles are furthest apart.

    The vector between the ankles swings to and fro once in two steps; along its main direction in
    the picture, in body heights, each of its turns is a step.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> t = np.arange(100) / 25
    >>> xy = np.zeros((100, 1, 17, 2))
    >>> xy[..., 1] = [0, 0, 0, 0, 0, 40, 40, 0, 0, 0, 0, 70, 70, 90, 90, 110, 110]
    >>> xy[:, 0, 15, 0] = 20 * np.cos(2 * np.pi * t)  # the left ankle, to and fro each second
    >>> tr = Trajectories(range(100), t, [7], xy, np.ones((100, 1, 17)), COCO_17)
    >>> step_times(tr)[0].round(1).tolist()
    [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    """
    left, right = (trajectories.skeleton.index(f"{side}_ankle") for side in SIDES)
    apart = (trajectories.xy[:, :, left] - trajectories.xy[:, :, right]).astype(np.float64)
    apart /= body_height(trajectories)[..., None]
    seconds, steps = np.array(trajectories.seconds), []
    for row in range(len(trajectories.ids)):
        along = _main_direction(apart[:, row])
        times: list[float] = []
        for piece in fill_gaps(apart[:, row] @ along, seconds, max_gap):
            within = seconds[piece.start : piece.stop]
            steady = smooth_series(piece.values, within, smooth)
            times += [float(within[position]) for position in turning_points(steady, _MIN_SWING)]
        steps.append(np.array(times))
    return steps


def cadence(trajectories: Trajectories) -> Float64Array:
    """(N,) steps a minute while walking; NaN for people with fewer than four steps.

    The mean over the times from step to step, those left out that are half as long again as the
    median: a rest, or a step that was not seen.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> still = np.ones((9, 1, 17, 2))
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], still, np.ones((9, 1, 17)), COCO_17)
    >>> cadence(tr).tolist()
    [nan]
    """
    found = np.full(len(trajectories.ids), np.nan)
    for row, times in enumerate(step_times(trajectories)):
        between = np.diff(times)
        if len(between) >= 3:
            found[row] = 60 / between[between <= 1.5 * np.median(between)].mean()
    return found


def symmetry(trajectories: Trajectories, name: str, *, max_gap: float = 0.5) -> Symmetry:
    """Compare the left and the right of one person's angle over the whole time.

    Parameters
    ----------
    trajectories
        Of one person.
    name
        An angle without its side: ``"knee"``.
    max_gap
        Seconds; shorter gaps are bridged for the lag.

    Raises
    ------
    ValueError
        If there is not exactly one person.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> t = np.arange(100) / 25
    >>> xy = np.zeros((100, 1, 17, 2))
    >>> xy[:, 0, [11, 12], 1] = -1  # hips above the knees, ankles turning about them
    >>> for ankle, lag in ((15, 0.0), (16, 0.5)):
    ...     bend = np.radians(120 + 40 * np.cos(2 * np.pi * (t - lag)))
    ...     xy[:, 0, ankle] = np.stack([np.sin(bend), -np.cos(bend)], axis=1)
    >>> tr = Trajectories(range(100), t, [7], xy, np.ones((100, 1, 17)), COCO_17)
    >>> both = symmetry(tr, "knee")
    >>> round(both.left_range), round(both.index), round(both.phase, 1)
    (78, 0, 0.5)
    """
    if len(trajectories.ids) != 1:
        raise ValueError(f"symmetry is of one person, here are {len(trajectories.ids)}")
    sides = [measure(trajectories, f"{side}_{name}")[:, 0] for side in SIDES]
    ranges = [
        float(np.subtract(*np.nanquantile(values, [0.95, 0.05])))
        if np.isfinite(values).any()
        else np.nan
        for values in sides
    ]
    mean = (ranges[0] + ranges[1]) / 2
    index = 100 * (ranges[0] - ranges[1]) / mean if mean > 0 else np.nan
    lag, phase = _lag(sides[0], sides[1], np.array(trajectories.seconds), max_gap)
    return Symmetry(name, ranges[0], ranges[1], float(index), lag, phase)


def _main_direction(ways: Float64Array) -> Float64Array:
    """(2,) unit vector along which the vectors (T, 2) vary most."""
    known = ways[np.isfinite(ways).all(axis=1)]
    if len(known) < 2:
        return np.array([1.0, 0.0])
    _, axes = np.linalg.eigh(np.cov(known.T))
    return np.asarray(axes[:, -1])


def _lag(
    left: Float64Array, right: Float64Array, seconds: Float64Array, max_gap: float
) -> tuple[float, float]:
    """Seconds and share of the period, of the longest piece in which both are known."""
    both = np.where(np.isfinite(right), left, np.nan)
    pieces = list(fill_gaps(both, seconds, max_gap))
    if not pieces:
        return np.nan, np.nan
    piece = max(pieces, key=lambda one: one.stop - one.start)
    span = seconds[piece.start : piece.stop]
    if len(span) < 8:
        return np.nan, np.nan
    step = float(np.median(np.diff(span)))
    even = np.arange(span[0], span[-1], step)
    known = np.isfinite(right)
    one = np.interp(even, span, piece.values)
    other = np.interp(even, seconds[known], right[known])
    most = min(int(_MAX_LAG / step), len(even) // 2)
    across = _correlations(one, other, most)
    if not np.isfinite(across).all():
        return np.nan, np.nan
    lags = np.arange(-most, most + 1)
    # Lags a whole period apart fit about equally well; the shortest is the period.
    best = int(lags[np.argmax(across - 0.1 * np.abs(lags) / max(most, 1))])
    own = _correlations(one, one, min(2 * most, len(even) // 2))
    period = _first_high(own[len(own) // 2 :])
    share = abs(best) / period if period else np.nan
    return best * step, float(min(share % 1, 1 - share % 1)) if period else np.nan


def _correlations(one: Float64Array, other: Float64Array, most: int) -> Float64Array:
    """(2 most + 1,) of ``one`` at t with ``other`` at t + lag."""
    found = []
    for lag in range(-most, most + 1):
        here = one[max(0, -lag) : len(one) - max(0, lag)]
        there = other[max(0, lag) : len(other) - max(0, -lag)]
        a, b = here - here.mean(), there - there.mean()
        size = float(np.sqrt((a**2).sum() * (b**2).sum()))
        found.append(float((a * b).sum()) / size if size > 0 else np.nan)
    return np.array(found)


def _first_high(own: Float64Array) -> int:
    """The lag of the first clear peak of an autocorrelation; 0 if it has none."""
    below = np.flatnonzero(own < 0.2)
    if not len(below):
        return 0
    rest = own[below[0] :]
    is_high = (rest[1:-1] >= rest[:-2]) & (rest[1:-1] > rest[2:])
    highs = np.flatnonzero(is_high & (rest[1:-1] > max(0.4, 0.8 * float(rest.max())))) + 1
    return int(below[0]) + int(highs[0]) if len(highs) else 0
