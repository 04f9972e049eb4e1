"""How alike true and predicted people are in every frame of a sequence, as OKS or IoU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from posetrack.evaluation.hota import Hota, Similarities, aligned_scores, hota_of, pair_offsets
from posetrack.evaluation.sequences import Floats, Ints
from posetrack.ops.oks import oks_matrix
from posetrack.skeletons import POSETRACK_17


@dataclass(frozen=True, eq=False)
class FrameSimilarities:
    """Ids and similarities in each of the F frames of one sequence.

    Parameters
    ----------
    name
        The sequence.
    frames
        (F,), positions of the frames in their file.
    true_ids, predicted_ids
        For each frame, each id at most once.
    similarities
        For each frame (G, P), in [0, 1].

    Raises
    ------
    ValueError
        If lengths or shapes disagree, or an id occurs twice in a frame.
    """

    name: str
    frames: Ints
    true_ids: tuple[Ints, ...]
    predicted_ids: tuple[Ints, ...]
    similarities: tuple[Floats, ...]

    def __post_init__(self) -> None:
        counts = {len(self.frames), len(self.true_ids), len(self.predicted_ids)}
        if counts != {len(self.similarities)}:
            raise ValueError(f"{self.name}: ids and similarities must be given for every frame")
        for f, (true, other, matrix) in enumerate(
            zip(self.true_ids, self.predicted_ids, self.similarities, strict=True)
        ):
            if matrix.shape != (len(true), len(other)):
                raise ValueError(
                    f"{self.name}: similarities of frame {f} must have shape "
                    f"{len(true), len(other)}, got {matrix.shape}"
                )
            if len(set(true.tolist())) < len(true) or len(set(other.tolist())) < len(other):
                raise ValueError(f"{self.name}: an id occurs twice in frame {self.frames[f]}")

    def distances(self, *, min_similarity: float) -> list[Floats]:
        """For each frame 1 - similarity; NaN where that is above 1 - ``min_similarity``."""
        apart = [1 - matrix for matrix in self.similarities]
        return [np.where(d > 1 - min_similarity, np.nan, d) for d in apart]

    def hota(self) -> Hota:
        """HOTA as published, with the global alignment."""
        true = np.concatenate([np.zeros(0, np.int64), *self.true_ids])
        other = np.concatenate([np.zeros(0, np.int64), *self.predicted_ids])
        true_ids, true_index = np.unique(true, return_inverse=True)
        other_ids, other_index = np.unique(other, return_inverse=True)
        offsets = [
            np.cumsum([0, *map(len, ids)], dtype=np.int64)
            for ids in (self.true_ids, self.predicted_ids)
        ]
        where = Similarities(
            offsets[0], true_index, offsets[1], other_index, pair_offsets(*offsets)
        )
        flat = np.concatenate([np.zeros(0), *(matrix.ravel() for matrix in self.similarities)])
        true_sizes = np.bincount(true_index, minlength=len(true_ids)).astype(np.float64)
        other_sizes = np.bincount(other_index, minlength=len(other_ids)).astype(np.float64)
        scores = aligned_scores(where, flat, true_sizes, other_sizes)
        return hota_of(
            where, flat, scores, true_sizes, other_sizes, float(len(true)), float(len(other))
        )


def oks_similarities(
    true_keypoints: ArrayLike,
    areas: ArrayLike,
    predicted_keypoints: ArrayLike,
    *,
    sigmas: ArrayLike = POSETRACK_17.sigmas,
) -> Floats:
    """(G, P) OKS of true with predicted people of one frame.

    Parameters
    ----------
    true_keypoints
        (G, K, 3), x, y and visibility; only keypoints with visibility above 0 count.
    areas
        (G,), square pixels.
    predicted_keypoints
        (P, K, 3) or (P, K, 2); every keypoint counts as predicted, wherever it is.
    sigmas
        (K,), see `posetrack.skeletons`.

    Examples
    --------
    >>> pose = np.ones((1, 17, 3))
    >>> oks_similarities(pose, [100.0], pose).tolist()
    [[1.0]]
    """
    count = len(np.asarray(sigmas))
    true = np.asarray(true_keypoints, np.float64).reshape(-1, count, 3)
    predicted = np.asarray(predicted_keypoints, np.float64)
    if not len(true) or not len(predicted):
        return np.zeros((len(true), len(predicted)))
    predicted = predicted.reshape(len(predicted), count, -1)[:, :, :2]
    seen = np.where(true[:, :, 2:] > 0, true[:, :, :2], np.nan)
    matrix: Floats = np.asarray(oks_matrix(seen, predicted, areas, sigmas), np.float64)
    return matrix


def iou_similarities(true_xywh: ArrayLike, predicted_xywh: ArrayLike) -> Floats:
    """(G, P) IoU of true with predicted boxes of one frame: left, top, width, height.

    Examples
    --------
    >>> iou_similarities([[0, 0, 2, 2]], [[0, 0, 2, 1]]).tolist()
    [[0.5]]
    """
    a, b = (np.asarray(v, np.float64).reshape(-1, 4) for v in (true_xywh, predicted_xywh))
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    common = np.maximum(high - low, 0).prod(axis=2)
    # Areas from the corners, as both official tools compute them.
    sizes = [np.maximum((v[:, :2] + v[:, 2:]) - v[:, :2], 0).prod(axis=1) for v in (a, b)]
    union = sizes[0][:, None] + sizes[1][None] - common
    return np.where(common > 0, common / np.where(union > 0, union, 1), 0.0)
