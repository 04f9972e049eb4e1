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
    return shared.Job(
        network,
        CropTask(people, input_size, augmentation(args), normalisation),
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


def new_network(name: str, keypoints: int) -> nn.Module:
    """A network with random weights."""
    if name == "light":
        from posetrack.networks.pose_light import PoseLight

        return PoseLight(keypoints)
    if name.startswith("resnet"):
        from posetrack.networks.pose_resnet import PoseResNet

        return PoseResNet(int(name.removeprefix("resnet")), keypoints)
    from posetrack.networks.hrnet import HRNet

    return HRNet(int(name.removeprefix("hrnet_w")), keypoints)


def _network(
    args: argparse.Namespace, people: Samples
) -> tuple[nn.Module, Normalisation, tuple[int, int]]:
    """The network to train, the colours it takes, and its input size."""
    input_size = args.size or shared.usual_size(people.skeleton)
    if args.init is None:
        network = new_network(args.arch, len(people.skeleton))
        bgr = args.arch.startswith("resnet")
        return network, shared.colours(args.colours or ("bgr" if bgr else "rgb")), input_size
    network, found = shared.start_from(
        args, skeleton=people.skeleton, keypoints=len(people.skeleton)
    )
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

    held = shared.read_people(
        args.data, args.val_annotations, args.val_images or args.images, args, people.skeleton
    )
    truth = shared.truth_of(args.data, args.val_annotations)

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
