"""Rows of the tidy table gathered as arrays, and their Arrow types."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from posetrack.formats.arrow_arrays import column_of, words_column
from posetrack.formats.table import column_names, keypoint_columns
from posetrack.skeletons import Skeleton
from posetrack.structures import Tracks

_BLOCK_ROWS = 1024


class RowBlock:
    """Up to ``capacity`` rows as arrays, one row of memory a column so that each is contiguous."""

    def __init__(self, skeleton: Skeleton, capacity: int = _BLOCK_ROWS) -> None:
        self.capacity = capacity
        self.rows = 0
        self._skeleton = skeleton
        self._seconds = np.zeros(capacity)
        self._integers = np.zeros((3, capacity), np.int64)  # frame, id, flow age
        self._person = np.zeros((6, capacity), np.float32)  # box, its score, the pose's score
        self._keypoints = np.zeros((len(skeleton), 3, capacity), np.float32)

    def add(self, index: int, seconds: float, tracks: Tracks) -> None:
        """Append a frame's people; there must be room."""
        assert tracks.flow_age is not None  # set by Tracks
        rows = slice(self.rows, self.rows + len(tracks))
        self._seconds[rows] = seconds
        self._integers[0, rows] = index
        self._integers[1, rows] = tracks.ids
        self._integers[2, rows] = tracks.flow_age
        self._person[:4, rows] = tracks.boxes.xyxy.T
        self._person[4, rows] = tracks.boxes.scores
        self._person[5, rows] = tracks.scores.mean(axis=1)
        self._keypoints[:, :2, rows] = tracks.xy.transpose(1, 2, 0)
        self._keypoints[:, 2, rows] = tracks.scores.T
        self.rows += len(tracks)

    def batch(self) -> pa.RecordBatch:
        """The rows as Arrow; it shares this block's memory, so use it before adding more."""
        rows = self.rows
        frame, ids, flow_age = self._integers[:, :rows]
        by_flow = (flow_age > 0).astype(np.intp)
        columns: list[NDArray[Any]] = [frame, self._seconds[:rows], ids]
        columns += [*self._person[:, :rows], by_flow, flow_age]
        columns += list(self._keypoints.reshape(-1, self.capacity)[:, :rows])
        names = column_names(self._skeleton)
        may_miss = {
            name for name in keypoint_columns(self._skeleton) if not name.endswith("_score")
        }
        arrays = [
            words_column(column, ("detector", "flow"))
            if name == "source"
            else column_of(column, arrow_type(name), nan_is_missing=name in may_miss)
            for name, column in zip(names, columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(self._skeleton))


def arrow_type(name: str) -> pa.DataType:
    """The type of a column by its name."""
    kinds = {"seconds": pa.float64(), "source": pa.string()}
    kinds |= dict.fromkeys(("frame", "id", "flow_age"), pa.int64())
    return kinds.get(name, pa.float32())


def arrow_schema(skeleton: Skeleton) -> pa.Schema:
    """Names and types of all columns; only a keypoint's place may be missing."""
    places = {f"{name}_{axis}" for name in skeleton.keypoints for axis in "xy"}
    return pa.schema(
        pa.field(name, arrow_type(name), nullable=name in places) for name in column_names(skeleton)
    )
