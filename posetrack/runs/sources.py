"""The videos that an argument names: one, or several of a folder or pattern."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from posetrack.video.reachability import is_camera

VIDEO_SUFFIXES: Final = frozenset(
    f".{name}"
    for name in (
        *("3gp", "asf", "avi", "divx", "flv", "gif", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg"),
        *("mpg", "mts", "mxf", "ogv", "ts", "vob", "webm", "wmv"),
    )
)
"""Endings by which videos are found in a folder; one that is named may end in anything."""


def expand_sources(words: Sequence[str]) -> list[str]:
    """Sources as they are opened: each is one video.

    A folder or pattern of images is one video, as is a single file. A folder or pattern of videos
    is as many as there are, in natural order; so is a folder of folders.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a2.mp4", "a10.mp4", "notes.txt"):
    ...     _ = (folder / name).write_bytes(b"")
    >>> [pathlib.Path(one).name for one in expand_sources([str(folder / "*")])]
    ['a2.mp4', 'a10.mp4']
    """
    return [source for word in words for source in _expand(word)]


def _expand(word: str) -> list[str]:
    if is_camera(word) or "://" in word:
        return [word]
    path = Path(word)
    if path.is_dir():
        found = _visible(path.iterdir())
        if any(_is_image(one) for one in found):
            return [word]
        return _each(found) or [word]
    if path.exists() or not glob.has_magic(word):
        return [word]
    found = _visible(Path(one) for one in glob.glob(word, recursive=True))  # noqa: PTH207
    images = [word] if any(_is_image(one) for one in found) else []
    return [*images, *_each(found)] or [word]


def _each(paths: Iterable[Path]) -> list[str]:
    """Videos, and folders that hold images or videos."""
    from posetrack.video.image_folders import sort_naturally

    return [
        str(path)
        for path in sort_naturally(paths)
        if (path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES)
        or (path.is_dir() and any(map(_is_picture, _visible(path.iterdir()))))
    ]


def _visible(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if not path.name.startswith(".")]


def _is_image(path: Path) -> bool:
    from posetrack.video.image_folders import SUFFIXES

    return path.suffix.lower() in SUFFIXES and path.is_file()


def _is_picture(path: Path) -> bool:
    return _is_image(path) or (path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES)
