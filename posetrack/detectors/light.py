"""The light detector of people as a `Detector`: small enough to be part of the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.checkpoints.card import ModelCard, read_card
from posetrack.detectors.filtering import check_thresholds, keep_people
from posetrack.devices import onnx_providers, pick_device
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.ops.crops import IMAGENET_RGB, Normalisation, normalise
from posetrack.runtimes.onnxruntime import open_network
from posetrack.runtimes.session import Session
from posetrack.runtimes.uploads import (
    SideStream,
    Uploaded,
    Uploader,
    fetch,
    host_of,
    send_array,
)
from posetrack.structures import Detections

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Float32Array: TypeAlias = NDArray[np.float32]

GREY = 114
"""The grey that fills the input beside the image, as in training."""

_MULTIPLE = 32


class LightDetector:
    """Finds people with a `PersonDetector`; a `posetrack.interfaces.Detector`.

    Parameters
    ----------
    run
        Gives the rows (1, h * w, 5) of `posetrack.networks.person_detector.rows_of` for a batch
        (1, 3, H, W) of float32; `with_torch` makes one.
    long_side
        The image is scaled so that its longer side has this many pixels. More finds smaller people
        and takes longer; 640 finds people from about 20 pixels of these on.
    normalisation
        How pixels become the network's input.
    min_score
        Boxes below it are dropped. Lower finds more people and more ghosts.
    max_iou
        Of two boxes that overlap more, the weaker is dropped. Lower loses people close together.
    max_people
        At most this many are kept, those with the best scores; None for all.
    score_exponent
        Scores are raised to this power. Peaks learnt against soft targets lie lower than the
        share of boxes that are right; 0.5 lifts them to about that. ``min_score`` is compared
        afterwards.
    tracker_settings
        Settings of `posetrack.Tracker` that suit it, taken where others are not given.

    Raises
    ------
    ValueError
        If a threshold is out of range, or ``long_side`` is below 32.

    Examples
    --------
    >>> from posetrack.networks.person_detector import PersonDetector
    >>> detect = LightDetector(with_torch(PersonDetector(), device="cpu"), long_side=96)
    >>> detect(np.zeros((54, 96, 3), np.uint8))
    Detections(xyxy (0, 4), scores (0,))
    """

    def __init__(
        self,
        run: Callable[[Float32Array], Float32Array],
        *,
        long_side: int = 640,
        normalisation: Normalisation = IMAGENET_RGB,
        min_score: float = 0.3,
        max_iou: float = 0.6,
        max_people: int | None = 100,
        score_exponent: float = 1.0,
        tracker_settings: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        check_thresholds(min_score=min_score, max_iou=max_iou, max_people=max_people)
        if not score_exponent > 0:
            raise ValueError(f"score_exponent must be positive, got {score_exponent}")
        self.score_exponent = score_exponent
        if long_side < _MULTIPLE:
            raise ValueError(f"long_side must be at least {_MULTIPLE}, got {long_side}")
        self.long_side, self.normalisation = long_side, normalisation
        self.min_score, self.max_iou, self.max_people = min_score, max_iou, max_people
        self.tracker_settings = dict(tracker_settings)
        self._run = run

    @property
    def image_device(self) -> torch.device | None:
        """Where images are wanted, see `posetrack.interfaces.TakesUploads`; None: on the host."""
        return getattr(self._run, "image_device", None)

    @property
    def images_at_once(self) -> int:
        """See `posetrack.interfaces.BatchDetector`: a processor gains nothing by several."""
        return 1 if self.image_device is None else 4

    def upload(self, image: Image | Uploaded, /) -> Uploaded:
        """The image on the device of the network, where that is another than the host's."""
        sent: Uploaded = cast(Any, self._run).upload(image)
        return sent

    def __call__(self, image: Image | Uploaded, /) -> Detections:
        """People in the image, best first.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR, or one on the device of the network.
        """
        return self.detect_all([image])[0]

    def detect_all(self, images: Sequence[Image | Uploaded], /) -> list[Detections]:
        """People in each of several images.

        Parameters
        ----------
        images
            (H, W, 3) uint8 BGR each, or on the device of the network; of any sizes.
        """
        sizes = [(one.shape[1], one.shape[0]) for one in map(host_of, images)]
        if self.image_device is None:
            found = [self._run(self._batch(image))[0] for image in images]
        else:
            found = cast(_OnDevice, self._run).rows_of(images, self.long_side, self.normalisation)
        return [self._people(rows, size) for rows, size in zip(found, sizes, strict=True)]

    def _batch(self, image: Image | Uploaded) -> Float32Array:
        """(1, 3, H, W), the network's input."""
        fitted, _ = fit(as_bgr(host_of(image)), self.long_side)
        return normalise(fitted[None], self.normalisation)

    def _people(self, found: Float32Array, size: tuple[int, int]) -> Detections:
        """People of an image of that width and height, from the network's rows (M, 5)."""
        rows = people_in(found, min_score=self.min_score ** (1 / self.score_exponent))
        scale = np.divide(_inner_size(size, self.long_side), size)
        return keep_people(
            rows[:, :4] / np.tile(scale, 2),
            rows[:, 4] ** self.score_exponent,
            image_size=size,
            min_score=self.min_score,
            max_iou=self.max_iou,
            max_people=self.max_people,
        )

    def __repr__(self) -> str:
        return f"LightDetector({self.long_side} pixels)"


