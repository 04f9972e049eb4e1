"""The tidy table as arrays over frames, people and keypoints, and back: a pivot, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.formats.metadata import EmptyFrames
from posetrack.formats.table import TrackTable

MOST_VALUES: Final = 200_000_000
"""Keypoints, T x N x K, that are laid out at most: 2.4 GB of places and scores."""


@dataclass(frozen=True, eq=False)
class Dense:
    """T frames, N people, K keypoints; NaN (scores and ages: 0) where nobody was.

    Parameters
    ----------
    frame, seconds
        (T,) int64 and float64, growing frames, those without people among them.
    ids
        (N,) int64, growing.
    xy, scores
        (T, N, K, 2) float32 pixels and (T, N, K).
    boxes, box_scores
        (T, N, 4) float32 xyxy and (T, N).
    flow_age
        (T, N) int64.
    """

    frame: NDArray[np.int64]
    seconds: NDArray[np.float64]
    ids: NDArray[np.int64]
    xy: NDArray[np.float32]
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]
    box_scores: NDArray[np.float32]
    flow_age: NDArray[np.int64]


def dense(table: TrackTable, *, max_values: int = MOST_VALUES) -> Dense:
    """Lay a table out over frames and people.

    Raises
    ------
    ValueError
        If frames x people x keypoints would exceed ``max_values``.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> one = np.ones(1, np.int64)
    >>> table = TrackTable(one, np.ones(1), one * 4, np.zeros((1, 4)), np.ones(1), one * 0,
    ...                    np.ones((1, 17, 2)), np.ones((1, 17)), COCO_17)
    >>> dense(table).xy.shape
    (1, 1, 17, 2)
    """
    frame, seconds = _axis_of_time(table)
    ids = np.unique(table.ids)
    keypoints = len(table.skeleton)
    values = len(frame) * len(ids) * keypoints
    if values > max_values:
        raise ValueError(
            f"{len(frame)} frames x {len(ids)} people x {keypoints} keypoints are {values:,} "
            f"values; at most {max_values:,} are laid out at once. Select a time range, people or "
            "keypoints first"
        )
    where = (np.searchsorted(frame, table.frame), np.searchsorted(ids, table.ids))
    shape = (len(frame), len(ids))
    result = Dense(
        frame,
        seconds,
        ids,
        np.full((*shape, keypoints, 2), np.nan, np.float32),
        np.zeros((*shape, keypoints), np.float32),
        np.full((*shape, 4), np.nan, np.float32),
        np.zeros(shape, np.float32),
        np.zeros(shape, np.int64),
    )
    result.xy[where] = table.xy
    result.scores[where] = table.scores
    result.boxes[where] = table.xyxy
    result.box_scores[where] = table.box_scores
    result.flow_age[where] = table.flow_age
    return result


def _axis_of_time(table: TrackTable) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All frames with their times; a frame with rows has the time of its first one."""
    frame, first = np.unique(table.frame, return_index=True)
    seconds = table.seconds[first]
    empty = [pair for pair in table.empty if pair[0] >= 0]
    if not empty:
        return frame.astype(np.int64), seconds.astype(np.float64)
    more = np.array([index for index, _ in empty], np.int64)
    times = np.array([time for _, time in empty])
    new = ~np.isin(more, frame)
    merged = np.concatenate([frame, more[new]])
    merged, first = np.unique(merged, return_index=True)
    return merged, np.concatenate([seconds, times[new]])[first]


def empty_frames(frame: NDArray[np.int64], seconds: NDArray[np.float64]) -> EmptyFrames:
    """Frames as the runs in which a table keeps those without people.

    Examples
    --------
    >>> empty_frames(np.array([2, 3]), np.array([0.2, 0.3])).runs
    [(2, 3, 1, 0.2, 0.3)]
    """
    runs = EmptyFrames()
    for index, time in zip(frame.tolist(), seconds.tolist(), strict=True):
        runs.add(index, time)
    return runs


def every_frame(table: TrackTable) -> Dense:
    """Laid out from frame 0 to the last without gaps, for formats that count rows, not frames.

    Raises
    ------
    ValueError
        If that would be more than `MOST_VALUES` keypoints.
    """
    result = dense(table)
    count = int(result.frame[-1]) + 1 if len(result.frame) else 0
    if count == len(result.frame):
        return result
    values = count * len(result.ids) * len(table.skeleton)
    if max(values, count) > MOST_VALUES:
        raise ValueError(f"{count:,} frames from 0 on would be {values:,} values; select fewer")

    def spread(array: NDArray[Any], blank: float) -> Any:
        whole = np.full((count, *array.shape[1:]), blank, array.dtype)
        whole[result.frame] = array
        return whole

    return Dense(
        np.arange(count),
        np.interp(np.arange(count), result.frame, result.seconds),
        result.ids,
        spread(result.xy, np.nan),
        spread(result.scores, 0),
        spread(result.boxes, np.nan),
        spread(result.box_scores, 0),
        spread(result.flow_age, 0),
    )


def score_columns(result: Dense) -> NDArray[np.float32]:
    """(T, N, K) scores, NaN where the keypoint was not seen."""
    scores: NDArray[np.float32] = np.where(
        np.isfinite(result.xy[..., 0]), result.scores, np.float32(np.nan)
    )
    return scores
