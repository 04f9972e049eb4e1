"""Crops, flip test and decoding as torch operations, to stay on the device a network runs on.

They answer as `posetrack.ops.crops` and `posetrack.ops.heatmaps` do, up to rounding: crops are not
rounded to whole grey levels. Sizes are (width, height), pixel centres lie at integers.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from posetrack.devices import pick_device
from posetrack.interfaces import Image
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.ops.crops import Normalisation, in_batches, inverse_affine
from posetrack.ops.heatmaps import decode_argmax, decode_dark, decode_quarter
from posetrack.runtimes.cuda_graphs import Capture, Graphs, capture_on_cuda, choose_batch_size
from posetrack.runtimes.onnxruntime import run_with_onnxruntime
from posetrack.runtimes.openvino import run_with_openvino
from posetrack.runtimes.session import Batch, Run, Session, require_heatmaps
from posetrack.runtimes.torch import Runtime, for_inference, half_of, precision, run_with_torch
from posetrack.runtimes.uploads import Uploaded, Uploader, fetch, send_array
from posetrack.skeletons import Skeleton

TorchDecoder = Callable[[Tensor], tuple[Tensor, Tensor]]


def as_planes(image: Uploaded) -> Tensor:
    """An image on a device as (1, 3, H, W) float32, BGR in [0, 255].

    Examples
    --------
    >>> as_planes(Uploader(torch.device("cpu"))(np.zeros((4, 6, 3), np.uint8))).shape
    torch.Size([1, 3, 4, 6])
    """
    return image.bgr().permute(2, 0, 1)[None].float()


def crop_on_device(
    image: Tensor, matrices: NDArray[np.float64], input_size: tuple[int, int]
) -> Tensor:
    """What each matrix shows of an image; bilinear, black outside, by one ``grid_sample``.

    Parameters
    ----------
    image
        (1, 3, H, W) float.
    matrices
        (N, 2, 3), from image to crop pixels; see `posetrack.ops.crops.crop_matrices`.
    input_size
        Width and height of a crop.

    Returns
    -------
    crops
        (N, 3, height, width), channels as in the image.

    Notes
    -----
    All crops are asked for as one tall picture, so the image is not repeated in memory.

    Examples
    --------
    >>> image = torch.arange(12.0).reshape(1, 1, 3, 4)
    >>> crop_on_device(image, np.array([[[1.0, 0, -1], [0, 1, -1]]]), (2, 2)).round().tolist()
    [[[[5.0, 6.0], [9.0, 10.0]]]]
    """
    width, height = input_size
    count, channels = len(matrices), image.shape[1]
    theta = _normalise(inverse_affine(matrices), input_size, (image.shape[3], image.shape[2]))
    sides = send_array(theta.astype(np.float32), image.device)
    across = ((torch.arange(width, device=image.device) * 2 + 1) / width - 1)[:, None]
    down = ((torch.arange(height, device=image.device) * 2 + 1) / height - 1)[:, None, None]
    # Not by affine_grid: that multiplies matrices, in TF32 where a user allows it, and so is off
    # by up to a pixel in a wide image.
    x_part, y_part, offset = (sides[:, None, None, :, column] for column in range(3))
    grid = across * x_part + down * y_part + offset
    tall = functional.grid_sample(
        image, grid.reshape(1, count * height, width, 2), "bilinear", "zeros", align_corners=False
    )
    return tall.reshape(channels, count, height, width).transpose(0, 1)


def _normalise(
    to_image: NDArray[np.float64], crop_size: tuple[int, int], image_size: tuple[int, int]
) -> NDArray[np.float64]:
    """Matrices between pixels (N, 2, 3) as matrices between coordinates in [-1, 1].

    Without aligned corners a size s puts pixel i at (2 i + 1) / s - 1. Done in float64, for a
    pixel's coordinate in a wide image needs more digits than float32 has to spare.
    """
    crop, image = np.array(crop_size, float), np.array(image_size, float)
    theta = np.empty_like(to_image)
    theta[:, :, :2] = to_image[:, :, :2] * crop / image[:, None]
    middle = (to_image[:, :, :2] @ ((crop - 1) / 2)) + to_image[:, :, 2]
    theta[:, :, 2] = (2 * middle + 1) / image - 1
    return theta


def colours_on_device(normalisation: Normalisation, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation of pixels in [0, 255], (3, 1, 1) each.

    Examples
    --------
    >>> from posetrack.ops.crops import UNIT
    >>> colours_on_device(UNIT, torch.device("cpu"))[1].flatten().tolist()
    [255.0, 255.0, 255.0]
    """
    both = np.array([normalisation.mean, normalisation.std], np.float32)
    mean, std = send_array(both, device).mul(255)[:, :, None, None]
    return mean, std


