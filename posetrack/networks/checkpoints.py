"""Loading of pose networks from files, whoever made them.

The paper's authors, HRNet's authors, mmpose of both generations, torchvision, conversions of
TensorFlow.js's PoseNet, trt_pose. The names and shapes in a file decide which network it is of; the
names also tell who made it, which decides the colours the network wants. The input size is in no
file but those of mmpose, whose training settings name it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from posetrack.crops import IMAGENET_BGR_AS_TRAINED, IMAGENET_RGB, Normalisation
from posetrack.networks.architectures import Architecture, recognise
from posetrack.networks.filling import fill
from posetrack.networks.hrnet import HRNet
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.networks.posenet import PoseNet
from posetrack.networks.tfjs_weights import is_tfjs, read_tfjs_weights
from posetrack.networks.trtpose import TrtPose
from posetrack.networks.weight_files import WeightFile, read_weights
from posetrack.skeletons import COCO_17, COCO_17_NECK, KNOWN_SKELETONS, MPII_16, Skeleton

Source = Literal[
    "authors", "HRNet's authors", "mmpose 0.x", "mmpose 1.x", "torchvision", "posenet", "trt_pose"
]

PLUS_MINUS_ONE = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), rgb=True)
"""RGB in [-1, 1], as PoseNet takes it."""

_PREFIX = re.compile(r"^(?:module\.)*(?:backbone\.|keypoint_head\.|head\.)?")
_SIZE = re.compile(r"\b(?:input_size|image_size)\s*=\s*[\[(]\s*(\d{1,4})\s*,\s*(\d{1,4})\s*[\])]")


@dataclass(frozen=True)
class PoseCheckpoint:
    """What a network from a file needs around it.

    Parameters
    ----------
    skeleton
        What its K keypoints are.
    normalisation
        How pixels become its input.
    input_size
        Width and height in pixels of a crop, or of the image for networks that take it whole.
    source
        Whose names the file uses: ``"authors"`` are the paper's.
    missing
        Parameters that the file did not give and that have random starting values; only after
        ``partial=True``.
    left_over
        Entries of the file that were not used; only after ``partial=True``.
    """

    skeleton: Skeleton
    normalisation: Normalisation
    input_size: tuple[int, int]
    source: Source
    missing: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()


def load_network(
    path: str | Path,
    *,
    skeleton: Skeleton | None = None,
    normalisation: Normalisation | None = None,
    input_size: tuple[int, int] | None = None,
    keypoints: int | None = None,
    partial: bool = False,
    **told: Any,
) -> tuple[nn.Module, PoseCheckpoint]:
    """Read a network and what it needs around it from a file that may be of any known kind.

    Parameters
    ----------
    path
        See `posetrack.networks.weight_files.read_weights`. Names may be the authors' or mmpose's,
        with or without ``module.``. Or a folder of PoseNet's weights for TensorFlow.js, or the
        ``manifest.json`` in it.
    skeleton
        What the keypoints are. When None: by the names in the file where it has any, else by
        their number: COCO's for 17, MPII's for 16, COCO's and the neck for trt_pose's 18. Networks
        for PoseTrack18 have 17 keypoints too: give `posetrack.skeletons.POSETRACK_17` for them.
    normalisation
        When None, by whose names the file uses: the paper's authors trained on BGR images, all
        others on RGB. A ResNet in HRNet's repository counts as the paper's.
    input_size
        Width and height the network was trained with. Any size runs; another one costs accuracy.
        When None: what mmpose's settings in the file say, else the usual one: 192 x 256 for a crop,
        256 x 256 for MPII's keypoints, 224 or 256 in square for trt_pose.
    keypoints
        With ``partial=True``, another number of keypoints than the file has, to train anew.
    partial
        Take what fits and leave the rest at its starting values, for training; say in the result
        what that was. When False, every name and shape must fit.
    **told
        What no file tells: ``stride_on_1x1`` of a `PoseResNet`, ``activations`` of an `HRNet`,
        ``output_stride`` of a `PoseNet`.

    Returns
    -------
    network
        A `PoseResNet`, `HRNet`, `PoseNet` or `TrtPose` in evaluation mode, on the CPU, float32.
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
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "hrnet.pth")
    ...     torch.save(HRNet(8, 16).state_dict(), path)
    ...     network, checkpoint = load_network(path)
    >>> network.width, checkpoint.source, checkpoint.skeleton.name, checkpoint.input_size
    (8, "HRNet's authors", 'mpii_16', (256, 256))
    """
    file = read_tfjs_weights(path) if is_tfjs(path) else read_weights(path)
    try:
        state = convert_keys(file.tensors)
        found = recognise(state, keypoints=keypoints, partial=partial)
        return _loaded(file, state, found, partial, told, skeleton, normalisation, input_size)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def load_pose_resnet(
    path: str | Path,
    *,
    skeleton: Skeleton | None = None,
    normalisation: Normalisation | None = None,
    input_size: tuple[int, int] = (192, 256),
    keypoints: int | None = None,
    stride_on_1x1: bool = False,
    partial: bool = False,
) -> tuple[PoseResNet, PoseCheckpoint]:
    """Read a `PoseResNet` and what it needs around it from a file.

    Parameters
    ----------
    path
        See `posetrack.networks.weight_files.read_weights`. Names may be the authors' or mmpose's,
        with or without ``module.``.
    skeleton
        What the keypoints are. When None: by the names in the file where it has any, else COCO's
        for 17 keypoints and MPII's for 16. Networks for PoseTrack18 have 17 keypoints too: give
        `posetrack.skeletons.POSETRACK_17` for them.
    normalisation
        When None, by whose names the file uses: the authors trained on BGR images, mmpose on RGB.
        A ResNet in HRNet's repository counts as the authors'.
    input_size
        Width and height the network was trained with. Any size runs; another one costs accuracy.
    keypoints
        With ``partial=True``, another number of keypoints than the file has, to train anew.
    stride_on_1x1
        Whether the network is of Caffe's kind, see `PoseResNet`; its file looks like any other.
    partial
        Take what fits and leave the rest at its starting values, for training; say in the result
        what that was. When False, every name and shape must fit.

    Returns
    -------
    network
        In evaluation mode, on the CPU, float32.
    checkpoint
        Skeleton, normalisation, input size and source.

    Raises
    ------
    ValueError
        If the file cannot be read (see `read_weights`), is not of such a network, has missing,
        left over or wrongly shaped entries, or the skeleton is of another size or not known.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "pose_resnet_18.pth")
    ...     torch.save(PoseResNet(18, 16).state_dict(), path)
    ...     network, checkpoint = load_pose_resnet(path, input_size=(256, 256))
    >>> network.depth, network.keypoints, checkpoint.skeleton.name
    (18, 16, 'mpii_16')
    """
    file = read_weights(path)
    try:
        state = convert_keys(file.tensors)
        found = recognise(state, keypoints=keypoints, partial=partial)
        if found.kind is not PoseResNet:
            raise ValueError(
                f"expected a ResNet with deconvolutions, this is {found.name}; "
                "load_network reads it"
            )
        told = {"stride_on_1x1": stride_on_1x1}
        network, checkpoint = _loaded(
            file, state, found, partial, told, skeleton, normalisation, input_size
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    assert isinstance(network, PoseResNet)
    return network, checkpoint


def _loaded(
    file: WeightFile,
    state: dict[str, Tensor],
    found: Architecture,
    partial: bool,
    told: Mapping[str, Any],
    skeleton: Skeleton | None,
    normalisation: Normalisation | None,
    input_size: tuple[int, int] | None,
) -> tuple[nn.Module, PoseCheckpoint]:
    """Build what was recognised, fill it, and say what it needs around it."""
    count = found.settings["keypoints"]
    known = skeleton or _skeleton(count, found.kind, file.meta)
    if len(known) != count:
        raise ValueError(
            f"the network has {count} keypoints, skeleton {known.name} has {len(known)}"
        )
    with torch.device("cpu" if partial else "meta"):
        network = found.build(**told)
    missing, left_over = fill(network, found.name, state, partial=partial)
    source = _source(file.tensors, found.kind)
    return network.eval(), PoseCheckpoint(
        known,
        normalisation or _normalisation(found.kind, source),
        input_size or _size_in(file.meta) or _usual_size(found, known),
        source,
        missing,
        left_over,
    )


def convert_keys(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a state dict's entries to the authors' names, which are `PoseResNet`'s.

    ``module.`` (DataParallel), ``backbone.``, ``head.`` (mmpose 1.x) and ``keypoint_head.`` (0.x)
    are taken off, mmpose's ``data_preprocessor.*`` is dropped.

    Raises
    ------
    ValueError
        If two entries come to have the same name.

    Examples
    --------
    >>> old = {"module.backbone.conv1.weight": torch.zeros(1), "data_preprocessor.mean": None}
    >>> list(convert_keys(old))
    ['conv1.weight']
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        short = _PREFIX.sub("", name)
        if short.startswith("data_preprocessor."):
            continue
        if short in renamed:
            raise ValueError(f"{name} stands twice, with and without what comes before {short}")
        renamed[short] = tensor
    return renamed


def _source(tensors: Mapping[str, Tensor], kind: type[nn.Module]) -> Source:
    bare = [re.sub(r"^(?:module\.)+", "", name) for name in tensors]
    if kind is TrtPose:
        return "trt_pose"
    if kind is PoseNet:
        return "posenet"
    if any(name.startswith("keypoint_head.") for name in bare):
        return "mmpose 0.x"
    if any(name.startswith(("backbone.", "head.")) for name in bare):
        return "mmpose 1.x"
    if kind is HRNet:
        return "HRNet's authors"
    return "torchvision" if "fc.weight" in bare else "authors"


def _normalisation(kind: type[nn.Module], source: Source) -> Normalisation:
    if kind is PoseNet:
        return PLUS_MINUS_ONE
    return IMAGENET_BGR_AS_TRAINED if source == "authors" else IMAGENET_RGB


def _size_in(meta: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height that the settings kept by mmpose name, under either generation's word."""
    settings = meta.get("cfg", meta.get("config"))
    match = _SIZE.search(settings) if isinstance(settings, str) else None
    if match is None or "0" in match.groups():
        return None
    return int(match[1]), int(match[2])


def _usual_size(found: Architecture, skeleton: Skeleton) -> tuple[int, int]:
    if found.kind is TrtPose:
        return (256, 256) if found.settings["backbone"] == "densenet121" else (224, 224)
    if found.kind is PoseNet:
        return (513, 513)
    return (256, 256) if skeleton == MPII_16 else (192, 256)


def _skeleton(keypoints: int, kind: type[nn.Module], meta: Mapping[str, Any]) -> Skeleton:
    """By the names in mmpose's ``meta`` where they are a skeleton we know, else by the number."""
    about = meta.get("dataset_meta")
    names = about.get("keypoint_id2name") if isinstance(about, Mapping) else None
    if isinstance(names, Mapping):
        in_order = tuple(names.get(index) for index in range(keypoints))
        for known in KNOWN_SKELETONS.values():
            if known.keypoints == in_order:
                return known
    guess = {17: COCO_17, 16: MPII_16}.get(keypoints)
    if kind is TrtPose:
        guess = COCO_17_NECK if keypoints == len(COCO_17_NECK) else None
    if guess is None:
        raise ValueError(f"what are its {keypoints} keypoints? Say it with skeleton=...")
    return guess
