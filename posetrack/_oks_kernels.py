"""Numba kernels of `posetrack.oks`. Arguments are checked and cast by its functions.

Kernels of one file call each other only: Numba notices a changed kernel by its own file alone.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from posetrack._compiled import compiled
from posetrack.structures import FloatArray

Float32Array = NDArray[np.float32]

SPACING = float(np.spacing(1.0))  # added to areas by COCO's evaluation code

# 2**f on [0, 1] as 1 + f * (C1 + f * (C2 + ...)): least largest relative error (8e-8) with the
# exact values 1 and 2 at the ends, so that equal poses get exactly 1 and there are no steps.
C1 = np.float32(0.6931516446475608)
C2 = np.float32(0.2401604190244773)
C3 = np.float32(0.05581594491613308)
C4 = np.float32(0.008993348617337303)
C5 = np.float32(0.0018786427944914742)
ZERO, ONE, LOWEST = np.float32(0), np.float32(1), np.float32(-127)
LOG2_E = 1.4426950408889634


@compiled
def wrong_sign(areas: FloatArray, sigmas: FloatArray) -> int:
    """0 if all is well, 1 if an area is negative, 2 if a sigma is not positive. NaN areas pass."""
    for i in range(len(areas)):
        if areas[i] < 0:
            return 1
    for i in range(len(sigmas)):
        if not sigmas[i] > 0:
            return 2
    return 0


@compiled
def keypoints_seen(poses: FloatArray) -> NDArray[np.bool_]:
    """(N, K), which keypoints have no NaN."""
    seen = np.empty(poses.shape[:2], np.bool_)
    for n in range(poses.shape[0]):
        for k in range(poses.shape[1]):
            seen[n, k] = not (np.isnan(poses[n, k, 0]) or np.isnan(poses[n, k, 1]))
    return seen


@compiled
def oks_float64(
    references: FloatArray,
    poses: FloatArray,
    areas: FloatArray,
    sigmas: FloatArray,
    common_only: bool,
    out: FloatArray,
) -> None:
    for m in range(len(references)):
        size = 8 * (areas[m] + SPACING)
        for n in range(len(poses)):
            total, count = 0.0, 0
            for k in range(len(sigmas)):
                if np.isnan(references[m, k, 0]) or np.isnan(references[m, k, 1]):
                    continue
                dx = poses[n, k, 0] - references[m, k, 0]
                dy = poses[n, k, 1] - references[m, k, 1]
                squared = dx * dx + dy * dy
                if np.isnan(squared):
                    count += 0 if common_only else 1
                    continue
                count += 1
                if size == size:
                    total += math.exp(-squared / (size * sigmas[k] * sigmas[k]))
            out[m, n] = total / count if count else 0.0


@compiled
def oks_float32(
    references: Float32Array,
    poses: Float32Array,
    areas: Float32Array,
    sigmas: Float32Array,
    common_only: bool,
    out: Float32Array,
) -> None:
    """Fill ``out`` (M, N) in float32, many people at once.

    Coordinates are laid out as (K, 2, people), people of the larger set innermost, so that one
    instruction works on several of them: the *lanes*. The *rows* are the people of the other set.
    """
    swap = len(references) > len(poses)
    rows, lanes = (poses, references) if swap else (references, poses)
    xy = _as_lanes(lanes)
    # d**2 * of_area * of_sigma is the exponent to base 2; the area belongs to the reference.
    of_area = np.empty(len(references), np.float32)
    for m in range(len(references)):
        of_area[m] = -LOG2_E / (8 * (areas[m] + SPACING))
    of_sigma = np.empty(len(sigmas), np.float32)
    for k in range(len(sigmas)):
        of_sigma[k] = min(1 / (sigmas[k] * sigmas[k]), 1e20)
    of_row = np.ones(len(rows), np.float32) if swap else of_area
    of_lane = of_area if swap else np.ones(len(lanes), np.float32)

    total, count = np.empty(len(lanes), np.float32), np.empty(len(lanes), np.float32)
    if swap and not common_only:
        _count(xy, True, rows[0], False, count)
    for row in range(len(rows)):
        _add_up(xy, rows[row], of_lane, of_sigma * of_row[row], total)
        if common_only or not swap:
            _count(xy, common_only, rows[row], True, count)
        for v in range(len(lanes)):
            total[v] = min(total[v] / max(count[v], ONE), ONE)
        if swap:
            out[:, row] = total
        else:
            out[row] = total


@compiled
def _as_lanes(poses: Float32Array) -> Float32Array:
    """(people, K, 2) as (K, 2, people)."""
    people, keypoints = poses.shape[:2]
    xy = np.empty((keypoints, 2, people), np.float32)
    for v in range(people):
        for k in range(keypoints):
            xy[k, 0, v] = poses[v, k, 0]
            xy[k, 1, v] = poses[v, k, 1]
    return xy


@partial(compiled, fastmath={"contract", "nsz"})
def _add_up(
    xy: Float32Array,
    pose: Float32Array,
    of_lane: Float32Array,
    of_keypoint: Float32Array,
    total: Float32Array,
) -> None:
    """Sum of ``2**(d**2 * of_lane * of_keypoint)`` over keypoints; those with a NaN add 0."""
    total[:] = 0
    for k in range(len(pose)):
        x, y, factor = pose[k, 0], pose[k, 1], of_keypoint[k]
        if x != x or y != y:
            continue
        for v in range(len(total)):
            dx, dy = xy[k, 0, v] - x, xy[k, 1, v] - y
            t = (dx * dx + dy * dy) * (of_lane[v] * factor)
            t = t if t > LOWEST else LOWEST  # also where t is NaN
            whole = np.floor(t)
            f = t - whole
            power = ONE + f * (C1 + f * (C2 + f * (C3 + f * (C4 + f * C5))))
            # 2**whole is the float32 with whole + 127 as its exponent bits; -127 makes it 0.
            bits = (np.int32(whole) + np.int32(127)) << np.int32(23)
            total[v] += power * np.int32(bits).view(np.float32)


@compiled
def _count(
    xy: Float32Array, ask_lanes: bool, pose: Float32Array, ask_pose: bool, count: Float32Array
) -> None:
    """Number of keypoints seen: in each lane, in the pose, or in both."""
    count[:] = 0
    for k in range(len(pose)):
        if ask_pose and (pose[k, 0] != pose[k, 0] or pose[k, 1] != pose[k, 1]):
            continue
        if ask_lanes:
            for v in range(len(count)):
                sum_ = xy[k, 0, v] + xy[k, 1, v]
                count[v] += ONE if sum_ == sum_ else ZERO
        else:
            count += ONE


@compiled
def _pair_oks(
    better: int,
    worse: int,
    xy: FloatArray,
    areas: FloatArray,
    sigmas: FloatArray,
    seen: NDArray[np.bool_],
    common_only: bool,
) -> float:
    """OKS of two poses with their mean area, over the keypoints that `oks_nms` says count."""
    size = 8 * ((areas[better] + areas[worse]) / 2 + SPACING)
    total, count = 0.0, 0
    for k in range(len(sigmas)):
        if not seen[worse, k] or (common_only and not seen[better, k]):
            continue
        dx = xy[worse, k, 0] - xy[better, k, 0]
        dy = xy[worse, k, 1] - xy[better, k, 1]
        exponent = (dx * dx + dy * dy) / (size * sigmas[k] * sigmas[k])
        count += 1
        if exponent < 40:  # not for NaN; exp(-40) is lost beside one keypoint that is near
            total += math.exp(-exponent)
    return total / count if count else 0.0


@compiled
def oks_nms_rows(
    xy: FloatArray,
    scores: FloatArray,
    areas: FloatArray,
    sigmas: FloatArray,
    seen: NDArray[np.bool_],
    max_oks: float,
    common_only: bool,
) -> NDArray[np.intp]:
    kept = np.empty(len(xy), np.intp)
    size = 0
    for i in np.argsort(-scores, kind="mergesort"):
        keep = True
        for j in kept[:size]:
            if _pair_oks(j, i, xy, areas, sigmas, seen, common_only) > max_oks:
                keep = False
                break
        if keep:
            kept[size] = i
            size += 1
    return kept[:size]


@compiled
def soft_oks_nms_rows(
    xy: FloatArray,
    scores: FloatArray,
    areas: FloatArray,
    sigmas: FloatArray,
    seen: NDArray[np.bool_],
    spread: float,
    max_poses: int,
    common_only: bool,
) -> NDArray[np.intp]:
    left = scores.copy()
    taken = np.zeros(len(xy), np.bool_)
    order = np.empty(min(len(xy), max_poses), np.intp)
    for place in range(len(order)):
        best = -1
        for i in range(len(xy)):
            if not taken[i] and (best < 0 or left[i] > left[best]):
                best = i
        order[place] = best
        taken[best] = True
        for i in range(len(xy)):
            if not taken[i]:
                oks = _pair_oks(best, i, xy, areas, sigmas, seen, common_only)
                left[i] *= math.exp(-oks * oks / spread)
    return order
