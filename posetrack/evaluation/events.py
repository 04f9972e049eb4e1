"""The event log: every match, switch, miss, false positive and fragmentation, with who and when."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.evaluation.event_rows import (
    ASCEND,
    FALSE_POSITIVE,
    FRAGMENT,
    MATCH,
    MIGRATE,
    MISS,
    NOBODY,
    SWITCH,
    TRANSFER,
    Rows,
)
from posetrack.evaluation.sequences import Floats, Ints
from posetrack.files import write_whole

KINDS: Final = (
    "match", "switch", "miss", "false_positive", "transfer", "ascend", "migrate", "fragmentation"
)  # fmt: skip
"""Names of the kinds of events, by number."""

FAULTS: Final = (SWITCH, MISS, FALSE_POSITIVE, FRAGMENT)
"""The kinds that a CSV holds unless told otherwise."""

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
        Ids; `NO_ID` where there is none. In a frame without true or without predicted people the
        PoseTrack protocol counts one miss and one false positive a keypoint, which have no ids.
    previous
        The predicted id that the true person had before (switch, miss, ascend, fragmentation), or
        the true person whom the predicted id had before (transfer, migrate); else `NO_ID`.
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
        counts = ", ".join(
            f"{n} {name}" for name, n in zip(KINDS, self._kind_counts(), strict=True)
        )
        return f"EventLog({counts})"

    def _kind_counts(self) -> list[int]:
        return [int(n) for n in np.bincount(self.kind, minlength=len(KINDS))]

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
        ids, as `posetrack.evaluation.accumulate` gives them.
    sequences, keypoints
        Names.
    pair_distances
        (S, K).
    """
    tables = [_named_rows(*part) for part in parts]
    rows = [part[0] for part in parts]
    lengths = [len(part.kind) for part in rows]
    empty = np.zeros(0, np.int64)

    def joined(name: str) -> Ints:
        return np.concatenate([empty, *(table[name] for table in tables)])

    def column(name: str, dtype: Any) -> Any:
        return np.concatenate([np.zeros(0, dtype), *(getattr(part, name) for part in rows)])

    return EventLog(
        sequence=np.repeat(np.arange(len(parts), dtype=np.int32), lengths),
        frame=joined("frame").astype(np.int32),
        keypoint=column("keypoint", np.int8),
        kind=column("kind", np.int8),
        truth=joined("truth"),
        predicted=joined("predicted"),
        previous=joined("previous"),
        distance=column("distance", np.float64),
        sequences=tuple(sequences),
        keypoints=tuple(keypoints),
        pair_distances=pair_distances,
    )


def _named_rows(rows: Rows, frames: Ints, true_ids: Ints, predicted_ids: Ints) -> dict[str, Ints]:
    """Columns with the positions replaced by what is there."""
    by_owner = np.isin(rows.kind, (TRANSFER, MIGRATE))
    previous = _named(np.where(by_owner, NOBODY, rows.previous), predicted_ids)
    previous[by_owner] = _named(rows.previous[by_owner], true_ids)
    return {
        "frame": frames[rows.frame],
        "truth": _named(rows.truth, true_ids),
        "predicted": _named(rows.predicted, predicted_ids),
        "previous": previous,
    }


def _named(index: NDArray[np.int32], ids: Ints) -> Ints:
    """Ids at positions; position -1 is nobody."""
    return np.append(ids, NO_ID)[index]


__all__ = [
    "ASCEND", "FALSE_POSITIVE", "FAULTS", "FRAGMENT", "KINDS", "MATCH", "MIGRATE", "MISS",
    "NOBODY", "NO_ID", "SWITCH", "TRANSFER", "EventLog", "log_of",
]  # fmt: skip
