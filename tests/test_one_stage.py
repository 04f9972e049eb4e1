"""One-stage networks: RTMO and the YOLO family's, made-up answers and a real network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")

from posetrack import Detections, Tracker
from posetrack.detectors.decode_functions import DecodeContext
from posetrack.estimators.from_file import load_estimator
from posetrack.estimators.one_stage import (
    LAYOUTS,
    OneStage,
    decode_rfdetr,
    decode_rtmo,
    decode_yolo_pose,
    recognise_people,
)
from posetrack.interfaces import BottomUpEstimator
from posetrack.ops.boxes import nms
from posetrack.ops.crops import BGR_UNIT
from posetrack.runtimes.session import Session
from posetrack.skeletons import COCO_17, HALPE_26, Skeleton
from posetrack.structures import Poses

Array = np.ndarray[Any, Any]
SIZE = (128, 96)
CELLS = 252
IMAGE = np.zeros((96, 128, 3), np.uint8)


def people_of(seed: int, count: int, keypoints: int = 17) -> tuple[Array, Array, Array]:
    """Boxes (N, 4) apart from each other, scores (N,), keypoints (N, K, 3)."""
    rng = np.random.default_rng(seed)
    left = 2 + 24.0 * np.arange(count)
    boxes = np.stack([left, np.full(count, 5.0), left + 20, np.full(count, 90.0)], axis=1)
    points = np.concatenate(
        [rng.uniform(0, 90, (count, keypoints, 2)), rng.uniform(0, 1, (count, keypoints, 1))], 2
    )
    scores = np.sort(rng.uniform(0.4, 0.95, count))[::-1]
    return boxes.astype(np.float32), scores.astype(np.float32), points.astype(np.float32)


def yolo(boxes: Array, scores: Array, points: Array, values: int = 3) -> list[Array]:
    flat = points[..., :values].reshape(len(boxes), points.shape[1] * values)
    answer = np.full((1, 5 + flat.shape[1], CELLS), 0.01, np.float32)
    center = np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])
    answer[0, :, : len(boxes)] = np.hstack([center, scores[:, None], flat]).T
    return [answer]


def yolo_transposed(boxes: Array, scores: Array, points: Array) -> list[Array]:
    return [yolo(boxes, scores, points)[0].transpose(0, 2, 1)]


def yolo_suppressed(boxes: Array, scores: Array, points: Array, values: int = 3) -> list[Array]:
    flat = points[..., :values].reshape(len(boxes), points.shape[1] * values)
    answer = np.zeros((1, 300, 6 + flat.shape[1]), np.float32)
    zeros = np.zeros((len(boxes), 1), np.float32)
    answer[0, : len(boxes)] = np.hstack([boxes, scores[:, None], zeros, flat])
    answer[0, 20, 4:6] = 0.9, 3  # another class
    return [answer]


def rtmo(boxes: Array, scores: Array, points: Array) -> list[Array]:
    return [np.hstack([boxes, scores[:, None]])[None], points[None]]


def rtmo_swapped(boxes: Array, scores: Array, points: Array) -> list[Array]:
    return rtmo(boxes, scores, points)[::-1]


ANSWERS = {
    "yolo v8 or 11": (decode_yolo_pose, yolo),
    "yolo, last axes exchanged": (decode_yolo_pose, yolo_transposed),
    "yolo 26, or with suppression": (decode_yolo_pose, yolo_suppressed),
    "rtmo": (decode_rtmo, rtmo),
    "rtmo, outputs exchanged": (decode_rtmo, rtmo_swapped),
}


def session_of(outputs: list[Array], **known: Any) -> Session:
    shapes = tuple(output.shape for output in outputs)
    settings: dict[str, Any] = {"input_size": SIZE, "output_shapes": shapes, "batch": 1, **known}
    return Session(Path("net.onnx"), lambda _: outputs, "numpy", **settings)


@pytest.mark.parametrize("kind", ANSWERS)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 5))
def test_known_people_come_back(kind: str, seed: int, count: int) -> None:
    decode, answer = ANSWERS[kind]
    boxes, scores, points = people_of(seed, count)
    outputs = answer(boxes, scores, points)
    before = [output.copy() for output in outputs]
    context = DecodeContext((256, 300), SIZE, (0.5, 0.3), (3.0, 7.0), 0.3)
    found = decode(outputs, context, 17)
    expected = (boxes - np.array([3, 7, 3, 7])) / np.array([0.5, 0.3, 0.5, 0.3])
    np.testing.assert_allclose(found.xyxy, expected, atol=1e-2)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)
    np.testing.assert_allclose(
        found.xy, (points[..., :2] - np.array([3, 7])) / np.array([0.5, 0.3]), atol=1e-2
    )
    np.testing.assert_allclose(found.keypoint_scores, points[..., 2], atol=1e-6)
    for output, same in zip(outputs, before, strict=True):
        np.testing.assert_array_equal(output, same)


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_layout_is_seen_from_the_outputs(kind: str) -> None:
    decode, answer = ANSWERS[kind]
    boxes, scores, points = people_of(1, 3)
    estimate = OneStage(session_of(answer(boxes, scores, points)))
    assert isinstance(estimate, BottomUpEstimator)
    assert estimate.decode is decode
    poses = estimate(IMAGE)
    np.testing.assert_allclose(poses.boxes.xyxy, boxes, atol=1e-3)
    np.testing.assert_allclose(poses.xy, points[..., :2], atol=1e-3)
    assert poses.skeleton is COCO_17


def test_the_same_outputs_give_rtmlibs_people() -> None:
    case = json.loads(Path(__file__).with_name("rtmlib_oracle.json").read_text())["rtmo"]
    rng = np.random.default_rng(case["seed"])
    corner = rng.uniform(0, 400, (12, 2))
    size = rng.uniform(60, 200, (12, 2))
    dets = np.hstack([corner, corner + size, rng.uniform(0.05, 1, (12, 1))]).astype(np.float32)
    dets[1, :4] = dets[0, :4] + 3
    points = np.concatenate([rng.uniform(0, 640, (12, 17, 2)), rng.uniform(0, 1, (12, 17, 1))], 2)
    context = DecodeContext((800, 800), (640, 640), (case["ratio"],) * 2, min_score=0.3)
    found = decode_rtmo([dets[None], points.astype(np.float32)[None]], context, 17)
    kept = nms(found.xyxy, found.scores, max_iou=0.45)
    np.testing.assert_allclose(found.xy[kept], case["xy"], atol=1e-2)
    np.testing.assert_allclose(found.keypoint_scores[kept], case["scores"], atol=1e-4)


RFDETR = json.loads(Path(__file__).with_name("rfdetr_oracle.json").read_text())


@pytest.mark.parametrize("layout", ["one class", "background first"])
def test_the_same_outputs_give_rfdetrs_people(layout: str) -> None:
    """What rfdetr 1.11.2 makes of made-up answers, by its ``PostProcess``."""
    case = RFDETR[layout]
    outputs = [np.array(case[name])[None] for name in ("boxes", "logits", "keypoints")]
    context = DecodeContext((640, 480), (576, 576), (576 / 640, 576 / 480))
    found = decode_rfdetr(outputs, context, 17)
    order = np.argsort(-np.array(case["logits"])[:, -2 if layout == "background first" else 0])
    clipped = np.clip(found.xyxy, 0, [640, 480, 640, 480])
    np.testing.assert_allclose(clipped[order], case["xyxy"], atol=1e-3)
    np.testing.assert_allclose(found.scores[order], case["scores"], rtol=1e-5)
    people = np.array(case["people"])
    np.testing.assert_allclose(found.xy[order], people[..., :2], atol=1e-3)
    np.testing.assert_allclose(found.keypoint_scores[order], people[..., 2], atol=1e-4)
    assert found.covariance is not None
    np.testing.assert_allclose(found.covariance[order], case["covariance"], rtol=1e-4, atol=1e-6)
    assert recognise_people(outputs, keypoints=17) == ("rfdetr", 17)
    assert recognise_people(outputs) == ("rfdetr", 17)


def test_covariances_reach_the_poses_and_go_with_their_rows() -> None:
    case = RFDETR["one class"]
    answer = [np.array(case[name], np.float32)[None] for name in ("boxes", "logits", "keypoints")]
    network = Session(Path("net.onnx"), lambda _: answer, "numpy", input_size=(576, 576))
    image = np.zeros((480, 640, 3), np.uint8)
    estimate = OneStage(network, max_iou=1.0, min_keypoint_score=0.2)
    poses = estimate(image)
    assert len(poses) == 5  # the sixth is below the least score
    assert poses.covariance is not None
    assert poses.covariance.shape == (5, 17, 2, 2)
    unseen = poses.scores == 0
    assert unseen.any()
    assert np.isnan(poses.covariance[unseen]).all()
    np.testing.assert_array_equal(poses[1:3].covariance, poses.covariance[1:3])
    tracks = Tracker(estimator=estimate, min_new_score=0).update(image)
    assert len(tracks)
    boxes = poses.boxes.xyxy.tolist()
    row = [boxes.index(box) for box in tracks.boxes.xyxy.tolist()]
    np.testing.assert_array_equal(tracks.poses.covariance, poses.covariance[row])
    alone = Detections([[600, 10, 630, 90]], [0.9])  # a detection without a pose has none either
    fused = Tracker(lambda _: alone, estimate, min_new_score=0).update(image)
    known = fused.scores.sum(axis=1) > 0
    assert known.tolist().count(False) == 1
    assert np.isnan(fused.poses.covariance[~known]).all()
    assert np.isfinite(fused.poses.covariance[known]).any()


def test_a_factor_that_is_sure_without_end_leaves_the_score_as_it_is() -> None:
    points = np.zeros((1, 1, 17, 7))
    points[..., 4:] = [900, 0, 900]  # exp(900) is infinite
    outputs = [np.array([[[0.5, 0.5, 0.5, 0.5]]]), np.zeros((1, 1, 1)), points]
    found = decode_rfdetr(outputs, DecodeContext((64, 64), (64, 64)), 17)
    assert found.scores.tolist() == [0.5]
    assert found.covariance is not None
    assert (found.covariance[0, :, 0, 0] == 0).all()


@pytest.mark.parametrize("keypoints", [16, 18, 51])
def test_keypoints_of_another_number_than_rfdetrs_are_refused(keypoints: int) -> None:
    case = RFDETR["one class"]
    outputs = [np.array(case[name])[None] for name in ("boxes", "logits", "keypoints")]
    with pytest.raises(ValueError, match=rf"expected outputs .*\(1, Q, {keypoints}, D\)"):
        decode_rfdetr(outputs, DecodeContext((64, 64), (64, 64)), keypoints)


def test_families_are_fed_in_their_own_ways() -> None:
    seen: list[Array] = []

    def run(answer: list[Array]) -> Any:
        def answered(images: Array) -> list[Array]:
            seen.append(images)
            return answer

        return answered

    image = np.zeros((50, 200, 3), np.uint8)
    image[..., 0] = 255  # blue
    boxes, scores, points = people_of(1, 1)
    for answer in (rtmo, yolo):
        outputs = answer(boxes, scores, points)
        OneStage(Session(Path("net.onnx"), run(outputs), "numpy", input_size=(128, 128)))(image)
    of_rtmo, of_yolo = seen[1][0], seen[3][0]
    assert of_rtmo[:, 0, 0].tolist() == [255, 0, 0]  # top left, BGR in [0, 255]
    assert of_rtmo[:, -1, 0].tolist() == [114, 114, 114]
    assert of_yolo[:, 64, 0].tolist() == [0, 0, 1]  # in the middle, RGB in [0, 1]
    np.testing.assert_allclose(of_yolo[:, 0, 0], 114 / 255, atol=1e-6)


def test_doubles_and_the_weak_are_dropped_and_keypoints_stay_with_their_box() -> None:
    boxes, scores, points = people_of(3, 4)
    boxes[1] = boxes[0] + 1  # a double of the surest
    scores[3] = 0.1
    poses = OneStage(session_of(rtmo(boxes, scores, points)))(IMAGE)
    assert len(poses) == 2
    np.testing.assert_allclose(poses.xy, points[[0, 2], :, :2], atol=1e-3)
    assert len(OneStage(session_of(rtmo(boxes, scores, points)), max_people=1)(IMAGE)) == 1


def test_without_scores_of_keypoints_the_boxs_counts() -> None:
    boxes, scores, points = people_of(4, 2)
    for answer in (yolo, yolo_suppressed):
        found = decode_yolo_pose(
            answer(boxes, scores, points, 2), DecodeContext(SIZE, SIZE, min_score=0.3), 17
        )
        np.testing.assert_allclose(found.keypoint_scores, scores[:, None].repeat(17, 1))


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(1, 56, CELLS)], ("yolo_pose", 17)),
        ([(1, CELLS, 56)], ("yolo_pose", 17)),
        ([(1, 300, 57)], ("yolo_pose", 17)),
        ([(1, 83, 8400)], ("yolo_pose", 26)),
        ([(1, 0, 5), (1, 0, 17, 3)], ("rtmo", 17)),
        ([(1, 25500, 57)], (None, None)),  # YOLOv7's, with an objectness
        ([(1, 17, 3)], (None, None)),
        ([(1, 9, 5), (1, 8, 17, 3)], (None, None)),
        ([(2, 56, CELLS)], (None, None)),
        ([(1, 17, 64, 48)], (None, None)),
    ],
    ids=str,
)
def test_people_are_recognised_by_shape(
    shapes: list[tuple[int, ...]], expected: tuple[str | None, int | None]
) -> None:
    name, count = recognise_people([np.zeros(shape, np.float32) for shape in shapes])
    assert (name, count) == expected


def test_what_ultralytics_keeps_beside_the_graph_counts() -> None:
    outputs = [np.zeros((1, 5 + 21 * 3, CELLS), np.float32)]
    stated = {"kpt_shape": "[21, 3]", "imgsz": "[96, 128]"}
    hand = Skeleton("hand", tuple(f"p{n}" for n in range(21)), (), (), (0.1,) * 21)
    network = session_of(outputs, metadata=stated, input_size=None)
    estimate = OneStage(network, hand)
    assert estimate.input_size == SIZE
    with pytest.raises(ValueError, match="21 keypoints, and no skeleton is usual"):
        OneStage(network)
    with pytest.raises(ValueError, match="21 keypoints, the skeleton 'coco_17' has 17"):
        OneStage(network, COCO_17)


@pytest.mark.parametrize("person", [0, 1])
@pytest.mark.parametrize("suppressed", [False, True])
def test_of_several_classes_the_one_called_person_counts(person: int, suppressed: bool) -> None:
    boxes, scores, points = people_of(0, 2)
    if suppressed:
        (answer,) = yolo_suppressed(boxes, scores, points)
        answer[0, :2, 5] = person
    else:
        (plain,) = yolo(boxes, scores, points)
        other = np.full((1, 1, plain.shape[2]), 0.9, np.float32)
        both = [plain[:, 4:5], other][:: 1 - 2 * person]
        answer = np.concatenate([plain[:, :4], *both, plain[:, 5:]], axis=1)
    names = str(dict(enumerate(["person", "dog"][:: 1 - 2 * person])))
    stated = {"kpt_shape": "[17, 3]", "names": names}
    estimate = OneStage(session_of([answer], metadata=stated), max_iou=1.0)
    found = estimate(np.zeros((*SIZE[::-1], 3), np.uint8))
    assert len(found) == 2
    np.testing.assert_allclose(np.sort(found.boxes.scores), np.sort(scores), atol=1e-6)


def test_more_rows_than_suppression_leaves_are_not_taken_for_classes() -> None:
    stated = {"kpt_shape": "[17, 3]", "names": "{0: 'person'}"}
    assert recognise_people([np.zeros((1, 1500, 57), np.float32)], stated) == (None, None)


def test_labels_beside_rtmos_answer_are_passed_over() -> None:
    boxes, scores, points = people_of(0, 2)
    answer = [*rtmo(boxes, scores, points), np.zeros((1, 2), np.int64)]
    estimate = OneStage(session_of(answer))
    assert len(estimate(np.zeros((*SIZE[::-1], 3), np.uint8))) == 2


@pytest.mark.parametrize("text", ["[999999999, 3]", "[17]", "import os", "[-1, 3]", "[0, 3]"])
def test_nonsense_beside_the_graph_is_passed_over(text: str) -> None:
    outputs = [np.zeros((1, 56, CELLS), np.float32)]
    name, count = recognise_people(outputs, {"kpt_shape": text})
    assert (name, count) in [("yolo_pose", 17), (None, None)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_keypoint_that_is_not_finite_is_unseen(value: float) -> None:
    boxes, scores, points = people_of(5, 2)
    points[0, 3, 0], points[1, 4, 2] = value, value
    poses = OneStage(session_of(rtmo(boxes, scores, points)))(IMAGE)
    for person, keypoint in ((0, 3), (1, 4)):
        assert np.isnan(poses.xy[person, keypoint]).all()
        assert poses.scores[person, keypoint] == 0
    assert np.isfinite(poses.xy).sum() == 2 * 2 * 16


def test_a_nan_score_is_nobody_and_an_endless_box_is_refused_by_name() -> None:
    boxes, scores, points = people_of(6, 2)
    scores[1] = np.nan
    assert len(OneStage(session_of(rtmo(boxes, scores, points)))(IMAGE)) == 1
    boxes[0, 2] = np.inf
    with pytest.raises(ValueError, match=r"net\.onnx.*a box is not finite"):
        OneStage(session_of(rtmo(boxes, scores, points)))(IMAGE)


def test_an_answer_of_another_shape_later_on_is_refused_by_name() -> None:
    answers = [rtmo(*people_of(1, 2)), rtmo(*people_of(1, 2, 26))]
    network = Session(Path("net.onnx"), lambda _: answers.pop(0), "numpy", input_size=SIZE)
    estimate = OneStage(network)
    with pytest.raises(ValueError, match=r"net\.onnx.*expected outputs"):
        estimate(IMAGE)


@pytest.mark.parametrize(
    "wrong", [{"min_score": np.nan}, {"max_iou": 45}, {"max_people": 0}], ids=str
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OneStage(session_of(rtmo(*people_of(1, 1))), **wrong)


def test_another_network_is_refused_with_the_known_layouts() -> None:
    with pytest.raises(ValueError, match=", ".join(LAYOUTS)):
        OneStage(session_of([np.zeros((1, 1000), np.float32)]))


def test_a_file_fixed_to_a_batch_answers_for_one_image() -> None:
    answer = rtmo(*people_of(1, 2))
    whole = OneStage(session_of([np.repeat(values, 8, axis=0) for values in answer], batch=8))
    image = np.zeros((640, 640, 3), np.uint8)
    assert len(whole(image)) == 2
    np.testing.assert_array_equal(whole(image).xy, OneStage(session_of(answer))(image).xy)


@pytest.fixture(scope="session")
def yolo11n(shared: Path) -> Any:
    return load_estimator(shared / "data/models/yolo11n_pose_256.onnx", threads=1)


def oks_of(poses: Poses, truth: Array, area: float) -> float:
    """OKS of the pose that is most like an annotated person."""
    spread = 2 * (2 * np.array(COCO_17.sigmas)) ** 2 * area
    seen = truth[:, 2] > 0
    likeness = np.exp(-((poses.xy - truth[:, :2]) ** 2).sum(axis=2) / spread)
    return float(np.nan_to_num(likeness[:, seen]).mean(axis=1).max(initial=0))


def oks_of_annotated(estimate: Any, shared: Path) -> list[float]:
    """OKS of each annotated person of four COCO images, with whoever is found closest."""
    document = json.loads((shared / "data/coco/test_coco.json").read_text())
    found = []
    for row in document["images"]:
        poses = estimate(cv2.imread(str(shared / "data/coco" / row["file_name"])))
        found += [
            oks_of(poses, np.array(a["keypoints"], float).reshape(17, 3), a["area"])
            for a in document["annotations"]
            if a["image_id"] == row["id"] and a["num_keypoints"] > 0
        ]
    return found


def test_a_real_yolo_finds_the_annotated_people(yolo11n: Any, shared: Path) -> None:
    """A weak network, of 256 x 256 pixels and rebuilt from 8 bits; its colours still show."""
    assert yolo11n.skeleton is COCO_17
    plain = oks_of_annotated(yolo11n, shared)
    assert np.median(plain) > 0.6
    path = shared / "data/models/yolo11n_pose_256.onnx"
    wrong = load_estimator(path, normalisation=BGR_UNIT, threads=1)
    assert np.mean(oks_of_annotated(wrong, shared)) < np.mean(plain)


def test_settings_of_crops_are_refused(shared: Path) -> None:
    path = shared / "data/models/yolo11n_pose_256.onnx"
    with pytest.raises(ValueError, match="flip_test is for networks that see a crop"):
        load_estimator(path, flip_test=True)
    with pytest.raises(ValueError, match="has 26"):
        load_estimator(path, skeleton=HALPE_26)
