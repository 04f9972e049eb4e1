"""Exported networks as estimators: crops in, poses out, whatever the file's form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.estimators.heatmap_outputs import heatmap_output
from posetrack.estimators.open_network import OpenNetwork
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.networks.about import Decode
from posetrack.onnx_session import usable_cores
from posetrack.ops.crops import (
    IMAGENET_RGB,
    Normalisation,
    box_to_center_scale,
    crop_matrices,
    crop_people,
    heatmap_to_image,
    normalise,
)
from posetrack.ops.heatmaps import average_flipped, decode_argmax, decode_dark, decode_quarter
from posetrack.skeletons import COCO_17, Skeleton
from posetrack.structures import Detections, Poses

Float32Array: TypeAlias = NDArray[np.float32]
Decoder: TypeAlias = Callable[[Float32Array], tuple[Float32Array, Float32Array]]


def decoder_of(decode: Decode | None) -> Callable[..., Any]:
    """The function of `posetrack.ops.heatmaps` that a file means.

    Examples
    --------
    >>> decoder_of(None).__name__, decoder_of(Decode("dark", 3.0)).keywords
    ('decode_quarter', {'blur_size': 17})
    """
    decode = decode or Decode()
    if decode.method == "dark":
        return partial(decode_dark, blur_size=decode.blur_size)
    return decode_argmax if decode.method == "argmax" else decode_quarter


def check_crops(max_batch: int, padding: float) -> None:
    """Refuse settings of crops that cannot be meant.

    Examples
    --------
    >>> check_crops(0, 1.25)
    Traceback (most recent call last):
    ...
    ValueError: max_batch must be at least 1 and padding positive, got 0, 1.25
    """
    if max_batch < 1 or not padding > 0:
        raise ValueError(
            f"max_batch must be at least 1 and padding positive, got {max_batch}, {padding}"
        )


class ExportedTopDown:
    """An exported network that sees crops, as a `posetrack.interfaces.PoseEstimator`.

    Parameters
    ----------
    network
        What `posetrack.estimators.opening.open_exported` gives. It takes crops
        (N, 3, height, width) and gives heatmaps (N, K, h, w), or keypoints (N, K, 2) in pixels of
        the crop and scores (N, K) where its file says so.
    skeleton, input_size, normalisation, decode
        What its keypoints are, (width, height) of a crop, how pixels become its input, and how
        heatmaps become keypoints (N, K, 2) in cells and scores (N, K). When None: as the file
        says; else COCO's keypoints, ImageNet's RGB and `posetrack.ops.heatmaps.decode_quarter`.
    padding
        How much larger than the box the crop is, after the box is given the crop's shape.
    flip_test
        Average with the heatmaps of the mirrored crop: somewhat more accurate, at twice the time.
        A file that has it in its graph always does.
    max_batch
        Most crops in one run, where the file takes any number; bounds memory.
    threads
        How many runs go side by side where the file is fixed to a batch size.

    Raises
    ------
    ValueError
        If a setting cannot be meant or the file cannot do it; if the network's output does not
        fit the skeleton, or it sees whole images.

    Notes
    -----
    Keypoints whose heatmap is NaN throughout are NaN with score 0.

    Examples
    --------
    >>> from posetrack.estimators.opening import open_exported
    >>> estimate = ExportedTopDown(open_exported("net.pt2"))  # doctest: +SKIP
    """

    def __init__(
        self,
        network: OpenNetwork,
        skeleton: Skeleton | None = None,
        *,
        input_size: tuple[int, int] | None = None,
        normalisation: Normalisation | None = None,
        padding: float = 1.25,
        flip_test: bool = False,
        decode: Decoder | None = None,
        max_batch: int = 64,
        threads: int | None = None,
    ) -> None:
        check_crops(max_batch, padding)
        about = network.about
        if about.form is not None and about.form.family != "heatmaps":
            raise ValueError(
                f"{network}: a network that sees whole images, not crops; "
                "posetrack.estimators.from_file.load_estimator runs it"
            )
        self._network = network
        self._skeleton = skeleton or about.skeleton or COCO_17
        self.input_size = network.size_for(input_size)
        self.normalisation = normalisation or about.normalisation or IMAGENET_RGB
        self.padding, self.max_batch = padding, max_batch
        self.decoded = about.form is not None and about.form.decoded
        in_graph = about.form is not None and about.form.flip_test
        if self.decoded:
            _require_as_in_graph(network, decode, flip_test, in_graph)
        self.flip_test = flip_test or in_graph
        self.decode: Decoder = decode or decoder_of(about.decode)
        self._output = 0
        self._pool = self._workers(threads or min(usable_cores(), 8))
        # Once before the first image: what the network gives is seen only by running it, and the
        # first run is slow.
        width, height = self.input_size
        outputs = network(np.zeros((network.batch or 1, 3, height, width), np.float32))
        if self.decoded:
            _require_keypoints(outputs, self._skeleton, str(network))
        else:
            self._output = heatmap_output(outputs, self._skeleton, str(network))

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
        """Keypoints in cells, their scores, and how many cells there are across and down.

        Cells are those of the heatmaps, or the crop's pixels where the network decodes by itself.
        """
        crops = crop_people(image, matrices, self.input_size)
        batch = normalise(crops, self.normalisation)
        if self.decoded:
            xy, scores = (np.array(part, np.float32) for part in self._answers(batch))
            return xy, scores, self.input_size
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
        return np.asarray(self._answers(batch)[self._output], np.float32)

    def _answers(self, batch: Float32Array) -> list[NDArray[Any]]:
        """All outputs for (N, 3, height, width), in runs of the size that the file wants."""
        size = self._network.batch
        if size is None or size == len(batch):
            return self._network(batch)
        parts = [_filled(batch[start : start + size], size) for start in range(0, len(batch), size)]
        if self._pool is None or len(parts) == 1:
            runs = [self._network(part) for part in parts]
        else:
            runs = list(self._pool.map(self._network, parts))
        return [np.concatenate(outputs)[: len(batch)] for outputs in zip(*runs, strict=True)]

    def _workers(self, threads: int) -> ThreadPoolExecutor | None:
        side_by_side = threads > 1 and self._network.batch is not None
        return ThreadPoolExecutor(threads, "posetrack-onnx") if side_by_side else None


def _require_as_in_graph(
    network: OpenNetwork, decode: Decoder | None, flip_test: bool, in_graph: bool
) -> None:
    if decode is not None:
        raise ValueError(
            f"{network}: the decoding is in its graph; for another one export it without --decode"
        )
    if flip_test and not in_graph:
        raise ValueError(
            f"{network}: it decodes by itself, and the flip test is not in its graph; export it "
            "with --decode --flip-test, or without --decode"
        )


def _require_keypoints(
    outputs: Sequence[NDArray[Any]], skeleton: Skeleton, description: str
) -> None:
    found = [output.shape[1:] for output in outputs]
    if found != [(len(skeleton), 2), (len(skeleton),)]:
        raise ValueError(
            f"{description}: expected keypoints (N, {len(skeleton)}, 2) and scores "
            f"(N, {len(skeleton)}) for the skeleton {skeleton.name!r}, got "
            f"{', '.join(str(output.shape) for output in outputs)}"
        )


def _filled(batch: Float32Array, size: int) -> Float32Array:
    """The batch with zeros up to the size that the file is fixed to."""
    if len(batch) == size:
        return batch
    rest = np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)
    return np.concatenate([batch, rest])
