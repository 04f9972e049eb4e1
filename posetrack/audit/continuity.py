"""How well what comes after goes on from what was before: place, motion and size of one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from posetrack.trajectories import Trajectories

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_WINDOW: Final = 0.4  # seconds on either side from which the velocity is fitted
_POSITION: Final = 0.2  # of the longer side: an offset (or a window's motion) that counts as 1
_SIZE: Final = 0.15  # change of the logarithm of size that counts 1
_FORGIVING: Final = 0.5  # seconds without a sight after which a place counts half
_ENOUGH: Final = 6  # sights needed for a velocity
_MOST: Final = 8.0


@dataclass(frozen=True, eq=False)
class Motion:
    """One person's position, velocity and size, fitted to the sights before and from each on.

    Parameters
    ----------
    rows
        (M,) in which the person is there.
    seconds
        (M,) when.
    centre
        (M, 2) of the box.
    position, velocity
        (2, M, 2) pixels, and pixels a second: by the sights up to each, and from each on.
    size
        (2, M) mean logarithm of the box's longer side.
    count
        (2, M) of how many sights.
    """

    rows: Rows
    seconds: Floats
    centre: Floats
    position: Floats
    velocity: Floats
    size: Floats
    count: Floats


def motion_of(trajectories: Trajectories, column: int) -> Motion:
    """The motion of one person, by lines fitted to 0.4 seconds before and after.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.arange(3.0)[:, None, None, None] + np.arange(17.0)[:, None]
    >>> tr = Trajectories([0, 1, 2], [0, 0.1, 0.2], [7], np.broadcast_to(xy, (3, 1, 17, 2)),
    ...                   np.ones((3, 1, 17)), COCO_17)
    >>> motion_of(tr, 0).velocity[0, 2].round(3).tolist()
    [10.0, 10.0]
    """
    rows = np.flatnonzero(trajectories.present[:, column])
    t = trajectories.seconds[rows]
    boxes = trajectories.boxes[rows, column].astype(np.float64)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    side = np.log(np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), 1.0))
    here = np.arange(len(rows))
    spans = [
        (np.searchsorted(t, t - _WINDOW, side="right"), here + 1),
        (here, np.searchsorted(t, t + _WINDOW, side="left")),
    ]
    fits = [_line(t, centre, first, stop) for first, stop in spans]
    sizes = [_mean(side[:, None], first, stop)[:, 0] for first, stop in spans]
    return Motion(
        rows,
        t,
        centre,
        np.stack([position for position, _ in fits]),
        np.stack([velocity for _, velocity in fits]),
        np.stack(sizes),
        np.stack([stop - first for first, stop in spans]).astype(np.float64),
    )


def change(before: Motion, i: Rows, after: Motion, j: Rows) -> Floats:
    """How badly the sights from ``j`` on continue those up to ``i``: 0 is perfect, 1 noticeable.

    Parameters
    ----------
    before, after
        Of one person, or of two.
    i, j
        (M,) positions in their rows; ``j`` is later.
    """
    elapsed = after.seconds[j] - before.seconds[i]
    half = np.minimum(elapsed, 1.5 * _WINDOW)[:, None] / 2
    here = before.position[0, i] + before.velocity[0, i] * half
    there = after.position[1, j] - after.velocity[1, j] * half
    unit = _POSITION * np.exp((before.size[0, i] + after.size[1, j]) / 2)
    away = np.linalg.norm(here - there, axis=1) / unit
    away /= 1 + np.maximum(elapsed - _WINDOW / 4, 0) / _FORGIVING
    turn = np.linalg.norm(before.velocity[0, i] - after.velocity[1, j], axis=1) * _WINDOW / unit
    trust = np.minimum(np.minimum(before.count[0, i], after.count[1, j]) / _ENOUGH, 1)
    grown = np.abs(before.size[0, i] - after.size[1, j]) / _SIZE
    # Someone may turn about, but seldom jumps: motion counts half.
    total: Floats = (
        np.minimum(away, _MOST) + 0.5 * np.minimum(turn * trust, _MOST) + np.minimum(grown, _MOST)
    )
    return total


def steps(motion: Motion) -> Floats:
    """(M - 1,) pixels between each sight and the next, less what the person was moving before."""
    elapsed = np.diff(motion.seconds)[:, None]
    beyond: Floats = np.diff(motion.centre, axis=0) - motion.velocity[0, :-1] * elapsed
    away: Floats = np.linalg.norm(beyond, axis=1)
    return away


def _mean(values: Floats, first: Rows, stop: Rows) -> Floats:
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    mean: Floats = (sums[stop] - sums[first]) / (stop - first)[:, None]
    return mean


def _line(t: Floats, values: Floats, first: Rows, stop: Rows) -> tuple[Floats, Floats]:
    """Value at each time and slope of the lines fitted to the rows from first to stop."""
    if not len(t):
        return values, values
    # Times from the middle and values from the mean, or the sums lose their digits.
    t, middle = (t - t.mean())[:, None], values.mean(axis=0)
    v = values - middle
    mean_t, mean_v = _mean(t, first, stop), _mean(v, first, stop)
    spread = _mean(t * t, first, stop) - mean_t**2
    together = _mean(t * v, first, stop) - mean_t * mean_v
    slope = np.where(spread > 1e-8, together / np.maximum(spread, 1e-8), 0.0)
    return mean_v + slope * (t - mean_t) + middle, slope
