"""Dense inverse search, by OpenCV: the default flow.

Kroeger, Timofte, Dai, Van Gool: *Fast Optical Flow using Dense Inverse Search*, ECCV 2016.
"""

from __future__ import annotations

from typing import Any

import cv2

from posetrack.devices import Reopening
from posetrack.flows.points import PixelFlow, follow_field
from posetrack.flows.scaling import Float32Array, Pixels


class DisFlow(PixelFlow):
    """Moves points by dense inverse search.

    Parameters
    ----------
    scale
        The flow is computed on images reduced by this, in (0, 1]; None reduces to about 640 x 360
        pixels. Larger follows small people better, at a cost that grows with its square.
    finest_scale
        The search ends at images reduced by another 2 ** finest_scale, from where the field is
        enlarged. Lower is finer, and two to three times slower a step.
    patch_size, patch_stride
        Side of the patches and their distance in pixels. Only sides of 8 are vectorised in OpenCV.
    iterations
        Gradient descent steps for each patch.
    refinement
        Variational refinement steps. They smooth the field, cost time, and move keypoints no
        better.
    normalise
        Compare patches less their mean, which makes the flow indifferent to a change of
        brightness. Switching it off gains a little (0.005 OKS) where light is constant and loses
        0.04 when the image gets a tenth darker.
    margin
        The field is computed around the points only, up to this part of the image's longer side
        away; None computes the whole image.
    max_round_trip
        Drop points that, moved back, come out further than this from their start, in pixels of the
        reduced image. Doubles the time. None does not look.

    Raises
    ------
    ValueError
        If a setting is out of its range.

    Examples
    --------
    >>> from posetrack.testing import crossing
    >>> first, second = list(crossing(frames=2))
    >>> flow = DisFlow()
    >>> xy, valid = flow.move(flow.prepare(first), flow.prepare(first), [[100, 120], [-9, 5]])
    >>> xy.round(1).tolist(), valid.tolist()
    ([[100.0, 120.0], [nan, nan]], [True, False])
    """

    def __init__(
        self,
        *,
        scale: float | None = None,
        finest_scale: int = 2,
        patch_size: int = 8,
        patch_stride: int = 4,
        iterations: int = 12,
        refinement: int = 0,
        normalise: bool = True,
        margin: float | None = 0.1,
        max_round_trip: float | None = None,
    ) -> None:
        _check_range("finest_scale", finest_scale, 0, 5)
        _check_range("patch_size", patch_size, 4, 64)
        _check_range("patch_stride", patch_stride, 1, patch_size)
        _check_range("iterations", iterations, 1, 1000)
        _check_range("refinement", refinement, 0, 1000)
        # For smaller images OpenCV replaces the settings by its own, for good, or reads beyond its
        # buffers where not one patch fits into the finest image (4.x and 5.0).
        super().__init__(
            follow_field(self._field),
            min_side=4 * patch_size << finest_scale,
            scale=scale,
            margin=margin,
            max_round_trip=max_round_trip,
        )
        # Holds working buffers: one for each instance, never shared.
        self._dis = Reopening(
            _open_dis, finest_scale, patch_size, patch_stride, iterations, refinement, normalise
        )

    def _field(self, before: Pixels, after: Pixels) -> Float32Array:
        field: Float32Array = self._dis.calc(before, after, None)
        return field


def _open_dis(
    finest_scale: int,
    patch_size: int,
    patch_stride: int,
    iterations: int,
    refinement: int,
    normalise: bool,
) -> Any:
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    dis.setFinestScale(finest_scale)
    dis.setPatchSize(patch_size)
    dis.setPatchStride(patch_stride)
    dis.setGradientDescentIterations(iterations)
    dis.setVariationalRefinementIterations(refinement)
    dis.setUseMeanNormalization(normalise)
    return dis


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be in [{low}, {high}], got {value}")
