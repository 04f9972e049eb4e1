"""Numbers of other programs' files: whole, in rows of three, boxes; errors name the place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Number: TypeAlias = int | float
"""A number of a file, with a decimal point or without."""

Id: TypeAlias = int | float | str
"""A file's id of an image or category; 1 and 1.0 are the same."""

_LARGEST = 1e18


def array_of(values: Any, title: str, *shape: int) -> NDArray[np.float64]:
    """Lists of numbers as an array; -1 in ``shape`` takes any size.

    Examples
    --------
    >>> array_of([[1, 2], [3, 4.5]], "here", -1, 2).tolist()
    [[1.0, 2.0], [3.0, 4.5]]
    >>> array_of([1, 2], "here", 3)
    Traceback (most recent call last):
        ...
    ValueError: here: expected 3 numbers, got [1, 2]
    """
    try:
        array = np.array([] if values is None else values, np.float64)
    except (ValueError, TypeError, OverflowError):
        array = np.zeros((0,) * (len(shape) + 1))
    if (
        values is None
        or array.ndim != len(shape)
        or any(want not in (-1, have) for want, have in zip(shape, array.shape, strict=True))
    ):
        wanted = " x ".join("any number of" if size < 0 else str(size) for size in shape)
        raise ValueError(f"{title}: expected {wanted} numbers, got {values!s:.60}")
    return array


def threes(values: Sequence[Number] | None, title: str) -> NDArray[np.float64]:
    """(K, 3), x, y and a score or mark of each keypoint.

    Examples
    --------
    >>> threes([1, 2, 0.5, 3, 4, 1], "here").tolist()
    [[1.0, 2.0, 0.5], [3.0, 4.0, 1.0]]
    """
    points = array_of(values, title, -1)
    if not len(points) or len(points) % 3:
        raise ValueError(f"{title} holds {len(points)} numbers, not three for each keypoint")
    return points.reshape(-1, 3)


def number(value: Number | None, title: str, missing: float = np.nan) -> float:
    """A number that fits into float32, or NaN; ``missing`` for None."""
    if value is None:
        return missing
    if abs(value) > _LARGEST:
        raise ValueError(f"{title}: expected a number that is not beyond 1e18, got {value!r:.40}")
    return float(value)


def whole(value: Any, title: str) -> int:
    """A whole number that int64 holds, with ``.0`` or without.

    Examples
    --------
    >>> whole(3.0, "here"), whole(-1, "here")
    (3, -1)
    >>> whole("3", "here")
    Traceback (most recent call last):
        ...
    ValueError: here: expected a whole number, got '3'
    """
    good = type(value) is int or (type(value) is float and value.is_integer())
    if not good or not -(2**63) <= value < 2**63:
        raise ValueError(f"{title}: expected a whole number, got {value!r:.40}")
    return int(value)


def xyxy_of(xywh: Sequence[Number], title: str) -> NDArray[np.float64]:
    """A box of left, top, width, height as left, top, right, bottom."""
    box = array_of(xywh, title, 4)
    return np.concatenate([box[:2], box[:2] + box[2:]])
