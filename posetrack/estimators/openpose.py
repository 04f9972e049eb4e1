"""Networks of OpenPose's kind in exported files: 19 heatmaps and 38 field maps, for all people.

OpenPose's COCO model (Cao et al., CVPR 2017) and its relatives, such as Lightweight OpenPose
(Osokin, ICPRAM 2019), whose answers are decoded as trt_pose's are, `posetrack.ops.paf`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.estimators.trtpose import TrtPoseEstimator
from posetrack.ops.crops import BGR_255, Normalisation
from posetrack.runtimes.session import Batch, Session
from posetrack.skeletons import COCO_18, Skeleton

OPENPOSE_LINKS: Final = (
    (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 2), (2, 3), (3, 4), (2, 16), (1, 5),
    (5, 6), (6, 7), (5, 17), (1, 0), (0, 14), (0, 15), (14, 16), (15, 17),
)  # fmt: skip
"""The two keypoints of each field, in `posetrack.skeletons.COCO_18`: the order of OpenPose's own
COCO model, where the field of link i is in channels 2 i (columns) and 2 i + 1 (rows)."""

HEATMAPS: Final = len(COCO_18) + 1
"""One for each keypoint, and one for the background, which comes last."""

FIELDS: Final = 2 * len(OPENPOSE_LINKS)

_FINER = 3
"""Maps are enlarged so much before peaks are looked for: a cell is 8 pixels of the input. Odd, so
that a cell's middle is a cell's middle again, and a peak in it one peak and not four."""


def has_openpose_maps(shapes: Sequence[Sequence[int | None]]) -> bool:
    """Whether a file's outputs are such maps.

    Parameters
    ----------
    shapes
        Of the outputs as the file declares them.

    Examples
    --------
    >>> has_openpose_maps([(1, 38, None, None), (1, 19, None, None)])
    True
    """
    channels = [shape[1] for shape in shapes if len(shape) == 4]
    return len(channels) == len(shapes) == 2 and set(channels) == {HEATMAPS, FIELDS}


def openpose_estimator(
    network: Session,
    skeleton: Skeleton | None = None,
    *,
    input_size: tuple[int, int] | None = None,
    normalisation: Normalisation | None = None,
    **settings: Any,
) -> TrtPoseEstimator:
    """The estimator of such a network.

    Parameters
    ----------
    network
        An exported network, open.
    skeleton
        What its keypoints are; `posetrack.skeletons.COCO_18` when None.
    input_size
        Largest width and height of what the network sees. When None: as the file says, else
        456 x 256, as Lightweight OpenPose was trained.
    normalisation
        How pixels become its input. When None: as the file says, else BGR in [0, 255], as Open
        Model Zoo has it.
    **settings
        Of `posetrack.estimators.trtpose.TrtPoseEstimator`.

    Raises
    ------
    ValueError
        If the skeleton has not 18 keypoints, or a setting is out of range. In a call: if the maps
        are of other shapes.
    """
    skeleton = skeleton or network.card.skeleton or COCO_18
    size = network.size_for(input_size, (456, 256))
    fixed = network.input_size
    return TrtPoseEstimator(
        replace(network, run=partial(_as_trt_pose, network, fixed)),
        skeleton,
        links=OPENPOSE_LINKS,
        input_size=size,
        normalisation=normalisation or network.card.normalisation or BGR_255,
        **settings,
    )


def _as_trt_pose(
    network: Session, fixed: tuple[int, int] | None, batch: Batch
) -> list[NDArray[Any]]:
    """Maps of the keypoints alone, and fields with rows before columns, as trt_pose has them."""
    height, width = batch.shape[2:]
    if fixed is not None and (width, height) != fixed:
        whole = np.zeros((*batch.shape[:2], fixed[1], fixed[0]), batch.dtype)
        whole[:, :, :height, :width] = batch
        batch = whole
    outputs = network(batch)
    shapes = [output.shape for output in outputs]
    if not has_openpose_maps(shapes) or len({shape[2:] for shape in shapes}) != 1:
        raise ValueError(f"{network}: expected 19 heatmaps and 38 fields of one size, got {shapes}")
    maps, fields = sorted((output[0] for output in outputs), key=len)
    down, across = batch.shape[2] // maps.shape[1], batch.shape[3] // maps.shape[2]
    if down < 1 or down != across:
        raise ValueError(f"{network}: maps {maps.shape} of an input {batch.shape}")
    rows, columns = height // down, width // across
    fields = fields.reshape(-1, 2, *fields.shape[1:])[:, ::-1].reshape(fields.shape)
    return [_enlarge(part[:, :rows, :columns])[None] for part in (maps[:-1], fields)]


def _enlarge(maps: NDArray[Any]) -> NDArray[np.float32]:
    """(C, h, w) as (C, 3 h, 3 w)."""
    size = (maps.shape[2] * _FINER, maps.shape[1] * _FINER)
    plain = np.asarray(maps, np.float32)
    return np.stack([cv2.resize(part, size, interpolation=cv2.INTER_CUBIC) for part in plain])
