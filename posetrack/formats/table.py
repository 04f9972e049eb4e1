"""One tidy table of everything that was tracked: its schema, and the table in memory.

One row is one person in one frame, with named columns. The other tidy form, one row a keypoint,
is K times as long, repeats frame, id and box in each row, and needs a pivot before
``df[df.id == 3].left_knee_y.plot()``. In Parquet both forms compress about alike, and one column
a coordinate lets a reader fetch one keypoint alone.

=================================  ========  =====================================================
column                             type      meaning
=================================  ========  =====================================================
``frame``                          int64     index in the video, from 0
``seconds``                        float64   the video's own time of the frame
``id``                             int64     identity of the person
``left top right bottom``          float32   box in pixels
``box_score``                      float32   of the box
``score``                          float32   of the pose: the mean of its K keypoint scores
``source``                         text      the box is from ``detector``, ``flow`` or a ``pose``
``flow_age``                       int64     frames in a row from flow; 0: detector, -1: pose
``NAME_x NAME_y NAME_score``       float32   a keypoint; x and y are missing where it was not seen
=================================  ========  =====================================================

Two sets of columns follow where there is something to keep in them, after cleaning:

=================================  ========  =====================================================
``NAME_origin``                    int8      flags, see `Origin`
``raw_id``                         int64     the id before joining; missing where nobody was
``NAME_x_raw NAME_y_raw``          float32   the place as it was measured, missing where unseen
``NAME_score_raw``                 float32   its score
=================================  ========  =====================================================

Numbers are exact in both formats: CSV holds each in the fewest digits that give the same float32
(float64 for seconds) back. A missing value is an empty field in CSV and a null in Parquet, NaN in
pandas. A frame without people has no row; the metadata lists such frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posetrack.formats.metadata import EmptyFrames
from posetrack.skeletons import Skeleton
from posetrack.structures import Detections, Poses, Tracks, source_numbers

FORMAT: Final = "posetrack table"
FORMAT_VERSION: Final = 1

NOBODY: Final = int(np.iinfo(np.int64).min)
"""Among raw ids: nobody was measured at this place."""

BOX_COLUMNS: Final = ("left", "top", "right", "bottom")


class Origin(IntFlag):
    """Where a value came from and what was done to it; flags, which combine, also in files.

    Examples
    --------
    >>> Origin.FILLED | Origin.SMOOTHED
    <Origin.FILLED|SMOOTHED: 6>
    """

    DETECTED = 0
    """Measured, in the box that a detector gave or by a network that sees the image whole."""
    FLOW = 1
    """Measured in a box that optical flow carried here."""
    FILLED = 2
    """Not measured here: put between what was seen before and after."""
    SMOOTHED = 4
    """Moved by a filter."""
    SWAPPED = 8
    """Left and right were exchanged."""
    REJECTED = 16
    """What was measured here was taken out: its score was too low, or it was an outlier."""


ALL_ORIGINS: Final = Origin(31)


class Column(NamedTuple):
    """A column of the table.

    Parameters
    ----------
    name
        In the file's header.
    kind
        Name of NumPy's type, or ``"text"``.
    missing
        Whether a value may be missing.
    derived
        Whether it follows from others, so that it is written for people and never read.
    """

    name: str
    kind: str
    missing: bool = False
    derived: bool = False


_PERSON: Final = (
    Column("frame", "int64"),
    Column("seconds", "float64"),
    Column("id", "int64"),
    *(Column(side, "float32") for side in BOX_COLUMNS),
    Column("box_score", "float32"),
    Column("score", "float32", derived=True),
    Column("source", "text", derived=True),
    Column("flow_age", "int64"),
)


def schema_of(skeleton: Skeleton, *, origin: bool = False, raw: bool = False) -> tuple[Column, ...]:
    """All columns of a table, in order.

    Parameters
    ----------
    skeleton
        K keypoints.
    origin, raw
        Whether the K columns of origins, and the 1 + 3 K of raw values, are there.

    Raises
    ------
    ValueError
        If a keypoint's name would give a column twice, as a keypoint called ``box`` would.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> [column.name for column in schema_of(COCO_17, raw=True)[-2:]]
    ['right_ankle_y_raw', 'right_ankle_score_raw']
    """
    columns = list(_PERSON)
    for name in skeleton.keypoints:
        columns += [Column(f"{name}_{axis}", "float32", missing=True) for axis in "xy"]
        columns.append(Column(f"{name}_score", "float32"))
    if origin:
        columns += [Column(f"{name}_origin", "int8") for name in skeleton.keypoints]
    if raw:
        columns.append(Column("raw_id", "int64", missing=True))
        columns += [
            Column(f"{name}_{part}_raw", "float32", missing=True)
            for name in skeleton.keypoints
            for part in ("x", "y", "score")
        ]
    counts = Counter(column.name for column in columns)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise ValueError(f"{skeleton.name}: rename the keypoints that give columns twice: {twice}")
    return tuple(columns)


def column_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Names of all columns of a table that was not cleaned, in order.

    Raises
    ------
    ValueError
        If a keypoint's name would give a column twice.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> column_names(COCO_17)[11:14]
    ('nose_x', 'nose_y', 'nose_score')
    """
    return tuple(column.name for column in schema_of(skeleton))


