"""Networks of OpenPose's kind: made-up maps and a real network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")

from posetrack.estimators.from_file import load_estimator
from posetrack.estimators.openpose import OPENPOSE_LINKS, has_openpose_maps, openpose_estimator
from posetrack.runtimes.session import Session
from posetrack.skeletons import COCO_17, COCO_18

Array = np.ndarray[Any, Any]


def maps_of(people: Array, height: int, width: int) -> list[Array]:
    """Fields and heatmaps as OpenPose is trained on, for keypoints (N, 18, 2) in cells."""
    row, column = np.mgrid[:height, :width].astype(np.float32)
    heat = np.zeros((19, height, width), np.float32)
    field = np.zeros((38, height, width), np.float32)
    for person in people:
        for k, (x, y) in enumerate(person):
            heat[k] = np.maximum(heat[k], np.exp(-((column - x) ** 2 + (row - y) ** 2) / 2))
        for number, (start, end) in enumerate(OPENPOSE_LINKS):
            along = person[end] - person[start]
            length = max(float(np.linalg.norm(along)), 1e-6)
            unit = along / length
            forward = (column - person[start, 0]) * unit[0] + (row - person[start, 1]) * unit[1]
            aside = (column - person[start, 0]) * unit[1] - (row - person[start, 1]) * unit[0]
            near = (np.abs(aside) <= 1) & (forward >= -0.5) & (forward <= length + 0.5)
            field[2 * number][near], field[2 * number + 1][near] = unit
    heat[18] = 1 - heat[:18].max(axis=0)
    return [field[None], heat[None]]


def two_people() -> Array:
    """Keypoints of two people side by side, in cells of 32 x 57."""
    rough = {
        "nose": (0, 2), "neck": (0, 5), "shoulder": (3, 5), "elbow": (4, 10), "wrist": (4, 15),
        "hip": (2, 15), "knee": (2, 21), "ankle": (2, 27), "eye": (1, 1), "ear": (2, 2),
    }  # fmt: skip
    person = []
    for name in COCO_18.keypoints:
        side, _, part = name.rpartition("_")
        x, y = rough[part]
        person.append((-x if side == "right" else x, y))
    body, first, second = np.array(person, float), np.array([12, 2]), np.array([40, 1])
    return np.stack([body + first, body + second])


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("fixed", [None, (456, 256)])
def test_people_come_back_with_their_keypoints_joined(
    order: list[int], fixed: tuple[int, int] | None
) -> None:
    people = two_people()
    outputs = maps_of(people, 32, 57)
    if fixed is None:  # the input's sides are multiples of 32: 448 pixels, 56 cells
        outputs = [output[..., :56] for output in outputs]
    answer = [outputs[row] for row in order]
    network = Session(Path("net.onnx"), lambda _: answer, "numpy", input_size=fixed)
    estimate = openpose_estimator(network)
    poses = estimate(np.zeros((256, 448, 3), np.uint8))
    assert len(poses) == 2
    assert poses.skeleton is COCO_18
    for person in people:
        expected = person * 8 + 3.5
        error = np.abs(poses.xy - expected).max(axis=(1, 2)).min()
        assert error < 8


def test_such_maps_are_recognised_by_their_channels() -> None:
    assert has_openpose_maps([(1, 38, 32, 57), (1, 19, 32, 57)])
    assert has_openpose_maps([(1, 19, None, None), (1, 38, None, None)])
    assert not has_openpose_maps([(1, 17, 64, 48)])
    assert not has_openpose_maps([(1, 19, 8, 8), (1, 19, 8, 8)])
    assert not has_openpose_maps([])


def test_other_maps_later_on_are_refused_by_name() -> None:
    network = Session(
        Path("net.onnx"),
        lambda _: [np.zeros((1, 38, 8, 8)), np.zeros((1, 19, 9, 9))],
        "numpy",
    )
    with pytest.raises(RuntimeError, match=r"net\.onnx.*expected 19 heatmaps and 38 fields"):
        openpose_estimator(network)(np.zeros((256, 456, 3), np.uint8))


def test_nan_maps_are_nobody() -> None:
    network = Session(
        Path("net.onnx"),
        lambda images: [
            np.full((1, count, images.shape[2] // 8, images.shape[3] // 8), np.nan, np.float32)
            for count in (38, 19)
        ],
        "numpy",
    )
    assert len(openpose_estimator(network)(np.zeros((256, 456, 3), np.uint8))) == 0


def test_a_real_network_finds_the_annotated_people(shared: Path) -> None:
    estimate = load_estimator(shared / "data/models/lightweight_openpose.onnx", threads=1)
    document = json.loads((shared / "data/coco/test_coco.json").read_text())
    found = []
    for row in document["images"]:
        poses = estimate(cv2.imread(str(shared / "data/coco" / row["file_name"]))).to(COCO_17)
        for person in document["annotations"]:
            if person["image_id"] != row["id"] or person["num_keypoints"] < 8:
                continue
            truth = np.array(person["keypoints"], float).reshape(17, 3)
            seen = truth[:, 2] > 0
            spread = 2 * (2 * np.array(COCO_17.sigmas)) ** 2 * person["area"]
            close = np.exp(-((poses.xy - truth[:, :2]) ** 2).sum(axis=2) / spread)
            found.append(np.nan_to_num(close[:, seen]).mean(axis=1).max(initial=0))
    assert np.median(found) > 0.6
