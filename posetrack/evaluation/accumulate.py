"""Who is tracked by whom, frame after frame: the events that all tracking counts come from.

The accounting is that of py-motmetrics (Bernardin and Stiefelhagen, EURASIP Journal on Image and
Video Processing 2008), done once for all keypoints in compiled code.
"""

from __future__ import annotations

import numpy as np

from posetrack._compiled import compiled
from posetrack.evaluation.assignment import assign_allowed
from posetrack.evaluation.distances import MAX_DISTANCE, frame_distances
from posetrack.evaluation.event_rows import (
    ASCEND,
    FALSE_POSITIVE,
    FRAGMENT,
    MATCH,
    MIGRATE,
    MISS,
    MOST_ROWS,
    NOBODY,
    SWITCH,
    TRANSFER,
    Memory,
    Rows,
    empty_memory,
    empty_rows,
    join,
)
from posetrack.evaluation.sequences import Bools, Floats, Ints, SequencePair


def keypoint_events(
    pair: SequencePair, *, placeholder_frames: bool = True
) -> tuple[Rows, Floats, Ints, Ints]:
    """Events of every keypoint of a sequence.

    Parameters
    ----------
    pair
        The sequence.
    placeholder_frames
        As the official evaluator does, count one miss and one false positive for each keypoint
        in a frame without true or without predicted people, whatever there is. False counts what
        there is.

    Returns
    -------
    rows
        The events; ``frame`` is the position among the pair's frames, ids are positions in the
        two lists of ids.
    pair_distances
        (K,), sum of the distances of all pairs within reach, matched or not.
    true_ids, predicted_ids
        The ids.
    """
    truth, predicted = pair.truth, pair.predicted
    true_ids, true_index = np.unique(truth.ids, return_inverse=True)
    predicted_ids, predicted_index = np.unique(predicted.ids, return_inverse=True)
    keypoints = truth.xy.shape[1]
    people, others = np.diff(truth.offsets), np.diff(predicted.offsets)
    most = int((np.minimum(people, others) * MOST_ROWS + people + others + 2).sum()) * keypoints
    rows = empty_rows(most)
    memory = empty_memory(keypoints, len(true_ids), len(predicted_ids))
    sums = np.zeros(keypoints)
    count = _keypoint_events(
        truth.offsets, true_index, truth.xy, truth.has, truth.sizes,
        predicted.offsets, predicted_index, predicted.xy, predicted.has,
        placeholder_frames, memory, rows, sums,
    )  # fmt: skip
    return rows.take(slice(count)), sums, true_ids, predicted_ids


def events_of_distances(
    true_ids: list[Ints], predicted_ids: list[Ints], distances: list[Floats]
) -> tuple[Rows, Ints, Ints]:
    """Events of whole people (or boxes) from the distances in every frame.

    Parameters
    ----------
    true_ids, predicted_ids
        For each frame the ids, each at most once.
    distances
        For each frame (G, P); NaN where a pair may not be matched.

    Returns
    -------
    rows
        The events, with keypoint 0; ids are positions in the two lists of ids.
    true_ids, predicted_ids
        The ids.

    Examples
    --------
    >>> one = np.array([1])
    >>> rows, _, _ = events_of_distances([one, one], [one, one + 1], [np.zeros((1, 1))] * 2)
    >>> rows.kind.tolist() == [MATCH, ASCEND, SWITCH]
    True
    """
    empty = np.zeros(0, np.int64)
    all_true, true_index = np.unique(np.concatenate([empty, *true_ids]), return_inverse=True)
    all_other, other_index = np.unique(np.concatenate([empty, *predicted_ids]), return_inverse=True)
    memory = empty_memory(1, len(all_true), len(all_other))
    parts = []
    starts = [np.cumsum([0, *map(len, ids)]) for ids in (true_ids, predicted_ids)]
    for f, distance in enumerate(distances):
        height, width = distance.shape
        rows = empty_rows(min(height, width) * MOST_ROWS + height + width)
        count = _step(
            f, 0,
            true_index[starts[0][f] : starts[0][f + 1]],
            other_index[starts[1][f] : starts[1][f + 1]],
            np.array(distance, np.float64, order="C"), memory, rows, 0,
        )  # fmt: skip
        parts.append(rows.take(slice(count)))
    return join(parts), all_true.astype(np.int64), all_other.astype(np.int64)


