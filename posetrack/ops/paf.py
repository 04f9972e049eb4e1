"""Confidence maps and part affinity fields to people.

In five steps: peaks, their exact places, scores of the links between them, the best pairs, and
what is joined by pairs is a person.

After Cao, Simon, Wei, Sheikh, *Realtime Multi-Person 2D Pose Estimation using Part Affinity
Fields* (CVPR 2017), section 2, with the details of NVIDIA's trt_pose. Float32 throughout, as
there: a place one rounding further can lie in another cell. Places are (row, column).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.compilation import compile_kernel, kernel_input

Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int64]

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
        Smallest value of a peak. Lower finds more keypoints, false ones included.
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
        (N, K), the map's value at the peak; 0 without a peak.

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


@compile_kernel
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
    counts, peaks = _find_peaks(cmap, min_score, window, max_parts)
    places = _refine_peaks(cmap, counts, peaks, window)
    graph = _link_scores(paf, links, counts, places, samples)
    partners = _best_pairs(graph, links, counts, min_link_score)
    people = _join_pairs(links, counts, partners, max_people)
    return people, places, peaks


@compile_kernel
def _poses(
    cmap: Float32Array, people: IntArray, places: Float32Array, peaks: IntArray
) -> tuple[Float32Array, Float32Array]:
    # places are (row, column), poses (x, y).
    xy = np.full((*people.shape, 2), np.nan, np.float32)
    scores = np.zeros(people.shape, np.float32)
    for person in range(len(people)):
        for k in range(people.shape[1]):
            peak = people[person, k]
            if peak >= 0:
                xy[person, k, 0], xy[person, k, 1] = places[k, peak, 1], places[k, peak, 0]
                scores[person, k] = cmap[k, peaks[k, peak, 0], peaks[k, peak, 1]]
    return xy, scores


@compile_kernel
def _find_peaks(
    cmap: Float32Array, min_score: np.float32, window: int, max_parts: int
) -> tuple[IntArray, IntArray]:
    """Cells that no other in their window exceeds, in row order.

    Returns
    -------
    counts
        (K,) int64, peaks of each keypoint.
    peaks
        (K, M, 2) int64, row and column; M is the largest count, what is beyond a count is 0.
    """
    keypoints, height, width = cmap.shape
    reach = window // 2
    counts = np.zeros(keypoints, np.int64)
    peaks = np.zeros((keypoints, min(max_parts, height * width), 2), np.int64)
    most = 0
    for k in range(keypoints):
        for y in range(height):
            for x in range(width):
                value = cmap[k, y, x]
                # Written so that NaN is no peak.
                if not min_score <= value < np.inf or counts[k] == max_parts:
                    continue
                if _is_highest(cmap[k], y, x, reach):
                    peaks[k, counts[k], 0], peaks[k, counts[k], 1] = y, x
                    counts[k] += 1
        most = max(most, counts[k])
    return counts, peaks[:, :most].copy()


@compile_kernel
def _is_highest(values: Float32Array, y: int, x: int, reach: int) -> bool:
    height, width = values.shape
    for row in range(max(y - reach, 0), min(y + reach + 1, height)):
        for column in range(max(x - reach, 0), min(x + reach + 1, width)):
            if values[row, column] > values[y, x]:
                return False
    return True


@compile_kernel
def _refine_peaks(
    cmap: Float32Array, counts: IntArray, peaks: IntArray, window: int
) -> Float32Array:
    """Centres of mass of the windows around peaks, as parts of the map's height and width.

    Beyond the border the map goes on as its mirror image.

    Returns
    -------
    places
        (K, M, 2) float32, row and column in [0, 1].
    """
    _, height, width = cmap.shape
    places = np.zeros(peaks.shape, np.float32)
    reach = window // 2
    for k in range(len(counts)):
        for p in range(counts[k]):
            down, across, total = np.float32(0), np.float32(0), np.float32(0)
            y, x = peaks[k, p]
            for row in range(y - reach, y + reach + 1):
                for column in range(x - reach, x + reach + 1):
                    weight = cmap[k, _mirror(row, height), _mirror(column, width)]
                    down += weight * np.float32(row)
                    across += weight * np.float32(column)
                    total += weight
            places[k, p, 0] = (down / total + np.float32(0.5)) / np.float32(height)
            places[k, p, 1] = (across / total + np.float32(0.5)) / np.float32(width)
            # Values below 0 nearby can put the centre of mass anywhere; then the cell's own is it.
            if not (
                abs(places[k, p, 0] * height - y - 0.5) <= height
                and abs(places[k, p, 1] * width - x - 0.5) <= width
            ):
                places[k, p, 0] = (y + np.float32(0.5)) / np.float32(height)
                places[k, p, 1] = (x + np.float32(0.5)) / np.float32(width)
    return places


@compile_kernel
def _mirror(index: int, size: int) -> int:
    if index < 0:
        index = -index
    elif index >= size:
        index = 2 * size - index - 2
    return min(max(index, 0), size - 1)  # a window wider than the map


@compile_kernel
def _link_scores(
    paf: Float32Array, links: IntArray, counts: IntArray, places: Float32Array, samples: int
) -> Float32Array:
    """How well the fields run along the line between each two peaks that a link could join.

    Returns
    -------
    graph
        (L, M, M) float32: mean over the samples of the field's part along the line, outside the
        map 0.
    """
    most = places.shape[1]
    graph = np.zeros((len(links), most, most), np.float32)
    for i in range(len(links)):
        first, second = links[i, 0], links[i, 1]
        for a in range(counts[first]):
            for b in range(counts[second]):
                graph[i, a, b] = _along(
                    paf[2 * i], paf[2 * i + 1], places[first, a], places[second, b], samples
                )
    return graph


@compile_kernel
def _along(
    rows: Float32Array, columns: Float32Array, start: Float32Array, end: Float32Array, samples: int
) -> np.float32:
    """Mean of a field's part along a line, read at evenly spaced points, both ends included."""
    height, width = rows.shape
    y, x = start[0] * np.float32(height), start[1] * np.float32(width)
    down, across = end[0] * np.float32(height) - y, end[1] * np.float32(width) - x
    length = np.float32(np.sqrt(down * down + across * across)) + np.float32(1e-5)
    unit_down, unit_across = down / length, across / length
    total = np.float32(0)
    for sample in range(samples):
        part = np.float32(sample) / np.float32(samples - 1)
        # Truncated, so what lies less than a cell above or left of the map counts as its edge.
        row, column = int(y + part * down), int(x + part * across)
        if 0 <= row < height and 0 <= column < width:
            total += rows[row, column] * unit_down + columns[row, column] * unit_across
    return total / np.float32(samples)


