"""The tidy table back from CSV, Parquet or an unfinished spool; what is read is not trusted."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from posetrack.checks import no_such_file
from posetrack.formats.arrow_arrays import arrow_type, mask_of, open_arrow_file, values_of
from posetrack.formats.metadata import (
    EmptyFrames,
    empty_frames_from_json,
    parse_metadata,
    sidecar_path,
)
from posetrack.formats.plain_csv import Source, read_csv, stream_of
from posetrack.formats.recovery import METADATA_KEY, spool_batches
from posetrack.formats.table import (
    ALL_ORIGINS,
    BOX_COLUMNS,
    NOBODY,
    Column,
    RawRows,
    TrackTable,
    columns_to_read,
)
from posetrack.skeletons import KNOWN_SKELETONS, Skeleton
from posetrack.skeletons.skeleton import pairs_by_name, sigma_of

_LONGEST_HEADER = 1_000_000
_MOST_COLUMNS = 10_000
_MOST_FRAMES = 1_000_000_000
_BLOCK_ROWS = 4096
_LEAST = 1024


def read_table(path: str | Path, *, max_rows: int = 20_000_000) -> TrackTable:
    r"""Read a whole table that `CsvWriter` or `ParquetWriter` wrote, finished or not.

    Rows may have been dropped, added and put in another order, and columns added: these are
    ignored. Columns ``score`` and ``source`` follow from others and are not read; those of origins
    and raw values are, where the file has the whole set.

    Parameters
    ----------
    path
        A ``.csv`` (with its ``.meta.json`` beside it, or without: then the skeleton follows from
        the columns), ``.parquet`` or ``.arrows`` file.
    max_rows
        Larger tables are refused before they fill the memory (a row of COCO's 17 keypoints takes
        260 bytes).

    Returns
    -------
    TrackTable

    Raises
    ------
    ValueError
        If it is no such table; the message names the file, the column and the row.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "match.csv"
    >>> _ = path.write_text("frame,seconds,nose_x,nose_y,nose_score\n0,0.0,3,4,1\n")
    >>> read_table(path)
    Traceback (most recent call last):
        ...
    ValueError: ...match.csv: columns are missing: id, left, top, right, bottom, box_score, ...
    """
    path = Path(path)
    readers = {".csv": _read_csv, ".parquet": _read_parquet, ".arrows": _read_spool}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(readers)}")
    if not path.is_file():
        raise no_such_file(Path(path))
    rows, described = readers[path.suffix.lower()](path, max_rows)
    empty = empty_frames_from_json(
        described.get("empty_frames", []), f"{path} (metadata)", max_frames=50 * max_rows
    )
    return rows.table(empty, described)


def _read_csv(path: Path, max_rows: int) -> tuple[Rows, dict[str, Any]]:
    if ".partial" in path.stem:  # ours, its last line perhaps torn off
        return _parse_csv(path, max_rows, partial(_open_whole_lines, path))
    return read_csv(path, partial(_parse_csv, path, max_rows))


def _parse_csv(path: Path, max_rows: int, source: Source) -> tuple[Rows, dict[str, Any]]:
    with source() as stream:
        names = _csv_header(path, stream)
    described: dict[str, Any] = {}
    beside = sidecar_path(path)
    if beside.is_file():
        described = parse_metadata(beside.read_bytes(), str(beside))
    skeleton = _skeleton(path, described, names)
    rows = Rows(path, skeleton, names, max_rows)
    convert = pa.csv.ConvertOptions(
        column_types={column.name: arrow_type(column) for column in rows.columns},
        include_columns=rows.names,
        null_values=["", "NaN", "nan"],
    )
    try:
        with (
            source() as stream,
            pa.csv.open_csv(
                stream, pa.csv.ReadOptions(use_threads=False), convert_options=convert
            ) as reader,
        ):
            rows.add(reader)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: {_with_column_name(str(error), names)}") from error
    return rows, described


def _csv_header(path: Path, stream: BinaryIO) -> list[str]:
    line = stream.readline(_LONGEST_HEADER)
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the first line is not text: {error}") from error
    names = next(csv.reader([text]), [])
    if len(line) >= _LONGEST_HEADER or "frame" not in names:
        raise ValueError(
            f"{path}: the first line names no columns of a table of tracks: {text[:40]!r}; "
            "expected our own (frame, seconds, id, ...), DeepLabCut's (scorer, ...) or SLEAP's "
            "(track, frame_idx, ...)"
        )
    return names


def _with_column_name(message: str, names: list[str]) -> str:
    """An error of Arrow's, with the column's name in place of its number."""
    found = re.search(r"In CSV column #(\d+): (.*)", message, re.DOTALL)
    if found and int(found[1]) < len(names):
        return f"column {names[int(found[1])]!r}: {found[2]}"
    return message


def _open_whole_lines(path: Path) -> BinaryIO:
    """The unfinished CSV of a killed process, without a last line that was torn off."""
    return stream_of(_whole_lines(path))


def _whole_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as raw:
        left = _end_of_last_line(raw)
        while left and (piece := raw.read(min(left, _LONGEST_HEADER))):
            left -= len(piece)
            yield piece


def _end_of_last_line(raw: BinaryIO) -> int:
    """How many bytes the whole lines of a file take; the file is back at its start."""
    end = raw.seek(0, 2)
    while end:
        start = max(0, end - _LONGEST_HEADER)
        raw.seek(start)
        cut = raw.read(end - start).rfind(b"\n") + 1
        if cut:
            end = start + cut
            break
        end = start
    raw.seek(0)
    return end


def _read_parquet(path: Path, max_rows: int) -> tuple[Rows, dict[str, Any]]:
    with _open_parquet(path) as file:
        if file.metadata.num_rows > max_rows:
            raise ValueError(
                f"{path}: {file.metadata.num_rows} rows; at most {max_rows} are read at once, "
                "see max_rows"
            )
        described, skeleton = _read_metadata(path, file.schema_arrow)
        rows = Rows(path, skeleton, file.schema_arrow.names, max_rows, file.metadata.num_rows)
        try:
            for group in range(file.metadata.num_row_groups):
                # One thread: the groups are small, and threads cost more than they save.
                arrow = file.read_row_group(group, rows.names, use_threads=False)
                rows.add(arrow.to_batches())
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"{path}: damaged: {error}") from error
        return rows, described


def _read_spool(path: Path, max_rows: int) -> tuple[Rows, dict[str, Any]]:
    schema, batches = spool_batches(path)
    described, skeleton = _read_metadata(path, schema)
    rows = Rows(path, skeleton, schema.names, max_rows)
    rows.add(batch.select(rows.names) for batch in batches)
    return rows, described


def _open_parquet(path: Path) -> pa.parquet.ParquetFile:
    if not path.is_file():
        raise no_such_file(path)
    try:
        return pa.parquet.ParquetFile(open_arrow_file(path))
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: not a whole Parquet file: {error}") from error


def _read_metadata(path: Path, schema: pa.Schema) -> tuple[dict[str, Any], Skeleton]:
    """What a schema's metadata says of the table, and its skeleton; its columns are all there."""
    text = (schema.metadata or {}).get(METADATA_KEY)
    described = parse_metadata(text, f"{path} (metadata)") if text else {}
    return described, _skeleton(path, described, schema.names)


