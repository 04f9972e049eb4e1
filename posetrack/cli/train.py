"""``posetrack train``: a pose network on annotated people."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack import __version__
from posetrack.cli import training_options as shared
from posetrack.cli.input_checks import check_folder
from posetrack.cli.options import add_option
from posetrack.cli.train_crops import check_layers
from posetrack.training.logs import open_logs, open_mlflow, open_several, open_wandb
from posetrack.training.recipe import PAPER, POSETRACK, Recipe

if TYPE_CHECKING:
    from posetrack.training import Hardware
    from posetrack.training.distributed import Processes

RECIPES = {"paper": PAPER, "posetrack": POSETRACK}

_RECIPE_HELP = {
    "epochs": "how often everyone is seen",
    "batch_size": "people in a step, over all processes",
    "learning_rate": "Adam's at the start",
    "drops": "epochs at which the learning rate falls",
    "drop_factor": "to which part of it",
    "trunk_rate": "share of it for the trunk of light, mobile and the detectors",
    "weight_decay": "Adam's",
    "warm_up": "steps over which the learning rate rises",
    "max_gradient": "longest gradient",
    "ema": "decay of a moving average of the weights, such as 0.9998",
    "hardest": "count only this many keypoints of each person, the worst",
    "side_weight": "how much the difference of left and right heatmaps counts besides",
    "sigma": "deviation of the targets in heatmap cells",
    "seed": "of weights, order and augmentation",
}
_LOGS = {"wandb": open_wandb, "mlflow": open_mlflow}
_TYPES: dict[str, Any] = {"max_gradient": float, "ema": float, "hardest": int, "drops": int}


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``train`` to the commands of ``posetrack``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "train",
        help="train a pose network",
        description="Train a pose network on annotated people, by default after the paper's "
        "recipe. Writes log.csv, arguments.json, last.pth (to go on from) and the best weights. "
        "Several processes: torchrun --nproc-per-node N -m posetrack train ...",
    )
    shared.add_data_options(parser)
    parser.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="folder of the run")
    parser.add_argument(
        "--arch",
        choices=tuple(shared.ARCHITECTURES),
        default="resnet50",
        help="network",
    )
    parser.add_argument(
        "--init",
        metavar="FILE|NAME",
        help="weights to start from, 'bundled': the package's; what fits of them is taken",
    )
    parser.add_argument(
        "--val-annotations", type=Path, metavar="FILE", help="people to validate on"
    )
    parser.add_argument(
        "--val-images", type=Path, metavar="FOLDER", help="their images (default: --images)"
    )
    add_option(parser, "training.loop:train", "validate_every", "epochs between", metavar="N")
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="go on: a run's last.pth, or -o"
    )
    add_option(parser, "training.loop:train", "save_every", "epochs between states", metavar="N")
    add_option(
        parser,
        "training.loop:train",
        "keep_every",
        "keep the state of every Nth epoch",
        metavar="N",
    )
    parser.add_argument(
        "--colours",
        choices=("bgr", "rgb"),
        default=None,
        help="order of the network's input; that of --init, else the paper's, bgr",
    )
    parser.add_argument(
        "--output-stride",
        type=int,
        choices=(8, 16, 32),
        help="posenet: input pixels from one cell of its maps to the next; that of --init, else 16",
    )
    parser.add_argument(
        "--norm",
        choices=("batch", "group", "none"),
        default="batch",
        help="hrnet: normalisation after convolutions",
    )
    parser.add_argument(
        "--no-batch-norm",
        dest="norm",
        action="store_const",
        const="none",
        help="hrnet: the same as --norm none",
    )
    parser.add_argument(
        "--activation",
        choices=("relu", "identity"),
        default="relu",
        help="hrnet: identity leaves every ReLU out",
    )
    parser.add_argument(
        "--trunk",
        type=Path,
        metavar="FILE",
        help="mobile, detector_mobile: weights of torchvision's MobileNetV2 for their trunk",
    )
    parser.add_argument(
        "--freeze",
        type=int,
        default=0,
        metavar="N",
        help="mobile, detector_mobile: keep the first N of the trunk's 18 layers as they are",
    )
    _add_recipe_options(parser)
    parser.add_argument(
        "--amp",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="half precision; on a CPU bfloat16, which takes longer where the processor has no "
        "instructions for it (default: on CUDA)",
    )
    parser.add_argument("--channels-last", action="store_true", help="also on the CPU")
    parser.add_argument(
        "--log",
        nargs="+",
        choices=tuple(_LOGS),
        default=[],
        help="show the run there too, as their own settings say (they may send it to a server); "
        "TensorBoard's file is written wherever it is installed",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.set_defaults(run=run)
    return parser


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipe",
        choices=tuple(RECIPES),
        default="paper",
        help="defaults of the settings below",
    )
    for name, text in _RECIPE_HELP.items():
        value = getattr(PAPER, name)
        many = name == "drops"
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=_TYPES.get(name, type(value)),
            default=None,
            nargs="*" if many else None,
            metavar="N",
            help=f"{text} (paper: {' '.join(map(str, value)) if many else value})",
        )
    parser.add_argument(
        "--unbiased", action="store_true", help="targets on the keypoint, not on the nearest cell"
    )
    parser.add_argument(
        "--by-keypoint", action="store_true", help="count elbows, wrists, knees and ankles more"
    )
    shared.add_augmentation_options(parser)


def _recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe named, with the settings given on the command line."""
    changed = {
        name: getattr(args, name) for name in _RECIPE_HELP if getattr(args, name) is not None
    }
    if "drops" in changed:
        changed["drops"] = tuple(changed["drops"])
    return dataclasses.replace(
        RECIPES[args.recipe], **changed, unbiased=args.unbiased, by_keypoint=args.by_keypoint
    )


