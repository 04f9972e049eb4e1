"""``posetrack serve``: people in pictures and short videos, over HTTP."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from posetrack.cli.network_options import add_networks, check_networks
from posetrack.cli.options import Parser, add_option, add_settings, settings_from
from posetrack.cli.track import add_tracker, open_tracker
from posetrack.runs.presets import PRESETS
from posetrack.service.limits import Limits


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser: Parser = commands.add_parser(
        "serve",
        help="answer pictures and short videos over HTTP",
        description="POST a picture to /image or a short video to /video and get everybody's "
        "keypoints as JSON, or with ?out=jpg, png or mp4 drawn; GET /health and /metrics. It "
        "listens to this machine alone, and asks nobody who they are: put a proxy in front of it "
        "for others.",
    )
    add_option(parser, "service.server:open_server", "host", "where to listen", metavar="ADDRESS")
    add_option(parser, "service.server:open_server", "port", "0: any free one", metavar="N")
    parser.add_argument(
        "--fetch",
        action="store_true",
        help='clients may send {"url": "https://..."} in place of a file; addresses that are not '
        "on the public internet are refused",
    )
    parser.add_presets(PRESETS)
    add_networks(parser)
    add_settings(parser.add_rare_group("limits"), Limits)
    add_tracker(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load the networks, and answer until interrupted."""
    from posetrack.service.server import open_server
    from posetrack.service.work import Finder

    if arguments.boxes is not None:
        raise ValueError("clients' pictures have no file of boxes; leave --boxes away")
    limits = Limits(**settings_from(arguments, Limits))
    check_networks(arguments)
    tracker, _ = open_tracker(arguments)
    finder = Finder(tracker, limits)
    finder.warm_up()
    with open_server(finder, host=arguments.host, port=arguments.port, fetches=arguments.fetch) as (
        serve,
        _,
        address,
    ):
        print(f"posetrack: listening on {address}", file=sys.stderr)
        try:
            serve()
        except KeyboardInterrupt:  # the usual end of a server
            return 0
    return 0
