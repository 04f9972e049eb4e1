"""A detector's targets in each cell, and its loss.

Targets and loss of Z. Liu et al., *Training-Time-Friendly Network for Real-Time Object Detection*
(AAAI 2020), sections 3.2 and 3.3: an elliptic Gaussian in each box is the target of the centres,
and the weight of the sides' loss. Many cells of a person learn in every step, so that little
training goes far.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posetrack.networks.person_detector import STRIDE, boxes_of

Float32Array = NDArray[np.float32]

_REACH = 0.54
"""Part of a box's half width and height that its Gaussian covers, the paper's alpha and beta."""

_SIDES_WEIGHT = 5.0


def centre_targets(
    boxes: NDArray[np.float64], ignored: NDArray[np.float64], size: tuple[int, int]
) -> tuple[Float32Array, Float32Array, Float32Array, Float32Array]:
    """Targets of one image.

    Parameters
    ----------
    boxes
        (M, 4) xyxy in input pixels, of the people to find; centres inside the image.
    ignored
        (I, 4) xyxy: where people may be found or not.
    size
        Width and height of the maps.

    Returns
    -------
    heat
        (h, w) in [0, 1], 1 at the cell of each centre.
    counted
        (h, w), 0 in ignored boxes, else 1.
    sides
        (4, h, w) xyxy in input pixels, the box that the cell is of. Of two that overlap, the
        smaller.
    weights
        (h, w) of the sides' loss, 0 where the cell is nobody's. They sum up to the logarithm of
        its area for each person who is not covered, so that large people do not outweigh small.

    Examples
    --------
    >>> boxes = np.array([[8.0, 0.0, 32.0, 40.0]])
    >>> heat, _, sides, _ = centre_targets(boxes, np.zeros((0, 4)), (6, 5))
    >>> np.argwhere(heat == 1).tolist(), sides[:, 2, 2].tolist()
    ([[2, 2]], [8.0, 0.0, 32.0, 40.0])
    """
    width, height = size
    heat, counted = np.zeros((height, width), np.float32), np.ones((height, width), np.float32)
    sides, weights = np.zeros((4, height, width), np.float32), np.zeros((height, width), np.float32)
    x, y = np.arange(width), np.arange(height)[:, None]
    for left, top, right, bottom in ignored / STRIDE:
        rows, columns = (
            slice(max(0, int(np.floor(low))), max(0, int(np.ceil(high))))
            for low, high in ((top, bottom), (left, right))
        )
        counted[rows, columns] = 0
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    for row in np.argsort(-areas, kind="stable"):
        low, high = boxes[row].reshape(2, 2) / STRIDE
        column, line = (
            min(int(middle), most - 1) for middle, most in zip((low + high) / 2, size, strict=True)
        )
        reach = np.maximum((high - low) / 2 * _REACH, 0.0).astype(int)
        sigma = (2 * reach + 1) / 6
        away = ((x - column) / sigma[0]) ** 2 + ((y - line) / sigma[1]) ** 2
        inside = (abs(x - column) <= reach[0]) & (abs(y - line) <= reach[1])
        peak = np.where(inside, np.exp(-away / 2), 0.0)
        np.maximum(heat, peak, out=heat)
        counted[line, column] = 1
        sides[:, inside] = boxes[row][:, None]
        share = np.log(max(areas[row], np.e)) / peak.sum()
        weights[inside] = (peak * share)[inside]
    return heat, counted, sides, weights


def detection_loss(
    output: Tensor, heat: Tensor, counted: Tensor, sides: Tensor, weights: Tensor
) -> Tensor:
    """Focal loss of the centres and generalised-IoU loss of the boxes.

    Parameters
    ----------
    output
        (N, 5, h, w), see `posetrack.networks.person_detector.PersonDetector`.
    heat, counted, sides, weights
        Of `centre_targets`, with N in front.

    Returns
    -------
    loss
        () tensor: the centres' by the number of people, the sides' by the sum of the weights.

    Notes
    -----
    The centres' loss is that of X. Zhou et al., *Objects as Points* (2019), equation 1, with
    exponents 2 and 4. Boxes: H. Rezatofighi et al., *Generalized Intersection over Union* (CVPR
    2019).

    Examples
    --------
    >>> empty = torch.zeros(1, 2, 2)
    >>> output = torch.full((1, 5, 2, 2), -20.0)
    >>> bool(detection_loss(output, empty, empty + 1, torch.zeros(1, 4, 2, 2), empty) < 1e-6)
    True
    """
    logits = output[:, 0].float()
    score = logits.sigmoid()
    sure, unsure = torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    here = heat == 1
    found = torch.where(here, (1 - score).square() * sure, 0.0)
    ghosts = torch.where(here, 0.0, (1 - heat) ** 4 * score.square() * unsure)
    centres = -((found + ghosts) * counted).sum() / here.sum().clamp(min=1)
    cells = weights > 0
    boxes = boxes_of(output)[cells]
    near = (1 - giou(boxes, sides.movedim(1, 3)[cells])) * weights[cells]
    return centres + _SIDES_WEIGHT * near.sum() / weights.sum().clamp(min=1)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Overlap of each box of ``a`` with the one of ``b`` in its row, in (-1, 1].

    Parameters
    ----------
    a, b
        (M, 4) xyxy.

    Examples
    --------
    >>> box = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    >>> giou(box, box + 2).item(), giou(box, box).item()
    (-0.5, 1.0)
    """
    both = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    shared, hull = both.prod(dim=1), around.prod(dim=1).clamp(min=1e-6)
    union = (a[:, 2:] - a[:, :2]).prod(dim=1) + (b[:, 2:] - b[:, :2]).prod(dim=1) - shared
    return shared / union.clamp(min=1e-6) - (hull - union) / hull
