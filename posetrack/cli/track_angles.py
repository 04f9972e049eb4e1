"""The angles that ``posetrack track --angles`` writes beside its tables."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from posetrack.cli.analyse import angles_from
from posetrack.cli.cleaning import wants_cleaning

_TABLES = (".parquet", ".csv")


def add_angles(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--angles",
        nargs="?",
        const="all",
        metavar="LIST",
        help="write NAME.angles.csv, too: all angles, or those listed, such as left_knee,trunk",
    )


def check_angles(arguments: argparse.Namespace, formats: list[str]) -> None:
    """Refuse what cannot be done, before hours have passed."""
    if arguments.angles and not (wants_cleaning(arguments) or {"csv", "parquet"} & set(formats)):
        raise ValueError("--angles are of what is in a table: add parquet or csv to --format")


def write_angles(outputs: Any, arguments: argparse.Namespace) -> None:
    """``NAME.angles.csv``, of the cleaned table where there is one, after the others."""
    if not arguments.angles or not outputs.frames:
        return
    from posetrack.analysis import angles_csv
    from posetrack.files import write_whole
    from posetrack.trajectories import load

    ours = {f"{outputs.name}{own}{ending}" for own in ("", "-tracked") for ending in _TABLES}
    tables: list[Path] = [path for path in outputs.paths if path.name in ours]
    made = cleaned_again(outputs, arguments) if not tables else load(tables[0])
    try:
        text = angles_csv(made, angles_from(arguments.angles))
    except KeyError as error:
        raise ValueError(f"--angles: {error.args[0]}") from error
    path = arguments.out / f"{outputs.name}.angles.csv"
    write_whole(path, text)
    outputs.paths.append(path)


def cleaned_again(outputs: Any, arguments: argparse.Namespace) -> Any:
    """What was cleaned, where no table of it was asked for."""
    from posetrack.cli.cleaning import cleaned
    from posetrack.trajectories import load

    return cleaned(load(outputs.raw), arguments)
