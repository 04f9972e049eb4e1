"""Numba kernel that finds the smoothest sequence of left and right (Viterbi, two states)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.kernels import compiled

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
def _may_change(pairs: Float64Array, before: int, now: int) -> bool:
    """Whether any pair's way from one side to the other turned by more than it was long.

    It does where sides are exchanged, by mistake or in truth as legs pass each other; elsewhere
    there is nothing to decide.
    """
    for p in range(pairs.shape[1]):
        turned = long = was_long = 0.0
        for axis in range(2):
            here = pairs[now, p, 0, axis] - pairs[now, p, 1, axis]
            there = pairs[before, p, 0, axis] - pairs[before, p, 1, axis]
            turned += (here - there) ** 2
            long += here * here
            was_long += there * there
        if turned > min(long, was_long):  # false for NaN
            return True
    return False


@compiled
def _step(
    cost: Float64Array,
    misses: Float64Array,
    held: float,
    change: float,
    may_change: bool,
    came: NDArray[np.int8],
) -> Float64Array:
    """Cheapest price of each state one frame later; ``came`` is filled with where from."""
    fresh = np.full(4, np.inf)
    for now in range(2):
        for before in range(2):
            if now != before and not may_change:
                continue
            for earlier in range(2):
                price = cost[2 * earlier + before] + held * now + change * (now != before)
                price += misses[2 * (earlier ^ now) + (before ^ now)]
                if price < fresh[2 * before + now]:
                    fresh[2 * before + now] = price
                    came[2 * before + now] = 2 * earlier + before
    return fresh


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
    near = 0
    for i in range(count):
        step = seconds[rows[i]] - seconds[rows[i - 1]] if i else 0.0
        whole = 0
        for p in range(pairs.shape[1]):
            whole += not np.isnan(pairs[rows[i], p, 0, 0])
        is_new = i == 0 or step > max_gap
        may_change = is_new or _may_change(pairs, rows[i - 1], rows[i])
        near = 3 if may_change else near - 1
        for code in range(4):
            # All three the other way round is the same motion: four cases stand for eight.
            states = (code >> 1, code & 1, 0)
            far = near > 0 and not is_new
            misses[code] = _miss(pairs, seconds, rows, i, states, cap, max_gap) if far else 0.0
        held = per_second * whole * min(step, max_gap)
        change = 0.0 if is_new else per_change * whole
        cost = _step(cost, misses, held, change, may_change, came[i])
    state = int(np.argmin(cost))
    for i in range(count - 1, -1, -1):
        swapped[rows[i]] = state % 2 == 1
        state = came[i, state]
    return swapped
