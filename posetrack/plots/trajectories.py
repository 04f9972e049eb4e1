"""Keypoints and angles against time: what was measured, filled and smoothed drawn differently."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import check_all_known
from posetrack.plots.paper import (
    GREY,
    Float64Array,
    Rgb,
    check_path,
    check_people,
    empty_figure,
    name_of,
    raw_of,
    rgb_of,
    save_figure,
    time_axis,
    with_breaks,
)
from posetrack.trajectories import Origin, Trajectories

if TYPE_CHECKING:
    from posetrack.analysis.repetitions import Repetition


_MOST_LABELS = 8


class Legend:
    """Which kinds of values occurred, so that the legend names these alone."""

    def __init__(self, trajectories: Trajectories) -> None:
        self.trajectories = trajectories
        self.kinds: dict[str, dict[str, Any]] = {}

    def note(self, name: str, **looks: Any) -> None:
        """Record that a kind of values was drawn, and in which style."""
        self.kinds.setdefault(name, {"color": GREY} | looks)

    def draw(self, figure: Any) -> None:
        """Draw it below the charts: people first, then kinds of values."""
        from matplotlib.lines import Line2D

        ids = self.trajectories.ids.tolist()
        people = [
            Line2D(
                [],
                [],
                color=rgb_of(person),
                linewidth=2.5,
                label=name_of(self.trajectories, person),
            )
            for person in ids[:24]
        ]
        if len(ids) > len(people):
            people.append(Line2D([], [], color="none", label=f"and {len(ids) - len(people)} more"))
        order = ("measured", "smoothed", "filled", "before cleaning", "rejected", "sides swapped")
        kinds = [
            Line2D([], [], label=name, **self.kinds[name]) for name in order if name in self.kinds
        ]
        figure.legend(
            handles=[*people, *kinds], loc="outside lower center", frameon=False, fontsize=8,
            ncols=min(len(people) + len(kinds), 8),
        )  # fmt: skip


def _draw_people(
    axes: Any,
    trajectories: Trajectories,
    values: Float64Array,
    origin: NDArray[np.int8],
    raw: Float64Array | None,
    legend: Legend,
) -> None:
    """Draw a line for each person."""
    label = 1 < len(trajectories.ids) <= _MOST_LABELS
    for column, person in enumerate(trajectories.ids.tolist()):
        seconds, line, flags, behind = with_breaks(
            trajectories.frame,
            trajectories.seconds,
            values[:, column],
            origin[:, column],
            np.full(len(values), np.nan) if raw is None else raw[:, column],
        )
        colour = rgb_of(person)
        _draw_raw(axes, seconds, line, flags, behind, colour, legend)
        _draw_line(axes, seconds, line, flags, colour, legend)
        known = np.flatnonzero(np.isfinite(line))
        if label and len(known):
            axes.annotate(
                str(person), (seconds[known[-1]], line[known[-1]]), xytext=(4, 0), fontsize=8,
                textcoords="offset points", va="center", color=colour, fontweight="bold",
            )  # fmt: skip


def _draw_line(
    axes: Any,
    seconds: Float64Array,
    values: Float64Array,
    flags: NDArray[np.int8],
    colour: Rgb,
    legend: Legend,
) -> None:
    """Solid where measured or smoothed, dotted where filled; dots on what was measured."""
    known = np.isfinite(values)
    filled = known & ((flags & Origin.FILLED) > 0)
    smoothed = known & ~filled & ((flags & Origin.SMOOTHED) > 0)
    measured = known & ~filled & ~smoothed
    solid = np.where(filled, np.nan, values)
    axes.plot(seconds, solid, color=colour, linewidth=1.4, zorder=3, gid="line")
    axes.plot(
        seconds, np.where(measured, values, np.nan), ".", color=colour, markersize=3.2, zorder=3,
        gid="measured",
    )  # fmt: skip
    if measured.any():
        legend.note("measured", marker=".", linewidth=1.4)
    if smoothed.any():
        legend.note("smoothed", linewidth=1.4)
    if filled.any():
        # To the neighbours, so that the dots join what they lie between.
        reach = filled | np.append(filled[1:], False) | np.append(False, filled[:-1])
        axes.plot(
            seconds, np.where(reach, values, np.nan), linestyle=(0, (0.6, 1.1)), color=colour,
            linewidth=2.2, zorder=3, gid="filled",
        )  # fmt: skip
        legend.note("filled", linestyle=(0, (0.6, 1.1)), linewidth=2.2)
    swapped = known & ((flags & Origin.SWAPPED) > 0)
    if swapped.any():
        looks: dict[str, Any] = {
            "marker": "D", "markersize": 3.5, "markerfacecolor": "white", "linestyle": "none",
        }  # fmt: skip
        axes.plot(seconds[swapped], values[swapped], color=colour, zorder=4, gid="swapped", **looks)
        legend.note("sides swapped", **looks)


def _draw_raw(
    axes: Any,
    seconds: Float64Array,
    values: Float64Array,
    flags: NDArray[np.int8],
    raw: Float64Array,
    colour: Rgb,
    legend: Legend,
) -> None:
    """What was measured, faint, where it differs; crosses where it was rejected."""
    known = np.isfinite(raw)
    if not known.any() or np.array_equal(raw, values, equal_nan=True):
        return
    axes.plot(seconds, raw, color=colour, alpha=0.35, linewidth=2.2, zorder=2, gid="raw")
    legend.note("before cleaning", alpha=0.35, linewidth=2.2)
    rejected = known & ((flags & Origin.REJECTED) > 0)
    if rejected.any():
        looks: dict[str, Any] = {"marker": "x", "markersize": 4.5, "linestyle": "none"}
        axes.plot(
            seconds[rejected], raw[rejected], color=colour, alpha=0.8, zorder=2, gid="rejected",
            **looks,
        )  # fmt: skip
        legend.note("rejected", **looks)


def finish(axes: Any, label: str) -> None:
    """Name the axis of values; a light grid and no frame."""
    axes.set_ylabel(label)
    axes.grid(visible=True, color="0.9", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


Quantity = Literal["x", "y", "speed", "score"]
_UNITS = {"x": "x (px)", "y": "y (px)", "speed": "speed (px/s)", "score": "score"}


def plot_keypoint(
    trajectories: Trajectories,
    keypoints: str | Sequence[str],
    path: str | Path | None = None,
    *,
    quantities: Sequence[Quantity] = ("x", "y"),
    raw: bool = True,
) -> Any:
    """Draw keypoints against time, one line a person: a row a keypoint, a column a quantity.

    Measured values are dots on a line, smoothed ones a line alone, filled ones dotted. What was
    measured before cleaning is faint behind; crosses are values that were rejected. Lines break
    where a keypoint was not seen. The axis of y points down as in the picture: up is up.

    Parameters
    ----------
    trajectories
        Whose; select people and times before.
    keypoints
        Names.
    path
        Where to write the picture, if anywhere: .png, .svg or .pdf.
    quantities
        Of ``"x"`` and ``"y"`` in pixels, ``"speed"`` in pixels a second, ``"score"``.
    raw
        Whether to draw what was measured behind what was cleaned.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    KeyError
        If there is no such keypoint.
    ValueError
        If there is nobody to draw, or the path has another ending.
    ModuleNotFoundError
        If matplotlib is not installed.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> walk = np.arange(9.0)[:, None, None, None] + np.zeros((9, 1, 17, 2))
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], walk, np.ones((9, 1, 17)), COCO_17)
    >>> [axes.get_ylabel() for axes in plot_keypoint(tr, "left_wrist").axes]
    ['left wrist x (px)', 'left wrist y (px)']
    """
    names = [keypoints] if isinstance(keypoints, str) else list(keypoints)
    places = [trajectories.skeleton.index(name) for name in names]
    check_all_known("quantity", quantities, _UNITS)
    if not quantities or not names:
        raise ValueError(f"quantities are of {', '.join(_UNITS)}, got {list(quantities)}")
    check_people(trajectories)
    check_path(path)
    figure = empty_figure(width=min(5.2 * len(quantities) + 1, 12), height=2.3 * len(names) + 0.9)
    grid = figure.subplots(len(names), len(quantities), squeeze=False, sharex=True)
    before = raw_of(trajectories) if raw else None
    drawn = Legend(trajectories)
    for row, (name, index_of_name) in enumerate(zip(names, places, strict=True)):
        origin = trajectories.origin[:, :, index_of_name]
        for axes, quantity in zip(grid[row], quantities, strict=True):
            values = _quantity(trajectories, name, quantity)
            behind = None if before is None else _quantity(before, name, quantity)
            _draw_people(axes, trajectories, values, origin, behind, drawn)
            if quantity == "y":
                axes.invert_yaxis()
            finish(axes, f"{name.replace('_', ' ')} {_UNITS[quantity]}")
            time_axis(axes, trajectories, label=row == len(names) - 1)
    drawn.draw(figure)
    return save_figure(figure, path)


def plot_angle(
    trajectories: Trajectories,
    angles: str | Sequence[str],
    path: str | Path | None = None,
    *,
    repetitions: Sequence[Repetition] = (),
    raw: bool = True,
) -> Any:
    """Draw angles against time, one line a person and a row an angle, with repetitions marked.

    Lines as in `plot_keypoint`; an angle is filled or smoothed where one of its keypoints is.
    A repetition is a grey band with its number, its turning point a triangle; one that is not
    complete is hatched and called what it is.

    Parameters
    ----------
    trajectories
        Whose; select people and times before.
    angles
        Names of `posetrack.ops.angles`, such as ``"left_knee"``, ``"knee"`` or ``"trunk"``.
    path
        Where to write the picture, if anywhere: .png, .svg or .pdf.
    repetitions
        From `posetrack.analysis.find_repetitions`; those of other people are left out.
    raw
        Whether to draw what was measured behind what was cleaned.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    KeyError
        If there is no such angle.
    ValueError
        If there is nobody to draw, or the path has another ending.
    ModuleNotFoundError
        If matplotlib is not installed.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.random.default_rng(0).uniform(0, 99, (9, 1, 17, 2))
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], xy, np.ones((9, 1, 17)), COCO_17)
    >>> [axes.get_ylabel() for axes in plot_angle(tr, ["left_knee", "trunk"]).axes]
    ['left knee (°)', 'trunk (°)']
    """
    from posetrack.analysis.series import angle

    names = [angles] if isinstance(angles, str) else list(angles)
    if not names:
        raise ValueError("expected the name of an angle, such as left_knee")
    values = [angle(trajectories, name) for name in names]
    check_people(trajectories)
    check_path(path)
    figure = empty_figure(width=9, height=2.5 * len(names) + 0.9)
    rows = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    before = raw_of(trajectories) if raw else None
    drawn = Legend(trajectories)
    for axes, name, found in zip(rows, names, values, strict=True):
        points = keypoints_of_angle(trajectories, name)
        origin = np.bitwise_or.reduce(trajectories.origin[:, :, points], axis=-1)
        behind = None if before is None else angle(before, name)
        _draw_people(axes, trajectories, found, origin, behind, drawn)
        finish(axes, f"{name.replace('_', ' ')} (°)")
        axes.yaxis.get_major_locator().set_params(
            nbins=7, steps=[1, 1.5, 3, 4.5, 6, 10], integer=True, min_n_ticks=1
        )
        _mark_repetitions(axes, trajectories, found, repetitions)
        time_axis(axes, trajectories, label=axes is rows[-1])
    drawn.draw(figure)
    return save_figure(figure, path)


def keypoints_of_angle(trajectories: Trajectories, name: str) -> NDArray[np.intp]:
    """Which keypoints an angle is made of: those without which it is another or unknown.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> tr = Trajectories([], [], [], np.zeros((0, 0, 17, 2)), np.zeros((0, 0, 17)), COCO_17)
    >>> [COCO_17.keypoints[k] for k in keypoints_of_angle(tr, "left_knee")]
    ['left_hip', 'left_knee', 'left_ankle']
    """
    from posetrack.ops.angles import angle

    count = len(trajectories.skeleton)
    pose = np.random.default_rng(0).uniform(0, 1, (count, 2))
    without = np.repeat(pose[None], count, axis=0)
    without[np.arange(count), np.arange(count)] = np.nan
    whole = angle(pose, trajectories.skeleton, name)
    return np.flatnonzero(angle(without, trajectories.skeleton, name) != whole)


def _quantity(trajectories: Trajectories, name: str, quantity: str) -> Float64Array:
    """(T, N) of one keypoint."""
    index_of_name = trajectories.skeleton.index(name)
    if quantity == "speed":
        from posetrack.analysis.series import speed

        return speed(trajectories, name)
    if quantity == "score":
        seen = np.isfinite(trajectories.xy[:, :, index_of_name, 0])
        return np.where(seen, trajectories.scores[:, :, index_of_name], np.nan).astype(np.float64)
    return trajectories.xy[:, :, index_of_name, "xy".index(quantity)].astype(np.float64)


def _mark_repetitions(
    axes: Any,
    trajectories: Trajectories,
    values: Float64Array,
    repetitions: Sequence[Repetition],
) -> None:
    """Bands with numbers for one person; turning points on each person's line."""
    ids = trajectories.ids.tolist()
    first, last = trajectories.seconds[0], trajectories.seconds[-1]
    shown = [one for one in repetitions if one.person in ids and one.end >= first]
    shown = [one for one in shown if one.start <= last]
    for one in shown:
        whole = one.outcome == "complete"
        if len(ids) == 1:
            axes.axvspan(
                one.start, one.end, facecolor="0.93" if whole else "none", zorder=0,
                edgecolor="0.75" if not whole else "none", linewidth=0,
                hatch=None if whole else "////",
            )  # fmt: skip
            axes.annotate(
                str(one.number) if whole else one.outcome, ((one.start + one.end) / 2, 1.0),
                xycoords=("data", "axes fraction"), xytext=(0, -2), textcoords="offset points",
                ha="center", va="top", fontsize=8, color="0.35", annotation_clip=True,
            )  # fmt: skip
        column = ids.index(one.person)
        known = np.flatnonzero(np.isfinite(values[:, column]))
        if len(known):
            at = known[np.abs(trajectories.seconds[known] - one.turn).argmin()]
            axes.plot(
                [trajectories.seconds[at]], [values[at, column]], "^", color=rgb_of(one.person),
                markeredgecolor="white", markersize=8, zorder=5, gid="turn",
            )  # fmt: skip
