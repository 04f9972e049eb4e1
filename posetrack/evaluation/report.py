"""Results as tables for the terminal and for papers, and as ``metrics.json``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from posetrack.evaluation.boxes21 import BoxResult
from posetrack.evaluation.coco import CocoResult
from posetrack.evaluation.events import KINDS, EventLog
from posetrack.evaluation.hota import ALPHAS, Hota
from posetrack.evaluation.mpii import MpiiResult
from posetrack.evaluation.poses import TrackingResult
from posetrack.evaluation.posetrack import PoseTrackResult, ap_row, mot_row
from posetrack.evaluation.posetrack21 import PoseTrack21Result, hota_row
from posetrack.formats.provenance import describe_run

Result: TypeAlias = (
    PoseTrackResult | PoseTrack21Result | BoxResult | TrackingResult | CocoResult | MpiiResult
)

FORMAT: Final = "posetrack-metrics"
VERSION: Final = 1


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
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for run, result in runs.items():
        for title, row in rows_of(result).items():
            rows.setdefault(title, {})[run] = row
    return [Table(title, of_runs) for title, of_runs in rows.items()]


def rows_of(result: Result) -> dict[str, dict[str, float]]:
    """The rows of one result by the title of their table, in percent."""
    if isinstance(result, PoseTrackResult):
        rows = {"AP": result.ap_row, "MOTA": result.mot_row}
        return {title: row for title, row in rows.items() if row}
    if isinstance(result, PoseTrack21Result):
        return {"HOTA": result.hota_row, "AP": result.ap_row}
    titles = {
        BoxResult: "boxes", TrackingResult: "poses", CocoResult: "OKS", MpiiResult: "PCKh@0.5"
    }  # fmt: skip
    return {titles[type(result)]: result.row}


def sequence_tables(result: Result) -> list[Table]:
    """The same rows for each sequence; none where a protocol has no sequences."""
    rows: dict[str, list[dict[str, float]]] = {}
    if isinstance(result, PoseTrackResult):
        rows["AP"] = [ap_row(ap, result.keypoints) for ap in result.ap_by_sequence]
        rows["MOTA"] = [mot_row(mot, result.keypoints) for mot in result.mot_by_sequence]
    elif isinstance(result, PoseTrack21Result):
        rows["HOTA"] = [hota_row(hota) for hota in result.hota_by_sequence]
        rows["AP"] = [ap_row(ap, result.keypoints) for ap in result.ap_by_sequence]
    elif isinstance(result, TrackingResult):
        rows["poses"] = [result.row_of(s) for s in range(len(result.sequences))]
    elif isinstance(result, BoxResult):
        rows["boxes"] = [result.row_of(s) for s in range(len(result.sequences))]
    else:
        return []
    return [
        Table(title, dict(zip(result.sequences, of_sequences, strict=True)))
        for title, of_sequences in rows.items()
        if of_sequences
    ]


def keypoint_tables(result: Result) -> list[Table]:
    """Every keypoint's numbers, a row a keypoint; none where a protocol has no keypoints."""
    columns: dict[str, Any] = {}
    if isinstance(result, PoseTrackResult | PoseTrack21Result):
        columns = {"AP": result.ap.ap, "Prec": result.ap.precision, "Rec": result.ap.recall}
    if isinstance(result, PoseTrackResult) and result.mot is not None:
        columns |= {"MOTA": result.mot.mota, "MOTP": result.mot.motp}
    if isinstance(result, PoseTrack21Result):
        mean = result.hota.mean()
        parts = {"HOTA": mean.hota, "DetA": mean.det_a, "AssA": mean.ass_a, "LocA": mean.loc_a}
        columns |= {name: 100 * values for name, values in parts.items()}
    if not columns:
        return []
    names = (*result.keypoints, "total")  # type: ignore[union-attr]
    rows = {
        name: {column: float(values[k]) for column, values in columns.items()}
        for k, name in enumerate(names)
    }
    return [Table("keypoints", rows)]


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
          all sequences, ``by_alpha`` with the 19 ``alphas``. The event log is only counted:
          ``events`` has the number of each kind, the log itself is a CSV.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.evaluation.coco import NAMES
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
            run: {
                "tables": _json(rows_of(result)),
                "details": {
                    field.name: _json(
                        getattr(result, field.name), brief=field.name.endswith("_by_sequence")
                    )
                    for field in dataclasses.fields(result)
                },
            }
            for run, result in runs.items()
        },
    }


def _json(value: Any, *, brief: bool = False) -> Any:
    if isinstance(value, EventLog):
        counts = np.bincount(value.kind, minlength=len(KINDS)).tolist()
        return dict(zip(KINDS, counts, strict=True))
    if isinstance(value, Hota):
        mean = {f.name: _json(getattr(value.mean(), f.name)) for f in dataclasses.fields(value)}
        if brief:
            return {"mean": mean}
        by_alpha = {f.name: _json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"mean": mean, "alphas": ALPHAS.round(2).tolist(), "by_alpha": by_alpha}
    if dataclasses.is_dataclass(value):
        return {f.name: _json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _json(value.tolist())
    if isinstance(value, list | tuple):
        return [_json(item, brief=brief) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
