"""What ``train`` and ``validate`` share: data, networks, options from a TOML file."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from posetrack.checks import did_you_mean
from posetrack.cli.input_checks import check_files
from posetrack.cli.network_options import device_from
from posetrack.cli.options import add_option, size_from
from posetrack.files import read_toml

if TYPE_CHECKING:
    from torch import nn

    from posetrack.checkpoints.loading import PoseCheckpoint
    from posetrack.networks.trunks import Trunk
    from posetrack.ops.crops import Normalisation
    from posetrack.skeletons import Skeleton
    from posetrack.training import Samples
    from posetrack.training.loop import Validate
    from posetrack.training.recipe import Recipe
    from posetrack.training.tasks import Task

OF_TOOLS = ("yolo", "deeplabcut", "sleap", "cvat", "label-studio")
"""Whose labels `posetrack.training.read_labels` reads."""

WITH_IMAGES = ("dataloop", "roboflow", *OF_TOOLS)
DATA = ("coco", "crowdpose", "posetrack18", "mpii", *WITH_IMAGES)
"""Kinds of annotations that are exported together with their images."""

ARCHITECTURES = {
    "resnet18": "crops",
    "resnet34": "crops",
    "resnet50": "crops",
    "resnet101": "crops",
    "resnet152": "crops",
    "hrnet_w32": "crops",
    "hrnet_w48": "crops",
    "posenet": "bottom_up",
    "posenet_050": "bottom_up",
    "posenet_075": "bottom_up",
    "paf": "bottom_up",
    "paf_densenet121": "bottom_up",
    "light": "crops",
    "mobile": "crops",
    "detector": "detector",
    "detector_mobile": "detector",
}
"""Networks, and what each learns: ``posetrack.cli.train_NAME`` has a function ``job`` for it."""


class Job(NamedTuple):
    """What ``posetrack train`` trains.

    Parameters
    ----------
    network
        With starting weights.
    task
        What it learns.
    validate
        Numbers of a network, if there is anything to validate on.
    record
        Plain values for ``arguments.json``.
    title
        What was read, in a line or two.
    """

    network: nn.Module
    task: Task
    validate: Validate | None
    record: dict[str, Any]
    title: str


class Config(argparse.Action):
    """Options from a TOML file; those given on the command line count more."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """Put the file's values where nothing has been given yet."""
        path = Path(values)
        try:
            table = read_toml(path)
        except (OSError, ValueError) as error:
            parser.error(str(error))
        known = {action.dest: action for action in parser._actions if action.option_strings}
        for key, value in table.items():
            action = known.get(key.replace("-", "_"))
            if action is None or action.dest in (self.dest, "help"):
                hint = did_you_mean(key, known)
                parser.error(f"{path}: {key!r} is no option of this command{hint}")
            if getattr(namespace, action.dest, None) == action.default:
                setattr(namespace, action.dest, _parse_value(action, value, parser, path))
        setattr(namespace, self.dest, path)


