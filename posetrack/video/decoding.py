"""From packets to numbered pictures: what the decoder gives, matched to what the file holds."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import chain
from typing import Any

import av.error

from posetrack.video.clock import Untimed
from posetrack.video.frames import Selection, Status
from posetrack.video.packets import Arranger, Chooser, Ranked, Ranker

_REORDER = 20  # no codec holds back more than 16 frames
_MOST_THREADS = 17  # that FFmpeg takes by itself; each holds one frame
_OUTSTANDING = 256  # times remembered of packets that gave no picture (yet)


class TimedDecoding:
    """Frames numbered by their packets' times of showing.

    Parameters
    ----------
    stream
        PyAV's video stream, opened for this decoding alone.
    selection
        Which frames are wanted; others are decoded only where a wanted one needs them.
    keyframes
        Whether the container's keyframe marks can be relied on.
    """

    def __init__(self, stream: Any, selection: Selection, *, keyframes: bool) -> None:
        self.at_end = False
        self._stream = stream
        self._selection = selection
        self._ranker: Ranker[Any] = Ranker()
        is_start = partial(starts_afresh, extradata=bytes(stream.codec_context.extradata or b""))
        self._chooser: Chooser[Any] = Chooser(selection, is_start if keyframes else None)
        threads = stream.codec_context.thread_count
        self._alone = threads == 1
        self._arranger: Arranger[Any] = Arranger(_REORDER + (threads or _MOST_THREADS))
        self._at_decoder: dict[int, deque[int]] = {}  # time of showing -> ranks

    @property
    def count(self) -> int:
        """How many frames the packets held so far."""
        return self._ranker.rank_count

    def run(self, packets: Iterator[Any]) -> Iterator[Untimed]:
        """All frames up to the end of the selection or of the packets, in order of index."""
        for packet in packets:
            for ranked in self._ranker.push(packet, shown=_is_shown(packet)):
                self._take(ranked)
            yield from self._ready()
            if self._chooser.done:
                break
        else:
            for ranked in self._ranker.finish():
                self._take(ranked)
            self.at_end = not self._chooser.done
        self._decode(None)
        yield from self._ready(end=True)

    def _take(self, ranked: Ranked[Any]) -> None:
        """Enter a packet's frame and decode what it releases."""
        if ranked.rank is not None:
            wanted = self._selection.wants(ranked.rank)
            self._arranger.expect(ranked.rank, seconds=self._seconds(ranked), wanted=wanted)
        gap, chosen = self._chooser.push(ranked)
        if gap:
            self._decode(None)
            self._stream.codec_context.flush_buffers()
        for one in chosen:
            self._feed(one)

    def _feed(self, ranked: Ranked[Any]) -> None:
        packet, rank = ranked.packet, ranked.rank
        wanted = rank is not None and self._selection.wants(rank)
        if rank is not None and wanted and packet.pts is not None:
            self._at_decoder.setdefault(packet.pts, deque()).append(rank)
            if len(self._at_decoder) > _OUTSTANDING:
                del self._at_decoder[next(iter(self._at_decoder))]
        if not self._selection.everything:
            # A picture that no other refers to is not decoded at all unless it is wanted.
            self._stream.codec_context.skip_frame = "DEFAULT" if wanted else "NONREF"
        self._arranger.feed(rank)
        failed = self._decode(packet)
        if failed and self._alone and rank is not None:
            self._arranger.put(rank, None)  # several threads fail later, at another packet

    def _decode(self, packet: Any) -> bool:
        pictures, failed = decoded(self._stream, packet)
        for picture in pictures:
            ranks = self._at_decoder.get(picture.pts)
            if ranks:
                self._arranger.put(ranks.popleft(), None if picture.is_corrupt else picture)
                if not ranks:
                    del self._at_decoder[picture.pts]
        return failed

    def _ready(self, *, end: bool = False) -> Iterator[Untimed]:
        for numbered in self._arranger.ready(end=end):
            if self._selection.is_past(numbered[0]):
                return
            yield numbered

    def _seconds(self, ranked: Ranked[Any]) -> float | None:
        packet = ranked.packet
        time = packet.pts if packet.pts is not None else packet.dts
        return None if time is None else float(time * packet.time_base)


