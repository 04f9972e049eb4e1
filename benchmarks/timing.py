"""What the benchmarks share: interleaved runs, medians and ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(runs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each, run in turn, so that a noisy machine is noisy for all of them."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # warm
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def table(rows: Mapping[str, float], baseline: str, unit: float = 1e3, name: str = "ms") -> str:
    """Rows of name, time and ratio to the baseline."""
    lines = [f"{'':40} {name:>10} {'ratio':>8}"]
    for label, seconds in rows.items():
        lines.append(f"{label:40} {seconds * unit:10.4f} {seconds / rows[baseline]:8.4f}")
    return "\n".join(lines)
