"""``posetrack samples``: a few rendered pictures and a clip, to try the other commands on."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from posetrack.cli.options import add_out

PICTURES, FRAMES, RATE, PEOPLE = 3, 75, 25, 3


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "samples",
        help="write a few rendered pictures and a clip to try things on",
        description="Write rendered pictures of people and a short clip, to try other commands "
        "on; needs no download.",
    )
    add_out(parser, "samples", "folder for them")
    parser.add_argument("--seed", type=int, default=2, help="draws people and places")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Render and write."""
    from posetrack.cli.input_checks import check_folder
    from posetrack.runs.pictures import write_picture
    from posetrack.video import VideoWriter
    from posetrack.world import street

    check_folder(arguments.out)
    folder: Path = arguments.out
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    for number in range(PICTURES):
        scene = street(people=PEOPLE, frames=1, seed=arguments.seed + number, rate=RATE)
        write_picture(next(scene.images()), folder / "pictures" / f"street-{number + 1}.jpg")
    scene = replace(
        street(people=PEOPLE, frames=FRAMES, seed=arguments.seed, rate=RATE),
        threads=os.cpu_count() or 1,
    )
    with VideoWriter(folder / "street.mp4", rate=RATE) as video:
        for image in scene.images():
            video.write(image)
    print(
        f"{PICTURES} pictures -> {folder / 'pictures'}, {FRAMES} frames -> {folder / 'street.mp4'}"
    )
    print(
        "try: posetrack track "
        f"{folder / 'street.mp4'} --preset bundled -o out/   (or {folder / 'pictures'} --unrelated)"
    )
    return 0
