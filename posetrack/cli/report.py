"""``posetrack report``: a page of a run, in one HTML file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from posetrack.cli.analyse import exercises_from, height_from, read_floor
from posetrack.cli.input_checks import check_files, check_folder, check_video
from posetrack.files import legal_name


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "report",
        help="one HTML page of a run: people, curves, pictures, doubts",
        description="Write a page of what `posetrack track -o OUT` left in a folder: NAME.report"
        ".html for each video in it. Pictures, a clip and the charts are inside, so that the file "
        "can be sent, opened without a network, and printed to PDF by the browser.",
        epilog='Needs Altair: pip install "posetrack[report]".',
    )
    parser.add_argument("results", type=Path, metavar="OUT", help="that folder, or a table in it")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FOLDER", help="where pages go (default: beside tables)"
    )
    parser.add_argument(
        "--video",
        metavar="VIDEO",
        help="what was tracked, where it is not where it was; else the overlay gives the pictures",
    )
    parser.add_argument(
        "--repetitions",
        metavar="LIST",
        help="squat, push-up, jumping-jack, or ANGLE:REST:REACHED, such as left_elbow:150:90 "
        "(default: those of the three that somebody does)",
    )
    parser.add_argument(
        "--rules", type=Path, metavar="FILE.toml", help="events with pictures: where rules hold"
    )
    parser.add_argument("--person", type=int, metavar="ID", help="this one only")
    parser.add_argument(
        "--height",
        type=height_from,
        metavar="HEIGHT",
        help="of the person who is there longest, or of --person: speeds in m/s",
    )
    parser.add_argument(
        "--floor", type=Path, metavar="FILE.toml", help="as for `posetrack analyse`: speeds in m/s"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Find the tables, and write a page of each."""
    check_files(arguments.results, arguments.rules, arguments.floor)
    check_video(arguments.video)
    from posetrack.analysis import metres_per_pixel, read_rules
    from posetrack.reports import find_results, write_report
    from posetrack.trajectories import load

    found = find_results(arguments.results)
    if arguments.video is not None and len(found) > 1:
        names = ", ".join(one.name for one in found[:8])
        raise ValueError(
            f"--video is of one table, and {arguments.results} has {len(found)}: {names}; give "
            "the table"
        )
    folder = arguments.out
    if folder is not None:
        check_folder(folder)
    exercises = exercises_from(arguments.repetitions)
    rules = read_rules(arguments.rules) if arguments.rules else []
    floor = read_floor(arguments.floor) if arguments.floor else None
    for one in found:
        scale = None
        if arguments.height is not None:
            scale = metres_per_pixel(load(one.table), arguments.height, person=arguments.person)
        target = folder or one.table.parent
        target.mkdir(parents=True, exist_ok=True)
        path = target / f"{legal_name(one.name)}.report.html"
        try:
            notes = write_report(
                one,
                path,
                video=arguments.video,
                exercises=exercises or None,
                rules=rules,
                person=arguments.person,
                metres_per_pixel=scale,
                floor=floor,
            )
        except KeyError as error:
            raise ValueError(f"{one.table}: {error.args[0]}") from error
        print(f"{one.name}: {path} ({path.stat().st_size / 1e6:.1f} MB)")
        for note in notes:
            print(f"{one.name}: {note}", file=sys.stderr)
    return 0
