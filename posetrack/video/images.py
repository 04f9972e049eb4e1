"""Folders, patterns and lists of images as frames."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import Image
from posetrack.video.frames import Facts, Frame, Row, Selection, Source, Status, Step
from posetrack.video.headers import image_size

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("bmp", "dib", "jpe", "jpeg", "jpg", "pbm", "pgm"),
        *("png", "pnm", "ppm", "tif", "tiff", "webp"),
    )
)

DEFAULT_RATE = Fraction(30)
"""Images carry no time; so many count as a second unless told otherwise."""

_ROWS_AT_ONCE = 4096


class ImageSteps:
    """Image files, in the given order, as steps.

    A file that cannot be read as an image is a corrupt frame. Sizes may differ from file to file.

    Parameters
    ----------
    paths
        At least one file.
    name
        What the user called them.
    selection
        Which are wanted; the others are not opened.
    rate
        Images per second.
    max_pixels
        Larger images are corrupt frames: their headers are read before memory is taken.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        name: str,
        selection: Selection,
        rate: Fraction | None,
        max_pixels: int,
    ) -> None:
        self._paths = paths
        self._selection = selection
        self._rate = rate or DEFAULT_RATE
        self._max_pixels = max_pixels
        self.facts = Facts(
            source=Source(name=name, kind="images", decoder=f"OpenCV {cv2.__version__}"),
            size=None,
            rate=self._rate,
            count=len(paths),
            seconds=float(len(paths) / self._rate),
        )

    def steps(self) -> Generator[Step, None, None]:
        """Every image up to the end of the selection."""
        rows: list[Row] = []
        for index, path in enumerate(self._paths):
            if self._selection.is_past(index):
                break
            seconds = float(index / self._rate)
            image, status = None, Status.SKIPPED
            if self._selection.wants(index):
                try:
                    image, status = read_image(path, max_pixels=self._max_pixels), Status.DECODED
                except (OSError, ValueError):
                    status = Status.CORRUPT
            rows.append((seconds, status))
            if image is not None:
                yield Step(rows, Frame(image, index, seconds))
                rows = []
            elif len(rows) >= _ROWS_AT_ONCE:
                yield Step(rows)
                rows = []
        yield Step(rows)


def read_image(path: Path | str, *, max_pixels: int = 2**28) -> Image:
    """Read one image file as 8-bit BGR, upright by its EXIF orientation.

    Grey becomes three equal channels; transparency is dropped. 16-bit values are divided by 257,
    so that the full range maps to the full range (12 bits stored in 16 stay dark). Floating-point
    values are taken as 0 to 1 and clipped.

    Parameters
    ----------
    path
        A file of one of the formats BMP, JPEG, PNG, PNM, TIFF, WebP; told by its content.
    max_pixels
        Refuse an image whose header claims more.

    Returns
    -------
    image
        (H, W, 3) uint8, BGR.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no image of a known format, claims too many pixels, or is damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "grey.png"
    ...     _ = path.write_bytes(cv2.imencode(".png", np.full((2, 3), 514, np.uint16))[1])
    ...     read_image(path)[0, 0].tolist()
    [2, 2, 2]
    """
    path = Path(path)
    with path.open("rb") as file:
        size = image_size(file)
        if size is None:
            raise ValueError(f"{path}: expected a BMP, JPEG, PNG, PNM, TIFF or WebP image")
        width, height = size
        if width * height > max_pixels:
            raise ValueError(
                f"{path}: claims {width}x{height} pixels, more than max_pixels = {max_pixels}"
            )
        file.seek(0)
        # No more than the pixels could fill uncompressed, whatever the file's length.
        data = np.frombuffer(file.read(width * height * 16 + (1 << 24)), np.uint8)
    try:
        pixels: Any = cv2.imdecode(data, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise ValueError(f"{path}: damaged image: {error}") from error
    if pixels is None:
        raise ValueError(f"{path}: damaged image, or of a kind that OpenCV cannot decode")
    image = to_uint8(pixels)
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def to_uint8(pixels: NDArray[Any]) -> Image:
    """Scale the full range of any depth to 0 .. 255; see `read_image`."""
    if pixels.dtype == np.uint8:
        scaled: Any = pixels
    elif pixels.dtype == np.uint16:
        scaled = (pixels.astype(np.uint32) + 128) // 257
    elif pixels.dtype.kind == "f":
        scaled = np.rint(np.nan_to_num(pixels, nan=0.0).clip(0, 1) * 255)
    else:
        info = np.iinfo(pixels.dtype)
        scaled = np.rint((pixels - float(info.min)) / (float(info.max) - info.min) * 255)
    image: Image = scaled.astype(np.uint8, copy=False)
    return image


def images_in(folder: Path) -> list[Path]:
    """Image files of a folder in natural order, by suffix; hidden files and subfolders are not.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    found = sorted_naturally(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        others = sorted(path.name for path in folder.iterdir())[:5]
        held = f"it holds {', '.join(others)}" if others else "it is empty"
        raise FileNotFoundError(
            f"{folder}: expected images ({' '.join(sorted(SUFFIXES))}) in this folder, {held}. "
            "Name a video file itself"
        )
    return found


def sorted_naturally(paths: Any) -> list[Path]:
    """Sort paths with their numbers as numbers.

    Examples
    --------
    >>> [path.name for path in sorted_naturally([Path("b2"), Path("b10"), Path("a11"), Path("B1")])]
    ['a11', 'B1', 'b2', 'b10']
    """

    def key(path: Path) -> tuple[Any, ...]:
        parts = re.split(r"(\d+)", str(path).casefold())
        # Even places are text and odd ones digits, so only like is compared with like.
        numbers = [int(part) if place % 2 else part for place, part in enumerate(parts)]
        return (*numbers,), str(path)

    return sorted(paths, key=key)
