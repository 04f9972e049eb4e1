"""Tables in memory to CSV and Parquet at once, with what cleaning did; parts of Parquet back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from posetrack.files import PartialFile, dump_json, write_together
from posetrack.formats.arrow_arrays import mask_of, values_of
from posetrack.formats.metadata import (
    EmptyFrames,
    empty_frames_from_json,
    sidecar_path,
)
from posetrack.formats.recovery import METADATA_KEY
from posetrack.formats.row_block import arrow_schema
from posetrack.formats.row_gathering import Rows
from posetrack.formats.table import FORMAT, FORMAT_VERSION, TrackTable
from posetrack.formats.table_reading import described_by, wanted_columns
from posetrack.formats.touched_columns import (
    RawRows,
    TouchedRows,
    raw_arrays,
    touched_fields,
    touched_names,
    touched_rows,
)
from posetrack.skeletons import Skeleton

_GROUP_ROWS = 65_536
_MOST_FRAMES = 1_000_000_000


def write_table(
    path: Path,
    table: TrackTable,
    origin: NDArray[np.int8] | None = None,
    raw: RawRows | None = None,
) -> None:
    """Write a table as ``.csv`` or, whatever else its ending, Parquet; whole or not at all.

    Parameters
    ----------
    path
        The file; its folder must exist.
    table
        R rows.
    origin
        (R, K) small numbers, for columns ``NAME_origin``; no such columns when None.
    raw
        The R rows as they were measured; no such columns when None.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    described = {"format": FORMAT, "version": FORMAT_VERSION, "image_size": None, "rate": None}
    described |= {"skeleton": table.skeleton.to_json(), "provenance": {}}
    described |= {key: value for key, value in table.metadata.items() if key in described}
    described["skeleton"] = table.skeleton.to_json()
    if "individuals" in table.metadata:
        described["individuals"] = table.metadata["individuals"]
    frames = len(np.unique(table.frame)) + len(table.empty)
    described |= {"frames": frames, "rows": len(table), "empty_frames": table.empty.runs}
    metadata = dump_json(described)
    schema = arrow_schema(table.skeleton)
    more = touched_fields(table.skeleton, origin=origin is not None, raw=raw is not None)
    for column in more:
        schema = schema.append(column)
    batches = _batches(table, origin, raw, schema)
    if path.suffix.lower() == ".csv":
        write_together((sidecar_path(path), metadata), (path, _csv_pieces(batches, schema)))
        return
    file = PartialFile(path)
    try:
        options: dict[str, Any] = {
            "compression": "zstd",
            "use_dictionary": ["source"],
            "use_byte_stream_split": [f.name for f in schema if pa.types.is_floating(f.type)],
        }
        schema = schema.with_metadata({METADATA_KEY: metadata})
        with pq.ParquetWriter(file, schema, **options) as writer:
            for batch in batches:
                writer.write_table(pa.Table.from_batches([batch]).cast(schema))
        file.publish()
    except BaseException:
        file.discard()
        raise


