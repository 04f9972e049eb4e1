"""Video files and network streams, through PyAV (FFmpeg)."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av
import av.error

from posetrack.files import without_credentials
from posetrack.video.clock import Clock, Timed, put_times
from posetrack.video.decoding import CountedDecoding, TimedDecoding
from posetrack.video.frames import Facts, Frame, Row, Selection, Source, Status, Step
from posetrack.video.pixels import Conversion, square_size

URL_SCHEMES = ("http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp")

# A file may name other files or hosts (playlists). A local file may only be itself, and what
# comes over the network may not open local files.
_FILE_PROTOCOLS = "file"
_NETWORK_PROTOCOLS = (
    "http,https,httpproxy,tcp,tls,udp,udplite,rtp,srtp,rtsp,rtmp,rtmpe,rtmps,rtmpt,srt,crypto,data"
)

# Containers whose marks of keyframes and times of showing can be relied on.
_INDEXED = {"mov", "mp4", "matroska", "webm"}
_MOV = {"mov", "mp4"}
# These store the order of decoding only; frames are numbered as the decoder gives them.
_UNTIMED = {"avi", "h264", "hevc", "m4v", "mpegvideo", "obu"}
_NOT_VIDEO = {"tty"}  # FFmpeg draws text files

# Tags need not be UTF-8. Before PyAV 19 opening fails on others unless this is asked for; since
# then it can no longer be asked for, and they come as surrogate escapes.
_TOLERANT: dict[str, Any] = (
    {"metadata_errors": "replace"} if hasattr(av.container.Container, "metadata_errors") else {}
)

_ROWS_AT_ONCE = 4096
_BAD_READS = 16


class StreamSteps:
    """A video file or URL as steps.

    Parameters
    ----------
    name
        Path or URL.
    selection
        Which frames are wanted.
    is_url
        Whether ``name`` is a URL.
    timeout
        Seconds to wait for a host to answer, and for each read; URLs only.
    threads
        Decoder threads; None: one up to 1920x1088, FFmpeg's choice above.
    max_pixels
        Refuse pictures of more pixels than this.
    rate
        Frames per second that count instead of the stream's own times; None: its own times.
    stored_pixels
        Deliver pictures as they are stored, also where their pixels are not square or their size
        changes.
    at_once
        Give each picture when the decoder does: to know for sure which frame it is by the file's
        times would be to wait for the next. One that comes out after reading failed, which the
        decoder had held, is in a step with the ``problem``.

    Raises
    ------
    OSError
        If the file cannot be read or the host does not answer.
    ValueError
        If it holds no video, or a picture is too large.
    """

    def __init__(
        self,
        name: str,
        selection: Selection,
        *,
        is_url: bool,
        timeout: float,
        threads: int | None,
        max_pixels: int,
        rate: Fraction | None = None,
        stored_pixels: bool = False,
        at_once: bool = False,
    ) -> None:
        self._selection, self._at_once = selection, at_once
        self._label = without_credentials(name) if is_url else name
        self._container = _open(name, self._label, is_url=is_url, timeout=timeout)
        try:
            self._stream = _video_stream(self._container, self._label)
            self._formats = set(self._container.format.name.split(","))
            self.facts = _facts(self._container, self._stream, self._label, is_url)
            aspect = _pixel_aspect(self._stream)
            self._check_size(max_pixels, Fraction(1) if stored_pixels else aspect)
        except BaseException:
            self._container.close()
            raise
        self._set_up_decoder(threads, max_pixels)
        self._conversion = Conversion(aspect, stored=stored_pixels)
        self._clock = Clock(self.facts.rate, fixed=rate)
        self._max_pixels = max_pixels
        self._problem: str | None = None
        self._reported: set[str] = set()
        self._packets_read = 0
        self._last = 0.0  # end of the last packet's showing

    def _check_size(self, max_pixels: int, aspect: Fraction) -> None:
        width, height = square_size(self.facts.size or (0, 0), aspect)
        if width * height > max_pixels:
            raise ValueError(
                f"{self._label}: pictures claim {width}x{height} pixels, more than "
                f"max_pixels = {max_pixels}; raise max_pixels if the file can be trusted"
            )

    def _set_up_decoder(self, threads: int | None, max_pixels: int) -> None:
        context = self._stream.codec_context
        context.options = {"max_pixels": str(max_pixels)}
        width, height = self.facts.size or (0, 0)
        if threads is None:
            # Up to this size one thread is ahead of any network that uses the frames, costs a
            # tenth less processor time than several, and reports damage at the packet that fails.
            threads = 1 if width * height <= 1920 * 1088 else 0
        context.thread_count = threads
        context.thread_type = "NONE" if threads == 1 else "AUTO"

    def steps(self) -> Generator[Step, None, None]:
        """All frames, then a step that reports whether the end was cut off."""
        try:
            decoding, frames = self._decode()
            rows: list[Row] = []
            status: Status | None = None
            for index, seconds, status, picture in frames:
                if picture is not None and picture.width * picture.height > self._max_pixels:
                    status, picture = Status.CORRUPT, None
                rows.append((seconds, status))
                if picture is not None:
                    image = self._conversion.convert(picture)
                    frame = Frame(image, index, seconds, self._conversion.scale)
                    problem = self._problem if self._at_once else None
                    yield Step(rows, frame, problem, remarks=self._remarks(index))
                    rows = []
                elif len(rows) >= _ROWS_AT_ONCE:
                    yield Step(rows)
                    rows = []
            if decoding.at_end:
                missing = self._after_the_cut(decoding.count, status)
                rows += [(self._clock.read(time), Status.CORRUPT) for time in missing]
            yield Step(rows, problem=self._problem)
        finally:
            self._container.close()

    def _decode(self) -> tuple[TimedDecoding | CountedDecoding, Iterator[Timed]]:
        """The decoding, and its frames with times that grow."""
        packets = self._packets()
        if self._at_once:
            counting = CountedDecoding(self._stream, self._selection, keyframes=False)
            read = self._clock.read
            return counting, ((at, read(time), *more) for at, time, *more in counting.run(packets))
        first = list(islice(packets, 4))
        timed = not (self._formats & _UNTIMED) and all(p.pts is not None for p in first)
        decoding = (TimedDecoding if timed else CountedDecoding)(
            self._stream, self._selection, keyframes=bool(self._formats & _INDEXED)
        )
        return decoding, put_times(
            decoding.run(chain(first, packets)), self._clock, self.facts.rate
        )

    def _remarks(self, index: int) -> list[str]:
        """What is new to say of this frame, each once: scaled, another size, another clock."""
        remarks, conversion = [], self._conversion
        if "scale" not in self._reported and conversion.scale != (1.0, 1.0):
            (stored_width, stored_height) = conversion.stored_size or (0, 0)
            (width, height) = conversion.size or (0, 0)
            self._reported.add("scale")
            remarks.append(
                f"{self._label}: pixels are not square: pictures of {stored_width}x{stored_height} "
                f"are scaled to {width}x{height}"
            )
        if conversion.changed is not None and "size" not in self._reported:
            (width, height) = conversion.size or (0, 0)
            self._reported.add("size")
            remarks.append(
                f"{self._label}: the picture's size changes at frame {index}: all are scaled to "
                f"the first one's {width}x{height}"
            )
        if self._clock.restarts and "clock" not in self._reported:
            self._reported.add("clock")
            remarks.append(
                f"{self._label}: times go back at frame {self._clock.restarts[0]}, as where two "
                "recordings are put together: they go on from the frame before; give a rate if "
                "frames are evenly spaced"
            )
        return remarks

    def _packets(self) -> Iterator[Any]:
        """Packets in the order of the file, on past those that cannot be read."""
        failures = 0
        while failures < _BAD_READS:
            try:
                for packet in self._container.demux(self._stream):
                    if packet.size:
                        failures = 0
                        self._packets_read += 1
                        time = packet.dts if packet.pts is None else packet.pts
                        if time is not None:
                            end = time + (packet.duration or 0)
                            self._last = max(self._last, float(end * packet.time_base))
                        yield packet
            except av.error.EOFError:
                return
            except av.error.InvalidDataError:
                failures += 1
                continue
            except (OSError, av.error.FFmpegError) as error:
                reason = error.strerror or type(error).__name__  # the rest may name a password
                self._problem = f"{self._label}: reading stopped before the end: {reason}"
            return
        self._problem = f"{self._label}: reading stopped before the end: the rest is unreadable"

    def _after_the_cut(self, count: int, last: Status | None) -> list[float]:
        """Times of the frames that the file declares but no longer holds; notes the problem."""
        if self._formats & _MOV:
            missing = _missing_in_index(self._stream, self._packets_read, count)
            if missing:
                self._problem = self._problem or (
                    f"{self._label}: the file is cut off: it lists {count + len(missing)} frames "
                    f"and holds {count}"
                )
            return missing
        declared, rate = self._seconds_in_header(), float(self.facts.rate)
        read = max(self._last, self._packets_read / rate)
        if self._problem is None and declared is not None and read < declared - 2.5 / rate:
            self._problem = (
                f"{self._label}: the file is cut off: it declares {declared:.2f} seconds "
                f"and holds about {read:.2f}"
            )
        elif self._problem is None and last is Status.CORRUPT:
            self._problem = f"{self._label}: the last frame is incomplete: the file may be cut off"
        return []

    def _seconds_in_header(self) -> float | None:
        """What the header says of the video's length, where it says it of the video itself."""
        if "avi" in self._formats and self._stream.frames:
            return float(self._stream.frames / self.facts.rate)
        tag = re.fullmatch(r"(\d+):(\d+):([\d.]+)", self._stream.metadata.get("DURATION", ""))
        if tag:
            hours, minutes, seconds = tag.groups()
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        return None


