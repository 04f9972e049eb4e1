"""Results as tables for the terminal and for papers, and as ``metrics.json``.

Every protocol's result answers `Result.rows`, `Result.by_sequence` and `Result.by_keypoint`;
nothing here knows the protocols.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np

from posetrack.evaluation.sequences import Floats
from posetrack.formats.provenance import describe_run

FORMAT: Final = "posetrack-metrics"
VERSION: Final = 1

Row: TypeAlias = dict[str, float]
"""Numbers by the name of their column: ratios in percent, whole numbers are counts."""


class Result:
    """The methods that every protocol's result has."""

    notes: tuple[str, ...] = ()

    def rows(self) -> dict[str, Row]:
        """The rows that papers print, by the title of their table."""
        raise NotImplementedError

    def by_sequence(self) -> dict[str, dict[str, Row]]:
        """The same by title and sequence; {} where a protocol has no sequences."""
        return {}

    def by_keypoint(self) -> dict[str, Row]:
        """Every keypoint's numbers and the total's; {} where a protocol has no keypoints."""
        return {}


@runtime_checkable
class Summary(Protocol):
    """A part of a result that ``metrics.json`` does not hold field by field."""

    def summarize(self) -> Mapping[str, Any]:
        """Its entries in ``metrics.json``; for a result per sequence its ``mean``, if any."""


GROUPS: Final = {
    "Head": ("head_top", "head_bottom", "nose"),
    "Shou": ("right_shoulder", "left_shoulder"),
    "Elb": ("right_elbow", "left_elbow"),
    "Wri": ("right_wrist", "left_wrist"),
    "Hip": ("right_hip", "left_hip"),
    "Knee": ("right_knee", "left_knee"),
    "Ankl": ("right_ankle", "left_ankle"),
}
"""Column of the papers' tables to the keypoints whose plain mean it is."""


def group_means(values: Floats, keypoints: Sequence[str]) -> dict[str, float]:
    """Means of the groups; NaN if one keypoint of the group is, as the official tools have it.

    Parameters
    ----------
    values
        (K,) or (K + 1,).
    keypoints
        Names of the K keypoints.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.skeletons import POSETRACK_15
    >>> group_means(np.arange(15.0), POSETRACK_15.keypoints)["Knee"]
    2.5
    """
    column = {name: k for k, name in enumerate(keypoints)}
    return {
        group: float(values[[column[name] for name in names]].mean())
        for group, names in GROUPS.items()
    }


def name_rows(names: Sequence[str], rows: Sequence[Row]) -> dict[str, Row]:
    """Rows by the names of their sequences."""
    return dict(zip(names, rows, strict=True))


def keypoint_rows(keypoints: Sequence[str], columns: Mapping[str, Floats]) -> dict[str, Row]:
    """A row a keypoint and one of the total, from columns of (K + 1,)."""
    return {
        name: {column: float(values[k]) for column, values in columns.items()}
        for k, name in enumerate((*keypoints, "total"))
    }


