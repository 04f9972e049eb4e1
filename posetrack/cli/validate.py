"""``posetrack validate``: what a pose network gets right on annotated people."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from posetrack.cli import training_options as shared
from posetrack.cli.options import add_option

if TYPE_CHECKING:
    from torch import nn

    from posetrack.checkpoints.loading import PoseCheckpoint
    from posetrack.training import Samples


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``validate`` to the commands of ``posetrack``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "validate",
        help="measure a pose network on annotated people",
        description="Keypoints of the annotated boxes against the annotated ones: COCO's AP, "
        "MPII's PCKh, PCK by the box elsewhere. Networks that see the whole image find people "
        "by themselves; each annotated person is compared with whom OKS gives them. All numbers "
        "are fractions.",
    )
    shared.add_data_options(parser)
    parser.add_argument("--weights", metavar="FILE|NAME", help="weights of any known kind")
    parser.add_argument(
        "--colours", choices=("bgr", "rgb"), help="order of the network's input, if it is known"
    )
    add_option(
        parser, "training.validation:predict", "batch_size", "(default: %(default)s)", metavar="N"
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Measure and print; 0 when done."""
    shared.require(args, "data", "images", "annotations", "weights")
    shared.check_data(args)
    from posetrack.training.distributed import join

    _, device = join(args.device)
    wanted = shared.find_skeleton(args.skeleton)
    people = shared.read_people(args.data, args.annotations, args.images, args, wanted)
    path, network, checkpoint = shared.open_weights(args, people)
    row, how = _numbers(args, people, network.to(device), checkpoint)
    if args.json:
        print(json.dumps({"weights": str(path), "people": len(people), **row}))
        return 0
    print(shared.describe(people, args.annotations))
    size = "{1}x{0}".format(*checkpoint.input_size)
    print(shared.table(row, f"{path}, {size}, {how}"))
    return 0


def _numbers(
    args: argparse.Namespace, people: Samples, network: nn.Module, checkpoint: PoseCheckpoint
) -> tuple[dict[str, float], str]:
    """The numbers, and how they were found in words."""
    from posetrack.networks.posenet import PoseNet
    from posetrack.networks.trtpose import TrtPose
    from posetrack.training import measure, predict
    from posetrack.training.bottom_up_validation import find_people, measure_people

    truth = shared.truth_of(args.data, args.annotations)
    common: dict[str, Any] = {
        "input_size": checkpoint.input_size,
        "normalisation": checkpoint.normalisation,
    }
    if isinstance(network, PoseNet | TrtPose):
        asked = people.map_to(checkpoint.skeleton)
        found = find_people(network, asked, **common)
        return measure_people(asked, found, truth=truth), "people found in the whole image"
    flip_test = not args.no_flip_test
    keypoints = predict(
        network,
        people,
        **common,
        batch_size=args.batch_size,
        workers=args.workers,
        flip_test=flip_test,
    )
    return measure(people, *keypoints, truth=truth), f"flip test {'on' if flip_test else 'off'}"
