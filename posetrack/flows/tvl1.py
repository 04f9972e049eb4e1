"""TV-L1 flow, by OpenCV's contrib modules. Exact and slow: to compare with, not to track with.

Zach, Pock, Bischof: *A Duality Based Approach for Realtime TV-L1 Optical Flow*, DAGM 2007.
"""

from __future__ import annotations

from typing import Any

from posetrack.devices import Reopening
from posetrack.flows.points import PixelFlow, contrib_flow, follow_field
from posetrack.flows.scaling import Float32Array, Pixels


class TvL1Flow(PixelFlow):
    """Moves points by TV-L1.

    Parameters
    ----------
    scale
        The flow is computed on images reduced by this, in (0, 1]; None reduces to about 640 x 360
        pixels.
    scales, warps
        Pyramid levels, and linearisations at each level. Fewer are faster and follow less.
    smoothness
        Weight of the data against smoothness (the paper's lambda): smaller is smoother.
    margin, max_round_trip
        See `posetrack.flows.dis.DisFlow`.

    Raises
    ------
    ValueError
        If the scale is out of its range.
    ModuleNotFoundError
        If OpenCV is installed without its contrib modules.

    Examples
    --------
    >>> from posetrack.testing import crossing
    >>> first, second = list(crossing(frames=2))
    >>> flow = TvL1Flow(scale=0.25)
    >>> xy, valid = flow.move(flow.prepare(first), flow.prepare(second), [[100, 120], [-9, 5]])
    >>> valid.tolist()
    [True, False]
    """

    def __init__(
        self,
        *,
        scale: float | None = None,
        scales: int = 5,
        warps: int = 5,
        smoothness: float = 0.15,
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
        # Holds working buffers: one for each instance, never shared.
        self._tvl1 = Reopening(_open_tvl1, scales, warps, smoothness)

    def _field(self, before: Pixels, after: Pixels) -> Float32Array:
        field: Float32Array = self._tvl1.calc(before, after, None)
        return field


def _open_tvl1(scales: int, warps: int, smoothness: float) -> Any:
    tvl1 = contrib_flow("DualTVL1OpticalFlow", "TV-L1").create()
    tvl1.setScalesNumber(scales)
    tvl1.setWarpingsNumber(warps)
    tvl1.setLambda(smoothness)
    return tvl1
