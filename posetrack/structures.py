"""Detections, poses and tracks as arrays that are checked once.

Each type is a frozen set of arrays with one row a person. ``len`` counts people, indexing with
an integer array, a mask or a slice gives the same type with fewer rows, and ``repr`` prints
shapes. Construction copies into read-only arrays, so a value never changes behind its owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.skeletons import Skeleton

Rows = slice | Sequence[int] | Sequence[bool] | NDArray[np.bool_] | NDArray[np.integer[Any]]
FloatArray = NDArray[np.floating[Any]]


def _validate(values: ArrayLike, name: str, shape: tuple[int | None, ...], dtype: Any) -> Any:
    """Copy ``values`` to a read-only array of ``dtype`` after checking its shape (None = any)."""
    array = np.array(values, dtype=dtype)
    if array.size == 0 and array.ndim <= len(shape):
        # An empty list has no second axis: an image without people is not an error.
        known = [0 if size is None else size for size in shape]
        if 0 in known or array.ndim < len(shape):
            known[0] = 0
            array = array.reshape(known) if array.shape != tuple(known) else array
    fits = array.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("N" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}")
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """Boxes around people, with a score each.

    Parameters
    ----------
    xyxy
        (N, 4), left, top, right, bottom in pixels; float32. Must be finite, with right >= left
        and bottom >= top.
    scores
        (N,), larger is surer, usually in [0, 1]; float32.

    Raises
    ------
    ValueError
        If shapes disagree, a value is not finite, or a box has negative width or height.

    Examples
    --------
    >>> boxes = Detections([[10, 20, 50, 120], [60, 20, 90, 80]], [0.9, 0.4])
    >>> boxes[boxes.scores > 0.5].xyxy.tolist()
    [[10.0, 20.0, 50.0, 120.0]]
    >>> len(Detections.empty())
    0
    """

    xyxy: FloatArray
    scores: FloatArray

    def __post_init__(self) -> None:
        xyxy = _validate(self.xyxy, "xyxy", (None, 4), np.float32)
        scores = _validate(self.scores, "scores", (len(xyxy),), np.float32)
        if not (np.isfinite(xyxy).all() and np.isfinite(scores).all()):
            raise ValueError("boxes and scores must be finite; drop rows with NaN or infinity")
        if (xyxy[:, 2:] < xyxy[:, :2]).any():
            row = int(np.flatnonzero((xyxy[:, 2:] < xyxy[:, :2]).any(axis=1))[0])
            raise ValueError(
                f"box {row} is {xyxy[row].tolist()}: right < left or bottom < top. "
                "Boxes are xyxy (left, top, right, bottom); were these xywh?"
            )
        object.__setattr__(self, "xyxy", xyxy)
        object.__setattr__(self, "scores", scores)

    @classmethod
    def empty(cls) -> Detections:
        """No detections."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, rows: Rows) -> Detections:
        rows = _as_rows(rows)
        return assemble(
            Detections, xyxy=_freeze(self.xyxy[rows]), scores=_freeze(self.scores[rows])
        )

    def __repr__(self) -> str:
        return f"Detections(xyxy {self.xyxy.shape}, scores {self.scores.shape})"


