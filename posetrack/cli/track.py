"""``posetrack track``: from videos to tables, PoseTrack files and overlays."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from posetrack.build import DefaultKind, DefaultNetwork
from posetrack.cli.build import (
    FLOWS,
    build_detector,
    build_estimator,
    build_flow,
    check_networks,
    device_from,
    find_defaults,
    is_bottom_up,
    size_from,
    skeleton_ahead,
    weight_files,
)
from posetrack.cli.cleaning import add_cleaning, check_cleaning, wants_cleaning
from posetrack.cli.outputs import (
    FORMATS,
    Outputs,
    check_folder,
    formats_from,
    is_camera,
    output_name,
)
from posetrack.cli.overlay import add_faces
from posetrack.cli.track_angles import (
    add_angles,
    check_angle_names,
    check_angles,
    write_angles,
)

_SWITCHES = ("flow_boxes", "flow_similarity", "coasting")
_NUMBERS = (
    "detect_every",
    "memory",
    "recency",
    "box_growth",
    "max_box_iou",
    "max_oks",
    "min_similarity",
    "min_keypoint_score",
    "min_pose_score",
    "min_new_score",
    "min_hits",
    "max_missed",
)


def add_parser(commands: Any) -> None:
    """Add the command and its options; what they default to is the tracker's own."""
    parser = commands.add_parser(
        "track",
        help="track the people in videos",
        description="Track the people in videos and write every person's keypoints over time. "
        "With cleaning, the tables and the overlay are of the cleaned tracks, and what the tracker "
        "gave is kept in NAME.raw.parquet.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
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
    parser.add_argument("--trails", type=int, default=0, metavar="N", help="draw the last N places")
    add_angles(parser)
    add_faces(parser)
    parser.add_argument(
        "--plot",
        action="store_true",
        help="write pictures, too: who was there when, trails, a heat map, and for one selected "
        "person keypoints, angles and stick figures",
    )
    _add_networks(parser)
    add_tracker(parser)
    add_cleaning(parser)
    frames = parser.add_argument_group("frames")
    frames.add_argument("--start", type=int, default=0, help="first frame")
    frames.add_argument("--stop", type=int, default=None, help="frame to stop before")
    frames.add_argument("--stride", type=int, default=1, help="take every n-th frame")
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
    frames.add_argument("--ahead", type=int, default=2, help="frames detected ahead; 0: none")
    parser.set_defaults(run=run)


def _add_networks(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("networks")
    group.add_argument(
        "--detector",
        metavar="NAME|FILE",
        help="a name of `posetrack models list`, hog, or FILE.onnx",
    )
    group.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="people's boxes from PoseTrack18 or COCO JSON or MOT text, in place of a detector",
    )
    group.add_argument(
        "--decode",
        metavar="LAYOUT|MODULE:FUNCTION",
        help="layout of an ONNX detector's answers, such as fastestdet or yolox, or your function",
    )
    group.add_argument(
        "--detector-size",
        type=size_from,
        metavar="HEIGHTxWIDTH",
        help="input size of an ONNX detector whose file leaves it open",
    )
    group.add_argument("--min-score", type=float, help="detections below are dropped")
    group.add_argument("--max-iou", type=float, help="NMS inside the detector")
    group.add_argument(
        "--estimator",
        metavar="NAME|FILE",
        help="a name of `posetrack models list`, FILE.onnx, or a checkpoint",
    )
    group.add_argument("--skeleton", metavar="NAME|FILE.toml", help="what its keypoints are")
    group.add_argument(
        "--size", type=size_from, metavar="HEIGHTxWIDTH", help="its input size, if not in the file"
    )
    group.add_argument("--flip-test", action="store_true", help="average with the mirrored crop")
    group.add_argument("--dark", action="store_true", help="DARK decoding of heatmaps")
    group.add_argument("--flow", choices=FLOWS, default="dis", help="optical flow")
    group.add_argument(
        "--device",
        type=device_from,
        default="auto",
        help="auto, cpu, cuda, cuda:1; for ONNX networks also coreml, directml, openvino",
    )
    group.add_argument("--offline", action="store_true", help="never download")


def add_tracker(
    parser: argparse.ArgumentParser, names: Sequence[str] = (*_NUMBERS, *_SWITCHES)
) -> None:
    """Add settings of the tracker, with its own words and defaults."""
    from posetrack.tracking.tracker import Tracker

    group = parser.add_argument_group("tracker (see posetrack.Tracker)")
    signature = inspect.signature(Tracker).parameters
    meaning = _first_sentences(inspect.getdoc(Tracker) or "")
    for name in names:
        default = signature[name].default
        kind: dict[str, Any] = (
            {"action": argparse.BooleanOptionalAction}
            if isinstance(default, bool)
            else {"type": type(default), "metavar": "N" if isinstance(default, int) else "X"}
        )
        flag = "--" + name.replace("_", "-")
        # Under python -OO there are no docstrings, and so no help.
        group.add_argument(flag, default=default, help=meaning.get(name), **kind)
    group.add_argument(
        "--similarity", choices=("oks", "iou"), default="oks", help="of poses or boxes"
    )
    group.add_argument("--match", choices=("greedy", "optimal"), default="greedy", help="matching")


def _first_sentences(docstring: str) -> dict[str, str]:
    """What each parameter of a numpydoc docstring means, in its first sentence."""
    meaning: dict[str, str] = {}
    name = ""
    for line in docstring.partition("Examples\n")[0].splitlines():
        if line and not line.startswith(" "):
            name = line.strip()
        elif name and line.strip():
            meaning[name] = f"{meaning.get(name, '')} {line.strip()}".strip()
    return {
        key: re.split(r"(?<=[.:;]) ", text)[0].rstrip(".:;").replace("%", "%%").replace("`", "")
        for key, text in meaning.items()
    }


def run(arguments: argparse.Namespace) -> int:
    """Track each video in turn."""
    formats = formats_from("--format", arguments.formats, FORMATS)
    if arguments.trails < 0:
        raise ValueError(f"--trails must be at least 0, got {arguments.trails}")
    check_cleaning(arguments)
    check_angles(arguments, formats)
    _check_pictures(arguments, formats)
    check_folder(arguments.out)
    check_networks(arguments)
    check_angle_names(arguments, skeleton_ahead(arguments))
    _check_sources(arguments.sources)
    boxes = _boxes(arguments)
    tracker, defaults = _tracker(arguments)
    names: set[str] = set()
    keep = [Path(source) for source in arguments.sources]
    for source in arguments.sources:
        name = output_name(source, names)
        names.add(name)
        weights = weight_files(arguments, tracker.estimator, defaults)
        keep += _track(source, name, formats, tracker, boxes, arguments, weights, keep)
        tracker.reset()
    return 0


def _check_pictures(arguments: argparse.Namespace, formats: list[str]) -> None:
    """Refuse pictures that cannot be made, before hours have passed."""
    if arguments.blur_faces and not arguments.overlay:
        raise ValueError("--blur-faces is for the overlay; leave --no-overlay away")
    if not arguments.plot:
        return
    if not (wants_cleaning(arguments) or {"csv", "parquet"} & set(formats)):
        raise ValueError("--plot draws what is in a table: add parquet or csv to --format")
    from posetrack.plots.paper import empty_figure

    empty_figure(width=1, height=1)  # says how to get matplotlib, if it is not there


def _check_sources(sources: list[str]) -> None:
    """Say what is wrong with any of them before networks are fetched and hours have passed."""
    from posetrack.video import open_video
    from posetrack.video.checking import check_live

    for source in sources:
        if is_camera(source) or "://" in source:
            check_live(int(source) if is_camera(source) else source)  # opened once
        else:
            open_video(source, prefetch=0).close()


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
    if detector is None and not (alone or arguments.boxes):
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


def tracker_settings(
    arguments: argparse.Namespace, names: Sequence[str] = (*_NUMBERS, *_SWITCHES)
) -> dict[str, Any]:
    """The tracker's keywords that `add_tracker` added."""
    from posetrack.ops.matching import match_greedily, match_optimally
    from posetrack.tracking.association import box_similarity, pose_similarity

    return {
        "similarity": {"oks": pose_similarity, "iou": box_similarity}[arguments.similarity],
        "match": {"greedy": match_greedily, "optimal": match_optimally}[arguments.match],
        **{name: getattr(arguments, name) for name in names},
    }


def _track(
    source: str,
    name: str,
    formats: list[str],
    tracker: Any,
    boxes: Callable[[int], Any] | None,
    arguments: argparse.Namespace,
    weights: dict[str, Any],
    keep: list[Path],
) -> list[Path]:
    """One video; gives the files it wrote, none of which is among those to keep."""
    from tqdm import tqdm

    from posetrack.tracking.pipeline import track_video
    from posetrack.video import open_video

    def opened() -> Any:
        return open_video(
            source,
            start=arguments.start,
            stop=arguments.stop,
            stride=arguments.stride,
            rate=arguments.rate,
            stored_pixels=arguments.stored_pixels,
        )

    comes_once = is_camera(source) or "://" in source
    with ExitStack() as stack:
        video = stack.enter_context(opened())
        if boxes is not None:
            boxes = _scaled(boxes, video.scale)
        outputs = stack.enter_context(
            Outputs(
                video,
                name,
                formats,
                _settings(arguments),
                weights,
                arguments,
                keep=keep,
                reopen=None if comes_once else opened,
                explain=lambda: tracker.explanation,
            )
        )
        bar = stack.enter_context(
            tqdm(total=_expected(video, arguments), unit=" frames", desc=name, disable=None)
        )
        people: set[int] = set()
        for frame, tracks in track_video(video, tracker, boxes=boxes, ahead=arguments.ahead):
            people.update(tracks.ids.tolist())
            outputs.write(frame, tracks)
            bar.update()
            bar.set_postfix_str(f"{len(tracks)} people, {len(people)} ids", refresh=False)
    cleaned = outputs.clean()
    write_angles(outputs, arguments)
    outputs.plot()
    if outputs.paths:
        written = ", ".join(str(path) for path in outputs.paths)
        print(f"{name}: {outputs.frames} frames, {len(people)} people -> {written}")
        if cleaned:
            print(f"{name}: cleaned: {cleaned}")
    else:
        print(f"{name}: no frame between --start and --stop, nothing written")
    for problem in outputs.problems():
        print(f"{name}: {problem}", file=sys.stderr)
    return outputs.paths


def _scaled(boxes: Callable[[int], Any], scale: tuple[float, float]) -> Callable[[int], Any]:
    """Boxes given in a video's stored pixels, in those of its images."""
    if scale == (1.0, 1.0):
        return boxes
    from posetrack.structures import Detections

    def at(frame: int) -> Detections:
        stored = boxes(frame)
        return Detections(stored.xyxy * (*scale, *scale), stored.scores)

    return at


def _expected(video: Any, arguments: argparse.Namespace) -> int | None:
    """How many frames there will be, as far as the video says."""
    ends = [end for end in (video.count, arguments.stop) if end is not None]
    return len(range(arguments.start, min(ends), arguments.stride)) if ends else None


def _settings(arguments: argparse.Namespace) -> dict[str, object]:
    """All options as they were used, for the files' provenance; it names the source by itself.

    An address may hold a password, which the provenance leaves out.
    """
    others = ("run", "command", "sources")
    return {key: value for key, value in vars(arguments).items() if key not in others}
