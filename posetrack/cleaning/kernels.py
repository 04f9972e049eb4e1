"""Numba kernels over time: rolling medians, local regression, Kalman smoothing, One-Euro.

All take one person, (T, K, 2) float64 with NaN where unseen, and real times: frames need not
come evenly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.compilation import compile_kernel

Float64Array = NDArray[np.float64]

# Times are sums and differences of decimal fractions: what lies this near to an edge is inside.
_ROUNDING = 1e-6


@compile_kernel
def _insert(sorted_values: Float64Array, count: int, value: float) -> None:
    """Put a value into the first ``count`` sorted ones; there must be room."""
    position = count
    while position > 0 and sorted_values[position - 1] > value:
        sorted_values[position] = sorted_values[position - 1]
        position -= 1
    sorted_values[position] = value


@compile_kernel
def _remove(sorted_values: Float64Array, count: int, value: float) -> None:
    """Take one such value out of the first ``count`` sorted ones."""
    position = np.searchsorted(sorted_values[:count], value)
    for later in range(position, count - 1):
        sorted_values[later] = sorted_values[later + 1]


@compile_kernel
def _middle(sorted_values: Float64Array, count: int) -> float:
    middle: float = 0.5 * (sorted_values[(count - 1) // 2] + sorted_values[count // 2])
    return middle


@compile_kernel
def _spread(sorted_values: Float64Array, count: int, centre: float) -> float:
    """Median distance of sorted values from a centre: the nearest ones, taken from both sides."""
    right = np.searchsorted(sorted_values[:count], centre)
    left = right - 1
    before = last = 0.0
    for _ in range(count // 2 + 1):
        before = last
        to_left = centre - sorted_values[left] if left >= 0 else np.inf
        to_right = sorted_values[right] - centre if right < count else np.inf
        if to_left <= to_right:
            last = to_left
            left -= 1
        else:
            last = to_right
            right += 1
    return last if count % 2 else 0.5 * (before + last)


@compile_kernel
def _span(seconds: Float64Array, reach: float, t: int, low: int, high: int) -> tuple[int, int]:
    """Move a window's half-open range on to frame t: all frames within reach of it in time."""
    while seconds[t] - seconds[low] > reach + _ROUNDING:
        low += 1
    while high < len(seconds) and seconds[high] - seconds[t] <= reach + _ROUNDING:
        high += 1
    return low, high


@compile_kernel
def hampel(
    xy: Float64Array, seconds: Float64Array, reach: float, sigmas: float, least: float
) -> NDArray[np.bool_]:
    """(T, K), which keypoints lie too far from the median of those within ``reach`` seconds."""
    frames, points = xy.shape[:2]
    far = np.zeros((frames, points), np.bool_)
    window = np.empty(frames + 1)
    for k in range(points):
        for axis in range(2):
            low = high = count = 0
            for t in range(frames):
                first, end = _span(seconds, reach, t, low, high)
                for added in range(high, end):
                    if np.isfinite(xy[added, k, axis]):
                        _insert(window, count, xy[added, k, axis])
                        count += 1
                for gone in range(low, first):
                    if np.isfinite(xy[gone, k, axis]):
                        _remove(window, count, xy[gone, k, axis])
                        count -= 1
                low, high = first, end
                if count >= 3 and np.isfinite(xy[t, k, axis]):
                    centre = _middle(window, count)
                    # 1.4826 makes of a median deviation the standard deviation of normal noise.
                    limit = max(sigmas * 1.4826 * _spread(window, count, centre), least)
                    far[t, k] |= abs(xy[t, k, axis] - centre) > limit
    return far


@compile_kernel
def rolling_median(
    xy: Float64Array, seconds: Float64Array, reach: float, hole: float
) -> Float64Array:
    """Median of each coordinate within ``reach`` seconds, not across gaps; at a piece's ends less.

    ``hole`` is the longest time between two frames that belong to one piece. Windows shrink
    towards the ends of a piece, alike on both sides, so that a straight line stays one.
    """
    frames, points = xy.shape[:2]
    out, window = xy.copy(), np.empty(frames)
    for k in range(points):
        start = 0
        while start < frames:
            if not np.isfinite(xy[start, k, 0]):
                start += 1
                continue
            stop = _piece_end(xy, seconds, k, start, hole)
            for t in range(start, stop):
                near = min(seconds[t] - seconds[start], seconds[stop - 1] - seconds[t], reach)
                a = b = t
                while a > start and seconds[t] - seconds[a - 1] <= near + _ROUNDING:
                    a -= 1
                while b + 1 < stop and seconds[b + 1] - seconds[t] <= near + _ROUNDING:
                    b += 1
                for axis in range(2):
                    for i in range(a, b + 1):
                        _insert(window, i - a, xy[i, k, axis])
                    out[t, k, axis] = _middle(window, b + 1 - a)
            start = stop
    return out


