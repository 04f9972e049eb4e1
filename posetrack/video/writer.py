"""Write images to an MP4 that browsers play, off the caller's path.

While it is written a video is a file of closed pieces (`posetrack.video.pieces`), which plays
whenever writing stops; when it is closed they are joined, without encoding anything again, to one
with the index first, which begins to play before the whole of it has come over a network.
"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

import cv2
import numpy as np

from posetrack.files import PartialFile
from posetrack.interfaces import Image
from posetrack.video.pieces import MUXERS, PieceEncoder, Written, join_pieces

VIDEO_ENDINGS = tuple(MUXERS)
"""Of the videos that `VideoWriter` writes."""
_Queue: TypeAlias = "queue.Queue[tuple[Image, float | None] | None]"


class VideoWriter:
    """An H.264 video that appears whole under its name when closed.

    While it is written it is called ``NAME.partial.mp4`` beside its final place (`partial`), from
    the first image on, and can be played up to the last half second whenever writing stops:
    closed by an exception it is left there, and after a killed process it is there as it was. A
    later writer of the same name, or one at the same time, takes ``NAME.partial-2.mp4``. At the
    end there must be room for it twice, for as long as its pieces are joined.

    Parameters
    ----------
    path
        Where the video goes; an existing file is replaced at the end. ``.mp4``, ``.m4v``,
        ``.mov`` or ``.mkv``.
    rate
        Frames per second. With times given to `write` it is only what the file declares.
    size
        Width and height in pixels; that of the first image when None. Other images are scaled to
        it. H.264 in 4:2:0 has even sizes: an odd last column or row is written twice.
    quality
        x264's constant rate factor, 0 (best) to 51.
    preset
        x264's trade of time for size: ``ultrafast``, ``superfast``, ``veryfast``, ``faster``, ...
    queue
        How many images may wait for the background thread that encodes; 0 encodes in `write`.
    threads
        Encoder threads, 0 for x264's choice.
    resume
        The unfinished video of an earlier writer with the same settings, and how far it is known
        to have come (`progress`): it is cut there and gone on with. The images that follow are
        those after ``resume[1].images``, and the result is the one that a single writer gives.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If rate, size or suffix cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with VideoWriter(Path(folder) / "grey.mp4", rate=30) as video:
    ...         for value in range(5):
    ...             video.write(np.full((48, 64, 3), value, np.uint8))
    ...     video.count, sorted(path.name for path in Path(folder).iterdir())
    (5, ['grey.mp4'])
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rate: float | Fraction,
        size: tuple[int, int] | None = None,
        quality: float = 23.0,
        preset: str = "veryfast",
        queue: int = 4,
        threads: int = 1,
        resume: tuple[Path, Written] | None = None,
    ) -> None:
        self.path = Path(path)
        _check(self.path, rate, size, queue)
        before = resume[1] if resume else None
        self.count = before.images if before else 0
        """Images written so far."""
        self._file = _Pieces(self.path)
        if resume and before:
            self._file.reopen(resume[0], before.length)
        self._timed = before.timed if before else False
        self._encoder = PieceEncoder(
            self._file.write,
            rate=Fraction(rate),
            size=size,
            options={"preset": preset, "crf": f"{quality:g}"},
            threads=threads,
            written=before,
        )
        self._ended = self._closed = False
        self._errors: list[BaseException] = []
        self._queue = queue
        self._waiting: _Queue | None = None
        weakref.finalize(self, self._file.keep)  # of an abandoned one, after its thread

    @property
    def partial(self) -> Path | None:
        """Where the video is while it is written, and stays if writing fails; None before that."""
        return self._file.file.partial if self._file.file else None

    @property
    def progress(self) -> Written:
        """What is in whole pieces in the file, to resume from."""
        return self._encoder.written

    def write(self, image: Image, seconds: float | None = None, *, copy: bool = True) -> None:
        """Append an image.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR, or (H, W) grey.
        seconds
            Time of showing, counted from the first one given. Where it does not increase (a
            stream whose clock was set back) the clock goes on one frame at ``rate`` after the
            image before. Give times to every image or to none, which are then shown at ``rate``.
        copy
            False promises that the image will not change any more, and saves a copy.

        Raises
        ------
        ValueError
            If the image is not uint8 of such a shape, the writer is closed, or times are not
            finite or come and go.
        OSError
            If writing fails; perhaps only at a later call.
        """
        if self._ended:
            raise ValueError(f"{self.path}: the writer is closed")
        image = _check_image(image)
        self._check_time(seconds)
        self._reraise()
        if self._waiting is None:
            # The first one here: then there is a file, or an error that says why there is none.
            self._encoder.encode(image, seconds)
            if self._queue:
                self._start_thread()
        else:
            self._waiting.put((image.copy() if copy else image, seconds))
        self.count += 1

    def _check_time(self, seconds: float | None) -> None:
        """Refuse a time that cannot follow."""
        if self.count and (seconds is None) == self._timed:
            raise ValueError("give seconds with every image or with none")
        if seconds is not None and not np.isfinite(seconds):
            raise ValueError(f"seconds must be finite, got {seconds}")
        self._timed = seconds is not None

    def _start_thread(self) -> None:
        self._waiting = queue.Queue(maxsize=self._queue)
        thread = threading.Thread(
            target=_drain,
            args=(self._waiting, self._encoder, self._errors),
            name="posetrack-encode",
            daemon=True,
        )
        thread.start()
        # The thread does not know this object, so an abandoned one ends it, too.
        self._end = weakref.finalize(self, _end, self._waiting, thread)

    def end(self) -> None:
        """Encode what waits, the last piece too; no image can follow. Then `progress` is all.

        Raises
        ------
        OSError
            If writing fails, or failed before.
        """
        self._end_images()
        self._reraise()

    def sync(self) -> Written:
        """Wait until what is in whole pieces is safe on the disk, and give how far that goes."""
        if self._file.file is not None and not self._file.file.closed:
            self._file.file.sync()
        return self.progress

    def close(self) -> None:
        """Encode what waits, join the pieces under the video's name; may be called twice.

        With no image written there is no file.
        """
        if not self._closed:
            self._end_images()
            self._closed = True
            self._file.keep()
            self._reraise()
            self._file.join()

    def abort(self) -> None:
        """Finish what was written under the name `partial` and leave it there."""
        if not self._closed:
            self._end_images()
            self._closed = True
            self._file.keep()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or error is None:
            self.close()
            return
        self.abort()
        if self.partial is not None:
            error.add_note(f"{self.progress.images} images are in {self.partial}, which plays")

    def _end_images(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._waiting is not None:
            self._end()
        else:
            _close(self._encoder, self._errors)

    def _reraise(self) -> None:
        if self._errors:
            raise self._errors[0]


def _drain(waiting: _Queue, encoder: PieceEncoder, errors: list[BaseException]) -> None:
    """The thread: encode until the end is signalled; after an error, only drain the queue."""
    while (item := waiting.get()) is not None:
        if not errors:
            try:
                encoder.encode(*item)
            except BaseException as error:
                errors.append(error)
    _close(encoder, errors)


def _end(waiting: _Queue, thread: threading.Thread) -> None:
    waiting.put(None)
    thread.join()


def _close(encoder: PieceEncoder, errors: list[BaseException]) -> None:
    if errors:
        return
    try:
        encoder.close()
    except BaseException as error:
        errors.append(error)


class _Pieces:
    """The file of an unfinished video; it is there from the first piece on, and so always plays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: PartialFile | None = None

    def reopen(self, partial: Path, length: int) -> None:
        """Go on with an earlier one."""
        self.file = PartialFile.reopen(self.path, partial, length)

    def write(self, piece: bytes) -> None:
        """Append a piece, all of it or nothing."""
        if self.file is not None:
            self.file.write(piece)
            return
        # Fragments are of MP4, whatever the whole video will be.
        suffix = ".mp4" if self.path.suffix.lower() == ".mkv" else None
        file = PartialFile(self.path, suffix, durable=False)
        try:
            file.write(piece)
        except BaseException:
            file.discard()
            raise
        self.file = file

    def keep(self) -> None:
        """Close it where it is."""
        if self.file is not None:
            self.file.keep()

    def join(self) -> None:
        """Make the whole video of it, and remove it; where that fails, it stays."""
        if self.file is None:
            return
        pieces = self.file.partial
        try:
            join_pieces(pieces, self.path)
        except (OSError, KeyboardInterrupt) as error:
            error.add_note(f"{self.path}: not finished; all of it is in {pieces}, which plays")
            raise
        self.file.discard()


def _check(path: Path, rate: float | Fraction, size: tuple[int, int] | None, queue: int) -> None:
    if path.suffix.lower() not in MUXERS:
        raise ValueError(f"{path}: expected a name ending in .mp4, .m4v, .mov or .mkv")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected the name of a file, this is a folder")
    if not 0 < rate < float("inf"):
        raise ValueError(f"rate is frames per second, above 0, got {rate}")
    if size is not None and (len(size) != 2 or min(size) < 2 or max(size) > 16384):
        raise ValueError(f"size is (width, height), 2 to 16384 pixels each, got {size}")
    if queue < 0:
        raise ValueError(f"queue counts images, 0 for no thread, got {queue}")


def _check_image(image: Image) -> Image:
    """An image with three channels, after a look at shape and type."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(
            f"expected a uint8 image of shape (H, W, 3), got {image.dtype} {image.shape}"
        )
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]
    if image.shape[2] != 3:
        raise ValueError(f"expected three channels, B G R, got shape {image.shape}")
    return image
