"""How much of a polygon a box covers, for polygons of any kind."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from posetrack.evaluation.sequences import Floats, Region

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
    around the other way does not.

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


def covered_area(polygon: Trapezoids, box: Floats) -> float:
    """Area in square pixels that a polygon and a box (left, top, right, bottom) have in common."""
    total = 0.0
    for y, left, right in zip(polygon.y, polygon.left, polygon.right, strict=True):
        total += _covered(y, left, right, box)
    return total


def _covered(y: Floats, left: Floats, right: Floats, box: Floats) -> float:
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
    common = covered_area(polygon, box)
    box_area = abs((box[2] - box[0]) * (box[3] - box[1]))
    union = polygon.area + polygon.parts * box_area - common
    return common / union if union > 0 else 0.0
