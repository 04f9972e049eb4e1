"""CLEAR and identity metrics of whole people or boxes, from the event log."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from posetrack.evaluation.event_rows import (
    ASCEND,
    FALSE_POSITIVE,
    FRAGMENT,
    MATCH,
    MIGRATE,
    MISS,
    SWITCH,
    TRANSFER,
    Rows,
)
from posetrack.evaluation.sequences import Floats, Ints


@dataclass(frozen=True, eq=False)
class TrackingCounts:
    """What is counted in a sequence; counts of several sequences may be added.

    ``unique_objects`` are true identities; ``mostly_tracked`` those detected in at least 80 % of
    their frames, ``mostly_lost`` in less than 20 %. ``distance`` is the sum over detections.
    ``predictions`` are those that ``idp`` counts, ``idtp`` the detections that the best one-to-one
    assignment of identities explains.
    """

    frames: int
    objects: int
    predictions: int
    unique_objects: int
    matches: int
    switches: int
    misses: int
    false_positives: int
    fragmentations: int
    transfers: int
    ascends: int
    migrates: int
    mostly_tracked: int
    partially_tracked: int
    mostly_lost: int
    distance: float
    idtp: int

    def __add__(self, other: TrackingCounts) -> TrackingCounts:
        return TrackingCounts(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        )

    @property
    def detections(self) -> int:
        """Matches and switches."""
        return self.matches + self.switches

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
    """Counts of a sequence from its events.

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
        objects=int(present.sum()),
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
    """Detections explained by the best one-to-one assignment of predicted to true identities.

    Parameters
    ----------
    true_ids, predicted_ids, distances
        As for `posetrack.evaluation.accumulate.events_of_distances`.

    Notes
    -----
    Ristani et al., ECCV 2016 workshops: the assignment that leaves the fewest false positives and
    false negatives is the one that explains the most detections.
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
