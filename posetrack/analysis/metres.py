"""From pixels to metres: by someone's height, or by points of the floor whose places are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.analysis.measures import body_height
from posetrack.analysis.series import rate_of_change
from posetrack.ops.angles import SIDES
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]

_ANKLE: Final = 0.039
"""Ankles above the sole, of the standing height (Drillis and Contini, 1966)."""


_SEGMENTS: Final = (("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"))
_OF_HEIGHT: Final = 0.818 - 0.039
"""Shoulder to ankle over hip and knee, as a part of the standing height (Drillis and Contini 1966,
*Body Segment Parameters*; shoulders at 0.818 of it, ankles at 0.039)."""


def metres_per_pixel(
    trajectories: Trajectories, height: float, *, person: int | None = None
) -> float:
    """The scale at which a person's segments are as long as their height makes them.

    Trunk, thigh and shank are measured where all are seen, the longer side of each, and of all
    frames the ninth decile counts: a segment that points to the camera looks shorter, never longer.
    Good to some 5 % for people who keep their distance from the camera; for others use `Floor`.

    Parameters
    ----------
    trajectories
        People with shoulders, hips, knees and ankles.
    height
        Metres, standing.
    person
        Id of the person with this height; None for the person who is in the most frames.

    Raises
    ------
    ValueError
        If the height is not positive, the person is not there, or their segments are nowhere seen.
    KeyError
        If the skeleton lacks shoulders, hips, knees or ankles.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 17, 2))
    >>> xy[0, :, 1] = [0, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> people = Trajectories([0], [0.0], [1], xy[:, None], np.ones((1, 1, 17)), COCO_17)
    >>> round(metres_per_pixel(people, 1.80), 6)  # 300 pixels are 0.779 of 1.80 m
    0.004674
    """
    if not (0 < height < math.inf):
        raise ValueError(f"a height must be positive metres, got {height}")
    ids, counts = trajectories.ids, trajectories.present.sum(axis=0)
    if not len(ids) or (person is not None and person not in ids):
        raise ValueError(f"no person {'' if person is None else person} to take the height of")
    by_id = np.argsort(ids)  # ties go to the lowest id
    most_often = by_id[counts[by_id].argmax()]
    column = int(most_often if person is None else np.flatnonzero(ids == person)[0])
    xy = trajectories.xy[trajectories.present[:, column], column].astype(np.float64)
    skeleton = trajectories.skeleton
    total = np.zeros(len(xy))
    for start, end in _SEGMENTS:
        sides = [
            xy[:, skeleton.index(f"{side}_{end}")] - xy[:, skeleton.index(f"{side}_{start}")]
            for side in ("left", "right")
        ]
        total += np.fmax(*(np.hypot(*side.T) for side in sides))
    total = total[np.isfinite(total)]
    if not len(total) or not np.quantile(total, 0.9) > 0:
        raise ValueError("shoulder, hip, knee and ankle are in no frame seen together")
    return float(_OF_HEIGHT * height / np.quantile(total, 0.9))


@dataclass(frozen=True, eq=False)
class Floor:
    """A plane floor in the picture of a camera that does not move.

    Parameters
    ----------
    homography
        (3, 3), from pixels to metres on the floor, homogeneous.
    error
        Metres, root of the mean square by which the points it was made from miss their places;
        0 for four.

    Examples
    --------
    >>> corners = [[100, 100], [300, 100], [380, 300], [20, 300]]
    >>> floor = Floor.from_points(corners, [[0, 8], [4, 8], [4, 0], [0, 0]])
    >>> floor.to_metres([[200, 300]]).round(6).tolist()
    [[2.0, 0.0]]
    """

    homography: Float64Array
    error: float = 0.0

    @classmethod
    def from_points(cls, pixels: ArrayLike, metres: ArrayLike) -> Floor:
        """The floor on which some points of the picture have known places.

        Parameters
        ----------
        pixels, metres
            (P, 2) each, at least four, no three of four on one line. With more the sum of squared
            errors on the floor is what is made small, from a direct linear solution (R. Hartley,
            A. Zisserman, *Multiple View Geometry*, 2nd ed., 2004, algorithm 4.2).

        Raises
        ------
        ValueError
            If there are fewer than four, lengths differ, or they do not fix a plane.
        """
        here, there = np.asarray(pixels, np.float64), np.asarray(metres, np.float64)
        if here.ndim != 2 or here.shape[1] != 2 or here.shape != there.shape or len(here) < 4:
            raise ValueError(
                "expected at least 4 points (x, y) in pixels and as many in metres, got arrays "
                f"{here.shape} and {there.shape}"
            )
        if not (np.isfinite(here).all() and np.isfinite(there).all()):
            raise ValueError("points of the floor must be finite numbers")
        (one, in_here), (other, in_there) = _normalise(here), _normalise(there)
        rows = []
        for (x, y), (u, v) in zip(one, other, strict=True):
            rows += [[-x, -y, -1, 0, 0, 0, u * x, u * y, u], [0, 0, 0, -x, -y, -1, v * x, v * y, v]]
        _, strength, axes = np.linalg.svd(np.array(rows))
        if strength[7] < 1e-6 * strength[0]:
            raise ValueError("the points do not fix a floor: three of four lie on one line")
        fitted = np.linalg.inv(in_there) @ axes[-1].reshape(3, 3) @ in_here
        if abs(np.linalg.det(axes[-1].reshape(3, 3))) < 1e-9:
            raise ValueError("the points do not fix a floor: three of four lie on one line")
        miss = _map_points(fitted, here) - there
        return cls(fitted, float(np.sqrt((miss**2).sum(axis=1).mean())))

    def to_metres(self, xy: ArrayLike) -> Float64Array:
        """(..., 2) metres on the floor of pixels (..., 2); NaN stays."""
        return _map_points(self.homography, np.asarray(xy, np.float64))

    def to_pixels(self, metres: ArrayLike) -> Float64Array:
        """(..., 2) pixels of places (..., 2) on the floor."""
        return _map_points(np.linalg.inv(self.homography), np.asarray(metres, np.float64))


def feet(trajectories: Trajectories) -> Float64Array:
    """(T, N, 2) pixels of where someone stands: between the soles under both ankles.

    Ankles are 0.039 of the standing height above the floor, so that much is added; the mean of
    both sides, or the one that is seen.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, :, 1] = [0, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> tr = Trajectories([0], [0], [7], xy, np.ones((1, 1, 17)), COCO_17)
    >>> feet(tr).round(1).tolist()
    [[[0.0, 415.0]]]
    """
    index = trajectories.skeleton.index
    left, right = (
        trajectories.xy[:, :, index(f"{side}_ankle")].astype(np.float64) for side in SIDES
    )
    mean = (left + right) / 2
    found = np.where(np.isfinite(mean), mean, np.where(np.isfinite(left), left, right))
    found[..., 1] += _ANKLE * body_height(trajectories)
    return found


def floor_places(trajectories: Trajectories, floor: Floor) -> Float64Array:
    """(T, N, 2) metres: where on the floor everybody is; see `feet`.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> floor = Floor(np.diag([0.01, 0.01, 1.0]))  # seen straight from above, a centimetre a pixel
    >>> xy = np.full((1, 1, 17, 2), 300.0)
    >>> xy[..., 1] = [0, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> people = Trajectories([0], [0.0], [1], xy, np.ones((1, 1, 17)), COCO_17)
    >>> floor_places(people, floor).round(2).tolist()
    [[[3.0, 4.15]]]
    """
    return floor.to_metres(feet(trajectories))


def floor_speed(trajectories: Trajectories, floor: Floor, *, window: float = 1.0) -> Float64Array:
    """(T, N) metres a second over the floor, each taken over ``window`` seconds: a step or two.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> floor = Floor(np.diag([0.01, 0.01, 1.0]))  # seen straight from above, a centimetre a pixel
    >>> xy = np.zeros((5, 1, 17, 2))
    >>> xy[..., 0] = np.arange(5)[:, None, None] * 20  # to the right
    >>> xy[..., 1] = [0, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> people = Trajectories(range(5), np.arange(5) / 10, [1], xy, np.ones((5, 1, 17)), COCO_17)
    >>> floor_speed(people, floor)[:, 0].round(6).tolist()
    [2.0, 2.0, 2.0, 2.0, 2.0]
    """
    velocity = rate_of_change(
        floor_places(trajectories, floor), trajectories.seconds, window=window
    )
    return np.asarray(np.hypot(velocity[..., 0], velocity[..., 1]))


def _normalise(points: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Points about 0 at a mean distance of root 2, and the (3, 3) that makes them so."""
    middle = points.mean(axis=0)
    spread = float(np.hypot(*(points - middle).T).mean())
    scale = np.sqrt(2) / spread if spread > 0 else 1.0
    to = np.array([[scale, 0, -scale * middle[0]], [0, scale, -scale * middle[1]], [0, 0, 1]])
    return (points - middle) * scale, to


def _map_points(homography: NDArray[Any], xy: Float64Array) -> Float64Array:
    whole = np.concatenate([xy, np.ones((*xy.shape[:-1], 1))], axis=-1) @ homography.T
    return np.asarray(whole[..., :2] / whole[..., 2:])
