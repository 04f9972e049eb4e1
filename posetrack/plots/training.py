"""Curves of training runs: loss, learning rate and accuracy against the epoch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posetrack.checks import did_you_mean
from posetrack.plots.canvas import new_figure, write_figure

_PLAIN = ("epoch", "learning_rate", "loss", "images", "seconds", "seconds_data", "seconds_network")
_CHOSEN = ("AP", "PCKh@0.5", "PCK@0.1", "PCK@0.2")
_LOGARITHMIC = ("loss", "learning_rate")
_MOST_POINTS = 40
_LEGEND_LINE, _LEGEND_LETTER = 0.6, 0.075  # inches


@dataclass(frozen=True)
class RunLog:
    """What a training run logged.

    Parameters
    ----------
    name
        What it is called in pictures.
    rows
        One an epoch, as in ``log.csv``; a number that an epoch lacks is missing or text.
    """

    name: str
    rows: tuple[Mapping[str, Any], ...]

    def series(self, column: str) -> tuple[list[int], list[float]]:
        """Epochs that have a number, and the numbers.

        Examples
        --------
        >>> log = RunLog("a", ({"epoch": 0, "AP": ""}, {"epoch": 1, "AP": 0.5}))
        >>> log.series("AP")
        ([1], [0.5])
        """
        known = [
            (int(row["epoch"]), float(row[column]))
            for row in self.rows
            if isinstance(row.get(column), int | float)
        ]
        return [epoch for epoch, _ in known], [value for _, value in known]


def read_runs(paths: Sequence[str | Path], names: Sequence[str] | None = None) -> list[RunLog]:
    r"""Logs of training runs.

    Parameters
    ----------
    paths
        Folders of runs, or their ``log.csv``.
    names
        What to call them, as many; the shortest ends of the paths that differ when None.

    Raises
    ------
    FileNotFoundError
        If a run has no log.
    ValueError
        If a file is no such log, has no epoch yet, or there are not as many names as runs.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "log.csv"
    >>> _ = path.write_text("epoch,loss,AP\n0,0.9,0.1\n1,0.5,0.3\n")
    >>> read_runs([path], ["mine"])[0].rows[1]["AP"]
    0.3
    """
    from posetrack.training.saving import read_log

    files = [_log_of(Path(path)) for path in paths]
    called = list(names) if names is not None else _short_names([file.parent for file in files])
    if len(called) != len(files):
        raise ValueError(f"{len(called)} names for {len(files)} runs: give one for each")
    runs = []
    for name, file in zip(called, files, strict=True):
        rows = read_log(file, before=2**62)
        if not rows:
            raise ValueError(f"{file}: no epoch in it yet")
        runs.append(RunLog(name, tuple(rows)))
    return runs


def plot_curves(
    runs: Sequence[RunLog], path: str | Path, *, columns: Sequence[str] | None = None
) -> None:
    """Draw each column of the logs against the epoch, all runs in one panel.

    Loss and learning rate have logarithmic axes. A ring marks each run's best epoch.

    Parameters
    ----------
    runs
        From `read_runs`.
    path
        Where to write the picture; its ending says what kind.
    columns
        What to draw; when None the loss, the learning rate and, of the accuracies, AP, PCKh@0.5,
        and PCK@0.1 (or whatever validation wrote), where any run has them.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    ValueError
        If no run has a column; the message lists those there are.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "curves.svg"
    >>> rows = ({"epoch": 0, "loss": 0.9}, {"epoch": 1, "loss": 0.5})
    >>> plot_curves([RunLog("mine", rows)], path, columns=["loss"])
    >>> path.read_text().startswith("<?xml")
    True
    """
    chosen = tuple(columns) if columns is not None else usual_columns(runs)
    there = dict.fromkeys(name for run in runs for row in run.rows for name in row)
    for column in chosen:
        if not any(run.series(column)[0] for run in runs):
            hint = did_you_mean(column, there)
            raise ValueError(
                f"no run has numbers of {column!r}{hint}; there are {', '.join(there)}"
            )
    figure = new_figure(width=4.6 * min(len(chosen), 3), height=3.4 * -(-len(chosen) // 3) + 0.5)
    grid = figure.subplots(-(-len(chosen) // 3), min(len(chosen), 3), squeeze=False)
    panels = list(itertools.chain.from_iterable(grid))
    for axes, column in zip(panels, chosen, strict=False):
        _draw_column(axes, runs, column)
    for axes in panels[len(chosen) :]:
        axes.set_axis_off()
    if len(runs) > 1:
        handles, labels = panels[0].get_legend_handles_labels()
        longest = max(len(label) for label in labels)
        beside = int(figure.get_figwidth() / (_LEGEND_LINE + _LEGEND_LETTER * longest))
        figure.legend(
            handles, labels, loc="outside lower center", ncols=min(max(beside, 1), 4), fontsize=9
        )
    write_figure(figure, path, dpi=120)


def usual_columns(runs: Sequence[RunLog]) -> tuple[str, ...]:
    """Columns worth a panel: loss, learning rate, and the chief accuracies of any run.

    Examples
    --------
    >>> row = {"epoch": 0, "loss": 1.0, "learning_rate": 0.1, "PCK@0.2": 0.5, "PCK@0.1": 0.25}
    >>> usual_columns([RunLog("a", (row,))])
    ('loss', 'learning_rate', 'PCK@0.1', 'PCK@0.2')
    """
    there = dict.fromkeys(name for run in runs for row in run.rows for name in row)
    accuracies = [name for name in _CHOSEN if name in there]
    others = [name for name in there if name not in _PLAIN]
    return ("loss", "learning_rate", *(accuracies or others[:4]))


def best_epochs(runs: Sequence[RunLog]) -> list[dict[str, Any]]:
    """The best epoch of each run, by which its best weights were chosen.

    Returns
    -------
    rows
        One a run: its name, the number it was chosen by, its epochs in all, and the best epoch's
        row. AP, PCKh@0.5 or PCK@0.1 decide, else the least loss; the earliest of equals.

    Examples
    --------
    >>> rows = ({"epoch": 0, "loss": 1.0, "AP": 0.5}, {"epoch": 1, "loss": 0.5, "AP": 0.25})
    >>> best = best_epochs([RunLog("a", rows)])[0]
    >>> best["by"], best["epoch"], best["epochs"]
    ('AP', 0, 2)
    """
    result = []
    for run in runs:
        by = next((name for name in _CHOSEN if run.series(name)[0]), "loss")
        epoch = _best(run, by)
        row = next(row for row in run.rows if row["epoch"] == epoch)
        result.append({"run": run.name, "by": by, "epochs": len(run.rows), **row})
    return result


def _best(run: RunLog, column: str) -> int | None:
    epochs, values = run.series(column)
    if not epochs:
        return None
    if column in ("loss", "learning_rate"):
        values = [-value for value in values]
    return epochs[max(range(len(values)), key=lambda position: values[position])]


def _draw_column(axes: Any, runs: Sequence[RunLog], column: str) -> None:
    for number, run in enumerate(runs):
        epochs, values = run.series(column)
        colour = f"C{number % 10}"
        marker = "." if len(epochs) <= _MOST_POINTS else ""
        axes.plot(epochs, values, color=colour, label=run.name, linewidth=1.4, marker=marker)
        best = None if column == "learning_rate" else _best(run, column)
        if best is not None:
            value = values[epochs.index(best)]
            axes.plot([best], [value], "o", color=colour, fillstyle="none", markersize=9)
    positive = all(value > 0 for run in runs for value in run.series(column)[1])
    if column in _LOGARITHMIC and positive:
        axes.set_yscale("log")
    elif column not in _PLAIN:
        axes.set_ylim(-0.02, 1.02)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    first, last = axes.get_xlim()
    if last - first < 1:  # of a single epoch there is no fraction
        axes.set_xlim((first + last - 1) / 2, (first + last + 1) / 2)
    axes.set_title(column.replace("_", " "), fontsize=10)
    axes.set_xlabel("epoch", fontsize=9)
    axes.tick_params(which="both", labelsize=8)
    axes.grid(visible=True, alpha=0.3)


def _log_of(path: Path) -> Path:
    file = path / "log.csv" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"no log at {file}: expected the folder of a training run")
    return file


def _short_names(folders: Sequence[Path]) -> list[str]:
    """As many last parts of each path as are needed to distinguish all."""
    parts = [folder.resolve().parts for folder in folders]
    for count in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(part[-count:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{'/'.join(part[-1:])} {number}" for number, part in enumerate(parts, 1)]
