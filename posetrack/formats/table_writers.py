"""The tidy table to CSV and Parquet: row by row in flat memory, or a table in memory at once.

Row by row, they are gathered in one block of arrays and leave it when it is full or a second has
passed, so a frame costs a few copies of small arrays and a killed process loses at most that
second. CSV goes straight to its unfinished file. Parquet cannot be read before its end is written,
so its rows go to an Arrow stream (``match.partial.arrows``), which can, and are turned into Parquet
on closing.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from posetrack.files import PartialFile, dump_json, write_together, write_whole
from posetrack.formats.arrow_arrays import GROUP_ROWS, arrow_batch, arrow_schema, parquet_options
from posetrack.formats.metadata import EmptyFrames, sidecar_path
from posetrack.formats.recovery import METADATA_KEY, parquet_from_spool
from posetrack.formats.sinks import FrameWriter, SpoolWriter
from posetrack.formats.table import FORMAT, FORMAT_VERSION, TrackTable, column_names, schema_of
from posetrack.skeletons import Skeleton
from posetrack.structures import Tracks, source_numbers

_MOST_SECONDS = 1.0
_BLOCK_ROWS = 1024


class RowBlock:
    """Up to ``capacity`` rows as arrays, one row of memory a column so that each is contiguous."""

    def __init__(self, skeleton: Skeleton, capacity: int = _BLOCK_ROWS) -> None:
        self.capacity = capacity
        self.rows = 0
        self._columns = schema_of(skeleton)
        self._schema = arrow_schema(self._columns)
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
        arrays: list[NDArray[Any]] = [frame, self._seconds[:rows], ids]
        arrays += [*self._person[:, :rows], source_numbers(flow_age), flow_age]
        arrays += list(self._keypoints.reshape(-1, self.capacity)[:, :rows])
        return arrow_batch(self._columns, arrays, self._schema)


class _TableWriter(FrameWriter):
    """Shared by CSV and Parquet: gathering rows, the time of the last flush, the metadata."""

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton,
        *,
        image_size: tuple[int, int] | None = None,
        rate: float | None = None,
        provenance: Mapping[str, Any] | None = None,
        suffix: str | None = None,
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        self._described = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "skeleton": skeleton.to_json(),
            "image_size": None if image_size is None else [int(side) for side in image_size],
            "rate": None if rate is None else float(rate),
            "provenance": dict(provenance or {}),
        }
        dump_json(self._described)  # what is not JSON is refused now, not after the run
        self._block = RowBlock(skeleton)
        super().__init__(path, skeleton, suffix, resume)
        self._empty = EmptyFrames() if resume is None else EmptyFrames(*resume["empty"])
        self._rows = 0 if resume is None else int(resume["rows"])
        self._flushed = time.monotonic()

    def _add(self, index: int, seconds: float, tracks: Tracks) -> None:
        if self._block.rows + len(tracks) > self._block.capacity:
            self._flush()
        if len(tracks) > self._block.capacity:
            self._block = RowBlock(self.skeleton, len(tracks))
        if len(tracks):
            self._block.add(index, seconds, tracks)
        else:
            self._empty.add(index, seconds)
        if time.monotonic() - self._flushed >= _MOST_SECONDS:
            self._flush()

    def _flush(self) -> None:
        if self._block.rows:
            self._write_batch(self._block.batch())
            self._rows += self._block.rows
            self._block.rows = 0
        self._flushed = time.monotonic()

    def _state(self) -> dict[str, Any]:
        return {"rows": self._rows, "empty": self._empty.state}

    def _metadata(self) -> bytes:
        counts = {"frames": self.frames, "rows": self._rows, "empty_frames": self._empty.runs}
        return dump_json(self._described | counts)

    def _write_batch(self, batch: pa.RecordBatch) -> None:
        raise NotImplementedError


class CsvWriter(_TableWriter):
    """Write the tidy table as CSV, which plain ``pandas.read_csv(path)`` opens.

    Skeleton and provenance lie beside it, in ``NAME.csv.meta.json``: comment lines would trip
    readers that do not expect them. It is renamed just before the table.

    Parameters
    ----------
    path
        The table; its folder must exist.
    skeleton
        What the keypoints are.
    image_size
        Width and height of the frames in pixels, if known.
    rate
        Frames a second, if known.
    provenance
        What made the file, see `posetrack.formats.describe_run`.
    resume
        The `progress` of an earlier writer with the same arguments, whose file is gone on with.

    Raises
    ------
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "match.csv"
    >>> with CsvWriter(path, COCO_17, rate=25.0) as table:
    ...     table.write(0, 0.0, Tracks.empty(COCO_17))
    >>> path.read_text()[:21]
    'frame,seconds,id,left'
    """

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton,
        *,
        image_size: tuple[int, int] | None = None,
        rate: float | None = None,
        provenance: Mapping[str, Any] | None = None,
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            path,
            skeleton,
            image_size=image_size,
            rate=rate,
            provenance=provenance,
            resume=resume,
        )
        if resume is None:
            self._file.write(_csv_header(column_names(skeleton)))
            self._write_sidecar(self._file.partial)  # a killed process leaves its skeleton, too

    def _write_batch(self, batch: pa.RecordBatch) -> None:
        self._file.write(memoryview(_csv_lines(batch)))

    def _write_sidecar(self, table: Path) -> None:
        write_whole(sidecar_path(table), self._metadata())

    def _finish(self) -> None:
        self._flush()
        self._file.keep()  # all of it is on the disk before anything takes its name
        self._write_sidecar(self.path)
        self._file.publish()
        sidecar_path(self._file.partial).unlink(missing_ok=True)

    def _keep(self) -> Path:
        try:
            self._flush()
            self._write_sidecar(self._file.partial)
        finally:
            self._file.keep()
        return self._file.partial

    def _discard(self) -> None:
        sidecar_path(self._file.partial).unlink(missing_ok=True)
        self._file.discard()


class ParquetWriter(_TableWriter, SpoolWriter):
    """Write the tidy table as Parquet, with skeleton and provenance inside.

    The metadata is JSON under the key ``posetrack`` of the schema. Floats are split by bytes and
    compressed with zstd, in groups of 65,536 rows.

    Parameters
    ----------
    path
        The table; its folder must exist.
    skeleton
        What the keypoints are.
    image_size
        Width and height of the frames in pixels, if known.
    rate
        Frames a second, if known.
    provenance
        What made the file, see `posetrack.formats.describe_run`.
    resume
        The `progress` of an earlier writer with the same arguments, whose file is gone on with.

    Raises
    ------
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "match.parquet"
    >>> with ParquetWriter(path, COCO_17) as table:
    ...     table.write(0, 0.0, Tracks.empty(COCO_17))
    >>> path.read_bytes()[:4]
    b'PAR1'
    """

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton,
        *,
        image_size: tuple[int, int] | None = None,
        rate: float | None = None,
        provenance: Mapping[str, Any] | None = None,
        resume: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            path,
            skeleton,
            image_size=image_size,
            rate=rate,
            provenance=provenance,
            suffix=".arrows",
            resume=resume,
        )
        if resume is None:
            described = {METADATA_KEY: self._metadata()}
            schema = arrow_schema(schema_of(skeleton)).with_metadata(described)
            self._file.write(memoryview(schema.serialize()))

    def _write_batch(self, batch: pa.RecordBatch) -> None:
        # One Arrow stream is its schema's message and then one message a batch.
        self._file.write(memoryview(batch.serialize()))

    def _convert(self, spool: Path, target: Path) -> None:
        parquet_from_spool(spool, target, self._metadata())


def write_table(path: Path, table: TrackTable) -> None:
    """Write a table as ``.csv`` or, whatever else its ending, Parquet; whole or not at all.

    Parameters
    ----------
    path
        The file; its folder must exist.
    table
        R rows; columns of origins and raw values are written where it has them.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    described = {"format": FORMAT, "version": FORMAT_VERSION, "image_size": None, "rate": None}
    described |= {"skeleton": table.skeleton.to_json(), "provenance": {}}
    described |= {key: value for key, value in table.metadata.items() if key in described}
    described["skeleton"] = table.skeleton.to_json()
    for key in ("individuals", "units"):
        if key in table.metadata:
            described[key] = table.metadata[key]
    frames = len(np.unique(table.frame)) + len(table.empty)
    described |= {"frames": frames, "rows": len(table), "empty_frames": table.empty.runs}
    metadata = dump_json(described)
    schema = arrow_schema(table.schema)
    batches = _batches(table, schema)
    if path.suffix.lower() == ".csv":
        write_together((sidecar_path(path), metadata), (path, _csv_pieces(batches, schema)))
        return
    file = PartialFile(path)
    try:
        schema = schema.with_metadata({METADATA_KEY: metadata})
        with pq.ParquetWriter(file, schema, **parquet_options(schema)) as writer:
            for batch in batches:
                writer.write_table(pa.Table.from_batches([batch]).cast(schema))
        file.publish()
    except BaseException:
        file.discard()
        raise


def _batches(table: TrackTable, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Row groups, one after the other, so that a table is not in memory twice."""
    for start in range(0, len(table), GROUP_ROWS):
        arrays = table.columns(slice(start, start + GROUP_ROWS))
        yield arrow_batch(table.schema, arrays, schema)


def _csv_pieces(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[bytes]:
    yield _csv_header(schema.names)
    for batch in batches:
        yield _csv_lines(batch).to_pybytes()


def _csv_header(names: Iterable[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(names)
    return line.getvalue().encode()


def _csv_lines(batch: pa.RecordBatch) -> pa.Buffer:
    text = pa.BufferOutputStream()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    pyarrow.csv.write_csv(batch, text, options)
    return text.getvalue()
