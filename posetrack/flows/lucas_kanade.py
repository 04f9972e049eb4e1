"""Sparse pyramidal Lucas-Kanade, by OpenCV: only the points are followed, each by itself.

Bouguet: *Pyramidal Implementation of the Lucas Kanade Feature Tracker*, Intel, 2000.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from posetrack.flows.points import PixelFlow
from posetrack.flows.scaling import Float32Array, Pixels


class LucasKanadeFlow(PixelFlow):
    """Moves points by pyramidal Lucas-Kanade, and drops those that do not find back.

    The prepared image is the reduced one, not its pyramid: OpenCV's Python functions give a pyramid
    but do not take one (4.x and 5.0), and lose its borders in between. Building it again costs
    less than the following.

    Parameters
    ----------
    scale
        Points are followed on images reduced by this, in (0, 1]; None reduces to about 640 x 360
        pixels.
    window_size
        Side in pixels of the neighbourhood that is looked for again.
    levels
        Reductions by half above the first image. More follow faster motion.
    margin
        See `posetrack.flows.dis.DisFlow`.
    max_round_trip
        Points that, followed back, come out further than this from their start are dropped, in
        pixels of the reduced image. None does not look, and takes half the time.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    >>> from posetrack.testing import crossing
    >>> first, second = list(crossing(frames=2))
    >>> flow = LucasKanadeFlow()
    >>> xy, valid = flow.move(flow.prepare(first), flow.prepare(first), [[100, 120], [-9, 5]])
    >>> xy.round(1).tolist(), valid.tolist()
    ([[100.0, 120.0], [nan, nan]], [True, False])
    """

    def __init__(
        self,
        *,
        scale: float | None = None,
        window_size: int = 21,
        levels: int = 3,
        margin: float | None = 0.1,
        max_round_trip: float | None = 1.0,
    ) -> None:
        if window_size < 3:
            raise ValueError(f"window_size must be at least 3 pixels, got {window_size}")
        super().__init__(
            self._follow_points,
            min_side=window_size,
            scale=scale,
            margin=margin,
            max_round_trip=max_round_trip,
        )
        self.window_size = window_size
        self.levels = levels

    def _follow_points(self, before: Pixels, after: Pixels, xy: Float32Array) -> Float32Array:
        ends = np.full_like(xy, np.nan)
        known = np.isfinite(xy).all(axis=1)
        if not known.any():
            return ends
        lucas_kanade: Any = cv2.calcOpticalFlowPyrLK
        found, status, _ = lucas_kanade(
            before,
            after,
            xy[known, None],
            None,
            winSize=(self.window_size, self.window_size),
            maxLevel=self.levels,
        )
        ends[known] = np.where(status.reshape(-1, 1) == 1, found.reshape(-1, 2), np.nan)
        return ends
