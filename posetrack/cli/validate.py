"""``posetrack validate``: what a pose network gets right on annotated people."""

from __future__ import annotations

import argparse
import json
from typing import Any

from posetrack.cli import training as shared


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``validate`` to the commands of ``posetrack``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "validate",
        help="measure a pose network on annotated people",
        description="Keypoints of the annotated boxes against the annotated ones: COCO's AP, "
        "MPII's PCKh, PCK by the box elsewhere. All numbers are fractions.",
    )
    shared.add_data_options(parser)
    parser.add_argument("--weights", metavar="FILE|NAME", help="weights of any known kind")
    parser.add_argument(
        "--colours", choices=("bgr", "rgb"), help="order of the network's input, if it is known"
    )
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="(default: 32)")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Measure and print; 0 when done."""
    from posetrack.training import measure, predict
    from posetrack.training.processes import join

    shared.require(args, "data", "images", "annotations", "weights")
    _, device = join(args.device)
    wanted = shared.skeleton_named(args.skeleton)
    people = shared.read_people(args.data, args.annotations, args.images, args, wanted)
    path, network, about = shared.open_weights(args, people)
    found = predict(
        network.to(device),
        people,
        input_size=about.input_size,
        normalisation=about.normalisation,
        batch_size=args.batch_size,
        workers=args.workers,
        flip_test=not args.no_flip_test,
    )
    row = measure(people, *found, truth=shared.truth_of(args.data, args.annotations))
    if args.json:
        print(json.dumps({"weights": str(path), "people": len(people), **row}))
        return 0
    print(shared.describe(people, args.annotations))
    size = "{1}x{0}".format(*about.input_size)
    print(shared.table(row, f"{path}, {size}, flip test {'off' if args.no_flip_test else 'on'}"))
    return 0
