"""Postures by name: a support vector machine on the distances between keypoints.

What it has learnt are plain arrays, evaluated here without the library that trained it, and kept
in an ``.npz`` file that cannot run code, see `posetrack.analysis.posture_files`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]

MIN_SEEN: Final = 0.5
_CHUNK: Final = 20_000


@dataclass(frozen=True, eq=False)
class PostureClassifier:
    """A trained classifier of single poses: standardised distances, radial kernel, one against one.

    Parameters
    ----------
    keypoints
        Names of the K keypoints whose distances count.
    labels
        C names of postures, sorted.
    mean, scale
        (F,) each, of the features in training; a missing feature counts as the mean.
    vectors
        (S, F) support vectors, standardised, those of each posture together.
    counts
        (C,) how many of them belong to each.
    weights
        (C - 1, S), as libsvm lays them out.
    offsets
        (C (C - 1) / 2,), one for each pair of postures.
    gamma
        Of the kernel ``exp(-gamma |a - b|^2)``.

    Raises
    ------
    ValueError
        If shapes disagree, or numbers are not finite.
    """

    keypoints: tuple[str, ...]
    labels: tuple[str, ...]
    mean: Float64Array
    scale: Float64Array
    vectors: Float64Array
    counts: NDArray[np.int64]
    weights: Float64Array
    offsets: Float64Array
    gamma: float

    def __post_init__(self) -> None:
        kinds, width = len(self.labels), _feature_count(len(self.keypoints))
        expected = {
            "mean": (width,),
            "scale": (width,),
            "vectors": (int(np.sum(self.counts)), width),
            "counts": (kinds,),
            "weights": (kinds - 1, int(np.sum(self.counts))),
            "offsets": (kinds * (kinds - 1) // 2,),
        }
        if kinds < 2 or len(self.keypoints) < 2:
            raise ValueError("a classifier needs at least two postures and two keypoints")
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite, of shape {shape}, got {array.shape}")
        if (self.counts < 0).any() or not (self.scale > 0).all() or not self.gamma > 0:
            raise ValueError("counts must not be negative; scale and gamma must be positive")

    def votes(self, features: ArrayLike) -> NDArray[np.int64]:
        """(M, C): for each row of features (M, F), how many pairs of postures each wins."""
        given = np.asarray(features, np.float64)
        rows = (np.where(np.isfinite(given), given, self.mean) - self.mean) / self.scale
        ends = np.cumsum(self.counts)
        kinds = len(self.labels)
        won = np.zeros((len(rows), kinds), np.int64)
        for first in range(0, len(rows), _CHUNK):
            part = slice(first, first + _CHUNK)
            kernel = _kernel(rows[part], self.vectors, self.gamma)
            pairs = [(one, other) for one in range(kinds) for other in range(one + 1, kinds)]
            for (one, other), offset in zip(pairs, self.offsets, strict=True):
                a = slice(ends[one] - self.counts[one], ends[one])
                b = slice(ends[other] - self.counts[other], ends[other])
                decided = kernel[:, a] @ self.weights[other - 1, a]
                decided += kernel[:, b] @ self.weights[one, b] + offset
                won[part, one] += decided > 0
                won[part, other] += decided <= 0
        return won

    def predict(self, features: ArrayLike) -> list[str]:
        """The posture of each row of features; the first of those with as many votes."""
        return [self.labels[position] for position in self.votes(features).argmax(axis=1).tolist()]

    def apply(self, trajectories: Trajectories) -> NDArray[np.str_]:
        """(T, N) postures; an empty text where fewer than half of the keypoints are seen.

        Raises
        ------
        KeyError
            If the skeleton lacks a keypoint of the classifier.
        """
        points = [trajectories.skeleton.index(name) for name in self.keypoints]
        xy = trajectories.xy[:, :, points]
        seen = np.isfinite(xy[..., 0]).mean(axis=-1) >= MIN_SEEN
        width = max(len(label) for label in self.labels)
        found = np.full(seen.shape, "", f"<U{width}")
        for row in range(seen.shape[1]):
            there = seen[:, row]
            if there.any():
                found[there, row] = self.predict(features_of(xy[there, row]))
        return found


def _feature_count(keypoints: int) -> int:
    """The number of features that this many keypoints give."""
    return 3 * (keypoints * (keypoints - 1) // 2)


def features_of(xy: ArrayLike) -> Float64Array:
    """Distances between all pairs of keypoints, in x, in y, and their L1 distance.

    Parameters
    ----------
    xy
        (M, K, 2) pixels, NaN where unseen.

    Returns
    -------
    (M, 3 K (K - 1) / 2): x of all pairs, then y, both with their sign, then |x| + |y|; over the
    root of the mean square distance of the keypoints from their middle, so that neither place nor
    size matters. NaN where one of the two is missing.

    Examples
    --------
    >>> features_of([[[0.0, 0], [2, 0]]]).tolist()
    [[2.0, 0.0, 2.0]]
    """
    places = np.asarray(xy, np.float64)
    known = np.isfinite(places).all(axis=-1, keepdims=True)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    middle = np.where(known, places, 0).sum(axis=1, keepdims=True) / count
    away = np.where(known, places - middle, 0)
    size = np.sqrt((away**2).sum(axis=(1, 2)) / count[:, 0, 0])
    first, second = np.triu_indices(places.shape[1], 1)
    ways = (places[:, second] - places[:, first]) / np.where(size > 0, size, 1.0)[:, None, None]
    return np.concatenate([ways[..., 0], ways[..., 1], np.abs(ways).sum(axis=-1)], axis=1)


def _kernel(rows: Float64Array, vectors: Float64Array, gamma: float) -> Float64Array:
    """(M, S), ``exp(-gamma |a - b|^2)``."""
    squares = (rows**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1) - 2 * rows @ vectors.T
    return np.asarray(np.exp(-gamma * np.maximum(squares, 0.0)))
