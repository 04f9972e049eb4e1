"""Smoothing, piece by piece: what lies between two gaps never mixes with what lies beyond.

Windows and limits are in seconds. Where frames do not come evenly, the frequency filters
(Butterworth, Savitzky-Golay) work on even times in between and come back; the others use the
real times. A keypoint that a filter moved is flagged; boxes and scores stay.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posetrack.cleaning.changes import (
    changed,
    check_positive,
    check_times,
    longest_step,
    segments,
    sizes,
)
from posetrack.trajectories import Origin, Trajectories

Float64Array = NDArray[np.float64]

_EVEN = 0.05  # by what part of a step frames may be off and still count as even
_LEAST_SCORE = 0.05


def butterworth(trajectories: Trajectories, *, cutoff: float = 6.0, order: int = 4) -> Trajectories:
    """Low-pass filtered forward and backward, so that nothing is delayed.

    Parameters
    ----------
    trajectories
        Left as they are.
    cutoff
        Hz, where both passes together have halved the power. Lower is smoother and flattens fast
        motion: walking needs about 4 to 6, a throw or a jump 10 and more.
    order
        Of both passes together, even. Higher cuts more sharply and rings more.

    Raises
    ------
    ValueError
        If the cutoff is not below half the frame rate, or the order not even.

    Notes
    -----
    The cutoff of each pass is raised so that it holds for both. Pieces shorter than one period of
    the cutoff are left alone.

    References
    ----------
    D. A. Winter, *Biomechanics and Motor Control of Human Movement*, 4th ed., section 3.4.4.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> noisy = 50 + np.random.default_rng(0).normal(0, 1, (100, 1, 17, 2))
    >>> t, scores = np.arange(100), np.ones((100, 1, 17))
    >>> tr = Trajectories(t, t / 25, [7], noisy, scores, COCO_17)
    >>> bool(butterworth(tr, cutoff=2).xy.std() < 0.5 * tr.xy.std())
    True
    """
    from scipy.signal import butter, sosfiltfilt

    check_positive(cutoff=cutoff, order=order)
    if order % 2:
        raise ValueError(f"order must be even, half for each way, got {order}")
    step = _step(trajectories)
    if step is None:
        return trajectories
    if cutoff >= 0.499999 / step:
        raise ValueError(
            f"cutoff {cutoff} Hz must be below half the frame rate, {0.5 / step:.4g} Hz here"
        )
    # At the cutoff each pass may lose only a quarter of the power; exact after warping.
    one_pass = (2**0.5 - 1) ** (1 / order)
    normal = 2 / np.pi * np.arctan(np.tan(np.pi * cutoff * step) / one_pass)
    sections = butter(order // 2, normal, output="sos")
    padding = max(3 * order, int(np.ceil(1 / (cutoff * step))))

    def smooth(values: Float64Array) -> Float64Array:
        found: Float64Array = sosfiltfilt(
            sections, values, axis=0, padlen=min(padding, len(values) - 1)
        )
        return found

    return _evenly(trajectories, step, smooth, shortest=max(4, round(1 / (cutoff * step)) + 1))


def savitzky_golay(
    trajectories: Trajectories, *, window: float = 0.3, degree: int = 2
) -> Trajectories:
    """Each value replaced by that of a polynomial fitted to the window around it.

    Parameters
    ----------
    trajectories
        Left as they are.
    window
        Seconds; taken as the nearest odd number of frames. Pieces shorter than it are left alone.
    degree
        Of the polynomial. Higher keeps peaks better and noise as well.

    Raises
    ------
    ValueError
        If the window holds too few frames for the degree.

    References
    ----------
    A. Savitzky, M. J. E. Golay, *Smoothing and differentiation of data by simplified least
    squares procedures*, Analytical Chemistry 36, 1964.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> noisy = 50 + np.random.default_rng(0).normal(0, 1, (100, 1, 17, 2))
    >>> t, scores = np.arange(100), np.ones((100, 1, 17))
    >>> tr = Trajectories(t, t / 25, [7], noisy, scores, COCO_17)
    >>> bool(savitzky_golay(tr, window=0.5).xy.std() < 0.7 * tr.xy.std())
    True
    """
    from scipy.signal import savgol_filter

    check_positive(window=window)
    if degree < 0:
        raise ValueError(f"degree must be at least 0, got {degree}")
    step = _step(trajectories)
    if step is None:
        return trajectories
    frames = 2 * round((window / step - 1) / 2) + 1
    if frames <= degree:
        raise ValueError(
            f"a window of {window} s holds {max(frames, 1)} frames here; degree {degree} needs "
            f"at least {(degree // 2) * 2 + 1} frames and smooths with more: "
            f"{(degree + 3) * step:.3g} s"
        )

    def smooth(values: Float64Array) -> Float64Array:
        found: Float64Array = savgol_filter(values, frames, degree, axis=0)
        return found

    return _evenly(trajectories, step, smooth, shortest=frames)


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
    from posetrack.cleaning.kalman_kernels import kalman_smoothed

    drive = (20.0 if acceleration else 1.0) if agility is None else agility
    check_positive(noise=noise, agility=drive, max_gap=max_gap)
    each = sizes(trajectories)

    def smooth(row: int, xy: Float64Array, seconds: Float64Array) -> Float64Array:
        scores = np.clip(trajectories.scores[:, row].astype(np.float64), _LEAST_SCORE, 1)
        spread = noise * each[row] / scores
        order = 3 if acceleration else 2
        return kalman_smoothed(
            xy, spread, seconds, drive * each[row], 3 * each[row], order, max_gap
        )

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


def _step(trajectories: Trajectories) -> float | None:
    """Time between most frames; None where there are fewer than two."""
    check_times(trajectories)
    between = np.diff(trajectories.seconds)
    return float(np.median(between)) if len(between) else None


def _evenly(
    trajectories: Trajectories,
    step: float,
    smooth: Callable[[Float64Array], Float64Array],
    *,
    shortest: int,
) -> Trajectories:
    """Every piece of at least ``shortest`` frames through a filter that wants even times."""
    xy = trajectories.xy.copy()
    alike: dict[tuple[int, int], list[tuple[int, NDArray[np.intp]]]] = {}
    for row, start, stop, points in segments(trajectories):
        times = trajectories.seconds[start:stop]
        if (np.abs(np.diff(times) - step) <= _EVEN * step).all():
            if stop - start >= shortest:
                alike.setdefault((row, stop - start), []).append((start, points))
        elif int((times[-1] - times[0]) / step) + 1 >= shortest:
            piece = xy[start:stop, row, points]
            xy[start:stop, row, points] = _resampled(piece, times, step, smooth, shortest)
    for (row, length), pieces in alike.items():
        # A filter's call costs more than its work on a short piece: those of a length go together.
        frames = np.concatenate([np.full(len(points), start) for start, points in pieces])
        each = np.concatenate([points for _, points in pieces])
        at = frames + np.arange(length)[:, None], row, each
        values = xy[at].astype(np.float64)  # (length, pieces, 2)
        first = values[0].copy()  # small numbers round less, and a shift shifts the answer exactly
        flat = (values - first).reshape(length, -1)
        xy[at] = smooth(flat).reshape(values.shape) + first
    return _smoothed(trajectories, xy)


def _resampled(
    xy: NDArray[np.float32],
    times: Float64Array,
    step: float,
    smooth: Callable[[Float64Array], Float64Array],
    shortest: int,
) -> Float64Array:
    """A piece (L, P, 2) whose frames do not come evenly: filtered at even times, and back."""
    from scipy.interpolate import PchipInterpolator

    values = xy.astype(np.float64)
    first = values[0].copy()
    grid = np.linspace(times[0], times[-1], max(round((times[-1] - times[0]) / step) + 1, shortest))
    even = PchipInterpolator(times, (values - first).reshape(len(xy), -1), axis=0)(grid)
    found: Float64Array = PchipInterpolator(grid, smooth(even), axis=0)(times)
    placed: Float64Array = found.reshape(xy.shape) + first
    return placed


def _by_person(
    trajectories: Trajectories,
    smooth: Callable[[int, Float64Array, Float64Array], Float64Array],
) -> Trajectories:
    """Each person's (T, K, 2) through a filter that knows of gaps and times itself."""
    check_times(trajectories)
    xy, seconds = trajectories.xy.copy(), np.array(trajectories.seconds)
    for row in range(len(trajectories.ids)):
        xy[:, row] = smooth(row, xy[:, row].astype(np.float64), seconds)
    return _smoothed(trajectories, xy)


def _smoothed(trajectories: Trajectories, xy: NDArray[np.float32]) -> Trajectories:
    moved = (xy != trajectories.xy).any(axis=-1) & np.isfinite(trajectories.xy[..., 0])
    return changed(trajectories, xy, trajectories.scores, moved, Origin.SMOOTHED)
