"""``posetrack track``: from videos to tables, PoseTrack files and overlays."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from posetrack.cli.analyse import angles_from
from posetrack.cli.cleaning import add_cleaning, cleaning_from
from posetrack.cli.input_checks import check_files, check_folder, check_video
from posetrack.cli.network_options import (
    add_networks,
    build_detector,
    build_estimator,
    build_flow,
    check_networks,
    find_defaults,
    skeleton_ahead,
)
from posetrack.cli.options import (
    Parser,
    add_option,
    add_out,
    add_settings,
    add_span,
    picture_size_from,
    seconds_from,
    settings_from,
)
from posetrack.cli.overlay import add_faces
from posetrack.runs.networks import Makers, Weights, build_tracker
from posetrack.runs.outputs import FORMATS, formats_from, output_name
from posetrack.runs.presets import PRESETS
from posetrack.runs.results import (
    USUAL_FORMATS,
    Outcome,
    OverlayKind,
    Run,
    Wanted,
    Watch,
    boxes_from,
    track_together,
)
from posetrack.runs.sources import expand_sources
from posetrack.runs.window import check_display
from posetrack.runs.writer import ResultPaths

if TYPE_CHECKING:
    from posetrack.skeletons import Skeleton
    from posetrack.tracking.tracker import Tracker

_MOST_PATHS: Final = 12


def add_parser(commands: Any) -> None:
    """Add the command and its options; what they default to is the tracker's own."""
    parser: Parser = commands.add_parser(
        "track",
        help="track the people in videos",
        description="Track the people in videos and write every person's keypoints over time. "
        "With cleaning, the tables and the overlay are of the cleaned tracks, and what the tracker "
        "gave is kept in NAME.raw.parquet.",
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="VIDEO",
        help="a file; a folder or quoted glob of images (one video) or of videos (several); a "
        "camera's number; an RTSP or HTTP address",
    )
    add_tracking(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="note every few seconds in NAME.resume where the run stands, and go on from there "
        "where an earlier one with --resume was stopped, to the same results; what is finished is "
        "passed over",
    )
    parser.add_argument("--show", action="store_true", help="open a window; q in it ends the run")
    parser.set_defaults(run=run)


def add_tracking(parser: Parser, *, several_devices: bool = False) -> None:
    """All options of how a video is tracked and what is written of it."""
    add_out(parser, words="folder for the results")
    parser.add_argument(
        "--format",
        dest="formats",
        default=",".join(USUAL_FORMATS),
        metavar="LIST",
        help=f"tables to write, of {', '.join(FORMATS)}",
    )
    add_option(
        parser,
        "runs.track:track",
        "overlay",
        "write the video with people drawn over it, too; of images, pictures of their names",
    )
    parser.add_argument(
        "--angles",
        nargs="?",
        const="all",
        metavar="LIST",
        help="write NAME.angles.csv, too: all angles, or those listed, such as left_knee,trunk",
    )
    parser.add_argument(
        "--plot",
        action="store_true",
        help="write pictures, too: who was there when, trails, a heat map, and for one selected "
        "person keypoints, angles and stick figures",
    )
    parser.add_presets(PRESETS)
    add_networks(parser, several_devices=several_devices)
    add_span(parser, "runs.track:track")
    drawing = parser.add_rare_group("overlay")
    drawing.add_argument(
        "--overlay-as",
        choices=get_args(OverlayKind),
        help="what it is written as (else mp4 of a video, and of images jpg or png as the first)",
    )
    add_option(drawing, "runs.track:track", "audio", "keep the sound of a video file")
    add_option(
        drawing, "runs.track:track", "trails", "draw the paths of the last N frames", metavar="N"
    )
    add_faces(drawing)
    add_tracker(parser)
    add_cleaning(parser)
    frames = parser.add_rare_group("frames")
    add_option(frames, "runs.track:track", "stride", "take every n-th frame", metavar="N")
    frames.add_argument(
        "--rate",
        type=float,
        metavar="N",
        help="frames per second: of images, 30 if not given; of a video, instead of its own times",
    )
    frames.add_argument(
        "--stored-pixels",
        action="store_true",
        help="leave pictures as they are stored where their pixels are not square or their size "
        "changes; else they are scaled to square pixels and to the first one's size",
    )
    frames.add_argument(
        "--segment",
        type=seconds_from,
        metavar="TIME",
        help="results in segments of this time, as 10min, each whole once the next begins: "
        "NAME-0000.csv, NAME-0001.csv, ...; ids and times go on over them",
    )
    live = parser.add_rare_group("live sources")
    live.add_argument(
        "--live",
        action="store_true",
        help="of a camera or address take the newest frame and leave out what came meanwhile; one "
        "that is lost is opened again; Ctrl-C ends it with whole files; several are followed side "
        "by side, the images of all in one batch of the networks",
    )
    add_option(
        live,
        "runs.track:track",
        "patience",
        "for how long a live source may be away",
        metavar="SECONDS",
    )
    live.add_argument(
        "--camera-size",
        type=picture_size_from,
        metavar="WxH",
        help="ask a camera for this, as 1280x720",
    )
    live.add_argument(
        "--camera-rate", type=float, metavar="N", help="ask a camera for so many frames a second"
    )
    frames.add_argument(
        "--unrelated",
        action="store_true",
        help="the images are no video: people are found in each by itself",
    )
    add_option(frames, "runs.track:track", "ahead", "frames detected ahead; 0: none", metavar="N")


