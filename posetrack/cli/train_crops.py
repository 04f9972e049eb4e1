"""What ``posetrack train`` does for networks that see a crop of each person."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from posetrack.cli import training_options as shared

if TYPE_CHECKING:
    from torch import nn

    from posetrack.ops.crops import Normalisation
    from posetrack.training import Appearance, Augmentation, Samples
    from posetrack.training.loop import Validate
    from posetrack.training.recipe import Recipe


def job(args: argparse.Namespace, recipe: Recipe) -> shared.Job:
    """Heatmaps of the annotated people."""
    del recipe
    from posetrack.training import CropTask

    people = shared.read_people(
        args.data, args.annotations, args.images, args, shared.find_skeleton(args.skeleton)
    )
    network, normalisation, input_size = _network(args, people)
    options = {} if getattr(network, "activations", True) else {"activations": False}
    return shared.Job(
        network,
        CropTask(people, input_size, augmentation(args), normalisation, options),
        _validation(args, people, normalisation, input_size),
        record_of(people, input_size),
        shared.describe(people, args.annotations),
    )


def augmentation(args: argparse.Namespace) -> Augmentation:
    """How the crops are to differ, by the options."""
    from posetrack.training import Augmentation

    return Augmentation(
        scale=args.scale,
        rotation=args.rotation,
        flip=args.flip,
        half_body=args.half_body,
        distribution="uniform" if args.uniform else "normal",
        appearance=appearance(args),
    )


def appearance(args: argparse.Namespace) -> Appearance:
    """How the pixels are to differ, by the options."""
    from posetrack.training import Appearance

    return Appearance(args.colour_jitter, args.greyscale, args.blur, args.noise, args.cutout)


def record_of(people: Samples, input_size: tuple[int, int]) -> dict[str, object]:
    """The training data, for the run's record."""
    return {
        "input_size": input_size,
        "keypoints": people.skeleton.keypoints,
        "people": len(people),
        "left_out": people.left_out,
        "problems": [dataclasses.asdict(problem) for problem in people.problems],
    }


def check_layers(args: argparse.Namespace) -> None:
    """Refuse layers that only some networks can have another of, or keep.

    Raises
    ------
    ValueError
        The message says what goes with what.
    """
    if (args.trunk is not None or args.freeze) and args.arch not in ("mobile", "detector_mobile"):
        raise ValueError(
            f"--trunk and --freeze go with --arch mobile and detector_mobile, not with {args.arch}"
        )
    other = args.norm != "batch" or args.activation != "relu"
    if other and not args.arch.startswith("hrnet"):
        raise ValueError(
            f"--norm, --no-batch-norm and --activation go with --arch hrnet_w32 and hrnet_w48, not "
            f"with {args.arch}"
        )
    if other and args.init is not None:
        raise ValueError(
            "--norm, --no-batch-norm and --activation are of new networks; --init has its own"
        )


def new_network(
    name: str, keypoints: int, *, norm: str = "batch", activation: str = "relu"
) -> nn.Module:
    """A network with random weights; another norm and activation only of an HRNet."""
    if name in ("light", "mobile"):
        from posetrack.networks.pose_light import PoseLight

        return PoseLight(keypoints, trunk=shared.small_trunk(name))
    if name.startswith("resnet"):
        from posetrack.networks.pose_resnet import PoseResNet

        return PoseResNet(int(name.removeprefix("resnet")), keypoints)
    from posetrack.networks.hrnet import HRNet

    return HRNet(
        int(name.removeprefix("hrnet_w")),
        keypoints,
        batch_norm=norm != "none",
        group_norm=norm == "group",
        activations=activation == "relu",
    )


def _network(
    args: argparse.Namespace, people: Samples
) -> tuple[nn.Module, Normalisation, tuple[int, int]]:
    """The network to train, the colours it takes, and its input size."""
    input_size = args.size or shared.usual_size(people.skeleton)
    if args.init is None:
        layers = {"norm": args.norm, "activation": args.activation}
        network = new_network(args.arch, len(people.skeleton), **layers)
        shared.prepare_trunk(network, args)
        bgr = args.arch.startswith("resnet")
        return network, shared.colours(args.colours or ("bgr" if bgr else "rgb")), input_size
    network, found = shared.start_from(
        args, skeleton=people.skeleton, keypoints=len(people.skeleton)
    )
    shared.prepare_trunk(network, args)
    chosen = found.normalisation if args.colours is None else shared.colours(args.colours)
    return network, chosen, args.size or found.input_size


def _validation(
    args: argparse.Namespace,
    people: Samples,
    normalisation: Normalisation,
    input_size: tuple[int, int],
) -> Validate | None:
    if args.val_annotations is None:
        return None
    from posetrack.training import measure, predict

    held, truth = shared.read_held_out(args, people.skeleton)

    def validate(network: nn.Module) -> dict[str, float]:
        found = predict(
            network,
            held,
            input_size=input_size,
            normalisation=normalisation,
            workers=args.workers,
            flip_test=not args.no_flip_test,
        )
        return measure(held, *found, truth=truth)

    return validate
