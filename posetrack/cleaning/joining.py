"""Tracklets of one person joined across occlusions and re-entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posetrack.cleaning.changes import check_positive, check_times, sizes, with_raw
from posetrack.cleaning.clothing import colour_similarity
from posetrack.ops.matching import match_optimally
from posetrack.trajectories import NOBODY, Raw, Trajectories

Float64Array = NDArray[np.float64]

_LOOK = 0.4  # seconds at an end from which place, speed and size are taken
_COAST = 1.0  # seconds for which someone unseen is believed to go on as before


@dataclass(frozen=True, eq=False)
class _Tracklet:
    """One person's ends, (first, last): seconds, middle, speed, size; and limb lengths."""

    seconds: tuple[float, float]
    middle: tuple[Float64Array, Float64Array]
    speed: tuple[Float64Array, Float64Array]
    size: tuple[float, float]
    limbs: Float64Array


def join_tracklets(
    trajectories: Trajectories,
    *,
    max_gap: float = 2.0,
    colours: Mapping[int, NDArray[np.float32]] | None = None,
    reach: float = 0.5,
    min_similarity: float = 0.15,
) -> Trajectories:
    """Give the tracklets of one person one id, that of the first of them.

    A person whom the tracker lost and found again has two ids. The end of each tracklet is compared
    with the beginning of each that starts later: where it went on to from its last motion (and
    where the later one came from), sizes, lengths of limbs, and colours of the torso where given.
    The pairs with the largest sum of similarities are joined, each end with one beginning.
    Tracklets that overlap in time are never joined. ``raw.ids`` keeps the former ids.

    Parameters
    ----------
    trajectories
        Left as they are.
    max_gap
        Seconds from the last frame of one to the first of the next, at most. Without colours, a
        longer one than a second or two joins people who only came to the same place.
    colours
        Histograms by id from `TorsoColours` or `collect_colours`.
    reach
        How far off the place expected someone may be, in heights (longer sides of the box) for
        each second unseen, on top of a quarter; the similarity of the place falls as a Gaussian of
        that width.
    min_similarity
        In [0, 1], the product of the similarities of place, size, limbs and colours must be this.

    Notes
    -----
    Similarities: place exp(-d^2 / 2), size and limbs Gaussians of the logarithm of the ratio
    (widths 0.25 and 0.5), colours the square of Bhattacharyya's coefficient.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> walk = np.random.default_rng(0).uniform(0, 60, (1, 1, 17, 2)) + np.zeros((50, 2, 17, 2))
    >>> walk += 2 * np.arange(50)[:, None, None, None]
    >>> walk[20:, 0], walk[:30, 1] = np.nan, np.nan
    >>> t, scores = np.arange(50), np.ones((50, 2, 17))
    >>> tr = Trajectories(t, t / 25, [3, 8], walk, scores, COCO_17)
    >>> join_tracklets(tr).ids.tolist()
    [3]
    """
    check_positive(max_gap=max_gap, reach=reach)
    if not 0 <= min_similarity <= 1:
        raise ValueError(f"min_similarity must lie in [0, 1], got {min_similarity}")
    check_times(trajectories)
    there = np.asarray(trajectories.present.any(axis=0))
    tracklets = [
        _tracklet(trajectories, row, size) if there[row] else None
        for row, size in enumerate(sizes(trajectories))
    ]
    similarity = np.full((len(tracklets), len(tracklets)), np.nan)
    known = [None if colours is None else colours.get(int(person)) for person in trajectories.ids]
    for row, column in _candidates(tracklets, max_gap):
        ended, began = tracklets[row], tracklets[column]
        if ended is not None and began is not None:
            similarity[row, column] = _similarity(ended, began, reach)
            one, other = known[row], known[column]
            if one is not None and other is not None:
                similarity[row, column] *= colour_similarity(one, other) ** 2
    rows, columns = match_optimally(similarity, at_least=min_similarity)
    return _join_rows(trajectories, dict(zip(columns.tolist(), rows.tolist(), strict=True)))


