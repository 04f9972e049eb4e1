"""Arrow's columns as arrays, and arrays as Arrow's columns, by their buffers; the table's schema.

Arrow's own conversions (``to_numpy``, ``pyarrow.array``) load pandas first, wherever it is
installed: a second for what is a view of some bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from posetrack.formats.table import NOBODY, Column
from posetrack.structures import SOURCES

GROUP_ROWS: Final = 65_536
"""Rows of a table's Parquet in one group, so that memory stays flat."""


def open_arrow_file(path: Path) -> pa.NativeFile:
    """A file for Arrow, which by itself takes no name that is not UTF-8."""
    return pa.OSFile(os.fsencode(path) if os.name == "posix" else str(path))


def arrow_type(column: Column) -> pa.DataType:
    """Arrow's type of a column.

    Examples
    --------
    >>> arrow_type(Column("seconds", "float64"))
    DataType(double)
    """
    return pa.string() if column.kind == "text" else pa.from_numpy_dtype(column.kind)


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Names and types of a table's columns."""
    return pa.schema(
        pa.field(column.name, arrow_type(column), nullable=column.missing) for column in columns
    )


def arrow_batch(
    columns: Sequence[Column], arrays: Iterable[NDArray[Any]], schema: pa.Schema
) -> pa.RecordBatch:
    """Arrays of `posetrack.formats.table.TrackTable.columns` as Arrow.

    It shares memory with the arrays where it can, so use it before they change.
    """
    return pa.RecordBatch.from_arrays(
        [_arrow_column(column, array) for column, array in zip(columns, arrays, strict=True)],
        schema=schema,
    )


def _arrow_column(column: Column, values: NDArray[Any]) -> pa.Array:
    if column.kind == "text":
        return words_column(values, SOURCES)
    missing = None
    if column.missing:
        missing = values == NOBODY if column.kind == "int64" else np.isnan(values)
    return column_of(values, arrow_type(column), missing)


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """How a table is packed: floats split by bytes, all of it with zstd."""
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    return {
        "compression": "zstd",
        "use_dictionary": ["source"],
        "use_byte_stream_split": floats,
    }


def values_of(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """A column of numbers as an array; a missing float is NaN.

    Raises
    ------
    ValueError
        If an integer is missing.

    Examples
    --------
    >>> values_of(pa.chunked_array([[1.5, None], [2.0]])).tolist()
    [1.5, nan, 2.0]
    """
    if isinstance(column, pa.ChunkedArray):
        parts = [values_of(chunk) for chunk in column.chunks]
        if len(parts) == 1:
            return parts[0]
        kind = column.type.to_pandas_dtype()
        return np.concatenate(parts) if parts else np.zeros(0, kind)
    kind = column.type.to_pandas_dtype()
    rows = slice(column.offset, column.offset + len(column))
    buffer = column.buffers()[1]
    values: NDArray[Any] = np.zeros(0, kind)
    if len(column):
        values = np.frombuffer(buffer, kind)[rows]
    if not column.null_count:
        return values
    if np.dtype(kind).kind != "f":
        raise ValueError("a whole number is missing")
    values = values.copy()
    values[~_valid(column)] = np.nan
    return values


def _valid(column: pa.Array) -> NDArray[np.bool_]:
    bits = np.frombuffer(column.buffers()[0], np.uint8)
    end = column.offset + len(column)
    known: NDArray[np.bool_] = np.unpackbits(bits, count=end, bitorder="little").view(bool)
    return known[column.offset :]


def mask_of(mask: NDArray[np.bool_]) -> pa.BooleanArray:
    """A Boolean array as Arrow's, for ``filter``.

    Examples
    --------
    >>> mask_of(np.array([True, False])).to_pylist()
    [True, False]
    """
    bits = pa.py_buffer(np.packbits(mask, bitorder="little").tobytes())
    return pa.BooleanArray.from_buffers(pa.bool_(), len(mask), [None, bits])


def column_of(
    values: NDArray[Any], kind: pa.DataType, missing: NDArray[np.bool_] | None = None
) -> pa.Array:
    """An array of numbers as a column; memory is shared where the type is the same.

    Parameters
    ----------
    values
        (N,).
    kind
        What they become.
    missing
        (N,), which become Arrow's null; None where none do.

    Examples
    --------
    >>> column_of(np.array([1.5, 2]), pa.float32(), np.array([False, True])).to_pylist()
    [1.5, None]
    """
    plain = np.ascontiguousarray(values, kind.to_pandas_dtype())
    if missing is None or not missing.any():
        return pa.Array.from_buffers(kind, len(plain), [None, pa.py_buffer(plain)], 0)
    bits = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    count = int(np.count_nonzero(missing))
    return pa.Array.from_buffers(kind, len(plain), [bits, pa.py_buffer(plain)], count)


def words_column(numbers: NDArray[Any], words: Sequence[str]) -> pa.StringArray:
    """A dictionary-encoded column of text, for few distinct words.

    Parameters
    ----------
    numbers
        (N,), which word stands in each row.
    words
        All of them.

    Examples
    --------
    >>> words_column(np.array([1, 0, 1]), ["flow", "detector"]).to_pylist()
    ['detector', 'flow', 'detector']
    """
    spelt = [word.encode() for word in words]
    lengths = np.array([len(word) for word in spelt], np.int32)[numbers]
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)])
    text = b"".join([spelt[number] for number in numbers.tolist()])
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(text))
