"""COCO files as Roboflow, CVAT and Label Studio write them."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posetrack.cli import main
from posetrack.skeletons import COCO_17, COCO_18, Skeleton
from posetrack.training import read_coco, read_roboflow
from posetrack.training.annotations import image_file


def person(number=1, *, keypoints, **more):
    """One annotation of image 0, with nothing that a reader could do without."""
    return {"id": number, "image_id": 0, "category_id": 1, "keypoints": keypoints, **more}


def export(folder: Path, annotations, *, file_name="a.jpg", categories=None) -> Path:
    """A part of an export, as Roboflow lays it out."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.jpg").write_bytes(b"")
    document = {
        "info": {"description": "Exported from roboflow.com"},
        "images": [{"id": 0, "file_name": file_name, "width": 640, "height": 480}],
        "annotations": annotations,
        "categories": categories
        or [
            {"id": 0, "name": "people", "supercategory": "none"},
            {
                "id": 1,
                "name": "person",
                "supercategory": "people",
                "keypoints": ["Left-Hand", "right hand", "Head"],
                "skeleton": [[1, 3], [3, 2]],
            },
        ],
    }
    (folder / "_annotations.coco.json").write_text(json.dumps(document))
    return folder


SEEN = [10, 20, 2, 30, 20, 1, 0, 0, 0]


class TestRoboflow:
    def test_a_part_is_read_with_names_edges_and_pairs(self, tmp_path):
        part = export(tmp_path / "train", [person(keypoints=SEEN, bbox=[5, 5, 40, 60])])
        people = read_roboflow(part)
        assert people.skeleton.keypoints == ("left_hand", "right_hand", "head")
        assert people.skeleton.edges == (("left_hand", "head"), ("head", "right_hand"))
        assert people.skeleton.mirrored == (("left_hand", "right_hand"),)
        assert people.labelled.tolist() == [[True, True, False]]
        assert people.images == (part / "a.jpg",)
        assert people.boxes.tolist() == [[5, 5, 44, 64]]

    def test_the_category_that_groups_others_has_nobody_to_learn_from(self, tmp_path):
        rows = [
            person(1, keypoints=SEEN, bbox=[5, 5, 40, 60]),
            {"id": 2, "image_id": 0, "category_id": 0, "bbox": [5, 5, 40, 60]},
        ]
        people = read_roboflow(export(tmp_path, rows))
        assert (len(people), people.left_out, people.problems) == (1, 1, ())

    def test_the_whole_export_wants_a_part_to_be_named(self, tmp_path):
        for part in ("train", "valid"):
            export(tmp_path / part, [person(keypoints=SEEN)])
        with pytest.raises(ValueError, match=r"holds the parts train, valid: name one"):
            read_roboflow(tmp_path)
        with pytest.raises(FileNotFoundError, match="part of a Roboflow export"):
            read_roboflow(tmp_path / "test")

    def test_an_export_without_keypoints_is_refused(self, tmp_path):
        rows = [{"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}]
        part = export(tmp_path, rows, categories=[{"id": 1, "name": "person"}])
        with pytest.raises(ValueError, match="no category names its keypoints"):
            read_roboflow(part)

    def test_broken_people_are_named_and_counted(self, tmp_path):
        rows = [
            person(1, keypoints=SEEN),
            person(2, keypoints=SEEN[:6]),
            person(3, keypoints=[*SEEN[:2], 7, *SEEN[3:]]),
            person(4, keypoints=SEEN, category_id=[]),
        ]
        part = export(tmp_path, rows)
        with pytest.raises(ValueError, match=r"1 times keypoints that are not 3 times.*annotation"):
            read_roboflow(part)
        people = read_roboflow(part, broken="skip")
        assert (len(people), len(people.problems), people.left_out) == (1, 3, 0)


class TestWhatOtherToolsWrite:
    def test_a_person_without_a_box_has_one_around_the_keypoints(self, tmp_path):
        keypoints = [100, 100, 2, 200, 300, 2, 0, 0, 0]
        people = read_coco(*both(export(tmp_path, [person(keypoints=keypoints)])))
        assert people.boxes[0] == pytest.approx([92.5, 85, 206.5, 314])

    def test_a_single_keypoint_without_a_box_is_left_out(self, tmp_path):
        rows = [person(1, keypoints=SEEN), person(2, keypoints=[5, 5, 2, *[0] * 6])]
        people = read_coco(*both(export(tmp_path, rows)))
        assert (len(people), people.left_out) == (1, 1)

    @pytest.mark.parametrize("name", ["images/a.jpg", "images\\a.jpg", "batch/images/a.jpg"])
    def test_file_names_may_start_with_the_images_folder(self, tmp_path, name):
        folder = export(tmp_path / "batch" / "images", [person(keypoints=SEEN)], file_name=name)
        people = read_coco(*both(folder))
        assert people.images == (folder / "a.jpg",)

    @pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "..\\a.jpg", "C:\\a.jpg", "b/../../a"])
    def test_file_names_lead_nowhere_else(self, tmp_path, name):
        assert image_file(tmp_path, name) is None

    def test_another_folder_s_image_of_the_same_name_is_not_taken(self, tmp_path):
        folder = export(tmp_path / "x", [person(keypoints=SEEN)], file_name="y/a.jpg")
        with pytest.raises(ValueError, match="an image file that is missing"):
            read_coco(*both(folder))

    def test_of_several_categories_the_most_used_decides_and_others_follow_by_name(self, tmp_path):
        categories = [
            {"id": 1, "name": "dog", "keypoints": ["nose", "tail"]},
            {"id": 2, "name": "person", "keypoints": ["left_wrist", "nose"]},
            {"id": 3, "name": "car", "keypoints": ["wheel"]},
        ]
        two = [10, 20, 2, 30, 40, 1]
        rows = [
            person(1, keypoints=two, category_id=2),
            person(2, keypoints=two, category_id=1),
            person(3, keypoints=two, category_id=2),
            person(4, keypoints=[5, 6, 2], category_id=3, bbox=[1, 1, 20, 20]),
        ]
        file, images = both(export(tmp_path, rows, categories=categories))
        people = read_coco(file, images)
        assert people.skeleton.keypoints == ("left_wrist", "nose")
        assert len(people) == 3
        assert people.left_out == 1
        np.testing.assert_array_equal(people.xy[1], [[np.nan, np.nan], [10, 20]])
        tails = read_coco(file, images, skeleton=Skeleton("t", ("tail",), (), (), (0.1,)))
        assert tails.xy.tolist() == [[[30, 40]]]

    def test_a_skeleton_that_nobody_has_is_refused(self, tmp_path):
        file, images = both(export(tmp_path, [person(keypoints=SEEN)]))
        with pytest.raises(ValueError, match="nobody has a keypoint of other"):
            read_coco(file, images, skeleton=Skeleton("other", ("toe",), (), (), (0.1,)))

    def test_a_neck_is_the_mean_of_the_shoulders(self, tmp_path):
        xy = np.arange(34.0).reshape(17, 2) + 10
        keypoints = np.concatenate([xy, np.full((17, 1), 2.0)], axis=1)
        categories = [{"id": 1, "name": "person", "keypoints": list(COCO_17.keypoints)}]
        part = export(tmp_path, [person(keypoints=keypoints.ravel().tolist())],
                      categories=categories)  # fmt: skip
        people = read_roboflow(part, skeleton=COCO_18)
        middle = xy[[COCO_17.index("left_shoulder"), COCO_17.index("right_shoulder")]].mean(axis=0)
        np.testing.assert_allclose(people.xy[0, COCO_18.index("neck")], middle)
        keypoints[COCO_17.index("left_shoulder"), 2] = 0
        part = export(tmp_path / "b", [person(keypoints=keypoints.ravel().tolist())],
                      categories=categories)  # fmt: skip
        hidden = read_roboflow(part, skeleton=COCO_18)
        assert not hidden.labelled[0, COCO_18.index("neck")]

    def test_edges_counted_from_zero_and_wrong_ones_do_no_harm(self, tmp_path):
        categories = [{"id": 1, "keypoints": ["a", "b", "c"],
                       "skeleton": [[0, 1], [1, 2], [2, 9], [1], "x", [1, 1]]}]  # fmt: skip
        people = read_roboflow(export(tmp_path, [person(keypoints=SEEN)], categories=categories))
        assert people.skeleton.edges == (("a", "b"), ("b", "c"))


