"""What the PoseTrack21 protocol counts of a sequence.

Follows the dataset's own kit (github.com/anDoer/PoseTrack21, eval/posetrack21): keypoints by
position, existence by coordinates, frames by their flag.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from posetrack.evaluation.protocol_posetrack import MISSING_SCORE, head_sizes
from posetrack.evaluation.regions import inside_any
from posetrack.evaluation.sequences import (
    AnnotatedSequence,
    Bools,
    Floats,
    Ints,
    People,
    SequencePair,
    offsets_of,
    repeated_id,
)
from posetrack.skeletons import POSETRACK_17

_COLUMNS: Final = np.array([k for k in range(17) if k not in (3, 4)])

POSETRACK21_KEYPOINTS: Final = tuple(POSETRACK_17.keypoints[k] for k in _COLUMNS.tolist())
"""The 15 keypoints in the kit's order: those of the files without the ears."""


def posetrack21_pair(
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
            "'annotations'. posetrack.evaluation.convert changes one into the other"
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
    place = np.full(len(sequence), -1, np.int64)
    place[frames] = np.arange(len(frames))
    rows = np.flatnonzero(place[sequence.frame] >= 0)
    frame = place[sequence.frame[rows]]
    xy = np.zeros((len(rows), len(_COLUMNS), 2))
    scores15 = np.zeros((len(rows), len(_COLUMNS)))
    if len(rows):
        xy = sequence.keypoints[rows][:, _COLUMNS, :2]
        scores15 = scores[rows][:, _COLUMNS]
    keep = _remove_ignored(xy, frame, regions)
    has = np.asarray((xy[keep] > 0).all(axis=2))
    return People(
        offsets=offsets_of(frame[keep], len(frames)),
        ids=sequence.ids[rows][keep],
        xy=xy[keep],
        has=has,
        scores=scores15[keep],
        sizes=head_sizes(sequence.heads[rows][keep]),
    )


def _remove_ignored(xy: Floats, frame: Ints, regions: list[tuple[Floats, ...]]) -> Bools:
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
    where = np.repeat(frame[among], points.shape[1])
    inside = inside_any(points.reshape(-1, 2), where, regions).reshape(points.shape[:2])
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
        repeated = repeated_id(frame, people.ids)
        if repeated is not None:
            raise ValueError(
                f"{sequence.source}: track id {repeated[1]} occurs twice in frame {repeated[0]}"
            )
