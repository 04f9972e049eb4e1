"""Kinds of events, the columns they are kept in, and what is remembered between frames."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posetrack.evaluation.sequences import Bools, Floats, Ints

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


class Memory(NamedTuple):
    """What is remembered of the frames before, per keypoint and identity; -1 = never."""

    last: Ints  # (K, true ids), who was matched to it last
    owner: Ints  # (K, predicted ids), whom the assignment last gave it to
    matched: Bools  # (K, predicted ids), ever
    lost: Ints  # (K, true ids), first frame of the gap that it is in
    place: Ints  # (predicted ids,), scratch: where it is in this frame


def empty_rows(size: int) -> Rows:
    """Room for ``size`` events."""
    return Rows(
        np.empty(size, np.int32), np.empty(size, np.int8), np.empty(size, np.int8),
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32),
        np.empty(size),
    )  # fmt: skip


def empty_memory(keypoints: int, true_ids: int, predicted_ids: int) -> Memory:
    """Nothing seen yet."""
    return Memory(
        np.full((keypoints, true_ids), -1),
        np.full((keypoints, predicted_ids), -1),
        np.zeros((keypoints, predicted_ids), np.bool_),
        np.full((keypoints, true_ids), -1),
        np.full(predicted_ids, -1),
    )


def join(parts: list[Rows]) -> Rows:
    """All rows of all parts, in order."""
    parts = [empty_rows(0), *parts]
    return Rows(
        np.concatenate([part.frame for part in parts]),
        np.concatenate([part.keypoint for part in parts]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.truth for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.previous for part in parts]),
        np.concatenate([part.distance for part in parts]),
    )
