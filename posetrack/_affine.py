"""Affine matrices between an image and the crops of its people, and points taken through them.

`posetrack.crops` gives these on; their sizes, units and sources are described there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

UNIT_OF_SCALE = 200.0
"""Pixels per unit of scale."""


def crop_matrices(
    center: ArrayLike,
    scale: ArrayLike,
    input_size: tuple[int, int],
    *,
    rotation: ArrayLike = 0.0,
    shift: ArrayLike = (0.0, 0.0),
) -> Float64Array:
    """Affine matrices from the image to the crops.

    The centre goes to the middle of the crop, (width / 2, height / 2). The scale's width decides
    the zoom; its height is not used.

    Parameters
    ----------
    center
        (N, 2), pixels.
    scale
        (N, 2), units of 200 pixels. A crop narrower than one pixel of the image is made one
        pixel wide, so that a box without size does no harm.
    input_size
        Width and height of the crop.
    rotation
        () or (N,), degrees; positive turns what the crop shows counter-clockwise.
    shift
        (2,) or (N, 2): moves the centre in the image, in units of the scale.

    Returns
    -------
    matrices
        (N, 2, 3) float64, from image pixels to crop pixels.

    Raises
    ------
    ValueError
        If shapes disagree or a size is not positive.

    Examples
    --------
    >>> crop_matrices([[125, 200]], [[0.96, 1.28]], (192, 256)).tolist()
    [[[1.0, 0.0, -29.0], [0.0, 1.0, -72.0]]]
    """
    width, height = checked_size(input_size)
    centers, scales = _rows_of_two(center, "center"), _rows_of_two(scale, "scale")
    _same_count(centers, scales)
    middle = centers + UNIT_OF_SCALE * scales * np.asarray(shift, np.float64)
    turn = np.deg2rad(np.asarray(rotation, np.float64))
    zoom = width / _crop_widths(scales)
    matrices = np.empty((len(centers), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = zoom * np.cos(turn)
    matrices[:, 0, 1] = zoom * np.sin(turn)
    matrices[:, 1, 0] = 0.0 - matrices[:, 0, 1]
    moved = (matrices[:, :, :2] @ middle[:, :, None])[:, :, 0]
    matrices[:, :, 2] = np.array([width * 0.5, height * 0.5]) - moved
    return matrices


def udp_matrices(
    center: ArrayLike, scale: ArrayLike, input_size: tuple[int, int], *, rotation: ArrayLike = 0.0
) -> Float64Array:
    """Affine matrices from the image to the crops, for networks trained with UDP.

    Unlike in `crop_matrices`, the crop's outermost pixel *centres* lie on the edges of the
    enlarged box, and width and height have a zoom of their own.

    Parameters
    ----------
    center, scale, input_size, rotation
        As in `crop_matrices`.

    Returns
    -------
    matrices
        (N, 2, 3) float64, from image pixels to crop pixels.

    Raises
    ------
    ValueError
        If shapes disagree or a size is not positive.

    Notes
    -----
    J. Huang et al., *The Devil is in the Details: Delving into Unbiased Data Processing for Human
    Pose Estimation* (CVPR 2020). Rotation turns the same way as in `crop_matrices`; mmpose has it
    the other way round here.

    Examples
    --------
    >>> udp_matrices([[100, 100]], [[0.955, 1.275]], (192, 256)).round(9).tolist()
    [[[1.0, 0.0, -4.5], [0.0, 1.0, 27.5]]]
    """
    width, height = checked_size(input_size)
    centers, scales = _rows_of_two(center, "center"), _rows_of_two(scale, "scale")
    _same_count(centers, scales)
    last = np.array([width - 1, height - 1])
    zoom = last / np.maximum(UNIT_OF_SCALE * scales, 1.0)
    turn = np.deg2rad(np.asarray(rotation, np.float64))
    matrices = np.empty((len(centers), 2, 3))
    matrices[:, 0, 0], matrices[:, 0, 1] = np.cos(turn), np.sin(turn)
    matrices[:, 1, 0], matrices[:, 1, 1] = 0.0 - np.sin(turn), np.cos(turn)
    matrices[:, :, :2] *= zoom[:, :, None]
    matrices[:, :, 2] = last / 2 - (matrices[:, :, :2] @ centers[:, :, None])[:, :, 0]
    return matrices


def inverse_affine(matrices: ArrayLike) -> Float64Array:
    """Matrices that undo affine matrices.

    Parameters
    ----------
    matrices
        (N, 2, 3).

    Returns
    -------
    inverse
        (N, 2, 3) float64.

    Raises
    ------
    ValueError
        If the shape is wrong or a matrix cannot be undone.

    Examples
    --------
    >>> inverse_affine([[[2, 0, 10], [0, 2, 20]]]).tolist()
    [[[0.5, 0.0, -5.0], [0.0, 0.5, -10.0]]]
    """
    forward = affine_rows(matrices)
    a, b, c, d = (forward[:, i, j] for i in range(2) for j in range(2))
    determinant = a * d - b * c
    if not (determinant != 0).all():
        raise ValueError(f"matrix {int(np.argmin(determinant != 0))} cannot be inverted")
    inverse = np.empty_like(forward)
    inverse[:, 0, 0], inverse[:, 0, 1] = d / determinant, 0.0 - b / determinant
    inverse[:, 1, 0], inverse[:, 1, 1] = 0.0 - c / determinant, a / determinant
    inverse[:, :, 2] = -(inverse[:, :, :2] @ forward[:, :, 2:])[:, :, 0]
    return inverse


def transform_points(matrices: ArrayLike, xy: ArrayLike) -> Float64Array:
    """Points taken through affine matrices, one matrix a row.

    Parameters
    ----------
    matrices
        (N, 2, 3).
    xy
        (N, K, 2); NaN stays NaN.

    Returns
    -------
    xy
        (N, K, 2) float64.

    Raises
    ------
    ValueError
        If shapes disagree.

    Examples
    --------
    >>> transform_points([[[2, 0, 10], [0, 2, 20]]], [[[1, 1]]]).tolist()
    [[[12.0, 22.0]]]
    """
    forward = affine_rows(matrices)
    points = _poses(xy, len(forward))
    moved: Float64Array = points @ forward[:, :, :2].transpose(0, 2, 1) + forward[:, None, :, 2]
    return moved


def heatmap_to_image(
    xy: ArrayLike, center: ArrayLike, scale: ArrayLike, heatmap_size: tuple[int, int]
) -> Float32Array:
    """Keypoints in heatmap cells taken to image pixels.

    The inverse of ``crop_matrices(center, scale, heatmap_size)``, as in the authors' code: there
    is no half-pixel term between heatmap and input.

    Parameters
    ----------
    xy
        (N, K, 2), cells; NaN stays NaN.
    center, scale
        (N, 2) each, of the crops; pixels and units of 200 pixels.
    heatmap_size
        Width and height of the heatmaps.

    Returns
    -------
    xy
        (N, K, 2) float32, image pixels.

    Raises
    ------
    ValueError
        If shapes disagree or a size is not positive.

    Examples
    --------
    >>> heatmap_to_image([[[24, 32], [0, 0]]], [[125, 200]], [[0.96, 1.28]], (48, 64)).tolist()
    [[[125.0, 200.0], [29.0, 72.0]]]
    """
    width, height = checked_size(heatmap_size)
    centers, scales = _rows_of_two(center, "center"), _rows_of_two(scale, "scale")
    _same_count(centers, scales)
    cell = _crop_widths(scales) / width
    middle = np.array([width * 0.5, height * 0.5])
    image = (_poses(xy, len(centers)) - middle) * cell[:, None, None] + centers[:, None, :]
    on_image: Float32Array = image.astype(np.float32)
    return on_image


def _crop_widths(scales: Float64Array) -> Float64Array:
    """Width of the crops in image pixels, at least one."""
    return np.maximum(UNIT_OF_SCALE * scales[:, 0], 1.0)


def checked_size(size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    if width < 1 or height < 1:
        raise ValueError(f"sizes must be a positive (width, height), got {size}")
    return width, height


def _rows_of_two(values: ArrayLike, name: str) -> Float64Array:
    rows = np.asarray(values, np.float64)
    if rows.ndim != 2 or rows.shape[1] != 2:
        if rows.size:
            raise ValueError(f"{name} must have shape (N, 2), got {rows.shape}")
        rows = rows.reshape(0, 2)
    return rows


def _same_count(centers: Float64Array, scales: Float64Array) -> None:
    if len(centers) != len(scales):
        raise ValueError(f"there are {len(centers)} centres but {len(scales)} scales")


def affine_rows(matrices: ArrayLike) -> Float64Array:
    affine = np.asarray(matrices, np.float64)
    if affine.ndim != 3 or affine.shape[1:] != (2, 3):
        if affine.size:
            raise ValueError(f"matrices must have shape (N, 2, 3), got {affine.shape}")
        affine = affine.reshape(0, 2, 3)
    return affine


def _poses(xy: ArrayLike, count: int) -> Float64Array:
    poses = np.asarray(xy, np.float64)
    if poses.ndim != 3 or poses.shape[2] != 2 or len(poses) != count:
        if poses.size or count:
            raise ValueError(f"xy must have shape ({count}, K, 2), got {poses.shape}")
        poses = poses.reshape(0, poses.shape[1] if poses.ndim > 1 else 0, 2)
    return poses
