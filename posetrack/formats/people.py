"""People that readers of JSON and text add one after the other, and the table of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.formats.checked_table import make_table
from posetrack.formats.hints import Hints
from posetrack.formats.table import TrackTable
from posetrack.skeletons import Skeleton

MOST_ROWS: Final = 20_000_000
"""People times frames that are read from one file at most."""


class People:
    """People of a file that are added one after the other.

    Parameters
    ----------
    where
        The file, for messages.
    hints
        What the caller knows.
    """

    def __init__(self, where: str, hints: Hints) -> None:
        self.where = where
        self.hints = hints
        self.frames: dict[int, float] = {}  # times; NaN where not known
        self._rows: list[tuple[int, int | None]] = []
        self._points: list[NDArray[np.float32]] = []
        self._boxes: list[tuple[float, ...]] = []
        self._left_out: dict[str, int] = {}

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Count a person of the file who is left out."""
        self._left_out[reason] = self._left_out.get(reason, 0) + count

    def add_frame(self, index: int, seconds: float = np.nan) -> None:
        """Note a frame, whether someone is in it or not."""
        self.frames.setdefault(index, seconds)

    def add(
        self,
        frame: int,
        identity: int | None,
        points: ArrayLike,
        xyxy: ArrayLike | None = None,
        box_score: float = np.nan,
        *,
        part: str = "",
    ) -> None:
        """Add a person: (K, 3) x, y and score, NaN where not seen; NaN and None for unknown."""
        with np.errstate(over="ignore"):
            array = np.asarray(points, np.float64).astype(np.float32)
        if array.ndim != 2 or array.shape[1] != 3 or not len(array):
            raise ValueError(f"{self.where}{part}: expected keypoints of 3 numbers each")
        if self._points and array.shape != self._points[0].shape:
            raise ValueError(
                f"{self.where}{part}: {len(array)} keypoints; others before have "
                f"{len(self._points[0])}"
            )
        if len(self._rows) >= MOST_ROWS:
            raise ValueError(f"{self.where}: over {MOST_ROWS:,} people; at most that many are read")
        box = np.full(4, np.nan) if xyxy is None else np.asarray(xyxy, np.float64)
        self.add_frame(frame)
        self._rows.append((frame, identity))
        self._points.append(array)
        self._boxes.append((*box.tolist(), box_score))

    @property
    def keypoints(self) -> int | None:
        """How many keypoints the people have; None without people."""
        return len(self._points[0]) if self._points else None

    def table(
        self, skeleton: Skeleton, *, rate: object = None, metadata: Mapping[str, Any] | None = None
    ) -> TrackTable:
        """All of them as a table.

        Raises
        ------
        ValueError
            If keypoints, times or identities do not fit, or everybody was left out.

        Warns
        -----
        UserWarning
            If someone was left out.
        """
        if self._left_out:
            reasons = ", ".join(f"{count} {reason}" for reason, count in self._left_out.items())
            if not self._rows:
                raise ValueError(f"{self.where}: everybody in it is left out: {reasons}")
            warnings.warn(f"{self.where}: left out: {reasons}", UserWarning, stacklevel=4)
        if self.keypoints not in (None, len(skeleton)):
            raise ValueError(
                f"{self.where}: people of {self.keypoints} keypoints, {skeleton.name} has "
                f"{len(skeleton)}; give skeleton= (--skeleton on the line)"
            )
        frames = np.array(sorted(self.frames), np.int64)
        seconds = np.array([self.frames[index] for index in frames.tolist()], np.float64)
        if not np.isfinite(seconds).all():
            seconds = self.hints.seconds(frames, self.where, rate)
        frame = np.array([index for index, _ in self._rows], np.int64)
        points = np.array(self._points, np.float32).reshape(len(frame), len(skeleton), 3)
        boxes = np.array(self._boxes, np.float64).reshape(-1, 5)
        return make_table(
            self.where,
            frame,
            self._identities(frame),
            points[..., :2],
            points[..., 2],
            skeleton,
            frames=frames,
            seconds=seconds,
            xyxy=boxes[:, :4],
            box_scores=boxes[:, 4],
            metadata={"rate": self.hints.rate if rate is None else rate, **(metadata or {})},
        )

    def _identities(self, frame: NDArray[np.int64]) -> NDArray[np.int64]:
        given = [identity for _, identity in self._rows]
        unknown = next((n for n, identity in enumerate(given) if identity is None), None)
        if unknown is None:
            return np.array(given, np.int64)
        if not self.hints.untracked:
            raise ValueError(
                f"{self.where}: person {unknown} (frame {frame[unknown]}) has no identity; link "
                "the poses first, or read them with untracked=True (--untracked on the line)"
            )
        count: dict[int, int] = {}
        places = []
        for index in frame.tolist():
            count[index] = count.get(index, 0) + 1
            places.append(count[index])
        if self.hints.untracked == "keep":
            both = zip(given, places, strict=True)
            return np.array(
                [-row if identity is None else identity for identity, row in both], np.int64
            )
        return np.array(places, np.int64)
