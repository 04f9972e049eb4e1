"""Labels and results of other tools, in folders and zips: Ultralytics, OpenPifPaf, and the rest."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import posetrack
from posetrack import COCO_17, COCO_WHOLEBODY_133
from posetrack.cli import main
from posetrack.formats.yolo import read_yolo_labels

# -- Ultralytics' summary ----------------------------------------------------------------------


def summary(identity: float | None = 3, scale: float = 1, **more: Any) -> dict[str, Any]:
    box = {"x1": 10.5 * scale, "y1": 20 * scale, "x2": 110 * scale, "y2": 220 * scale}
    x, y = [10.0 * (k + 1) * scale for k in range(17)], [5.0 * (k + 2) * scale for k in range(17)]
    x[2] = y[2] = 0
    points = {"x": x, "y": y, "visible": [0.5] * 17}
    points["visible"][3] = 0.0
    found = {"name": "person", "class": 0, "confidence": 0.75, "box": box, "keypoints": points}
    return found | ({} if identity is None else {"track_id": identity}) | more


SUMMARIES = {
    "one frame": ([summary()], [0]),
    "lists": ([[], [summary()], [summary(3.0)]], [0, 1, 2]),
    "frames": ([{"frame": 4, "results": [summary()]}, {"frame": 6, "results": []}], [4, 6]),
    "by image": ({"a/7.jpg": [summary()], "a/9.jpg": [summary()]}, [7, 9]),
    "service": ({"images": [{"results": [summary()], "shape": [9, 9]}], "metadata": {}}, [0]),
    "nobody": ([[], []], [0, 1]),
}


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("kind", SUMMARIES)
def test_summaries_are_read_however_frames_are_put_together(
    tmp_path: Path, kind: str, lines: bool
) -> None:
    document, frames = SUMMARIES[kind]
    text = json.dumps(document)
    if lines:
        if kind not in ("lists", "frames"):
            pytest.skip("a document by itself")
        text = "".join(json.dumps(frame) + "\n" for frame in document)
    path = tmp_path / ("r.jsonl" if lines else "r.json")
    path.write_text(text)
    made = posetrack.load(path, rate=10)
    assert made.frame.tolist() == frames
    if kind == "nobody":
        return
    assert made.ids.tolist() == [3]
    row = int(np.flatnonzero(made.present[:, 0])[0])
    assert made.boxes[row, 0].tolist() == [10.5, 20, 110, 220]
    assert made.box_scores[row, 0] == 0.75
    assert made.xy[row, 0, 0].tolist() == [10, 10]
    assert np.isnan(made.xy[row, 0, [2, 3]]).all()
    assert made.skeleton == COCO_17


def test_a_normalized_summary_needs_the_images_size(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps([[summary(scale=0.001)]]))
    with pytest.raises(ValueError, match=r"r\.json: places are fractions .* give image_size="):
        posetrack.load(tmp_path / "r.json", rate=10)
    made = posetrack.load(tmp_path / "r.json", rate=10, image_size=(1000, 2000))
    np.testing.assert_allclose(made.xy[0, 0, 0], [10, 20])
    np.testing.assert_allclose(made.boxes[0, 0], [10.5, 40, 110, 440])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"track_id": "x"}, "track_id: expected a number"),
        ({"track_id": 1.5}, "'track_id': expected a whole number"),
        ({"keypoints": {"x": [1], "y": [1, 2]}}, "keypoints: expected 1 numbers"),
        ({"box": {"x1": 1}}, "box: "),
    ],
)
def test_what_is_wrong_in_a_summary_is_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    (tmp_path / "r.json").write_text(json.dumps([[], [summary() | change]]))
    with pytest.raises(ValueError, match=rf"r\.json, frame 1.*{message}"):
        posetrack.load(tmp_path / "r.json", rate=10)


def test_ultralytics_itself_gives_what_is_read(tmp_path: Path) -> None:
    results = pytest.importorskip("ultralytics.engine.results", reason="needs ultralytics")
    points = np.random.default_rng(0).uniform(1, 99, (2, 17, 3)).astype(np.float32)
    points[..., 2] = 0.5
    boxes = np.array([[0, 0, 99, 99, 4, 0.5, 0], [5, 5, 50, 50, 9, 0.25, 0]], np.float32)
    image = np.zeros((100, 200, 3), np.uint8)
    one = results.Results(image, "a.jpg", {0: "person"}, boxes=boxes, keypoints=points)
    (tmp_path / "r.json").write_text(json.dumps([one.summary()]))
    made = posetrack.load(tmp_path / "r.json", rate=10)
    assert made.ids.tolist() == [4, 9]
    np.testing.assert_allclose(made.xy[0], points[..., :2], atol=1e-4)
    one.save_txt(str(tmp_path / "labels" / "a_1.txt"), save_conf=True)
    again = posetrack.load(tmp_path / "labels", rate=10, image_size=(200, 100))
    assert again.ids.tolist() == [4, 9]
    np.testing.assert_allclose(again.xy[0], points[..., :2], atol=1e-2)


# -- YOLO's label folders ----------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two images of 200 x 100 with one person each, as Ultralytics lays a data set out."""
    pytest.importorskip("yaml", reason="needs PyYAML")
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (tmp_path / "d" / kind / split).mkdir(parents=True)
    text = "path: .\ntrain: images/train\nkpt_shape: [3, 3]\nflip_idx: [0, 2, 1]\n"
    (tmp_path / "d" / "data.yaml").write_text(text + "names:\n  0: person\n  1: dog\n")
    for n in (2, 11):
        Image.new("RGB", (200, 100)).save(tmp_path / "d/images/train" / f"f{n:04d}.png")
        lines = "0 0.5 0.5 0.2 0.4 0.5 0.5 2 0.25 0.75 1 0 0 0\n1 0.5 0.5 0.1 0.1" + " 0" * 9
        (tmp_path / "d/labels/train" / f"f{n:04d}.txt").write_text(lines + "\n")
    return tmp_path / "d"


