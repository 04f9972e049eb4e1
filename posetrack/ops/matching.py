"""One-to-one matching of rows to columns by similarity: greedy, as in the paper, and optimal.

Both functions take a similarity matrix, larger is closer, and give the matched pairs as two index
arrays with the rows rising. A pair below ``at_least``, or whose similarity is NaN, is never
matched. They do not see what is compared: OKS, IoU or anything of the user's own.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.compilation import compile_kernel, float_type, kernel_input
from posetrack.structures import FloatArray

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]

_BELOW_ZERO = math.nextafter(0.0, -math.inf)
_SOLVED, _INFINITE, _DISPUTED = 0, 1, 2


def match_greedily(similarity: ArrayLike, *, at_least: float) -> Pairs:
    """Match the closest pair first, then the closest of those left, and so on.

    This is how the paper gives identities (Xiao et al., ECCV 2018, algorithm 1).

    Parameters
    ----------
    similarity
        (M, N), larger is closer. NaN and minus infinity are never matched.
    at_least
        Smallest similarity that may be matched.

    Returns
    -------
    rows, cols
        (P,) each, P <= min(M, N): row ``rows[i]`` belongs to column ``cols[i]``; rows rising.
        Among equal similarities the lowest row is matched first, then the lowest column.

    Raises
    ------
    ValueError
        If ``similarity`` is not a matrix.

    Examples
    --------
    >>> rows, cols = match_greedily([[0.9, 0.8], [0.85, 0.1]], at_least=0.25)
    >>> rows.tolist(), cols.tolist()
    ([0], [0])
    """
    rows, cols = _match_greedily(_matrix(similarity), math.nextafter(at_least, -math.inf))
    return rows, cols


def match_optimally(similarity: ArrayLike, *, at_least: float) -> Pairs:
    """Match so that the similarities of the matched pairs have the largest sum.

    Parameters
    ----------
    similarity
        (M, N), larger is closer. NaN is never matched. A pair below 0 would lower the sum and is
        not matched either: give similarities, not negative distances.
    at_least
        Smallest similarity that may be matched.

    Returns
    -------
    rows, cols
        (P,) each, P <= min(M, N): row ``rows[i]`` belongs to column ``cols[i]``; rows rising.

    Raises
    ------
    ValueError
        If ``similarity`` is not a matrix, or a similarity is infinite.

    Notes
    -----
    Most rows of a frame of tracking want a column that nobody else wants; they get it at once, and
    only the others are searched for. That beats the calls into scipy and lap, which see the whole
    matrix, but for large squares in which most rows want the same columns: those go to lap.

    Examples
    --------
    >>> rows, cols = match_optimally([[0.9, 0.8], [0.85, 0.1]], at_least=0.25)
    >>> rows.tolist(), cols.tolist()
    ([0, 1], [1, 0])
    """
    floor = max(math.nextafter(at_least, -math.inf), _BELOW_ZERO)
    matrix = _matrix(similarity)
    tall = matrix.shape[0] > matrix.shape[1]
    wide = np.ascontiguousarray(matrix.T) if tall else matrix
    status, owner = _match_optimally(wide, floor)
    if status == _INFINITE:
        raise ValueError("similarities must be finite; give certain pairs 1, not infinity")
    if status == _DISPUTED:
        owner = _owners_by_lap(wide, floor)
    rows, cols = _pairs(owner, len(wide), tall)
    return rows, cols


def _owners_by_lap(wide: FloatArray, floor: float) -> NDArray[np.intp]:
    """Row of each column, -1 for none, by lap's solver for square matrices."""
    import lap

    height, width = wide.shape
    allowed = wide > floor
    cost = np.zeros((width, width))
    np.negative(wide, out=cost[:height], where=allowed)
    owner: NDArray[np.intp] = lap.lapjv(cost)[2].astype(np.intp)
    owner[owner >= height] = -1
    owner[(owner >= 0) & ~allowed[owner, np.arange(width)]] = -1
    return owner


def _matrix(similarity: ArrayLike) -> FloatArray:
    """``similarity`` as a float matrix; an empty list has no shape of its own."""
    matrix = np.asarray(similarity)
    if matrix.ndim != 2:
        if matrix.size:
            raise ValueError(f"similarity must be a matrix of rows and columns, got {matrix.shape}")
        matrix = matrix.reshape(0, 0)
    return kernel_input(matrix, float_type(matrix))


@compile_kernel
def _best_column(row: FloatArray, taken: NDArray[np.bool_], floor: float) -> tuple[float, int]:
    """First largest value of a row in the columns not taken, if above ``floor``; else column -1."""
    best, where = floor, -1
    for j in range(len(row)):
        # In this order: the first condition is rarely true, so the branch costs next to nothing.
        if row[j] > best and not taken[j]:
            best, where = row[j], j
    return best, where


@compile_kernel
def _match_greedily(similarity: FloatArray, floor: float) -> Pairs:
    """Keep each row's best free column; the best row takes its own, unless it is gone by then."""
    height, width = similarity.shape
    taken = np.zeros(width, np.bool_)
    owner = np.full(width, -1, np.intp)
    best = np.empty(height, np.float64)
    where = np.empty(height, np.intp)
    for i in range(height):
        best[i], where[i] = _best_column(similarity[i], taken, floor)
    while True:
        top, highest = -1, floor
        for i in range(height):
            if best[i] > highest:
                top, highest = i, best[i]
        if top < 0:
            break
        if taken[where[top]]:
            best[top], where[top] = _best_column(similarity[top], taken, floor)
            continue
        owner[where[top]] = top
        taken[where[top]] = True
        best[top] = floor
    return _pairs(owner, height, False)


