"""The `Trajectories` type: T frames, N people, K keypoints, and where each value came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.checks import require_library
from posetrack.formats.dense import dense, empty_frames
from posetrack.formats.table import ALL_ORIGINS, NOBODY, RawRows, TrackTable
from posetrack.ops.angles import angle, is_segment, unwrap
from posetrack.skeletons import Skeleton
from posetrack.structures import SOURCES, Tracks
from posetrack.trajectories.parts import in_range, part_of_skeleton
from posetrack.trajectories.raw import Raw

_KEPT = ("provenance", "image_size", "rate", "individuals", "units")


@dataclass(frozen=True, eq=False, repr=False)
class Trajectories:
    """People's keypoints over a whole video, as read-only arrays.

    Parameters
    ----------
    frame
        (T,) int64, indices in the video, growing from 0 on; gaps are fine.
    seconds
        (T,) float64, the video's own time of each frame.
    ids
        (N,) int64, who, each once.
    xy
        (T, N, K, 2) float32 pixels, NaN where not seen.
    scores
        (T, N, K) float32; set to 0 where ``xy`` is NaN.
    skeleton
        What the K keypoints are.
    boxes
        (T, N, 4) float32 xyxy pixels, NaN where a person was not there. Someone with keypoints
        and no box, or everybody if None, gets the bounding box of the seen keypoints.
    box_scores
        (T, N) float32; the mean score of the seen keypoints when None.
    flow_age
        (T, N) int64: for how many frames in a row the box has come from optical flow, -1 where it
        is that around a pose, see `posetrack.Tracks`; zeros when None.
    origin
        (T, N, K) int8, an `Origin` for each keypoint. When None: flow where ``flow_age`` is above
        0, else detected.
    raw
        The values before cleaning; None where nothing was cleaned, and ``xy`` is what was measured.
    metadata
        What the file says of itself: ``provenance``, ``image_size``, ``rate``; ``individuals``,
        names by id, where another program named them; ``units`` where places are no pixels.

    Raises
    ------
    ValueError
        If shapes disagree, frames do not grow, an id occurs twice, or a value is out of range.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> walk = np.arange(3.0)[:, None, None, None] + np.zeros((3, 1, 17, 2))
    >>> tr = Trajectories([0, 1, 2], [0.0, 0.1, 0.2], [7], walk, np.ones((3, 1, 17)), COCO_17)
    >>> tr.select(seconds=(0.05, 1.0), keypoints=["left_knee"])
    Trajectories(2 frames, ids [7], 1 keypoints of coco_17)
    """

    frame: NDArray[np.int64]
    seconds: NDArray[np.float64]
    ids: NDArray[np.int64]
    xy: NDArray[np.float32]
    scores: NDArray[np.float32]
    skeleton: Skeleton
    boxes: NDArray[np.float32] | Any = None
    box_scores: NDArray[np.float32] | Any = None
    flow_age: NDArray[np.int64] | Any = None
    origin: NDArray[np.int8] | Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    raw: Raw | None = None

    def __post_init__(self) -> None:
        frame = _check("frame", self.frame, np.int64, (None,))
        ids = _check("ids", self.ids, np.int64, (None,))
        seconds = _check("seconds", self.seconds, np.float64, (len(frame),))
        _check_axes(frame, seconds, ids)
        people = (len(frame), len(ids))
        each = (*people, len(self.skeleton))
        xy = _check("xy", self.xy, np.float32, (*each, 2))
        scores = _check("scores", self.scores, np.float32, each)
        unseen = ~(np.isfinite(xy[..., 0]) & np.isfinite(xy[..., 1]))
        xy, scores = _blank_unseen(xy, scores, unseen)
        if not np.isfinite(scores).all():
            raise ValueError("scores must be finite; an unseen keypoint has NaN xy, score 0")
        age = np.zeros(people, np.int64) if self.flow_age is None else self.flow_age
        age = _check("flow_age", age, np.int64, people)
        boxes, box_scores = self._boxes(people, xy, scores, unseen)
        origin = (age[..., None] > 0).repeat(each[-1], -1) if self.origin is None else self.origin
        origin = _check("origin", origin, np.int8, each)
        if origin.size and not 0 <= origin.min() <= origin.max() <= ALL_ORIGINS:
            raise ValueError(f"origin must lie in 0 to {int(ALL_ORIGINS)}, see Origin")
        if self.raw is not None and self.raw.scores.shape != each:
            raise ValueError(f"raw values must have shape {each}, got {self.raw.scores.shape}")
        values = {"frame": frame, "seconds": seconds, "ids": ids, "xy": xy, "scores": scores}
        values |= {"boxes": boxes, "box_scores": box_scores, "flow_age": age, "origin": origin}
        for name, array in values.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def _boxes(
        self,
        people: tuple[int, int],
        xy: NDArray[np.float32],
        scores: NDArray[np.float32],
        unseen: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes and their scores, computed from the keypoints where missing."""
        nothing = np.full((*people, 4), np.nan, np.float32)
        given = nothing if self.boxes is None else self.boxes
        boxes = _check("boxes", given, np.float32, (*people, 4))
        absent = ~np.isfinite(boxes).all(axis=-1)
        if not boxes.flags.writeable:
            boxes = boxes.copy()
        boxes[absent] = np.nan
        unboxed = absent & ~unseen.all(axis=-1)
        boxes[unboxed, :2] = np.where(unseen[unboxed, :, None], np.inf, xy[unboxed]).min(axis=1)
        boxes[unboxed, 2:] = np.where(unseen[unboxed, :, None], -np.inf, xy[unboxed]).max(axis=1)
        if (boxes[..., 2:] < boxes[..., :2]).any():
            raise ValueError("a box has right < left or bottom < top; boxes are xyxy")
        seen = ~unseen
        mean = scores.sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1)
        if self.box_scores is not None:
            mean = np.where(
                unboxed, mean, _check("box_scores", self.box_scores, np.float32, people)
            )
        mean = np.where(absent & ~unboxed, 0, mean).astype(np.float32)
        if not np.isfinite(mean).all():
            raise ValueError("box_scores must be finite")
        return boxes, mean

    @property
    def present(self) -> NDArray[np.bool_]:
        """(T, N), whether a person was there, with a box and perhaps no keypoint seen."""
        there: NDArray[np.bool_] = np.isfinite(self.boxes[..., 0])
        return there

    def select(
        self,
        *,
        seconds: tuple[float, float] | None = None,
        frames: tuple[int, int] | None = None,
        ids: Sequence[int] | None = None,
        keypoints: Sequence[str] | None = None,
    ) -> Trajectories:
        """A part: a half-open range of time or frames, some people, some keypoints.

        Parameters
        ----------
        seconds, frames
            First and one past the last; both may be given.
        ids
            Who, in the order wanted.
        keypoints
            Names, in the order wanted.

        Raises
        ------
        KeyError
            If there is no such person or keypoint.
        """
        rows = in_range(self.frame, frames) & in_range(self.seconds, seconds)
        people = np.arange(len(self.ids))
        if ids is not None:
            known = {int(identity): position for position, identity in enumerate(self.ids)}
            missing = [identity for identity in ids if int(identity) not in known]
            if missing:
                raise KeyError(f"no person {missing[0]}; there are {self.ids.tolist()[:20]}")
            people = np.array([known[int(identity)] for identity in ids], np.intp)
        points = slice(None)
        skeleton = self.skeleton
        if keypoints is not None:
            points = [skeleton.index(name) for name in keypoints]  # type: ignore[assignment]
            skeleton = part_of_skeleton(skeleton, keypoints)

        def part(array: NDArray[Any]) -> NDArray[Any]:
            return array[rows][:, people]

        return Trajectories(
            self.frame[rows],
            self.seconds[rows],
            self.ids[people],
            part(self.xy)[:, :, points],
            part(self.scores)[:, :, points],
            skeleton,
            part(self.boxes),
            part(self.box_scores),
            part(self.flow_age),
            part(self.origin)[:, :, points],
            self.metadata,
            None if self.raw is None else self.raw.part(rows, people, points),
        )

    def person(self, identity: int) -> Trajectories:
        """One person's trajectory: N is 1."""
        return self.select(ids=[identity])

    def angle(self, name: str) -> NDArray[np.float64]:
        """(T,) degrees of one person's angle by name, such as ``"left_knee"`` or ``"trunk"``.

        See `posetrack.ops.angles` for names, signs and ranges; those of segments go on without
        jumps.

        Raises
        ------
        ValueError
            If there is not exactly one person: take ``person(id)`` first.
        """
        if len(self.ids) != 1:
            raise ValueError(
                f"angle({name!r}) is of one person, here are {len(self.ids)}: take person(id) "
                "first, or posetrack.analysis.angle for everybody's"
            )
        found = angle(self.xy[:, 0], self.skeleton, name)
        return unwrap(found) if is_segment(name) else found

    @classmethod
    def from_table(cls, table: TrackTable) -> Trajectories:
        """Lay out a table that `posetrack.formats.read_table` gave; see `dense` for its limit."""
        laid = dense(table)
        for array in vars(laid).values():
            array.flags.writeable = False  # nobody else has them, so they need not be copied
        at = np.searchsorted(laid.frame, table.frame), np.searchsorted(laid.ids, table.ids)
        people, raw = laid.box_scores.shape, None
        origin = (laid.flow_age[..., None] > 0).repeat(len(table.skeleton), -1).astype(np.int8)
        if table.origin is not None:
            origin[at] = table.origin
        if table.raw is not None:
            xy, scores = np.full_like(laid.xy, np.nan), np.zeros_like(laid.scores)
            ids = np.full(people, NOBODY)
            ids[at], xy[at], scores[at] = table.raw
            raw = Raw(xy, scores, ids)
        return cls(
            laid.frame,
            laid.seconds,
            laid.ids,
            laid.xy,
            laid.scores,
            table.skeleton,
            laid.boxes,
            laid.box_scores,
            laid.flow_age,
            origin,
            {key: table.metadata[key] for key in _KEPT if key in table.metadata},
            raw,
        )

    @classmethod
    def from_tracks(
        cls,
        frames: Iterable[tuple[int, float, Tracks]],
        metadata: Mapping[str, Any] = MappingProxyType({}),
    ) -> Trajectories:
        """Lay out what a tracker gave for one frame after another.

        Parameters
        ----------
        frames
            Index, seconds and tracks of each frame, indices growing; at least one.
        metadata
            See `Trajectories`.

        Raises
        ------
        ValueError
            If there is no frame, skeletons differ, or it is too much to lay out.

        Examples
        --------
        >>> from posetrack import COCO_17, Poses, Tracker
        >>> tracker, body = Tracker(), np.random.default_rng(0).uniform(0, 99, (1, 17, 2))
        >>> poses = [Poses.from_keypoints(body + step, None, COCO_17) for step in range(3)]
        >>> Trajectories.from_tracks(
        ...     (index, index / 25, tracker.update(poses=each)) for index, each in enumerate(poses)
        ... )
        Trajectories(3 frames, ids [1], 17 keypoints of coco_17)
        """
        known = list(frames)
        if not known:
            raise ValueError("expected at least one frame, got none")
        skeletons = {tracks.skeleton for _, _, tracks in known}
        if len(skeletons) > 1:
            names = " and ".join(sorted(skeleton.name for skeleton in skeletons))
            raise ValueError(f"expected tracks of one skeleton, got {names}")
        counts = np.array([len(tracks) for _, _, tracks in known])
        frame = np.array([index for index, _, _ in known], np.int64)
        seconds = np.array([time for _, time, _ in known], np.float64)
        table = TrackTable(
            frame.repeat(counts),
            seconds.repeat(counts),
            np.concatenate([tracks.ids for _, _, tracks in known]),
            np.concatenate([tracks.boxes.xyxy for _, _, tracks in known]).astype(np.float32),
            np.concatenate([tracks.boxes.scores for _, _, tracks in known]).astype(np.float32),
            np.concatenate([tracks.flow_age for _, _, tracks in known]),
            np.concatenate([tracks.xy for _, _, tracks in known]).astype(np.float32),
            np.concatenate([tracks.scores for _, _, tracks in known]).astype(np.float32),
            skeletons.pop(),
            empty_frames(frame[counts == 0], seconds[counts == 0]),
            dict(metadata),
        )
        return cls.from_table(table)

    def to_table(self) -> TrackTable:
        """One row a person a frame, those that were there.

        Origins are in it where one is not what ``flow_age`` says.
        """
        at = self.present
        when, column = np.nonzero(at)
        nobody = ~at.any(axis=1)
        origin, flow_age, raw = self.origin[at], self.flow_age[at], self.raw
        usual = bool((origin == (flow_age > 0)[:, None]).all())
        return TrackTable(
            self.frame[when],
            self.seconds[when],
            self.ids[column],
            self.boxes[at],
            self.box_scores[at],
            flow_age,
            self.xy[at],
            self.scores[at],
            self.skeleton,
            empty_frames(self.frame[nobody], self.seconds[nobody]),
            dict(self.metadata),
            None if usual else origin,
            None if raw is None else RawRows(raw.ids[at], raw.xy[at], raw.scores[at]),
        )

    def to_pandas(self) -> Any:
        """A pandas DataFrame with the columns of the project's own files, one row a person a frame.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed.
        """
        pandas = import_module("pandas")

        table = replace(self.to_table(), origin=None, raw=None)
        names = [column.name for column in table.schema]
        columns: dict[str, Any] = dict(zip(names, table.columns(), strict=True))
        columns["source"] = np.array(SOURCES, object)[columns["source"]]
        return pandas.DataFrame(columns)

    def to_xarray(self) -> Any:
        """An ``xarray.Dataset``: ``xy``, ``score``, ``origin``, ``box``, its score, ``flow_age``.

        Dimensions are ``time`` (seconds, with ``frame`` beside it), ``person``, ``keypoint``,
        ``space`` and ``corner``.

        Raises
        ------
        ModuleNotFoundError
            If xarray is not installed.
        """
        with require_library("this needs xarray", "posetrack[formats]"):
            xarray = import_module("xarray")
        each = ("time", "person", "keypoint")
        return xarray.Dataset(
            {
                "xy": ((*each, "space"), self.xy),
                "score": (each, self.scores),
                "origin": (each, self.origin),
                "box": (("time", "person", "corner"), self.boxes),
                "box_score": (("time", "person"), self.box_scores),
                "flow_age": (("time", "person"), self.flow_age),
            },
            {
                "time": self.seconds,
                "frame": ("time", self.frame),
                "person": self.ids,
                "keypoint": list(self.skeleton.keypoints),
                "space": ["x", "y"],
                "corner": ["left", "top", "right", "bottom"],
            },
            {"skeleton": self.skeleton.name},
        )

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        identity = self.ids.tolist()
        shown = (
            identity if len(identity) <= 10 else f"{identity[:10]} and {len(identity) - 10} more"
        )
        return (
            f"Trajectories({len(self)} frames, ids {shown}, "
            f"{len(self.skeleton)} keypoints of {self.skeleton.name})"
        )


