"""The PoseTrack 2017 / 2018 protocol: AP and MOTA per keypoint, per sequence and in total."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np

from posetrack.evaluation.accumulate import keypoint_events
from posetrack.evaluation.documents import pair_files
from posetrack.evaluation.event_rows import Rows
from posetrack.evaluation.events import EventLog, log_of
from posetrack.evaluation.groups import group_means
from posetrack.evaluation.keypoint_mot import KeypointMot, count_events, keypoint_mot
from posetrack.evaluation.precision import (
    AveragePrecision,
    RankedKeypoints,
    average_precision,
    pool,
    rank_keypoints,
    tie_bounds,
)
from posetrack.evaluation.protocol_posetrack import posetrack_pair
from posetrack.evaluation.reading import read_sequence
from posetrack.evaluation.sequences import AnnotatedSequence, Floats, Ints
from posetrack.skeletons import POSETRACK_15

Source: TypeAlias = "str | PathLike[str] | Sequence[AnnotatedSequence]"
"""A file, a folder, or sequences already read."""


@dataclass(frozen=True, eq=False)
class PoseTrackResult:
    """What the protocol says about one run.

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
        Over all sequences; ``mot`` is None if tracking was not wanted.
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

    @property
    def ap_row(self) -> dict[str, float]:
        """AP as papers print it: head, shoulders, ..., ankles, total."""
        return ap_row(self.ap, self.keypoints)

    @property
    def mot_row(self) -> dict[str, float]:
        """MOTA by group and in total, then total MOTP, precision and recall; {} without them."""
        return {} if self.mot is None else mot_row(self.mot, self.keypoints)


def ap_row(ap: AveragePrecision, keypoints: Sequence[str]) -> dict[str, float]:
    """AP by groups of keypoints and in total."""
    return {**group_means(ap.ap, keypoints), "Total": float(ap.ap[-1])}


def mot_row(mot: KeypointMot, keypoints: Sequence[str]) -> dict[str, float]:
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
        tracking would drop the last; see also `posetrack.evaluation.protocol_posetrack`.

    Notes
    -----
    A prediction without scores counts with -9999, which is what the official code does: below all
    others and in no defined order among themselves. ``notes`` of the result says how many.
    """
    pairs = pair_sources(truth, predictions)

    def evaluate(pair: tuple[Path | AnnotatedSequence, Path | AnnotatedSequence]) -> _Part | None:
        return _evaluate_sequence(
            *(
                part if isinstance(part, AnnotatedSequence) else read_sequence(part)
                for part in pair
            ),
            tracking=tracking,
            drop_last_frame=drop_last_frame,
            placeholder_frames=placeholder_frames,
            map_keypoints=map_keypoints,
        )

    with ThreadPoolExecutor(max(1, workers)) as pool_of_threads:
        parts = [part for part in pool_of_threads.map(evaluate, pairs) if part is not None]
    return _result(parts, tracking=tracking, textbook_motp=textbook_motp)


def pair_sources(
    truth: Source, predictions: Source
) -> Iterable[tuple[Path | AnnotatedSequence, Path | AnnotatedSequence]]:
    """What belongs together, by ascending name."""
    if isinstance(truth, str | PathLike) and isinstance(predictions, str | PathLike):
        return pair_files(Path(truth), Path(predictions))
    if isinstance(truth, str | PathLike) or isinstance(predictions, str | PathLike):
        raise TypeError("give paths for both sides, or sequences for both")
    by_name = {sequence.name: sequence for sequence in predictions}
    missing = [sequence.name for sequence in truth if sequence.name not in by_name]
    if missing:
        raise ValueError(f"no predictions for {', '.join(missing)}")
    return [(s, by_name[s.name]) for s in sorted(truth, key=lambda sequence: sequence.name)]


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
    pooled = pool([part.ranked for part in parts], len(keypoints))
    low, high = tie_bounds(pooled)
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
        ap=average_precision(pooled),
        ap_by_sequence=tuple(average_precision(part.ranked) for part in parts),
        ap_low=low,
        ap_high=high,
        mot=mot,
        mot_by_sequence=by_sequence,
        events=events,
        notes=_notes(parts, low, high),
    )


def _notes(parts: Sequence[_Part], low: Floats, high: Floats) -> tuple[str, ...]:
    notes = []
    unscored = sum(part.unscored for part in parts)
    if unscored:
        notes.append(
            f"{unscored} predicted people have no keypoint scores; as in the official evaluator "
            "they count with -9999, below all others"
        )
    spread = float((high - low).max(initial=0))
    if spread > 1e-9:
        notes.append(
            f"equal scores leave AP undefined by up to {spread:.2f} (of one keypoint): see "
            "ap_low and ap_high"
        )
    return tuple(notes)
