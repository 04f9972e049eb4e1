"""``posetrack clean``: stored tables of tracks, cleaned."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from posetrack.cli.cleaning import add_cleaning, cleaning_from
from posetrack.cli.input_checks import check_files, check_folder, check_video
from posetrack.cli.options import add_out
from posetrack.files import legal_name
from posetrack.runs.cleaned import describe_cleaning, write_formats
from posetrack.runs.outputs import ENDINGS, formats_from

_FORMATS = tuple(name for name in ENDINGS if name not in ("frames", "audit"))


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "clean",
        help="clean stored tracks",
        description="Clean a table of tracks (.csv or .parquet): take out what is wrong, mend, "
        "join, fill, smooth, and choose whose. The new table also holds the raw values.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a table, .parquet or .csv")
    add_out(parser, words="folder, or a file .parquet or .csv")
    parser.add_argument(
        "--format",
        dest="formats",
        default="parquet",
        metavar="LIST",
        help=f"for a folder: tables to write, of {', '.join(_FORMATS)}",
    )
    parser.add_argument(
        "--from-raw",
        action="store_true",
        help="begin with the raw values that a cleaned table holds",
    )
    parser.add_argument(
        "--video", metavar="VIDEO", help="the video, for --join to compare colours of clothes"
    )
    add_cleaning(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, clean, write."""
    settings = cleaning_from(arguments)
    if not (settings or arguments.from_raw):
        raise ValueError("nothing to do: give --fill, --smooth or another step; see --help-all")
    if arguments.video and arguments.join is None:
        raise ValueError("--video is for --join; leave it away or give --join TIME")
    check_files(arguments.file)
    check_video(arguments.video)
    paths = _paths(arguments)
    from posetrack.cleaning import clean, undo
    from posetrack.trajectories import load

    trajectories = load(arguments.file)
    if arguments.from_raw:
        trajectories = undo(trajectories)
    colours = _colours(arguments.video, trajectories) if arguments.video else None
    result = _add_provenance(clean(trajectories, **settings, colours=colours), arguments)
    next(iter(paths.values())).parent.mkdir(parents=True, exist_ok=True)
    write_formats(result, list(paths), lambda name: paths[name])
    files = ", ".join(map(str, paths.values()))
    print(f"{arguments.file.stem}: {describe_cleaning(trajectories, result)} -> {files}")
    return 0


def _paths(arguments: argparse.Namespace) -> dict[str, Path]:
    """Where each format goes; never over the table that is read."""
    source, out = arguments.file, arguments.out
    if out.suffix.lower() in (".parquet", ".csv") and not out.is_dir():
        paths = {out.suffix.lower()[1:]: out}
    else:
        check_folder(out)
        formats = formats_from("--format", arguments.formats, _FORMATS)
        if not formats:
            raise ValueError(f"--format: expected a list of {', '.join(_FORMATS)}")
        stem = legal_name(source.stem.removesuffix(".raw"))
        paths = {name: out / f"{stem}{ENDINGS[name]}" for name in formats}
    for path in paths.values():
        if path.resolve() == source.resolve():
            raise ValueError(f"{path} is what is read; give another --out")
    return paths


def _colours(video: str, trajectories: Any) -> dict[int, Any]:
    from posetrack.cleaning import collect_colours
    from posetrack.video.reader import open_tracked

    with open_tracked(video, trajectories.metadata.get("image_size")) as frames:
        return collect_colours(frames, trajectories)


def _add_provenance(result: Any, arguments: argparse.Namespace) -> Any:
    """The trajectories with the settings used in their provenance."""
    from posetrack import __version__
    from posetrack.formats.provenance import as_json

    settings = {key: value for key, value in vars(arguments).items() if key != "run"}
    before = dict(result.metadata.get("provenance") or {})
    steps = [*before.get("cleaned", []), {"posetrack": __version__, "settings": as_json(settings)}]
    provenance = before | {"cleaned": steps}
    return replace(result, metadata=dict(result.metadata) | {"provenance": provenance})
