"""RAFT, by torchvision: a network, for GPUs.

Teed, Deng: *RAFT: Recurrent All-Pairs Field Transforms for Optical Flow*, ECCV 2020.

An image goes to the device once, and RAFT's feature encoder sees it once: `RaftFlow.prepare` keeps
the features, and the RAFT that `RaftFlow.move` runs is put together, through torchvision's own
constructor, with an encoder that hands out kept features. The context encoder sees only the first
image of a pair, so it runs once an image in any case. The points are sampled on the device, and
only they come back.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate, pad

from posetrack.checkpoints.weight_files import read_weights
from posetrack.devices import pick_device
from posetrack.flows.points import check_points, check_same_size
from posetrack.flows.scaling import (
    Float32Array,
    check_scale,
    prepare_colour,
    to_image,
    to_working,
    working_size,
)
from posetrack.images import as_bgr
from posetrack.ops.motion import inside_image
from posetrack.runtimes.torch import precision
from posetrack.runtimes.uploads import Uploaded, Uploader, fetch, host_of, send_array

RaftState: TypeAlias = tuple[Any, Any, Any]
Model: TypeAlias = Callable[..., Any]
Weights: TypeAlias = str | PathLike[str] | Mapping[str, Tensor]

MIN_SIDE: Final = 128
"""RAFT's smallest image side: its correlation pyramid has four levels of features at 1/8."""


class RaftFlow:
    """Moves points by RAFT.

    A prepared image is ``(pixels, features, size)``: (1, 3, h, w) normalised RGB on the device, its
    feature map, and the full width and height. A tracker that is restored may give these as NumPy
    arrays. The model is copied, so instances share nothing.

    Parameters
    ----------
    model
        A torchvision RAFT, small or large; a file or state dict with the weights of one, of which
        the kind is found out; or any function that takes two images, (1, 3, h, w) in [-1, 1], and
        ``num_flow_updates``, and gives a list of flows (1, 2, h, w), the last being the result.
        Nothing is ever downloaded.
    scale
        The flow is computed on images reduced by this, in (0, 1]; None reduces to about 640 x 360
        pixels. The sides are then padded to multiples of 8, and at least 128.
    updates
        Steps of the recurrent unit. Fewer are faster and less exact.
    half
        Compute in half precision on CUDA, under autocast. Elsewhere it changes nothing.
    device
        Where to compute; "auto" is CUDA where there is one.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If a setting is out of its range, or the weights are not RAFT's.

    Examples
    --------
    >>> def right(first, second, num_flow_updates):  # instead of a network
    ...     return [torch.tensor([2.0, 0]).view(1, 2, 1, 1).expand(1, 2, *first.shape[2:])]
    >>> flow, image = RaftFlow(right, device="cpu"), np.zeros((120, 160, 3), np.uint8)
    >>> xy, valid = flow.move(flow.prepare(image), flow.prepare(image), [[10, 20], [159, 5]])
    >>> xy.tolist(), valid.tolist()
    ([[12.0, 20.0], [161.0, 5.0]], [True, False])
    """

    def __init__(
        self,
        model: Model | Weights,
        *,
        scale: float | None = None,
        updates: int = 12,
        half: bool = True,
        device: str | torch.device = "auto",
    ) -> None:
        if updates < 1:
            raise ValueError(f"updates must be at least 1, got {updates}")
        self.device = pick_device(device)
        self.scale = check_scale(scale)
        self.updates = updates
        self.half = half and self.device.type == "cuda"
        self.upload = Uploader(self.device)
        self._shrinks_on_device = self.device.type != "cpu"
        loaded = model if callable(model) else load_raft(model)
        if isinstance(loaded, nn.Module):
            # A copy: RAFT keeps the pair in work in itself, and the caller's may be in training.
            loaded = copy.deepcopy(loaded).to(self.device).eval()
        self._encoder, self._kept, self._model = _split(loaded)

    @property
    def image_device(self) -> torch.device | None:
        """See `posetrack.interfaces.TakesUploads`."""
        return self.device if self._shrinks_on_device else None

    @torch.inference_mode()
    def prepare(self, image: NDArray[Any] | Uploaded, /) -> RaftState:
        """Pixels and features on the device; see `posetrack.interfaces.FlowEstimator`."""
        if self._shrinks_on_device:
            sent = self.upload(image)
            height, width = sent.host.shape[:2]
            size = np.array([width, height], np.int64)
            planes = sent.bgr().permute(2, 0, 1)[None].float()
            small = shrink_on_device(planes, working_size((width, height), self.scale))
        else:
            pixels, size = prepare_colour(as_bgr(host_of(image)), self.scale)
            small = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
        normalised = small.flip(1) / 127.5 - 1
        if self._encoder is None:
            return normalised, np.zeros(0, np.float32), size
        with self._precision():
            return normalised, self._encoder(_pad(normalised)), size

    @torch.inference_mode()
    def move(
        self, before: RaftState, after: RaftState, xy: ArrayLike, /
    ) -> tuple[Float32Array, NDArray[np.bool_]]:
        """Move (P, 2) points; see `posetrack.interfaces.FlowEstimator`."""
        points = check_points(xy)
        (first, _, size), (second, _, size_after) = before, after
        check_same_size(size, size_after, tuple(first.shape), tuple(second.shape))
        moved = np.full_like(points, np.nan)
        full = (int(size[0]), int(size[1]))
        known = inside_image(points, full)
        if not known.any():
            return moved, known
        shape = tuple(first.shape[2:])
        start = to_working(points[known], shape, np.asarray(size))
        flow = self._flow(before, after)
        steps = fetch(sample_on_device(flow, send_array(start, flow.device)), "flow")
        moved[known] = to_image(start + steps, shape, np.asarray(size))
        return moved, inside_image(moved, full)

    def _flow(self, before: RaftState, after: RaftState) -> Tensor:
        """(1, 2, h, w) pixels of the working image, float32, padding cut off."""
        first, second = (torch.as_tensor(state[0], device=self.device) for state in (before, after))
        if self._kept is not None:
            maps = [torch.as_tensor(state[1], device=self.device) for state in (before, after)]
            self._kept.features = torch.cat(maps)
        with self._precision():
            flows = self._model(_pad(first), _pad(second), num_flow_updates=self.updates)
        flow: Tensor = flows[-1][:, :, : first.shape[2], : first.shape[3]].float()
        return flow

    def _precision(self) -> AbstractContextManager[Any]:
        return precision(self.device, self.half)


