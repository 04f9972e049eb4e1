"""Where the people named in edits are, so that the edits can be applied to another run's tracks.

An edit names people by the ids of one run. An anchor notes the pose of such a person in a frame
beside the edit; in the tracks of another run, the edit applies to the person standing there,
whatever the id. Anchors are kept as JSON beside the edits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.audit.edits.apply import edit_labels, next_free
from posetrack.audit.edits.syntax import Delete, Edit, Merge, Rename, Split, Swap
from posetrack.files import dump_json, read_json, write_whole
from posetrack.ops.boxes import iou_matrix
from posetrack.ops.oks import oks_matrix
from posetrack.trajectories import NOBODY, Trajectories
from posetrack.trajectories.identities import labels_of

_MIN_SIMILARITY: Final = 0.3
_MOST_SECONDS: Final = 0.1
_FEWEST_POINTS: Final = 3


@dataclass(frozen=True)
class Anchor:
    """Where someone is in one frame.

    Parameters
    ----------
    person
        The id there, after the edits before.
    frame, seconds
        When.
    box
        xyxy pixels.
    keypoints
        Those seen, by name, in pixels.
    """

    person: int
    frame: int
    seconds: float
    box: tuple[float, ...]
    keypoints: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Followed:
    """Edits for another run: in its ids, with what there is to say of them.

    Parameters
    ----------
    edits
        To be applied; without those that mean nothing there.
    notes
        A sentence for each edit left out or changed.
    anchors
        Of all edits that were asked for: those given, and new ones for the others.
    """

    edits: tuple[Edit, ...]
    notes: tuple[str, ...]
    anchors: tuple[tuple[Anchor, ...], ...]


def anchors_of(trajectories: Trajectories, edits: Sequence[Edit]) -> tuple[tuple[Anchor, ...], ...]:
    """Where the people of each edit are: just before and after it, or where it begins and ends.

    Raises
    ------
    ValueError
        If an edit cannot be applied.
    """
    return follow(trajectories, edits, [None] * len(edits)).anchors


def follow(
    trajectories: Trajectories,
    edits: Sequence[Edit],
    anchors: Sequence[tuple[Anchor, ...] | None],
) -> Followed:
    """The same edits in the ids of these trajectories.

    Parameters
    ----------
    trajectories
        Of any run on the same video.
    edits
        In their order.
    anchors
        Of each edit; None takes its ids as they are and anchors it here.

    Raises
    ------
    ValueError
        If an edit cannot be applied.

    Examples
    --------
    >>> from posetrack.audit.edits import parse_edits
    >>> from posetrack.skeletons import COCO_17
    >>> pose = np.random.default_rng(0).uniform(0, 90, (2, 1, 17, 2))
    >>> run = [Trajectories([0, 1], [0, 0.1], [who], pose, np.ones((2, 1, 17)), COCO_17)
    ...        for who in (4, 9)]
    >>> edits = parse_edits("rename 4 to 1")
    >>> followed = follow(run[1], edits, anchors_of(run[0], edits))
    >>> [str(edit) for edit in followed.edits]
    ['rename 9 to 1']
    """
    labels = labels_of(trajectories)
    changed: list[Edit] = []
    notes: list[str] = []
    kept: list[tuple[Anchor, ...]] = []
    for edit, known in zip(edits, anchors, strict=True):
        kept.append(_find_anchors(trajectories, labels, edit) if known is None else known)
        meant: Sequence[Edit] = [edit]
        if known is not None:
            meant, note = _interpret(trajectories, labels, edit, known)
            notes += [f"{edit}: {note}"] if note else []
        for one in meant:
            labels = edit_labels(trajectories, labels, one)
        changed += meant
    return Followed(tuple(changed), tuple(notes), tuple(kept))


def _find_anchors(
    trajectories: Trajectories, labels: NDArray[np.int64], edit: Edit
) -> tuple[Anchor, ...]:
    rows = edit.span.rows(trajectories.frame, trajectories.seconds)

    def times(person: int) -> NDArray[np.intp]:
        return np.flatnonzero((labels == person).any(axis=1))

    def anchor(person: int, row: int) -> Anchor:
        return _anchor(trajectories, row, int(np.flatnonzero(labels[row] == person)[0]), person)

    found: list[Anchor] = []
    match edit:
        case Swap() | Split():
            people = (edit.first, edit.second) if isinstance(edit, Swap) else (edit.person,)
            for person in people:
                when = times(person)
                around = (when[when < rows.start][-1:], when[when >= rows.start][:1])
                found += [anchor(person, int(row)) for part in around for row in part]
        case Merge(person, into):
            when, other = times(person), times(into)
            found += [anchor(person, int(row)) for row in when[[0, -1]]] if len(when) else []
            if len(when) and len(other):
                found.append(anchor(into, int(other[np.abs(other - when[0]).argmin()])))
        case Delete(person) | Rename(person):
            when = times(person)
            when = when[(when >= rows.start) & (when < rows.stop)]
            if len(when):
                spread = np.unique([when[0], when[len(when) // 2], when[-1]])
                found += [anchor(person, int(row)) for row in spread]
    return tuple(found)


def _anchor(trajectories: Trajectories, row: int, column: int, person: int) -> Anchor:
    points = np.round(trajectories.xy[row, column].astype(np.float64), 1)
    named = zip(trajectories.skeleton.keypoints, points.tolist(), strict=True)
    return Anchor(
        person,
        int(trajectories.frame[row]),
        round(float(trajectories.seconds[row]), 4),
        tuple(np.round(trajectories.boxes[row, column].astype(np.float64), 1).tolist()),
        {name: (x, y) for name, (x, y) in named if np.isfinite(x)},
    )


def _interpret(
    trajectories: Trajectories,
    labels: NDArray[np.int64],
    edit: Edit,
    anchors: tuple[Anchor, ...],
) -> tuple[list[Edit], str]:
    """An edit in terms of this run's ids, and notes for the user."""
    whom: dict[int, list[int]] = {}
    for anchor in anchors:
        found = _at(trajectories, labels, anchor)
        if found is None:
            title = f"frame {anchor.frame} ({anchor.seconds:.2f} s)"
            return [], f"nobody is where {anchor.person} was in {title}; left out"
        whom.setdefault(anchor.person, []).append(found)
    ids = {person: list(dict.fromkeys(found)) for person, found in whom.items()}
    match edit:
        case Swap(first, second):
            if any(len(ids.get(person, [])) != 1 for person in (first, second)):
                return [], "these two are not exchanged here in these tracks; left out"
            return _same_or(edit, replace(edit, first=ids[first][0], second=ids[second][0]))
        case Split(person, _, new):
            if len(ids.get(person, [])) != 1:
                return [], "these are two people already; left out"
            taken = new is not None and bool((labels == new).any())
            new = next_free(labels) if taken else new
            return _same_or(edit, replace(edit, person=ids[person][0], new=new))
        case Merge(person, into):
            target = ids.get(into, [])
            others = [one for one in ids.get(person, []) if one not in target]
            if not target or not others:
                return [], "this is one person already; left out"
            merged: list[Edit] = [Merge(one, target[0]) for one in others]
            return merged, "" if merged == [edit] else _describe(merged)
        case Delete(person):
            deleted: list[Edit] = [replace(edit, person=one) for one in ids.get(person, [])]
            return deleted, "" if deleted == [edit] else _describe(deleted)
        case Rename(person, new):
            renamed: list[Edit] = [
                replace(edit, person=one) for one in ids.get(person, []) if one != new
            ]
            return renamed, "" if renamed == [edit] else _describe(renamed)