def _scale_colours(crops: Tensor, rgb: bool, mean: Tensor, std: Tensor) -> Tensor:
    return ((crops.flip(1) if rgb else crops) - mean) / std


def average_flipped_on_device(output: Tensor, of_mirrored: Tensor, mirror_order: Tensor) -> Tensor:
    """Flip test, see `posetrack.ops.heatmaps.average_flipped`: (N, K, H, W) both, and (K,).

    Examples
    --------
    >>> maps = torch.tensor([[[[0.0, 0.0, 1.0, 0.0]]]])
    >>> average_flipped_on_device(maps, maps, torch.tensor([0])).tolist()
    [[[[0.0, 0.0, 1.0, 0.0]]]]
    """
    back = of_mirrored.flip(3)[:, mirror_order]
    back = torch.cat([back[..., :1], back[..., :-1]], dim=3)
    return (output + back) * 0.5


def _argmax_on_device(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """`posetrack.ops.heatmaps.decode_argmax` of a tensor.

    Examples
    --------
    >>> _argmax_on_device(torch.eye(3)[None, None])[0].tolist()
    [[[0.0, 0.0]]]
    """
    width = heatmaps.shape[3]
    flat = heatmaps.float().flatten(2)
    usable = torch.where(flat.isnan(), -math.inf, flat)
    scores, cells = usable.max(dim=2)  # of equal maxima the first
    xy = torch.stack([cells % width, cells.div(width, rounding_mode="floor")], dim=2).float()
    xy = torch.where((scores > 0)[..., None], xy, 0.0)
    unseen = scores == -math.inf
    return torch.where(unseen[..., None], math.nan, xy), torch.where(unseen, 0.0, scores)


def quarter_on_device(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    """`posetrack.ops.heatmaps.decode_quarter` of a tensor.

    Examples
    --------
    >>> maps = torch.zeros(1, 1, 8, 6)
    >>> maps[0, 0, 5, 3], maps[0, 0, 5, 4] = 0.7, 0.2
    >>> quarter_on_device(maps)[0].tolist()
    [[[3.25, 5.0]]]
    """
    xy, scores = _argmax_on_device(heatmaps)
    height, width = heatmaps.shape[2:]
    near = _around(heatmaps.float(), xy, 1)
    slope = torch.stack([near[..., 1, 2] - near[..., 1, 0], near[..., 2, 1] - near[..., 0, 1]], -1)
    inside = _between(xy, width - 1, height - 1)[..., None]
    return xy + torch.where(inside, slope.nan_to_num(0.0).sign() * 0.25, 0.0), scores


def _dark_on_device(heatmaps: Tensor, *, blur_size: int = 11) -> tuple[Tensor, Tensor]:
    """`posetrack.ops.heatmaps.decode_dark` of a tensor.

    Examples
    --------
    >>> y, x = torch.meshgrid(torch.arange(16.0), torch.arange(12.0), indexing="ij")
    >>> maps = torch.exp(-((x - 5.3) ** 2 + (y - 8.1) ** 2) / 8)[None, None]
    >>> _dark_on_device(maps)[0].round(decimals=2).tolist()
    [[[5.3..., 8.1...]]]
    """
    xy, scores = _argmax_on_device(heatmaps)
    height, width = heatmaps.shape[2:]
    reach = blur_size // 2
    steps = torch.arange(-reach, reach + 1, device=heatmaps.device, dtype=torch.float64)
    window = torch.exp(-0.5 * (steps / (0.15 * blur_size + 0.35)) ** 2)
    window = window / window.sum()
    # Only the cells that the fit reads are smoothed, in float64: second differences of logarithms.
    rough = _around(heatmaps, xy, reach + 2).double().unfold(-1, blur_size, 1) @ window
    logs = (rough.transpose(-1, -2).unfold(-1, blur_size, 1) @ window).transpose(-1, -2)
    g = logs.clamp_min(1e-10).log()
    dx, dy = (g[..., 2, 3] - g[..., 2, 1]) / 2, (g[..., 3, 2] - g[..., 1, 2]) / 2
    dxx = (g[..., 2, 4] - 2 * g[..., 2, 2] + g[..., 2, 0]) / 4
    dyy = (g[..., 4, 2] - 2 * g[..., 2, 2] + g[..., 0, 2]) / 4
    dxy = (g[..., 3, 3] - g[..., 1, 3] - g[..., 3, 1] + g[..., 1, 1]) / 4
    determinant = dxx * dyy - dxy * dxy
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], -1) / determinant[..., None]
    fits = _between(xy, width - 2, height - 2) & (determinant != 0) & ~determinant.isnan()
    return xy + torch.where(fits[..., None], step.float(), 0.0), scores


