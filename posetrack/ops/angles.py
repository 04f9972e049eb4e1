"""Angles of joints and of segments, by name, in the plane of the picture.

A *joint angle* lies between the two bones that meet in a joint: 0 to 180 degrees, 180 where they
are in line, so that it never wraps. A *segment angle* is a bone's turn from where it is in someone
who stands with hanging arms: 0 there, positive anticlockwise as seen, -180 to 180 degrees or, when
unwrapped over time, on without jumps. Both are of the picture: a limb that points at the
camera looks different from one seen from the side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.checks import no_such
from posetrack.skeletons import Skeleton

Float64Array = NDArray[np.float64]
Against = Literal["vertical", "horizontal"]

SIDES: Final = ("left", "right")
JOINTS: Final = {
    "knee": ("hip", "ankle"),
    "hip": ("shoulder", "knee"),
    "shoulder": ("hip", "elbow"),
    "elbow": ("shoulder", "wrist"),
    "ankle": ("knee", "big_toe"),
}
"""The far ends of the two bones that meet in a joint. Each has a left and a right."""
SEGMENTS: Final = {
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
}
"""From where to where; they hang straight down at 0 degrees. Each has a left and a right."""
AXIAL: Final = {
    "trunk": (("left_hip", "right_hip"), ("left_shoulder", "right_shoulder")),
    "head": (("left_shoulder", "right_shoulder"), ("nose",)),
}
"""From the middle of some keypoints to that of others; they point straight up at 0 degrees."""


def joint_angle(first: ArrayLike, joint: ArrayLike, last: ArrayLike) -> Float64Array:
    """The angle at ``joint`` between the directions to ``first`` and to ``last``, in degrees.

    Parameters
    ----------
    first, joint, last
        (..., 2) places, NaN where unseen.

    Returns
    -------
    (...) degrees in [0, 180]; NaN where a place is missing, or two of them are the same.

    Examples
    --------
    >>> joint_angle([0, 0], [0, 1], [1, 1]).item()
    90.0
    """
    middle = np.asarray(joint, np.float64)
    u, v = np.asarray(first, np.float64) - middle, np.asarray(last, np.float64) - middle
    cross = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    found = np.degrees(np.arctan2(np.abs(cross), (u * v).sum(axis=-1)))
    return np.where(u.any(axis=-1) & v.any(axis=-1), found, np.nan)


def segment_angle(
    start: ArrayLike, end: ArrayLike, *, zero: tuple[float, float] = (1.0, 0.0)
) -> Float64Array:
    """How far the line from ``start`` to ``end`` is turned from a direction, anticlockwise as seen.

    Parameters
    ----------
    start, end
        (..., 2) pixels, y down; NaN where unseen.
    zero
        The direction whose angle is 0: to the right unless given; down is (0, 1), up (0, -1).

    Returns
    -------
    (...) degrees in [-180, 180]; NaN where a place is missing, or both are the same.

    Examples
    --------
    >>> segment_angle([0, 0], [0, -1]).item()  # y is down: this points up
    90.0
    >>> segment_angle([0, 0], [1, 1], zero=(0, 1)).item()
    45.0
    """
    vector = np.asarray(end, np.float64) - np.asarray(start, np.float64)
    x, y = zero
    # In a picture y is down, so what looks anticlockwise is a negative turn in its coordinates.
    found = np.degrees(
        np.arctan2(vector[..., 0] * y - vector[..., 1] * x, vector @ np.array([x, y]))
    )
    return np.where(vector.any(axis=-1), found, np.nan)


def unwrap(degrees: ArrayLike) -> Float64Array:
    """Angles over time (first axis) without jumps of a turn; the smaller change across NaN.

    Examples
    --------
    >>> unwrap([170.0, 179.0, np.nan, -176.0, -90.0]).tolist()
    [170.0, 179.0, nan, 184.0, 270.0]
    """
    values = np.array(degrees, np.float64)
    flat = values.reshape(len(values), -1)
    for column in flat.T:
        known = np.isfinite(column)
        column[known] = np.unwrap(column[known], period=360.0)
    return flat.reshape(values.shape)


def angle_names(skeleton: Skeleton) -> list[str]:
    """All angles that a skeleton's keypoints give, joints first.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> angle_names(COCO_17)[:4], angle_names(COCO_17)[-2:]
    (['left_knee', 'right_knee', 'left_hip', 'right_hip'], ['trunk', 'head'])
    """
    known = set(skeleton.keypoints)
    sided = [f"{side}_{name}" for name in (*JOINTS, *SEGMENTS) for side in SIDES]
    axial = [name for name, ends in AXIAL.items() if {*ends[0], *ends[1]} <= known]
    return [name for name in sided if set(_points(name)) <= known] + axial


def is_segment(name: str) -> bool:
    """Whether a name is that of a segment, whose angle can wrap."""
    return name in AXIAL or _without_side(name) in SEGMENTS


def angle(
    xy: NDArray[Any], skeleton: Skeleton, name: str, *, against: Against = "vertical"
) -> Float64Array:
    """An angle by name.

    Parameters
    ----------
    xy
        (..., K, 2) pixels, NaN where unseen.
    skeleton
        What the K keypoints are.
    name
        One of `angle_names`, such as ``"left_knee"`` or ``"trunk"``; without its side
        (``"knee"``) the mean of both sides, or of the one that is seen; or three keypoints
        joined by ``-``, the joint in the middle (``"nose-left_shoulder-left_wrist"``).
    against
        For segments: ``"vertical"``, turned from how it is in someone who stands with hanging
        arms (arms and legs down, trunk and head up), or ``"horizontal"``, from pointing right.

    Returns
    -------
    (...) degrees: [0, 180] for joints, [-180, 180] for segments, anticlockwise as seen.

    Raises
    ------
    KeyError
        If there is no such angle, or the skeleton lacks a keypoint of it.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.full((17, 2), np.nan)
    >>> xy[[11, 13, 15]] = [[50, 0], [50, 40], [90, 40]]  # left hip, knee, ankle
    >>> angle(xy, COCO_17, "left_knee").item(), angle(xy, COCO_17, "left_shank").item()
    (90.0, 90.0)
    """
    if name in JOINTS or name in SEGMENTS:
        return _both_sides(
            [angle(xy, skeleton, f"{side}_{name}", against=against) for side in SIDES]
        )
    if name in AXIAL:
        start, end = (_middle(xy, skeleton, ends) for ends in AXIAL[name])
        return segment_angle(start, end, zero=(0, -1) if against == "vertical" else (1, 0))
    points = name.split("-") if name.count("-") == 2 else _points(name)
    if not points:
        known = angle_names(skeleton)
        raise KeyError(no_such("angle", name, known, has=f"{skeleton.name} has"))
    places = [xy[..., skeleton.index(point), :] for point in points]
    if len(places) == 3:
        return joint_angle(*places)
    return segment_angle(*places, zero=(0, 1) if against == "vertical" else (1, 0))


def _points(name: str) -> Sequence[str]:
    """Keypoints of an angle of one side; none where there is no such angle."""
    side, plain = name.partition("_")[0], _without_side(name)
    if plain in JOINTS:
        first, last = JOINTS[plain]
        return f"{side}_{first}", name, f"{side}_{last}"
    return [f"{side}_{end}" for end in SEGMENTS.get(plain, ())]


def _without_side(name: str) -> str:
    """A name without its side; nothing where it has none."""
    side, _, plain = name.partition("_")
    return plain if side in SIDES else ""


def _middle(xy: NDArray[Any], skeleton: Skeleton, points: Sequence[str]) -> Float64Array:
    places = xy[..., [skeleton.index(point) for point in points], :]
    middle: Float64Array = np.asarray(places, np.float64).mean(axis=-2)
    return middle


def _both_sides(sides: list[Float64Array]) -> Float64Array:
    """The mean, or the one that is known."""
    left, right = sides
    mean = (left + right) / 2
    return np.where(np.isfinite(mean), mean, np.where(np.isfinite(left), left, right))