def test_labels_are_read_with_their_images_sizes(dataset: Path) -> None:
    with pytest.warns(UserWarning, match="left out: 2 of another class"):
        made = posetrack.load(dataset, rate=10, untracked=True)
    assert made.frame.tolist() == [2, 11]
    assert made.boxes[0, 0].tolist() == [80, 30, 120, 70]
    assert made.xy[0, 0, :2].tolist() == [[100, 50], [50, 75]]
    assert np.isnan(made.xy[0, 0, 2]).all()
    assert made.skeleton.mirrored == (("keypoint_1", "keypoint_2"),)


def test_names_of_keypoints_are_those_of_the_data_set(dataset: Path) -> None:
    with (dataset / "data.yaml").open("a") as file:
        file.write("kpt_names:\n  0: [nose, left_eye, right_eye]\n")
    labels = read_yolo_labels(dataset / "labels" / "train")
    assert labels.skeleton is not None
    assert labels.skeleton.keypoints == ("nose", "left_eye", "right_eye")


def test_yaml_of_another_program_above_the_labels_is_passed_over(dataset: Path) -> None:
    (dataset / "labels" / "stack.yaml").write_text("queue: !GetAtt jobs.arn\n")
    labels = read_yolo_labels(dataset / "labels" / "train")
    assert labels.skeleton is not None
    assert len(labels.skeleton) == 3


