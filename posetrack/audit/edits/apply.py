"""Edits applied to trajectories, as a pure function; the originals stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from posetrack.audit.edits.syntax import Delete, Edit, Merge, Rename, Split, Swap
from posetrack.trajectories import NOBODY, Trajectories
from posetrack.trajectories.identities import labels_of, relabel

Labels = NDArray[np.int64]


def apply_edits(trajectories: Trajectories, edits: Sequence[Edit]) -> Trajectories:
    """Trajectories with identities corrected, the edits listed in their provenance.

    Parameters
    ----------
    trajectories
        Of the tracker, or of anybody.
    edits
        In their order, see `posetrack.audit.edits.parse_edits`.

    Raises
    ------
    ValueError
        If a person that an edit names is not there, or two people would get one id; the message
        names the edit, the id and the time.

    Examples
    --------
    >>> from posetrack.audit.edits import parse_edits
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((2, 2, 17, 2)) + np.array([[[10.0]], [[20.0]]])
    >>> tr = Trajectories([0, 1], [0.0, 0.1], [1, 2], xy, np.ones((2, 2, 17)), COCO_17)
    >>> apply_edits(tr, parse_edits("swap 1 2 from 0.1s")).xy[:, 0, 0, 0].tolist()
    [10.0, 20.0]
    """
    labels = labels_of(trajectories)
    for edit in edits:
        labels = edit_labels(trajectories, labels, edit)
    edited = relabel(trajectories, labels)
    before = dict(trajectories.metadata.get("provenance") or {})
    lines = [*before.get("edited", []), *map(str, edits)]
    metadata = dict(trajectories.metadata) | {"provenance": before | {"edited": lines}}
    return replace(edited, metadata=metadata)


def edit_labels(trajectories: Trajectories, labels: Labels, edit: Edit) -> Labels:
    """(T, N) ids after one more edit.

    Parameters
    ----------
    trajectories
        For the times of frames.
    labels
        (T, N) ids before it, see `posetrack.trajectories.identities.labels_of`.
    edit
        The edit.

    Raises
    ------
    ValueError
        As `apply_edits`.
    """
    rows = edit.span.rows(trajectories.frame, trajectories.seconds)
    part = labels[rows]
    changed = labels.copy()
    match edit:
        case Swap(first, second):
            there = (part == first) | (part == second)
            _require(bool(there.any()), trajectories, labels, edit, first, second)
            changed[rows] = np.where(there, np.where(part == first, second, first), part)
        case Merge(person, new) | Rename(person, new):
            _require(bool((part == person).any()), trajectories, labels, edit, person)
            _refuse_two(trajectories, labels, rows, edit, person, new)
            changed[rows] = np.where(part == person, new, part)
        case Split(person, _, given):
            new = next_free(labels) if given is None else given
            _require(bool((part == person).any()), trajectories, labels, edit, person)
            if (labels == new).any():
                raise ValueError(f"{edit}: there is a {new} already; choose another id")
            changed[rows] = np.where(part == person, new, part)
        case Delete(person):
            _require(bool((part == person).any()), trajectories, labels, edit, person)
            changed[rows] = np.where(part == person, NOBODY, part)
    return changed


def next_free(labels: Labels) -> int:
    """The id after the largest.

    Examples
    --------
    >>> next_free(np.array([[3, 8]]))
    9
    """
    return max(0, int(labels.max(initial=0))) + 1


def _require(
    there: bool, trajectories: Trajectories, labels: Labels, edit: Edit, *person: int
) -> None:
    if there:
        return
    for one in person:
        rows = np.flatnonzero((labels == one).any(axis=1))
        if not len(rows):
            known = np.unique(labels[labels != NOBODY]).tolist()
            raise ValueError(f"{edit}: nobody has the id {one}; there are {known[:20]}")
    spans = []
    for one in person:
        first, last = np.flatnonzero((labels == one).any(axis=1))[[0, -1]]
        start, stop = trajectories.seconds[[first, last]]
        spans.append(f"{one} is there from {start:.2f} s to {stop:.2f} s")
    raise ValueError(f"{edit}: nobody to edit at that time; {', '.join(spans)}")


def _refuse_two(
    trajectories: Trajectories, labels: Labels, rows: slice, edit: Edit, person: int, new: int
) -> None:
    both = (labels[rows] == person).any(axis=1) & (labels[rows] == new).any(axis=1)
    if isinstance(edit, Merge) and not (labels == new).any():
        raise ValueError(f"{edit}: nobody has the id {new}; to give another number, rename")
    if both.any():
        row = rows.start + int(np.flatnonzero(both)[0])
        raise ValueError(
            f"{edit}: {person} and {new} are both there in {np.count_nonzero(both)} frames, "
            f"first in frame {int(trajectories.frame[row])} "
            f"({float(trajectories.seconds[row]):.2f} s); split or delete one of them first"
        )
