"""When each person was there: a bar a person."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from posetrack.plots.paper import (
    GREY,
    Rgb,
    check_path,
    check_people,
    empty_figure,
    frame_step,
    name_of,
    rgb_of,
    save_figure,
    time_axis,
)
from posetrack.trajectories import NOBODY, Origin, Trajectories

ABSENT, DETECTED, FLOW, FILLED = range(4)
_STATES = {DETECTED: "detected", FLOW: "carried by flow", FILLED: "filled"}
_HEIGHT = 0.66


def plot_presence(
    trajectories: Trajectories,
    path: str | Path | None = None,
    *,
    by: Literal["origin", "score"] = "origin",
) -> Any:
    """Draw when each person was there: a bar a person, in order of coming, with gaps while absent.

    By origin, the bar is full where the person was detected, lighter where optical flow carried
    the box and hatched where at least half of the keypoints are filled. By score, its colour is
    the mean score of the keypoints seen. A white stroke is where the tracker's id changed and
    tracklets were joined. On the right, how long each was there.

    Parameters
    ----------
    trajectories
        Whose; select people and times before.
    path
        Where to write the picture, if anywhere: .png, .svg or .pdf.
    by
        What colours show.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is nobody to draw, or the path has another ending.
    ModuleNotFoundError
        If matplotlib is not installed.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((9, 2, 17, 2))
    >>> xy[3:5, 1] = np.nan
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [3, 7], xy, np.ones((9, 2, 17)), COCO_17)
    >>> [label.get_text() for label in plot_presence(tr).axes[0].get_yticklabels()]
    ['person 3', 'person 7']
    """
    if by not in ("origin", "score"):
        raise ValueError(f"by is origin or score, got {by!r}")
    check_people(trajectories)
    check_path(path)
    states = presence(trajectories)
    here: NDArray[np.bool_] = np.asarray(states > ABSENT)
    there: NDArray[np.bool_] = np.asarray(here.any(axis=0))
    first = np.where(there, here.argmax(axis=0), len(states))
    order = [n for n in np.argsort(first, kind="stable").tolist() if there[n]]
    line = min(max(12 / len(order), 0.13), 0.42)
    figure = empty_figure(width=9.5, height=line * len(order) + (1.5 if by == "origin" else 1.1))
    axes = figure.subplots()
    if by == "origin":
        _bars_by_origin(axes, trajectories, states, order)
        _legend(figure, states[:, order])
    else:
        _bars_by_score(figure, axes, trajectories, states, order)
    _mark_joints(axes, trajectories, order)
    _label_rows(axes, trajectories, states, order)
    time_axis(axes, trajectories)
    return save_figure(figure, path)


def presence(trajectories: Trajectories) -> NDArray[np.int8]:
    """(T, N) what each was in each frame: `ABSENT`, `DETECTED`, `FLOW` or `FILLED`.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((3, 1, 17, 2))
    >>> xy[2] = np.nan
    >>> tr = Trajectories([0, 1, 2], [0, 1, 2], [7], xy, np.ones((3, 1, 17)), COCO_17,
    ...                   flow_age=[[0], [1], [0]])
    >>> presence(tr).tolist() == [[DETECTED], [FLOW], [ABSENT]]
    True
    """
    there = trajectories.present
    seen = np.isfinite(trajectories.xy[..., 0])
    filled = seen & ((trajectories.origin & Origin.FILLED) > 0)
    mostly = filled.any(axis=-1) & (2 * filled.sum(axis=-1) >= seen.sum(axis=-1))
    states = np.where(trajectories.flow_age > 0, FLOW, DETECTED)
    states = np.where(mostly, FILLED, states)
    return np.where(there, states, ABSENT).astype(np.int8)


def runs(column: NDArray[Any], frame: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Runs of equal values in frames next to each other: first, one past the last, value.

    Examples
    --------
    >>> runs(np.array([1, 1, 0, 0]), np.array([0, 1, 2, 9]))
    [(0, 2, 1), (2, 3, 0), (3, 4, 0)]
    """
    if not len(column):
        return []
    steps = np.diff(frame)
    usual = float(np.median(steps)) if len(steps) else 1.0
    cuts = np.flatnonzero((np.diff(column) != 0) | (steps > 1.5 * usual)) + 1
    edges = [0, *cuts.tolist(), len(column)]
    return [(a, b, int(column[a])) for a, b in itertools.pairwise(edges)]


