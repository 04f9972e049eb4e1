"""Heatmap networks in ONNX files as pose estimators, made ones and a real one."""

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
pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")

from onnx_files import answering, brightness_maps

from posetrack import COCO_17, MPII_16, Detections, Skeleton
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.interfaces import PoseEstimator
from posetrack.ops.crops import UNIT
from posetrack.ops.heatmaps import decode_argmax, decode_dark

HAND = Skeleton("hand", ("thumb", "left_finger", "right_finger"), (), (), (0.1, 0.1, 0.1))


@pytest.fixture(scope="session")
def spot_finder(tmp_path_factory: pytest.TempPathFactory) -> OnnxTopDown:
    path = brightness_maps(tmp_path_factory.mktemp("net") / "net.onnx", 3)
    return OnnxTopDown(path, HAND, normalisation=UNIT, threads=1)


@given(st.integers(40, 260), st.integers(40, 200), st.integers(20, 60))
def test_a_bright_spot_is_found_where_it_is(
    spot_finder: OnnxTopDown, x: int, y: int, reach: int
) -> None:
    image = np.zeros((240, 300, 3), np.uint8)
    cell = 2 * 1.25 * 1.4 * reach / 16  # image pixels of a heatmap cell, roughly
    cv2.circle(image, (x, y), max(3, round(cell)), (255, 255, 255), -1)
    box = [x - reach * 0.5, y - reach, x + reach * 0.9, y + reach]
    poses = spot_finder(image, Detections([box], [0.8]))
    # Cells count from the middle of their four pixels, so that a pose is up to a cell off.
    assert np.abs(poses.xy - [x, y]).max() < 2 * cell
    assert (poses.scores > 0.5).all()


def test_boxes_are_passed_through_in_order(spot_finder: OnnxTopDown) -> None:
    boxes = Detections([[10, 10, 40, 80], [60, 20, 90, 100]], [0.3, 0.9])
    poses = spot_finder(np.zeros((120, 160, 3), np.uint8), boxes)
    assert poses.boxes is boxes
    assert poses.skeleton is spot_finder.skeleton is HAND
    assert isinstance(spot_finder, PoseEstimator)


def test_nobody_gives_no_poses_of_the_right_shape(spot_finder: OnnxTopDown) -> None:
    poses = spot_finder(np.zeros((120, 160, 3), np.uint8), Detections.empty())
    assert poses.xy.shape == (0, 3, 2)


@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize("threads", [1, 2])
def test_files_fixed_to_a_batch_give_the_same_poses(
    tmp_path: Path, spot_finder: OnnxTopDown, batch: int, threads: int
) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (240, 320, 3)).astype(np.uint8)
    corner = rng.uniform(0, 200, (7, 2))
    boxes = Detections(np.hstack([corner, corner + np.array([50, 90])]), np.ones(7))
    path = brightness_maps(tmp_path / "net.onnx", 3, batch=batch)
    fixed = OnnxTopDown(path, HAND, normalisation=UNIT, threads=threads)
    few = OnnxTopDown(
        brightness_maps(tmp_path / "any.onnx", 3), HAND, normalisation=UNIT, max_batch=3, threads=1
    )
    expected = spot_finder(image, boxes)
    for estimate in (fixed, few):
        poses = estimate(image, boxes)
        np.testing.assert_allclose(poses.xy, expected.xy, atol=1e-3)
        np.testing.assert_allclose(poses.scores, expected.scores, atol=1e-5)


def test_inputs_stay_as_they_are(spot_finder: OnnxTopDown) -> None:
    image = np.random.default_rng(0).integers(0, 256, (99, 101, 3)).astype(np.uint8)
    before = image.copy()
    image.flags.writeable = False
    spot_finder(image, Detections([[10, 10, 40, 80]], [1]))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("box", [[5, 5, 5, 5], [-900, -900, -800, -700], [0, 0, 100, 0]], ids=str)
def test_boxes_of_no_size_or_outside_do_no_harm(spot_finder: OnnxTopDown, box: list[int]) -> None:
    poses = spot_finder(np.full((64, 64, 3), 9, np.uint8), Detections([box], [1]))
    assert np.isfinite(poses.scores).all()
    assert len(poses) == 1


def test_the_decoder_is_a_choice_and_is_checked(tmp_path: Path) -> None:
    path = brightness_maps(tmp_path / "net.onnx", 3)
    image = np.random.default_rng(0).integers(0, 256, (99, 101, 3)).astype(np.uint8)
    boxes = Detections([[10, 10, 40, 80]], [1])
    for decode in (decode_argmax, decode_dark):
        assert len(OnnxTopDown(path, HAND, decode=decode, threads=1)(image, boxes)) == 1

    def transposed(maps: Any) -> Any:
        xy, scores = decode_argmax(maps)
        return xy.transpose(1, 0, 2), scores

    with pytest.raises(ValueError, match=r"transposed must give xy \(1, 3, 2\)"):
        OnnxTopDown(path, HAND, decode=transposed, threads=1)(image, boxes)