def _skeleton(path: Path, described: dict[str, Any], names: list[str]) -> Skeleton:
    """The skeleton of the metadata, else of the columns; all its columns are there."""
    if len(names) > _MOST_COLUMNS:
        raise ValueError(f"{path}: {len(names)} columns; at most {_MOST_COLUMNS} are read")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"{path}: columns occur twice: {', '.join(twice)}")
    if "skeleton" in described:
        skeleton = Skeleton.from_json(described["skeleton"], f"{path} (metadata)")
    else:
        skeleton = _skeleton_of_columns(path, names)
    needed = [column.name for column in columns_to_read(skeleton, ())]
    missing = [name for name in needed if name not in names]
    if missing:
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise ValueError(f"{path}: columns are missing: {', '.join(missing[:10])}{more}")
    return skeleton


def _skeleton_of_columns(path: Path, names: list[str]) -> Skeleton:
    """The known skeleton with the keypoints that have columns; else one without edges."""
    present = set(names)
    keypoints = tuple(
        name[:-2]
        for name in names
        if name.endswith("_x") and {f"{name[:-2]}_y", f"{name[:-2]}_score"} <= present
    )
    if not keypoints:
        raise ValueError(f"{path}: no keypoints: expected columns NAME_x, NAME_y and NAME_score")
    for known in KNOWN_SKELETONS.values():
        if set(known.keypoints) == set(keypoints):
            return known
    sigmas = tuple(sigma_of(keypoint) for keypoint in keypoints)
    return Skeleton(path.stem, keypoints, (), pairs_by_name(keypoints), sigmas)


