"""The conditions of rules: a number over time that enters and leaves a range; all of, any of.

Lengths are in parts of the person's standing height in the picture (`body_height`), so that a
rule holds near the camera and far away; places in the picture are in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.analysis.measures import uprightness
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Signal: TypeAlias = Callable[[Trajectories], Float64Array]
"""From trajectories to (T, N) numbers, or (T, N, N) of one person with another; NaN unknown."""

_ROUNDING = 1e-6


class Condition(Protocol):
    """Something that holds or not over time, for each person or each pair of people."""

    @property
    def above(self) -> bool:
        """Whether larger values are more extreme; else smaller ones are."""
        ...

    def values(self, trajectories: Trajectories, /) -> Float64Array:
        """(T, N, 1) or (T, N, N) numbers; an event reports their peak."""
        ...

    def holds(self, trajectories: Trajectories, max_gap: float, /) -> BoolArray:
        """(T, N, 1) or (T, N, N); unknown values keep the last known one for ``max_gap`` s."""
        ...


@dataclass(frozen=True)
class Threshold:
    """Holds from where a signal is beyond ``enter`` until it is back beyond ``leave``.

    Parameters
    ----------
    signal
        From trajectories to numbers over time.
    enter, leave
        Where it begins to hold and ceases. For ``above`` enter must not be less than leave, else
        not more: the room between the two is what jitter may cross.
    above
        Whether it holds above the levels, or below them.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((5, 1, 17, 2)) + np.array([0, 5, 3, 5, 0])[:, None, None, None]
    >>> tr = Trajectories(range(5), np.arange(5) / 25, [7], xy, np.ones((5, 1, 17)), COCO_17)
    >>> right = Threshold(lambda tr: tr.xy[:, :, 0, 0], enter=4, leave=2)
    >>> right.holds(tr, 0.1)[:, 0, 0].tolist()
    [False, True, True, True, False]
    """

    signal: Signal
    enter: float
    leave: float
    above: bool = True

    def __post_init__(self) -> None:
        ordered = self.enter >= self.leave if self.above else self.enter <= self.leave
        if not ordered:
            side = "above" if self.above else "below"
            raise ValueError(
                f"a condition {side} {self.enter} must not be left at {self.leave}, which is "
                f"{side} that"
            )

    def values(self, trajectories: Trajectories, /) -> Float64Array:
        """(T, N, 1) or (T, N, N), the signal."""
        found = np.asarray(self.signal(trajectories), np.float64)
        return found[..., None] if found.ndim == 2 else found

    def holds(self, trajectories: Trajectories, max_gap: float, /) -> BoolArray:
        """(T, N, 1) or (T, N, N)."""
        sign = 1 if self.above else -1
        found = sign * self.values(trajectories)
        return apply_hysteresis(
            found, trajectories.seconds, sign * self.enter, sign * self.leave, max_gap
        )


def apply_hysteresis(
    values: Float64Array, seconds: Float64Array, enter: float, leave: float, max_gap: float
) -> BoolArray:
    """On from above ``enter`` to below ``leave``; unknown values change nothing for ``max_gap``.

    Parameters
    ----------
    values
        (T, ...), NaN where unknown.
    seconds
        (T,).
    enter, leave
        Levels, ``enter`` not below ``leave``.
    max_gap
        Seconds.

    Examples
    --------
    >>> apply_hysteresis(np.array([0, 3, 2, np.nan, 2, 0]), np.arange(6) / 10, 3, 1, 0.2).tolist()
    [False, True, True, True, True, False]
    """
    rows = np.arange(len(values)).reshape(-1, *(1,) * (values.ndim - 1))
    known = np.isfinite(values)
    last_known = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
    waited = seconds[rows] - np.where(last_known < 0, -np.inf, seconds[last_known])
    off = (known & (values < leave)) | (waited > max_gap + _ROUNDING)
    on = known & (values >= enter)
    last_on = np.maximum.accumulate(np.where(on, rows, -1), axis=0)
    last_off = np.maximum.accumulate(np.where(off, rows, -1), axis=0)
    return np.asarray(last_on > last_off)


@dataclass(frozen=True)
class _Several:
    """Conditions together; what they measure is what the first does."""

    conditions: Sequence[Condition]
    _join: ClassVar[np.ufunc]

    @property
    def above(self) -> bool:
        """The first condition's."""
        return self.conditions[0].above

    def values(self, trajectories: Trajectories, /) -> Float64Array:
        """The first condition's values."""
        return self.conditions[0].values(trajectories)

    def holds(self, trajectories: Trajectories, max_gap: float, /) -> BoolArray:
        """(T, N, 1) or, if one of them is of pairs, (T, N, N)."""
        held = (condition.holds(trajectories, max_gap) for condition in self.conditions)
        joined: BoolArray = reduce(self._join, held)
        return joined


