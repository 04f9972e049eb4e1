"""Answers with boxes in one array and labels and scores, or logits, in others.

`posetrack.detectors.decode_functions` describes what such a function takes and returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.detectors.decode_functions import (
    DecodeContext,
    Decoded,
    Outputs,
    logistic,
    person_class,
    shapes,
)
from posetrack.detectors.onnx_layouts import decode_yolox


def decode_with_labels(outputs: Outputs, context: DecodeContext) -> Decoded:
    """Boxes, labels and scores as separate outputs, doubles already suppressed.

    Parameters
    ----------
    outputs
        In any order: boxes (N, 4) or (1, N, 4), left, top, right, bottom in pixels of the input;
        labels and scores, (N,) or (1, N); maybe a count of how many of the N rows are filled.
        The scores may be a fifth column of the boxes instead (MMDetection's ``dets``). Labels are
        the integers, or the output whose name says label or class. Others are ignored.
    context
        The person is class 0 where the scores are a fifth column or a count is given
        (MMDetection, TensorRT's NMS on a YOLO), else class 1 (torchvision), unless it says
        otherwise.

    Returns
    -------
    xyxy, scores
        As a decode function gives them.

    Raises
    ------
    ValueError
        If one of the three is not there.

    Examples
    --------
    >>> boxes = np.array([[20, 0, 40, 40], [1, 1, 9, 9]], np.float32)
    >>> answer = [boxes, np.array([1, 18]), np.array([0.8, 0.9], np.float32)]
    >>> decode_with_labels(answer, DecodeContext((64, 64), (64, 64)))[0].tolist()
    [[20.0, 0.0, 40.0, 40.0]]
    """
    found = find_roles(outputs, context.output_names)
    if not {"boxes", "labels", "scores"} <= set(found):
        raise ValueError(
            "expected outputs with boxes (N, 4) or (N, 5), labels (N,) and scores (N,), got "
            f"{shapes(outputs)}"
        )
    boxes, labels, scores = found["boxes"], found["labels"], found["scores"]
    if not len(boxes) == len(labels) == len(scores):
        raise ValueError(f"boxes, labels and scores differ in number: {shapes(outputs)}")
    from_yolo = "count" in found or boxes.shape[1] == 5
    person = (labels == person_class(context, 0 if from_yolo else 1)) & (
        scores >= context.min_score
    )
    if "count" in found:
        person[int(found["count"].item()) :] = False
    return context.to_image(boxes[person, :4]), scores[person]


def decode_rtmdet(outputs: Outputs, context: DecodeContext) -> Decoded:
    """RTMDet, as MMDeploy exports it with suppression of doubles, or without.

    Parameters
    ----------
    outputs
        With it: ``dets`` (1, N, 5), left, top, right, bottom and score in pixels of the input, and
        ``labels`` (1, N) where there is more than one class. Without: boxes (1, A, 4) and class
        scores (1, A, C); or rows as YOLOX has them (1, A, 5 + C), see
        `posetrack.detectors.onnx_layouts.decode_yolox`; or the head's own maps, class logits
        (1, C, h, w) and distances to the four sides in pixels (1, 4, h, w) for each of the
        strides 8, 16 and 32.
    context
        The person is class 0 unless it says otherwise.

    Returns
    -------
    xyxy, scores
        As a decode function gives them.

    Raises
    ------
    ValueError
        If the shapes are others.

    Examples
    --------
    >>> answer = [np.array([[[20, 0, 40, 40, 0.8]]], np.float32), np.array([[0]])]
    >>> decode_rtmdet(answer, DecodeContext((64, 64), (64, 64)))[0].tolist()
    [[20.0, 0.0, 40.0, 40.0]]
    """
    if len(outputs) == 1 and outputs[0].ndim == 3 and outputs[0].shape[2] == 5:
        labels = np.zeros(outputs[0].shape[:2], np.int64)
        return decode_with_labels([outputs[0], labels], context)
    if len(outputs) == 1:
        return decode_yolox(outputs, context)
    if all(output.ndim == 4 for output in outputs):
        return _of_maps(outputs, context)
    flat = [output[0] for output in outputs if output.ndim == 3 and len(output) == 1]
    if (
        len(flat) == 2
        and len(flat[0]) == len(flat[1])
        and 4 in (flat[0].shape[1], flat[1].shape[1])
    ):
        boxes, classes = flat if flat[0].shape[1] == 4 else flat[::-1]
        scores = classes[:, person_class(context, 0, classes.shape[1])]
        sure = scores >= context.min_score
        return context.to_image(boxes[sure]), scores[sure]
    return decode_with_labels(outputs, context)


def _of_maps(outputs: Outputs, context: DecodeContext) -> Decoded:
    """Boxes of RTMDet's head, whose cells count from their upper left corner."""
    by_size: dict[tuple[int, ...], list[NDArray[Any]]] = {}
    for output in outputs:
        by_size.setdefault(output.shape[2:], []).append(output[0])
    boxes, scores = [], []
    for (height, width), pair in by_size.items():
        stride = context.input_size[0] / width if width else 0
        if len(pair) != 2 or not height or stride != context.input_size[1] / height:
            raise ValueError(f"expected two maps a stride, got {shapes(outputs)}")
        # Where there are four classes, too, the logits come first, as in the head itself.
        classes, sides = pair if len(pair[1]) == 4 else pair[::-1]
        if len(sides) != 4:
            raise ValueError(f"expected distances (1, 4, h, w), got {shapes(outputs)}")
        found = logistic(classes[person_class(context, 0, len(classes))])
        row, column = np.nonzero(found >= context.min_score)
        corner = np.stack([column, row], axis=1) * stride
        left_top, right_bottom = sides[:2, row, column].T, sides[2:, row, column].T
        boxes.append(np.hstack([corner - left_top, corner + right_bottom]))
        scores.append(found[row, column])
    return context.to_image(np.concatenate(boxes)), np.concatenate(scores)


def decode_detr(outputs: Outputs, context: DecodeContext) -> Decoded:
    """Detection transformers with a class for nothing: DETR, Conditional DETR, YOLOS.

    Parameters
    ----------
    outputs
        In any order: logits (1, Q, C + 1), the last one for nothing, and boxes (1, Q, 4), centre
        and size as fractions of the input.
    context
        The person is class 1 of COCO's 91, class 0 of any other number, unless it says otherwise.

    Returns
    -------
    xyxy, scores
        As a decode function gives them; the score is the softmax of the person's logit.

    Raises
    ------
    ValueError
        If the shapes are others.

    Examples
    --------
    >>> answer = [np.array([[[0.0, 9, 0]]]), np.array([[[0.5, 0.5, 0.5, 1]]])]
    >>> context = DecodeContext((64, 64), (64, 64), person=1)
    >>> decode_detr(answer, context)[0].tolist()
    [[16.0, 0.0, 48.0, 64.0]]
    """
    logits, boxes = _logits_and_boxes(outputs)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    classes = weights[:, :-1] / weights.sum(axis=1, keepdims=True)
    return _fractions(classes, boxes, context)


def decode_rtdetr(outputs: Outputs, context: DecodeContext) -> Decoded:
    """Detection transformers without a class for nothing: Deformable DETR, RT-DETR, RF-DETR.

    Parameters
    ----------
    outputs
        In any order: logits (1, Q, C) and boxes (1, Q, 4), centre and size as fractions of the
        input.
    context
        The person is class 1 of COCO's 91, class 0 of any other number, unless it says otherwise.

    Returns
    -------
    xyxy, scores
        As a decode function gives them; the score is the logistic function of the logit.

    Raises
    ------
    ValueError
        If the shapes are others.

    Examples
    --------
    >>> answer = [np.array([[[0.5, 0.5, 0.5, 1]]]), np.array([[[3.0, -3]]])]
    >>> decode_rtdetr(answer, DecodeContext((64, 64), (64, 64)))[0].tolist()
    [[16.0, 0.0, 48.0, 64.0]]
    """
    logits, boxes = _logits_and_boxes(outputs)
    return _fractions(logistic(logits), boxes, context)


def find_roles(outputs: Outputs, names: tuple[str, ...] = ()) -> Mapping[str, NDArray[Any]]:
    """Which output is what: ``boxes``, ``labels``, ``scores`` and ``count``, without batch axis.

    Parameters
    ----------
    outputs
        The network's answer to one image.
    names
        The outputs' names, where known.

    Examples
    --------
    >>> found = find_roles([np.zeros((1, 7, 5)), np.zeros((1, 7), int)])
    >>> {role: values.shape for role, values in found.items()}
    {'boxes': (7, 5), 'scores': (7,), 'labels': (7,)}
    """
    named = list(zip([*names, *[""] * (len(outputs) - len(names))], outputs, strict=True))
    wide = [o for _, o in named if o.ndim in (2, 3) and o.shape[-1] in (4, 5)]
    if not wide:
        return {}
    boxes = max(wide, key=lambda output: output.ndim)
    batched = boxes.ndim == 3
    found = {"boxes": boxes[0] if batched else boxes}
    if boxes.shape[-1] == 5:
        found["scores"] = found["boxes"][:, 4]
    for name, output in named:
        flat = output[0] if batched and output.ndim == 2 and len(output) == 1 else output
        if output is boxes or flat.ndim > 1:
            continue
        low, whole = name.lower(), np.issubdtype(output.dtype, np.integer)
        if whole and output.size == 1 and (len(found["boxes"]) != 1 or "num" in low):
            found.setdefault("count", flat)
        elif whole or "label" in low or "class" in low:
            found.setdefault("labels", flat)
        else:
            found.setdefault("scores", flat)
    return found


def _logits_and_boxes(outputs: Outputs) -> tuple[NDArray[Any], NDArray[Any]]:
    three = [output[0] for output in outputs if output.ndim == 3 and len(output) == 1]
    boxes = [output for output in three if output.shape[1] == 4]
    logits = [output for output in three if output.shape[1] != 4]
    if not boxes or not logits or len(boxes[0]) != len(logits[0]):
        raise ValueError(
            f"expected outputs logits (1, Q, C) and boxes (1, Q, 4), got {shapes(outputs)}"
        )
    return logits[0], boxes[0]


def _fractions(classes: NDArray[Any], boxes: NDArray[Any], context: DecodeContext) -> Decoded:
    count = classes.shape[1]
    scores = classes[:, person_class(context, 1 if count == 91 else 0, count)]
    sure = scores >= context.min_score
    center, half = boxes[sure, :2], boxes[sure, 2:] / 2
    size = np.array(context.input_size * 2)
    return context.to_image(np.hstack([center - half, center + half]) * size), scores[sure]
