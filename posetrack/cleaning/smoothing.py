"""Filters that know of gaps and times themselves: median, LOESS, Kalman smoother, One-Euro.

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
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]

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
        Constant acceleration in place of constant velocity as the motion that needs no drive.
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
    from posetrack.cleaning.kalman_kernels import smooth_kalman

    drive = (20.0 if acceleration else 1.0) if agility is None else agility
    check_positive(noise=noise, agility=drive, max_gap=max_gap)
    each = sizes(trajectories)

    def smooth(row: int, xy: Float64Array, seconds: Float64Array) -> Float64Array:
        scores = np.clip(trajectories.scores[:, row].astype(np.float64), _LEAST_SCORE, 1)
        spread = noise * each[row] / scores
        order = 3 if acceleration else 2
        return smooth_kalman(xy, spread, seconds, drive * each[row], 3 * each[row], order, max_gap)

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
    """Each person's (T, K, 2) through a filter that knows of gaps and times itself."""
    check_times(trajectories)
    xy, seconds = trajectories.xy.copy(), np.array(trajectories.seconds)
    for row in range(len(trajectories.ids)):
        xy[:, row] = smooth(row, xy[:, row].astype(np.float64), seconds)
    return apply_filter(trajectories, xy)
