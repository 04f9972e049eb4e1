"""The sound of a video, copied beside new pictures of it."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

from posetrack.files import PartialFile
from posetrack.video.pieces import JOINING, MUXERS, _Bytes

_COPIED: Final = ("aac", "mp3", "ac3", "eac3", "opus", "alac", "flac")
"""Codecs that an MP4 holds and browsers mostly play; others are left out."""
_INDEX_BYTES: Final = 48
"""Of the index for a packet, more than enough; what is left stays empty."""
_SAMPLES: Final = 900
"""In a packet of sound, at least, for all but unusual ones."""


def add_sound(video: Path, source: Path, *, begin: float, end: float) -> bool:
    """Copy the first sound track of a source into a video, without encoding anything again.

    Parameters
    ----------
    video
        What was written from a part of the source; replaced as a whole.
    source
        Where the sound is.
    begin, end
        Seconds of the source's clock that the video shows; its first image is at ``begin``.

    Returns
    -------
    added
        False where the source has no sound, none in that part, or none of a kind that is copied;
        or where it is damaged. The video is then as it was.

    Raises
    ------
    OSError
        If the new file cannot be written.
    """
    out = PartialFile(video, JOINING)
    sink = _Bytes(out)
    outcome: list[bool | BaseException] = []

    def work() -> None:
        try:
            outcome.append(_copy(video, source, sink, begin, end))
        except BaseException as error:  # carried to the thread that waits
            outcome.append(error)

    # In a thread, since FFmpeg takes an interruption of our functions for the end of the file.
    thread = threading.Thread(target=work, name="posetrack-sound", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:
        sink.stopped = True
        thread.join()
        out.discard()
        raise
    (added,) = outcome
    if isinstance(added, BaseException) or sink.error is not None or not added:
        out.discard()
        if error := sink.error or (added if isinstance(added, BaseException) else None):
            raise error
        return False
    out.publish()
    return True


def has_sound(video: Path) -> bool:
    """Whether there is a sound track in a video of ours."""
    import av

    with av.open(str(video)) as file:
        return bool(file.streams.audio)


def _copy(video: Path, source: Path, sink: _Bytes, begin: float, end: float) -> bool:
    """Write both into ``sink``; False where there is nothing to add."""
    import av

    try:
        with av.open(str(source)) as given, av.open(str(video)) as pictures:
            heard = given.streams.audio[0] if given.streams.audio else None
            if heard is None or heard.codec_context.name not in _COPIED:
                return False
            packets = _part(given, heard, begin, end)
            first = next(packets, None)
            if first is None:
                return False
            shown = pictures.streams.video[0]
            kind = MUXERS[video.suffix.lower()]
            sounds = int((end - begin) * heard.rate / _SAMPLES)
            index = _INDEX_BYTES * (sounds + (shown.frames or 0)) + (1 << 14)
            options = {} if kind == "matroska" else {"moov_size": str(index)}
            with av.open(sink, "w", format=kind, options=options) as written:
                images: Any = written.add_stream_from_template(shown)
                sound: Any = written.add_stream_from_template(heard)
                for packet in _merge(pictures.demux(shown), chain([first], packets)):
                    packet.stream = images if packet.stream is shown else sound
                    written.mux(packet)
    except (av.FFmpegError, ValueError, IndexError, EOFError):
        return False  # of a damaged source; what was there before stays
    return True


def _part(given: Any, heard: Any, begin: float, end: float) -> Iterator[Any]:
    """The packets heard between two times, with times that count from the first."""
    shift = round(begin / heard.time_base)
    for packet in given.demux(heard):
        if packet.pts is None or packet.dts is None:
            continue
        seconds = float(packet.pts * packet.time_base)
        if seconds >= end:
            return  # the rest of a long video need not be read
        if begin <= seconds:
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            yield packet


def _merge(images: Iterator[Any], packets: Iterator[Any]) -> Iterator[Any]:
    """Packets of both in the order of their times, so that they are played from one place."""
    known = (packet for packet in images if packet.dts is not None)
    both = heapq.merge(
        ((float(packet.dts * packet.time_base), 0, n, packet) for n, packet in enumerate(known)),
        ((float(packet.dts * packet.time_base), 1, n, packet) for n, packet in enumerate(packets)),
    )
    return (packet for *_, packet in both)
