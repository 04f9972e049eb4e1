"""Open anything that gives frames, and read it ahead of its consumer."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from posetrack.checks import no_such_file
from posetrack.interfaces import Image
from posetrack.video.frames import (
    Facts,
    Frame,
    Ledger,
    Selection,
    Source,
    Status,
    Step,
    Steps,
)
from posetrack.video.prefetch import Prefetch

LIVE_ROWS = 1 << 20
"""Ledger rows kept of an endless stream: 9 MiB, almost five hours at 60 frames a second."""


class VideoReader:
    """Frames of an opened source, in order, and what is known of it. Made by `open_video`.

    Iterate over it once. It closes itself at the end, when used as a context manager, and when
    nobody holds it any more.

    Parameters
    ----------
    steps
        The opened source.
    selection
        What the source was asked for.
    prefetch
        How many steps a background thread reads ahead; 0 reads in the caller's thread.
    patience
        Seconds that closing waits for a thread inside a read.
    known
        Frames before this stand in the ledger as they would, and are not given.
    """

    def __init__(
        self,
        steps: Steps,
        selection: Selection,
        *,
        prefetch: int,
        patience: float = 15.0,
        known: int = 0,
    ) -> None:
        self._facts: Facts = steps.facts
        self._source_steps = steps
        self._selection = replace(selection, known=0)
        self._known = known
        self.ledger = Ledger(max_rows=LIVE_ROWS if self._facts.live else None)
        """Every frame met so far: index, seconds, status. See `Ledger`."""
        self.problem: str | None = None
        """Why reading ended before the end of the video, known then; None if it did not."""
        self.remarks: list[str] = []
        """Warnings about the pictures and times so far; each appears once."""
        self._ended = False
        self._first_size: tuple[int, int] | None = None
        self._scale = (1.0, 1.0)
        generator: Generator[Step, None, None] = steps.steps()  # type: ignore[assignment]
        self._steps: Prefetch[Step] | Generator[Step, None, None] = (
            Prefetch(generator, prefetch, patience=patience) if prefetch else generator
        )
        self._first: Step | None = None
        try:
            self._first = self._first_frame()
            self._check_anything()
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the first frame, turned upright; later ones may differ."""
        if self._first_size is not None:
            return self._first_size
        return self._facts.size or (0, 0)

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the images for each stored pixel, in x and in y; not 1 if made square."""
        return self._scale

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height of the first picture as stored in the file, turned upright."""
        (width, height), (x, y) = self.size, self._scale
        return round(width / x), round(height / y)

    @property
    def rate(self) -> Fraction:
        """Average frames per second that the source declares, 25 where it declares none."""
        return self._facts.rate

    @property
    def count(self) -> int | None:
        """How many frames the file holds: exact once read to the end, before that as declared."""
        if self._ended and not self._selection.is_past(len(self.ledger)):
            return len(self.ledger)
        return self._facts.count

    @property
    def counted(self) -> bool:
        """Whether `count` is what the file lists; else it is made from its length and rate."""
        return self._facts.counted

    @property
    def seconds(self) -> float | None:
        """Declared length, None where none is declared."""
        return self._facts.seconds

    @property
    def live(self) -> bool:
        """Whether frames come as they happen, of a camera or stream."""
        return self._facts.live

    @property
    def ready(self) -> bool:
        """Of a source that gives the newest frame, whether there is one, or the end, at once."""
        return self._first is not None or bool(getattr(self._source_steps, "ready", False))

    @property
    def source(self) -> Source:
        """What was opened, for provenance."""
        return self._facts.source

    @property
    def files(self) -> Sequence[tuple[Path, int]]:
        """Of images: the file of each frame by index, and which of its pictures; else empty."""
        return self._facts.files

    @property
    def truncated(self) -> bool:
        """Whether reading ended before the end of the video; `problem` says why."""
        return self.problem is not None

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        step, self._first = self._first, None
        while step is None or step.frame is None or step.frame.index < self._known:
            if step is not None:
                self._note(step)
            step = next(self._steps, None)
            if step is None:
                self._ended = True
                self.close()
                raise StopIteration
        self._note(step)
        return step.frame

    def close(self) -> None:
        """Stop reading and release the file; the ledger stays. May be called twice."""
        self._steps.close()
        self._first = None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        width, height = self.size
        rate = f"{float(self.rate):g} fps"
        return f"VideoReader({self.source.name!r}, {width}x{height}, {rate}, {self.ledger})"

    def _note(self, step: Step) -> None:
        rows = step.rows
        if len(self.ledger) < self._known:
            # Passed over now, they were decoded by the reader before.
            rows = [
                (seconds, Status.DECODED)
                if status is Status.SKIPPED and index < self._known and self._selection.wants(index)
                else (seconds, status)
                for index, (seconds, status) in enumerate(rows, len(self.ledger))
            ]
        self.ledger.extend(rows)
        self.problem = step.problem or self.problem
        self.remarks.extend(step.remarks)

    def _first_frame(self) -> Step | None:
        """Read up to the first frame, so that opening reports what is wrong."""
        for step in self._steps:
            if step.frame is not None:
                height, width = step.frame.image.shape[:2]
                self._first_size = width, height
                self._scale = step.frame.scale
                return step
            self._note(step)
        self._ended = True
        return None

    def _check_anything(self) -> None:
        """Refuse a source that was read from its first frame to its end and gave nothing."""
        if not self._ended or self._selection.is_past(len(self.ledger)):
            return
        name = self.source.name
        if not len(self.ledger):
            reason = f" ({self.problem})" if self.problem else ""
            raise ValueError(f"{name}: expected frames, there is none in it{reason}")
        if self.ledger.counts[Status.CORRUPT] == len(self.ledger):
            raise ValueError(
                f"{name}: none of its {len(self.ledger)} frames can be decoded; "
                "the file is damaged or not what its name says"
            )


