"""Measures of posture that hold from most views: heights of body parts, in parts of the body.

The angle of a limb that points at the camera says little. How high one part of the body is above
another says more, for cameras that look more or less level: counting exercises and the rules for
lying and raised hands rely on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.angles import SIDES
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]
Measure: TypeAlias = Callable[[Trajectories], Float64Array]
"""From trajectories to (T, N) numbers, NaN where unknown."""

_SHOULDER_TO_ANKLE: Final = 0.818 - 0.039
"""Of the standing height (Drillis and Contini, Body Segment Parameters, 1966)."""
_MIN_SHARE = 0.5
_MOMENT = 0.3  # seconds


def body_height(trajectories: Trajectories, *, window: float = 8.0) -> Float64Array:
    """(T, N) pixels: how tall each would stand in the picture, whatever the posture.

    Trunk, thigh and shank, the longer side of each, are 0.78 of a standing person. What points at
    the camera looks shorter and never longer, so the ninth decile within a window counts. Where
    they are never seen together, the longer side of the box does.

    Parameters
    ----------
    trajectories
        People with shoulders, hips, knees and ankles.
    window
        Seconds. Long enough to hold a moment in which the body is stretched or seen from the
        side, short enough for people walking towards the camera.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, :, 1] = [0, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> tr = Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)
    >>> body_height(tr).round(1).tolist()
    [[385.1]]
    """
    parts = (("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"))
    tall = np.asarray(sum(_longer(trajectories, *ends) for ends in parts)) / _SHOULDER_TO_ANKLE
    size = trajectories.boxes[..., 2:] - trajectories.boxes[..., :2]
    found = np.empty(tall.shape)
    for row, column in enumerate(tall.T):
        known = column if np.isfinite(column).any() else size[:, row].max(axis=-1)
        found[:, row] = _high_over_time(np.asarray(known, float), trajectories.seconds, window)
    return found


def leg_length(trajectories: Trajectories, *, window: float = 8.0) -> Float64Array:
    """(T, N) pixels of thigh and shank, as long as they look within a window; see `body_height`.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, 11:, 1] = [200, 200, 300, 300, 400, 400]  # hips, knees, ankles
    >>> leg_length(Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)).tolist()
    [[200.0]]
    """
    return _limb_lengths(trajectories, (("hip", "knee"), ("knee", "ankle")), window)


def arm_length(trajectories: Trajectories, *, window: float = 8.0) -> Float64Array:
    """(T, N) pixels of upper arm and forearm, as long as they look within a window.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, 5:11, 1] = [100, 100, 160, 160, 210, 210]  # shoulders, elbows, wrists
    >>> arm_length(Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)).tolist()
    [[110.0]]
    """
    return _limb_lengths(trajectories, (("shoulder", "elbow"), ("elbow", "wrist")), window)


def hip_height(trajectories: Trajectories) -> Float64Array:
    """(T, N) how high the hips are above the ankles, in lengths of a leg: 1 standing.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, 11:] = [[0, 200], [9, 200], [60, 280], [69, 280], [0, 360], [9, 360]]  # knees bent
    >>> hip_height(Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)).tolist()
    [[0.8]]
    """
    return _rise(trajectories, "ankle", "hip") / leg_length(trajectories)


def wrist_height(trajectories: Trajectories) -> Float64Array:
    """(T, N) how high the wrists are above the shoulders, in lengths of an arm: -1 hanging.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, 5:11, 1] = [100, 100, 50, 50, 0, 0]  # shoulders, elbows, wrists: arms up
    >>> wrist_height(Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)).tolist()
    [[1.0]]
    """
    return _rise(trajectories, "shoulder", "wrist") / arm_length(trajectories)


def shoulder_height(trajectories: Trajectories) -> Float64Array:
    """(T, N) how high the shoulders are above the wrists, in lengths of an arm: 1 on the hands.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, 5:11, 1] = [100, 100, 150, 150, 200, 200]  # shoulders, elbows, wrists: hanging
    >>> shoulder_height(Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)).tolist()
    [[1.0]]
    """
    return -wrist_height(trajectories)


def uprightness(trajectories: Trajectories) -> Float64Array:
    """(T, N) about 1 standing and sitting, 0.5 crouching or bent over, 0.3 and less lying.

    The larger of two shares: how much of the trunk's length, and how much of the body's, is from
    top to bottom in the picture. Someone who lies along the line of sight of a level camera is
    low in both; nobody who sits, squats or bends is. Unknown where fewer than half of the
    keypoints are seen and the trunk is not.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, :, 0] = [0, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> tr = Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)
    >>> uprightness(tr).tolist()
    [[0.0]]
    """
    xy = trajectories.xy.astype(np.float64)
    seen = np.isfinite(xy[..., 0])
    top = np.where(seen, xy[..., 1], np.inf).min(axis=-1)
    bottom = np.where(seen, xy[..., 1], -np.inf).max(axis=-1)
    enough = seen.mean(axis=-1) >= _MIN_SHARE
    body = np.where(enough, bottom - top, np.nan) / body_height(trajectories)
    trunk = np.abs(_rise(trajectories, "hip", "shoulder"))
    return np.fmax(body, trunk / _limb_lengths(trajectories, (("shoulder", "hip"),), 8.0))


def trunk_tilt(trajectories: Trajectories) -> Float64Array:
    """(T, N) degrees by which the trunk is turned from upright, to whichever side: 0 to 180.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, [5, 6]] = 100  # shoulders to the right of the hips, and lower
    >>> trunk_tilt(Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)).tolist()
    [[135.0]]
    """
    from posetrack.ops.angles import angle

    return np.abs(angle(trajectories.xy, trajectories.skeleton, "trunk"))


MEASURES: Final[Mapping[str, Measure]] = MappingProxyType(
    {
        "hip_height": hip_height,
        "wrist_height": wrist_height,
        "shoulder_height": shoulder_height,
        "uprightness": uprightness,
        "trunk_tilt": trunk_tilt,
    }
)
"""By name, for exercises and rules."""


def measure(trajectories: Trajectories, name: str) -> Float64Array:
    """(T, N) a measure of `MEASURES`, or an angle, by name; segment angles in [-180, 180].

    Raises
    ------
    KeyError
        If it is neither.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, [11, 13, 15]] = [[50, 0], [50, 40], [90, 40]]
    >>> tr = Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)
    >>> measure(tr, "left_knee").round(1).tolist()
    [[90.0]]
    """
    from posetrack.ops.angles import angle

    if name in MEASURES:
        return MEASURES[name](trajectories)
    try:
        return angle(trajectories.xy, trajectories.skeleton, name)
    except KeyError as error:
        known = ", ".join(MEASURES)
        raise KeyError(f"{error.args[0]}; measures are {known}") from None


def _limb_lengths(
    trajectories: Trajectories, parts: tuple[tuple[str, str], ...], window: float
) -> Float64Array:
    """(T, N) the length of a limb, the ninth decile within a window; NaN where never seen."""
    long = np.asarray(sum(_longer(trajectories, *ends) for ends in parts))
    found = np.empty(long.shape)
    for row, column in enumerate(long.T):
        found[:, row] = _high_over_time(column, trajectories.seconds, window)
    return found


def _side(trajectories: Trajectories, side: str, joint: str) -> Float64Array:
    index = trajectories.skeleton.index(f"{side}_{joint}")
    return trajectories.xy[:, :, index].astype(np.float64)


def _longer(trajectories: Trajectories, start: str, end: str) -> Float64Array:
    """(T, N) pixels of a bone, on the side where it looks longer.

    Its ends' places are averaged over a moment before, as jitter makes every bone longer.
    """
    ways = [
        _steady(_side(trajectories, side, end) - _side(trajectories, side, start), trajectories)
        for side in SIDES
    ]
    return np.asarray(np.fmax(*(np.hypot(motion[..., 0], motion[..., 1]) for motion in ways)))


def _steady(ways: Float64Array, trajectories: Trajectories) -> Float64Array:
    """(T, N, 2) means of what is known within a moment."""
    seconds = trajectories.seconds
    first = np.searchsorted(seconds, seconds - _MOMENT / 2 - 1e-9)
    past = np.searchsorted(seconds, seconds + _MOMENT / 2 + 1e-9, side="right")
    known = np.isfinite(ways)
    before = np.zeros((1, *ways.shape[1:]))
    sums = np.concatenate([before, np.cumsum(np.where(known, ways, 0.0), axis=0)])
    counts = np.concatenate([before, np.cumsum(known, axis=0)])
    total, count = sums[past] - sums[first], counts[past] - counts[first]
    means: Float64Array = np.where(known, total / np.maximum(count, 1), np.nan)
    return means


def _rise(trajectories: Trajectories, low: str, high: str) -> Float64Array:
    """(T, N) pixels by which one joint is above another: mean of the sides, or the one seen."""
    left, right = (
        _side(trajectories, side, low)[..., 1] - _side(trajectories, side, high)[..., 1]
        for side in SIDES
    )
    mean = (left + right) / 2
    return np.where(np.isfinite(mean), mean, np.where(np.isfinite(left), left, right))


def _high_over_time(values: Float64Array, seconds: NDArray[Any], window: float) -> Float64Array:
    """(T,) the ninth decile of each window's values, in between on straight lines."""
    if not window > 0:
        raise ValueError(f"window must be more than 0 seconds, got {window}")
    known = np.isfinite(values) & (values > 0)
    if not known.any():
        return np.full(len(values), np.nan)
    pieces = max(int(np.ceil((seconds[-1] - seconds[0]) / window)), 1)
    edges = np.linspace(seconds[0], seconds[-1], pieces + 1)
    piece = np.clip(np.searchsorted(edges, seconds, side="right") - 1, 0, pieces - 1)
    times, highs = [], []
    for number in np.unique(piece[known]):
        rows = known & (piece == number)
        times.append(float(seconds[rows].mean()))
        highs.append(float(np.quantile(values[rows], 0.9)))
    return np.asarray(np.interp(seconds, times, highs))
