"""Files that are not what they should be, and files of all years."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_made import document, people_apart
from scipy.io import savemat

from posetrack.evaluation import (
    evaluate_coco,
    evaluate_mpii,
    evaluate_posetrack,
    evaluate_posetrack21,
    evaluate_posetrack21_boxes,
    posetrack17_to_18,
    posetrack18_to_17,
    read_sequence,
)
from posetrack.skeletons import COCO_17, MPII_16, POSETRACK_17

NAME = "000001_mpii_test.json"


@pytest.fixture
def made() -> dict[str, Any]:
    ids = np.tile([3, 4], (3, 1))
    return document(people_apart(3, 2, 0), ids, scores=np.full((3, 2, 17), 0.5))


def write(folder: Path, truth: Any, predicted: Any) -> tuple[Path, Path]:
    for side, content in (("gt", truth), ("pred", predicted)):
        (folder / side).mkdir(exist_ok=True)
        (folder / side / NAME).write_text(json.dumps(content))
    return folder / "gt", folder / "pred"


def without(key: str, where: str = "annotations") -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        del content[where][0][key]

    return change


def put(key: str, value: Any, where: str = "annotations") -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        content[where][0][key] = value

    return change


WRONG = {
    "no track id": (without("track_id"), "no 'track_id'"),
    "a track id that is a name": (put("track_id", "ann"), "track_id: expected a number"),
    "a track id with a fraction": (put("track_id", 1.5), "whole number"),
    "no image id": (without("image_id"), "no 'image_id'"),
    "an image id that is a list": (put("image_id", [1]), "expected a number or a text"),
    "keypoints that are words": (put("keypoints", ["1"] * 51), "keypoints[0]: expected a number"),
    "keypoints with null": (put("keypoints", [None] * 51), "keypoints[0]: expected a number"),
    "too few keypoints": (put("keypoints", [1.0] * 48), "differ between people"),
    "scores that are words": (put("scores", ["high"] * 17), "scores"),
    "a score instead of scores": (put("scores", 0.9), "scores: expected a list"),
    "a head box of three numbers": (put("bbox_head", [1, 2, 3]), "bbox_head"),
    "the same id twice": (put("track_id", 4), "occurs twice"),
    "COCO's keypoints": (
        put("keypoints", list(COCO_17.keypoints), "categories"),
        "head_bottom, head_top",
    ),
    "an image twice": (put("id", 10**10 + 10**4 + 1, "images"), "occurs twice"),
    "an unknown folder": (put("file_name", "a/b/c.jpg", "images"), "image name"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_predictions_are_refused_by_name(
    what: str, made: dict[str, Any], tmp_path: Path
) -> None:
    change, message = WRONG[what]
    wrong = copy.deepcopy(made)
    change(wrong)
    with pytest.raises(ValueError, match=NAME) as caught:
        evaluate_posetrack(*write(tmp_path, made, wrong))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ('{"images": 3}', "images: expected a list"),
        ("{}", "'images'"),
        ("NaN", "not JSON"),
    ],
)
def test_a_file_that_is_something_else_is_refused(
    content: str, message: str, made: dict[str, Any], tmp_path: Path
) -> None:
    gt, pred = write(tmp_path, made, made)
    (pred / NAME).write_text(content)
    with pytest.raises(ValueError, match=NAME) as caught:
        evaluate_posetrack(gt, pred)
    assert message in str(caught.value)


def test_a_broken_gzip_file_is_refused(made: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / (NAME + ".gz")
    packed = gzip.compress(json.dumps(made).encode())
    path.write_bytes(packed)
    assert len(read_sequence(path)) == 3
    path.write_bytes(packed[:-20])
    with pytest.raises(ValueError, match="not a whole gzip file"):
        read_sequence(path)


def test_missing_sequences_are_listed(made: dict[str, Any], tmp_path: Path) -> None:
    gt, pred = write(tmp_path, made, made)
    (gt / "000002_mpii_test.json").write_text(json.dumps(made))
    with pytest.raises(FileNotFoundError, match=r"1 of 2 sequences.*000002_mpii_test"):
        evaluate_posetrack(gt, pred)
    with pytest.raises(FileNotFoundError, match="ground truth"):
        evaluate_posetrack(tmp_path / "nowhere", pred)


def test_predictions_may_lie_in_a_folder_called_sequences(
    made: dict[str, Any], tmp_path: Path
) -> None:
    gt, pred = write(tmp_path, made, made)
    (tmp_path / "run").mkdir()
    pred.rename(tmp_path / "run" / "sequences")
    assert evaluate_posetrack21(gt, tmp_path / "run").rows()["HOTA"]["HOTA"] == pytest.approx(100)


def test_keypoints_are_mapped_by_name_if_asked(made: dict[str, Any], tmp_path: Path) -> None:
    other = copy.deepcopy(made)
    other["categories"][0]["keypoints"] = list(COCO_17.keypoints)
    folders = write(tmp_path, made, other)
    result = evaluate_posetrack(*folders, map_keypoints=True)
    named = dict(zip(result.keypoints, result.ap.ap[:-1].tolist(), strict=True))
    assert named["left_wrist"] == 100
    assert named["head_top"] == 0


def test_missing_scores_are_counted_and_said(made: dict[str, Any], tmp_path: Path) -> None:
    other = copy.deepcopy(made)
    for person in other["annotations"][:2]:
        del person["scores"]
    result = evaluate_posetrack(*write(tmp_path, made, other))
    assert any(note.startswith("2 predicted people have no keypoint") for note in result.notes)


def test_a_file_of_2017_gives_the_same_numbers(made: dict[str, Any], tmp_path: Path) -> None:
    moved = copy.deepcopy(made)
    for person in moved["annotations"]:
        person["keypoints"] = [v + 4 if v > 1 else v for v in person["keypoints"]]
    of_2018 = evaluate_posetrack(*write(tmp_path, made, moved))
    truth, predicted = (posetrack18_to_17(content)[0] for content in (made, moved))
    of_2017 = evaluate_posetrack(*write(tmp_path, truth, predicted))
    assert of_2018.mot is not None
    assert of_2017.mot is not None
    np.testing.assert_array_equal(of_2017.mot.motp, of_2018.mot.motp)
    np.testing.assert_array_equal(of_2017.ap.ap, of_2018.ap.ap)


def test_conversion_and_back_keeps_people(made: dict[str, Any]) -> None:
    back = posetrack17_to_18(posetrack18_to_17(made)[0])
    assert back["categories"][0]["keypoints"] == list(POSETRACK_17.keypoints)
    for ours, given in zip(back["annotations"], made["annotations"], strict=True):
        assert ours["track_id"] == given["track_id"]
        assert ours["keypoints"] == given["keypoints"]


def test_a_polygon_of_two_corners_is_refused(made: dict[str, Any], tmp_path: Path) -> None:
    made["images"][1]["ignore_regions_x"] = [[1, 2]]
    made["images"][1]["ignore_regions_y"] = [[1, 2]]
    with pytest.raises(ValueError, match="image 1: a polygon of 2 corners"):
        evaluate_posetrack(*write(tmp_path, made, made))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,1,a,0,5,5,1,-1", "line 1: expected numbers frame, id, left"),
        ("9,1,0,0,5,5,1,-1", "frame 9"),
        ("1,1,0,0,5,5,1,-1\n1,1,0,0,5,5,1,-1", "occurs twice"),
        ("1,1,0,0,5,5,1,2", "must be -1"),
        ("1,1,0,0", "line 1: expected numbers frame, id, left"),
    ],
)
def test_wrong_box_files_are_refused(line: str, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "gt" / "seq"
    (folder / "gt").mkdir(parents=True)
    (tmp_path / "pred").mkdir()
    (folder / "image_info.json").write_text(
        json.dumps([{"ignore_regions_x": [], "ignore_regions_y": []}])
    )
    (folder / "gt" / "gt.txt").write_text(line + "\n")
    (tmp_path / "pred" / "seq.txt").write_text("1,1,0,0,5,5,1\n")
    with pytest.raises(ValueError, match=r"gt\.txt") as caught:
        evaluate_posetrack21_boxes(tmp_path / "gt", tmp_path / "pred")
    assert message in str(caught.value)


def coco_files(folder: Path) -> tuple[Path, Path]:
    keypoints = [float(v) for k in range(17) for v in (10 * k, 5 * k, 2)]
    person = {
        "id": 1, "image_id": 7, "category_id": 1, "area": 5000.0, "iscrowd": 0,
        "num_keypoints": 17, "bbox": [0, 0, 160, 80], "keypoints": keypoints,
    }  # fmt: skip
    truth = {
        "images": [{"id": 7}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person"}],
    }
    result = {"image_id": 7, "category_id": 1, "score": 0.9, "keypoints": keypoints}
    paths = folder / "gt.json", folder / "results.json"
    for path, content in zip(paths, (truth, [result]), strict=True):
        path.write_text(json.dumps(content))
    return paths


def test_coco_truth_against_itself_is_perfect_and_nothing_is_zero(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="needs pycocotools")
    truth, results = coco_files(tmp_path)
    assert evaluate_coco(truth, results).rows()["OKS"]["AP"] == pytest.approx(100)
    results.write_text("[]")
    assert evaluate_coco(truth, results).rows()["OKS"]["AP"] == 0


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("image_id", 8, "do not have"), ("keypoints", [1], "17 times"), ("score", None, "")],
)
def test_wrong_coco_results_are_refused(key: str, value: Any, message: str, tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="needs pycocotools")
    truth, results = coco_files(tmp_path)
    row = json.loads(results.read_text())[0]
    row[key] = value
    if value is None:
        del row[key]
        message = "no 'score'"
    results.write_text(json.dumps([row]))
    with pytest.raises(ValueError, match=message):
        evaluate_coco(truth, results)


def test_mpii_is_read_from_matlab_and_from_json(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    xy = rng.uniform(50, 500, (5, 16, 2))
    missing = rng.random((5, 16)) < 0.2
    heads = np.tile([100.0, 100.0, 130.0, 140.0], (5, 1))
    savemat(
        tmp_path / "gt_valid.mat",
        {
            "pos_gt_src": xy.transpose(1, 2, 0),
            "jnt_missing": missing.T.astype(float),
            "headboxes_src": heads.reshape(5, 2, 2).transpose(1, 2, 0),
        },
    )
    savemat(tmp_path / "pred.mat", {"preds": xy + 10})
    in_json = [
        {"joints": a.tolist(), "joints_vis": (~b).astype(int).tolist(), "head_box": c.tolist()}
        for a, b, c in zip(xy, missing, heads, strict=True)
    ]
    (tmp_path / "gt.json").write_text(json.dumps(in_json))
    (tmp_path / "pred.json").write_text(json.dumps((xy + 10 - 1).tolist()))
    from_mat = evaluate_mpii(tmp_path / "gt_valid.mat", tmp_path / "pred.mat", first_pixel=1)
    from_json = evaluate_mpii(tmp_path / "gt.json", tmp_path / "pred.json")
    assert from_mat.rows()["PCKh@0.5"] == from_json.rows()["PCKh@0.5"]
    assert from_mat.rows()["PCKh@0.5"]["Mean"] == 100  # 14.1 pixels away, half a head is 15
    assert from_mat.rows()["PCKh@0.5"]["Mean@0.1"] == 0
    assert len(from_mat.pck.keypoints) == len(MPII_16)
    for person in in_json:
        del person["head_box"]
    (tmp_path / "gt.json").write_text(json.dumps(in_json))
    with pytest.raises(ValueError, match="no head boxes"):
        evaluate_mpii(tmp_path / "gt.json", tmp_path / "pred.json")
    with_heads = evaluate_mpii(
        tmp_path / "gt.json", tmp_path / "pred.json", heads=tmp_path / "gt_valid.mat"
    )
    assert with_heads.rows()["PCKh@0.5"] == from_json.rows()["PCKh@0.5"]


def test_real_frames_of_posetrack18_are_read(shared: Path) -> None:
    folder = shared / "data" / "posetrack18" / "annotations" / "val"
    if not folder.is_dir():
        pytest.skip("real PoseTrack18 annotations are not beside this checkout")
    for path in sorted(folder.glob("*.json")):
        sequence = read_sequence(path)
        assert sequence.keypoints.shape[1] == 17
    result = evaluate_posetrack(folder, folder, tracking=False)
    assert result.ap.precision[-1] == 100
    assert result.ap.recall[-1] == 100
