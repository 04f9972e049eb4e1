"""A table of tracks from arrays that another program's file held, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.formats.dense import empty_frames
from posetrack.formats.table import TrackTable
from posetrack.skeletons import Skeleton

_LARGEST = 1e9


def table_of_arrays(
    where: str,
    frames: NDArray[np.int64],
    seconds: NDArray[np.float64],
    ids: NDArray[np.int64],
    xy: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    skeleton: Skeleton,
    metadata: Mapping[str, Any],
) -> TrackTable:
    """Whole arrays, (T, N, K, 2) and (T, N, K), as a table of those with a keypoint seen."""
    when, columns = np.nonzero(np.isfinite(xy).all(axis=-1).any(axis=-1))
    return make_table(
        where,
        frames[when],
        ids[columns],
        xy[when, columns],
        scores[when, columns],
        skeleton,
        frames=frames,
        seconds=seconds,
        metadata=metadata,
    )


def make_table(
    where: str,
    frame: NDArray[np.int64],
    ids: NDArray[np.int64],
    xy: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    skeleton: Skeleton,
    *,
    frames: NDArray[np.int64],
    seconds: NDArray[np.float64],
    xyxy: NDArray[np.floating[Any]] | None = None,
    box_scores: NDArray[np.floating[Any]] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> TrackTable:
    """A table of R people in T frames, checked.

    Parameters
    ----------
    where
        The file, for messages.
    frame, ids
        (R,).
    xy, scores
        (R, K, 2) and (R, K); a score that is not finite counts as 1.
    skeleton
        K keypoints.
    frames, seconds
        (T,) growing indices of all frames, and their times.
    xyxy, box_scores
        (R, 4) and (R,); the bounding box and mean score of the seen keypoints where not finite.
    metadata
        Goes into the table; None values are left out.

    Raises
    ------
    ValueError
        If frames do not grow, a time is not finite, a box is inside out, or an id occurs twice in
        a frame.
    """
    if (np.diff(frames) <= 0).any() or (len(frames) and frames[0] < 0):
        raise ValueError(f"{where}: frames must grow from 0 on")
    if not np.isfinite(seconds).all():
        raise ValueError(f"{where}: a time is not finite")
    order = np.lexsort((np.arange(len(frame)), frame))
    frame, ids = frame[order], ids[order]
    xy, scores, seen = _sort_out(xy[order], scores[order])
    boxes, scores_of_rows = _boxes(where, xy, scores, seen, xyxy, box_scores, order)
    there = np.isfinite(boxes).all(axis=1)
    by_id = np.lexsort((ids, frame))
    twice = (np.diff(frame[by_id]) == 0) & (np.diff(ids[by_id]) == 0)
    if twice.any():
        row = by_id[np.flatnonzero(twice)[0]]
        raise ValueError(f"{where}: id {ids[row]} occurs twice in frame {frame[row]}")
    nobody = ~np.isin(frames, frame[there])
    return TrackTable(
        frame[there],
        seconds[np.searchsorted(frames, frame[there])],
        ids[there],
        boxes[there],
        scores_of_rows[there],
        np.zeros(int(there.sum()), np.int64),
        xy[there],
        scores[there],
        skeleton,
        empty_frames(frames[nobody], seconds[nobody]),
        {key: value for key, value in (metadata or {}).items() if value is not None},
    )


def _sort_out(
    xy: NDArray[np.floating[Any]], scores: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    with np.errstate(over="ignore"):
        places, scores_of_rows = xy.astype(np.float32), scores.astype(np.float32)
    seen = np.asarray(np.isfinite(places).all(axis=-1))
    places[~seen] = np.nan
    scores_of_rows[~np.isfinite(scores_of_rows)] = 1
    scores_of_rows[~seen] = 0
    return places, scores_of_rows, seen


def _boxes(
    where: str,
    xy: NDArray[np.float32],
    scores: NDArray[np.float32],
    seen: NDArray[np.bool_],
    xyxy: NDArray[np.floating[Any]] | None,
    box_scores: NDArray[np.floating[Any]] | None,
    order: NDArray[np.intp],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes, NaN for those who have neither a box nor a keypoint, and their scores."""
    low = np.where(seen[..., None], xy, np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen[..., None], xy, -np.inf).max(axis=1, initial=-np.inf)
    boxes_xyxy = np.concatenate([low, high], axis=1).astype(np.float32)
    boxes_xyxy[~seen.any(axis=1)] = np.nan
    scores_of_rows = (scores.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)).astype(np.float32)
    if xyxy is not None:
        given = xyxy[order]
        known = np.asarray((np.abs(given) <= _LARGEST).all(axis=1))
        if (given[known, 2:] < given[known, :2]).any():
            raise ValueError(f"{where}: a box has negative width or height")
        boxes_xyxy[known] = given[known]
    if box_scores is not None:
        given = box_scores[order]
        scores_of_rows = np.where(np.abs(given) <= _LARGEST, given, scores_of_rows).astype(
            np.float32
        )
    return boxes_xyxy, scores_of_rows
