"""Rows of a table as they are read, batch after batch, into arrays: no batch is kept."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from posetrack.formats.arrow_arrays import values_of
from posetrack.formats.metadata import EmptyFrames
from posetrack.formats.row_block import arrow_type
from posetrack.formats.table import BOX_COLUMNS, INTEGER_COLUMNS, PERSON_COLUMNS, TrackTable
from posetrack.skeletons import Skeleton

DERIVED = ("source", "score")
"""Columns that follow from others and are not read."""

_PERSONS = tuple(name for name in PERSON_COLUMNS if name not in DERIVED)
_BLOCK_ROWS = 4096
_LEAST = 1024


class Rows:
    """Arrays that grow by the rows of batches.

    Parameters
    ----------
    path
        The file, for messages.
    skeleton
        What the keypoints are.
    max_rows
        More rows are refused.
    expected
        How many there will be, if known: the arrays then never have to be moved.
    """

    def __init__(
        self, path: Path, skeleton: Skeleton, max_rows: int, expected: int | None = None
    ) -> None:
        self.path, self.skeleton, self.max_rows = path, skeleton, max_rows
        self.count = 0
        size = _LEAST if expected is None else expected
        self._persons = {
            name: np.empty(size, arrow_type(name).to_pandas_dtype()) for name in _PERSONS
        }
        self._xy = np.empty((size, len(skeleton), 2), np.float32)
        self._scores = np.empty((size, len(skeleton)), np.float32)

    def add(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Append rows.

        Raises
        ------
        ValueError
            If there are too many, or a column cannot be read as what it should be.
        """
        for batch in batches:
            if self.count + len(batch) > self.max_rows:
                raise ValueError(f"{self.path}: more than {self.max_rows} rows; see max_rows")
            self._make_room(self.count + len(batch))
            # In blocks that stay in the processor's cache: columns become rows here.
            for start in range(0, len(batch), _BLOCK_ROWS):
                self._add(batch.slice(start, _BLOCK_ROWS))

    def _make_room(self, rows: int) -> None:
        if rows <= len(self._scores):
            return
        size = max(rows, 2 * len(self._scores))

        def larger(array: NDArray[Any]) -> NDArray[Any]:
            grown = np.empty((size, *array.shape[1:]), array.dtype)
            grown[: self.count] = array[: self.count]
            return grown

        self._persons = {name: larger(values) for name, values in self._persons.items()}
        self._xy, self._scores = larger(self._xy), larger(self._scores)

    def _add(self, block: pa.RecordBatch) -> None:
        rows = slice(self.count, self.count + len(block))
        for name, values in self._persons.items():
            values[rows] = self._column(block, name)
        xy, scores = self._xy[rows], self._scores[rows]
        for number, name in enumerate(self.skeleton.keypoints):
            xy[:, number, 0] = self._column(block, f"{name}_x")
            xy[:, number, 1] = self._column(block, f"{name}_y")
            scores[:, number] = self._column(block, f"{name}_score")
        unseen = ~(np.isfinite(xy[..., 0]) & np.isfinite(xy[..., 1]))
        xy[unseen] = np.nan
        scores[unseen | ~np.isfinite(scores)] = 0
        self.count += len(block)

    def _column(self, block: pa.RecordBatch, name: str) -> NDArray[Any]:
        """A column as an array: NaN for nulls; integers may have none."""
        kind = arrow_type(name)
        column = block.column(name)
        if column.null_count and name in INTEGER_COLUMNS:
            row = self.count + column.is_null().index(True).as_py() + 1
            raise ValueError(f"{self.path}: column {name!r}, row {row}: missing")
        try:
            return values_of(column.cast(kind))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(f"{self.path}: column {name!r}: expected {kind}, {error}") from error

    def table(self, empty: EmptyFrames, described: dict[str, Any]) -> TrackTable:
        """All rows, ordered by frame.

        Raises
        ------
        ValueError
            If a value is missing or out of range, or an id occurs twice in a frame; the message
            names the column and the row.
        """
        columns = {name: values[: self.count] for name, values in self._persons.items()}
        for name, values in columns.items():
            bad: NDArray[np.bool_] = ~np.isfinite(values)
            if name in ("frame", "flow_age"):
                bad |= values < 0
            self._refuse(bad, name, values)
        xyxy = np.stack([columns[name] for name in BOX_COLUMNS], axis=1)
        for low, high in (("left", "right"), ("top", "bottom")):
            self._refuse(columns[high] < columns[low], high, columns[high])
        order = self._order(columns["frame"], columns["id"])
        return TrackTable(
            columns["frame"][order],
            columns["seconds"][order],
            columns["id"][order],
            xyxy[order],
            columns["box_score"][order],
            columns["flow_age"][order],
            self._xy[: self.count][order],
            self._scores[: self.count][order],
            self.skeleton,
            empty,
            described,
        )

    def _refuse(self, bad: NDArray[np.bool_], column: str, values: NDArray[Any]) -> None:
        """Name the first row where a column cannot be right."""
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise ValueError(
                f"{self.path}: column {column!r}, row {row + 1}: missing or out of range: "
                f"{values[row]}"
            )

    def _order(self, frame: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.intp] | slice:
        """Rows in order of frames, as they stand within one; an id may occur once in a frame."""
        later, others = np.diff(frame), np.diff(ids)
        if ((later > 0) | ((later == 0) & (others > 0))).all():
            return slice(None)  # in order of both, as the writers leave it
        by_id = np.lexsort((ids, frame))
        twice = (np.diff(frame[by_id]) == 0) & (np.diff(ids[by_id]) == 0)
        if twice.any():
            row = int(by_id[np.flatnonzero(twice)[0] + 1])
            raise ValueError(
                f"{self.path}: row {row + 1}: id {ids[row]} occurs twice in frame {frame[row]}"
            )
        if (np.diff(frame) >= 0).all():
            return slice(None)  # as written: a copy of everything saved
        return np.argsort(frame, kind="stable")