def columns_to_read(skeleton: Skeleton, names: Collection[str]) -> tuple[Column, ...]:
    """What is read of a file with columns of these names: all but what follows from others.

    Origins and raw values are among them where the file has the whole set.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> [column.name for column in columns_to_read(COCO_17, [])[7:9]]
    ['box_score', 'flow_age']
    """
    known, plain = set(names), schema_of(skeleton)

    def has(part: str) -> bool:
        more = schema_of(skeleton, **{part: True})[len(plain) :]
        return known.issuperset(column.name for column in more)

    there = {part: has(part) for part in ("origin", "raw")}
    return tuple(column for column in schema_of(skeleton, **there) if not column.derived)


class RawRows(NamedTuple):
    """R rows as they were measured: (R,) ids, `NOBODY` where nobody was, (R, K, 2) and (R, K)."""

    ids: NDArray[np.int64]
    xy: NDArray[np.float32]
    scores: NDArray[np.float32]

    def part(self, rows: Any) -> RawRows:
        """A table of some of the rows."""
        return RawRows(self.ids[rows], self.xy[rows], self.scores[rows])


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
    origin
        (R, K) int8, see `Origin`; None: flow where ``flow_age`` is not 0,
        else detected.
    raw
        The rows before cleaning; None where they are what was measured.
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
    origin: NDArray[np.int8] | None = None
    raw: RawRows | None = None

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        people = len(np.unique(self.ids))
        return f"TrackTable({len(self)} rows, {people} ids, {self.skeleton.name})"

    @property
    def schema(self) -> tuple[Column, ...]:
        """The table's columns, in order."""
        has_origin, has_raw = self.origin is not None, self.raw is not None
        return schema_of(self.skeleton, origin=has_origin, raw=has_raw)

    def columns(self, rows: slice = slice(None)) -> list[NDArray[Any]]:
        """Some rows of every column of `schema`; ``source`` as numbers into `SOURCES`."""
        xy, scores, flow_age = self.xy[rows], self.scores[rows], self.flow_age[rows]
        columns = [self.frame[rows], self.seconds[rows], self.ids[rows], *self.xyxy[rows].T]
        columns += [self.box_scores[rows], scores.mean(axis=1)]
        columns += [source_numbers(flow_age), flow_age, *_by_keypoint(xy, scores)]
        if self.origin is not None:
            columns += [*self.origin[rows].T]
        if self.raw is not None:
            columns += [self.raw.ids[rows], *_by_keypoint(self.raw.xy[rows], self.raw.scores[rows])]
        return columns

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


def _by_keypoint(xy: NDArray[np.float32], scores: NDArray[np.float32]) -> Iterator[NDArray[Any]]:
    """(R,) x, y and score of each keypoint in turn."""
    for number in range(scores.shape[1]):
        yield from (xy[:, number, 0], xy[:, number, 1], scores[:, number])