def _candidates(tracklets: list[_Tracklet | None], max_gap: float) -> list[tuple[int, int]]:
    """Pairs (ended, began) that do not overlap and are near enough in time."""
    last = np.array([-np.inf if one is None else one.seconds[1] for one in tracklets])
    first = np.array([np.inf if one is None else one.seconds[0] for one in tracklets])
    gap = first[None, :] - last[:, None]
    rows, columns = np.nonzero((gap > 0) & (gap <= max_gap + 1e-6))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _tracklet(trajectories: Trajectories, row: int, size: float) -> _Tracklet:
    frames = np.flatnonzero(trajectories.present[:, row])
    seconds = trajectories.seconds[frames]
    boxes = trajectories.boxes[frames, row].astype(np.float64)
    near = seconds <= seconds[0] + _LOOK, seconds >= seconds[-1] - _LOOK
    start = _end(seconds[near[0]], boxes[near[0]], seconds[0])
    stop = _end(seconds[near[1]], boxes[near[1]], seconds[-1])
    return _Tracklet(
        (float(seconds[0]), float(seconds[-1])),
        (start[0], stop[0]),
        (start[1], stop[1]),
        (start[2], stop[2]),
        _limbs(trajectories, frames, row, size),
    )


def _end(
    seconds: Float64Array, boxes: Float64Array, at: float
) -> tuple[Float64Array, Float64Array, float]:
    """Middle and speed (a line through the boxes' middles) and longer side at one end."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    size = float(np.median((boxes[:, 2:] - boxes[:, :2]).max(axis=1)))
    since = seconds - seconds.mean()
    spread = float((since**2).sum())
    if spread < 1e-9:
        return middles.mean(axis=0), np.zeros(2), max(size, 1e-6)
    # A few frames say little about the speed: a standing person's jitter must not carry them away.
    trust = spread / (spread + 0.01)
    speed = trust * (since @ middles) / spread
    return middles.mean(axis=0) + (at - seconds.mean()) * speed, speed, max(size, 1e-6)


def _limbs(
    trajectories: Trajectories, frames: NDArray[np.intp], row: int, size: float
) -> Float64Array:
    """(E,) upper quartile of each limb's length in sizes: how long it is when seen from aside."""
    edges = trajectories.skeleton.edge_indices
    xy = trajectories.xy[frames, row].astype(np.float64)
    lengths = np.linalg.norm(xy[:, edges[:, 0]] - xy[:, edges[:, 1]], axis=-1) / size
    found = np.full(len(edges), np.nan)
    for limb in range(len(edges)):
        seen = lengths[np.isfinite(lengths[:, limb]), limb]
        if len(seen):
            found[limb] = np.quantile(seen, 0.75)
    return found


def _similarity(ended: _Tracklet, began: _Tracklet, reach: float) -> float:
    gap = began.seconds[0] - ended.seconds[1]
    coast = min(gap, _COAST)
    size = (ended.size[1] + began.size[0]) / 2
    step = began.middle[0] - ended.middle[1]
    # A hidden person goes on, or stops behind the obstacle: the nearest of the expected positions
    # counts.
    expected = (ended.speed[1], began.speed[0], (ended.speed[1] + began.speed[0]) / 2, np.zeros(2))
    apart = min(float(np.linalg.norm(step - coast * speed)) for speed in expected)
    nearness = np.exp(-0.5 * (apart / (size * (0.25 + reach * gap))) ** 2)
    grown = np.log(began.size[0] / ended.size[1])
    both = np.isfinite(ended.limbs) & np.isfinite(began.limbs) & (ended.limbs * began.limbs > 0)
    limbs = 1.0
    if both.sum() >= 4:
        ratio = np.abs(np.log(ended.limbs[both] / began.limbs[both]))
        limbs = np.exp(-0.5 * (float(np.median(ratio)) / 0.5) ** 2)
    return float(nearness * np.exp(-0.5 * (grown / 0.25) ** 2) * limbs)


def _join_rows(trajectories: Trajectories, before: dict[int, int]) -> Trajectories:
    """Rows put into those of the tracklets that come first; ``before`` maps a row to its prior."""
    if not before:
        return trajectories
    kept = with_raw(trajectories)
    assert kept.raw is not None
    names = ("xy", "scores", "boxes", "box_scores", "flow_age", "origin")
    arrays = {name: getattr(kept, name).copy() for name in names}
    raw = {name: getattr(kept.raw, name).copy() for name in ("xy", "scores", "ids")}
    for row in before:
        first = row
        while first in before:
            first = before[first]
        here = kept.present[:, row] | (kept.raw.ids[:, row] != NOBODY)
        for name, array in arrays.items():
            array[here, first] = getattr(kept, name)[here, row]
        for name, array in raw.items():
            array[here, first] = getattr(kept.raw, name)[here, row]
    stay = [row for row in range(len(kept.ids)) if row not in before]
    parts = {name: array[:, stay] for name, array in arrays.items()}
    return replace(
        kept,
        ids=kept.ids[stay],
        raw=Raw(**{name: array[:, stay] for name, array in raw.items()}),
        **parts,
    )
