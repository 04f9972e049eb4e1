"""Cleaning while a video runs: nothing later is needed, and nothing is delayed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.cleaning.changes import check_positive
from posetrack.structures import Poses, Tracks
from posetrack.trajectories import Origin

Float64Array = NDArray[np.float64]


@dataclass(eq=False)
class _Memory:
    """The filter's state for one person's K keypoints, NaN where unknown."""

    seconds: Float64Array
    xy: Float64Array
    speed: Float64Array
    scores: Float64Array
    size: float
    last: float


class OnlineCleaner:
    """Gates, fills and smooths tracks frame by frame; the causal counterpart of the functions.

    Keypoints with low scores are taken out, those missing for a short time stay where they were
    last, and the rest go through a One-Euro filter. Whoever is not in the frame is not invented.

    Parameters
    ----------
    min_score
        Keypoints below are taken out; see `gate_scores`. 0 takes out none.
    max_gap
        Seconds for which a missing keypoint stays where it was; 0 fills nothing. After as long the
        filter begins anew.
    smooth
        Whether to filter.
    min_cutoff, beta, speed_cutoff
        Of the filter, see `one_euro`. A person's size is followed over time here, so that the
        result differs slightly from that of `one_euro`, which knows the whole video.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> cleaner = OnlineCleaner(max_gap=0.2)
    >>> here = Poses.from_keypoints(np.ones((1, 17, 2)), None, COCO_17)
    >>> half = Poses(here.xy, np.arange(17)[None] / 16, here.boxes, COCO_17)
    >>> _ = cleaner.update(Tracks(here, [7]), 0.0)
    >>> cleaned, origin = cleaner.update(Tracks(half, [7]), 0.04)
    >>> bool(np.isfinite(cleaned.xy).all()), Origin(int(origin[0, 0]))
    (True, <Origin.FILLED|REJECTED: 18>)
    """

    def __init__(
        self,
        *,
        min_score: float = 0.2,
        max_gap: float = 0.2,
        smooth: bool = True,
        min_cutoff: float = 1.5,
        beta: float = 8.0,
        speed_cutoff: float = 1.0,
    ) -> None:
        check_positive(min_cutoff=min_cutoff, speed_cutoff=speed_cutoff)
        if not (max_gap >= 0 and beta >= 0):
            raise ValueError(f"max_gap and beta must be at least 0, got {max_gap} and {beta}")
        self.min_score, self.max_gap, self.smooth = min_score, max_gap, smooth
        self.min_cutoff, self.beta, self.speed_cutoff = min_cutoff, beta, speed_cutoff
        self._people: dict[int, _Memory] = {}

    def reset(self) -> None:
        """Forget everybody, as a new cleaner."""
        self._people.clear()

    def update(self, tracks: Tracks, seconds: float) -> tuple[Tracks, NDArray[np.int8]]:
        """The tracks of one frame, cleaned.

        Parameters
        ----------
        tracks
            As `posetrack.Tracker.update` gave them; left as they are, the raw values.
        seconds
            The frame's time, later than that before.

        Returns
        -------
        tracks
            The same people, boxes and ids.
        origin
            (N, K) int8, an `Origin` for each keypoint.

        Raises
        ------
        ValueError
            If the time is not later than that of the frame before.
        """
        xy, scores = tracks.xy.astype(np.float64), tracks.scores.astype(np.float64)
        origin = np.zeros(scores.shape, np.int8)
        if tracks.flow_age is not None:
            origin[tracks.flow_age > 0] = Origin.FLOW
        for row, person in enumerate(tracks.ids.tolist()):
            box = tracks.boxes.xyxy[row].astype(np.float64)
            size = float(np.sqrt(np.prod(box[2:] - box[:2]))) or 1.0
            memory = self._people.get(person) or _nothing(len(tracks.skeleton), size)
            if seconds <= memory.last:
                raise ValueError(
                    f"time must grow: {seconds} s after {memory.last} s; reset() for a new video"
                )
            self._clean(xy[row], scores[row], origin[row], memory, seconds, size)
            self._people[person] = memory
        horizon = max(self.max_gap, 0.5)
        self._people = {
            person: memory
            for person, memory in self._people.items()
            if seconds - memory.last <= horizon
        }
        poses = Poses(xy, scores, tracks.boxes, tracks.skeleton)
        return Tracks(poses, tracks.ids, tracks.flow_age), origin

    def _clean(
        self,
        xy: Float64Array,
        scores: Float64Array,
        origin: NDArray[np.int8],
        memory: _Memory,
        seconds: float,
        size: float,
    ) -> None:
        """One person's keypoints and flags in place; the memory is brought up to date."""
        low = np.isfinite(xy[:, 0]) & (scores < self.min_score)
        xy[low], scores[low] = np.nan, 0
        origin[low] |= np.int8(Origin.REJECTED)
        seen = np.isfinite(xy[:, 0])
        step = seconds - memory.seconds
        memory.size += 0.1 * (size - memory.size)
        if self.smooth:
            going = seen & (step <= max(self.max_gap, 0.5) + 1e-6)
            moved = self._filter(xy, memory, going, step)
            changed = going & (moved != xy).any(axis=1)
            xy[going] = moved[going]
            origin[changed] |= np.int8(Origin.SMOOTHED)
            memory.speed[seen & ~going] = 0
        memory.xy[seen], memory.scores[seen] = xy[seen], scores[seen]
        memory.seconds[seen] = seconds
        memory.last = seconds
        held = ~seen & (step <= self.max_gap + 1e-6)
        xy[held], scores[held] = memory.xy[held], memory.scores[held]
        origin[held] |= np.int8(Origin.FILLED)

    def _filter(
        self, xy: Float64Array, memory: _Memory, going: NDArray[np.bool_], step: Float64Array
    ) -> Float64Array:
        """One-Euro where it goes on, NaN elsewhere."""
        moved = np.full_like(xy, np.nan)
        since = step[going, None]
        apart = xy[going] - memory.xy[going]
        share = 1 / (1 + 1 / (2 * np.pi * self.speed_cutoff * since))
        memory.speed[going] += share * (apart / since - memory.speed[going])
        fast = np.linalg.norm(memory.speed[going], axis=1, keepdims=True) / memory.size
        cutoff = self.min_cutoff + self.beta * fast
        moved[going] = memory.xy[going] + apart / (1 + 1 / (2 * np.pi * cutoff * since))
        return moved


def _nothing(keypoints: int, size: float) -> _Memory:
    return _Memory(
        np.full(keypoints, -np.inf),
        np.full((keypoints, 2), np.nan),
        np.zeros((keypoints, 2)),
        np.zeros(keypoints),
        size,
        -np.inf,
    )
