"""Loading of pose networks from files, whoever made them.

Ourselves, the paper's authors, HRNet's authors, mmpose of both generations, torchvision,
TensorFlow.js, trt_pose. The names and shapes in a file decide which network it is of; the
names also show who made it, which decides the order of colours the network expects. The input size
is in no file but ours and those of mmpose, whose training settings name it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.checkpoints.card import ModelCard, read_card
from posetrack.checkpoints.recognition import FAMILIES, convert_keys, recognise, source_of
from posetrack.checkpoints.tfjs import is_tfjs, read_tfjs_weights
from posetrack.checkpoints.weight_files import WeightFile, read_weights
from posetrack.networks.family import Architecture, Family
from posetrack.networks.mobile_trunk import LAYERS
from posetrack.networks.person_detector import FAMILY as PERSON_DETECTOR
from posetrack.ops.crops import IMAGENET_BGR_AS_TRAINED, IMAGENET_RGB, Normalisation
from posetrack.skeletons import KNOWN_SKELETONS, Skeleton

_SIZE = re.compile(r"\b(?:input_size|image_size)\s*=\s*[\[(]\s*(\d{1,4})\s*,\s*(\d{1,4})\s*[\])]")


@dataclass(frozen=True)
class PoseCheckpoint:
    """A network from a file: skeleton, normalisation, input size, source.

    Parameters
    ----------
    skeleton
        What its K keypoints are.
    normalisation
        How pixels become its input.
    input_size
        Width and height in pixels of a crop, or of the image for networks that take it whole.
    source
        Whose names the file uses: ``"authors"`` are the paper's; ``"posetrack"`` is what was
        trained here and says all this itself.
    missing
        Parameters that the file did not give and that have random starting values; only after
        ``partial=True``.
    left_over
        Entries of the file that were not used; only after ``partial=True``.
    family
        What the network gives: ``"heatmaps"`` of crops, or the maps of ``"posenet"`` or
        ``"trt_pose"``.
    """

    skeleton: Skeleton
    normalisation: Normalisation
    input_size: tuple[int, int]
    source: str
    missing: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()
    family: str = "heatmaps"


def load_network(
    path: str | Path,
    *,
    skeleton: Skeleton | None = None,
    normalisation: Normalisation | None = None,
    input_size: tuple[int, int] | None = None,
    keypoints: int | None = None,
    partial: bool = False,
    **options: Any,
) -> tuple[nn.Module, PoseCheckpoint]:
    """Load a pose network with its skeleton, normalisation and input size from a checkpoint.

    Parameters
    ----------
    path
        See `posetrack.checkpoints.weight_files.read_weights`. Names may be the authors' or
        mmpose's, with or without ``module.``. Or a folder of PoseNet's weights for TensorFlow.js,
        or the ``manifest.json`` or graph model in it, see `posetrack.checkpoints.tfjs`.
    skeleton
        What the keypoints are. When None: as the file says, if it was trained here or by mmpose,
        else by their number: COCO's for 17, MPII's for 16, COCO's and the neck for trt_pose's
        18. Networks for PoseTrack18 have 17 keypoints too: give
        `posetrack.skeletons.POSETRACK_17` for them.
    normalisation
        When None, as such a file says, else by whose names it uses: the paper's authors trained
        on BGR images, all others on RGB. A ResNet in HRNet's repository counts as the paper's.
    input_size
        Width and height the network was trained with. Any size runs; another one costs accuracy.
        When None: as such a file says, else the usual one: 192 x 256 for a crop,
        256 x 256 for MPII's keypoints, 224 or 256 in square for trt_pose.
    keypoints
        With ``partial=True``, another number of keypoints than the file has, to train anew.
    partial
        Take what fits and leave the rest at its starting values, for training; say in the result
        what that was. When False, every name and shape must fit.
    **options
        What foreign files leave open: ``stride_on_1x1`` of a `PoseResNet`, ``activations`` of an
        `HRNet`, ``output_stride`` of a `PoseNet`.

    Returns
    -------
    network
        A `PoseResNet`, `HRNet`, `PoseLight`, `PoseNet` or `TrtPose` in evaluation mode, on the
        CPU, float32.
    checkpoint
        Skeleton, normalisation, input size and source.

    Raises
    ------
    ValueError
        If the file cannot be read (see `read_weights`), is of no such network, has missing, left
        over or wrongly shaped entries, or the skeleton is of another size or not known.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.networks.hrnet import HRNet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "hrnet.pth")
    ...     torch.save(HRNet(8, 16).state_dict(), path)
    ...     network, checkpoint = load_network(path)
    >>> network.width, checkpoint.source, checkpoint.skeleton.name, checkpoint.input_size
    (8, "HRNet's authors", 'mpii_16', (256, 256))
    """
    wanted = ModelCard(skeleton, input_size, normalisation, options)
    tfjs = is_tfjs(path)
    file = read_tfjs_weights(path) if tfjs else read_weights(path)
    model_card = None if tfjs else read_card(path)
    try:
        state = convert_keys(file.tensors)
        found = recognise(state, keypoints=keypoints, partial=partial)
        with torch.device("cpu" if partial else "meta"):
            stated = model_card.options if model_card else {}
            network = found.build(**{**file.options, **stated, **wanted.options})
        source = "posetrack" if model_card else source_of(file.tensors, found.family)
        needs = _needs(file, found, source, wanted, model_card or ModelCard())
        missing, left_over = fill(network, found.name, state, partial=partial)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return network.eval(), dataclasses.replace(needs, missing=missing, left_over=left_over)


def _needs(
    file: WeightFile, found: Architecture, source: str, wanted: ModelCard, model_card: ModelCard
) -> PoseCheckpoint:
    """Skeleton, normalisation and input size: as wanted, else the file's, else the usual ones."""
    count = found.settings["keypoints"]
    known = wanted.skeleton
    if known is None and model_card.skeleton is not None and len(model_card.skeleton) == count:
        known = model_card.skeleton
    known = known or _skeleton(count, found.family, file.meta)
    if len(known) != count:
        raise ValueError(
            f"the network has {count} keypoints, skeleton {known.name} has {len(known)}"
        )
    size = wanted.input_size or model_card.input_size or _size_in(file.meta)
    return PoseCheckpoint(
        known,
        wanted.normalisation or model_card.normalisation or _normalisation(found.family, source),
        size or found.family.input_size(found.settings, known),
        source,
        family=found.family.outputs,
    )


