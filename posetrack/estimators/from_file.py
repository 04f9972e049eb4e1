"""From a file of any known network, weights or exported, to the estimator that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from posetrack.checkpoints.card import Decode, decoder_of, read_card, usual_sigma
from posetrack.devices import require_torch
from posetrack.estimators.one_stage import OneStage
from posetrack.estimators.openpose import has_openpose_maps, openpose_estimator
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
    "openpose": "network of OpenPose's kind",
}
"""What kinds that see the image whole are called in messages."""

_THRESHOLDS: Mapping[str, Mapping[str, str]] = {
    "posenet": {"pose_threshold": "min_pose_score", "keypoint_threshold": "min_keypoint_score"},
    "trt_pose": {"keypoint_threshold": "min_score"},
    "openpose": {"keypoint_threshold": "min_score"},
    "one_stage": {"pose_threshold": "min_score", "keypoint_threshold": "min_keypoint_score"},
}
"""What these settings are called in the estimator of each kind."""


def load_estimator(
    path: str | Path,
    *,
    skeleton: Skeleton | None = None,
    normalisation: Normalisation | None = None,
    input_size: tuple[int, int] | None = None,
    dark: bool = False,
    device: str | torch.device = "auto",
    output_stride: int | None = None,
    pose_threshold: float | None = None,
    keypoint_threshold: float | None = None,
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
    output_stride
        Of a PoseNet's weights: pixels to a cell, 8, 16 or 32. Smaller is finer and slower. When
        None: as the file says, else 16.
    pose_threshold, keypoint_threshold
        Of networks that see the image whole: people who score less are dropped, and keypoints that
        score less are unseen. When None: what is usual for the kind.
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
    needs: dict[str, Any] = {
        "skeleton": skeleton,
        "normalisation": normalisation,
        "input_size": input_size,
    }
    thresholds = {
        "output_stride": output_stride,
        "pose_threshold": pose_threshold,
        "keypoint_threshold": keypoint_threshold,
    }
    wanted = {name: value for name, value in thresholds.items() if value is not None}
    if is_exported(path):
        return _open_exported(path, needs, dark, device, settings, wanted)
    require_torch(path)
    from posetrack.checkpoints.loading import load_network

    stride: dict[str, Any] = {} if output_stride is None else {"output_stride": output_stride}
    try:
        network, found = load_network(path, **needs, **stride)
    except TypeError as error:
        if output_stride is None:
            raise
        raise ValueError(f"{path}: an output stride is for a PoseNet's weights alone") from error
    wanted.pop("output_stride", None)
    common: dict[str, Any] = {
        "input_size": found.input_size,
        "normalisation": found.normalisation,
        "device": device,
    }
    if found.family != "heatmaps":
        _refuse_of_crops(path, found.family, settings, dark)
        settings |= _thresholds(path, found.family, wanted)
        return _of_whole_images(found.family, network, found.skeleton, {**common, **settings})
    _thresholds(path, "heatmaps", wanted)
    card = read_card(path) if Path(path).is_file() else None
    decode = decode_for(card.decode if card else None, found.input_size, dark=dark)
    return TopDown(network, found.skeleton, **common, **{"decode": decoder_of(decode), **settings})


def decode_for(decode: Decode | None, input_size: tuple[int, int], *, dark: bool) -> Decode:
    """How to decode, by what a file says and what its user wants.

    Examples
    --------
    >>> decode_for(None, (288, 384), dark=True).blur_size
    17
    >>> decode_for(Decode("quarter", 2.0), (288, 384), dark=True).blur_size
    11
    """
    decode = decode or Decode("quarter", usual_sigma(input_size))
    return Decode("dark", decode.sigma) if dark else decode


def _open_exported(
    path: str | Path,
    needs: dict[str, Any],
    dark: bool,
    device: str | torch.device,
    settings: dict[str, Any],
    wanted: dict[str, float],
) -> PoseEstimator | BottomUpEstimator:
    network = open_exported(path, device=device, threads=settings.get("threads"))
    card = network.card
    if card.outputs is not None and card.outputs.family == "boxes":
        raise ValueError(
            f"{path}: a detector of people, not a pose network; "
            "posetrack.detectors.light.load_light_detector runs it"
        )
    kind = card.outputs.family if card.outputs is not None else _kind_of(network)
    thresholds = _thresholds(path, kind, wanted)
    if card.outputs is None and kind != "heatmaps":
        settings = {name: value for name, value in settings.items() if name != "threads"}
        _refuse_of_crops(path, kind, settings, dark)
        build: Any = OneStage if kind == "one_stage" else openpose_estimator
        return cast(BottomUpEstimator, build(network, **needs, **thresholds, **settings))
    if card.outputs is None or kind == "heatmaps":
        if dark:
            size = network.size_for(needs["input_size"])
            settings = {"decode": decoder_of(decode_for(card.decode, size, dark=True)), **settings}
        return TopDown(network, **needs, **settings)
    _refuse_of_crops(path, card.outputs.family, settings, dark)
    given = {
        "input_size": needs["input_size"] or card.input_size or (513, 513),
        "normalisation": needs["normalisation"] or card.normalisation or PLUS_MINUS_ONE,
    }
    if card.skeleton is None:
        raise ValueError(f"{network}: the file does not say what its keypoints are")
    skeleton = needs["skeleton"] or card.skeleton
    return _of_whole_images(
        card.outputs.family, network, skeleton, {**given, **thresholds, **settings}
    )


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


def _thresholds(path: str | Path, kind: str, wanted: dict[str, float]) -> dict[str, float]:
    """Thresholds under the names that the estimator of a kind has for them."""
    known = _THRESHOLDS.get(kind, {})
    strange = [name for name in wanted if name not in known]
    if strange:
        what = _WHOLE_IMAGE.get(kind, "network that sees a crop of each person")
        raise ValueError(
            f"{path}: a {what} has no {' or '.join(strange).replace('_', ' ')}"
            + ("; its weights have" if strange == ["output_stride"] and kind == "posenet" else "")
        )
    return {known[name]: value for name, value in wanted.items()}


def _kind_of(network: Session) -> str:
    """The kind of a file without a card, from the shapes it declares.

    One array with three axes, or boxes (and classes) beside keypoints with four, are people; the
    rest are maps or vectors of a crop.
    """
    if has_openpose_maps(network.output_shapes):
        return "openpose"
    ranks = sorted(len(shape) for shape in network.output_shapes)
    if 4 in ranks and 3 in ranks:
        ranks = [rank for rank in ranks if rank != 2]  # labels of people, all one
    return "one_stage" if ranks in ([3], [3, 4], [3, 3, 4]) else "heatmaps"