def _batches(
    table: TrackTable,
    origin: NDArray[np.int8] | None,
    raw: RawRows | None,
    schema: pa.Schema,
) -> Iterator[pa.RecordBatch]:
    """Row groups, one after the other, so that a table is not in memory twice."""
    for start in range(0, len(table), _GROUP_ROWS):
        rows = slice(start, start + _GROUP_ROWS)
        xy, scores, age = table.xy[rows], table.scores[rows], table.flow_age[rows]
        source = np.where(age > 0, "flow", "detector").astype(object)
        columns = [table.frame[rows], table.seconds[rows], table.ids[rows], *table.xyxy[rows].T]
        columns += [table.box_scores[rows], scores.mean(axis=1), source, age]
        for number in range(len(table.skeleton)):
            columns += [xy[:, number, 0], xy[:, number, 1], scores[:, number]]
        if origin is not None:
            columns += list(origin[rows].T)
        arrays = [
            pa.array(np.ascontiguousarray(column), field.type, from_pandas=field.nullable)
            for column, field in zip(columns, schema, strict=raw is None)
        ]
        if raw is not None:
            arrays += raw_arrays(raw, rows)
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _csv_pieces(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[bytes]:
    yield (",".join(_quoted(name) for name in schema.names) + "\n").encode()
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    for batch in batches:
        text = pa.BufferOutputStream()
        pyarrow.csv.write_csv(batch, text, options)
        yield text.getvalue().to_pybytes()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\r\n') else name


def parquet_skeleton(path: Path) -> tuple[Skeleton, int]:
    """What the keypoints of a Parquet table are, and how many rows it has; no row is read."""
    with _opened(path) as file:
        return described_by(path, file.schema_arrow)[1], file.metadata.num_rows


def _opened(path: Path) -> pq.ParquetFile:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: not a whole Parquet file: {error}") from error


def read_part(
    path: Path,
    skeleton: Skeleton,
    *,
    frames: tuple[int, int] | None,
    seconds: tuple[float, float] | None,
    ids: Sequence[int] | None,
    max_rows: int = 20_000_000,
) -> tuple[TrackTable, TouchedRows | None]:
    """Rows of half-open ranges and of some people, with the columns of a part of the keypoints.

    Frames in the ranges in which none of the people is come as frames without people.

    Raises
    ------
    ValueError
        If the file is damaged or no table of tracks, or the part has more than ``max_rows`` rows.
    """
    with _opened(path) as file:
        described, _ = described_by(path, file.schema_arrow)
        columns = [*wanted_columns(skeleton), *touched_names(file.schema_arrow.names, skeleton)]
        parts = [pa.Table.from_batches([], file.schema_arrow).select(columns)]
        times: dict[int, float] = {}
        for group in _groups(file, frames, seconds):
            try:
                arrow = file.read_row_group(group, columns=columns, use_threads=False)
            except (pa.ArrowInvalid, OSError) as error:
                raise ValueError(f"{path}: row group {group + 1} is damaged: {error}") from error
            parts.append(_chosen(arrow, frames, seconds, ids, times))
            if sum(map(len, parts)) > max_rows:
                raise ValueError(f"{path}: more than {max_rows} rows in the part; select less")
    arrow = pa.concat_tables(part.replace_schema_metadata(None) for part in parts)
    runs = described.get("empty_frames", [])
    for index, time in empty_frames_from_json(runs, f"{path} (metadata)", max_frames=_MOST_FRAMES):
        if _within(index, frames) and _within(time, seconds):
            times.setdefault(index, time)
    if times:
        for index in np.unique(values_of(arrow.column("frame"))).tolist():
            times.pop(index, None)
    empty = EmptyFrames([(i, i, 1, at, at) for i, at in sorted(times.items())])
    rows = Rows(path, skeleton, max_rows, len(arrow))
    rows.add(arrow.to_batches())
    return rows.table(empty, described), touched_rows(path, arrow, skeleton)


def _groups(
    file: pq.ParquetFile, frames: tuple[int, int] | None, seconds: tuple[float, float] | None
) -> Iterator[int]:
    """Row groups that may hold a row of the ranges, by what the file's footer says of them."""
    names = file.schema_arrow.names
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        for name, span in (("frame", frames), ("seconds", seconds)):
            known = group.column(names.index(name)).statistics
            if span is None or known is None or not known.has_min_max:
                continue
            if known.max < span[0] or known.min >= span[1]:
                break
        else:
            yield number


def _chosen(
    arrow: pa.Table,
    frames: tuple[int, int] | None,
    seconds: tuple[float, float] | None,
    ids: Sequence[int] | None,
    times: dict[int, float],
) -> pa.Table:
    """Rows wanted; the frames of the ranges go into ``times``, whoever is in them."""
    index, at = values_of(arrow.column("frame")), values_of(arrow.column("seconds"))
    keep = np.ones(len(arrow), bool)
    for values, span in ((index, frames), (at, seconds)):
        if span is not None:
            keep &= (values >= span[0]) & (values < span[1])
    if ids is not None:
        for frame, time in zip(index[keep].tolist(), at[keep].tolist(), strict=True):
            times.setdefault(frame, time)
        keep &= np.isin(values_of(arrow.column("id")), list(ids))
    return arrow if keep.all() else arrow.filter(mask_of(keep))


def _within(value: float, span: tuple[float, float] | None) -> bool:
    return span is None or span[0] <= value < span[1]
