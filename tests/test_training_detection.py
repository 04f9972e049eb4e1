"""Learning to find people: files, targets, loss, numbers, and the command line."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.cli import main
from posetrack.detectors.light import load_light_detector, people_in
from posetrack.networks.person_detector import UNIT, boxes_of, rows_of
from posetrack.ops.boxes import iou_matrix
from posetrack.structures import Detections
from posetrack.training.augmentation import Augmentation
from posetrack.training.detection import DetectionTask, box_numbers
from posetrack.training.detection_data import AnnotatedImages, BoxDataset, read_boxes
from posetrack.training.detection_targets import centre_targets, detection_loss, giou

NOBODY = np.zeros((0, 4))


@pytest.fixture
def document(tmp_path):
    """Two pictures: a dark one with a bright person and a crowd, and one of nobody."""
    image = np.full((48, 64, 3), 30, np.uint8)
    image[8:40, 16:32] = 220
    cv2.imwrite(str(tmp_path / "a.png"), image)
    cv2.imwrite(str(tmp_path / "b.png"), np.full((48, 64, 3), 30, np.uint8))
    return {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 64, "height": 48},
            {"id": 2, "file_name": "b.png", "width": 64, "height": 48},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [16, 8, 16, 32]},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [40, 0, 24, 48], "iscrowd": 1},
            {"id": 3, "image_id": 2, "category_id": 5, "bbox": [0, 0, 9, 9]},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 5, "name": "dog"}],
    }


@pytest.fixture
def read(document, tmp_path):
    def read_it(broken="refuse"):
        (tmp_path / "boxes.json").write_text(json.dumps(document))
        return read_boxes(tmp_path / "boxes.json", tmp_path, broken=broken)

    return read_it


class TestReading:
    def test_people_crowds_and_images_of_nobody_are_told_apart(self, read):
        annotated = read()
        assert annotated.boxes[0].tolist() == [[16, 8, 32, 40]]
        assert annotated.ignored[0].tolist() == [[40, 0, 64, 48]]
        assert len(annotated) == 2
        assert annotated.boxes[1].shape == (0, 4)

    @pytest.mark.parametrize("bbox", [None, [1, 2, 3], [1, 2, "3", 4]])
    def test_a_broken_box_is_named_or_skipped(self, document, read, bbox):
        document["annotations"].append({"id": 7, "image_id": 1, "category_id": 1, "bbox": bbox})
        with pytest.raises(ValueError, match=r"(a bbox that is not|wrong types) .*annotation 7"):
            read()
        (problem,) = read("skip").problems
        assert problem.where in (
            "annotation 7",
            'annotation 7: bbox[2]: expected a number, got "3"',
        )

    def test_a_file_without_people_is_refused(self, document, read):
        document["annotations"] = []
        with pytest.raises(ValueError, match="no box of a person"):
            read()


class TestData:
    def batch(self, annotated, **changes):
        augmentation = Augmentation(**{"scale": 0.0, "rotation": 0.0, "flip": 0.0, **changes})
        data = BoxDataset(
            annotated, input_size=(128, 96), stride=8, augmentation=augmentation, seed=3
        )
        return data.__getitems__([(0, 0), (0, 1)])

    def test_the_box_is_around_the_person_however_it_is_changed(self, read):
        for changes in ({}, {"flip": 1.0}, {"scale": 0.6, "distribution": "uniform"}):
            batch = self.batch(read(), **changes)
            row, column = np.argwhere(batch.heat[0].numpy() == 1)[0]
            left, top, right, bottom = batch.sides[0, :, row, column].numpy()
            bright = np.argwhere(batch.images[0, :, :, 0].numpy() > 125)
            low, high = bright.min(axis=0), bright.max(axis=0) + 1
            assert np.allclose([top, left, bottom, right], [*low, *high], atol=1.1), changes

    def test_nobody_has_no_centre(self, read):
        batch = self.batch(read())
        assert batch.heat[1].max() == 0
        assert batch.weights[1].max() == 0

    def test_crowds_do_not_count(self, read):
        counted = self.batch(read()).counted[0].numpy()
        assert (counted[:, 10:] == 0).all()
        assert (counted[:, :10] == 1).all()

    def test_turned_boxes_are_refused(self, read):
        with pytest.raises(ValueError, match="cannot be turned"):
            BoxDataset(read(), input_size=(64, 64), stride=8, augmentation=Augmentation())

    def test_sides_that_do_not_fit_are_refused(self, read):
        with pytest.raises(ValueError, match="multiples of 32"):
            DetectionTask(read(), (100, 64))


people = st.lists(
    # From 10 pixels on: the middle of a smaller person's cell may lie outside the person.
    st.tuples(st.integers(0, 200), st.integers(0, 100), st.integers(10, 200), st.integers(10, 150)),
    min_size=1,
    max_size=5,
)


@settings(max_examples=25)
@given(people)
def test_a_network_that_says_the_targets_finds_the_people(rows):
    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in rows], np.float64)
    boxes = np.minimum(boxes, [256, 160, 256, 160])
    heat, counted, sides, weights = centre_targets(boxes, NOBODY, (32, 20))
    middles = ((boxes[:, :2] + boxes[:, 2:]) / 16).astype(int)
    assert all(heat[min(y, 19), min(x, 31)] == 1 for x, y in middles)
    x, y = np.meshgrid(np.arange(32) * 8 + 4, np.arange(20) * 8 + 4)
    reach = np.stack([x - sides[0], y - sides[1], sides[2] - x, sides[3] - y])
    known = torch.from_numpy(np.log(np.where(weights > 0, np.maximum(reach, 0.1), 1) / UNIT))
    logit = torch.from_numpy(np.where(heat == 1, 12.0, -12.0))[None]
    maps = torch.cat([logit, known])[None].float()
    found = people_in(rows_of(maps)[0].numpy(), min_score=0.5)
    distinct = np.unique(middles, axis=0)
    assert len(found) <= len(distinct)
    own = [row for row in found if iou_matrix([row[:4]], boxes).max() > 0.97]
    assert len(own) == len(found) > 0
    loss = detection_loss(
        maps, *(torch.from_numpy(part)[None] for part in (heat, counted, sides, weights))
    )
    assert float(loss) < 0.2


def test_the_loss_falls_where_the_network_says_more_of_what_is_true():
    boxes = np.array([[40.0, 16.0, 88.0, 112.0]])
    parts = [torch.from_numpy(part)[None] for part in centre_targets(boxes, NOBODY, (16, 16))]
    maps = torch.zeros(1, 5, 16, 16)
    surer = maps.clone()
    surer[:, 0] = torch.where(parts[0] == 1, 3.0, -3.0)
    better = maps.clone()
    better[:, 1:] = np.log(2.0)
    start = float(detection_loss(maps, *parts))
    assert float(detection_loss(surer, *parts)) < start
    assert float(detection_loss(better, *parts)) < start


def test_ghosts_in_ignored_boxes_cost_nothing():
    ignored = np.array([[0.0, 0.0, 64.0, 128.0]])
    parts = [
        torch.from_numpy(part)[None]
        for part in centre_targets(np.array([[96.0, 16.0, 112.0, 64.0]]), ignored, (16, 16))
    ]
    maps = torch.full((1, 5, 16, 16), -5.0)
    ghost = maps.clone()
    ghost[0, 0, 3, 2] = 5.0
    assert float(detection_loss(ghost, *parts)) == float(detection_loss(maps, *parts))
    ghost[0, 0, 14, 14] = 5.0
    assert float(detection_loss(ghost, *parts)) > float(detection_loss(maps, *parts)) + 1


def test_generalised_iou_is_iou_inside_and_negative_apart():
    a = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 1.0, 1.0]])
    b = torch.tensor([[0.0, 0.0, 4.0, 2.0], [9.0, 0.0, 10.0, 1.0]])
    assert giou(a, b).tolist() == pytest.approx([0.5, -0.8])


def test_cells_far_away_stay_finite():
    assert torch.isfinite(boxes_of(torch.full((1, 5, 2, 2), 1e4))).all()


class TestNumbers:
    truth = AnnotatedImages(
        ("a.png", "b.png"),
        (np.array([[0.0, 0.0, 10.0, 20.0], [30.0, 0.0, 40.0, 20.0]]), NOBODY),
        (np.array([[60.0, 0.0, 90.0, 30.0]]), NOBODY),
    )

    def test_all_found_and_no_ghosts_is_one(self):
        found = [Detections(self.truth.boxes[0], [0.9, 0.8]), Detections.empty()]
        assert set(box_numbers(found, self.truth).values()) == {1.0}

    def test_a_ghost_before_a_person_halves_the_precision_there(self):
        ghost = Detections([[50, 50, 60, 60]], [0.95])
        numbers = box_numbers([Detections(self.truth.boxes[0], [0.9, 0.8]), ghost], self.truth)
        assert numbers["AP50"] == pytest.approx(2 / 3)
        assert numbers["recall@0.5"] == 1.0
        assert numbers["precision@0.5"] == pytest.approx(2 / 3)

    def test_boxes_in_a_crowd_do_not_count(self):
        boxes = np.concatenate([self.truth.boxes[0], [[62, 2, 70, 20]]])
        found = [Detections(boxes, [0.9, 0.8, 0.95]), Detections.empty()]
        assert box_numbers(found, self.truth)["AP"] == 1.0

    def test_a_double_is_a_ghost(self):
        found = [Detections(self.truth.boxes[0][[0, 0]], [0.9, 0.8]), Detections.empty()]
        assert box_numbers(found, self.truth)["precision@0.5"] == 0.5

    def test_nothing_found_is_nought(self):
        assert box_numbers([Detections.empty()] * 2, self.truth)["AP"] == 0.0


def test_it_finds_the_people_it_has_seen_from_the_command_line(document, tmp_path):
    (tmp_path / "boxes.json").write_text(json.dumps(document))
    out = tmp_path / "run"
    status = main(
        [
            "train", "--data", "coco", "--images", str(tmp_path),
            "--annotations", str(tmp_path / "boxes.json"),
            "--val-annotations", str(tmp_path / "boxes.json"),
            "--arch", "detector", "--size", "96x128", "--epochs", "40", "--drops", "30",
            "--batch-size", "2", "--scale", "0", "--flip", "0", "--validate-every", "40",
            "--save-every", "40", "--device", "cpu", "--quiet", "-o", str(out),
        ]
    )  # fmt: skip
    assert status == 0
    best = next(path for path in out.iterdir() if path.stem == "best")
    detect = load_light_detector(best, device="cpu")
    assert detect.long_side == 128
    found = detect(cv2.imread(str(tmp_path / "a.png")))
    assert len(found) == 1
    assert iou_matrix(found.xyxy, [[16, 8, 32, 40]])[0, 0] > 0.7
    assert len(detect(cv2.imread(str(tmp_path / "b.png")))) == 0
