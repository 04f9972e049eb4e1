"""Options that clean trajectories, shared by ``posetrack track`` and ``posetrack clean``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posetrack.trajectories import Trajectories

SMOOTHERS = ("butterworth", "savitzky-golay", "median", "loess", "kalman", "one-euro")
_BY_CUTOFF = {"butterworth": "cutoff", "one-euro": "min_cutoff"}
_BY_WINDOW = ("savitzky-golay", "median", "loess")
_INTERPOLATIONS = ("linear", "pchip", "cubic")
_RANKINGS = {
    "largest": "largest",
    "longest": "longest",
    "central": "most_central",
    "moving": "most_moving",
}
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "": 1.0}
_STEPS = ("gate", "swaps", "outliers", "join", "min_length", "max_people", "select", "fill")


def seconds_from(text: str) -> float:
    """A length of time from the command line.

    Examples
    --------
    >>> seconds_from("0.3s"), seconds_from("300ms"), seconds_from("2")
    (0.3, 0.3, 2.0)
    """
    parts = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(ms|s|min|)\s*", text)
    if parts is None:
        raise argparse.ArgumentTypeError(f"expected a time such as 0.3s or 300ms, got {text!r}")
    return float(parts[1]) * _UNITS[parts[2]]


def who_from(text: str) -> Any:
    """A ranking of people from the command line: a name, an id, a box or a place at a time.

    Examples
    --------
    >>> who_from("largest").__name__, who_from("3").__name__
    ('largest', 'rank')
    """
    from posetrack import cleaning

    if text in _RANKINGS:
        return getattr(cleaning, _RANKINGS[text])
    try:
        if "@" not in text:
            return cleaning.with_id(int(text))
        place, when = text.rsplit("@", 1)
        numbers = [float(number) for number in place.split(",")]
        at = seconds_from(when)
        if len(numbers) == 4:
            return cleaning.in_box(numbers, at)
        if len(numbers) == 2:
            return cleaning.at_click(numbers[0], numbers[1], at)
    except (ValueError, argparse.ArgumentTypeError):
        pass
    raise argparse.ArgumentTypeError(
        f"expected {', '.join(_RANKINGS)}, an id, a box as left,top,right,bottom@seconds or a "
        f"place as x,y@seconds; got {text!r}"
    )


def add_cleaning(parser: argparse.ArgumentParser) -> None:
    """Add the options; none of them is on by default."""
    group = parser.add_argument_group(
        "cleaning (all lengths of time in seconds: 0.3s, 300ms; the steps run in this order)"
    )
    group.add_argument("--gate", type=float, metavar="X", help="take out keypoints scored below")
    group.add_argument("--swaps", action="store_true", help="mend left and right where exchanged")
    group.add_argument("--outliers", action="store_true", help="take out keypoints that jump")
    group.add_argument(
        "--join",
        type=seconds_from,
        metavar="TIME",
        help="one id for a person who is lost and found again within this time",
    )
    group.add_argument(
        "--min-length", type=seconds_from, metavar="TIME", help="drop people seen for less"
    )
    group.add_argument(
        "--max-people", type=int, metavar="N", help="keep the N who are there longest"
    )
    group.add_argument(
        "--select",
        metavar="WHO",
        help="keep one person: largest, longest, central, moving, an id, "
        "left,top,right,bottom@seconds, or x,y@seconds, where you would click",
    )
    group.add_argument(
        "--fill", type=seconds_from, metavar="TIME", help="fill gaps no longer than this"
    )
    group.add_argument(
        "--fill-with", choices=_INTERPOLATIONS, default="linear", help="what gaps are filled with"
    )
    group.add_argument("--smooth", choices=SMOOTHERS, help="filter that smooths what is left")
    group.add_argument(
        "--smooth-cutoff", type=float, metavar="HZ", help="of butterworth and one-euro"
    )
    group.add_argument(
        "--smooth-window",
        type=seconds_from,
        metavar="TIME",
        help="of savitzky-golay, median and loess",
    )


def wants_cleaning(arguments: argparse.Namespace) -> bool:
    """Whether any step was asked for."""
    chosen = (getattr(arguments, name) for name in (*_STEPS, "smooth"))
    return any(value is not None and value is not False for value in chosen)


def check_cleaning(arguments: argparse.Namespace) -> None:
    """Refuse options that do not fit each other, before hours have passed."""
    if arguments.select is not None:
        try:
            who_from(arguments.select)
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"--select: {error}") from error
    for name in ("join", "min_length", "fill", "smooth_window", "smooth_cutoff", "max_people"):
        value = getattr(arguments, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name.replace('_', '-')} must be more than 0, got {value}")
    if arguments.smooth_cutoff is not None and arguments.smooth not in _BY_CUTOFF:
        raise ValueError("--smooth-cutoff goes with --smooth butterworth or one-euro")
    if arguments.smooth_window is not None and arguments.smooth not in _BY_WINDOW:
        raise ValueError("--smooth-window goes with --smooth savitzky-golay, median or loess")


def cleaned(
    trajectories: Trajectories,
    arguments: argparse.Namespace,
    colours: Mapping[int, Any] | None = None,
) -> Trajectories:
    """The trajectories after all steps asked for; ``colours`` help joining."""
    from posetrack import cleaning

    made = trajectories
    if arguments.gate is not None:
        made = cleaning.gate_scores(made, arguments.gate)
    if arguments.swaps:
        made = cleaning.mend_swaps(made)
    if arguments.outliers:
        made = cleaning.reject_outliers(made)
    if arguments.join is not None:
        made = cleaning.join_tracklets(made, max_gap=arguments.join, colours=colours)
    if arguments.min_length is not None:
        made = cleaning.drop_short(made, arguments.min_length)
    if arguments.max_people is not None:
        made = cleaning.keep(made, arguments.max_people)
    if arguments.select is not None:
        made = cleaning.select_person(made, who_from(arguments.select))
    if arguments.fill is not None:
        way = getattr(cleaning, arguments.fill_with)
        made = cleaning.fill_gaps(made, arguments.fill, interpolate=way)
    if arguments.smooth is not None:
        made = _smoother(arguments)(made)
    return made


def _smoother(arguments: argparse.Namespace) -> Callable[[Trajectories], Trajectories]:
    from posetrack import cleaning

    name = arguments.smooth
    settings: dict[str, float] = {}
    if arguments.smooth_cutoff is not None:
        settings[_BY_CUTOFF[name]] = arguments.smooth_cutoff
    if arguments.smooth_window is not None:
        settings["window"] = arguments.smooth_window
    smooth = getattr(cleaning, name.replace("-", "_"))
    return lambda made: smooth(made, **settings)


def what_was_done(before: Trajectories, after: Trajectories) -> str:
    """One line on it: how many people stayed, and what share of their keypoints was touched.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.cleaning import gate_scores
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.trajectories import Trajectories
    >>> one = np.ones((1, 1, 17, 2))
    >>> tr = Trajectories([0], [0.0], [7], one, np.zeros((1, 1, 17)), COCO_17)
    >>> what_was_done(tr, gate_scores(tr, 0.5))
    '1 of 1 people; of 17 keypoints: 17 rejected'
    """
    from posetrack.trajectories import Origin

    flags = (Origin.REJECTED, Origin.SWAPPED, Origin.FILLED, Origin.SMOOTHED)
    there = after.present
    touched = after.origin[there]
    names = {Origin.REJECTED: "rejected", Origin.SWAPPED: "swapped back"}
    names |= {Origin.FILLED: "filled", Origin.SMOOTHED: "smoothed"}
    counts = {names[flag]: int(((touched & int(flag)) > 0).sum()) for flag in flags}
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none touched"
    people = f"{len(after.ids)} of {len(before.ids)} people"
    return f"{people}; of {touched.size} keypoints: {told}"


def write_formats(
    trajectories: Trajectories, formats: list[str], place: Callable[[str], Path]
) -> None:
    """Write the tables of `posetrack.cli.outputs.FORMATS`; ``place`` gives each its path."""
    from posetrack.formats import CocoWriter, PoseTrack18Writer
    from posetrack.trajectories import save

    writers: dict[str, Any] = {"posetrack18": PoseTrack18Writer, "coco": CocoWriter}
    for name in formats:
        path = place(name)
        if name in ("csv", "parquet"):
            save(trajectories, path)
            continue
        with writers[name](path, trajectories.skeleton, **dict(trajectories.metadata)) as sink:
            for frame in trajectories.to_table().frames():
                sink.write(*frame)
