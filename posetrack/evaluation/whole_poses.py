"""Tracking of whole poses: CLEAR and identity metrics with 1 - OKS as the distance, and HOTA."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from posetrack.evaluation.event_log import EventLog, events_of_distances, log_of
from posetrack.evaluation.hota import (
    Hota,
    Similarities,
    align_scores,
    combine,
    hota_of,
    pair_offsets,
)
from posetrack.evaluation.posetrack_files import Source, evaluate_pairs
from posetrack.evaluation.regions import keypoints_inside
from posetrack.evaluation.score_tables import Result, Row, name_rows
from posetrack.evaluation.sequences import (
    AnnotatedSequence,
    Bools,
    Floats,
    Ints,
    find_repeat,
    refuse_repeat,
)
from posetrack.ops.oks import oks_matrix
from posetrack.skeletons import POSETRACK_15, POSETRACK_17, Skeleton
from posetrack.skeletons.skeleton import sigma_of


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

    Examples
    --------
    >>> seen = (np.array([7]), np.array([7]))
    >>> swapped = FrameSimilarities("walk", np.arange(2), seen, (np.array([1]), np.array([2])),
    ...                             (np.array([[0.9]]), np.array([[0.8]])))
    >>> [ids.tolist() for ids in swapped.predicted_ids]
    [[1], [2]]
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
        scores = align_scores(where, flat, true_sizes, other_sizes)
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


PERSON = "person"
"""What the event log calls the one thing tracked."""


@dataclass(frozen=True, eq=False)
class TrackingResult(Result):
    """CLEAR and identity metrics per sequence and over all, HOTA, and the event log.

    Each array is (S + 1,): the sequences, then all of them together. Ratios are fractions; a
    ratio with nothing to divide by is NaN. ``motp`` is the mean distance (1 - similarity) of
    detections, so that small is good.
    """

    sequences: tuple[str, ...]
    mota: Floats
    motp: Floats
    precision: Floats
    recall: Floats
    idf1: Floats
    idp: Floats
    idr: Floats
    switches: Ints
    fragmentations: Ints
    misses: Ints
    false_positives: Ints
    matches: Ints
    objects: Ints
    predictions: Ints
    unique_objects: Ints
    mostly_tracked: Ints
    partially_tracked: Ints
    mostly_lost: Ints
    transfers: Ints
    ascends: Ints
    migrates: Ints
    idtp: Ints
    idfp: Ints
    idfn: Ints
    hota: Hota
    hota_by_sequence: tuple[Hota, ...]
    events: EventLog

    def rows(self) -> dict[str, Row]:
        """Totals as papers print them: ratios in percent, then counts."""
        return {"poses": self._row(-1)}

    def by_sequence(self) -> dict[str, dict[str, Row]]:
        """The same row of each sequence."""
        rows = [self._row(s) for s in range(len(self.sequences))]
        return {"poses": name_rows(self.sequences, rows)}

    def _row(self, sequence: int) -> Row:
        hota = (*self.hota_by_sequence, self.hota)[sequence]
        ratios = {
            "MOTA": self.mota, "MOTP": 1 - self.motp, "IDF1": self.idf1, "IDP": self.idp,
            "IDR": self.idr, "Prec": self.precision, "Rec": self.recall,
        }  # fmt: skip
        counts = {
            "IDs": self.switches, "Frag": self.fragmentations, "MT": self.mostly_tracked,
            "ML": self.mostly_lost,
        }  # fmt: skip
        return {
            **{name: 100 * float(values[sequence]) for name, values in ratios.items()},
            "HOTA": 100 * float(hota.mean().hota),
            **{name: int(values[sequence]) for name, values in counts.items()},
        }


_METRICS = {
    "mota": "mota", "motp": "motp", "precision": "precision", "recall": "recall",
    "idf1": "idf1", "idp": "idp", "idr": "idr", "switches": "num_switches",
    "fragmentations": "num_fragmentations", "misses": "num_misses",
    "false_positives": "num_false_positives", "matches": "num_matches",
    "objects": "num_objects", "predictions": "num_predictions",
    "unique_objects": "num_unique_objects", "mostly_tracked": "mostly_tracked",
    "partially_tracked": "partially_tracked", "mostly_lost": "mostly_lost",
    "transfers": "num_transfer", "ascends": "num_ascend", "migrates": "num_migrate",
    "idtp": "idtp", "idfp": "idfp", "idfn": "idfn",
}  # fmt: skip
_RATIOS = ("mota", "motp", "precision", "recall", "idf1", "idp", "idr")


def evaluate_poses(truth: Source, predictions: Source, *, min_oks: float = 0.5) -> TrackingResult:
    """CLEAR and identity metrics of whole people, by motmetrics, with 1 - OKS as distance.

    Parameters
    ----------
    truth, predictions
        Folders, files or sequences already read, of any PoseTrack year.
    min_oks
        Smallest OKS at which a prediction may be a person.

    Raises
    ------
    FileNotFoundError
        If a file or a sequence's prediction is missing.
    ValueError
        If a file is not what it should be, numbers of frames or keypoints differ, or an id occurs
        twice in a frame.

    Notes
    -----
    Frames flagged as not labelled are left out, all others count. True people need a keypoint
    with a visibility above 0; people whose keypoints all lie in ignore regions are removed. The
    area in OKS is the annotation's, else that of its box, else that of the box around its
    keypoints.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> from posetrack.skeletons import POSETRACK_17
    >>> image = {"id": 1, "file_name": "images/val/000001_mpii_test/000000.jpg", "is_labeled": True}
    >>> points = [value for k in range(17) for value in (10.0 * k + 5, 50.0, 1)]
    >>> person = {"image_id": 1, "track_id": 7, "keypoints": points, "bbox": [0, 40, 180, 20]}
    >>> person |= {"bbox_head": [5, 40, 20, 20], "scores": [0.9] * 17, "id": 1, "category_id": 1}
    >>> category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.keypoints)}
    >>> image |= {"ignore_regions_x": [], "ignore_regions_y": []}
    >>> document = {"images": [image], "annotations": [person], "categories": [category]}
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "000001_mpii_test.json"
    >>> _ = path.write_text(json.dumps(document))
    >>> result = evaluate_poses(path, path)
    >>> float(result.mota[-1]), int(result.switches[-1]), int(result.objects[-1])
    (1.0, 0, 1)
    """
    sequences = evaluate_pairs(_pose_similarities, truth, predictions)
    return evaluate_similarities(sequences, min_similarity=min_oks)


def evaluate_similarities(
    sequences: Sequence[FrameSimilarities], *, min_similarity: float = 0.5
) -> TrackingResult:
    """The same from similarities of any kind, such as IoU of boxes.

    Examples
    --------
    >>> one, sure = np.array([1]), np.ones((1, 1))
    >>> walk = FrameSimilarities("walk", np.arange(2), (one, one), (one, one + 1), (sure, sure))
    >>> evaluate_similarities([walk]).switches.tolist()
    [1, 1]
    """
    parts = []
    for sequence in sequences:
        rows, true_ids, predicted_ids = events_of_distances(
            list(sequence.true_ids),
            list(sequence.predicted_ids),
            sequence.distances(min_similarity=min_similarity),
        )
        parts.append((rows, sequence.frames, true_ids, predicted_ids))
    names = tuple(sequence.name for sequence in sequences)
    hota = tuple(sequence.hota() for sequence in sequences)
    return TrackingResult(
        sequences=names,
        **_motmetrics(sequences, min_similarity),
        hota=combine(hota),
        hota_by_sequence=hota,
        events=log_of(parts, names, (PERSON,), np.zeros((len(names), 1))),
    )


def _motmetrics(sequences: Sequence[FrameSimilarities], min_similarity: float) -> dict[str, Any]:
    """Values of every metric by our name."""
    with _quiet():
        import motmetrics

        accumulators = []
        for sequence in sequences:
            accumulator = motmetrics.MOTAccumulator(auto_id=True)
            distances = sequence.distances(min_similarity=min_similarity)
            frames = zip(sequence.true_ids, sequence.predicted_ids, distances, strict=True)
            with motmetrics.lap.set_default_solver("scipy"):
                for true, predicted, distance in frames:
                    accumulator.update(true, predicted, distance)
            accumulators.append(accumulator)
        table = motmetrics.metrics.create().compute_many(
            accumulators,
            metrics=list(_METRICS.values()),
            names=[str(s) for s in range(len(sequences))],
            generate_overall=True,
        )
    return {
        ours: table[theirs].to_numpy(np.float64 if ours in _RATIOS else np.int64)
        for ours, theirs in _METRICS.items()
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Pandas announces its plans at motmetrics, of which our callers need not hear."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _pose_similarities(truth: AnnotatedSequence, predicted: AnnotatedSequence) -> FrameSimilarities:
    """OKS of all true with all predicted people in the labelled frames of a sequence."""
    if len(truth) != len(predicted):
        raise ValueError(
            f"{predicted.source}: {len(predicted)} frames, but the ground truth {truth.source} "
            f"has {len(truth)}; frames are paired by position"
        )
    count = truth.keypoints.shape[1]
    if predicted.keypoints.shape[1] != count and len(predicted.ids) and len(truth.ids):
        raise ValueError(
            f"{predicted.source}: {predicted.keypoints.shape[1]} keypoints, but the ground truth "
            f"has {count}"
        )
    for sequence in (truth, predicted):
        refuse_repeat(sequence.source, find_repeat(sequence.frame, sequence.ids))
    frames = np.flatnonzero([flag is not False for flag in truth.labelled])
    regions = [polygons or () for polygons in truth.regions]
    true_rows = _outside(truth, regions) & (truth.keypoints[:, :, 2] > 0).any(axis=1)
    other_rows = _outside(predicted, regions)
    areas = _areas(truth)
    sigmas = _skeleton_of(truth, count).sigmas
    true_ids, other_ids, similarities = [], [], []
    for f in frames.tolist():
        g = np.flatnonzero((truth.frame == f) & true_rows)
        p = np.flatnonzero((predicted.frame == f) & other_rows)
        true_ids.append(truth.ids[g])
        other_ids.append(predicted.ids[p])
        matrix = np.zeros((len(g), len(p)))
        if matrix.size:
            matrix = oks_similarities(
                truth.keypoints[g], areas[g], predicted.keypoints[p], sigmas=sigmas
            )
        similarities.append(matrix)
    return FrameSimilarities(
        truth.name, frames, tuple(true_ids), tuple(other_ids), tuple(similarities)
    )


def _skeleton_of(sequence: AnnotatedSequence, count: int) -> Skeleton:
    """The skeleton of a file's keypoints: by the names it gives, else by their number."""
    known = {len(POSETRACK_15): POSETRACK_15, len(POSETRACK_17): POSETRACK_17}
    names = sequence.landmarks
    if names is None or len(names) != count:
        if count not in known:
            raise ValueError(
                f"{sequence.source}: {count} keypoints without names; give them in 'categories'"
            )
        return known[count]
    return Skeleton("file", names, (), (), tuple(sigma_of(name) for name in names))


def _outside(sequence: AnnotatedSequence, regions: list[tuple[Floats, ...]]) -> Bools:
    """People who are not wholly inside ignore regions."""
    if not any(regions):
        return np.ones(len(sequence.ids), np.bool_)
    points = sequence.keypoints[:, :, :2]
    inside = keypoints_inside(points, sequence.frame, regions)
    absent = ~np.isfinite(points).all(axis=2) | (sequence.keypoints == 0).all(axis=2)
    keep: Bools = ~(inside | absent).all(axis=1) | absent.all(axis=1)
    return keep


def _areas(truth: AnnotatedSequence) -> Floats:
    seen = truth.keypoints[:, :, 2:] > 0
    xy = truth.keypoints[:, :, :2]
    low = np.where(seen, xy, np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen, xy, -np.inf).max(axis=1, initial=-np.inf)
    extent = np.where(seen.any(axis=1), high, 0) - np.where(seen.any(axis=1), low, 0)
    return np.where(np.isnan(truth.areas), extent.prod(axis=1), truth.areas)