def _parse_value(
    action: argparse.Action, value: Any, parser: argparse.ArgumentParser, path: Path
) -> Any:
    if action.nargs == 0:
        if not isinstance(value, bool):
            parser.error(f"{path}: {action.dest} must be true or false, got {value!r}")
        return value
    try:
        many = isinstance(value, list)
        words = [parser._get_value(action, str(word)) for word in (value if many else [value])]
        for word in words:
            parser._check_value(action, word)
    except argparse.ArgumentError as error:
        parser.error(f"{path}: {error}")
    if many != (action.nargs in ("*", "+")):
        parser.error(f"{path}: {action.dest} must be {'a list' if not many else 'one value'}")
    return words if many else words[0]


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which people: files, kind, skeleton."""
    parser.add_argument(
        "--config", action=Config, metavar="TOML", help="file with any of these options by name"
    )
    parser.add_argument("--data", choices=DATA, help="what kind of annotations")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="the images' folder (of tools' exports: where they have them, if left out)",
    )
    parser.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="annotation file; for posetrack18, dataloop, roboflow and yolo a folder",
    )
    parser.add_argument(
        "--heads", type=Path, metavar="FILE", help="mpii: gt_valid.mat with the head boxes for PCKh"
    )
    parser.add_argument(
        "--skeleton",
        metavar="NAME|TOML",
        help="keypoints to use, found in the annotations by name; those of the annotations if left "
        "out",
    )
    add_option(
        parser,
        "training.reading_coco:read_coco",
        "broken",
        "what to do about broken annotations",
        choices=("refuse", "skip"),
    )
    parser.add_argument(
        "--size",
        type=size_from,
        metavar="HxW",
        help="height and width of the crops, such as 256x192",
    )
    add_option(parser, "runs.networks:makers", "device", "cpu, cuda or auto", type=device_from)
    add_option(
        parser,
        "training.run:Hardware",
        "workers",
        "processes that make crops",
        metavar="N",
    )
    parser.add_argument(
        "--no-flip-test", action="store_true", help="validate without the mirrored crops"
    )


def add_augmentation_options(parser: argparse.ArgumentParser) -> None:
    """Add how much crops are to differ from epoch to epoch."""
    shape, colours = "training.augmentation:Augmentation", "training.appearance:Appearance"
    for function, name, text in (
        (shape, "scale", "largest change of size"),
        (shape, "rotation", "degrees; normal, at most twice this"),
        (shape, "flip", "probability of mirroring"),
        (shape, "half_body", "probability of showing half a body"),
        (colours, "colour_jitter", "largest change of brightness, contrast, saturation and gains"),
        (colours, "greyscale", "probability of no colour"),
        (colours, "blur", "probability of blur"),
        (colours, "noise", "probability of noise"),
        (colours, "cutout", "probability of patches in front"),
    ):
        add_option(parser, function, name, f"{text} (default: %(default)g)", metavar="X")
    parser.add_argument(
        "--uniform", action="store_true", help="draw scale and rotation evenly within their bounds"
    )


def require(args: argparse.Namespace, *names: str) -> None:
    """Refuse a call without these options, which may also come from the TOML file.

    Raises
    ------
    ValueError
        With the options that are missing.
    """
    needed = [name for name in names if name != "images" or args.data not in WITH_IMAGES]
    missing = [f"--{name.replace('_', '-')}" for name in needed if getattr(args, name) is None]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)} (on the command line or in --config)")


def check_data(args: argparse.Namespace) -> None:
    """Refuse names, files and folders that are not there, before torch and networks are loaded.

    Raises
    ------
    ValueError, OSError
        With the names that come near.
    """
    files = ("annotations", "images", "heads", "val_annotations", "val_images", "resume")
    check_files(*(getattr(args, name, None) for name in files))
    if args.skeleton is not None:
        find_skeleton(args.skeleton)
    for option in ("init", "weights"):
        if (name := getattr(args, option, None)) is not None:
            check_weights(f"--{option}", name)


def check_weights(option: str, name: str) -> None:
    """Refuse what is neither a file, nor ``bundled``, nor a model of the table."""
    from posetrack.build import BUNDLED
    from posetrack.cli.network_options import check_network_name

    if name != BUNDLED and not Path(name).exists():
        check_network_name(option, name, "pose", more=(BUNDLED,))


def find_skeleton(text: str | None) -> Skeleton | None:
    """A skeleton by name or from a TOML file.

    Raises
    ------
    ValueError
        If no skeleton has that name.
    """
    from posetrack.cli.network_options import skeleton_from

    return None if text is None else skeleton_from(text)


def read_people(
    data: str,
    annotations: Path,
    images: Path | None,
    args: argparse.Namespace,
    skeleton: Skeleton | None,
) -> Samples:
    """People of a data set that the options name."""
    from posetrack.training import (
        read_coco,
        read_dataloop,
        read_labels,
        read_mpii,
        read_roboflow,
    )

    if data in OF_TOOLS:
        return read_labels(data, annotations, images, skeleton=skeleton, broken=args.broken)
    if data in WITH_IMAGES:
        read = read_dataloop if data == "dataloop" else read_roboflow
        return read(annotations, images, skeleton=skeleton, broken=args.broken)
    if images is None:
        raise ValueError("missing: --images, the images' folder")
    if data == "mpii":
        return read_mpii(
            annotations, images, heads=args.heads, skeleton=skeleton, broken=args.broken
        )
    return read_coco(annotations, images, skeleton=skeleton, broken=args.broken)


def describe(people: Samples, annotations: Path) -> str:
    """One line about people read, and one about what was wrong."""
    from posetrack.training.samples import list_problems

    text = f"{annotations}: {len(people)} people with {people.skeleton.name} keypoints"
    if people.left_out:
        text += f", {people.left_out} left out (crowds, nothing labelled)"
    if people.problems:
        text += f"\n{annotations}: skipped {list_problems(people.problems)}"
    return text


def truth_of(data: str, annotations: Path) -> Path | None:
    """The file for COCO's AP, if there is one."""
    return annotations if data == "coco" and annotations.is_file() else None


