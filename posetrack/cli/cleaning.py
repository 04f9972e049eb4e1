"""Options that clean trajectories, shared by ``posetrack track`` and ``posetrack clean``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

from posetrack.checks import did_you_mean
from posetrack.cli.options import KINDS, Kind, Parser, add_settings, seconds_from, settings_from
from posetrack.runs.cleaned import RANKINGS, ranking_of

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

    if text in RANKINGS:
        return ranking_of(text)
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
        f"expected {', '.join(RANKINGS)}, an id, a box as left,top,right,bottom@seconds or a "
        f"place as x,y@seconds; got {text!r}" + did_you_mean(text, RANKINGS)
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
