"""Which points lie inside the polygons to ignore."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posetrack._compiled import compiled
from posetrack.evaluation.sequences import Bools, Floats, Ints, Region

_FILTER = 1e-15
_SPLIT = 134217729.0  # 2**27 + 1: cuts a double in two halves whose products are exact


def inside_any(xy: Floats, frame: Ints, regions: Sequence[Sequence[Region]]) -> Bools:
    """Points that lie strictly inside a polygon of their frame.

    Parameters
    ----------
    xy
        (Q, 2) pixels; a point with NaN is inside nothing.
    frame
        (Q,), rising, which of the frames each point belongs to.
    regions
        For each frame its polygons, (V, 2) each. Outlines that cross themselves follow the
        even-odd rule; points on an outline are not inside.

    Returns
    -------
    inside
        (Q,).

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    >>> inside_any(np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([0, 0]), [[square]]).tolist()
    [True, False]
    """
    inside = np.zeros(len(xy), np.bool_)
    starts = np.searchsorted(frame, np.arange(len(regions) + 1))
    for f, polygons in enumerate(regions):
        rows = slice(starts[f], starts[f + 1])
        for corners in polygons:
            if len(corners):
                _mark_inside(np.ascontiguousarray(xy[rows]), corners, inside[rows])
    return inside


@compiled
def _mark_inside(xy: Floats, corners: Floats, inside: Bools) -> None:
    for i in range(len(xy)):
        if not inside[i]:
            inside[i] = _is_inside(xy[i, 0], xy[i, 1], corners)


@compiled
def _is_inside(x: float, y: float, corners: Floats) -> bool:
    """Count the crossings of a ray to the right; on the outline is not inside."""
    odd = False
    before = len(corners) - 1
    for after in range(len(corners)):
        x1, y1, x2, y2 = (
            corners[before, 0],
            corners[before, 1],
            corners[after, 0],
            corners[after, 1],
        )
        before = after
        if (x == x2 and y == y2) or (x == x1 and y == y1):
            return False
        if y1 == y and y2 == y:
            if min(x1, x2) <= x <= max(x1, x2):
                return False
        elif (y1 > y) != (y2 > y):
            side = _side(x1, y1, x2, y2, x, y)
            if side == 0.0:
                return False
            if (side > 0.0) == (y2 > y1):
                odd = not odd
    return odd


@compiled
def _side(ax: float, ay: float, bx: float, by: float, x: float, y: float) -> float:
    """Sign of the turn from a over b to the point: exact where rounding could change it."""
    left = (ax - x) * (by - y)
    right = (ay - y) * (bx - x)
    det = left - right
    if abs(det) > _FILTER * 4 * (abs(left) + abs(right)):
        return det
    # The differences with their rounding errors, then their products with theirs.
    dx1, ex1 = _difference(ax, x)
    dy1, ey1 = _difference(by, y)
    dx2, ex2 = _difference(bx, x)
    dy2, ey2 = _difference(ay, y)
    p, ep = _product(dx1, dy1)
    q, eq = _product(dx2, dy2)
    small = (ep - eq) + (dx1 * ey1 + ex1 * dy1) - (dx2 * ey2 + ex2 * dy2)
    return (p - q) + small


@compiled
def _difference(a: float, b: float) -> tuple[float, float]:
    d = a - b
    virtual = a - d
    return d, (a - (d + virtual)) + (virtual - b)


@compiled
def _product(a: float, b: float) -> tuple[float, float]:
    p = a * b
    c = _SPLIT * a
    a_high = c - (c - a)
    a_low = a - a_high
    c = _SPLIT * b
    b_high = c - (c - b)
    b_low = b - b_high
    return p, a_low * b_low - (((p - a_high * b_high) - a_low * b_high) - a_high * b_low)
