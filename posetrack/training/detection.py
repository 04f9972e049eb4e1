"""Learning to find people: the task of `posetrack.networks.person_detector.PersonDetector`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from posetrack.detectors.light import LightDetector, with_torch
from posetrack.networks.person_detector import STRIDE
from posetrack.ops.boxes import iou_matrix
from posetrack.ops.crops import IMAGENET_RGB, Normalisation
from posetrack.structures import Detections
from posetrack.training.augmentation import Augmentation
from posetrack.training.dataset import read_file
from posetrack.training.detection_data import (
    AnnotatedImages,
    BoxDataset,
    DetectionBatch,
)
from posetrack.training.detection_targets import detection_loss
from posetrack.training.recipe import Recipe

USUAL = Augmentation(rotation=0.0)
"""The paper's changes of crops but for the rotation, which boxes do not survive."""

IOUS = tuple(np.arange(50, 100, 5) / 100)
"""Overlaps that count as found in COCO's AP."""


@dataclasses.dataclass(frozen=True, eq=False)
class DetectionTask:
    """People's boxes in whole images; a `posetrack.training.tasks.Task`.

    Parameters
    ----------
    annotated
        Images and boxes.
    input_size
        Width and height of what the network sees, multiples of 32.
    augmentation
        Without rotation and half bodies.
    normalisation
        Of the network's input.

    Raises
    ------
    ValueError
        If the input size is not of multiples of 32.
    """

    annotated: AnnotatedImages
    input_size: tuple[int, int] = (416, 256)
    augmentation: Augmentation = USUAL
    normalisation: Normalisation = IMAGENET_RGB

    def __post_init__(self) -> None:
        if any(side % 32 or side < 32 for side in self.input_size):
            raise ValueError(
                f"a detector's input must have sides of multiples of 32, got {self.input_size}"
            )

    def __len__(self) -> int:
        return len(self.annotated)

    def settings(self) -> dict[str, Any]:
        """Input size."""
        return {"input_size": list(self.input_size)}

    def header(self, recipe: Recipe) -> dict[str, Any]:  # noqa: ARG002
        """Input size and colours."""
        return {
            "input_size": self.input_size,
            "normalisation": dataclasses.asdict(self.normalisation),
        }

    def dataset(self, network: nn.Module, recipe: Recipe) -> BoxDataset:
        """Images with targets at stride 8."""
        del network
        return BoxDataset(
            self.annotated,
            input_size=self.input_size,
            stride=STRIDE,
            augmentation=self.augmentation,
            seed=recipe.seed,
        )

    def loss(self, output: Tensor, batch: DetectionBatch, recipe: Recipe) -> Tensor:
        """Loss of centres and boxes, see `detection_loss`."""
        del recipe
        return detection_loss(output, *batch[1:])


def measure_boxes(
    network: nn.Module,
    annotated: AnnotatedImages,
    *,
    long_side: int = 640,
    normalisation: Normalisation = IMAGENET_RGB,
) -> dict[str, float]:
    """Run a detector on annotated images, and measure how accurate its boxes are.

    Parameters
    ----------
    network
        A `PersonDetector`, on any device; it is copied.
    annotated
        The truth.
    long_side
        See `posetrack.detectors.light.LightDetector`.
    normalisation
        Of the network's input.

    Returns
    -------
    numbers
        See `box_numbers`.
    """
    device = next(network.parameters()).device
    detect = LightDetector(
        with_torch(network, device=device, half=False),
        long_side=long_side,
        normalisation=normalisation,
        min_score=0.05,
    )
    found = [detect(read_file(file)) for file in annotated.images]
    return box_numbers(found, annotated)


def box_numbers(found: list[Detections], annotated: AnnotatedImages) -> dict[str, float]:
    """Accuracy of boxes, as fractions.

    Parameters
    ----------
    found
        Of each image.
    annotated
        The truth. A box in a crowd is neither right nor wrong.

    Returns
    -------
    numbers
        ``AP``, the mean over overlaps of 0.5 to 0.95 of the average precision; ``AP50``, that at
        0.5; ``recall@0.5``, of boxes with a score of 0.3 and more, and ``precision@0.5``, theirs.

    Notes
    -----
    As in COCO's, precision is taken at 101 recalls, and at each the best of any larger recall.

    Examples
    --------
    >>> box = np.array([[0.0, 0.0, 9.0, 9.0]])
    >>> truth = AnnotatedImages(("a.png",), (box,), (np.zeros((0, 4)),))
    >>> box_numbers([Detections(box, [0.9])], truth)["AP"]
    1.0
    """
    total = sum(map(len, annotated.boxes))
    scores = np.concatenate([detections.scores for detections in found])
    right = np.concatenate(
        [
            _right(detections, boxes, ignored)
            for detections, boxes, ignored in zip(
                found, annotated.boxes, annotated.ignored, strict=True
            )
        ],
        axis=1,
    )
    values = [_average_precision(scores, row, total) for row in right]
    sure = scores >= 0.3
    hits, misses = (int((right[0][sure] == value).sum()) for value in (1, 0))
    return {
        "AP": float(np.mean(values)),
        "AP50": values[0],
        "recall@0.5": hits / max(total, 1),
        "precision@0.5": hits / max(hits + misses, 1),
    }


def _right(
    found: Detections, boxes: NDArray[np.float64], ignored: NDArray[np.float64]
) -> NDArray[np.int8]:
    """(10, P): whether each box found is right at each overlap; -1 where it does not count."""
    iou = iou_matrix(found.xyxy, boxes)
    inside = _share_inside(found.xyxy.astype(np.float64), ignored)
    result = np.zeros((len(IOUS), len(found)), np.int8)
    for level, least in enumerate(IOUS):
        free = np.ones(len(boxes), bool)
        for row in np.argsort(-found.scores, kind="stable"):
            open_to = np.where(free, iou[row], -1.0)
            best = int(open_to.argmax()) if len(boxes) else -1
            if best >= 0 and open_to[best] >= least:
                free[best] = False
                result[level, row] = 1
            elif inside[row] >= least:
                result[level, row] = -1
    return result


def _share_inside(boxes: NDArray[np.float64], regions: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P,), the largest part of each box that lies in one region."""
    low = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(axis=2)
    area = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-9)
    share: NDArray[np.float64] = (both / area[:, None]).max(axis=1, initial=0.0)
    return share


def _average_precision(
    scores: NDArray[np.floating[Any]], right: NDArray[np.int8], total: int
) -> float:
    order = np.argsort(-scores, kind="stable")
    order = order[right[order] >= 0]
    if not total or not len(order):
        return 0.0
    hits = np.cumsum(right[order] == 1)
    precision = hits / np.arange(1, len(order) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hits / total, np.linspace(0, 1, 101), side="left")
    values = np.append(best, 0.0)[np.minimum(places, len(best))]
    return float(values.mean())
