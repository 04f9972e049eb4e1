"""Counting the repetitions of an exercise, with start, turning point, end and depth of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from posetrack.analysis.measures import Measure, measure
from posetrack.analysis.series import fill_gaps, smooth_series
from posetrack.checks import no_such
from posetrack.ops.angles import SIDES
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]
Outcome = Literal["complete", "partial", "cut off"]

_MOMENT = 0.3  # seconds
_MAX_STAYS = 2 / 3
_PAUSE = 0.45  # of a repetition's duration; what is shorter is no rest
_NEAR = 0.05
"""A repetition starts and ends within this share of its depth from the level of rest."""


@dataclass(frozen=True)
class Exercise:
    """What counts as a repetition: a measure that leaves ``rest``, gets to ``reached``, and back.

    Parameters
    ----------
    name
        What it is called in results.
    measure
        The name of an angle or of a measure of `posetrack.analysis.MEASURES`, or a function from
        trajectories to (T, N) numbers.
    rest
        The level on whose side the measure is between repetitions.
    reached
        The level that a full repetition gets to; on the other side of ``rest``. A movement that
        turns back before it, but after half the range, is a partial repetition.
    moves, stays
        Joints without their side. In a repetition those that stay must go up and down by less
        than two thirds of what those that move do, if both are given; this distinguishes push-ups
        from waving.

    Raises
    ------
    ValueError
        If the two levels are the same, or not finite.

    Examples
    --------
    >>> curl = Exercise("biceps curl", "elbow", rest=140, reached=70)
    >>> EXERCISES["squat"].measure
    'hip_height'
    """

    name: str
    measure: str | Measure
    rest: float
    reached: float
    moves: str | None = None
    stays: str | None = None

    def __post_init__(self) -> None:
        if not np.isfinite([self.rest, self.reached]).all() or self.rest == self.reached:
            raise ValueError(
                f"{self.name}: rest and reached must be two different numbers, "
                f"got {self.rest} and {self.reached}"
            )


EXERCISES: Final[Mapping[str, Exercise]] = MappingProxyType(
    {
        "squat": Exercise("squat", "hip_height", 0.87, 0.70, "hip", "ankle"),
        "push-up": Exercise("push-up", "shoulder_height", 0.80, 0.55, "shoulder", "wrist"),
        "jumping-jack": Exercise("jumping-jack", "wrist_height", -0.45, 0.45, "wrist", "shoulder"),
    }
)
"""By name. Heights in lengths of the limb, which hold from the front as from the side."""


@dataclass(frozen=True)
class Repetition:
    """One repetition of an exercise.

    Parameters
    ----------
    exercise
        Its name.
    person
        Whose id.
    number
        1, 2, ... among the person's complete ones; 0 for those that are not complete.
    start, turn, end
        Seconds: when the measure left rest, was furthest from it, and was back.
    depth
        The measure at the turn, in its own units.
    outcome
        ``"complete"``; ``"partial"``, not far enough; ``"cut off"``, not back at rest when the
        person was lost or the video ended, or begun before.

    Examples
    --------
    >>> Repetition("squat", 7, 1, 0.5, 1.25, 2.0, 0.4, "complete").duration
    1.5
    """

    exercise: str
    person: int
    number: int
    start: float
    turn: float
    end: float
    depth: float
    outcome: Outcome

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start


def find_repetitions(
    trajectories: Trajectories,
    exercise: str | Exercise,
    *,
    smooth: float = 0.2,
    max_gap: float = 0.5,
    min_duration: float = 0.3,
) -> list[Repetition]:
    """Every repetition of everybody, in order of people and time.

    A repetition begins where the measure crosses ``rest`` and counts once it has crossed
    ``reached`` and come back over ``rest``: jitter at one level adds none. Its start and end are
    where the measure is within a twentieth of its depth from the level before and after; where
    one follows the other with hardly a rest, halfway between the two.

    Parameters
    ----------
    trajectories
        Clean ones count better, but need not be.
    exercise
        A name of `EXERCISES`, or one of your own.
    smooth
        Seconds over which the measure is averaged before; 0 for not at all.
    max_gap
        Seconds. The measure is taken to go straight on through shorter gaps; a longer one cuts a
        repetition off.
    min_duration
        Seconds; what is shorter is noise.

    Raises
    ------
    KeyError
        If there is no such exercise, or the skeleton lacks keypoints it needs.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> t = np.arange(200) / 25
    >>> bend = np.radians(180 - 100 * (0.5 - 0.5 * np.cos(np.pi * t)))  # every 2 s, to 80 degrees
    >>> xy = np.zeros((200, 1, 17, 2))
    >>> xy[:, 0, 5], xy[:, 0, 6] = (0, -9), (0, -9)  # shoulders above elbows
    >>> xy[:, 0, [9, 10], 0], xy[:, 0, [9, 10], 1] = 9 * np.sin(bend)[:, None], -9 * np.cos(
    ...     bend)[:, None]
    >>> tr = Trajectories(range(200), t, [7], xy, np.ones((200, 1, 17)), COCO_17)
    >>> curls = find_repetitions(tr, Exercise("curl", "elbow", rest=150, reached=100))
    >>> [round(curl.turn, 1) for curl in curls], round(curls[0].depth)
    ([1.0, 3.0, 5.0, 7.0], 81)
    """
    if isinstance(exercise, str) and exercise not in EXERCISES:
        raise KeyError(no_such("exercise", exercise, EXERCISES))
    wanted = EXERCISES[exercise] if isinstance(exercise, str) else exercise
    named = wanted.measure
    values = measure(trajectories, named) if isinstance(named, str) else named(trajectories)
    seconds = np.array(trajectories.seconds)
    found = []
    for row, person in enumerate(trajectories.ids.tolist()):
        number = 0
        for piece in fill_gaps(values[:, row], seconds, max_gap):
            times = seconds[piece.start : piece.stop]
            level = smooth_series(piece.values, times, smooth)
            for one in _repetitions(level, times, wanted):
                span = slice(piece.start + one.first, piece.start + one.last + 1)
                if one.end - one.start < min_duration or not _moves(
                    trajectories, row, span, wanted
                ):
                    continue
                number += one.outcome == "complete"
                count = number if one.outcome == "complete" else 0
                found.append(
                    Repetition(
                        wanted.name, person, count, one.start, one.turn, one.end, one.depth,
                        one.outcome,
                    )
                )  # fmt: skip
    return found


@dataclass(frozen=True)
class _Swing:
    """A movement out and back within a piece; its frames and seconds."""

    first: int
    last: int
    start: float
    turn: float
    end: float
    depth: float
    outcome: Outcome


def _repetitions(level: Float64Array, seconds: Float64Array, wanted: Exercise) -> list[_Swing]:
    """The swings of an unbroken measure."""
    sign = 1.0 if wanted.reached > wanted.rest else -1.0
    out = sign * (level - wanted.rest)  # above 0 where rest was left
    far = sign * (wanted.reached - wanted.rest)
    away = out > 0
    edges = np.flatnonzero(away[1:] != away[:-1]) + 1
    starts = [0, *edges.tolist()] if len(level) and away[0] else edges.tolist()
    spans = [(first, (starts[n + 1] if n + 1 < len(starts) else len(level)))
             for n, first in enumerate(starts) if away[first]]  # fmt: skip
    swings = []
    for number, (first, stop) in enumerate(spans):
        turn = first + int(out[first:stop].argmax())
        unknown = first == 0 and stop == len(level)  # never seen at rest: who knows what it is
        if unknown or out[turn] < far / 2:
            continue
        before = spans[number - 1][1] if number else 0
        after = spans[number + 1][0] if number + 1 < len(spans) else len(level)
        start = _level_time(out[before : turn + 1][::-1], seconds[before : turn + 1][::-1])
        end = _level_time(out[turn:after], seconds[turn:after])
        cut = first == 0 or stop == len(level)
        outcome: Outcome = "cut off" if cut else "complete" if out[turn] >= far else "partial"
        swings.append(
            _Swing(first, stop - 1, start, float(seconds[turn]), end, float(level[turn]), outcome)
        )
    return _join_swings(swings)


def _join_swings(swings: list[_Swing]) -> list[_Swing]:
    """Swings with hardly a rest between them: one ends where the next starts, halfway between."""
    joined = list(swings)
    for number in range(1, len(joined)):
        before, after = joined[number - 1], joined[number]
        pause = after.start - before.end
        if pause < _PAUSE * min(before.end - before.start, after.end - after.start):
            middle = (before.end + after.start) / 2
            joined[number - 1] = replace(before, end=middle)
            joined[number] = replace(after, start=middle)
    return joined


def _level_time(out: Float64Array, seconds: Float64Array) -> float:
    """When the return from the turning point (first) to rest is complete but for a twentieth."""
    at_rest = out[out <= 0]
    lowest = float(np.quantile(at_rest, 0.35)) if len(at_rest) else float(out.min())
    there = int(np.argmax(out <= lowest + _NEAR * (out[0] - lowest)))
    if there == 0:
        return float(seconds[0])
    level = lowest + _NEAR * (out[0] - lowest)
    share = (out[there - 1] - level) / (out[there - 1] - out[there])
    return float(seconds[there - 1] + share * (seconds[there] - seconds[there - 1]))


def _moves(trajectories: Trajectories, row: int, span: slice, wanted: Exercise) -> bool:
    """Whether what should move does, and what should stay does in comparison."""
    if wanted.moves is None or wanted.stays is None:
        return True
    ranges = []
    for joint in (wanted.moves, wanted.stays):
        points = [trajectories.skeleton.index(f"{side}_{joint}") for side in SIDES]
        spreads = [0.0]
        for heights in trajectories.xy[span, row, points, 1].T.astype(np.float64):
            known = np.isfinite(heights)
            steady = smooth_series(heights[known], trajectories.seconds[span][known], _MOMENT)
            spreads.append(float(np.ptp(steady)) if known.any() else 0.0)
        ranges.append(max(spreads))
    return ranges[1] < _MAX_STAYS * ranges[0]
