"""JSON of other programs: its numbers taken out with a place to name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def numbers(value: Any, where: str, *shape: int) -> NDArray[np.float64]:
    """A list of numbers, perhaps of lists of them, as an array; -1 in ``shape`` takes any size.

    Examples
    --------
    >>> numbers([[1, 2], [3, 4.5]], "here", -1, 2).tolist()
    [[1.0, 2.0], [3.0, 4.5]]
    >>> numbers(["1"], "here", -1)
    Traceback (most recent call last):
        ...
    ValueError: here: expected -1 numbers, got ['1']
    """
    if _are_numbers(value, len(shape)):
        try:
            array = np.array(value, np.float64)
        except (ValueError, OverflowError):
            array = np.zeros((0,) * (len(shape) + 1))
        if array.ndim == len(shape) and all(
            want in (-1, have) for want, have in zip(shape, array.shape, strict=True)
        ):
            return array
    wanted = " x ".join(map(str, shape))
    raise ValueError(f"{where}: expected {wanted} numbers, got {value!r:.80}")


def _are_numbers(value: Any, depth: int) -> bool:
    if not isinstance(value, list):
        return False
    if depth == 1:
        return all(type(item) is float or type(item) is int for item in value)
    return all(_are_numbers(item, depth - 1) for item in value)


def number(value: Any, where: str) -> float:
    """A number that float32 holds; NaN is let through.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e18:
        raise ValueError(f"{where}: expected a number, got {value!r:.40}")
    return float(value)


def whole(value: Any, where: str) -> int:
    """A whole number that int64 holds.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**63:
        raise ValueError(f"{where}: expected a whole number, got {value!r:.40}")
    return value


def entries(value: Any, where: str) -> list[Mapping[str, Any]]:
    """A list of objects.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError(f"{where}: expected a list of objects, got {type(value).__name__}")
    return value


def xywh_to_xyxy(value: Any, where: str) -> NDArray[np.float64]:
    """A box of left, top, width, height as left, top, right, bottom."""
    box = numbers(value, where, 4)
    return np.concatenate([box[:2], box[:2] + box[2:]])