def test_without_images_a_size_is_needed(dataset: Path) -> None:
    for file in (dataset / "images" / "train").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"f0002\.txt: places are fractions of an image"):
        read_yolo_labels(dataset)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2 x", "not numbers"),
        ("0 0.5", "not a class, a box"),
        ("0 0.5 0.5 0.2 0.4 0.5 0.5 2 0.2", "9 numbers, others have 14"),
        ("0 0.5 0.5 -0.2 0.4" + " 0.5" * 9, "negative"),
        ("0 500 0.5 0.2 0.4" + " 0.5" * 9, "not fractions"),
        ("0 nan 0.5 0.2 0.4" + " 0.5" * 9, "not a class"),
    ],
)
def test_a_broken_line_is_named(dataset: Path, line: str, message: str) -> None:
    with (dataset / "labels/train/f0002.txt").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(ValueError, match=rf"f0002\.txt, line 3: .*{message}"):
        posetrack.load(dataset, rate=10, untracked=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kpt_shape: [3, 4]", "kpt_shape must be"),
        ("kpt_shape: [3, 3]\nflip_idx: [0, 0, 1]", "flip_idx must name"),
        ("kpt_shape: x", "expected a list"),
        ("kpt_shape: [99, 3]", "lines of 14 numbers do not fit kpt_shape"),
        ("kpt_shape: !!python/object/apply:os.system ['touch ran']", "not a YAML file"),
    ],
)
def test_a_data_yaml_that_is_wrong_is_named(dataset: Path, text: str, message: str) -> None:
    (dataset / "data.yaml").write_text(text + "\n")
    if "python" in text:
        with pytest.raises(ValueError, match=rf"data\.yaml: {message}"):
            posetrack.load(dataset, rate=10)
        return
    with pytest.raises(ValueError, match=message):
        posetrack.load(dataset, rate=10)


def test_what_track_wrote_of_a_video_counts_frames_from_one(tmp_path: Path) -> None:
    for n, identity in ((1, " 7"), (2, " 7"), (10, "")):
        line = "0 0.5 0.5 0.5 0.5" + " 0.5 0.25 0.9" * 17 + " 0.875" + identity
        (tmp_path / f"walk_{n}.txt").write_text(line + "\n")
    made = posetrack.load(tmp_path, rate=10, image_size=(200, 100), untracked="keep")
    assert made.frame.tolist() == [0, 1, 9]
    assert made.ids.tolist() == [-1, 7]
    assert made.box_scores[0, 1] == 0.875
    assert made.xy[0, 1, 0].tolist() == [100, 25]
    assert made.scores[0, 1, 0] == np.float32(0.9)


@pytest.mark.parametrize(("more", "score", "identity"), [(" 0.5", 0.5, None), (" 7", 0.9, 7)])
def test_a_single_number_behind_is_a_score_or_an_id(
    tmp_path: Path, more: str, score: float, identity: int | None
) -> None:
    line = "0 0.5 0.5 0.5 0.5" + " 0.5 0.25 0.9" * 17
    (tmp_path / "a_1.txt").write_text(line + more + "\n")
    made = posetrack.load(tmp_path, rate=10, image_size=(200, 100), untracked=identity is None)
    assert made.ids.tolist() == [identity or 1]
    np.testing.assert_allclose(made.box_scores, score, rtol=1e-6)


# -- OpenPifPaf --------------------------------------------------------------------------------


def annotation(identity: int | None = 2, keypoints: int = 17) -> dict[str, Any]:
    points = [value for k in range(keypoints) for value in (k + 1.0, k + 2.0, 0.5)]
    points[3:6] = [0, 0, 0]
    made = {"keypoints": points, "bbox": [1, 2, 30, 40], "score": 0.8, "category_id": 1}
    return made | ({} if identity is None else {"id_": identity})


def test_openpifpaf_writes_a_line_a_frame_from_one(tmp_path: Path) -> None:
    frames = [{"frame": n, "predictions": [annotation()] if n != 2 else []} for n in (1, 2, 3)]
    path = tmp_path / "v.openpifpaf.json"
    path.write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    made = posetrack.load(path, rate=10)
    assert made.frame.tolist() == [0, 1, 2]
    assert made.ids.tolist() == [2]
    assert made.boxes[0, 0].tolist() == [1, 2, 31, 42]
    assert np.isnan(made.xy[0, 0, 1]).all()
    path.write_text(json.dumps(frames[0]) + "\n")
    assert len(posetrack.load(path, rate=10)) == 1
    path.write_text(json.dumps(frames[0]) + "\n" + '{"frame": 2, "predictions": 3}\n')
    with pytest.raises(ValueError, match=r"json, line 2: .*expected a list"):
        posetrack.load(path, rate=10)


