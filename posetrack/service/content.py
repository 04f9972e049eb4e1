"""What a file is, by its first bytes: a picture, or a video in a container that names no others."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias

Content: TypeAlias = Literal["image", "video"]

_PICTURES: Final = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"BM",
    b"II*\0",
    b"MM\0*",
    *(b"P%d" % number for number in range(1, 7)),
)
_VIDEOS: Final = (
    b"\x1aE\xdf\xa3",  # Matroska, WebM
    b"GIF8",
    b"FLV\x01",
    b"OggS",
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"0&\xb2u\x8ef\xcf\x11",  # ASF
)
_BOXES: Final = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_STILL_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif")
_TS_PACKET: Final = 188


def recognise(start: bytes) -> Content | None:
    """What bytes begin; None if it is none of those that are taken.

    Playlists and the like, which would have files and addresses of their own opened, are none.

    Examples
    --------
    >>> recognise(bytes.fromhex("ffd8ffe0")), recognise(b"#EXTM3U"), recognise(b"GIF89a")
    ('image', None, 'video')
    """
    if start[:4] == b"RIFF":
        kinds: dict[bytes, Content] = {b"WEBP": "image", b"AVI ": "video"}
        return kinds.get(start[8:12])
    if start[4:8] in _BOXES:
        return "image" if start[4:8] == b"ftyp" and start[8:12] in _STILL_BRANDS else "video"
    if start.startswith(_PICTURES):
        return "image"
    if start.startswith(_VIDEOS):
        return "video"
    packets = start[::_TS_PACKET][:2]
    return "video" if packets == b"GG" else None


def recognise_file(path: Path) -> Content | None:
    """The same of a file."""
    with path.open("rb") as file:
        return recognise(file.read(_TS_PACKET + 1))
