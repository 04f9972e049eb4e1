"""One-to-one matching: greedy against a sort and a Python loop, optimal against two libraries.

Run ``python benchmarks/matching.py``. One thread, all in turn, medians. Matrices of three kinds:
uniform noise, a frame of tracking (each row close to one column, nearly nothing to the others),
and a dispute (all rows prefer the same columns). Pairs below 0.25 are not allowed. The libraries
get the same task: forbidden pairs are made worthless before and dropped after; lap takes squares
only, so the rest is filled with zeros. "scipy, all pairs" leaves the threshold out, which does
less than is asked.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from timing import interleaved

from posetrack.ops.matching import match_greedily, match_optimally

REPEATS = 30
AT_LEAST = 0.25
Matrix = NDArray[np.float64]


def uniform(shape: tuple[int, int]) -> Matrix:
    return np.random.default_rng(0).random(shape)


def tracking(shape: tuple[int, int]) -> Matrix:
    rng = np.random.default_rng(0)
    past = rng.uniform(0, 1000, (shape[0], 1, 2))
    now = np.resize(past, (shape[1], 2)) + rng.normal(0, 30, (shape[1], 2))
    return np.exp(-((past - now) ** 2).sum(axis=2) / 5000)


def dispute(shape: tuple[int, int]) -> Matrix:
    rng = np.random.default_rng(0)
    return np.add.outer(rng.random(shape[0]), rng.random(shape[1])) / 2


def sorted_loop(similarity: Matrix) -> list[tuple[int, int]]:
    """Greedy as it is often written: sort all pairs, take each whose row and column are free."""
    rows, cols = np.nonzero(similarity >= AT_LEAST)
    order = np.argsort(-similarity[rows, cols], kind="stable")
    row_free, col_free = set(range(similarity.shape[0])), set(range(similarity.shape[1]))
    pairs = []
    for row, col in zip(rows[order].tolist(), cols[order].tolist(), strict=True):
        if row in row_free and col in col_free:
            pairs.append((row, col))
            row_free.discard(row)
            col_free.discard(col)
            if not row_free or not col_free:
                break
    return pairs


def by_scipy(similarity: Matrix) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    from scipy.optimize import linear_sum_assignment

    allowed = similarity >= AT_LEAST
    rows, cols = linear_sum_assignment(np.where(allowed, similarity, 0), maximize=True)
    keep = allowed[rows, cols]
    return rows[keep], cols[keep]


def by_scipy_without_threshold(similarity: Matrix) -> object:
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(similarity, maximize=True)


def by_lap(similarity: Matrix) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    import lap

    height, width = similarity.shape
    allowed = similarity >= AT_LEAST
    cost = np.zeros((max(height, width),) * 2)
    cost[:height, :width] = np.where(allowed, -similarity, 0)
    cols = lap.lapjv(cost)[1][:height].astype(np.intp)
    rows = np.flatnonzero(cols < width)
    rows = rows[allowed[rows, cols[rows]]]
    return rows, cols[rows]


def measure(
    functions: dict[str, Callable[[Matrix], object]], similarity: Matrix, count: int
) -> dict[str, float]:
    def times(function: Callable[[Matrix], object]) -> None:
        for _ in range(count):
            function(similarity)

    runs = {name: partial(times, function) for name, function in functions.items()}
    return {name: taken / count for name, taken in interleaved(runs, REPEATS).items()}


def main() -> None:
    print(f"python {platform.python_version()}, numpy {np.__version__}; microseconds\n")
    greedy: dict[str, Callable[[Matrix], object]] = {
        "sort and loop": sorted_loop,
        "match_greedily": partial(match_greedily, at_least=AT_LEAST),
    }
    print(f"{'greedy':24}" + "".join(f"{name:>18}" for name in greedy) + f"{'ratio':>10}")
    for make in (uniform, tracking, dispute):
        for shape in [(5, 5), (20, 20), (20, 200)]:
            seconds = measure(greedy, make(shape), 20)
            slow, ours = seconds.values()
            row = "".join(f"{taken * 1e6:18.1f}" for taken in seconds.values())
            print(f"{make.__name__:12}{shape[0]:4} x {shape[1]:<5}{row}{slow / ours:8.1f} x")

    optimal: dict[str, Callable[[Matrix], object]] = {
        "scipy": by_scipy,
        "lap": by_lap,
        "scipy, all pairs": by_scipy_without_threshold,
        "match_optimally": partial(match_optimally, at_least=AT_LEAST),
    }
    print(f"\n{'optimal':24}" + "".join(f"{name:>18}" for name in optimal) + f"{'scipy/ours':>12}")
    for make in (uniform, tracking, dispute):
        for shape in [(5, 5), (20, 20), (20, 200), (200, 20), (50, 50), (100, 100), (200, 200)]:
            matrix = make(shape)
            wanted, found = (
                matrix[f(matrix)].sum() for f in (by_scipy, optimal["match_optimally"])
            )
            assert np.isclose(wanted, found), (wanted, found)
            seconds = measure(optimal, matrix, 20 if max(shape) <= 50 else 1)
            row = "".join(f"{taken * 1e6:18.1f}" for taken in seconds.values())
            ratio = seconds["scipy"] / seconds["match_optimally"]
            print(f"{make.__name__:12}{shape[0]:4} x {shape[1]:<5}{row}{ratio:10.1f} x")


if __name__ == "__main__":
    main()
