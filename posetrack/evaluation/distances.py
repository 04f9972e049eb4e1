"""Distances between true and predicted keypoints in head sizes, frame by frame."""

from __future__ import annotations

from typing import Final

import numpy as np

from posetrack._compiled import compiled
from posetrack.evaluation.sequences import Bools, Floats

MAX_DISTANCE: Final = 0.5
"""A predicted keypoint is right if it is this many head sizes away at most (PCKh@0.5)."""


@compiled
def frame_distances(
    true_xy: Floats, true_has: Bools, sizes: Floats, other_xy: Floats, other_has: Bools
) -> Floats:
    """(G, P, K) distances divided by the true person's head size; infinite without both points.

    A head of size 0 gives infinity, or NaN where the points coincide: never a match.
    """
    people, others, count = len(true_xy), len(other_xy), true_xy.shape[1]
    distance = np.full((people, others, count), np.inf)
    for g in range(people):
        for p in range(others):
            for k in range(count):
                if true_has[g, k] and other_has[p, k]:
                    dx = true_xy[g, k, 0] - other_xy[p, k, 0]
                    dy = true_xy[g, k, 1] - other_xy[p, k, 1]
                    distance[g, p, k] = np.sqrt(dx * dx + dy * dy) / sizes[g]
    return distance
