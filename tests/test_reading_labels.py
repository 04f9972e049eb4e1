"""People to train on, from labels of other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from posetrack.skeletons import COCO_17, COCO_WHOLEBODY_133
from posetrack.training import read_coco, read_labels


def picture(path: Path, size: tuple[int, int] = (200, 100)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)
    return path


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    pytest.importorskip("yaml", reason="needs PyYAML")
    for split in ("train", "val"):
        picture(tmp_path / "images" / split / "a_1.png")
        (tmp_path / "labels" / split).mkdir(parents=True)
        line = "0 0.5 0.5 0.4 0.4 0.5 0.5 2 0.25 0.75 1 0 0 0\n"
        (tmp_path / "labels" / split / "a_1.txt").write_text(line)
    text = "kpt_shape: [3, 3]\nnames: [person]\nkpt_names:\n  0: [nose, Left Eye, right-eye]\n"
    (tmp_path / "data.yaml").write_text(text)
    return tmp_path


def test_a_part_of_a_yolo_data_set_is_read_with_its_names(yolo: Path) -> None:
    people = read_labels("yolo", yolo / "labels" / "train")
    assert people.skeleton.keypoints == ("nose", "left_eye", "right_eye")
    assert people.images == (yolo / "images" / "train" / "a_1.png",)
    assert people.xy[0, :2].tolist() == [[100, 50], [50, 75]]
    assert np.isnan(people.xy[0, 2]).all()
    assert people.boxes is not None
    assert people.boxes[0].tolist() == [60, 30, 139, 69]
    with pytest.raises(ValueError, match="holds the parts train, val: name the labels of one"):
        read_labels("yolo", yolo)


def test_broken_lines_are_counted_and_skipped(yolo: Path) -> None:
    with (yolo / "labels/train/a_1.txt").open("a") as file:
        file.write("0 x\n0 0.5\n")
    with pytest.raises(ValueError, match=r"a_1\.txt, line 2"):
        read_labels("yolo", yolo / "labels" / "train")
    people = read_labels("yolo", yolo / "labels" / "train", broken="skip")
    assert (len(people), len(people.problems)) == (1, 2)


@pytest.fixture
def deeplabcut(tmp_path: Path) -> Path:
    for video, x in (("walk", 10), ("run", 20)):
        folder = tmp_path / "labeled-data" / video
        picture(folder / "img007.png")
        head = "scorer,,,me,me,me,me\nbodyparts,,,Nose,Nose,tail,tail\ncoords,,,x,y,x,y\n"
        row = f"labeled-data,{video},img007.png,{x},30,60.5,70\n"
        (folder / "CollectedData_me.csv").write_text(head + row)
    return tmp_path


def test_all_videos_of_a_deeplabcut_project_are_read(deeplabcut: Path) -> None:
    people = read_labels("deeplabcut", deeplabcut)
    assert people.skeleton.keypoints == ("nose", "tail")
    assert [image.parent.name for image in people.images] == ["run", "walk"]
    assert people.xy[:, 0, 0].tolist() == [20, 10]
    one = read_labels("deeplabcut", deeplabcut / "labeled-data/walk/CollectedData_me.csv")
    assert len(one) == 1


def test_an_image_that_is_missing_is_named(deeplabcut: Path) -> None:
    (deeplabcut / "labeled-data/walk/img007.png").unlink()
    with pytest.raises(ValueError, match=r"an image file that is missing .*img007\.png"):
        read_labels("deeplabcut", deeplabcut)
    assert len(read_labels("deeplabcut", deeplabcut, broken="skip")) == 1


CVAT = """<annotations><image id="0" name="b/f1.png" width="200" height="100">
<skeleton label="p"><points label="nose" outside="0" points="10,20"/>
<points label="tail" outside="0" points="50,60"/></skeleton></image></annotations>"""


def test_cvat_s_images_lie_in_a_folder_beside(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "b" / "f1.png")
    (tmp_path / "annotations.xml").write_text(CVAT)
    people = read_labels("cvat", tmp_path)
    assert people.xy[0].tolist() == [[10, 20], [50, 60]]
    picture(tmp_path / "images" / "b" / "f1.png", (100, 50))
    with pytest.raises(ValueError, match="whose size is not that of its file"):
        read_labels("cvat", tmp_path)


def test_frames_of_a_cvat_video_are_found_by_number(tmp_path: Path) -> None:
    track = CVAT.replace(
        '<image id="0" name="b/f1.png" width="200" height="100">', "<track id='1'>"
    )
    track = track.replace("<skeleton", '<skeleton frame="7"').replace("</image>", "</track>")
    (tmp_path / "annotations.xml").write_text(track)
    picture(tmp_path / "frames" / "walk_0007.png")
    people = read_labels("cvat", tmp_path / "annotations.xml", tmp_path / "frames")
    assert people.images[0].name == "walk_0007.png"
    with pytest.raises(ValueError, match="ffmpeg -i VIDEO"):
        read_labels("cvat", tmp_path / "annotations.xml")


@pytest.mark.parametrize("name", ["../f1.png", "/etc/f1.png"])
def test_a_name_that_leads_out_is_not_followed(tmp_path: Path, name: str) -> None:
    picture(tmp_path / "f1.png")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "annotations.xml").write_text(CVAT.replace("b/f1.png", name))
    with pytest.raises(ValueError, match=r"leads out of the folder|missing"):
        read_labels("cvat", tmp_path / "a")


def test_label_studio_s_images_are_found_by_their_names(tmp_path: Path) -> None:
    def point(label: str, x: float) -> dict[str, Any]:
        value = {"x": x, "y": 50, "width": 1, "keypointlabels": [label]}
        size = {"original_width": 200, "original_height": 100}
        return {"type": "keypointlabels", "value": value, **size}

    task = {"data": {"image": "/data/upload/1/0a1b2c3d-f1.png"},
            "annotations": [{"result": [point("nose", 5), point("tail", 50)]}]}  # fmt: skip
    (tmp_path / "project-1.json").write_text(json.dumps([task]))
    picture(tmp_path / "images" / "f1.png")
    people = read_labels("label-studio", tmp_path)
    assert people.xy[0].tolist() == [[10, 50], [100, 50]]


def test_sleap_s_labels_are_read_with_frames_as_images(tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io", reason="needs sleap-io")
    skeleton = sleap_io.Skeleton(["nose", "tail"])
    video = sleap_io.Video("clips/x.mp4", open_backend=False)
    by_hand = sleap_io.Instance.from_numpy(np.array([[5.0, 6], [70, 80]]), skeleton)
    frame = sleap_io.LabeledFrame(video=video, frame_idx=12, instances=[by_hand])
    sleap_io.save_slp(sleap_io.Labels([frame]), str(tmp_path / "p.slp"))
    picture(tmp_path / "frames" / "000012.png")
    people = read_labels("sleap", tmp_path / "p.slp", tmp_path / "frames")
    assert people.skeleton.keypoints == ("nose", "tail")
    assert people.xy[0].tolist() == [[5, 6], [70, 80]]


def test_a_zip_is_to_be_unpacked_first(tmp_path: Path) -> None:
    (tmp_path / "t.zip").write_bytes(b"")
    with pytest.raises(ValueError, match=r"t\.zip: .* unpack it into a folder"):
        read_labels("cvat", tmp_path / "t.zip")


def test_coco_wholebody_is_learnt_from_whole(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    parts = {"foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
    row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 90, 90]}
    row |= {"keypoints": [5, 6, 2] * 17} | {key: [7, 8, 1.0] * n for key, n in parts.items()}
    document = {"images": [{"id": 1, "file_name": "1.png"}], "annotations": [row],
                "categories": [{"id": 1, "keypoints": list(COCO_17.keypoints)}]}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(document))
    people = read_coco(tmp_path / "a.json", tmp_path)
    assert people.skeleton == COCO_WHOLEBODY_133
    assert people.xy[0, [0, 132]].tolist() == [[5, 6], [7, 8]]
