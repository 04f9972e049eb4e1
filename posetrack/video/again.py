"""A video that can be read as often as wanted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from posetrack.interfaces import Image
from posetrack.video.frames import Frame
from posetrack.video.reader import VideoReader, open_video


class Video:
    """A video: its size, rate and length, and its frames as often as they are wanted.

    Parameters
    ----------
    source
        A video file; a folder, pattern or list of images; an address.
    **settings
        Of `posetrack.video.open_video`, such as ``start``, ``stop``, ``stride`` and ``rate``.

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        If it cannot be read, see `posetrack.video.open_video`.

    Examples
    --------
    >>> import tempfile, numpy as np, pathlib
    >>> from posetrack.video import VideoWriter
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "black.mp4"
    >>> with VideoWriter(path, rate=25) as writer:
    ...     for _ in range(10):
    ...         writer.write(np.zeros((48, 64, 3), np.uint8))
    >>> video = Video(path)
    >>> video.size, float(video.rate), video.count
    ((64, 48), 25.0, 10)
    >>> [frame.index for frame in video] == [frame.index for frame in video]
    True
    >>> video.image(3).shape
    (48, 64, 3)
    """

    def __init__(
        self, source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], **settings: Any
    ) -> None:
        self.source, self.settings = source, settings
        with self.open(prefetch=0) as reader:
            self.size: tuple[int, int] = reader.size
            """Width and height in pixels."""
            self.rate: Fraction = reader.rate
            """Frames a second, on average, of the whole file."""
            self.count: int | None = reader.count
            """How many frames the file holds, as it says; None where it does not."""
            self.seconds: float | None = reader.seconds
            """How long it is, as it says; None where it does not."""

    def open(self, **settings: Any) -> VideoReader:
        """Open it, see `posetrack.video.open_video`, whose settings may be changed here."""
        return open_video(self.source, **{**self.settings, **settings})

    def image(self, index: int) -> Image:
        """The image of a frame of the file, by its index.

        Raises
        ------
        ValueError
            If there is no such frame.
        """
        with self.open(start=index, stop=index + 1, stride=1, prefetch=0) as reader:
            frame = next(iter(reader), None)
        if frame is None:
            raise ValueError(f"{self.source} has no frame {index}")
        return frame.image

    def __iter__(self) -> Iterator[Frame]:
        with self.open() as reader:
            yield from reader

    def __repr__(self) -> str:
        width, height = self.size
        return f"Video({str(self.source)!r}, {width}x{height}, {float(self.rate):g} fps)"
