"""The PoseTrack21 protocol: HOTA and AP per keypoint, per sequence and in total."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from posetrack.evaluation.hota import (
    Hota,
    Similarities,
    combine,
    empty_hota,
    hota_of,
    pair_offsets,
    stack,
)
from posetrack.evaluation.posetrack import ap_row, precision_columns
from posetrack.evaluation.posetrack_files import Source, evaluate_pairs
from posetrack.evaluation.precision import (
    AveragePrecision,
    RankedKeypoints,
    precision_of_all,
    rank_keypoints,
    tie_notes,
)
from posetrack.evaluation.regions import keypoints_inside
from posetrack.evaluation.score_tables import Result, Row, keypoint_rows, name_rows
from posetrack.evaluation.sequences import (
    MISSING_SCORE,
    AnnotatedSequence,
    Bools,
    Floats,
    Ints,
    People,
    SequencePair,
    find_repeat,
    frame_distances,
    head_sizes,
    offsets_of,
    refuse_repeat,
)
from posetrack.ops.compilation import compile_kernel
from posetrack.skeletons import POSETRACK_17

_COLUMNS: Final = np.array([k for k in range(17) if k not in (3, 4)])

POSETRACK21_KEYPOINTS: Final = tuple(POSETRACK_17.keypoints[k] for k in _COLUMNS.tolist())
"""The 15 keypoints in the kit's order: those of the files without the ears."""


def _posetrack21_pair(
    truth: AnnotatedSequence, predicted: AnnotatedSequence, *, truncate_scores: bool = True
) -> SequencePair:
    """The true and predicted people that the protocol compares.

    Parameters
    ----------
    truth, predicted
        One sequence, from PoseTrack18 or PoseTrack21 files.
    truncate_scores
        As the kit does, cut the scores of a frame to whole numbers if all the numbers of its
        predicted keypoints are written without a decimal point. False keeps them.

    Raises
    ------
    ValueError
        If the kit would refuse the files: other numbers or ids of frames, a missing flag, region
        or head box, keypoints or scores that are not 17, a labelled frame in which no true person
        remains, an id twice in a frame, annotations of unknown images.
    """
    for sequence in (truth, predicted):
        _check_shape(sequence)
    _check_truth(truth)
    if len(truth) != len(predicted):
        raise ValueError(
            f"{predicted.source}: {len(predicted)} frames, but the ground truth {truth.source} "
            f"has {len(truth)}"
        )
    frames = np.flatnonzero(np.array(truth.labelled, np.bool_))
    for f in frames.tolist():
        if truth.image_ids[f] != predicted.image_ids[f]:
            raise ValueError(
                f"{predicted.source}: image {f} has the id {predicted.image_ids[f]}, in the "
                f"ground truth {truth.image_ids[f]}; list the images in the same order"
            )
    regions = [truth.regions[f] or () for f in frames.tolist()]
    true_people = _people(truth, truth.scores, frames, regions)
    scores = _kit_scores(predicted, truncate=truncate_scores)
    pair = SequencePair(
        truth.name, frames, true_people, _people(predicted, scores, frames, regions)
    )
    _check_pair(pair, truth, predicted)
    return pair


def _check_shape(sequence: AnnotatedSequence) -> None:
    if sequence.spare is not None:
        raise ValueError(
            f"{sequence.source}: a PoseTrack17 file; this protocol takes 'images' and "
            "'annotations'. posetrack.evaluation.official_converter changes one into the other"
        )
    if sequence.strays:
        raise ValueError(
            f"{sequence.source}: {sequence.strays} annotations belong to no image of the file"
        )
    if len(sequence.ids) and sequence.keypoints.shape[1] != len(POSETRACK_17):
        raise ValueError(
            f"{sequence.source}: people have {sequence.keypoints.shape[1]} keypoints; expected "
            f"the {len(POSETRACK_17)} of PoseTrack in the order of its files"
        )
    wrong = (sequence.score_counts > 0) & (sequence.score_counts != len(POSETRACK_17))
    if wrong.any():
        raise ValueError(
            f"{sequence.source}: {sequence.score_counts[np.argmax(wrong)]} scores of a person; "
            f"expected {len(POSETRACK_17)}, one a keypoint with the ears"
        )