class _OnDevice:
    """A network on a device: rows (N, h * w, 5) of batches (N, 3, H, W), or of images there."""

    def __init__(self, network: nn.Module, device: torch.device, half: bool) -> None:
        import torch

        from posetrack.networks.person_detector import PersonRows
        from posetrack.runtimes.torch import fold_batch_norm

        # Folding asks only that a normalisation stand right after its convolution.
        folded: Any = fold_batch_norm(network)
        ready: Any = PersonRows(folded).eval().requires_grad_(False)
        self._ready = ready.to(device, memory_format=torch.channels_last)
        self._device, self._half = device, half
        self.upload = Uploader(device)
        self.image_device = device if device.type != "cpu" else None
        self._stream = SideStream(device)
        self._shrinking: tuple[object, tuple[Tensor, Tensor]] | None = None

    def __call__(self, images: Float32Array) -> Float32Array:
        """Of images of the host, ready for the network."""
        import torch

        with torch.inference_mode():
            return fetch(self._rows(torch.from_numpy(images).to(self._device)), "boxes")

    def rows_of(
        self,
        images: Sequence[Image | Uploaded],
        long_side: int,
        normalisation: Normalisation,
    ) -> list[Float32Array]:
        """Of images as they are, each sent once; those of one size go through it together."""
        import torch

        from posetrack.runtimes.torch_crops import as_planes, colours_on_device

        with self._stream.use(), torch.inference_mode():
            mean, std = colours_on_device(normalisation, self._device)
            fitted = []
            for image in images:
                planes = self._fit(as_planes(self.upload(image)), long_side)
                fitted.append(((planes.flip(1) if normalisation.rgb else planes) - mean) / std)
            alike: dict[tuple[int, ...], list[int]] = {}
            for row, batch in enumerate(fitted):
                alike.setdefault(tuple(batch.shape), []).append(row)
            # All is asked for before anything is waited for.
            answers = [self._rows(torch.cat([fitted[row] for row in at])) for at in alike.values()]
            found = [fetch(answer, "boxes") for answer in answers]
        order = [row for rows in alike.values() for row in rows]
        flat = [rows for answer in found for rows in answer]
        return [flat[order.index(row)] for row in range(len(images))]

    def _rows(self, batch: Tensor) -> Tensor:
        import torch

        kind = torch.float16 if self._device.type == "cuda" else torch.bfloat16
        batch = batch.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, kind, enabled=self._half):
            rows: Tensor = self._ready(batch).float()
        return rows

    def _fit(self, planes: Tensor, long_side: int) -> Tensor:
        """`fit` of an image (1, 3, H, W) in [0, 255], to whole levels; one may differ by one."""
        from torch.nn.functional import interpolate

        size = (planes.shape[3], planes.shape[2])
        inner = _inner_size(size, long_side)
        if long_side < max(size):
            key = (size, inner)
            if self._shrinking is None or self._shrinking[0] != key:
                across, down = (area_weights(*sides) for sides in zip(size, inner, strict=True))
                both = send_array(down, self._device), send_array(across.T, self._device)
                self._shrinking = key, both
            down_there, across_there = self._shrinking[1]
            planes = (down_there @ planes @ across_there).round()
        elif inner != size:
            planes = interpolate(planes, inner[::-1], mode="bilinear", align_corners=False).round()
        full = _full_size(inner)
        fitted = planes.new_full((1, 3, full[1], full[0]), GREY)
        fitted[..., : inner[1], : inner[0]] = planes
        return fitted

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shrinking": None}


def with_torch(
    network: nn.Module, *, device: str | torch.device = "auto", half: bool | None = None
) -> Callable[[Float32Array], Float32Array]:
    """Run a detector with torch; on another device than the CPU it takes images that are there.

    Parameters
    ----------
    network
        A `posetrack.networks.person_detector.PersonDetector`. It is copied, and its batch
        normalisation folded.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    half
        Compute in 16 bits. None: on CUDA only.

    Returns
    -------
    run
        From a batch (N, 3, H, W) float32 to rows (N, h * w, 5).

    Examples
    --------
    >>> from posetrack.networks.person_detector import PersonDetector
    >>> run = with_torch(PersonDetector(), device="cpu")
    >>> run(np.zeros((1, 3, 64, 96), np.float32)).shape
    (1, 96, 5)
    """
    chosen = pick_device(device)
    return _OnDevice(network, chosen, chosen.type == "cuda" if half is None else half)