def test_openpifpaf_writes_a_file_an_image(tmp_path: Path) -> None:
    for n in (3, 4):
        text = json.dumps([annotation(None, 133)])
        (tmp_path / f"{n:03d}.jpg.predictions.json").write_text(text)
    made = posetrack.load(tmp_path, rate=10, untracked=True)
    assert made.frame.tolist() == [3, 4]
    assert made.skeleton == COCO_WHOLEBODY_133
    one = posetrack.load(tmp_path / "003.jpg.predictions.json", rate=10, untracked=True)
    assert one.frame.tolist() == [0]


# -- Zips --------------------------------------------------------------------------------------


def test_a_zip_is_read_as_the_folder_that_it_is(dataset: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as file:
        for path in sorted(dataset.rglob("*")):
            file.write(path, path.relative_to(dataset))
    with pytest.warns(UserWarning, match="another class"):
        made = posetrack.load(tmp_path / "d.zip", rate=10, untracked=True)
    assert made.frame.tolist() == [2, 11]
    with pytest.raises(ValueError, match=r"d\.zip: the file has no times"), pytest.warns():
        posetrack.load(tmp_path / "d.zip", untracked=True)


@pytest.mark.parametrize("name", ["../a.json", "/tmp/a.json", "C:\\a.json", "..\\a.json"])
def test_a_zip_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as file:
        file.writestr(name, "[]")
    with pytest.raises(ValueError, match=r"d\.zip: .*leads out of the folder"):
        posetrack.load(tmp_path / "d.zip", rate=10)


def test_of_a_zip_with_several_parts_one_is_named_by_the_path_that_the_message_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as file:
        for part, x in (("train", 1), ("valid", 5)):
            document = {
                "images": [{"id": 1, "file_name": f"{part}_7.jpg", "width": 200, "height": 100}],
                "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "tail"]}],
                "annotations": [
                    {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [x, 2, 2, 3, 4, 1],
                     "num_keypoints": 2, "bbox": [0, 0, 9, 9], "area": 81, "track_id": 4}
                ],
            }  # fmt: skip
            file.writestr(f"{part}/_annotations.coco.json", json.dumps(document))
    with pytest.raises(ValueError, match="holds 2 files of labels") as raised:
        posetrack.load(tmp_path / "d.zip", rate=10)
    named = str(raised.value).rpartition("name one of them, as ")[2]
    assert named == str(tmp_path / "d.zip" / "train" / "_annotations.coco.json")
    for path, x in ((named, 1), (tmp_path / "d.zip" / "valid", 5)):
        assert posetrack.load(path, rate=10).xy[0, 0, 0, 0] == x
    assert main(["convert", named, "-o", str(tmp_path / "o"), "--to", "csv", "--rate", "10"]) == 0
    wrong = str(tmp_path / "d.zip" / "test")
    capsys.readouterr()
    assert main(["convert", wrong, "-o", str(tmp_path / "o"), "--to", "csv", "--rate", "10"]) == 1
    assert "d.zip/test: no such file" in capsys.readouterr().err


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match=r"d\.zip: .*leads out"):
        posetrack.load(tmp_path / "d.zip", rate=10)


