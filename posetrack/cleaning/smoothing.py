"""Filters that handle gaps and uneven times: median, LOESS, Kalman smoother, One-Euro.

Windows and limits are in seconds, and frames need not come evenly. A keypoint that a filter moved
is flagged; boxes and scores stay.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posetrack.cleaning.changes import (
    apply_filter,
    check_positive,
    check_times,
    longest_step,
    sizes,
)
from posetrack.ops.compilation import compile_kernel
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]


@compile_kernel
def _smooth_kalman(
    xy: Float64Array,
    spread: Float64Array,
    seconds: Float64Array,
    drive: float,
    speed: float,
    order: int,
    max_gap: float,
) -> Float64Array:
    """Smoothed places of one person's keypoints where they were seen.

    Parameters
    ----------
    xy, spread
        (T, K, 2), NaN where unseen, and (T, K) standard deviation of each measurement, in pixels.
    seconds
        (T,).
    drive
        Root of the spectral density of the white noise that drives the highest derivative.
    speed
        How fast people are at the start of a piece: standard deviation in pixels a second.
    order
        2 for constant velocity, 3 for constant acceleration.
    max_gap
        Begins anew after more seconds without a measurement.
    """
    frames, points = xy.shape[:2]
    out = xy.copy()
    rows = np.empty(frames, np.int64)
    for k in range(points):
        count = 0
        for t in range(frames):
            if np.isfinite(xy[t, k, 0]):
                rows[count] = t
                count += 1
        start = 0
        while start < count:
            stop = start + 1
            while stop < count and seconds[rows[stop]] - seconds[rows[stop - 1]] <= max_gap + 1e-6:
                stop += 1
            if stop - start > 1:
                _smooth_piece(xy, spread, seconds, drive, speed, order, k, rows[start:stop], out)
            start = stop
    return out


@compile_kernel
def _transition(step: float, order: int, f: Float64Array, q: Float64Array) -> None:
    """How a state moves on, and how uncertain that is, for white noise of density 1."""
    f[0, 0] = f[1, 1] = 1
    f[0, 1] = step
    if order == 2:
        q[0, 0], q[0, 1], q[1, 1] = step**3 / 3, step**2 / 2, step
        q[1, 0] = q[0, 1]
        return
    f[2, 2], f[1, 2], f[0, 2] = 1, step, step * step / 2
    q[0, 0], q[0, 1], q[0, 2] = step**5 / 20, step**4 / 8, step**3 / 6
    q[1, 1], q[1, 2], q[2, 2] = step**3 / 3, step**2 / 2, step
    q[1, 0], q[2, 0], q[2, 1] = q[0, 1], q[0, 2], q[1, 2]


@compile_kernel
def _predict(
    f: Float64Array,
    q: Float64Array,
    drive: float,
    order: int,
    state: Float64Array,
    p: Float64Array,
) -> None:
    """State and covariance one step later, in place."""
    moved, carried = np.zeros((3, 2)), np.zeros((3, 3))
    for a in range(order):
        for b in range(order):
            for axis in range(2):
                moved[a, axis] += f[a, b] * state[b, axis]
            for c in range(order):
                carried[a, b] += f[a, c] * p[c, b]
    for a in range(order):
        state[a, 0], state[a, 1] = moved[a, 0], moved[a, 1]
        for b in range(order):
            p[a, b] = q[a, b] * drive * drive
            for c in range(order):
                p[a, b] += carried[a, c] * f[b, c]


@compile_kernel
def _smooth_piece(
    xy: Float64Array,
    spread: Float64Array,
    seconds: Float64Array,
    drive: float,
    speed: float,
    order: int,
    k: int,
    rows: NDArray[np.int64],
    out: Float64Array,
) -> None:
    length = len(rows)
    gain, top = np.zeros((length, 3)), np.zeros((length, 3))
    error, position = np.zeros((length, 2)), np.zeros((length, 2))
    f, q = np.zeros((3, 3)), np.zeros((3, 3))
    state, p, first = np.zeros((3, 2)), np.zeros((3, 3)), np.zeros(3)
    origin = xy[rows[0], k].copy()  # so that a shift of everything shifts the answer exactly
    p[0, 0], p[1, 1] = 1e6 * spread[rows[0], k] ** 2, speed * speed
    p[2, 2] = (8 * speed) ** 2
    for i in range(length):
        t = rows[i]
        if i:
            _transition(seconds[t] - seconds[rows[i - 1]], order, f, q)
            _predict(f, q, drive, order, state, p)
        total = p[0, 0] + spread[t, k] ** 2
        for a in range(order):
            gain[i, a] = p[a, 0] / total
        for axis in range(2):
            miss = xy[t, k, axis] - origin[axis] - state[0, axis]
            error[i, axis] = miss / total
            for a in range(order):
                state[a, axis] += gain[i, a] * miss
            position[i, axis] = state[0, axis]
        for a in range(order):
            first[a] = p[0, a]
        for a in range(order):
            for b in range(order):
                p[a, b] -= gain[i, a] * first[b]
        for a in range(order):
            top[i, a] = p[0, a]
    _back(rows, seconds, order, gain, top, error, position, origin, k, out)


@compile_kernel
def _back(
    rows: NDArray[np.int64],
    seconds: Float64Array,
    order: int,
    gain: Float64Array,
    top: Float64Array,
    error: Float64Array,
    position: Float64Array,
    origin: Float64Array,
    k: int,
    out: Float64Array,
) -> None:
    """Add what later measurements say: x = x_filtered - P_filtered adjoint, no matrix inverted."""
    f, q = np.zeros((3, 3)), np.zeros((3, 3))
    adjoint, earlier = np.zeros((3, 2)), np.zeros((3, 2))
    for i in range(len(rows) - 1, -1, -1):
        for axis in range(2):
            correction = 0.0
            for a in range(order):
                correction += top[i, a] * adjoint[a, axis]
            out[rows[i], k, axis] = origin[axis] + position[i, axis] - correction
        if i == 0:
            return
        _transition(seconds[rows[i]] - seconds[rows[i - 1]], order, f, q)
        for axis in range(2):
            along = 0.0
            for a in range(order):
                along += gain[i, a] * adjoint[a, axis]
            adjoint[0, axis] -= error[i, axis] + along
            for a in range(order):
                earlier[a, axis] = 0
                for b in range(order):
                    earlier[a, axis] += f[b, a] * adjoint[b, axis]
            for a in range(order):
                adjoint[a, axis] = earlier[a, axis]


_LEAST_SCORE = 0.05


def median(trajectories: Trajectories, *, window: float = 0.2) -> Trajectories:
    """Each coordinate replaced by the median of the window around it: spikes go, edges stay.

    Parameters
    ----------
    trajectories
        Left as they are.
    window
        Seconds, centred. It shrinks, alike on both sides, towards the ends of a piece.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((9, 1, 17, 2))
    >>> xy[4] = 99
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], xy, np.ones((9, 1, 17)), COCO_17)
    >>> float(median(tr).xy.max())
    0.0
    """
    from posetrack.cleaning.kernels import rolling_median

    check_positive(window=window)
    hole = longest_step(trajectories.seconds)

    def smooth(_: int, xy: Float64Array, seconds: Float64Array) -> Float64Array:
        return rolling_median(xy, seconds, window / 2, hole)

    return _by_person(trajectories, smooth)


def loess(trajectories: Trajectories, *, window: float = 0.4, degree: int = 2) -> Trajectories:
    """Local regression: a polynomial fitted to the window, near frames weighing more (tricube).

    Parameters
    ----------
    trajectories
        Left as they are.
    window
        Seconds, centred; cut off at the ends of a piece.
    degree
        1 or 2, a line or a parabola.

    References
    ----------
    W. S. Cleveland, *Robust locally weighted regression and smoothing scatterplots*, JASA 74,
    1979; without its robustness weights, which `reject_outliers` is for.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> noisy = 50 + np.random.default_rng(0).normal(0, 1, (100, 1, 17, 2))
    >>> t, scores = np.arange(100), np.ones((100, 1, 17))
    >>> tr = Trajectories(t, t / 25, [7], noisy, scores, COCO_17)
    >>> bool(loess(tr, window=0.8).xy.std() < 0.7 * tr.xy.std())
    True
    """
    from posetrack.cleaning.kernels import loess as fitted

    check_positive(window=window)
    if degree not in (1, 2):
        raise ValueError(f"degree must be 1 or 2, got {degree}")
    hole = longest_step(trajectories.seconds)

    def smooth(_: int, xy: Float64Array, seconds: Float64Array) -> Float64Array:
        return fitted(xy, seconds, window / 2, hole, degree == 2)

    return _by_person(trajectories, smooth)


def kalman(
    trajectories: Trajectories,
    *,
    noise: float = 0.01,
    agility: float | None = None,
    acceleration: bool = False,
    max_gap: float = 0.5,
) -> Trajectories:
    """Rauch, Tung and Striebel's smoother: the likeliest smooth motion given all measurements.

    Parameters
    ----------
    trajectories
        Left as they are.
    noise
        Standard deviation of a keypoint of score 1 as a fraction of the person's size (root of
        the median box area); that of others is larger by 1 / score.
    agility
        How much the motion may change: root of the spectral density of the noise that drives the
        velocity (or, with ``acceleration``, the acceleration), in sizes and seconds; 1 (20) when
        None. Lower is smoother.
    acceleration
        Constant acceleration instead of constant velocity as the motion that needs no drive.
    max_gap
        Seconds. Across shorter gaps the motion goes on, but nothing is put into them.

    References
    ----------
    H. E. Rauch, F. Tung, C. T. Striebel, *Maximum likelihood estimates of linear dynamic systems*,
    AIAA Journal 3, 1965; computed in the form of A. E. Bryson and M. Frazier, 1963.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> noisy = np.random.default_rng(0).normal(0, 1, (100, 1, 17, 2)) + np.arange(17)[:, None] * 9
    >>> t, scores = np.arange(100), np.ones((100, 1, 17))
    >>> tr = Trajectories(t, t / 25, [7], noisy, scores, COCO_17)
    >>> moved = kalman(tr, agility=0.1).xy
    >>> bool(moved.std(axis=0).mean() < 0.5 * tr.xy.std(axis=0).mean())
    True
    """
    drive = (20.0 if acceleration else 1.0) if agility is None else agility
    check_positive(noise=noise, agility=drive, max_gap=max_gap)
    each = sizes(trajectories)

    def smooth(row: int, xy: Float64Array, seconds: Float64Array) -> Float64Array:
        scores = np.clip(trajectories.scores[:, row].astype(np.float64), _LEAST_SCORE, 1)
        spread = noise * each[row] / scores
        order = 3 if acceleration else 2
        return _smooth_kalman(xy, spread, seconds, drive * each[row], 3 * each[row], order, max_gap)

    return _by_person(trajectories, smooth)


def one_euro(
    trajectories: Trajectories,
    *,
    min_cutoff: float = 1.5,
    beta: float = 8.0,
    speed_cutoff: float = 1.0,
    max_gap: float = 0.5,
) -> Trajectories:
    """One-Euro filter: causal, smooth at rest and quick in motion; the same as `OnlineCleaner`.

    Parameters
    ----------
    trajectories
        Left as they are.
    min_cutoff
        Hz at rest. Lower is smoother and slower to follow.
    beta
        Hz added for each person's size a second of speed. Higher lags less in fast motion.
    speed_cutoff
        Hz, of the speed that ``beta`` is applied to.
    max_gap
        Seconds without the keypoint after which the filter begins anew.

    References
    ----------
    G. Casiez, N. Roussel, D. Vogel, *1 Euro filter: a simple speed-based low-pass filter for noisy
    input in interactive systems*, CHI 2012.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> noisy = np.random.default_rng(0).normal(0, 1, (100, 1, 17, 2)) + np.arange(17)[:, None] * 9
    >>> t, scores = np.arange(100), np.ones((100, 1, 17))
    >>> tr = Trajectories(t, t / 25, [7], noisy, scores, COCO_17)
    >>> bool(one_euro(tr).xy.std(axis=0).mean() < 0.7 * tr.xy.std(axis=0).mean())
    True
    """
    from posetrack.cleaning.kernels import one_euro as filtered

    check_positive(min_cutoff=min_cutoff, speed_cutoff=speed_cutoff, max_gap=max_gap)
    if not beta >= 0:
        raise ValueError(f"beta must be at least 0, got {beta}")
    each = sizes(trajectories)

    def smooth(row: int, xy: Float64Array, seconds: Float64Array) -> Float64Array:
        return filtered(xy, seconds, min_cutoff, beta / each[row], speed_cutoff, max_gap)

    return _by_person(trajectories, smooth)


def _by_person(
    trajectories: Trajectories,
    smooth: Callable[[int, Float64Array, Float64Array], Float64Array],
) -> Trajectories:
    """Each person's (T, K, 2) through a filter that handles gaps and uneven times."""
    check_times(trajectories)
    xy, seconds = trajectories.xy.copy(), np.array(trajectories.seconds)
    for row in range(len(trajectories.ids)):
        xy[:, row] = smooth(row, xy[:, row].astype(np.float64), seconds)
    return apply_filter(trajectories, xy)
