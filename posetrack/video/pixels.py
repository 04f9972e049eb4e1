"""Decoded pictures to upright uint8 BGR images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import Image

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

Orientation = tuple[bool, bool, bool]
"""Transpose first, then flip up-down, then flip left-right."""

UPRIGHT: Orientation = (False, False, False)


def to_bgr(frame: VideoFrame, reformatter: VideoReformatter) -> Image:
    """Convert a decoded picture of any pixel format; upright by its own display matrix.

    Parameters
    ----------
    frame
        From a decoder.
    reformatter
        Kept for a whole video: it holds what the conversion sets up once.

    Returns
    -------
    image
        (H, W, 3) uint8 BGR, contiguous, owned by the caller. Colours by the matrix and range that
        the stream names, else BT.601. Pixels that are not square stay as they are.
    """
    image: Any = reformatter.reformat(frame, format="bgr24").to_ndarray()
    orientation = orientation_of(frame)
    return image if orientation == UPRIGHT else oriented(image, orientation)


def orientation_of(frame: VideoFrame) -> Orientation:
    """How the picture must be turned, from its display matrix; upright where there is none."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    return UPRIGHT if matrix is None else from_matrix(np.frombuffer(bytes(matrix), np.int32))


def from_matrix(matrix: NDArray[np.int32]) -> Orientation:
    """The nearest of the eight turns of a display matrix.

    Parameters
    ----------
    matrix
        (9,) fixed point: a, b, u, c, d, v, x, y, w of ISO/IEC 14496-12, 8.3.2. A pixel (x, y) is
        shown at (a x + c y, b x + d y).

    Examples
    --------
    >>> one = 1 << 16
    >>> from_matrix(np.array([0, one, 0, -one, 0, 0, 0, 0, 1 << 30], np.int32))  # 90 clockwise
    (True, False, True)
    """
    if len(matrix) != 9:
        return UPRIGHT
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, b < 0, c < 0
    return False, d < 0, a < 0


def oriented(image: Image, orientation: Orientation) -> Image:
    """Transpose and flip.

    Examples
    --------
    >>> image = np.zeros((2, 3, 3), np.uint8)
    >>> oriented(image, (True, False, True)).shape
    (3, 2, 3)
    """
    transpose, down, across = orientation
    turns = {
        (True, False, True): cv2.ROTATE_90_CLOCKWISE,
        (True, True, False): cv2.ROTATE_90_COUNTERCLOCKWISE,
        (False, True, True): cv2.ROTATE_180,
    }
    turned: Any = image
    if orientation in turns:
        turned = cv2.rotate(image, turns[orientation])
    elif orientation != UPRIGHT:
        turned = cv2.transpose(image) if transpose else image
        if down or across:
            turned = cv2.flip(turned, -1 if down and across else 0 if down else 1)
    return turned  # type: ignore[no-any-return]