def _open(name: str, label: str, *, is_url: bool, timeout: float) -> Any:
    options = {"protocol_whitelist": _NETWORK_PROTOCOLS if is_url else _FILE_PROTOCOLS}
    if name.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # UDP loses packets
    try:
        return av.open(
            name if is_url else f"file:{name}",
            "r",
            options=options,
            timeout=timeout if is_url else None,
            **_TOLERANT,
        )
    except av.error.HTTPError as error:
        raise ConnectionError(f"{label}: the host refused: {error.strerror}") from error
    except OSError as error:
        if not is_url:
            raise
        raise type(error)(
            error.errno, f"no answer within {timeout:g} s or refused: {error.strerror}", label
        ) from error
    except av.error.FFmpegError as error:
        if is_url:
            raise ConnectionError(f"{label}: cannot be read: {error.strerror}") from error
        raise ValueError(_unreadable(name)) from error


def _unreadable(name: str) -> str:
    if not Path(name).is_file():
        return f"{name}: expected a video, there is nothing in it"
    with Path(name).open("rb") as file:
        start = file.read(16)
    if not start:
        return f"{name}: expected a video, the file is empty (0 bytes)"
    if start[4:8] == b"ftyp":
        return (
            f"{name}: an MP4 whose index is missing or broken: the recording was cut off before "
            "its end was written; repair it with a tool for that, or record fragmented MP4"
        )
    return f"{name}: expected a video, FFmpeg knows no format that starts like this file"


