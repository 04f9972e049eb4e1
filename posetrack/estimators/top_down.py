"""Top-down pose estimation: one crop a box, one batch, heatmaps or vectors, keypoints.

After Xiao, Wu, Wei, *Simple Baselines for Human Pose Estimation and Tracking* (ECCV 2018). There
are two paths to the same answer. On the host, OpenCV crops, a session of `posetrack.runtimes` runs
the network and `posetrack.ops.heatmaps` decodes: any exported network, and torch's on a CPU. On a
device, the image goes up once and everything happens there; keypoints in heatmap cells, (N, K, 3)
numbers, come back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.checkpoints.card import decoder_of
from posetrack.devices import usable_cores
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.ops.crops import (
    IMAGENET_RGB,
    Normalisation,
    box_to_center_scale,
    crop_matrices,
    crop_people,
    heatmap_to_image,
    in_batches,
    normalise,
)
from posetrack.ops.heatmaps import average_flipped, decode_argmax
from posetrack.ops.simcc import (
    SimCCVectors,
    average_flipped_vectors,
    decode_simcc,
    find_simcc,
    simcc_input_size,
)
from posetrack.runtimes.session import Session, require_heatmaps
from posetrack.runtimes.uploads import Uploaded, host_of
from posetrack.skeletons import COCO_17, Skeleton, skeleton_of_count
from posetrack.structures import Detections, Poses

if TYPE_CHECKING:
    import torch
    from torch import nn

    from posetrack.runtimes.torch import Runtime
    from posetrack.runtimes.torch_crops import DeviceCrops

Float32Array: TypeAlias = NDArray[np.float32]
Decoder: TypeAlias = Callable[[Float32Array], tuple[Float32Array, Float32Array]]
_Cells: TypeAlias = tuple[Float32Array, Float32Array, tuple[int, int]]
"""Keypoints (n, K, 2) in cells, scores (n, K), how many cells there are across and down."""

_USUAL_PADDING = 1.25

_USUAL_SIZE = (192, 256)
"""The normalisation of the paper's crops, for torch networks without their own."""


def check_crops(max_batch: int, padding: float | None) -> None:
    """Raise for settings of crops that are out of range.

    Examples
    --------
    >>> check_crops(0, 1.25)
    Traceback (most recent call last):
    ...
    ValueError: max_batch must be at least 1 and padding positive, got 0, 1.25
    """
    if max_batch < 1 or (padding is not None and not padding > 0):
        raise ValueError(
            f"max_batch must be at least 1 and padding positive, got {max_batch}, {padding}"
        )


