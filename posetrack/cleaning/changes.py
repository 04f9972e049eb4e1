"""Shared by all cleaning steps: new values with their flags, sizes of people, runs of frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.trajectories import NOBODY, Origin, Raw, Trajectories

Float64Array = NDArray[np.float64]


def with_raw(trajectories: Trajectories) -> Trajectories:
    """The same, with the present values kept as raw ones unless raw ones exist already."""
    if trajectories.raw is not None:
        return trajectories
    return replace(trajectories, raw=_raw_of(trajectories))


def apply_changes(
    trajectories: Trajectories,
    xy: NDArray[Any],
    scores: NDArray[Any],
    changed: NDArray[np.bool_],
    flag: Origin,
) -> Trajectories:
    """New values where something changed, flagged; the raw ones are kept from the first change on.

    Parameters
    ----------
    trajectories
        What was; its boxes stay as they are.
    xy, scores
        (T, N, K, 2) and (T, N, K), used where ``changed``.
    changed
        (T, N, K).
    flag
        Added to the origin there.
    """
    if not changed.any():
        return trajectories
    return replace(
        trajectories,
        xy=np.where(changed[..., None], xy, trajectories.xy),
        scores=np.where(changed, scores, trajectories.scores),
        origin=trajectories.origin | np.where(changed, np.int8(flag), np.int8(0)),
        raw=trajectories.raw or _raw_of(trajectories),
    )


def apply_filter(trajectories: Trajectories, xy: NDArray[Any]) -> Trajectories:
    """The places that a filter gave; those it moved are flagged."""
    moved = (xy != trajectories.xy).any(axis=-1) & seen(trajectories)
    return apply_changes(trajectories, xy, trajectories.scores, moved, Origin.SMOOTHED)


def _raw_of(trajectories: Trajectories) -> Raw:
    ids = np.where(trajectories.present, trajectories.ids, NOBODY)
    return Raw(trajectories.xy, trajectories.scores, ids)


def undo(trajectories: Trajectories) -> Trajectories:
    """What was measured: raw values, people under the ids that the tracker gave.

    People who were dropped altogether do not come back: they are not in the trajectories.

    Examples
    --------
    >>> from posetrack.cleaning import gate_scores
    >>> from posetrack.skeletons import COCO_17
    >>> scores = np.full((1, 1, 17), 0.1)
    >>> tr = Trajectories([0], [0.0], [7], np.ones((1, 1, 17, 2)), scores, COCO_17)
    >>> gated = gate_scores(tr, 0.3)
    >>> bool(np.isfinite(gated.xy).any()), bool(np.isfinite(undo(gated).xy).all())
    (False, True)
    """
    raw = trajectories.raw
    if raw is None:
        return trajectories
    whom = [np.unique(raw.ids[:, row]).tolist() for row in range(len(trajectories.ids))]
    ids = [column_ids for column_ids in dict.fromkeys(chain(*whom)) if column_ids != NOBODY]
    # An id may lie under several people, where identities were exchanged by hand.
    when, id_column = np.nonzero(raw.ids != NOBODY)
    known = np.argsort(np.array(ids, np.int64))
    column = known[np.searchsorted(np.array(ids, np.int64)[known], raw.ids[when, id_column])]

    def back(values: NDArray[Any], empty: float) -> NDArray[Any]:
        values_by_id = np.full((len(values), len(ids), *values.shape[2:]), empty, values.dtype)
        values_by_id[when, column] = values[when, id_column]
        return values_by_id

    return Trajectories(
        trajectories.frame,
        trajectories.seconds,
        ids,  # type: ignore[arg-type]
        back(raw.xy, np.nan),
        back(raw.scores, 0),
        trajectories.skeleton,
        back(trajectories.boxes, np.nan),
        back(trajectories.box_scores, 0),
        back(trajectories.flow_age, 0),
        metadata=trajectories.metadata,
    )


def seen(trajectories: Trajectories) -> NDArray[np.bool_]:
    """(T, N, K), whether a keypoint has a place."""
    there: NDArray[np.bool_] = np.isfinite(trajectories.xy[..., 0])
    return there


def sizes(trajectories: Trajectories) -> Float64Array:
    """(N,) median over time of the square root of each person's box area, in pixels.

    1 for someone whose boxes have no area, so that it can be divided by.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[..., 0, :] = (4, 9)
    >>> sizes(Trajectories([0], [0.0], [7], xy, np.ones((1, 1, 17)), COCO_17)).tolist()
    [6.0]
    """
    found = np.ones(len(trajectories.ids))
    for row in range(len(found)):
        boxes = trajectories.boxes[trajectories.present[:, row], row].astype(np.float64)
        if len(boxes):
            found[row] = np.median(np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)))
    return np.where(found > 0, found, 1.0)


def steps(seconds: Float64Array) -> Float64Array:
    """(T,) how long each frame stands for: the time to the next; the last as long as most.

    Examples
    --------
    >>> steps(np.array([0.0, 0.5, 1.5])).tolist()
    [0.5, 1.0, 0.75]
    """
    if len(seconds) < 2:
        return np.zeros(len(seconds))
    between = np.diff(seconds)
    return np.append(between, np.median(between))


def longest_step(seconds: Float64Array) -> float:
    """Longest step between frames that belong together: a quarter second, or two frames."""
    return max(0.25, 2.0 * float(np.median(np.diff(seconds)))) if len(seconds) > 1 else 0.25


def runs(there: NDArray[np.bool_], seconds: Float64Array) -> list[tuple[int, int]]:
    """Half-open ranges of frames in a row with something; broken where the video has a hole.

    Examples
    --------
    >>> runs(np.array([True, True, False, True]), np.array([0, 0.1, 0.2, 0.3]))
    [(0, 2), (3, 4)]
    """
    if not there.any():
        return []
    apart = np.diff(seconds) > longest_step(seconds)
    edges = there[1:] != there[:-1]
    cuts = np.flatnonzero(edges | apart) + 1
    starts, stops = np.append(0, cuts), np.append(cuts, len(there))
    return [(int(a), int(b)) for a, b in zip(starts, stops, strict=True) if there[a]]


def segments(
    trajectories: Trajectories,
) -> Iterator[tuple[int, int, int, NDArray[np.intp]]]:
    """Every unbroken piece: person, first frame, one past the last, keypoints (as positions).

    Keypoints that are seen in exactly the same frames come together, so that one call of a filter
    does for all of them.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((4, 1, 17, 2))
    >>> xy[1, 0, 0] = np.nan
    >>> tr = Trajectories(range(4), np.arange(4) / 25, [7], xy, np.ones((4, 1, 17)), COCO_17)
    >>> [(start, stop, len(points)) for _, start, stop, points in segments(tr)]
    [(0, 1, 1), (2, 4, 1), (0, 4, 16)]
    """
    there = seen(trajectories)
    for row in range(len(trajectories.ids)):
        together: dict[tuple[int, int], list[int]] = {}
        for point in range(there.shape[2]):
            for span in runs(there[:, row, point], trajectories.seconds):
                together.setdefault(span, []).append(point)
        for (start, stop), points in together.items():
            yield row, start, stop, np.array(points, np.intp)


def check_positive(**values: float) -> None:
    """Refuse a setting that is not a positive number, by its name."""
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, got {value}")


def check_times(trajectories: Trajectories) -> None:
    """Refuse times that do not grow: there is no speed where no time passes."""
    late = np.flatnonzero(np.diff(trajectories.seconds) <= 0)
    if len(late):
        frame = int(trajectories.frame[late[0] + 1])
        raise ValueError(
            f"frame {frame} is not later than the one before it; seconds must grow with the "
            "frames. Give times of your own, such as frame / rate"
        )
