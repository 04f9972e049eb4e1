"""Options that clean trajectories, shared by ``posetrack track`` and ``posetrack clean``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from posetrack.checks import did_you_mean
from posetrack.cli.options import KINDS, Kind, Parser, add_settings, seconds_from, settings_from

if TYPE_CHECKING:
    from posetrack.trajectories import Trajectories

_RANKINGS = {
    "largest": "largest",
    "longest": "longest",
    "central": "most_central",
    "moving": "most_moving",
}
_MODIFIERS = ("fill_with", "smooth_cutoff", "smooth_window")
"""Settings that are of a step, and none themselves."""


def ranking_from(text: str) -> Any:
    """A ranking of people from the command line: a name, an id, a box or a place at a time.

    Examples
    --------
    >>> ranking_from("largest").__name__, ranking_from("3").__name__
    ('largest', 'rank')
    """
    from posetrack import cleaning

    if text in _RANKINGS:
        return getattr(cleaning, _RANKINGS[text])
    try:
        if "@" not in text:
            return cleaning.with_id(int(text))
        numbers_text, time = text.rsplit("@", 1)
        numbers = [float(number) for number in numbers_text.split(",")]
        at = seconds_from(time)
        if len(numbers) == 4:
            return cleaning.in_box(numbers, at)
        if len(numbers) == 2:
            return cleaning.at_click(numbers[0], numbers[1], at)
    except (ValueError, argparse.ArgumentTypeError):
        pass
    raise argparse.ArgumentTypeError(
        f"expected {', '.join(_RANKINGS)}, an id, a box as left,top,right,bottom@seconds or a "
        f"place as x,y@seconds; got {text!r}" + did_you_mean(text, _RANKINGS)
    )


_KINDS: Final[Mapping[str, Kind]] = {**KINDS, "Ranking": Kind(str, "PERSON", ranking_from)}


def add_cleaning(parser: Parser) -> None:
    """Add the options; none of them is on by default."""
    from posetrack.cleaning.steps import clean

    group = parser.add_rare_group(
        "cleaning (lengths of time in seconds, as 0.3s or 300ms; the steps run in this order; "
        "PERSON is largest, longest, central, moving, an id, left,top,right,bottom@seconds, or "
        "x,y@seconds, where you would click)"
    )
    add_settings(group, clean, kinds=_KINDS)


def cleaning_from(arguments: argparse.Namespace) -> dict[str, Any]:
    """Keywords of `posetrack.cleaning.clean`; empty where no step was asked for.

    Raises
    ------
    ValueError
        If options are out of range or do not fit each other.
    """
    from posetrack.cleaning.steps import clean, smoother_settings

    for name in ("join", "min_length", "fill", "smooth_window", "smooth_cutoff", "max_people"):
        value = getattr(arguments, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name.replace('_', '-')} must be more than 0, got {value}")
    try:
        settings = settings_from(arguments, clean, kinds=_KINDS)
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"--select: {error}") from error
    chosen = [settings[name] for name in ("smooth", "smooth_cutoff", "smooth_window")]
    try:
        smoother_settings(*chosen)
    except ValueError as error:
        raise ValueError(f"--{str(error).replace('_', '-', 1)}") from error
    steps = (value for name, value in settings.items() if name not in _MODIFIERS)
    return settings if any(value is not None and value is not False for value in steps) else {}


def describe_cleaning(before: Trajectories, after: Trajectories) -> str:
    """One line on it: how many people stayed, and what became of how many of their keypoints.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.cleaning import gate_scores
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.trajectories import Trajectories
    >>> one = np.ones((1, 1, 17, 2))
    >>> tr = Trajectories([0], [0.0], [7], one, np.zeros((1, 1, 17)), COCO_17)
    >>> describe_cleaning(tr, gate_scores(tr, 0.5))
    '1 of 1 people; of 17 keypoints: 17 rejected'
    """
    from posetrack.trajectories import Origin

    flags = (Origin.REJECTED, Origin.SWAPPED, Origin.FILLED, Origin.SMOOTHED)
    there = after.present
    origin = after.origin[there]
    names = {Origin.REJECTED: "rejected", Origin.SWAPPED: "swapped back"}
    names |= {Origin.FILLED: "filled", Origin.SMOOTHED: "smoothed"}
    counts = {names[flag]: int(((origin & int(flag)) > 0).sum()) for flag in flags}
    listed = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    people = f"{len(after.ids)} of {len(before.ids)} people"
    return f"{people}; of {origin.size} keypoints: {listed or 'none touched'}"


def write_formats(
    trajectories: Trajectories, formats: list[str], path_for: Callable[[str], Path]
) -> None:
    """Write the tables of `posetrack.cli.outputs.FORMATS`; ``place`` gives each its path."""
    from posetrack.formats import CocoWriter, PoseTrack18Writer
    from posetrack.trajectories import save

    writers: dict[str, Any] = {"posetrack18": PoseTrack18Writer, "coco": CocoWriter}
    for name in formats:
        path = path_for(name)
        if name in ("csv", "parquet"):
            save(trajectories, path)
            continue
        with writers[name](path, trajectories.skeleton, **dict(trajectories.metadata)) as sink:
            for frame in trajectories.to_table().frames():
                sink.write(*frame)
