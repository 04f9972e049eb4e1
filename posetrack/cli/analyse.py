"""``posetrack analyse``: angles, repetitions, events, speeds and reports from stored tracks."""

from __future__ import annotations

import argparse
import math
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.checks import did_you_mean
from posetrack.cli.input_checks import check_files, check_folder
from posetrack.cli.options import add_out
from posetrack.files import legal_name, printable, read_toml

if TYPE_CHECKING:
    from posetrack.analysis import Exercise, Floor, Rule, RuleEvent
    from posetrack.trajectories import Trajectories

_UNITS = {"m": 1.0, "cm": 0.01, "": 1.0}
_ALL = "all"


def height_from(text: str) -> float:
    """A person's height from the command line, in metres.

    Examples
    --------
    >>> height_from("1.8m"), height_from("180cm"), height_from("1.75")
    (1.8, 1.8, 1.75)
    """
    parts = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*(m|cm|)\s*", text)
    height = float(parts[1]) * _UNITS[parts[2]] if parts else math.nan
    if not 0.3 <= height <= 3.0:
        raise argparse.ArgumentTypeError(f"expected a height such as 1.8m or 180cm, got {text!r}")
    return height


def _exercise_from(text: str) -> Exercise:
    """An exercise by name, or an angle with two levels.

    Examples
    --------
    >>> _exercise_from("squat").measure, _exercise_from("left_elbow:150:90").reached
    ('hip_height', 90.0)
    """
    from posetrack.analysis import EXERCISES, Exercise

    if text in EXERCISES:
        return EXERCISES[text]
    parts = text.split(":")
    try:
        if len(parts) == 3:
            return Exercise(parts[0], parts[0], float(parts[1]), float(parts[2]))
    except ValueError:
        pass
    raise ValueError(
        f"--repetitions: expected {', '.join(EXERCISES)}, or ANGLE:REST:REACHED such as "
        f"left_elbow:150:90; got {text!r}{did_you_mean(text, EXERCISES)}"
    )