def open_video(
    source: str | os.PathLike[str] | int | Sequence[str | os.PathLike[str]],
    *,
    start: int = 0,
    stop: int | None = None,
    stride: int = 1,
    prefetch: int = 4,
    rate: float | Fraction | None = None,
    timeout: float = 10.0,
    threads: int | None = None,
    max_pixels: int = 2**28,
    stored_pixels: bool = False,
    known: int = 0,
    reread: bool = False,
    live: bool = False,
    patience: float = 60.0,
    camera_size: tuple[int, int] | None = None,
    camera_rate: float | None = None,
    tell: Callable[[str], None] | None = None,
    arrived: Callable[[], object] | None = None,
) -> VideoReader:
    """Open a video file, a folder, pattern or list of images, a camera, or a URL.

    Parameters
    ----------
    source
        A path to a video or an image; a folder (its image files in natural order: 2 before 10);
        a pattern such as ``"shots/*.png"``; a sequence of image paths, in its order; a camera's
        number; or a URL (RTSP, HTTP, RTMP, SRT, UDP).
    start, stop, stride
        Deliver the frames of ``range(start, stop, stride)``; None reads to the end. The others
        up to ``stop`` stand in the ledger as skipped, with their times. They are decoded only
        where a delivered frame depends on them, and never converted. Reading ends at ``stop``.
    prefetch
        How many frames a background thread decodes ahead; at most this many, and one more, are
        in memory. 0 decodes in the caller's thread. Same frames, same ledger either way.
    rate
        Frames per second. Images have no times: 30 when None. Of a video, None takes its own
        times; else frame n is shown at n / rate.
    timeout
        Seconds to wait for a URL's host, and for each read from it.
    threads
        Decoder threads; None is one up to 1920x1088 and as many as FFmpeg likes above.
    max_pixels
        Pictures whose header claims more are refused before memory is taken.
    stored_pixels
        Deliver a video's pictures as they are stored. Else pixels that are not square are made
        square, and all pictures have the first one's size; `VideoReader.scale` says what was done.
    known
        Go on at this frame, where an earlier reader was: the same images, times and, in the end,
        ledger as those of one reader of all. What is before it is decoded only where it must be.
    reread
        Decode all before ``known``, too: where something there was damaged, or pictures changed
        their size, what follows may depend on it.
    live
        Of a camera or stream give the newest frame, with its `Frame.lag`, timed by its arrival;
        those that come in between are skipped in the ledger. A source that is lost or silent for
        ``timeout`` is opened again and again.
    patience
        For how many seconds it may be away, then; after that, reading ends with a ``problem``.
    camera_size, camera_rate
        Width and height, and frames a second, to ask a camera for.
    tell
        Is told in a line when a live source is lost, and when it is back.
    arrived
        Called, in another thread, whenever a live source has a newest frame, and at its end.

    Returns
    -------
    reader
        Iterator of `Frame`, context manager, with ``size``, ``rate``, ``count``, ``seconds``,
        ``ledger``, ``source``, ``truncated`` and ``problem``. A frame that cannot be decoded whole
        is corrupt in the ledger, and reading goes on after it. Frames that refer to a lost one
        are delivered as the decoder gives them. A file that is cut off gives what it holds; then
        ``truncated`` is set, and frames that an MP4 lists but no longer holds are corrupt.

    Raises
    ------
    FileNotFoundError
        If there is no such file, folder, camera or match, or a folder holds no image.
    PermissionError, ConnectionError, TimeoutError, OSError
        If it cannot be read, or the host refuses or does not answer.
    ValueError
        If it holds no video or nothing in it can be decoded, or an argument is out of range.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from posetrack.video import VideoWriter
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "black.mp4"
    ...     with VideoWriter(path, rate=25) as writer:
    ...         for _ in range(10):
    ...             writer.write(np.zeros((48, 64, 3), np.uint8))
    ...     with open_video(path, start=2, stop=8, stride=3) as video:
    ...         print([(frame.index, frame.seconds) for frame in video], video.ledger)
    [(2, 0.08), (5, 0.2)] Ledger(8 frames: 2 decoded, 0 corrupt, 6 skipped)
    """
    selection = Selection(start, stop, stride, 0 if reread else known)
    if prefetch < 0:
        raise ValueError(f"prefetch counts frames, 0 for none, got {prefetch}")
    if threads is not None and threads < 0:
        raise ValueError(f"threads counts decoder threads, 0 for FFmpeg's choice, got {threads}")
    if rate is not None and not 0 < rate < float("inf"):
        raise ValueError(f"rate is frames per second, above 0, got {rate}")
    spacing = None if rate is None else Fraction(rate).limit_denominator(1_000_000)
    found = find_source(source)
    if live and not isinstance(found, str | int):
        raise ValueError(f"{source}: live is a camera or an address; a file is read frame by frame")
    if isinstance(found, list):
        from posetrack.video.image_folders import ImageSteps

        name = str(source) if isinstance(source, str | os.PathLike) else f"{len(found)} images"
        steps: Steps = ImageSteps(
            found, name=name, selection=selection, rate=spacing, max_pixels=max_pixels
        )
        return VideoReader(steps, selection, prefetch=prefetch, known=known)
    if isinstance(found, int):
        from posetrack.video.camera import CameraSteps

        def open_camera(wanted: Selection) -> Steps:
            return CameraSteps(found, wanted, size=camera_size, rate=camera_rate)

        if live:
            return _open_live(open_camera, f"camera {found}", selection, patience, tell, arrived)
        return VideoReader(open_camera(selection), selection, prefetch=prefetch)
    from posetrack.files import without_credentials
    from posetrack.video.stream import StreamSteps

    def open_stream(wanted: Selection) -> Steps:
        return StreamSteps(
            str(found),
            wanted,
            is_url=isinstance(found, str),
            timeout=timeout,
            threads=threads,
            max_pixels=max_pixels,
            rate=spacing,
            stored_pixels=stored_pixels,
            at_once=live,
        )

    if live:
        name = without_credentials(str(found))
        return _open_live(open_stream, name, selection, patience, tell, arrived, 0.9 * timeout)
    steps = open_stream(selection)
    return VideoReader(steps, selection, prefetch=prefetch, patience=timeout + 5, known=known)


