"""Decoded pictures to upright uint8 BGR images."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from numpy.typing import NDArray

from posetrack.interfaces import Image

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.reformatter import VideoReformatter

Orientation = tuple[bool, bool, bool]
"""Transpose first, then flip up-down, then flip left-right."""

UPRIGHT: Orientation = (False, False, False)


_MAX_ASPECT = 4
"""Pixels more oblong than this are taken for a wrong entry in the header."""

_SAME_SHAPE = 0.02
"""Two pictures whose sides' ratios differ by less show the same, larger or smaller."""


class Conversion:
    """Makes images of one scale from the pictures of a video.

    Pixels that are not square become square: the shorter side of a pixel is stretched. A picture
    of another size than the first is brought to the first one's size, whole, with black bars
    where its shape is another. So a coordinate means the same in all images.

    Parameters
    ----------
    aspect
        Width of a stored pixel over its height; None, 0 or beyond 1/4 .. 4: square.
    stored
        Leave pictures as they are stored; sizes may then change.

    Attributes
    ----------
    stored_size
        Width and height of the first picture as stored, but upright; None before it.
    size
        Width and height of the first image.
    changed
        Number of the first picture that had another size, counted from 0; None if none had.
    """

    def __init__(self, aspect: Fraction | None = None, *, stored: bool = False) -> None:
        from av.video.reformatter import VideoReformatter

        usable = aspect and Fraction(1, _MAX_ASPECT) <= aspect <= _MAX_ASPECT
        self._aspect = Fraction(aspect) if aspect and usable and not stored else Fraction(1)
        self._stored = stored
        self._reformatter = VideoReformatter()
        self._converted = 0
        self.stored_size: tuple[int, int] | None = None
        self.size: tuple[int, int] | None = None
        self.changed: int | None = None

    @property
    def scale(self) -> tuple[float, float]:
        """Image pixels for each stored pixel of the first picture, in x and in y."""
        if self.size is None or self.stored_size is None:
            return 1.0, 1.0
        (width, height), (stored_width, stored_height) = self.size, self.stored_size
        return width / stored_width, height / stored_height

    def convert(self, picture: VideoFrame) -> Image:
        """The next picture as an (H, W, 3) uint8 BGR image, owned by the caller."""
        number, self._converted = self._converted, self._converted + 1
        size = square_size((picture.width, picture.height), self._aspect)
        image = to_bgr(picture, self._reformatter, size=size)
        height, width = image.shape[:2]
        if self.size is None:
            self.size = width, height
            turned = orientation_of(picture)[0]
            self.stored_size = (
                (picture.height, picture.width) if turned else (picture.width, picture.height)
            )
        elif (width, height) != self.size and not self._stored:
            self.changed = number if self.changed is None else self.changed
            image = fit_into(image, self.size)
        return image


def square_size(size: tuple[int, int], aspect: Fraction) -> tuple[int, int]:
    """Width and height with square pixels, of a picture of ``size`` stored pixels.

    Parameters
    ----------
    size
        Width and height as stored.
    aspect
        Width of a stored pixel over its height.

    Examples
    --------
    >>> square_size((720, 576), Fraction(64, 45)), square_size((720, 480), Fraction(8, 9))
    ((1024, 576), (720, 540))
    """
    width, height = size
    if aspect >= 1:
        return round(width * aspect), height
    return width, round(height / aspect)


def fit_into(image: Image, size: tuple[int, int]) -> Image:
    """Scale an image to a width and height; black bars keep its shape where that is another.

    Examples
    --------
    >>> fit_into(np.full((4, 4, 3), 255, np.uint8), (8, 4))[0, :, 0].tolist()
    [0, 0, 255, 255, 255, 255, 0, 0]
    """
    (width, height), (old_height, old_width) = size, image.shape[:2]
    ratio = (width * old_height) / (height * old_width)
    if abs(ratio - 1) > _SAME_SHAPE:
        scale = min(width / old_width, height / old_height)
        inner = max(round(old_width * scale), 1), max(round(old_height * scale), 1)
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[top : top + inner[1], left : left + inner[0]] = _scale(image, inner)
        return canvas
    return _scale(image, size)


def _scale(image: Image, size: tuple[int, int]) -> Image:
    shrinks = size[0] < image.shape[1]
    scaled: Any = cv2.resize(
        image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    return scaled  # type: ignore[no-any-return]


def to_bgr(
    frame: VideoFrame, reformatter: VideoReformatter, *, size: tuple[int, int] | None = None
) -> Image:
    """Convert a decoded picture of any pixel format; upright by its own display matrix.

    Parameters
    ----------
    frame
        From a decoder.
    reformatter
        Kept for a whole video: it holds what the conversion sets up once.
    size
        Width and height to scale to, before turning; None: as stored.

    Returns
    -------
    image
        (H, W, 3) uint8 BGR, contiguous, owned by the caller. Colours by the matrix and range that
        the stream names, else BT.601.
    """
    if size is None or size == (frame.width, frame.height):
        bgr = reformatter.reformat(frame, format="bgr24")
    else:
        bgr = reformatter.reformat(frame, width=size[0], height=size[1], format="bgr24")
    # PyAV gives a view of FFmpeg's memory or a copy, whose rows are padded or not, by version.
    image: Any = np.require(bgr.to_ndarray(), np.uint8, ("C_CONTIGUOUS", "WRITEABLE"))
    orientation = orientation_of(frame)
    return image if orientation == UPRIGHT else orient(image, orientation)


def orientation_of(frame: VideoFrame) -> Orientation:
    """How the picture must be turned, from its display matrix; upright without one."""
    matrix: Any = _side_data(frame).get("DISPLAYMATRIX")
    return UPRIGHT if matrix is None else from_matrix(np.frombuffer(bytes(matrix), np.int32))


def _side_data(frame: VideoFrame) -> Any:
    """What lies beside a picture.

    Not by frame.side_data: what that gives is kept in the frame and refers to it, so that every
    picture would stay in memory until Python looks for such rings, hundreds of megabytes later.
    """
    container: Any = SideDataContainer
    try:
        return container(frame)
    except TypeError:  # a PyAV with another layout
        return frame.side_data


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
    a, b, c, d = (int(matrix[index]) for index in (0, 1, 3, 4))
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, b < 0, c < 0
    return False, d < 0, a < 0


def orient(image: Image, orientation: Orientation) -> Image:
    """Transpose and flip.

    Examples
    --------
    >>> image = np.zeros((2, 3, 3), np.uint8)
    >>> orient(image, (True, False, True)).shape
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
