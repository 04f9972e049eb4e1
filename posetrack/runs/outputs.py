"""Names of results: formats, endings, the folder, what a video's files are called."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from posetrack.checks import no_such
from posetrack.files import legal_name
from posetrack.video.reachability import is_camera

FORMATS = ("csv", "parquet", "posetrack18", "coco", "frames", "audit")
ENDINGS = {
    "csv": ".csv",
    "parquet": ".parquet",
    "posetrack18": ".json",
    "coco": ".coco.json",
    "frames": ".frames.csv",
    "audit": ".audit.parquet",
}
SUMMARY: Final = "batch.parquet"
"""The table of all videos that `posetrack batch` adds, which no video's own is called after."""
# What may follow a video's name in its files' names before their last ending.
_KINDS: Final = re.compile(r"\.(?:coco|frames|audit|raw|angles)", re.I)
_KINDS_IN_SEGMENTS: Final = re.compile(rf"-\d{{4,}}(?:{_KINDS.pattern})?|{_KINDS.pattern}", re.I)


def output_name(source: str, taken: Collection[str], *, segments: bool = False) -> str:
    """Names of videos' results: after the file, folder or address, each name once.

    See `posetrack.files.legal_name`.

    Parameters
    ----------
    source
        A file, a folder or pattern of images, a camera's number or an address.
    taken
        The names given before. No two videos' results share a file either: the COCO file of
        ``hall`` is ``hall.coco.json``, so a video ``hall.coco`` beside it has another name.
    segments
        Whether the results are in segments, such as ``hall-0000``.

    Examples
    --------
    >>> output_name("games/match.mp4", set()), output_name("0", set())
    ('match', 'camera-0')
    >>> output_name("rtsp://camera.local/hall/stream1", {"stream1"})
    'stream1-2'
    >>> output_name("a.coco.mp4", {"a"}), output_name("a-0000.mp4", {"a"}, segments=True)
    ('a.coco-2', 'a-0000-2')
    """
    if is_camera(source):
        name = f"camera-{source}"
    elif "://" in source:
        parts = urlsplit(source)
        name = Path(parts.path).stem or parts.hostname or "stream"
    else:
        path = Path(source)
        # A glob such as walk/*.png is called after its folder; a file may be called match[1].mp4.
        is_glob = bool(set("*?[") & set(path.name)) and not path.exists()
        name = path.resolve().parent.name if is_glob else path.resolve().stem
    title, given = name or "video", set(taken)
    kinds = _KINDS_IN_SEGMENTS if segments else _KINDS
    unique = legal_name(title, given)
    # Of thousands of videos each is compared with all before it, so a comparison must be quick.
    while any(_share_files(unique, other, kinds) for other in taken):
        given.add(unique)
        unique = legal_name(title, given)
    return unique


def _share_files(name: str, other: str, kinds: re.Pattern[str]) -> bool:
    """Whether a file of one video's results may be called as one of the other's."""
    if len(name) == len(other):
        return False  # then neither name goes on where the other ends
    short, long = (name, other) if len(name) < len(other) else (other, name)
    return kinds.fullmatch(long, len(short)) is not None and (
        long[: len(short)].casefold() == short.casefold()
    )


def formats_from(option: str, text: str, known: Iterable[str]) -> list[str]:
    """The names in a list with commas, each once.

    Raises
    ------
    ValueError
        If one is not known, or none is given.

    Examples
    --------
    >>> formats_from("--format", "csv, parquet,csv", FORMATS)
    ['csv', 'parquet']
    """
    names = [name for name in dict.fromkeys(map(str.strip, text.split(","))) if name]
    known = tuple(known)
    for name in names:
        if name not in known:
            raise ValueError(f"{option}: {no_such('format', name, known)}")
    return names
