"""CLEAR metrics: of keypoints, and of whole people or boxes in two tools' accounting."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from posetrack.evaluation.event_log import (
    ASCEND,
    FALSE_POSITIVE,
    FRAGMENT,
    MATCH,
    MIGRATE,
    MISS,
    SWITCH,
    TRANSFER,
    EventLog,
    Rows,
)
from posetrack.evaluation.sequences import Floats, Ints


@dataclass(frozen=True, eq=False)
class ClearCounts:
    """What CLEAR counts in a sequence; counts of several sequences may be added.

    ``mostly_tracked`` are true identities found in most of their frames, ``mostly_lost`` in less
    than 20 %; ``distance`` is the sum over detections.
    """

    frames: int
    matches: int
    switches: int
    misses: int
    false_positives: int
    fragmentations: int
    mostly_tracked: int
    partially_tracked: int
    mostly_lost: int
    distance: float

    def __add__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def detections(self) -> int:
        """Matches and switches."""
        return self.matches + self.switches

    @property
    def objects(self) -> int:
        """True people or boxes in all frames."""
        return self.detections + self.misses

    @property
    def mota(self) -> float:
        """1 minus misses, switches and false positives over objects; NaN without objects."""
        wrong = self.misses + self.switches + self.false_positives
        return 1 - _ratio(wrong, self.objects)

    @property
    def motp(self) -> float:
        """Mean distance of detections (small is good); NaN without any."""
        return _ratio(self.distance, self.detections)

    @property
    def precision(self) -> float:
        """Share of the predictions counted that are detections."""
        return _ratio(self.detections, self.detections + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of the objects that are detected."""
        return _ratio(self.detections, self.objects)


@dataclass(frozen=True, eq=False)
class TrackingCounts(ClearCounts):
    """The counts of CLEAR in py-motmetrics' accounting, and those of the identity metrics.

    ``unique_objects`` are true identities; ``mostly_tracked`` those detected in at least 80 % of
    their frames. ``predictions`` are those that ``idp`` counts, ``idtp`` the detections that the
    best one-to-one assignment of identities explains.
    """

    predictions: int
    unique_objects: int
    transfers: int
    ascends: int
    migrates: int
    idtp: int

    def summarize(self) -> dict[str, float]:
        """For metrics.json: the counts and their ratios, as fractions."""
        names = ("objects", "mota", "motp", "precision", "recall", "idp", "idr", "idf1")
        return vars(self) | {name: getattr(self, name) for name in names}

    @property
    def idp(self) -> float:
        """Share of predictions with the right identity."""
        return _ratio(self.idtp, self.predictions)

    @property
    def idr(self) -> float:
        """Share of objects with the right identity."""
        return _ratio(self.idtp, self.objects)

    @property
    def idf1(self) -> float:
        """Harmonic mean of the two, if no prediction was ignored.

        A prediction ignored near a true person counts in ``idp`` and not here, as in the tool of
        PoseTrack21.
        """
        return _ratio(2 * self.idtp, self.objects + self.detections + self.false_positives)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def tracking_counts(rows: Rows, *, frames: int, predictions: int, idtp: int) -> TrackingCounts:
    """Count what CLEAR and the identity metrics need from the events of a sequence.

    Parameters
    ----------
    rows
        Events of whole people, one keypoint.
    frames
        Number of frames.
    predictions
        Number of predictions that the identity metrics count.
    idtp
        From `identity_matches`.
    """
    by_kind = np.bincount(rows.kind, minlength=8).tolist()
    detected = np.isin(rows.kind, (MATCH, SWITCH))
    present = detected | (rows.kind == MISS)
    seen = np.bincount(rows.truth[present])
    found = np.bincount(rows.truth[detected], minlength=len(seen))
    share = found[seen > 0] / seen[seen > 0]
    return TrackingCounts(
        frames=frames,
        predictions=predictions,
        unique_objects=int((seen > 0).sum()),
        matches=by_kind[MATCH],
        switches=by_kind[SWITCH],
        misses=by_kind[MISS],
        false_positives=by_kind[FALSE_POSITIVE],
        fragmentations=by_kind[FRAGMENT],
        transfers=by_kind[TRANSFER],
        ascends=by_kind[ASCEND],
        migrates=by_kind[MIGRATE],
        mostly_tracked=int((share >= 0.8).sum()),
        partially_tracked=int(((share >= 0.2) & (share < 0.8)).sum()),
        mostly_lost=int((share < 0.2).sum()),
        distance=float(rows.distance[detected].sum()),
        idtp=idtp,
    )


def identity_matches(
    true_ids: list[Ints], predicted_ids: list[Ints], distances: list[Floats]
) -> int:
    """Number of detections that the best one-to-one assignment of identities explains.

    Parameters
    ----------
    true_ids, predicted_ids, distances
        As for `posetrack.evaluation.event_log.events_of_distances`.

    Notes
    -----
    Ristani et al., ECCV 2016 workshops: the assignment that leaves the fewest false positives and
    false negatives is the one that explains the most detections.

    Examples
    --------
    >>> true, predicted = [np.array([1])] * 2, [np.array([5]), np.array([6])]
    >>> identity_matches(true, predicted, [np.zeros((1, 1))] * 2)
    1
    """
    from scipy.optimize import linear_sum_assignment

    empty = np.zeros(0, np.int64)
    true, true_index = np.unique(np.concatenate([empty, *true_ids]), return_inverse=True)
    other, other_index = np.unique(np.concatenate([empty, *predicted_ids]), return_inverse=True)
    together = np.zeros((len(true), len(other)), np.int64)
    g = p = 0
    for distance in distances:
        rows = true_index[g : g + distance.shape[0]]
        columns = other_index[p : p + distance.shape[1]]
        together[np.ix_(rows, columns)] += ~np.isnan(distance)
        g, p = g + distance.shape[0], p + distance.shape[1]
    rows, columns = linear_sum_assignment(together, maximize=True)
    return int(together[rows, columns].sum())


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
    """Count the events of each kind per sequence and keypoint, (S, K).

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
    """MOTA, MOTP, precision and recall from (K,) counts.

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
        mota=_with_mean(100 * (1 - wrong / objects)),
        motp=_with_mean(motp),
        precision=_with_mean(100 * (counts.detections / np.where(given > 0, given, nan))),
        recall=_with_mean(100 * (counts.detections / objects)),
        counts=counts,
    )


def _with_mean(values: Floats) -> Floats:
    """(K + 1,), ``values`` and then their mean without NaN; NaN if there is nothing else.

    Examples
    --------
    >>> _with_mean(np.array([50.0, np.nan, 100.0])).tolist()
    [50.0, nan, 100.0, 75.0]
    """
    known = values[~np.isnan(values)]
    return np.append(values, known.mean() if len(known) else np.nan)
