"""PoseNet's maps to poses: roots from the heatmaps, the other keypoints along displacements.

After the fast greedy decoding of Papandreou et al., *PersonLab* (ECCV 2018), section 3.1, without
its refinement of displacements, as TensorFlow.js's PoseNet and its conversions do it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.compilation import compile_kernel, kernel_input

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

POSENET_EDGES: Final = (
    (0, 1), (1, 3), (0, 2), (2, 4), (0, 5), (5, 7), (7, 9), (5, 11),
    (11, 13), (13, 15), (0, 6), (6, 8), (8, 10), (6, 12), (12, 14), (14, 16),
)  # fmt: skip
"""Parent and child of each displacement of the published networks, in COCO's keypoints: a tree
from the nose outward."""


def decode_posenet(
    heatmap: ArrayLike,
    offset: ArrayLike,
    displacement_fwd: ArrayLike,
    displacement_bwd: ArrayLike,
    *,
    output_stride: int = 16,
    edges: ArrayLike = POSENET_EDGES,
    max_poses: int = 10,
    min_score: float = 0.5,
    nms_radius: float = 20.0,
    min_pose_score: float = 0.5,
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Find all people in one image's maps.

    Candidates are cells of the heatmaps that nothing in their 3 x 3 neighbourhood exceeds. From
    the best on, each that is not near the same keypoint of a pose found before becomes the root of
    a new one.

    Parameters
    ----------
    heatmap
        (K, h, w), in [0, 1].
    offset
        (2 K, h, w), from a cell to its keypoint in input pixels: y of all keypoints, then x.
    displacement_fwd, displacement_bwd
        (2 E, h, w), from parent to child and from child to parent, in input pixels: y of all
        edges, then x.
    output_stride
        Input pixels from one cell to the next.
    edges
        (E, 2), keypoint indices of parent and child.
    max_poses
        Most poses to give. More cost time only where there are as many people.
    min_score
        Smallest score of a root. Lower finds people in worse pictures, and more false ones.
    nms_radius
        Input pixels within which two keypoints of a kind are one person's. Too small gives
        doubles, too large loses people who stand close.
    min_pose_score
        Smallest score of a pose; 0 keeps all.

    Returns
    -------
    xy
        (N, K, 2) pixels of the network's input, best root first; NaN where a keypoint was not
        reached.
    scores
        (N, K), in [0, 1]; 0 where not reached, or nothing is.
    pose_scores
        (N,): sum of the scores of keypoints not within ``nms_radius`` of a pose found before,
        over K.

    Raises
    ------
    ValueError
        If shapes disagree, an edge names no keypoint, or a setting is out of range.

    Examples
    --------
    >>> heatmap = np.zeros((2, 3, 4))
    >>> heatmap[0, 1, 1], heatmap[1, 2, 3] = 0.9, 0.7
    >>> forward = np.zeros((2, 3, 4))
    >>> forward[0, 1, 1], forward[1, 1, 1] = 16, 32  # one cell down, two to the right
    >>> xy, scores, pose_scores = decode_posenet(
    ...     heatmap, np.zeros((4, 3, 4)), forward, np.zeros((2, 3, 4)), edges=[(0, 1)]
    ... )
    >>> xy.tolist(), pose_scores.round(2).tolist()
    ([[[16.0, 16.0], [48.0, 32.0]]], [0.8])
    """
    heat, to_keypoint = kernel_input(heatmap, np.float32), kernel_input(offset, np.float32)
    forward = kernel_input(displacement_fwd, np.float32)
    backward = kernel_input(displacement_bwd, np.float32)
    pairs = kernel_input(edges, np.int64).reshape(-1, 2)
    _require_shapes([heat, to_keypoint, forward, backward], pairs)
    if max_poses < 1 or output_stride < 1:
        raise ValueError(
            f"max_poses and output_stride must be at least 1, got {max_poses} and {output_stride}"
        )
    if not nms_radius >= 0:
        raise ValueError(f"nms_radius must be 0 or more, got {nms_radius}")
    count, xy, scores, pose_scores = _decode(
        heat,
        to_keypoint,
        forward,
        backward,
        pairs,
        int(output_stride),
        int(max_poses),
        np.float32(min_score),
        float(nms_radius),
        float(min_pose_score),
    )
    return xy[:count].copy(), scores[:count].copy(), pose_scores[:count].copy()


def _require_shapes(maps: list[Float32Array], edges: NDArray[np.int64]) -> None:
    heatmap = maps[0]
    if heatmap.ndim != 3 or 0 in heatmap.shape:
        raise ValueError(f"heatmap must be (K, h, w), got {heatmap.shape}")
    keypoints, height, width = heatmap.shape
    if len(edges) and not (edges.min() >= 0 and edges.max() < keypoints):
        raise ValueError(f"edges name keypoints up to {edges.max()}, the heatmaps are {keypoints}")
    names = ("offset", "displacement_fwd", "displacement_bwd")
    channels = (2 * keypoints, 2 * len(edges), 2 * len(edges))
    for name, found, count in zip(names, maps[1:], channels, strict=True):
        if found.shape != (count, height, width):
            raise ValueError(f"{name} must be {(count, height, width)}, got {found.shape}")