def _normalisation(family: Family, source: str) -> Normalisation:
    return family.normalisation or (
        IMAGENET_BGR_AS_TRAINED if source == "authors" else IMAGENET_RGB
    )


def _size_in(meta: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height that the settings kept by mmpose name, under either generation's word."""
    settings = meta.get("cfg", meta.get("config"))
    match = _SIZE.search(settings) if isinstance(settings, str) else None
    if match is None or "0" in match.groups():
        return None
    return int(match[1]), int(match[2])


def _skeleton(keypoints: int, family: Family, meta: Mapping[str, Any]) -> Skeleton:
    """By the names in mmpose's ``meta`` where they are a skeleton we know, else by the number."""
    dataset_meta = meta.get("dataset_meta")
    names = dataset_meta.get("keypoint_id2name") if isinstance(dataset_meta, Mapping) else None
    if isinstance(names, Mapping):
        in_order = tuple(names.get(index) for index in range(keypoints))
        for known in KNOWN_SKELETONS.values():
            if known.keypoints == in_order:
                return known
    for usual in family.skeletons:
        if len(usual) == keypoints:
            return usual
    raise ValueError(f"what are its {keypoints} keypoints? Say it with skeleton=...")


def fill(
    network: nn.Module, title: str, state: Mapping[str, Tensor], *, partial: bool = False
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Put a state dict's tensors into a network.

    Shapes are compared before anything is copied, so that a file cannot ask for more memory than
    the network has.

    Parameters
    ----------
    network
        May lie on the meta device, unless ``partial``; changed.
    title
        What to call it in a message.
    state
        Under the network's names. Counts of batches, which old files lack, are 0 where missing.
    partial
        Leave what does not fit at its starting values.

    Returns
    -------
    missing
        Names that the state dict did not give, or in another shape.
    left_over
        Names that the network does not have, or in another shape.

    Raises
    ------
    ValueError
        If something does not fit, unless ``partial``, or a weight is not finite.

    Examples
    --------
    >>> line = nn.Linear(1, 2)
    >>> fill(line, "a line", {"weight": torch.zeros(2, 1)}, partial=True)
    (('bias',), ())
    """
    wanted = network.state_dict()
    given = {
        name: state.get(name, torch.zeros((), dtype=torch.int64))
        for name in wanted
        if name in state or name.endswith(".num_batches_tracked")
    }
    missing = [name for name in wanted if name not in given]
    left_over = [name for name in state if name not in wanted]
    wrong = [name for name in given if given[name].shape != wanted[name].shape]
    if not partial and (missing or left_over or wrong):
        shapes = [
            f"{name} {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
            for name in wrong
        ]
        raise ValueError(
            f"does not fit {title}."
            + _list_names("Missing", missing)
            + _list_names("Left over", left_over)
            + _list_names("Of the wrong shape", shapes)
            + " With partial=True what fits is taken."
        )
    fitting = {
        name: tensor.to(wanted[name].dtype, memory_format=torch.contiguous_format, copy=True)
        for name, tensor in given.items()
        if name not in wrong
    }
    broken = [name for name, tensor in fitting.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"has NaN or infinity in its weights.{_list_names('In', broken)}")
    network.load_state_dict(fitting, strict=False, assign=True)
    return (*missing, *wrong), (*left_over, *wrong)


def _list_names(title: str, names: list[str]) -> str:
    """The first few of some names, and how many more; empty without names."""
    if not names:
        return ""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f" {title}: {', '.join(names[:6])}{more}."


def detector_of(state: Mapping[str, Tensor]) -> nn.Module:
    """The detector that a state dict is of, with its weights, in evaluation mode.

    Raises
    ------
    ValueError
        If it is not a `posetrack.networks.person_detector.PersonDetector`'s, or something is
        missing, left over or of another shape.

    Examples
    --------
    >>> from posetrack.networks.person_detector import PersonDetector
    >>> detector_of(PersonDetector(channels=32).state_dict()).centres[0][0].in_channels
    32
    """
    found = PERSON_DETECTOR.recognise(state)
    with torch.device("meta"):
        network = found.build()
    fill(network, found.name, state)
    return network.eval()


def fill_trunk(trunk: nn.Module, path: str | Path) -> None:
    """Give a trunk the weights of a whole MobileNetV2, as torchvision publishes them.

    Parameters
    ----------
    trunk
        A `posetrack.networks.mobile_trunk.MobileTrunk`; changed.
    path
        A file of that network's weights, with or without those that classify.

    Raises
    ------
    ValueError
        If the file cannot be read (see `read_weights`) or is of another network.

    Examples
    --------
    >>> import tempfile
    >>> from torchvision.models import mobilenet_v2
    >>> from posetrack.networks.mobile_trunk import MobileTrunk
    >>> whole, trunk = mobilenet_v2(), MobileTrunk()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "imagenet.pth")
    ...     torch.save(whole.state_dict(), path)
    ...     fill_trunk(trunk, path)
    >>> bool((trunk.features[5].conv[2].weight == whole.features[5].conv[2].weight).all())
    True
    """
    classifies = ("classifier.", f"features.{LAYERS}.")
    state = {
        name: tensor
        for name, tensor in read_weights(path).tensors.items()
        if not name.startswith(classifies)
    }
    if not trunk.state_dict().keys() & state.keys():
        raise ValueError(f"{path}: expected the weights of torchvision's mobilenet_v2, features.*")
    try:
        fill(trunk, "the trunk of torchvision's MobileNetV2", state)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def options_of(network: nn.Module) -> dict[str, Any]:
    """Settings of a network that leave no trace in its weights.

    Examples
    --------
    >>> from posetrack.networks.posenet import PoseNet
    >>> options_of(PoseNet(0.5, output_stride=8))
    {'output_stride': 8}
    """
    known = {family.kind: family.options for family in FAMILIES}
    return {name: getattr(network, name) for name in known.get(type(network), ())}


def outputs_of(network: nn.Module) -> str:
    """A network's kind of output: heatmaps, unless its family has others.

    Examples
    --------
    >>> from posetrack.networks.posenet import PoseNet
    >>> outputs_of(PoseNet(0.5)), outputs_of(nn.Conv2d(3, 17, 1))
    ('posenet', 'heatmaps')
    """
    found = (family.outputs for family in FAMILIES if isinstance(network, family.kind))
    return next(found, "heatmaps")
