"""What the PoseTrack 2017 / 2018 protocol counts of a sequence.

Follows the official evaluator (github.com/leonid-pishchulin/poseval): which people, keypoints and
frames remain before anything is compared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from posetrack.evaluation.image_names import image_numbers
from posetrack.evaluation.regions import inside_any
from posetrack.evaluation.sequences import (
    AnnotatedSequence,
    Bools,
    Floats,
    Ints,
    People,
    Region,
    SequencePair,
    SparePoints,
    offsets_of,
    repeated_id,
)
from posetrack.skeletons import POSETRACK_15

MISSING_SCORE: Final = -9999.0
"""What the official evaluators use where a prediction has no score."""

MAX_TRACK_ID: Final = 10_000
"""The official evaluator refuses this id and larger ones."""

_HEAD_FACTOR: Final = 0.6

_COUNTS: Final = (15, 17)


@dataclass(frozen=True, eq=False)
class _Side:
    """One file with the protocol's keypoints, before frames and ignored points are removed."""

    frames: Ints  # positions in the file of the frames of the video
    frame: Ints  # (P,), position among those
    ids: Ints
    xy: Floats
    has: Bools
    scores: Floats
    sizes: Floats
    spare: SparePoints | None
    repeated: tuple[int, int] | None  # a frame and an id that occurs twice in it


def posetrack_pair(
    truth: AnnotatedSequence, predicted: AnnotatedSequence, *, map_keypoints: bool = False
) -> SequencePair:
    """The true and predicted people that the protocol compares.

    Parameters
    ----------
    truth, predicted
        One sequence, from files of 2017 or 2018, not necessarily both of the same year.
    map_keypoints
        Accept predictions with other keypoints than the protocol's and take those whose names it
        knows; the others then count as not predicted. The official evaluator refuses such files.

    Raises
    ------
    ValueError
        If the official evaluator would refuse the files: numbers of frames that differ, a track
        id above 9999 or twice in a frame, unknown keypoints or image names, too few scores, no
        head box where one is needed. Also if a true track id occurs twice in a frame.
    """
    true_side = _side(truth, map_keypoints=False)
    other_side = _side(predicted, map_keypoints=map_keypoints)
    if len(true_side.frames) != len(other_side.frames):
        raise ValueError(
            f"{predicted.source}: {len(other_side.frames)} frames, but the ground truth "
            f"{truth.source} has {len(true_side.frames)}; frames are paired by position"
        )
    if other_side.repeated is not None:
        raise ValueError(_twice(predicted.source, *other_side.repeated))
    kept = np.flatnonzero(truth.annotated[true_side.frames])
    regions = [truth.regions[f] or () for f in true_side.frames[kept].tolist()]
    pair = SequencePair(
        truth.name,
        true_side.frames[kept],
        _remaining(true_side, kept, regions),
        _remaining(other_side, kept, regions),
    )
    frame = np.repeat(pair.frames, np.diff(pair.truth.offsets))
    repeated = repeated_id(frame, pair.truth.ids)
    if repeated is not None:
        raise ValueError(_twice(truth.source, *repeated))
    _refuse_missing_heads(pair, truth.source)
    return pair


def head_sizes(corners: Floats) -> Floats:
    """(P,) head sizes from the (P, 4) corners of the head boxes: 0.6 times the diagonal.

    Examples
    --------
    >>> head_sizes(np.array([[0.0, 0.0, 30.0, 40.0]])).tolist()
    [30.0]
    """
    with np.errstate(over="ignore", invalid="ignore"):  # an absurd box is infinitely large
        across = corners[:, 2:] - corners[:, :2]
        return _HEAD_FACTOR * np.sqrt(across[:, 0] ** 2 + across[:, 1] ** 2)


def _twice(source: str, frame: int, track: int) -> str:
    return f"{source}: track id {track} occurs twice in frame {frame}"


def _side(sequence: AnnotatedSequence, *, map_keypoints: bool) -> _Side:
    columns = _columns(sequence, map_keypoints=map_keypoints)
    of_2017 = sequence.spare is not None
    in_video = np.ones(len(sequence), np.bool_) if of_2017 else _first_video(sequence)
    rows = np.flatnonzero(in_video[sequence.frame])
    ids = sequence.ids[rows]
    if (ids >= MAX_TRACK_ID).any():
        raise ValueError(
            f"{sequence.source}: track id {int(ids.max())}; the official evaluator takes "
            f"ids below {MAX_TRACK_ID} only. Renumber the tracks"
        )
    known = columns >= 0
    keypoints = np.full((len(rows), len(columns), 3), np.nan)
    keypoints[:, known] = sequence.keypoints[rows][:, columns[known]]
    scores = np.full((len(rows), len(columns)), np.nan)
    scores[:, known] = sequence.scores[rows][:, columns[known]]
    has = np.isfinite(keypoints[:, :, 0])
    if not of_2017:  # in files of 2017 a point at the origin counts
        has &= (keypoints != 0).any(axis=2)
    return _Side(
        frames=np.flatnonzero(in_video),
        frame=(np.cumsum(in_video) - 1)[sequence.frame[rows]],
        ids=ids,
        xy=keypoints[:, :, :2].copy(),
        has=has,
        scores=np.where(np.isnan(scores), MISSING_SCORE, scores),
        sizes=head_sizes(sequence.heads[rows]),
        spare=sequence.spare,
        repeated=sequence.repeated if of_2017 else repeated_id(sequence.frame[rows], ids),
    )


