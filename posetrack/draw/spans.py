"""The frames, times and size of a video, as the table of its tracks has them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.draw.colours import Colour
from posetrack.formats.table import TrackTable
from posetrack.trajectories import Trajectories
from posetrack.video import Frame


@dataclass(frozen=True)
class Span:
    """Which frames: from the first to the last, every ``step``-th."""

    first: int
    last: int
    step: int


def table_of(tracks: TrackTable | Trajectories) -> TrackTable:
    """Trajectories as a table; a table as it is."""
    return tracks.to_table() if isinstance(tracks, Trajectories) else tracks


def times_of(table: TrackTable) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Index and seconds of all frames of a table, those without people, too."""
    empty = list(table.empty)
    frame = np.append(table.frame, np.array([index for index, _ in empty], np.int64))
    seconds = np.append(table.seconds, np.array([time for _, time in empty], np.float64))
    frame, rows = np.unique(frame, return_index=True)
    return frame, seconds[rows]


def span_of(table: TrackTable, seconds: tuple[float, float] | None) -> Span:
    """The frames of a table, or of some of its seconds.

    Raises
    ------
    ValueError
        If there is none.
    """
    frame, times = times_of(table)
    step = int(np.median(np.diff(frame))) if len(frame) > 1 else 1
    if (np.diff(frame) % step).any():
        step = 1
    if seconds is not None:
        frame = frame[(times >= seconds[0]) & (times < seconds[1])]
    if not len(frame):
        time_range = "" if seconds is None else f" from {seconds[0]:g} to {seconds[1]:g} s"
        raise ValueError(f"the table has no frame{time_range}; there is nothing to draw")
    return Span(int(frame[0]), int(frame[-1]), step)


def rate_of(table: TrackTable) -> float:
    """Frames a second: as the file says, else from its times."""
    rate_in_table = table.metadata.get("rate")
    if isinstance(rate_in_table, int | float) and 0 < rate_in_table < math.inf:
        return float(rate_in_table)
    frame, times = times_of(table)
    if len(frame) < 2 or times[-1] <= times[0]:
        return 25.0
    return float((frame[-1] - frame[0]) / (times[-1] - times[0]))


def size_of(table: TrackTable) -> tuple[int, int] | None:
    """Width and height of the images, if the table knows."""
    rate_in_table = table.metadata.get("image_size")
    if isinstance(rate_in_table, Sequence) and len(rate_in_table) == 2 and min(rate_in_table) > 1:
        return int(rate_in_table[0]), int(rate_in_table[1])
    return None


def plain_frames(table: TrackTable, span: Span, background: Colour | None) -> Iterator[Frame]:
    """Frames of one colour, with the times of the table; a gap in it is filled at its rate."""
    size = size_of(table)
    if size is None:
        corners = table.xyxy[np.isfinite(table.xyxy).all(axis=1), 2:]
        far = corners.max(axis=0, initial=15) if len(corners) else np.array([63, 63])
        size = min(math.ceil(far[0]) + 1, 16384), min(math.ceil(far[1]) + 1, 16384)
    frame, times = times_of(table)
    blank = np.full((size[1], size[0], 3), background or (0, 0, 0), np.uint8)
    for index in range(span.first, span.last + 1, span.step):
        yield Frame(blank.copy(), index, float(np.interp(index, frame, times)))
