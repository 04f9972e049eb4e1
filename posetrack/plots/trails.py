"""The way of each person over a frame, from a ring to a dot."""

from __future__ import annotations

from typing import Any

import numpy as np

from posetrack.plots.paper import Float64Array, rgb_of
from posetrack.trajectories import Trajectories


def draw_trail(
    axes: Any,
    path: Float64Array,
    seconds: Float64Array,
    filled: Any,
    trajectories: Trajectories,
    person: int,
    on_image: bool,
) -> None:
    """Segments as two collections: what was seen over a dark rim, and what was filled."""
    from matplotlib.collections import LineCollection

    colour = rgb_of(person, on_image=on_image)
    rim = (0.1, 0.1, 0.1) if on_image else (1.0, 1.0, 1.0)
    segments = np.stack([path[:-1], path[1:]], axis=1)
    good = np.isfinite(segments).all(axis=(1, 2))
    whole = max(float(trajectories.seconds[-1] - trajectories.seconds[0]), 1e-9)
    age = np.nan_to_num((seconds[1:] - trajectories.seconds[0]) / whole)
    dotted = good & ((filled[1:] > 0) | (filled[:-1] > 0))
    for chosen, style, gid in ((good & ~dotted, "-", "seen"), (dotted, (0, (0.5, 1.2)), "filled")):
        widths = 1.0 + 2.0 * age[chosen]
        for extra, paint, order in ((1.6, rim, 2.0), (0.0, colour, 3.0)):
            alpha = 0.45 + 0.55 * age[chosen]
            lines = LineCollection(
                list(segments[chosen]), linewidths=widths + extra, linestyles=[style],
                colors=[(*paint, float(a)) for a in alpha], zorder=order, capstyle="round",
                gid=gid if not extra else None,
            )  # fmt: skip
            axes.add_collection(lines, autolim=False)
    known = np.flatnonzero(np.isfinite(path).all(axis=-1))
    first, last = path[known[0]], path[known[-1]]
    edge = {"markeredgecolor": rim, "zorder": 4}
    axes.plot(*first, "o", color=rim, markersize=8, zorder=4)
    axes.plot(*first, "o", markersize=6, markerfacecolor="white", markeredgewidth=1.8, zorder=4.1,
              markeredgecolor=colour)  # fmt: skip
    axes.plot(*last, "o", color=colour, markersize=8, **edge)
    axes.annotate(
        str(person), last, xytext=(7, -1), textcoords="offset points", fontsize=9, va="center",
        fontweight="bold", color="black" if on_image else colour, zorder=5, annotation_clip=True,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": colour if on_image else "white",
              "edgecolor": "none", "alpha": 0.9},
    )  # fmt: skip
