"""What an ablation found: CSV of every run, Markdown of the means, and a picture of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from posetrack.files import write_together
from posetrack.plots.canvas import new_figure, write_figure
from posetrack.world.ablation.running import FAULTS, JITTER, SWAPPED, Row
from posetrack.world.ablation.scores import MEASURES
from posetrack.world.ablation.settings import STEPS, Block

COMPARED: Final = ("missed", "MOTA", "IDF1", "HOTA")
"""The measure whose changes the table of steps shows."""


NOTES: Final = (
    "Poses whose keypoints are all off by 0.13 to 0.17 of the person's height have an OKS of 0.25, "
    "the least that the tracker takes. People who move less between two looks at them are known "
    "again by plain poses or boxes too: flow similarity pays where steps are larger, that is for "
    "runners, few frames a second and a moving camera, and where somebody was missed in between.",
    "IoU compares whole boxes and forgives larger steps than OKS. Runners stay in the tracks by it "
    "(MOTA), but more often under someone else's identity (IDF1).",
    "A flow moves what is seen at a place, so the remembered keypoints of someone who is hidden "
    "go along with whoever is in front, or stay at the pole. Even the exact flow of pixels loses "
    "people there. The flow of people even if hidden is no method but a bound: what it is above "
    "the exact flow is mostly what occlusions cost, what that is above DIS is what finding the "
    "flow costs.",
    "Greedy and optimal matching agree where everybody has one likely past. They differ in the "
    "rare frames whose steps are too large for the similarity, and neither is reliably better.",
)
"""What holds in all these scenes, for whoever reads the tables."""


@dataclass(frozen=True)
class Summary:
    """Mean over scenes and seeds, and the standard deviation between seeds.

    ``spread`` is NaN where there is one seed only.
    """

    mean: float
    spread: float


def summarise(rows: Sequence[Row]) -> dict[str, dict[str, Summary]]:
    """For each setting of one block and each measure, the mean and how it differs between seeds.

    Parameters
    ----------
    rows
        Of one block.

    Examples
    --------
    >>> rows = [Row("b", "s", "w", seed, {"MOTA": 80.0 + seed}) for seed in (0, 2)]
    >>> summary = summarise(rows)["s"]["MOTA"]
    >>> summary.mean, round(summary.spread, 2)
    (81.0, 1.41)
    """
    table: dict[str, dict[str, Summary]] = {}
    for setting in dict.fromkeys(row.setting for row in rows):
        own = [row for row in rows if row.setting == setting]
        table[setting] = {name: _summary(own, name) for name in own[0].scores}
    return table


def _summary(rows: Sequence[Row], name: str) -> Summary:
    seeds = dict.fromkeys(row.seed for row in rows)
    means = [_mean([row.scores[name] for row in rows if row.seed == seed]) for seed in seeds]
    known = [value for value in means if np.isfinite(value)]
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")
    return Summary(_mean(means), spread)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


@dataclass(frozen=True)
class Change:
    """What a step does: mean difference of the same scenes, its standard error, how often up."""

    mean: float
    error: float
    better: int
    worse: int


def change(rows: Sequence[Row], before: str, after: str, name: str) -> Change:
    """Difference of a measure between two settings of one block, scene by scene.

    Examples
    --------
    >>> scores = (("x", 0, 1.0), ("y", 0, 3.0), ("x", 1, 2.0), ("y", 1, 4.0))
    >>> rows = [Row("b", setting, "w", seed, {"MOTA": mota}) for setting, seed, mota in scores]
    >>> change(rows, "x", "y", "MOTA")
    Change(mean=2.0, error=0.0, better=2, worse=0)
    """
    first, second = (
        {(row.world, row.seed): row.scores[name] for row in rows if row.setting == setting}
        for setting in (before, after)
    )
    steps = np.array([second[key] - value for key, value in first.items() if key in second])
    steps = steps[np.isfinite(steps)]
    count = len(steps)
    error = float(np.std(steps, ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    mean = float(steps.mean()) if count else float("nan")
    return Change(mean, error, int((steps > 0).sum()), int((steps < 0).sum()))


def csv_text(rows: Sequence[Row]) -> str:
    """One line a run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["block", "setting", "scene", "seed", *MEASURES])
    for row in rows:
        numbers = [f"{row.scores[name]:.3f}" for name in MEASURES]
        writer.writerow([row.block, row.setting, row.world, row.seed, *numbers])
    return out.getvalue()


