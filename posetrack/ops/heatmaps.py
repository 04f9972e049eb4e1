"""Heatmaps to keypoints: the authors' decoding and DARK, and the average of a flip test.

A network gives one heatmap per keypoint and person, (N, K, H, W). The decoders find each map's
peak and place the keypoint with sub-cell accuracy, in cells of the heatmap: x to the right, y
down, cell centres at integers. `posetrack.ops.crops.heatmap_to_image` leads on to image pixels.

NaN cells are never a peak. A map of nothing but NaN gives a keypoint that was not observed: NaN
with score 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.compilation import compile_kernel, kernel_input

Float32Array = NDArray[np.float32]


def decode_argmax(heatmaps: ArrayLike) -> tuple[Float32Array, Float32Array]:
    """Cell of each heatmap's first maximum, in row order.

    Parameters
    ----------
    heatmaps
        (N, K, H, W), any float type.

    Returns
    -------
    xy
        (N, K, 2) float32, whole cells; (0, 0) where the maximum is not positive, as in the
        authors' code.
    scores
        (N, K) float32, the maxima themselves.

    Raises
    ------
    ValueError
        If ``heatmaps`` is not (N, K, H, W).

    Examples
    --------
    >>> maps = np.zeros((1, 1, 8, 6))
    >>> maps[0, 0, 5, 3] = 0.7
    >>> xy, scores = decode_argmax(maps)
    >>> xy.tolist(), scores.tolist()
    ([[[3.0, 5.0]]], [[0.69...]])
    """
    maps, xy, scores = _maps_and_results(heatmaps)
    _peaks(maps, xy, scores)
    return _per_person(heatmaps, xy, scores)


def decode_quarter(heatmaps: ArrayLike) -> tuple[Float32Array, Float32Array]:
    """Arg-max moved a quarter of a cell towards the higher neighbour, on each axis.

    This is the decoding of Xiao et al. (ECCV 2018) to the letter: no shift where the neighbours
    are equal, and none for peaks in columns 0, 1 and W - 1 or rows 0, 1 and H - 1.

    Parameters
    ----------
    heatmaps
        (N, K, H, W), any float type.

    Returns
    -------
    xy
        (N, K, 2) float32, cells; (0, 0) where the maximum is not positive.
    scores
        (N, K) float32, the maxima.

    Raises
    ------
    ValueError
        If ``heatmaps`` is not (N, K, H, W).

    Examples
    --------
    >>> maps = np.zeros((1, 1, 8, 6))
    >>> maps[0, 0, 5, 3], maps[0, 0, 5, 4] = 0.7, 0.2
    >>> decode_quarter(maps)[0].tolist()
    [[[3.25, 5.0]]]
    """
    maps, xy, scores = _maps_and_results(heatmaps)
    _peaks(maps, xy, scores)
    _shift_a_quarter(maps, xy)
    return _per_person(heatmaps, xy, scores)


def decode_dark(heatmaps: ArrayLike, *, blur_size: int = 11) -> tuple[Float32Array, Float32Array]:
    """DARK: the peak of a Gaussian fitted to the smoothed heatmap around the arg-max.

    More accurate than `decode_quarter` for maps trained with Gaussian targets, at some cost.
    Peaks in the outer two columns and rows stay where they are.

    Parameters
    ----------
    heatmaps
        (N, K, H, W), any float type.
    blur_size
        Odd width of the smoothing window in cells; its sigma is ``0.15 * blur_size + 0.35``. Use
        11 for targets of sigma 2 (256 x 192 inputs) and 17 for sigma 3 (384 x 288). 1 for none.

    Returns
    -------
    xy
        (N, K, 2) float32, cells; (0, 0) where the maximum is not positive.
    scores
        (N, K) float32, the maxima of the heatmaps as given, not smoothed.

    Raises
    ------
    ValueError
        If ``heatmaps`` is not (N, K, H, W) or ``blur_size`` is not odd and positive.

    Notes
    -----
    F. Zhang et al., *Distribution-Aware Coordinate Representation for Human Pose Estimation*
    (CVPR 2020), equation 9: one Newton step on the logarithm of the smoothed map.

    Examples
    --------
    >>> y, x = np.mgrid[:16, :12]
    >>> maps = np.exp(-((x - 5.3) ** 2 + (y - 8.1) ** 2) / 8)[None, None]
    >>> decode_dark(maps)[0].round(2).tolist()
    [[[5.3..., 8.1...]]]
    """
    if blur_size < 1 or blur_size % 2 == 0:
        raise ValueError(f"blur_size must be odd and positive, got {blur_size}")
    sigma = 0.15 * blur_size + 0.35
    offsets = np.arange(blur_size) - blur_size // 2
    window = np.exp(-0.5 * (offsets / sigma) ** 2)
    maps, xy, scores = _maps_and_results(heatmaps)
    _peaks(maps, xy, scores)
    _fit_gaussians(maps, window / window.sum(), xy)
    return _per_person(heatmaps, xy, scores)


def average_flipped(
    output: ArrayLike, output_of_mirrored: ArrayLike, mirror_order: ArrayLike, *, shift: bool = True
) -> Float32Array:
    """Average of the heatmaps of an image and of its mirror image: the flip test.

    Parameters
    ----------
    output
        (N, K, H, W), the network's answer to the images.
    output_of_mirrored
        (N, K, H, W), its answer to the images mirrored left to right; still mirrored.
    mirror_order
        (K,) int: keypoint k of the mirrored person is keypoint ``mirror_order[k]`` of the person.
    shift
        Move the mirrored answer one column to the right before averaging, since the two answers
        of a network of stride 4 are about a cell apart. Column 0 keeps its own value. The
        authors do.

    Returns
    -------
    average
        (N, K, H, W) float32.

    Raises
    ------
    ValueError
        If shapes disagree or ``mirror_order`` is not K keypoint indices.

    Examples
    --------
    >>> plain = np.array([[[[0.0, 0.0, 1.0, 0.0]]]])
    >>> mirrored = np.array([[[[0.0, 0.0, 1.0, 0.0]]]])
    >>> average_flipped(plain, mirrored, [0]).tolist()
    [[[[0.0, 0.0, 1.0, 0.0]]]]
    """
    first = kernel_input(output, np.float32)
    second = kernel_input(output_of_mirrored, np.float32)
    order = kernel_input(mirror_order, np.intp)
    if first.ndim != 4 or first.shape != second.shape:
        raise ValueError(
            f"both outputs must have one shape (N, K, H, W), got {first.shape} and {second.shape}"
        )
    count = first.shape[1]
    if order.shape != (count,) or (count and not (order.min() >= 0 and order.max() < count)):
        raise ValueError(f"mirror_order must be {count} indices below {count}, got {order}")
    average: Float32Array = _average_flipped(first, second, order, 1 if shift else 0)
    return average


def _maps_and_results(heatmaps: ArrayLike) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Heatmaps as (P, H, W) float32, and room for P keypoints and scores."""
    maps = kernel_input(heatmaps, np.float32)
    if maps.ndim != 4 or 0 in maps.shape[2:]:
        raise ValueError(f"heatmaps must have shape (N, K, H, W), got {maps.shape}")
    count, keypoints, height, width = maps.shape
    flat = maps.reshape(count * keypoints, height, width)
    return flat, np.empty((len(flat), 2), np.float32), np.empty(len(flat), np.float32)