def _check(name: str, values: ArrayLike, kind: Any, shape: tuple[int | None, ...]) -> Any:
    """A writable copy, its shape checked (None = any); what nobody can write to is shared."""
    array = np.asarray(values, kind)
    unchanging = array is values and not array.flags.writeable and array.flags.owndata
    if not unchanging:
        array = np.array(array, kind)
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = tuple("any" if size is None else size for size in shape)
        raise ValueError(f"{name} must have shape {wanted}, got {array.shape}")
    return array


def _blank_unseen(
    xy: NDArray[np.float32], scores: NDArray[np.float32], unseen: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Places NaN and scores 0 where unseen; copied only where they are shared and not so yet."""
    if not (np.isnan(xy[..., 0]) == unseen).all() or not (np.isnan(xy[..., 1]) == unseen).all():
        xy = xy if xy.flags.writeable else xy.copy()
        xy[unseen] = np.nan
    if (scores[unseen] != 0).any():
        scores = scores if scores.flags.writeable else scores.copy()
        scores[unseen] = 0
    return xy, scores


def _check_axes(
    frame: NDArray[np.int64], seconds: NDArray[np.float64], ids: NDArray[np.int64]
) -> None:
    """Frames grow from 0 on, times are finite, ids are there once.

    Raises
    ------
    ValueError
        If not.
    """
    if (frame < 0).any() or (np.diff(frame) <= 0).any():
        raise ValueError("frame must grow from 0 on, each index once")
    if not np.isfinite(seconds).all():
        raise ValueError("seconds must be finite")
    if len(np.unique(ids)) != len(ids):
        raise ValueError(f"an id occurs twice: {ids.tolist()}")
