"""What a tracker remembers: the people of the last few frames, as one flat set of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import FlowEstimator
from posetrack.ops.boxes import clip_boxes, cut_sides
from posetrack.ops.compilation import compile_kernel, kernel_input
from posetrack.ops.motion import inside_image, move_poses
from posetrack.skeletons import Skeleton
from posetrack.structures import Detections, Poses, assemble

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
_RECENT = 0.4  # seconds


@dataclass(frozen=True, eq=False, repr=False)
class Memory:
    """The deque of past frames, a row for each person in each frame, oldest first.

    One flat struct of arrays rather than a list of frames: all poses are moved by one call of the
    flow and compared by one similarity matrix.

    Parameters
    ----------
    xy
        (R, K, 2) float32 pixels in the latest image, NaN where unseen or lost by the flow.
    scores
        (R, K) float32 keypoint scores.
    xyxy
        (R, 4) float32, each person's box, moved along with the keypoints.
    box_scores
        (R,) float32.
    frame
        (R,) int64, number of the frame in which the person was found.
    seconds
        (R,) float64, when that was, in the stream's own time.
    ids
        (R,) int64; positive once given out, negative while on probation.
    flow_age
        (R,) int64, frames in a row that the person has lived on flow boxes alone.
    missed
        (R,) int64, runs of the detector in a row that did not find the person.
    hits
        (R,) int64, frames so far in which a detection supported the person.
    born, supported
        (R,) float64 seconds: when the person was first found, and last supported by a detection.
    found_xy
        (R, K, 2) float32, the keypoints where they were found, in their own image's pixels.
    found_xyxy
        (R, 4) float32, the box where it was found.
    """

    xy: NDArray[np.float32]
    scores: NDArray[np.float32]
    xyxy: NDArray[np.float32]
    box_scores: NDArray[np.float32]
    frame: IntArray
    seconds: FloatArray
    ids: IntArray
    flow_age: IntArray
    missed: IntArray
    hits: IntArray
    born: FloatArray
    supported: FloatArray
    found_xy: NDArray[np.float32]
    found_xyxy: NDArray[np.float32]

    @classmethod
    def empty(cls, keypoints: int) -> Memory:
        """Nobody."""
        xy, xyxy = np.zeros((0, keypoints, 2), np.float32), np.zeros((0, 4), np.float32)
        scores, whole = np.zeros((0, keypoints), np.float32), np.zeros(0, np.int64)
        time = np.zeros(0)
        return cls(
            xy=xy,
            scores=scores,
            xyxy=xyxy,
            box_scores=np.zeros(0, np.float32),
            frame=whole,
            seconds=time,
            ids=whole,
            flow_age=whole,
            missed=whole,
            hits=whole,
            born=time,
            supported=time,
            found_xy=xy,
            found_xyxy=xyxy,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Any) -> Memory:
        if isinstance(rows, np.ndarray) and rows.dtype == np.intp:  # half the time of indexing
            taken = {name: values.take(rows, axis=0) for name, values in vars(self).items()}
            return assemble(Memory, **taken)
        return assemble(Memory, **{name: values[rows] for name, values in vars(self).items()})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the fields by name."""
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Memory:
        """Rebuild what `arrays` gave, checking names, shapes and kinds.

        Raises
        ------
        ValueError
            If a field is missing or does not fit the others.
        """
        given = {name: np.array(arrays[name]) for name in _FIELDS if name in arrays}
        missing = sorted(set(_FIELDS) - set(given))
        if missing:
            raise ValueError(f"not a tracker's state: {missing} are missing")
        rows, keypoints = given["ids"].shape[:1], given["xy"].shape[1:2]
        template = cls.empty(keypoints[0] if keypoints else 0).arrays()
        rebuilt: dict[str, NDArray[Any]] = {}
        for name, like in template.items():
            values = given[name]
            if values.shape != (*rows, *like.shape[1:]) or values.dtype.kind != like.dtype.kind:
                raise ValueError(
                    f"not a tracker's state: {name!r} has shape {values.shape} of {values.dtype}, "
                    f"expected {(*rows, *like.shape[1:])} of {like.dtype}"
                )
            rebuilt[name] = values.astype(like.dtype)
        return cls(**rebuilt)

    def join(self, newer: Memory) -> Memory:
        """Return these rows, then newer ones."""
        mine, others = vars(self), vars(newer)
        pairs = {name: np.concatenate((mine[name], others[name])) for name in _FIELDS}
        return assemble(Memory, **pairs)

    def since(self, frame: int) -> Memory:
        """Return the rows of a frame and all later ones."""
        return self[self.frame >= frame]

    def spread_over(self, span: float, length: int, now: float) -> Memory:
        """Return at most ``length`` rows of each identity, spread over the last ``span`` seconds.

        The newest row of each always stays. Of the others the stream's time, cut into equal
        cells, keeps the oldest in each cell: which these are does not depend on when it is asked.
        """
        if not len(self):
            return self
        rate = max(length - 2, 1) / span
        return self[_spread_rows(self.ids, self.seconds, rate, span * (1 + 1e-9), length, now)]

    def moved_to(self, xy: NDArray[np.float32]) -> Memory:
        """Return the same rows at new keypoint places; boxes go along by the median motion."""
        if not len(self):
            return self
        shift = _median_step(self.xy, xy)
        return self._but(xy=xy, xyxy=self.xyxy + np.tile(shift, 2))

    def carried(
        self, flow: FlowEstimator, before: Any, after: Any, size: tuple[int, int]
    ) -> Memory:
        """Return the rows where the flow says they are in the image after.

        Those wholly outside the picture, whose width and height are ``size``, stay where they are
        believed to be: flow says nothing of them.
        """
        blank = self.blank
        if not blank.any():
            return self._carried(flow, before, after, size)
        # Who was found by a box alone moves as the middle of the box does.
        anchored = self._but(xy=np.where(blank[:, None, None], self._in_boxes(), self.xy))
        carried = anchored._carried(flow, before, after, size)
        xy = np.where(blank[:, None, None], np.float32(np.nan), carried.xy)
        return carried._but(xy=xy)

    def _carried(
        self, flow: FlowEstimator, before: Any, after: Any, size: tuple[int, int]
    ) -> Memory:
        xy = move_poses(flow, before, after, self.xy)
        outside = ~inside_image(self.xy, size).any(axis=1)
        xy[outside] = self.xy[outside]
        return self.moved_to(xy)

    @property
    def blank(self) -> NDArray[np.bool_]:
        """(R,), who was found by a box alone, without keypoints."""
        return unseen(self.found_xy)

    def _in_boxes(self) -> NDArray[np.float32]:
        """(R, K, 2) points all over the middle half of each box, where the person is."""
        steps = np.arange(self.xy.shape[1]) + 0.5
        spread = np.stack([steps * 0.618 % 1, steps / len(steps)], axis=1)  # evenly, in no line
        sides = self.xyxy[:, 2:] - self.xyxy[:, :2]
        points = self.xyxy[:, None, :2] + (0.25 + 0.5 * spread) * sides[:, None]
        return points.astype(np.float32)

    def as_found(self) -> Memory:
        """Return the rows where the people were found, each in the pixels of its own image."""
        return self._but(xy=self.found_xy, xyxy=self.found_xyxy)

    def coasted(self, now: float) -> Memory:
        """Return the rows where they would be at a moment if everybody goes on as before.

        For where the motion cannot be seen: each identity moves by the median motion of its
        keypoints between an older and its newest row.
        """
        if not len(self):
            return self
        shift = self._shift(self.xy, self.blank, now)
        return self._but(xy=self.xy + shift[:, None], xyxy=self.xyxy + np.tile(shift, 2))

    def walked_out(self, now: float, size: tuple[int, int]) -> dict[int, float]:
        """Return who has walked out of the picture by now, and for how many seconds they are out.

        That is whose newest box a border cut, once less than half of what it showed is left if
        they go on as before; who was not yet cut may have turned. Keypoints crowd at a border:
        what goes on there as the person does is the box's edge inside. Only rows that a detection
        supports count, each in the pixels of its own image, whose width and height are ``size``:
        what flow carries stays at the border.
        """
        seen = self[self.flow_age <= 0].as_found()
        known, place, newest = number_ids(kernel_input(seen.ids, np.int64))
        box = seen.xyxy[newest]
        shown = clip_boxes(box, size)
        half = (shown[:, 2:] - shown[:, :2]) / 2
        sides = cut_sides(box, size) & (half > 0).all(axis=1, keepdims=True)
        low, high = sides[:, :2] & ~sides[:, 2:], sides[:, 2:] & ~sides[:, :2]
        if not (low | high).any():
            return {}
        edge = np.where(low[place], seen.xyxy[:, 2:], seen.xyxy[:, :2])
        step = seen._shift(edge[:, None], np.zeros(len(seen), np.bool_), now)[newest]
        outward = np.where(low, -step, np.where(high, step, 0))
        # The share of the time since then after which half of what was seen is out.
        share = np.full(half.shape, np.inf)
        share = np.divide(half, outward, out=share, where=outward > 0).min(axis=1)
        since = now - seen.seconds[newest]
        out = np.flatnonzero(share <= 1)
        return {int(known[who]): float(since[who] * (1 - share[who])) for who in out}

    def _shift(
        self, xy: NDArray[np.float32], blank: NDArray[np.bool_], now: float
    ) -> NDArray[np.float32]:
        """(R, 2) how far everybody goes until now, by these points of theirs."""
        return np.asarray(
            _coast(
                kernel_input(xy, np.float32),
                kernel_input(self.xyxy, np.float32),
                blank,
                kernel_input(self.ids, np.int64),
                kernel_input(self.seconds, np.float64),
                now,
            )
        )

    def scaled(self, factors: tuple[float, float]) -> Memory:
        """Return the same rows for an image whose width and height changed by ``factors``."""
        scale = np.array(factors, np.float32)
        box_scale = np.tile(scale, 2)
        return self._but(
            xy=self.xy * scale,
            xyxy=self.xyxy * box_scale,
            found_xy=self.found_xy * scale,
            found_xyxy=self.found_xyxy * box_scale,
        )

    def without_poses(self, rows: NDArray[np.bool_]) -> Memory:
        """Return the same rows, those that are True with no keypoints and an empty box."""
        if not rows.any():
            return self
        xy = np.where(rows[:, None, None], np.float32(np.nan), self.xy)
        return self._but(xy=xy, xyxy=np.where(rows[:, None], np.float32(0), self.xyxy))

    def renamed(self, old: int, new: int) -> Memory:
        """Return the same rows with one id changed everywhere."""
        return self._but(ids=np.where(self.ids == old, new, self.ids))

    def latest_of(self, ids: IntArray) -> Memory:
        """Return the newest row of each of ``ids``, in their order."""
        return self[self.latest_rows(ids)]

    def latest_rows(self, ids: IntArray) -> NDArray[np.intp]:
        """Return where the newest row of each of ``ids`` is, in their order."""
        known, _, newest = number_ids(self.ids)
        return np.asarray(newest[np.searchsorted(known, ids)])

    def _but(self, **changes: NDArray[Any]) -> Memory:
        """Return the same rows with other values of some fields: `replace`, in a third of its time.

        Nothing is checked: a frame makes several of these.
        """
        return assemble(Memory, **{**vars(self), **changes})

    def poses(self, skeleton: Skeleton) -> Poses:
        """Return the rows as poses, where they are believed to be in the latest image."""
        boxes = assemble(Detections, xyxy=self.xyxy, scores=self.box_scores)
        return assemble(Poses, xy=self.xy, scores=self.scores, boxes=boxes, skeleton=skeleton)


