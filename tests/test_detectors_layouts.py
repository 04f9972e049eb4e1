"""Decode functions: an answer built from known boxes gives these boxes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.detectors.decode_functions import DecodeContext, person_by_name
from posetrack.detectors.onnx_guess import LAYOUTS, guess_layout, usual_layout
from posetrack.detectors.onnx_labelled import (
    decode_detr,
    decode_rtdetr,
    decode_rtmdet,
    decode_with_labels,
)
from posetrack.detectors.onnx_layouts import (
    decode_end2end,
    decode_fastestdet,
    decode_yolov5,
    decode_yolov8,
    decode_yolox,
    grid_cells,
)

SIZE = (128, 96)
CELLS = len(grid_cells(SIZE)[0])
Array = np.ndarray[Any, Any]


@st.composite
def people(draw: st.DrawFn) -> tuple[Array, Array]:
    """Up to five boxes inside the network's input and their scores, (N, 4) and (N,)."""
    count = draw(st.integers(0, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corner = rng.uniform(0, 60, (count, 2))
    boxes = np.hstack([corner, corner + rng.uniform(4, 30, (count, 2))])
    return boxes.astype(np.float32), rng.uniform(0.3, 0.99, count).astype(np.float32)


def contexts() -> st.SearchStrategy[DecodeContext]:
    return st.builds(
        lambda sx, sy, ox, oy: DecodeContext(
            (320, 240), SIZE, scale=(sx, sy), offset=(ox, oy), min_score=0.25
        ),
        st.floats(0.2, 2.0),
        st.floats(0.2, 2.0),
        st.floats(0, 20),
        st.floats(0, 20),
    )


def centered(boxes: Array) -> Array:
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])


def yolov8(boxes: Array, scores: Array) -> list[Array]:
    answer = np.zeros((1, 84, CELLS), np.float32)
    answer[0, :4, : len(boxes)] = centered(boxes).T
    answer[0, 4, : len(boxes)] = scores
    answer[0, 10, :50] = 0.99  # surer of another class
    return [answer]


def yolov8_transposed(boxes: Array, scores: Array) -> list[Array]:
    return [yolov8(boxes, scores)[0].transpose(0, 2, 1)]


def yolov8_pose(boxes: Array, scores: Array) -> list[Array]:
    answer = np.full((1, 56, CELLS), 7, np.float32)
    answer[0, :4, : len(boxes)] = centered(boxes).T
    answer[0, 4] = 0
    answer[0, 4, : len(boxes)] = scores
    return [answer]


def yolov5(boxes: Array, scores: Array) -> list[Array]:
    answer = np.zeros((1, 3 * CELLS, 85), np.float32)
    answer[0, : len(boxes), :4] = centered(boxes)
    answer[0, : len(boxes), 4] = 0.995
    answer[0, : len(boxes), 5] = scores / np.float32(0.995)
    answer[0, 5:9, 4], answer[0, 5:9, 30] = 1, 1  # another class
    return [answer]


def yolox_decoded(boxes: Array, scores: Array) -> list[Array]:
    corner, stride = grid_cells(SIZE)
    answer = np.zeros((1, CELLS, 85), np.float32)
    answer[0, :, :2], answer[0, :, 2:4] = (corner + 0.5) * stride[:, None], stride[:, None]
    answer[0, : len(boxes), :4] = centered(boxes)
    answer[0, : len(boxes), 4], answer[0, : len(boxes), 5] = 1, scores
    return [answer]


def yolox_raw(boxes: Array, scores: Array) -> list[Array]:
    corner, stride = grid_cells(SIZE)
    answer = yolox_decoded(boxes, scores)[0]
    answer[0, :, :2] = answer[0, :, :2] / stride[:, None] - corner
    answer[0, :, 2:4] = np.log(answer[0, :, 2:4] / stride[:, None])
    return [answer]


def end2end(boxes: Array, scores: Array) -> list[Array]:
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, : len(boxes), :4], rows[0, : len(boxes), 4] = boxes, scores
    rows[0, 10:20, 4:6] = 0.9, 3  # another class
    return [rows]


def end2end_seven(boxes: Array, scores: Array) -> list[Array]:
    others = np.array([[0, 1, 1, 9, 9, 5, 0.9]], np.float32)
    zeros = np.zeros((len(boxes), 1), np.float32)
    return [np.vstack([np.hstack([zeros, boxes, zeros, scores[:, None]]), others])]


def torchvision(boxes: Array, scores: Array) -> list[Array]:
    labels = np.r_[np.ones(len(boxes), np.int64), [18]]
    other = np.array([[1, 1, 9, 9]], np.float32)
    return [np.vstack([boxes, other]), labels, np.r_[scores, np.float32(0.9)]]


