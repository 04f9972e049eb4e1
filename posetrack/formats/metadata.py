"""The JSON beside the numbers: skeleton, frames and provenance of a file, checked when read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from posetrack.files import parse_json

_MAX_BYTES = 64_000_000
_JITTER = 0.002

Run: TypeAlias = tuple[int, int, int, float, float]
"""First index, last index, step, first time, last time."""


def parse_metadata(data: bytes, title: str) -> dict[str, Any]:
    """A JSON object from ``data``; errors name ``title``."""
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{title}: {len(data)} bytes of metadata; expected a few thousand")
    value = parse_json(data, title)
    if not isinstance(value, dict):
        raise ValueError(f"{title}: expected a JSON object, got {type(value).__name__}")
    return value


def sidecar_path(path: Path) -> Path:
    """Where the metadata of a file lies that cannot hold its own.

    Examples
    --------
    >>> sidecar_path(Path("out/match.csv")).name
    'match.csv.meta.json'
    """
    return path.with_name(path.name + ".meta.json")


class EmptyFrames:
    """Frames without people, as runs: a table has no rows for them.

    A run is first index, last index, step, first time, last time; the times between are evenly
    spaced, so a change of step in index, or by more than 2 ms in time, begins a new one. Memory
    grows with the number of runs, not of frames.

    Parameters
    ----------
    runs
        Those already known.
    interval
        Seconds between the frames of the last of them; see `state`.

    Examples
    --------
    >>> empty = EmptyFrames()
    >>> for index in (3, 4, 5, 9):
    ...     empty.add(index, index / 10)
    >>> empty.runs
    [(3, 5, 1, 0.3, 0.5), (9, 9, 1, 0.9, 0.9)]
    >>> list(empty)
    [(3, 0.3), (4, 0.4), (5, 0.5), (9, 0.9)]
    """

    def __init__(self, runs: Iterable[Sequence[float]] = (), interval: float | None = None) -> None:
        self.runs: list[Run] = [
            (int(first), int(last), int(step), float(start), float(end))
            for first, last, step, start, end in runs
        ]
        self._interval = math.nan if interval is None else interval

    @property
    def state(self) -> tuple[list[Run], float | None]:
        """Its arguments, for another one to go on from, in what JSON can hold."""
        return list(self.runs), None if math.isnan(self._interval) else self._interval

    def add(self, index: int, seconds: float) -> None:
        """Note a frame without people, later than those before."""
        if self.runs:
            first, last, step, start, end = self.runs[-1]
            if first == last:
                self._interval, step = seconds - end, index - last
            if index - last == step and abs(seconds - end - self._interval) <= _JITTER:
                self.runs[-1] = (first, index, step, start, seconds)
                return
        self.runs.append((index, index, 1, seconds, seconds))

    def __len__(self) -> int:
        return sum((last - first) // step + 1 for first, last, step, _, _ in self.runs)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        for first, last, step, start, end in self.runs:
            count = (last - first) // step
            for number in range(count):
                yield first + number * step, start + (end - start) * number / count
            yield last, end


def empty_frames_from_json(value: object, where: str, *, max_frames: int) -> EmptyFrames:
    """Runs of empty frames from a file; refuses what claims more than ``max_frames``."""
    if not isinstance(value, list):
        raise ValueError(f"{where}: 'empty_frames' must be a list, got {type(value).__name__}")
    runs = []
    for number, run in enumerate(value):
        well_formed = (
            isinstance(run, list)
            and len(run) == 5
            and all(isinstance(item, int) and not isinstance(item, bool) for item in run[:3])
            and all(_is_number(item) for item in run[3:])
            and 0 <= run[0] <= run[1]
            and run[2] >= 1
        )
        if not well_formed:
            raise ValueError(
                f"{where}: 'empty_frames' {number} must be first index, last index, step, first "
                f"time, last time; got {run!r:.80}"
            )
        runs.append((run[0], run[1], run[2], float(run[3]), float(run[4])))
    empty = EmptyFrames(runs)
    count = len(empty)
    if count > max_frames:
        raise ValueError(f"{where}: {count} frames without people; at most {max_frames} are read")
    return empty


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18
    )  # False for NaN, too