def load_light_detector(
    path: str | Path,
    *,
    device: str | torch.device = "auto",
    half: bool | None = None,
    threads: int | None = None,
    **settings: Any,
) -> LightDetector:
    """The detector in a file, such as ``posetrack train --arch detector`` writes.

    Parameters
    ----------
    path
        Weights, see `posetrack.checkpoints.weight_files.read_weights`; or an ``.onnx`` file of a
        `posetrack.networks.person_detector.PersonRows`, which is run without torch.
    device, half
        See `with_torch`. ``half`` is not for ONNX files.
    threads
        Of ONNX files, see `posetrack.runtimes.onnxruntime.open_session`.
    **settings
        Of `LightDetector`. Colours and long side are those the file names, unless given.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If the file does not exist.
    ModuleNotFoundError
        If onnxruntime, or torch, is not installed.
    ValueError
        If it cannot be read or is of another network.
    """
    path = Path(path)
    if path.suffix == ".onnx":
        run, card = _open_onnx(path, device, threads)
    else:
        from posetrack.checkpoints.loading import detector_of
        from posetrack.checkpoints.weight_files import read_weights

        card = read_card(path) or ModelCard()
        try:
            network = detector_of(read_weights(path).tensors)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        run = with_torch(network, device=device, half=half)
    if card.normalisation is not None:
        settings = {"normalisation": card.normalisation, **settings}
    if card.tracker_settings:
        settings = {"tracker_settings": card.tracker_settings, **settings}
    if card.input_size is not None:
        settings = {"long_side": max(card.input_size), **settings}
    return LightDetector(run, **settings)


def _open_onnx(
    path: Path, device: object, threads: int | None
) -> tuple[Callable[[Float32Array], Float32Array], ModelCard]:
    """The function that runs an ONNX file, and the file's card."""
    network = open_network(path, threads=threads, providers=onnx_providers(device))
    card = network.card
    if card.outputs is None or card.outputs.family != "boxes":
        raise ValueError(
            f"{network}: not a light detector's file; for other networks in ONNX take "
            "posetrack.detectors.onnx.OnnxDetector"
        )
    return partial(_run_onnx, network), card


def _run_onnx(network: Session, images: Float32Array) -> Float32Array:
    return np.asarray(network(images)[0], np.float32)


def people_in(rows: Float32Array, *, min_score: float, most: int = 300) -> Float32Array:
    """The rows (P, 5) of those (M, 5) that a network gives of an image that are of people.

    Parameters
    ----------
    rows
        xyxy and a score each.
    min_score
        Rows with lower scores are dropped.
    most
        At most this many, the best.

    Returns
    -------
    rows
        (P, 5), best first. Doubles are still there.

    Examples
    --------
    >>> rows = np.array([[0, 0, 9, 9, 0.1], [0, 0, 8, 8, 0.6], [0, 0, 7, 7, 0.9]], np.float32)
    >>> people_in(rows, min_score=0.5)[:, 3].tolist()
    [7.0, 8.0]
    """
    sure = rows[(rows[:, 4] >= min_score) & (rows[:, 4] > 0)]
    return sure[np.argsort(-sure[:, 4], kind="stable")[:most]]


def fit(image: Image, long_side: int) -> tuple[Image, NDArray[np.float64]]:
    """The image in the size that the network takes it, in the top left corner.

    Parameters
    ----------
    image
        (H, W, 3) uint8.
    long_side
        Pixels that the longer side becomes; made smaller by area averages.

    Returns
    -------
    fitted
        (h, w, 3) uint8, sides multiples of 32, grey where the image ends.
    scale
        (2,), pixels of it per image pixel, x and y.

    Examples
    --------
    >>> fitted, scale = fit(np.zeros((1080, 1920, 3), np.uint8), 640)
    >>> fitted.shape, scale.round(3).tolist()
    ((384, 640, 3), [0.333, 0.333])
    """
    size = (image.shape[1], image.shape[0])
    inner, scale = _inner_size(size, long_side), np.divide(_inner_size(size, long_side), size)
    if inner != size:
        how = cv2.INTER_AREA if long_side < max(size) else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, inner, interpolation=how), np.uint8)
    full = _full_size(inner)
    fitted = np.full((full[1], full[0], 3), GREY, np.uint8)
    fitted[: inner[1], : inner[0]] = image
    return fitted, scale


def _inner_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Width and height of the image within the network's input."""
    width, height = (max(1, round(side * long_side / max(size))) for side in size)
    return width, height


def _full_size(inner: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the input, the next multiples."""
    width, height = (-(-side // _MULTIPLE) * _MULTIPLE for side in inner)
    return width, height


def area_weights(size: int, smaller: int) -> Float32Array:
    """How much of each pixel of a row a reduced row's pixels are: area averages, as OpenCV's.

    Parameters
    ----------
    size, smaller
        Pixels before and after.

    Returns
    -------
    weights
        (smaller, size), rows sum to 1.

    Examples
    --------
    >>> (3 * area_weights(3, 2)).round().tolist()
    [[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]]
    """
    share = size / smaller
    starts = np.arange(smaller)[:, None] * share
    pixels = np.arange(size)
    overlap = np.minimum(pixels + 1, starts + share) - np.maximum(pixels, starts)
    weights: Float32Array = (np.clip(overlap, 0, None) / share).astype(np.float32)
    return weights
