"""The tidy table to CSV and Parquet, row by row, in flat memory.

Rows are gathered in one block of arrays and leave it when it is full or a second has passed, so a
frame costs a few copies of small arrays and a killed process loses at most that second. CSV goes
straight to its unfinished file. Parquet cannot be read before its end is written, so its rows go
to an Arrow stream (``match.partial.arrows``), which can, and are turned into Parquet on closing.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from posetrack.files import PartialFile, dump_json, write_whole
from posetrack.formats.metadata import EmptyFrames, sidecar_path
from posetrack.formats.recovery import METADATA_KEY, parquet_from_spool
from posetrack.formats.row_block import RowBlock, arrow_schema
from posetrack.formats.sinks import FrameWriter
from posetrack.formats.table import FORMAT, FORMAT_VERSION, column_names
from posetrack.skeletons import Skeleton
from posetrack.structures import Tracks

_MOST_SECONDS = 1.0


class _TableWriter(FrameWriter):
    """What CSV and Parquet share: gathering rows, the time of the last flush, the metadata."""

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton,
        *,
        image_size: tuple[int, int] | None = None,
        rate: float | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(path, skeleton)
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
        self._empty = EmptyFrames()
        self._rows = 0
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

    def _metadata(self) -> bytes:
        counts = {"frames": self.frames, "rows": self._rows, "empty_frames": self._empty.runs}
        return dump_json(self._described | counts)

    def _write_batch(self, batch: pa.RecordBatch) -> None:
        raise NotImplementedError


class CsvWriter(_TableWriter):
    """Write the tidy table as CSV, which plain ``pandas.read_csv(path)`` opens.

    Skeleton and provenance lie beside it, in ``NAME.csv.meta.json``: comment lines would trip
    those who do not expect them. It is renamed just before the table.

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
    ) -> None:
        super().__init__(path, skeleton, image_size=image_size, rate=rate, provenance=provenance)
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(column_names(skeleton))
        self._file = PartialFile(self.path)
        self._file.write(header.getvalue().encode())
        self._write_sidecar(self._file.partial)  # a killed process leaves its skeleton, too

    def _write_batch(self, batch: pa.RecordBatch) -> None:
        text = pa.BufferOutputStream()
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
        pyarrow.csv.write_csv(batch, text, options)
        self._file.write(memoryview(text.getvalue()))

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


class ParquetWriter(_TableWriter):
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
    ) -> None:
        super().__init__(path, skeleton, image_size=image_size, rate=rate, provenance=provenance)
        schema = arrow_schema(skeleton).with_metadata({METADATA_KEY: self._metadata()})
        self._file = PartialFile(self.path, ".arrows")
        self._file.write(memoryview(schema.serialize()))

    def _write_batch(self, batch: pa.RecordBatch) -> None:
        # One Arrow stream is its schema's message and then one message a batch.
        self._file.write(memoryview(batch.serialize()))

    def _finish(self) -> None:
        self._flush()
        spool = self._file.keep()
        parquet_from_spool(spool, self.path, self._metadata())
        spool.unlink()

    def _keep(self) -> Path:
        try:
            self._flush()
        finally:
            spool = self._file.keep()
        partial = spool.with_suffix(self.path.suffix)  # free, see PartialFile
        parquet_from_spool(spool, partial, self._metadata())
        spool.unlink()
        return partial

    def _discard(self) -> None:
        self._file.discard()
