"""One line a person: measured, smoothed and filled values drawn differently, with a legend."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.plots.paper import GREY, Float64Array, Rgb, name_of, rgb_of, with_breaks
from posetrack.trajectories import Origin, Trajectories

_MOST_LABELS = 8


class Legend:
    """Which kinds of values occurred, so that the legend names these alone."""

    def __init__(self, trajectories: Trajectories) -> None:
        self.trajectories = trajectories
        self.kinds: dict[str, dict[str, Any]] = {}

    def note(self, name: str, **looks: Any) -> None:
        """A kind of values was drawn, with these looks."""
        self.kinds.setdefault(name, {"color": GREY} | looks)

    def draw(self, figure: Any) -> None:
        """Below the charts: people first, then kinds of values."""
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


def draw_people(
    axes: Any,
    trajectories: Trajectories,
    values: Float64Array,
    origin: NDArray[np.int8],
    raw: Float64Array | None,
    legend: Legend,
) -> None:
    """A line a person."""
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