class TopDown:
    """Finds the keypoints of the person in each box; a `posetrack.interfaces.PoseEstimator`.

    Parameters
    ----------
    network
        A torch network, which takes normalised crops (N, 3, height, width) and gives heatmaps
        (N, K, h, w); it is copied, changing it later changes nothing here. Or what
        `posetrack.runtimes.session.open_exported` gives: the same, or SimCC vectors (N, K, Wx) and
        (N, K, Wy) as RTMPose has them, or keypoints (N, K, 2) in pixels of the crop and scores
        (N, K) where its file says so.
    skeleton
        What its K keypoints are. When None: as an exported file says; else by how many they are
        (`posetrack.skeletons.skeleton_of_count`), or COCO's.
    input_size
        Width and height of a crop. When None: as an exported file says; of a torch network
        192 x 256; of SimCC half its vectors' lengths.
    normalisation
        How pixels become its input; `posetrack.checkpoints.loading.load_network` says which. When
        None: as an exported file says; else ImageNet's RGB.
    padding
        How much larger than the box the crop is, after the box is given the crop's shape. When
        None: as an exported file says; else 1.25.
    device
        Of a torch network: a torch device or its name; ``"auto"`` is the first GPU, or the CPU
        without one. An exported network is already open on its own device.
    flip_test
        Average with the heatmaps of the mirrored crop: some tenths of a percent more accurate, at
        twice the time. A file that has it in its graph always does.
    decode
        Heatmaps (N, K, h, w) to cells (N, K, 2) and scores (N, K). Those of
        `posetrack.ops.heatmaps` have a counterpart that runs on the device; for any other the
        heatmaps come back. When None: as an exported file says; else
        `posetrack.ops.heatmaps.decode_quarter`.
    half
        On the device, convolve in 16 bits (float16 on a GPU, bfloat16 on a CPU). When None: on a
        GPU. Keypoints move by a few hundredths of a pixel. When False, TF32 is off as well, so
        that answers equal the CPU's.
    max_batch
        Most crops in one run, on the device with mirrored ones counted; bounds memory.
    on_device
        Of a torch network: take the device's path; when None, unless the device is the CPU.
    runtime
        What runs a torch network on the host, a `posetrack.runtimes.torch.Runtime`; when None, the
        fastest that is installed and agrees with torch. Not used on a device.
    threads
        How many runs go side by side where an exported file is fixed to a batch size.
    precision
        ``"int8"``: on the CPU, of a torch network or an ONNX file, convolve in 8 bits by
        onnxruntime; made once, see `posetrack.runtimes.int8`. It is refused where keypoints move
        too far by it. ``"float32"`` or None: as it is.
    calibration
        Of int8: a folder of JPEG or PNG crops of people; None for those inside the package.

    Raises
    ------
    ValueError
        If a setting is out of range or the network does not support it; if its output does not fit
        the skeleton, or it sees whole images.

    Notes
    -----
    A box without width and height gives a pose within a pixel of its place, with whatever scores
    the network has for a crop of one colour. Boxes outside the image see black. Keypoints whose
    heatmap is NaN throughout are NaN with score 0.

    Examples
    --------
    >>> from posetrack.networks.pose_resnet import PoseResNet
    >>> from posetrack.runtimes.torch import run_with_torch
    >>> estimate = TopDown(
    ...     PoseResNet(18), COCO_17, input_size=(32, 64), device="cpu", runtime=run_with_torch
    ... )
    >>> estimate(np.zeros((90, 120, 3), np.uint8), Detections([[10, 10, 40, 80]], [1.0]))
    Poses(xy (1, 17, 2), scores (1, 17), coco_17)
    """

    def __init__(
        self,
        network: nn.Module | Session,
        skeleton: Skeleton | None = None,
        *,
        input_size: tuple[int, int] | None = None,
        normalisation: Normalisation | None = None,
        padding: float | None = None,
        device: str | torch.device = "auto",
        flip_test: bool = False,
        decode: Decoder | None = None,
        half: bool | None = None,
        max_batch: int = 64,
        on_device: bool | None = None,
        runtime: Runtime | None = None,
        threads: int | None = None,
        precision: str | None = None,
        calibration: str | Path | None = None,
    ) -> None:
        check_crops(max_batch, padding)
        _check_precision(precision, calibration)
        if precision == "int8" and not isinstance(network, Session):
            if half or on_device or runtime is not None:
                raise ValueError("int8 is onnxruntime's on the CPU; leave half and runtime away")
            device, on_device = "cpu", False
            from posetrack.runtimes.onnxruntime import run_with_onnxruntime

            runtime = run_with_onnxruntime
        self._on_device: DeviceCrops | None = None
        self._output = 0
        self._vectors: SimCCVectors | None = None
        if isinstance(network, Session):
            if half is not None or on_device is not None or runtime is not None:
                raise ValueError(
                    f"{network}: half, on_device and runtime are for torch networks; this one is "
                    "open already"
                )
            session = network
        else:
            from posetrack.runtimes.torch_crops import open_module

            skeleton = skeleton or COCO_17
            session, self._on_device = open_module(
                network,
                input_size or _USUAL_SIZE,
                skeleton,
                device=device,
                half=half,
                on_device=on_device,
                runtime=runtime,
            )
        outputs = session.card.outputs
        if outputs is not None and outputs.family != "heatmaps":
            raise ValueError(
                f"{session}: a network that sees whole images, not crops; "
                "posetrack.estimators.from_file.load_estimator runs it"
            )
        self._session = session
        self._skeleton = skeleton or session.card.skeleton or COCO_17
        usual = simcc_input_size(session.output_shapes, session.output_names)
        self.input_size = session.size_for(input_size, usual)
        self.normalisation = normalisation or session.card.normalisation or IMAGENET_RGB
        self.padding, self.max_batch = padding or session.card.padding or _USUAL_PADDING, max_batch
        self.decoded = outputs is not None and outputs.decoded
        in_graph = outputs is not None and outputs.flip_test
        if self.decoded:
            _require_as_in_graph(session, decode, flip_test, in_graph)
        self.flip_test = flip_test or in_graph
        self.decode: Decoder = decode or decoder_of(session.card.decode)
        self._pool = self._workers(threads or min(usable_cores(), 8))
        if isinstance(network, Session):
            self._try_out(guess=skeleton is None and session.card.skeleton is None)
            if self._vectors is not None and decode is not None:
                raise ValueError(
                    f"{session}: it gives SimCC vectors, decode (and DARK) is for heatmaps"
                )
        if precision == "int8":
            self._session = self._in_int8(network, calibration)

    def _in_int8(self, network: nn.Module | Session, calibration: str | Path | None) -> Session:
        """The session in 8 bits, once it is seen that keypoints stay where they are."""
        from posetrack.runtimes.int8 import Drift, quantise_once, read_crops
        from posetrack.runtimes.onnxruntime import open_network

        crops = read_crops(calibration, self.input_size)
        if isinstance(network, Session):
            if network.path.suffix != ".onnx":
                raise ValueError(f"{network}: int8 is made of .onnx files and torch networks")
            model = network.path.read_bytes()
        else:
            from posetrack.runtimes.onnx_cache import onnx_model
            from posetrack.runtimes.torch import for_inference

            model = onnx_model(
                for_inference(network, self.input_size), self.input_size, ["heatmaps"]
            )
        cells, scores, size = self._from_crops(crops)
        across: Any = np.array(self.input_size, np.float32) / np.array(size, np.float32)

        plain = self._session

        def judge(path: Path) -> None:
            self._session = replace(plain, run=open_network(path).run)
            try:
                found, _, _ = self._from_crops(crops)
            finally:
                self._session = plain
            Drift.between(cells * across, scores, found * across).check(str(plain))

        path = quantise_once(model, normalise(crops, self.normalisation), judge, str(plain))
        return replace(plain, run=open_network(path).run)

    def _try_out(self, *, guess: bool) -> None:
        """Run once: what a file gives is seen only by running it, and the first run is slow."""
        width, height = self.input_size
        count = self._session.batch or 1
        outputs = self._session(np.zeros((count, 3, height, width), np.float32))
        if guess and (known := _skeleton_of(outputs)) is not None:
            self._skeleton = known
        if self.decoded:
            _require_keypoints(outputs, self._skeleton, str(self._session))
            return
        shapes = [output.shape for output in outputs]
        self._vectors = find_simcc(shapes, self.input_size, self._session.output_names)
        if self._vectors is not None:
            _require_count(shapes[0][1], self._skeleton, str(self._session))
        else:
            self._output = _heatmap_output(outputs, self._skeleton, str(self._session))

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        return self._skeleton

    @property
    def image_device(self) -> torch.device | None:
        """See `posetrack.interfaces.TakesUploads`."""
        return None if self._on_device is None else self._on_device.device

    def upload(self, image: Image | Uploaded, /) -> Uploaded:
        """See `posetrack.interfaces.TakesUploads`."""
        if self._on_device is None:
            raise ValueError(f"{self!r} takes images from the host")
        return self._on_device.upload(image)

    def __call__(self, image: Image | Uploaded, boxes: Detections, /) -> Poses:
        """One pose for each box, in the boxes' order, with ``boxes`` passed through.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR, or what `posetrack.images.as_bgr` takes; or one on its device.
        boxes
            N people; for none nothing is run.

        Raises
        ------
        TypeError, ValueError
            If it is not an image, or the network's heatmaps do not fit the skeleton.
        """
        return self.estimate_all([image], [boxes])[0]

    def estimate_all(
        self, images: Sequence[Image | Uploaded], boxes: Sequence[Detections], /
    ) -> list[Poses]:
        """One pose for each box in each of several images, by one run of the network for all.

        Parameters
        ----------
        images
            As for a call; of any sizes.
        boxes
            The people in each.

        Raises
        ------
        TypeError, ValueError
            See a call.
        """
        pixels = [self._find_pixels(image) for image in images]
        people = [row for row, some in enumerate(boxes) if len(some)]
        if not people:
            return [Poses.empty(self._skeleton) for _ in images]
        xyxy = np.concatenate([boxes[row].xyxy for row in people])
        center, scale = box_to_center_scale(xyxy, input_size=self.input_size, padding=self.padding)
        ends = np.cumsum([len(boxes[row]) for row in people])[:-1]
        matrices = np.split(crop_matrices(center, scale, self.input_size), ends)
        parts = list(self._parts([pixels[row] for row in people], matrices))
        xy = heatmap_to_image(
            np.concatenate([cells for cells, _, _ in parts]), center, scale, parts[0][2]
        )
        scores = np.concatenate([scores for _, scores, _ in parts])
        unseen = ~np.isfinite(scores)  # a heatmap that overflowed says nothing
        xy[unseen], scores[unseen] = np.nan, 0
        found = dict(
            zip(people, zip(np.split(xy, ends), np.split(scores, ends), strict=True), strict=True)
        )
        return [
            Poses(*found[row], some, self._skeleton)
            if row in found
            else Poses.empty(self._skeleton)
            for row, some in enumerate(boxes)
        ]

    def find_heatmaps(
        self, image: Image | Uploaded, boxes: Detections, /
    ) -> tuple[NDArray[np.uint8], Float32Array]:
        """What the network sees of each person and how sure it is of each place there, to look at.

        Parameters
        ----------
        image, boxes
            As for a call; N people.

        Returns
        -------
        crops
            (N, height, width, 3) uint8 BGR.
        heatmaps
            (N, K, h, w) float32, averaged where there is a flip test. Of SimCC vectors the product
            of a column's and a row's, as high at its peak as the keypoint's score.

        Raises
        ------
        ValueError
            If the network decodes by itself, so that there is no heatmap; else as for a call.
        """
        if self.decoded:
            raise ValueError(
                f"{self._session}: it gives keypoints, and no heatmap; export it without --decode"
            )
        pixels = as_bgr(host_of(image))
        center, scale = box_to_center_scale(
            boxes.xyxy, input_size=self.input_size, padding=self.padding
        )
        matrices = crop_matrices(center, scale, self.input_size)
        crops = crop_people(pixels, matrices, self.input_size)
        found: list[Float32Array] = [np.zeros((0, len(self._skeleton), 1, 1), np.float32)]
        if self._on_device is not None and len(boxes):

            def keep(heatmaps: Float32Array) -> tuple[Float32Array, Float32Array]:
                found.append(heatmaps)
                return decode_argmax(heatmaps)

            self._on_device.find(
                [pixels],
                [matrices],
                input_size=self.input_size,
                normalisation=self.normalisation,
                decode=keep,  # one without a counterpart there is handed the heatmaps
                flip_test=self.flip_test,
                max_batch=self.max_batch,
            )
        elif len(boxes):
            batch = normalise(crops, self.normalisation)
            if self._vectors is not None:
                found.append(_product_of(*self._both_vectors(batch, self._vectors)))
            else:
                found.append(self._average_heatmaps(batch))
        # The device may pad its last batch.
        return crops, found[0] if len(found) == 1 else np.concatenate(found[1:])[: len(boxes)]

    def _find_pixels(self, image: Image | Uploaded) -> Image | Uploaded:
        """The image as it is cropped: on the device, or on the host."""
        if self._on_device is not None and isinstance(image, Uploaded):
            return image
        return as_bgr(host_of(image))

    def _parts(
        self, images: Sequence[Image | Uploaded], matrices: Sequence[NDArray[np.float64]]
    ) -> Iterator[_Cells]:
        """Keypoints, in runs of at most `max_batch` crops."""
        if self._on_device is not None:
            yield self._on_device.find(
                images,
                matrices,
                input_size=self.input_size,
                normalisation=self.normalisation,
                decode=self.decode,
                flip_test=self.flip_test,
                max_batch=self.max_batch,
            )
            return
        for batch in in_batches(matrices, self.max_batch):
            crops = [crop_people(host_of(images[row]), m, self.input_size) for row, m in batch]
            yield self._from_crops(crops[0] if len(crops) == 1 else np.concatenate(crops))

    def _from_crops(self, crops: NDArray[np.uint8]) -> _Cells:
        """Keypoints of BGR crops (n, height, width, 3).

        Cells are those of the heatmaps, or the crop's pixels where the network decodes by itself.
        """
        batch = normalise(crops, self.normalisation)
        if self.decoded:
            xy, scores = (np.array(part, np.float32) for part in self._answers(batch))
            return xy, scores, self.input_size
        if self._vectors is not None:
            return self._from_vectors(batch, self._vectors)
        heatmaps = self._average_heatmaps(batch)
        cells, scores = self.decode(heatmaps)
        count, keypoints, height, width = heatmaps.shape
        if cells.shape != (count, keypoints, 2) or scores.shape != (count, keypoints):
            name = getattr(self.decode, "__name__", repr(self.decode))
            raise ValueError(
                f"{name} must give xy {(count, keypoints, 2)} and scores {(count, keypoints)} for "
                f"heatmaps {heatmaps.shape}, it gave {cells.shape} and {scores.shape}"
            )
        return np.array(cells, np.float32), np.array(scores, np.float32), (width, height)

    def _from_vectors(self, batch: Float32Array, found: SimCCVectors) -> _Cells:
        """Keypoints of SimCC vectors, in pixels of the crop."""
        x, y = self._both_vectors(batch, found)
        xy, scores = decode_simcc(x, y, split_ratio=found.split_ratio)
        return xy, scores, self.input_size

    def _both_vectors(
        self, batch: Float32Array, found: SimCCVectors
    ) -> tuple[Float32Array, Float32Array]:
        """Vectors (n, K, Wx) and (n, K, Wy), averaged with the mirrored crop's if asked for."""

        def vectors(images: Float32Array) -> tuple[Float32Array, Float32Array]:
            answers = self._answers(images)
            x, y = (np.asarray(answers[row], np.float32) for row in (found.x, found.y))
            if x.shape[:2] != (len(images), len(self._skeleton)):
                raise ValueError(
                    f"{self._session}: for {len(images)} crops it gave vectors {x.shape}, expected "
                    f"({len(images)}, {len(self._skeleton)}, ...)"
                )
            return x, y

        x, y = vectors(batch)
        if self.flip_test:
            turned = vectors(np.ascontiguousarray(batch[..., ::-1]))
            x, y = average_flipped_vectors((x, y), turned, self._skeleton.mirror_order)
        return x, y

    def _average_heatmaps(self, batch: Float32Array) -> Float32Array:
        """Heatmaps, averaged with the mirrored crop's if asked for."""
        heatmaps = self._heatmaps(batch)
        if self.flip_test:
            mirrored = self._heatmaps(np.ascontiguousarray(batch[..., ::-1]))
            heatmaps = average_flipped(heatmaps, mirrored, self._skeleton.mirror_order)
        return heatmaps

    def _heatmaps(self, batch: Float32Array) -> Float32Array:
        heatmaps = np.asarray(self._answers(batch)[self._output], np.float32)
        require_heatmaps(heatmaps.shape, self._skeleton)
        return heatmaps

    def _answers(self, batch: Float32Array) -> list[NDArray[Any]]:
        """All outputs for (N, 3, height, width), in runs of the size that the file wants."""
        size = self._session.batch
        if size is None or size == len(batch):
            return self._session(batch)
        parts = [
            _pad_batch(batch[start : start + size], size) for start in range(0, len(batch), size)
        ]
        if self._pool is None or len(parts) == 1:
            runs = [self._session(part) for part in parts]
        else:
            runs = list(self._pool.map(self._session, parts))
        return [np.concatenate(outputs)[: len(batch)] for outputs in zip(*runs, strict=True)]

    def _workers(self, threads: int) -> ThreadPoolExecutor | None:
        side_by_side = threads > 1 and self._session.batch is not None
        return ThreadPoolExecutor(threads, "posetrack-onnx") if side_by_side else None

    def __repr__(self) -> str:
        width, height = self.input_size
        where = self._session if self._on_device is None else self._on_device.device
        return f"TopDown({self._skeleton.name}, {width} x {height}, {where})"