def _open_live(
    open_source: Callable[[Selection], Steps],
    name: str,
    selection: Selection,
    patience: float,
    tell: Callable[[str], None] | None,
    arrived: Callable[[], object] | None,
    silent: float = float("inf"),
) -> VideoReader:
    """A reader that gives the newest frame when it is asked, and so reads nothing ahead."""
    from posetrack.video.live import LiveSteps

    def open_all() -> Steps:
        return open_source(Selection())

    steps = LiveSteps(
        open_all, name, selection, patience=patience, tell=tell, arrived=arrived, silent=silent
    )
    return VideoReader(steps, selection, prefetch=0)


def open_tracked(
    source: str | os.PathLike[str], size: tuple[int, int] | None, **settings: Any
) -> VideoReader:
    """Open a video as it was when something was found in it: at images of that size.

    Parameters
    ----------
    source
        As for `open_video`.
    size
        Width and height that the coordinates are in; None where that is not known: as stored.
    **settings
        Of `open_video`, but for ``stored_pixels``.

    Returns
    -------
    reader
        With images of ``size`` if the video has them, scaled to square pixels or as stored; else
        as `open_video` gives them.
    """
    reader = open_video(source, **settings)
    wanted = reader.stored_size if size is None else tuple(size)
    if wanted == reader.size or wanted != reader.stored_size:
        return reader
    reader.close()
    return open_video(source, stored_pixels=True, **settings)


