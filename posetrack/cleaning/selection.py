"""Which people to keep: by how they rank over the whole video, by id, or by pointing at them.

A ranking is a function from trajectories to (N,) numbers, larger is better; minus infinity means
"certainly not". Write your own where these do not do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.cleaning.changes import check_positive, sizes, steps
from posetrack.ops.boxes import iou_matrix
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]
Ranking: TypeAlias = Callable[[Trajectories], Float64Array]

_NEAR = 0.5  # seconds around the moment given in which someone is looked for
_OVER = 0.5  # seconds over which displacement is taken, so that jitter does not count as motion


def largest(trajectories: Trajectories) -> Float64Array:
    """Height and width of the box (root of the area) in pixels, mean over the whole video.

    People count 0 while they are absent, so that someone passing close by does not win.

    Examples
    --------
    >>> largest(_two()).tolist()
    [10.0, 15.0]
    """
    wide = trajectories.boxes[..., 2:] - trajectories.boxes[..., :2]
    size = np.sqrt(np.prod(np.where(np.isfinite(wide), wide, 0).astype(np.float64), axis=-1))
    return _mean_over_time(trajectories, size)


def longest(trajectories: Trajectories) -> Float64Array:
    """Seconds in the picture.

    Examples
    --------
    >>> longest(_two()).tolist()
    [0.5, 0.25]
    """
    each = steps(trajectories.seconds)
    return np.asarray((trajectories.present * each[:, None]).sum(axis=0))


def most_central(trajectories: Trajectories) -> Float64Array:
    """Nearness of the box's middle to that of the picture, mean over the whole video, in [0, 1].

    1 in the middle, 0 in a corner or absent. The picture is that of ``metadata["image_size"]``,
    else the box around all boxes.

    Examples
    --------
    >>> most_central(_two()).round(2).tolist()
    [0.09, 0.13]
    """
    boxes = np.asarray(trajectories.boxes, np.float64)
    if not trajectories.present.any():
        return np.zeros(len(trajectories.ids))
    known = trajectories.metadata.get("image_size")
    low = np.zeros(2) if known else np.nanmin(boxes[..., :2], axis=(0, 1))
    high = np.array(known, float) - 1 if known else np.nanmax(boxes[..., 2:], axis=(0, 1))
    half = max(float(np.linalg.norm(high - low)) / 2, 1e-9)
    off = np.linalg.norm(_middles(trajectories) - (low + high) / 2, axis=-1)
    near = np.where(trajectories.present, np.clip(1 - off / half, 0, 1), 0)
    return _mean_over_time(trajectories, near)


def most_moving(trajectories: Trajectories) -> Float64Array:
    """How far the keypoints move, in the person's sizes a second, mean over the whole video.

    Taken over half a second, so that the jitter of someone who stands does not count.

    Examples
    --------
    >>> most_moving(_two()).tolist()
    [0.0, 0.0]
    """
    seconds = trajectories.seconds
    later = np.searchsorted(seconds, seconds + _OVER - 1e-9)
    rows = np.flatnonzero(later < len(seconds))
    found = np.zeros(trajectories.present.shape)
    if not len(rows):
        return np.zeros(len(trajectories.ids))
    ends = later[rows]
    apart = (trajectories.xy[ends] - trajectories.xy[rows]).astype(np.float64)
    distance = np.linalg.norm(apart, axis=-1)
    moved = np.isfinite(distance)
    mean = np.where(moved, distance, 0).sum(axis=-1) / np.maximum(moved.sum(axis=-1), 1)
    found[rows] = mean / (seconds[ends] - seconds[rows])[:, None] / sizes(trajectories)
    return _mean_over_time(trajectories, found)


def with_id(person: int) -> Ranking:
    """The person with an id; also one that was joined into another's.

    Examples
    --------
    >>> select_person(_two(), with_id(8)).ids.tolist()
    [8]
    """

    def rank(trajectories: Trajectories) -> Float64Array:
        matches = trajectories.ids == person
        if not matches.any() and trajectories.raw is not None:
            matches = (trajectories.raw.ids == person).any(axis=0)
        if not matches.any():
            known = trajectories.ids.tolist()
            shown = f"{known[:20]} and {len(known) - 20} more" if len(known) > 20 else known
            raise ValueError(f"nobody has the id {person}; there are {shown}")
        return np.where(matches, 1.0, -np.inf)

    return rank


def in_box(xyxy: ArrayLike, seconds: float, *, min_iou: float = 0.1) -> Ranking:
    """The person whose box at a time overlaps most with the one given.

    Parameters
    ----------
    xyxy
        (4,) left, top, right, bottom in pixels.
    seconds
        When; the nearest frame counts in which someone is there, at most half a second away.
    min_iou
        With less overlap nobody is found.

    Examples
    --------
    >>> select_person(_two(), in_box([0, 0, 9, 9], 0.0)).ids.tolist()
    [7]
    """
    box = np.asarray(xyxy, np.float64).reshape(-1)
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= box[:2]).any():
        raise ValueError(f"expected a box left,top,right,bottom in pixels, got {box.tolist()}")

    def rank(trajectories: Trajectories) -> Float64Array:
        frame = _moment(trajectories, seconds)
        here = trajectories.present[frame]
        boxes = np.where(here[:, None], trajectories.boxes[frame], 0).astype(np.float64)
        overlap = np.asarray(iou_matrix(boxes, box[None]), np.float64)[:, 0]
        worth = np.where(here & (overlap >= min_iou), overlap, -np.inf)
        return _somebody(worth, trajectories, frame, f"the box {box.tolist()}")

    return rank


def at_click(x: float, y: float, seconds: float) -> Ranking:
    """The person who was clicked at in a picture: the nearest keypoint of those around it.

    Parameters
    ----------
    x, y
        Pixels; must lie in the person's box.
    seconds
        As for `in_box`.

    Examples
    --------
    >>> select_person(_two(), at_click(110, 5, 0.0)).ids.tolist()
    [8]
    """
    if not np.isfinite([x, y]).all():
        raise ValueError(f"expected a place in pixels, got {x}, {y}")

    def rank(trajectories: Trajectories) -> Float64Array:
        frame = _moment(trajectories, seconds)
        boxes, point = trajectories.boxes[frame].astype(np.float64), np.array([x, y])
        around = (boxes[:, :2] <= point).all(axis=1) & (point <= boxes[:, 2:]).all(axis=1)
        apart = np.linalg.norm(trajectories.xy[frame].astype(np.float64) - point, axis=-1)
        nearest = np.where(np.isfinite(apart), apart, 1e9).min(axis=1, initial=1e9)
        worth = np.where(around, -nearest / sizes(trajectories), -np.inf)
        return _somebody(worth, trajectories, frame, f"the place {x:g}, {y:g}")

    return rank


def select_person(trajectories: Trajectories, how: Ranking) -> Trajectories:
    """The one person who ranks first; empty trajectories stay empty.

    Parameters
    ----------
    trajectories
        Left as they are.
    how
        `largest`, `longest`, `most_central`, `most_moving`, ``with_id(3)``,
        ``in_box(xyxy, seconds)``, ``at_click(x, y, seconds)``, or your own. Of equals the first.

    Raises
    ------
    ValueError
        If the id, or whoever was pointed at, is not there.

    Examples
    --------
    >>> select_person(_two(), largest).ids.tolist()
    [8]
    """
    return keep(trajectories, 1, by=how)


def keep(trajectories: Trajectories, limit: int, *, by: Ranking = longest) -> Trajectories:
    """The ``limit`` people who rank first, in their former order.

    Examples
    --------
    >>> keep(_two(), 1).ids.tolist()
    [7]
    """
    if limit < 1:
        raise ValueError(f"at least one person must be kept, got {limit}")
    if not len(trajectories.ids):
        return trajectories
    worth = np.asarray(by(trajectories), np.float64)
    if worth.shape != trajectories.ids.shape:
        raise ValueError(
            f"a ranking must give {len(trajectories.ids)} numbers, one a person, got {worth.shape}"
        )
    worth = np.where(np.isnan(worth), -np.inf, worth)
    best = np.argsort(-worth, kind="stable")[:limit]
    rows = np.sort(best[worth[best] > -np.inf])
    return trajectories.select(ids=trajectories.ids[rows].tolist())


def drop_short(trajectories: Trajectories, min_seconds: float) -> Trajectories:
    """Without people who are in the picture for less than ``min_seconds`` altogether.

    Examples
    --------
    >>> drop_short(_two(), 0.4).ids.tolist()
    [7]
    """
    check_positive(min_seconds=min_seconds)
    stay = longest(trajectories) >= min_seconds - 1e-6
    return trajectories.select(ids=trajectories.ids[stay].tolist())


def _mean_over_time(trajectories: Trajectories, values: Float64Array) -> Float64Array:
    """(T, N) values weighted by how long each frame stands for."""
    each = steps(trajectories.seconds)
    if not each.sum() > 0:
        return values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
    return np.asarray(each @ values / each.sum())


def _middles(trajectories: Trajectories) -> Float64Array:
    boxes = np.asarray(trajectories.boxes, np.float64)
    return np.asarray((boxes[..., :2] + boxes[..., 2:]) / 2)


def _moment(trajectories: Trajectories, seconds: float) -> int:
    """The frame nearest to a time in which someone is there."""
    anybody = np.flatnonzero(trajectories.present.any(axis=1))
    if len(anybody):
        apart = np.abs(trajectories.seconds[anybody] - seconds)
        best = int(np.argmin(apart))
        if apart[best] <= _NEAR:
            return int(anybody[best])
    raise ValueError(f"nobody is in the picture within {_NEAR} s of {seconds:g} s")


def _somebody(
    worth: Float64Array, trajectories: Trajectories, frame: int, what: str
) -> Float64Array:
    """Raise where nobody was found, and list the people who are there."""
    if np.isfinite(worth).any():
        return worth
    here = np.flatnonzero(trajectories.present[frame])[:10]
    boxes = np.rint(trajectories.boxes[frame, here]).astype(int).tolist()
    ids = trajectories.ids[here].tolist()
    places = [f"id {person} in {box}" for person, box in zip(ids, boxes, strict=True)]
    at = trajectories.seconds[frame]
    raise ValueError(f"nobody is at {what} at {at:.2f} s; there are {', '.join(places)}")


def _two() -> Trajectories:
    """For the examples: two people who stand, one of them for half of the time."""
    from posetrack.skeletons import COCO_17

    xy = np.zeros((2, 2, 17, 2))
    xy[:, 0, 1:], xy[:, 1, :1], xy[:, 1, 1:] = 10, (100, 0), (130, 30)
    xy[1, 1] = np.nan
    values = (np.arange(2), np.array([0.0, 0.25]), np.array([7, 8]), xy.astype(np.float32))
    return Trajectories(*values, np.ones((2, 2, 17), np.float32), COCO_17)
