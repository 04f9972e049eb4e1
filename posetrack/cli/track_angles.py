"""The angles that ``posetrack track --angles`` writes beside its tables."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from posetrack.cli.analyse import angles_from
from posetrack.cli.cleaning import wants_cleaning

if TYPE_CHECKING:
    from posetrack.skeletons import Skeleton


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


def check_angle_names(arguments: argparse.Namespace, skeleton: Skeleton | None) -> None:
    """Refuse names of angles that a skeleton has not; None is not known yet."""
    names = angles_from(arguments.angles) if arguments.angles else None
    if names is None or skeleton is None:
        return
    import numpy as np

    from posetrack.ops.angles import angle

    nobody = np.zeros((0, len(skeleton), 2))
    for name in names:
        try:
            angle(nobody, skeleton, name)
        except KeyError as error:
            raise ValueError(f"--angles: {error.args[0]}") from error


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