def read_image(
    video: str | os.PathLike[str], index: int, size: tuple[int, int] | None = None
) -> Image:
    """One image of a video.

    Raises
    ------
    ValueError
        If there is no such frame, or its size (width, height) is not the one given.
    """
    with open_tracked(video, size, start=index, stop=index + 1, prefetch=0) as reader:
        frame = next(iter(reader), None)
    if frame is None:
        raise ValueError(f"{video} has no frame {index}; give the video that was tracked")
    height, width = frame.image.shape[:2]
    check_size(video, (width, height), size)
    return frame.image


def check_size(
    video: str | os.PathLike[str], size: tuple[int, int], tracked: Sequence[int] | None
) -> None:
    """Refuse a video of another width and height than the tracks', where those are known.

    Raises
    ------
    ValueError
        If they differ.
    """
    if tracked is not None and tuple(size) != tuple(tracked):
        raise ValueError(
            f"{video} has frames of {size[0]} x {size[1]} pixels, the tracks are of a video of "
            f"{tracked[0]} x {tracked[1]}; give the video that was tracked"
        )


def find_source(
    source: str | os.PathLike[str] | int | Sequence[str | os.PathLike[str]],
) -> list[Path] | Path | str | int:
    """What `open_video` takes a source for: image paths, a video's path, a URL, a camera's number.

    Raises
    ------
    TypeError, ValueError, OSError
        See `open_video`.
    """
    from posetrack.video import image_folders

    if isinstance(source, bool) or source is None:
        raise TypeError(f"expected a path, URL, camera number or list of images, got {source!r}")
    if isinstance(source, int):
        return source
    if not isinstance(source, str | os.PathLike):
        paths = [Path(path) for path in source]
        if not paths:
            raise ValueError("expected image paths, the list is empty")
        for path in paths:
            if not path.is_file():
                raise no_such_file(path)
        return paths
    text = os.fspath(source)
    if isinstance(source, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        return check_url(text)
    path = Path(text)
    if path.is_dir():
        return image_folders.images_in(path)
    if path.exists():
        with path.open("rb"):  # a built-in error with the path if it may not be read
            pass
        is_image = path.suffix.lower() in image_folders.SUFFIXES or _is_still(path)
        return [path] if is_image else path
    if glob.has_magic(text):
        matches = [Path(match) for match in glob.glob(text, recursive=True)]  # noqa: PTH207
        paths = [match for match in matches if match.suffix.lower() in image_folders.SUFFIXES]
        if not paths:
            others = f", only {matches[0]}" if matches else ""
            raise FileNotFoundError(f"{text}: no image matches this pattern{others}")
        return image_folders.sort_naturally(paths)
    if text.isdecimal():
        return int(text)
    raise no_such_file(path)


def _is_still(path: Path) -> bool:
    from posetrack.video.headers import is_still

    with path.open("rb") as file:
        return is_still(file.read(16))


def check_url(text: str) -> str:
    """The address, if it is of a kind that is read; else a ValueError that names those."""
    from posetrack.files import without_credentials
    from posetrack.video.stream import URL_SCHEMES

    scheme = text.partition("://")[0].lower()
    if scheme not in URL_SCHEMES:
        raise ValueError(
            f"{without_credentials(text)}: expected a URL that begins with one of "
            f"{', '.join(URL_SCHEMES)}; name a file by its path"
        )
    return text
