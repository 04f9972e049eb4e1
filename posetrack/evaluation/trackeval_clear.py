"""CLEAR metrics with the accounting of TrackEval, which differs from motmetrics'.

Source: github.com/JonathonLuiten/TrackEval, the CLEAR metric: identities carry on only from the
frame before in which both sides had somebody, as a bonus in one assignment; more than 80 % (not
80 %) is mostly tracked; the similarity of detections, not their distance, is averaged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from posetrack.evaluation.assignment import assign
from posetrack.evaluation.similarities import FrameSimilarities

_BONUS: Final = 1000.0
_EPS: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class TrackEvalClear:
    """Counts of one sequence, and TrackEval's ratios of them.

    ``similarity`` is the sum over detections (``tp``); ``fragmentations`` counts how often a track
    begins again.
    """

    tp: int
    fn: int
    fp: int
    switches: int
    mostly_tracked: int
    partially_tracked: int
    mostly_lost: int
    fragmentations: int
    similarity: float
    frames: int

    @property
    def mota(self) -> float:
        """(TP - FP - switches) / (TP + FN)."""
        return (self.tp - self.fp - self.switches) / max(1, self.tp + self.fn)

    @property
    def motp(self) -> float:
        """Mean similarity of detections (large is good)."""
        return self.similarity / max(1, self.tp)

    @property
    def moda(self) -> float:
        """MOTA without switches."""
        return (self.tp - self.fp) / max(1, self.tp + self.fn)

    @property
    def smota(self) -> float:
        """MOTA with similarities in place of detections."""
        return (self.similarity - self.fp - self.switches) / max(1, self.tp + self.fn)

    @property
    def motal(self) -> float:
        """MOTA with the logarithm of the switches."""
        switches = math.log10(self.switches) if self.switches else 0.0
        return (self.tp - self.fp - switches) / max(1, self.tp + self.fn)

    @property
    def recall(self) -> float:
        """TP / (TP + FN)."""
        return self.tp / max(1, self.tp + self.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP)."""
        return self.tp / max(1, self.tp + self.fp)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return self.tp / max(1.0, self.tp + 0.5 * self.fn + 0.5 * self.fp)

    @property
    def false_positives_a_frame(self) -> float:
        """FP / frames."""
        return self.fp / max(1, self.frames)


def trackeval_clear(sequence: FrameSimilarities, *, min_similarity: float = 0.5) -> TrackEvalClear:
    """TrackEval's CLEAR metrics of one sequence.

    Examples
    --------
    >>> one, sure = np.array([1]), np.ones((1, 1))
    >>> walk = FrameSimilarities("walk", np.arange(2), (one, one), (one, one + 1), (sure, sure))
    >>> trackeval_clear(walk).mota
    0.5
    """
    seen: dict[int, int] = {}
    found: dict[int, int] = {}
    starts: dict[int, int] = {}
    ever: dict[int, int] = {}
    before: dict[int, int] = {}
    tp = fn = fp = switches = 0
    closeness = 0.0
    for true, other, similarity in zip(
        sequence.true_ids, sequence.predicted_ids, sequence.similarities, strict=True
    ):
        people, others = true.tolist(), other.tolist()
        for person in people:
            seen[person] = seen.get(person, 0) + 1
        if not people or not others:
            fn, fp = fn + len(people), fp + len(others)
            continue
        now = _match(people, others, similarity, before, min_similarity)
        for g, p in now.items():
            person, track = people[g], others[p]
            switches += ever.get(person, track) != track
            ever[person] = track
            found[person] = found.get(person, 0) + 1
            starts[person] = starts.get(person, 0) + (person not in before)
            closeness += float(similarity[g, p])
        before = {people[g]: others[p] for g, p in now.items()}
        tp, fn, fp = tp + len(now), fn + len(people) - len(now), fp + len(others) - len(now)
    shares = [found.get(person, 0) / count for person, count in seen.items()]
    mostly = sum(share > 0.8 for share in shares)
    lost = sum(share < 0.2 for share in shares)
    return TrackEvalClear(
        tp=tp,
        fn=fn,
        fp=fp,
        switches=switches,
        mostly_tracked=mostly,
        partially_tracked=len(shares) - mostly - lost,
        mostly_lost=lost,
        fragmentations=sum(count - 1 for count in starts.values()),
        similarity=closeness,
        frames=len(sequence.frames),
    )


def _match(
    people: list[int],
    others: list[int],
    similarity: np.ndarray,
    before: dict[int, int],
    min_similarity: float,
) -> dict[int, int]:
    """Row to column; who was together in the frame before stays so if near enough."""
    same = np.array([[before.get(person) == track for track in others] for person in people])
    scores = np.where(similarity < min_similarity - _EPS, 0.0, _BONUS * same + similarity)
    columns = assign(-scores)
    rows = np.flatnonzero(columns >= 0)
    return {int(g): int(columns[g]) for g in rows if scores[g, columns[g]] > _EPS}
