"""Videos in closed pieces: each half second is a film of its own, and all of them are one file.

An unfinished video is a fragmented MP4 in which every piece was encoded by itself: it begins with
a key frame, refers to nothing before it, and is written in one go once its last image is there.
So what is there plays, whenever writing stops; a file that is cut after a piece can be gone on
with, and ends with the same bytes as one that was never interrupted; and a whole video is made of
the pieces by copying, without encoding anything again.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Final

import cv2

from posetrack.files import PartialFile
from posetrack.interfaces import Image

MUXERS: Final = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Endings of videos that are written, and FFmpeg's names of what is in them."""

JOINING: Final = ".joining"
"""Ending of a video while its pieces are joined."""

_SECONDS_A_PIECE = Fraction(1, 2)  # what a killed process loses at most
_TICKS = 90_000  # a second, for images with times of their own; holds every usual rate exactly
_PIECE_FLAGS = "+frag_custom+empty_moov+default_base_moof+frag_discont+skip_trailer"
_HEAD_BYTES = 4096  # of an index, whatever is in it; FFmpeg needs about 800
_CHUNK_BYTES = 1 << 20  # FFmpeg's longest run of frames that have one entry together


@dataclass(frozen=True)
class Written:
    """How far an unfinished video goes in whole pieces: all that is needed to go on from there.

    Parameters
    ----------
    pieces, images, length
        How many there are, and the bytes of the file.
    size
        Width and height in pixels.
    timed
        Whether images came with times.
    zero, last, ticks
        The time that is shown at 0, the last image's, and what that became.
    """

    pieces: int = 0
    images: int = 0
    length: int = 0
    size: tuple[int, int] | None = None
    timed: bool = False
    zero: float = 0.0
    last: float | None = None
    ticks: int = -1


class PieceTimes:
    """When each image of a video is shown, and with which of them a piece ends; of times alone.

    Parameters
    ----------
    rate
        Frames per second.
    written
        Where to go on.

    Examples
    --------
    >>> times = PieceTimes(Fraction(10))
    >>> [times.add() for _ in range(8)]
    [True, False, False, False, False, True, False, False]
    """

    def __init__(self, rate: float | Fraction, written: Written | None = None) -> None:
        self.rate = Fraction(rate).limit_denominator(100_000)
        self.now = written or Written()
        """With the images of the piece that is being made."""
        self._begin = self.now.images  # of that piece
        self._first_ticks = 0

    @property
    def time_base(self) -> Fraction:
        """Seconds of a tick."""
        return Fraction(1, _TICKS) if self.now.timed else 1 / self.rate

    def add(self, seconds: float | None = None) -> bool:
        """Take the time of the next image; whether the piece that it is in ends with it.

        ``now.ticks`` is when it is shown.
        """
        self.now = replace(self.now, timed=seconds is not None)
        ticks = self._ticks(seconds)
        if self.now.images == self._begin:
            self._first_ticks = ticks
        self.now = replace(self.now, images=self.now.images + 1, ticks=ticks)
        frame, count = 1 / self.rate, self.now.images - self._begin
        span = max((ticks - self._first_ticks) * self.time_base + frame, count * frame)
        # The first piece is the first image alone, so that there is something to be seen from
        # then on.
        ends = self.now.images == 1 or span + frame > _SECONDS_A_PIECE
        if ends:
            self._begin = self.now.images
        return ends

    def _ticks(self, seconds: float | None) -> int:
        """When an image is shown; also notes the clock."""
        now = self.now
        if seconds is None:
            return now.images
        zero = now.zero
        if now.last is None:
            zero = seconds
        elif seconds <= now.last:
            zero = seconds - now.ticks / _TICKS - float(1 / self.rate)
        self.now = replace(now, zero=zero, last=seconds)
        # Two times closer than a tick still need two ticks.
        return max(round((seconds - zero) * _TICKS), now.ticks + 1)


