"""Folders, patterns and lists of images as frames."""

from __future__ import annotations

import re
import struct
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from posetrack.interfaces import Image
from posetrack.video.frames import Facts, Frame, Row, Selection, Source, Status, Step
from posetrack.video.headers import image_orientation, image_size, is_avif, is_still
from posetrack.video.pixels import orient

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("bmp", "dib", "jpe", "jpeg", "jpg", "pbm", "pgm"),
        *("png", "pnm", "ppm", "tif", "tiff", "webp"),
        *("heic", "heif", "hif", "avif"),
    )
)

DEFAULT_RATE = Fraction(30)
"""Images carry no time; by default this many make a second."""

_ROWS_AT_ONCE = 4096
_MAX_PADDING = 16  # bytes before the end of a JPEG that some cameras leave
_MAX_PICTURES = 100_000  # in one file
_MANY = frozenset((".tif", ".tiff", ".webp", ".png", ".avif"))
_BY_PILLOW = ("TIFF", "WEBP", "PNG", "AVIF")


class ImageSteps:
    """Image files, in the given order, as steps.

    A file that cannot be read as an image is a corrupt frame. Sizes may differ from file to file.
    All pictures of a file count: pages of a TIFF, and of an animated WebP, PNG or AVIF, whose own
    times count if it is the only file.

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
        durations = [_durations(path) for path in paths]
        self._pages = [
            (path, page)
            for path, each in zip(paths, durations, strict=True)
            for page in range(len(each))
        ]
        self._selection = selection
        own = _times(durations[0]) if len(paths) == 1 and rate is None else None
        length = own[-1] if own else 0.0
        self._rate = (
            Fraction(len(self._pages) / length).limit_denominator(1000)
            if length > 0
            else rate or DEFAULT_RATE
        )
        self._times = own[:-1] if own and length > 0 else None
        self._max_pixels = max_pixels
        self.facts = Facts(
            source=Source(name=name, kind="images", decoder=f"OpenCV {cv2.__version__}"),
            size=None,
            rate=self._rate,
            count=len(self._pages),
            seconds=float(len(self._pages) / self._rate),
            counted=True,
            files=tuple(self._pages),
        )

    def steps(self) -> Generator[Step, None, None]:
        """Every image up to the end of the selection."""
        with ExitStack() as stack:
            yield from self._steps(stack)

    def _steps(self, stack: ExitStack) -> Generator[Step, None, None]:
        rows: list[Row] = []
        pages: _Pages | None = None
        for index, (path, page) in enumerate(self._pages):
            if self._selection.is_past(index):
                break
            seconds = float(index / self._rate) if self._times is None else self._times[index]
            image, status = None, Status.SKIPPED
            if self._selection.wants(index):
                try:
                    if page and (pages is None or pages.path != path):
                        stack.close()  # one file at a time, and not anew for each picture
                        pages = stack.enter_context(_Pages(path, self._max_pixels))
                    if page and pages is not None:
                        image = pages.read(page)
                    else:
                        image = read_image(path, max_pixels=self._max_pixels)
                    status = Status.DECODED
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


def read_image(path: Path | str, *, page: int = 0, max_pixels: int = 2**28) -> Image:
    """Read one picture of an image file as 8-bit BGR, upright by its EXIF orientation.

    Grey becomes three equal channels; transparency is dropped. 16-bit values are divided by 257,
    so that the full range maps to the full range (12 bits stored in 16 stay dark). Floating-point
    values are taken as 0 to 1 and clipped.

    Parameters
    ----------
    path
        A file of one of the formats BMP, JPEG, PNG, PNM, TIFF, WebP, AVIF, and with
        ``pip install "posetrack[heif]"`` HEIF; recognised by its content.
    page
        Which picture, from 0: page of a TIFF, frame of an animated WebP, PNG or AVIF.
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
        If it is not an image of a known format, claims too many pixels, or is damaged. A JPEG is
        damaged where its decoder has to guess.
    ModuleNotFoundError
        If it is a HEIF image and the library for it is not installed.

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
        start = file.read(64)
        if is_avif(start):
            with _Pages(path, max_pixels) as pages:
                return pages.read(page)
        if is_still(start):
            return _read_still(path, max_pixels)
        size = image_size(file)
        if size is None:
            raise ValueError(f"{path}: expected a BMP, JPEG, PNG, PNM, TIFF, WebP or AVIF image")
        width, height = size
        if width * height > max_pixels:
            raise ValueError(
                f"{path}: claims {width}x{height} pixels, more than max_pixels = {max_pixels}"
            )
        turn = image_orientation(file)
        file.seek(0)
        # No more than the pixels could fill uncompressed, whatever the file's length.
        data = np.frombuffer(file.read(width * height * 16 + (1 << 24)), np.uint8)
    if page:
        with _Pages(path, max_pixels) as pages:
            return pages.read(page)
    if data[:2].tobytes() == b"\xff\xd8":
        _check_jpeg(path, data)
    try:
        # Which formats OpenCV turns by itself depends on its version; here none is.
        flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
        pixels: Any = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise ValueError(f"{path}: damaged image: {error}") from error
    if pixels is None:
        raise ValueError(f"{path}: damaged image, or of a kind that OpenCV cannot decode")
    return orient(_bgr_of(to_uint8(pixels)), turn)


