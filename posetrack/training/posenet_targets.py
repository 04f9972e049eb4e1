"""A PoseNet's targets: disks around keypoints, and the offsets to them and between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from posetrack.networks.posenet import PoseMaps
from posetrack.ops.compilation import compile_kernel, kernel_input
from posetrack.ops.posenet import POSENET_EDGES

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

TERMS: Final = (4.0, 1.0, 0.25)
"""How much heatmaps, offsets and displacements count in `posenet_loss`."""


class PoseNetTargets(NamedTuple):
    """Arrays (or tensors, with a batch's axis first) of the shapes of `PoseMaps`; NaN is unasked.

    Heatmaps are 0 or 1. Offsets are asked within the disks alone, displacements where the other
    end of the edge is labelled too.
    """

    heatmap: Float32Array
    """(K, h, w)."""
    offset: Float32Array
    """(2 K, h, w), y of all keypoints, then x; input pixels from the cell to the keypoint."""
    displacement_fwd: Float32Array
    """(2 E, h, w), input pixels from an edge's parent to its child."""
    displacement_bwd: Float32Array
    """(2 E, h, w), input pixels from an edge's child to its parent."""


def posenet_targets(
    xy: ArrayLike,
    *,
    map_size: tuple[int, int],
    output_stride: int = 16,
    edges: ArrayLike = POSENET_EDGES,
    radius: float = 32.0,
) -> PoseNetTargets:
    """Heatmaps, offsets and displacements of all people of an image.

    Parameters
    ----------
    xy
        (N, K, 2) pixels of the network's input; NaN where not labelled. What is outside the
        input counts as not labelled.
    map_size
        Width and height of the maps. The input is ``output_stride`` times one less, and 1.
    output_stride
        Input pixels from one cell to the next.
    edges
        (E, 2), keypoint indices of parent and child.
    radius
        Of the disks, in input pixels. A smaller one asks for sharper heatmaps and leaves each
        keypoint fewer cells to learn from.

    Returns
    -------
    targets
        Where disks of one kind overlap, a cell belongs to the nearer keypoint. Decoded by
        `posetrack.ops.posenet.decode_posenet` they are the people again.

    Raises
    ------
    ValueError
        If shapes disagree, an edge names no keypoint, or the radius is so small that a keypoint
        between four cells would have none of them.

    Notes
    -----
    Papandreou et al., *PersonLab* (ECCV 2018, arXiv:1803.08225), section 3.1, whose radius is 32.
    A displacement starts at the keypoint, not at the cell, because the decoding adds it to the
    place found for the keypoint: the difference is up to half a stride.

    Examples
    --------
    >>> people = [[[16, 16], [50, 32]]]
    >>> targets = posenet_targets(people, map_size=(5, 4), edges=[(0, 1)], radius=12)
    >>> targets.heatmap[0].sum(), targets.offset[:, 2, 3].tolist()
    (np.float32(1.0), [nan, 0.0, nan, 2.0])
    >>> targets.displacement_fwd[:, 1, 1].tolist()  # 16 down, 34 to the right
    [16.0, 34.0]
    """
    places, pairs = kernel_input(xy, np.float64), kernel_input(edges, np.int64).reshape(-1, 2)
    if places.ndim != 3 or places.shape[2] != 2:
        raise ValueError(f"expected xy (N, K, 2), got {places.shape}")
    keypoints, (width, height) = places.shape[1], map_size
    if len(pairs) and not (pairs.min() >= 0 and pairs.max() < keypoints):
        raise ValueError(f"edges name keypoints up to {pairs.max()}, there are {keypoints}")
    if min(width, height, output_stride) < 1 or not radius >= output_stride * 0.75:
        raise ValueError(
            "map_size and output_stride must be positive and the radius at least three quarters "
            f"of the stride, got {map_size}, {output_stride} and {radius}"
        )
    far = (np.array([width, height]) - 1) * output_stride
    inside = np.asarray(((places >= -0.5) & (places <= far + 0.5)).all(axis=2))
    places = np.where(inside[:, :, None], places, np.nan)
    targets = PoseNetTargets(
        np.zeros((keypoints, height, width), np.float32),
        *(
            np.full((2 * count, height, width), np.nan, np.float32)
            for count in (keypoints, len(pairs), len(pairs))
        ),
    )
    owner = _draw_disks(places, float(output_stride), float(radius), *targets[:2])
    _draw_ways(places, pairs, owner, *targets[2:])
    return targets


def posenet_loss(
    maps: PoseMaps,
    targets: Sequence[Tensor],
    counted: Tensor | None = None,
    *,
    radius: float = 32.0,
    terms: tuple[float, float, float] = TERMS,
) -> Tensor:
    """Logistic loss of the heatmaps, and mean distances in disk radii of everything else.

    Parameters
    ----------
    maps
        What the network gives.
    targets
        Tensors of the same shapes, see `PoseNetTargets`.
    counted
        (N, h, w), False where unlabelled people are. Cells of labelled disks count
        all the same.
    radius
        Of the disks, in input pixels.
    terms
        How much heatmaps, offsets and displacements count.

    Returns
    -------
    loss
        () tensor: the mean over images, each of them averaged over its own cells.

    Examples
    --------
    >>> targets = posenet_targets([[[8, 8], [24, 8]]], map_size=(3, 3), edges=[(0, 1)])
    >>> asked = [torch.from_numpy(part)[None] for part in targets]
    >>> right = PoseMaps(*(part.nan_to_num() for part in asked))
    >>> bool(posenet_loss(right, asked) < 1e-5)
    True
    """
    heatmap = targets[0]
    asked = torch.ones_like(heatmap)
    if counted is not None:
        asked = ((heatmap > 0) | counted[:, None].bool()).float()
    logistic = functional.binary_cross_entropy(
        _limit_shares(maps.heatmap), heatmap, reduction="none"
    )
    loss = terms[0] * _mean_of_each(logistic, asked).mean()
    for share, output, target in (
        (terms[1], maps.offset, targets[1]),
        (terms[2] / 2, maps.displacement_fwd, targets[2]),
        (terms[2] / 2, maps.displacement_bwd, targets[3]),
    ):
        known = torch.isfinite(target)
        away = (output.float() - target.nan_to_num()).abs() / radius
        loss = loss + share * _mean_of_each(away, known.float()).mean()
    return loss


def _limit_shares(shares: Tensor) -> Tensor:
    """Float32 shares a little above 0 and below 1, with the gradient as if nothing was done.

    At exactly 0 or 1 the logistic loss has no finite slope, and in half precision a sigmoid
    comes to 1 soon.
    """
    least = 1e-6 if shares.dtype == torch.float32 else 1e-4
    plain = shares.float()
    return plain + (plain.clamp(least, 1 - least) - plain).detach()


def _mean_of_each(values: Tensor, weights: Tensor) -> Tensor:
    """(N,) weighted means; 0 where nothing has weight."""
    total, count = (values * weights).flatten(1).sum(1), weights.flatten(1).sum(1)
    return total / count.clamp(min=1)


@compile_kernel
def _draw_disks(
    xy: Float64Array, stride: float, radius: float, heatmap: Float32Array, offset: Float32Array
) -> NDArray[np.int64]:
    """Fill in heatmaps and offsets; returns the person of each cell, (K, h, w), -1 for none."""
    keypoints, height, width = heatmap.shape
    owner = np.full(heatmap.shape, -1, np.int64)
    nearest = np.full(heatmap.shape, np.inf)
    for person in range(len(xy)):
        for k in range(keypoints):
            x, y = xy[person, k]
            if not (np.isfinite(x) and np.isfinite(y)):
                continue
            top, left = max(0, int((y - radius) / stride)), max(0, int((x - radius) / stride))
            bottom = min(height, int((y + radius) / stride) + 1)
            right = min(width, int((x + radius) / stride) + 1)
            for row in range(top, bottom):
                for column in range(left, right):
                    down, across = y - row * stride, x - column * stride
                    away = down * down + across * across
                    if away <= radius * radius and away < nearest[k, row, column]:
                        nearest[k, row, column] = away
                        owner[k, row, column] = person
                        heatmap[k, row, column] = 1
                        offset[k, row, column] = down
                        offset[keypoints + k, row, column] = across
    return owner


@compile_kernel
def _draw_ways(
    xy: Float64Array,
    edges: NDArray[np.int64],
    owner: NDArray[np.int64],
    forward: Float32Array,
    backward: Float32Array,
) -> None:
    """Fill in the displacements of the person that each cell belongs to, as far as labelled."""
    _, height, width = owner.shape
    count = len(edges)
    for e in range(count):
        for side in range(2):
            start, end = edges[e, side], edges[e, 1 - side]
            ways = forward if side == 0 else backward
            for row in range(height):
                for column in range(width):
                    person = owner[start, row, column]
                    if person >= 0 and np.isfinite(xy[person, end, 0]):
                        ways[e, row, column] = xy[person, end, 1] - xy[person, start, 1]
                        ways[count + e, row, column] = xy[person, end, 0] - xy[person, start, 0]
