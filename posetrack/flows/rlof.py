"""Dense robust local optical flow, by OpenCV's contrib modules.

Senst, Eiselein, Sikora: *Robust Local Optical Flow for Feature Tracking*, IEEE Transactions on
Circuits and Systems for Video Technology, 2012.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.flows.points import contrib_flows, follow_field, move_points
from posetrack.flows.scaling import Float32Array, Pixels, Prepared, check_scale, prepare_colour


class RlofFlow:
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
        self.scale = check_scale(scale)
        self.margin = margin
        self.max_round_trip = max_round_trip
        # Holds working buffers: one for each instance, never shared.
        self._rlof = contrib_flows("dense RLOF").DenseRLOFOpticalFlow.create()
        self._rlof.setGridStep((grid_step, grid_step))
        self._rlof.setForwardBackward(max_grid_round_trip)
        self._follow = follow_field(self._field)

    def _field(self, before: Pixels, after: Pixels) -> Float32Array:
        field: Float32Array = self._rlof.calc(before, after, None)
        return field

    def prepare(self, image: NDArray[Any], /) -> Prepared:
        """Reduced BGR pixels and the full size; see `posetrack.interfaces.FlowEstimator`."""
        return prepare_colour(image, self.scale)

    def move(
        self, before: Prepared, after: Prepared, xy: ArrayLike, /
    ) -> tuple[Float32Array, NDArray[np.bool_]]:
        """Move (P, 2) points; see `posetrack.interfaces.FlowEstimator`."""
        return move_points(
            self._follow,
            before,
            after,
            xy,
            margin=self.margin,
            min_side=64,
            max_round_trip=self.max_round_trip,
        )
