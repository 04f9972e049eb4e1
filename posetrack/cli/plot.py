"""``posetrack plot``: pictures of stored tracks."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.cli.input_checks import check_files, check_video
from posetrack.cli.options import add_option, add_rate, seconds_from

if TYPE_CHECKING:
    from posetrack.interfaces import Image
    from posetrack.trajectories import Trajectories

KINDS = ("keypoint", "angle", "trails", "timeline", "strip", "heatmap")
_GOES_WITH = {
    "keypoint": ("keypoint",),
    "quantity": ("keypoint",),
    "angle": ("angle",),
    "exercise": ("angle",),
    "raw": ("keypoint", "angle"),
    "video": ("trails", "heatmap"),
    "at": ("trails", "heatmap"),
    "point": ("trails", "heatmap"),
    "bandwidth": ("heatmap",),
    "figures": ("strip",),
    "by": ("timeline",),
}
_DEFAULTS = {"raw": True}


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "plot",
        help="draw pictures of stored tracks",
        description="Draw a picture of stored tracks, of any format that is read: a keypoint or "
        "an angle against time, trails or a heat map over a frame, a timeline of who was there, "
        "or one person as a strip of stick figures. What was filled or smoothed looks different "
        "from what was measured.",
        epilog='Needs matplotlib: pip install "posetrack[eval]".',
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="stored tracks")
    parser.add_argument(
        "--kind", choices=KINDS, help="what to draw; not needed with --keypoint or --angle"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="PICTURE",
        help=".png, .svg or .pdf (default: FILE-KIND.png beside the file)",
    )
    add_part(parser)
    series = parser.add_argument_group("keypoint, angle")
    series.add_argument("--keypoint", metavar="LIST", help="names, such as left_wrist,right_wrist")
    series.add_argument("--quantity", metavar="LIST", help="of x, y, speed, score (default: x,y)")
    series.add_argument("--angle", metavar="LIST", help="names, such as left_knee,trunk")
    series.add_argument(
        "--exercise", metavar="NAME", help="mark repetitions: squat, push-up, jumping-jack"
    )
    add_option(
        series,
        "plots.trajectories:plot_keypoint",
        "raw",
        "draw what was measured behind what was cleaned (default: yes)",
    )
    mapped = parser.add_argument_group("trails, heatmap")
    mapped.add_argument("--video", metavar="VIDEO", help="draw over a frame of it")
    mapped.add_argument(
        "--at", type=seconds_from, metavar="TIME", help="which frame (default: last, or middle)"
    )
    mapped.add_argument(
        "--point", metavar="NAME", help="hips (default of trails), feet (of heatmap), a keypoint"
    )
    mapped.add_argument("--bandwidth", type=float, metavar="PIXELS", help="of the heat map")
    others = parser.add_argument_group("strip, timeline")
    others.add_argument("--figures", type=int, metavar="N", help="of the strip (default: 10)")
    others.add_argument("--by", choices=("origin", "score"), help="what the timeline's colours say")
    parser.set_defaults(run=run)


def add_part(parser: argparse.ArgumentParser) -> None:
    """Which part of the tracks: people and times."""
    parser.add_argument(
        "--person",
        metavar="WHO",
        help="ids such as 3 or 3,5, or largest, longest, central, moving (default: everybody)",
    )
    parser.add_argument(
        "--from", dest="start", type=seconds_from, metavar="TIME", help="first time, such as 2s"
    )
    parser.add_argument(
        "--to", dest="end", type=seconds_from, metavar="TIME", help="stop before this time"
    )
    add_rate(parser)


def span_of(arguments: argparse.Namespace) -> tuple[float, float] | None:
    """The times asked for, None for all.

    Raises
    ------
    ValueError
        If they end before they begin.
    """
    if arguments.start is None and arguments.end is None:
        return None
    start = float("-inf") if arguments.start is None else arguments.start
    end = float("inf") if arguments.end is None else arguments.end
    if not start < end:
        raise ValueError(f"--from {start:g} s must come before --to {end:g} s")
    return start, end


def people_of(trajectories: Trajectories, people: str | None) -> Trajectories:
    """Those of some people: ids with commas between, or the first of a ranking."""
    if people is None:
        return trajectories
    ids = [word.strip() for word in people.split(",")]
    if all(word.lstrip("-").isdecimal() for word in ids):
        return trajectories.select(ids=[int(word) for word in ids])
    from posetrack.cleaning import select_person
    from posetrack.cli.cleaning import ranking_from

    try:
        ranking = ranking_from(people)
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"--person: {error}") from error
    return select_person(trajectories, ranking)


@contextmanager
def explain_unknown_names() -> Iterator[None]:
    """Report a keypoint, angle, exercise or person that does not exist in one line."""
    try:
        yield
    except KeyError as error:
        raise ValueError(str(error.args[0])) from error


def run(arguments: argparse.Namespace) -> int:
    """Load, select, draw."""
    kind = _kind(arguments)
    out = arguments.out or arguments.file.with_name(f"{arguments.file.stem}-{kind}.png")
    from posetrack.plots.paper import check_path
    from posetrack.trajectories import load

    check_files(arguments.file)
    check_video(arguments.video)
    check_path(out)
    with explain_unknown_names():
        whole = load(arguments.file, rate=arguments.rate)
        part = people_of(whole, arguments.person)
        if (span := span_of(arguments)) is not None:
            part = part.select(seconds=span)
        _drawers()[kind](part, out, arguments)
    print(f"{arguments.file.stem}: {kind} of {len(part.ids)} people -> {out}")
    return 0


def _kind(arguments: argparse.Namespace) -> str:
    """What to draw; refuses options that would do nothing."""
    named = [name for name in ("keypoint", "angle") if getattr(arguments, name) is not None]
    kind: str | None = arguments.kind or (named[0] if len(named) == 1 else None)
    if kind is None:
        raise ValueError(f"say what to draw: --kind {', '.join(KINDS)}")
    for name, kinds in _GOES_WITH.items():
        if getattr(arguments, name) != _DEFAULTS.get(name) and kind not in kinds:
            raise ValueError(f"--{name} goes with --kind {' or '.join(kinds)}, not {kind}")
    if kind in ("keypoint", "angle") and not named:
        raise ValueError(f"--kind {kind} needs --{kind} NAME")
    if arguments.at is not None and arguments.video is None:
        raise ValueError("--at is a time of --video VIDEO; give both")
    return kind


def _drawers() -> dict[str, Callable[[Trajectories, Path, argparse.Namespace], object]]:
    return {
        "keypoint": _keypoint,
        "angle": _angle,
        "trails": _trails,
        "timeline": _timeline,
        "strip": _strip,
        "heatmap": _heatmap,
    }


def _split_list(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _keypoint(part: Trajectories, out: Path, arguments: argparse.Namespace) -> None:
    from posetrack.plots import plot_keypoint

    quantities: Any = _split_list(arguments.quantity or "x,y")
    names = _split_list(arguments.keypoint)
    plot_keypoint(part, names, out, quantities=quantities, raw=arguments.raw)


def _angle(part: Trajectories, out: Path, arguments: argparse.Namespace) -> None:
    from posetrack.plots import plot_angle

    repetitions: Any = ()
    if arguments.exercise is not None:
        from posetrack.analysis.repetitions import find_repetitions

        repetitions = find_repetitions(part, arguments.exercise)
    names = _split_list(arguments.angle)
    plot_angle(part, names, out, repetitions=repetitions, raw=arguments.raw)


def _trails(part: Trajectories, out: Path, arguments: argparse.Namespace) -> None:
    from posetrack.plots import plot_trails

    image = _frame(part, arguments, share=1.0)
    plot_trails(part, out, image=image, point=arguments.point or "hips")


def _heatmap(part: Trajectories, out: Path, arguments: argparse.Namespace) -> None:
    from posetrack.plots import plot_heatmap

    image = _frame(part, arguments, share=0.5)
    point = arguments.point or "feet"
    plot_heatmap(part, out, image=image, point=point, bandwidth=arguments.bandwidth)


def _timeline(part: Trajectories, out: Path, arguments: argparse.Namespace) -> None:
    from posetrack.plots import plot_presence

    plot_presence(part, out, by=arguments.by or "origin")


def _strip(part: Trajectories, out: Path, arguments: argparse.Namespace) -> None:
    from posetrack.plots import plot_strip

    if len(part.ids) > 1:
        raise ValueError(f"--kind strip shows one: --person of {part.ids.tolist()[:20]}")
    count = 10 if arguments.figures is None else arguments.figures
    plot_strip(part, out, figures=count)


def _frame(part: Trajectories, arguments: argparse.Namespace, *, share: float) -> Image | None:
    """The image at the time asked for, or so far into the part."""
    if arguments.video is None:
        return None
    if not len(part):
        raise ValueError("no frame between --from and --to")
    at = arguments.at
    if at is None:
        at = float(part.seconds[0] + share * (part.seconds[-1] - part.seconds[0]))
    from posetrack.video.reader import read_image

    row = int(abs(part.seconds - at).argmin())
    return read_image(arguments.video, int(part.frame[row]), part.metadata.get("image_size"))
