"""The lines of an edits file, parsed one by one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import no_such

_TIME = re.compile(r"f(\d{1,18})|(\d{1,12}(?:\.\d{1,12})?)s")
_SHAPES: Final = {
    "swap": "swap ID ID from TIME, or swap ID ID TIME..TIME",
    "merge": "merge ID into ID",
    "split": "split ID at TIME [as ID]",
    "delete": "delete ID [from TIME | TIME..TIME]",
    "rename": "rename ID to ID [from TIME | TIME..TIME]",
}


@dataclass(frozen=True)
class Time:
    """A moment: seconds of the video, or the index of a frame."""

    value: float
    is_frame: bool = False

    def __str__(self) -> str:
        return f"f{int(self.value)}" if self.is_frame else f"{self.value:g}s"

    def before(self, frame: NDArray[np.int64], seconds: NDArray[np.float64]) -> int:
        """How many frames are earlier."""
        if self.is_frame:
            return int(np.searchsorted(frame, int(self.value), side="left"))
        # What was printed with two digits shall find its frame again.
        return int(np.count_nonzero(seconds < self.value - 1e-6))


@dataclass(frozen=True)
class Span:
    """A half-open range of time; None is the beginning or end of the video."""

    start: Time | None = None
    stop: Time | None = None

    def __str__(self) -> str:
        if self.stop is None:
            return "" if self.start is None else f" from {self.start}"
        return f" {self.start}..{self.stop}"

    def rows(self, frame: NDArray[np.int64], seconds: NDArray[np.float64]) -> slice:
        """Which frames, given the index and time of each."""
        first = 0 if self.start is None else self.start.before(frame, seconds)
        end = len(frame) if self.stop is None else self.stop.before(frame, seconds)
        return slice(first, max(first, end))


@dataclass(frozen=True)
class Swap:
    """Two people are each other."""

    first: int
    second: int
    span: Span = Span()

    def __str__(self) -> str:
        return f"swap {self.first} {self.second}{self.span}"


@dataclass(frozen=True)
class Merge:
    """One id is another's."""

    person: int
    into: int
    span: Span = Span()

    def __str__(self) -> str:
        return f"merge {self.person} into {self.into}"


@dataclass(frozen=True)
class Split:
    """From a moment on an id is someone else, who gets ``new`` (None: the next free id)."""

    person: int
    span: Span
    new: int | None = None

    def __str__(self) -> str:
        named = "" if self.new is None else f" as {self.new}"
        return f"split {self.person} at {self.span.start}{named}"


@dataclass(frozen=True)
class Delete:
    """A person to remove."""

    person: int
    span: Span = Span()

    def __str__(self) -> str:
        return f"delete {self.person}{self.span}"


@dataclass(frozen=True)
class Rename:
    """Another number for an id."""

    person: int
    new: int
    span: Span = Span()

    def __str__(self) -> str:
        return f"rename {self.person} to {self.new}{self.span}"


Edit: TypeAlias = Swap | Merge | Split | Delete | Rename


def parse_edits(text: str, where: str = "edits") -> tuple[Edit, ...]:
    """Read edits, one a line; ``#`` begins a comment.

    Parameters
    ----------
    text
        The lines, see `posetrack.audit.edits`.
    where
        The file, for messages.

    Raises
    ------
    ValueError
        If a line is no edit; it names the line and what was expected.

    Examples
    --------
    >>> [str(edit) for edit in parse_edits("swap 3 5 from 12.40s  # at the door")]
    ['swap 3 5 from 12.4s']
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            try:
                found.append(_edit(words))
            except ValueError as error:
                raise ValueError(f"{where}: line {number}: {error}") from error
    return tuple(found)


def _edit(words: list[str]) -> Edit:
    kind, *rest = words
    if kind not in _SHAPES:
        raise ValueError(no_such("edit", kind, _SHAPES))
    match kind, rest:
        case "swap", [first, second, *span] if span:
            if first == second:
                raise ValueError(f"{first} cannot be swapped with itself")
            return Swap(_id(first), _id(second), _span(span, kind))
        case "merge", [person, "into", into]:
            if person == into:
                raise ValueError(f"{person} is {person} already")
            return Merge(_id(person), _id(into))
        case "split", [person, "at", time]:
            return Split(_id(person), Span(_time(time)))
        case "split", [person, "at", time, "as", new]:
            return Split(_id(person), Span(_time(time)), _id(new))
        case "delete", [person, *span]:
            return Delete(_id(person), _span(span, kind))
        case "rename", [person, "to", new, *span]:
            if person == new:
                raise ValueError(f"{person} is {person} already")
            return Rename(_id(person), _id(new), _span(span, kind))
    raise ValueError(f"expected {_SHAPES[kind]}; got {' '.join(words)!r}")


def _id(word: str) -> int:
    if re.fullmatch(r"\d{1,18}", word) is None or int(word) < 1:
        raise ValueError(f"expected an id such as 3, got {word!r}")
    return int(word)


def _time(word: str) -> Time:
    found = _TIME.fullmatch(word)
    if found is None:
        raise ValueError(f"expected a time such as 12.4s, or a frame such as f120, got {word!r}")
    return Time(int(found[1]), True) if found[1] else Time(float(found[2]))


def _span(words: list[str], kind: str) -> Span:
    match words:
        case []:
            return Span()
        case ["from", word]:
            return Span(_time(word))
        case [word] if ".." in word:
            start, _, stop = word.partition("..")
            span = Span(_time(start), _time(stop))
            assert span.start is not None
            assert span.stop is not None
            same_kind = span.start.is_frame == span.stop.is_frame
            if same_kind and span.stop.value <= span.start.value:
                raise ValueError(f"the range {word} ends before it begins")
            return span
    raise ValueError(f"expected {_SHAPES[kind]}; got {' '.join(words)!r} for the time")