class _KeptFeatures(nn.Module):
    """Stands for RAFT's feature encoder: gives what was computed before, for both images."""

    features: Tensor

    def forward(self, images: Tensor) -> Tensor:
        del images
        return self.features


def _split(model: Model) -> tuple[nn.Module | None, _KeptFeatures | None, Model]:
    """RAFT's feature encoder, its stand-in, and the rest; other models stay in one piece."""
    from torchvision.models.optical_flow import RAFT

    if not isinstance(model, RAFT):
        return None, None, model
    kept = _KeptFeatures()
    rest = RAFT(
        feature_encoder=kept,
        context_encoder=model.context_encoder,
        corr_block=model.corr_block,
        update_block=model.update_block,
        mask_predictor=model.mask_predictor,
    )
    return model.feature_encoder, kept, rest.eval()


def load_raft(weights: Weights) -> nn.Module:
    """Build torchvision's RAFT, small or large as the weights say, with these weights.

    Parameters
    ----------
    weights
        A state dict, or a file with one.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file cannot be read, or these are not the weights of a RAFT.

    Examples
    --------
    >>> from torchvision.models.optical_flow import raft_small
    >>> type(load_raft(raft_small().state_dict())).__name__
    'RAFT'
    """
    from torchvision.models.optical_flow import raft_large, raft_small

    tensors = weights if isinstance(weights, Mapping) else read_weights(Path(weights)).tensors
    # Only the large RAFT learns how to enlarge its flow.
    large = any(name.startswith("mask_predictor.") for name in tensors)
    model: nn.Module = (raft_large if large else raft_small)(weights=None)
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise ValueError(
            "expected the state dict of torchvision's raft_small or raft_large; "
            f"it does not fit: {str(error)[:300]}"
        ) from None
    return model


def sample_on_device(flow: Tensor, xy: Tensor) -> Tensor:
    """Flow at points, bilinear, on the flow's device; as `posetrack.ops.motion.sample_field`.

    Parameters
    ----------
    flow
        (1, 2, h, w) pixels.
    xy
        (P, 2) finite pixels; outside, the nearest border pixel counts.

    Returns
    -------
    (P, 2) float32.

    Examples
    --------
    >>> flow = torch.tensor([[[0.0, 1], [0, 1]], [[0, 0], [10, 10]]])[None]  # (x, 10 y)
    >>> sample_on_device(flow, torch.tensor([[0.25, 0.5]])).tolist()
    [[0.25, 5.0]]
    """
    # By numbers, not by a tensor of them: to make one on a GPU the host waits for it.
    across, down = ((2 * xy[:, axis] + 1) / flow.shape[3 - axis] - 1 for axis in (0, 1))
    grid = torch.stack([across, down], dim=1).view(1, 1, -1, 2)
    sampled = grid_sample(flow, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[0, :, 0].T


def shrink_on_device(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixels (1, C, H, W) reduced to a width and height, in the steps of `shrink`, to whole levels.

    OpenCV computes with fixed points: a level may differ by one.

    Examples
    --------
    >>> shrink_on_device(torch.full((1, 1, 9, 9), 7.0), (2, 2)).tolist()
    [[[[7.0, 7.0], [7.0, 7.0]]]]
    """
    height, width = planes.shape[2:]
    steps = []
    while width >= 2 * size[0] and height >= 2 * size[1]:
        width, height = (width + 1) // 2, (height + 1) // 2
        steps.append((height, width))
    if (width, height) != tuple(size):
        steps.append((size[1], size[0]))
    for step in steps:
        planes = interpolate(planes, step, mode="bilinear", align_corners=False)
        planes = planes.add_(0.5).floor_()
    return planes


def _pad(images: Tensor) -> Tensor:
    """Sides brought to multiples of 8 and at least `MIN_SIDE`, by repeating the border."""
    height, width = images.shape[2:]
    below = max(MIN_SIDE, -(-height // 8) * 8) - height
    right = max(MIN_SIDE, -(-width // 8) * 8) - width
    return pad(images, (0, right, 0, below), mode="replicate")
