"""The result of a source: frames, and a ledger of every frame it held."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import Image


@dataclass(frozen=True, eq=False)
class Frame:
    """An image with its place in the video.

    Parameters
    ----------
    image
        (H, W, 3) uint8, BGR, upright: rotation metadata are applied. The reader keeps no
        reference to it, so it may be drawn upon.
    index
        Place in the file from 0, in the order of showing; skipped and corrupt frames count.
    seconds
        Time of showing by the stream's own clock, which need not start at 0.
    scale
        Pixels of the image for each pixel that the first picture of the file had as stored, in x
        and in y: where pixels are not square they are made so.
    lag
        Seconds from its arrival until it was given, of a source that gives the newest; else None.

    Examples
    --------
    >>> Frame(np.zeros((48, 64, 3), np.uint8), index=7, seconds=0.28)
    Frame(64x48, index=7, seconds=0.280)
    """

    image: Image
    index: int
    seconds: float
    scale: tuple[float, float] = (1.0, 1.0)
    lag: float | None = None

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        return f"Frame({width}x{height}, index={self.index}, seconds={self.seconds:.3f})"


class Status(IntEnum):
    """What became of a frame."""

    DECODED = 0
    """Decoded and delivered."""
    CORRUPT = 1
    """Wanted, but it could not be decoded whole; not delivered."""
    SKIPPED = 2
    """Not asked for: before ``start``, between two strides, or not the newest of a live source."""


@dataclass(frozen=True)
class Source:
    """Where frames come from, for provenance.

    Parameters
    ----------
    name
        Path, pattern, camera or URL; a URL without its user name and password.
    kind
        ``"video"``, ``"images"``, ``"camera"`` or ``"stream"``.
    format, codec
        As FFmpeg names them; None where they do not apply.
    bytes
        Size of the file or files, None where unknown.
    decoder
        The library that decodes, with its version.
    """

    name: str
    kind: str
    format: str | None = None
    codec: str | None = None
    bytes: int | None = None
    decoder: str | None = None


@dataclass(frozen=True)
class Facts:
    """What a source declares when it is opened; all of it may be wrong."""

    source: Source
    size: tuple[int, int] | None
    rate: Fraction
    count: int | None
    seconds: float | None
    live: bool = False
    counted: bool = False
    """Whether ``count`` is what the file lists, and not made from its length and rate."""
    files: Sequence[tuple[Path, int]] = ()
    """Of images: the file of each frame, and which of its pictures, from 0."""


Row = tuple[float, Status]


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a source: ledger rows, in order, then perhaps their frame.

    With a frame, the last row is the frame's. ``problem`` is why reading ends here, ``remarks``
    what callers should know about the pictures from here on.
    """

    rows: list[Row]
    frame: Frame | None = None
    problem: str | None = None
    remarks: Sequence[str] = ()


class Steps(Protocol):
    """An opened source. ``steps`` is called once and owns what was opened until it is closed."""

    @property
    def facts(self) -> Facts:
        """What is known before the first frame."""
        ...

    def steps(self) -> Iterator[Step]:
        """All frames from the first to the end, as steps; a generator, closed when done."""
        ...


