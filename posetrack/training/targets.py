"""The network's targets: one Gaussian per keypoint, and how much each keypoint counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.compilation import compile_kernel, kernel_input

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

SIGMA_48 = 2.0
"""Deviation in cells on heatmaps 48 wide (256 x 192 inputs); 3 on those 72 wide."""


def gaussian_targets(
    xy: ArrayLike,
    weights: ArrayLike,
    *,
    input_size: tuple[int, int],
    heatmap_size: tuple[int, int],
    sigma: float = SIGMA_48,
    unbiased: bool = False,
    keypoint_weights: ArrayLike | None = None,
) -> tuple[Float32Array, Float32Array]:
    """Heatmaps with a Gaussian of height 1 at each keypoint, and the keypoints' weights.

    Parameters
    ----------
    xy
        (N, K, 2), pixels of the crop. NaN counts as weight 0.
    weights
        (N, K): 1 for a labelled keypoint, 0 for one that is not.
    input_size, heatmap_size
        Width and height of crop and heatmap.
    sigma
        Deviation in cells: 2 for heatmaps of 48 x 64, 3 for 72 x 96.
    unbiased
        Centre each Gaussian on the keypoint itself and draw it over the whole map, as DARK does,
        instead of on the nearest cell, cut off at three deviations, as the authors do.
    keypoint_weights
        (K,), multiplied on at the end. HRNet's authors give 1.2 to elbows and knees and 1.5 to
        wrists and ankles.

    Returns
    -------
    targets
        (N, K, height, width) float32 in [0, 1].
    weights
        (N, K) float32. 0 where the Gaussian lies wholly off the map. A weight in (0, 0.5] stays,
        with an empty map, as in the authors' code.

    Raises
    ------
    ValueError
        If shapes disagree or a size or sigma is not positive.

    Notes
    -----
    Xiao et al. (ECCV 2018), section 2, and their published code, whose rounding is kept: the
    centre is ``int(x / stride + 0.5)``, towards zero, and a Gaussian whose end is exactly at 0
    counts as on the map. The unbiased form is F. Zhang et al. (CVPR 2020), section 3.2.

    Examples
    --------
    >>> maps, weights = gaussian_targets(
    ...     [[[16, 32]]], [[1]], input_size=(192, 256), heatmap_size=(48, 64)
    ... )
    >>> maps.shape, float(maps[0, 0, 8, 4]), round(float(maps[0, 0, 8, 6]), 4)
    ((1, 1, 64, 48), 1.0, 0.6065)
    """
    places, shares = np.asarray(xy, np.float64), np.asarray(weights, np.float64)
    if places.ndim != 3 or places.shape[2] != 2 or shares.shape != places.shape[:2]:
        raise ValueError(
            f"expected xy (N, K, 2) and weights (N, K), got {places.shape} and {shares.shape}"
        )
    if min(*input_size, *heatmap_size) < 1 or not sigma > 0:
        raise ValueError(
            "sizes and sigma must be positive, got "
            f"input_size {input_size}, heatmap_size {heatmap_size}, sigma {sigma}"
        )
    width, height = heatmap_size
    stride = np.array(input_size) / np.array(heatmap_size)
    known = np.asarray(np.isfinite(places).all(axis=2))
    cells = np.where(known[:, :, None], places / stride, -1e6)
    centers = cells if unbiased else np.trunc(cells + 0.5)
    reach = int(3 * sigma)
    first, end = centers - reach, centers + reach + 1
    off = ((first >= (width, height)) | (end < 0)).any(axis=2)
    kept = np.where(off | ~known, 0.0, shares).astype(np.float32)
    targets = np.zeros((*shares.shape, height, width), np.float32)
    if unbiased:
        _draw_unbiased(centers, kept, 1 / (2 * sigma**2), targets)
    else:
        whole = np.clip(centers, -(2**31), 2**31).astype(np.int64)
        _draw_patches(whole, kept, _patch(reach, sigma), targets)
    if keypoint_weights is not None:
        kept *= np.asarray(keypoint_weights, np.float32)
    return targets, kept


def keypoint_weights_by_name(keypoints: tuple[str, ...]) -> Float32Array:
    """HRNet's weights: 1.2 for elbows and knees, 1.5 for wrists and ankles, 1 for all others.

    Examples
    --------
    >>> keypoint_weights_by_name(("nose", "left_elbow", "right_ankle")).tolist()
    [1.0, 1.2..., 1.5]
    """
    heavier = {"elbow": 1.2, "knee": 1.2, "wrist": 1.5, "ankle": 1.5}
    return np.array([heavier.get(name.rsplit("_", 1)[-1], 1.0) for name in keypoints], np.float32)


def _patch(reach: int, sigma: float) -> Float32Array:
    """Gaussian in float32 arithmetic, as the authors have it."""
    x = np.arange(-reach, reach + 1, dtype=np.float32)
    patch: Float32Array = np.exp(-(x**2 + x[:, None] ** 2) / np.float32(2 * sigma**2))
    return kernel_input(patch, np.float32)


@compile_kernel
def _draw_patches(
    centers: NDArray[np.int64], weights: Float32Array, patch: Float32Array, targets: Float32Array
) -> None:
    height, width = targets.shape[2:]
    reach = len(patch) // 2
    for n in range(targets.shape[0]):
        for k in range(targets.shape[1]):
            if weights[n, k] <= 0.5:
                continue
            left, top = centers[n, k, 0] - reach, centers[n, k, 1] - reach
            for y in range(max(0, top), min(height, top + len(patch))):
                for x in range(max(0, left), min(width, left + len(patch))):
                    targets[n, k, y, x] = patch[y - top, x - left]


@compile_kernel
def _draw_unbiased(
    centers: Float64Array, weights: Float32Array, factor: float, targets: Float32Array
) -> None:
    height, width = targets.shape[2:]
    column = np.empty(width)
    for n in range(targets.shape[0]):
        for k in range(targets.shape[1]):
            if weights[n, k] <= 0.5:
                continue
            for x in range(width):
                column[x] = np.exp(-factor * (x - centers[n, k, 0]) ** 2)
            for y in range(height):
                row = np.exp(-factor * (y - centers[n, k, 1]) ** 2)
                for x in range(width):
                    targets[n, k, y, x] = row * column[x]