def markdown(
    rows: Sequence[Row], blocks: Sequence[Block], *, intro: str = "", notes: Sequence[str] = ()
) -> str:
    """Tables of all blocks that were run.

    Parameters
    ----------
    rows
        Of `posetrack.world.ablation.run_ablation`.
    blocks
        Their blocks, in the order to print them.
    intro
        A sentence on scenes and sizes.
    notes
        Footnotes.
    """
    parts = ["# Ablation", "\n".join(filter(None, [intro, _conditions()]))]
    for block in blocks:
        own = [row for row in rows if row.block == block.name]
        if not own:
            continue
        worlds = ", ".join(dict.fromkeys(row.world for row in own))
        parts += [f"## {block.title}", _block_table(own), f"Scenes: {worlds}."]
        if [setting.name for setting in block.settings] == [s.name for s in STEPS.settings]:
            parts += [_changes_table(own, block), _world_table(own, "MOTA"),
                      _world_table(own, "IDF1")]  # fmt: skip
    if notes:
        parts += ["## Notes", "\n".join(f"* {note}" for note in notes)]
    return "\n\n".join(parts) + "\n"


def _conditions() -> str:
    return (
        f"Fakes: detector misses {FAULTS['miss']:.0%}, and in bursts of {FAULTS['gap_length']:g} "
        f"frames another {FAULTS['gaps']:.0%}; {FAULTS['false']:g} false boxes a frame, "
        f"{FAULTS['doubled']:.0%} doubled, edges off by {FAULTS['jitter']:.0%} of the height; "
        f"keypoints off by {JITTER:.0%}, {SWAPPED:.0%} of poses with sides swapped.\n"
        "Numbers: mean over scenes and seeds ± standard deviation between seeds, which people and "
        "faults make; differences of two rows are more certain than that, see the table of steps.\n"
        "Recall of missed: of the people whom no detection covers, how many are in the tracks. "
        "Switches are per scene. Time is the processor's, without fakes, with networks."
    )


def _block_table(rows: Sequence[Row]) -> str:
    names = [name for name in MEASURES if name in rows[0].scores]
    lines = _head("", [MEASURES[name] for name in names])
    for setting, scores in summarise(rows).items():
        cells = [_cell(scores[name]) for name in names]
        lines.append(f"| {setting} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _changes_table(rows: Sequence[Row], block: Block) -> str:
    """What each step adds to the one before it."""
    lines = _head("change ± standard error (better / worse)", [MEASURES[n] for n in COMPARED])
    settings = [setting.name for setting in block.settings]
    for before, after in pairwise(settings):
        steps = [change(rows, before, after, name) for name in COMPARED]
        cells = [f"{s.mean:+.1f} ± {s.error:.1f} ({s.better} / {s.worse})" for s in steps]
        lines.append(f"| {after} | {' | '.join(cells)} |")
    return "\n".join(lines).replace("nan", "-")


def _world_table(rows: Sequence[Row], name: str) -> str:
    settings = list(dict.fromkeys(row.setting for row in rows))
    lines = _head(f"{MEASURES[name]} by scene", settings)
    for world in dict.fromkeys(row.world for row in rows):
        cells = [
            f"{_mean([r.scores[name] for r in rows if (r.setting, r.world) == (s, world)]):.1f}"
            for s in settings
        ]
        lines.append(f"| {world} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _head(first: str, columns: Sequence[str]) -> list[str]:
    return [f"| {' | '.join((first, *columns))} |", "|---|" + "---:|" * len(columns)]


def _cell(summary: Summary) -> str:
    if np.isnan(summary.mean):
        return "-"
    return f"{summary.mean:.1f}" + ("" if np.isnan(summary.spread) else f" ± {summary.spread:.1f}")


def write_tables(
    folder: Path,
    rows: Sequence[Row],
    blocks: Sequence[Block],
    *,
    intro: str = "",
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write ``ablation.csv`` and ``ablation.md`` and return their paths."""
    texts: Mapping[str, str] = {
        "ablation.csv": csv_text(rows),
        "ablation.md": markdown(rows, blocks, intro=intro, notes=notes),
    }
    write_together(*((folder / name, text) for name, text in texts.items()))
    return [folder / name for name in texts]


_DRAWN = {"missed": "tab:green", "mAP": "tab:gray", "MOTA": "tab:blue", "IDF1": "tab:orange"}
_COLUMNS = 2


def plot_ablation(rows: Sequence[Row], blocks: Sequence[Block], path: str | Path) -> None:
    """Draw mean and spread of the measures that are percentages.

    Parameters
    ----------
    rows, blocks
        See `posetrack.world.ablation.findings.markdown`.
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
