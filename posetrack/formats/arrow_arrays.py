"""Arrow's columns as arrays and masks as Arrow's, by their buffers.

Arrow's own ways (``to_numpy``, ``pyarrow.array``) load pandas first, wherever it is installed: a
second for what is a view of some bytes.
"""

from __future__ import annotations

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
