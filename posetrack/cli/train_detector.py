"""What ``posetrack train`` does for the detector of people."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from posetrack.cli import training_options as shared
from posetrack.cli.train_crops import appearance

if TYPE_CHECKING:
    from torch import nn

    from posetrack.ops.crops import Normalisation
    from posetrack.training.detection_data import AnnotatedImages
    from posetrack.training.loop import Validate
    from posetrack.training.recipe import Recipe

USUAL_SIZE = (416, 256)


def job(args: argparse.Namespace, recipe: Recipe) -> shared.Job:
    """Boxes of the annotated people."""
    del recipe
    from posetrack.training.augmentation import Augmentation
    from posetrack.training.detection import DetectionTask

    annotated = _read(args, args.annotations, args.images)
    input_size = args.size or USUAL_SIZE
    normalisation = shared.colours(args.colours or "rgb")
    augmentation = Augmentation(
        scale=args.scale,
        rotation=0.0,
        flip=args.flip,
        distribution="uniform" if args.uniform else "normal",
        appearance=appearance(args),
    )
    people = sum(map(len, annotated.boxes))
    return shared.Job(
        _network(args),
        DetectionTask(annotated, input_size, augmentation, normalisation),
        _validation(args, normalisation, max(input_size)),
        {
            "input_size": input_size,
            "images": len(annotated),
            "people": people,
            "problems": [dataclasses.asdict(problem) for problem in annotated.problems],
        },
        f"{args.annotations}: {people} people in {len(annotated)} images",
    )


def _read(args: argparse.Namespace, annotations: Path, images: Path) -> AnnotatedImages:
    from posetrack.training.detection_data import read_boxes

    if args.data in ("mpii", *shared.WITH_IMAGES):
        raise ValueError(f"the detector learns from boxes in COCO's form, not --data {args.data}")
    return read_boxes(annotations, images, broken=args.broken)


def _network(args: argparse.Namespace) -> nn.Module:
    from posetrack.checkpoints.loading import detector_of
    from posetrack.networks.person_detector import PersonDetector

    if args.init is None:
        mobile = args.arch == "detector_mobile"
        network: nn.Module = (
            PersonDetector(trunk=shared.small_trunk("mobile"), channels=64)
            if mobile
            else PersonDetector()
        )
        shared.prepare_trunk(network, args)
        return network
    from posetrack.checkpoints.weight_files import read_weights

    path = shared.init_file(args.init, "detector")
    network = detector_of(read_weights(path).tensors)
    shared.prepare_trunk(network, args)
    if not args.quiet:
        print(f"starts from {path}", file=sys.stderr)
    return network


def _validation(
    args: argparse.Namespace, normalisation: Normalisation, long_side: int
) -> Validate | None:
    if args.val_annotations is None:
        return None
    from posetrack.training.detection import measure_boxes

    held = _read(args, args.val_annotations, args.val_images or args.images)

    def validate(network: nn.Module) -> dict[str, float]:
        return measure_boxes(network, held, long_side=long_side, normalisation=normalisation)

    return validate
