"""From a person's box to the network's input, and exactly back.

A box is made into a *centre* and a *scale* (the size of the enlarged box in units of 200 pixels,
as in MPII's annotations), these into an affine matrix from image to crop, and the matrix into a
crop. Matrices are (N, 2, 3) float64 and map ``(x, y, 1)``; sizes are (width, height).

Everything follows Xiao et al. (ECCV 2018) and their published training code, so that networks
trained with it see what they are used to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.compilation import compile_kernel, kernel_input

Images = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

UNIT_OF_SCALE = 200.0
"""Pixels per unit of scale."""


def in_batches(
    matrices: Sequence[NDArray[np.float64]], most: int
) -> Iterator[list[tuple[int, NDArray[np.float64]]]]:
    """The crops of several images in batches, in order: which image, and its matrices there.

    Parameters
    ----------
    matrices
        Of each image (n, 2, 3), n at least 1; see `crop_matrices`.
    most
        Crops in a batch.

    Examples
    --------
    >>> two = [np.zeros((3, 2, 3)), np.zeros((2, 2, 3))]
    >>> [[(row, len(some)) for row, some in batch] for batch in in_batches(two, 4)]
    [[(0, 3), (1, 1)], [(1, 1)]]
    """
    batch: list[tuple[int, NDArray[np.float64]]] = []
    room = most
    for row, left in enumerate(matrices):
        while len(left):
            batch.append((row, left[:room]))
            left = left[room:]
            room -= len(batch[-1][1])
            if not room:
                yield batch
                batch, room = [], most
    if batch:
        yield batch


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
    width, height = _check_size(input_size)
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
    forward = _affine_rows(matrices)
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
    forward = _affine_rows(matrices)
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
    width, height = _check_size(heatmap_size)
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


def _check_size(size: tuple[int, int]) -> tuple[int, int]:
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


def _affine_rows(matrices: ArrayLike) -> Float64Array:
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


@dataclass(frozen=True)
class Normalisation:
    """How a network wants its colours: ``(value / 255 - mean) / std`` for each channel.

    Parameters
    ----------
    mean, std
        Three numbers each, in the order of the network's channels, for values in [0, 1].
    rgb
        Whether the network's channels are red, green, blue; else blue, green, red.

    Raises
    ------
    ValueError
        If there are not three of each, or a deviation is not positive.

    Examples
    --------
    >>> Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), rgb=True).rgb
    True
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    rgb: bool

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or not all(value > 0 for value in self.std):
            raise ValueError(
                "mean and std must be three numbers each, std positive; "
                f"got mean {self.mean}, std {self.std}"
            )


IMAGENET_RGB = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), rgb=True)
"""ImageNet's statistics: torchvision's, HRNet's and mmpose's networks."""

IMAGENET_BGR_AS_TRAINED = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), rgb=False)
"""The authors' own networks: trained on BGR images with the statistics in RGB order."""

UNIT = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), rgb=True)
"""RGB in [0, 1], nothing subtracted."""

BGR_255 = Normalisation((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255), rgb=False)
"""BGR in [0, 255] as the image has it: YOLOX, RTMO."""

RGB_255 = Normalisation((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255), rgb=True)
"""RGB in [0, 255]: of networks that scale colours themselves."""

BGR_UNIT = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), rgb=False)
"""BGR in [0, 1]: FastestDet."""

IMAGENET_BGR = Normalisation((0.406, 0.456, 0.485), (0.225, 0.224, 0.229), rgb=False)
"""ImageNet's statistics in BGR order: RTMDet."""

PLUS_MINUS_ONE = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), rgb=True)
"""RGB in [-1, 1], as PoseNet takes it."""


