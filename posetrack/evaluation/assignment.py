"""Optimal assignment inside compiled code, with the tie order that the official numbers have."""

from __future__ import annotations

import numpy as np

from posetrack.evaluation.sequences import Floats, Ints
from posetrack.ops.compilation import compile_kernel


@compile_kernel
def assign(cost: Floats) -> Ints:
    """Column of each row in an assignment of least total cost, -1 for rows without one.

    Shortest augmenting paths after Crouse (IEEE Trans. Aerospace and Electronic Systems 52, 2016),
    as SciPy has it: free columns win ties and the columns are tried from the last to the first.
    With equal costs the result is therefore the one the official evaluators get.

    Parameters
    ----------
    cost
        (N, M), finite.

    Returns
    -------
    columns
        (N,), each column at most once; min(N, M) of them are not -1.
    """
    height, width = cost.shape
    if height > width:
        back = _assign_rows(np.ascontiguousarray(cost.T))
        columns = np.full(height, -1, np.int64)
        for j in range(width):
            columns[back[j]] = j
        return columns
    return _assign_rows(cost)


@compile_kernel
def _assign_rows(cost: Floats) -> Ints:
    height, width = cost.shape
    u, v = np.zeros(height), np.zeros(width)
    column_of = np.full(height, -1, np.int64)
    row_of = np.full(width, -1, np.int64)
    came_from = np.full(width, -1, np.int64)
    length = np.empty(width)
    row_seen = np.empty(height, np.bool_)
    column_seen = np.empty(width, np.bool_)
    open_columns = np.empty(width, np.int64)
    for start in range(height):
        row_seen[:] = False
        column_seen[:] = False
        length[:] = np.inf
        for k in range(width):
            open_columns[k] = width - 1 - k
        left = width
        shortest = 0.0
        i = start
        sink = -1
        while sink < 0:
            row_seen[i] = True
            best = -1
            lowest = np.inf
            for k in range(left):
                j = open_columns[k]
                reduced = shortest + cost[i, j] - u[i] - v[j]
                if reduced < length[j]:
                    length[j] = reduced
                    came_from[j] = i
                if length[j] < lowest or (length[j] == lowest and row_of[j] < 0):
                    lowest = length[j]
                    best = k
            shortest = lowest
            j = open_columns[best]
            if row_of[j] < 0:
                sink = j
            else:
                i = row_of[j]
            column_seen[j] = True
            left -= 1
            # The last open column takes its place, as in SciPy: this order decides among ties.
            open_columns[best] = open_columns[left]
        # Update the dual variables, so that reduced costs stay >= 0 and are 0 for assigned pairs.
        u[start] += shortest
        for i in range(height):
            if row_seen[i] and i != start:
                u[i] += shortest - length[column_of[i]]
        for j in range(width):
            if column_seen[j]:
                v[j] -= shortest - length[j]
        # Augment: along the path back to the row, every column goes to the row it came from.
        j = sink
        while True:
            i = came_from[j]
            row_of[j] = i
            column_of[i], j = j, column_of[i]
            if i == start:
                break
    return column_of


@compile_kernel
def assign_where_possible(cost: Floats) -> Ints:
    """Assignment with as many allowed pairs as possible and then the least total cost.

    Parameters
    ----------
    cost
        (N, M); NaN where a pair is not allowed.

    Returns
    -------
    columns
        (N,), -1 for rows that get no allowed column.

    Notes
    -----
    Forbidden pairs cost so much that one of them outweighs any choice among the allowed ones, as
    in motmetrics.
    """
    height, width = cost.shape
    allowed = 0
    largest = 0.0
    last_i, last_j = -1, -1
    for i in range(height):
        for j in range(width):
            if not np.isnan(cost[i, j]):
                allowed += 1
                last_i, last_j = i, j
                largest = max(largest, abs(cost[i, j]))
    columns = np.full(height, -1, np.int64)
    if allowed == 1:
        columns[last_i] = last_j
    if allowed <= 1:
        return columns
    filled = cost
    if allowed < height * width:
        # More than any whole assignment of allowed pairs can cost or save.
        large = 2.0 * min(height, width) * (largest + 1.0) + 1.0
        filled = np.where(np.isnan(cost), large, cost)
    columns = assign(filled)
    for i in range(height):
        if columns[i] >= 0 and np.isnan(cost[i, columns[i]]):
            columns[i] = -1
    return columns
