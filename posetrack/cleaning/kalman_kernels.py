"""Numba kernel of the Kalman smoother: forward filter, then Bryson and Frazier's way back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.kernels import compiled

Float64Array = NDArray[np.float64]


@compiled
def smooth_kalman(
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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
