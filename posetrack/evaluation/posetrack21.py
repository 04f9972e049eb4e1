"""The PoseTrack21 protocol: HOTA and AP per keypoint, per sequence and in total."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.evaluation.hota import Hota, combine
from posetrack.evaluation.keypoint_hota import keypoint_hota
from posetrack.evaluation.posetrack import Source, ap_row, pair_sources
from posetrack.evaluation.precision import (
    AveragePrecision,
    RankedKeypoints,
    average_precision,
    pool,
    rank_keypoints,
    tie_bounds,
)
from posetrack.evaluation.protocol_posetrack21 import POSETRACK21_KEYPOINTS, posetrack21_pair
from posetrack.evaluation.reading import read_sequence
from posetrack.evaluation.sequences import AnnotatedSequence, Floats, Ints


@dataclass(frozen=True, eq=False)
class PoseTrack21Result:
    """What the protocol says about one run.

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
        over keypoints; `keypoint_mean` is.
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

    @property
    def hota_row(self) -> dict[str, float]:
        """The totals in percent, as papers print them."""
        return hota_row(self.hota)

    @property
    def ap_row(self) -> dict[str, float]:
        """AP as papers print it: head, shoulders, ..., ankles, total."""
        return ap_row(self.ap, self.keypoints)

    def keypoint_mean(self, name: str = "hota") -> float:
        """The other way of averaging: the mean of the 15 keypoints' figures, in percent."""
        return 100 * float(getattr(self.hota.mean(), name)[:-1].mean())

    def sequence_mean(self, name: str = "hota") -> float:
        """The mean over sequences of their totals, each sequence counting alike, in percent."""
        totals = [getattr(part.mean(), name)[-1] for part in self.hota_by_sequence]
        return 100 * float(np.mean(totals))


def hota_row(hota: Hota) -> dict[str, float]:
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
        If a file is not what it should be; see `posetrack.evaluation.protocol_posetrack21`.

    Notes
    -----
    Only labelled frames count, all of them. A keypoint exists if both its coordinates are above
    0, whatever its visibility flag.
    """

    def evaluate(pair: tuple[Path | AnnotatedSequence, Path | AnnotatedSequence]) -> _Part:
        true, predicted = (
            part if isinstance(part, AnnotatedSequence) else read_sequence(part) for part in pair
        )
        compared = posetrack21_pair(true, predicted, truncate_scores=truncate_scores)
        return _Part(
            compared.name,
            len(compared),
            keypoint_hota(compared, per_frame_misses=per_frame_misses),
            rank_keypoints(compared),
            (
                len(compared.truth),
                len(compared.predicted),
                len(np.unique(compared.truth.ids)),
                len(np.unique(compared.predicted.ids)),
            ),
            int((predicted.score_counts < 0).sum()),
        )

    with ThreadPoolExecutor(max(1, workers)) as threads:
        parts = list(threads.map(evaluate, pair_sources(truth, predictions)))
    return _result(parts)


def _result(parts: list[_Part]) -> PoseTrack21Result:
    pooled = pool([part.ranked for part in parts], len(POSETRACK21_KEYPOINTS))
    low, high = tie_bounds(pooled)
    counts = np.array([part.counts for part in parts], np.int64).reshape(-1, 4).T
    unscored = sum(part.unscored for part in parts)
    notes = [f"{unscored} predicted people have no scores and count with -9999"] if unscored else []
    if float((high - low).max(initial=0)) > 1e-9:
        notes.append(
            f"equal scores leave AP undefined by up to {float((high - low).max()):.2f} (of one "
            "keypoint): see ap_low and ap_high"
        )
    return PoseTrack21Result(
        keypoints=POSETRACK21_KEYPOINTS,
        sequences=tuple(part.name for part in parts),
        frames=np.array([part.frames for part in parts], np.int64),
        hota=combine([part.hota for part in parts]),
        hota_by_sequence=tuple(part.hota for part in parts),
        ap=average_precision(pooled, nan_without_truth=False),
        ap_by_sequence=tuple(
            average_precision(part.ranked, nan_without_truth=False) for part in parts
        ),
        ap_low=low,
        ap_high=high,
        true_people=counts[0],
        predicted_people=counts[1],
        true_ids=counts[2],
        predicted_ids=counts[3],
        notes=tuple(notes),
    )
