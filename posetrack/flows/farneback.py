"""Polynomial expansion, by OpenCV.

Farneback: *Two-Frame Motion Estimation Based on Polynomial Expansion*, SCIA 2003.
"""

from __future__ import annotations

from typing import Any

import cv2

from posetrack.flows.points import PixelFlow, follow_field
from posetrack.flows.scaling import Float32Array, Pixels


class FarnebackFlow(PixelFlow):
    """Moves points by Farneback's polynomial expansion.

    Parameters
    ----------
    scale
        The flow is computed on images reduced by this, in (0, 1]; None reduces to about 640 x 360
        pixels.
    levels
        Pyramid levels, each half as large. More follow faster motion.
    window_size
        Side in pixels of the neighbourhood that moves as one. Larger is steadier and blurs the
        motion of arms and legs.
    iterations
        Steps at each level.
    neighbours, sigma
        Side of the neighbourhood in which the image is taken for a polynomial, and the width of
        its weights.
    margin, max_round_trip
        See `posetrack.flows.dis.DisFlow`.

    Raises
    ------
    ValueError
        If the scale is out of its range.

    Examples
    --------
    >>> from posetrack.testing import crossing
    >>> first, second = list(crossing(frames=2))
    >>> flow = FarnebackFlow()
    >>> xy, valid = flow.move(flow.prepare(first), flow.prepare(second), [[100, 120], [-9, 5]])
    >>> valid.tolist()
    [True, False]
    """

    def __init__(
        self,
        *,
        scale: float | None = None,
        levels: int = 4,
        window_size: int = 15,
        iterations: int = 3,
        neighbours: int = 5,
        sigma: float = 1.2,
        margin: float | None = 0.1,
        max_round_trip: float | None = None,
    ) -> None:
        super().__init__(
            follow_field(self._field),
            min_side=16,
            scale=scale,
            margin=margin,
            max_round_trip=max_round_trip,
        )
        self._settings = (0.5, levels, window_size, iterations, neighbours, sigma, 0)

    def _field(self, before: Pixels, after: Pixels) -> Float32Array:
        farneback: Any = cv2.calcOpticalFlowFarneback
        field: Float32Array = farneback(before, after, None, *self._settings)
        return field
