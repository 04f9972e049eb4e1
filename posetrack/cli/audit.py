"""``posetrack audit``: doubtful identities found, drawn, and corrected by a file of edits."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from posetrack.cli.convert import name_of
from posetrack.cli.input_checks import check_files, check_folder, check_video
from posetrack.cli.options import add_option, add_out

_TABLES = (".parquet", ".csv")


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "audit",
        help="find doubtful identities, and correct them",
        description="Rank the moments at which an identity may be wrong; with the video, also by "
        "the colours people wear, and drawn. With --apply, write a table corrected by a file of "
        "edits: swap 3 5 from 12.4s; swap 3 5 f310..f350; merge 7 into 3; split 4 at 8.2s as 9; "
        "delete 6; rename 2 to 10. Where the people were whom it names is kept in "
        "EDITS.anchors.json, so that it can be applied to another run, whatever the ids there.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a table, .parquet or .csv")
    parser.add_argument("--video", metavar="VIDEO", help="what the tracks are of")
    add_out(parser, words="folder; with --apply also a file .parquet or .csv")
    parser.add_argument("--top", type=int, default=30, metavar="N", help="how many moments")
    add_option(
        parser,
        "audit.review:review_table",
        "min_score",
        "less doubtful ones are left out",
        metavar="X",
    )
    parser.add_argument("--apply", type=Path, metavar="EDITS", help="a file of edits, one a line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Rank, or correct."""
    if arguments.top < 1:
        raise ValueError(f"--top must be at least 1, got {arguments.top}")
    check_files(arguments.file, arguments.apply)
    check_video(arguments.video)
    return _apply(arguments) if arguments.apply is not None else _rank(arguments)


def _rank(arguments: argparse.Namespace) -> int:
    from posetrack.audit import review_table, write_moments
    from posetrack.trajectories import load

    check_folder(arguments.out)
    trajectories = load(arguments.file)
    moments = review_table(
        arguments.file, trajectories, video=arguments.video, min_score=arguments.min_score
    )[: arguments.top]
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = name_of(arguments.file)
    table = arguments.out / f"{name}.doubts.csv"
    write_moments(table, moments)
    for rank, one in enumerate(moments, 1):
        when = f"{one.seconds:8.2f} s  f{one.frame:<6}"
        print(f"{rank:3}  {one.score:.2f}  {when}  {one.edit:28}  {one.reason}")
    files = [table, *_proposal(arguments.out / f"{name}.edits.txt", moments)]
    if arguments.video is not None and moments:
        folder = arguments.out / f"{name}.doubts"
        _draw(arguments.video, trajectories, moments, folder)
        files.append(folder)
    print(f"{name}: {len(moments)} doubtful moments -> {', '.join(map(str, files))}")
    return 0


def _proposal(path: Path, moments: list[Any]) -> list[Path]:
    """A file of edits to choose from; one that is there may be the user's work, and stays."""
    from posetrack.files import write_whole

    if path.exists() or not any(one.edit for one in moments):
        return []
    lines = ["# Take away the # of those that are right, then: posetrack audit FILE --apply THIS"]
    ordered = sorted((one for one in moments if one.edit), key=lambda one: one.frame)
    lines += [f"# {one.edit}  # {one.score:.2f}: {one.reason}" for one in ordered]
    write_whole(path, "".join(f"{line}\n" for line in lines))
    return [path]


def _draw(video: str, trajectories: Any, moments: list[Any], folder: Path) -> None:
    import cv2

    from posetrack.audit import draw_moments
    from posetrack.files import write_whole
    from posetrack.video.reader import open_tracked

    folder.mkdir(parents=True, exist_ok=True)
    with open_tracked(video, trajectories.metadata.get("image_size")) as frames:
        for number, image in draw_moments(frames, trajectories, moments):
            one = moments[number]
            ids = "-".join(map(str, one.ids))
            done, data = cv2.imencode(".jpg", image)
            if not done:
                raise RuntimeError(f"{folder}: moment {number + 1} could not be encoded")
            path = folder / f"{number + 1:02}_f{one.frame}_id{ids}.jpg"
            write_whole(path, data.tobytes(), durable=False)


def _apply(arguments: argparse.Namespace) -> int:
    from posetrack.audit.edits import apply_file, save_anchors
    from posetrack.audit.edits.edit_files import anchors_path
    from posetrack.trajectories import load, save

    path, target = arguments.apply, _target(arguments)
    check_folder(target.parent)
    trajectories = load(arguments.file)
    applied = apply_file(trajectories, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    save(applied.trajectories, target)
    save_anchors(anchors_path(path), applied.asked, applied.anchors)
    for note in applied.notes:
        print(f"{path}: {note}", file=sys.stderr)
    before, after = len(trajectories.ids), len(applied.trajectories.ids)
    print(
        f"{name_of(arguments.file)}: {len(applied.done)} edits, {before} people before, "
        f"{after} after -> {target}"
    )
    return 0


def _target(arguments: argparse.Namespace) -> Path:
    """Where the corrected table goes; never over the one that is read."""
    out: Path = arguments.out
    source: Path = arguments.file
    if out.suffix.lower() in _TABLES and not out.is_dir():
        target = out
    else:
        suffix = source.suffix if source.suffix.lower() in _TABLES else ".parquet"
        target = out / f"{name_of(source)}.edited{suffix}"
    if target.resolve() == source.resolve():
        raise ValueError(f"{target} is what is read; give another --out")
    return target
