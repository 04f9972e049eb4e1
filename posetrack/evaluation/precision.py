"""Average precision per keypoint: predicted poses matched to true ones, then ranked by score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from posetrack.evaluation.sequences import (
    MAX_DISTANCE,
    Bools,
    Floats,
    Ints,
    SequencePair,
    frame_distances,
)
from posetrack.ops.compilation import compile_kernel


@dataclass(frozen=True, eq=False)
class RankedKeypoints:
    """Every predicted keypoint, whether it is right, and how many true ones there are.

    Parameters
    ----------
    keypoint
        (Q,), 0 to K - 1.
    scores
        (Q,).
    right
        (Q,), near enough to the keypoint of the true person that its pose is matched to.
    true_counts
        (K,) numbers of true keypoints.
    """

    keypoint: Ints
    scores: Floats
    right: Bools
    true_counts: Ints


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """AP, precision and recall in percent: (K + 1,) each, the keypoints and then the total.

    NaN where a keypoint has predictions but no ground truth; the total is the mean over the
    keypoints that are not NaN.
    """

    ap: Floats
    precision: Floats
    recall: Floats


def rank_keypoints(pair: SequencePair) -> RankedKeypoints:
    """Match poses by PCKh in every frame and label their keypoints right or wrong.

    Each predicted pose may be matched only to the true pose that it fits best, each true pose
    takes the best of those; there is no second choice.
    """
    truth, predicted = pair.truth, pair.predicted
    right = _right(
        truth.offsets, truth.xy, truth.has, truth.sizes,
        predicted.offsets, predicted.xy, predicted.has,
    )  # fmt: skip
    rows, keypoint = np.nonzero(predicted.has)
    return RankedKeypoints(
        keypoint=keypoint,
        scores=predicted.scores[rows, keypoint],
        right=right[rows, keypoint],
        true_counts=truth.has.sum(axis=0),
    )


def pool(parts: Sequence[RankedKeypoints], keypoints: int) -> RankedKeypoints:
    """All sequences as one."""
    empty = np.zeros(0, np.int64)
    return RankedKeypoints(
        np.concatenate([empty, *(part.keypoint for part in parts)]),
        np.concatenate([np.zeros(0), *(part.scores for part in parts)]),
        np.concatenate([np.zeros(0, np.bool_), *(part.right for part in parts)]),
        np.sum([np.zeros(keypoints, np.int64), *(part.true_counts for part in parts)], axis=0),
    )


def average_precision(
    ranked: RankedKeypoints, *, nan_without_truth: bool = True
) -> AveragePrecision:
    """Area under each keypoint's precision-recall curve.

    Parameters
    ----------
    ranked
        What to rank.
    nan_without_truth
        True, as PoseTrack 2017 / 2018: a keypoint with predictions but without ground truth is
        left out of the mean. False, as PoseTrack21: it counts as 0.

    Notes
    -----
    Among equal scores, which the official evaluators order as their numpy happens to, the later
    prediction ranks first; what another order could give is in `tie_bounds`.

    Examples
    --------
    >>> ranked = RankedKeypoints(
    ...     np.zeros(3, np.int64), np.array([0.9, 0.8, 0.7]), np.array([True, False, True]),
    ...     np.array([2]),
    ... )
    >>> average_precision(ranked).ap.round(1).tolist()
    [83.3, 83.3]
    """
    count = len(ranked.true_counts)
    values = np.zeros((3, count + 1))
    for k in range(count):
        rows = ranked.keypoint == k
        scores, right = ranked.scores[rows], ranked.right[rows]
        if not len(scores):
            continue
        order = np.argsort(scores, kind="stable")[::-1]
        true_count = int(ranked.true_counts[k])
        if true_count == 0:
            values[:, k] = (np.nan, 0.0, np.nan) if nan_without_truth else 0.0
        else:
            values[:, k] = _area(right[order], true_count)
    known = [row[:count][~np.isnan(row[:count])] for row in values]
    values[:, count] = [row.mean() if len(row) else np.nan for row in known]
    return AveragePrecision(100 * values[0], 100 * values[1], 100 * values[2])


def tie_bounds(ranked: RankedKeypoints) -> tuple[Floats, Floats]:
    """Smallest and largest AP in percent that any order of equal scores could give, (K,) each.

    Examples
    --------
    >>> ranked = RankedKeypoints(
    ...     np.zeros(2, np.int64), np.array([0.5, 0.5]), np.array([True, False]), np.array([1])
    ... )
    >>> [bound.tolist() for bound in tie_bounds(ranked)]
    [[50.0], [100.0]]
    """
    bounds = np.zeros((2, len(ranked.true_counts)))
    for k, true_count in enumerate(ranked.true_counts.tolist()):
        rows = ranked.keypoint == k
        scores, right = ranked.scores[rows], ranked.right[rows]
        if true_count and len(scores):
            for b, first in enumerate((right, ~right)):
                bounds[b, k] = _area(right[np.lexsort((first, -scores))], true_count)[0]
    return 100 * bounds[0], 100 * bounds[1]


def _area(right: Bools, true_count: int) -> tuple[float, float, float]:
    """AP, last precision and last recall of labels in ranked order, as fractions."""
    hits = np.cumsum(right)
    recall = hits / true_count
    precision = hits / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(recall, prepend=0.0)
    return float((steps * envelope).sum()), float(precision[-1]), float(recall[-1])


class PrecisionOfAll(TypedDict):
    """AP over all sequences, of each, and the bounds that ties leave: fields of a result."""

    ap: AveragePrecision
    ap_by_sequence: tuple[AveragePrecision, ...]
    ap_low: Floats
    ap_high: Floats


def precision_of_all(
    parts: Sequence[RankedKeypoints], keypoints: int, *, nan_without_truth: bool
) -> PrecisionOfAll:
    """AP of sequences together and alone, with `tie_bounds` of all together."""
    pooled = pool(parts, keypoints)
    low, high = tie_bounds(pooled)
    return {
        "ap": average_precision(pooled, nan_without_truth=nan_without_truth),
        "ap_by_sequence": tuple(
            average_precision(part, nan_without_truth=nan_without_truth) for part in parts
        ),
        "ap_low": low,
        "ap_high": high,
    }


def tie_notes(precision: PrecisionOfAll) -> list[str]:
    """A sentence for the reader if equal scores leave AP undefined."""
    spread = float((precision["ap_high"] - precision["ap_low"]).max(initial=0))
    if spread <= 1e-9:
        return []
    return [
        f"equal scores leave AP undefined by up to {spread:.2f} (of one keypoint): see "
        "ap_low and ap_high"
    ]


@compile_kernel
def _right(
    true_offsets: Ints,
    true_xy: Floats,
    true_has: Bools,
    sizes: Floats,
    other_offsets: Ints,
    other_xy: Floats,
    other_has: Bools,
) -> Bools:
    right = np.zeros_like(other_has)
    for f in range(len(true_offsets) - 1):
        g0, g1 = true_offsets[f], true_offsets[f + 1]
        p0, p1 = other_offsets[f], other_offsets[f + 1]
        if g0 == g1 or p0 == p1:
            continue
        distance = frame_distances(
            true_xy[g0:g1], true_has[g0:g1], sizes[g0:g1], other_xy[p0:p1], other_has[p0:p1]
        )
        match = _match_poses(distance, true_has[g0:g1])
        for g in range(g1 - g0):
            p = match[g]
            if p >= 0:
                for k in range(right.shape[1]):
                    right[p0 + p, k] = distance[g, p, k] <= MAX_DISTANCE
    return right


@compile_kernel
def _match_poses(distance: Floats, true_has: Bools) -> Ints:
    """Predicted pose of each true one, -1 without; equal PCKh go to the first of both."""
    people, others, count = distance.shape[0], distance.shape[1], distance.shape[2]
    pckh = np.zeros((people, others))
    for g in range(people):
        annotated = max(true_has[g].sum(), 1)
        for p in range(others):
            hits = 0
            for k in range(count):
                hits += distance[g, p, k] <= MAX_DISTANCE
            pckh[g, p] = hits / annotated
    match = np.full(people, -1, np.int64)
    best = np.zeros(people)
    for p in range(others):
        g = int(np.argmax(pckh[:, p]))
        if pckh[g, p] > best[g]:
            best[g] = pckh[g, p]
            match[g] = p
    return match
