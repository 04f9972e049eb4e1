"""What makes a moment doubtful, one kind of sign after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from posetrack.audit.clothing import ColourSeries, colour_change
from posetrack.audit.continuity import Floats, Motion, Rows, change, steps
from posetrack.audit.matches import Matches
from posetrack.tracking.explanation import Reason
from posetrack.trajectories import NOBODY, Trajectories

_LONGEST_GAP: Final = 2.0  # seconds over which one may be another's continuation
_NEAR: Final = 0.6  # of their mean longer side: people this near may be mixed up
_COLOUR: Final = 4.0  # what entirely other clothes count, in the units of `change`
_FAIR_CHANGES: Final = (0.4, 1.5)  # what jerky boxes make of a change, at least and at most
_SMALL_MARGIN: Final = 0.1
_LOW_SIMILARITY: Final = 0.35
_BORDER: Final = 0.04  # of the picture
_LONG_ALONE: Final = 0.6  # seconds without a detection


@dataclass(frozen=True)
class Signal:
    """One sign that something is wrong.

    Parameters
    ----------
    row
        The first frame after it happened, as a row of the trajectories.
    ids
        The people concerned, one or two.
    score
        How doubtful, in [0, 1].
    kind
        Signs of one kind are reported once a moment.
    text
        In words.
    edit
        The line that would mend it, or nothing.
    """

    row: int
    ids: tuple[int, ...]
    score: float
    kind: str
    text: str
    edit: str = ""


def exchanges(
    trajectories: Trajectories, motions: list[Motion], colours: Mapping[int, ColourSeries]
) -> Iterator[Signal]:
    """Two people near each other, or who go on better as each other."""
    count = len(trajectories)
    ends = [(motion.rows[[0, -1]] if len(motion.rows) else (0, -1)) for motion in motions]
    for a, b in combinations(range(len(motions)), 2):
        first, stop = max(ends[a][0], ends[b][0]) + 1, min(ends[a][1], ends[b][1]) + 1
        if first >= min(stop, count):
            continue
        rows = np.arange(first, stop)
        i, j = (np.searchsorted(motions[person].rows, rows) for person in (a, b))
        gaps = [
            motions[person].seconds[at] - motions[person].seconds[at - 1]
            for person, at in ((a, i), (b, j))
        ]
        # Where both are unseen nothing can be compared; an exchange shows when one is back.
        seen = (motions[a].rows[i] == rows) | (motions[b].rows[j] == rows)
        fair = seen & (gaps[0] <= _LONGEST_GAP) & (gaps[1] <= _LONGEST_GAP)
        rows, i, j = rows[fair], i[fair], j[fair]
        if len(rows):
            yield from _exchanges_of(trajectories, motions, (a, b), rows, (i, j), dict(colours))


def _exchanges_of(
    trajectories: Trajectories,
    motions: list[Motion],
    pair: tuple[int, int],
    rows: Rows,
    at: tuple[Rows, Rows],
    colours: dict[int, ColourSeries],
) -> Iterator[Signal]:
    first, second = (motions[person] for person in pair)
    i, j = at
    kept = change(first, i - 1, first, i) + change(second, j - 1, second, j)
    swapped = change(first, i - 1, second, j) + change(second, j - 1, first, i)
    apart = np.linalg.norm(first.position[0, i - 1] - second.position[0, j - 1], axis=1)
    side = np.exp((first.size[0, i - 1] + second.size[0, j - 1]) / 2)
    gain = kept - swapped
    ids = tuple(sorted(int(trajectories.ids[person]) for person in pair))
    for part in _clusters(rows, (apart < _NEAR * side) | (gain > 0)):
        for best in _peaks(gain, part):
            row = int(rows[best])
            seconds = float(trajectories.seconds[row])
            worn = _COLOUR * sum(
                colour_change(colours, person, person, seconds)
                - colour_change(colours, person, ids[1 - index], seconds)
                for index, person in enumerate(ids)
            )
            total = float(gain[best]) + worn
            # People who pass each other are seldom exchanged: it takes more than even signs.
            score = 1 / (1 + math.exp(-1.5 * float(np.clip(total - 1, -30, 30))))
            look = "look exchanged" if total > 0 else "pass close by each other"
            if worn > 1:
                look += " and wear each other's colours"
            edit = f"swap {ids[0]} {ids[1]} from f{int(trajectories.frame[row])}"
            yield Signal(row, ids, score, "exchange", f"{ids[0]} and {ids[1]} {look}", edit)


def _clusters(rows: Rows, chosen: NDArray[np.bool_]) -> list[Rows]:
    """Positions chosen, in groups of those next to each other."""
    found = np.flatnonzero(chosen)
    cuts = np.flatnonzero((np.diff(found) > 1) | (np.diff(rows[found]) > 2)) + 1
    return [part for part in np.split(found, cuts) if len(part)]


def _peaks(gain: Floats, part: Rows) -> Iterator[int]:
    """The largest gain of a group, and others that are as telling and apart from it."""
    # Where someone is unseen for a while all frames of it are alike: the one of the return counts.
    best = int(part[np.flatnonzero(gain[part] >= gain[part].max() - 1e-9)[-1]])
    yield best
    # An exchange and the exchange back within one meeting are two moments.
    others = part[(np.abs(part - best) > 3) & (gain[part] > 1.0)]
    for one in others.tolist():
        beside = gain[max(one - 3, 0) : one + 4]
        if gain[one] == beside.max():
            yield one


def breaks(
    trajectories: Trajectories, motions: list[Motion], colours: Mapping[int, ColourSeries]
) -> Iterator[Signal]:
    """An id that jumps in place or size, or changes clothes."""
    worn = dict(colours)
    each = [np.arange(max(len(motion.rows) - 1, 0)) for motion in motions]
    jumps = [change(one, i, one, i + 1) for one, i in zip(motions, each, strict=True)]
    usual = np.concatenate([np.zeros(1), *jumps])
    fair = float(np.clip(3 * np.quantile(usual, 0.9), *_FAIR_CHANGES))
    for column, (motion, i, jump) in enumerate(zip(motions, each, jumps, strict=True)):
        person, away = int(trajectories.ids[column]), steps(motion)
        if worn:
            times = motion.seconds[i + 1]
            clothes = [colour_change(worn, person, person, t) for t in times.tolist()]
            jump += _COLOUR * np.array(clothes, np.float64)
        for part in _clusters(motion.rows[i], jump > fair):
            # Lines fitted across a jump bend on both sides of it; the sights themselves show when.
            best = int(part[away[part].argmax()])
            row = int(motion.rows[best + 1])
            score = 1 - math.exp(-(float(jump[part].max()) - fair) / 2)
            text = f"{person} {_what_changes(motion, best, worn, person)}"
            edit = f"split {person} at f{int(trajectories.frame[row])}"
            yield Signal(row, (person,), score, "break", text, edit)


def _what_changes(motion: Motion, i: int, colours: dict[int, ColourSeries], person: int) -> str:
    gap = motion.seconds[i + 1] - motion.seconds[i]
    grown = math.exp(motion.size[1, i + 1] - motion.size[0, i])
    away = np.linalg.norm(motion.position[1, i + 1] - motion.position[0, i])
    parts = [f"jumps {away:.0f} px"]
    if abs(math.log(grown)) > 0.15:
        parts.append(f"is {grown:.2f} times as large")
    if gap > 0.3:
        parts.append(f"after {gap:.1f} s unseen")
    clothes = colour_change(colours, person, person, float(motion.seconds[i + 1]))
    if clothes > 0.25:
        parts.append(f"wears other colours (likeness {1 - clothes:.2f})")
    return ", ".join(parts)


def beginnings(
    trajectories: Trajectories,
    motions: list[Motion],
    colours: Mapping[int, ColourSeries],
    size: tuple[float, float],
) -> Iterator[Signal]:
    """Ids that begin or end in mid-picture; an end that another's beginning continues."""
    worn, continued = dict(colours), set()
    ids = trajectories.ids.tolist()
    for column, motion in enumerate(motions):
        if not len(motion.rows) or motion.seconds[0] <= trajectories.seconds[0] + 0.2:
            continue
        person, row, start = ids[column], int(motion.rows[0]), float(motion.seconds[0])
        inside = _inside(trajectories.boxes[row, column], size)
        before = _predecessor(motions, column, ids, worn)
        score, text, edit = 0.35 * inside, f"{person} begins in mid-picture", ""
        whom: tuple[int, ...] = (person,)
        if before is not None:
            other, cost = before
            likely = math.exp(-cost / 2)
            score = max(score, (0.8 + 0.15 * inside) * likely)
            if cost < 3:
                continued.add(other)
                gone = start - float(motions[other].seconds[-1])
                text = f"{person} begins where {ids[other]} ended {gone:.2f} s before"
                edit, whom = f"merge {person} into {ids[other]}", (person, ids[other])
        yield Signal(row, whom, min(score, 1.0), "begin", text, edit)
    for column, motion in enumerate(motions):
        if not len(motion.rows) or column in continued:
            continue
        row = int(motion.rows[-1])
        late = motion.seconds[-1] >= trajectories.seconds[-1] - 0.2
        if not late and _inside(trajectories.boxes[row, column], size):
            text = f"{ids[column]} ends in mid-picture"
            yield Signal(row, (ids[column],), 0.3, "end", text)


