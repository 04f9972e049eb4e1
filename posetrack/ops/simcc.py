"""SimCC: a keypoint as two vectors, one along x and one along y, finer than the crop's pixels.

After Li et al., *SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation*
(ECCV 2022), as RTMPose and RTMW have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float32Array = NDArray[np.float32]

SPLIT_RATIO = 2.0
"""Cells of a vector to a pixel of the crop, in all published networks."""

_LARGEST_RATIO = 8.0


class SimCCVectors(NamedTuple):
    """Which of a network's outputs are the vectors along x and y, and how fine they are."""

    x: int
    y: int
    split_ratio: float


def find_simcc(
    shapes: Sequence[Sequence[int]], input_size: tuple[int, int], names: Sequence[str] = ()
) -> SimCCVectors | None:
    """Which outputs are a pair of SimCC vectors; None where they are something else.

    Parameters
    ----------
    shapes
        Of the outputs, in order: (N, K, Wx) and (N, K, Wy); a third, of RTMW3D's depth, is not
        used.
    input_size
        (width, height) of the crop; both vectors have the same number of cells to its pixel.
    names
        Of the outputs. Where a crop is as wide as it is high, x is the one whose name ends in
        ``x``, else the first.

    Examples
    --------
    >>> find_simcc([(1, 17, 384), (1, 17, 512)], (192, 256))
    SimCCVectors(x=0, y=1, split_ratio=2.0)
    """
    pair = _in_plane(shapes, names)
    if pair is None or len({tuple(shape[:2]) for shape in shapes}) > 1:
        return None
    width, height = input_size
    for x, y in (pair, pair[::-1]):
        ratio = shapes[x][2] / width
        if ratio == shapes[y][2] / height and 1 <= ratio <= _LARGEST_RATIO:
            return SimCCVectors(x, y, ratio)
    return None


def simcc_input_size(
    shapes: Sequence[Sequence[int | None]], names: Sequence[str] = ()
) -> tuple[int, int] | None:
    """(width, height) of the crops of a network whose file says only how long its vectors are.

    Parameters
    ----------
    shapes
        Of the outputs as the file declares them, None where a size is open.
    names
        Of the outputs; x comes first unless they say so.

    Examples
    --------
    >>> simcc_input_size([(None, 17, 384), (None, 17, 512)])
    (192, 256)
    """
    pair = _in_plane(shapes, names)
    if pair is None:
        return None
    across, down = (shapes[row][2] for row in pair)
    if not across or not down or across % SPLIT_RATIO or down % SPLIT_RATIO:
        return None
    return int(across / SPLIT_RATIO), int(down / SPLIT_RATIO)


def _in_plane(
    shapes: Sequence[Sequence[int | None]], names: Sequence[str]
) -> tuple[int, int] | None:
    """Which of two or three outputs are x and y: by their names' last letters, else the first."""
    if [len(shape) for shape in shapes] not in ([3, 3], [3, 3, 3]):
        return None
    last = [name.lower()[-1:] for name in names]
    if len(last) == len(shapes) and {"x", "y"} <= set(last):
        return last.index("x"), last.index("y")
    return 0, 1


def decode_simcc(
    x: ArrayLike, y: ArrayLike, *, split_ratio: float = SPLIT_RATIO
) -> tuple[Float32Array, Float32Array]:
    """Keypoints and scores of SimCC vectors.

    Parameters
    ----------
    x, y
        (N, K, Wx) and (N, K, Wy), how likely the keypoint is in each column and row.
    split_ratio
        Cells of the vectors to a pixel of the crop.

    Returns
    -------
    xy
        (N, K, 2) float32, pixels of the crop; NaN where the score is 0.
    scores
        (N, K) float32: the mean of both vectors' highest values, as rtmlib and the published
        programs for these networks have it; where that is not above 0, or not finite, nothing is
        there and the score is 0.

    Raises
    ------
    ValueError
        If the shapes do not go together.

    Examples
    --------
    >>> x, y = np.zeros((1, 1, 8)), np.zeros((1, 1, 6))
    >>> x[0, 0, 5], y[0, 0, 2] = 0.8, 0.6
    >>> xy, scores = decode_simcc(x, y)
    >>> xy.tolist(), round(float(scores[0, 0]), 3)
    ([[[2.5, 1.0]]], 0.7)
    """
    along = [np.asarray(part, np.float32) for part in (x, y)]
    if any(part.ndim != 3 or part.shape[2] == 0 for part in along) or (
        along[0].shape[:2] != along[1].shape[:2]
    ):
        raise ValueError(
            f"SimCC vectors must be (N, K, Wx) and (N, K, Wy), got {along[0].shape} and "
            f"{along[1].shape}"
        )
    if not split_ratio > 0:
        raise ValueError(f"split_ratio must be above 0, got {split_ratio}")
    xy = np.stack([part.argmax(axis=2) for part in along], axis=2).astype(np.float32)
    scores = 0.5 * (along[0].max(axis=2) + along[1].max(axis=2))
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(scores) & (scores > 0)
    xy /= np.float32(split_ratio)
    xy[~seen] = np.nan
    return xy, np.where(seen, scores, np.float32(0))


def average_flipped_vectors(
    vectors: tuple[Float32Array, Float32Array],
    mirrored: tuple[Float32Array, Float32Array],
    mirror_order: ArrayLike,
) -> tuple[Float32Array, Float32Array]:
    """Vectors of crops and of the mirrored crops, averaged: the flip test of SimCC.

    Parameters
    ----------
    vectors, mirrored
        (N, K, Wx) and (N, K, Wy) each.
    mirror_order
        (K,), see `posetrack.skeletons.Skeleton.mirror_order`.

    Examples
    --------
    >>> x, y = np.eye(4, dtype=np.float32)[None, :1], np.ones((1, 1, 3), np.float32)
    >>> average_flipped_vectors((x, y), (x[..., ::-1], y), [0])[0].tolist()
    [[[1.0, 0.0, 0.0, 0.0]]]
    """
    order = np.asarray(mirror_order, np.intp)
    (x, y), (turned, other) = vectors, mirrored
    half = np.float32(0.5)
    return (x + turned[:, order, ::-1]) * half, (y + other[:, order]) * half
