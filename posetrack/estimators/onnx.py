"""Top-down heatmap networks in ONNX files, run by onnxruntime.

Files fixed to one crop a run are common. Measured on two nearly idle cores with a 2.4 MB network
for 192 x 256 crops (milliseconds a person with 1, 3 and 6 people, medians of 25 repeats):

========================================================  =====  =====  =====
one run after the other, one thread                        5.0    5.0    5.0
one run after the other, two threads                       4.8    4.3    4.3
runs side by side, each with one thread                    5.1    5.2    3.8
runs side by side in a session of two threads              4.9    4.5    3.8
file changed to take any batch, one run of two threads     4.5    4.1    3.8
========================================================  =====  =====  =====

With other work on the cores the ways differ by less than the noise, and one thread in turn is as
good as any (``benchmarks/onnx_threads.py``). Changing the file gains next to nothing and would need
the onnx package, so the file is left as it is and its runs go side by side in a session of as many
threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.crops import (
    IMAGENET_RGB,
    Normalisation,
    box_to_center_scale,
    crop_matrices,
    crop_people,
    heatmap_to_image,
    normalise,
)
from posetrack.heatmaps import average_flipped, decode_quarter
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.onnx_session import open_network, usable_cores
from posetrack.skeletons import COCO_17, Skeleton
from posetrack.structures import Detections, Poses

Float32Array: TypeAlias = NDArray[np.float32]
Decoder: TypeAlias = Callable[[Float32Array], tuple[Float32Array, Float32Array]]


class OnnxTopDown:
    """A heatmap network in an ONNX file, as a `posetrack.interfaces.PoseEstimator`.

    Parameters
    ----------
    path
        The file. It takes crops (N, 3, height, width) and gives heatmaps (N, K, h, w).
    skeleton
        What its K heatmaps are.
    input_size
        (width, height) of a crop. None: what the file is fixed to.
    normalisation
        How pixels become its input.
    padding
        How much larger than the box the crop is, after the box is given the crop's shape.
    flip_test
        Average with the heatmaps of the mirrored crop: somewhat more accurate, at twice the time.
    decode
        Heatmaps (N, K, h, w) to cells (N, K, 2) and scores (N, K): a function of
        `posetrack.heatmaps`, or one of yours.
    max_batch
        Most crops in one run, where the file takes any number; bounds memory.
    threads, providers
        See `posetrack.onnx_session.open_session`. A file fixed to a batch size is run for
        ``threads`` batches side by side.

    Raises
    ------
    ModuleNotFoundError
        If onnxruntime is not installed.
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ValueError
        If it is not a usable ONNX file, its input is not a batch of images, its size is open and
        not given or fixed to another, or its output is not one heatmap for each keypoint of the
        skeleton.

    Notes
    -----
    Keypoints whose heatmap is NaN throughout are NaN with score 0.

    Examples
    --------
    >>> estimate = OnnxTopDown("simplepose_256x192.onnx")  # doctest: +SKIP
    >>> estimate(image, detect(image))  # doctest: +SKIP
    Poses(xy (3, 17, 2), scores (3, 17), coco_17)
    """

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton = COCO_17,
        *,
        input_size: tuple[int, int] | None = None,
        normalisation: Normalisation = IMAGENET_RGB,
        padding: float = 1.25,
        flip_test: bool = False,
        decode: Decoder = decode_quarter,
        max_batch: int = 64,
        threads: int | None = None,
        providers: Sequence[Any] | None = None,
    ) -> None:
        if max_batch < 1 or not padding > 0:
            raise ValueError(
                f"max_batch must be at least 1 and padding positive, got {max_batch}, {padding}"
            )
        self._network = open_network(path, threads=threads, providers=providers)
        self._skeleton = skeleton
        self.input_size = self._network.size_for(input_size)
        self.normalisation, self.padding = normalisation, padding
        self.flip_test, self.decode = flip_test, decode
        self.max_batch = max_batch
        self._output = 0
        self._pool = self._workers(threads or min(usable_cores(), 8))
        # Once before the first image: what the network gives is seen only by running it, and the
        # first run is slow.
        width, height = self.input_size
        blank = np.zeros((self._network.batch or 1, 3, height, width), np.float32)
        self._output = heatmap_output(self._network(blank), skeleton, str(self._network))

    @property
    def skeleton(self) -> Skeleton:
        """What the keypoints of the poses are."""
        return self._skeleton

    def __call__(self, image: Image, boxes: Detections, /) -> Poses:
        """One pose for each box, in the boxes' order, with ``boxes`` passed through.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR.
        boxes
            People to look at; none is fine.
        """
        if len(boxes) == 0:
            return Poses.empty(self._skeleton)
        image = as_bgr(image)
        center, scale = box_to_center_scale(
            boxes.xyxy, input_size=self.input_size, padding=self.padding
        )
        matrices = crop_matrices(center, scale, self.input_size)
        found = [
            self._cells(image, matrices[start : start + self.max_batch])
            for start in range(0, len(boxes), self.max_batch)
        ]
        cells, scores = (
            np.concatenate(parts) for parts in zip(*(f[:2] for f in found), strict=True)
        )
        xy = heatmap_to_image(cells, center, scale, found[0][2])
        unseen = ~np.isfinite(scores)  # a heatmap that overflowed says nothing
        xy[unseen], scores[unseen] = np.nan, 0
        return Poses(xy, scores, boxes, self._skeleton)

    def _cells(
        self, image: Image, matrices: NDArray[np.float64]
    ) -> tuple[Float32Array, Float32Array, tuple[int, int]]:
        """Keypoints in heatmap cells, their scores, and (width, height) of the heatmaps."""
        crops = crop_people(image, matrices, self.input_size)
        batch = normalise(crops, self.normalisation)
        heatmaps = self._heatmaps(batch)
        if self.flip_test:
            mirrored = self._heatmaps(np.ascontiguousarray(batch[..., ::-1]))
            heatmaps = average_flipped(heatmaps, mirrored, self._skeleton.mirror_order)
        cells, scores = self.decode(heatmaps)
        count, keypoints, height, width = heatmaps.shape
        if cells.shape != (count, keypoints, 2) or scores.shape != (count, keypoints):
            name = getattr(self.decode, "__name__", repr(self.decode))
            raise ValueError(
                f"{name} must give xy {(count, keypoints, 2)} and scores {(count, keypoints)} for "
                f"heatmaps {heatmaps.shape}, it gave {cells.shape} and {scores.shape}"
            )
        return np.array(cells, np.float32), np.array(scores, np.float32), (width, height)

    def _heatmaps(self, batch: Float32Array) -> Float32Array:
        """(N, K, h, w) for (N, 3, height, width), in runs of the size that the file wants."""
        size = self._network.batch
        if size is None or size == len(batch):
            return self._run(batch)
        parts = [_filled(batch[start : start + size], size) for start in range(0, len(batch), size)]
        if self._pool is None or len(parts) == 1:
            runs = [self._run(part) for part in parts]
        else:
            runs = list(self._pool.map(self._run, parts))
        return np.concatenate(runs)[: len(batch)]

    def _run(self, batch: Float32Array) -> Float32Array:
        return np.asarray(self._network(batch)[self._output], np.float32)

    def _workers(self, threads: int) -> ThreadPoolExecutor | None:
        side_by_side = threads > 1 and self._network.batch is not None
        return ThreadPoolExecutor(threads, "posetrack-onnx") if side_by_side else None


def heatmap_output(outputs: Sequence[NDArray[Any]], skeleton: Skeleton, description: str) -> int:
    """Which of a network's outputs are the heatmaps of a skeleton's keypoints.

    Parameters
    ----------
    outputs
        The network's answer to one batch.
    skeleton
        What there should be a heatmap of each.
    description
        What to call the network in messages.

    Raises
    ------
    ValueError
        If there is not exactly one output (N, K, h, w); the message says what was found and,
        where it can be told, what kind of network this is.

    Examples
    --------
    >>> heatmap_output([np.zeros((1, 17, 64, 48))], COCO_17, "net.onnx")
    0
    """
    count = len(skeleton)
    maps = [row for row, output in enumerate(outputs) if output.ndim == 4]
    fitting = [row for row in maps if outputs[row].shape[1] == count]
    if len(fitting) == 1:
        return fitting[0]
    found = ", ".join(str(output.shape) for output in outputs)
    start = f"{description}: expected heatmaps (N, {count}, h, w)"
    if len(fitting) > 1:
        raise ValueError(f"{start} once, got {found}; export only the last stage's")
    if maps:
        channels = outputs[maps[0]].shape[1]
        offsets = " (a map and two offsets a keypoint, as UDP has, are not supported)"
        raise ValueError(
            f"{start} for the skeleton {skeleton.name!r} of {count} keypoints, the network gives "
            f"{channels} channels{offsets if channels == 3 * count else ''}: {found}. Give the "
            "skeleton it was trained for"
        )
    raise ValueError(f"{start}, got {found}. {_kind(outputs, count)}")


def _kind(outputs: Sequence[NDArray[Any]], count: int) -> str:
    """What a network without heatmaps might be."""
    flat = [output.shape for output in outputs if output.ndim == 3 and output.shape[1] == count]
    if len(flat) == 2:
        return "This looks like SimCC (as RTMPose has), which is not supported"
    if flat and flat[0][2] in (2, 3):
        return "This network gives coordinates directly, which is not supported"
    return "Is it a pose network at all, and one for single people?"


def _filled(batch: Float32Array, size: int) -> Float32Array:
    """The batch with zeros up to the size that the file is fixed to."""
    if len(batch) == size:
        return batch
    rest = np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)
    return np.concatenate([batch, rest])