class PieceEncoder:
    """Images to closed pieces, each handed on as bytes when it is whole; for one thread at a time.

    Parameters
    ----------
    send
        Takes the bytes of a piece; together they are a fragmented MP4.
    rate
        Frames per second.
    size
        Width and height in pixels; that of the first image when None.
    options
        Of libx264.
    threads
        Encoder threads, 0 for x264's choice.
    written
        Where to go on; its pieces must have been made with the same settings.

    Examples
    --------
    >>> import numpy as np
    >>> pieces = []
    >>> encoder = PieceEncoder(pieces.append, rate=Fraction(10))
    >>> for value in range(13):
    ...     encoder.encode(np.full((48, 64, 3), value, np.uint8))
    >>> encoder.close()
    >>> len(pieces), encoder.written.images  # 1 + 5 + 5 + 2
    (4, 13)
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        *,
        rate: Fraction,
        size: tuple[int, int] | None = None,
        options: dict[str, str] | None = None,
        threads: int = 1,
        written: Written | None = None,
    ) -> None:
        self._send = send
        self._options, self._threads = dict(options or {}), threads
        self.written = written or Written(size=size)
        """Up to the last whole piece."""
        self._times = PieceTimes(rate, self.written)
        self._container: Any = None
        self._stream: Any = None
        self._buffer = io.BytesIO()

    def encode(self, image: Image, seconds: float | None = None) -> None:
        """Append one image, (H, W, 3) uint8 BGR; it is scaled to the video's size."""
        import av

        ends = self._times.add(seconds)
        if self._container is None:
            self._open(image)
        width, height = self._times.now.size or (0, 0)
        if image.shape[1::-1] != (width, height):
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        if width % 2 or height % 2:
            image = cv2.copyMakeBorder(  # type: ignore[assignment]
                image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE
            )
        # OpenCV converts in two thirds of swscale's time; BT.601, which the stream declares.
        planes: Any = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
        picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        picture.pts, picture.time_base = self._times.now.ticks, self._times.time_base
        self._mux(self._stream.encode(picture))
        if ends:
            self._end_piece()

    def close(self) -> None:
        """Hand on what there is of the last piece."""
        if self._container is not None:
            self._end_piece()

    def _end_piece(self) -> None:
        container, self._container = self._container, None
        try:
            self._mux(self._stream.encode(None), container)
        finally:
            container.close()
        piece = self._buffer.getvalue()
        if self.written.pieces:
            piece = piece[_start_of(piece, b"moof") :]  # the beginning of the file is there
        self._send(piece)
        self.written = self._times.now = replace(
            self._times.now,
            pieces=self.written.pieces + 1,
            length=self.written.length + len(piece),
        )

    def _mux(self, packets: list[Any], container: Any = None) -> None:
        for packet in packets:
            # The last image of a piece would else have no duration.
            packet.duration = packet.duration or round(1 / self._times.rate / packet.time_base)
            (container or self._container).mux(packet)

    def _open(self, image: Image) -> None:
        import av

        size = self._times.now.size or (image.shape[1], image.shape[0])
        self._times.now, rate = replace(self._times.now, size=size), self._times.rate
        self._buffer = io.BytesIO()
        options = {"movflags": _PIECE_FLAGS, "fragment_index": str(self.written.pieces + 1)}
        options["avoid_negative_ts"] = "disabled"  # else each piece's times begin at 0
        self._container = av.open(self._buffer, "w", format="mp4", options=options)
        # B frames would have pieces overlap in decoding time; they save a fourteenth here.
        fixed = {"bf": "0", "x264-params": "stitchable=1"}
        stream = self._container.add_stream("libx264", rate=rate, options=self._options | fixed)
        stream.width, stream.height = (side + side % 2 for side in size)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.thread_count = self._threads
        context.gop_size = max(1, round(rate * _SECONDS_A_PIECE))
        context.time_base = self._times.time_base
        context.colorspace, context.color_range = 6, 1  # SMPTE 170M (BT.601), 16 .. 235
        context.color_primaries, context.color_trc = 1, 1
        self._stream = stream


def _start_of(data: bytes, kind: bytes) -> int:
    """Where the first box of a kind begins in an MP4 of FFmpeg's."""
    offset = 0
    while data[offset + 4 : offset + 8] != kind:
        offset += int.from_bytes(data[offset : offset + 4], "big")
    return offset