def _between(xy: Tensor, right: int, bottom: int) -> Tensor:
    """Which points lie right of and below 1, and left of and above these.

    Limits are numbers, not a tensor: to make one on a GPU the host waits for it.
    """
    x, y = xy[..., 0], xy[..., 1]
    return (x > 1) & (y > 1) & (x < right) & (y < bottom)


def _around(heatmaps: Tensor, xy: Tensor, reach: int) -> Tensor:
    """(N, K, 2 reach + 1, 2 reach + 1) cells around each (N, K, 2) whole cell; 0 outside."""
    count, keypoints, height, width = heatmaps.shape
    steps = torch.arange(-reach, reach + 1, device=heatmaps.device)
    cells = xy.nan_to_num(0.0).long()
    columns = cells[..., :1] + steps
    rows = cells[..., 1:] + steps
    inside = ((rows >= 0) & (rows < height))[..., :, None] & ((columns >= 0) & (columns < width))[
        ..., None, :
    ]
    places = (
        rows.clamp(0, height - 1)[..., :, None] * width + columns.clamp(0, width - 1)[..., None, :]
    )
    values = heatmaps.flatten(2).gather(2, places.flatten(2))
    return torch.where(inside, values.reshape(count, keypoints, *inside.shape[2:]), 0.0)


def on_device(decode: Callable[..., Any]) -> TorchDecoder | None:
    """The torch counterpart of a decoder of `posetrack.ops.heatmaps`; None if it has none.

    A ``functools.partial`` of `posetrack.ops.heatmaps.decode_dark` keeps its ``blur_size``.

    Examples
    --------
    >>> on_device(decode_quarter) is quarter_on_device, on_device(print) is None
    (True, True)
    """
    known: dict[Any, Callable[..., tuple[Tensor, Tensor]]] = {
        decode_argmax: _argmax_on_device,
        decode_quarter: quarter_on_device,
        decode_dark: _dark_on_device,
    }
    if isinstance(decode, partial):
        found = None if decode.args else known.get(decode.func)
        return None if found is None else partial(found, **decode.keywords)
    return known.get(decode)


