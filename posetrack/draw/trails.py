"""Trails: where each person was over the last frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from posetrack.draw.colours import colour_of, mix
from posetrack.draw.lines import clip_segments
from posetrack.interfaces import Image
from posetrack.structures import Tracks

_SHIFT = 4
_STEPS = 5
_DARK = (24, 24, 24)


class Trails:
    """The path of one point of each person over the last frames, for drawing.

    Memory is bounded: older places are dropped, and so are people who left.

    Parameters
    ----------
    length
        How many frames a trail is long, at least 1.
    keypoint
        The keypoint to follow, by name. None: the median of the seen keypoints, which jumps less
        than the centre of the box does.
    min_score
        Keypoints that score less are gaps.
    max_gap
        Out of sight for more than this many frames, a person's trail is broken: nothing is drawn
        where nothing was measured.

    Raises
    ------
    ValueError
        If ``length`` is below 1 or ``max_gap`` is negative.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.structures import Poses
    >>> trails = Trails(4, keypoint="nose")
    >>> for index in range(100):
    ...     xy = np.full((1, 17, 2), float(index))
    ...     trails.push(Tracks(Poses.from_keypoints(xy, None, COCO_17), [1]))
    >>> trails.of(1)[:, 0].tolist()
    [96.0, 97.0, 98.0, 99.0]
    """

    def __init__(
        self,
        length: int = 30,
        *,
        keypoint: str | None = None,
        min_score: float = 0.2,
        max_gap: int = 5,
    ) -> None:
        if length < 1 or max_gap < 0:
            raise ValueError(
                f"length must be 1 or more and max_gap 0 or more frames, got {length}, {max_gap}"
            )
        self.length = length
        self.keypoint = keypoint
        self.min_score = min_score
        self.max_gap = max_gap
        self._frame = 0
        self._ways: dict[int, deque[tuple[int, float, float]]] = {}

    def push(self, tracks: Tracks) -> None:
        """Add the next frame; it may be empty.

        Raises
        ------
        KeyError
            If the tracks' skeleton has no such keypoint.
        """
        which = slice(None) if self.keypoint is None else [tracks.skeleton.index(self.keypoint)]
        points, scores = tracks.xy[:, which], tracks.scores[:, which]
        seen = (scores >= self.min_score) & np.isfinite(points).all(axis=-1)
        self._frame += 1
        for row, track_id in enumerate(tracks.ids.tolist()):
            if seen[row].any():
                x, y = np.median(points[row][seen[row]].astype(np.float64), axis=0).tolist()
                self._ways.setdefault(track_id, deque()).append((self._frame, x, y))
        for track_id, path in list(self._ways.items()):
            while path and path[0][0] <= self._frame - self.length:
                path.popleft()
            if not path:
                del self._ways[track_id]

    def of(self, track_id: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """(L, 2) places of an id in pixels, oldest first."""
        path = self._ways.get(track_id, ())
        return np.array([(x, y) for _, x, y in path], np.float64).reshape(-1, 2)

    def draw(self, image: Image) -> None:
        """Draw all trails into ``image`` itself, each growing wider towards now."""
        if not image.size:
            return
        widest = max(2.0, min(image.shape[:2]) / 220)
        for track_id, path in self._ways.items():
            path_points = np.array(path)
            kept, segments = clip_segments(path_points[:-1, 1:], path_points[1:, 1:], image.shape)
            near = np.diff(path_points[:, 0])[kept] <= self.max_gap + 1
            fixed = (segments[near] * (1 << _SHIFT)).round().astype(np.int32)
            age = self._frame - path_points[kept + 1, 0][near]
            steps = (_STEPS * (1 - age / self.length)).astype(int).clip(0, _STEPS - 1)
            for step in np.unique(steps).tolist():
                lines = list(fixed[steps == step])
                width = max(1, round(widest * (step + 1) / _STEPS))
                cv2.polylines(image, lines, False, _DARK, width + 2, cv2.LINE_AA, _SHIFT)
            for step in np.unique(steps).tolist():
                lines = list(fixed[steps == step])
                width = max(1, round(widest * (step + 1) / _STEPS))
                colour = mix(colour_of(track_id), _DARK, 0.5 * (1 - (step + 1) / _STEPS))
                cv2.polylines(image, lines, False, colour, width, cv2.LINE_AA, _SHIFT)

    @property
    def state(self) -> dict[str, Any]:
        """All it remembers, in what JSON can hold."""
        paths = [[track_id, list(path)] for track_id, path in self._ways.items()]
        return {"frame": self._frame, "paths": paths}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where another's `state` was taken."""
        self._frame = int(state["frame"])
        self._ways = {
            int(track_id): deque((int(frame), float(x), float(y)) for frame, x, y in path)
            for track_id, path in state["paths"]
        }

    def clear(self) -> None:
        """Forget everybody."""
        self._ways.clear()