def test_a_zip_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posetrack.formats.exports._MOST_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "d.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("result.json", bytes(100_000))
    with pytest.raises(ValueError, match=r"d\.zip: unpacks to over"):
        posetrack.load(tmp_path / "d.zip", rate=10)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        "out/walk_000000000003_keypoints.json",
        "walk_003_keypoints.json",
        "alphapose-results.json",
        "train/_annotations.coco.json",
        "deep/walk.csv",
        "walk.id_1.trc",
    ],
)
def test_what_is_alone_in_a_folder_or_zip_is_read(tmp_path: Path, name: str, packed: bool) -> None:
    points = [10, 20, 0.5] * 17
    person = {"image_id": "3.jpg", "category_id": 1, "keypoints": points, "score": 2, "idx": 1}
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.keypoints)}
    labelled = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": points, "bbox": [0, 0, 9, 9]}
    texts = {
        "_keypoints.json": json.dumps({"people": [{"pose_keypoints_2d": points}]}),
        "results.json": json.dumps([person]),
        "coco.json": json.dumps(
            {"images": [{"id": 1, "file_name": "3.jpg"}], "annotations": [labelled]}
            | {"categories": [category]}
        ),
        ".csv": "track,frame_idx,nose.x,nose.y\n,3,10,20\n",
        ".trc": "PathFileType\t4\nUnits\npx\nFrame#\tTime\tnose\n\t\tX1\tY1\tZ1\n4\t1\t10\t20\t0\n",
    }
    text = next(text for end, text in texts.items() if name.endswith(end))
    folder = tmp_path / "export"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text(text)
    (folder / "README.roboflow.txt").write_text("made by hand")
    Image.new("RGB", (4, 4)).save(folder / "3.jpg")
    path = Path(shutil.make_archive(str(folder), "zip", folder)) if packed else folder
    made = posetrack.load(path, rate=1, untracked=True)
    assert made.frame.tolist() == [3]
    assert made.xy[0, 0, 0].tolist() == [10, 20]


