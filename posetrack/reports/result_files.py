"""What a run left in its folder: tables, and what lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from posetrack.checks import no_such_file
from posetrack.runs.outputs import ENDINGS, SUMMARY

_TABLES: Final = (".parquet", ".csv")
_OTHERS: Final = (
    ".audit",
    ".frames",
    ".angles",
    ".repetitions",
    ".events",
    ".postures",
    ".floor",
    ".report",
    ".doubts",
    ".raw",
    ".partial",
)
"""Endings of tables that are not of tracks, or of the same tracks before they were cleaned."""


@dataclass(frozen=True)
class Results:
    """The results of one video.

    Parameters
    ----------
    name
        What its files are called.
    table
        Everybody's keypoints over time.
    ledger
        The table of frames; None if it was not written.
    overlay
        The video with people drawn over it; None likewise.
    """

    name: str
    table: Path
    ledger: Path | None = None
    overlay: Path | None = None


def find_results(path: str | Path) -> list[Results]:
    """The results of each video in a folder that ``posetrack track -o`` wrote; or of one table.

    Of one name, Parquet comes before CSV, and cleaned tracks before raw ones.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or file.
    ValueError
        If there is no table in the folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.csv", "a.parquet", "a.raw.parquet", "a.frames.csv", "b.raw.parquet"):
    ...         Path(folder, name).touch()
    ...     [(one.name, one.table.name) for one in find_results(folder)]
    [('a', 'a.parquet'), ('b', 'b.raw.parquet')]
    """
    path = Path(path)
    if not path.exists():
        raise no_such_file(path)
    if not path.is_dir():
        return [_beside(path.stem.removesuffix(".raw"), path)]
    tables: dict[str, Path] = {}
    files = sorted(
        one for one in path.iterdir() if one.suffix.lower() in _TABLES and not _is_summary(one)
    )
    for raw in (False, True):
        for ending in _TABLES:
            for one in files:
                name = one.stem.removesuffix(".raw") if raw else one.stem
                if one.suffix.lower() != ending or (raw and name == one.stem):
                    continue
                if not name.endswith(_OTHERS):
                    tables.setdefault(name, one)
    if not tables:
        raise ValueError(
            f"{path}: no table of tracks (.parquet or .csv) is here; give the folder that "
            "`posetrack track -o` wrote"
        )
    return [_beside(name, table) for name, table in sorted(tables.items())]


def _is_summary(path: Path) -> bool:
    """Whether a table is of a batch's videos, and not of a video called so."""
    if path.name != SUMMARY:
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return "whole" in pq.read_schema(path).names
    except (OSError, pa.ArrowException):  # who reads it says what is wrong
        return False


def _beside(name: str, table: Path) -> Results:
    ledger, overlay = (table.with_name(f"{name}{end}") for end in (ENDINGS["frames"], ".mp4"))
    return Results(
        name,
        table,
        ledger if ledger.is_file() else None,
        overlay if overlay.is_file() else None,
    )


def source_of(metadata: Mapping[str, Any], table: Path) -> Path | None:
    """The video that was tracked, if it is a file and still there; also beside the table.

    Parameters
    ----------
    metadata
        Of the trajectories.
    table
        Their file.
    """
    provenance = metadata.get("provenance")
    source = provenance.get("source") if isinstance(provenance, Mapping) else None
    file = source.get("file") if isinstance(source, Mapping) else None
    if not isinstance(file, str) or "\0" in file:
        return None
    # The name lies in a file that may come from anybody; what is opened is checked to be a video.
    try:
        found = [one for one in (Path(file), table.with_name(Path(file).name)) if one.is_file()]
    except (OSError, ValueError):  # no system has such a name
        return None
    size = source.get("bytes") if isinstance(source, Mapping) else None
    same = [one for one in found if size is None or one.stat().st_size == size]
    return same[0] if same else None
