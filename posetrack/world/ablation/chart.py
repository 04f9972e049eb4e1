"""A picture of an ablation: a panel for each block, a line for each setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.plots.canvas import new_figure, write_figure
from posetrack.world.ablation.report import summarise
from posetrack.world.ablation.running import Row
from posetrack.world.ablation.scores import MEASURES
from posetrack.world.ablation.settings import Block

_DRAWN = {"missed": "tab:green", "mAP": "tab:gray", "MOTA": "tab:blue", "IDF1": "tab:orange"}
_COLUMNS = 2


def plot_ablation(rows: Sequence[Row], blocks: Sequence[Block], path: str | Path) -> None:
    """Draw mean and spread of the measures that are percentages.

    Parameters
    ----------
    rows, blocks
        See `posetrack.world.ablation.report.markdown`.
    path
        Where to write the picture; its ending says what kind.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    drawn = [
        (block, own)
        for block in blocks
        if (own := [row for row in rows if row.block == block.name])
    ]
    columns = [drawn[start::_COLUMNS] for start in range(_COLUMNS)]
    heights = [[len({row.setting for row in own}) + 2 for _, own in column] for column in columns]
    tallest = max(max(map(sum, heights)), 3)
    figure = new_figure(width=13, height=0.8 + 0.33 * tallest)
    for part, column, sizes in zip(
        np.atleast_1d(figure.subfigures(1, _COLUMNS)), columns, heights, strict=True
    ):
        if not column:
            continue
        panels = part.subplots(len(column), 1, height_ratios=sizes, squeeze=False)[:, 0]
        for axes, (block, own) in zip(panels, column, strict=True):
            _panel(axes, block, own)
    names = list(_DRAWN)
    markers = [figure.axes[0].plot([], [], "o", color=_DRAWN[name])[0] for name in names]
    figure.legend(
        markers, [MEASURES[name] for name in names], loc="outside lower center", ncols=len(names),
        fontsize=9,
    )  # fmt: skip
    write_figure(figure, path, dpi=120)


def _panel(axes: Any, block: Block, rows: Sequence[Row]) -> None:
    table = summarise(rows)
    offsets = np.linspace(-0.24, 0.24, len(_DRAWN))
    for (name, colour), offset in zip(_DRAWN.items(), offsets, strict=True):
        means = np.array([scores[name].mean for scores in table.values()])
        spreads = np.nan_to_num([scores[name].spread for scores in table.values()])
        known = np.isfinite(means)
        axes.errorbar(
            means[known], (np.arange(len(table)) + offset)[known], xerr=spreads[known],
            fmt="o", color=colour, markersize=4, elinewidth=1,
        )  # fmt: skip
    axes.set_yticks(range(len(table)), list(table), fontsize=8)
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlim(-3, 103)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", alpha=0.3)
    for line in range(1, len(table)):
        axes.axhline(line - 0.5, color="0.9", linewidth=0.8)
    axes.set_title(block.title, fontsize=9, loc="left")
