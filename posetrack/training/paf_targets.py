"""Targets of trt_pose's networks: a Gaussian at each keypoint, a field along each link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from posetrack.networks.trtpose import PafMaps
from posetrack.ops.compilation import compile_kernel, kernel_input
from posetrack.ops.paf import TRT_POSE_LINKS

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

SPREAD = 0.025
"""Width of the Gaussians as a part of the map's height, as in trt_pose."""


class PafTargets(NamedTuple):
    """Arrays (or tensors, with a batch's axis first) of the shapes of `PafMaps`."""

    cmap: Float32Array
    """(K, h, w), in [0, 1]."""
    paf: Float32Array
    """(2 L, h, w), rows' part and columns' part of each link's field."""


def paf_targets(
    xy: ArrayLike,
    *,
    map_size: tuple[int, int],
    links: ArrayLike = TRT_POSE_LINKS,
    stdev: float | None = None,
    limb_width: float | None = None,
) -> PafTargets:
    """Confidence maps and part affinity fields of all people of an image.

    Parameters
    ----------
    xy
        (N, K, 2), x and y as parts of the input's width and height, in [0, 1]; NaN where not
        labelled. Keypoints outside count as not labelled.
    map_size
        Width and height of the maps.
    links
        (L, 2), indices of the keypoints that each link joins.
    stdev
        How wide the Gaussians are, in cells; `SPREAD` of the map's height when None, and at least
        one cell. A smaller one separates people that are close, and is harder to learn.
    limb_width
        None for fields as trt_pose has them: fading beside the limb as a Gaussian does, summed
        where limbs overlap. A number of cells for those of the paper: constant up to that distance
        beside the limb, averaged where limbs overlap.

    Returns
    -------
    targets
        Decoded by `posetrack.ops.paf.decode_paf` they are the people again, to a fraction of
        a cell; but for a keypoint exactly between two cells, which are equal peaks then.

    Raises
    ------
    ValueError
        If shapes disagree, a link names no keypoint, or a width is not positive.

    Notes
    -----
    Cao et al. (CVPR 2017, arXiv:1611.08050), sections 2.2 and 2.3; NVIDIA-AI-IOT/trt_pose, whose
    Gaussian is ``exp(-d^2 / stdev^2)`` (no 2), cut off at ``2.5 stdev`` cells from the cell of the
    keypoint, and largest where several people's meet. A cell's centre is half a cell from its
    edge.

    Examples
    --------
    >>> targets = paf_targets(
    ...     [[[0.3125, 0.5625], [0.6875, 0.5625]]], map_size=(8, 8), links=[(0, 1)], stdev=1
    ... )
    >>> targets.cmap[0, 4, 2], targets.paf[:, 4, 4].round(3).tolist()
    (np.float32(1.0), [0.0, 1.0])
    """
    places, pairs = kernel_input(xy, np.float64), kernel_input(links, np.int64).reshape(-1, 2)
    if places.ndim != 3 or places.shape[2] != 2:
        raise ValueError(f"expected xy (N, K, 2), got {places.shape}")
    keypoints, (width, height) = places.shape[1], map_size
    if len(pairs) and not (pairs.min() >= 0 and pairs.max() < keypoints):
        raise ValueError(f"links name keypoints up to {pairs.max()}, there are {keypoints}")
    spread = max(SPREAD * height, 1.0) if stdev is None else stdev
    if min(width, height) < 1 or not spread > 0 or (limb_width is not None and not limb_width > 0):
        raise ValueError(
            "map_size, stdev and limb_width must be positive, "
            f"got {map_size}, {spread} and {limb_width}"
        )
    inside = np.asarray(((places >= 0) & (places < 1)).all(axis=2))
    cells = np.where(inside[:, :, None], places, np.nan) * (width, height)
    targets = PafTargets(
        np.zeros((keypoints, height, width), np.float32),
        np.zeros((2 * len(pairs), height, width), np.float32),
    )
    _draw_peaks(cells, float(spread), int(5 * spread) // 2, targets.cmap)
    if limb_width is None:
        _draw_fading(cells, pairs, float(spread), targets.paf)
    else:
        _draw_even(cells, pairs, float(limb_width), targets.paf)
    return targets


def paf_loss(
    maps: PafMaps,
    targets: Sequence[Tensor],
    counted: Tensor | None = None,
) -> Tensor:
    """Mean squared error of the confidence maps, and that of the fields.

    Parameters
    ----------
    maps
        What the network gives.
    targets
        Tensors of the same shapes, see `PafTargets`.
    counted
        (N, h, w), False where unlabelled people are. Cells with a labelled keypoint or
        limb count all the same.

    Returns
    -------
    loss
        () tensor: the mean over images.

    Examples
    --------
    >>> nothing = torch.zeros(1, 2, 4, 4)
    >>> paf_loss(PafMaps(nothing, nothing), (nothing, nothing + 1))
    tensor(1.)
    """
    loss = torch.zeros((), device=maps.cmap.device)
    for output, target in zip(maps, targets, strict=True):
        error = (output.float() - target).square()
        if counted is not None:
            error = error * (counted[:, None].bool() | (target != 0))
        loss = loss + error.mean()
    return loss


@compile_kernel
def _draw_peaks(xy: Float64Array, stdev: float, reach: int, cmap: Float32Array) -> None:
    _, height, width = cmap.shape
    for person in range(len(xy)):
        for k in range(len(cmap)):
            x, y = xy[person, k]
            if not (np.isfinite(x) and np.isfinite(y)):
                continue
            for row in range(max(0, int(y) - reach), min(height, int(y) + reach + 1)):
                for column in range(max(0, int(x) - reach), min(width, int(x) + reach + 1)):
                    away = (row + 0.5 - y) ** 2 + (column + 0.5 - x) ** 2
                    value = np.float32(np.exp(-away / stdev**2))
                    cmap[k, row, column] = max(cmap[k, row, column], value)


@compile_kernel
def _draw_fading(
    xy: Float64Array, links: NDArray[np.int64], stdev: float, paf: Float32Array
) -> None:
    """Unit vectors times a Gaussian of the distance to the limb, over the whole map."""
    _, height, width = paf.shape
    for person in range(len(xy)):
        for i in range(len(links)):
            x, y = xy[person, links[i, 0]]
            across, down = xy[person, links[i, 1]] - xy[person, links[i, 0]]
            length = np.sqrt(across * across + down * down) + 1e-5
            if not np.isfinite(length):
                continue
            across, down = across / length, down / length
            for row in range(height):
                for column in range(width):
                    right, below = column + 0.5 - x, row + 0.5 - y
                    along = min(max(right * across + below * down, 0.0), length)
                    away = (right - along * across) ** 2 + (below - along * down) ** 2
                    value = np.exp(-away / stdev**2)
                    paf[2 * i, row, column] += np.float32(value * down)
                    paf[2 * i + 1, row, column] += np.float32(value * across)


@compile_kernel
def _draw_even(
    xy: Float64Array, links: NDArray[np.int64], limb_width: float, paf: Float32Array
) -> None:
    """Mean of the unit vectors of the limbs that a cell is on."""
    _, height, width = paf.shape
    for i in range(len(links)):
        count = np.zeros((height, width), np.float32)
        for person in range(len(xy)):
            x, y = xy[person, links[i, 0]]
            across, down = xy[person, links[i, 1]] - xy[person, links[i, 0]]
            length = np.sqrt(across * across + down * down)
            if not (np.isfinite(length) and length > 0):
                continue
            across, down = across / length, down / length
            for row in range(height):
                for column in range(width):
                    right, below = column + 0.5 - x, row + 0.5 - y
                    along, beside = right * across + below * down, right * down - below * across
                    if -0.5 <= along <= length + 0.5 and abs(beside) <= limb_width:
                        count[row, column] += 1
                        share = np.float32(1) / count[row, column]
                        was = paf[2 * i : 2 * i + 2, row, column]
                        was[0] += (np.float32(down) - was[0]) * share
                        was[1] += (np.float32(across) - was[1]) * share
