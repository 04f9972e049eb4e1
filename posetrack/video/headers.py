"""How large an image says it is and how it is to be turned, without decoding it.

A few hundred bytes can claim billions of pixels; whoever decodes wants to know before.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

_MAX_SEGMENTS = 4096  # of a JPEG before its size
_MAX_FILLING = 1 << 16  # bytes between two of them
_MAX_DIGITS = 10  # of a side in a PNM
_MAX_ENTRIES = 4096  # of a TIFF directory
_MAX_EXIF = 1 << 20  # bytes

_STILLS: Final = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")

# Markers that start a frame of a JPEG: all SOF but DHT (C4), JPG (C8) and DAC (CC).
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def image_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height of a BMP, JPEG, PNG, PNM, TIFF or WebP file; None for other files.

    Parameters
    ----------
    file
        Open for reading bytes; it is read from its beginning and left anywhere.

    Examples
    --------
    >>> import io
    >>> image_size(io.BytesIO(b"P5 640 480 255 ..."))
    (640, 480)
    """
    file.seek(0)
    start = file.read(64)
    try:
        if start.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack_from(">II", start, 16)
        elif start.startswith(b"\xff\xd8"):
            width, height = _jpeg(file)
        elif start.startswith(b"BM"):
            width, height = _bmp(start)
        elif start.startswith((b"II*\0", b"MM\0*")):
            width, height = _tiff(file)
        elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            width, height = _webp(start)
        elif re.match(rb"P[1-6]\s", start):
            width, height = _pnm(file)
        else:
            return None
    except (struct.error, ValueError):
        return None
    return (width, height) if width > 0 and height > 0 else None


# EXIF's orientation, 1 to 8, as transpose first, then flip up-down, then flip left-right.
_TURNS = (
    (False, False, False), (False, False, True), (False, True, True), (False, True, False),
    (True, False, False), (True, False, True), (True, True, True), (True, True, False),
)  # fmt: skip


def image_orientation(file: BinaryIO) -> tuple[bool, bool, bool]:
    """How a JPEG, PNG or WebP image must be turned by its EXIF data to be upright.

    Parameters
    ----------
    file
        Open for reading bytes; it is read from its beginning and left anywhere.

    Returns
    -------
    turn
        Transpose first, then flip up-down, then flip left-right; three times False where the
        file says nothing, or nothing readable.

    References
    ----------
    CIPA DC-008 (EXIF 2.32), table 4, tag 274.
    """
    file.seek(0)
    start = file.read(12)
    try:
        if start.startswith(b"\x89PNG\r\n\x1a\n"):
            exif = _png_exif(file)
        elif start.startswith(b"\xff\xd8"):
            exif = _jpeg_exif(file)
        elif start[:4] == b"RIFF" and start[8:12] == b"WEBP":
            exif = _webp_exif(file)
        else:
            return _TURNS[0]
        exif = exif.removeprefix(b"Exif\0\0")
        value = _directory(io.BytesIO(exif), (274,)).get(274, 1)
    except (struct.error, ValueError):
        return _TURNS[0]
    return _TURNS[value - 1] if 1 <= value <= 8 else _TURNS[0]


def is_still(start: bytes) -> bool:
    """Whether a file that begins so is a HEIF or AVIF still, which video decoders see in tiles.

    Parameters
    ----------
    start
        At least 12 bytes.

    References
    ----------
    ISO/IEC 23008-12 (HEIF), annex B: brands of stills; sequences have others.
    """
    return start[4:8] == b"ftyp" and start[8:12] in _STILLS


