"""The angles that ``posetrack track --angles`` writes beside its tables."""

from __future__ import annotations

import argparse
from typing import Any

from posetrack.cli.analyse import angles_from
from posetrack.cli.cleaning import wants_cleaning


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

    try:
        text = angles_csv(outputs.result, angles_from(arguments.angles))
    except KeyError as error:
        raise ValueError(f"--angles: {error.args[0]}") from error
    path = arguments.out / f"{outputs.name}.angles.csv"
    write_whole(path, text)
    outputs.paths.append(path)