def _same_or(edit: Edit, other: Edit) -> tuple[list[Edit], str]:
    return [other], "" if other == edit else _describe([other])


def _describe(edits: Sequence[Edit]) -> str:
    return f"here it is {'; '.join(map(str, edits))}" if edits else "it is so already; left out"


def _at(trajectories: Trajectories, labels: NDArray[np.int64], anchor: Anchor) -> int | None:
    """Id of the person at an anchor; None if nobody is there."""
    row = _row(trajectories, anchor)
    if row is None:
        return None
    places = np.flatnonzero(labels[row] != NOBODY)
    if not len(places):
        return None
    box = np.array([anchor.box], np.float64)
    boxes = trajectories.boxes[row, places].astype(np.float64)
    similar = iou_matrix(box, boxes)[0]
    skeleton = trajectories.skeleton
    shared = [name for name in anchor.keypoints if name in skeleton.keypoints]
    if len(shared) >= _FEWEST_POINTS:
        columns = np.array([skeleton.index(name) for name in shared])
        there = np.array([[anchor.keypoints[name] for name in shared]], np.float64)
        area = np.array([(box[0, 2] - box[0, 0]) * (box[0, 3] - box[0, 1])])
        now = trajectories.xy[row][np.ix_(places, columns)].astype(np.float64)
        sigmas = [skeleton.sigmas[column] for column in columns.tolist()]
        by_pose = np.nan_to_num(oks_matrix(there, now, area, sigmas)[0])
        # Boxes of two people who stand together are alike, their poses are not; far apart poses are
        # 0.
        similar = np.where(by_pose.max() >= _MIN_SIMILARITY, by_pose, similar)
    best = int(similar.argmax())
    if not similar[best] >= _MIN_SIMILARITY:
        return None
    return int(labels[row, places[best]])


