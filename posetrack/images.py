"""Converts users' images to the uint8 BGR arrays that everything here takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_bgr(image: Any) -> NDArray[np.uint8]:
    """Bring an image to contiguous uint8 BGR (H, W, 3); one that is so already is not copied.

    Parameters
    ----------
    image
        (H, W) or (H, W, 1) grey, (H, W, 3) BGR or (H, W, 4) BGRA, whose alpha is dropped; uint8,
        uint16 (divided by 257, rounded) or floating in [0, 1].

    Raises
    ------
    TypeError
        If it is not an array, or of another dtype.
    ValueError
        If it is empty, has another shape, or a floating image leaves [0, 1].

    Examples
    --------
    >>> as_bgr(np.full((2, 2), 65535, np.uint16))[0, 0].tolist()
    [255, 255, 255]
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(
            "expected an image as a numpy array (H, W, 3) of uint8 BGR, "
            f"got {type(image).__name__}; "
            "cv2.imread gives None for a file it cannot read"
        )
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        hint = "; channels come last" if image.ndim == 3 and image.shape[0] in (1, 3, 4) else ""
        raise ValueError(
            f"expected an image of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), "
            f"got {image.shape}{hint}"
        )
    if image.size == 0:
        raise ValueError(f"expected an image with pixels, got an empty one of shape {image.shape}")
    pixels = _as_uint8(image)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        pixels = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, :3])


def _as_uint8(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return ((image + np.uint32(128)) // 257).astype(np.uint8)
    if np.issubdtype(image.dtype, np.floating):
        low, high = float(image.min()), float(image.max())
        if not (low >= 0 and high <= 1):  # also refuses NaN
            raise ValueError(
                f"a floating image must lie in [0, 1], got [{low:g}, {high:g}]; "
                "divide by its largest possible value, or convert it to uint8"
            )
        return np.asarray(np.rint(image * 255), np.uint8)
    raise TypeError(f"expected an image of uint8, uint16 or floating numbers, got {image.dtype}")