def parquet_skeleton(path: Path) -> tuple[Skeleton, int]:
    """Skeleton and number of rows of a Parquet table; no row is read."""
    with _open_parquet(path) as file:
        return _read_metadata(path, file.schema_arrow)[1], file.metadata.num_rows


def read_part(
    path: Path,
    skeleton: Skeleton,
    *,
    frames: tuple[int, int] | None,
    seconds: tuple[float, float] | None,
    ids: Sequence[int] | None,
    max_rows: int = 20_000_000,
) -> TrackTable:
    """Rows of half-open ranges and of some people, with the columns of a part of the keypoints.

    Frames in the ranges in which none of the people is come as frames without people.

    Raises
    ------
    ValueError
        If the file is damaged or no table of tracks, or the part has more than ``max_rows`` rows.
    """
    with _open_parquet(path) as file:
        described, _ = _read_metadata(path, file.schema_arrow)
        names = [column.name for column in columns_to_read(skeleton, file.schema_arrow.names)]
        parts = [pa.Table.from_batches([], file.schema_arrow).select(names)]
        times: dict[int, float] = {}
        for group in _groups(file, frames, seconds):
            try:
                arrow = file.read_row_group(group, columns=names, use_threads=False)
            except (pa.ArrowInvalid, OSError) as error:
                raise ValueError(f"{path}: row group {group + 1} is damaged: {error}") from error
            parts.append(_choose_rows(arrow, frames, seconds, ids, times))
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
    rows = Rows(path, skeleton, names, max_rows, len(arrow))
    rows.add(arrow.to_batches())
    return rows.table(empty, described)


