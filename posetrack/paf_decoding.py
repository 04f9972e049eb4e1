"""Confidence maps and part affinity fields to people.

In five steps: peaks, their exact places, scores of the links between them, the best pairs, and
what is joined by pairs is a person.

After Cao, Simon, Wei, Sheikh, *Realtime Multi-Person 2D Pose Estimation using Part Affinity
Fields* (CVPR 2017), section 2, with the details of NVIDIA's trt_pose.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from posetrack._compiled import compiled, kernel_input
from posetrack._paf_kernels import (
    Float32Array,
    IntArray,
    best_pairs,
    find_peaks,
    joined,
    link_scores,
    refine_peaks,
)

TRT_POSE_LINKS: Final = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 7), (6, 8), (7, 9), (8, 10), (1, 2),
    (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (17, 0), (17, 5), (17, 6), (17, 11), (17, 12),
)  # fmt: skip
"""The two parts of each link of the published networks, in `posetrack.skeletons.COCO_17_NECK`. The
field of link i is in channels 2 i (rows) and 2 i + 1 (columns)."""


def decode_paf(
    cmap: ArrayLike,
    paf: ArrayLike,
    *,
    links: ArrayLike = TRT_POSE_LINKS,
    min_score: float = 0.1,
    min_link_score: float = 0.1,
    window: int = 5,
    samples: int = 7,
    max_parts: int = 100,
    max_people: int = 100,
) -> tuple[Float32Array, Float32Array]:
    """Find all people in one image's maps.

    Parameters
    ----------
    cmap
        (K, h, w), how surely a keypoint is in each cell.
    paf
        (2 L, h, w), the fields of the links: rows' part, then columns', of the first link, and
        so on.
    links
        (L, 2), indices of the keypoints that each link joins.
    min_score
        Smallest value of a peak. Lower finds more keypoints, also where there are none.
    min_link_score
        Two keypoints are joined only if their link scores more.
    window
        Cells across within which a peak must be the highest, and over which its place is averaged;
        odd.
    samples
        Points at which a field is read along a link.
    max_parts
        Most peaks of a kind; those further down are left out.
    max_people
        Most people; a keypoint that nothing is joined to counts as one.

    Returns
    -------
    xy
        (N, K, 2), x and y as parts of the maps' width and height, in [0, 1]; NaN where the person
        has no such keypoint.
    scores
        (N, K), the map's value at the peak; 0 where there is none.

    Raises
    ------
    ValueError
        If shapes disagree, a link names no keypoint, or a setting is out of range.

    Examples
    --------
    >>> cmap, paf = np.zeros((2, 8, 8)), np.zeros((2, 8, 8))
    >>> cmap[0, 4, 2] = cmap[1, 4, 5] = 0.9
    >>> paf[1, 4] = 1  # a link to the right
    >>> xy, scores = decode_paf(cmap, paf, links=[(0, 1)])
    >>> xy.tolist()
    [[[0.3125, 0.5625], [0.6875, 0.5625]]]
    """
    maps, fields = kernel_input(cmap, np.float32), kernel_input(paf, np.float32)
    pairs = kernel_input(links, np.int64).reshape(-1, 2)
    _require_shapes(maps, fields, pairs)
    _require_settings(window, samples, max_parts, max_people)
    people, places, peaks = _decode(
        maps,
        fields,
        pairs,
        np.float32(min_score),
        np.float32(min_link_score),
        int(window),
        int(samples),
        int(max_parts),
        int(max_people),
    )
    return _poses(maps, people, places, peaks)


def _require_shapes(cmap: Float32Array, paf: Float32Array, links: IntArray) -> None:
    if cmap.ndim != 3 or 0 in cmap.shape:
        raise ValueError(f"cmap must be (K, h, w), got {cmap.shape}")
    keypoints, height, width = cmap.shape
    if paf.shape != (2 * len(links), height, width):
        raise ValueError(f"paf must be {(2 * len(links), height, width)}, got {paf.shape}")
    if len(links) and not (links.min() >= 0 and links.max() < keypoints):
        raise ValueError(f"links name keypoints up to {links.max()}, the maps are {keypoints}")


def _require_settings(window: int, samples: int, max_parts: int, max_people: int) -> None:
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window must be an odd number of cells, got {window}")
    if samples < 2:
        raise ValueError(f"samples must be at least 2, the ends of a link, got {samples}")
    if max_parts < 1 or max_people < 1:
        raise ValueError(
            f"max_parts and max_people must be at least 1, got {max_parts} and {max_people}"
        )


@compiled
def _decode(
    cmap: Float32Array,
    paf: Float32Array,
    links: IntArray,
    min_score: np.float32,
    min_link_score: np.float32,
    window: int,
    samples: int,
    max_parts: int,
    max_people: int,
) -> tuple[IntArray, Float32Array, IntArray]:
    counts, peaks = find_peaks(cmap, min_score, window, max_parts)
    places = refine_peaks(cmap, counts, peaks, window)
    graph = link_scores(paf, links, counts, places, samples)
    partners = best_pairs(graph, links, counts, min_link_score)
    people = joined(links, counts, partners, max_people)
    return people, places, peaks


@compiled
def _poses(
    cmap: Float32Array, people: IntArray, places: Float32Array, peaks: IntArray
) -> tuple[Float32Array, Float32Array]:
    xy = np.full((*people.shape, 2), np.nan, np.float32)
    scores = np.zeros(people.shape, np.float32)
    for person in range(len(people)):
        for k in range(people.shape[1]):
            peak = people[person, k]
            if peak >= 0:
                xy[person, k, 0], xy[person, k, 1] = places[k, peak, 1], places[k, peak, 0]
                scores[person, k] = cmap[k, peaks[k, peak, 0], peaks[k, peak, 1]]
    return xy, scores
