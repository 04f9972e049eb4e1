"""Arrow's columns as arrays, and arrays as Arrow's columns, by their buffers.

Arrow's own ways (``to_numpy``, ``pyarrow.array``) load pandas first, wherever it is installed: a
second for what is a view of some bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


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
    """An array of truths for ``filter``.

    Examples
    --------
    >>> mask_of(np.array([True, False])).to_pylist()
    [True, False]
    """
    bits = pa.py_buffer(np.packbits(mask, bitorder="little").tobytes())
    return pa.BooleanArray.from_buffers(pa.bool_(), len(mask), [None, bits])


def column_of(values: NDArray[Any], kind: pa.DataType, *, nan_is_missing: bool = False) -> pa.Array:
    """An array of numbers as a column; memory is shared where the type is the same.

    Parameters
    ----------
    values
        (N,).
    kind
        What they become.
    nan_is_missing
        Whether NaN becomes Arrow's null.

    Examples
    --------
    >>> column_of(np.array([1.5, np.nan]), pa.float32(), nan_is_missing=True).to_pylist()
    [1.5, None]
    """
    plain = np.ascontiguousarray(values, kind.to_pandas_dtype())
    missing = np.isnan(plain) if nan_is_missing else np.zeros(0, bool)
    bits = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
    buffers = [bits, pa.py_buffer(plain)]
    return pa.Array.from_buffers(kind, len(plain), buffers, int(missing.sum()))


def words_column(numbers: NDArray[Any], words: Sequence[str]) -> pa.StringArray:
    """A column of text in which few words stand many times.

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
