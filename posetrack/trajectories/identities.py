"""Trajectories under other identities: every person in every frame may get another id."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from posetrack.trajectories import NOBODY, Raw, Trajectories

Kind = TypeVar("Kind", bound=np.generic)


def labels_of(trajectories: Trajectories) -> NDArray[np.int64]:
    """(T, N), the id of each cell; `posetrack.trajectories.NOBODY` where it is empty.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> tr = Trajectories([0], [0.0], [7], np.ones((1, 1, 17, 2)), np.ones((1, 1, 17)), COCO_17)
    >>> labels_of(tr).tolist()
    [[7]]
    """
    return np.where(trajectories.present, trajectories.ids, NOBODY)


def relabel(trajectories: Trajectories, labels: NDArray[np.int64]) -> Trajectories:
    """The same people under the ids of ``labels``; without those labelled `NOBODY`.

    Parameters
    ----------
    trajectories
        T frames, N people.
    labels
        (T, N), an id for each place where someone is.

    Returns
    -------
    trajectories
        Of the same frames; ids ascending. Origins, raw values and metadata go along.

    Raises
    ------
    ValueError
        If two people get one id in a frame.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> tr = Trajectories([0], [0.0], [7], np.ones((1, 1, 17, 2)), np.ones((1, 1, 17)), COCO_17)
    >>> relabel(tr, np.array([[2]])).ids.tolist()
    [2]
    """
    labels = np.where(trajectories.present, labels, NOBODY)
    twice = first_conflict(labels)
    if twice is not None:
        row, person = twice
        raise ValueError(
            f"two people are {person} in frame {int(trajectories.frame[row])} "
            f"({float(trajectories.seconds[row]):.2f} s)"
        )
    when, position = np.nonzero(labels != NOBODY)
    ids = np.unique(labels[when, position])
    column = np.searchsorted(ids, labels[when, position])

    def move(values: NDArray[Kind], empty: Any) -> NDArray[Kind]:
        changed = np.full((len(labels), len(ids), *values.shape[2:]), empty, values.dtype)
        changed[when, column] = values[when, position]
        changed.flags.writeable = False  # nobody else has it, so it need not be copied
        return changed

    raw = trajectories.raw
    if raw is not None:
        kept = move(raw.xy, np.nan), move(raw.scores, 0), move(raw.ids, NOBODY)
        raw = Raw(*kept)
    return Trajectories(
        trajectories.frame,
        trajectories.seconds,
        ids,
        move(trajectories.xy, np.nan),
        move(trajectories.scores, 0),
        trajectories.skeleton,
        move(trajectories.boxes, np.nan),
        move(trajectories.box_scores, 0),
        move(trajectories.flow_age, 0),
        move(trajectories.origin, 0),
        trajectories.metadata,
        raw,
    )


def first_conflict(labels: NDArray[np.int64]) -> tuple[int, int] | None:
    """First row in which two places have one id, and the id.

    Examples
    --------
    >>> first_conflict(np.array([[1, 2], [3, 3]]))
    (1, 3)
    """
    ordered = np.sort(labels, axis=1)
    same = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != NOBODY)
    rows = np.flatnonzero(same.any(axis=1))
    if not len(rows):
        return None
    row = int(rows[0])
    return row, int(ordered[row, 1:][same[row]][0])
