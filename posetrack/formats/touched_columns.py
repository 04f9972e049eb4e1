"""Columns of a table that tell of cleaning: each keypoint's origin, and its raw values.

They follow all others, and only where there is something to tell.

=================================  ======  ====================================================
column                             type    meaning
=================================  ======  ====================================================
``NAME_origin``                    int8    flags, see `posetrack.trajectories.Origin`
``raw_id``                         int64   the id before joining; missing where nobody was
``NAME_x_raw NAME_y_raw``          float32 the place as it was measured, missing where unseen
``NAME_score_raw``                 float32 its score
=================================  ======  ====================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from posetrack.formats.table import column_names
from posetrack.skeletons import Skeleton


class RawRows(NamedTuple):
    """R rows as they were measured: (R,) ids, (R,) where somebody was, (R, K, 2), (R, K)."""

    ids: NDArray[np.int64]
    there: NDArray[np.bool_]
    xy: NDArray[np.float32]
    scores: NDArray[np.float32]


class TouchedRows(NamedTuple):
    """(R,) frames and ids of a file's rows, with their (R, K) origins and raw values, if any."""

    frame: NDArray[np.int64]
    ids: NDArray[np.int64]
    origin: NDArray[np.int8] | None
    raw: RawRows | None


def origin_columns(skeleton: Skeleton) -> tuple[str, ...]:
    """The K columns of origins; refused where a name is taken.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> origin_columns(COCO_17)[0]
    'nose_origin'
    """
    return _free(skeleton, [f"{name}_origin" for name in skeleton.keypoints])


def raw_columns(skeleton: Skeleton) -> tuple[str, ...]:
    """The 1 + 3 K columns of raw values; refused where a name is taken.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> raw_columns(COCO_17)[:3]
    ('raw_id', 'nose_x_raw', 'nose_y_raw')
    """
    parts = ("x", "y", "score")
    names = [f"{name}_{part}_raw" for name in skeleton.keypoints for part in parts]
    return _free(skeleton, ["raw_id", *names])


def _free(skeleton: Skeleton, names: Sequence[str]) -> tuple[str, ...]:
    twice = set(names) & set(column_names(skeleton))
    if twice:
        raise ValueError(f"{skeleton.name}: rename keypoints; columns would repeat: {twice}")
    return tuple(names)


def touched_fields(skeleton: Skeleton, *, origin: bool, raw: bool) -> list[pa.Field]:
    """Names and types of these columns."""
    fields = []
    if origin:
        fields += [pa.field(name, pa.int8(), nullable=False) for name in origin_columns(skeleton)]
    if raw:
        first, *others = raw_columns(skeleton)
        fields.append(pa.field(first, pa.int64()))
        fields += [pa.field(name, pa.float32()) for name in others]
    return fields


def raw_arrays(raw: RawRows, rows: slice) -> list[pa.Array]:
    """Columns of some rows, in the order of `raw_columns`."""
    arrays = [pa.array(raw.ids[rows], pa.int64(), mask=~raw.there[rows])]
    for number in range(raw.scores.shape[1]):
        for values in (raw.xy[rows, number, 0], raw.xy[rows, number, 1], raw.scores[rows, number]):
            arrays.append(pa.array(np.ascontiguousarray(values), pa.float32(), from_pandas=True))
    return arrays


def touched_names(names: Sequence[str], skeleton: Skeleton) -> list[str]:
    """Which of these columns a file has, whole sets only."""
    sets = (origin_columns(skeleton), raw_columns(skeleton))
    known = set(names)
    return [name for columns in sets if known.issuperset(columns) for name in columns]


def read_touched(path: Path, skeleton: Skeleton) -> TouchedRows | None:
    """These columns of all rows of a ``.csv`` or ``.parquet`` table; None where it has none.

    Raises
    ------
    ValueError
        If a column cannot be read as what it should be.
    """
    try:
        if path.suffix.lower() == ".parquet":
            with pq.ParquetFile(path) as file:
                found = touched_names(file.schema_arrow.names, skeleton)
                if not found:
                    return None
                return touched_rows(path, file.read(columns=["frame", "id", *found]), skeleton)
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8-sig") as stream:
                header = stream.readline(1_000_000).strip().split(",")
            found = touched_names([name.strip('"') for name in header], skeleton)
            if not found:
                return None
            types = {name: pa.float32() for name in found if name.endswith("_raw")}
            options = pyarrow.csv.ConvertOptions(
                include_columns=["frame", "id", *found],
                column_types={**types, "raw_id": pa.int64()},
            )
            arrow = pyarrow.csv.read_csv(path, convert_options=options)
            return touched_rows(path, arrow, skeleton)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise ValueError(f"{path}: origins or raw values cannot be read: {error}") from error
    return None


def touched_rows(path: Path, arrow: pa.Table, skeleton: Skeleton) -> TouchedRows | None:
    """These columns of rows that were read; None where there are none."""
    found = set(touched_names(arrow.column_names, skeleton))
    if not found:
        return None
    names = origin_columns(skeleton)
    origin = _origins(path, arrow, names) if found.issuperset(names) else None
    raw = _raw(path, arrow, skeleton) if "raw_id" in found else None
    frame, ids = (arrow.column(name).to_numpy() for name in ("frame", "id"))
    return TouchedRows(frame, ids, origin, raw)


def _origins(path: Path, arrow: pa.Table, names: Sequence[str]) -> NDArray[np.int8]:
    values = np.empty((len(arrow), len(names)), np.int8)
    for number, name in enumerate(names):
        column = arrow.column(name)
        if column.null_count:
            raise ValueError(f"{path}: column {name!r}: missing values")
        values[:, number] = _cast(path, arrow, name, pa.int8()).to_numpy()
    return values


def _raw(path: Path, arrow: pa.Table, skeleton: Skeleton) -> RawRows:
    first, *others = raw_columns(skeleton)
    who = _cast(path, arrow, first, pa.int64())
    there = np.asarray(who.is_valid().to_numpy(), bool)
    parts = np.empty((len(arrow), len(others)), np.float32)
    for number, name in enumerate(others):
        parts[:, number] = _cast(path, arrow, name, pa.float32()).to_numpy()
    xyz = parts.reshape(len(arrow), len(skeleton), 3)
    if not np.isfinite(xyz[..., 2]).all():
        raise ValueError(f"{path}: a raw score is missing or not finite")
    return RawRows(who.fill_null(0).to_numpy(), there, xyz[..., :2].copy(), xyz[..., 2].copy())


def _cast(path: Path, arrow: pa.Table, name: str, kind: pa.DataType) -> Any:
    try:
        return arrow.column(name).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"{path}: column {name!r}: {error}") from error
