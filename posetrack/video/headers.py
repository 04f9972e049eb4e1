"""How large an image says it is, read from its first bytes without decoding.

A few hundred bytes can claim billions of pixels; whoever decodes wants to know before.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

_MAX_SEGMENTS = 4096  # of a JPEG before its size
_MAX_ENTRIES = 4096  # of a TIFF directory

# Markers that start a frame of a JPEG: all SOF but DHT (C4), JPG (C8) and DAC (CC).
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def image_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height of a BMP, JPEG, PNG, PNM, TIFF or WebP file; None if it is none of these.

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


def _bmp(start: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", start, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", start, 18)
        return width, height
    width, height = struct.unpack_from("<ii", start, 18)
    return width, abs(height)  # negative: rows from the top


def _jpeg(file: BinaryIO) -> tuple[int, int]:
    file.seek(2)
    for _ in range(_MAX_SEGMENTS):
        while (byte := file.read(1)) not in (b"\xff", b""):
            pass
        while byte == b"\xff":
            byte = file.read(1)
        marker = struct.unpack("B", byte)[0]
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue  # these have no length
        (length,) = struct.unpack(">H", file.read(2))
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(max(length - 2, 0), 1)
    raise ValueError("no size among the first segments")


def _tiff(file: BinaryIO) -> tuple[int, int]:
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    file.seek(4)
    (directory,) = struct.unpack(order + "I", file.read(4))
    file.seek(directory)
    (entries,) = struct.unpack(order + "H", file.read(2))
    sizes: dict[int, int] = {}
    for _ in range(min(entries, _MAX_ENTRIES)):
        entry = file.read(12)
        tag, kind = struct.unpack_from(order + "HH", entry)
        if tag in (256, 257):
            sizes[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), entry, 8)[0]
    if len(sizes) < 2:
        raise ValueError("no size in the first directory")
    return sizes[256], sizes[257]


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
    if len(text) < 2 or not (text[0].isdigit() and text[1].isdigit()):
        raise ValueError("no size in the header")
    return int(text[0]), int(text[1])
