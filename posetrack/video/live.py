"""A camera or stream as it is now: the newest frame, whatever the consumer's speed.

A thread reads the source as fast as it comes and keeps the newest frame alone; what comes meanwhile
stands in the ledger as skipped. Times are those of arrival, by this machine's clock. Where the
source ends, is refused or says nothing any more, it is opened again after pauses that grow, until
it has been away for too long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol

from posetrack.video.frames import Facts, Frame, Row, Selection, Status, Step, Steps

FIRST_PAUSE: Final = 0.5
"""Seconds until a source that was lost is opened again; each time twice as long."""
LONGEST_PAUSE: Final = 15.0
_GLANCE_S: Final = 0.05
_JOIN_S: Final = 1.0
_SILENT_S: Final = 2.0  # a read that ends so long after the last frame was a stall


class LiveSteps:
    """The newest frame of a source, as steps.

    Parameters
    ----------
    open_source
        Opens the source anew; raises what `posetrack.video.open_video` raises.
    name
        What it is called, without a password.
    selection
        Which frames are wanted; only its end counts.
    patience
        Seconds for which it may be away; then the stream ends, with a problem that says so.
    tell
        Is told, in a line, when the source is lost and when it is back.
    arrived
        Called, in another thread, whenever there is a newest frame, and when the stream ends.
    silent
        Seconds after which a source that then gives an old frame counts as lost.

    Raises
    ------
    OSError, ValueError
        If it cannot be opened the first time.
    """

    def __init__(
        self,
        open_source: Callable[[], Steps],
        name: str,
        selection: Selection,
        *,
        patience: float = 60.0,
        tell: Callable[[str], None] | None = None,
        arrived: Callable[[], object] | None = None,
        silent: float = float("inf"),
    ) -> None:
        if selection.start or selection.stride != 1:
            raise ValueError(f"{name}: the newest frame is taken: leave start and stride away")
        self._open, self._name, self._patience = open_source, name, patience
        self._selection = selection
        self._tell = tell or (lambda _: None)
        self._silent = silent
        self._arrived = arrived or (lambda: None)
        self._grabber: _Grabber | None = None
        self._source = open_source()
        self.facts: Facts = replace(self._source.facts, live=True, count=None, seconds=None)

    @property
    def ready(self) -> bool:
        """Whether the next step is there, be it the last one."""
        return self._grabber is not None and self._grabber.ready

    def steps(self) -> Generator[Step, None, None]:
        """Frames until the source is away for too long or the consumer closes this."""
        grabber = self._grabber = _Grabber(
            self._source,
            self._open,
            self._name,
            self._patience,
            self._tell,
            self._arrived,
            self._silent,
        )
        begin: float | None = None
        index = 0
        try:
            while True:
                taken = grabber.take()
                if taken is None:
                    yield Step([], problem=grabber.problem)
                    return
                missed, frame, arrived = taken
                begin = arrived if begin is None else begin
                seconds = arrived - begin
                # Those left out came between: their times are not kept, their number is.
                rows: list[Row] = [(at - begin, Status.SKIPPED) for at in missed]
                rows.append((seconds, Status.DECODED))
                index += len(missed)
                if self._selection.is_past(index):
                    yield Step(rows[: len(rows) - 1 - index + (self._selection.stop or 0)])
                    return
                lag = time.monotonic() - arrived
                yield Step(rows, replace(frame, index=index, seconds=seconds, lag=lag))
                index += 1
        finally:
            grabber.close()


class LiveFrames(Protocol):
    """The frames of an open live source, a `posetrack.video.VideoReader`."""

    @property
    def ready(self) -> bool:
        """Whether there is a newest frame, or the source has ended."""

    def __next__(self) -> Frame:
        """The newest frame."""


def newest_of(
    videos: Mapping[int, LiveFrames], arrived: threading.Event
) -> Iterator[dict[int, Frame | None]]:
    """The newest frames of several live sources: again and again of those that have one.

    None of them waits for another: a source that is silent or away is in none of what is given.

    Parameters
    ----------
    videos
        Open live ones, by a number. What is taken from it is not asked again; once nothing is left
        this ends.
    arrived
        Set by each (``arrived=`` of `posetrack.video.open_video`) when it has one.

    Yields
    ------
    frames
        At least one, by number; None of a source that has ended.
    """
    while videos:
        arrived.clear()  # what comes from here on is seen in the next turn
        due = [number for number, video in videos.items() if video.ready]
        if due:
            yield {number: next(videos[number], None) for number in due}
        else:
            arrived.wait(_GLANCE_S)  # in short turns, so that Ctrl-C is heeded


class _Grabber:
    """The thread that reads, and the newest frame."""

    def __init__(
        self,
        source: Steps,
        open_source: Callable[[], Steps],
        name: str,
        patience: float,
        tell: Callable[[str], None],
        arrived: Callable[[], object],
        silent: float,
    ) -> None:
        self._source: Steps | None = source
        self._open, self._name = open_source, name
        self._patience, self._tell, self._arrived = patience, tell, arrived
        self.problem: str | None = None
        self._changed = threading.Condition()
        self._newest: tuple[Frame, float] | None = None
        self._missed: list[float] = []
        self._stopped = self._ended = False
        self._frames = 0
        self._last, self._seconds = time.monotonic(), 0.0
        self._silent = silent
        self._thread = threading.Thread(target=self._run, name="posetrack-live", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether `take` gives something at once."""
        with self._changed:
            return self._newest is not None or self._ended

    def take(self) -> tuple[list[float], Frame, float] | None:
        """Wait for the newest frame: when those before it came, itself, and when it came."""
        with self._changed:
            while self._newest is None and not self._ended:
                self._changed.wait(_GLANCE_S)  # in short turns, so that Ctrl-C is heeded
            if self._newest is None:
                return None
            (frame, arrived), self._newest = self._newest, None
            missed, self._missed = sorted(self._missed), []
            return missed, frame, arrived

    def close(self) -> None:
        """End the thread; one inside a read that does not return is left to itself."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(_JOIN_S)

    def _put(self, frame: Frame) -> None:
        arrived = time.monotonic()
        with self._changed:
            if self._newest is not None:
                self._missed.append(self._newest[1])
            self._newest, self._last = (frame, arrived), arrived
            self._frames += 1
            self._changed.notify_all()
        self._arrived()

    def _run(self) -> None:
        try:
            while not self._stopped and (source := self._source or self._open_again()):
                self._source = None
                self._read(source)
        except BaseException as error:  # carried to the thread that waits
            self.problem = f"{self._name}: {type(error).__name__}: {error}"
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._arrived()

    def _read(self, source: Steps) -> None:
        """Read until the source ends or is lost, and tell why it did."""
        steps = source.steps()
        problem = None
        self._last = time.monotonic()
        try:
            for step in steps:
                if self._stopped:
                    break
                problem = step.problem
                if problem is not None:
                    break  # a frame that the decoder still held is old
                if step.frame is None:
                    continue
                silence = time.monotonic() - self._last
                if not self._is_old(step.frame, silence):
                    self._put(step.frame)
                elif silence >= self._silent:
                    break  # the read came to its time limit
            if not self._stopped:  # now: to close what does not answer may take long
                reason = self._describe_loss(problem)
                self._tell(f"{self._name}: {reason} after {self._frames} frames")
        finally:
            close = getattr(steps, "close", None)
            if close is not None:
                close()

    def _is_old(self, frame: Frame, silence: float) -> bool:
        """Whether a frame that ends a silence was sent before it, by the source's own clock.

        FFmpeg holds a frame of H.264 back until the next begins, or until nothing comes any more.
        """
        passed, self._seconds = frame.seconds - self._seconds, frame.seconds
        if not self._frames or silence < _SILENT_S or passed > silence / 2:
            return False
        if silence < self._silent:
            self._last = time.monotonic()
            with self._changed:
                self._missed.append(self._last)
        return True

    def _describe_loss(self, problem: str | None) -> str:
        silence = time.monotonic() - self._last
        if silence >= (self._silent if problem is None else _SILENT_S):
            return f"silent for {silence:.0f} s"
        # Of a file's end nothing is to be said here but what the system says.
        _, stopped, reason = (problem or "").partition("reading stopped before the end: ")
        return f"lost ({reason})" if stopped else "lost"

    def _open_again(self) -> Steps | None:
        """The source once it is back; None after too long."""
        lost, pause = time.monotonic(), FIRST_PAUSE
        why = ""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped, pause)
            if self._stopped:
                return None
            try:
                source = self._open()
            except (OSError, ValueError) as error:
                why, away = f" ({error})", time.monotonic() - lost
            else:
                away = time.monotonic() - lost  # to open it may have taken long
                self._tell(f"{self._name}: back after {away:.1f} s")
                return source
            if away > self._patience:
                self.problem = (
                    f"{self._name}: gone after {self._frames} frames; it did not come back "
                    f"within {self._patience:g} s{why}"
                )
                return None
            pause = min(2 * pause, LONGEST_PAUSE, max(self._patience - away, _GLANCE_S))
