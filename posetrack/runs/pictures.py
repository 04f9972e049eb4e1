"""Drawn pictures under the names of those that they are drawn over."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from posetrack.files import legal_name
from posetrack.interfaces import Image

PictureKind: TypeAlias = Literal["jpg", "png"]
_JPEG: Final = (".jpg", ".jpeg", ".jpe")
_QUALITY: Final = 92


def kind_of(files: Sequence[tuple[Path, int]]) -> PictureKind:
    """What drawn pictures are, where nothing is asked for: JPEG where the first is, else PNG.

    Examples
    --------
    >>> kind_of([(Path("walk/1.JPG"), 0)]), kind_of([(Path("walk/1.tif"), 0)])
    ('jpg', 'png')
    """
    return "jpg" if files and files[0][0].suffix.lower() in _JPEG else "png"


def picture_names(files: Sequence[tuple[Path, int]], kind: PictureKind) -> list[str]:
    """Names for pictures drawn over those of files: theirs, below the folder that all are in.

    Parameters
    ----------
    files
        File and page of each picture.
    kind
        What the new ones end in.

    Examples
    --------
    >>> picture_names([(Path("a/x.png"), 0), (Path("a/b/y.jpg"), 0)], "jpg")
    ['x.jpg', 'b/y.jpg']
    >>> picture_names([(Path("pages.tif"), 0), (Path("pages.tif"), 1), (Path("x.png"), 0)], "png")
    ['pages-1.png', 'pages-2.png', 'x.png']
    >>> picture_names([(Path("x.png"), 0), (Path("x.jpg"), 0)], "png")
    ['x.png', 'x-jpg.png']
    """
    top = os.path.commonpath([path.absolute().parent for path, _ in files])
    paged = {path for path, page in files if page}
    names: list[str] = []
    taken: dict[str, set[str]] = {}  # by folder
    for path, page in files:
        *folders, stem = path.absolute().relative_to(top).with_suffix("").parts
        stem += f"-{page + 1}" if path in paged else ""
        folder = "/".join(map(legal_name, folders))
        given = taken.setdefault(folder.casefold(), set())
        name = legal_name(stem)
        if legal_name(stem, given) != name:
            name = legal_name(f"{stem}-{path.suffix[1:].lower()}", given)
        given.add(name)
        names.append(f"{folder}/{name}.{kind}" if folder else f"{name}.{kind}")
    return names


def write_picture(image: Image, path: Path) -> None:
    """Write an image as JPEG or PNG, by its ending; it appears whole.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    from posetrack.files import write_whole

    try:
        content = encode_picture(image, "jpg" if path.suffix == ".jpg" else "png")
    except ValueError as error:
        raise OSError(f"{path}: {error}") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)


def encode_picture(image: Image, kind: PictureKind) -> bytes:
    r"""The bytes of an image as JPEG or PNG.

    Raises
    ------
    ValueError
        If it is too large for that.

    Examples
    --------
    >>> import numpy as np
    >>> encode_picture(np.zeros((2, 3, 3), np.uint8), "png")[:4]
    b'\x89PNG'
    """
    import cv2

    settings = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if kind == "jpg" else []
    try:
        done, content = cv2.imencode(f".{kind}", image, settings)
    except cv2.error:
        done = False
    if not done:
        raise ValueError(f"this picture cannot be written as {kind}")
    return content.tobytes()
