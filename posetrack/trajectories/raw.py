"""The measured values, kept beside the cleaned ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Raw:
    """Keypoints, scores and ids as they were before anything was cleaned.

    Boxes need no copy: cleaning changes none, and where ``ids`` is
    `posetrack.trajectories.NOBODY` no box was measured.

    Parameters
    ----------
    xy
        (T, N, K, 2) float32 pixels, NaN where not seen.
    scores
        (T, N, K) float32.
    ids
        (T, N) int64, the ids that the tracker gave: joined tracklets keep theirs in it.
        `posetrack.trajectories.NOBODY` where nobody was.

    Raises
    ------
    ValueError
        If shapes disagree.

    Examples
    --------
    >>> from posetrack.trajectories import NOBODY
    >>> Raw(np.zeros((2, 1, 17, 2)), np.zeros((2, 1, 17)), [[3], [NOBODY]])
    Raw(xy (2, 1, 17, 2))
    """

    xy: NDArray[np.float32]
    scores: NDArray[np.float32]
    ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        kinds = {"xy": np.float32, "scores": np.float32, "ids": np.int64}
        for name, kind in kinds.items():
            object.__setattr__(self, name, _freeze(getattr(self, name), kind))
        shape = self.xy.shape
        fits = len(shape) == 4 and shape[-1] == 2
        if not fits or self.scores.shape != shape[:3] or self.ids.shape != shape[:2]:
            raise ValueError(
                "raw values must have shapes (T, N, K, 2), (T, N, K) and (T, N), got "
                f"{shape}, {self.scores.shape} and {self.ids.shape}"
            )

    def part(self, rows: Any, people: Any, points: Any = slice(None)) -> Raw:
        """Some frames, people and keypoints."""
        return Raw(
            self.xy[rows][:, people][:, :, points],
            self.scores[rows][:, people][:, :, points],
            self.ids[rows][:, people],
        )

    def __repr__(self) -> str:
        return f"Raw(xy {self.xy.shape})"


def _freeze(values: Any, kind: Any) -> NDArray[Any]:
    """Read-only; an array that nobody can write to is shared, any other copied."""
    array: NDArray[Any] = np.asarray(values, kind)
    unchanging = array is values and not array.flags.writeable and array.flags.owndata
    if unchanging:
        return array
    copy: NDArray[Any] = np.array(array, kind)
    copy.flags.writeable = False
    return copy
