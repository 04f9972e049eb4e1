"""Left and right exchanged by mistake: found over time, and exchanged back.

Networks take a person's left for their right for a frame or a second, most often from behind or
from the side. The two sides then jump into each other's places and back, which motion does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posetrack.cleaning.changes import apply_changes, check_positive, check_times, sizes
from posetrack.ops.compilation import compile_kernel
from posetrack.skeletons import Skeleton
from posetrack.trajectories import Origin, Trajectories

Float64Array = NDArray[np.float64]

# A speed from two frames is noisy: it is carried on over a gap for this many times as long.
_COAST = 2.0


@compile_kernel
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


@compile_kernel
def _may_change(pairs: Float64Array, before: int, now: int) -> bool:
    """Whether any pair's vector from one side to the other changed by more than its length.

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


@compile_kernel
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


@compile_kernel
def _smoothest_sides(
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


_LIMBS = (
    ("shoulder", "elbow", "wrist", "hand", "thumb", "finger"),
    ("hip", "knee", "ankle", "heel", "toe", "foot"),
    ("eye", "ear", "mouth"),
)


def mend_swaps(
    trajectories: Trajectories,
    *,
    max_seconds: float = 1.0,
    min_jump: float = 0.05,
    max_gap: float = 0.3,
) -> Trajectories:
    """Exchange left and right back where that makes the motion smoother; flagged as swapped.

    The whole body is looked at first, then each limb (arms, legs, face), then each pair. For each
    the sequence of kept and exchanged frames is sought that costs least over the whole video: the
    distance of both sides from where the two frames before predict them at constant velocity,
    plus a price for the time that is exchanged, since networks are right most of the time.

    Parameters
    ----------
    trajectories
        Left as they are.
    max_seconds
        About how long an exchange may last and still be found where left and right are a tenth of
        the person's size apart; shorter where they are nearer. Longer ones count as truth: a person
        whose back is taken for the front throughout stays so.
    min_jump
        As a fraction of the person's size (root of the median box area): a pair whose sides are
        nearer than this is left alone, since noise would decide.
    max_gap
        Seconds without the pair after which where it was says nothing.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.random.default_rng(0).uniform(0, 99, (1, 1, 17, 2)) + np.zeros((30, 1, 17, 2))
    >>> swapped = xy.copy()
    >>> swapped[9:12] = xy[9:12][:, :, COCO_17.mirror_order]
    >>> t, scores = np.arange(30), np.ones((30, 1, 17))
    >>> tr = Trajectories(t, t / 25, [7], swapped, scores, COCO_17)
    >>> bool((mend_swaps(tr).xy == xy.astype(np.float32)).all())
    True
    """
    check_positive(max_seconds=max_seconds, max_gap=max_gap)
    if not min_jump >= 0:
        raise ValueError(f"min_jump must be at least 0, got {min_jump}")
    check_times(trajectories)
    seconds = np.array(trajectories.seconds)
    order: NDArray[np.intp] = np.arange(len(trajectories.skeleton))
    index = np.tile(order, (len(seconds), len(trajectories.ids), 1))
    pairs = trajectories.skeleton.mirrored_indices
    for row, size in enumerate(sizes(trajectories)):
        xy = trajectories.xy[:, row].astype(np.float64)
        for group in _groups(trajectories.skeleton):
            mended = np.take_along_axis(xy, index[:, row, :, None], axis=1)
            rows = _exchanged(mended, seconds, pairs[group], size, max_seconds, min_jump, max_gap)
            if rows.any():
                at = np.flatnonzero(rows)
                left, right = pairs[group].T
                both = np.concatenate([left, right]), np.concatenate([right, left])
                index[at[:, None], row, both[0]] = index[at[:, None], row, both[1]]
    places: NDArray[np.float32] = np.take_along_axis(
        np.asarray(trajectories.xy), index[..., None], axis=2
    )
    scores = np.take_along_axis(trajectories.scores, index, axis=2)
    something = np.isfinite(places[..., 0]) | np.isfinite(trajectories.xy[..., 0])
    swapped = (index != order) & something
    return apply_changes(trajectories, places, scores, swapped, Origin.SWAPPED)


def _groups(skeleton: Skeleton) -> list[NDArray[np.intp]]:
    """Sets of mirrored pairs that are looked at together: all, each limb, each pair."""
    names = [left for left, _ in skeleton.mirrored]
    everything = np.arange(len(names))
    limbs = [
        np.array([row for row, name in enumerate(names) if any(part in name for part in limb)])
        for limb in _LIMBS
    ]
    groups = [everything, *limbs, *everything[:, None]] if names else []
    found: dict[tuple[int, ...], NDArray[np.intp]] = {}
    for group in groups:
        if len(group):
            found.setdefault(tuple(group.tolist()), group.astype(np.intp))
    return list(found.values())


def _exchanged(
    xy: NDArray[np.float64],
    seconds: NDArray[np.float64],
    pairs: NDArray[np.intp],
    size: float,
    max_seconds: float,
    min_jump: float,
    max_gap: float,
) -> NDArray[np.bool_]:
    """(T,), where a group of pairs is better exchanged."""
    both = xy[:, pairs]  # (T, P, 2, 2)
    both = np.where(np.isfinite(both).all(axis=(2, 3), keepdims=True), both, np.nan)
    whole = np.isfinite(both[..., 0, 0])
    rows = np.flatnonzero(whole.any(axis=1))
    if len(rows) < 3:
        return np.zeros(len(xy), bool)
    # An exchange of sides d apart misses by d four to six times for each keypoint at its ends.
    per_second = 0.8 * size / max_seconds
    per_change = max(0.5 * min_jump * size, 2 * _jitter(both[rows]))
    exchanged = _smoothest_sides(both, seconds, rows, 0.5 * size, per_second, per_change, max_gap)
    # Only where the pairs are apart: at a crossing the two sides are as good as one.
    apart = np.linalg.norm(both[:, :, 0] - both[:, :, 1], axis=-1)
    widest = np.where(whole, apart, -np.inf).max(axis=1)
    return np.asarray(exchanged & (widest >= min_jump * size))


def _jitter(both: NDArray[np.float64]) -> float:
    """How far keypoints usually are from where the two frames before predict them."""
    misses = np.linalg.norm(both[2:] - 2 * both[1:-1] + both[:-2], axis=-1)
    misses = misses[np.isfinite(misses)]
    return float(np.median(misses)) if len(misses) else 0.0
