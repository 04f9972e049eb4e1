"""Item files as Dataloop exports them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posetrack.skeletons import COCO_17, COCO_18
from posetrack.training import read_dataloop


def pose(number, **system):
    return {
        "id": number,
        "type": "pose",
        "label": "person",
        "attributes": [],
        "coordinates": {"templateId": "t", "instanceId": None},
        "metadata": {"system": system},
    }


def point(label, x, y, *, parent=None, marks=(), number="p", **system):
    return {
        "id": f"{number} {label}",
        "type": "point",
        "label": label,
        "attributes": marks if isinstance(marks, dict) else list(marks),
        "coordinates": {"x": x, "y": y, "z": 0},
        "metadata": {"system": {"parentId": parent, **system}},
    }


def box(number, left, top, right, bottom, **system):
    corners = [{"x": left, "y": top, "z": 0}, {"x": right, "y": bottom, "z": 0}]
    return {"id": number, "type": "box", "label": "person", "coordinates": corners,
            "metadata": {"system": system}}  # fmt: skip


def export(root: Path, *items, recipe=None) -> Path:
    """An export: items/, and json/ with a file for each item of annotations."""
    for number, rows in enumerate(items):
        image = root / "items" / "day" / f"{number}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(b"")
        file = root / "json" / "day" / f"{number}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "id": f"item{number}",
            "filename": f"/day/{number}.jpg",
            "name": f"{number}.jpg",
            "metadata": {"system": {"width": 640, "height": 480}},
            "annotations": rows,
        }
        file.write_text(json.dumps(document))
    if recipe is not None:
        text = {"title": "recipe", "metadata": {"system": {"collectionTemplates": [recipe]}}}
        (root / "json" / "recipe.json").write_text(json.dumps(text))
    return root


def two_points(parent, x=10.0):
    return [point("Left Wrist", x, 20, parent=parent, number=parent),
            point("person.nose", x + 20, 60, parent=parent, number=parent)]  # fmt: skip


def test_people_are_poses_and_their_points_are_found_by_parent(tmp_path):
    rows = [*two_points("b", 100.0), pose("a"), pose("b"), *two_points("a")]
    people = read_dataloop(export(tmp_path, rows))
    assert people.skeleton.keypoints == ("left_wrist", "nose")
    assert people.names == ("0 a", "0 b")
    assert people.xy.tolist() == [[[10, 20], [30, 60]], [[100, 20], [120, 60]]]
    assert people.images == (tmp_path / "items/day/0.jpg",) * 2
    assert people.boxes[0] == pytest.approx([8.5, 17, 30.5, 62])
    assert people.problems == ()


def test_a_recipe_gives_order_and_edges(tmp_path):
    recipe = {"name": "half", "id": "t", "order": ["nose", "tail", "left wrist"],
              "arcs": [["nose", "left wrist"]]}  # fmt: skip
    people = read_dataloop(export(tmp_path, [pose("a"), *two_points("a")], recipe=recipe))
    assert people.skeleton.keypoints == ("nose", "tail", "left_wrist")
    assert people.skeleton.edges == (("nose", "left_wrist"),)
    assert people.labelled.tolist() == [[True, False, True]]


def test_a_known_set_of_names_in_any_order_is_the_known_skeleton(tmp_path):
    xy = np.arange(34.0).reshape(17, 2) + 10
    rows = [point(name, *xy[i], parent="a") for i, name in enumerate(COCO_17.keypoints)]
    people = read_dataloop(export(tmp_path, [pose("a"), *reversed(rows)]))
    assert people.skeleton == COCO_17
    np.testing.assert_array_equal(people.xy[0], xy)
    with_neck = read_dataloop(tmp_path, skeleton=COCO_18)
    np.testing.assert_allclose(with_neck.xy[0, COCO_18.index("neck")], xy[5:7].mean(axis=0))


def test_hidden_points_count_and_absent_ones_do_not(tmp_path):
    rows = [
        pose("a"),
        *two_points("a"),
        point("left_ear", 1, 2, parent="a", marks=["not-visible"]),
        point("right_ear", 0, 0, parent="a", marks=["visible", "not-visible"]),
        point("tail", 0, 0, parent="a", marks={"1": "visible", "2": ["not_visible"]}),
    ]
    people = read_dataloop(export(tmp_path, rows))
    names = people.skeleton.keypoints
    assert names == ("left_wrist", "nose", "left_ear", "right_ear", "tail")
    assert people.labelled.tolist() == [[True, True, True, False, False]]


def test_boxes_belong_by_parent_or_object(tmp_path):
    rows = [
        pose("a", objectId="7"),
        *two_points("a"),
        box("x", 5, 5, 105, 205, objectId="7"),
        box("car", 0, 0, 3, 3),
        pose("b"),
        *two_points("b"),
        box("y", 300, 300, 1, 1, parentId="b"),
        box("alone", 50, 50, 150, 250),
        *two_points("alone"),
    ]
    people = read_dataloop(export(tmp_path, rows))
    assert people.boxes.tolist() == [[5, 5, 104, 204], [1, 1, 299, 299], [50, 50, 149, 249]]


def test_points_without_a_pose_are_people_by_object_or_named_as_broken(tmp_path):
    rows = [
        point("nose", 1, 2, objectId="3"),
        point("tail", 30, 40, objectId="3"),
        point("nose", 5, 6, number="lost"),
    ]
    folder = export(tmp_path, rows)
    with pytest.raises(ValueError, match=r"1 times a point that belongs to no pose \(0 lost nose"):
        read_dataloop(folder)
    people = read_dataloop(folder, broken="skip")
    assert people.xy.tolist() == [[[1, 2], [30, 40]]]


def test_broken_items_are_named_counted_and_skipped(tmp_path):
    rows = [
        pose("a"),
        *two_points("a"),
        point("nose", 5, 5, parent="a", number="twice"),
        {"id": "q", "type": "point", "label": "ear", "coordinates": [],
         "metadata": {"system": {"parentId": "a"}}},
        point("ear", 1e300, 5, parent="a"),
        "text",
        box("z", 1, 1, 1, 1, parentId="a") | {"coordinates": [{}]},
    ]  # fmt: skip
    folder = export(tmp_path, rows, [pose("c"), *two_points("c")], [pose("d"), *two_points("d")])
    (folder / "items/day/1.jpg").unlink()
    (folder / "json/other.json").write_text("[]")
    outside = folder / "json/day/2.json"
    outside.write_text(outside.read_text().replace("/day/2.jpg", "/../2.jpg"))
    with pytest.raises(ValueError, match=r"an image file that is missing .*--broken skip"):
        read_dataloop(folder)
    people = read_dataloop(folder, broken="skip")
    assert people.names == ("0 a",)
    assert {problem.kind for problem in people.problems} == {
        "a keypoint that a person has twice",
        "a point without x and y",
        "a keypoint more than a million pixels away",
        "an annotation that is not an object",
        "a box that is not two corners",
        "an image file that is missing",
        "an item without filename and annotations",
        "a filename that leads out of the folder",
    }


def test_empty_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no \.json files"):
        read_dataloop(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read_dataloop(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="nobody with a labelled keypoint"):
        read_dataloop(export(tmp_path, []))


def test_images_may_lie_elsewhere_and_old_field_names_are_known(tmp_path):
    row = [pose("a") | {"_id": "a", "id": None}, *two_points("a")]
    folder = export(tmp_path, row)
    (tmp_path / "items").rename(tmp_path / "photos")
    people = read_dataloop(folder / "json", tmp_path / "photos")
    assert people.images == (tmp_path / "photos/day/0.jpg",)


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
def test_whatever_is_wrong_in_an_item_is_said_or_harmless(tmp_path, data, junk):
    folder = tmp_path / "export"
    if not folder.exists():
        rows = [pose("a", objectId="1"), *two_points("a"), box("b", 1, 2, 30, 40, objectId="1"),
                pose("c"), *two_points("c")]  # fmt: skip
        export(folder, rows)
        (tmp_path / "whole.json").write_text((folder / "json/day/0.json").read_text())
    document = json.loads((tmp_path / "whole.json").read_text())
    way = data.draw(st.sampled_from(list(places(document))))
    if way:
        place = document
        for key in way[:-1]:
            place = place[key]
        place[way[-1]] = junk
    else:
        document = junk
    (folder / "json/day/0.json").write_text(json.dumps(document))
    people, said = None, ""
    try:
        people = read_dataloop(folder, broken="skip")
    except ValueError as error:
        said = str(error)
    assert str(folder) in said or (len(people) and people.labelled.any(axis=1).all())