def _check_truth(truth: AnnotatedSequence) -> None:
    for values, key in ((truth.labelled, "is_labeled"), (truth.regions, "ignore_regions_x/_y")):
        if any(value is None for value in values):
            raise ValueError(
                f"{truth.source}: image {values.index(None)} has no {key!r}; this protocol needs "
                "it in every image of the ground truth"
            )
    headless = np.isnan(truth.heads).any(axis=1)
    if headless.any():
        row = int(np.argmax(headless))
        raise ValueError(
            f"{truth.source}: person {int(truth.ids[row])} of frame {int(truth.frame[row])} has "
            "no 'bbox_head'; distances are measured in head sizes"
        )


def _kit_scores(predicted: AnnotatedSequence, *, truncate: bool) -> Floats:
    if (predicted.score_counts == 0).any():
        raise ValueError(
            f"{predicted.source}: an empty 'scores'; give 17 scores or leave the key out (then "
            f"all of the person's count as {MISSING_SCORE:g})"
        )
    scores = np.where(np.isnan(predicted.scores), MISSING_SCORE, predicted.scores)
    if truncate:
        people = np.bincount(predicted.frame, minlength=len(predicted))
        whole = np.bincount(predicted.frame[predicted.whole_numbers], minlength=len(predicted))
        cut = (people == whole)[predicted.frame]
        scores[cut] = np.trunc(scores[cut])
    return scores


def _people(
    sequence: AnnotatedSequence,
    scores: Floats,
    frames: Ints,
    regions: list[tuple[Floats, ...]],
) -> People:
    position = np.full(len(sequence), -1, np.int64)
    position[frames] = np.arange(len(frames))
    rows = np.flatnonzero(position[sequence.frame] >= 0)
    frame = position[sequence.frame[rows]]
    xy = np.zeros((len(rows), len(_COLUMNS), 2))
    scores15 = np.zeros((len(rows), len(_COLUMNS)))
    if len(rows):
        xy = sequence.keypoints[rows][:, _COLUMNS, :2]
        scores15 = scores[rows][:, _COLUMNS]
    keep = _clear_regions(xy, frame, regions)
    has = np.asarray((xy[keep] > 0).all(axis=2))
    return People(
        offsets=offsets_of(frame[keep], len(frames)),
        ids=sequence.ids[rows][keep],
        xy=xy[keep],
        has=has,
        scores=scores15[keep],
        sizes=head_sizes(sequence.heads[rows][keep]),
    )


def _clear_regions(xy: Floats, frame: Ints, regions: list[tuple[Floats, ...]]) -> Bools:
    """Move ignored keypoints to the origin, in place; True for the people who remain.

    Keypoints that do not exist sit at the origin or wherever the file puts them, and can lie in a
    region like any other.
    """
    has_region = np.array([bool(polygons) for polygons in regions], np.bool_)
    keep = np.ones(len(frame), np.bool_)
    among = np.flatnonzero(has_region[frame])
    if not len(among):
        return keep
    points = xy[among]
    inside = keypoints_inside(points, frame[among], regions)
    points[inside] = 0
    xy[among] = points
    keep[among] = ~(inside.all(axis=1) | (points <= 0).all(axis=(1, 2)))
    return keep


def _check_pair(pair: SequencePair, truth: AnnotatedSequence, predicted: AnnotatedSequence) -> None:
    nobody = np.diff(pair.truth.offsets) == 0
    if nobody.any():
        f = int(pair.frames[np.argmax(nobody)])
        raise ValueError(
            f"{truth.source}: frame {f} is labelled but has no true person outside the ignore "
            "regions; the official kit fails here. Set its 'is_labeled' to false"
        )
    for people, sequence in ((pair.truth, truth), (pair.predicted, predicted)):
        frame = np.repeat(pair.frames, np.diff(people.offsets))
        refuse_repeat(sequence.source, find_repeat(frame, people.ids))


_REACH: Final = 0.5001
"""Distance in head sizes at which the similarity has fallen from 1 to 0."""


