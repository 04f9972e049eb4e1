"""MOTA, MOTP, precision and recall per keypoint, from the event log."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posetrack.evaluation.events import (
    ASCEND,
    FALSE_POSITIVE,
    MATCH,
    MIGRATE,
    MISS,
    SWITCH,
    TRANSFER,
    EventLog,
)
from posetrack.evaluation.sequences import Floats, Ints


@dataclass(frozen=True, eq=False)
class KeypointCounts:
    """Numbers of events, (..., K) each, and the sums of distances that MOTP is made of."""

    objects: Ints
    detections: Ints
    misses: Ints
    switches: Ints
    false_positives: Ints
    distance: Floats

    def __getitem__(self, row: int) -> KeypointCounts:
        return KeypointCounts(*(values[row] for values in vars(self).values()))

    def sum(self) -> KeypointCounts:
        """All sequences together."""
        return KeypointCounts(*(values.sum(axis=0) for values in vars(self).values()))


@dataclass(frozen=True, eq=False)
class KeypointMot:
    """MOTA, MOTP, precision and recall in percent: (K + 1,) each, keypoints and then the total.

    NaN where there is nothing to divide by; the total is the mean over the keypoints that are
    not NaN. MOTP without any detection is 0 and counts as 0 in the mean.
    """

    mota: Floats
    motp: Floats
    precision: Floats
    recall: Floats
    counts: KeypointCounts


def count_events(log: EventLog, *, textbook_motp: bool = False) -> KeypointCounts:
    """Per sequence and keypoint, (S, K), what the log says.

    Parameters
    ----------
    log
        Events of keypoints.
    textbook_motp
        False: the sum of distances is the official evaluator's, which adds up a whole column of
        its table: every pair within reach, then every detection again, and once more for each
        transfer, ascend and migrate mark. True: every detection once, as MOTP is defined.
    """
    matches, switches = log.counts(MATCH), log.counts(SWITCH)
    misses = log.counts(MISS)
    distance = log.distances(MATCH, SWITCH)
    if not textbook_motp:
        distance = distance + log.pair_distances + log.distances(TRANSFER, ASCEND, MIGRATE)
    return KeypointCounts(
        objects=matches + switches + misses,
        detections=matches + switches,
        misses=misses,
        switches=switches,
        false_positives=log.counts(FALSE_POSITIVE),
        distance=distance,
    )


def keypoint_mot(counts: KeypointCounts) -> KeypointMot:
    """The metrics of (K,) counts.

    Examples
    --------
    >>> one = np.array([1])
    >>> mot = keypoint_mot(KeypointCounts(4 * one, 3 * one, one, one, 0 * one, 0.6 * one))
    >>> mot.mota.tolist(), mot.motp.round(3).tolist()
    ([50.0, 50.0], [80.0, 80.0])
    """
    nan = np.nan
    objects = np.where(counts.objects > 0, counts.objects, nan)
    given = counts.false_positives + counts.detections
    wrong = counts.misses + counts.switches + counts.false_positives
    found = np.maximum(counts.detections, 1)
    motp = np.where(counts.detections > 0, 100 * (1 - counts.distance / found), 0.0)
    return KeypointMot(
        mota=with_mean(100 * (1 - wrong / objects)),
        motp=with_mean(motp),
        precision=with_mean(100 * (counts.detections / np.where(given > 0, given, nan))),
        recall=with_mean(100 * (counts.detections / objects)),
        counts=counts,
    )


def with_mean(values: Floats) -> Floats:
    """(K + 1,), ``values`` and then their mean without NaN; NaN if there is nothing else."""
    known = values[~np.isnan(values)]
    return np.append(values, known.mean() if len(known) else np.nan)
