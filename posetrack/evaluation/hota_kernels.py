"""HOTA's two loops over frames, compiled."""

from __future__ import annotations

from typing import Final

import numpy as np

from posetrack._compiled import compiled
from posetrack.evaluation.assignment import assign
from posetrack.evaluation.sequences import Floats, Ints

_EPS: Final = float(np.finfo(np.float64).eps)


@compiled
def add_potential(
    true_offsets: Ints,
    true_index: Ints,
    other_offsets: Ints,
    other_index: Ints,
    offsets: Ints,
    similarity: Floats,
    potential: Floats,
) -> None:
    """Add to each two identities how exclusively alike they are, frame by frame."""
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


@compiled
def associate(
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
