"""What ``posetrack train`` does for networks that see all people of an image at once."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from posetrack.cli import training_options as shared
from posetrack.cli.train_crops import augmentation, record_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from posetrack.ops.crops import Normalisation
    from posetrack.skeletons import Skeleton
    from posetrack.training import Samples
    from posetrack.training.bottom_up_regions import Polygons
    from posetrack.training.bottom_up_tasks import PafTask, PoseNetTask
    from posetrack.training.loop import Validate
    from posetrack.training.recipe import Recipe

_WIDTHS = {"posenet": 1.0, "posenet_050": 0.5, "posenet_075": 0.75}
_BACKBONES = {"paf": "resnet18", "paf_densenet121": "densenet121"}


def job(args: argparse.Namespace, recipe: Recipe) -> shared.Job:
    """Maps of all annotated people of each image."""
    del recipe
    from posetrack.skeletons import COCO_17_NECK

    wanted = shared.find_skeleton(args.skeleton)
    if wanted is None and args.arch in _BACKBONES:
        wanted = COCO_17_NECK
    people = shared.read_people(args.data, args.annotations, args.images, args, wanted)
    regions = _regions(args)
    make = _posenet if args.arch in _WIDTHS else _paf
    network, task = make(args, people, regions)
    count = sum(map(len, regions.values()))
    title = f"{shared.describe(people, args.annotations)}, in {len(task)} images"
    return shared.Job(
        network,
        task,
        _validation(args, people.skeleton, task.input_size, task.normalisation),
        {**record_of(people, task.input_size), "images": len(task), "ignored_regions": count},
        f"{title}; {count} regions of unlabelled people do not count" if count else title,
    )


def _posenet(
    args: argparse.Namespace, people: Samples, regions: dict[Path, Polygons]
) -> tuple[nn.Module, PoseNetTask]:
    from posetrack.checkpoints.loading import fill
    from posetrack.networks.posenet import PoseNet
    from posetrack.ops.links import posenet_edges
    from posetrack.training.bottom_up_tasks import PoseNetTask, start_weights

    ends = {"keypoints": len(people.skeleton), "edges": len(posenet_edges(people.skeleton))}
    options = {} if args.output_stride is None else {"output_stride": args.output_stride}
    first = None if args.init is None else _start(args, people, PoseNet, **options)
    if first is None:
        network = PoseNet(_WIDTHS[args.arch], **ends, **options)
    else:
        assert isinstance(first.network, PoseNet)
        width, options = first.network.width, {"output_stride": first.network.output_stride}
        network = PoseNet(width, **ends, **options)
    start_weights(network, radius=2.0 * network.output_stride)
    if first is not None:
        fill(network, "the network", first.kept, partial=True)
    stride = network.output_stride
    return network, PoseNetTask(
        people,
        args.size or (first.input_size if first else (513, 513)),
        stride,
        regions,
        None if args.sigma is None else args.sigma * stride,
        augmentation(args),
        **_colours(args, first),
    )


def _paf(
    args: argparse.Namespace, people: Samples, regions: dict[Path, Polygons]
) -> tuple[nn.Module, PafTask]:
    from posetrack.checkpoints.loading import fill
    from posetrack.networks.trtpose import TrtPose
    from posetrack.ops.links import paf_links
    from posetrack.training.bottom_up_tasks import PafTask, start_weights

    if args.output_stride is not None:
        raise ValueError("--output-stride is a PoseNet's; the maps of this network have stride 4")
    ends = {"keypoints": len(people.skeleton), "links": len(paf_links(people.skeleton))}
    first = None if args.init is None else _start(args, people, TrtPose)
    if first is None:
        network = TrtPose(_BACKBONES[args.arch], **ends)
    else:
        assert isinstance(first.network, TrtPose)
        channels = first.network.get_parameter("1.cmap_conv.weight").shape[1]
        network = TrtPose(first.network.backbone, **ends, channels=channels)
    start_weights(network)
    if first is not None:
        fill(network, "the network", first.kept, partial=True)
    usual = (256, 256) if network.backbone == "densenet121" else (224, 224)
    return network, PafTask(
        people,
        args.size or (first.input_size if first else usual),
        regions,
        # trt_pose's Gaussian has no 2 below its exponent.
        None if args.sigma is None else args.sigma * math.sqrt(2),
        augmentation=augmentation(args),
        **_colours(args, first),
    )


class _Start(NamedTuple):
    """The network of ``--init``, those of its weights that fit, input size and colours."""

    network: nn.Module
    kept: dict[str, Tensor]
    input_size: tuple[int, int]
    normalisation: Normalisation


def _start(
    args: argparse.Namespace, people: Samples, kind: type[nn.Module], **options: Any
) -> _Start:
    network, found = shared.start_from(
        args, skeleton=people.skeleton, keypoints=len(people.skeleton), **options
    )
    if not isinstance(network, kind):
        raise ValueError(
            f"--init {args.init} is of a {type(network).__name__}, --arch {args.arch} is a "
            f"{kind.__name__}"
        )
    state = network.state_dict()
    kept = {name: value for name, value in state.items() if name not in found.missing}
    return _Start(network, kept, found.input_size, found.normalisation)


def _colours(args: argparse.Namespace, first: _Start | None) -> dict[str, Any]:
    """Colours of ``--init``; the network's usual ones without it."""
    if args.colours is not None:
        raise ValueError(
            "--colours is for networks that see crops; those that see the whole image take RGB"
        )
    return {"normalisation": first.normalisation} if first else {}


def _regions(args: argparse.Namespace) -> dict[Path, Polygons]:
    if args.data in ("mpii", *shared.WITH_IMAGES):
        return {}
    from posetrack.training.bottom_up_regions import read_regions

    return read_regions(args.annotations, args.images)


def _validation(
    args: argparse.Namespace,
    skeleton: Skeleton,
    input_size: tuple[int, int],
    normalisation: Normalisation,
) -> Validate | None:
    if args.val_annotations is None:
        return None
    from posetrack.training.bottom_up_validation import find_people, measure_people

    held, truth = shared.read_held_out(args, skeleton)

    def validate(network: nn.Module) -> dict[str, float]:
        found = find_people(network, held, input_size=input_size, normalisation=normalisation)
        return measure_people(held, found, truth=truth)

    return validate
