"""Conditions by what they mean: beyond a line, in a zone, near someone, lying, hands raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.analysis import series
from posetrack.analysis.conditions import Threshold
from posetrack.analysis.measures import body_height, measure, uprightness
from posetrack.checks import no_such
from posetrack.ops.angles import SIDES
from posetrack.skeletons import Skeleton
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]
Which = Literal["any", "all"]
Side = Literal["left", "right", "above", "below"]
Bone = tuple[str, str]

_UPRIGHT: Final = 0.5  # uprightness of someone who does not lie
_OUTWARD: Final[Mapping[Side, tuple[int, int]]] = MappingProxyType(
    {"left": (-1, 0), "right": (1, 0), "above": (0, -1), "below": (0, 1)}
)
_JOINTS: Final = {
    "hands": ("wrist",),
    "arms": ("elbow", "wrist"),
    "feet": ("ankle",),
    "legs": ("knee", "ankle"),
    "hips": ("hip",),
    "shoulders": ("shoulder",),
}
GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {name: tuple(f"{side}_{joint}" for side in SIDES for joint in joints)
     for name, joints in _JOINTS.items()}
)  # fmt: skip
"""Names for several keypoints, which stand wherever those of keypoints do."""
_CHAINS: Final = {
    "arms": ("shoulder", "elbow", "wrist"),
    "legs": ("hip", "knee", "ankle"),
}


def inside(
    keypoints: Sequence[str], zone: ArrayLike, *, which: Which = "any", depth: float = 0.0,
    leave: float | None = None,
) -> Threshold:  # fmt: skip
    """Keypoints inside a polygon of the picture: feet on the seats.

    Parameters
    ----------
    keypoints
        Names of keypoints or of `GROUPS`.
    zone
        (P, 2) pixels, at least three corners in order.
    which
        Whether any of them is enough, or all must be in it.
    depth, leave
        How far inside they must get, and out to where they may go (negative is outside), in body
        heights; 0.02 further out when None.

    Raises
    ------
    ValueError
        If the zone has fewer than three corners.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, :, 1] = [50, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> tr = Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)  # arms up
    >>> mat = [[-9, 380], [9, 380], [9, 420], [-9, 420]]
    >>> inside(["feet"], mat).holds(tr, 0.1).tolist()
    [[[True]]]
    """
    corners = np.asarray(zone, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ValueError(f"a zone needs at least 3 points (x, y), got an array {corners.shape}")

    def signal(trajectories: Trajectories) -> Float64Array:
        places = _places(trajectories, keypoints)
        deep = _which(depth_inside(places, corners), which)
        return np.asarray(deep / body_height(trajectories))

    return Threshold(signal, depth, depth - 0.02 if leave is None else leave)


def beyond(
    keypoints: Sequence[str], line: ArrayLike, side: Side, *, which: Which = "any",
    depth: float = 0.0, leave: float | None = None,
) -> Threshold:  # fmt: skip
    """Keypoints on one side of a line through two points of the picture.

    Parameters
    ----------
    keypoints
        Names of keypoints or of `GROUPS`.
    line
        (2, 2) pixels; it goes on beyond both points.
    side
        Which side counts, as seen.
    which, depth, leave
        As for `inside`.

    Raises
    ------
    ValueError
        If the points are the same, or the line has no such side (an upright one no ``above``).

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, :, 1] = [50, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> tr = Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)  # arms up
    >>> beyond(["feet"], [[0, 300], [9, 300]], "below").holds(tr, 0.1).tolist()
    [[[True]]]
    """
    start, end = np.asarray(line, np.float64).reshape(2, 2)
    normal = np.array([end[1] - start[1], start[0] - end[0]])
    outward = float(normal @ _OUTWARD[side])
    if outward == 0:
        raise ValueError(f"the line {start.tolist()} to {end.tolist()} has no side {side!r}")
    normal *= np.sign(outward) / np.linalg.norm(normal)

    def signal(trajectories: Trajectories) -> Float64Array:
        deep = (_places(trajectories, keypoints) - start) @ normal
        return np.asarray(_which(deep, which) / body_height(trajectories))

    return Threshold(signal, depth, depth - 0.02 if leave is None else leave)


def near(
    keypoints: Sequence[str], of_other: Sequence[str], *, closer_than: float = 0.08,
    leave: float | None = None,
) -> Threshold:  # fmt: skip
    """Any of a person's keypoints near any of another's: a hand near someone's leg.

    Parameters
    ----------
    keypoints, of_other
        Names of keypoints or of `GROUPS`. The other's ``legs`` and ``arms`` are whole limbs, from
        hip to ankle and from shoulder to wrist.
    closer_than, leave
        In body heights, mean of the two people's; half as much again when None. The picture has
        no depth: a person behind another counts as near, too.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 2, 17, 2))
    >>> xy[..., 1] = [50, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> xy[0, 1, :, 0] = 10  # someone right beside
    >>> tr = Trajectories([0], [0], [7, 8], xy, np.ones((1, 2, 17)), COCO_17)
    >>> near(["feet"], ["legs"]).holds(tr, 0.1).tolist()
    [[[False, True], [True, False]]]
    """

    def signal(trajectories: Trajectories) -> Float64Array:
        places = _places(trajectories, keypoints)[:, :, None]
        nearest = np.full((len(trajectories), *(len(trajectories.ids),) * 2), np.nan)
        for start, end in _bones(of_other):
            ends = _places(trajectories, [start, end])[:, None]
            for point in range(places.shape[-2]):
                away = _to_segment(places[..., point, :], ends[..., 0, :], ends[..., 1, :])
                nearest = np.fmin(nearest, away)
        tall = body_height(trajectories)
        nearest /= (tall[:, :, None] + tall[:, None]) / 2
        own = np.arange(len(trajectories.ids))
        nearest[:, own, own] = np.nan
        return nearest

    return Threshold(signal, closer_than, 1.5 * closer_than if leave is None else leave, False)


def lying(*, below: float = 0.4, leave: float = 0.5) -> Threshold:
    """Lies, on whatever side and in whatever direction; see `posetrack.analysis.uprightness`.

    Examples
    --------
    >>> lying().enter, lying(below=0.3, leave=0.4).leave
    (0.4, 0.4)
    """
    return Threshold(uprightness, below, leave, False)


def hands_raised(
    *, over: Literal["head", "shoulders"] = "head", which: Which = "all", depth: float = 0.02,
    leave: float = -0.02,
) -> Threshold:  # fmt: skip
    """Wrists above the nose, or above the shoulders, by ``depth`` in body heights.

    ``which`` says whether both hands must be up, or any is enough. Who lies raises no hands.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, :, 1] = [50, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> tr = Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)  # arms up
    >>> hands_raised().holds(tr, 0.1).tolist()
    [[[True]]]
    """

    def signal(trajectories: Trajectories) -> Float64Array:
        level = ["nose"] if over == "head" else list(GROUPS["shoulders"])
        reference = _places(trajectories, level)[..., 1].mean(axis=-1)
        up = reference[..., None] - _places(trajectories, ["hands"])[..., 1]
        raised = _which(up, which) / body_height(trajectories)
        return np.where(uprightness(trajectories) < _UPRIGHT, -1.0, raised)

    return Threshold(signal, depth, leave)


def angle_is(
    name: str, *, above: float | None = None, below: float | None = None,
    leave: float | None = None,
) -> Threshold:  # fmt: skip
    """An angle or a measure by name above or below a level; one of the two must be given.

    ``leave`` is 5 degrees back from it when None; for measures, which are not in degrees, give it.

    Raises
    ------
    ValueError
        If not exactly one of ``above`` and ``below`` is given.

    Examples
    --------
    >>> bent = angle_is("left_knee", below=100)
    >>> bent.enter, bent.leave
    (100.0, 105.0)
    """
    if (above is None) == (below is None):
        raise ValueError("give exactly one of above and below")
    is_above = above is not None
    level = float(above if above is not None else below)  # type: ignore[arg-type]
    until = (level - 5 if is_above else level + 5) if leave is None else leave
    return Threshold(lambda trajectories: measure(trajectories, name), level, until, is_above)


def faster(
    keypoints: Sequence[str], than: float, *, leave: float | None = None, window: float = 0.2
) -> Threshold:
    """Any of some keypoints faster than ``than`` (body heights a second, over ``window`` s).

    Examples
    --------
    >>> quick = faster(["hands"], 2.0)
    >>> quick.enter, quick.leave
    (2.0, 1.6)
    """

    def signal(trajectories: Trajectories) -> Float64Array:
        speeds = [
            series.speed(trajectories, name, window=window)
            for name in _expand_names(keypoints, trajectories.skeleton)
        ]
        return np.asarray(np.fmax.reduce(speeds) / body_height(trajectories))

    return Threshold(signal, than, 0.8 * than if leave is None else leave)


def _expand_names(keypoints: Sequence[str], skeleton: Skeleton | None = None) -> list[str]:
    """Names of keypoints, those of groups written out.

    Parameters
    ----------
    keypoints
        Names of keypoints or of `GROUPS`.
    skeleton
        Whose keypoints they must be, if given.

    Raises
    ------
    KeyError
        If a name is neither a group nor a keypoint of the skeleton; with those that come near.

    Examples
    --------
    >>> _expand_names(["nose", "hands"])
    ['nose', 'left_wrist', 'right_wrist']
    """
    if skeleton is not None:
        for name in keypoints:
            if name not in GROUPS and name not in skeleton.keypoints:
                known = [*GROUPS, *skeleton.keypoints]
                sentence = no_such("keypoint or group", name, known, has="it has")
                raise KeyError(f"{skeleton.name} has {sentence}")
    return [point for name in keypoints for point in GROUPS.get(name, (name,))]


def depth_inside(places: Float64Array, corners: Float64Array) -> Float64Array:
    """(...) pixels from places (..., 2) to the edge of a polygon (P, 2), negative outside.

    Examples
    --------
    >>> square = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    >>> depth_inside(np.array([[5.0, 4], [13, 14]]), square).tolist()
    [4.0, -5.0]
    """
    nearest = np.full(places.shape[:-1], np.inf)
    within = np.zeros(places.shape[:-1], np.bool_)
    x, y = places[..., 0], places[..., 1]
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        nearest = np.minimum(nearest, _to_segment(places, start, end))
        spans = (start[1] > y) != (end[1] > y)
        rise = end[1] - start[1] if end[1] != start[1] else 1.0
        within ^= spans & (x < start[0] + (y - start[1]) * (end[0] - start[0]) / rise)
    return np.where(within, nearest, -nearest)


def _to_segment(places: Float64Array, start: Float64Array, end: Float64Array) -> Float64Array:
    """(...) pixels from places to the nearest points of segments."""
    along = end - start
    length = (along**2).sum(axis=-1)
    share = ((places - start) * along).sum(axis=-1) / np.where(length > 0, length, 1.0)
    nearest = start + np.clip(share, 0.0, 1.0)[..., None] * along
    return np.asarray(np.hypot(*np.moveaxis(places - nearest, -1, 0)))


def _bones(names: Sequence[str]) -> list[Bone]:
    """Limbs of groups, and single keypoints as bones of no length."""
    bones: list[Bone] = []
    for name in names:
        if name in _CHAINS:
            chain = _CHAINS[name]
            pairs = pairwise(chain)
            bones += [(f"{s}_{a}", f"{s}_{b}") for a, b in pairs for s in SIDES]
        else:
            bones += [(point, point) for point in _expand_names([name])]
    return bones


def _places(trajectories: Trajectories, keypoints: Sequence[str]) -> Float64Array:
    """(T, N, P, 2)."""
    skeleton: Skeleton = trajectories.skeleton
    points = [skeleton.index(name) for name in _expand_names(keypoints, skeleton)]
    return np.asarray(trajectories.xy[:, :, points], np.float64)


def _which(values: NDArray[Any], which: Which) -> Float64Array:
    """(T, N) of (T, N, P): the most of those known, or the least of all, of which none may miss."""
    return np.asarray(np.fmax.reduce(values, axis=-1) if which == "any" else values.min(axis=-1))
