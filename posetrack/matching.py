"""One-to-one matching of rows to columns by similarity: greedy, as in the paper, and optimal.

Both functions take a similarity matrix, larger is closer, and give the matched pairs as two index
arrays with the rows rising. A pair below ``at_least``, or whose similarity is NaN, is never
matched. They do not see what is compared: OKS, IoU or anything of the user's own.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack._compiled import compiled, float_type, kernel_input
from posetrack.structures import FloatArray

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]


def match_greedily(similarity: ArrayLike, *, at_least: float) -> Pairs:
    """Match the closest pair first, then the closest of those left, and so on.

    This is how the paper gives identities (Xiao et al., ECCV 2018, algorithm 1).

    Parameters
    ----------
    similarity
        (M, N), larger is closer. NaN is never matched.
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
    rows, cols = _match_greedily(_matrix(similarity), float(at_least))
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

    Examples
    --------
    >>> rows, cols = match_optimally([[0.9, 0.8], [0.85, 0.1]], at_least=0.25)
    >>> rows.tolist(), cols.tolist()
    ([0, 1], [1, 0])
    """
    from scipy.optimize import linear_sum_assignment

    matrix = _matrix(similarity)
    allowed = (matrix >= at_least) & (matrix >= 0)
    if np.isinf(matrix[allowed]).any():
        raise ValueError("similarity must be finite")
    rows, cols = linear_sum_assignment(np.where(allowed, matrix, 0), maximize=True)
    keep = allowed[rows, cols]
    return rows[keep], cols[keep]


def _matrix(similarity: ArrayLike) -> FloatArray:
    """``similarity`` as a float matrix; an empty list has no shape of its own."""
    matrix = np.asarray(similarity)
    if matrix.ndim != 2:
        if matrix.size:
            raise ValueError(f"similarity must be a matrix of rows and columns, got {matrix.shape}")
        matrix = matrix.reshape(0, 0)
    return kernel_input(matrix, float_type(matrix))


@compiled
def _best_column(row: FloatArray, taken: NDArray[np.bool_], at_least: float) -> tuple[float, int]:
    best, where = -np.inf, -1
    for j in range(len(row)):
        if not taken[j] and row[j] >= at_least and (row[j] > best or where < 0):
            best, where = row[j], j
    return best, where


@compiled
def _match_greedily(similarity: FloatArray, at_least: float) -> Pairs:
    height, width = similarity.shape
    taken = np.zeros(width, np.bool_)
    match = np.full(height, -1, np.intp)
    best = np.empty(height, np.float64)
    where = np.empty(height, np.intp)
    for i in range(height):
        best[i], where[i] = _best_column(similarity[i], taken, at_least)
    count = 0
    while True:
        top = -1
        for i in range(height):
            if where[i] >= 0 and match[i] < 0 and (top < 0 or best[i] > best[top]):
                top = i
        if top < 0:
            break
        if taken[where[top]]:
            best[top], where[top] = _best_column(similarity[top], taken, at_least)
            continue
        match[top] = where[top]
        taken[where[top]] = True
        count += 1
    rows = np.empty(count, np.intp)
    cols = np.empty(count, np.intp)
    count = 0
    for i in range(height):
        if match[i] >= 0:
            rows[count], cols[count] = i, match[i]
            count += 1
    return rows, cols