@dataclass(frozen=True)
class Table:
    """Numbers of several runs side by side: a row each.

    Parameters
    ----------
    title
        What is shown.
    rows
        By run, then by column; every run has the same columns. Whole numbers are counts.
    """

    title: str
    rows: Mapping[str, Mapping[str, float]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(next(iter(self.rows.values()), {}))

    def text(self) -> str:
        """For the terminal."""
        head = max((len(run) for run in self.rows), default=0)
        widths = [
            max(len(column), *(len(_cell(row[column])) for row in self.rows.values()))
            for column in self.columns
        ]
        lines = [self.title, " ".join(["".ljust(head), *map(str.rjust, self.columns, widths)])]
        for run, row in self.rows.items():
            cells = [_cell(row[column]) for column in self.columns]
            lines.append(" ".join([run.ljust(head), *map(str.rjust, cells, widths)]))
        return "\n".join(lines)

    def markdown(self) -> str:
        """A table in Markdown.

        Examples
        --------
        >>> print(Table("AP", {"ours": {"Head": 81.25, "Total": 77.0}}).markdown())
        | AP | Head | Total |
        |---|---:|---:|
        | ours | 81.2 | 77.0 |
        """
        lines = [f"| {' | '.join((self.title, *self.columns))} |"]
        lines.append("|---|" + "---:|" * len(self.columns))
        for run, row in self.rows.items():
            cells = [_cell(row[column]) for column in self.columns]
            lines.append(f"| {' | '.join((run, *cells))} |")
        return "\n".join(lines)

    def latex(self) -> str:
        """Rows for a LaTeX table, the header first, as papers print them."""
        lines = [" & ".join((_escape(self.title), *map(_escape, self.columns))) + r" \\"]
        for run, row in self.rows.items():
            cells = [_cell(row[column]) for column in self.columns]
            lines.append(" & ".join((_escape(run), *cells)) + r" \\")
        return "\n".join(lines)


def _cell(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return "-" if math.isnan(value) else f"{value:.1f}"


def _escape(text: str) -> str:
    for sign in "&%$#_{}":
        text = text.replace(sign, "\\" + sign)
    return text


def tables(runs: Mapping[str, Result]) -> list[Table]:
    """The tables that papers print, runs side by side.

    Parameters
    ----------
    runs
        Results of one kind by the name of the run.
    """
    rows: dict[str, dict[str, Row]] = {}
    for run, result in runs.items():
        for title, row in result.rows().items():
            rows.setdefault(title, {})[run] = row
    return [Table(title, of_runs) for title, of_runs in rows.items()]


def sequence_tables(result: Result) -> list[Table]:
    """The same rows for each sequence; none where a protocol has no sequences."""
    return [Table(title, rows) for title, rows in result.by_sequence().items() if rows]


def keypoint_tables(result: Result) -> list[Table]:
    """Every keypoint's numbers, a row a keypoint; none where a protocol has no keypoints."""
    rows = result.by_keypoint()
    return [Table("keypoints", rows)] if rows else []


def metrics_json(
    protocol: str, runs: Mapping[str, Result], *, settings: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """All numbers of all runs, as JSON can hold them: the content of ``metrics.json``.

    Parameters
    ----------
    protocol
        Name of the protocol.
    runs
        Results by the name of the run.
    settings
        The arguments that the evaluation was given.

    Returns
    -------
    dict
        ``format`` is "posetrack-metrics" and ``version`` 1; a later version may add keys, a
        changed or removed key raises it. ``protocol`` is as given, ``made_by`` holds versions and
        settings (see `posetrack.formats.provenance.describe_run`). ``runs`` holds by name

        - ``tables``: by title, the rows that are printed, in percent;
        - ``details``: the fields of the result's class by their names, arrays as lists and NaN
          as null, in the units their docstrings give. HOTA is an object of ``mean`` and, over
          all sequences, ``by_alpha`` with the 19 ``alphas``; counts of boxes come with the ratios
          made of them. The event log is only counted:
          ``events`` has the number of each kind, the log itself is a CSV.

    Examples
    --------
    >>> from posetrack.evaluation.coco import NAMES, CocoResult
    >>> nothing = CocoResult(NAMES, np.full(10, -1.0), *[np.zeros(10)] * 3)
    >>> content = metrics_json("coco", {"mine": nothing})
    >>> content["format"], content["version"], content["runs"]["mine"]["tables"]["OKS"]["AP"]
    ('posetrack-metrics', 1, -100.0)
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "protocol": protocol,
        "made_by": describe_run(settings=settings),
        "runs": {
            run: {"tables": _json(result.rows()), "details": _json(result)}
            for run, result in runs.items()
        },
    }


def _json(value: Any, *, brief: bool = False) -> Any:
    if isinstance(value, Summary):
        summary = value.summarize()
        return _json({"mean": summary["mean"]} if brief and "mean" in summary else summary)
    if dataclasses.is_dataclass(value):
        return {
            field.name: _json(getattr(value, field.name), brief=field.name.endswith("_by_sequence"))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _json(value.tolist())
    if isinstance(value, list | tuple):
        return [_json(item, brief=brief) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
