"""Tables that are in memory to CSV and Parquet at once, with origins; parts of Parquet back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from posetrack.formats.metadata import (
    EmptyFrames,
    dump_json,
    empty_frames_from_json,
    sidecar_path,
    skeleton_as_json,
)
from posetrack.formats.recovery import METADATA_KEY
from posetrack.formats.sinks import PartialFile, write_whole
from posetrack.formats.table import FORMAT, FORMAT_VERSION, TrackTable, column_names
from posetrack.formats.table_reading import _checked, _described, _wanted
from posetrack.formats.table_writers import arrow_schema
from posetrack.skeletons import Skeleton

Origins: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]
"""(R,) frames, (R,) ids and (R, K) origins of a file's rows."""

_GROUP_ROWS = 65_536
_MOST_FRAMES = 1_000_000_000


def write_table(path: Path, table: TrackTable, origin: NDArray[np.int8] | None = None) -> None:
    """Write a table as ``.csv`` or, whatever else its ending, Parquet; whole or not at all.

    Parameters
    ----------
    path
        The file; its folder must exist.
    table
        R rows.
    origin
        (R, K) small numbers, for columns ``NAME_origin``; no such columns when None.

    Raises
    ------
    OSError
        If nothing can be written there.
    """
    described = {"format": FORMAT, "version": FORMAT_VERSION, "image_size": None, "rate": None}
    described |= {"skeleton": skeleton_as_json(table.skeleton), "provenance": {}}
    described |= {key: value for key, value in table.metadata.items() if key in described}
    described["skeleton"] = skeleton_as_json(table.skeleton)
    frames = len(np.unique(table.frame)) + len(table.empty)
    described |= {"frames": frames, "rows": len(table), "empty_frames": table.empty.runs}
    metadata = dump_json(described)
    schema = _schema(table.skeleton, origin is not None)
    batches = _batches(table, origin, schema)
    if path.suffix.lower() == ".csv":
        write_whole((sidecar_path(path), [metadata]), (path, _csv_pieces(batches, schema)))
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


def _schema(skeleton: Skeleton, with_origin: bool) -> pa.Schema:
    schema = arrow_schema(skeleton)
    names = origin_columns(skeleton) if with_origin else ()
    for name in names:
        schema = schema.append(pa.field(name, pa.int8(), nullable=False))
    return schema


def origin_columns(skeleton: Skeleton) -> tuple[str, ...]:
    """The K columns of origins, which follow all others; refused where a name is taken.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> origin_columns(COCO_17)[0]
    'nose_origin'
    """
    names = tuple(f"{name}_origin" for name in skeleton.keypoints)
    twice = set(names) & set(column_names(skeleton))
    if twice:
        raise ValueError(f"{skeleton.name}: rename keypoints; columns would repeat: {twice}")
    return names


def _batches(
    table: TrackTable, origin: NDArray[np.int8] | None, schema: pa.Schema
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
            for column, field in zip(columns, schema, strict=True)
        ]
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
        return _described(path, file.schema_arrow)[1], file.metadata.num_rows


def _opened(path: Path) -> pq.ParquetFile:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: not a whole Parquet file: {error}") from error


def read_origins(path: Path, skeleton: Skeleton) -> Origins | None:
    """Origins of all rows of a ``.csv`` or ``.parquet`` table; None where it has no such columns.

    Raises
    ------
    ValueError
        If a column is no column of small whole numbers.
    """
    names = ["frame", "id", *origin_columns(skeleton)]
    try:
        if path.suffix.lower() == ".parquet":
            with _opened(path) as file:
                if not set(names) <= set(file.schema_arrow.names):
                    return None
                return _origins(path, file.read(columns=names), skeleton)
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8-sig") as stream:
                if "_origin" not in stream.readline(1_000_000):
                    return None
            options = pyarrow.csv.ConvertOptions(include_columns=names)
            return _origins(path, pyarrow.csv.read_csv(path, convert_options=options), skeleton)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise ValueError(f"{path}: origins cannot be read: {error}") from error
    return None


def _origins(path: Path, arrow: pa.Table, skeleton: Skeleton) -> Origins:
    values = np.empty((len(arrow), len(skeleton)), np.int8)
    for number, name in enumerate(origin_columns(skeleton)):
        column = arrow.column(name)
        if column.null_count:
            raise ValueError(f"{path}: column {name!r}: missing values")
        try:
            values[:, number] = column.cast(pa.int8()).to_numpy()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(f"{path}: column {name!r}: {error}") from error
    return arrow.column("frame").to_numpy(), arrow.column("id").to_numpy(), values


def read_part(
    path: Path,
    skeleton: Skeleton,
    *,
    frames: tuple[int, int] | None,
    seconds: tuple[float, float] | None,
    ids: Sequence[int] | None,
    max_rows: int = 20_000_000,
) -> tuple[TrackTable, Origins | None]:
    """Rows of half-open ranges and of some people, with the columns of a part of the keypoints.

    Frames in the ranges in which none of the people is come as frames without people.

    Raises
    ------
    ValueError
        If the file is damaged or no table of tracks, or the part has more than ``max_rows`` rows.
    """
    with _opened(path) as file:
        described, _ = _described(path, file.schema_arrow)
        extra = origin_columns(skeleton)
        has_origins = set(extra) <= set(file.schema_arrow.names)
        columns = [*_wanted(skeleton), *(extra if has_origins else ())]
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
    for index in np.unique(arrow.column("frame").to_numpy()).tolist():
        times.pop(index, None)
    empty = EmptyFrames([(i, i, 1, at, at) for i, at in sorted(times.items())])
    table = _checked(path, arrow, skeleton, empty, described)
    return table, _origins(path, arrow, skeleton) if has_origins else None


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
    index, at = arrow.column("frame").to_numpy(), arrow.column("seconds").to_numpy()
    keep = np.ones(len(arrow), bool)
    for values, span in ((index, frames), (at, seconds)):
        if span is not None:
            keep &= (values >= span[0]) & (values < span[1])
    if ids is not None:
        for frame, time in zip(index[keep].tolist(), at[keep].tolist(), strict=True):
            times.setdefault(frame, time)
        keep &= np.isin(arrow.column("id").to_numpy(), list(ids))
    return arrow.filter(pa.array(keep))


def _within(value: float, span: tuple[float, float] | None) -> bool:
    return span is None or span[0] <= value < span[1]