def _bgr_of(image: Image) -> Image:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _check_jpeg(path: Path, data: NDArray[np.uint8]) -> None:
    """Refuse a JPEG with spoiled bytes, which decoders fill with what comes.

    libjpeg warns and goes on. Read strictly, its warnings are errors; an eighth of the size is
    decoded, since all that costs is to read what the file holds.
    """
    content = data.tobytes()
    try:
        *_, colours, _ = simplejpeg.decode_jpeg_header(content)
        colours = "CMYK" if colours in ("CMYK", "YCCK") else "GRAY"
        simplejpeg.decode_jpeg(
            content, colorspace=colours, min_height=1, min_width=1, min_factor=8, strict=True
        )
    except ValueError as error:
        padding = re.search(r"(\d+) extraneous bytes before marker 0xd9", str(error))
        # Some cameras put a few bytes before the end.
        if padding is None or int(padding[1]) > _MAX_PADDING:
            raise ValueError(f"{path}: damaged image: {error}") from error


class _Pages:
    """The pictures behind the first of a file, which may claim other sizes; it stays open.

    To come to a picture of an animation, a decoder goes through those before it: opened anew for
    each, n pictures would cost n squared.
    """

    def __init__(self, path: Path, max_pixels: int) -> None:
        self.path, self._max_pixels = path, max_pixels
        self._file = path.open("rb")
        self._pictures: Any = None
        self._data: NDArray[np.uint8] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, page: int) -> Image:
        """The picture of this number, see `read_image`."""
        import PIL.Image
        import PIL.ImageOps

        try:
            if self._pictures is None:
                self._pictures = PIL.Image.open(self._file, formats=_BY_PILLOW)
            pictures = self._pictures
            pictures.seek(page)
            width, height = pictures.size
            if width * height > self._max_pixels:
                raise ValueError(
                    f"claims {width}x{height} pixels, more than max_pixels = {self._max_pixels}"
                )
            if pictures.format != "TIFF":
                rgb = np.asarray(PIL.ImageOps.exif_transpose(pictures).convert("RGB"))
                return np.ascontiguousarray(rgb[..., ::-1])
        except _damage() as error:
            raise ValueError(f"{self.path}: damaged image: picture {page}: {error}") from error
        return self._tiff_page(page)

    def _tiff_page(self, page: int) -> Image:
        """By OpenCV: Pillow knows no colours of 16 bits."""
        if self._data is None:
            self._data = np.fromfile(self.path, np.uint8)
        flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
        try:
            found, pages = cv2.imdecodemulti(self._data, flags, range=(page, page + 1))
        except cv2.error as error:
            raise ValueError(f"{self.path}: damaged image: page {page}: {error}") from error
        if not found or not pages:
            raise ValueError(f"{self.path}: damaged image: page {page} cannot be decoded")
        return _bgr_of(to_uint8(pages[0]))


def _read_still(path: Path, max_pixels: int) -> Image:
    """A HEIF picture put together from its tiles and turned upright."""
    try:
        import pillow_heif
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'{path}: a HEIF still needs pillow-heif: pip install "posetrack[heif]", or convert '
            "the picture to JPEG"
        ) from error
    try:
        picture = pillow_heif.open_heif(path, bgr_mode=True)
        width, height = picture.size
        if width * height > max_pixels:
            raise ValueError(f"claims {width}x{height} pixels, more than max_pixels = {max_pixels}")
        pixels = np.array(picture)[..., :3]
    except (OSError, RuntimeError, SyntaxError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: damaged image: {error}") from error
    return np.ascontiguousarray(_bgr_of(pixels), np.uint8)


def _times(durations: list[float]) -> list[float] | None:
    """Seconds at which each picture of an animated file is shown, and at which the last ends.

    None where the file has one picture, or does not say.
    """
    if len(durations) == 1 or not all(durations):
        return None
    return [0.0, *np.cumsum(durations).tolist()]


def _durations(path: Path) -> list[float]:
    """Seconds for which each picture of a file is shown, 0 where it does not say.

    Pages of a TIFF, frames of an animated WebP, PNG or AVIF. A file that cannot be opened has one,
    so that it stands in the ledger.
    """
    if path.suffix.lower() not in _MANY:
        return [0.0]
    import PIL.Image

    try:
        with PIL.Image.open(path, formats=_BY_PILLOW) as pictures:
            count = min(getattr(pictures, "n_frames", 1), _MAX_PICTURES)
            durations = []
            for number in range(count if pictures.format != "TIFF" else 0):
                pictures.seek(number)
                if pictures.format in ("WEBP", "AVIF"):
                    pictures.load()  # only then it tells
                durations.append(float(pictures.info.get("duration", 0)) / 1000)
            return durations or [0.0] * max(count, 1)
    except _damage():
        return [0.0]


def _damage() -> tuple[type[Exception], ...]:
    """What Pillow raises of a damaged picture: its decoders have no one kind of error."""
    import PIL.Image

    return (
        *(EOFError, OSError, SyntaxError, ValueError, RuntimeError, struct.error),
        *(ArithmeticError, LookupError, TypeError, PIL.Image.DecompressionBombError),
    )


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
    found = sort_naturally(
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


def sort_naturally(paths: Any) -> list[Path]:
    """Sort paths with their numbers as numbers.

    Examples
    --------
    >>> [path.name for path in sort_naturally([Path("b2"), Path("b10"), Path("a11"), Path("B1")])]
    ['a11', 'B1', 'b2', 'b10']
    """

    def key(path: Path) -> tuple[Any, ...]:
        parts = re.split(r"(\d+)", str(path).casefold())
        # Even places are text and odd ones digits, so only like is compared with like.
        numbers = [int(part) if position % 2 else part for position, part in enumerate(parts)]
        return (*numbers,), str(path)

    return sorted(paths, key=key)
