"""The PoseTrack 2017 / 2018 protocol: AP and MOTA per keypoint, per sequence and in total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from posetrack.evaluation.clear import KeypointMot, count_events, keypoint_mot
from posetrack.evaluation.event_log import EventLog, Rows, keypoint_events, log_of
from posetrack.evaluation.posetrack_files import Source, evaluate_pairs
from posetrack.evaluation.precision import (
    AveragePrecision,
    RankedKeypoints,
    precision_of_all,
    rank_keypoints,
    tie_notes,
)
from posetrack.evaluation.regions import inside_any, keypoints_inside
from posetrack.evaluation.score_tables import Result, Row, group_means, keypoint_rows, name_rows
from posetrack.evaluation.sequences import (
    MISSING_SCORE,
    AnnotatedSequence,
    Bools,
    Floats,
    Ints,
    People,
    Region,
    SequencePair,
    SparePoints,
    find_repeat,
    head_sizes,
    image_numbers,
    offsets_of,
    refuse_repeat,
)
from posetrack.skeletons import POSETRACK_15

MAX_TRACK_ID: Final = 10_000
"""The official evaluator refuses this id and larger ones."""


_COUNTS: Final = (15, 17)  # without and with the ears


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
    refuse_repeat(predicted.source, other_side.repeated)
    kept = np.flatnonzero(truth.annotated[true_side.frames])
    regions = [truth.regions[f] or () for f in true_side.frames[kept].tolist()]
    pair = SequencePair(
        truth.name,
        true_side.frames[kept],
        _remaining(true_side, kept, regions),
        _remaining(other_side, kept, regions),
    )
    frame = np.repeat(pair.frames, np.diff(pair.truth.offsets))
    refuse_repeat(truth.source, find_repeat(frame, pair.truth.ids))
    _refuse_missing_heads(pair, truth.source)
    return pair


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
        repeated=sequence.repeated if of_2017 else find_repeat(sequence.frame[rows], ids),
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
    position = np.full(len(side.frames), -1, np.int64)
    position[kept] = np.arange(len(kept))
    rows = np.flatnonzero(position[side.frame] >= 0)
    frame = position[side.frame[rows]]
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
    people.has[among] &= ~keypoints_inside(people.xy[among], frame[among], regions)
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
    """Distances are in head sizes, so every person compared needs one."""
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


@dataclass(frozen=True, eq=False)
class PoseTrackResult(Result):
    """The protocol's results for one run.

    Parameters
    ----------
    keypoints
        The 15 names, in the official order.
    sequences
        Names of the sequences that count, ascending; those without any true person are not among
        them.
    frames
        (S,) numbers of frames that count for AP; tracking leaves out the last of each.
    ap, mot
        Over all sequences; ``mot`` is None without tracking.
    ap_by_sequence, mot_by_sequence
        For each sequence alone.
    ap_low, ap_high
        (15,), between which AP lies whatever the order of equal scores; the official evaluator
        orders these as its numpy happens to.
    events
        The log that ``mot`` is derived from; None without tracking.
    notes
        What a reader of the numbers should know, in sentences.
    """

    keypoints: tuple[str, ...]
    sequences: tuple[str, ...]
    frames: Ints
    ap: AveragePrecision
    ap_by_sequence: tuple[AveragePrecision, ...]
    ap_low: Floats
    ap_high: Floats
    mot: KeypointMot | None
    mot_by_sequence: tuple[KeypointMot, ...]
    events: EventLog | None
    notes: tuple[str, ...] = ()

    def rows(self) -> dict[str, Row]:
        """AP as papers print it, then MOTA by group with the totals of the four metrics."""
        rows = {"AP": ap_row(self.ap, self.keypoints)}
        if self.mot is not None:
            rows["MOTA"] = _mot_row(self.mot, self.keypoints)
        return rows

    def by_sequence(self) -> dict[str, dict[str, Row]]:
        """The same rows of each sequence."""
        ap = [ap_row(part, self.keypoints) for part in self.ap_by_sequence]
        mot = [_mot_row(part, self.keypoints) for part in self.mot_by_sequence]
        tables = {"AP": ap, "MOTA": mot} if mot else {"AP": ap}
        return {title: name_rows(self.sequences, rows) for title, rows in tables.items()}

    def by_keypoint(self) -> dict[str, Row]:
        """AP, precision and recall, then MOTA and MOTP, of each keypoint and in total."""
        columns = precision_columns(self.ap)
        if self.mot is not None:
            columns |= {"MOTA": self.mot.mota, "MOTP": self.mot.motp}
        return keypoint_rows(self.keypoints, columns)


def ap_row(ap: AveragePrecision, keypoints: Sequence[str]) -> Row:
    """AP by groups of keypoints and in total."""
    return {**group_means(ap.ap, keypoints), "Total": float(ap.ap[-1])}


def precision_columns(ap: AveragePrecision) -> dict[str, Floats]:
    """Columns of a table by keypoint."""
    return {"AP": ap.ap, "Prec": ap.precision, "Rec": ap.recall}


def _mot_row(mot: KeypointMot, keypoints: Sequence[str]) -> Row:
    """MOTA by groups of keypoints, then the totals of the four metrics."""
    return {
        **group_means(mot.mota, keypoints),
        "MOTA": float(mot.mota[-1]),
        "MOTP": float(mot.motp[-1]),
        "Prec": float(mot.precision[-1]),
        "Rec": float(mot.recall[-1]),
    }


@dataclass(frozen=True, eq=False)
class _Part:
    """One sequence, evaluated."""

    name: str
    frames: Ints
    ranked: RankedKeypoints
    rows: Rows | None
    pair_distances: Floats
    true_ids: Ints
    predicted_ids: Ints
    unscored: int


def evaluate_posetrack(
    truth: Source,
    predictions: Source,
    *,
    tracking: bool = True,
    drop_last_frame: bool = True,
    placeholder_frames: bool = True,
    textbook_motp: bool = False,
    map_keypoints: bool = False,
    workers: int = 2,
) -> PoseTrackResult:
    """AP and MOTA per keypoint, as the official evaluator of PoseTrack 2017 and 2018 has them.

    Parameters
    ----------
    truth
        A folder of annotation files, one a sequence, of 2017 or 2018; or one file; or sequences
        already read.
    predictions
        The same for the predictions, under the same names.
    tracking
        False computes AP alone; track ids are still checked, as officially.
    drop_last_frame
        The official evaluator leaves the last labelled frame of every sequence out of tracking,
        by mistake it seems. False counts it.
    placeholder_frames
        Officially a labelled frame without true or without predicted people counts as one miss
        and one false positive of every keypoint. False counts what there is.
    textbook_motp
        The official MOTP adds up distances more than once and is far too low. True gives MOTP as
        it is defined, the mean over detections.
    map_keypoints
        Accept predictions with other keypoints; those with a name the protocol knows count.
    workers
        Threads over sequences.

    Raises
    ------
    FileNotFoundError
        If a file or a sequence's prediction is missing.
    ValueError
        If a file is not what it should be, or a sequence is left with one frame, of which
        tracking would drop the last; see also `posetrack.evaluation.posetrack`.

    Notes
    -----
    A prediction without scores counts with -9999, which is what the official code does: below all
    others and in no defined order among themselves. ``notes`` of the result says how many.

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
    >>> result = evaluate_posetrack(path, path, tracking=False)
    >>> float(result.ap.ap[-1]), result.frames.tolist()
    (100.0, [1])
    """
    evaluate = partial(
        _evaluate_sequence,
        tracking=tracking,
        drop_last_frame=drop_last_frame,
        placeholder_frames=placeholder_frames,
        map_keypoints=map_keypoints,
    )
    parts = evaluate_pairs(evaluate, truth, predictions, workers=workers)
    counted = [part for part in parts if part is not None]
    return _result(counted, tracking=tracking, textbook_motp=textbook_motp)


def _evaluate_sequence(
    truth: AnnotatedSequence,
    predicted: AnnotatedSequence,
    *,
    tracking: bool,
    drop_last_frame: bool,
    placeholder_frames: bool,
    map_keypoints: bool,
) -> _Part | None:
    pair = posetrack_pair(truth, predicted, map_keypoints=map_keypoints)
    if not len(pair):
        return None
    none = np.zeros(0, np.int64)
    rows, distances, true_ids, predicted_ids = None, np.zeros(len(POSETRACK_15)), none, none
    if tracking:
        if drop_last_frame and len(pair) == 1:
            raise ValueError(
                f"{truth.source}: one labelled frame only. The official tracking evaluation drops "
                "the last labelled frame of a sequence and fails here; AP can be had with "
                "tracking=False (--no-tracking), all frames count with drop_last_frame=False "
                "(--no-drop-last-frame)"
            )
        counted = pair.first(len(pair) - 1) if drop_last_frame else pair
        rows, distances, true_ids, predicted_ids = keypoint_events(
            counted, placeholder_frames=placeholder_frames
        )
    return _Part(
        pair.name, pair.frames, rank_keypoints(pair), rows, distances, true_ids, predicted_ids,
        int((predicted.score_counts <= 0).sum()),
    )  # fmt: skip


def _result(parts: Sequence[_Part], *, tracking: bool, textbook_motp: bool) -> PoseTrackResult:
    keypoints = POSETRACK_15.keypoints
    names = tuple(part.name for part in parts)
    precision = precision_of_all(
        [part.ranked for part in parts], len(keypoints), nan_without_truth=True
    )
    unscored = sum(part.unscored for part in parts)
    notes = []
    if unscored:
        notes.append(
            f"{unscored} predicted people have no keypoint scores; as in the official evaluator "
            "they count with -9999, below all others"
        )
    events, mot = None, None
    by_sequence: tuple[KeypointMot, ...] = ()
    if tracking:
        events = log_of(
            [
                (part.rows, part.frames, part.true_ids, part.predicted_ids)
                for part in parts
                if part.rows is not None
            ],
            names,
            keypoints,
            np.array([part.pair_distances for part in parts]).reshape(-1, len(keypoints)),
        )
        counts = count_events(events, textbook_motp=textbook_motp)
        mot = keypoint_mot(counts.sum())
        by_sequence = tuple(keypoint_mot(counts[s]) for s in range(len(parts)))
    return PoseTrackResult(
        keypoints=keypoints,
        sequences=names,
        frames=np.array([len(part.frames) for part in parts], np.int64),
        **precision,
        mot=mot,
        mot_by_sequence=by_sequence,
        events=events,
        notes=(*notes, *tie_notes(precision)),
    )
