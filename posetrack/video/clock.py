"""Times that grow, also where a stream's own clock is missing, stands still or goes back."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from posetrack.video.frames import Status

Timed = tuple[int, float, Status, Any]
"""Index, seconds, status, and the decoder's picture where the status is DECODED."""

Untimed = tuple[int, float | None, Status, Any]
"""The same, None where the stream has no time for the frame."""

_HELD = 64  # frames kept at most until one of them has a time


class Clock:
    """Makes the times of a stream grow from frame to frame.

    A frame without a time, or with the time of the one before, follows it by a part of a frame's
    length. Where the clock goes back by more than two frames, another recording begins (two
    files put together): its times go on behind the one before.

    Parameters
    ----------
    rate
        Frames per second that the stream declares.
    fixed
        Frames per second that are to count instead of the stream's own times; None: its own.

    Examples
    --------
    >>> clock = Clock(Fraction(10))
    >>> [round(clock.read(seconds), 3) for seconds in (5.0, 5.1, None, 0.2, 0.3)]
    [5.0, 5.1, 5.2, 5.3, 5.4]
    >>> clock.restarts
    [3]
    """

    def __init__(self, rate: Fraction, *, fixed: Fraction | None = None) -> None:
        self._step = float(1 / rate)
        self._fixed = fixed
        self._last: float | None = None
        self._offset = 0.0
        self._read = 0
        self.restarts: list[int] = []
        """Which frames, counted from the first that was read, came with an earlier clock."""

    def read(self, seconds: float | None) -> float:
        """Time of the next frame, in seconds: later than all before it."""
        number, self._read = self._read, self._read + 1
        if self._fixed is not None:
            return float(number / self._fixed)
        if self._last is None:
            self._last = 0.0 if seconds is None else seconds
            return self._last
        if seconds is None:
            time = self._last + self._step
        else:
            time = seconds + self._offset
            if time <= self._last - 2 * self._step:
                self.restarts.append(number)
                time = self._last + self._step
                self._offset = time - seconds
            elif time <= self._last:
                # Rounded or doubled: the frames that follow have right times again.
                time = self._last + self._step / 100
        self._last = time
        return time


def put_times(frames: Iterator[Untimed], clock: Clock, rate: Fraction) -> Iterator[Timed]:
    """Give every frame a time that is later than those before it.

    Frames before the first that has a time (Matroska cannot say times before 0) are spaced by
    ``rate`` before it.

    Parameters
    ----------
    frames
        In order of showing.
    clock
        Of this stream.
    rate
        Frames per second.
    """
    held: list[Untimed] = []
    started = False
    for frame in frames:
        index, seconds, status, picture = frame
        if not started and seconds is None and len(held) < _HELD:
            held.append(frame)
            continue
        if not started:
            started = True
            for step, (before, _, state, image) in enumerate(held):
                early = (seconds or 0.0) - float((len(held) - step) / rate)
                yield before, clock.read(early), state, image
        yield index, clock.read(seconds), status, picture
    if not started:
        for index, _, status, picture in held:
            yield index, clock.read(None), status, picture