def box_to_center_scale(
    xyxy: ArrayLike, *, input_size: tuple[int, int], padding: float = 1.25
) -> tuple[Float32Array, Float32Array]:
    """Centre and scale of the crops for boxes.

    The shorter side is enlarged until the box has the shape of the network's input, then both
    sides by ``padding``.

    Parameters
    ----------
    xyxy
        (N, 4), pixels.
    input_size
        Width and height of the network's input.
    padding
        How much larger than the box the crop is. The authors' 1.25 leaves room for limbs that
        the box cuts off.

    Returns
    -------
    center
        (N, 2) float32, pixels.
    scale
        (N, 2) float32, width and height of the crop in the image, in units of 200 pixels. 0 for
        a box without size.

    Raises
    ------
    ValueError
        If ``xyxy`` is not (N, 4), or a size or the padding is not positive.

    Notes
    -----
    Agrees with the authors' code to the last bit where corners are exact in float64, including
    a quirk: a box whose centre's x is exactly -1 (a mark for "no centre" in MPII) is not padded.

    Examples
    --------
    >>> center, scale = box_to_center_scale([[100, 100, 150, 300]], input_size=(192, 256))
    >>> center.tolist(), scale.tolist()
    ([[125.0, 200.0]], [[0.9375, 1.25]])
    """
    aspect = _check_size(input_size)[0] / input_size[1]
    if not padding > 0:
        raise ValueError(f"padding must be positive, got {padding}")
    boxes = np.asarray(xyxy, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        if boxes.size:
            raise ValueError(
                f"xyxy must be boxes of shape (N, 4): left, top, right, bottom; got {boxes.shape}"
            )
        boxes = boxes.reshape(0, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    center = (boxes[:, :2] + sides * 0.5).astype(np.float32)
    width, height = sides[:, 0], sides[:, 1]
    enlarged = np.stack([np.maximum(width, height * aspect), np.maximum(height, width / aspect)], 1)
    scale = (enlarged / UNIT_OF_SCALE).astype(np.float32)
    scale[center[:, 0] != -1] *= np.float32(padding)
    return center, scale


def crop_people(image: Images, matrices: ArrayLike, input_size: tuple[int, int]) -> Images:
    """Cut out of the image what each matrix shows; bilinear, black outside the image.

    Parameters
    ----------
    image
        (H, W, 3) uint8.
    matrices
        (N, 2, 3), from image to crop.
    input_size
        Width and height of the crops.

    Returns
    -------
    crops
        (N, height, width, 3) uint8, channels as in the image.

    Raises
    ------
    ValueError
        If a shape is wrong.

    Notes
    -----
    By OpenCV. Its version 5 interpolates exactly; version 4 rounds positions to 1/32 pixel, so
    their crops differ by up to 5 grey levels in few pixels.

    Examples
    --------
    >>> image = np.full((480, 640, 3), 7, np.uint8)
    >>> crop_people(image, [[[1, 0, -10], [0, 1, -10]]], (192, 256)).shape
    (1, 256, 192, 3)
    """
    width, height = _check_size(input_size)
    forward = _affine_rows(matrices)
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"image must have shape (H, W, 3), got {image.shape}")
    crops = np.empty((len(forward), height, width, 3), np.uint8)
    for crop, matrix in zip(crops, forward, strict=True):
        cv2.warpAffine(image, matrix, (width, height), dst=crop, flags=cv2.INTER_LINEAR)
    return crops


def normalise(crops: Images, normalisation: Normalisation) -> Float32Array:
    """Crops as the network takes them.

    Parameters
    ----------
    crops
        (N, height, width, 3) uint8, BGR.
    normalisation
        The network's order of channels, means and deviations.

    Returns
    -------
    batch
        (N, 3, height, width) float32, contiguous.

    Raises
    ------
    ValueError
        If ``crops`` is not (N, height, width, 3) uint8.

    Examples
    --------
    >>> blue = np.zeros((1, 2, 2, 3), np.uint8)
    >>> blue[..., 0] = 255
    >>> normalise(blue, UNIT)[0, :, 0, 0].tolist()
    [0.0, 0.0, 1.0]
    """
    if crops.ndim != 4 or crops.shape[3] != 3 or crops.dtype != np.uint8:
        raise ValueError(
            f"crops must be uint8 of shape (N, height, width, 3), got {crops.dtype} {crops.shape}"
        )
    factor = 1 / (255 * np.array(normalisation.std))
    offset = -np.array(normalisation.mean) / np.array(normalisation.std)
    batch = np.empty((crops.shape[0], 3, *crops.shape[1:3]), np.float32)
    _normalise(
        kernel_input(crops, np.uint8),
        factor.astype(np.float32),
        offset.astype(np.float32),
        normalisation.rgb,
        batch,
    )
    return batch


@compile_kernel
def _normalise(
    crops: Images, factor: Float32Array, offset: Float32Array, reverse: bool, batch: Float32Array
) -> None:
    pixels = crops.shape[1] * crops.shape[2]
    values, planes = crops.reshape(-1), batch.reshape(-1)
    for n in range(len(crops)):
        for channel in range(3):
            source = values[3 * pixels * n + (2 - channel if reverse else channel) :]
            plane = planes[(3 * n + channel) * pixels :]
            times, plus = factor[channel], offset[channel]
            # One dimension and a constant stride: only so does this loop become vectorised.
            for i in range(pixels):
                plane[i] = np.float32(source[3 * i]) * times + plus