@dataclass(eq=False, repr=False)
class Ledger:
    """Every frame that was met, one row each: index, seconds, status.

    Nine bytes a row. Rows are in order of index without gaps, so the index is not stored.

    Parameters
    ----------
    max_rows
        Forget the oldest half when there would be more rows than this; None keeps all. Endless
        streams have a limit, files have none. `counts` go on counting forgotten rows.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.extend([(0.0, Status.DECODED), (0.04, Status.CORRUPT), (0.08, Status.DECODED)])
    >>> ledger.index.tolist(), ledger.seconds.tolist()
    ([0, 1, 2], [0.0, 0.04, 0.08])
    >>> ledger.counts[Status.CORRUPT], ledger.where(Status.CORRUPT).tolist()
    (1, [1])
    """

    max_rows: int | None = None
    first: int = field(default=0, init=False)
    counts: dict[Status, int] = field(init=False)
    _seconds: array[float] = field(init=False)
    _status: array[int] = field(init=False)

    def __post_init__(self) -> None:
        if self.max_rows is not None and self.max_rows < 2:
            raise ValueError(f"max_rows must be None or at least 2, got {self.max_rows}")
        self.counts = dict.fromkeys(Status, 0)
        self._seconds = array("d")
        self._status = array("B")

    def extend(self, rows: Iterable[Row]) -> None:
        """Append rows of (seconds, status)."""
        for seconds, status in rows:
            self._seconds.append(seconds)
            self._status.append(status)
            self.counts[status] += 1
        if self.max_rows is not None and len(self._seconds) > self.max_rows:
            gone = len(self._seconds) - self.max_rows // 2
            self._seconds, self._status = self._seconds[gone:], self._status[gone:]
            self.first += gone

    @property
    def index(self) -> NDArray[np.int64]:
        """Index of each kept row's frame."""
        return np.arange(self.first, self.first + len(self._seconds), dtype=np.int64)

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Time of each kept row's frame; a copy."""
        return np.array(self._seconds, dtype=np.float64)

    @property
    def status(self) -> NDArray[np.uint8]:
        """`Status` of each kept row's frame; a copy."""
        return np.array(self._status, dtype=np.uint8)

    def where(self, status: Status) -> NDArray[np.int64]:
        """Indices of the kept frames of one status."""
        found: NDArray[np.int64] = np.flatnonzero(self.status == status) + self.first
        return found

    def rows(self, first: int = 0, stop: int | None = None) -> Iterator[tuple[int, float, Status]]:
        """Kept rows of ``range(first, stop)`` as (index, seconds, status); None has no end.

        Examples
        --------
        >>> ledger = Ledger()
        >>> ledger.extend([(0.0, Status.DECODED), (0.04, Status.CORRUPT), (0.08, Status.DECODED)])
        >>> [(index, status.name) for index, _, status in ledger.rows(1)]
        [(1, 'CORRUPT'), (2, 'DECODED')]
        """
        begin = max(first - self.first, 0)
        end = None if stop is None else max(stop - self.first, 0)
        rows = zip(self._seconds[begin:end], self._status[begin:end], strict=True)
        for row, (seconds, status) in enumerate(rows, begin):
            yield self.first + row, seconds, Status(status)

    def __len__(self) -> int:
        """How many frames were met, forgotten rows included."""
        return self.first + len(self._seconds)

    def __iter__(self) -> Iterator[tuple[int, float, Status]]:
        """Kept rows as (index, seconds, status)."""
        return self.rows()

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.counts[status]} {status.name.lower()}" for status in Status)
        return f"Ledger({len(self)} frames: {counts})"


@dataclass(frozen=True)
class Selection:
    """Which frames are wanted: ``range(start, stop, stride)``, where None has no end.

    Parameters
    ----------
    start, stop, stride
        Of that range.
    known
        Frames before this were read by an earlier reader: but for the first, which says how large
        the images are, they are not wanted again.

    Raises
    ------
    ValueError
        If start is negative, stop lies before start, or stride is less than 1.

    Examples
    --------
    >>> every_third = Selection(start=4, stride=3)
    >>> every_third.wants(7), every_third.wants(8), every_third.next_from(8)
    (True, False, 10)
    """

    start: int = 0
    stop: int | None = None
    stride: int = 1
    known: int = 0

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(f"start counts frames from 0, got {self.start}")
        if self.stop is not None and self.stop < self.start:
            raise ValueError(
                f"stop is the first frame not read: at least start = {self.start}, got {self.stop}"
            )
        if self.stride < 1:
            raise ValueError(f"stride must be at least 1 (every frame), got {self.stride}")

    @property
    def everything(self) -> bool:
        """No frame before ``stop`` is skipped."""
        return self.start == 0 and self.stride == 1 and self.known <= 1

    def wants(self, index: int) -> bool:
        """Whether the frame of this index is to be delivered."""
        return (
            index >= self.start
            and not self.is_past(index)
            and (index - self.start) % self.stride == 0
            and (index == self.start or index >= self.known)
        )

    def is_past(self, index: int) -> bool:
        """Whether this frame and all later ones lie behind the end."""
        return self.stop is not None and index >= self.stop

    def next_from(self, index: int) -> int:
        """The first index not below ``index`` that the stride meets (it may lie past the end)."""
        if index > self.start:
            index = max(index, self.known)
        return self.start + -(-max(index - self.start, 0) // self.stride) * self.stride
