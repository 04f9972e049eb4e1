"""The YOLO family's and FastestDet's answers, turned into boxes: one function a layout.

`posetrack.detectors.decode_functions` describes what such a function takes and returns. Networks
that answer with boxes and labels apart are in `posetrack.detectors.onnx_labelled`.
"""

from __future__ import annotations

from collections.abc import Callable
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
from posetrack.structures import FloatArray


def decode_fastestdet(outputs: Outputs, context: DecodeContext) -> Decoded:
    """FastestDet: one cell in 16 pixels, each with objectness, box and classes.

    Parameters
    ----------
    outputs
        One array (1, 5 + C, H, W): objectness o, offsets x and y before tanh, width and height
        before the logistic function, class scores s.
    context
        The person is class 0 unless it says otherwise.

    Returns
    -------
    xyxy, scores
        As a decode function gives them, of cells whose best class is the person; the score is
        ``o ** 0.6 * s ** 0.4``, as in ``dog-qiuqiu/FastestDet``.

    Raises
    ------
    ValueError
        If the shape is another.

    Examples
    --------
    >>> answer = np.zeros((1, 7, 22, 22), np.float32)
    >>> answer[0, [0, 5], 11, 11] = 1
    >>> context = DecodeContext((352, 352), (352, 352), min_score=0.5)
    >>> decode_fastestdet([answer], context)[0].tolist()
    [[88.0, 88.0, 264.0, 264.0]]
    """
    answer = _only(outputs, "(1, 5 + C, H, W)", lambda a: a.ndim == 4 and a.shape[1] > 5)[0]
    label = person_class(context, 0, len(answer) - 5)
    # No class score exceeds 1, so most cells are out by their objectness alone.
    row, column = np.nonzero(answer[0] >= max(context.min_score, 0.0) ** (1 / 0.6))
    cells = answer[:, row, column]
    classes = cells[5:]
    scores = cells[0].clip(min=0) ** 0.6 * classes[label].clip(min=0) ** 0.4
    person = (classes[label] >= classes.max(axis=0)) & (scores >= context.min_score)
    cells, row, column = cells[:, person], row[person], column[person]
    height, width = answer.shape[1:]
    size = np.array(context.image_size, np.float32)[:, None]
    center = np.stack([(column + np.tanh(cells[1])) / width, (row + np.tanh(cells[2])) / height])
    half = logistic(cells[3:5]) / 2
    return np.concatenate([(center - half) * size, (center + half) * size]).T, scores[person]


def decode_yolox(outputs: Outputs, context: DecodeContext) -> Decoded:
    """YOLOX, both with the grids of strides 8, 16 and 32 still to be added and without.

    Parameters
    ----------
    outputs
        (1, A, 5 + C): centre, size, objectness and class scores of A cells. In an export with
        ``--decode_in_inference`` the first four are pixels of the input; else the centre is in
        cells from the cell's own corner and the size is the logarithm of cells. The two are
        distinguished by their mean centre, near the middle of the input in the one and within a few
        cells of zero in the other.
    context
        The person is class 0 unless it says otherwise.

    Returns
    -------
    xyxy, scores
        As a decode function gives them; the score is objectness times the person's.

    Raises
    ------
    ValueError
        If the shape is another, or A is not the number of cells for the input size.

    Examples
    --------
    >>> answer = np.zeros((1, 84, 6), np.float32)  # 64 x 64: 8 x 8 + 4 x 4 + 2 x 2 cells
    >>> answer[0, 83] = [0, 0, 0, 0, 1, 1]
    >>> decode_yolox([answer], DecodeContext((64, 64), (64, 64), min_score=0.5))[0].tolist()
    [[16.0, 16.0, 48.0, 48.0]]
    """
    rows = _only(outputs, "(1, A, 5 + C)", lambda a: a.ndim == 3 and a.shape[2] > 5)[0]
    corner, stride = grid_cells(context.input_size)
    if len(rows) != len(corner):
        raise ValueError(
            f"decode_yolox expects {len(corner)} cells for an input of {context.input_size}, got "
            f"{len(rows)}; decode_yolov5 takes rows that are decoded already"
        )
    if rows[:, 0].mean() > context.input_size[0] / 4:
        return decode_yolov5(outputs, context)
    scores = rows[:, 4] * rows[:, 5 + person_class(context, 0, rows.shape[1] - 5)]
    sure = np.flatnonzero(scores >= context.min_score)
    cell = stride[sure, None]
    center = (rows[sure, :2] + corner[sure]) * cell
    with np.errstate(over="ignore"):  # an infinite box is reported by the detector
        half = np.exp(rows[sure, 2:4]) * cell / 2
    return context.to_image(np.hstack([center - half, center + half])), scores[sure]


def decode_yolov5(outputs: Outputs, context: DecodeContext) -> Decoded:
    """YOLOv5, v6, v7 and others with an objectness: rows of box, objectness and class scores.

    Parameters
    ----------
    outputs
        The first array with three axes is (1, A, 5 + C): centre, size in pixels of the input,
        objectness, class scores; or the same with the last two axes exchanged, where A is at
        least 5 + C.
    context
        The person is class 0 unless it says otherwise.

    Returns
    -------
    xyxy, scores
        As a decode function gives them; the score is objectness times the person's.

    Raises
    ------
    ValueError
        If the shape is another.

    Examples
    --------
    >>> answer = np.zeros((1, 7, 6), np.float32)
    >>> answer[0, 3] = [30, 20, 20, 40, 0.8, 0.5]
    >>> xyxy, scores = decode_yolov5([answer], DecodeContext((64, 64), (64, 64), min_score=0.1))
    >>> xyxy.tolist(), scores.tolist()
    ([[20.0, 0.0, 40.0, 40.0]], [0.4...])
    """
    rows = _channels_first(outputs, 6, "(1, A, 5 + C)")
    scores = rows[4] * rows[5 + person_class(context, 0, len(rows) - 5)]
    return _select_centre_boxes(rows, scores, context)