def _bars_by_origin(
    axes: Any, trajectories: Trajectories, states: NDArray[np.int8], order: list[int]
) -> None:
    step = frame_step(trajectories)
    seconds = trajectories.seconds
    for row, column in enumerate(order):
        colour = rgb_of(int(trajectories.ids[column]))
        spans: dict[int, list[tuple[float, float]]] = {}
        for first, stop, state in runs(states[:, column], trajectories.frame):
            start = float(seconds[first]) - step / 2
            spans.setdefault(state, []).append((start, float(seconds[stop - 1]) + step / 2 - start))
        for state, bars in spans.items():
            if state != ABSENT:
                span = (row - _HEIGHT / 2, _HEIGHT)
                axes.broken_barh(bars, span, gid=_STATES[state], **_look(state, colour))


def _look(state: int, colour: Rgb) -> dict[str, Any]:
    if state == FILLED:
        return {"facecolor": "white", "edgecolor": colour, "hatch": "//////", "linewidth": 0.6}
    return {"facecolor": (*colour, 1.0 if state == DETECTED else 0.45), "edgecolor": "none"}


def _legend(figure: Any, states: NDArray[np.int8]) -> None:
    from matplotlib.patches import Patch

    grey = (0.4, 0.4, 0.4)
    kinds = [
        Patch(label=name, **_look(state, grey)) for state, name in _STATES.items()
        if (states == state).any()
    ]  # fmt: skip
    figure.legend(handles=kinds, loc="outside lower center", ncols=3, frameon=False, fontsize=8)


def _bars_by_score(
    figure: Any,
    axes: Any,
    trajectories: Trajectories,
    states: NDArray[np.int8],
    order: list[int],
) -> None:
    seen = np.isfinite(trajectories.xy[..., 0])
    mean = trajectories.scores.sum(axis=-1) / np.maximum(seen.sum(axis=-1), 1)
    step = frame_step(trajectories)
    mesh = None
    for row, column in enumerate(order):
        for first, stop, here in runs((states[:, column] > ABSENT).astype(int), trajectories.frame):
            if not here:
                continue
            edges = np.append(
                trajectories.seconds[first:stop], trajectories.seconds[stop - 1] + step
            )
            mesh = axes.pcolormesh(
                edges - step / 2, [row - _HEIGHT / 2, row + _HEIGHT / 2],
                mean[None, first:stop, column], cmap="cividis", vmin=0, vmax=1, rasterized=True,
            )  # fmt: skip
    bar = figure.colorbar(mesh, ax=axes, pad=0.02, fraction=0.03, aspect=max(3 * len(order), 8))
    bar.set_label("mean score of keypoints", fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _mark_joints(axes: Any, trajectories: Trajectories, order: list[int]) -> None:
    """Where a person goes on under another id of the tracker's."""
    if trajectories.raw is None:
        return
    for row, column in enumerate(order):
        ids = trajectories.raw.ids[:, column]
        known = np.flatnonzero(ids != NOBODY)
        changes = known[1:][np.diff(ids[known]) != 0]
        if len(changes):
            axes.vlines(
                trajectories.seconds[changes] - frame_step(trajectories) / 2,
                row - _HEIGHT / 2, row + _HEIGHT / 2, color="white", linewidth=1.8, gid="joined",
            )  # fmt: skip


def _label_rows(
    axes: Any, trajectories: Trajectories, states: NDArray[np.int8], order: list[int]
) -> None:
    size = 9 if len(order) <= 30 else 6
    axes.set_yticks(
        range(len(order)), [name_of(trajectories, int(trajectories.ids[n])) for n in order],
        fontsize=size,
    )  # fmt: skip
    axes.set_ylim(len(order) - 0.4, -0.6)
    step = frame_step(trajectories)
    for row, column in enumerate(order):
        time = step * int((states[:, column] > ABSENT).sum())
        axes.annotate(
            f"{time:.1f} s", (1.0, row), xycoords=("axes fraction", "data"), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize=size - 1, color=GREY,
        )  # fmt: skip
    axes.grid(visible=True, axis="x", color="0.9", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