class CountedDecoding:
    """Frames numbered as the decoder gives them, where packets carry no times of showing.

    A packet that fails stands in the ledger where it failed, which among reordered frames may be
    a few places off. Everything is decoded, since no packet's index is known before.

    Parameters are those of `TimedDecoding`; ``keyframes`` makes no difference.
    """

    def __init__(self, stream: Any, selection: Selection, *, keyframes: bool) -> None:
        del keyframes
        self.at_end = False
        self.count = 0
        self._stream = stream
        self._selection = selection
        self._times: list[float] = []
        self._before_times = 0  # frames to come of packets before the first that has a time
        self._timed = False

    def run(self, packets: Iterator[Any]) -> Iterator[Untimed]:
        """All frames up to the end of the selection or of the packets, in order of index."""
        for packet in chain(packets, [None]):
            if packet is not None and packet.pts is not None:
                heapq.heappush(self._times, float(packet.pts * packet.time_base))
                self._timed = True
            elif packet is not None and packet.size and not self._timed:
                self._before_times += 1
            pictures, failed = decoded(self._stream, packet)
            for picture in [*pictures, *([None] if failed and packet is not None else [])]:
                if self._selection.is_past(self.count):
                    return
                yield self._number(picture)
        self.at_end = True

    def _number(self, picture: Any) -> Untimed:
        index, self.count = self.count, self.count + 1
        # The frames' times are the packets' times, sorted, behind those that have none.
        seconds: float | None = None
        if self._before_times:
            self._before_times -= 1
        elif self._times:
            seconds = heapq.heappop(self._times)
        if not self._selection.wants(index):
            return index, seconds, Status.SKIPPED, None
        if picture is None or picture.is_corrupt:
            return index, seconds, Status.CORRUPT, None
        return index, seconds, Status.DECODED, picture


def decoded(stream: Any, packet: Any) -> tuple[list[Any], bool]:
    """What the decoder gives for a packet (None empties it), and whether it failed."""
    try:
        return list(stream.decode(packet)), False
    except av.error.EOFError:
        return [], False
    except av.error.FFmpegError:
        return [], True


def _is_shown(packet: Any) -> bool:
    """Whether a packet has a frame of its own to show."""
    if packet.is_discard:  # cut away by an edit list
        return False
    # VP8 stores reference pictures that are never shown as packets of their own; RFC 6386, 9.1.
    return packet.stream.codec_context.name != "vp8" or bool(memoryview(packet)[0] >> 4 & 1)


def starts_afresh(packet: Any, *, extradata: bytes) -> bool:
    """Whether this frame and all shown after it decode exactly without any packet before.

    A container's mark of a keyframe is not enough: H.264 and H.265 streams also mark places from
    which a decoder recovers over several frames. Their units say what a packet is (ISO/IEC
    14496-10 and 23008-2, table 7-1; lengths as in 14496-15).
    """
    codec = packet.stream.codec_context.name
    if not packet.is_keyframe or codec not in ("h264", "hevc"):
        return bool(packet.is_keyframe)
    shortest = 7 if codec == "h264" else 23
    if len(extradata) < shortest or extradata[0] != 1:
        return False  # units without lengths; rare in containers with marks
    width = (extradata[4 if codec == "h264" else 21] & 3) + 1
    data = memoryview(packet)
    at = 0
    while at + width < len(data):
        head = data[at + width]
        if (head & 31) == 5 if codec == "h264" else 16 <= (head >> 1 & 63) <= 21:
            return True
        at += width + int.from_bytes(data[at : at + width], "big")
    return False
