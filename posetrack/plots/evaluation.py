"""Pictures of an evaluation: timelines of true people and predicted ids."""

from __future__ import annotations

import colorsys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posetrack.plots.canvas import new_figure, write_figure

if TYPE_CHECKING:
    from posetrack.evaluation.event_log import EventLog

_GOLDEN = 0.61803398875
_MISSED = (0.82, 0.82, 0.82)
_MOST_LABELS = 60


def plot_timeline(
    log: EventLog, sequence: str, path: str | Path, *, keypoint: str | None = None
) -> None:
    """Draw a timeline: a row for each true person, coloured by predicted id.

    Grey is a miss, white is not there. Triangles mark the frames in which the id changes; the
    strip below counts false positives. With several keypoints in the log a person's id in a
    frame is the one that most of their keypoints have.

    Parameters
    ----------
    log
        From `posetrack.evaluation.evaluate_posetrack` or `posetrack.evaluation.evaluate_poses`.
    sequence
        Which of its sequences.
    path
        Where to write the picture; its ending says what kind.
    keypoint
        Draw this one alone.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    KeyError
        If the log has no such sequence or keypoint.
    """
    events = log.of(sequence=sequence, keypoint=keypoint)
    people, frames, ids = person_timeline(events)
    figure = new_figure(width=12, height=1.6 + 0.32 * max(len(people), 1))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(max(len(people), 1), 1.5))
    _draw_people(above, people, frames, ids)
    what = sequence if keypoint is None else f"{sequence}, {keypoint}"
    above.set_title(f"{what}: predicted ids of true people", fontsize=10)
    _draw_false_positives(below, events, frames)
    below.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    write_figure(figure, path, dpi=120)


def person_timeline(
    log: EventLog,
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[list[int | str | None]]]:
    """True ids, frames, and what each true person is in each frame.

    Parameters
    ----------
    log
        Events of one sequence.

    Returns
    -------
    people
        (N,) true ids, rising.
    frames
        (T,), from the first frame with an event to the last.
    ids
        N lists of T: the predicted id, ``"missed"``, or None where the person is not there.

    Examples
    --------
    >>> from posetrack.evaluation import evaluate_poses
    >>> from posetrack.evaluation.whole_poses import FrameSimilarities
    >>> from posetrack.evaluation.whole_poses import evaluate_similarities
    >>> seen = (np.array([7]), np.array([7]))
    >>> swapped = FrameSimilarities("walk", np.arange(2), seen, (np.array([1]), np.array([2])),
    ...                             (np.array([[0.9]]), np.array([[0.8]])))
    >>> people, frames, ids = person_timeline(evaluate_similarities([swapped]).events)
    >>> people.tolist(), frames.tolist(), ids
    ([7], [0, 1], [[1, 2]])
    """
    from posetrack.evaluation.event_log import MATCH, MISS, NO_ID, SWITCH

    rows = np.isin(log.kind, (MATCH, SWITCH, MISS)) & (log.truth != NO_ID)
    people = np.unique(log.truth[rows])
    frames = (
        np.arange(log.frame.min(), log.frame.max() + 1, dtype=np.int64)
        if len(log)
        else np.zeros(0, np.int64)
    )
    ids: list[list[int | str | None]] = [[None] * len(frames) for _ in people]
    if not rows.any():
        return people, frames, ids
    found = np.where(log.kind[rows] == MISS, NO_ID, log.predicted[rows])
    keys = np.stack([log.truth[rows], log.frame[rows].astype(np.int64), found], axis=1)
    cells, votes = np.unique(keys, axis=0, return_counts=True)
    # A miss wins only where no keypoint was found, then the id with the most keypoints.
    order = np.lexsort((votes, cells[:, 2] != NO_ID))
    for truth, frame, predicted in cells[order].tolist():
        row = int(np.searchsorted(people, truth))
        ids[row][int(frame - frames[0])] = "missed" if predicted == NO_ID else predicted
    return people, frames, ids


def id_colour(track: int) -> tuple[float, float, float]:
    """A colour for an id: neighbouring ids differ much, and the same id always looks the same.

    Examples
    --------
    >>> len(id_colour(7)), id_colour(7) == id_colour(7), id_colour(7) == id_colour(8)
    (3, True, False)
    """
    shade = (0.95, 0.75, 0.55)[track % 3]
    return colorsys.hsv_to_rgb((track * _GOLDEN) % 1.0, 0.75, shade)


def _draw_people(
    axes: Any,
    people: NDArray[np.int64],
    frames: NDArray[np.int64],
    ids: list[list[int | str | None]],
) -> None:
    image = np.ones((max(len(people), 1), max(len(frames), 1), 3))
    changes: list[tuple[int, int, int]] = []
    for row, of_person in enumerate(ids):
        before: int | None = None
        for t, track in enumerate(of_person):
            if track == "missed":
                image[row, t] = _MISSED
            elif isinstance(track, int):
                image[row, t] = id_colour(track)
                if before is not None and track != before:
                    changes.append((row, int(frames[t]), track))
                before = track
    first = int(frames[0]) if len(frames) else 0
    extent = (first - 0.5, first + image.shape[1] - 0.5, len(image) - 0.5, -0.5)
    axes.imshow(image, aspect="auto", interpolation="nearest", extent=extent)
    axes.set_yticks(range(len(people)), [str(person) for person in people.tolist()], fontsize=7)
    axes.set_ylabel("true id", fontsize=8)
    axes.hlines(np.arange(len(people) - 1) + 0.5, *extent[:2], color="white", linewidth=2)
    if changes:
        axes.scatter(
            [frame - 0.5 for _, frame, _ in changes], [row - 0.3 for row, _, _ in changes],
            marker="v", s=18, color="black", linewidths=0,
        )  # fmt: skip
    if len(changes) <= _MOST_LABELS:
        _label(axes, ids, first)


def _label(axes: Any, ids: list[list[int | str | None]], first: int) -> None:
    """Write each id where it begins."""
    for row, of_person in enumerate(ids):
        before: int | str | None = None
        for t, track in enumerate(of_person):
            if isinstance(track, int) and track != before:
                dark = np.dot(id_colour(track), (0.3, 0.6, 0.1)) < 0.5
                axes.text(
                    first + t - 0.4, row, str(track), fontsize=6, va="center", clip_on=True,
                    color="white" if dark else "black",
                )  # fmt: skip
                before = track


def _draw_false_positives(axes: Any, log: EventLog, frames: NDArray[np.int64]) -> None:
    from posetrack.evaluation.event_log import FALSE_POSITIVE

    if len(frames):
        rows = log.kind == FALSE_POSITIVE
        counts = np.bincount(log.frame[rows] - frames[0], minlength=len(frames))
        axes.bar(frames, counts, width=1.0, color="tab:red")
    unit = "keypoints" if len(log.keypoints) > 1 else "people"
    axes.set_ylabel(f"false\n{unit}", fontsize=8)
    axes.set_xlabel("frame", fontsize=8)
    axes.tick_params(labelsize=7)
