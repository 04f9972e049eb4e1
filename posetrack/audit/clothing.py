"""What each person wears over time, to see where an id changes clothes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.cleaning.clothing import colour_similarity, torso_histogram
from posetrack.trajectories import Trajectories

if TYPE_CHECKING:
    from posetrack.video import Frame

_WINDOW: Final = 1.0  # seconds on either side
_FEWEST: Final = 2


@dataclass(frozen=True, eq=False)
class ColourSeries:
    """Torso histograms of one person over time.

    Parameters
    ----------
    seconds
        (M,) when.
    histograms
        (M, 44) see `posetrack.cleaning.torso_histogram`.
    """

    seconds: NDArray[np.float64]
    histograms: NDArray[np.float32]

    def before(self, seconds: float) -> NDArray[np.float32] | None:
        """Mean over the second before; None where too little was seen."""
        return self._mean((self.seconds < seconds) & (self.seconds >= seconds - _WINDOW))

    def after(self, seconds: float) -> NDArray[np.float32] | None:
        """Mean over the second from a time on."""
        return self._mean((self.seconds >= seconds) & (self.seconds < seconds + _WINDOW))

    def _mean(self, rows: NDArray[np.bool_]) -> NDArray[np.float32] | None:
        if np.count_nonzero(rows) < _FEWEST:
            return None
        return np.asarray(self.histograms[rows].mean(axis=0), np.float32)


def colours_over_time(
    frames: Iterable[Frame],
    trajectories: Trajectories,
    *,
    every: float = 0.15,
    min_score: float = 0.2,
) -> dict[int, ColourSeries]:
    """Torso colours by id, from one pass over the video.

    Parameters
    ----------
    frames
        The open video.
    trajectories
        Everybody's keypoints over time.
    every
        Seconds between two looks.
    min_score
        Of the keypoints at the torso's corners.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.testing import crossing
    >>> from posetrack.video import Frame
    >>> scene = crossing(frames=4)
    >>> seconds = np.arange(4) / 25
    >>> frames = [Frame(scene.render(t), t, seconds[t]) for t in range(4)]
    >>> people = Trajectories(range(4), seconds, [1, 2], scene.xy, np.ones((4, 2, 17)), COCO_17)
    >>> colours = colours_over_time(frames, people)
    >>> sorted(colours), colours[1].histograms.shape
    ([1, 2], (1, 44))
    """
    people = {index: tracks for index, _, tracks in trajectories.to_table().frames()}
    found: dict[int, list[tuple[float, NDArray[np.float32]]]] = {}
    looked = -np.inf
    for frame in frames:
        tracks = people.get(frame.index)
        if tracks is None or frame.seconds - looked < every - 1e-6:
            continue
        looked = frame.seconds
        for row, person in enumerate(tracks.ids.tolist()):
            xy = np.where(tracks.scores[row][:, None] >= min_score, tracks.xy[row], np.nan)
            histogram = torso_histogram(frame.image, xy, tracks.skeleton)
            if histogram is not None:
                found.setdefault(person, []).append((frame.seconds, histogram))
    return {
        person: ColourSeries(
            np.array([when for when, _ in rows]), np.array([colour for _, colour in rows])
        )
        for person, rows in found.items()
    }


def colour_change(
    colours: dict[int, ColourSeries], before: int, after: int, seconds: float
) -> float:
    """Unlikeness, in [0, 1], of what one wears until a time and another from it on; 0 if unseen."""
    if before not in colours or after not in colours:
        return 0.0
    first, second = colours[before].before(seconds), colours[after].after(seconds)
    if first is None or second is None:
        return 0.0
    return float(np.clip(1 - colour_similarity(first, second), 0, 1))
