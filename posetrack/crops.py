"""From a person's box to the network's input, and the exact way back.

A box is made into a *centre* and a *scale* (the size of the enlarged box in units of 200 pixels,
as in MPII's annotations), these into an affine matrix from image to crop, and the matrix into a
crop. Matrices are (N, 2, 3) float64 and map ``(x, y, 1)``; sizes are (width, height).

Everything follows Xiao et al. (ECCV 2018) and their published training code, so that networks
trained with it see what they are used to.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack._affine import (
    UNIT_OF_SCALE,
    affine_rows,
    checked_size,
    crop_matrices,
    heatmap_to_image,
    inverse_affine,
    transform_points,
    udp_matrices,
)
from posetrack._compiled import compiled, kernel_input

__all__ = [
    "IMAGENET_BGR_AS_TRAINED",
    "IMAGENET_RGB",
    "UNIT",
    "Normalisation",
    "box_to_center_scale",
    "crop_matrices",
    "crop_people",
    "heatmap_to_image",
    "inverse_affine",
    "normalise",
    "transform_points",
    "udp_matrices",
]

Float32Array = NDArray[np.float32]
Images = NDArray[np.uint8]


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
    aspect = checked_size(input_size)[0] / input_size[1]
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
    width, height = checked_size(input_size)
    forward = affine_rows(matrices)
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


@compiled
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