def _keypoint_hota(pair: SequencePair, *, per_frame_misses: bool = False) -> Hota:
    """HOTA of each keypoint, with the total as 16th column.

    Parameters
    ----------
    pair
        A sequence in which every frame has a true person.
    per_frame_misses
        The official kit counts, in a frame without predicted people, the true keypoints of the
        whole sequence as missed. True counts those of the frame.

    Raises
    ------
    ValueError
        If a predicted keypoint lies exactly on a true one whose head box has no size: their
        distance in head sizes is not defined, and the official kit fails.

    Notes
    -----
    The similarity is ``max(0, 1 - d / 0.5001)`` with d in head sizes. Each keypoint is assigned
    for itself, by the sum of similarities in the frame, without HOTA's global alignment.
    """
    truth, predicted = pair.truth, pair.predicted
    totals = truth.has.sum(axis=0)
    keypoints = truth.has.shape[1]
    if not len(predicted):
        return stack([empty_hota(total) for total in totals.tolist()]).with_total()
    true_ids, true_index = np.unique(truth.ids, return_inverse=True)
    other_ids, other_index = np.unique(predicted.ids, return_inverse=True)
    offsets = pair_offsets(truth.offsets, predicted.offsets)
    where = Similarities(truth.offsets, true_index, predicted.offsets, other_index, offsets)
    similarity = _similarities(
        truth.offsets, truth.xy, truth.has, truth.sizes,
        predicted.offsets, predicted.xy, predicted.has, offsets,
    )  # fmt: skip
    if np.isnan(similarity).any():
        raise ValueError(
            f"{pair.name}: a head box without size, and a prediction exactly on a keypoint of "
            "that person: their distance in head sizes is not defined"
        )
    empty = np.repeat(np.diff(predicted.offsets) == 0, np.diff(truth.offsets))
    empty_frames = int((np.diff(predicted.offsets) == 0).sum())
    parts = []
    for k in range(keypoints):
        missed_total = float(totals[k])
        if not per_frame_misses:
            missed_total += float(empty_frames * totals[k] - truth.has[empty, k].sum())
        parts.append(
            hota_of(
                where,
                similarity[k],
                similarity[k],
                _sizes(true_index, truth.has[:, k], len(true_ids)),
                _sizes(other_index, predicted.has[:, k], len(other_ids)),
                missed_total,
                float(predicted.has[:, k].sum()),
            )
        )
    return stack(parts).with_total()


def _sizes(index: Ints, has: Bools, count: int) -> Floats:
    return np.bincount(index[has], minlength=count).astype(np.float64)


@compile_kernel
def _similarities(
    true_offsets: Ints,
    true_xy: Floats,
    true_has: Bools,
    sizes: Floats,
    other_offsets: Ints,
    other_xy: Floats,
    other_has: Bools,
    offsets: Ints,
) -> Floats:
    """(K, R): of every keypoint, the pairs of all frames in one row."""
    similarity = np.zeros((true_xy.shape[1], offsets[-1]))
    for f in range(len(true_offsets) - 1):
        g0, g1 = true_offsets[f], true_offsets[f + 1]
        p0, p1 = other_offsets[f], other_offsets[f + 1]
        distance = frame_distances(
            true_xy[g0:g1], true_has[g0:g1], sizes[g0:g1], other_xy[p0:p1], other_has[p0:p1]
        )
        n = offsets[f]
        for g in range(g1 - g0):
            for p in range(p1 - p0):
                for k in range(len(similarity)):
                    d = distance[g, p, k]
                    if np.isnan(d):
                        similarity[k, n] = d
                    elif d < _REACH:
                        similarity[k, n] = (-1 / _REACH) * d + 1
                n += 1
    return similarity


@dataclass(frozen=True, eq=False)
class PoseTrack21Result(Result):
    """The protocol's results for one run.

    Parameters
    ----------
    keypoints
        The 15 names, in the kit's order.
    sequences
        Names of the sequences, ascending.
    frames
        (S,) numbers of labelled frames.
    hota
        Over all sequences, (19, 16): the keypoints and the total. Its total pools the detections
        of all keypoints and averages the association of sequences, so that it is not the mean
        over keypoints.
    hota_by_sequence
        For each sequence alone; here the total is the mean over keypoints.
    ap, ap_by_sequence
        AP in percent, over all sequences and for each alone.
    ap_low, ap_high
        (15,), between which AP lies whatever the order of equal scores.
    true_people, predicted_people, true_ids, predicted_ids
        (S,) how many.
    notes
        What a reader of the numbers should know, in sentences.
    """

    keypoints: tuple[str, ...]
    sequences: tuple[str, ...]
    frames: Ints
    hota: Hota
    hota_by_sequence: tuple[Hota, ...]
    ap: AveragePrecision
    ap_by_sequence: tuple[AveragePrecision, ...]
    ap_low: Floats
    ap_high: Floats
    true_people: Ints
    predicted_people: Ints
    true_ids: Ints
    predicted_ids: Ints
    notes: tuple[str, ...] = ()

    def rows(self) -> dict[str, Row]:
        """The totals of HOTA and its parts in percent, then AP by group."""
        return {"HOTA": _hota_row(self.hota), "AP": ap_row(self.ap, self.keypoints)}

    def by_sequence(self) -> dict[str, dict[str, Row]]:
        """The same rows of each sequence."""
        hota = [_hota_row(part) for part in self.hota_by_sequence]
        ap = [ap_row(part, self.keypoints) for part in self.ap_by_sequence]
        return {
            "HOTA": name_rows(self.sequences, hota),
            "AP": name_rows(self.sequences, ap),
        }

    def by_keypoint(self) -> dict[str, Row]:
        """AP, precision, recall and HOTA with its parts, of each keypoint and in total."""
        mean = self.hota.mean()
        parts = {"HOTA": mean.hota, "DetA": mean.det_a, "AssA": mean.ass_a, "LocA": mean.loc_a}
        columns = precision_columns(self.ap) | {n: 100 * values for n, values in parts.items()}
        return keypoint_rows(self.keypoints, columns)


