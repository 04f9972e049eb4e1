"""What people wear: colour histograms of their torsos, gathered in one pass over the video."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import Image
from posetrack.skeletons import Skeleton
from posetrack.trajectories import Trajectories

if TYPE_CHECKING:
    from posetrack.structures import Tracks
    from posetrack.video import Frame

Float32Array = NDArray[np.float32]

_HUES, _STRENGTHS, _GREYS = 12, 3, 8
_COLOURFUL = 48  # of 255: what is less saturated counts as grey
_CORNERS = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
_FEWEST_PIXELS = 12


def torso_histogram(
    image: Image, xy: NDArray[np.floating], skeleton: Skeleton
) -> Float32Array | None:
    """Colours of one person's torso: 12 hues x 3 strengths and 8 greys, with sum 1.

    Parameters
    ----------
    image
        (H, W, 3) uint8 BGR.
    xy
        (K, 2) pixels. The torso lies between shoulders and hips.
    skeleton
        What the keypoints are.

    Returns
    -------
    (44,) float32; None where a corner of the torso is unseen, or less than 12 pixels of it lie in
    the image.

    Examples
    --------
    >>> from posetrack.testing import crossing
    >>> scene = crossing(frames=1)
    >>> histogram = torso_histogram(scene.render(0), scene.xy[0, 0], scene.skeleton)
    >>> histogram.shape, round(float(histogram.sum()), 3)
    ((44,), 1.0)
    """
    import cv2

    if not set(_CORNERS) <= set(skeleton.keypoints):
        return None
    corners = np.asarray(xy, np.float64)[[skeleton.index(name) for name in _CORNERS]]
    if not np.isfinite(corners).all():
        return None
    # From the side the torso is thin; a little less than all of it, so that no wall is in it.
    corners = np.rint(corners.mean(axis=0) + 0.9 * (corners - corners.mean(axis=0)))
    limit = np.array(image.shape[1::-1]) - 1
    low = np.clip(corners.min(axis=0), 0, limit).astype(int)
    high = np.clip(corners.max(axis=0), 0, limit).astype(int)
    part = image[low[1] : high[1] + 1, low[0] : high[0] + 1]
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull((corners - low).astype(np.int32)), (1,))
    inside = part[mask > 0]
    if len(inside) < _FEWEST_PIXELS:
        return None
    return _histogram(cv2.cvtColor(inside[None], cv2.COLOR_BGR2HSV)[0])


def _histogram(hsv: NDArray[np.unsignedinteger]) -> Float32Array:
    hue, strength, value = hsv.astype(np.int64).T
    is_colour = (strength >= _COLOURFUL) & (value >= 32)
    level = (strength - _COLOURFUL) * _STRENGTHS // (256 - _COLOURFUL)
    colour = (hue * _HUES // 180) * _STRENGTHS + level
    grey = _HUES * _STRENGTHS + value * _GREYS // 256
    counts = np.bincount(np.where(is_colour, colour, grey), minlength=_HUES * _STRENGTHS + _GREYS)
    return np.asarray(counts / counts.sum(), np.float32)


class TorsoColours:
    """Mean torso histograms by id, gathered frame by frame while there are images.

    Parameters
    ----------
    every
        Seconds between two looks at the same person; clothes do not change from frame to frame.
    min_score
        Of the keypoints at the torso's corners.

    Examples
    --------
    >>> from posetrack import Tracks
    >>> from posetrack.testing import crossing
    >>> scene = crossing(frames=2)
    >>> colours = TorsoColours()
    >>> colours.update(scene.render(0), Tracks(*scene.truth(0)), 0.0)
    >>> sorted(colours.histograms())
    [1, 2]
    """

    def __init__(self, *, every: float = 0.2, min_score: float = 0.2) -> None:
        self.every, self.min_score = every, min_score
        self._sums: dict[int, Float32Array] = {}
        self._looked: dict[int, float] = {}

    def update(self, image: Image, tracks: Tracks, seconds: float) -> None:
        """Look at the people of one frame; the image is not kept."""
        for row, person in enumerate(tracks.ids.tolist()):
            if seconds - self._looked.get(person, -np.inf) < self.every - 1e-6:
                continue
            xy = np.where(tracks.scores[row][:, None] >= self.min_score, tracks.xy[row], np.nan)
            found = torso_histogram(image, xy, tracks.skeleton)
            if found is not None:
                self._looked[person] = seconds
                self._sums[person] = self._sums.get(person, np.float32(0)) + found

    @property
    def state(self) -> list[Any]:
        """All it has gathered, in what JSON can hold."""
        return [
            [person, self._looked[person], total.tolist()] for person, total in self._sums.items()
        ]

    def load_state(self, state: Iterable[Any]) -> None:
        """Go on where another's `state` was taken."""
        self._looked = {int(person): float(seconds) for person, seconds, _ in state}
        self._sums = {int(person): np.array(total, np.float32) for person, _, total in state}

    def histograms(self) -> dict[int, Float32Array]:
        """By id, each with sum 1; without those whose torso was never seen."""
        return {person: np.asarray(total / total.sum()) for person, total in self._sums.items()}


def collect_colours(
    frames: Iterable[Frame], trajectories: Trajectories, *, every: float = 0.2
) -> dict[int, Float32Array]:
    """Torso histograms by id from one pass over the video that the trajectories are of.

    Parameters
    ----------
    frames
        The open video; frames belong together by their index.
    trajectories
        The tracks, with the ids that the tracker gave (before joining).
    every
        Seconds, see `TorsoColours`.

    Examples
    --------
    >>> from posetrack.testing import crossing
    >>> from posetrack.video import Frame
    >>> scene = crossing(frames=2)
    >>> tr = Trajectories([0, 1], [0, 0.04], [1, 2], scene.xy, np.ones((2, 2, 17)), scene.skeleton)
    >>> frames = (Frame(image, index, index / 25) for index, image in enumerate(scene))
    >>> sorted(collect_colours(frames, tr))
    [1, 2]
    """
    colours = TorsoColours(every=every)
    people = {index: tracks for index, _, tracks in trajectories.to_table().frames()}
    for frame in frames:
        if frame.index in people:
            colours.update(frame.image, people[frame.index], frame.seconds)
    return colours.histograms()


def colour_similarity(first: Float32Array, second: Float32Array) -> float:
    """Bhattacharyya coefficient of two histograms, in [0, 1].

    Examples
    --------
    >>> colour_similarity(np.array([0.5, 0.5]), np.array([0.0, 1.0])).__round__(3)
    0.707
    """
    return float(np.sqrt(np.asarray(first) * np.asarray(second)).sum())
