"""The light detector of people as a `Detector`: small enough to be part of the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

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
from posetrack.structures import Detections

if TYPE_CHECKING:
    import torch
    from torch import nn

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

    def __call__(self, image: Image, /) -> Detections:
        """People in the image, best first.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR.
        """
        image = as_bgr(image)
        fitted, scale = fit(image, self.long_side)
        found = self._run(normalise(fitted[None], self.normalisation))[0]
        rows = people_in(found, min_score=self.min_score ** (1 / self.score_exponent))
        return keep_people(
            rows[:, :4] / np.tile(scale, 2),
            rows[:, 4] ** self.score_exponent,
            image_size=(image.shape[1], image.shape[0]),
            min_score=self.min_score,
            max_iou=self.max_iou,
            max_people=self.max_people,
        )

    def __repr__(self) -> str:
        return f"LightDetector({self.long_side} pixels)"


def with_torch(
    network: nn.Module, *, device: str | torch.device = "auto", half: bool | None = None
) -> Callable[[Float32Array], Float32Array]:
    """Run a detector with torch.

    Parameters
    ----------
    network
        A `posetrack.networks.person_detector.PersonDetector`. It is copied, and its batch
        normalisation folded.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    half
        Compute in 16 bits. None: on CUDA only.
    """
    import torch

    from posetrack.networks.person_detector import PersonRows
    from posetrack.runtimes.torch import fold_batch_norm

    chosen = pick_device(device)
    halved = chosen.type == "cuda" if half is None else half
    # Folding asks only that a normalisation stand right after its convolution.
    folded: Any = fold_batch_norm(network)
    ready: Any = PersonRows(folded).eval().requires_grad_(False)
    ready = ready.to(chosen, memory_format=torch.channels_last)

    return partial(_run_torch, ready, chosen, halved)


def _run_torch(ready: Any, device: torch.device, half: bool, images: Float32Array) -> Float32Array:
    import torch

    kind = torch.float16 if device.type == "cuda" else torch.bfloat16
    batch = torch.from_numpy(images).to(device, memory_format=torch.channels_last)
    with torch.inference_mode(), torch.autocast(device.type, kind, enabled=half):
        return np.asarray(ready(batch).float().cpu().numpy())


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
        Weights, see `posetrack.checkpoints.reading.read_weights`; or an ``.onnx`` file of a
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
        from posetrack.checkpoints.reading import read_weights

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
    height, width = image.shape[:2]
    factor = long_side / max(width, height)
    inner = (max(1, round(width * factor)), max(1, round(height * factor)))
    if inner != (width, height):
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, inner, interpolation=how), np.uint8)
    full = [-(-side // _MULTIPLE) * _MULTIPLE for side in inner]
    fitted = np.full((full[1], full[0], 3), GREY, np.uint8)
    fitted[: inner[1], : inner[0]] = image
    return fitted, np.array([inner[0] / width, inner[1] / height])
