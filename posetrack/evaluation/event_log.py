"""The event log: each match, switch, miss, false positive and fragmentation, with ids and frame."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posetrack.evaluation.assignment import assign_where_possible
from posetrack.evaluation.sequences import (
    MAX_DISTANCE,
    Bools,
    Floats,
    Ints,
    SequencePair,
    frame_distances,
)
from posetrack.files import write_whole
from posetrack.ops.compilation import compile_kernel

MATCH: Final = 0
SWITCH: Final = 1
MISS: Final = 2
FALSE_POSITIVE: Final = 3
TRANSFER: Final = 4
ASCEND: Final = 5
MIGRATE: Final = 6
FRAGMENT: Final = 7

NOBODY: Final = -1
MOST_ROWS: Final = 5  # that one matched pair can give


class Rows(NamedTuple):
    """Columns of events, of which the first ``count`` rows are filled; ids are positions."""

    frame: NDArray[np.int32]
    keypoint: NDArray[np.int8]
    kind: NDArray[np.int8]
    truth: NDArray[np.int32]
    predicted: NDArray[np.int32]
    previous: NDArray[np.int32]
    distance: Floats

    def take(self, rows: slice | Bools) -> Rows:
        """A copy of some rows."""
        return Rows(
            self.frame[rows].copy(), self.keypoint[rows].copy(), self.kind[rows].copy(),
            self.truth[rows].copy(), self.predicted[rows].copy(), self.previous[rows].copy(),
            self.distance[rows].copy(),
        )  # fmt: skip


class _MatchHistory(NamedTuple):
    """Matches of the frames before, per keypoint and identity; -1 = never."""

    last: Ints  # (K, true ids), the predicted id last matched to it
    owner: Ints  # (K, predicted ids), the true id it was last assigned to
    matched: Bools  # (K, predicted ids), ever
    lost: Ints  # (K, true ids), first frame of the gap that it is in
    position: Ints  # (predicted ids,), scratch: where it is in this frame


def _empty_rows(size: int) -> Rows:
    """Uninitialised rows for ``size`` events."""
    return Rows(
        np.empty(size, np.int32), np.empty(size, np.int8), np.empty(size, np.int8),
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32),
        np.empty(size),
    )  # fmt: skip


def _empty_history(keypoints: int, true_ids: int, predicted_ids: int) -> _MatchHistory:
    """A history without any match."""
    return _MatchHistory(
        np.full((keypoints, true_ids), -1),
        np.full((keypoints, predicted_ids), -1),
        np.zeros((keypoints, predicted_ids), np.bool_),
        np.full((keypoints, true_ids), -1),
        np.full(predicted_ids, -1),
    )


def join(parts: list[Rows]) -> Rows:
    """All rows of all parts, in order."""
    parts = [_empty_rows(0), *parts]
    return Rows(
        np.concatenate([part.frame for part in parts]),
        np.concatenate([part.keypoint for part in parts]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.previous for part in parts]),
        np.concatenate([part.distance for part in parts]),
    )


KINDS: Final = (
    "match", "switch", "miss", "false_positive", "transfer", "ascend", "migrate", "fragmentation"
)  # fmt: skip
"""Names of the kinds of events, by number."""

FAULTS: Final = (SWITCH, MISS, FALSE_POSITIVE, FRAGMENT)
"""The kinds that a CSV holds by default."""

NO_ID: Final = int(np.iinfo(np.int64).min)
"""Stands where an event has no such id: an empty cell in a CSV."""


@dataclass(frozen=True, eq=False, repr=False)
class EventLog:
    """What happened to every keypoint (or person), as columns of one length.

    Kinds, by number as in `KINDS`: a *match* or *switch* is a detection of a true person, a
    switch one whose predicted id differs from the last that the person had, however long ago;
    *miss* and *false positive* are what is left; a *fragmentation* stands in the first frame of a
    gap in a track that is found again. *transfer*, *ascend* and *migrate* are py-motmetrics'
    further marks of a detection: the predicted id last had another owner, had never been matched
    before, and the true person had never been matched before; they enter only the official MOTP.

    Parameters
    ----------
    sequence
        Position in ``sequences``.
    frame
        Position of the image in the sequence's file.
    keypoint
        Position in ``keypoints``.
    kind
        0 to 7.
    truth, predicted
        Ids; `NO_ID` for no person. In a frame without true or without predicted people the
        PoseTrack protocol counts one miss and one false positive a keypoint, which have no ids.
    previous
        The predicted id that the true person had before (switch, miss, ascend, fragmentation), or
        the true person that the predicted id had before (transfer, migrate); else `NO_ID`.
    distance
        Of the pair, in head sizes or whatever was matched by; NaN without a pair.
    sequences, keypoints
        Names.
    pair_distances
        (S, K), sum of the distances of all pairs within reach, matched or not: the one thing the
        official MOTP needs that is not an event.
    """

    sequence: NDArray[np.int32]
    frame: NDArray[np.int32]
    keypoint: NDArray[np.int8]
    kind: NDArray[np.int8]
    truth: Ints
    predicted: Ints
    previous: Ints
    distance: Floats
    sequences: tuple[str, ...]
    keypoints: tuple[str, ...]
    pair_distances: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {name}" for name, n in self.summarize().items())
        return f"EventLog({counts})"

    def summarize(self) -> dict[str, int]:
        """The number of events of each kind by its name, which is all that metrics.json holds."""
        counts = np.bincount(self.kind, minlength=len(KINDS)).tolist()
        return dict(zip(KINDS, counts, strict=True))

    def counts(self, kind: int) -> Ints:
        """(S, K) numbers of events of a kind."""
        return self._sums(self.kind == kind, None).astype(np.int64)

    def distances(self, *kinds: int) -> Floats:
        """(S, K) sums of the distances of events of these kinds."""
        return self._sums(np.isin(self.kind, kinds), self.distance)

    def _sums(self, rows: NDArray[np.bool_], weights: Floats | None) -> Floats:
        shape = len(self.sequences), len(self.keypoints)
        cell = self.sequence[rows].astype(np.int64) * shape[1] + self.keypoint[rows]
        weights = None if weights is None else weights[rows]
        sums = np.bincount(cell, weights, minlength=shape[0] * shape[1])
        return sums.reshape(shape).astype(np.float64)

    def of(
        self, *, sequence: str | None = None, keypoint: str | None = None, kinds: Sequence[int] = ()
    ) -> EventLog:
        """Only the events of a sequence, a keypoint, some kinds; ``()`` for all kinds.

        Raises
        ------
        KeyError
            If there is no such sequence or keypoint.
        """
        rows = np.ones(len(self), np.bool_)
        for names, column, name in (
            (self.sequences, self.sequence, sequence),
            (self.keypoints, self.keypoint, keypoint),
        ):
            if name is not None:
                if name not in names:
                    raise KeyError(f"no {name!r} in this log; it has {', '.join(names)}")
                rows &= column == names.index(name)
        if len(kinds):
            rows &= np.isin(self.kind, kinds)
        return self._take(rows)

    def _take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> EventLog:
        columns = [getattr(self, field.name) for field in fields(self)]
        return EventLog(*(column[rows] for column in columns[:8]), *columns[8:])

    def write_csv(self, path: str | Path, *, kinds: Sequence[int] = FAULTS) -> int:
        """Write events of these kinds by sequence, frame and keypoint; return how many.

        Columns: sequence, frame, keypoint, event, true_id, predicted_id, previous_id, distance.
        """
        log = self.of(kinds=kinds)
        log = log._take(np.lexsort((log.kind, log.keypoint, log.frame, log.sequence)))
        file = io.StringIO(newline="")
        writer = csv.writer(file)
        writer.writerow(
            ("sequence", "frame", "keypoint", "event", "true_id", "predicted_id",
             "previous_id", "distance")
        )  # fmt: skip
        writer.writerows(
            zip(
                [self.sequences[i] for i in log.sequence.tolist()],
                log.frame.tolist(),
                [self.keypoints[i] for i in log.keypoint.tolist()],
                [KINDS[i] for i in log.kind.tolist()],
                _cells(log.truth),
                _cells(log.predicted),
                _cells(log.previous),
                ["" if d != d else f"{d:.4f}" for d in log.distance.tolist()],
                strict=True,
            )
        )
        write_whole(path, file.getvalue())
        return len(log)


def _cells(ids: Ints) -> list[int | str]:
    return ["" if value == NO_ID else value for value in ids.tolist()]


def log_of(
    parts: Sequence[tuple[Rows, Ints, Ints, Ints]],
    sequences: Sequence[str],
    keypoints: Sequence[str],
    pair_distances: Floats,
) -> EventLog:
    """One log from the rows of every sequence.

    Parameters
    ----------
    parts
        For each sequence: rows, the positions in the file of its frames, true ids and predicted
        ids, as `posetrack.evaluation.event_log` gives them.
    sequences, keypoints
        Names.
    pair_distances
        (S, K).
    """
    tables = [_name_rows(*part) for part in parts]
    rows = [part[0] for part in parts]
    lengths = [len(part.kind) for part in rows]
    empty = np.zeros(0, np.int64)

    def join_columns(name: str) -> Ints:
        return np.concatenate([empty, *(table[name] for table in tables)])

    def column(name: str, dtype: Any) -> Any:
        return np.concatenate([np.zeros(0, dtype), *(getattr(part, name) for part in rows)])

    return EventLog(
        sequence=np.repeat(np.arange(len(parts), dtype=np.int32), lengths),
        frame=join_columns("frame").astype(np.int32),
        keypoint=column("keypoint", np.int8),
        kind=column("kind", np.int8),
        truth=join_columns("truth"),
        predicted=join_columns("predicted"),
        previous=join_columns("previous"),
        distance=column("distance", np.float64),
        sequences=tuple(sequences),
        keypoints=tuple(keypoints),
        pair_distances=pair_distances,
    )


def _name_rows(rows: Rows, frames: Ints, true_ids: Ints, predicted_ids: Ints) -> dict[str, Ints]:
    """Columns with the positions replaced by what is there."""
    by_owner = np.isin(rows.kind, (TRANSFER, MIGRATE))
    previous = _ids_at(np.where(by_owner, NOBODY, rows.previous), predicted_ids)
    previous[by_owner] = _ids_at(rows.previous[by_owner], true_ids)
    return {
        "frame": frames[rows.frame],
        "truth": _ids_at(rows.truth, true_ids),
        "predicted": _ids_at(rows.predicted, predicted_ids),
        "previous": previous,
    }


def _ids_at(index: NDArray[np.int32], ids: Ints) -> Ints:
    """Ids at positions; position -1 is `NO_ID`."""
    return np.append(ids, NO_ID)[index]


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
    rows = _empty_rows(most)
    memory = _empty_history(keypoints, len(true_ids), len(predicted_ids))
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
    memory = _empty_history(1, len(all_true), len(all_other))
    parts = []
    starts = [np.cumsum([0, *map(len, ids)]) for ids in (true_ids, predicted_ids)]
    for f, distance in enumerate(distances):
        height, width = distance.shape
        rows = _empty_rows(min(height, width) * MOST_ROWS + height + width)
        count = _step(
            f, 0,
            true_index[starts[0][f] : starts[0][f + 1]],
            other_index[starts[1][f] : starts[1][f + 1]],
            np.array(distance, np.float64, order="C"), memory, rows, 0,
        )  # fmt: skip
        parts.append(rows.take(slice(count)))
    return join(parts), all_true.astype(np.int64), all_other.astype(np.int64)


@compile_kernel
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
    memory: _MatchHistory,
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


@compile_kernel
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


@compile_kernel
def _step(
    frame: int,
    k: int,
    people: Ints,
    others: Ints,
    distance: Floats,
    memory: _MatchHistory,
    rows: Rows,
    n: int,
) -> int:
    """Events of one keypoint in one frame; ``distance`` is used up."""
    free = np.ones(len(people), np.bool_)
    free_others = np.ones(len(others), np.bool_)
    for j in range(len(others)):
        memory.position[others[j]] = j
    left = 0
    for i in range(len(people)):
        o = people[i]
        h = memory.last[k, o]
        j = memory.position[h] if h >= 0 else -1
        if j >= 0 and free_others[j] and not np.isnan(distance[i, j]):
            n = _end_gap(rows, n, k, o, memory)
            n = _put(rows, n, frame, k, MATCH, o, h, NOBODY, distance[i, j])
            free[i] = False
            free_others[j] = False
            memory.matched[k, h] = True
        else:
            left += 1
    for j in range(len(others)):
        memory.position[others[j]] = -1
    if left > 0 and free_others.any():
        for i in range(len(people)):
            for j in range(len(others)):
                if not (free[i] and free_others[j]):
                    distance[i, j] = np.nan
        column = assign_where_possible(distance)
        for i in range(len(people)):
            j = column[i]
            if j >= 0:
                n = _put_pair(rows, n, frame, k, people[i], others[j], distance[i, j], memory)
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


@compile_kernel
def _put_pair(
    rows: Rows, n: int, frame: int, k: int, o: int, h: int, distance: float, memory: _MatchHistory
) -> int:
    """Events of a pair that the assignment made."""
    last, owner = memory.last[k, o], memory.owner[k, h]
    n = _end_gap(rows, n, k, o, memory)
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


@compile_kernel
def _end_gap(rows: Rows, n: int, k: int, o: int, memory: _MatchHistory) -> int:
    """A gap in the track of ``o`` is over: it was a fragmentation, in the frame it began."""
    if memory.lost[k, o] >= 0:
        last = memory.last[k, o]
        n = _put(rows, n, memory.lost[k, o], k, FRAGMENT, o, NOBODY, last, np.nan)
        memory.lost[k, o] = -1
    return n
