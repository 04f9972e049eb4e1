"""Object keypoint similarity (OKS) between poses, and suppression of double poses by it.

COCO's definition: the similarity of two poses is the mean over keypoints of
``exp(-d**2 / (2 * area * (2 * sigma)**2))`` with d the distance of the keypoint in pixels, area
the size of the person in square pixels and sigma the keypoint's constant from the skeleton.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.ops.compilation import compile_kernel, float_type, kernel_input
from posetrack.structures import FloatArray

Float32Array = NDArray[np.float32]

_CROWD = 1000  # references, from which on it pays to ask who is near
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


def oks_matrix(
    references: ArrayLike,
    poses: ArrayLike,
    areas: ArrayLike,
    sigmas: ArrayLike,
    *,
    common_only: bool = False,
    at_least: float = 0.0,
) -> FloatArray:
    """Similarity of every reference pose with every pose.

    Parameters
    ----------
    references
        (M, K, 2), pixels; NaN = unseen.
    poses
        (N, K, 2), pixels; NaN = unseen.
    areas
        (M,), size of each reference person in square pixels, >= 0. The area of a box around the
        person will do. COCO adds 2.2e-16, and so does this: no area means that only equal
        positions are similar.
    sigmas
        (K,), positive, of the skeleton.
    common_only
        What happens to a keypoint that the reference has and the pose lacks. False: it counts as
        0, as in COCO. True: it does not count, so that a half hidden person is compared by what
        is seen of both; a pose of a single keypoint can then reach 1.
    at_least
        Similarities below this may come out as 0 without being computed, where two people stand
        so far apart that they cannot reach it. It saves time in crowds.

    Returns
    -------
    oks
        (M, N), in [0, 1]: 1 for equal poses, 0 where no keypoint can be compared. float32 if
        references and poses both are, with an error of about 1e-6; else float64.

    Raises
    ------
    ValueError
        If shapes disagree, an area is negative or a sigma is not positive.

    Notes
    -----
    The definition is COCO's, https://cocodataset.org/#keypoints-eval. The measure is not
    symmetric: keypoints and area of the reference decide.

    Examples
    --------
    >>> reference = np.array([[[10.0, 10.0], [20.0, 40.0]]])
    >>> oks_matrix(reference, reference + [3, 4], [900], [0.1, 0.1]).round(3).tolist()
    [[0.707]]
    """
    first, second = _poses(references, "references"), _poses(poses, "poses")
    dtype = float_type(first, second)
    first, second = kernel_input(first, dtype), kernel_input(second, dtype)
    sizes, spreads = kernel_input(areas, dtype), kernel_input(sigmas, dtype)
    if first.shape[1] != second.shape[1]:
        if len(first) and len(second):
            raise ValueError(
                f"references have {first.shape[1]} keypoints but poses have {second.shape[1]}"
            )
        return np.zeros((len(first), len(second)), dtype)
    _check_constants(sizes, spreads, first.shape)
    out = np.empty((len(first), len(second)), dtype)
    if not out.size:
        return out
    if dtype is not np.float32:
        _oks_float64(first, second, sizes, spreads, bool(common_only), out)
    elif at_least > 0 and len(first) > max(len(second), _CROWD) and not common_only:
        left, right = np.empty((2, len(first)), np.float32)
        _extent(first, _reach(spreads, at_least) * np.sqrt(sizes), left, right)
        order = np.argsort(left)
        _oks_float32_near(
            *(first[order], second, sizes[order], spreads),
            *(left[order], float((right - left).max()), order, out),
        )
    else:
        _oks_float32(first, second, sizes, spreads, bool(common_only), out)
    return out


def _reach(sigmas: FloatArray, at_least: float) -> float:
    """How far apart, in square roots of the area, all keypoints may be for this OKS; or more."""
    distances = np.linspace(0, 20 * float(sigmas.max(initial=0)), 400)
    reached = np.exp(-(distances[:, None] ** 2) / (8 * sigmas.astype(np.float64) ** 2)).mean(axis=1)
    return float(distances[min(int((reached >= at_least).sum()), len(distances) - 1)])


def oks_nms(
    xy: ArrayLike,
    scores: ArrayLike,
    areas: ArrayLike,
    sigmas: ArrayLike,
    *,
    max_oks: float,
    seen: ArrayLike | None = None,
    common_only: bool = True,
) -> NDArray[np.intp]:
    """Rows of the poses that are left when every double of a better pose is dropped.

    Poses are visited by falling score; a pose is kept if its OKS with each pose kept before it is
    at most ``max_oks``. The area in this OKS is the mean of the two poses' areas.

    Parameters
    ----------
    xy
        (N, K, 2), pixels; NaN = unseen.
    scores
        (N,), larger is better.
    areas
        (N,), square pixels, >= 0.
    sigmas
        (K,), positive, of the skeleton.
    max_oks
        Largest allowed similarity, in [0, 1]. The authors' experiments use 0.9; lower drops more
        doubles, and more people who stand close together.
    seen
        (N, K), which keypoints count; all that are not NaN when None. The authors' visibility
        threshold is ``seen=keypoint_scores > threshold``.
    common_only
        True: only keypoints seen in both poses are compared, which lets half a person be
        suppressed by the whole; this is mmpose's rule. False: the keypoints seen in the worse of
        the two, whether seen in the better or not, as in the authors' code; one that is NaN in
        the better pose counts as 0. Without unseen keypoints there is no difference.

    Returns
    -------
    kept
        (<= N,) rows of ``xy``, by falling score; the lower row first where scores are equal.

    Raises
    ------
    ValueError
        If shapes disagree, an area is negative or a sigma is not positive.

    Examples
    --------
    >>> pose = np.array([[10.0, 10.0], [20.0, 40.0]])
    >>> poses = np.stack([pose, pose + 1, pose + 100])
    >>> oks_nms(poses, [0.5, 0.9, 0.7], [900, 900, 900], [0.1, 0.1], max_oks=0.9).tolist()
    [1, 2]
    """
    arguments = _nms_arguments(xy, scores, areas, sigmas, seen)
    kept: NDArray[np.intp] = _oks_nms_rows(*arguments, float(max_oks), common_only)
    return kept


def _poses(values: ArrayLike, name: str) -> NDArray[Any]:
    """``values`` as an (N, K, 2) array; an empty list has no shape of its own."""
    poses = np.asarray(values)
    if poses.ndim != 3 or poses.shape[2] != 2:
        if poses.size:
            raise ValueError(f"{name} must have shape (N, K, 2), got {poses.shape}")
        poses = poses.reshape(len(poses) if poses.ndim else 0, 0, 2)
    return poses


def _check_constants(areas: FloatArray, sigmas: FloatArray, shape: tuple[int, ...]) -> None:
    """Areas and sigmas fit (N, K) and have the right sign. NaN areas are let through: OKS 0."""
    count, keypoints = shape[:2]
    if areas.shape != (count,):
        raise ValueError(f"areas must have shape ({count},), one a pose, got {areas.shape}")
    if sigmas.shape != (keypoints,) and shape[1]:
        raise ValueError(
            f"sigmas must have shape ({keypoints},), one a keypoint, got {sigmas.shape}"
        )
    status = _wrong_sign(areas, sigmas)
    if status:
        raise ValueError(("areas must not be negative", "sigmas must be positive")[status - 1])


def _nms_arguments(
    xy: ArrayLike,
    scores: ArrayLike,
    areas: ArrayLike,
    sigmas: ArrayLike,
    seen: ArrayLike | None,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, NDArray[np.bool_]]:
    """Check the arguments of a suppression and cast them to what its kernel takes."""
    poses = kernel_input(_poses(xy, "xy"), np.float64)
    confidences = kernel_input(scores, np.float64)
    if confidences.shape != (len(poses),):
        raise ValueError(f"scores must have shape ({len(poses)},), got {confidences.shape}")
    sizes, spreads = kernel_input(areas, np.float64), kernel_input(sigmas, np.float64)
    _check_constants(sizes, spreads, poses.shape)
    visible = _keypoints_seen(poses) if seen is None else kernel_input(seen, np.bool_)
    if visible.shape != poses.shape[:2]:
        raise ValueError(f"seen must have shape {poses.shape[:2]}, got {visible.shape}")
    return poses, confidences, sizes, spreads, visible


@compile_kernel
def _wrong_sign(areas: FloatArray, sigmas: FloatArray) -> int:
    """0 if all is well, 1 if an area is negative, 2 if a sigma is not positive. NaN areas pass."""
    for i in range(len(areas)):
        if areas[i] < 0:
            return 1
    for i in range(len(sigmas)):
        if not sigmas[i] > 0:
            return 2
    return 0


@compile_kernel
def _keypoints_seen(poses: FloatArray) -> NDArray[np.bool_]:
    """(N, K), which keypoints have no NaN."""
    seen = np.empty(poses.shape[:2], np.bool_)
    for n in range(poses.shape[0]):
        for k in range(poses.shape[1]):
            seen[n, k] = not (np.isnan(poses[n, k, 0]) or np.isnan(poses[n, k, 1]))
    return seen


@compile_kernel
def _oks_float64(
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
                # size is NaN where the area is: then no keypoint is near.
                if size == size:
                    total += math.exp(-squared / (size * sigmas[k] * sigmas[k]))
            out[m, n] = total / count if count else 0.0


@compile_kernel
def _oks_float32(
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
        # Bounded, so that a tiny sigma gives 0 similarity and not infinity times 0.
        of_sigma[k] = min(1 / (sigmas[k] * sigmas[k]), 1e20)
    of_row = np.ones(len(rows), np.float32) if swap else of_area
    of_lane = of_area if swap else np.ones(len(lanes), np.float32)

    total, count = np.empty(len(lanes), np.float32), np.empty(len(lanes), np.float32)
    # The reference's keypoints count, whatever the pose lacks. With references as lanes that count
    # is the same for all rows; else it belongs to the row and is made anew.
    if swap and not common_only:
        _count(xy, True, rows[0], False, count)
    for row in range(len(rows)):
        _add_up(xy, rows[row], of_lane, of_sigma * of_row[row], total, 0, len(lanes))
        if common_only or not swap:
            _count(xy, common_only, rows[row], True, count)
        for v in range(len(lanes)):
            # The polynomial may pass 1 by a rounding.
            total[v] = min(total[v] / max(count[v], ONE), ONE)
        if swap:
            out[:, row] = total
        else:
            out[row] = total


@compile_kernel
def _extent(
    poses: Float32Array, margin: FloatArray, left: Float32Array, right: Float32Array
) -> None:
    """Least and largest x of each pose, with a margin; who is unseen reaches nowhere."""
    for n in range(len(poses)):
        low, high = np.float32(np.inf), np.float32(-np.inf)
        for k in range(poses.shape[1]):
            x = poses[n, k, 0]
            if x < low:
                low = x
            if x > high:
                high = x
        left[n], right[n] = (low - margin[n], high + margin[n]) if low <= high else (ZERO, ZERO)


@compile_kernel
def _oks_float32_near(
    references: Float32Array,
    poses: Float32Array,
    areas: Float32Array,
    sigmas: Float32Array,
    left: Float32Array,
    widest: float,
    order: NDArray[np.intp],
    out: Float32Array,
) -> None:
    """The same for references sorted by ``left``, each pose with those only that reach it."""
    xy = _as_lanes(references)
    people = len(references)
    of_lane = np.empty(people, np.float32)
    for m in range(people):
        of_lane[m] = -LOG2_E / (8 * (areas[m] + SPACING))
    of_sigma = np.empty(len(sigmas), np.float32)
    for k in range(len(sigmas)):
        of_sigma[k] = min(1 / (sigmas[k] * sigmas[k]), 1e20)
    count, total = np.empty(people, np.float32), np.empty(people, np.float32)
    _count(xy, True, poses[0], False, count)
    out[:] = 0
    for n in range(len(poses)):
        low, high = np.float32(np.inf), np.float32(-np.inf)
        for k in range(len(sigmas)):
            x = poses[n, k, 0]
            if x < low:
                low = x
            if x > high:
                high = x
        if not low <= high:
            continue
        first = int(np.searchsorted(left, np.float32(low - widest)))
        last = int(np.searchsorted(left, high, side="right"))
        _add_up(xy, poses[n], of_lane, of_sigma, total, first, last)
        for v in range(first, last):
            out[order[v], n] = min(total[v] / max(count[v], ONE), ONE)


@compile_kernel
def _as_lanes(poses: Float32Array) -> Float32Array:
    """(people, K, 2) as (K, 2, people)."""
    people, keypoints = poses.shape[:2]
    xy = np.empty((keypoints, 2, people), np.float32)
    for v in range(people):
        for k in range(keypoints):
            xy[k, 0, v] = poses[v, k, 0]
            xy[k, 1, v] = poses[v, k, 1]
    return xy


@partial(compile_kernel, fastmath={"contract", "nsz"})
def _add_up(
    xy: Float32Array,
    pose: Float32Array,
    of_lane: Float32Array,
    of_keypoint: Float32Array,
    total: Float32Array,
    first: int,
    last: int,
) -> None:
    """Sum of ``2**(d**2 * of_lane * of_keypoint)`` over keypoints; those with a NaN add 0.

    Only lanes from ``first`` to before ``last``.
    """
    sums, areas = total[first:last], of_lane[first:last]
    sums[:] = 0
    for k in range(len(pose)):
        x, y, factor = pose[k, 0], pose[k, 1], of_keypoint[k]
        if x != x or y != y:
            continue
        xs, ys = xy[k, 0][first:last], xy[k, 1][first:last]
        for v in range(len(sums)):
            dx, dy = xs[v] - x, ys[v] - y
            t = (dx * dx + dy * dy) * (areas[v] * factor)
            t = t if t > LOWEST else LOWEST  # also where t is NaN
            # 2**t = 2**whole * 2**f with f in [0, 1): the power of the fraction is a polynomial.
            whole = np.floor(t)
            f = t - whole
            power = ONE + f * (C1 + f * (C2 + f * (C3 + f * (C4 + f * C5))))
            # 2**whole is the float32 with whole + 127 as its exponent bits; -127 makes it 0.
            bits = (np.int32(whole) + np.int32(127)) << np.int32(23)
            sums[v] += power * np.int32(bits).view(np.float32)


@compile_kernel
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


@compile_kernel
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


@compile_kernel
def _extents(xy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(N, 2) least and largest coordinates of each pose; infinite where nothing is seen."""
    low, high = np.full((len(xy), 2), np.inf), np.full((len(xy), 2), -np.inf)
    for n in range(len(xy)):
        for k in range(xy.shape[1]):
            for axis in range(2):
                low[n, axis] = min(low[n, axis], xy[n, k, axis])
                high[n, axis] = max(high[n, axis], xy[n, k, axis])
    return low, high


@compile_kernel
def _oks_nms_rows(
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
    low, high = _extents(xy)
    farthest = 0.0
    for k in range(len(sigmas)):  # not sigmas.max(): linking it loads all of SciPy's linear algebra
        farthest = max(farthest, math.sqrt(40 * 8) * sigmas[k])
    # Stable, so that the lower row comes first among equal scores.
    for i in np.argsort(-scores, kind="mergesort"):
        keep = True
        for j in kept[:size]:
            # Beyond this distance every keypoint's part is less than exp(-40), taken for 0.
            apart = max(low[i, 0] - high[j, 0], low[j, 0] - high[i, 0])
            apart = max(apart, low[i, 1] - high[j, 1], low[j, 1] - high[i, 1])
            if apart > 0 and apart > farthest * math.sqrt((areas[i] + areas[j]) / 2 + SPACING):
                continue
            if _pair_oks(j, i, xy, areas, sigmas, seen, common_only) > max_oks:
                keep = False
                break
        if keep:
            kept[size] = i
            size += 1
    return kept[:size]