@compiled
def _keypoint_events(
    true_offsets: Ints,
    true_index: Ints,
    true_xy: Floats,
    true_has: Bools,
    sizes: Floats,
    other_offsets: Ints,
    other_index: Ints,
    other_xy: Floats,
    other_has: Bools,
    placeholder_frames: bool,
    memory: Memory,
    rows: Rows,
    sums: Floats,
) -> int:
    n = 0
    keypoints = true_xy.shape[1]
    for f in range(len(true_offsets) - 1):
        g0, g1 = true_offsets[f], true_offsets[f + 1]
        p0, p1 = other_offsets[f], other_offsets[f + 1]
        if placeholder_frames and (g0 == g1 or p0 == p1):
            for k in range(keypoints):
                n = _put(rows, n, f, k, MISS, NOBODY, NOBODY, NOBODY, np.nan)
                n = _put(rows, n, f, k, FALSE_POSITIVE, NOBODY, NOBODY, NOBODY, np.nan)
            continue
        reach = frame_distances(
            true_xy[g0:g1], true_has[g0:g1], sizes[g0:g1], other_xy[p0:p1], other_has[p0:p1]
        )
        for k in range(keypoints):
            people = g0 + np.flatnonzero(true_has[g0:g1, k])
            others = p0 + np.flatnonzero(other_has[p0:p1, k])
            distance = np.full((len(people), len(others)), np.nan)
            for i in range(len(people)):
                for j in range(len(others)):
                    d = reach[people[i] - g0, others[j] - p0, k]
                    if d <= MAX_DISTANCE:
                        distance[i, j] = d
                        sums[k] += d
            n = _step(f, k, true_index[people], other_index[others], distance, memory, rows, n)
    return n


@compiled
def _put(
    rows: Rows, n: int, frame: int, keypoint: int, kind: int, truth: int, predicted: int,
    previous: int, distance: float,
) -> int:  # fmt: skip
    rows.frame[n] = frame
    rows.keypoint[n] = keypoint
    rows.kind[n] = kind
    rows.truth[n] = truth
    rows.predicted[n] = predicted
    rows.previous[n] = previous
    rows.distance[n] = distance
    return n + 1


@compiled
def _step(
    frame: int,
    k: int,
    people: Ints,
    others: Ints,
    distance: Floats,
    memory: Memory,
    rows: Rows,
    n: int,
) -> int:
    """Events of one keypoint in one frame; ``distance`` is used up."""
    free = np.ones(len(people), np.bool_)
    free_others = np.ones(len(others), np.bool_)
    for j in range(len(others)):
        memory.place[others[j]] = j
    left = 0
    for i in range(len(people)):
        o = people[i]
        h = memory.last[k, o]
        j = memory.place[h] if h >= 0 else -1
        if j >= 0 and free_others[j] and not np.isnan(distance[i, j]):
            n = _found(rows, n, k, o, memory)
            n = _put(rows, n, frame, k, MATCH, o, h, NOBODY, distance[i, j])
            free[i] = False
            free_others[j] = False
            memory.matched[k, h] = True
        else:
            left += 1
    for j in range(len(others)):
        memory.place[others[j]] = -1
    if left > 0 and free_others.any():
        for i in range(len(people)):
            for j in range(len(others)):
                if not (free[i] and free_others[j]):
                    distance[i, j] = np.nan
        column = assign_allowed(distance)
        for i in range(len(people)):
            j = column[i]
            if j >= 0:
                n = _assigned(rows, n, frame, k, people[i], others[j], distance[i, j], memory)
                free[i] = False
                free_others[j] = False
    for i in range(len(people)):
        if free[i]:
            o = people[i]
            n = _put(rows, n, frame, k, MISS, o, NOBODY, memory.last[k, o], np.nan)
            if memory.last[k, o] >= 0 and memory.lost[k, o] < 0:
                memory.lost[k, o] = frame
    for j in range(len(others)):
        if free_others[j]:
            n = _put(rows, n, frame, k, FALSE_POSITIVE, NOBODY, others[j], NOBODY, np.nan)
    return n


@compiled
def _assigned(
    rows: Rows, n: int, frame: int, k: int, o: int, h: int, distance: float, memory: Memory
) -> int:
    """Events of a pair that the assignment made."""
    last, owner = memory.last[k, o], memory.owner[k, h]
    n = _found(rows, n, k, o, memory)
    switch = last >= 0 and last != h
    if switch and not memory.matched[k, h]:
        n = _put(rows, n, frame, k, ASCEND, o, h, last, distance)
    if owner >= 0 and owner != o:
        if last < 0:
            n = _put(rows, n, frame, k, MIGRATE, o, h, owner, distance)
        n = _put(rows, n, frame, k, TRANSFER, o, h, owner, distance)
    n = _put(rows, n, frame, k, SWITCH if switch else MATCH, o, h, last, distance)
    memory.matched[k, h] = True
    memory.last[k, o] = h
    memory.owner[k, h] = o
    return n


@compiled
def _found(rows: Rows, n: int, k: int, o: int, memory: Memory) -> int:
    """A gap in the track of ``o`` is over: it was a fragmentation, in the frame it began."""
    if memory.lost[k, o] >= 0:
        last = memory.last[k, o]
        n = _put(rows, n, memory.lost[k, o], k, FRAGMENT, o, NOBODY, last, np.nan)
        memory.lost[k, o] = -1
    return n