def _groups(
    file: pa.parquet.ParquetFile,
    frames: tuple[int, int] | None,
    seconds: tuple[float, float] | None,
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


def _choose_rows(
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


class Rows:
    """Arrays that grow by the rows of batches: no batch is kept.

    Parameters
    ----------
    path
        The file, for messages.
    skeleton
        What the keypoints are.
    names
        Of the columns that the file has.
    max_rows
        More rows are refused.
    expected
        How many there will be, if known: the arrays then never have to be moved.
    """

    def __init__(
        self,
        path: Path,
        skeleton: Skeleton,
        names: Sequence[str],
        max_rows: int,
        expected: int | None = None,
    ) -> None:
        self.path, self.skeleton, self.max_rows = path, skeleton, max_rows
        self.columns = columns_to_read(skeleton, names)
        self.count = 0
        self._places = _places(skeleton, self.columns)
        size = _LEAST if expected is None else expected
        each = {"xy": (len(skeleton), 2), "scores": (len(skeleton),), "origin": (len(skeleton),)}
        each |= {f"{name}_raw": shape for name, shape in each.items()}
        self._arrays = {
            array: np.empty((size, *each.get(array, ())), column.kind)
            for column in self.columns
            for array, _ in [self._places[column.name]]
        }

    @property
    def names(self) -> list[str]:
        """Of the columns that are read."""
        return [column.name for column in self.columns]

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
        room = len(self._arrays["frame"])
        if rows <= room:
            return
        size = max(rows, 2 * room)

        def larger(array: NDArray[Any]) -> NDArray[Any]:
            grown = np.empty((size, *array.shape[1:]), array.dtype)
            grown[: self.count] = array[: self.count]
            return grown

        self._arrays = {name: larger(values) for name, values in self._arrays.items()}

    def _add(self, block: pa.RecordBatch) -> None:
        rows = slice(self.count, self.count + len(block))
        for column in self.columns:
            array, index = self._places[column.name]
            self._arrays[array][rows][index] = self._values(block, column)
        xy, scores = self._arrays["xy"][rows], self._arrays["scores"][rows]
        unseen = ~(np.isfinite(xy[..., 0]) & np.isfinite(xy[..., 1]))
        xy[unseen] = np.nan
        scores[unseen | ~np.isfinite(scores)] = 0
        self.count += len(block)

    def _values(self, block: pa.RecordBatch, column: Column) -> NDArray[Any]:
        """A column as an array: NaN for a missing number, `NOBODY` where an id may be missing."""
        kind, name = arrow_type(column), column.name
        values = block.column(name)
        whole = not column.kind.startswith("float")
        if values.null_count and whole and not column.missing:
            row = self.count + values.is_null().index(True).as_py() + 1
            raise ValueError(f"{self.path}: column {name!r}, row {row}: missing")
        try:
            values = values.cast(kind)
            return values_of(values.fill_null(NOBODY) if column.kind == "int64" else values)
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
        arrays = {name: values[: self.count] for name, values in self._arrays.items()}
        for name in ("frame", "seconds", "id", *BOX_COLUMNS, "box_score", "flow_age"):
            bad: NDArray[np.bool_] = ~np.isfinite(arrays[name])
            if name in ("frame", "flow_age"):
                bad |= arrays[name] < (-1 if name == "flow_age" else 0)
            self._refuse(bad, name, arrays[name])
        for low, high in (("left", "right"), ("top", "bottom")):
            self._refuse(arrays[high] < arrays[low], high, arrays[high])
        order = self._order(arrays["frame"], arrays["id"])
        return TrackTable(
            arrays["frame"][order],
            arrays["seconds"][order],
            arrays["id"][order],
            np.stack([arrays[side] for side in BOX_COLUMNS], axis=1)[order],
            arrays["box_score"][order],
            arrays["flow_age"][order],
            arrays["xy"][order],
            arrays["scores"][order],
            self.skeleton,
            empty,
            described,
            self._origin(arrays, order),
            self._raw(arrays, order),
        )

    def _origin(self, arrays: dict[str, NDArray[Any]], order: Any) -> NDArray[np.int8] | None:
        if "origin" not in arrays:
            return None
        origin = arrays["origin"]
        bad = ((origin < 0) | (origin > ALL_ORIGINS)).any(axis=1)
        if bad.any():
            row, limit = int(np.flatnonzero(bad)[0]), int(ALL_ORIGINS)
            raise ValueError(f"{self.path}: row {row + 1}: an origin is not of 0 to {limit}")
        chosen: NDArray[np.int8] = origin[order]
        return chosen

    def _raw(self, arrays: dict[str, NDArray[Any]], order: Any) -> RawRows | None:
        if "raw_id" not in arrays:
            return None
        if not np.isfinite(arrays["scores_raw"]).all():
            raise ValueError(f"{self.path}: a raw score is missing or not finite")
        return RawRows(arrays["raw_id"], arrays["xy_raw"], arrays["scores_raw"]).part(order)

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


def _places(skeleton: Skeleton, columns: Sequence[Column]) -> dict[str, tuple[str, Any]]:
    """By a column's name, the array that takes it and the index at which it does."""
    places: dict[str, tuple[str, Any]] = {}
    for number, name in enumerate(skeleton.keypoints):
        for end in ("", "_raw"):
            places[f"{name}_x{end}"] = f"xy{end}", np.s_[:, number, 0]
            places[f"{name}_y{end}"] = f"xy{end}", np.s_[:, number, 1]
            places[f"{name}_score{end}"] = f"scores{end}", np.s_[:, number]
        places[f"{name}_origin"] = "origin", np.s_[:, number]
    return {column.name: places.get(column.name, (column.name, np.s_[:])) for column in columns}