def _hota_row(hota: Hota) -> Row:
    """Totals of the 16th column, in percent."""
    mean = hota.mean()
    columns = {
        "HOTA": mean.hota, "DetA": mean.det_a, "AssA": mean.ass_a, "LocA": mean.loc_a,
        "DetRe": mean.det_re, "DetPr": mean.det_pr, "AssRe": mean.ass_re,
        "AssPr": mean.ass_pr, "FragA": mean.frag_a, "FA-HOTA": mean.fa_hota,
    }  # fmt: skip
    return {name: 100 * float(values[-1]) for name, values in columns.items()}


@dataclass(frozen=True, eq=False)
class _Part:
    name: str
    frames: int
    hota: Hota
    ranked: RankedKeypoints
    counts: tuple[int, int, int, int]
    unscored: int


def evaluate_posetrack21(
    truth: Source,
    predictions: Source,
    *,
    per_frame_misses: bool = False,
    truncate_scores: bool = True,
    workers: int = 2,
) -> PoseTrack21Result:
    """Keypoint HOTA and AP, as the kit of PoseTrack21 has them.

    Parameters
    ----------
    truth, predictions
        Folders, files or sequences already read, of PoseTrack18 or PoseTrack21 form. A folder of
        predictions may hold its files in a folder ``sequences``.
    per_frame_misses
        In a labelled frame without predictions the kit counts the true keypoints of the whole
        sequence as missed. True counts those of the frame.
    truncate_scores
        The kit cuts scores to whole numbers where a frame's predicted keypoints are all written
        as whole numbers. False keeps them.
    workers
        Threads over sequences.

    Raises
    ------
    FileNotFoundError
        If a file or a sequence's prediction is missing.
    ValueError
        If a file is not what it should be; see `posetrack.evaluation.posetrack21`.

    Notes
    -----
    Only labelled frames count, all of them. A keypoint exists if both its coordinates are above
    0, whatever its visibility flag.

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
    >>> result = evaluate_posetrack21(path, path)
    >>> float(result.hota.hota[:, -1].mean()), result.true_ids.tolist()
    (1.0, [1])
    """

    def evaluate(true: AnnotatedSequence, predicted: AnnotatedSequence) -> _Part:
        compared = _posetrack21_pair(true, predicted, truncate_scores=truncate_scores)
        return _Part(
            compared.name,
            len(compared),
            _keypoint_hota(compared, per_frame_misses=per_frame_misses),
            rank_keypoints(compared),
            (
                len(compared.truth),
                len(compared.predicted),
                len(np.unique(compared.truth.ids)),
                len(np.unique(compared.predicted.ids)),
            ),
            int((predicted.score_counts < 0).sum()),
        )

    return _result(evaluate_pairs(evaluate, truth, predictions, workers=workers))


def _result(parts: list[_Part]) -> PoseTrack21Result:
    precision = precision_of_all(
        [part.ranked for part in parts], len(POSETRACK21_KEYPOINTS), nan_without_truth=False
    )
    counts = np.array([part.counts for part in parts], np.int64).reshape(-1, 4).T
    unscored = sum(part.unscored for part in parts)
    notes = [f"{unscored} predicted people have no scores and count with -9999"] if unscored else []
    return PoseTrack21Result(
        keypoints=POSETRACK21_KEYPOINTS,
        sequences=tuple(part.name for part in parts),
        frames=np.array([part.frames for part in parts], np.int64),
        hota=combine([part.hota for part in parts]),
        hota_by_sequence=tuple(part.hota for part in parts),
        **precision,
        true_people=counts[0],
        predicted_people=counts[1],
        true_ids=counts[2],
        predicted_ids=counts[3],
        notes=(*notes, *tie_notes(precision)),
    )