def _predecessor(
    motions: list[Motion], column: int, ids: list[int], colours: dict[int, ColourSeries]
) -> tuple[int, float] | None:
    """Who ended shortly before, and how badly this one continues them."""
    motion = motions[column]
    start = float(motion.seconds[0])
    found: list[tuple[float, int]] = []
    for other, past in enumerate(motions):
        if other == column or not len(past.rows) or past.rows[-1] >= motion.rows[0]:
            continue
        if start - past.seconds[-1] <= _LONGEST_GAP:
            last, first = np.array([len(past.rows) - 1]), np.array([0])
            cost = float(change(past, last, motion, first)[0])
            cost += _COLOUR * colour_change(colours, ids[other], ids[column], start)
            found.append((cost, other))
    if not found:
        return None
    cost, other = min(found)
    return other, cost


def _inside(box: NDArray[np.float32], size: tuple[float, float]) -> bool:
    """Whether a box touches no border of the picture."""
    edge = _BORDER * min(size)
    low, high = box[:2], box[2:]
    return bool((low > edge).all() and (high < np.array(size) - edge).all())


def flow_alone(trajectories: Trajectories) -> Iterator[Signal]:
    """People whom the detector has not found for long: flow alone carries them, or a ghost.

    Where it is run on few frames, longer than twice the usual time between two counts.
    """
    runs: list[tuple[int, int, int, float]] = []
    apart: list[NDArray[np.float64]] = []
    for column in range(len(trajectories.ids)):
        rows = np.flatnonzero(trajectories.present[:, column])
        alone = np.concatenate([[0], trajectories.flow_age[rows, column] > 0, [0]])
        edges = np.diff(alone.astype(np.int8))
        firsts, lasts = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0) - 1
        times = trajectories.seconds[rows]
        apart.append(np.diff(times[alone[1:-1] == 0]))
        for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
            long = float(times[last] - times[max(first - 1, 0)])  # since it was last found
            runs.append((column, int(rows[first]), int(last == len(rows) - 1), long))
    between = np.concatenate([np.zeros(1), *apart])
    usual = float(np.median(between[between > 0])) if (between > 0).any() else 0.0
    for column, row, ends, long in runs:
        if long >= max(_LONG_ALONE, 2 * usual):
            person = int(trajectories.ids[column])
            text = f"{person} is carried by flow alone for {long:.1f} s"
            text += ", and not found again" if ends else ""
            yield Signal(row, (person,), min(0.2 * long + 0.1 * ends, 0.5), "carried", text)


