"""Signs of wrong identities gathered into moments, the most doubtful first."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np

from posetrack.audit.clothing import ColourSeries
from posetrack.audit.continuity import motion_of
from posetrack.audit.matches import Matches
from posetrack.audit.signals import (
    Signal,
    beginnings,
    breaks,
    doubtful_matches,
    exchanges,
    flow_alone,
)
from posetrack.files import write_whole
from posetrack.trajectories import Trajectories

_SAME_TIME: Final = 0.4  # seconds


@dataclass(frozen=True)
class Moment:
    """A time at which identities may be wrong.

    Parameters
    ----------
    score
        How doubtful, in [0, 1].
    frame, seconds
        The first frame after it.
    ids
        Whose.
    reason
        In words, the strongest sign first.
    edit
        The line of `posetrack.audit.edits` that would mend it; empty if none would.
    """

    score: float
    frame: int
    seconds: float
    ids: tuple[int, ...]
    reason: str
    edit: str = ""


def find_moments(
    trajectories: Trajectories,
    *,
    matches: Matches | None = None,
    colours: Mapping[int, ColourSeries] | None = None,
    image_size: tuple[int, int] | None = None,
    min_score: float = 0.1,
) -> list[Moment]:
    """Find the moments at which an identity may be wrong.

    Parameters
    ----------
    trajectories
        Everybody's keypoints over time.
    matches
        What the tracker noted, see `posetrack.audit.read_matches`.
    colours
        What people wear, see `posetrack.audit.colours_over_time`.
    image_size
        Width and height; from the metadata when None, else as far as people go.
    min_score
        Less doubtful moments are left out.

    Returns
    -------
    moments
        The most doubtful first, each once.

    Examples
    --------
    >>> from posetrack.audit.edits import apply_edits, parse_edits
    >>> from posetrack.testing import crossing
    >>> scene = crossing(frames=40)
    >>> times = np.arange(40)
    >>> truth = Trajectories(times, times / 25, [1, 2], scene.xy, np.ones((40, 2, 17)),
    ...                      scene.skeleton)
    >>> wrong = apply_edits(truth, parse_edits("swap 1 2 from f12"))
    >>> find_moments(wrong)[0].edit
    'swap 1 2 from f12'
    """
    worn = {} if colours is None else colours
    motions = [motion_of(trajectories, column) for column in range(len(trajectories.ids))]
    size = _size(trajectories, image_size)
    signals = [
        *exchanges(trajectories, motions, worn),
        *breaks(trajectories, motions, worn),
        *beginnings(trajectories, motions, worn, size),
        *flow_alone(trajectories),
        *(() if matches is None else doubtful_matches(trajectories, matches)),
    ]
    moments = [_moment(trajectories, group) for group in _group_signals(trajectories, signals)]
    kept = [moment for moment in moments if moment.score >= min_score]
    return sorted(kept, key=lambda moment: (-moment.score, moment.frame, moment.ids))


def _size(trajectories: Trajectories, image_size: tuple[int, int] | None) -> tuple[float, float]:
    known = image_size or trajectories.metadata.get("image_size")
    if known is not None:
        return float(known[0]), float(known[1])
    if not trajectories.present.any():
        return 1.0, 1.0
    width, height = np.nanmax(trajectories.boxes[..., 2:], axis=(0, 1)).tolist()
    return float(width), float(height)


def _group_signals(trajectories: Trajectories, signals: Sequence[Signal]) -> list[list[Signal]]:
    """Signs of the same people at the same time together, the strongest first."""
    groups: list[list[Signal]] = []
    near: dict[tuple[int, int], list[list[Signal]]] = {}  # by id and slice of time
    for signal in sorted(signals, key=lambda one: (-one.score, one.row, one.ids)):
        seconds = float(trajectories.seconds[signal.row])
        part = int(seconds // _SAME_TIME)
        found = None
        for key in ((person, part + step) for person in signal.ids for step in (-1, 0, 1)):
            for group in near.get(key, ()):
                if found is None and _belongs(trajectories, signal, group[0]):
                    found = group
        if found is not None:
            found.append(signal)
            continue
        groups.append([signal])
        for person in signal.ids:
            near.setdefault((person, part), []).append(groups[-1])
    return groups


def _belongs(trajectories: Trajectories, signal: Signal, main: Signal) -> bool:
    """Whether a sign belongs to a moment that a stronger one has found."""
    if signal.kind == main.kind == "exchange" and signal.score > 0.5:
        return False  # exchanged, and back: both need an edit
    apart = trajectories.seconds[signal.row] - trajectories.seconds[main.row]
    return bool(abs(apart) <= _SAME_TIME)


def _moment(trajectories: Trajectories, group: list[Signal]) -> Moment:
    main, texts, doubt = group[0], {}, 1.0 - group[0].score
    for signal in group:
        if signal.kind not in texts:
            texts[signal.kind] = signal.text
            # Signs of one thing are not independent: a further one counts half.
            doubt *= 1.0 if signal is main else 1.0 - 0.5 * signal.score
    ids = tuple(dict.fromkeys(chain(main.ids, *(one.ids for one in group if one is not main))))
    return Moment(
        round(1.0 - doubt, 4),
        int(trajectories.frame[main.row]),
        float(trajectories.seconds[main.row]),
        ids[:3] if len(main.ids) < 2 else main.ids,
        "; ".join(texts.values()),
        main.edit,
    )


def write_moments(path: str | Path, moments: Sequence[Moment]) -> None:
    """Write moments as CSV: rank, score, frame, seconds, ids, reason, edit.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "moments.csv"
    >>> write_moments(path, [Moment(0.8, 12, 0.48, (3, 7), "they touched", "swap 3 7 12")])
    >>> path.read_text().splitlines()[1]
    '1,0.800,12,0.480,3 7,they touched,swap 3 7 12'
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("rank", "score", "frame", "seconds", "ids", "reason", "edit"))
    for rank, one in enumerate(moments, 1):
        ids = " ".join(map(str, one.ids))
        rows.writerow(
            (rank, f"{one.score:.3f}", one.frame, f"{one.seconds:.3f}", ids, one.reason, one.edit)
        )
    write_whole(path, text.getvalue())