def test_a_torn_zip_is_refused(dataset: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as file:
        file.write(dataset / "data.yaml", "data.yaml")
    whole = (tmp_path / "d.zip").read_bytes()
    for content in (whole[: len(whole) // 2], whole.replace(b"kpt_", b"\0\0\0\0"), b""):
        (tmp_path / "d.zip").write_bytes(content)
        with pytest.raises(ValueError, match=r"d\.zip"):
            posetrack.load(tmp_path / "d.zip", rate=10)


# -- CVAT --------------------------------------------------------------------------------------

META = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><id>7</id><labels>
<label><name>person</name><type>skeleton</type><svg>&lt;line x1="1" data-type="edge"
data-node-from="2" data-node-to="1"&gt;&lt;/line&gt;&lt;circle data-type="element node"
data-node-id="1" data-label-name="nose"&gt;&lt;/circle&gt;&lt;circle data-node-id="2"
data-label-name="Left Eye"&gt;&lt;/circle&gt;</svg></label>
<label><name>nose</name><type>points</type><parent>person</parent></label>
<label><name>Left Eye</name><type>points</type><parent>person</parent></label></labels>
<original_size><width>640</width><height>480</height></original_size></task></meta>
"""


def skeleton_xml(more: str = "", eye: str = "30.5,40", outside: int = 0) -> str:
    return (
        f'<skeleton label="person" z_order="0" {more}>'
        f'<points label="Left Eye" outside="{outside}" occluded="0" points="{eye}"></points>'
        '<points label="nose" outside="0" occluded="1" points="10.00,20.25"></points></skeleton>\n'
    )


def cvat(path: Path, content: str) -> Path:
    path.write_text(META + content + "</annotations>")
    return path


def test_cvat_s_images_have_skeletons_by_name(tmp_path: Path) -> None:
    image = '<image id="{0}" name="b/frame_{0:06d}.png" width="640" height="480">{1}</image>'
    content = image.format(3, skeleton_xml() + '<box label="dog" xtl="1"></box>')
    content += image.format(4, "") + image.format(5, skeleton_xml(outside=1))
    path = cvat(tmp_path / "annotations.xml", content)
    with pytest.warns(UserWarning, match="1 without keypoints"):
        made = posetrack.load(path, rate=10, untracked=True)
    assert made.skeleton.keypoints == ("nose", "left_eye")
    assert made.skeleton.edges == (("left_eye", "nose"),)
    assert made.frame.tolist() == [3, 4, 5]
    assert made.xy[0, 0].tolist() == [[10, 20.25], [30.5, 40]]
    assert np.isnan(made.xy[2, 0, 1]).all()
    assert made.metadata["image_size"] == [640, 480]


@pytest.fixture
def cvat_video(tmp_path: Path) -> Path:
    content = ""
    for track in (0, 5):
        rows = [skeleton_xml(f'frame="{n}" keyframe="1"', f"{n},{track}") for n in (0, 2)]
        rows.append(skeleton_xml('frame="4" keyframe="1" outside="1"'))
        content += f'<track id="{track}" label="person" source="manual">{"".join(rows)}</track>'
    return cvat(tmp_path / "annotations.xml", content)


def test_cvat_s_tracks_are_identities(cvat_video: Path) -> None:
    made = posetrack.load(cvat_video, rate=10)
    assert made.ids.tolist() == [0, 5]
    assert made.frame.tolist() == [0, 2, 4]
    assert made.xy[1, 1, 1].tolist() == [2, 5]
    assert not made.present[2].any()


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_cvat_s_exports_are_read_as_they_come(cvat_video: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "task_7"
    (path / "images").mkdir(parents=True)
    cvat_video.rename(path / "annotations.xml")
    (path / "images" / "frame_000000.PNG").write_bytes(b"")
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "task_7.zip", "w") as file:
            file.write(path / "annotations.xml", "annotations.xml")
        path = tmp_path / "task_7.zip"
    assert posetrack.load(path, rate=10).ids.tolist() == [0, 5]


def test_cvat_s_coco_export_keeps_its_tracks(tmp_path: Path) -> None:
    names = ["nose", "left_eye"]
    person = {"id": 1, "image_id": 1, "category_id": 2, "keypoints": [1, 2, 2, 3, 4, 1],
              "bbox": [0, 0, 9, 9], "attributes": {"occluded": False, "track_id": 6}}  # fmt: skip
    document = {
        "images": [{"id": 1, "file_name": "frame_000008.PNG", "width": 64, "height": 48}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "person", "keypoints": names}],
    }
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as file:
        file.writestr("annotations/person_keypoints_default.json", json.dumps(document))
    made = posetrack.load(tmp_path / "t.zip", rate=10)
    assert made.ids.tolist() == [6]
    assert made.frame.tolist() == [8]
    assert made.skeleton.keypoints == ("nose", "left_eye")


def test_cvat_s_points_by_themselves_are_a_person_or_in_a_group(tmp_path: Path) -> None:
    many = '<points label="person" points="' + ";".join(f"{n},{n}" for n in range(17)) + '"/>'
    image = '<image id="0" name="0.png" width="9" height="9">{}</image>'
    path = cvat(tmp_path / "annotations.xml", image.format(many + many))
    made = posetrack.load(path, rate=10, untracked=True)
    assert made.skeleton == COCO_17
    assert made.ids.tolist() == [1, 2]
    points = [f'<points label="{name}" points="{n},1" group_id="{n // 2}"/>'
              for n, name in enumerate(["nose", "tail", "tail", "nose"])]  # fmt: skip
    path = cvat(tmp_path / "annotations.xml", image.format("".join(points)))
    made = posetrack.load(path, rate=10, untracked=True)
    assert made.skeleton.keypoints == ("nose", "tail")
    assert made.xy[0, :, :, 0].tolist() == [[0, 1], [3, 2]]


def test_cvat_s_usual_names_are_numbers_and_points_of_others_are_left_out(tmp_path: Path) -> None:
    """As in the example of CVAT's documentation."""
    wheels = '<points label="wheel" points="574.90,939.48;1170.16,907.90" occluded="0"></points>'
    points = [f'<points label="{n}" outside="0" points="{n}.5,9"/>' for n in (1, 2, 3)]
    skeleton = f'<skeleton label="s1">{"".join(points)}</skeleton>'
    labels = "".join(f"<label><name>{n}</name><parent>s1</parent></label>" for n in (1, 2, 3))
    (tmp_path / "annotations.xml").write_text(
        f"<annotations><meta><labels>{labels}</labels></meta><image id='0' name='f000.jpg' "
        f"width='1600' height='1200'>{wheels}{skeleton}</image></annotations>"
    )
    with pytest.warns(UserWarning, match="1 of another skeleton"):
        made = posetrack.load(tmp_path, rate=10, untracked=True)
    assert made.skeleton.keypoints == ("1", "2", "3")
    assert made.xy[0, 0, :, 0].tolist() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('<track id="x"></track>', "line 10: 'id' is no number"),
        (f'<track id="1">{skeleton_xml()}</track>', "'frame' is no number"),
        (f'<image id="0" name="a.png">{skeleton_xml(eye="1")}</image>', "expected x,y of points"),
        (f'<image id="0" name="a.png">{skeleton_xml(eye="nan,1")}</image>', "expected x,y"),
        (f'<image id="0" name="a.png">{skeleton_xml(eye="1,1;2,2")}</image>', "has 2 places"),
        ("<image>", "not whole XML"),
        ("<a>" * 200, "deep"),
    ],
)
def test_what_is_wrong_in_cvat_s_xml_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = cvat(tmp_path / "annotations.xml", content)
    with pytest.raises(ValueError, match=rf"annotations\.xml.*{message}"):
        posetrack.load(path, rate=10, untracked=True)


def test_xml_that_declares_entities_is_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotations>&b;</annotations>'
    (tmp_path / "annotations.xml").write_text(bomb)
    with pytest.raises(ValueError, match=r"annotations\.xml: declares types or entities"):
        posetrack.load(tmp_path / "annotations.xml", rate=10)


# -- Label Studio ------------------------------------------------------------------------------


def shape(kind: str, label: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": 0.5, f"{kind}labels": [label]} | more.pop("value", {})
    made = {"type": f"{kind}labels", "value": value, "original_width": 200, "original_height": 100}
    return made | more


def task(results: list[dict[str, Any]], name: str = "0a1b2c3d-frame_0007.jpg") -> dict[str, Any]:
    return {
        "id": 3,
        "data": {"image": f"/data/upload/1/{name}"},
        "annotations": [{"was_cancelled": True}, {"result": results}],
    }


RECTANGLE = {"width": 50, "height": 50}


def test_label_studio_s_keypoints_go_to_their_rectangles(tmp_path: Path) -> None:
    results = [
        shape("rectangle", "person", 0, 0, id="r1", value=RECTANGLE),
        shape("rectangle", "person", 50, 50, id="r2", value=RECTANGLE),
        shape("keypoint", "nose", 75, 75, id="k1", parentID="r1"),
        shape("keypoint", "Left Eye", 10, 20, id="k2"),
        shape("keypoint", "nose", 5, 5, id="k3"),
        {"type": "relation", "from_id": "k3", "to_id": "r2", "direction": "right"},
    ]
    (tmp_path / "project-1.json").write_text(json.dumps([task(results)]))
    for path in (tmp_path / "project-1.json", tmp_path):
        made = posetrack.load(path, rate=10, untracked=True)
        assert made.frame.tolist() == [7]
        assert made.skeleton.keypoints == ("nose", "left_eye")
        assert made.xy[0, 0].tolist() == [[150, 75], [20, 20]]
        assert made.xy[0, 1, 0].tolist() == [10, 5]
        assert made.boxes[0, 1].tolist() == [100, 50, 200, 100]


def test_label_studio_s_keypoints_of_nobody_are_by_themselves(tmp_path: Path) -> None:
    """As projects of DeepLabCut with body parts of nobody come out of it."""
    results = [
        shape("rectangle", "pup1", 0, 0, id="r1", value=RECTANGLE),
        shape("keypoint", "snout", 10, 10),
        shape("keypoint", "nest", 90, 90),
        shape("keypoint", "moth", 80, 90),
    ]
    (tmp_path / "a.json").write_text(json.dumps([task(results)]))
    made = posetrack.load(tmp_path / "a.json", rate=10, untracked=True)
    assert made.skeleton.keypoints == ("snout", "nest", "moth")
    seen = np.isfinite(made.xy[0, :, :, 0])
    assert seen.tolist() == [[True, False, False], [False, True, True]]


def test_of_label_studio_s_annotators_one_counts(tmp_path: Path) -> None:
    def of(x: float, **more: Any) -> dict[str, Any]:
        return {"result": [shape("keypoint", "nose", x, 10)]} | more

    data = {"text": "seen from 1.5 m", "picture": r"D:\shots\f_0004.PNG"}
    rows = [
        {"data": data, "annotations": [of(1), of(2)], "predictions": [of(9)]},
        {
            "data": {"image": "s3://bucket/f_0005.png?X=1"},
            "annotations": [of(3), of(4, ground_truth=True)],
        },
        {"data": {"image": "/data/local-files/?d=f%5Cf_0006.png"}, "annotations": [of(5)]},
        {"data": {"image": "f_0007.png"}, "annotations": [], "predictions": [of(9)]},
        {"data": {"image": "f_0008.png"}, "annotations": []},
        {
            "data": {"video": "f.mp4"},
            "annotations": [{"result": [{"type": "videorectangle", "value": {}}]}],
        },
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows[:5]))
    left_out = (
        "2 annotations of images that have several, 1 images with predictions alone, 1 images"
    )
    with pytest.warns(UserWarning, match=f"left out: {left_out} not annotated"):
        made = posetrack.load(tmp_path / "a.json", rate=10, untracked=True)
    assert made.frame.tolist() == [4, 5, 6]
    assert made.xy[:, 0, 0, 0].tolist() == [2, 8, 10]
    (tmp_path / "a.json").write_text(json.dumps(rows[3:]))
    with pytest.raises(
        ValueError, match=r"no keypoints in it, but 1 images with pred.*labels of videos"
    ):
        posetrack.load(tmp_path / "a.json", rate=10)


def test_label_studio_s_short_form_is_read(tmp_path: Path) -> None:
    size = {"original_width": 200, "original_height": 100}
    points = [{"x": 10, "y": 10, "width": 1, "keypointlabels": [name]} | size for name in "ab"]
    row = {"image": "/data/local-files/?d=a/f3.png", "id": 1, "kp": points,
           "annotator": 1, "annotation_id": 2, "lead_time": 3.0}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps([row]))
    made = posetrack.load(tmp_path / "a.json", rate=10, untracked=True)
    assert made.frame.tolist() == [3]
    assert made.xy[0, 0].tolist() == [[20, 10], [20, 10]]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([shape("keypoint", "nose", 1, 1), shape("keypoint", "nose", 2, 2)], "'nose' twice"),
        (
            [
                shape("keypoint", "nose", 90, 90),
                shape("keypoint", "nose", 10, 10),
                shape("rectangle", "p", 0, 0, id="r", value=RECTANGLE),
            ],
            "'nose' in no rectangle",
        ),
        ([shape("keypoint", "nose", 1, 1, original_width=None)], "without original_width"),
        ([shape("keypoint", "nose", "x", 1)], "x: expected a number"),
        ([], "no keypoints in it"),
    ],
)
def test_what_is_wrong_in_label_studio_s_file_is_named(
    tmp_path: Path, results: list[dict[str, Any]], message: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps([task(results)]))
    with pytest.raises(ValueError, match=rf"a\.json.*{message}"):
        posetrack.load(tmp_path / "a.json", rate=10, untracked=True)
