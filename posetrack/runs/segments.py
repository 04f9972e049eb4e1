"""A run's results in one piece, or in segments that are whole while the run goes on.

With segments of so many seconds, the results of ``hall`` are those of ``hall-0000``, ``hall-0001``
and so on: ``hall-0002.csv``, ``hall-0002.mp4``. A segment's number says which time it is of, by the
clock of the source from its first frame: with segments of 10 minutes ``-0002`` has the frames from
minute 20 to minute 30. One in which there was no frame has no files. Identities, indices and times
go on over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from posetrack.runs.interruptions import hold_interruptions
from posetrack.runs.writer import Opening, ResultPaths, RunWriter

SHORTEST: Final = 1.0
"""Seconds of a segment, at least."""
_ROUNDING: Final = 1e-9  # of a segment: frame 250 at 25 a second is of the second 10 seconds


class Position(NamedTuple):
    """Where a run stands among its segments.

    Parameters
    ----------
    number
        The present segment's.
    zero
        The time of the run's first frame.
    row, next_row
        The index of this segment's first frame, be it left out, and that behind its last one.
    frames
        How many there are in it.
    names
        Files of the segments that are whole.
    """

    number: int = 0
    zero: float = 0.0
    row: int = 0
    next_row: int = 0
    frames: int = 0
    names: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, record: Any) -> Position:
        """Check what another process wrote.

        Raises
        ------
        ValueError
            If it is something else.

        Examples
        --------
        >>> Position.from_json([2, 0.5, 30, 34, 4, ["a-0000.csv"]])
        Position(number=2, zero=0.5, row=30, next_row=34, frames=4, names=('a-0000.csv',))
        """
        kinds = [int, float, int, int, int, list]
        if not isinstance(record, list) or [type(value) for value in record] != kinds:
            raise ValueError(f"no position among segments: {record!r:.80}")
        number, zero, row, next_row, frames, names = record
        if min(number, row, next_row, frames) < 0 or not all(isinstance(n, str) for n in names):
            raise ValueError(f"no position among segments: {record!r:.80}")
        return cls(number, zero, row, next_row, frames, tuple(Path(name).name for name in names))


class Segments:
    """The results of a run; with ``seconds`` in segments, else in one piece.

    Parameters
    ----------
    results
        Where they go; None: no file is written.
    open_writer
        Makes the writer of a piece, given where it goes and the index of its first frame.
    seconds
        Of a segment; None: there is one piece.
    tell
        Is told, in a line, when a segment is whole.
    """

    def __init__(
        self,
        results: ResultPaths | None,
        open_writer: Callable[[ResultPaths | None, int], RunWriter],
        seconds: float | None = None,
        *,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._results, self._open_writer, self._seconds = results, open_writer, seconds
        self._tell = tell or (lambda _: None)
        self.frames = 0
        """So far, in all of them."""
        self._position = Position()
        self._writer: RunWriter | None = None if seconds else open_writer(results, 0)
        self._tables: list[Path] = []
        self._lines: list[str] = []

    @property
    def writer(self) -> RunWriter:
        """The present piece's."""
        assert self._writer is not None  # there was a frame in it
        return self._writer

    @property
    def is_open(self) -> bool:
        """Whether there are frames in the present piece."""
        return self._writer is not None and bool(self._writer.frames)

    @property
    def position(self) -> Position | None:
        """Where it stands; None without segments."""
        return self._position._replace(frames=self.writer.frames) if self._seconds else None

    def ends_before(self, frame: Any) -> bool:
        """Whether the present segment is over: this frame is of another."""
        if not self._seconds or self._writer is None:
            return False
        return self._number_of(frame) != self._position.number

    def write(self, frame: Any, tracks: Any) -> None:
        """Add a frame, in its segment."""
        if self._writer is None:
            if not self.frames:
                self._position = self._position._replace(zero=float(frame.seconds))
            self._position = self._position._replace(
                number=self._number_of(frame), row=self._position.next_row
            )
            self._begin()
        self.writer.write(frame, tracks)
        self.frames += 1
        self._position = self._position._replace(next_row=frame.index + 1)

    def reopen(self, frames: int, position: Position | None, openings: Iterable[Opening]) -> None:
        """Go on where an earlier process was, with so many frames in all files."""
        self.frames = frames
        if position is not None:
            assert self._results is not None  # where something was left there are files
            self._results.paths += [self._results.folder / name for name in position.names]
            self._position, frames = position, position.frames
            self._begin()
        self.writer.reopen(frames, openings)

    def end(self, *, more: bool = False) -> None:
        """Take note that no frame follows in this piece; ``more``: they do in another."""
        self.writer.more = more
        self.writer.end()

    def turn(self) -> None:
        """Make the present segment whole, after `end`; the next frame begins another."""
        with hold_interruptions():
            writer, self._writer = self.writer, None
            with writer:
                pass
            self._tell(f"{writer.results.name} is whole, {writer.frames} frames")
            self._finish(writer)

    def finish(self) -> list[str]:
        """Make the rest of the last piece, when it is closed; gives the finishers' lines."""
        if self._writer is not None:
            self._finish(self._writer)
        return self._lines

    @property
    def trajectories(self) -> Any:
        """Those of all pieces, when all is finished."""
        return load_all(self._tables) if self._seconds else self.writer.trajectories

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, trace)

    def _number_of(self, frame: Any) -> int:
        """Which segment a frame is of; a clock that was set back opens no earlier one again."""
        assert self._seconds is not None
        number = int((frame.seconds - self._position.zero) / self._seconds + _ROUNDING)
        return max(number, self._position.number)

    def _begin(self) -> None:
        """Open the present segment's writer."""
        assert self._results is not None  # segments are files
        name = f"{self._results.name}-{self._position.number:04d}"
        part = ResultPaths(self._results.folder, name, self._results.keep)
        self._writer = self._open_writer(part, self._position.row)

    def _finish(self, writer: RunWriter) -> None:
        """What follows when a piece's files are whole."""
        self._lines += writer.finish()
        self._tables += writer.tables[:1]
        if self._seconds and writer.frames:
            assert self._results is not None
            self._results.paths += writer.results.paths
            names = (path.name for path in writer.results.paths)
            self._position = self._position._replace(names=(*self._position.names, *names))


def load_all(tables: Sequence[Path]) -> Any:
    """The trajectories in the tables of a run's pieces, as one.

    Raises
    ------
    OSError, ValueError
        If one is not there any more, or broken.
    """
    from posetrack.trajectories import Trajectories, load

    if len(tables) == 1:
        return load(tables[0])
    parts = [load(path) for path in tables]
    frames = (frame for part in parts for frame in part.to_table().frames())
    return Trajectories.from_tracks(list(frames), parts[0].metadata)