def is_avif(start: bytes) -> bool:
    r"""Whether a file that begins so is an AVIF picture, or several.

    Parameters
    ----------
    start
        At least 12 bytes; brands further behind are not seen.

    References
    ----------
    AV1 Image File Format, section 6: brands.

    Examples
    --------
    >>> is_avif(b"\0\0\0\x14ftypmif1\0\0\0\0avif"), is_avif(b"\x89PNG")
    (True, False)
    """
    if start[4:8] != b"ftyp":
        return False
    end = min(len(start), int.from_bytes(start[:4], "big"))
    brands = (start[at : at + 4] for at in (8, *range(16, end, 4)))
    return not {b"avif", b"avis"}.isdisjoint(brands)


def _png_exif(file: BinaryIO) -> bytes:
    file.seek(8)
    for _ in range(_MAX_SEGMENTS):
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"eXIf":
            return file.read(min(length, _MAX_EXIF))
        if kind == b"IEND":
            break
        file.seek(length + 4, 1)
    return b""


def _webp_exif(file: BinaryIO) -> bytes:
    file.seek(12)
    for _ in range(_MAX_SEGMENTS):
        head = file.read(8)
        if len(head) < 8:
            break
        kind, length = struct.unpack("<4sI", head)
        if kind == b"EXIF":
            return file.read(min(length, _MAX_EXIF))
        file.seek(length + length % 2, 1)
    return b""


def _jpeg_exif(file: BinaryIO) -> bytes:
    for marker, length in _jpeg_segments(file):
        if marker in _JPEG_SIZES or marker == 0xDA:
            break
        if marker == 0xE1 and (data := file.read(min(length, _MAX_EXIF))).startswith(b"Exif\0\0"):
            return data
    return b""


def _bmp(start: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", start, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", start, 18)
        return width, height
    width, height = struct.unpack_from("<ii", start, 18)
    return width, abs(height)  # negative: rows from the top


def _jpeg(file: BinaryIO) -> tuple[int, int]:
    for marker, _ in _jpeg_segments(file):
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
    raise ValueError("no size among the first segments")


def _jpeg_segments(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Marker and length of each segment; the file stands where its content begins."""
    file.seek(2)
    for _ in range(_MAX_SEGMENTS):
        filling = 0
        while (byte := file.read(1)) not in (b"\xff", b"") and filling < _MAX_FILLING:
            filling += 1
        while byte == b"\xff" and filling < _MAX_FILLING:
            byte, filling = file.read(1), filling + 1
        if not byte or filling >= _MAX_FILLING:
            return
        marker = byte[0]
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue  # these have no length
        length = max(struct.unpack(">H", file.read(2))[0] - 2, 0)
        begin = file.tell()
        yield marker, length
        file.seek(begin + length)


def _tiff(file: BinaryIO) -> tuple[int, int]:
    sizes = _directory(file, (256, 257))
    if len(sizes) < 2:
        raise ValueError("no size in the first directory")
    return sizes[256], sizes[257]


def _directory(file: BinaryIO, tags: tuple[int, ...]) -> dict[int, int]:
    """Whole numbers of a TIFF's first directory, by tag."""
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    file.seek(4)
    (directory,) = struct.unpack(order + "I", file.read(4))
    file.seek(directory)
    (entries,) = struct.unpack(order + "H", file.read(2))
    values: dict[int, int] = {}
    for _ in range(min(entries, _MAX_ENTRIES)):
        entry = file.read(12)
        tag, kind = struct.unpack_from(order + "HH", entry)
        if tag in tags:
            values[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), entry, 8)[0]
    return values


def _webp(start: bytes) -> tuple[int, int]:
    kind = start[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(start[24:27], "little") + 1
        return width, int.from_bytes(start[27:30], "little") + 1
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", start, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", start, 26)
    return width & 0x3FFF, height & 0x3FFF


def _pnm(file: BinaryIO) -> tuple[int, int]:
    file.seek(2)
    text = re.sub(rb"#[^\n]*", b" ", file.read(4096)).split(maxsplit=2)
    if len(text) < 2 or not all(one.isdigit() and len(one) <= _MAX_DIGITS for one in text[:2]):
        raise ValueError("no size in the header")
    return int(text[0]), int(text[1])