def test_the_flip_test_leaves_the_pose_of_a_symmetric_crop(tmp_path: Path) -> None:
    path = brightness_maps(tmp_path / "net.onnx", 3)
    image = np.zeros((240, 240, 3), np.uint8)
    cv2.rectangle(image, (96, 96), (103, 103), (255, 255, 255), -1)
    boxes = Detections([[80, 60, 120, 140]], [1])
    plain = OnnxTopDown(path, HAND, normalisation=UNIT, threads=1)(image, boxes)
    flipped = OnnxTopDown(path, HAND, normalisation=UNIT, threads=1, flip_test=True)(image, boxes)
    assert np.abs(plain.xy - flipped.xy).max() < 8
    assert (flipped.scores <= plain.scores + 1e-6).all()


def heatmap_file(tmp_path: Path, *shapes: tuple[int, ...], value: float = 0.0) -> Path:
    outputs = {f"o{n}": np.full(s, value, np.float32) for n, s in enumerate(shapes)}
    return answering(tmp_path / "net.onnx", outputs, input_shape=(1, 3, 64, 48))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(1, 16, 16, 12)], r"'coco_17' of 17 keypoints, the network gives 16 channels"),
        ([(1, 51, 16, 12)], r"UDP"),
        ([(1, 17, 100), (1, 17, 128)], r"SimCC .* do not fit"),
        ([(1, 17, 3)], r"coordinates directly"),
        ([(1, 1000)], r"Is it a pose network at all"),
        ([(1, 17, 16, 12), (1, 17, 16, 12)], r"export only the last"),
    ],
    ids=["16 for 17", "UDP", "SimCC", "regression", "classifier", "two stages"],
)
def test_other_outputs_are_refused_by_what_they_are(
    tmp_path: Path, shapes: list[tuple[int, ...]], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        OnnxTopDown(heatmap_file(tmp_path, *shapes), threads=1)
    assert "net.onnx" in str(caught.value)


def test_the_skeleton_must_fit(tmp_path: Path) -> None:
    path = heatmap_file(tmp_path, (1, 16, 16, 12))
    assert OnnxTopDown(path, MPII_16, threads=1).skeleton is MPII_16


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_unseen(tmp_path: Path, value: float) -> None:
    path = heatmap_file(tmp_path, (1, 17, 16, 12), value=value)
    poses = OnnxTopDown(path, threads=1)(
        np.zeros((99, 99, 3), np.uint8), Detections([[10, 10, 40, 80]], [1])
    )
    assert np.isnan(poses.xy).all()
    assert (poses.scores == 0).all()


def test_an_open_size_has_to_be_given(tmp_path: Path) -> None:
    path = brightness_maps(tmp_path / "net.onnx", 3, height="h", width="w")
    with pytest.raises(ValueError, match="input_size="):
        OnnxTopDown(path, HAND, threads=1)
    assert OnnxTopDown(path, HAND, threads=1, input_size=(40, 80)).input_size == (40, 80)


@pytest.mark.parametrize("wrong", [{"padding": 0}, {"max_batch": 0}], ids=str)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        OnnxTopDown("net.onnx", **wrong)


@pytest.fixture(scope="session")
def simplepose(shared: Path) -> OnnxTopDown:
    return OnnxTopDown(shared / "data/models/simplepose_256x192.onnx", threads=2)


def oks_of_annotated(estimate: OnnxTopDown, shared: Path) -> list[float]:
    """OKS of the poses in the annotated boxes of four COCO images."""
    document = json.loads((shared / "data/coco/test_coco.json").read_text())
    found = []
    for row in document["images"]:
        image = cv2.imread(str(shared / "data/coco" / row["file_name"]))
        people = [
            a
            for a in document["annotations"]
            if a["image_id"] == row["id"] and a["num_keypoints"] > 0
        ]
        xywh = np.array([a["bbox"] for a in people])
        boxes = Detections(np.c_[xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], np.ones(len(people)))
        for person, xy in zip(people, estimate(image, boxes).xy, strict=True):
            truth = np.array(person["keypoints"], float).reshape(17, 3)
            spread = 2 * (2 * np.array(COCO_17.sigmas)) ** 2 * person["area"]
            close = np.exp(-((xy - truth[:, :2]) ** 2).sum(axis=1) / spread)
            found.append(close[truth[:, 2] > 0].mean())
    return found


def test_simplepose_agrees_with_the_annotations(simplepose: OnnxTopDown, shared: Path) -> None:
    plain = oks_of_annotated(simplepose, shared)
    assert np.median(plain) > 0.8
    assert min(plain) > 0.4
    path = shared / "data/models/simplepose_256x192.onnx"
    flipped = oks_of_annotated(OnnxTopDown(path, flip_test=True, threads=2), shared)
    assert np.mean(flipped) > np.mean(plain)
    # The wrong colours must show, or the right ones were not fed.
    wrong = oks_of_annotated(OnnxTopDown(path, normalisation=UNIT, threads=2), shared)
    assert np.mean(wrong) < np.mean(plain)


def test_people_do_not_depend_on_each_other(simplepose: OnnxTopDown, shared: Path) -> None:
    image = cv2.imread(str(shared / "data/coco/000000196141.jpg"))
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 300, (5, 2))
    boxes = Detections(np.hstack([corner, corner + np.array([80, 150])]), np.ones(5))
    together = simplepose(image, boxes)
    for person in range(5):
        alone = simplepose(image, boxes[[person]])
        np.testing.assert_allclose(alone.xy[0], together.xy[person], atol=1e-3)


def test_a_detection_network_is_no_pose_network(shared: Path) -> None:
    with pytest.raises(ValueError, match="85 channels"):
        OnnxTopDown(shared / "data/models/fastestdet_352.onnx", threads=1)
