"""HOTA of every keypoint of a sequence, as PoseTrack21 has it."""

from __future__ import annotations

from typing import Final

import numpy as np

from posetrack._compiled import compiled
from posetrack.evaluation.distances import frame_distances
from posetrack.evaluation.hota import (
    Hota,
    Similarities,
    hota_of,
    nothing_found,
    pair_offsets,
    stack,
)
from posetrack.evaluation.sequences import Bools, Floats, Ints, SequencePair

_REACH: Final = 0.5001
"""Distance in head sizes at which the similarity has fallen from 1 to 0."""


def keypoint_hota(pair: SequencePair, *, per_frame_misses: bool = False) -> Hota:
    """HOTA of each keypoint, with the total as 16th column.

    Parameters
    ----------
    pair
        A sequence in which every frame has a true person.
    per_frame_misses
        The official kit counts, in a frame without predicted people, the true keypoints of the
        whole sequence as missed. True counts those of the frame.

    Raises
    ------
    ValueError
        If a predicted keypoint lies exactly on a true one whose head box has no size: their
        distance in head sizes is not defined, and the official kit fails.

    Notes
    -----
    The similarity is ``max(0, 1 - d / 0.5001)`` with d in head sizes. Each keypoint is assigned
    for itself, by the sum of similarities in the frame, without HOTA's global alignment.
    """
    truth, predicted = pair.truth, pair.predicted
    totals = truth.has.sum(axis=0)
    keypoints = truth.has.shape[1]
    if not len(predicted):
        return stack([nothing_found(total) for total in totals.tolist()]).with_total()
    true_ids, true_index = np.unique(truth.ids, return_inverse=True)
    other_ids, other_index = np.unique(predicted.ids, return_inverse=True)
    offsets = pair_offsets(truth.offsets, predicted.offsets)
    where = Similarities(truth.offsets, true_index, predicted.offsets, other_index, offsets)
    similarity = _similarities(
        truth.offsets, truth.xy, truth.has, truth.sizes,
        predicted.offsets, predicted.xy, predicted.has, offsets,
    )  # fmt: skip
    if np.isnan(similarity).any():
        raise ValueError(
            f"{pair.name}: a head box without size, and a prediction exactly on a keypoint of "
            "that person: their distance in head sizes is not defined"
        )
    empty = np.repeat(np.diff(predicted.offsets) == 0, np.diff(truth.offsets))
    empty_frames = int((np.diff(predicted.offsets) == 0).sum())
    parts = []
    for k in range(keypoints):
        missed_total = float(totals[k])
        if not per_frame_misses:
            missed_total += float(empty_frames * totals[k] - truth.has[empty, k].sum())
        parts.append(
            hota_of(
                where,
                similarity[k],
                similarity[k],
                _sizes(true_index, truth.has[:, k], len(true_ids)),
                _sizes(other_index, predicted.has[:, k], len(other_ids)),
                missed_total,
                float(predicted.has[:, k].sum()),
            )
        )
    return stack(parts).with_total()


def _sizes(index: Ints, has: Bools, count: int) -> Floats:
    return np.bincount(index[has], minlength=count).astype(np.float64)


@compiled
def _similarities(
    true_offsets: Ints,
    true_xy: Floats,
    true_has: Bools,
    sizes: Floats,
    other_offsets: Ints,
    other_xy: Floats,
    other_has: Bools,
    offsets: Ints,
) -> Floats:
    """(K, R): of every keypoint, the pairs of all frames in one row."""
    similarity = np.zeros((true_xy.shape[1], offsets[-1]))
    for f in range(len(true_offsets) - 1):
        g0, g1 = true_offsets[f], true_offsets[f + 1]
        p0, p1 = other_offsets[f], other_offsets[f + 1]
        distance = frame_distances(
            true_xy[g0:g1], true_has[g0:g1], sizes[g0:g1], other_xy[p0:p1], other_has[p0:p1]
        )
        n = offsets[f]
        for g in range(g1 - g0):
            for p in range(p1 - p0):
                for k in range(len(similarity)):
                    d = distance[g, p, k]
                    if np.isnan(d):
                        similarity[k, n] = d
                    elif d < _REACH:
                        similarity[k, n] = (-1 / _REACH) * d + 1
                n += 1
    return similarity
