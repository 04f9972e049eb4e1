"""``posetrack models convert``: any known checkpoint as safetensors that explain themselves."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from posetrack.checks import did_you_mean
from posetrack.cli.input_checks import check_files, check_new_file
from posetrack.ops.crops import IMAGENET_BGR_AS_TRAINED, IMAGENET_RGB, UNIT, Normalisation

NORMALISATIONS = {
    "imagenet-rgb": IMAGENET_RGB,
    "imagenet-bgr": IMAGENET_BGR_AS_TRAINED,
    "unit": UNIT,
    "plus-minus-one": Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), rgb=True),
}
"""Known normalisations of pixels into a network's input; imagenet-bgr is the paper's authors'."""


def add_action(actions: Any) -> None:
    """Add ``convert`` to the commands of ``posetrack models``."""
    from posetrack.cli.options import size_from

    parser = actions.add_parser(
        "convert",
        help="write a checkpoint as safetensors that say what they need",
        description="Write a checkpoint of any known kind (the paper's and HRNet's authors', "
        "mmpose's, torchvision's, trt_pose's, PoseNet's, ours) as safetensors whose header says "
        "its keypoints, input size, colours, decoding, training data and licence. What is not "
        "given is taken from the file, else it is what is usual for its kind. Nothing in the file "
        "is run.",
    )
    parser.add_argument("input", metavar="IN", help="the checkpoint")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT.safetensors", help="file to write"
    )
    parser.add_argument("--skeleton", metavar="NAME|FILE.toml", help="what its keypoints are")
    parser.add_argument("--size", type=size_from, metavar="HEIGHTxWIDTH", help="its input size")
    parser.add_argument(
        "--normalisation",
        type=normalisation_from,
        metavar="NAME|ORDER:MEAN:STD",
        help=f"{', '.join(NORMALISATIONS)}; or such as rgb:0.48,0.45,0.40:0.22,0.22,0.22",
    )
    parser.add_argument(
        "--decode", choices=("quarter", "argmax", "dark"), help="how heatmaps become keypoints"
    )
    parser.add_argument(
        "--sigma",
        type=float,
        metavar="CELLS",
        help="of the Gaussians it was trained on, which decides DARK's blur: usually 2, and 3 from "
        "384x288 on",
    )
    parser.add_argument("--training-data", metavar="TEXT", help="what it was trained on")
    parser.add_argument("--licence", metavar="TEXT", help="how the weights may be used")
    parser.add_argument(
        "--partial",
        action="store_true",
        help="take what fits and fill up the rest at random, for training; prints what is random",
    )


def normalisation_from(text: str) -> Normalisation:
    """A normalisation by name, or by the order of its channels, means and deviations.

    Examples
    --------
    >>> normalisation_from("bgr:0,0,0:1,1,1").rgb
    False
    """
    if text in NORMALISATIONS:
        return NORMALISATIONS[text]
    order, _, numbers = text.partition(":")
    try:
        if order not in ("rgb", "bgr"):
            raise ValueError(order)
        mean, std = (tuple(map(float, part.split(","))) for part in numbers.split(":"))
        return Normalisation(mean, std, rgb=order == "rgb")  # type: ignore[arg-type]
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"expected one of {', '.join(NORMALISATIONS)}, or rgb:M,M,M:S,S,S, got {text!r}"
            + did_you_mean(text, NORMALISATIONS)
        ) from error


def run(args: argparse.Namespace) -> int:
    """Convert, and say what was written; 0 when it was."""
    from posetrack.cli.network_options import skeleton_from

    check_files(args.input)
    check_new_file(args.out, (".safetensors",))
    if args.skeleton:
        skeleton_from(args.skeleton)
    from posetrack.checkpoints.conversion import convert_checkpoint

    found, card = convert_checkpoint(
        args.input,
        args.out,
        skeleton=skeleton_from(args.skeleton) if args.skeleton else None,
        input_size=args.size,
        normalisation=args.normalisation,
        decode=_decode(args),
        training_data=args.training_data,
        licence=args.licence,
        partial=args.partial,
    )
    width, height = found.input_size
    colours = "RGB" if found.normalisation.rgb else "BGR"
    decode = "whole images" if card.decode is None else card.decode.method
    print(
        f"{args.out}: {found.source} weights, {found.skeleton.name}, {height}x{width}, {colours}, "
        f"{decode}"
    )
    for what, names in (("at random", found.missing), ("not used", found.left_over)):
        if names:
            print(f"{what}: {', '.join(names)}")
    for what in ("licence", "training_data"):
        if not getattr(card, what):
            print(f"no {what.replace('_', ' ')} is said: --{what.replace('_', '-')} TEXT")
    return 0


def _decode(args: argparse.Namespace) -> Any:
    """The options given, completed from the file; None if none was given."""
    from posetrack.checkpoints.card import Decode, read_card, usual_sigma

    if args.decode is None and args.sigma is None:
        return None
    path = Path(args.input)
    card = read_card(path) if path.is_file() else None
    size = args.size or (card.input_size if card else None) or (192, 256)
    decode = (card.decode if card else None) or Decode("quarter", usual_sigma(size))
    given = {"method": args.decode, "sigma": args.sigma}
    return dataclasses.replace(decode, **{key: val for key, val in given.items() if val})
