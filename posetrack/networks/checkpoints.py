"""Loading of pose networks from files: the authors', and mmpose's of both generations.

The file decides the depth, the number of keypoints and the shape of the head, and the names in it
tell who made it, which decides the colours the network wants. The input size is not in any file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from posetrack.crops import IMAGENET_BGR_AS_TRAINED, IMAGENET_RGB, Normalisation
from posetrack.networks.pose_resnet import BLOCKS, PoseResNet
from posetrack.networks.weight_files import read_weights
from posetrack.skeletons import COCO_17, KNOWN_SKELETONS, MPII_16, Skeleton

Source = Literal["authors", "mmpose 0.x", "mmpose 1.x"]

_PREFIX = re.compile(r"^(?:module\.)*(?:backbone\.|keypoint_head\.|head\.)?")
_LARGEST = 4096
"""Most channels or keypoints believed before memory is asked for."""


@dataclass(frozen=True)
class PoseCheckpoint:
    """What a network from a file needs around it.

    Parameters
    ----------
    skeleton
        What its K heatmaps are.
    normalisation
        How pixels become its input.
    input_size
        Width and height of a crop in pixels; as told, for the file does not say.
    source
        Whose names the file uses: ``"authors"``, ``"mmpose 0.x"`` or ``"mmpose 1.x"``.
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
        shape = _architecture(state, keypoints if partial else None, partial)
        known = skeleton or _skeleton(shape["keypoints"], file.meta)
        if len(known) != shape["keypoints"]:
            raise ValueError(
                f"the network has {shape['keypoints']} keypoints, "
                f"skeleton {known.name} has {len(known)}"
            )
        with torch.device("cpu" if partial else "meta"):
            network = PoseResNet(**shape, stride_on_1x1=stride_on_1x1)
        missing, left_over = _fill(network, state, partial)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    source = _source(file.tensors)
    bgr = source == "authors"
    usual = IMAGENET_BGR_AS_TRAINED if bgr else IMAGENET_RGB
    return network.eval(), PoseCheckpoint(
        known, normalisation or usual, input_size, source, missing, left_over
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


def _source(tensors: Mapping[str, Tensor]) -> Source:
    bare = [re.sub(r"^(?:module\.)+", "", name) for name in tensors]
    if any(name.startswith("keypoint_head.") for name in bare):
        return "mmpose 0.x"
    if any(name.startswith(("backbone.", "head.")) for name in bare):
        return "mmpose 1.x"
    return "authors"


def _skeleton(keypoints: int, meta: Mapping[str, Any]) -> Skeleton:
    """By the names in mmpose's ``meta`` where they are a skeleton we know, else by the number."""
    about = meta.get("dataset_meta")
    names = about.get("keypoint_id2name") if isinstance(about, Mapping) else None
    if isinstance(names, Mapping):
        in_order = tuple(names.get(index) for index in range(keypoints))
        for known in KNOWN_SKELETONS.values():
            if known.keypoints == in_order:
                return known
    guess = {17: COCO_17, 16: MPII_16}.get(keypoints)
    if guess is None:
        raise ValueError(f"what are its {keypoints} keypoints? Say it with skeleton=...")
    return guess


def _architecture(
    state: Mapping[str, Tensor], keypoints: int | None, partial: bool
) -> dict[str, Any]:
    """Arguments of the `PoseResNet` that a state dict is of, read off its names and shapes."""
    if any(name.startswith(("stage2.", "transition1.")) for name in state):
        raise ValueError("this is an HRNet; load_pose_resnet reads ResNets with deconvolutions")
    blocks = tuple(_count(state, rf"layer{stage}\.(\d+)\.conv1\.weight") for stage in (1, 2, 3, 4))
    bottleneck = "layer1.0.conv3.weight" in state
    depths = [depth for depth in BLOCKS if BLOCKS[depth] == blocks and (depth >= 50) == bottleneck]
    if not depths:
        names = ", ".join(list(state)[:3])
        raise ValueError(
            f"this is not a ResNet-18, 34, 50, 101 or 152: its stages have {blocks} blocks. "
            f"The first names are {names}"
        )
    layers = _deconvolutions(state)
    final = state.get("final_layer.weight")
    if not partial and (final is None or final.ndim != 4):
        extra = " (a head with extra convolutions is not supported)" if final is None else ""
        raise ValueError(f"final_layer.weight is missing or not of four dimensions{extra}")
    found: dict[str, Any] = {"depth": depths[0], "keypoints": keypoints or 17}
    if final is not None and final.ndim == 4:
        found["keypoints"] = keypoints or final.shape[0]
        found["final_kernel"] = final.shape[2]
    if layers or not partial:
        found["deconv_channels"] = tuple(layer.shape[1] for layer in layers)
        found["deconv_kernels"] = tuple(layer.shape[2] for layer in layers)
        found["deconv_bias"] = "deconv_layers.0.bias" in state
    largest = max(found["keypoints"], *found.get("deconv_channels", (0,)))
    if largest > _LARGEST:
        raise ValueError(f"{largest} keypoints or channels are more than {_LARGEST}; a wrong file?")
    return found


def _deconvolutions(state: Mapping[str, Tensor]) -> list[Tensor]:
    """Weights of the transposed convolutions, each 3 places after the one before."""
    layers: list[Tensor] = []
    while (weight := state.get(f"deconv_layers.{3 * len(layers)}.weight")) is not None:
        if weight.ndim != 4:
            shape = tuple(weight.shape)
            raise ValueError(f"deconv_layers.{3 * len(layers)}.weight has shape {shape}, not 4-D")
        layers.append(weight)
    return layers


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in state)


def _fill(
    network: PoseResNet, state: dict[str, Tensor], partial: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Put a state dict's tensors into a network; names of what was missing and left over.

    Shapes are compared before anything is copied, so that a file cannot ask for more memory than
    the network has.
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
            f"does not fit a ResNet-{network.depth} with {network.keypoints} keypoints."
            + _listed("Missing", missing)
            + _listed("Left over", left_over)
            + _listed("Of the wrong shape", shapes)
            + " With partial=True what fits is taken."
        )
    fitting = {
        name: tensor.to(wanted[name].dtype, memory_format=torch.contiguous_format, copy=True)
        for name, tensor in given.items()
        if name not in wrong
    }
    broken = [name for name, tensor in fitting.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"has NaN or infinity in its weights.{_listed('In', broken)}")
    network.load_state_dict(fitting, strict=False, assign=True)
    return (*missing, *wrong), (*left_over, *wrong)


def _listed(title: str, names: list[str]) -> str:
    """The first few of some names, and how many more; nothing if there are none."""
    if not names:
        return ""
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f" {title}: {', '.join(names[:6])}{more}."
