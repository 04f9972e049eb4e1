"""``posetrack overlay``: a video drawn again from stored tracks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from posetrack.cli.input_checks import check_files, check_new_file, check_video
from posetrack.cli.options import add_option
from posetrack.cli.plot import add_part, explain_unknown_names, people_of, span_of

_BACKGROUNDS = {"video": None, "black": (0, 0, 0), "white": (255, 255, 255)}
COVERS = ("blur", "pixelate", "fill")


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "overlay",
        help="draw a video from stored tracks",
        description="Draw stored tracks, of any format that is read, over their video, or as "
        "skeletons on black or white; and cover faces. The sound is left out.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="stored tracks")
    parser.add_argument(
        "--video", metavar="VIDEO", help="the video that was tracked; not needed on black or white"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="NEW.mp4",
        help="the video to write; it appears when it is whole",
    )
    add_part(parser)
    parser.add_argument(
        "--background",
        choices=tuple(_BACKGROUNDS),
        default="video",
        help="draw over the video, or on a plain ground",
    )
    looks = parser.add_argument_group("what is drawn")
    add_option(looks, "draw.video:draw_video", "trails", "the last N places, too", metavar="N")
    looks.add_argument("--no-boxes", action="store_true", help="leave boxes away")
    looks.add_argument("--no-labels", action="store_true", help="leave ids away")
    looks.add_argument(
        "--no-people", action="store_true", help="draw nobody, to cover faces and nothing else"
    )
    add_option(looks, "draw.video:draw_video", "min_score", "of keypoints drawn")
    looks.add_argument("--thickness", type=float, metavar="PIXELS", help="of limbs")
    faces = parser.add_argument_group(
        "privacy (faces of people that the tracker did not find stay visible: watch the "
        "video before you pass it on)"
    )
    add_faces(faces)
    faces.add_argument(
        "--faces-of",
        type=Path,
        metavar="FILE",
        help="tracks of everybody, where FILE holds some people alone (default: NAME.raw.parquet "
        "beside it, if there is one)",
    )
    parser.set_defaults(run=run)


def add_faces(group: Any) -> None:
    """``--blur-faces``, also for ``posetrack track``."""
    group.add_argument(
        "--blur-faces",
        nargs="?",
        const="blur",
        choices=COVERS,
        help="cover faces, also where they may be or were a moment ago; pixelate or fill instead "
        "of blurring them",
    )


def run(arguments: argparse.Namespace) -> int:
    """Load, select, draw frame by frame."""
    if arguments.trails < 0:
        raise ValueError(f"--trails must be at least 0, got {arguments.trails}")
    ground = _BACKGROUNDS[arguments.background]
    if ground is None and arguments.video is None:
        raise ValueError("expected --video VIDEO, or --background black or white")
    if ground is not None and arguments.blur_faces:
        raise ValueError("--blur-faces is for --background video; there are no faces on others")
    if arguments.faces_of is not None and not arguments.blur_faces:
        raise ValueError("--faces-of goes with --blur-faces")
    from posetrack.video.writer import VIDEO_ENDINGS

    check_files(arguments.file, arguments.faces_of)
    check_new_file(arguments.out, VIDEO_ENDINGS)
    check_video(arguments.video)
    from posetrack.draw import draw_video
    from posetrack.trajectories import load

    with explain_unknown_names():
        whole = load(arguments.file, rate=arguments.rate)
        part = people_of(whole, arguments.person)
    everybody = _everybody(arguments) if arguments.blur_faces else []
    drawn = draw_video(
        part,
        arguments.out,
        video=arguments.video,
        background=ground,
        seconds=span_of(arguments),
        people=not arguments.no_people,
        faces=arguments.blur_faces,
        everybody=[whole, *everybody],
        trails=arguments.trails,
        boxes=not arguments.no_boxes,
        labels=not arguments.no_labels,
        min_score=arguments.min_score,
        thickness=arguments.thickness,
    )
    print(
        f"{arguments.file.stem}: {drawn.frames} frames, {len(part.ids)} people -> {arguments.out}"
    )
    for note in drawn.notes:
        print(f"{arguments.file.stem}: {note}", file=sys.stderr)
    return 0


def _everybody(arguments: argparse.Namespace) -> list[Any]:
    """Tracks of all whose faces are to be covered."""
    from posetrack.trajectories import load

    file: Path = arguments.file
    other = arguments.faces_of or file.with_name(f"{file.stem}.raw.parquet")
    if arguments.faces_of is None and not other.exists():
        return []
    print(f"{file.stem}: faces of everybody in {other}", file=sys.stderr)
    return [load(other, rate=arguments.rate)]
