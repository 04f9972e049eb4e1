"""Which points lie inside the polygons to ignore."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posetrack.evaluation.sequences import Bools, Floats, Ints, Region
from posetrack.ops.compilation import compile_kernel

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


def keypoints_inside(xy: Floats, frame: Ints, regions: Sequence[Sequence[Region]]) -> Bools:
    """(P, K), keypoints that lie strictly inside a polygon of their person's frame.

    Parameters
    ----------
    xy
        (P, K, 2) pixels.
    frame
        (P,), rising, which of the frames each person belongs to.
    regions
        As of `inside_any`.

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    >>> person = np.array([[[1.0, 1.0], [5.0, 1.0]]])
    >>> keypoints_inside(person, np.array([0]), [[square]]).tolist()
    [[True, False]]
    """
    people, count = xy.shape[:2]
    points = xy.reshape(people * count, 2)
    return inside_any(points, np.repeat(frame, count), regions).reshape(people, count)


@compile_kernel
def _mark_inside(xy: Floats, corners: Floats, inside: Bools) -> None:
    for i in range(len(xy)):
        if not inside[i]:
            inside[i] = _is_inside(xy[i, 0], xy[i, 1], corners)


@compile_kernel
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


@compile_kernel
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


@compile_kernel
def _difference(a: float, b: float) -> tuple[float, float]:
    d = a - b
    virtual = a - d
    return d, (a - (d + virtual)) + (virtual - b)


@compile_kernel
def _product(a: float, b: float) -> tuple[float, float]:
    p = a * b
    c = _SPLIT * a
    a_high = c - (c - a)
    a_low = a - a_high
    c = _SPLIT * b
    b_high = c - (c - b)
    b_low = b - b_high
    return p, a_low * b_low - (((p - a_high * b_high) - a_low * b_high) - a_high * b_low)


_NEAR = 1e-12


@dataclass(frozen=True, eq=False)
class Trapezoids:
    """A polygon cut into trapezoids between horizontal lines.

    Parameters
    ----------
    y
        (N, 2), upper and lower line of each.
    left, right
        (N, 2), x on the upper and on the lower line.
    parts
        How many separate pieces the polygon consists of, at least 1.
    """

    y: Floats
    left: Floats
    right: Floats
    parts: int

    @property
    def area(self) -> float:
        """Of all pieces, in square pixels."""
        widths = (self.right - self.left).sum(axis=1)
        return float((widths * np.diff(self.y, axis=1)[:, 0]).sum() / 2)


def trapezoids(corners: Region) -> Trapezoids:
    """Cut a polygon into trapezoids; an outline that crosses itself is repaired first.

    The repair is that of a buffer of width zero, as geometry libraries make it: what the outline
    winds around in its own direction belongs to the polygon, once or more often; what it winds
    around in the opposite direction does not.

    Parameters
    ----------
    corners
        (V, 2), without the first repeated at the end.

    Examples
    --------
    >>> trapezoids(np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 2.0], [0.0, 2.0]])).area
    8.0
    """
    start, end = corners, np.roll(corners, -1, axis=0)
    turn = np.sign((start[:, 0] * end[:, 1] - end[:, 0] * start[:, 1]).sum())
    levels = _levels(start, end)
    slabs = []
    for top, bottom in itertools.pairwise(levels):
        slabs.append(_slab(start, end, top, bottom, turn))
    pieces = [piece for slab in slabs for piece in slab]
    table = np.array(pieces, np.float64).reshape(-1, 6)
    return Trapezoids(table[:, :2], table[:, 2:4], table[:, 4:], _count_parts(slabs))


def _levels(start: Floats, end: Floats) -> list[float]:
    """Heights of all corners and crossings, rising."""
    heights = [start[:, 1]]
    for i in range(len(start)):
        d = end[i] - start[i]
        e = end[i + 1 :] - start[i + 1 :]
        across = d[0] * e[:, 1] - d[1] * e[:, 0]
        apart = start[i + 1 :] - start[i]
        with np.errstate(divide="ignore", invalid="ignore"):
            s = (apart[:, 0] * e[:, 1] - apart[:, 1] * e[:, 0]) / across
            t = (apart[:, 0] * d[1] - apart[:, 1] * d[0]) / across
        crossing = (s > 0) & (s < 1) & (t > 0) & (t < 1)
        heights.append(start[i, 1] + s[crossing] * d[1])
    values: list[float] = np.unique(np.concatenate(heights)).tolist()
    return values


def _slab(
    start: Floats, end: Floats, top: float, bottom: float, turn: float
) -> list[tuple[float, ...]]:
    """Pieces between two neighbouring levels, from left to right."""
    down = (start[:, 1] <= top) & (end[:, 1] >= bottom)
    up = (end[:, 1] <= top) & (start[:, 1] >= bottom)
    edges = np.flatnonzero(down | up)
    rise = end[edges, 1] - start[edges, 1]
    slope = (end[edges, 0] - start[edges, 0]) / rise
    x_top = start[edges, 0] + (top - start[edges, 1]) * slope
    x_bottom = start[edges, 0] + (bottom - start[edges, 1]) * slope
    order = np.argsort(x_top + x_bottom, kind="stable")
    # In y downwards, a polygon that turns positively has its inside left of edges going up.
    winding = np.cumsum(np.where(up[edges], 1, -1)[order]) * turn
    pieces: list[tuple[float, ...]] = []
    for k in np.flatnonzero(winding[:-1] > 0).tolist():
        i, j = order[k], order[k + 1]
        if pieces and winding[k - 1] > 0:  # the edge between is inside: one piece
            last = pieces.pop()
            pieces.append((*last[:4], x_top[j], x_bottom[j]))
        else:
            pieces.append((top, bottom, x_top[i], x_bottom[i], x_top[j], x_bottom[j]))
    return pieces


def _count_parts(slabs: list[list[tuple[float, ...]]]) -> int:
    """Pieces of neighbouring slabs are one part where they share more than a point."""
    parts = 0
    above: list[tuple[int, tuple[float, ...]]] = []
    root: list[int] = []

    def find(i: int) -> int:
        while root[i] != i:
            i = root[i]
        return i

    for slab in slabs:
        here = []
        for piece in slab:
            label = len(root)
            root.append(label)
            here.append((label, piece))
            for other, before in above:
                left, right = max(piece[2], before[3]), min(piece[4], before[5])
                if right - left > _NEAR * max(1.0, abs(left), abs(right)):
                    root[find(other)] = find(label)
        above = here
    parts = sum(root[i] == i for i in range(len(root)))
    return max(parts, 1)


def common_area(polygon: Trapezoids, box: Floats) -> float:
    """Area in square pixels that a polygon and a box (left, top, right, bottom) have in common."""
    total = 0.0
    for y, left, right in zip(polygon.y, polygon.left, polygon.right, strict=True):
        total += _common_width(y, left, right, box)
    return total


def _common_width(y: Floats, left: Floats, right: Floats, box: Floats) -> float:
    """The integral over y of the common width, exact: the width is linear between its breaks."""
    top, bottom = max(y[0], box[1]), min(y[1], box[3])
    if bottom <= top:
        return 0.0
    breaks = [top, bottom]
    for side in (left, right):
        slope = (side[1] - side[0]) / (y[1] - y[0])
        if slope:
            breaks += [y[0] + (x - side[0]) / slope for x in (box[0], box[2])]
    heights = np.unique(np.clip(breaks, top, bottom))
    share = (heights - y[0]) / (y[1] - y[0])
    low = np.maximum(left[0] + share * (left[1] - left[0]), box[0])
    high = np.minimum(right[0] + share * (right[1] - right[0]), box[2])
    width = np.maximum(high - low, 0)
    return float((np.diff(heights) * (width[1:] + width[:-1])).sum() / 2)


def region_iou(polygon: Trapezoids, box: Floats) -> float:
    """IoU of a polygon with a box as the PoseTrack21 tools compute it.

    For a polygon of several parts they add up the unions of the box with each, so that the box
    counts once a part.
    """
    common = common_area(polygon, box)
    box_area = abs((box[2] - box[0]) * (box[3] - box[1]))
    union = polygon.area + polygon.parts * box_area - common
    return common / union if union > 0 else 0.0
