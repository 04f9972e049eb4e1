"""Write images to an MP4 that browsers play, off the caller's path."""

from __future__ import annotations

import os
import queue
import threading
import weakref
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from posetrack.files import PartialFile
from posetrack.interfaces import Image

_TICKS = 90_000  # a second, for frames with times of their own; holds every usual rate exactly
_SECONDS_A_FRAGMENT = 0.5  # what a killed process loses at most
_MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
VIDEO_ENDINGS = tuple(_MUXERS)
"""Of the videos that `VideoWriter` writes."""
_Item = tuple[Image, "float | None"]


class VideoWriter:
    """An H.264 video that appears whole under its name when closed.

    While it is written it is called ``NAME.partial.mp4`` beside its final place (`partial`).
    It is written in fragments, so that file can be played up to the last half second whenever
    writing stops: closed by an exception it is finished under that name and left there, and after
    a killed process it is there as it was. A later writer of the same name, or one at the same
    time, takes ``NAME.partial-2.mp4``.

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
        x264's trade of time for size: ``ultrafast``, ``superfast``, ``veryfast``, ...
    queue
        How many images may wait for the background thread that encodes; 0 encodes in `write`.
    threads
        Encoder threads, 0 for x264's choice.

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
        preset: str = "ultrafast",
        queue: int = 4,
        threads: int = 1,
    ) -> None:
        self.path = Path(path)
        self.count = 0
        """Images written so far."""
        _check(self.path, rate, size, queue)
        self._file = PartialFile(self.path, durable=False)
        self.partial = self._file.partial
        """Where the video is while it is written, and stays if writing fails."""
        self._encoder = _Encoder(
            self._file,
            rate=Fraction(rate).limit_denominator(100_000),
            size=size,
            options={"preset": preset, "crf": f"{quality:g}"},
            threads=threads,
        )
        self._closed = False
        self._errors: list[BaseException] = []
        self._waiting = _queue_of(queue) if queue else None
        if self._waiting is not None:
            thread = threading.Thread(
                target=_drain,
                args=(self._waiting, self._encoder, self._errors),
                name="posetrack-encode",
                daemon=True,
            )
            thread.start()
            # The thread does not know this object, so an abandoned one ends it, too.
            self._end = weakref.finalize(self, _end, self._waiting, thread)

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
        if self._closed:
            raise ValueError(f"{self.path}: the writer is closed")
        image = _check_image(image)
        self._encoder.check_time(seconds, self.count)
        self._reraise()
        if self._waiting is None:
            self._encoder.encode(image, seconds)
        else:
            self._waiting.put((image.copy() if copy else image, seconds))
        self.count += 1

    def close(self) -> None:
        """Encode what waits, finish the file and give it its name; may be called twice.

        With no image written there is no file.
        """
        self._finish(keep_partial=False)

    def abort(self) -> None:
        """Finish what was written under the name `partial` and leave it there."""
        self._finish(keep_partial=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _finish(self, *, keep_partial: bool) -> None:
        if self._closed:
            return
        self._closed = True
        if self._waiting is not None:
            self._end()
        else:
            _close(self._encoder, self._errors)
        if keep_partial:
            return
        self._reraise()
        if self.count:
            self._file.publish()

    def _reraise(self) -> None:
        if self._errors:
            raise self._errors[0]


def _queue_of(size: int) -> queue.Queue[_Item | None]:
    return queue.Queue(maxsize=size)


def _drain(
    waiting: queue.Queue[_Item | None], encoder: _Encoder, errors: list[BaseException]
) -> None:
    """The thread: encode until told that there is no more; after an error only take."""
    while (item := waiting.get()) is not None:
        if not errors:
            try:
                encoder.encode(*item)
            except BaseException as error:
                errors.append(error)
    _close(encoder, errors)


def _end(waiting: queue.Queue[_Item | None], thread: threading.Thread) -> None:
    waiting.put(None)
    thread.join()


def _close(encoder: _Encoder, errors: list[BaseException]) -> None:
    try:
        encoder.close()
    except BaseException as error:
        errors.append(error)


class _Bytes:
    """What FFmpeg writes into: an error is kept for us, since FFmpeg does not survive each one.

    After it nothing is written any more, so what there was plays as far as it goes.
    """

    def __init__(self, file: PartialFile) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Take all of it, or, after an error, nothing, and say so in neither case."""
        if self.error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `PartialFile.seek`."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """See `PartialFile.tell`."""
        return self._file.tell()


class _Encoder:
    """x264 in a fragmented MP4, opened at the first image; used by one thread at a time."""

    def __init__(
        self,
        file: PartialFile,
        *,
        rate: Fraction,
        size: tuple[int, int] | None,
        options: dict[str, str],
        threads: int,
    ) -> None:
        self._file, self._rate, self._size = file, rate, size
        self._bytes = _Bytes(file)
        self._options, self._threads = options, threads
        self._container: Any = None
        self._stream: Any = None
        self._written = 0
        self._timed = False
        self._zero = 0.0  # the time that is shown at 0
        self._last: float | None = None
        self._last_ticks = -1

    def check_time(self, seconds: float | None, count: int) -> None:
        """Refuse a time that cannot follow; called in the caller's order."""
        if count and (seconds is None) == self._timed:
            raise ValueError("give seconds with every image or with none")
        if seconds is None:
            return
        if not np.isfinite(seconds):
            raise ValueError(f"seconds must be finite, got {seconds}")
        self._timed = True

    def encode(self, image: Image, seconds: float | None) -> None:
        """Append one checked image."""
        import av

        if self._container is None:
            self._open(image)
        width, height = self._size or (0, 0)
        if image.shape[1::-1] != (width, height):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        if width % 2 or height % 2:
            image = cv2.copyMakeBorder(  # type: ignore[assignment]
                image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE
            )
        # OpenCV converts in two thirds of swscale's time; BT.601, which the stream declares.
        planes: Any = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.pts, picture.time_base = self._ticks(seconds), self._time_base(seconds)
        self._container.mux(self._stream.encode(picture))
        self._reraise()
        self._written += 1

    def close(self) -> None:
        """Write what the encoder still holds, and the end of the file; without images, none."""
        if self._container is None:
            if not self._file.closed:
                self._file.discard()
            return
        container, self._container = self._container, None
        try:
            container.mux(self._stream.encode(None))
        finally:
            try:
                container.close()
            finally:
                self._file.keep()
        self._reraise()

    def _reraise(self) -> None:
        if self._bytes.error is not None:
            raise self._bytes.error

    def _open(self, image: Image) -> None:
        import av

        self._size = self._size or (image.shape[1], image.shape[0])
        options = {"movflags": "+hybrid_fragmented", "flush_packets": "1"}
        kind = _MUXERS[self._file.path.suffix.lower()]
        if kind == "matroska":
            options = {}
        # The file is given, and not its name, which another may have put a link under by now.
        self._container = av.open(self._bytes, "w", format=kind, options=options)
        stream = self._container.add_stream("libx264", rate=self._rate, options=self._options)
        stream.width, stream.height = (side + side % 2 for side in self._size)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.thread_count = self._threads
        context.gop_size = max(1, round(self._rate * _SECONDS_A_FRAGMENT))
        context.time_base = self._time_base(0.0 if self._timed else None)
        context.colorspace, context.color_range = 6, 1  # SMPTE 170M (BT.601), 16 .. 235
        context.color_primaries, context.color_trc = 1, 1
        self._stream = stream

    def _time_base(self, seconds: float | None) -> Fraction:
        return 1 / self._rate if seconds is None else Fraction(1, _TICKS)

    def _ticks(self, seconds: float | None) -> int:
        if seconds is None:
            return self._written
        if self._last is None:
            self._zero = seconds
        elif seconds <= self._last:
            self._zero = seconds - self._last_ticks / _TICKS - float(1 / self._rate)
        self._last = seconds
        # Two times closer than a tick still need two ticks.
        self._last_ticks = max(round((seconds - self._zero) * _TICKS), self._last_ticks + 1)
        return self._last_ticks


def _check(path: Path, rate: float | Fraction, size: tuple[int, int] | None, queue: int) -> None:
    if path.suffix.lower() not in _MUXERS:
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