@compile_kernel
def _decode(
    heatmap: Float32Array,
    offset: Float32Array,
    forward: Float32Array,
    backward: Float32Array,
    edges: NDArray[np.int64],
    stride: int,
    max_poses: int,
    min_score: np.float32,
    radius: float,
    min_pose_score: float,
) -> tuple[int, Float64Array, Float64Array, Float64Array]:
    keypoints = len(heatmap)
    cells, found = _candidates(heatmap, min_score)
    xy = np.empty((max_poses, keypoints, 2))
    scores = np.empty((max_poses, keypoints))
    pose_scores = np.empty(max_poses)
    count = 0
    # A stable sort: among equals the first keypoint, then the first row, as the reference has it.
    for candidate in np.argsort(-found, kind="mergesort"):
        if count == max_poses:
            break
        part, row, column = cells[candidate]
        x = column * stride + np.float64(offset[keypoints + part, row, column])
        y = row * stride + np.float64(offset[part, row, column])
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        if _is_taken(xy[:count], part, x, y, radius):
            continue
        xy[count], scores[count] = np.nan, 0.0
        xy[count, part, 0], xy[count, part, 1] = x, y
        scores[count, part] = found[candidate]
        _follow(heatmap, offset, forward, backward, edges, stride, xy[count], scores[count])
        fresh = 0.0
        for k in range(keypoints):
            if not _is_taken(xy[:count], k, xy[count, k, 0], xy[count, k, 1], radius):
                fresh += scores[count, k]
        pose_scores[count] = fresh / keypoints
        if min_pose_score == 0 or pose_scores[count] >= min_pose_score:
            count += 1
    return count, xy, scores, pose_scores


@compile_kernel
def _candidates(
    heatmap: Float32Array, min_score: np.float32
) -> tuple[NDArray[np.int64], Float32Array]:
    """Keypoint, row and column (C, 3), and score (C,), of the cells that may be a root."""
    keypoints, height, width = heatmap.shape
    cells, scores = np.empty((64, 3), np.int64), np.empty(64, np.float32)
    count = 0
    for k in range(keypoints):
        for y in range(height):
            for x in range(width):
                score = heatmap[k, y, x]
                if not min_score <= score < np.inf or not _is_highest(heatmap[k], y, x):
                    continue
                if count == len(cells):
                    cells = np.concatenate((cells, np.empty_like(cells)))
                    scores = np.concatenate((scores, np.empty_like(scores)))
                cells[count, 0], cells[count, 1], cells[count, 2] = k, y, x
                scores[count] = score
                count += 1
    return cells[:count], scores[:count]


@compile_kernel
def _is_highest(heatmap: Float32Array, y: int, x: int) -> bool:
    """Whether nothing in the 3 x 3 cells around one is larger."""
    height, width = heatmap.shape
    for row in range(max(y - 1, 0), min(y + 2, height)):
        for column in range(max(x - 1, 0), min(x + 2, width)):
            if heatmap[row, column] > heatmap[y, x]:
                return False
    return True


@compile_kernel
def _is_taken(poses: Float64Array, part: int, x: float, y: float, radius: float) -> bool:
    """Whether a pose found before has the same keypoint within the radius."""
    for pose in range(len(poses)):
        across, down = poses[pose, part, 0] - x, poses[pose, part, 1] - y
        if across * across + down * down <= radius * radius:
            return True
    return False


@compile_kernel
def _follow(
    heatmap: Float32Array,
    offset: Float32Array,
    forward: Float32Array,
    backward: Float32Array,
    edges: NDArray[np.int64],
    stride: int,
    xy: Float64Array,
    scores: Float64Array,
) -> None:
    """Fill in the keypoints of a pose that has only its root: towards the tree's root, then out."""
    for e in range(len(edges) - 1, -1, -1):
        _step(heatmap, offset, backward, e, edges[e, 1], edges[e, 0], stride, xy, scores)
    for e in range(len(edges)):
        _step(heatmap, offset, forward, e, edges[e, 0], edges[e, 1], stride, xy, scores)


@compile_kernel
def _step(
    heatmap: Float32Array,
    offset: Float32Array,
    displacement: Float32Array,
    edge: int,
    source: int,
    target: int,
    stride: int,
    xy: Float64Array,
    scores: Float64Array,
) -> None:
    """From one keypoint along an edge to the next, if that one is still missing."""
    if scores[source] <= 0 or scores[target] != 0:
        return
    keypoints, height, width = heatmap.shape
    row, column = _cell(xy[source, 1], stride, height), _cell(xy[source, 0], stride, width)
    x = xy[source, 0] + displacement[len(displacement) // 2 + edge, row, column]
    y = xy[source, 1] + displacement[edge, row, column]
    if not (np.isfinite(x) and np.isfinite(y)):
        return
    row, column = _cell(y, stride, height), _cell(x, stride, width)
    x = column * stride + np.float64(offset[keypoints + target, row, column])
    y = row * stride + np.float64(offset[target, row, column])
    score = heatmap[target, row, column]
    if np.isfinite(x) and np.isfinite(y) and np.isfinite(score):
        xy[target, 0], xy[target, 1], scores[target] = x, y, score


@compile_kernel
def _cell(coordinate: float, stride: int, size: int) -> int:
    """Nearest cell, a half going to the even one, inside the map."""
    return int(min(max(np.rint(coordinate / stride), 0.0), size - 1.0))