class _Bytes:
    """The file that FFmpeg writes into; errors are kept here, since FFmpeg does not survive all."""

    def __init__(self, file: PartialFile) -> None:
        self._file = file
        self.error: OSError | None = None
        self.stopped = False
        """Whether there is no more use in writing."""

    def write(self, data: bytes) -> int:
        """Take all of it, or, once stopped, nothing, and say so in neither case."""
        if not self.stopped:
            try:
                self._file.write(data)
            except OSError as error:
                self.error, self.stopped = error, True
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `PartialFile.seek`."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """See `PartialFile.tell`."""
        return self._file.tell()


@dataclass(frozen=True)
class Extent:
    """The finished pieces of an unfinished video.

    Parameters
    ----------
    images, keys, length
        How many there are, how many of them can be decoded alone, and their bytes.
    runs
        How often the time between two images changes.
    seconds
        When the last image is shown.
    """

    images: int
    keys: int
    length: int
    runs: int
    seconds: float


def join_pieces(pieces: Path, path: Path) -> Extent:
    """Copy all whole images of an unfinished video into one with the index first.

    Nothing is encoded again, and ``pieces`` stay. Of a file that breaks off, or is damaged further
    on, what comes before is taken.

    Parameters
    ----------
    pieces
        The unfinished video.
    path
        The video to write, of the kind that its ending says; it appears when it is whole.

    Raises
    ------
    ValueError
        If there is no image that can be played; the message names ``pieces``.
    OSError
        If ``pieces`` cannot be read or ``path`` not be written.
    """
    out = PartialFile(path, JOINING)
    try:
        extent = _Copying(pieces, out).wait()
        out.publish()
    except BaseException:
        out.discard()
        raise
    return extent


class _Copying:
    """Copies in a thread: Ctrl-C would else end FFmpeg's calls of ours, which it takes for done."""

    def __init__(self, pieces: Path, out: PartialFile) -> None:
        self._pieces, self._sink = pieces, _Bytes(out)
        self._kind = MUXERS[out.path.suffix.lower()]
        self._error: BaseException | None = None
        self._extent: Extent | None = None
        self._thread = threading.Thread(target=self._run, name="posetrack-join", daemon=True)
        self._thread.start()

    def wait(self) -> Extent:
        """Wait for it; where that is interrupted it ends, too."""
        try:
            self._thread.join()
        except BaseException:
            self._sink.stopped = True
            self._thread.join()
            raise
        if self._error is not None:
            raise self._error
        assert self._extent is not None
        return self._extent

    def _run(self) -> None:
        try:
            self._extent = self._copy()
        except BaseException as error:  # carried to the thread that waits for the result
            self._error = error

    def _copy(self) -> Extent:
        import av

        with self._pieces.open("rb") as source:
            extent = _extent_of(source, self._pieces)
            options = {}
            if self._kind != "matroska":
                # Room for the index, which is written when all is known, before the frames.
                index = _HEAD_BYTES + 4 * (extent.images + extent.keys) + 8 * extent.runs
                index += 20 * (2 * extent.length // _CHUNK_BYTES + 1)
                options["moov_size"] = str(index)
            source.seek(0)
            with (
                av.open(source) as read,
                av.open(self._sink, "w", format=self._kind, options=options) as written,
            ):
                stream: Any = read.streams.video[0]
                copy: Any = written.add_stream_from_template(stream)
                copy.time_base = stream.time_base
                for packet in _packets(read, stream, extent.images):
                    packet.stream = copy
                    written.mux(packet)
                    if self._sink.stopped:
                        break
        if self._sink.error is not None:
            raise self._sink.error
        return extent


def _extent_of(source: BinaryIO, pieces: Path) -> Extent:
    import av

    images = keys = length = runs = 0
    before, duration, end = None, None, 0
    try:
        with av.open(source) as file:
            stream: Any = file.streams.video[0]
            for packet in _packets(file, stream):
                images, keys = images + 1, keys + packet.is_keyframe
                length += packet.size
                if before is not None and packet.dts - before != duration:
                    runs, duration = runs + 1, packet.dts - before
                before, end = packet.dts, packet.pts
            seconds = float(end * stream.time_base)
    except (av.error.FFmpegError, IndexError) as error:
        raise ValueError(f"{pieces}: no frame of it can be played") from error
    if not images:
        raise ValueError(f"{pieces}: no frame of it can be played")
    return Extent(images, keys, length, runs + 1, seconds)


def _packets(file: Any, stream: Any, most: int | None = None) -> Any:
    """The stream's packets, up to the first that is damaged."""
    import av

    count = 0
    try:
        for packet in file.demux(stream):
            if packet.dts is None or packet.is_corrupt or count == most:
                return
            yield packet
            count += 1
    except av.error.FFmpegError:
        return
