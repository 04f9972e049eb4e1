"""HOTA: detection and association, together and apart (Luiten et al., IJCV 2021).

With the fragmentation-aware forms of PoseTrack21 (Döring et al., CVPR 2022). One kernel serves
keypoints, boxes and whole poses; they differ in their similarities and in what the assignment
maximises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from posetrack.evaluation.assignment import assign
from posetrack.evaluation.sequences import Floats, Ints
from posetrack.ops.compilation import compile_kernel

_EPS: Final = float(np.finfo(np.float64).eps)


@compile_kernel
def _add_potential(
    true_offsets: Ints,
    true_index: Ints,
    other_offsets: Ints,
    other_index: Ints,
    offsets: Ints,
    similarity: Floats,
    potential: Floats,
) -> None:
    """Add up over frames how far each pair of identities is similar to each other alone."""
    for f in range(len(true_offsets) - 1):
        height = true_offsets[f + 1] - true_offsets[f]
        width = other_offsets[f + 1] - other_offsets[f]
        if height == 0 or width == 0:
            continue
        frame = similarity[offsets[f] : offsets[f + 1]].reshape(height, width)
        by_row, by_column = frame.sum(axis=1), frame.sum(axis=0)
        for g in range(height):
            for p in range(width):
                union = by_column[p] + by_row[g] - frame[g, p]
                if union > _EPS:
                    potential[
                        true_index[true_offsets[f] + g], other_index[other_offsets[f] + p]
                    ] += frame[g, p] / union


@compile_kernel
def _associate(
    true_offsets: Ints,
    true_index: Ints,
    other_offsets: Ints,
    other_index: Ints,
    offsets: Ints,
    similarity: Floats,
    scores: Floats,
    alphas: Floats,
    matches: Floats,
    fragments: Floats,
    closeness: Floats,
) -> None:
    """Fill counts of matches, sums of squared fragment lengths, and summed similarities."""
    last = np.full(matches.shape[:2], -1)
    length = np.zeros(matches.shape[:2])
    for f in range(len(true_offsets) - 1):
        height = true_offsets[f + 1] - true_offsets[f]
        width = other_offsets[f + 1] - other_offsets[f]
        if height == 0 or width == 0:
            continue
        column = assign(-scores[offsets[f] : offsets[f + 1]].reshape(height, width))
        for g in range(height):
            if column[g] < 0:
                continue
            s = similarity[offsets[f] + g * width + column[g]]
            o = true_index[true_offsets[f] + g]
            h = other_index[other_offsets[f] + column[g]]
            for a in range(len(alphas)):
                if s < alphas[a] - _EPS:
                    break
                matches[a, o, h] += 1
                closeness[a] += s
                if last[a, o] != h:
                    if last[a, o] >= 0:
                        fragments[a, o, last[a, o]] += length[a, o] ** 2
                    last[a, o] = h
                    length[a, o] = 0
                length[a, o] += 1
    for a in range(len(alphas)):
        for o in range(matches.shape[1]):
            if last[a, o] >= 0:
                fragments[a, o, last[a, o]] += length[a, o] ** 2


ALPHAS: Final = np.arange(0.05, 0.99, 0.05)
"""The 19 similarities from which a pair counts as found; HOTA is the mean over them."""

_TINY: Final = 1e-10


@dataclass(frozen=True, eq=False)
class Hota:
    """HOTA and its parts as fractions, (19, ...) each: one row for each of `ALPHAS`.

    Keypoint scores have 16 columns: the 15 keypoints and the total. ``tp``, ``fn`` and ``fp`` are
    counts. ``frag_a`` is the association of fragments; ``fa_hota`` and ``fa_rhota`` use it.
    """

    hota: Floats
    det_a: Floats
    ass_a: Floats
    loc_a: Floats
    frag_a: Floats
    det_re: Floats
    det_pr: Floats
    ass_re: Floats
    ass_pr: Floats
    rhota: Floats
    fa_hota: Floats
    fa_rhota: Floats
    tp: Floats
    fn: Floats
    fp: Floats

    def mean(self) -> Hota:
        """The figures that papers report: means over the 19 similarities."""
        return Hota(*(getattr(self, field.name).mean(axis=0) for field in fields(self)))

    def summarize(self) -> dict[str, Any]:
        """For metrics.json: the means, and the figures at each similarity."""
        return {"mean": vars(self.mean()), "alphas": ALPHAS.round(2), "by_alpha": vars(self)}

    def with_total(self) -> Hota:
        """A last column more: the mean of ratios, the sum of counts."""
        columns = []
        for field in fields(self):
            values = getattr(self, field.name)
            fold = np.sum if field.name in ("tp", "fn", "fp") else np.mean
            columns.append(np.concatenate([values, fold(values, axis=1, keepdims=True)], axis=1))
        return Hota(*columns)


@dataclass(frozen=True, eq=False)
class Similarities:
    """Similar pairs of a sequence of F frames, all frames in one flat array.

    Parameters
    ----------
    true_offsets, other_offsets
        (F + 1,), rows of each frame's people.
    true_index, other_index
        (P,), (Q,), identities counted from 0.
    pair_offsets
        (F + 1,): pairs of frame f, row by row, start at ``pair_offsets[f]``.
    """

    true_offsets: Ints
    true_index: Ints
    other_offsets: Ints
    other_index: Ints
    pair_offsets: Ints


def pair_offsets(true_offsets: Ints, other_offsets: Ints) -> Ints:
    """Where each frame's pairs start in a flat array.

    Examples
    --------
    >>> pair_offsets(np.array([0, 2, 3]), np.array([0, 3, 3])).tolist()
    [0, 6, 6]
    """
    counts = np.diff(true_offsets) * np.diff(other_offsets)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def hota_of(
    where: Similarities,
    similarity: Floats,
    scores: Floats,
    true_sizes: Floats,
    other_sizes: Floats,
    true_total: float,
    other_total: float,
) -> Hota:
    """HOTA of one sequence and one kind of thing.

    Parameters
    ----------
    where
        Which pairs there are.
    similarity
        (R,) of every pair, in [0, 1].
    scores
        (R,), what the assignment of each frame maximises.
    true_sizes, other_sizes
        Number of detections of each identity.
    true_total, other_total
        What false negatives and false positives are counted from.
    """
    shape = len(ALPHAS), len(true_sizes), len(other_sizes)
    matches, fragments = np.zeros(shape), np.zeros(shape)
    closeness = np.zeros(len(ALPHAS))
    _associate(
        where.true_offsets, where.true_index, where.other_offsets, where.other_index,
        where.pair_offsets, similarity, scores, ALPHAS, matches, fragments, closeness,
    )  # fmt: skip
    tp = matches.sum(axis=(1, 2))
    found = np.maximum(1, tp)
    union = np.maximum(1, true_sizes[:, None] + other_sizes[None] - matches)
    return _finish(
        tp=tp,
        fn=true_total - tp,
        fp=other_total - tp,
        ass_a=(matches**2 / union).sum(axis=(1, 2)) / found,
        ass_re=(matches**2 / np.maximum(1, true_sizes)[:, None]).sum(axis=(1, 2)) / found,
        ass_pr=(matches**2 / np.maximum(1, other_sizes)).sum(axis=(1, 2)) / found,
        frag_a=(fragments / union).sum(axis=(1, 2)) / found,
        loc_a=np.maximum(_TINY, closeness) / np.maximum(_TINY, tp),
    )


def empty_hota(true_total: float) -> Hota:
    """HOTA of a sequence without any prediction."""
    zero = np.zeros(len(ALPHAS))
    return _finish(
        tp=zero, fn=zero + true_total, fp=zero, ass_a=zero, ass_re=zero, ass_pr=zero,
        frag_a=zero, loc_a=zero + 1,
    )  # fmt: skip


def combine(parts: Sequence[Hota]) -> Hota:
    """HOTA over sequences: counts added, association averaged with true positives as weights."""
    tp, fn, fp = (np.sum([getattr(part, name) for part in parts], axis=0) for name in _COUNTS)

    def weigh(name: str) -> Floats:
        total: Floats = np.sum([getattr(part, name) * part.tp for part in parts], axis=0)
        return total

    found = np.maximum(1, tp)
    return _finish(
        tp=tp,
        fn=fn,
        fp=fp,
        ass_a=weigh("ass_a") / found,
        ass_re=weigh("ass_re") / found,
        ass_pr=weigh("ass_pr") / found,
        frag_a=weigh("frag_a") / found,
        loc_a=np.maximum(_TINY, weigh("loc_a")) / np.maximum(_TINY, tp),
    )


def stack(parts: Sequence[Hota]) -> Hota:
    """(19,) parts as the columns of one."""
    return Hota(
        *(np.stack([getattr(part, field.name) for part in parts], axis=1) for field in fields(Hota))
    )


_COUNTS: Final = ("tp", "fn", "fp")


def _finish(
    *,
    tp: Floats,
    fn: Floats,
    fp: Floats,
    ass_a: Floats,
    ass_re: Floats,
    ass_pr: Floats,
    frag_a: Floats,
    loc_a: Floats,
) -> Hota:
    det_re = tp / np.maximum(1, tp + fn)
    det_a = tp / np.maximum(1, tp + fn + fp)
    return Hota(
        hota=np.sqrt(det_a * ass_a),
        det_a=det_a,
        ass_a=ass_a,
        loc_a=loc_a,
        frag_a=frag_a,
        det_re=det_re,
        det_pr=tp / np.maximum(1, tp + fp),
        ass_re=ass_re,
        ass_pr=ass_pr,
        rhota=np.sqrt(det_re * ass_a),
        fa_hota=np.sqrt(det_a * np.sqrt(ass_a * frag_a)),
        fa_rhota=np.sqrt(det_re * np.sqrt(ass_a * frag_a)),
        tp=tp,
        fn=fn,
        fp=fp,
    )


def align_scores(
    where: Similarities, similarity: Floats, true_sizes: Floats, other_sizes: Floats
) -> Floats:
    """(R,) similarities times how well the two whole tracks agree, as HOTA is published."""
    potential = np.zeros((len(true_sizes), len(other_sizes)))
    _add_potential(
        where.true_offsets, where.true_index, where.other_offsets, where.other_index,
        where.pair_offsets, similarity, potential,
    )  # fmt: skip
    union = true_sizes[:, None] + other_sizes[None] - potential
    alignment = potential / np.where(union > 0, union, 1)
    scores = np.empty(len(similarity))
    for f in range(len(where.true_offsets) - 1):
        g = where.true_index[where.true_offsets[f] : where.true_offsets[f + 1]]
        p = where.other_index[where.other_offsets[f] : where.other_offsets[f + 1]]
        rows = slice(where.pair_offsets[f], where.pair_offsets[f + 1])
        scores[rows] = alignment[np.ix_(g, p)].ravel() * similarity[rows]
    return scores