def decode_yolov8(outputs: Outputs, context: DecodeContext) -> Decoded:
    """YOLOv8, v9, v11 and others without an objectness, also their pose and mask variants.

    Parameters
    ----------
    outputs
        The first array with three axes is (1, 4 + C + extras, A): centre, size in pixels of the
        input, class scores, whatever else; or the same with the last two axes exchanged. The
        longer one is taken for A.
    context
        The person is class 0 unless it says otherwise.

    Returns
    -------
    xyxy, scores
        As a decode function gives them; the score is the person's.

    Raises
    ------
    ValueError
        If the shape is another.

    Examples
    --------
    >>> answer = np.zeros((1, 5, 84), np.float32)
    >>> answer[0, :, 3] = [30, 20, 20, 40, 0.8]
    >>> decode_yolov8([answer], DecodeContext((64, 64), (64, 64), min_score=0.1))[0].tolist()
    [[20.0, 0.0, 40.0, 40.0]]
    """
    rows = _channels_first(outputs, 5, "(1, 4 + C, A)")
    return _select_centre_boxes(rows, rows[4 + person_class(context, 0, len(rows) - 4)], context)


def decode_end2end(outputs: Outputs, context: DecodeContext) -> Decoded:
    """Exports that end with their own suppression of doubles, one row a box.

    Parameters
    ----------
    outputs
        The first array is (1, N, 6 or more), rows of left, top, right, bottom, score, class and
        whatever else (YOLOv10, YOLO26), or (N, 7), rows of image number, left, top, right,
        bottom, class, score (YOLOv7). Pixels of the input.
    context
        The person is class 0 unless it says otherwise.

    Returns
    -------
    xyxy, scores
        As a decode function gives them.

    Raises
    ------
    ValueError
        If the shape is another.

    Examples
    --------
    >>> answer = np.array([[[20, 0, 40, 40, 0.8, 0], [1, 1, 9, 9, 0.9, 56]]], np.float32)
    >>> decode_end2end([answer], DecodeContext((64, 64), (64, 64)))[0].tolist()
    [[20.0, 0.0, 40.0, 40.0]]
    """
    rows = np.asarray(outputs[0])
    if rows.ndim == 2 and rows.shape[1] == 7:
        boxes, classes, scores = rows[:, 1:5], rows[:, 5], rows[:, 6]
    elif rows.ndim == 3 and len(rows) == 1 and rows.shape[2] >= 6:
        boxes, scores, classes = rows[0, :, :4], rows[0, :, 4], rows[0, :, 5]
    else:
        raise ValueError(f"expected outputs (1, N, 6) or (N, 7), got {shapes(outputs)}")
    person = (classes == person_class(context, 0)) & (scores >= context.min_score)
    return context.to_image(boxes[person]), scores[person]


def grid_cells(
    input_size: tuple[int, int], strides: tuple[int, ...] = (8, 16, 32)
) -> tuple[FloatArray, FloatArray]:
    """Cells of a network that answers on grids of several strides, row by row, finest first.

    Parameters
    ----------
    input_size
        (width, height).
    strides
        Pixels of the input a cell.

    Returns
    -------
    corner
        (A, 2), column and row of each cell.
    stride
        (A,).

    Examples
    --------
    >>> corner, stride = grid_cells((64, 32))
    >>> len(corner), corner[-1].tolist(), stride[-1]
    (42, [1.0, 0.0], np.float32(32.0))
    """
    corners, sizes = [], []
    for stride in strides:
        row, column = np.mgrid[: input_size[1] // stride, : input_size[0] // stride]
        corners.append(np.stack([column.ravel(), row.ravel()], axis=1))
        sizes.append(np.full(column.size, stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(sizes).astype(np.float32)


def _select_centre_boxes(rows: NDArray[Any], scores: FloatArray, context: DecodeContext) -> Decoded:
    """Boxes of the sure ones of (4 + ..., A) centres and sizes in pixels of the input."""
    sure = np.flatnonzero(scores >= context.min_score)
    center, half = rows[:2, sure], rows[2:4, sure] / 2
    return context.to_image(np.concatenate([center - half, center + half]).T), scores[sure]


def _channels_first(outputs: Outputs, least: int, wanted: str) -> NDArray[Any]:
    """The first array with three axes as (channels, A), the shorter axis taken for channels."""
    for output in outputs:
        if output.ndim == 3 and len(output) == 1 and min(output.shape[1:]) >= least:
            answer: NDArray[Any] = output[0]
            return answer if answer.shape[0] <= answer.shape[1] else answer.T
    raise ValueError(f"expected an output {wanted}, got {shapes(outputs)}")


def _only(outputs: Outputs, wanted: str, fits: Callable[[NDArray[Any]], bool]) -> NDArray[Any]:
    if len(outputs) != 1 or not fits(outputs[0]) or len(outputs[0]) != 1:
        raise ValueError(f"expected one output {wanted}, got {shapes(outputs)}")
    return outputs[0]
