"""Scores of tracks in rendered scenes, against the truth in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posetrack.evaluation.sequences import Floats, Ints
from posetrack.evaluation.whole_poses import (
    FrameSimilarities,
    TrackingResult,
    evaluate_similarities,
)
from posetrack.ops.matching import match_optimally
from posetrack.ops.oks import oks_matrix
from posetrack.structures import Tracks
from posetrack.world.truth import Truth


def score_tracks(
    truths: Sequence[Truth],
    tracks: Sequence[Tracks],
    *,
    name: str = "scene",
    min_share: float = 0.1,
    min_oks: float = 0.5,
) -> TrackingResult:
    """CLEAR, identity and HOTA metrics of whole people, by OKS.

    Parameters
    ----------
    truths, tracks
        One a frame. The tracks' skeleton is what is compared, hidden keypoints too; those outside
        the picture are not.
    name
        Of the sequence.
    min_share
        People of whom less can be seen need not be found, and finding them is not a mistake.
    min_oks
        Smallest OKS at which a track may be a person. The area in it is that of the box around
        the whole body, cut to the picture.

    Raises
    ------
    ValueError
        If the numbers of frames differ.

    Examples
    --------
    >>> from posetrack.world import crossing
    >>> scene = crossing(people=2, frames=2, size=(160, 90))
    >>> truths = [truth for _, truth in scene]
    >>> tracks = [Tracks(truth.poses(), truth.ids[truth.visible_rows()]) for truth in truths]
    >>> score_tracks(truths, tracks).rows()["poses"]["MOTA"]
    100.0
    """
    similarities = frame_similarities(truths, tracks, name=name, min_share=min_share,
                                      min_oks=min_oks)  # fmt: skip
    return evaluate_similarities([similarities], min_similarity=min_oks)


def frame_similarities(
    truths: Sequence[Truth],
    tracks: Sequence[Tracks],
    *,
    name: str = "scene",
    min_share: float = 0.1,
    min_oks: float = 0.5,
) -> FrameSimilarities:
    """What `score_tracks` scores, for scores of several scenes together."""
    if len(truths) != len(tracks):
        raise ValueError(f"{len(truths)} frames of truth, but {len(tracks)} of tracks")
    rows = [
        _similarities(truth, found, min_share, min_oks)
        for truth, found in zip(truths, tracks, strict=True)
    ]
    return FrameSimilarities(
        name,
        np.arange(len(rows)),
        tuple(true for true, _, _ in rows),
        tuple(ids for _, ids, _ in rows),
        tuple(matrix for _, _, matrix in rows),
    )


def track_ids_of(
    truths: Sequence[Truth],
    tracks: Sequence[Tracks],
    *,
    min_share: float = 0.1,
    min_oks: float = 0.5,
) -> dict[int, list[int]]:
    """For each person, in each frame in which they should be found, the id of their track or 0."""
    pairs = frame_similarities(truths, tracks, min_share=min_share, min_oks=min_oks)
    found: dict[int, list[int]] = {}
    for true, ids, matrix in zip(
        pairs.true_ids, pairs.predicted_ids, pairs.similarities, strict=True
    ):
        given = np.zeros(len(true), np.int64)
        rows, columns = match_optimally(matrix, at_least=min_oks)
        given[rows] = ids[columns]
        for person, identity in zip(true.tolist(), given.tolist(), strict=True):
            found.setdefault(person, []).append(identity)
    return found


def _similarities(
    truth: Truth, found: Tracks, min_share: float, min_oks: float
) -> tuple[Ints, Ints, Floats]:
    """Ids of the people who should be found, ids of the tracks, and their OKS."""
    truth = truth.to(found.skeleton)
    everybody = np.flatnonzero(truth.pixels > 0)
    xy = np.where(truth.visibility[everybody, :, None] > 0, truth.xy[everybody], np.nan)
    boxes = truth.clipped_boxes[everybody]
    areas = np.nan_to_num((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    matrix = np.zeros((len(everybody), len(found)))
    if matrix.size:
        matrix = np.asarray(oks_matrix(xy, found.xy, areas, found.skeleton.sigmas), np.float64)
    labelled = (truth.visibility[everybody] > 0).any(axis=1)
    wanted = (truth.share[everybody] >= min_share) & labelled
    rows, columns = match_optimally(matrix, at_least=min_oks)
    keep = np.ones(len(found), bool)
    keep[columns[~wanted[rows]]] = False
    ids: Ints = found.ids[keep].astype(np.int64)
    return truth.ids[everybody[wanted]], ids, matrix[wanted][:, keep]