@compile_kernel
def _pairs(owner: NDArray[np.intp], height: int, tall: bool) -> Pairs:
    """Row of each column, -1 for none, as indices of rows and columns; swapped if ``tall``."""
    match = np.full(height, -1, np.intp)
    count = 0
    for j in range(len(owner)):
        if owner[j] >= 0:
            match[owner[j]] = j
            count += 1
    first = owner if tall else match
    rows, cols = np.empty(count, np.intp), np.empty(count, np.intp)
    count = 0
    for i in range(len(first)):
        if first[i] >= 0:
            rows[count], cols[count] = i, first[i]
            count += 1
    return rows, cols


@compile_kernel
def _match_optimally(similarity: FloatArray, floor: float) -> tuple[int, NDArray[np.intp]]:
    """Shortest augmenting paths, with a seat of its own, worth 0, for each row left unmatched.

    Returns a status and the row of each column. ``price`` and ``discount`` are the dual variables
    of rows and columns: a pair's similarity is at most ``price + discount``, and equal to it
    where matched. First each row gets its best column, then rows that found it taken are seated
    one by one. In large squares where most are, lap's solver is faster: they come back disputed.
    """
    height, width = similarity.shape
    match, owner = np.full(height, -1, np.intp), np.full(width, -1, np.intp)
    price, discount = np.zeros(height), np.zeros(width)
    nobody, late = np.zeros(width, np.bool_), np.empty(height, np.intp)
    count = 0
    for i in range(height):
        best, j = _best_column(similarity[i], nobody, floor)
        if best == np.inf:
            return _INFINITE, owner
        if j < 0:
            continue
        price[i] = best
        while j < width and (owner[j] >= 0 or similarity[i, j] != best):
            j += 1
        if j < width:
            match[i], owner[j] = j, i
        else:
            late[count] = i
            count += 1
    if count >= 25 and 2 * count > height and width <= 1.1 * height:
        return _DISPUTED, owner
    if count:
        worth = np.empty((height, width))
        for i in range(height):
            for j in range(width):
                worth[i, j] = similarity[i, j] if similarity[i, j] > floor else -np.inf
        _seat(worth, late[:count], match, owner, price, discount)
    return _SOLVED, owner


@compile_kernel
def _seat(
    worth: NDArray[np.float64],
    late: NDArray[np.intp],
    match: NDArray[np.intp],
    owner: NDArray[np.intp],
    price: NDArray[np.float64],
    discount: NDArray[np.float64],
) -> None:
    """Seat the late rows one by one, each at the least loss of the sum."""
    width = len(owner)
    loss, before = np.empty(width), np.empty(width, np.intp)
    closed, visited = np.empty(width, np.bool_), np.empty(width, np.intp)
    for start in late:
        end, reached, count = _cheapest_path(
            worth, start, owner, price, discount, loss, before, closed, visited
        )
        price[start] -= reached
        for j in visited[:count]:
            discount[j] += reached - loss[j]
            price[owner[j]] -= reached - loss[j]
        if end < 0:  # a row gives up its column
            quitter = -1 - end
            end, match[quitter] = match[quitter], -1
        while end >= 0:
            i = before[end]
            owner[end] = i
            match[i], end = end, match[i]


@compile_kernel
def _cheapest_path(
    worth: NDArray[np.float64],
    start: int,
    owner: NDArray[np.intp],
    price: NDArray[np.float64],
    discount: NDArray[np.float64],
    loss: NDArray[np.float64],
    before: NDArray[np.intp],
    closed: NDArray[np.bool_],
    visited: NDArray[np.intp],
) -> tuple[int, float, int]:
    """Dijkstra's search for the cheapest way to seat row ``start`` by moving others along.

    ``loss[j]`` is what the sum loses if the path goes on from column j, ``before[j]`` the row
    that then takes it. The path ends at a free column, or where a row gives up its column for
    nothing. Returns that column (or -1 - row), the loss, and how many columns were visited.
    """
    loss[:] = np.inf
    closed[:] = False
    count, i, reached = 0, start, 0.0
    least_quit, quitter = np.inf, start
    while True:
        row, base = worth[i], reached + price[i]
        if base < least_quit:
            least_quit, quitter = base, i
        # Two loops: the first has no branches, so several columns are dealt with at once.
        for j in range(len(owner)):
            candidate = base - row[j] + discount[j]
            nearer = candidate < loss[j] and not closed[j]
            loss[j] = candidate if nearer else loss[j]
            before[j] = i if nearer else before[j]
        nearest, least = -1, np.inf
        for j in range(len(owner)):
            if loss[j] <= least and not closed[j] and (loss[j] < least or owner[j] < 0):
                nearest, least = j, loss[j]
        if least_quit <= least:
            return -1 - quitter, least_quit, count
        reached = least
        if owner[nearest] < 0:
            return nearest, reached, count
        closed[nearest] = True
        visited[count] = nearest
        count += 1
        i = owner[nearest]
