"""The tidy table back from CSV, Parquet or an unfinished spool; what is read is not trusted."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from posetrack.formats.metadata import (
    empty_frames_from_json,
    parse_metadata,
    sidecar_path,
)
from posetrack.formats.recovery import METADATA_KEY, spool_batches
from posetrack.formats.row_block import arrow_type
from posetrack.formats.row_gathering import DERIVED, Rows
from posetrack.formats.table import TrackTable, column_names
from posetrack.skeletons import KNOWN_SKELETONS, Skeleton
from posetrack.skeletons.skeleton import pairs_by_name, sigma_of

_LONGEST_HEADER = 1_000_000
_MOST_COLUMNS = 10_000


def read_table(path: str | Path, *, max_rows: int = 20_000_000) -> TrackTable:
    r"""Read a whole table that `CsvWriter` or `ParquetWriter` wrote, finished or not.

    Rows may have been dropped, added and put in another order, and columns added: these are
    ignored. Columns ``score`` and ``source`` follow from others and are not read.

    Parameters
    ----------
    path
        A ``.csv`` (with its ``.meta.json`` beside it, or without: then the skeleton is told from
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
        raise FileNotFoundError(f"{path}: there is no such file")
    rows, described = readers[path.suffix.lower()](path, max_rows)
    empty = empty_frames_from_json(
        described.get("empty_frames", []), f"{path} (metadata)", max_frames=50 * max_rows
    )
    return rows.table(empty, described)


def _read_csv(path: Path, max_rows: int) -> tuple[Rows, dict[str, Any]]:
    names = _csv_header(path)
    described: dict[str, Any] = {}
    beside = sidecar_path(path)
    if beside.is_file():
        described = parse_metadata(beside.read_bytes(), str(beside))
    skeleton = _skeleton(path, described, names)
    wanted = wanted_columns(skeleton)
    convert = pa.csv.ConvertOptions(
        column_types={name: arrow_type(name) for name in wanted},
        include_columns=list(wanted),
        null_values=["", "NaN", "nan"],
    )
    rows = Rows(path, skeleton, max_rows)
    with path.open("rb") as raw:
        source = _WholeLines(raw) if ".partial" in path.stem else raw
        try:
            with pa.csv.open_csv(
                source, pa.csv.ReadOptions(use_threads=False), convert_options=convert
            ) as reader:
                rows.add(reader)
        except pa.ArrowInvalid as error:
            raise ValueError(f"{path}: {_with_column_name(str(error), names)}") from error
    return rows, described


def _csv_header(path: Path) -> list[str]:
    with path.open("rb") as stream:
        line = stream.readline(_LONGEST_HEADER)
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the first line is not text: {error}") from error
    names = next(csv.reader([text]), [])
    if len(line) >= _LONGEST_HEADER or "frame" not in names:
        raise ValueError(f"{path}: the first line names no columns of a table of tracks")
    return names


def _with_column_name(message: str, names: list[str]) -> str:
    """Arrow counts columns; people go by names."""
    found = re.search(r"In CSV column #(\d+): (.*)", message, re.DOTALL)
    if found and int(found[1]) < len(names):
        return f"column {names[int(found[1])]!r}: {found[2]}"
    return message


class _WholeLines:
    """The unfinished CSV of a killed process, without a last line that was torn off."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._left = _end_of_last_line(raw)
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most ``size``."""
        data = self._raw.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


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
    try:
        file = pa.parquet.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: not a whole Parquet file: {error}") from error
    with file:
        if file.metadata.num_rows > max_rows:
            raise ValueError(
                f"{path}: {file.metadata.num_rows} rows; at most {max_rows} are read at once, "
                "see max_rows"
            )
        described, skeleton = described_by(path, file.schema_arrow)
        wanted = list(wanted_columns(skeleton))
        rows = Rows(path, skeleton, max_rows, file.metadata.num_rows)
        try:
            for group in range(file.metadata.num_row_groups):
                # One thread: the groups are small, and threads cost more than they save.
                rows.add(file.read_row_group(group, wanted, use_threads=False).to_batches())
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"{path}: damaged: {error}") from error
        return rows, described


def _read_spool(path: Path, max_rows: int) -> tuple[Rows, dict[str, Any]]:
    schema, batches = spool_batches(path)
    described, skeleton = described_by(path, schema)
    wanted = list(wanted_columns(skeleton))
    rows = Rows(path, skeleton, max_rows)
    rows.add(batch.select(wanted) for batch in batches)
    return rows, described


def described_by(path: Path, schema: pa.Schema) -> tuple[dict[str, Any], Skeleton]:
    """What a schema's metadata says of the table, and its skeleton; its columns are all there."""
    text = (schema.metadata or {}).get(METADATA_KEY)
    described = parse_metadata(text, f"{path} (metadata)") if text else {}
    return described, _skeleton(path, described, schema.names)


def wanted_columns(skeleton: Skeleton) -> tuple[str, ...]:
    """The columns that are read: all but those that follow from others."""
    return tuple(name for name in column_names(skeleton) if name not in DERIVED)


def _skeleton(path: Path, described: dict[str, Any], names: list[str]) -> Skeleton:
    """The skeleton that the metadata tells of, else the columns; all its columns are there."""
    if len(names) > _MOST_COLUMNS:
        raise ValueError(f"{path}: {len(names)} columns; at most {_MOST_COLUMNS} are read")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"{path}: columns occur twice: {', '.join(twice)}")
    if "skeleton" in described:
        skeleton = Skeleton.from_json(described["skeleton"], f"{path} (metadata)")
    else:
        skeleton = _skeleton_of_columns(path, names)
    missing = [name for name in wanted_columns(skeleton) if name not in names]
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
