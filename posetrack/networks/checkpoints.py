"""Loading of pose networks from files, whoever made them.

Ourselves, the paper's authors, HRNet's authors, mmpose of both generations, torchvision,
TensorFlow.js, trt_pose. The names and shapes in a file decide which network it is of; the
names also tell who made it, which decides the colours the network wants. The input size is in no
file but ours and those of mmpose, whose training settings name it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from posetrack.networks.about import About, read_about
from posetrack.networks.architectures import Architecture, recognise
from posetrack.networks.filling import fill
from posetrack.networks.naming import Source, convert_keys, source_of
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.networks.posenet import PoseNet
from posetrack.networks.tfjs_weights import is_tfjs, read_tfjs_weights
from posetrack.networks.trtpose import TrtPose
from posetrack.networks.weight_files import WeightFile, read_weights
from posetrack.ops.crops import IMAGENET_BGR_AS_TRAINED, IMAGENET_RGB, Normalisation
from posetrack.skeletons import COCO_17, COCO_17_NECK, KNOWN_SKELETONS, MPII_16, Skeleton

__all__ = [
    "PLUS_MINUS_ONE",
    "PoseCheckpoint",
    "Source",
    "convert_keys",
    "load_network",
    "load_pose_resnet",
]

PLUS_MINUS_ONE = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), rgb=True)
"""RGB in [-1, 1], as PoseNet takes it."""

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
        Whose names the file uses: ``"authors"`` are the paper's; ``"posetrack"`` is what was
        trained here and says all this itself.
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
    **told
        What no foreign file tells: ``stride_on_1x1`` of a `PoseResNet`, ``activations`` of an
        `HRNet`, ``output_stride`` of a `PoseNet`.

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
    >>> from posetrack.networks.hrnet import HRNet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "hrnet.pth")
    ...     torch.save(HRNet(8, 16).state_dict(), path)
    ...     network, checkpoint = load_network(path)
    >>> network.width, checkpoint.source, checkpoint.skeleton.name, checkpoint.input_size
    (8, "HRNet's authors", 'mpii_16', (256, 256))
    """
    wanted = About(skeleton, input_size, normalisation, told)
    return _load(path, wanted, keypoints=keypoints, partial=partial)


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
    told = {"stride_on_1x1": stride_on_1x1} if stride_on_1x1 else {}
    network, checkpoint = _load(
        path,
        About(skeleton, input_size, normalisation, told),
        keypoints=keypoints,
        partial=partial,
        only=PoseResNet,
    )
    assert isinstance(network, PoseResNet)
    return network, checkpoint


def _load(
    path: str | Path,
    wanted: About,
    *,
    keypoints: int | None,
    partial: bool,
    only: type[nn.Module] | None = None,
) -> tuple[nn.Module, PoseCheckpoint]:
    """Read, recognise, build and fill; what is wanted goes before what the file says."""
    tfjs = is_tfjs(path)
    file = read_tfjs_weights(path) if tfjs else read_weights(path)
    said = None if tfjs else read_about(path)
    try:
        state = convert_keys(file.tensors)
        found = recognise(state, keypoints=keypoints, partial=partial)
        if only is not None and found.kind is not only:
            raise ValueError(
                f"expected a ResNet with deconvolutions, this is {found.name}; load_network "
                "reads it"
            )
        with torch.device("cpu" if partial else "meta"):
            network = found.build(**{**(said.told if said else {}), **wanted.told})
        source = "posetrack" if said else source_of(file.tensors, found.kind)
        needs = _needs(file, found, source, wanted, said or About())
        missing, left_over = fill(network, found.name, state, partial=partial)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return network.eval(), dataclasses.replace(needs, missing=missing, left_over=left_over)


def _needs(
    file: WeightFile, found: Architecture, source: Source, wanted: About, said: About
) -> PoseCheckpoint:
    """What the network needs around it: as wanted, as the file says, or as is usual."""
    count = found.settings["keypoints"]
    known = wanted.skeleton
    if known is None and said.skeleton is not None and len(said.skeleton) == count:
        known = said.skeleton
    known = known or _skeleton(count, found.kind, file.meta)
    if len(known) != count:
        raise ValueError(
            f"the network has {count} keypoints, skeleton {known.name} has {len(known)}"
        )
    size = wanted.input_size or said.input_size or _size_in(file.meta)
    return PoseCheckpoint(
        known,
        wanted.normalisation or said.normalisation or _normalisation(found.kind, source),
        size or _usual_size(found, known),
        source,
    )


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
