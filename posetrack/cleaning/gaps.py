"""Short gaps filled from what was seen before and after; nothing beyond the ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.cleaning.changes import apply_changes, check_positive, check_times, seen, with_raw
from posetrack.trajectories import Origin, Trajectories

Float64Array = NDArray[np.float64]
Interpolate: TypeAlias = Callable[[Float64Array, Float64Array, Float64Array], Float64Array]
"""(S,) times seen, (S, 2) values there, (M,) times missing between them -> (M, 2)."""

_ROUNDING = 1e-6


def fill_gaps(
    trajectories: Trajectories,
    max_gap: float,
    *,
    interpolate: Interpolate | None = None,
) -> Trajectories:
    """Put places into gaps that are no longer than ``max_gap``; flagged as filled.

    A filled keypoint has the lower of its two neighbours' scores. Where the whole person was
    missing, the box is interpolated, too, and ``raw.ids`` still says that nobody was measured.

    Parameters
    ----------
    trajectories
        Left as they are.
    max_gap
        Seconds from the last frame in which the keypoint was seen to the next. Longer gaps stay
        whole.
    interpolate
        How: `linear` when None, `pchip`, `cubic`, or your own.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.arange(9.0)[:, None, None, None] + np.zeros((9, 1, 17, 2))
    >>> xy[3:5, 0, 2] = np.nan
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], xy, np.ones((9, 1, 17)), COCO_17)
    >>> fill_gaps(tr, 0.2).xy[:5, 0, 2, 0].tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    check_positive(max_gap=max_gap)
    check_times(trajectories)
    seconds = np.array(trajectories.seconds)
    there = seen(trajectories)
    xy, scores = trajectories.xy.copy(), trajectories.scores.copy()
    filled = np.zeros_like(there)
    for row in range(there.shape[1]):
        for point in range(there.shape[2]):
            missing = _short_gaps(there[:, row, point], seconds, max_gap)
            if not len(missing):
                continue
            known = np.flatnonzero(there[:, row, point])
            values = trajectories.xy[known, row, point].astype(np.float64)
            method = linear if interpolate is None else interpolate
            xy[missing, row, point] = method(seconds[known], values, seconds[missing])
            after = np.searchsorted(known, missing)
            ends = scores[known[after - 1], row, point], scores[known[after], row, point]
            scores[missing, row, point] = np.minimum(*ends)
            filled[missing, row, point] = True
    if not filled.any():
        return trajectories
    with_boxes = _with_boxes(with_raw(trajectories), filled, max_gap)
    return apply_changes(with_boxes, xy, scores, filled, Origin.FILLED)


def _short_gaps(
    there: NDArray[np.bool_], seconds: Float64Array, max_gap: float
) -> NDArray[np.intp]:
    """Frames without, between two frames with, that are at most ``max_gap`` seconds apart.

    Examples
    --------
    >>> there = np.array([0, 1, 0, 1, 0, 0, 1, 0], bool)
    >>> _short_gaps(there, np.arange(8) * 0.1, 0.25).tolist()
    [2]
    """
    known = np.flatnonzero(there)
    if len(known) < 2:
        return np.zeros(0, np.intp)
    is_gap = (np.diff(known) > 1) & (np.diff(seconds[known]) <= max_gap + _ROUNDING)
    wanted = np.zeros(len(there), np.int64)
    wanted[known[:-1][is_gap] + 1] += 1
    wanted[known[1:][is_gap]] -= 1
    return np.flatnonzero(np.cumsum(wanted))


def linear(times: Float64Array, values: Float64Array, missing: Float64Array) -> Float64Array:
    """Interpolate on straight lines.

    Examples
    --------
    >>> linear(np.array([0.0, 2]), np.array([[0.0, 0], [4, 8]]), np.array([1.0])).tolist()
    [[2.0, 4.0]]
    """
    return np.stack([np.interp(missing, times, axis) for axis in values.T], axis=1)


def pchip(times: Float64Array, values: Float64Array, missing: Float64Array) -> Float64Array:
    """Interpolate on monotone cubics, which never leave the range of the two ends.

    Examples
    --------
    >>> times = np.array([0.0, 1, 3, 4])
    >>> pchip(times, np.stack([times, times], axis=1), np.array([2.0])).tolist()
    [[2.0, 2.0]]
    """
    from scipy.interpolate import PchipInterpolator

    found: Float64Array = PchipInterpolator(times, values, axis=0)(missing)
    return found


def cubic(times: Float64Array, values: Float64Array, missing: Float64Array) -> Float64Array:
    """Interpolate on a cubic spline: it follows a swing through a gap, and overshoots in noise.

    Examples
    --------
    >>> times = np.array([0.0, 1, 3, 4])
    >>> cubic(times, np.stack([times**2] * 2, axis=1), np.array([2.0])).round(6).tolist()
    [[4.0, 4.0]]
    """
    from scipy.interpolate import CubicSpline

    found: Float64Array = CubicSpline(times, values, axis=0)(missing)
    return found


def _with_boxes(
    trajectories: Trajectories, filled: NDArray[np.bool_], max_gap: float
) -> Trajectories:
    """Interpolated boxes for people who were missing and now have a keypoint."""
    present = trajectories.present
    new = filled.any(axis=-1) & ~present
    if not new.any():
        return trajectories
    boxes, box_scores = trajectories.boxes.copy(), trajectories.box_scores.copy()
    seconds = np.array(trajectories.seconds)
    for row in np.flatnonzero(new.any(axis=0)):
        between = _short_gaps(present[:, row], seconds, max_gap)
        frames = between[new[between, row]]  # others get the box of their keypoints
        if not len(frames):
            continue
        known = np.flatnonzero(present[:, row])
        boxes[frames, row] = linear(
            seconds[known], trajectories.boxes[known, row].astype(np.float64), seconds[frames]
        )
        after = np.searchsorted(known, frames)
        ends = box_scores[known[after - 1], row], box_scores[known[after], row]
        box_scores[frames, row] = np.minimum(*ends)
    return replace(trajectories, boxes=boxes, box_scores=box_scores)