def _product_of(x: Float32Array, y: Float32Array) -> Float32Array:
    """Maps (N, K, Wy, Wx) of two vectors a keypoint; a peak is the mean of both vectors' peaks."""
    parts = [np.clip(part, 0, None) for part in (x, y)]
    peaks = [part.max(axis=2, keepdims=True) for part in parts]
    along = [part / np.maximum(peak, 1e-9) for part, peak in zip(parts, peaks, strict=True)]
    maps: Float32Array = along[1][..., :, None] * along[0][..., None, :]
    maps *= (0.5 * (peaks[0] + peaks[1]))[..., None]
    return maps


def _check_precision(precision: str | None, calibration: str | Path | None) -> None:
    if precision not in (None, "float32", "int8"):
        raise ValueError(f'precision must be "float32" or "int8", got {precision!r}')
    if calibration is not None and precision != "int8":
        raise ValueError('calibration crops are for precision="int8"')


def _require_as_in_graph(
    network: Session, decode: Decoder | None, flip_test: bool, in_graph: bool
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


def _skeleton_of(outputs: Sequence[NDArray[Any]]) -> Skeleton | None:
    """What the keypoints usually are, by their number, where all maps or vectors agree on it."""
    counts = {output.shape[1] for output in outputs if output.ndim in (3, 4)}
    return skeleton_of_count(counts.pop()) if len(counts) == 1 else None


def _require_count(keypoints: int, skeleton: Skeleton, description: str) -> None:
    if keypoints != len(skeleton):
        raise ValueError(
            f"{description}: SimCC vectors of {keypoints} keypoints, the skeleton "
            f"{skeleton.name!r} has {len(skeleton)}. Give the skeleton it was trained for"
        )


def _pad_batch(batch: Float32Array, size: int) -> Float32Array:
    """The batch with zeros up to the size that the file is fixed to."""
    if len(batch) == size:
        return batch
    rest = np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)
    return np.concatenate([batch, rest])


def _heatmap_output(outputs: Sequence[NDArray[Any]], skeleton: Skeleton, description: str) -> int:
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
        where possible, what kind of network this is.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.skeletons import COCO_17
    >>> _heatmap_output([np.zeros((1, 17, 64, 48))], COCO_17, "net.onnx")
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
        return (
            "This looks like SimCC (as RTMPose has), with vectors that do not fit the input's size"
        )
    if flat and flat[0][2] in (2, 3):
        return "This network gives coordinates directly, which is not supported"
    return "Is it a pose network at all, and one for single people?"