def read_held_out(args: argparse.Namespace, skeleton: Skeleton) -> tuple[Samples, Path | None]:
    """The people of ``--val-annotations``, and the file for COCO's AP if there is one."""
    images = args.val_images or args.images
    held = read_people(args.data, args.val_annotations, images, args, skeleton)
    return held, truth_of(args.data, args.val_annotations)


def job_of(arch: str) -> Callable[[argparse.Namespace, Recipe], Job]:
    """The function that makes a network's job; `ARCHITECTURES` names its module."""
    module = importlib.import_module(f"posetrack.cli.train_{ARCHITECTURES[arch]}")
    make: Callable[[argparse.Namespace, Recipe], Job] = module.job
    return make


def init_file(name: str, kind: str) -> Path:
    """The file that a name means: one that is there, the bundled one of a kind, or the table's.

    Raises
    ------
    ValueError
        If there is no such file, and no model of that name.
    """
    from posetrack.build import BUNDLED, find_bundled_file
    from posetrack.weights import fetch

    if Path(name).is_file():
        return Path(name)
    return find_bundled_file(kind) if name == BUNDLED else fetch(name)


def start_from(args: argparse.Namespace, **wanted: Any) -> tuple[nn.Module, PoseCheckpoint]:
    """The network of ``--init``, with what fits of its weights; see `load_network`."""
    from posetrack.checkpoints.loading import load_network

    path = init_file(args.init, "estimator")
    network, found = load_network(path, partial=True, **wanted)
    if not args.quiet and (found.missing or found.left_over):
        print(
            f"{path}: {len(found.missing)} parameters start anew, {len(found.left_over)} are left "
            "over",
            file=sys.stderr,
        )
    return network, found


def small_trunk(name: str) -> Callable[[], Trunk]:
    """What makes the trunk of ``light`` or ``mobile``."""
    if name == "light":
        from posetrack.networks.light_trunk import LightTrunk

        return LightTrunk
    from posetrack.networks.mobile_trunk import MobileTrunk

    return MobileTrunk


def prepare_trunk(network: nn.Module, args: argparse.Namespace) -> None:
    """Fill and freeze the trunk as ``--trunk`` and ``--freeze`` ask.

    Raises
    ------
    ValueError
        If the network has no such trunk, or the file is of another one.
    """
    if args.trunk is None and not args.freeze:
        return
    from posetrack.checkpoints.loading import fill_trunk
    from posetrack.networks.mobile_trunk import MobileTrunk

    trunk = getattr(network, "trunk", None)
    if not isinstance(trunk, MobileTrunk):
        raise ValueError(f"{args.init}: has no trunk for --trunk and --freeze, a MobileNetV2")
    if args.trunk is not None:
        fill_trunk(trunk, args.trunk)
    trunk.freeze(args.freeze)


def open_weights(
    args: argparse.Namespace, people: Samples
) -> tuple[Path, nn.Module, PoseCheckpoint]:
    """File, network and what is known of it, of ``--weights``, for people's keypoints."""
    from posetrack.checkpoints.loading import load_network

    path = init_file(args.weights, "estimator")
    chosen = colours(args.colours) if args.colours else None
    network, found = load_network(
        path, skeleton=people.skeleton, normalisation=chosen, input_size=args.size
    )
    return path, network, found


def usual_size(skeleton: Skeleton) -> tuple[int, int]:
    """The input size used by default: 192 x 256 (width x height), for MPII 256 x 256."""
    return (256, 256) if skeleton.name == "mpii_16" else (192, 256)


def colours(name: str) -> Normalisation:
    """Normalisation by the order of colours."""
    from posetrack.ops.crops import IMAGENET_BGR_AS_TRAINED, IMAGENET_RGB

    return IMAGENET_RGB if name == "rgb" else IMAGENET_BGR_AS_TRAINED


def table(row: dict[str, float], title: str) -> str:
    """Numbers of a validation as two lines."""
    names: Sequence[str] = list(row)
    width = max(8, *(len(name) + 2 for name in names))
    head = "".join(f"{name:>{width}}" for name in names)
    return f"{title}\n{head}\n" + "".join(f"{row[name]:>{width}.3f}" for name in names)
