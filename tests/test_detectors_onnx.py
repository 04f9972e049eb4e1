"""ONNX files as detectors, made ones and a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")

from onnx_files import answering, save

from posetrack import Detections
from posetrack.detectors.decode_functions import DecodeContext
from posetrack.detectors.onnx import OnnxDetector
from posetrack.detectors.onnx_layouts import decode_yolov5, decode_yolov8
from posetrack.ops.boxes import iou_matrix
from posetrack.ops.crops import Normalisation
from posetrack.ops.resizing import letterbox, letterbox_corner, stretch

IMAGE = np.zeros((96, 128, 3), np.uint8)


def one_class(*rows: tuple[float, ...]) -> dict[str, Any]:
    """A YOLOv8 answer for 64 x 64, one class, from rows of centre, size and score."""
    answer = np.zeros((1, 5, 84), np.float32)
    answer[0, :, : len(rows)] = np.array(rows, np.float32).T
    return {"output0": answer}


def test_boxes_come_back_in_image_pixels(tmp_path: Path) -> None:
    # 128 x 96 becomes 64 x 48, 8 rows down.
    path = answering(tmp_path / "net.onnx", one_class((32, 32, 20, 30, 0.9)))
    found = OnnxDetector(path, threads=1)(IMAGE)
    np.testing.assert_allclose(found.xyxy, [[44, 18, 84, 78]], atol=1e-4)
    np.testing.assert_allclose(found.scores, [0.9])


def test_doubles_the_weak_and_the_outside_are_dropped(tmp_path: Path) -> None:
    rows = [
        (32, 32, 20, 30, 0.8),
        (33, 32, 20, 30, 0.9),
        (10, 32, 10, 30, 0.7),
        (50, 32, 10, 30, 0.2),
        (90, 32, 10, 30, 0.9),
    ]
    path = answering(tmp_path / "net.onnx", one_class(*rows))
    np.testing.assert_allclose(OnnxDetector(path, threads=1)(IMAGE).scores, [0.9, 0.7])
    assert len(OnnxDetector(path, threads=1, max_people=1)(IMAGE)) == 1
    assert len(OnnxDetector(path, threads=1, min_score=0.1, max_iou=1.0)(IMAGE)) == 4


def test_sizes_left_open_in_the_file_are_seen_by_running_it(tmp_path: Path) -> None:
    path = answering(
        tmp_path / "net.onnx",
        one_class((32, 32, 20, 30, 0.9)),
        input_shape=("n", 3, "h", "w"),
        open_sizes=True,
    )
    with pytest.raises(ValueError, match="decode="):
        OnnxDetector(path, threads=1)  # its cells are those of 64 x 64, not of the usual 640 x 640
    assert OnnxDetector(path, threads=1, input_size=(64, 64)).decode is decode_yolov8


def test_an_unknown_layout_asks_for_decode(tmp_path: Path) -> None:
    path = answering(tmp_path / "net.onnx", {"thing": np.zeros((1, 40, 40), np.float32)})
    with pytest.raises(ValueError, match=r"thing float.*Say which with decode=.*decode_yolov5"):
        OnnxDetector(path, threads=1)


def test_a_wrong_decode_names_file_and_function(tmp_path: Path) -> None:
    path = answering(tmp_path / "net.onnx", {"thing": np.zeros((1, 40), np.float32)})
    detect = OnnxDetector(path, decode=decode_yolov5, threads=1)
    with pytest.raises(ValueError, match=r"net\.onnx.*decode_yolov5: expected an output"):
        detect(IMAGE)


def test_a_decode_function_of_the_users_is_given_the_geometry(tmp_path: Path) -> None:
    seen: list[DecodeContext] = []

    def decode(outputs: Any, context: DecodeContext) -> Any:
        seen.append(context)
        return context.to_image(outputs[0]), outputs[1]

    answer = {"a": np.array([[0, 0, 32, 64]], np.float32), "b": np.array([0.7], np.float32)}
    path = answering(tmp_path / "net.onnx", answer)
    detect = OnnxDetector(path, decode=decode, threads=1, person=3)
    np.testing.assert_allclose(detect(IMAGE).xyxy, [[0, 0, 64, 95]])
    assert (seen[0].image_size, seen[0].input_size) == ((128, 96), (64, 64))
    assert (seen[0].person, seen[0].output_names) == (3, ("a", "b"))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.zeros((2, 4)), "must give a pair"),
        ((np.zeros((2, 5)), np.zeros(2)), r"\(2, 5\)"),
        ((np.zeros((2, 4)), np.ones(3)), r"\(3,\)"),
        ((np.full((1, 4), np.nan), np.ones(1)), "not finite"),
        ((np.array([[0, 0, np.inf, 9]]), np.ones(1)), "not finite"),
    ],
    ids=["no pair", "five columns", "lengths", "nan", "infinite"],
)
def test_a_wrong_result_of_decode_is_refused(tmp_path: Path, result: Any, message: str) -> None:
    path = answering(tmp_path / "net.onnx", one_class((32, 32, 20, 30, 0.9)))
    detect = OnnxDetector(path, decode=lambda outputs, context: result, threads=1)
    with pytest.raises(ValueError, match=message):
        detect(IMAGE)


@pytest.mark.parametrize("empty", [([], []), (np.zeros((0, 4)), np.zeros(0))])
def test_nobody_is_not_an_error(tmp_path: Path, empty: Any) -> None:
    path = answering(tmp_path / "net.onnx", one_class((32, 32, 20, 30, 0.0)))
    assert len(OnnxDetector(path, threads=1)(IMAGE)) == 0
    found = OnnxDetector(path, decode=lambda outputs, context: empty, threads=1)(IMAGE)
    assert isinstance(found, Detections)
    assert len(found) == 0


@pytest.mark.parametrize(
    "wrong",
    [{"min_score": float("nan")}, {"max_iou": 45}, {"max_people": 0}, {"input_size": (32, 32)}],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    path = answering(tmp_path / "net.onnx", one_class((32, 32, 20, 30, 0.9)))
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OnnxDetector(path, threads=1, **wrong)


def test_a_file_fixed_to_a_larger_batch_answers_for_one_image(tmp_path: Path) -> None:
    answer = one_class((32, 32, 20, 30, 0.9))
    one = OnnxDetector(answering(tmp_path / "one.onnx", answer), threads=1)
    four = {name: np.repeat(values, 4, axis=0) for name, values in answer.items()}
    path = answering(tmp_path / "four.onnx", four, input_shape=(4, 3, 64, 64))
    image = np.zeros((64, 64, 3), np.uint8)
    assert OnnxDetector(path, threads=1)(image).xyxy.tolist() == one(image).xyxy.tolist() != []


def test_an_open_size_is_known_in_any_order_of_outputs(tmp_path: Path) -> None:
    rows = np.array([[[30, 15, 50, 45, 0.8]]], np.float32)
    answer = {"labels": np.zeros((1, 1), np.int64), "dets": rows}
    path = answering(tmp_path / "net.onnx", answer, input_shape=("n", 3, "h", "w"))
    detect = OnnxDetector(path, threads=1)
    assert detect.input_size == (640, 640)
    assert len(detect(np.zeros((640, 640, 3), np.uint8))) == 1


def test_the_network_sees_the_colours_it_wants(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    node = helper.make_node("ReduceMean", ["x"], ["y"], axes=[2, 3], keepdims=0)
    path = save(
        tmp_path / "net.onnx",
        [node],
        {"x": (1, 3, 8, 8)},
        {"y": (TensorProto.FLOAT, (1, 3))},
    )
    seen = []

    def decode(outputs: Any, context: DecodeContext) -> Any:
        seen.append(outputs[0][0])
        return [], []

    image = np.zeros((16, 16, 3), np.uint8)
    image[:] = (255, 51, 0)  # blue, green, red
    for rgb, expected in ((True, [0, 0.2, 1]), (False, [1, 0.2, 0])):
        colours = Normalisation((0, 0, 0), (1, 1, 1), rgb=rgb)
        OnnxDetector(path, decode=decode, normalisation=colours, threads=1)(image)
        np.testing.assert_allclose(seen[-1], expected, atol=1e-6)


@given(
    st.sampled_from([stretch, letterbox, letterbox_corner]),
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(8, 64), st.integers(8, 64)),
)
def test_resized_images_fill_the_place_they_say(
    resize: Any, size: tuple[int, int], input_size: tuple[int, int]
) -> None:
    image = np.full((size[1], size[0], 3), 255, np.uint8)
    resized, scale, offset = resize(image, input_size)
    assert resized.shape == (input_size[1], input_size[0], 3)
    white = np.argwhere((resized == 255).all(axis=2))
    top_left = np.array(offset)
    bottom_right = top_left + np.array(size) * np.array(scale)
    np.testing.assert_allclose(white.min(axis=0)[::-1], top_left)
    np.testing.assert_allclose(white.max(axis=0)[::-1] + 1, bottom_right, atol=1e-6)


def images(shared: Path, video: str) -> list[np.ndarray[Any, Any]]:
    capture = cv2.VideoCapture(str(shared / "data/videos" / video))
    found = []
    while (read := capture.read())[0]:
        found.append(read[1])
    return found


@pytest.fixture(scope="session")
def fastestdet(shared: Path) -> OnnxDetector:
    return OnnxDetector(shared / "data/models/fastestdet_352.onnx", threads=1)


def test_fastestdet_finds_three_people_in_most_frames(
    fastestdet: OnnxDetector, shared: Path
) -> None:
    frames = images(shared, "lab.mp4")[::5]
    counts = [len(fastestdet(image)) for image in frames]
    assert np.mean(np.array(counts) >= 3) >= 0.8
    # Where they stand, by eye: the man, the woman in front, the onlooker.
    first = fastestdet(frames[0])
    by_eye = [[260, 370, 580, 1190], [490, 800, 1020, 1790], [0, 270, 140, 750]]
    assert (iou_matrix(by_eye, first.xyxy[:3]).max(axis=1) > 0.7).all()


def test_fastestdet_finds_the_annotated_people(fastestdet: OnnxDetector, shared: Path) -> None:
    image = cv2.imread(str(shared / "data/coco/000000000785.jpg"))
    found = fastestdet(image)
    annotated = [[280.79, 44.73, 280.79 + 218.7, 44.73 + 346.68]]
    assert iou_matrix(annotated, found.xyxy[:1])[0, 0] > 0.7
    before = image.copy()
    again = fastestdet(image)
    np.testing.assert_array_equal(again.xyxy, found.xyxy)
    np.testing.assert_array_equal(image, before)


def test_blank_and_tiny_images_have_nobody(fastestdet: OnnxDetector) -> None:
    for shape in ((1, 1, 3), (480, 640, 3), (3, 700, 3)):
        assert len(fastestdet(np.zeros(shape, np.uint8))) == 0
    with pytest.raises(TypeError, match=r"cv2\.imread"):
        fastestdet(None)  # type: ignore[arg-type]
