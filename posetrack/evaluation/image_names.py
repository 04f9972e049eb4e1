"""What the name of an image says: PoseTrack numbers its images by it."""

from __future__ import annotations

import posixpath
from typing import Final

IMAGE_SOURCES: Final = ("mpii", "bonn", "mpiinew")
"""Where PoseTrack's videos come from, as the names of their folders say."""


def image_numbers(image_name: str, *, suffix: bool = False) -> tuple[str, str, int]:
    """Video, source and frame number from the name of an image.

    Parameters
    ----------
    image_name
        As the files have it.
    suffix
        Allow ``_...`` after the frame number, as in some files of 2017.

    Raises
    ------
    ValueError
        If the name is not ``.../<number>_<source>[_...]/<frame>.<extension>`` with a known
        source and a frame number below 10000, by which the official tools number images.

    Examples
    --------
    >>> image_numbers("images/val/000342_mpii_test/000007.jpg")
    ('000342', 'mpii', 7)
    """
    folder, base = posixpath.split(image_name)
    video, _, rest = posixpath.basename(folder).partition("_")
    source = rest.split("_")[0]
    try:
        int(video)
        number = base.split(".")[0]
        frame = int(number.split("_")[0] if suffix else number)
        known = source in IMAGE_SOURCES and 0 <= frame < 10_000
    except ValueError:
        known = False
    if not known:
        raise ValueError(
            f"image name {image_name!r}; expected .../<number>_<{'|'.join(IMAGE_SOURCES)}>[_...]/"
            "<frame number below 10000>.<extension>, by which the official tools number images"
        )
    return video, source, frame
