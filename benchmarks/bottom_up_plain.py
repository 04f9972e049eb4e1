"""The decodings of PoseNet and of part affinity fields read plainly.

Written from the same descriptions as `posetrack.ops.posenet` and `posetrack.ops.paf`, in
Python and NumPy, with SciPy's maximum filter and assignment: something to time against and to
check the answers with. They take maps as the networks give them.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy.ndimage import maximum_filter
from scipy.optimize import linear_sum_assignment


def posenet(maps, edges, *, stride=16, max_poses=20, min_score=0.5, radius=20, min_pose_score=0.25):
    """Keypoints (N, K, 2) as x and y, and scores (N, K)."""
    heatmap, offset, forward, backward = maps
    keypoints, height, width = heatmap.shape
    offset = offset.reshape(2, keypoints, height, width)
    forward = forward.reshape(2, -1, height, width)
    backward = backward.reshape(2, -1, height, width)
    highest = maximum_filter(heatmap, size=(1, 3, 3), mode="constant", cval=-np.inf)
    cells = np.argwhere((heatmap >= min_score) & (heatmap == highest))
    found = heatmap[tuple(cells.T)]
    poses, all_scores = [], []
    for part, row, column in cells[np.argsort(-found, kind="stable")]:
        if len(poses) == max_poses:
            break
        root = np.array([row, column]) * stride + offset[:, part, row, column]
        if any(((pose[part] - root) ** 2).sum() <= radius**2 for pose in poses):
            continue
        yx, scores = np.zeros((keypoints, 2)), np.zeros(keypoints)
        yx[part], scores[part] = root, heatmap[part, row, column]
        way = [(child, parent, e, backward) for e, (parent, child) in enumerate(edges)][::-1]
        way += [(parent, child, e, forward) for e, (parent, child) in enumerate(edges)]
        for source, target, e, displacement in way:
            if scores[source] > 0 and scores[target] == 0:
                y, x = _cell(yx[source], stride, (height, width))
                to = yx[source] + displacement[:, e, y, x]
                y, x = _cell(to, stride, (height, width))
                yx[target] = np.array([y, x]) * stride + offset[:, target, y, x]
                scores[target] = heatmap[target, y, x]
        fresh = [
            score
            for k, score in enumerate(scores)
            if all(((pose[k] - yx[k]) ** 2).sum() > radius**2 for pose in poses)
        ]
        if sum(fresh) / keypoints >= min_pose_score:
            poses.append(yx)
            all_scores.append(scores)
    return np.array(poses).reshape(-1, keypoints, 2)[..., ::-1], np.array(all_scores)


def _cell(yx, stride, size):
    return np.clip(np.round(yx / stride), 0, np.array(size) - 1).astype(int)


def paf(cmap, fields, links, *, min_score=0.1, min_link_score=0.1, window=5, samples=7):
    """Keypoints (N, K, 2) as x and y in [0, 1], NaN where unseen."""
    keypoints, height, width = cmap.shape
    size = np.float32([height, width])
    highest = maximum_filter(cmap, size=(1, window, window), mode="constant", cval=-np.inf)
    peaks = [
        np.argwhere((cmap[k] >= min_score) & (cmap[k] == highest[k])) for k in range(keypoints)
    ]
    places = [
        np.array([_refined(cmap[k], peak, window // 2) for peak in peaks[k]]).reshape(-1, 2) / size
        for k in range(keypoints)
    ]
    partners = {}
    for i, (first, second) in enumerate(links):
        scores = np.array(
            [
                [
                    _along(fields[2 * i : 2 * i + 2], a * size, b * size, samples)
                    for b in places[second]
                ]
                for a in places[first]
            ]
        )
        if not scores.size:
            continue
        for a, b in zip(*linear_sum_assignment(-scores), strict=True):
            if scores[a, b] > min_link_score:
                partners.setdefault((first, a), []).append((second, b))
                partners.setdefault((second, b), []).append((first, a))
    people, seen = [], set()
    for start in ((k, p) for k in range(keypoints) for p in range(len(peaks[k]))):
        if start in seen:
            continue
        person, queue = np.full((keypoints, 2), np.nan), deque([start])
        while queue:
            node = queue.popleft()
            if node not in seen:
                seen.add(node)
                person[node[0]] = places[node[0]][node[1]]
                queue.extend(partners.get(node, ()))
        people.append(person)
    return np.array(people).reshape(-1, keypoints, 2)[..., ::-1]


def _refined(values, peak, reach):
    rows, columns = (np.arange(at - reach, at + reach + 1) for at in peak)
    weights = values[np.ix_(_mirrored(rows, len(values)), _mirrored(columns, values.shape[1]))]
    total = weights.sum()
    return np.array([(weights.sum(1) * rows).sum(), (weights.sum(0) * columns).sum()]) / total + 0.5


def _mirrored(index, size):
    index = np.abs(index)
    return np.where(index >= size, 2 * size - index - 2, index)


def _along(field, start, end, samples):
    way = end - start
    unit = way / (np.hypot(*way) + 1e-5)
    total = 0.0
    for part in np.linspace(0, 1, samples):
        row, column = (start + part * way).astype(int)
        if 0 <= row < field.shape[1] and 0 <= column < field.shape[2]:
            total += field[:, row, column] @ unit
    return total / samples