def _video_stream(container: Any, label: str) -> Any:
    if container.format.name in _NOT_VIDEO:
        raise ValueError(f"{label}: expected a video, this is text")
    cover = getattr(getattr(av.stream, "Disposition", None), "attached_pic", 0)
    streams = [s for s in container.streams.video if not (cover and s.disposition & cover)]
    if not container.streams:
        raise ValueError(_unreadable(label))
    if not streams:
        kinds = {"a cover picture" if s.type == "video" else s.type for s in container.streams}
        raise ValueError(
            f"{label}: expected a video, the file holds no video stream but "
            f"{' and '.join(sorted(kinds))}"
        )
    if streams[0].codec_context is None:
        raise ValueError(f"{label}: this build of FFmpeg has no decoder for the video stream")
    return max(streams, key=lambda s: (s.width or 0) * (s.height or 0))


def _facts(container: Any, stream: Any, label: str, is_url: bool) -> Facts:
    # Unset rates are None or, since PyAV 19, a false 0/1; set ones are of a type of its own there.
    rate = Fraction(stream.average_rate or stream.guessed_rate or stream.base_rate or 25)
    seconds = None
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    elif container.duration:
        seconds = container.duration / av.time_base
    mov = set(container.format.name.split(",")) & _MOV
    listed = len(stream.index_entries) if mov else 0
    count = max(listed, stream.frames) or (round(seconds * rate) if seconds else None)
    size = (stream.width, stream.height)
    return Facts(
        source=Source(
            name=label,
            kind="stream" if is_url else "video",
            format=container.format.name,
            codec=stream.codec_context.name,
            bytes=None if is_url else Path(label).stat().st_size,
            decoder=f"PyAV {av.__version__}",
        ),
        size=size if all(size) else None,
        rate=rate,
        count=count,
        seconds=seconds,
        live=is_url and seconds is None,
        counted=bool(max(listed, stream.frames)),
    )


def _pixel_aspect(stream: Any) -> Fraction:
    """Width of a pixel over its height, by the container or else the codec; 1 if not known."""
    for holder in (stream, stream.codec_context):
        aspect = getattr(holder, "sample_aspect_ratio", None)
        if aspect:
            return Fraction(aspect)
    return Fraction(1)


def _missing_in_index(stream: Any, read: int, count: int) -> list[float]:
    """Times of the frames that the index lists behind the last one that was read.

    The index has times of decoding only. Sorted, they are the times of showing moved by the
    depth of reordering.
    """
    times = [int(entry.timestamp) for entry in stream.index_entries]
    missing = len(times) - read
    if missing <= 0 or not times:
        return []
    depth = sum(time < (stream.start_time or 0) for time in times)
    step = (times[-1] - times[0]) / max(len(times) - 1, 1)
    shown = [*times[depth:], *(times[-1] + step * (k + 1) for k in range(depth))]
    places = range(count, count + missing)
    return [float(shown[min(k, len(shown) - 1)] * stream.time_base) for k in places]
