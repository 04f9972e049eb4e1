"""``posetrack track``: from videos to tables, PoseTrack files and overlays."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.build import DefaultKind, DefaultNetwork
from posetrack.cli.analyse import angles_from
from posetrack.cli.cleaning import add_cleaning, cleaning_from
from posetrack.cli.input_checks import check_files, check_folder, check_video
from posetrack.cli.network_options import (
    add_device,
    add_networks,
    build_detector,
    build_estimator,
    build_flow,
    check_networks,
    find_defaults,
    finds_boxes,
    is_bottom_up,
    skeleton_ahead,
    weight_files,
)
from posetrack.cli.options import Parser, Preset, add_settings, settings_from
from posetrack.cli.overlay import add_faces
from posetrack.runs.outputs import FORMATS, formats_from, output_name
from posetrack.runs.writer import (
    Colours,
    OpenSink,
    Overlay,
    ResultPaths,
    RunWriter,
    clean_tracks,
    draw_plots,
    open_tables,
    write_angles,
)

if TYPE_CHECKING:
    from posetrack.skeletons import Skeleton

PRESETS = {
    "paper": Preset(
        "the tracker as the paper describes it",
        {"coasting": False, "recency": 1.0, "min_hits": 1},
    ),
    "bundled": Preset(
        "the two small networks inside the package, nothing to download",
        {"detector": "bundled", "estimator": "bundled"},
    ),
}


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
        help="a file, a folder or glob of images, a camera's number, or an RTSP or HTTP address",
    )
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("out"), help="folder for the results"
    )
    parser.add_argument(
        "--format",
        dest="formats",
        default="csv,parquet,posetrack18,audit",
        metavar="LIST",
        help=f"tables to write, of {', '.join(FORMATS)}",
    )
    parser.add_argument(
        "--overlay",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write the video, too",
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
    add_networks(parser)
    add_device(parser)
    parser.add_argument("--start", type=int, default=0, metavar="N", help="first frame")
    parser.add_argument("--stop", type=int, metavar="N", help="frame to stop before")
    drawing = parser.add_rare_group("overlay")
    drawing.add_argument(
        "--trails", type=int, default=0, metavar="N", help="draw the paths of the last N frames"
    )
    add_faces(drawing)
    add_tracker(parser)
    add_cleaning(parser)
    frames = parser.add_rare_group("frames")
    frames.add_argument("--stride", type=int, default=1, metavar="N", help="take every n-th frame")
    frames.add_argument(
        "--rate",
        type=float,
        metavar="N",
        help="frames per second: of images, 30 if not given; of a video, in place of its own times",
    )
    frames.add_argument(
        "--stored-pixels",
        action="store_true",
        help="leave pictures as they are stored where their pixels are not square or their size "
        "changes; else they are scaled to square pixels and to the first one's size",
    )
    frames.add_argument(
        "--ahead", type=int, default=2, metavar="N", help="frames detected ahead; 0: none"
    )
    parser.set_defaults(run=run)


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


def run(arguments: argparse.Namespace) -> int:
    """Track each video in turn."""
    formats = formats_from("--format", arguments.formats, FORMATS)
    if arguments.trails < 0:
        raise ValueError(f"--trails must be at least 0, got {arguments.trails}")
    cleaning = cleaning_from(arguments)
    _check_finishers(arguments, formats, cleaning)
    check_folder(arguments.out)
    check_networks(arguments)
    _check_angle_names(arguments.angles, skeleton_ahead(arguments))
    check_files(arguments.boxes)
    for source in arguments.sources:
        check_video(source)
    from posetrack.selftest import check_loaded

    boxes = _boxes(arguments)
    tracker, defaults = _tracker(arguments)
    check_loaded(arguments.device)
    names: set[str] = set()
    keep = [Path(source) for source in arguments.sources]
    for source in arguments.sources:
        name = output_name(source, names)
        names.add(name)
        weights = weight_files(arguments, tracker.estimator, defaults)
        results = ResultPaths(arguments.out, name, [*keep, *_paths(weights)])
        _track(source, results, formats, cleaning, tracker, boxes, arguments, weights)
        keep += results.paths
        tracker.reset()
    return 0


def _paths(weights: dict[str, Any]) -> list[Path]:
    return [path for path in weights.values() if isinstance(path, Path)]


def _check_finishers(
    arguments: argparse.Namespace, formats: list[str], cleaning: dict[str, Any]
) -> None:
    """Refuse what cannot be made in the end, before hours have passed."""
    has_table = bool(cleaning or {"csv", "parquet"} & set(formats))
    if arguments.angles and not has_table:
        raise ValueError("--angles are of what is in a table: add parquet or csv to --format")
    if arguments.blur_faces and not arguments.overlay:
        raise ValueError("--blur-faces is for the overlay; leave --no-overlay away")
    if not arguments.plot:
        return
    if not has_table:
        raise ValueError("--plot draws what is in a table: add parquet or csv to --format")
    from posetrack.plots.paper import empty_figure

    empty_figure(width=1, height=1)  # says how to get matplotlib, if it is not there


def _check_angle_names(text: str | None, skeleton: Skeleton | None) -> None:
    """Refuse names of angles that a skeleton has not; None is not known yet."""
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
    from posetrack.detectors.replay import ReplayDetector
    from posetrack.formats.boxes import read_boxes

    return ReplayDetector(read_boxes(arguments.boxes, min_score=arguments.min_score)).at


def _tracker(arguments: argparse.Namespace) -> tuple[Any, dict[DefaultKind, DefaultNetwork]]:
    """The tracker, and what its networks are where none was named."""
    from posetrack.tracking.tracker import Tracker

    # What the user named comes first: a wrong file is told before anything is fetched.
    detector = build_detector(arguments) if arguments.detector else None
    defaults: dict[DefaultKind, DefaultNetwork] = {}
    if not arguments.estimator:  # the default one needs boxes
        needs: list[DefaultKind] = ["estimator"]
        needs += [] if arguments.detector or arguments.boxes else ["detector"]
        defaults = find_defaults(arguments, *needs)
    estimator = build_estimator(arguments, defaults.get("estimator"))
    alone = is_bottom_up(estimator)
    if alone and (arguments.detector or arguments.boxes):
        raise ValueError(
            f"--estimator {arguments.estimator} finds people by itself in the whole image; leave "
            "--detector and --boxes away"
        )
    if detector is None and not (finds_boxes(estimator) or arguments.boxes):
        defaults = defaults if "detector" in defaults else find_defaults(arguments, "detector")
        detector = build_detector(arguments, defaults["detector"])
    tracker = Tracker(
        detector,
        estimator,
        build_flow(arguments),
        device=arguments.device,
        **tracker_settings(arguments),
    )
    return tracker, defaults


def _track(
    source: str,
    results: ResultPaths,
    formats: list[str],
    cleaning: dict[str, Any],
    tracker: Any,
    boxes: Callable[[int], Any] | None,
    arguments: argparse.Namespace,
    weights: dict[str, Any],
) -> None:
    """Track one video."""
    from tqdm import tqdm

    from posetrack.tracking.pipeline import track_video
    from posetrack.video import open_video

    def open_again() -> Any:
        return open_video(
            source,
            start=arguments.start,
            stop=arguments.stop,
            stride=arguments.stride,
            rate=arguments.rate,
            stored_pixels=arguments.stored_pixels,
        )

    from posetrack.video.reachability import is_camera

    comes_once = is_camera(source) or "://" in source
    name = results.name
    with ExitStack() as stack:
        video = stack.enter_context(open_again())
        if boxes is not None:
            boxes = _scale_boxes(boxes, video.scale)
        run = stack.enter_context(
            _writer(
                video,
                results,
                formats,
                cleaning,
                arguments,
                weights,
                reopen=None if comes_once else open_again,
                explain=lambda: tracker.explanation,
            )
        )
        bar = stack.enter_context(
            tqdm(total=_count_frames(video, arguments), unit=" frames", desc=name, disable=None)
        )
        people: set[int] = set()
        for frame, tracks in track_video(video, tracker, boxes=boxes, ahead=arguments.ahead):
            people.update(tracks.ids.tolist())
            run.write(frame, tracks)
            bar.update()
            bar.set_postfix_str(f"{len(tracks)} people, {len(people)} ids", refresh=False)
    lines = run.finish()
    if results.paths:
        written = ", ".join(str(path) for path in results.paths)
        print(f"{name}: {run.frames} frames, {len(people)} people -> {written}")
        for line in lines:
            print(f"{name}: {line}")
    else:
        print(f"{name}: no frame between --start and --stop, nothing written")
    for problem in _problems(video):
        print(f"{name}: {problem}", file=sys.stderr)


def _writer(
    video: Any,
    results: ResultPaths,
    formats: list[str],
    cleaning: dict[str, Any],
    arguments: argparse.Namespace,
    weights: dict[str, Any],
    *,
    reopen: Callable[[], Any] | None,
    explain: Callable[[], Any],
) -> RunWriter:
    """The sinks and finishers that were asked for."""
    overlay = None
    if arguments.overlay:
        overlay = Overlay(video.rate / arguments.stride, arguments.trails, arguments.blur_faces)
    colours = Colours() if cleaning and cleaning["join"] is not None else None
    names = formats
    if cleaning:
        names = ["raw", *(name for name in formats if name in ("frames", "audit"))]
    sinks: list[OpenSink] = open_tables(
        names, video, settings=_settings(arguments), weights=weights, explain=explain
    )
    sinks += [] if colours is None else [colours]
    if overlay is not None and not (cleaning and reopen is not None):
        sinks.append(overlay)
    finishers = []
    if cleaning:
        finishers.append(
            clean_tracks(cleaning, formats, colours=colours, overlay=overlay, reopen=reopen)
        )
    if arguments.angles:
        finishers.append(write_angles(angles_from(arguments.angles)))
    if arguments.plot:
        drawn_on = video.source.name if reopen is not None else None
        finishers.append(draw_plots(drawn_on, one_person=arguments.select is not None))
    return RunWriter(results, sinks, finishers)


def _problems(video: Any) -> list[str]:
    """What there is to say of frames that were not there or could not be read."""
    from posetrack.video import Status

    corrupt = video.ledger.where(Status.CORRUPT)
    found = [] if not len(corrupt) else [
        f"{len(corrupt)} frames could not be decoded, the first is frame {int(corrupt[0])}"
    ]  # fmt: skip
    ended = [video.problem] if video.problem else []
    return [*video.remarks, *ended, *found]


def _scale_boxes(boxes: Callable[[int], Any], scale: tuple[float, float]) -> Callable[[int], Any]:
    """Boxes given in a video's stored pixels, in those of its images."""
    if scale == (1.0, 1.0):
        return boxes
    from posetrack.structures import Detections

    def at(frame: int) -> Detections:
        stored = boxes(frame)
        return Detections(stored.xyxy * (*scale, *scale), stored.scores)

    return at


def _count_frames(video: Any, arguments: argparse.Namespace) -> int | None:
    """How many frames there will be, as far as the video says."""
    ends = [end for end in (video.count, arguments.stop) if end is not None]
    return len(range(arguments.start, min(ends), arguments.stride)) if ends else None


def _settings(arguments: argparse.Namespace) -> dict[str, object]:
    """All options as they were used, for the files' provenance; it names the source by itself.

    An address may hold a password, which the provenance leaves out.
    """
    others = ("run", "command", "sources")
    return {key: value for key, value in sorted(vars(arguments).items()) if key not in others}
