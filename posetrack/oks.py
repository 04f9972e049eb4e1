"""Object keypoint similarity (OKS) between poses, and suppression of double poses by it.

COCO's definition: the similarity of two poses is the mean over keypoints of
``exp(-d**2 / (2 * area * (2 * sigma)**2))`` with d the distance of the keypoint in pixels, area
the size of the person in square pixels and sigma the keypoint's constant from the skeleton.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack._compiled import float_type, kernel_input
from posetrack._oks_kernels import (
    keypoints_seen,
    oks_float32,
    oks_float64,
    oks_nms_rows,
    soft_oks_nms_rows,
    wrong_sign,
)
from posetrack.structures import FloatArray


def oks_matrix(
    references: ArrayLike,
    poses: ArrayLike,
    areas: ArrayLike,
    sigmas: ArrayLike,
    *,
    common_only: bool = False,
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
    fill = oks_float32 if dtype is np.float32 else oks_float64
    fill(first, second, sizes, spreads, bool(common_only), out)
    return out


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
    kept: NDArray[np.intp] = oks_nms_rows(*arguments, float(max_oks), common_only)
    return kept


def soft_oks_nms(
    xy: ArrayLike,
    scores: ArrayLike,
    areas: ArrayLike,
    sigmas: ArrayLike,
    *,
    spread: float,
    max_poses: int = 20,
    seen: ArrayLike | None = None,
    common_only: bool = True,
) -> NDArray[np.intp]:
    """Rows of poses by falling score, where each pose taken lowers the scores of its doubles.

    HRNet's variant: the best pose is taken, every other's score is multiplied by
    ``exp(-oks**2 / spread)``, and so on. Nothing is dropped but what comes after ``max_poses``.

    Parameters
    ----------
    xy, scores, areas, sigmas, seen, common_only
        As in `oks_nms`.
    spread
        Positive; smaller punishes doubles harder. HRNet calls it the threshold.
    max_poses
        How many rows to give at most.

    Returns
    -------
    order
        (min(N, max_poses),) rows of ``xy``, best first. The lowered scores are not given: HRNet
        writes the original ones.

    Raises
    ------
    ValueError
        If shapes disagree, an area is negative, or a sigma or ``spread`` is not positive.

    Examples
    --------
    >>> pose = np.array([[10.0, 10.0], [20.0, 40.0]])
    >>> poses = np.stack([pose, pose + 1, pose + 100])
    >>> soft_oks_nms(poses, [0.8, 0.9, 0.7], [900] * 3, [0.1, 0.1], spread=0.5).tolist()
    [1, 2, 0]
    """
    if not spread > 0:
        raise ValueError(f"spread must be positive, got {spread}")
    arguments = _nms_arguments(xy, scores, areas, sigmas, seen)
    order: NDArray[np.intp] = soft_oks_nms_rows(
        *arguments, float(spread), max(int(max_poses), 0), common_only
    )
    return order


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
    status = wrong_sign(areas, sigmas)
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
    marks = kernel_input(scores, np.float64)
    if marks.shape != (len(poses),):
        raise ValueError(f"scores must have shape ({len(poses)},), got {marks.shape}")
    sizes, spreads = kernel_input(areas, np.float64), kernel_input(sigmas, np.float64)
    _check_constants(sizes, spreads, poses.shape)
    visible = keypoints_seen(poses) if seen is None else kernel_input(seen, np.bool_)
    if visible.shape != poses.shape[:2]:
        raise ValueError(f"seen must have shape {poses.shape[:2]}, got {visible.shape}")
    return poses, marks, sizes, spreads, visible
