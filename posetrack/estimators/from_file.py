"""From a file of any known network, weights or exported, to the estimator that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.checkpoints.card import Decode, decoder_of, read_card, usual_sigma
from posetrack.devices import require_torch
from posetrack.estimators.one_stage import OneStage
from posetrack.estimators.top_down import TopDown
from posetrack.interfaces import BottomUpEstimator, PoseEstimator
from posetrack.ops.crops import PLUS_MINUS_ONE, Normalisation
from posetrack.ops.links import paf_links, posenet_edges
from posetrack.runtimes.session import Session, is_exported, open_exported
from posetrack.skeletons import Skeleton

if TYPE_CHECKING:
    import torch
    from torch import nn

_OF_CROPS = ("flip_test", "decode", "padding", "max_batch", "runtime", "on_device", "threads")

_WHOLE_IMAGE: Mapping[str, str] = {
    "posenet": "PoseNet",
    "trt_pose": "TrtPose",
    "one_stage": "one-stage network",
}
"""What kinds that see the image whole are called in messages."""


def load_estimator(
    path: str | Path,
    *,
    skeleton: Skeleton | None = None,
    normalisation: Normalisation | None = None,
    input_size: tuple[int, int] | None = None,
    dark: bool = False,
    device: str | torch.device = "auto",
    **settings: Any,
) -> PoseEstimator | BottomUpEstimator:
    """An estimator for the network in a file.

    Parameters
    ----------
    path
        A checkpoint, see `posetrack.checkpoints.loading.load_network`; or an exported network,
        see `posetrack.runtimes.session.open_exported`: ``.onnx``, ``.zip``, ``.xml``, ``.pt2`` or
        ``.engine``. What kind of network it is is seen from its outputs.
    skeleton, normalisation, input_size
        When None: as the file says, else as is usual for its kind; see `load_network` for
        checkpoints that do not say.
    dark
        Decode by `posetrack.ops.heatmaps.decode_dark`, with the blur of the sigma that the file
        says or that is usual for its input size. Else as the file says.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    **settings
        Of `posetrack.estimators.top_down.TopDown` for a network that sees crops, of
        `posetrack.estimators.one_stage.OneStage`,
        `posetrack.estimators.posenet.PoseNetEstimator` or
        `posetrack.estimators.trtpose.TrtPoseEstimator` for those.

    Raises
    ------
    ValueError
        If no known network is in the file, or a setting of crops is given for one that takes the
        image whole.

    Notes
    -----
    Checkpoints, ONNX, OpenVINO and torch.export files are data. TensorRT engines are programs, see
    `posetrack.runtimes.session` for the trust they take; TorchScript programs are not opened.

    Examples
    --------
    >>> import tempfile, torch
    >>> from posetrack.networks.posenet import PoseNet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "posenet.pth")
    ...     torch.save(PoseNet(0.5).state_dict(), file)
    ...     load_estimator(file, device="cpu").bottom_up
    True
    """
    if dark and "decode" in settings:
        raise ValueError("give dark=True or a decode function, not both")
    needs = {"skeleton": skeleton, "normalisation": normalisation, "input_size": input_size}
    if is_exported(path):
        return _exported(path, needs, dark, device, settings)
    require_torch(path)
    from posetrack.checkpoints.loading import load_network

    network, found = load_network(
        path, skeleton=skeleton, normalisation=normalisation, input_size=input_size
    )
    common: dict[str, Any] = {
        "input_size": found.input_size,
        "normalisation": found.normalisation,
        "device": device,
    }
    if found.family != "heatmaps":
        _refuse_of_crops(path, found.family, settings, dark)
        return _of_whole_images(found.family, network, found.skeleton, {**common, **settings})
    said = read_card(path) if Path(path).is_file() else None
    decode = decode_for(said.decode if said else None, found.input_size, dark=dark)
    return TopDown(network, found.skeleton, **common, **{"decode": decoder_of(decode), **settings})


def decode_for(said: Decode | None, input_size: tuple[int, int], *, dark: bool) -> Decode:
    """How to decode, by what a file says and what its user wants.

    Examples
    --------
    >>> decode_for(None, (288, 384), dark=True).blur_size
    17
    >>> decode_for(Decode("quarter", 2.0), (288, 384), dark=True).blur_size
    11
    """
    said = said or Decode("quarter", usual_sigma(input_size))
    return Decode("dark", said.sigma) if dark else said


def _exported(
    path: str | Path,
    needs: dict[str, Any],
    dark: bool,
    device: str | torch.device,
    settings: dict[str, Any],
) -> PoseEstimator | BottomUpEstimator:
    network = open_exported(path, device=device, threads=settings.get("threads"))
    about = network.card
    if about.outputs is not None and about.outputs.family == "boxes":
        raise ValueError(
            f"{path}: a detector of people, not a pose network; "
            "posetrack.detectors.light.load_light_detector runs it"
        )
    kind = about.outputs.family if about.outputs is not None else _kind_of(network)
    if kind == "one_stage":
        settings = {name: value for name, value in settings.items() if name != "threads"}
        _refuse_of_crops(path, kind, settings, dark)
        return OneStage(network, **needs, **settings)
    if about.outputs is None or kind == "heatmaps":
        if dark:
            size = network.size_for(needs["input_size"])
            settings = {"decode": decoder_of(decode_for(about.decode, size, dark=True)), **settings}
        return TopDown(network, **needs, **settings)
    _refuse_of_crops(path, about.outputs.family, settings, dark)
    given = {
        "input_size": needs["input_size"] or about.input_size or (513, 513),
        "normalisation": needs["normalisation"] or about.normalisation or PLUS_MINUS_ONE,
    }
    if about.skeleton is None:
        raise ValueError(f"{network}: the file does not say what its keypoints are")
    skeleton = needs["skeleton"] or about.skeleton
    return _of_whole_images(about.outputs.family, network, skeleton, {**given, **settings})


def _of_whole_images(
    family: str, network: nn.Module | Session, skeleton: Skeleton, settings: dict[str, Any]
) -> BottomUpEstimator:
    """The estimator of a `PoseNet` or `TrtPose`, or of what gives the same maps."""
    if family == "posenet":
        from posetrack.estimators.posenet import PoseNetEstimator

        settings = {"edges": posenet_edges(skeleton), **settings}
        return PoseNetEstimator(network, skeleton, **settings)
    from posetrack.estimators.trtpose import TrtPoseEstimator

    settings = {"links": paf_links(skeleton), **settings}
    return TrtPoseEstimator(network, skeleton, **settings)


def _refuse_of_crops(path: str | Path, kind: str, settings: dict[str, Any], dark: bool) -> None:
    wrong = [name for name in _OF_CROPS if name in settings] + (["dark"] if dark else [])
    if wrong:
        raise ValueError(
            f"{path}: {', '.join(wrong)} is for networks that see a crop of each person; a "
            f"{_WHOLE_IMAGE[kind]} sees the whole image"
        )


def _kind_of(network: Session) -> str:
    """What a file that says nothing of itself is for, from the shapes it declares.

    One array with three axes, or boxes beside keypoints with four, are people; the rest are maps
    or vectors of a crop.
    """
    ranks = sorted(len(shape) for shape in network.output_shapes)
    return "one_stage" if ranks in ([3], [3, 4]) else "heatmaps"