@dataclass(frozen=True)
class AllOf(_Several):
    """Holds while all of some conditions do; its values are those of the first.

    Examples
    --------
    >>> from posetrack.analysis import angle_is, lying
    >>> both = AllOf([lying(), angle_is("left_knee", below=100)])
    >>> both.above, both.conditions[1].enter
    (False, 100.0)
    """

    _join = np.logical_and


@dataclass(frozen=True)
class AnyOf(_Several):
    """Holds while at least one of some conditions does; its values are those of the first.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((2, 1, 17, 2)) + np.array([9, 0])[:, None, None, None]
    >>> tr = Trajectories([0, 1], [0, 0.1], [7], xy, np.ones((2, 1, 17)), COCO_17)
    >>> right = Threshold(lambda tr: tr.xy[:, :, 0, 0], enter=4, leave=2)
    >>> left = Threshold(lambda tr: tr.xy[:, :, 0, 0], enter=2, leave=4, above=False)
    >>> [c.holds(tr, 0.0).ravel().tolist() for c in (AnyOf([right, left]), AllOf([right, left]))]
    [[True, True], [False, False]]
    """

    _join = np.logical_or


@dataclass(frozen=True)
class Fallen:
    """Lies, and was upright a moment before: a fall, not someone who lay down to rest.

    Parameters
    ----------
    within
        Seconds from upright to lying at most.
    below, leave
        `posetrack.analysis.uprightness` under which someone lies, and up to which they do.
    upright
        That of someone who stands or sits.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> standing, lying = np.zeros((17, 2)), np.zeros((17, 2))
    >>> standing[:, 1] = [0, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> lying[:, 0] = standing[:, 1]
    >>> xy = np.array([standing] * 5 + [lying] * 3)[:, None]
    >>> tr = Trajectories(range(8), np.arange(8) / 5, [7], xy, np.ones((8, 1, 17)), COCO_17)
    >>> Fallen().holds(tr, 0.3).ravel().tolist()
    [False, False, False, False, False, True, True, True]
    """

    within: float = 2.0
    below: float = 0.4
    leave: float = 0.5
    upright: float = 0.7

    @property
    def above(self) -> bool:
        """Less is more lying."""
        return False

    def values(self, trajectories: Trajectories, /) -> Float64Array:
        """(T, N, 1) uprightness."""
        return uprightness(trajectories)[..., None]

    def holds(self, trajectories: Trajectories, max_gap: float, /) -> BoolArray:
        """(T, N, 1)."""
        seconds, found = np.asarray(trajectories.seconds), uprightness(trajectories)
        lies = apply_hysteresis(-found, seconds, -self.below, -self.leave, max_gap)
        for row in range(lies.shape[1]):
            edges = np.flatnonzero(np.diff(lies[:, row].astype(np.int8), prepend=0, append=0))
            for start, stop in edges.reshape(-1, 2).tolist():
                recent = (seconds >= seconds[start] - self.within) & (seconds < seconds[start])
                if not (found[recent, row] >= self.upright).any():
                    lies[start:stop, row] = False
        return lies[..., None]
