"""Boxes read from files: each format, and what is said about bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack import Detections
from posetrack.detectors.replay import ReplayDetector
from posetrack.formats import mot
from posetrack.formats.boxes import read_boxes

IMAGE = np.zeros((8, 8, 3), np.uint8)


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def coco(*annotations: dict[str, Any], images: int = 3, **further: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 100 + n} for n in range(images)],
        "annotations": list(annotations),
        **further,
    }


def test_mot_text_counts_frames_and_pixels_from_one(tmp_path: Path) -> None:
    path = write(tmp_path / "det.txt", "2,-1,11,21,30,60,0.9,-1,-1,-1\n\n1 4 1 1 10.5 20 -1\n")
    boxes = read_boxes(path)
    assert list(boxes) == [0, 1]
    assert boxes[0].xyxy.tolist() == [[0, 0, 10.5, 20]]
    assert boxes[0].scores.tolist() == [1]
    assert boxes[1].xyxy.tolist() == [[10, 20, 40, 80]]
    np.testing.assert_allclose(boxes[1].scores, [0.9])


def test_mot_ground_truth_leaves_out_what_is_ignored_or_no_person(tmp_path: Path) -> None:
    lines = ["1,1,1,1,9,9,1,1,0.5", "1,2,1,1,9,9,0,1,0.5", "1,3,1,1,9,9,1,3,0.5"]
    path = write(tmp_path / "gt.txt", "\n".join(lines))
    with pytest.warns(UserWarning, match=r"gt\.txt: boxes left out: 2 marked"):
        boxes = read_boxes(path)
    assert len(boxes[0]) == 1
    with pytest.raises(ValueError, match=r"gt\.txt: all boxes are left out: 2 marked"):
        read_boxes(write(path, "\n".join(lines[1:])))


def test_nine_columns_without_a_class_are_no_ground_truth(tmp_path: Path) -> None:
    boxes = read_boxes(write(tmp_path / "r.txt", "1,1,1,1,9,9,0.5,-1,-1\n2,1,1,1,9,9,0,-1,-1\n"))
    assert [people.scores.tolist() for people in boxes.values()] == [[0.5], [0]]


def test_a_coco_document_has_every_frame_in_order(tmp_path: Path) -> None:
    found = {"image_id": 102, "category_id": 1, "bbox": [5, 6, 10, 20]}
    other = {"image_id": 101, "category_id": 18, "bbox": [5, 6, 10, 20]}
    crowd = {"image_id": 101, "category_id": 1, "bbox": [5, 6, 10, 20], "iscrowd": 1}
    with pytest.warns(UserWarning, match="left out: 1 of no person, 1 crowds"):
        boxes = read_boxes(write(tmp_path / "coco.json", coco(found, other, crowd)))
    assert {frame: len(people) for frame, people in boxes.items()} == {0: 0, 1: 0, 2: 1}
    assert boxes[2].xyxy.tolist() == [[5, 6, 15, 26]]


def test_the_category_called_person_is_meant(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "dog"}, {"id": 2, "name": "person"}]
    rows = [{"image_id": 100, "category_id": c, "bbox": [0, 0, c, c]} for c in (1, 2)]
    path = write(tmp_path / "coco.json", coco(*rows, categories=categories))
    with pytest.warns(UserWarning, match="left out: 1 of no person"):
        boxes = read_boxes(path)
    assert boxes[0].xyxy.tolist() == [[0, 0, 2, 2]]


def test_coco_results_go_by_their_image_ids(tmp_path: Path) -> None:
    rows = [
        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.25},
        {"image_id": 3, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.75},
    ]
    path = write(tmp_path / "results.json", rows)
    assert list(read_boxes(path)) == [3, 7]
    ordered = read_boxes(path, image_ids=[9, 7])
    assert {frame: people.scores.tolist() for frame, people in ordered.items()} == {
        0: [],
        1: [0.25],
    }
    assert list(read_boxes(path, min_score=0.5)) == [3]


def test_of_several_videos_one_is_chosen(tmp_path: Path) -> None:
    images = [{"id": n, "vid_id": "ab"[n % 2]} for n in range(4)]
    rows = [{"image_id": n, "bbox": [n, 0, 5, 5]} for n in range(4)]
    path = write(tmp_path / "both.json", {"images": images, "annotations": rows})
    with pytest.raises(ValueError, match=r"2 videos; choose with video=: \['a', 'b'\]"):
        read_boxes(path)
    boxes = read_boxes(path, video="b")
    assert [float(boxes[frame].xyxy[0, 0]) for frame in boxes] == [1, 3]
    with pytest.raises(ValueError, match="no video 'c'"):
        read_boxes(path, video="c")


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.tuples(*[st.integers(-50, 900)] * 2, *[st.integers(0, 500)] * 2),
            st.floats(0, 1, width=32),
        ),
        max_size=12,
    )
)
def test_all_formats_of_the_same_boxes_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("boxes")
    results = [
        {"image_id": frame, "category_id": 1, "bbox": list(box), "score": score}
        for frame, box, score in rows
    ]
    document = {"images": [{"id": n} for n in range(6)], "annotations": results}
    mot = "".join(
        f"{frame + 1},-1,{x + 1},{y + 1},{w},{h},{score!r}\n" for frame, (x, y, w, h), score in rows
    )
    read = [
        read_boxes(write(folder / "results.json", results)),
        read_boxes(write(folder / "document.json", document)),
        read_boxes(write(folder / "mot.txt", mot)),
    ]
    for frame in range(6):
        first, *others = (boxes.get(frame, Detections.empty()) for boxes in read)
        assert len(first) == sum(row[0] == frame for row in rows)
        for other in others:
            np.testing.assert_array_equal(other.xyxy, first.xyxy)
            np.testing.assert_array_equal(other.scores, first.scores)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,1,5,5,9\n", "line 1: expected numbers"),
        ("1,1,5,5,9,9,1\nframe,id,x,y,w,h\n", "line 2: expected numbers"),
        ("0,1,5,5,9,9,1\n", "line 1: frames are whole numbers from 1; got '0,1"),
        ("1.5,1,5,5,9,9,1\n", "whole numbers from 1; got '1.5,"),
        ("1,1,5,5,-9,9,1\n", "line 1: a box is left, top, width, height"),
        ("1,1,nan,5,9,9,1\n", "line 1: a box is"),
        ("1,1,1e300,5,9,9,1\n", "line 1: a box is"),
        ("1,1,5,5,9,9,inf\n", "line 1: expected a finite score"),
    ],
)
def test_bad_mot_lines_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path / "det.txt", content)
    with pytest.raises(ValueError, match=message) as caught:
        read_boxes(path)
    assert str(path) in str(caught.value)


GOOD = {"image_id": 100, "category_id": 1, "bbox": [0, 0, 5, 5]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("3", "expected a list, got 3"),
        ({"images": []}, "no list 'annotations'"),
        ({"annotations": []}, "no list 'images'"),
        ({"annotations": [], "images": [{"id": None}]}, "an image has no 'id'"),
        ({"annotations": [], "images": [{"id": 1}, {"id": 1}]}, "image id occurs twice"),
        (coco(GOOD, {"bbox": [0, 0, 1, 1]}), "annotation 1: no 'image_id'"),
        (coco(GOOD, 5), r"annotations\[1\]: expected an object"),
        (coco({**GOOD, "bbox": [0, 0, 1]}), "annotation 0: expected 'bbox' as four numbers"),
        (coco({**GOOD, "bbox": None}), "expected 'bbox' as four numbers, got None"),
        (coco({**GOOD, "bbox": [0, 0, "a", 1]}), r"annotations\[0\]\.bbox\[2\]: expected a number"),
        (coco({**GOOD, "bbox": [0, 0, True, 1]}), r"bbox\[2\]: expected a number, got true"),
        (coco({**GOOD, "bbox": [0, 0, float("nan"), 1]}), "a box is left, top, width, height"),
        (coco({**GOOD, "bbox": [0, 0, 10**400, 1]}), "a box is left, top, width, height"),
        (coco({**GOOD, "bbox": [0, 0, -1, 1]}), "a box is left, top, width, height"),
        (coco({**GOOD, "score": "high"}), "score: expected a number, got "),
        ([{"image_id": -1, "bbox": [0, 0, 1, 1]}], "counts frames from 0, got -1"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_json_is_named(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path / "boxes.json", content)
    with pytest.raises(ValueError, match=message) as caught:
        read_boxes(path)
    assert str(path) in str(caught.value)


def test_files_that_are_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read_boxes(tmp_path / "nowhere.json")
    with pytest.raises(IsADirectoryError, match="folder"):
        read_boxes(tmp_path)
    path = tmp_path / "video.txt"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ValueError, match="not text"):
        read_boxes(path)
    with pytest.raises(ValueError, match="go with JSON"):
        read_boxes(write(path, ""), video="a")
    with pytest.raises(ValueError, match="give image_ids= instead"):
        read_boxes(write(tmp_path / "results.json", []), video="a")
    monkeypatch.setattr(mot, "_MOST_BYTES", 3)
    with pytest.raises(ValueError, match="more than 3 bytes"):
        read_boxes(write(path, "1,1,5,5,9,9,1\n"))


def test_an_empty_file_has_no_boxes(tmp_path: Path) -> None:
    assert read_boxes(write(tmp_path / "det.txt", "")) == {}
    assert read_boxes(write(tmp_path / "results.json", [])) == {}


def test_replay_answers_call_by_call() -> None:
    boxes = {2: Detections([[0, 0, 5, 5]], [1]), 3: Detections([[0, 0, 5, 5]] * 2, [1, 1])}
    replay = ReplayDetector(boxes, start=1)
    assert [len(replay(IMAGE)) for _ in range(4)] == [0, 1, 2, 0]
    assert replay.frame == 5
    assert len(replay.at(3)) == 2
    boxes.clear()
    assert len(replay.at(3)) == 2
    assert len(ReplayDetector(boxes)(IMAGE)) == 0


def test_real_files_are_read(shared: Path) -> None:
    annotations = shared / "data/posetrack18/annotations"
    one = read_boxes(annotations / "val/003418_mpii_test.json")
    assert {frame: len(people) for frame, people in one.items()} == {0: 1}
    np.testing.assert_allclose(one[0].xyxy, [[214.25, 15, 1572.75, 1107]])
    detections = annotations / "test_posetrack18_human_detections.json"
    order = [10128340000, 10034180000]
    found = read_boxes(detections, image_ids=order)
    rows = json.loads(detections.read_text())
    assert [len(found[frame]) for frame in (0, 1)] == [
        sum(row["image_id"] == image for row in rows) for image in order
    ]
    sequence = read_boxes(annotations / "test_posetrack18_val.json", video="012834")
    assert list(sequence) == [0]
    assert len(read_boxes(shared / "data/coco/test_coco.json")) == 4
    mot = shared / "reference/eval/cases/mot21_boxes/pred/020001_mpii_test.txt"
    np.testing.assert_allclose(
        read_boxes(mot)[0].xyxy[0], [948.6, 218, 948.6 + 89.7, 218 + 215.7], rtol=1e-6
    )