def mmdetection(boxes: Array, scores: Array) -> list[Array]:
    rows = np.zeros((1, 100, 5), np.float32)
    rows[0, : len(boxes), :4], rows[0, : len(boxes), 4] = boxes, scores
    return [rows, np.zeros((1, 100), np.int64)]


def without_labels(boxes: Array, scores: Array) -> list[Array]:
    return mmdetection(boxes, scores)[:1]


def boxes_and_classes(boxes: Array, scores: Array) -> list[Array]:
    rows, classes = np.zeros((1, CELLS, 4), np.float32), np.zeros((1, CELLS, 3), np.float32)
    rows[0, : len(boxes)], classes[0, : len(boxes), 0] = boxes, scores
    classes[0, 20:30, 1] = 0.9  # another class
    return [rows, classes]


def maps_of_a_head(boxes: Array, scores: Array) -> list[Array]:
    """A box in a cell of its own, alternately of each stride, by the order of strides."""
    maps: list[Array] = []
    finest = SIZE[0] // 8
    for stride in (8, 16, 32):
        shape = (SIZE[1] // stride, SIZE[0] // stride)
        maps += [np.full((1, 1, *shape), -20, np.float32), np.ones((1, 4, *shape), np.float32)]
    for number, (box, score) in enumerate(zip(boxes, scores, strict=True)):
        row, column = divmod(number, finest)
        maps[0][0, 0, row, column] = np.log(score / (1 - score))
        corner = np.array([column, row]) * 8
        maps[1][0, :, row, column] = [*(corner - box[:2]), *(box[2:] - corner)]
    return maps[0::2] + maps[1::2]


def counted(boxes: Array, scores: Array) -> list[Array]:
    rows, marks = np.zeros((1, 100, 4), np.float32), np.full((1, 100), 0.9, np.float32)
    rows[0, : len(boxes)], marks[0, : len(boxes)] = boxes, scores
    return [np.array([[len(boxes)]], np.int32), rows, marks, np.zeros((1, 100), np.int32)]


def transformer(boxes: Array, scores: Array, classes: int, person: int) -> list[Array]:
    logits = np.full((1, 50, classes), -20, np.float32)
    logits[0, : len(boxes), person] = np.log(scores / (1 - scores))
    places = np.full((1, 50, 4), 0.5, np.float32)
    places[0, : len(boxes)] = centered(boxes) / np.array(SIZE * 2)
    return [logits, places]


def rtdetr(boxes: Array, scores: Array) -> list[Array]:
    return transformer(boxes, scores, 80, 0)


def detr(boxes: Array, scores: Array) -> list[Array]:
    logits, places = transformer(boxes, scores, 92, 1)
    logits[0, :, 91] = 0  # nothing: softmax over it and the person is the logistic function
    logits[0, :, [c for c in range(91) if c != 1]] = -60
    return [places, logits]


CASES: dict[str, tuple[Any, Callable[[Array, Array], list[Array]]]] = {
    "yolov8": (decode_yolov8, yolov8),
    "yolov8 transposed": (decode_yolov8, yolov8_transposed),
    "yolov8 pose": (decode_yolov8, yolov8_pose),
    "yolov5": (decode_yolov5, yolov5),
    "yolox decoded": (decode_yolox, yolox_decoded),
    "yolox raw": (decode_yolox, yolox_raw),
    "end2end": (decode_end2end, end2end),
    "end2end of seven": (decode_end2end, end2end_seven),
    "torchvision": (decode_with_labels, torchvision),
    "mmdetection": (decode_rtmdet, mmdetection),
    "without labels": (decode_rtmdet, without_labels),
    "boxes and class scores": (decode_rtmdet, boxes_and_classes),
    "maps of a head": (decode_rtmdet, maps_of_a_head),
    "counted": (decode_with_labels, counted),
    "rtdetr": (decode_rtdetr, rtdetr),
    "detr": (decode_detr, detr),
}


@pytest.mark.parametrize("layout", CASES)
@given(found=people(), context=contexts())
def test_known_boxes_come_back(
    layout: str, found: tuple[Array, Array], context: DecodeContext
) -> None:
    decode, answer = CASES[layout]
    boxes, scores = found
    outputs = answer(boxes, scores)
    before = [output.copy() for output in outputs]
    xyxy, marks = decode(outputs, context)
    expected = (boxes - np.array(context.offset * 2)) / np.array(context.scale * 2)
    assert xyxy.shape == (len(boxes), 4)
    np.testing.assert_allclose(xyxy, expected, atol=2e-3)
    np.testing.assert_allclose(marks, scores, atol=1e-5)
    for output, same in zip(outputs, before, strict=True):
        np.testing.assert_array_equal(output, same)


@pytest.mark.parametrize("layout", CASES)
def test_rows_below_the_threshold_are_left_out(layout: str) -> None:
    decode, answer = CASES[layout]
    boxes = np.array([[1, 2, 30, 40], [50, 2, 70, 40]], np.float32)
    outputs = answer(boxes, np.array([0.9, 0.4], np.float32))
    context = DecodeContext(SIZE, SIZE, min_score=0.5)
    np.testing.assert_allclose(decode(outputs, context)[0], boxes[:1], atol=1e-3)


@pytest.mark.parametrize("layout", CASES)
def test_layouts_are_guessed_from_shapes(layout: str) -> None:
    decode, answer = CASES[layout]
    outputs = answer(np.array([[1, 2, 9, 9]], np.float32), np.array([0.9], np.float32))
    names = {
        "torchvision": ("boxes", "labels", "scores"),
        "counted": ("num_dets", "det_boxes", "det_scores", "det_classes"),
        "mmdetection": ("dets", "labels"),
        "without labels": ("dets",),
        "rtdetr": ("logits", "pred_boxes"),
        "detr": ("pred_boxes", "logits"),
    }.get(layout, tuple(f"output{n}" for n in range(len(outputs))))
    guessed = guess_layout(outputs, names, SIZE)
    assert guessed is not None
    assert guessed.decode is decode


@pytest.mark.parametrize(
    "shape",
    [(1, 300, 57), (1, CELLS, 40), (1, 7), (1, 85, 5, 5), (1, 1000), (2, 84, CELLS)],
)
def test_what_could_be_anything_is_not_guessed(shape: tuple[int, ...]) -> None:
    assert guess_layout([np.zeros(shape, np.float32)], ("output",), SIZE) is (
        LAYOUTS["end2end"] if shape == (1, 7) else None
    )


def test_rows_with_keypoints_are_boxes_where_the_file_says_its_task() -> None:
    answer = np.zeros((1, 300, 57), np.float32)
    answer[0, 0, :6] = [1, 2, 30, 40, 0.9, 1]
    found = guess_layout([answer], ("output0",), SIZE, {"task": "pose"})
    assert found is LAYOUTS["end2end"]
    person = person_by_name({"names": "{0: 'dog', 1: 'person'}"})
    context = DecodeContext(SIZE, SIZE, min_score=0.5, person=person)
    assert found.decode([answer], context)[0].tolist() == [[1, 2, 30, 40]]


def test_a_person_may_be_another_class() -> None:
    answer = yolov8(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
    context = DecodeContext(SIZE, SIZE, min_score=0.5, person=6)
    assert len(decode_yolov8(answer, context)[0]) == 50
    with pytest.raises(ValueError, match="person is class 80, but the network has 80 classes"):
        decode_yolov8(answer, replace(context, person=80))


def fastestdet_cell(row: int, column: int, box: Array, objectness: float, person: float) -> Array:
    """One filled cell of a 22 x 22 answer; the box in fractions of the image."""
    answer = np.zeros((1, 85, 22, 22), np.float32)
    x, y, width, height = centered(box[None])[0]
    answer[0, :6, row, column] = [
        objectness,
        np.arctanh(x * 22 - column),
        np.arctanh(y * 22 - row),
        np.log(width / (1 - width)),
        np.log(height / (1 - height)),
        person,
    ]
    return answer


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.floats(-0.9, 0.9),
    st.floats(0.05, 0.5),
    st.floats(0.5, 1.0),
)
def test_fastestdet_gives_the_box_of_a_cell(
    row: int, column: int, shift: float, side: float, objectness: float
) -> None:
    x, y = (column + shift) / 22, (row - shift) / 22
    box = np.array([x - side / 2, y - side * 0.9, x + side / 2, y + side * 0.9])
    answer = fastestdet_cell(row, column, box, objectness, 0.81)
    xyxy, scores = decode_fastestdet([answer], DecodeContext((640, 480), (352, 352), min_score=0.3))
    np.testing.assert_allclose(xyxy, (box * np.array([640, 480] * 2))[None], atol=0.05)
    np.testing.assert_allclose(scores, [objectness**0.6 * 0.81**0.4], rtol=1e-4)


def test_fastestdet_agrees_with_the_formulas_cell_by_cell() -> None:
    rng = np.random.default_rng(0)
    answer = rng.uniform(0, 1, (1, 85, 22, 22)).astype(np.float32)
    answer[0, 1:5] = rng.normal(size=(4, 22, 22))
    answer[0, 6:] *= 0.97  # so that some cells are people
    context = DecodeContext((700, 500), (352, 352), min_score=0.8)
    expected = []
    for r in range(22):
        for c in range(22):
            o, dx, dy, w, h, *classes = answer[0, :, r, c].astype(float)
            score = o**0.6 * max(classes) ** 0.4
            if score >= 0.8 and int(np.argmax(classes)) == 0:
                x, y = (c + np.tanh(dx)) / 22, (r + np.tanh(dy)) / 22
                w, h = 1 / (1 + np.exp(-w)), 1 / (1 + np.exp(-h))
                box = [(x - w / 2) * 700, (y - h / 2) * 500, (x + w / 2) * 700, (y + h / 2) * 500]
                expected.append([*box, score])
    assert len(expected) > 5
    xyxy, scores = decode_fastestdet([answer], context)
    np.testing.assert_allclose(np.c_[xyxy, scores], expected, rtol=1e-4, atol=1e-3)


def test_fastestdet_leaves_other_classes_out() -> None:
    answer = fastestdet_cell(7, 5, np.array([0.1, 0.1, 0.4, 0.6]), 1.0, 0.6)
    context = DecodeContext((352, 352), (352, 352), min_score=0.5)
    assert len(decode_fastestdet([answer], context)[0]) == 1
    answer[0, 20, 7, 5] = 0.7
    assert len(decode_fastestdet([answer], context)[0]) == 0


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("shape", [(3,), (1, 2, 3), (2, 100, 100), (1, 1, 1, 1, 1), (0, 0)])
def test_other_shapes_are_refused_with_what_was_found(layout: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expect"):
        layout.decode([np.zeros(shape, np.float32)], DecodeContext(SIZE, SIZE))


def test_nan_scores_are_below_any_threshold() -> None:
    boxes = np.array([[1, 2, 30, 40]], np.float32)
    for decode, answer in CASES.values():
        outputs = answer(boxes, np.full(1, np.nan, np.float32))
        assert len(decode(outputs, DecodeContext(SIZE, SIZE, min_score=0.1))[0]) == 0


def test_yolox_of_another_size_is_refused() -> None:
    answer = np.zeros((1, CELLS + 1, 85), np.float32)
    with pytest.raises(ValueError, match=f"expects {CELLS} cells"):
        decode_yolox([answer], DecodeContext(SIZE, SIZE))


def test_a_function_of_the_users_is_fed_stretched_rgb() -> None:
    layout = usual_layout(lambda outputs, context: (outputs[0], outputs[1]))
    assert layout.resize.__name__ == "stretch"
    assert layout.normalisation.rgb


@pytest.fixture(scope="module")
def rtmlib() -> Any:
    """What rtmlib 0.0.16 makes of made-up answers."""
    return json.loads(Path(__file__).with_name("rtmlib_oracle.json").read_text())


@pytest.mark.parametrize("decode", [decode_yolox, decode_rtmdet])
def test_rows_without_suppression_are_rtmlibs_boxes(decode: Any, rtmlib: Any) -> None:
    rows = np.random.default_rng(7).normal(0, 0.7, (1, 84, 7)).astype(np.float32)
    rows[..., 4:] = 1 / (1 + np.exp(-3 * rows[..., 4:]))
    scale = (rtmlib["rtmdet"]["ratio"],) * 2
    boxes, scores = decode([rows], DecodeContext((128, 128), (64, 64), scale, min_score=0.3))
    theirs = np.array(rtmlib["rtmdet"]["xyxy"])
    far = np.abs(theirs[:, None] - boxes[None]).max(axis=2).min(axis=1)
    assert len(theirs) > 20
    assert far.max() < 2e-3
    assert len(boxes) >= len(theirs)
    assert (scores >= 0.3).all()


@pytest.mark.parametrize("which", ["rtmdet_nms", "yolox_nms"])
def test_rows_with_suppression_are_rtmlibs_boxes(which: str, rtmlib: Any) -> None:
    case = rtmlib[which]
    dets = np.array(case["dets"], np.float32)
    context = DecodeContext((128, 128), (64, 64), (case["ratio"],) * 2, min_score=0.3)
    boxes, _ = decode_rtmdet([dets, np.zeros(dets.shape[:2], np.int64)], context)
    np.testing.assert_allclose(boxes, np.array(case["xyxy"]).reshape(-1, 4), atol=1e-3)


def test_maps_that_go_with_no_stride_are_refused() -> None:
    maps = maps_of_a_head(np.zeros((0, 4)), np.zeros(0))
    with pytest.raises(ValueError, match="two maps a stride"):
        decode_rtmdet(maps[:5], DecodeContext(SIZE, SIZE))