@compile_kernel
def _piece_end(xy: Float64Array, seconds: Float64Array, k: int, start: int, hole: float) -> int:
    """One past the last frame of the piece without gaps that begins at ``start``."""
    stop = start + 1
    while (
        stop < len(xy) and np.isfinite(xy[stop, k, 0]) and seconds[stop] - seconds[stop - 1] <= hole
    ):
        stop += 1
    return stop


@compile_kernel
def loess(
    xy: Float64Array, seconds: Float64Array, reach: float, hole: float, quadratic: bool
) -> Float64Array:
    """Local regression with tricube weights within ``reach`` seconds, not across gaps."""
    frames, points = xy.shape[:2]
    out = xy.copy()
    for k in range(points):
        start = 0
        while start < frames:
            if not np.isfinite(xy[start, k, 0]):
                start += 1
                continue
            stop = _piece_end(xy, seconds, k, start, hole)
            a = b = start
            for t in range(start, stop):
                while seconds[t] - seconds[a] >= reach:
                    a += 1
                while b < stop and seconds[b] - seconds[t] < reach:
                    b += 1
                if b - a > (2 if quadratic else 1):
                    _fit(xy, seconds, reach, quadratic, k, t, a, b, out)
            start = stop
    return out


@compile_kernel
def _fit(
    xy: Float64Array,
    seconds: Float64Array,
    reach: float,
    quadratic: bool,
    k: int,
    t: int,
    a: int,
    b: int,
    out: Float64Array,
) -> None:
    """Value at t of a weighted polynomial through frames a to b; both axes share the weights."""
    s0 = s1 = s2 = s3 = s4 = 0.0
    x0 = x1 = x2 = y0 = y1 = y2 = 0.0
    for i in range(a, b):
        u = (seconds[i] - seconds[t]) / reach
        share = 1 - abs(u) ** 3
        w = share * share * share
        # Relative to frame t, so that large coordinates cost no digits.
        x, y = xy[i, k, 0] - xy[t, k, 0], xy[i, k, 1] - xy[t, k, 1]
        s0 += w
        s1 += w * u
        s2 += w * u * u
        s3 += w * u * u * u
        s4 += w * u * u * u * u
        x0, x1, x2 = x0 + w * x, x1 + w * u * x, x2 + w * u * u * x
        y0, y1, y2 = y0 + w * y, y1 + w * u * y, y2 + w * u * u * y
    if quadratic:  # Cramer's rule for the constant term
        c0, c1, c2 = s2 * s4 - s3 * s3, s2 * s3 - s1 * s4, s1 * s3 - s2 * s2
        det = s0 * c0 + s1 * c1 + s2 * c2
    else:
        c0, c1, c2 = s2, -s1, 0.0
        det = s0 * c0 + s1 * c1
    # With too few different times the polynomial is not determined: the value stays.
    if det > 1e-9 * s0 * s0:
        out[t, k, 0] += (c0 * x0 + c1 * x1 + c2 * x2) / det
        out[t, k, 1] += (c0 * y0 + c1 * y1 + c2 * y2) / det


@compile_kernel
def one_euro(
    xy: Float64Array,
    seconds: Float64Array,
    min_cutoff: float,
    beta: float,
    speed_cutoff: float,
    max_gap: float,
) -> Float64Array:
    """One-Euro filter; begins anew after more than ``max_gap`` seconds. ``beta`` per pixel."""
    frames, points = xy.shape[:2]
    out = xy.copy()
    for k in range(points):
        last = -1
        vx = vy = 0.0
        for t in range(frames):
            if not np.isfinite(xy[t, k, 0]):
                continue
            step = seconds[t] - seconds[last] if last >= 0 else np.inf
            if 0 < step <= max_gap + _ROUNDING:
                dx, dy = xy[t, k, 0] - out[last, k, 0], xy[t, k, 1] - out[last, k, 1]
                share = 1 / (1 + 1 / (2 * np.pi * speed_cutoff * step))
                vx += share * (dx / step - vx)
                vy += share * (dy / step - vy)
                cutoff = min_cutoff + beta * np.sqrt(vx * vx + vy * vy)
                share = 1 / (1 + 1 / (2 * np.pi * cutoff * step))
                out[t, k, 0] = out[last, k, 0] + share * dx
                out[t, k, 1] = out[last, k, 1] + share * dy
            else:
                vx = vy = 0.0
            last = t
    return out
