"""Dense robust local optical flow, by OpenCV's contrib modules.

Senst, Eiselein, Sikora: *Robust Local Optical Flow for Feature Tracking*, IEEE Transactions on
Circuits and Systems for Video Technology, 2012.
"""

from __future__ import annotations

from typing import Any

from posetrack.devices import Reopening
from posetrack.flows.points import PixelFlow, contrib_flow, follow_field
from posetrack.flows.scaling import Float32Array, Pixels, prepare_colour


class RlofFlow(PixelFlow):
    """Moves points by dense robust local optical flow, which works on colour.

    OpenCV's result depends, in its last digits and sometimes more, on how many threads it may use:
    where runs must agree to the bit, fix ``cv2.setNumThreads``.

    Parameters
    ----------
    scale
        The flow is computed on images reduced by this, in (0, 1]; None reduces to about 640 x 360
        pixels.
    grid_step
        Distance in pixels of the points that are followed; the field is interpolated between them.
    max_grid_round_trip
        Of these points, those that come back further than this from their start are not used.
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
    >>> flow = RlofFlow(scale=0.5)
    >>> xy, valid = flow.move(flow.prepare(first), flow.prepare(second), [[100, 120], [-9, 5]])
    >>> valid.tolist()
    [True, False]
    """

    def __init__(
        self,
        *,
        scale: float | None = None,
        grid_step: int = 6,
        max_grid_round_trip: float = 1.0,
        margin: float | None = 0.1,
        max_round_trip: float | None = None,
    ) -> None:
        super().__init__(
            follow_field(self._field),
            min_side=128,  # OpenCV 5.0 reads beyond its buffers in small images of noise
            scale=scale,
            margin=margin,
            max_round_trip=max_round_trip,
            prepare=prepare_colour,
        )
        # Holds working buffers: one for each instance, never shared.
        self._rlof = Reopening(_open_rlof, grid_step, max_grid_round_trip)

    def _field(self, before: Pixels, after: Pixels) -> Float32Array:
        field: Float32Array = self._rlof.calc(before, after, None)
        return field


def _open_rlof(grid_step: int, max_grid_round_trip: float) -> Any:
    rlof = contrib_flow("DenseRLOFOpticalFlow", "dense RLOF").create()
    rlof.setGridStep((grid_step, grid_step))
    rlof.setForwardBackward(max_grid_round_trip)
    return rlof