def run(args: argparse.Namespace) -> int:
    """Train; 0 when done."""
    shared.require(args, "data", "images", "annotations", "out")
    recipe = _recipe_of(args)
    check_layers(args)
    shared.check_data(args)
    check_folder(args.out)
    _find_checkpoint(args)
    from posetrack.training.distributed import join, leave

    processes, device = join(args.device)
    try:
        _train(args, recipe, processes, device)
    finally:
        leave()
    return 0


def _train(args: argparse.Namespace, recipe: Recipe, processes: Processes, device: Any) -> None:
    import torch

    from posetrack.training import Hardware, train

    quiet = args.quiet or not processes.first
    torch.manual_seed(recipe.seed)
    job = shared.job_of(args.arch)(args, recipe)
    if not quiet:
        print(job.title)
    hardware = Hardware(
        device,
        args.amp,
        True if args.channels_last else None,
        args.workers,
        processes,
    )
    resume = _find_checkpoint(args)
    if processes.first:
        _record(args, recipe, job, hardware)
    rows = train(
        job.network,
        job.task,
        args.out,
        recipe=recipe,
        hardware=hardware,
        validate=job.validate,
        validate_every=args.validate_every,
        resume=resume,
        save_every=max(1, args.save_every),
        keep_every=args.keep_every,
        watch=_bar if sys.stderr.isatty() and not quiet else None,
        logs=open_several([open_logs, *(_LOGS[name] for name in args.log)]),
    )
    if not quiet and rows:
        print(", ".join(f"{name} {_short(value)}" for name, value in rows[-1].items()))
        print(f"in {args.out}: log.csv, arguments.json, last.pth and the best weights")


def _find_checkpoint(args: argparse.Namespace) -> Path | None:
    if args.resume is not None and args.resume.is_dir():
        return Path(args.resume) / "last.pth"
    if args.resume is None and (args.out / "last.pth").exists():
        raise ValueError(
            f"{args.out} holds a run already: go on with --resume {args.out / 'last.pth'}, or give "
            "another folder"
        )
    return None if args.resume is None else Path(args.resume)


def _record(
    args: argparse.Namespace,
    recipe: Recipe,
    job: shared.Job,
    hardware: Hardware,
) -> None:
    import torch

    from posetrack.files import write_whole

    given = {name: value for name, value in vars(args).items() if name != "run"}
    record = {
        "posetrack": __version__,
        "torch": torch.__version__,
        "device": str(hardware.device),
        "processes": hardware.processes.world,
        "arguments": given,
        "recipe": dataclasses.asdict(recipe),
        **job.record,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    write_whole(args.out / "arguments.json", json.dumps(record, indent=2, default=str))


def _bar(batches: Iterable[Any], count: int, epoch: int) -> Iterable[Any]:
    from tqdm import tqdm

    bar: Iterable[Any] = tqdm(batches, total=count, desc=f"epoch {epoch}", leave=False)
    return bar


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
