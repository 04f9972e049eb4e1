"""A detector's answer to boxes: all cells with a loop, with numpy, and only the cells that matter.

Run ``python benchmarks/detectors.py``. The network is FastestDet where the reference data is
beside the checkout, with an image of a real video; else an answer of the same kind is made up.
The loop visits every cell and class as small detectors' published demos do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from timing import interleaved, table

from posetrack.detectors.decode_functions import DecodeContext
from posetrack.detectors.filtering import keep_people
from posetrack.detectors.onnx import OnnxDetector
from posetrack.detectors.onnx_layouts import decode_fastestdet
from posetrack.ops.crops import normalise

DATA = Path(__file__).resolve().parents[2] / "shared/data"
IMAGE_SIZE = (1088, 1920)
MIN_SCORE, MAX_IOU = 0.5, 0.5
Array = np.ndarray[Any, Any]


def main() -> None:
    detect, image = real_network()
    answer = made_up() if detect is None else answer_of(detect, image)
    runs: dict[str, Callable[[], object]] = {
        "decode and NMS, loop over all cells": lambda: with_a_loop(answer),
        "decode and NMS, numpy over all cells": lambda: with_all_cells(answer),
        "decode and NMS, ours": lambda: ours(answer),
    }
    boxes = ours(answer).xyxy
    assert np.allclose(np.sort(with_a_loop(answer), axis=0), np.sort(boxes, axis=0), atol=0.1)
    assert np.allclose(np.sort(with_all_cells(answer), axis=0), np.sort(boxes, axis=0), atol=0.1)
    print(f"{answer.shape[2]} x {answer.shape[3]} cells, {len(boxes)} people")
    print(table(interleaved(runs, 100), "decode and NMS, loop over all cells"))
    if detect is None:
        print("no reference data beside this checkout: the whole detector is not measured")
        return
    resized = detect.resize(image, detect.input_size)[0]
    batch = normalise(resized[None], detect.normalisation)
    stages: dict[str, Callable[[], object]] = {
        "whole detector": lambda: detect(image),
        "resize": lambda: detect.resize(image, detect.input_size),
        "normalise": lambda: normalise(resized[None], detect.normalisation),
        "network": lambda: detect._network(batch),
        "decode, NMS": lambda: ours(answer),
    }
    print(table(interleaved(stages, 60), "whole detector"))


def real_network() -> tuple[OnnxDetector | None, Array]:
    model, video = DATA / "models/fastestdet_352.onnx", DATA / "videos/lab.mp4"
    if not model.exists():
        return None, np.zeros((*IMAGE_SIZE[::-1], 3), np.uint8)
    return OnnxDetector(model, threads=2), cv2.VideoCapture(str(video)).read()[1]


def answer_of(detect: OnnxDetector, image: Array) -> Array:
    resized = detect.resize(image, detect.input_size)[0]
    return detect._network(normalise(resized[None], detect.normalisation))[0]


def made_up() -> Array:
    rng = np.random.default_rng(0)
    answer = rng.uniform(0, 0.1, (1, 85, 22, 22)).astype(np.float32)
    answer[0, 1:5] = rng.normal(size=(4, 22, 22))
    for row, column in rng.integers(2, 20, (8, 2)):
        answer[0, [0, 5], row, column] = 0.9, 0.95
    return answer


def ours(answer: Array) -> Any:
    context = DecodeContext(IMAGE_SIZE, (352, 352), min_score=MIN_SCORE)
    return keep_people(
        *decode_fastestdet([answer], context),
        image_size=IMAGE_SIZE,
        min_score=MIN_SCORE,
        max_iou=MAX_IOU,
        max_people=None,
    )


def with_a_loop(answer: Array) -> Array:
    cells = answer[0].transpose(1, 2, 0)
    boxes, scores = [], []
    for row in range(cells.shape[0]):
        for column in range(cells.shape[1]):
            cell = cells[row, column]
            label = np.argmax(cell[5:])
            score = cell[0] ** 0.6 * cell[5 + label] ** 0.4
            if score >= MIN_SCORE and label == 0:
                x = (column + math.tanh(cell[1])) / cells.shape[1]
                y = (row + math.tanh(cell[2])) / cells.shape[0]
                width, height = 1 / (1 + math.exp(-cell[3])), 1 / (1 + math.exp(-cell[4]))
                boxes.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
                scores.append(score)
    return suppressed(np.array(boxes).reshape(-1, 4) * np.array(IMAGE_SIZE * 2), np.array(scores))


def with_all_cells(answer: Array) -> Array:
    cells = answer[0].reshape(answer.shape[1], -1).astype(np.float64)
    row, column = np.divmod(np.arange(cells.shape[1]), answer.shape[3])
    scores = cells[0] ** 0.6 * cells[5:].max(axis=0) ** 0.4
    x = (column + np.tanh(cells[1])) / answer.shape[3]
    y = (row + np.tanh(cells[2])) / answer.shape[2]
    width, height = 1 / (1 + np.exp(-cells[3:5]))
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    person = (cells[5:].argmax(axis=0) == 0) & (scores >= MIN_SCORE)
    return suppressed(boxes[person] * np.array(IMAGE_SIZE * 2), scores[person])


def suppressed(boxes: Array, scores: Array) -> Array:
    xywh = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), MIN_SCORE, MAX_IOU)
    edge = np.array(IMAGE_SIZE * 2) - 1
    return np.clip(boxes[np.asarray(kept, int).ravel()], 0, edge)


if __name__ == "__main__":
    main()