def doubtful_matches(trajectories: Trajectories, matches: Matches) -> Iterator[Signal]:
    """Small margins and low similarities that the tracker noted, a moment for each run of them."""
    where = _columns_of_ids(trajectories)
    is_known = matches.reason != int(Reason.NEW)
    margin = np.nan_to_num(matches.margin, nan=1.0)
    by_margin = 0.5 * np.clip(1 - margin / _SMALL_MARGIN, 0, 1.2)
    by_likeness = 0.4 * np.clip(1 - matches.similarity / _LOW_SIMILARITY, 0, 1)
    score = np.where(is_known, np.maximum(by_margin, by_likeness), 0)
    doubtful = np.flatnonzero(score > 0.05)
    for index in doubtful[np.argsort(-score[doubtful], kind="stable")].tolist():
        found = where.get((int(matches.frame[index]), int(matches.ids[index])))
        if found is None:
            continue
        row, person = found
        rival = where.get((int(matches.frame[index]), int(matches.runner_up[index])))
        ids: tuple[int, ...] = (person,)
        text = f"{person} matched with similarity {matches.similarity[index]:.2f}"
        if by_margin[index] >= by_likeness[index]:
            text += f", only {margin[index]:.2f} more than another's"
            if rival is not None and rival[1] != person:
                ids = (person, rival[1])
        yield Signal(row, ids, float(score[index]), "match", text)


def _columns_of_ids(trajectories: Trajectories) -> dict[tuple[int, int], tuple[int, int]]:
    """From frame and the tracker's id to row and the id of now, which cleaning may have joined."""
    present = trajectories.present
    ids = np.where(present, trajectories.ids, NOBODY)
    if trajectories.raw is not None:
        ids = trajectories.raw.ids
    rows, columns = np.nonzero(present & (ids != NOBODY))
    frames, now = trajectories.frame[rows].tolist(), trajectories.ids[columns].tolist()
    whom = ids[rows, columns].tolist()
    return {
        (frame, person): (row, named)
        for frame, person, row, named in zip(frames, whom, rows.tolist(), now, strict=True)
    }