def test_the_command_trains_and_validates_on_an_export(tmp_path, capsys):
    for part in ("train", "valid"):
        folder = export(tmp_path / part, [person(i, keypoints=SEEN) for i in (1, 2)])
        cv2.imwrite(str(folder / "a.jpg"), np.full((480, 640, 3), 90, np.uint8))
    words = ["train", "--data", "roboflow", "--annotations", str(tmp_path / "train"),
             "--val-annotations", str(tmp_path / "valid"), "--arch", "light", "--size", "32x32",
             "--epochs", "1", "--batch-size", "2", "-o", str(tmp_path / "run")]  # fmt: skip
    assert main(words) == 0
    assert "2 people with annotated keypoints" in capsys.readouterr().out
    weights = next(path for path in (tmp_path / "run").glob("best.*") if path.suffix != ".json")
    words = ["validate", "--data", "roboflow", "--annotations", str(tmp_path / "valid"),
             "--weights", str(weights)]  # fmt: skip
    assert main(words) == 0
    assert "PCK@0.1" in capsys.readouterr().out
    assert main([*words[:4], str(tmp_path), *words[5:]]) == 1
    assert "holds the parts train, valid" in capsys.readouterr().err


def places(value, path=()):
    """Every place in a JSON value, as the keys that lead there."""
    yield path
    pairs = enumerate(value) if isinstance(value, list) else ()
    for key, below in value.items() if isinstance(value, dict) else pairs:
        yield from places(below, (*path, key))


JUNK = st.sampled_from(
    [None, True, -1, 1e308, "", "nose", "../x", [], [[]], {}, {"x": "y"}, 10**18]
)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data(), junk=JUNK)
def test_whatever_is_wrong_in_a_file_is_said_or_harmless(tmp_path, data, junk):
    rows = [person(1, keypoints=list(SEEN), bbox=[5, 5, 40, 60]), person(2, keypoints=SEEN)]
    file = export(tmp_path, rows) / "_annotations.coco.json"
    document = json.loads(file.read_text())
    way = data.draw(st.sampled_from(list(places(document))))
    if way:
        place = document
        for key in way[:-1]:
            place = place[key]
        place[way[-1]] = junk
    else:
        document = junk
    file.write_text(json.dumps(document))
    people, said = None, ""
    try:
        people = read_roboflow(tmp_path, broken="skip")
    except ValueError as error:
        said = str(error)
    assert str(tmp_path) in said or (len(people) and people.labelled.any(axis=1).all())


def both(folder: Path) -> tuple[Path, Path]:
    """Annotation file and images' folder."""
    return folder / "_annotations.coco.json", folder
