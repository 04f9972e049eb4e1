"""The light detector of people as a `Detector`: small enough to be part of the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posetrack.detectors.filtering import check_thresholds, keep_people
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.networks.about import read_about
from posetrack.networks.person_detector import detector_of, people_in
from posetrack.networks.pose_resnet import fold_batch_norm
from posetrack.networks.weight_files import read_weights
from posetrack.ops.crops import IMAGENET_RGB, Normalisation, normalise
from posetrack.structures import Detections

GREY = 114
"""What fills the input beside the image, as in training."""

_MULTIPLE = 32


class LightDetector:
    """Finds people with a `PersonDetector`; a `posetrack.interfaces.Detector`.

    Parameters
    ----------
    network
        A `posetrack.networks.person_detector.PersonDetector`. It is copied, and its batch
        normalisation folded.
    long_side
        The image is scaled so that its longer side has so many pixels. More finds smaller people
        and takes longer; 640 finds people from about 20 pixels of these on.
    normalisation
        How pixels become the network's input.
    device
        "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    half
        Compute in 16 bits. None: on CUDA only.
    min_score
        Boxes below it are dropped. Lower finds more people and more ghosts.
    max_iou
        Of two boxes that overlap more, the weaker is dropped. Lower loses people close together.
    max_people
        The best so many are kept; None for all.
    score_exponent
        Scores are raised to this power. Peaks learnt against soft targets lie lower than the
        share of boxes that are right; 0.5 lifts them to about that. ``min_score`` is compared
        afterwards.

    Raises
    ------
    ValueError
        If a threshold cannot be meant, or ``long_side`` is below 32.

    Examples
    --------
    >>> from posetrack.networks.person_detector import PersonDetector
    >>> detect = LightDetector(PersonDetector(), long_side=96, device="cpu")
    >>> detect(np.zeros((54, 96, 3), np.uint8))
    Detections(xyxy (0, 4), scores (0,))
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        long_side: int = 640,
        normalisation: Normalisation = IMAGENET_RGB,
        device: str | torch.device = "auto",
        half: bool | None = None,
        min_score: float = 0.3,
        max_iou: float = 0.6,
        max_people: int | None = 100,
        score_exponent: float = 1.0,
    ) -> None:
        check_thresholds(min_score=min_score, max_iou=max_iou, max_people=max_people)
        if not score_exponent > 0:
            raise ValueError(f"score_exponent must be positive, got {score_exponent}")
        self.score_exponent = score_exponent
        if long_side < _MULTIPLE:
            raise ValueError(f"long_side must be at least {_MULTIPLE}, got {long_side}")
        self.long_side, self.normalisation = long_side, normalisation
        self.min_score, self.max_iou, self.max_people = min_score, max_iou, max_people
        auto = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(auto if device == "auto" else device)
        self.half = self.device.type == "cuda" if half is None else half
        # Folding asks only that a normalisation stand right after its convolution.
        folded: Any = fold_batch_norm(network)  # type: ignore[arg-type]
        self._network: nn.Module = folded.requires_grad_(False).to(
            self.device, memory_format=torch.channels_last
        )

    def __call__(self, image: Image, /) -> Detections:
        """People in the image, best first.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR.
        """
        image = as_bgr(image)
        fitted, scale = fit(image, self.long_side)
        batch = torch.from_numpy(normalise(fitted[None], self.normalisation)).to(
            self.device, memory_format=torch.channels_last
        )
        kind = torch.float16 if self.device.type == "cuda" else torch.bfloat16
        with torch.inference_mode(), torch.autocast(self.device.type, kind, enabled=self.half):
            least = self.min_score ** (1 / self.score_exponent)
            rows = people_in(self._network(batch), min_score=least).cpu().numpy()
        return keep_people(
            rows[:, :4] / np.tile(scale, 2),
            rows[:, 4] ** self.score_exponent,
            image_size=(image.shape[1], image.shape[0]),
            min_score=self.min_score,
            max_iou=self.max_iou,
            max_people=self.max_people,
        )

    def __repr__(self) -> str:
        return f"LightDetector({self.long_side} pixels, {self.device})"


def load_light_detector(path: str | Path, **settings: Any) -> LightDetector:
    """The detector whose weights are in a file, such as ``posetrack train --arch detector`` writes.

    Parameters
    ----------
    path
        See `posetrack.networks.weight_files.read_weights`.
    **settings
        Of `LightDetector`. Colours and long side are those the file names, unless given.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ValueError
        If it cannot be read or is of another network.
    """
    said = read_about(path)
    if said is not None and said.normalisation is not None:
        settings = {"normalisation": said.normalisation, **settings}
    if said is not None and said.input_size is not None:
        settings = {"long_side": max(said.input_size), **settings}
    try:
        network = detector_of(read_weights(path).tensors)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return LightDetector(network, **settings)


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
