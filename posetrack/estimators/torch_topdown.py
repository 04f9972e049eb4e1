"""Top-down pose estimation with a torch network: one crop per box, one batch, heatmaps, keypoints.

After Xiao, Wu, Wei, *Simple Baselines for Human Pose Estimation and Tracking* (ECCV 2018). There
are two ways to the same answer. On the host, OpenCV crops, a runtime of
`posetrack.estimators.runtimes` runs the network and `posetrack.ops.heatmaps` decodes. On a device,
the image goes up once and everything happens there; keypoints in heatmap cells, (N, K, 3) numbers,
come back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from posetrack.estimators.devices import device_named, half_of, precision
from posetrack.estimators.runtimes import Runtime, for_inference, run_with_best
from posetrack.estimators.torch_kernels import (
    average_flipped_on_device,
    crop_on_device,
    normalise_on_device,
    on_device,
    upload,
)
from posetrack.interfaces import Image
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.ops.crops import (
    IMAGENET_RGB,
    Normalisation,
    box_to_center_scale,
    crop_matrices,
    crop_people,
    heatmap_to_image,
    normalise,
)
from posetrack.ops.heatmaps import average_flipped, decode_quarter
from posetrack.skeletons import Skeleton
from posetrack.structures import Detections, Poses

Decoder: TypeAlias = Callable[
    [NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]
]
_Cells: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32], tuple[int, int]]
"""Keypoints (n, K, 2) in heatmap cells, scores (n, K), width and height of the heatmaps."""


class TorchTopDown:
    """Finds the keypoints of the person in each box; a `posetrack.interfaces.PoseEstimator`.

    Parameters
    ----------
    network
        Takes normalised crops (N, 3, height, width), gives heatmaps (N, K, h, w). It is copied;
        changing it later changes nothing here.
    skeleton
        What its K heatmaps are.
    input_size
        Width and height of a crop.
    normalisation
        How pixels become its input; `load_pose_resnet` says which.
    padding
        How much larger than the box the crop is, after the box is given the crop's shape.
    device
        A torch device or its name; ``"auto"`` is the first GPU, or the CPU where there is none.
    flip_test
        Average with the heatmaps of the mirrored crop: some tenths of a percent more accurate, at
        twice the time.
    decode
        Heatmaps (N, K, h, w) to cells (N, K, 2) and scores (N, K). Those of
        `posetrack.ops.heatmaps` have a counterpart that runs on the device; for any other the
        heatmaps come back.
    half
        On the device, convolve in 16 bits (float16 on a GPU, bfloat16 on a CPU). When None: on a
        GPU. Keypoints move by a few hundredths of a pixel. When False, TF32 is off as well, so
        that answers equal the CPU's.
    max_batch
        Most crops in one pass, mirrored ones counted; bounds memory.
    on_device
        Take the device's way; when None, unless the device is the CPU.
    runtime
        What runs the network on the host, see `posetrack.estimators.runtimes`; when None, the
        fastest that is installed and agrees with torch. Not used on a device.

    Raises
    ------
    ValueError
        If the network's heatmaps are not as many as the skeleton's keypoints, ``max_batch`` is
        below 1, or ``half`` or ``runtime`` is asked for where it has no meaning.

    Notes
    -----
    A box without width and height gives a pose within a pixel of its place, with whatever scores
    the network has for a crop of one colour. Boxes outside the image see black.

    Examples
    --------
    >>> from posetrack.estimators.runtimes import run_with_torch
    >>> from posetrack.networks.pose_resnet import PoseResNet
    >>> from posetrack.skeletons import COCO_17
    >>> estimate = TorchTopDown(
    ...     PoseResNet(18), COCO_17, input_size=(32, 64), device="cpu", runtime=run_with_torch
    ... )
    >>> estimate(np.zeros((90, 120, 3), np.uint8), Detections([[10, 10, 40, 80]], [1.0]))
    Poses(xy (1, 17, 2), scores (1, 17), coco_17)
    """

    def __init__(
        self,
        network: nn.Module,
        skeleton: Skeleton,
        *,
        input_size: tuple[int, int] = (192, 256),
        normalisation: Normalisation = IMAGENET_RGB,
        padding: float = 1.25,
        device: str | torch.device = "auto",
        flip_test: bool = False,
        decode: Decoder = decode_quarter,
        half: bool | None = None,
        max_batch: int = 64,
        on_device: bool | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        if max_batch < 1:
            raise ValueError(f"max_batch must be at least 1, got {max_batch}")
        self.skeleton = skeleton
        self.input_size = input_size
        self.normalisation = normalisation
        self.padding = padding
        self.device = device_named(device)
        self.flip_test = flip_test
        self.decode = decode
        self.max_batch = max_batch
        self.on_device = self.device.type != "cpu" if on_device is None else on_device
        self.half = self.on_device and self.device.type == "cuda" if half is None else half
        if self.half and not self.on_device:
            raise ValueError("half precision is for the device's way; leave half=None")
        if not self.on_device and self.device.type != "cpu":
            raise ValueError(f"on_device=False runs on the CPU, not on {self.device}")
        if self.on_device:
            if runtime is not None:
                raise ValueError("a runtime runs on the host; it needs device='cpu'")
            self._network = for_inference(network).to(
                self.device,
                memory_format=torch.channels_last,  # type: ignore[call-overload]
            )
            if self.half and type(network) is PoseResNet:
                # Autocast would cast these weights anew at each call. Others keep theirs: a
                # network of unknown layers may need 32 bits in some.
                self._network.to(half_of(self.device))
            self._mirror_order = torch.from_numpy(skeleton.mirror_order).to(self.device)
        else:
            start = run_with_best if runtime is None else runtime
            self._run = start(network, input_size, len(skeleton))

    def __call__(self, image: Image, boxes: Detections, /) -> Poses:
        """Poses (N, K) in the boxes' order, with the boxes passed through.

        Parameters
        ----------
        image
            (H, W, 3) uint8, BGR.
        boxes
            N people; for none nothing is run.

        Raises
        ------
        ValueError
            If the image is not (H, W, 3) uint8 or the network's heatmaps do not fit the skeleton.
        """
        _require_image(image)
        if len(boxes) == 0:
            return Poses.empty(self.skeleton)
        center, scale = box_to_center_scale(
            boxes.xyxy, input_size=self.input_size, padding=self.padding
        )
        matrices = crop_matrices(center, scale, self.input_size)
        way = self._on_device if self.on_device else self._on_host
        parts = list(way(image, matrices))
        xy = heatmap_to_image(
            np.concatenate([cells for cells, _, _ in parts]), center, scale, parts[0][2]
        )
        return Poses(xy, np.concatenate([scores for _, scores, _ in parts]), boxes, self.skeleton)

    def _on_host(self, image: Image, matrices: NDArray[np.float64]) -> Iterator[_Cells]:
        for rows in self._chunks(len(matrices)):
            yield self._from_crops(crop_people(image, matrices[rows], self.input_size))

    def _from_crops(self, crops: NDArray[np.uint8]) -> _Cells:
        """Keypoints of BGR crops (n, height, width, 3)."""
        batch = normalise(crops, self.normalisation)
        heatmaps = self._run(batch)
        self._require_heatmaps(heatmaps.shape)
        if self.flip_test:
            mirrored = self._run(np.ascontiguousarray(batch[..., ::-1]))
            heatmaps = average_flipped(heatmaps, mirrored, self.skeleton.mirror_order)
        return *self.decode(heatmaps), (heatmaps.shape[3], heatmaps.shape[2])

    def _on_device(self, image: Image, matrices: NDArray[np.float64]) -> Iterator[_Cells]:
        with torch.inference_mode():
            pixels = upload(image, self.device)
            # All chunks are asked for before the first is waited for.
            parts = [
                self._from_tensor(crop_on_device(pixels, matrices[rows], self.input_size))
                for rows in self._chunks(len(matrices))
            ]
            for found, size in parts:
                keypoints = found.cpu().numpy()
                yield keypoints[..., :2], keypoints[..., 2], size

    def _from_tensor(self, crops: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Cells and scores (n, K, 3) of BGR crops (n, 3, height, width), still on the device."""
        batch = normalise_on_device(crops, self.normalisation)
        if self.flip_test:
            batch = torch.cat([batch, batch.flip(3)])
        batch = batch.contiguous(memory_format=torch.channels_last)
        with precision(self.device, self.half):
            heatmaps = self._network(batch).float()
        self._require_heatmaps(heatmaps.shape)
        if self.flip_test:
            plain, mirrored = heatmaps.chunk(2)
            heatmaps = average_flipped_on_device(plain, mirrored, self._mirror_order)
        decode = on_device(self.decode)
        if decode is None:
            xy, scores = (torch.from_numpy(part) for part in self.decode(heatmaps.cpu().numpy()))
        else:
            xy, scores = decode(heatmaps)
        size = (heatmaps.shape[3], heatmaps.shape[2])
        return torch.cat([xy, scores[..., None]], dim=2), size

    def _chunks(self, count: int) -> Iterator[slice]:
        step = max(1, self.max_batch // 2) if self.flip_test else self.max_batch
        return (slice(first, first + step) for first in range(0, count, step))

    def _require_heatmaps(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 4 or shape[1] != len(self.skeleton):
            raise ValueError(
                f"the network gives {shape}, expected (N, {len(self.skeleton)}, h, w): one "
                f"heatmap for each keypoint of {self.skeleton.name}. Is it another skeleton?"
            )

    def __repr__(self) -> str:
        width, height = self.input_size
        return f"TorchTopDown({self.skeleton.name}, {width} x {height}, {self.device})"


def _require_image(image: Any) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3:
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image)
        raise ValueError(f"expected an image (H, W, 3) of uint8, BGR, got {found}")
    if image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"expected an image (H, W, 3) of at least one pixel, got {image.shape}")