def _row(trajectories: Trajectories, anchor: Anchor) -> int | None:
    """The anchor's frame, or the one next in time where that is close."""
    row = int(np.searchsorted(trajectories.frame, anchor.frame))
    if row < len(trajectories) and trajectories.frame[row] == anchor.frame:
        return row
    if not len(trajectories):
        return None
    apart = np.abs(trajectories.seconds - anchor.seconds)
    row = int(apart.argmin())
    return row if apart[row] <= _MOST_SECONDS else None


_FORMAT: Final = "posetrack anchors"


def save_anchors(
    path: str | Path, edits: Sequence[Edit], anchors: Sequence[tuple[Anchor, ...]]
) -> None:
    """Write the anchors of edits as JSON."""
    rows = [
        {"edit": str(edit), "anchors": [_row_of(anchor) for anchor in found]}
        for edit, found in zip(edits, anchors, strict=True)
    ]
    write_whole(path, dump_json({"format": _FORMAT, "version": 1, "edits": rows}))


def load_anchors(path: str | Path, edits: Sequence[Edit]) -> tuple[tuple[Anchor, ...] | None, ...]:
    """The anchors of each edit; None for one that was not there when they were written.

    Raises
    ------
    ValueError
        If the file is something else, or broken.
    """
    document: Any = read_json(path)
    if not isinstance(document, Mapping) or document.get("format") != _FORMAT:
        raise ValueError(f"{path}: expected the anchors of edits, written beside them")
    waiting: dict[str, list[tuple[Anchor, ...]]] = {}
    try:
        for row in document["edits"]:
            found = tuple(_anchor_from(anchor) for anchor in row["anchors"])
            waiting.setdefault(str(row["edit"]), []).append(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: broken anchors ({error}); remove the file") from error
    return tuple(known.pop(0) if (known := waiting.get(str(edit))) else None for edit in edits)


def _row_of(anchor: Anchor) -> dict[str, Any]:
    """An anchor as JSON; ``who`` is the key of the person's id since the first version."""
    others = {name: value for name, value in vars(anchor).items() if name != "person"}
    return {"who": anchor.person, **others}


def _anchor_from(row: Mapping[str, Any]) -> Anchor:
    box = tuple(float(value) for value in row["box"])
    points = {str(name): (float(x), float(y)) for name, (x, y) in row["keypoints"].items()}
    numbers = np.array([*box, *(value for pair in points.values() for value in pair)])
    if len(box) != 4 or not np.isfinite(numbers).all():
        raise ValueError("a box or keypoint is not finite")
    return Anchor(int(row["who"]), int(row["frame"]), float(row["seconds"]), box, points)