_FIELDS = tuple(field.name for field in fields(Memory))


def unseen(xy: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(R,), which of (R, K, 2) poses have no keypoint at all.

    Examples
    --------
    >>> unseen(np.array([[[np.nan, np.nan]], [[1.0, 2.0]]])).tolist()
    [True, False]
    """
    return np.asarray(_unseen(kernel_input(xy, np.float32)))


@compile_kernel
def _unseen(xy: NDArray[np.float32]) -> NDArray[np.bool_]:
    nobody = np.ones(len(xy), np.bool_)
    for row in range(len(xy)):
        for k in range(xy.shape[1]):
            if xy[row, k, 0] == xy[row, k, 0]:
                nobody[row] = False
                break
    return nobody


@compile_kernel
def number_ids(ids: IntArray) -> tuple[IntArray, NDArray[np.intp], NDArray[np.intp]]:
    """The different ids, ascending; which of them each row has; and the last row of each."""
    slots = 16
    while slots < 2 * len(ids):
        slots *= 2
    table = np.full(slots, -1, np.intp)  # a hash table: ids are small and mostly in a row
    found, place = np.empty(len(ids), np.int64), np.empty(len(ids), np.intp)
    last = np.empty(len(ids), np.intp)
    count = 0
    for row in range(len(ids)):
        slot = ids[row] & (slots - 1)
        while table[slot] >= 0 and found[table[slot]] != ids[row]:
            slot = (slot + 1) & (slots - 1)
        if table[slot] < 0:
            table[slot], found[count] = count, ids[row]
            count += 1
        place[row] = table[slot]
        last[table[slot]] = row
    order = np.argsort(found[:count], kind="mergesort")
    rank = np.empty(count, np.intp)
    for position in range(count):
        rank[order[position]] = position
    for row in range(len(ids)):
        place[row] = rank[place[row]]
    return found[:count][order], place, last[:count][order]


@compile_kernel
def _spread_rows(
    ids: IntArray, seconds: FloatArray, rate: float, span: float, length: int, now: float
) -> NDArray[np.intp]:
    """Rows to keep: of each identity the newest, and the oldest in each cell of time."""
    known, place, newest = number_ids(ids)
    cells, held = np.empty(len(known), np.int64), np.zeros(len(known), np.int64)
    begun = np.zeros(len(known), np.bool_)
    keep = np.empty(len(ids), np.bool_)
    for row in range(len(ids)):
        who, cell = place[row], int(np.floor(seconds[row] * rate))
        first = not begun[who] or cell != cells[who]
        begun[who], cells[who] = True, cell
        keep[row] = (first or newest[who] == row) and now - seconds[row] <= span
    for row in range(len(ids) - 1, -1, -1):
        if keep[row]:
            held[place[row]] += 1
            keep[row] = held[place[row]] <= length
    return np.flatnonzero(keep)


@compile_kernel
def _coast(
    xy: NDArray[np.float32],
    xyxy: NDArray[np.float32],
    blank: NDArray[np.bool_],
    ids: IntArray,
    seconds: FloatArray,
    now: float,
) -> NDArray[np.float32]:
    """(R, 2) how far each row has to go until now, see `Memory.coasted`."""
    known, place, newest = number_ids(ids)
    oldest, second = newest.copy(), newest.copy()
    for row in range(len(ids) - 1, -1, -1):
        who = place[row]
        # How somebody moves now, not how they did long ago: the oldest of the last few frames.
        if seconds[row] >= seconds[newest[who]] - _RECENT:
            oldest[who] = row
        if second[who] == newest[who]:
            second[who] = row
    velocity = np.zeros((len(known), 2))
    steps = np.empty(xy.shape[1], np.float32)
    half = np.float32(0.5)
    for who in range(len(known)):
        new, old = newest[who], oldest[who]
        if old == new:
            old = second[who]
        elapsed = seconds[new] - seconds[old]
        for axis in range(2):
            if blank[old] or blank[new]:
                before = (xyxy[old, axis] + xyxy[old, axis + 2]) * half
                step = (xyxy[new, axis] + xyxy[new, axis + 2]) * half - before
            else:
                step = _median_of(xy[old], xy[new], axis, steps)
            velocity[who, axis] = step / (elapsed if elapsed > 0 else 1.0)
    shift = np.empty((len(ids), 2), np.float32)
    for row in range(len(ids)):
        for axis in range(2):
            shift[row, axis] = velocity[place[row], axis] * (now - seconds[row])
    return shift


def _median_step(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """(R, 2) median motion of each row's keypoints that are known in both; 0 where none is."""
    steps = _median_steps(kernel_input(before, np.float32), kernel_input(after, np.float32))
    return np.asarray(steps)


@compile_kernel
def _median_steps(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    medians = np.empty((len(before), 2), np.float32)
    steps = np.empty(before.shape[1], np.float32)
    for row in range(len(before)):
        for axis in range(2):
            medians[row, axis] = _median_of(before[row], after[row], axis, steps)
    return medians


@compile_kernel
def _median_of(
    before: NDArray[np.float32], after: NDArray[np.float32], axis: int, steps: NDArray[np.float32]
) -> np.float32:
    """The median motion of one pose along an axis; ``steps`` is room to work in."""
    count = 0
    for k in range(len(before)):
        step = after[k, axis] - before[k, axis]
        if not np.isfinite(step):
            continue
        place = count
        while place > 0 and steps[place - 1] > step:  # few are sorted fastest by insertion
            steps[place] = steps[place - 1]
            place -= 1
        steps[place] = step
        count += 1
    if count == 0:
        return np.float32(0)
    median: np.float32 = (steps[(count - 1) // 2] + steps[count // 2]) * np.float32(0.5)
    return median
