"""Numba kernel that finds the smoothest sequence of left and right (Viterbi, two states)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack._compiled import compiled

Float64Array = NDArray[np.float64]

# A speed from two frames is noisy: it is carried on over a gap for this many times as long.
_COAST = 2.0


@compiled
def _miss(
    pairs: Float64Array,
    seconds: Float64Array,
    rows: NDArray[np.int64],
    i: int,
    states: tuple[int, int, int],
    cap: float,
    max_gap: float,
) -> float:
    """How far the pairs of the i-th frame are from where the two frames before predict them.

    ``states`` are those of frames i - 2, i - 1 and i; 1 means exchanged. Each keypoint's distance
    is at most ``cap``, so that an outlier does not decide.
    """
    t, before = rows[i], rows[i - 1]
    step = seconds[t] - seconds[before]
    if step > max_gap:
        return 0.0
    earlier, last = -1, 0.0
    if i > 1:
        earlier, last = rows[i - 2], seconds[before] - seconds[rows[i - 2]]
        if last > max_gap:
            earlier = -1
    total = 0.0
    for p in range(pairs.shape[1]):
        if np.isnan(pairs[t, p, 0, 0]) or np.isnan(pairs[before, p, 0, 0]):
            continue
        steady = earlier >= 0 and not np.isnan(pairs[earlier, p, 0, 0])
        for side in range(2):
            squares = 0.0
            for axis in range(2):
                here = pairs[t, p, side ^ states[2], axis]
                there = pairs[before, p, side ^ states[1], axis]
                if steady:
                    speed = (there - pairs[earlier, p, side ^ states[0], axis]) / last
                    there += speed * min(step, _COAST * last)
                squares += (here - there) ** 2
            total += min(np.sqrt(squares), cap)
    return total


@compiled
def smoothest_sides(
    pairs: Float64Array,
    seconds: Float64Array,
    rows: NDArray[np.int64],
    cap: float,
    per_second: float,
    per_change: float,
    max_gap: float,
) -> NDArray[np.bool_]:
    """(T,), in which frames the left and right of a group should be exchanged.

    Parameters
    ----------
    pairs
        (T, P, 2, 2): pairs, left then right, x and y; NaN unless both were seen.
    seconds
        (T,).
    rows
        Frames with at least one whole pair.
    cap
        Pixels that a keypoint counts for at most.
    per_second, per_change
        Pixels that a pair's being exchanged costs by time, and each change.
    max_gap
        Seconds after which nothing is known of before.
    """
    count = len(rows)
    swapped = np.zeros(len(seconds), np.bool_)
    if count < 2:
        return swapped
    # A state is what the last two frames are: 2 * before + now.
    cost, misses = np.zeros(4), np.zeros(4)
    came = np.zeros((count, 4), np.int8)
    for i in range(count):
        whole = 0
        for p in range(pairs.shape[1]):
            whole += not np.isnan(pairs[rows[i], p, 0, 0])
        step = seconds[rows[i]] - seconds[rows[i - 1]] if i else 0.0
        held = per_second * whole * min(step, max_gap)
        fresh = np.full(4, np.inf)
        for code in range(4 if i else 0):
            # All three the other way round is the same motion: four cases stand for eight.
            states = (code >> 1, code & 1, 0)
            misses[code] = _miss(pairs, seconds, rows, i, states, cap, max_gap)
        for now in range(2):
            for before in range(2):
                for earlier in range(2):
                    price = cost[2 * earlier + before] + held * now
                    if i:
                        price += per_change * whole * (now != before and step <= max_gap)
                        price += misses[2 * (earlier ^ now) + (before ^ now)]
                    if price < fresh[2 * before + now]:
                        fresh[2 * before + now] = price
                        came[i, 2 * before + now] = 2 * earlier + before
        cost = fresh
    state = int(np.argmin(cost))
    for i in range(count - 1, -1, -1):
        swapped[rows[i]] = state % 2 == 1
        state = came[i, state]
    return swapped