@dataclass(frozen=True, eq=False, repr=False)
class Poses:
    """People's keypoints in one image.

    Parameters
    ----------
    xy
        (N, K, 2) pixels; float32. A keypoint that was not observed is NaN in both coordinates.
    scores
        (N, K), larger is surer; float32. Set to 0 where ``xy`` is NaN.
    boxes
        The N boxes the poses belong to, with their scores.
    skeleton
        What the K keypoints are.
    covariance
        (N, K, 2, 2) of each keypoint's place, in pixels squared; float32, NaN where it is not
        known. None for networks that do not say how sure they are of a place.

    Raises
    ------
    ValueError
        If shapes disagree with each other or with the skeleton, or a score is not finite.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> poses = Poses.empty(COCO_17)
    >>> poses.xy.shape
    (0, 17, 2)
    """

    xy: FloatArray
    scores: FloatArray
    boxes: Detections
    skeleton: Skeleton
    covariance: FloatArray | None = None

    def __post_init__(self) -> None:
        count, keypoints = len(self.boxes), len(self.skeleton)
        xy = _validate(self.xy, "xy", (count, keypoints, 2), np.float32)
        scores = np.array(_validate(self.scores, "scores", (count, keypoints), np.float32))
        unseen = ~np.isfinite(xy).all(axis=-1)
        if unseen.any():
            xy = xy.copy()
            xy[unseen] = np.nan
            xy.flags.writeable = False
            scores[unseen] = 0.0
        if not np.isfinite(scores).all():
            raise ValueError(
                "keypoint scores must be finite; an unseen keypoint has NaN xy, score 0"
            )
        scores.flags.writeable = False
        object.__setattr__(self, "xy", xy)
        object.__setattr__(self, "scores", scores)
        if self.covariance is not None:
            shape = (count, keypoints, 2, 2)
            covariance = _validate(self.covariance, "covariance", shape, np.float32)
            object.__setattr__(self, "covariance", covariance)

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Poses:
        """No people, with the right shapes."""
        count = len(skeleton)
        return cls(np.zeros((0, count, 2)), np.zeros((0, count)), Detections.empty(), skeleton)

    @classmethod
    def from_keypoints(cls, xy: ArrayLike, scores: ArrayLike | None, skeleton: Skeleton) -> Poses:
        """Poses whose boxes are the bounding boxes of their seen keypoints.

        Parameters
        ----------
        xy
            (N, K, 2) pixels; NaN where unseen. Poses without a single seen keypoint get a box of
            no size at the origin.
        scores
            (N, K); 1 where seen when None. A box's score is the mean score of its seen keypoints.
        skeleton
            What the K keypoints are.

        Examples
        --------
        >>> from posetrack.skeletons import COCO_17
        >>> poses = Poses.from_keypoints(np.full((1, 17, 2), 5.0), None, COCO_17)
        >>> poses.boxes.xyxy.tolist(), poses.boxes.scores.tolist()
        ([[5.0, 5.0, 5.0, 5.0]], [1.0])
        """
        points = _validate(xy, "xy", (None, len(skeleton), 2), np.float32)
        seen = np.isfinite(points).all(axis=-1)
        values = seen.astype(np.float32) if scores is None else np.array(scores, np.float32)
        if values.shape != seen.shape:
            raise ValueError(f"scores must have shape {seen.shape}, got {values.shape}")
        values = np.where(seen, values, 0)
        low = np.where(seen[..., None], points, np.inf).min(axis=1, initial=np.inf)
        high = np.where(seen[..., None], points, -np.inf).max(axis=1, initial=-np.inf)
        xyxy = np.where(seen.any(axis=1)[:, None], np.concatenate([low, high], axis=1), 0)
        box_scores = values.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        return cls(points, values, Detections(xyxy, box_scores), skeleton)

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, rows: Rows) -> Poses:
        rows = _as_rows(rows)
        return assemble(
            Poses,
            xy=_freeze(self.xy[rows]),
            scores=_freeze(self.scores[rows]),
            boxes=self.boxes[rows],
            skeleton=self.skeleton,
            covariance=None if self.covariance is None else _freeze(self.covariance[rows]),
        )

    def to(self, skeleton: Skeleton) -> Poses:
        """Map the keypoints to another skeleton by name (see `Skeleton.map_to`).

        Of keypoints that are made of others the covariance is not known.
        """
        xy, scores = self.skeleton.map_to(skeleton, self.xy, self.scores)
        if self.covariance is None:
            return Poses(xy, scores, self.boxes, skeleton)
        covariance = np.full((*xy.shape, 2), np.nan, np.float32)
        for row, name in enumerate(skeleton.keypoints):
            if name in self.skeleton.keypoints:
                covariance[:, row] = self.covariance[:, self.skeleton.index(name)]
        return Poses(xy, scores, self.boxes, skeleton, covariance)

    def __repr__(self) -> str:
        return f"Poses(xy {self.xy.shape}, scores {self.scores.shape}, {self.skeleton.name})"


@dataclass(frozen=True, eq=False, repr=False)
class Person:
    """One tracked person in one frame; index with a keypoint's name for ``(x, y, score)``.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy, scores, box = np.ones((17, 2)), np.full(17, 0.5), np.array([0.0, 0, 9, 9])
    >>> Person(7, xy, scores, box, 0.9, 0, COCO_17)["nose"]
    (1.0, 1.0, 0.5)
    """

    id: int
    xy: FloatArray
    scores: FloatArray
    box: FloatArray
    box_score: float
    flow_age: int
    skeleton: Skeleton = field(repr=False)

    @property
    def score(self) -> float:
        """Mean keypoint score."""
        return float(self.scores.mean())

    @property
    def source(self) -> Literal["detector", "flow", "pose"]:
        """Where the box came from in this frame, see `Tracks.source`."""
        return SOURCES[source_numbers(np.array(self.flow_age))]

    def __getitem__(self, keypoint: str) -> tuple[float, float, float]:
        index = self.skeleton.index(keypoint)
        x, y = self.xy[index]
        return float(x), float(y), float(self.scores[index])

    def __repr__(self) -> str:
        return f"Person(id={self.id}, score={self.score:.2f}, source={self.source!r})"