class DeviceCrops:
    """From an image to keypoints in cells of heatmaps, all on the device of a network.

    Parameters
    ----------
    network
        Takes normalised crops, gives heatmaps. It is copied.
    skeleton
        What its K heatmaps are.
    device
        Where everything happens.
    half
        Convolve in 16 bits.
    capture
        Records what happens behind the crops, once for each size of a batch, to be replayed, see
        `posetrack.runtimes.cuda_graphs`; batches are then padded to few sizes. When None: CUDA
        graphs on CUDA, nothing elsewhere.
    """

    def __init__(
        self,
        network: nn.Module,
        skeleton: Skeleton,
        device: torch.device,
        *,
        half: bool,
        capture: Capture | None = None,
    ) -> None:
        self.skeleton, self.device, self.half = skeleton, device, half
        self.upload = Uploader(device)
        self.network = for_inference(network).to(
            device,
            memory_format=torch.channels_last,  # type: ignore[call-overload]
        )
        if half and type(network) is PoseResNet:
            # Autocast would cast these weights anew at each call. Others keep theirs: a
            # network of unknown layers may need 32 bits in some.
            self.network.to(half_of(device))
        self._mirror_order = torch.from_numpy(skeleton.mirror_order).to(device)
        self._colours: dict[Normalisation, tuple[Tensor, Tensor]] = {}
        self._sizes: dict[Hashable, tuple[int, int]] = {}
        if capture is None and device.type == "cuda":
            capture = capture_on_cuda
        self.graphs = Graphs(capture)

    def find(
        self,
        images: Sequence[Image | Uploaded],
        matrices: Sequence[NDArray[np.float64]],
        *,
        input_size: tuple[int, int],
        normalisation: Normalisation,
        decode: Callable[..., Any],
        flip_test: bool,
        max_batch: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], tuple[int, int]]:
        """Keypoints in cells (N, K, 2), scores (N, K), and the heatmaps' width and height.

        Parameters
        ----------
        images
            (H, W, 3) uint8 BGR each, or the same on the device.
        matrices
            Of each image (n, 2, 3), from image to crop pixels, N in all and at least 1; see
            `posetrack.ops.crops.crop_matrices`.
        input_size, normalisation, decode, flip_test, max_batch
            See `posetrack.estimators.top_down.TopDown`.
        """
        step = max(1, max_batch // 2) if flip_test else max_batch
        with torch.inference_mode():
            pixels = [as_planes(self.upload(image)) for image in images]
            # All is asked for before anything is waited for, and it is waited for once.
            parts, size = [], (0, 0)
            for batch in in_batches(matrices, step):
                count = sum(len(some) for _, some in batch)
                crops = [
                    crop_on_device(pixels[row], some, input_size)
                    for row, some in self._pad(batch, count, step)
                ]
                found, size = self.decode_crops(
                    crops[0] if len(crops) == 1 else torch.cat(crops),
                    normalisation,
                    decode,
                    flip_test,
                )
                parts.append(found[:count])
            keypoints = fetch(torch.cat(parts), "keypoints")
        return keypoints[..., :2], keypoints[..., 2], size

    def _pad(
        self, batch: list[tuple[int, NDArray[np.float64]]], count: int, most: int
    ) -> list[tuple[int, NDArray[np.float64]]]:
        """Some crop of the last image once more, until there are as many as some graph is for."""
        if not self.graphs.used:
            return batch
        row, matrices = batch[-1]
        missing = choose_batch_size(count, most) - count
        last = np.concatenate([matrices, np.repeat(matrices[:1], missing, axis=0)])
        return [*batch[:-1], (row, last)]

    def decode_crops(
        self,
        crops: Tensor,
        normalisation: Normalisation,
        decode: Callable[..., Any],
        flip_test: bool,
    ) -> tuple[Tensor, tuple[int, int]]:
        """Cells and scores (n, K, 3) of BGR crops (n, 3, height, width), still on the device.

        A ``decode`` without a counterpart on the device gets the heatmaps on the host.
        """
        if normalisation not in self._colours:
            self._colours[normalisation] = colours_on_device(normalisation, self.device)
        mean, std = self._colours[normalisation]
        decoder = on_device(decode)
        sizes: list[tuple[int, int]] = []

        def heatmaps_of(crops: Tensor) -> Tensor:
            batch = _scale_colours(crops, normalisation.rgb, mean, std)
            if flip_test:
                batch = torch.cat([batch, batch.flip(3)])
            batch = batch.contiguous(memory_format=torch.channels_last)
            with precision(self.device, self.half):
                heatmaps: Tensor = self.network(batch).float()
            require_heatmaps(heatmaps.shape, self.skeleton)
            sizes.append((heatmaps.shape[3], heatmaps.shape[2]))
            if flip_test:
                plain, mirrored = heatmaps.chunk(2)
                heatmaps = average_flipped_on_device(plain, mirrored, self._mirror_order)
            return heatmaps

        def keypoints_of(crops: Tensor) -> Tensor:
            assert decoder is not None
            xy, scores = decoder(heatmaps_of(crops))
            return torch.cat([xy, scores[..., None]], dim=2)

        if decoder is None:
            xy, scores = (
                torch.from_numpy(part) for part in decode(heatmaps_of(crops).cpu().numpy())
            )
            return torch.cat([xy, scores[..., None]], dim=2), sizes[0]
        key = (normalisation, decode, flip_test)
        found = self.graphs.run(key, keypoints_of, crops)
        shape = tuple(crops.shape)
        if sizes:  # a replay runs nothing of the above
            self._sizes[key, shape] = sizes[0]
        return found, self._sizes[key, shape]


def open_module(
    network: nn.Module,
    input_size: tuple[int, int],
    skeleton: Skeleton,
    *,
    device: str | torch.device = "auto",
    half: bool | None = None,
    on_device: bool | None = None,
    runtime: Runtime | None = None,
) -> tuple[Session, DeviceCrops | None]:
    """A torch network that sees crops, ready on the host or on its device.

    Parameters
    ----------
    network
        It is copied.
    input_size
        Width and height of a crop.
    skeleton, device, half, on_device, runtime
        See `posetrack.estimators.top_down.TopDown`.

    Returns
    -------
    session
        Runs it on the host; empty where ``crops`` is not.
    crops
        Everything on the device; None on the host.

    Raises
    ------
    ValueError
        If ``half`` or ``runtime`` is asked for where it has no meaning.
    """
    target = pick_device(device)
    name = Path(type(network).__name__)
    on_device = target.type != "cpu" if on_device is None else on_device
    half = on_device and target.type == "cuda" if half is None else half
    if half and not on_device:
        raise ValueError("half precision is for the device's path; leave half=None")
    if not on_device and target.type != "cpu":
        raise ValueError(f"on_device=False runs on the CPU, not on {target}")
    if on_device:
        if runtime is not None:
            raise ValueError("a runtime runs on the host; it needs device='cpu'")
        crops = DeviceCrops(network, skeleton, target, half=half)
        return Session(name, _run_nothing, "torch", input_size=input_size), crops
    if runtime is None:
        runtime = run_with_best
    run = runtime(network, input_size, len(skeleton))
    return Session(name, partial(_run_one, run), "a runtime", input_size=input_size), None


def _run_nothing(batch: Batch) -> list[NDArray[Any]]:
    del batch
    return []


def _run_one(run: Run, batch: Batch) -> list[NDArray[Any]]:
    return [run(batch)]


def run_with_best(network: nn.Module, input_size: tuple[int, int], keypoints: int) -> Run:
    """Run a torch network on the CPU by the first of OpenVINO, onnxruntime and torch that can.

    Parameters
    ----------
    network
        Takes (N, 3, height, width) float32.
    input_size
        Width and height of its crops in pixels.
    keypoints
        Number of heatmaps it gives.

    Returns
    -------
    run
        From a batch (N, 3, height, width) to heatmaps (N, keypoints, h, w), both float32.

    Warns
    -----
    RuntimeWarning
        If one is installed and fails; the next is taken.

    Notes
    -----
    ResNet-50 at 192 x 256 on two quiet cores, as parts of torch's time (see
    ``benchmarks/pose_network.py``): batch normalisation folded and channels last, 0.9 to 1 for one
    person and 0.7 for eight; onnxruntime 0.7 and 0.7; OpenVINO 0.5 to 0.6 and 0.6. Where other
    programs run beside it, torch falls much further behind. None is less exact. OpenVINO in
    bfloat16 needs 0.3, but its heatmaps differ by a hundredth of the highest peak; it has to be
    asked for.
    """
    for name, runtime in (("openvino", run_with_openvino), ("onnxruntime", run_with_onnxruntime)):
        if find_spec(name) is None:
            continue
        try:
            return runtime(network, input_size, keypoints)
        except Exception as error:  # whatever fails in there, torch can still run the network
            warnings.warn(
                f"{name} cannot run this network, trying the next runtime: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
    return run_with_torch(network, input_size, keypoints)