def add_tracker(parser: Parser, names: Sequence[str] | None = None) -> None:
    """Add settings of the tracker, with its own words and defaults; all but the device."""
    from posetrack.tracking.tracker import Tracker

    group = parser.add_rare_group("tracker (see posetrack.Tracker)")
    add_settings(group, Tracker, names, without=["device"])


def tracker_settings(
    arguments: argparse.Namespace, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """The tracker's keywords that `add_tracker` added."""
    from posetrack.tracking.tracker import Tracker

    return settings_from(arguments, Tracker, names, without=["device"])


def run(arguments: argparse.Namespace, watch: Watch | None = None) -> int:
    """Track videos in turn, live ones together; ``watch`` sees how far a run is, and may end it."""
    wanted = choose_outputs(arguments)
    check_folder(arguments.out)
    check_networks(arguments)
    check_angle_names(arguments.angles, skeleton_ahead(arguments))
    check_files(arguments.boxes)
    arguments.sources = expand_sources(arguments.sources)
    for source in arguments.sources:
        check_video(source)
    if arguments.show:
        check_display()
    from posetrack.selftest import check_loaded

    boxes = _boxes(arguments)
    tracker, weights = open_tracker(arguments)
    check_loaded(arguments.device)
    if tracker.asked_for:
        asked = " ".join(
            f"--{name.replace('_', '-')} {value:g}" for name, value in tracker.asked_for.items()
        )
        print(f"posetrack: the detector asks for {asked}", file=sys.stderr)
    names: set[str] = set()
    keep = [*map(Path, arguments.sources), *paths_of(weights)]
    more: dict[str, Any] = {
        "settings": settings_of(arguments) | tracker.settled,
        "weights": weights,
        "reading": reading_from(arguments),
        "boxes": boxes,
        "ahead": arguments.ahead,
        "unrelated": arguments.unrelated,
        "show": arguments.show,
        "progress": True,
        "resume": arguments.resume,
        "watch": watch,
    }
    outputs = []
    for source in arguments.sources:
        name = output_name(source, names, segments=bool(arguments.segment))
        names.add(name)
        outputs.append(ResultPaths(arguments.out, name, keep))
    if arguments.live and len(outputs) > 1:
        return _track_together(arguments.sources, tracker, wanted, outputs, more)
    for source, results in zip(arguments.sources, outputs, strict=True):
        tell = partial(_tell, results.name)
        outcome = Run(source, tracker, wanted, results, tell=tell, **more).track()
        _show(outcome, results)
        for coming in outputs:
            coming.keep += results.paths
        tracker.reset()
    return 0


def _track_together(
    sources: Sequence[str],
    tracker: Tracker,
    wanted: Wanted,
    outputs: Sequence[ResultPaths],
    more: Mapping[str, Any],
) -> int:
    """Follow live sources side by side, each with a tracker of its own and the same networks."""
    arrived = threading.Event()
    runs = [
        Run(
            source,
            tracker.twin(),
            wanted,
            results,
            tell=partial(_tell, results.name),
            arrived=arrived.set,
            row=row,
            **more,
        )
        for row, (source, results) in enumerate(zip(sources, outputs, strict=True))
    ]
    for number, outcome in track_together(runs, arrived):
        _show(outcome, outputs[number])
    return 0


def _tell(name: str, line: str) -> None:
    """Print a line above the progress bar."""
    from tqdm import tqdm

    tqdm.write(f"{name}: {line}", file=sys.stderr)


def _show(outcome: Outcome, results: ResultPaths) -> None:
    """Print what became of a video."""
    name = results.name
    if outcome.passed_over:
        print(f"{name}: finished before: {outcome.frames} frames, {outcome.people} people")
        return
    if results.paths:
        written = _list_paths(results.paths)
        before = f" ({outcome.before} of them before)" if outcome.before else ""
        print(f"{name}: {outcome.frames} frames{before}, {outcome.people} people -> {written}")
        for line in outcome.lines:
            print(f"{name}: {line}")
    else:
        print(f"{name}: no frame between --start and --stop, nothing written")
    for problem in outcome.problems:
        print(f"{name}: {problem}", file=sys.stderr)


def _list_paths(paths: Sequence[Path]) -> str:
    """All of a few, the first and the last of many."""
    if len(paths) <= _MOST_PATHS:
        return ", ".join(map(str, paths))
    return f"{len(paths)} files, {paths[0]} to {paths[-1].name}"


def reading_from(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings of `posetrack.video.open_video`."""
    names = ("start", "stop", "stride", "rate", "stored_pixels")
    reading = {name: getattr(arguments, name) for name in names}
    asked = {name: getattr(arguments, name, None) for name in ("camera_size", "camera_rate")}
    reading |= {name: value for name, value in asked.items() if value is not None}
    if getattr(arguments, "live", False):
        reading |= {"live": True, "patience": arguments.patience}
    return reading


def paths_of(weights: Weights) -> list[Path]:
    """The files that networks came from, which no result is written over."""
    return [path for path in weights.values() if isinstance(path, Path)]


def choose_outputs(arguments: argparse.Namespace) -> Wanted:
    """The outputs asked for; raises for combinations that do not work."""
    angles = angles_from(arguments.angles) if arguments.angles else False
    return Wanted(
        formats_from("--format", arguments.formats, FORMATS),
        arguments.overlay and (arguments.overlay_as or True),
        arguments.audio,
        arguments.trails,
        arguments.blur_faces,
        True if angles is None else angles,
        arguments.plot,
        cleaning_from(arguments),
        arguments.segment,
    )


def check_angle_names(text: str | None, skeleton: Skeleton | None) -> None:
    """Raise for names of angles that a skeleton lacks; None means it is not known yet."""
    names = angles_from(text) if text else None
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


def _boxes(arguments: argparse.Namespace) -> Callable[[int], Any] | None:
    """From a frame's index to the boxes in the file given."""
    if arguments.boxes is None:
        return None
    if arguments.detector or arguments.decode or len(arguments.sources) > 1:
        raise ValueError("--boxes FILE goes with one video, and takes the place of --detector")
    return boxes_from(arguments.boxes, arguments.min_score)


def open_tracker(arguments: argparse.Namespace) -> tuple[Tracker, Weights]:
    """The tracker, and what its networks came from."""
    make = Makers(
        detector=lambda _, default: build_detector(arguments, default),
        estimator=lambda _, default: build_estimator(arguments, default),
        flow=lambda _: build_flow(arguments),
        defaults=lambda *kinds: find_defaults(arguments, *kinds),
    )
    return build_tracker(
        arguments.detector,
        arguments.estimator,
        arguments.flow,
        make,
        boxes=arguments.boxes,
        device=arguments.device,
        **tracker_settings(arguments),
    )


def settings_of(arguments: argparse.Namespace) -> dict[str, object]:
    """All options as they were used, for the files' provenance; it names the source by itself.

    An address may hold a password, which the provenance leaves out.
    """
    others = ("run", "command", "sources", "show", "resume")
    return {key: value for key, value in sorted(vars(arguments).items()) if key not in others}
