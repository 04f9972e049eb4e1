"""Who is who: remembered people compared with poses of now, and why each got their identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.boxes import iou_matrix
from posetrack.tracking.association import Found, Matching, Similarity, best_by_id
from posetrack.tracking.memory import Memory

IntArray = NDArray[np.int64]


class Reason(IntEnum):
    """Why somebody has their identity."""

    NEW = 0
    """Nobody remembered was like enough, or another pose was liker."""
    FLOW = 1
    """Like the poses that flow has moved to this image."""
    COASTED = 2
    """Like the poses moved on by their own velocity."""
    STILL = 3
    """Like the poses where they were found."""
    REENTERED = 4
    """As one of the others, but not found in the frame before."""
    BOX = 5
    """Like the box, where now or then it had no keypoints, or was cut by the picture's border."""
    CONFIRMED = 6
    """Past probation in this frame: the first of the identity, found before without one."""


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Why the people of one image have their identities; a row for each, in the tracks' order.

    Parameters
    ----------
    ids
        (N,) int64.
    reason
        (N,) int64, a `Reason` each.
    similarity
        (N,) float64, to what is remembered of the identity; of somebody new, to the likest of
        those remembered, 0 where there is nobody.
    margin
        (N,) float64, how much that is more than the pose's similarity to any other identity, and
        any other pose's to this one. Below 0 where a closer pair was taken before. NaN if new.
        Who has an identity is matched first, so those on probation are nobody's rivals but theirs.
    runner_up
        (N,) int64, the identity next in similarity; 0: none.
    gap
        (N,) int64, frames since the person was last found: 1 is the frame before; 0 if new.
    """

    ids: IntArray
    reason: IntArray
    similarity: NDArray[np.float64]
    margin: NDArray[np.float64]
    runner_up: IntArray
    gap: IntArray

    @classmethod
    def empty(cls) -> Explanation:
        """Nobody.

        Examples
        --------
        >>> len(Explanation.empty())
        0
        """
        whole, real = np.zeros(0, np.int64), np.zeros(0)
        return cls(whole, whole, real, real, whole, whole)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Any) -> Explanation:
        return Explanation(*(getattr(self, field.name)[rows] for field in fields(self)))

    def __repr__(self) -> str:
        return f"Explanation(ids {self.ids.tolist()})"


@dataclass(frozen=True, eq=False)
class Compared:
    """Similarities of remembered people with poses of now.

    Parameters
    ----------
    known
        (I,) whom.
    similar
        (I, N).
    reason
        (I, N), the `Reason` of each: what they were likest to.
    past, newest
        All rows remembered, and which is the newest of each of the known.
    """

    known: IntArray
    similar: NDArray[np.floating]
    reason: IntArray
    past: Memory
    newest: NDArray[np.intp]

    def match(self, matching: Matching, at_least: float) -> tuple[IntArray, NDArray[np.intp]]:
        """Id of each pose (0: nobody's), and its row among the known (-1).

        Who has an identity is matched first, who is on probation with what is left.
        """
        count = self.similar.shape[1]
        ids, place = np.zeros(count, np.int64), np.full(count, -1)
        if len(self.known) and self.known[0] > 0:  # nobody is on probation; they are ascending
            row, column = matching(self.similar, at_least=at_least)
            place[column], ids[column] = row, self.known[row]
            return ids, place
        for group in (self.known > 0, self.known < 0):
            rows, free = np.flatnonzero(group), np.flatnonzero(place < 0)
            if len(rows) and len(free):
                row, column = matching(self.similar[np.ix_(rows, free)], at_least=at_least)
                place[free[column]] = rows[row]
        ids[place >= 0] = self.known[place[place >= 0]]
        return ids, place


def compare(
    places: Mapping[Reason, Memory],
    found: Found,
    similarity: Similarity,
    *,
    recency: float,
    min_new_score: float,
    now: float,
    frame: int,
    returning: NDArray[np.bool_] | None = None,
) -> Compared:
    """How alike everybody remembered is to each pose found, in the likeliest of their places.

    Parameters
    ----------
    places
        The same R rows wherever they may be now, by what moved them there; where they are
        equally like in two places, the first counts.
    found
        N poses.
    similarity
        Of R poses to N.
    recency
        Factor for each second that a row is old.
    min_new_score
        Poses whose score is below are compared with the people of the last frame only.
    now, frame
        Seconds, and number of the frame.
    returning
        (R, N) which rows are also compared with which poses by the box, where it was found.

    Raises
    ------
    ValueError
        If the similarity is not of shape (R, N).
    """
    poses, past = found.poses, next(iter(places.values()))
    if not (len(past) and len(poses)):
        nobody, nothing = np.zeros(0, np.int64), np.zeros((0, len(poses)), np.int64)
        return Compared(nobody, nothing.astype(np.float32), nothing, past, nobody)
    fresh = np.float32(recency) ** (now - past.seconds).astype(np.float32)
    # Who has no keypoints, now or then, is compared by the box.
    then, today = past.blank, found.blank & found.good
    by_box = then[:, None] | today if then.any() or today.any() else None
    stack, reasons = [], []
    for reason, rows in places.items():
        similar = np.asarray(similarity(rows.poses(poses.skeleton), found.seen_poses))
        expected = (len(past), len(poses))
        if similar.shape != expected:
            raise ValueError(f"similarity: expected shape {expected}, got {similar.shape}")
        if by_box is not None:
            overlap = np.where(by_box, iou_matrix(rows.xyxy, found.xyxy), np.float32(np.nan))
            stack.append(best_by_id(overlap, past.ids, fresh)[1])
            reasons.append(int(Reason.BOX))
            similar = np.where(by_box, np.float32(np.nan), similar)
        known, best = best_by_id(similar, past.ids, fresh)
        stack.append(best)
        reasons.append(int(reason))
    if returning is not None:
        overlap = np.where(returning, iou_matrix(past.found_xyxy, found.xyxy), np.float32(np.nan))
        back = best_by_id(overlap, past.ids, fresh)[1]
        # Who is liker to somebody else, as who came in a frame ago, is not coming in now.
        rival = np.nan_to_num(np.fmax.reduce(stack)).max(axis=0)
        stack.append(np.where(back > rival, back, np.float32(np.nan)))
        reasons.append(int(Reason.BOX))
    if len(stack) == 1:
        best, likest = stack[0], np.full(stack[0].shape, reasons[0], np.int64)
    else:
        likest = np.array(reasons)[np.nan_to_num(stack, nan=-1.0).argmax(axis=0)]
        best = np.fmax.reduce(stack)
    best[:, ~found.good] = np.nan
    newest = past.latest_rows(known)
    # A pose too weak to be somebody new goes on with who was there a frame ago, or is nobody.
    away, weak = past.frame[newest] < frame - 1, found.scores < min_new_score
    if away.any() and weak.any():
        best[np.ix_(away, weak)] = np.nan
    return Compared(known, best, likest, past, newest)


def explain(
    compared: Compared, matched: IntArray, ids: IntArray, shown: NDArray[np.intp], frame: int
) -> Explanation:
    """Why each pose shown has its identity.

    Parameters
    ----------
    compared
        What the matching saw: I known, N poses.
    matched
        (N,) the known identity that each pose was matched to, 0 or another if none.
    ids
        (N,) the identity under which it is shown: somebody on probation has another by then.
    shown
        (M,) which of the N.
    frame
        Number of this frame.

    Returns
    -------
    explanation
        M rows.
    """
    known, count = compared.known, len(shown)
    similar = np.nan_to_num(np.asarray(compared.similar, np.float64)[:, shown])
    if not len(known):
        none, zeros = np.zeros(count, np.int64), np.zeros(count)
        return Explanation(ids[shown], none, zeros, np.full(count, np.nan), none, none)
    row = np.minimum(np.searchsorted(known, matched[shown]), len(known) - 1)
    is_old = known[row] == matched[shown]
    columns = np.arange(count)
    own = similar[row, columns]
    others = similar.copy()
    others[row[is_old], columns[is_old]] = -1.0
    settled = matched[shown] > 0
    others[np.ix_(known < 0, settled)] = -1.0
    rival = others.argmax(axis=0)
    best_other = np.maximum(others[rival, columns], 0)
    # Another pose that is as like this identity makes it doubtful, too.
    beside = np.nan_to_num(np.asarray(compared.similar, np.float64))[row]
    beside[columns, shown] = 0
    beside = beside.max(axis=1, initial=0)
    # Whom somebody on probation was matched as has the id given out now.
    now = dict(zip(matched[shown].tolist(), ids[shown].tolist(), strict=True))
    named = [now.get(int(who), int(who)) for who in known[rival]]
    gap = np.where(is_old, frame - compared.past.frame[compared.newest[row]], 0)
    reason = np.where(gap > 1, int(Reason.REENTERED), compared.reason[row, shown])
    reason = np.where((matched[shown] < 0) & (ids[shown] > 0), int(Reason.CONFIRMED), reason)
    return Explanation(
        ids[shown],
        np.where(is_old, reason, int(Reason.NEW)),
        np.where(is_old, own, best_other),
        np.where(is_old, own - np.maximum(best_other, beside), np.nan),
        np.where(best_other > 0, np.maximum(named, 0), 0),
        gap,
    )
