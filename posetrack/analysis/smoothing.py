"""Single series made ready for counting: short gaps bridged, jitter averaged away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a series without long gaps: frames ``start`` to ``stop``, their values."""

    start: int
    stop: int
    values: Float64Array


def fill_gaps(values: Float64Array, seconds: Float64Array, max_gap: float) -> Iterator[Piece]:
    """The pieces of a series (T,), gaps of at most ``max_gap`` seconds bridged straight.

    Examples
    --------
    >>> series = np.array([1.0, np.nan, 3.0, np.nan, np.nan, 5.0])
    >>> [piece.values.tolist() for piece in fill_gaps(series, np.arange(6) / 10, 0.2)]
    [[1.0, 2.0, 3.0], [5.0]]
    """
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return
    cuts = np.flatnonzero(np.diff(seconds[known]) > max_gap + 1e-9) + 1
    for part in np.split(known, cuts):
        start, stop = int(part[0]), int(part[-1]) + 1
        between = np.interp(seconds[start:stop], seconds[part], values[part])
        yield Piece(start, stop, between)


def smooth_series(values: Float64Array, seconds: Float64Array, window: float) -> Float64Array:
    """Means over a window of seconds, centred; it shrinks alike on both sides at the ends.

    Examples
    --------
    >>> smooth_series(np.array([0.0, 3.0, 0.0, 3.0]), np.arange(4) / 10, 0.2).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    if window <= 0 or len(values) < 3:
        return values
    rows = np.arange(len(values))
    half = window / 2 + 1e-9
    before = rows - np.searchsorted(seconds, seconds - half)
    after = np.searchsorted(seconds, seconds + half, side="right") - 1 - rows
    reach = np.minimum(before, after)
    total = np.concatenate([[0.0], np.cumsum(values - values.mean())])
    means = (total[rows + reach + 1] - total[rows - reach]) / (2 * reach + 1) + values.mean()
    return np.asarray(means.round(12))


def turning_points(values: Float64Array, least: float) -> list[int]:
    """Positions of highs and lows in turn, each at least ``least`` away from the next.

    Smaller swings are passed over. The ends of the series are no turning points.

    Examples
    --------
    >>> turning_points(np.array([0.0, 5.0, 4.5, 6.0, 1.0, 1.2, 0.0, 4.0]), 2.0)
    [3, 6]
    """
    points: list[int] = []
    low = high = 0
    direction = 0
    for position, value in enumerate(values.tolist()):
        if value > values[high]:
            high = position
        if value < values[low]:
            low = position
        if direction >= 0 and value <= values[high] - least:
            if direction:
                points.append(high)
            direction, low = -1, position
        elif direction <= 0 and value >= values[low] + least:
            if direction:
                points.append(low)
            direction, high = 1, position
    return points
