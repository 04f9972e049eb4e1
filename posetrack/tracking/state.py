"""A tracker's memory as a flat set of named arrays, which ``numpy.savez`` keeps without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.files import parse_json
from posetrack.skeletons import Skeleton
from posetrack.tracking.memory import Memory

Arrays = dict[str, NDArray[Any]]
_VERSION = 3
_LONGEST = 1000


@dataclass(frozen=True, eq=False)
class State:
    """All that a tracker knows between two images.

    Parameters
    ----------
    frame
        Number of the next image.
    seconds
        When the last image was, in the stream's own time.
    next_id, next_probation
        The next identity, and the next (negative) name of somebody on probation.
    size
        Width and height of the last image; None before the first.
    before
        The last image as the flow prepared it; None without one.
    past
        The people of the last few frames; None before the first.
    skeleton
        What the stream's keypoints are; None before the first image.
    """

    frame: int = 0
    seconds: float = 0.0
    next_id: int = 1
    next_probation: int = -1
    size: tuple[int, int] | None = None
    before: Any = None
    past: Memory | None = None
    skeleton: Skeleton | None = None

    def to_arrays(self) -> Arrays:
        """Write as named arrays.

        Examples
        --------
        >>> State.from_arrays(State(frame=3).to_arrays()).frame
        3
        """
        past = self.past if self.past is not None else Memory.empty(0)
        counters = [self.frame, self.next_id, self.next_probation, *(self.size or (0, 0))]
        return {
            "version": np.array(_VERSION),
            "counters": np.array(counters, np.int64),
            "seconds": np.array(self.seconds),
            "skeleton": pack_skeleton(self.skeleton),
            **{f"past.{name}": np.array(values) for name, values in past.arrays().items()},
            **flatten("flow", self.before),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> State:
        """Read what `to_arrays` wrote.

        Raises
        ------
        ValueError
            If it is something else, or of another version.
        """
        version = _whole(arrays["version"], "version") if "version" in arrays else None
        if version != _VERSION:
            raise ValueError(f"expected a tracker's state of version {_VERSION}, got {version}")
        if not {"counters", "skeleton"} <= set(arrays) or np.shape(arrays["counters"]) != (5,):
            raise ValueError("not a tracker's state: its counters or skeleton are missing")
        frame, next_id, next_probation, width, height = map(int, np.asarray(arrays["counters"]))
        seconds = np.asarray(arrays.get("seconds"))
        if seconds.shape != () or seconds.dtype.kind != "f" or not np.isfinite(seconds):
            raise ValueError("not a tracker's state: its seconds are no finite number")
        skeleton = unpack_skeleton(arrays["skeleton"])
        past = Memory.from_arrays(
            {key.removeprefix("past."): arrays[key] for key in arrays if key.startswith("past.")}
        )
        if skeleton is not None and past.xy.shape[1] != len(skeleton):
            raise ValueError(f"not a tracker's state: {past.xy.shape[1]} keypoints, {skeleton!r}")
        return cls(
            frame,
            float(seconds),
            next_id,
            next_probation,
            (width, height) if width else None,
            unflatten("flow", arrays),
            past if skeleton is not None else None,
            skeleton,
        )


def flatten(name: str, value: Any) -> Arrays:
    """Write an array, or a nested tuple or list of arrays, as named arrays.

    Raises
    ------
    TypeError
        If there is anything else in it.

    Examples
    --------
    >>> sorted(flatten("flow", (np.zeros(2), None)))
    ['flow.0', 'flow.length']
    """
    if value is None:
        return {}
    if isinstance(value, tuple | list):
        parts: Arrays = {f"{name}.length": np.array(len(value))}
        for position, part in enumerate(value):
            parts.update(flatten(f"{name}.{position}", part))
        return parts
    if hasattr(value, "detach"):  # a torch tensor, wherever it is
        value = value.detach().cpu().numpy()
    if not isinstance(value, np.ndarray | np.generic | int | float):
        raise TypeError(
            f"{name} is a {type(value).__name__}; a state can be saved where the flow's prepare() "
            "gives arrays, or tuples of arrays"
        )
    return {name: np.array(value)}


def unflatten(name: str, arrays: Mapping[str, Any]) -> Any:
    """Rebuild what `flatten` wrote; lists come back as tuples, nothing as None.

    Examples
    --------
    >>> unflatten("flow", flatten("flow", (np.zeros(2), (np.ones(1), None))))
    (array([0., 0.]), (array([1.]), None))
    """
    if name in arrays:
        return np.array(arrays[name])
    if f"{name}.length" not in arrays:
        return None
    length = _whole(arrays[f"{name}.length"], f"{name}.length")
    if not 0 <= length <= _LONGEST:
        raise ValueError(f"not a tracker's state: {name} has {length} parts")
    return tuple(unflatten(f"{name}.{position}", arrays) for position in range(length))


def _whole(value: Any, name: str) -> int:
    """One whole number out of an array."""
    number = np.asarray(value)
    if number.shape != () or number.dtype.kind not in "iu":
        raise ValueError(f"not a tracker's state: {name} is {value!r}, expected a whole number")
    return int(number)


def pack_skeleton(skeleton: Skeleton | None) -> NDArray[np.str_]:
    """Write a skeleton as JSON text in an array; empty for None."""
    return np.array("" if skeleton is None else json.dumps(skeleton.to_json()))


def unpack_skeleton(text: Any) -> Skeleton | None:
    """Read what `pack_skeleton` wrote.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not str(text):
        return None
    try:
        table = parse_json(str(text), "its skeleton")
        return Skeleton.from_json(table, "its skeleton")
    except ValueError as error:
        raise ValueError(f"not a tracker's state: its skeleton cannot be read ({error})") from error