def _per_person(
    heatmaps: ArrayLike, xy: Float32Array, scores: Float32Array
) -> tuple[Float32Array, Float32Array]:
    count, keypoints = np.shape(heatmaps)[:2]
    return xy.reshape(count, keypoints, 2), scores.reshape(count, keypoints)


@compile_kernel
def _peaks(maps: Float32Array, xy: Float32Array, scores: Float32Array) -> None:
    """First maximum of each map in row order, found through the columns' maxima."""
    width = maps.shape[2]
    columns = np.empty(width, np.float32)
    for p in range(len(maps)):
        heatmap = maps[p]
        _column_maxima(heatmap, columns)
        best = np.float32(-np.inf)
        for x in range(width):
            best = columns[x] if columns[x] > best else best
        if best == -np.inf:
            scores[p], xy[p, 0], xy[p, 1] = 0, np.nan, np.nan
            continue
        # As in the authors' code, a keypoint whose best value is not above 0 is at the first cell.
        first_x, first_y = 0, 0
        if best > 0:
            # Only columns that hold the maximum are searched, each no further down than the best
            # row so far: the first in row order is found without reading the whole map again.
            first_y = len(heatmap)
            for x in range(width):
                if columns[x] == best:
                    for y in range(first_y):
                        if heatmap[y, x] == best:
                            first_x, first_y = x, y
                            break
        scores[p], xy[p, 0], xy[p, 1] = best, first_x, first_y


