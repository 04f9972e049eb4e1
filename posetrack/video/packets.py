"""Which frame a packet holds, and which packets must be decoded: arithmetic without a decoder.

A container gives packets in the order of decoding. A frame's index is its packet's rank in the
order of showing, so it depends neither on what was skipped nor on what failed to decode.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from posetrack.video.frames import Selection, Status

MAX_LOOKAHEAD = 64
"""Packets held back at most until their rank is certain; no codec reorders by more than 16."""

MAX_HELD = 256
"""Packets kept at most while it is open whether a wanted frame needs them."""


class PacketLike(Protocol):
    """What of a packet matters here; times are in units of the stream's time base."""

    @property
    def pts(self) -> int | None:
        """Time of showing."""
        ...

    @property
    def dts(self) -> int | None:
        """Time of decoding: never decreases, never later than ``pts`` of this or a later one."""
        ...


P = TypeVar("P", bound=PacketLike)
F = TypeVar("F")


@dataclass(frozen=True, eq=False)
class Ranked(Generic[P]):
    """A packet with the index of its frame; None if it is never shown."""

    packet: P
    rank: int | None


class Ranker(Generic[P]):
    """Number packets by time of showing while they arrive in the order of decoding.

    A packet's rank is certain once a packet to be decoded at or after its time of showing has
    arrived, since none that follows can be shown earlier. Packets come out in the order of
    decoding. Where times jump back (concatenated recordings), numbering goes on behind the jump.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> ranker = Ranker()
    >>> for pts, dts in [(0, -1), (2, 0), (1, 1), (3, 2)]:
    ...     packet = SimpleNamespace(pts=pts, dts=dts)
    ...     print([(ranked.packet.pts, ranked.rank) for ranked in ranker.push(packet)])
    []
    [(0, 0)]
    []
    [(2, 2), (1, 1)]
    >>> [ranked.rank for ranked in ranker.finish()]
    [3]
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, P]] = deque()
        self._times: list[tuple[int, int]] = []  # heap of (pts, serial), not yet ranked
        self._ranks: dict[int, int | None] = {}  # serial -> rank, until released
        self._serial = 0
        self._next = 0
        self._last_dts: int | None = None

    def push(self, packet: P, *, shown: bool = True) -> Iterator[Ranked[P]]:
        """Take the next packet; give those whose rank is certain now, in order of decoding.

        ``shown`` is False for a packet that only helps to decode others and has no rank.
        """
        dts = packet.dts
        if dts is not None and self._last_dts is not None and dts < self._last_dts:
            self._settle(None)
        serial, self._serial = self._serial, self._serial + 1
        self._waiting.append((serial, packet))
        time = packet.pts if packet.pts is not None else dts
        if not shown:
            self._ranks[serial] = None
        else:
            last = self._last_dts if self._last_dts is not None else 0
            heapq.heappush(self._times, (last if time is None else time, serial))
        if dts is not None:
            self._last_dts = dts
            self._settle(dts)
        while len(self._times) > MAX_LOOKAHEAD:
            self._rank_one()
        yield from self._release()

    def finish(self) -> Iterator[Ranked[P]]:
        """Give the rest; no packet follows."""
        self._settle(None)
        yield from self._release()

    @property
    def rank_count(self) -> int:
        """How many frames have been numbered."""
        return self._next

    def _settle(self, dts: int | None) -> None:
        while self._times and (dts is None or self._times[0][0] <= dts):
            self._rank_one()

    def _rank_one(self) -> None:
        _, serial = heapq.heappop(self._times)
        self._ranks[serial] = self._next
        self._next += 1

    def _release(self) -> Iterator[Ranked[P]]:
        while self._waiting and self._waiting[0][0] in self._ranks:
            serial, packet = self._waiting.popleft()
            yield Ranked(packet, self._ranks.pop(serial))


class Chooser(Generic[P]):
    """Leave out packets that no wanted frame needs.

    Packets are kept back until a wanted one arrives, which releases them in order, or until
    decoding can start afresh at or before the next wanted frame, which makes them useless.

    Parameters
    ----------
    selection
        Which frames are wanted.
    is_start
        Says whether decoding can start afresh at a packet; None if that is unknown. Then
        every packet is released.
    """

    def __init__(self, selection: Selection, is_start: Callable[[P], bool] | None) -> None:
        self._selection = selection
        self._is_start = None if selection.everything else is_start
        self._held: list[Ranked[P]] = []
        self._gap = False
        self._arrived = 0
        self._arrived_before_stop = 0

    def push(self, ranked: Ranked[P]) -> tuple[bool, list[Ranked[P]]]:
        """Take the next packet in order of decoding.

        Returns
        -------
        gap
            Packets were left out right before these, so the decoder must start afresh.
        packets
            What to decode now.
        """
        rank = ranked.rank
        # Every frame before `_arrived` has come. One that is shown before a start but comes after
        # it may need the frames before the start.
        if (
            self._is_start is not None
            and rank is not None
            and self._held
            and self._selection.next_from(self._arrived) >= rank
            and self._is_start(ranked.packet)
        ):
            self._held.clear()
            self._gap = True
        self._held.append(ranked)
        if rank is not None:
            self._arrived += 1
            self._arrived_before_stop += not self._selection.is_past(rank)
        wanted = rank is not None and self._selection.wants(rank)
        if self._is_start is not None and not wanted and len(self._held) < MAX_HELD:
            return False, []
        packets, self._held = self._held, []
        gap, self._gap = self._gap, False
        return gap, packets

    @property
    def done(self) -> bool:
        """Whether every packet before ``stop`` has arrived: none that follows is needed."""
        return self._selection.is_past(self._arrived_before_stop)


class Arranger(Generic[F]):
    """Put decoded frames in order of rank, and report those that never came.

    A frame counts as lost once ``patience`` packets were decoded after its own and it has not
    come out of the decoder, or at the end. Only a gap makes later frames wait.

    Examples
    --------
    >>> arranger = Arranger(patience=2)
    >>> for rank in range(4):
    ...     arranger.expect(rank, seconds=rank / 10, wanted=rank != 3)
    ...     arranger.feed(rank)
    >>> arranger.put(0, "first"), arranger.put(2, "third")
    (None, None)
    >>> [(status.name, frame) for _, _, status, frame in arranger.ready()]
    [('DECODED', 'first'), ('CORRUPT', None), ('DECODED', 'third'), ('SKIPPED', None)]
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._expected: dict[int, tuple[float | None, bool]] = {}
        self._fed_at: dict[int, int] = {}
        self._frames: dict[int, F | None] = {}
        self._fed = 0
        self._next = 0

    def expect(self, rank: int, *, seconds: float | None, wanted: bool) -> None:
        """Announce a frame."""
        self._expected[rank] = seconds, wanted

    def feed(self, rank: int | None) -> None:
        """Say that a packet, perhaps of no frame, went to the decoder."""
        self._fed += 1
        if rank is not None and rank >= self._next:
            self._fed_at[rank] = self._fed

    def put(self, rank: int, frame: F | None) -> None:
        """Hand in what the decoder gave for a rank, None if it says that it is damaged."""
        if rank >= self._next:
            self._frames[rank] = frame

    def ready(self, *, end: bool = False) -> Iterator[tuple[int, float | None, Status, F | None]]:
        """Give (rank, seconds, status, frame) as far as it is certain; ``end``: all."""
        while self._next in self._expected:
            rank = self._next
            seconds, wanted = self._expected[rank]
            frame = self._frames.get(rank)
            if not wanted:
                status, frame = Status.SKIPPED, None
            elif frame is not None:
                status = Status.DECODED
            elif end or rank in self._frames or self._is_lost(rank):
                status = Status.CORRUPT
            else:
                return
            self._next += 1
            for known in (self._expected, self._fed_at, self._frames):
                known.pop(rank, None)
            yield rank, seconds, status, frame

    def _is_lost(self, rank: int) -> bool:
        return rank in self._fed_at and self._fed - self._fed_at[rank] >= self._patience