def _columns(sequence: AnnotatedSequence, *, map_keypoints: bool) -> Ints:
    """Where the protocol's 15 keypoints are among the file's; -1 for those that it lacks."""
    names, source = sequence.landmarks, sequence.source
    if names is None:
        raise ValueError(
            f"{source}: 'categories' must hold exactly one entry, named 'person', with the names "
            "of the keypoints in 'keypoints'"
        )
    missing = [name for name in POSETRACK_15.keypoints if name not in names]
    if (missing or len(names) not in _COUNTS) and not map_keypoints:
        raise ValueError(
            f"{source}: {len(names)} keypoints, without {', '.join(missing) or 'a gap'}; expected "
            "the 15 of PoseTrack, or these and two ears. map_keypoints=True (--map-keypoints) "
            "takes those of the same name and counts the others as not predicted"
        )
    if len(missing) == len(POSETRACK_15):
        raise ValueError(f"{source}: none of its keypoints has a name that PoseTrack knows")
    if len(sequence.ids) and len(names) != sequence.keypoints.shape[1]:
        raise ValueError(
            f"{source}: 'categories' names {len(names)} keypoints, but people have "
            f"{sequence.keypoints.shape[1]}"
        )
    columns = [names.index(name) if name in names else -1 for name in POSETRACK_15.keypoints]
    counts = sequence.score_counts
    if sequence.spare is None and ((counts > 0) & (counts <= max(columns))).any():
        row = int(np.argmax((counts > 0) & (counts <= max(columns))))
        raise ValueError(
            f"{source}: {counts[row]} scores for {len(names)} keypoints, person "
            f"{int(sequence.ids[row])} of frame {int(sequence.frame[row])}; expected one a "
            "keypoint, in the order of 'categories', or none at all"
        )
    return np.array(columns, np.int64)


def _first_video(sequence: AnnotatedSequence) -> Bools:
    """(T,), which images belong to the video of the first; all names are checked."""
    if not len(sequence):
        raise ValueError(f"{sequence.source}: 'images' is empty")
    try:
        videos = [image_numbers(name)[0] for name in sequence.image_names]
    except ValueError as error:
        raise ValueError(f"{sequence.source}: {error}") from None
    return np.array([video == videos[0] for video in videos], np.bool_)


def _remaining(side: _Side, kept: Ints, regions: list[tuple[Region, ...]]) -> People:
    """People of the kept frames, without points inside the regions of their frame."""
    place = np.full(len(side.frames), -1, np.int64)
    place[kept] = np.arange(len(kept))
    rows = np.flatnonzero(place[side.frame] >= 0)
    frame = place[side.frame[rows]]
    people = People(
        offsets_of(frame, len(kept)),
        side.ids[rows],
        side.xy[rows],
        side.has[rows],
        side.scores[rows],
        side.sizes[rows],
    )
    if not any(regions):
        return people
    has_region = np.array([bool(polygons) for polygons in regions], np.bool_)
    among, spare = np.flatnonzero(has_region[frame]), side.spare
    points = people.xy[among]
    where = np.repeat(frame[among], points.shape[1])
    inside = inside_any(points.reshape(-1, 2), where, regions).reshape(points.shape[:2])
    people.has[among] &= ~inside
    alive = np.asarray(people.has.any(axis=1))
    if spare is not None:
        _refill(people, alive, frame, rows, spare, regions)
    keep = alive | ~has_region[frame]
    return replace(
        people,
        offsets=offsets_of(frame[keep], len(kept)),
        ids=people.ids[keep],
        xy=people.xy[keep],
        has=people.has[keep],
        scores=people.scores[keep],
        sizes=people.sizes[keep],
    )


def _refill(
    people: People,
    alive: Bools,
    frame: Ints,
    rows: Ints,
    spare: SparePoints,
    regions: list[tuple[Region, ...]],
) -> None:
    """Put spare points in the place of ignored ones; ``people`` and ``alive`` are changed."""
    row_of = {int(row): i for i, row in enumerate(rows.tolist())}
    for q in range(len(spare.person)):
        i = row_of.get(int(spare.person[q]), -1)
        if i < 0 or not regions[frame[i]]:
            continue
        point = spare.xy[q : q + 1]
        if inside_any(point, np.zeros(1, np.int64), [regions[frame[i]]])[0]:
            continue
        alive[i] = True
        keypoint = spare.keypoint[q]
        if keypoint >= 0 and not people.has[i, keypoint]:
            people.has[i, keypoint] = True
            people.xy[i, keypoint] = point[0]
            score = spare.scores[q]
            people.scores[i, keypoint] = MISSING_SCORE if np.isnan(score) else score


def _refuse_missing_heads(pair: SequencePair, source: str) -> None:
    """Distances are in head sizes, so everybody who is compared needs one."""
    compared = np.repeat(np.diff(pair.predicted.offsets) > 0, np.diff(pair.truth.offsets))
    lacking = compared & np.isnan(pair.truth.sizes)
    if lacking.any():
        row = int(np.argmax(lacking))
        frame = int(np.searchsorted(pair.truth.offsets, row, side="right")) - 1
        raise ValueError(
            f"{source}: person {int(pair.truth.ids[row])} of frame {int(pair.frames[frame])} has "
            "no head box ('bbox_head', or x1, y1, x2, y2 in files of 2017); distances are "
            "measured in head sizes"
        )
