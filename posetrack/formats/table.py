"""One tidy table of everything that was tracked: its columns, and the table in memory.

One row is one person in one frame, with named columns. The other tidy form, one row a keypoint,
is K times as long, repeats frame, id and box in each row, and needs a pivot before
``df[df.id == 3].left_knee_y.plot()``. In Parquet both forms compress about alike, and one column
a coordinate lets a reader fetch one keypoint alone.

============================  ========  ==========================================================
column                        type      meaning
============================  ========  ==========================================================
``frame``                     int64     index in the video, from 0
``seconds``                   float64   the video's own time of the frame
``id``                        int64     who
``left top right bottom``     float32   box in pixels
``box_score``                 float32   of the box
``score``                     float32   of the pose: the mean of its K keypoint scores
``source``                    text      where the box came from: ``detector`` or ``flow``
``flow_age``                  int64     for how many frames in a row from flow; 0 = detector
``NAME_x NAME_y NAME_score``  float32   a keypoint; x and y are missing where it was not seen
============================  ========  ==========================================================

Numbers are exact in both formats: CSV holds each in the fewest digits that give the same float32
(float64 for seconds) back. A missing value is an empty field in CSV and a null in Parquet, NaN in
pandas. A frame without people has no row; the metadata lists such frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.formats.metadata import EmptyFrames
from posetrack.skeletons import Skeleton
from posetrack.structures import Detections, Poses, Tracks

FORMAT: Final = "posetrack table"
FORMAT_VERSION: Final = 1

BOX_COLUMNS: Final = ("left", "top", "right", "bottom")
INTEGER_COLUMNS: Final = ("frame", "id", "flow_age")
PERSON_COLUMNS: Final = (
    "frame",
    "seconds",
    "id",
    *BOX_COLUMNS,
    "box_score",
    "score",
    "source",
    "flow_age",
)


def keypoint_columns(skeleton: Skeleton) -> tuple[str, ...]:
    """The 3 K columns of the keypoints: x, y, score of each in turn.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> keypoint_columns(COCO_17)[:3]
    ('nose_x', 'nose_y', 'nose_score')
    """
    return tuple(f"{name}_{part}" for name in skeleton.keypoints for part in ("x", "y", "score"))


def column_names(skeleton: Skeleton) -> tuple[str, ...]:
    """All columns of a table, in order.

    Raises
    ------
    ValueError
        If a keypoint's name would give a column twice, as a keypoint called ``box`` would.
    """
    names = (*PERSON_COLUMNS, *keypoint_columns(skeleton))
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise ValueError(f"{skeleton.name}: rename the keypoints that give columns twice: {twice}")
    return names


@dataclass(frozen=True, eq=False, repr=False)
class TrackTable:
    """A whole table in memory, R rows, ordered by frame.

    Parameters
    ----------
    frame
        (R,) int64.
    seconds
        (R,) float64.
    ids
        (R,) int64.
    xyxy
        (R, 4) float32 pixels.
    box_scores
        (R,) float32.
    flow_age
        (R,) int64.
    xy
        (R, K, 2) float32 pixels, NaN where not seen.
    scores
        (R, K) float32.
    skeleton
        What the K keypoints are.
    empty
        Frames without people, as (index, seconds).
    metadata
        All that the file says of itself: ``provenance``, ``image_size``, ``rate`` and so on.
    """

    frame: NDArray[np.int64]
    seconds: NDArray[np.float64]
    ids: NDArray[np.int64]
    xyxy: NDArray[np.float32]
    box_scores: NDArray[np.float32]
    flow_age: NDArray[np.int64]
    xy: NDArray[np.float32]
    scores: NDArray[np.float32]
    skeleton: Skeleton
    empty: EmptyFrames = field(default_factory=EmptyFrames)
    metadata: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        people = len(np.unique(self.ids))
        return f"TrackTable({len(self)} rows, {people} ids, {self.skeleton.name})"

    def frames(self) -> Iterator[tuple[int, float, Tracks]]:
        """Frame after frame as it was written: index, seconds, tracks; empty ones, too."""
        starts = np.flatnonzero(np.diff(self.frame, prepend=np.int64(-1)))
        stops = np.append(starts, len(self))[1:]
        empty = iter(self.empty)
        coming = next(empty, None)
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            index = int(self.frame[start])
            while coming is not None and coming[0] < index:
                yield (*coming, Tracks.empty(self.skeleton))
                coming = next(empty, None)
            if coming is not None and coming[0] == index:  # rows were added by hand
                coming = next(empty, None)
            yield index, float(self.seconds[start]), self._tracks(slice(start, stop))
        while coming is not None:
            yield (*coming, Tracks.empty(self.skeleton))
            coming = next(empty, None)

    def _tracks(self, rows: slice) -> Tracks:
        boxes = Detections(self.xyxy[rows], self.box_scores[rows])
        poses = Poses(self.xy[rows], self.scores[rows], boxes, self.skeleton)
        return Tracks(poses, self.ids[rows], self.flow_age[rows])
