"""Rules: conditions with a name and a minimum duration, and the events where they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.analysis.conditions import Condition
from posetrack.checks import check_at_least
from posetrack.trajectories import Trajectories

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Rule:
    """Something to look for.

    Parameters
    ----------
    name
        What events are called.
    condition
        When it holds: one of `posetrack.analysis`, or an object of yours with its three members.
    min_duration
        Seconds from the first to the last frame; shorter ones are left out.
    max_gap
        Seconds. Two stretches that are no further apart are one event, and a person who is not
        seen is taken to go on for this long.

    Examples
    --------
    >>> from posetrack.analysis import hands_raised
    >>> Rule("asks to speak", hands_raised(which="any"), min_duration=1.0).max_gap
    0.3
    """

    name: str
    condition: Condition
    min_duration: float = 0.0
    max_gap: float = 0.3

    def __post_init__(self) -> None:
        check_at_least(0, min_duration=self.min_duration, max_gap=self.max_gap)


@dataclass(frozen=True)
class RuleEvent:
    """A stretch of time in which a rule holds.

    Parameters
    ----------
    rule
        Its name.
    person, other
        Ids; ``other`` is None for rules that concern one person.
    start, end
        Seconds of the first and the last frame.
    start_frame, end_frame
        Their indices.
    peak
        The largest value of the rule's (first) condition in it, or the smallest where less is
        more.

    Examples
    --------
    >>> RuleEvent("in the pool", 7, None, 2.0, 3.5, 50, 87, 0.25).duration
    1.5
    """

    rule: str
    person: int
    other: int | None
    start: float
    end: float
    start_frame: int
    end_frame: int
    peak: float

    @property
    def duration(self) -> float:
        """Seconds from the first to the last frame."""
        return self.end - self.start


def find_events(trajectories: Trajectories, rules: Sequence[Rule]) -> list[RuleEvent]:
    """Where rules hold, in order of time.

    Raises
    ------
    ValueError
        If a rule names a keypoint, angle or measure that the trajectories do not have.

    Examples
    --------
    >>> from posetrack.analysis import beyond
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.arange(9.0)[:, None, None, None] + np.zeros((9, 1, 17, 2))
    >>> xy[..., 1] += np.arange(17)
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], xy, np.ones((9, 1, 17)), COCO_17)
    >>> gone = Rule("gone", beyond(["nose"], [[5, 0], [5, 1]], "right"))
    >>> [(event.person, event.start_frame) for event in find_events(tr, [gone])]
    [(7, 5)]
    """
    found = []
    for rule in rules:
        try:
            holds = rule.condition.holds(trajectories, rule.max_gap)
            values = rule.condition.values(trajectories)
        except KeyError as error:
            raise ValueError(f"rule {rule.name!r}: {error.args[0]}") from error
        sign = 1 if rule.condition.above else -1
        for row, other in np.argwhere(holds.any(axis=0)).tolist():
            scores_of_pair = sign * values[:, row, min(other, values.shape[2] - 1)]
            whom = int(trajectories.ids[other]) if holds.shape[2] > 1 else None
            if whom == trajectories.ids[row]:
                continue
            for first, last in _stretches(holds[:, row, other], trajectories.seconds, rule):
                during = scores_of_pair[first : last + 1]
                known = during[np.isfinite(during)]
                found.append(
                    RuleEvent(
                        rule.name,
                        int(trajectories.ids[row]),
                        whom,
                        float(trajectories.seconds[first]),
                        float(trajectories.seconds[last]),
                        int(trajectories.frame[first]),
                        int(trajectories.frame[last]),
                        float(sign * known.max()) if len(known) else float("nan"),
                    )
                )
    return sorted(found, key=lambda event: (event.start, event.rule, event.person))


def _stretches(
    holds: NDArray[np.bool_], seconds: NDArray[np.float64], rule: Rule
) -> list[tuple[int, int]]:
    """First and last frames of what holds, short gaps closed, short stretches left out."""
    rows = np.flatnonzero(holds)
    apart = (np.diff(seconds[rows]) > rule.max_gap + _ROUNDING) & (np.diff(rows) > 1)
    parts = np.split(rows, np.flatnonzero(apart) + 1)
    ends = [(int(part[0]), int(part[-1])) for part in parts]
    least = rule.min_duration - _ROUNDING
    return [(first, last) for first, last in ends if seconds[last] - seconds[first] >= least]
