"""Filters for evenly spaced times: Butterworth and Savitzky-Golay, through scipy.

Where frames do not come evenly, they work on even times in between and come back. Pieces between
gaps are filtered each for itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posetrack.cleaning.changes import apply_filter, check_positive, check_times, segments
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]

_EVEN = 0.05  # by what part of a step frames may be off and still count as even


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
    """Every piece of at least ``shortest`` frames through a filter for evenly spaced times."""
    xy = trajectories.xy.copy()
    alike: dict[tuple[int, int], list[tuple[int, NDArray[np.intp]]]] = {}
    for row, start, stop, points in segments(trajectories):
        times = trajectories.seconds[start:stop]
        if (np.abs(np.diff(times) - step) <= _EVEN * step).all():
            if stop - start >= shortest:
                alike.setdefault((row, stop - start), []).append((start, points))
        elif int((times[-1] - times[0]) / step) + 1 >= shortest:
            piece = xy[start:stop, row, points]
            xy[start:stop, row, points] = _resample(piece, times, step, smooth, shortest)
    for (row, length), pieces in alike.items():
        # A filter's call costs more than its work on a short piece: those of a length go together.
        frames = np.concatenate([np.full(len(points), start) for start, points in pieces])
        each = np.concatenate([points for _, points in pieces])
        at = frames + np.arange(length)[:, None], row, each
        values = xy[at].astype(np.float64)  # (length, pieces, 2)
        first = values[0].copy()  # small numbers round less, and a shift shifts the answer exactly
        flat = (values - first).reshape(length, -1)
        xy[at] = smooth(flat).reshape(values.shape) + first
    return apply_filter(trajectories, xy)


def _resample(
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