@compile_kernel
def _best_pairs(
    graph: Float32Array, links: IntArray, counts: IntArray, min_link_score: np.float32
) -> IntArray:
    """The pairing of each link's peaks with the largest sum, without the pairs that score too low.

    The sum is over as many pairs as there can be, so that a bad pair may displace a good one; it
    is left out afterwards.

    Returns
    -------
    partners
        (L, 2, M) int64: the second's peak for each first, and the first's for each second; -1 for
        none.
    """
    partners = np.full((len(links), 2, graph.shape[1]), -1, np.int64)
    for i in range(len(links)):
        rows, columns = counts[links[i, 0]], counts[links[i, 1]]
        if rows == 0 or columns == 0:
            continue
        # _assign wants no more rows than columns.
        turned = rows > columns
        scores = graph[i, :rows, :columns]
        cost = -(scores.T if turned else scores).astype(np.float64)
        owner = _assign(cost)
        for j in range(len(owner)):
            if owner[j] < 0:
                continue
            a, b = (j, owner[j]) if turned else (owner[j], j)
            if scores[a, b] > min_link_score:
                partners[i, 0, a], partners[i, 1, b] = b, a
    return partners


@compile_kernel
def _assign(cost: NDArray[np.float64]) -> IntArray:
    """Row of each column, -1 for none, so that every row has one at the least total cost.

    Shortest augmenting paths (Jonker and Volgenant), for at least as many columns as rows. A cost
    that is not finite is taken for a very high one.
    """
    rows, columns = cost.shape
    owner = np.full(columns, -1, np.int64)
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    nearest, before = np.empty(columns), np.empty(columns, np.int64)
    done = np.empty(columns, np.bool_)
    for start in range(rows):
        nearest[:] = np.inf
        done[:] = False
        i, last, reached = start, -1, 0.0
        while True:
            best = -1
            for j in range(columns):
                if done[j]:
                    continue
                price = cost[i, j] if np.isfinite(cost[i, j]) else 1e30
                path = reached + price - row_price[i] - column_price[j]
                if path < nearest[j]:
                    nearest[j], before[j] = path, last
                if best < 0 or nearest[j] < nearest[best]:
                    best = j
            reached, last = nearest[best], best
            done[best] = True
            if owner[best] < 0:
                break
            i = owner[best]
        # Prices change so that each pair costs at least the sum of its two prices, and matched
        # pairs exactly that: the next searches rely on it (complementary slackness).
        row_price[start] += reached
        for j in range(columns):
            if done[j] and j != last:
                row_price[owner[j]] += reached - nearest[j]
                column_price[j] -= reached - nearest[j]
        # Go back along the path: each column on it gets the row before.
        while last >= 0:
            owner[last] = owner[before[last]] if before[last] >= 0 else start
            last = before[last]
    return owner


@compile_kernel
def _join_pairs(links: IntArray, counts: IntArray, partners: IntArray, max_people: int) -> IntArray:
    """Groups of peaks connected by pairs, breadth first; a lone peak is a group.

    Returns
    -------
    people
        (N, K) int64, which peak each keypoint is, -1 for none. Where two of a kind come together
        the later one stays.
    """
    keypoints, most = len(counts), partners.shape[2]
    people = np.full((min(max_people, counts.sum()), keypoints), -1, np.int64)
    seen = np.zeros((keypoints, most), np.bool_)
    queue = np.empty((counts.sum(), 2), np.int64)
    count = 0
    for k in range(keypoints):
        for p in range(counts[k]):
            if seen[k, p] or count == len(people):
                continue
            queue[0, 0], queue[0, 1] = k, p
            seen[k, p] = True
            first, end = 0, 1
            while first < end:
                kind, peak = queue[first]
                first += 1
                people[count, kind] = peak
                for i in range(len(links)):
                    for side in range(2):
                        if links[i, side] != kind:
                            continue
                        other, partner = links[i, 1 - side], partners[i, side, peak]
                        if partner >= 0 and not seen[other, partner]:
                            queue[end, 0], queue[end, 1] = other, partner
                            seen[other, partner] = True
                            end += 1
            count += 1
    return people[:count]