@compile_kernel
def _column_maxima(heatmap: Float32Array, columns: Float32Array) -> None:
    """Maxima over the rows, NaN left out; -inf where nothing is left.

    Neighbouring columns are compared by one instruction; eight rows at a time save memory traffic.
    """
    height, width = heatmap.shape
    columns[:] = -np.inf
    whole = height // 8 * 8
    for y in range(0, whole, 8):
        for x in range(width):
            best = columns[x]
            for step in range(8):
                value = heatmap[y + step, x]
                best = value if value > best else best  # NaN is never greater
            columns[x] = best
    for y in range(whole, height):
        for x in range(width):
            columns[x] = heatmap[y, x] if heatmap[y, x] > columns[x] else columns[x]


@compile_kernel
def _shift_a_quarter(maps: Float32Array, xy: Float32Array) -> None:
    height, width = maps.shape[1:]
    for p in range(len(maps)):
        if np.isnan(xy[p, 0]):
            continue
        x, y = int(xy[p, 0]), int(xy[p, 1])
        # The bounds leave out cell 1 as well as 0, as in the authors' code.
        if 1 < x < width - 1 and 1 < y < height - 1:
            right, left = maps[p, y, x + 1], maps[p, y, x - 1]
            below, above = maps[p, y + 1, x], maps[p, y - 1, x]
            if right != left:
                xy[p, 0] += 0.25 if right > left else -0.25 if right < left else 0.0
            if below != above:
                xy[p, 1] += 0.25 if below > above else -0.25 if below < above else 0.0


@compile_kernel
def _smooth_log(
    maps: Float32Array, p: int, x: int, y: int, window: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Logarithm of map p, smoothed with zeros outside, in the 5 x 5 cells around (x, y)."""
    height, width = maps.shape[1:]
    reach = len(window) // 2
    # The smoothing is separable: down the columns first, for all that the 5 x 5 cells need.
    columns = np.zeros((5, len(window) + 4))
    for i in range(5):
        for j in range(len(window)):
            row = y - 2 + i - reach + j
            if 0 <= row < height:
                for c in range(max(0, reach + 2 - x), min(len(window) + 4, width + reach + 2 - x)):
                    columns[i, c] += window[j] * maps[p, row, x - 2 - reach + c]
    logs = np.empty((5, 5))
    for i in range(5):
        for j in range(5):
            value = 0.0
            for c in range(len(window)):
                value += window[c] * columns[i, j + c]
            # The floor keeps the logarithm finite where the map is 0 or below.
            logs[i, j] = math.log(max(value, 1e-10))
    return logs


@compile_kernel
def _fit_gaussians(maps: Float32Array, window: NDArray[np.float64], xy: Float32Array) -> None:
    height, width = maps.shape[1:]
    for p in range(len(maps)):
        if np.isnan(xy[p, 0]):
            continue
        x, y = int(xy[p, 0]), int(xy[p, 1])
        if not (1 < x < width - 2 and 1 < y < height - 2):
            continue
        g = _smooth_log(maps, p, x, y, window)
        # A Gaussian's logarithm is a parabola: one Newton step from the cell reaches its top. The
        # second derivatives are taken two cells apart, as in DARK's code.
        dx, dy = (g[2, 3] - g[2, 1]) / 2, (g[3, 2] - g[1, 2]) / 2
        dxx = (g[2, 4] - 2 * g[2, 2] + g[2, 0]) / 4
        dyy = (g[4, 2] - 2 * g[2, 2] + g[0, 2]) / 4
        dxy = (g[3, 3] - g[1, 3] - g[3, 1] + g[1, 1]) / 4
        determinant = dxx * dyy - dxy * dxy
        if determinant != 0 and not np.isnan(determinant):
            xy[p, 0] += (dxy * dy - dyy * dx) / determinant
            xy[p, 1] += (dxy * dx - dxx * dy) / determinant


@compile_kernel
def _average_flipped(
    output: Float32Array, mirrored: Float32Array, order: NDArray[np.intp], shift: int
) -> Float32Array:
    average = np.empty_like(output)
    half = np.float32(0.5)
    # Unsigned, for Numba would look out for negative indices in the loop and not vectorise it.
    last, moved = np.uint64(output.shape[3] - 1), np.uint64(output.shape[3] - shift)
    for n in range(output.shape[0]):
        for k in range(output.shape[1]):
            for y in range(output.shape[2]):
                turned = mirrored[n, order[k], y]
                plain, out = output[n, k, y, shift:], average[n, k, y, shift:]
                for x in range(moved):
                    out[x] = (plain[x] + turned[last - x]) * half
                if shift:
                    average[n, k, y, 0] = (output[n, k, y, 0] + turned[last]) * half
    return average
