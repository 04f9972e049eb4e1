"""Names of results: formats, endings, the folder, what a video's files are called."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
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


def output_name(source: str, taken: set[str]) -> str:
    """Names of videos' results: after the file, folder or address, each name once.

    See `posetrack.files.legal_name`.

    Examples
    --------
    >>> output_name("games/match.mp4", set()), output_name("0", set())
    ('match', 'camera-0')
    >>> output_name("rtsp://camera.local/hall/stream1", {"stream1"})
    'stream1-2'
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
    return legal_name(name or "video", taken)


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