def exercises_from(text: str | None) -> list[Exercise]:
    """Exercises of a list with commas; none of None.

    Examples
    --------
    >>> [one.name for one in exercises_from("squat, push-up")], exercises_from(None)
    (['squat', 'push-up'], [])
    """
    return [_exercise_from(name.strip()) for name in (text or "").split(",") if name.strip()]


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "analyse",
        help="angles, repetitions, rules and reports from stored tracks",
        description="Analyse a table of tracks (.csv or .parquet). Clean it first, with "
        "`posetrack clean`, where it needs that.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="tracks: .parquet, .csv, others")
    add_out(parser)
    parser.add_argument(
        "--angles",
        nargs="?",
        const=_ALL,
        metavar="LIST",
        help="write NAME.angles.csv: all angles, or those listed, such as left_knee,trunk",
    )
    parser.add_argument(
        "--repetitions",
        metavar="LIST",
        help="write NAME.repetitions.csv: squat, push-up, jumping-jack, or ANGLE:REST:REACHED, "
        "such as left_elbow:150:90",
    )
    parser.add_argument(
        "--rules", type=Path, metavar="FILE.toml", help="write NAME.events.csv: where rules hold"
    )
    parser.add_argument(
        "--postures", type=Path, metavar="FILE.npz", help="write NAME.postures.csv by a classifier"
    )
    parser.add_argument(
        "--height",
        type=height_from,
        metavar="HEIGHT",
        help="of the person who is there longest, or of --person: speeds in m/s",
    )
    parser.add_argument(
        "--floor",
        type=Path,
        metavar="FILE.toml",
        help="pixels = [[x, y], ...] and metres = [[x, y], ...], at least four: write "
        "NAME.floor.csv, and speeds in m/s",
    )
    parser.add_argument("--person", type=int, metavar="ID", help="analyse this one only")
    parser.add_argument(
        "--report",
        action="store_true",
        help="write NAME.report.md, NAME.report.csv, and the page of `posetrack report`",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, analyse, write."""
    outputs = ("angles", "repetitions", "rules", "postures", "floor", "report")
    if not any(getattr(arguments, name) for name in outputs):
        raise ValueError("nothing to do: give --angles, --repetitions, --rules or --report")
    check_files(arguments.file, arguments.rules, arguments.postures, arguments.floor)
    check_folder(arguments.out)
    from posetrack import analysis
    from posetrack.trajectories import load

    exercises = exercises_from(arguments.repetitions)
    rules = analysis.read_rules(arguments.rules) if arguments.rules else []
    floor = read_floor(arguments.floor) if arguments.floor else None
    postures = analysis.load_postures(arguments.postures) if arguments.postures else None
    trajectories = load(arguments.file)
    events = analysis.find_events(trajectories, rules)  # of everybody: a rule may be of two
    if arguments.person is not None:
        trajectories = _only(trajectories, arguments.person)
        events = [one for one in events if arguments.person in (one.person, one.other)]
    texts: dict[str, str] = {}
    scale = None
    try:
        if arguments.angles:
            texts["angles.csv"] = analysis.angles_csv(trajectories, angles_from(arguments.angles))
        if exercises:
            found = [
                one for each in exercises for one in analysis.find_repetitions(trajectories, each)
            ]
            texts["repetitions.csv"] = analysis.repetitions_csv(found)
        if rules:
            texts["events.csv"] = analysis.events_csv(events)
        if floor is not None:
            texts["floor.csv"] = analysis.floor_csv(trajectories, floor)
        if postures is not None:
            texts["postures.csv"] = analysis.postures_csv(
                trajectories, postures.apply(trajectories)
            )
        if arguments.report:
            scale = _scale(trajectories, arguments)
            title = printable(arguments.file.stem)
            texts |= _report(trajectories, exercises, events, title, floor, scale)
    except KeyError as error:
        raise ValueError(f"{arguments.file}: {error.args[0]}") from error
    _write(texts, arguments.out, legal_name(arguments.file.stem))
    if arguments.report:
        _write_page(arguments, exercises, rules, floor, scale)
    return 0


def angles_from(text: str) -> list[str] | None:
    """Names of angles from the command line; None for all."""
    return None if text == _ALL else [name.strip() for name in text.split(",") if name.strip()]


def read_floor(path: Path) -> Floor:
    """The floor from a TOML file with ``pixels`` and ``metres``, lists of at least four points."""
    from posetrack.analysis import Floor

    table = read_toml(path)
    if set(table) != {"pixels", "metres"}:
        raise ValueError(f"{path}: expected pixels and metres, got {sorted(table)}")
    for key, points in table.items():
        good = isinstance(points, list) and all(
            isinstance(point, list)
            and len(point) == 2
            and all(isinstance(v, int | float) and not isinstance(v, bool) for v in point)
            for point in points
        )
        if not good:
            raise ValueError(f"{path}: {key!r} must be a list of points [x, y], got {points!r}")
    try:
        return Floor.from_points(table["pixels"], table["metres"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _only(trajectories: Trajectories, person: int) -> Trajectories:
    try:
        return trajectories.person(person)
    except KeyError as error:
        raise ValueError(f"--person: {error.args[0]}") from error


def _scale(trajectories: Trajectories, arguments: argparse.Namespace) -> float | None:
    """Metres a pixel, where a height is given."""
    from posetrack.analysis import metres_per_pixel

    if arguments.height is None:
        return None
    scale = metres_per_pixel(trajectories, arguments.height, person=arguments.person)
    print(f"{arguments.file.stem}: a pixel is {1000 * scale:.2f} mm where the person is")
    return scale


def _report(
    trajectories: Trajectories,
    exercises: list[Exercise],
    events: list[RuleEvent],
    title: str,
    floor: Floor | None,
    scale: float | None,
) -> dict[str, str]:
    """The report as CSV and Markdown, and how often each did what."""
    from posetrack import analysis

    people = analysis.reports(
        trajectories, exercises=exercises, events=events, metres_per_pixel=scale, floor=floor
    )
    for one in people:
        counts = ", ".join(f"{one.count(each.name)} x {each.name}" for each in exercises)
        if counts:
            print(f"person {one.person}: {counts}")
    text = analysis.to_markdown(people, title=title)
    return {"report.md": text, "report.csv": analysis.to_csv(people)}


def _write_page(
    arguments: argparse.Namespace,
    exercises: list[Exercise],
    rules: list[Rule],
    floor: Floor | None,
    scale: float | None,
) -> None:
    """The page of `posetrack report`, where what it needs is installed."""
    from posetrack.reports import find_results, write_report

    (results,) = find_results(arguments.file)
    path = arguments.out / f"{legal_name(arguments.file.stem)}.report.html"
    try:
        notes = write_report(
            results, path, exercises=exercises or None, rules=rules, person=arguments.person,
            metres_per_pixel=scale, floor=floor,
        )  # fmt: skip
    except ModuleNotFoundError as error:
        print(f"{arguments.file.stem}: no {path.name}: {error}", file=sys.stderr)
        return
    print(f"{arguments.file.stem}: {path}")
    for note in notes:
        print(f"{arguments.file.stem}: {note}", file=sys.stderr)


def _write(texts: dict[str, str], folder: Path, stem: str) -> None:
    """Each text to a file that appears when it is whole."""
    from posetrack.files import write_whole

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for ending, text in texts.items():
        path = folder / f"{stem}.{ending}"
        write_whole(path, text)
        paths.append(str(path))
    print(f"{stem}: {', '.join(paths)}")