@dataclass(frozen=True, eq=False, repr=False)
class Tracks:
    """Poses with identities: what `posetrack.Tracker.update` returns for one image.

    Parameters
    ----------
    poses
        N people's keypoints.
    ids
        (N,) int64, unique within the image, positive, never reused by one tracker. 0 where poses
        were given to the tracker and a row is nobody, or nobody yet.
    flow_age
        (N,) int64: 0 where the detector gave the person's box in this frame, else for how many
        frames in a row the box has come from optical flow alone. -1 where a detector stood beside a
        network that sees the image whole, and the box is that around a pose in none of its boxes.
        Zeros when None.

    Raises
    ------
    ValueError
        If lengths disagree or an id occurs twice.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> poses = Poses.from_keypoints(np.zeros((2, 17, 2)), None, COCO_17)
    >>> for person in Tracks(poses, [4, 7]):
    ...     print(person.id, person["nose"])
    4 (0.0, 0.0, 1.0)
    7 (0.0, 0.0, 1.0)
    """

    poses: Poses
    ids: NDArray[np.int64]
    flow_age: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        ids = _validate(self.ids, "ids", (len(self.poses),), np.int64)
        named = ids[ids != 0]
        if len(np.unique(named)) != len(named):
            raise ValueError(f"an id occurs twice in one frame: {ids.tolist()}")
        age = np.zeros(len(ids)) if self.flow_age is None else self.flow_age
        object.__setattr__(self, "ids", ids)
        object.__setattr__(self, "flow_age", _validate(age, "flow_age", (len(ids),), np.int64))

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Tracks:
        """No people, with the right shapes."""
        return cls(Poses.empty(skeleton), np.zeros(0, np.int64))

    @property
    def source(self) -> list[Literal["detector", "flow", "pose"]]:
        """Where each box came from: the detector, flow, or the keypoints of a pose in none.

        Whoever the detector found without a pose has keypoints of NaN with scores 0.
        """
        assert self.flow_age is not None  # set in __post_init__
        return [SOURCES[number] for number in source_numbers(self.flow_age).tolist()]

    @property
    def xy(self) -> FloatArray:
        """(N, K, 2) pixels, NaN where unseen."""
        return self.poses.xy

    @property
    def scores(self) -> FloatArray:
        """(N, K) keypoint scores."""
        return self.poses.scores

    @property
    def boxes(self) -> Detections:
        """N boxes with scores."""
        return self.poses.boxes

    @property
    def skeleton(self) -> Skeleton:
        """What the K keypoints are."""
        return self.poses.skeleton

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Rows) -> Tracks:
        rows = _as_rows(rows)
        assert self.flow_age is not None  # set in __post_init__
        return Tracks(self.poses[rows], self.ids[rows], self.flow_age[rows])

    def __iter__(self) -> Iterator[Person]:
        assert self.flow_age is not None  # set in __post_init__
        for row in range(len(self)):
            yield Person(
                id=int(self.ids[row]),
                xy=self.xy[row],
                scores=self.scores[row],
                box=self.boxes.xyxy[row],
                box_score=float(self.boxes.scores[row]),
                flow_age=int(self.flow_age[row]),
                skeleton=self.skeleton,
            )

    def __repr__(self) -> str:
        return f"Tracks(ids {self.ids.tolist()}, xy {self.xy.shape}, {self.skeleton.name})"


SOURCES: Final[tuple[Literal["detector", "flow", "pose"], ...]] = ("detector", "flow", "pose")
"""Where a person's box may come from."""


def source_numbers(flow_age: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where boxes came from, as numbers into `SOURCES`.

    Examples
    --------
    >>> source_numbers(np.array([0, 3, -1])).tolist()
    [0, 1, 2]
    """
    return np.where(flow_age < 0, 2, np.minimum(flow_age, 1)).astype(np.intp)


T = TypeVar("T")


def assemble(kind: type[T], **values: Any) -> T:
    """A value of a type here from parts that were checked before: not copied or checked again."""
    result = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(result, name, value)
    return result


def _freeze(array: FloatArray) -> FloatArray:
    array.flags.writeable = False
    return array


def _as_rows(rows: Rows) -> Any:
    """Row selectors as numpy takes them; a lone integer, which would drop the axis, is refused."""
    if isinstance(rows, int | np.integer):
        raise TypeError(f"index with a list, mask or slice: use [[{rows}]] for one row")
    if isinstance(rows, slice):
        return rows
    index = np.asarray(rows)
    return index.astype(np.intp) if index.size == 0 and index.dtype != np.bool_ else index


def concatenate_detections(first: Detections, *others: Detections) -> Detections:
    """All boxes in one, in order.

    Examples
    --------
    >>> len(concatenate_detections(Detections.empty(), Detections([[0, 0, 1, 1]], [1])))
    1
    """
    parts = (first, *others)
    return Detections(
        np.concatenate([part.xyxy for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
