"""``posetrack convert``: tracks from any format that is read to any that is written."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, TypeAlias

from posetrack.cli.input_checks import check_files, check_folder
from posetrack.cli.network_options import skeleton_from
from posetrack.cli.options import add_out, add_rate, picture_size_from
from posetrack.files import legal_name
from posetrack.formats.registry import FORMATS, as_text
from posetrack.runs.outputs import formats_from
from posetrack.skeletons import COCO_18

Writer: TypeAlias = Callable[[Path, Any], object]
"""Writes trajectories to a path; may return the list of files it made of it."""

ENDINGS = {name: known.ending for name, known in FORMATS.items() if known.writes}


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "convert",
        help="read and write tracks in the formats of other programs",
        description="Read tracks from any format that is read (its kind shows in its content) "
        "and write them in others. What each keeps: posetrack convert --formats.",
        epilog="movement, sleap, dlc-h5 and yolo need pip install 'posetrack[formats]', nwb, slp "
        "and c3d need 'posetrack[nwb]', 'posetrack[sleap]' and 'posetrack[c3d]'.",
    )
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        nargs="?",
        help="a file, a folder, or a zip of one; also what lies in a zip, as export.zip/train",
    )
    parser.add_argument("--to", metavar="LIST", help=f"formats, of {', '.join(ENDINGS)}")
    add_out(parser)
    parser.add_argument("--formats", action="store_true", help="show what each keeps, and end")
    parser.add_argument(
        "--untracked",
        action="store_true",
        help="read people without identities, too; their ids are then places in each frame",
    )
    add_reading(parser)
    add_scale(parser)
    parser.set_defaults(run=run)


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add what a file of tracks may not say itself."""
    add_rate(parser)
    parser.add_argument(
        "--skeleton",
        metavar="NAME|FILE.toml",
        help="what the keypoints are, where the file names none; body_25 (the default) or coco_18 "
        "for OpenPose's files that are written",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="FILE",
        help="the video's images in order, for results that name frames by them: a COCO "
        "annotation file or a name a line",
    )
    parser.add_argument(
        "--image-size",
        metavar="WxH",
        type=picture_size_from,
        help="the images' size, for places that are fractions of it (YOLO)",
    )


def add_scale(parser: argparse.ArgumentParser) -> None:
    """Add how long a pixel is."""
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument(
        "--metres-per-pixel",
        type=float,
        metavar="M",
        help="scale for trc and c3d; without a scale they are in pixels",
    )
    scale.add_argument(
        "--height",
        metavar="[ID=]M",
        help="scale for trc and c3d by a person's height in metres, without ID of the person in "
        "most frames",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read once, write each format."""
    if arguments.formats:
        print(as_text())
        return 0
    if arguments.file is None or arguments.to is None:
        raise ValueError("expected a file and --to LIST (or --formats)")
    paths = paths_of(arguments)
    trajectories = read_tracks(arguments, untracked=arguments.untracked)
    written = write_all(trajectories, paths, arguments)
    print(
        f"{name_of(arguments.file)}: {len(trajectories)} frames, {len(trajectories.ids)} people -> "
        + ", ".join(map(str, written))
    )
    return 0


def paths_of(arguments: argparse.Namespace) -> dict[str, Path]:
    """Where each format of ``--to`` goes; never over the file that is read."""
    formats = formats_from("--to", arguments.to, ENDINGS)
    if not formats:
        raise ValueError(f"--to: expected a list of {', '.join(ENDINGS)}")
    check_files(arguments.file, arguments.images)
    check_folder(arguments.out)
    source: Path = arguments.file
    if arguments.skeleton is not None:
        skeleton_from(arguments.skeleton)
    name = name_of(source)
    paths = {kind: arguments.out / f"{name}{ENDINGS[kind]}" for kind in formats}
    for kind, path in paths.items():
        if path.resolve() == source.resolve():
            raise ValueError(f"--to {kind} would replace {source} itself; give another --out")
    return paths


def write_all(
    trajectories: Any, paths: dict[str, Path], arguments: argparse.Namespace
) -> list[Path]:
    """Write each format; gives the files made."""
    if arguments.height is not None:
        arguments.metres_per_pixel = _scale(trajectories, arguments.height)
    arguments.out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for kind, path in paths.items():
        result = writer_of(kind, arguments)(path, trajectories)
        written += result if isinstance(result, list) else [path]
    return written


def name_of(source: Path) -> str:
    """The name of the files: the source's, without the ending of its format."""
    endings = sorted(ENDINGS.values(), key=len, reverse=True)
    found = next((ending for ending in endings if source.name.endswith(ending)), "")
    if found:
        return legal_name(source.name.removesuffix(found) or source.name)
    return legal_name(source.name if source.is_dir() else source.stem)


def read_tracks(arguments: argparse.Namespace, *, untracked: Any) -> Any:
    """The file of the line, with what the line says of it."""
    from posetrack.formats.reading import read_images
    from posetrack.trajectories import load

    return load(
        arguments.file,
        rate=arguments.rate,
        skeleton=None if arguments.skeleton is None else skeleton_from(arguments.skeleton),
        images=None if arguments.images is None else read_images(arguments.images),
        untracked=untracked,
        image_size=arguments.image_size,
    )


def _scale(trajectories: Any, given: str) -> float:
    """Metres a pixel by ``1.75`` or ``3=1.75``."""
    from posetrack.analysis.metres import metres_per_pixel

    given_id, _, height = given.rpartition("=")
    try:
        identity, metres = int(given_id) if given_id else None, float(height)
    except ValueError:
        raise ValueError(f"--height {given}: expected metres, or ID=metres") from None
    return metres_per_pixel(trajectories, metres, person=identity)


def writer_of(kind: str, arguments: argparse.Namespace) -> Writer:
    """The function that writes trajectories in a format."""
    from posetrack.trajectories import save

    own: dict[str, Writer] = {
        "csv": lambda path, trajectories: save(trajectories, path),
        "parquet": lambda path, trajectories: save(trajectories, path),
        "opensim-mot": _motions,
    }
    if kind in own:
        return own[kind]
    module, _, name = FORMATS[kind].writer.partition(":")
    write = getattr(import_module(f"posetrack.formats.{module}"), name)
    if isinstance(write, type):
        return _by_frame(write)
    given: dict[str, Any] = {
        "metres_per_pixel": arguments.metres_per_pixel,
        "image_size": getattr(arguments, "image_size", None),
    }
    if arguments.skeleton == "coco_18":
        given["skeleton"] = COCO_18  # OpenPose's older model; its usual one is BODY_25
    wanted = signature(write).parameters
    settings = {key: value for key, value in given.items() if key in wanted}
    return lambda path, tracks: write(path, tracks.to_table(), **settings)


def _motions(path: Path, tracks: Any) -> list[Path]:
    """The angles of each person, from their first frame to their last, a file each."""
    from posetrack.formats.opensim import trc_path, write_opensim_mot
    from posetrack.ops.angles import angle_names

    written = []
    names = angle_names(tracks.skeleton)
    for identity in tracks.ids.tolist():
        person = tracks.person(identity)
        columns = {name: person.angle(name) for name in names}
        written.append(trc_path(path, identity))
        write_opensim_mot(written[-1], person.seconds, columns)
    return written


def _by_frame(opened: Any) -> Writer:
    def write(path: Path, tracks: Any) -> None:
        known = {key: tracks.metadata.get(key) for key in ("provenance", "image_size", "rate")}
        with opened(path, tracks.skeleton, **known) as sink:
            for frame in tracks.to_table().frames():
                sink.write(*frame)

    return write
