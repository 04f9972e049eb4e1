"""Files that other programs wrote: what is read of them, and what is refused by name and place."""

from __future__ import annotations

import json
import pickle
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import posetrack
from posetrack import BODY_25, COCO_17, COCO_18, HALPE_26, MPII_16, Skeleton, Trajectories
from posetrack.cli.convert import writer_of
from posetrack.formats.hints import Hints
from posetrack.formats.reading import read_any, read_images
from posetrack.formats.registry import FORMATS
from posetrack.skeletons import (
    BODY_135,
    COCO_WHOLEBODY_133,
    HALPE_136,
    KNOWN_SKELETONS,
    OPENPOSE_137,
    OPENPOSE_MPI_15,
    POSETRACK_15,
    POSETRACK_17,
)


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def flat(skeleton: Skeleton, score: float = 0.5) -> list[float]:
    return [value for k in range(len(skeleton)) for value in (k + 1.0, 10.0 * (k + 1), score)]


# -- MMPose ------------------------------------------------------------------------------------


def instance(**more: Any) -> dict[str, Any]:
    points = [[k + 1.0, 10.0 * (k + 1)] for k in range(17)]
    return {"keypoints": points, "keypoint_scores": [0.5] * 17, **more}


def test_mmpose_demos_count_frames_from_one_and_name_keypoints(tmp_path: Path) -> None:
    names = {str(k): name for k, name in enumerate(COCO_17.keypoints)}
    frames = [
        {"frame_id": 1, "instances": []},
        {"frame_id": 2, "instances": [instance(track_id=4, bbox=[[0, 0, 9, 9]], bbox_score=0.9)]},
    ]
    document = {"meta_info": {"keypoint_id2name": names}, "instance_info": frames}
    made = posetrack.load(written(tmp_path / "r.json", document), rate=10)
    assert made.skeleton == COCO_17
    assert made.frame.tolist() == [0, 1]
    assert made.seconds.tolist() == [0, 0.1]
    assert made.ids.tolist() == [4]
    assert made.boxes[1, 0].tolist() == [0, 0, 9, 9]
    assert made.box_scores[1, 0] == np.float32(0.9)


def test_mmpose_inferencer_counts_frames_from_zero_and_has_no_identities(tmp_path: Path) -> None:
    document = [{"frame_id": 0, "instances": [instance(bbox=([0, 0, 9, 9],)), instance()]}]
    path = written(tmp_path / "r.json", document)
    with pytest.raises(ValueError, match=r"r\.json: person 0 \(frame 0\) has no identity"):
        posetrack.load(path, rate=10)
    made = posetrack.load(path, rate=10, untracked=True)
    assert made.ids.tolist() == [1, 2]
    assert made.frame.tolist() == [0]


# -- AlphaPose ---------------------------------------------------------------------------------


@pytest.mark.parametrize("skeleton", [COCO_17, MPII_16, HALPE_26])
def test_alphapose_names_frames_by_their_images(tmp_path: Path, skeleton: Skeleton) -> None:
    entry = {"category_id": 1, "score": 2.9, "box": [1, 2, 30, 40], "keypoints": flat(skeleton)}
    entries = [{**entry, "image_id": f"{n}.jpg", "idx": [[7.0]]} for n in (0, 2)]
    made = posetrack.load(written(tmp_path / "alphapose-results.json", entries), rate=10)
    assert made.skeleton == skeleton
    assert made.frame.tolist() == [0, 2]
    assert made.ids.tolist() == [7]
    assert made.boxes[0, 0].tolist() == [1, 2, 31, 42]
    assert made.xy[0, 0, 2].tolist() == [3, 30]


def test_alphapose_counts_images_whose_names_have_no_numbers(tmp_path: Path) -> None:
    """And numbers boxes of images, several times the same, where it does not track."""
    path = tmp_path / "alphapose-results.json"
    person = {"category_id": 1, "keypoints": [1.0, 2.0, 0.5] * 17, "score": 2.5}
    images = ["shots/b 12_.png", "shots/a.png", "shots/a.png"]
    rows = [person | {"image_id": name, "idx": [[0.0], [0.0]]} for name in images]
    path.write_text(json.dumps(rows))
    with pytest.raises(ValueError, match="id 0 occurs twice in frame 1"):
        posetrack.load(path, rate=25)
    made = posetrack.load(path, rate=25, untracked=True)
    assert made.frame.tolist() == [0, 1]
    assert made.ids.tolist() == [1, 2]
    names = ["frames/a.png", "frames/b 12_.png"]
    assert posetrack.load(path, rate=25, untracked=True, images=names).present.tolist() == [
        [True, True],
        [True, False],
    ]


def test_alphapose_s_forms_of_openpose_are_tables_by_image(tmp_path: Path) -> None:
    people = [{"joints": flat(COCO_17), "idx": 4}], [{"pose_keypoints_2d": flat(COCO_18)}]
    forms = {"version": "AlphaPose v0.3", "bodies": people[0]}, {"people": people[1]}
    for form, skeleton in zip(forms, (COCO_17, COCO_18), strict=True):
        path = written(tmp_path / "a.json", {"5.jpg": form, "6.jpg": form})
        made = posetrack.load(path, rate=10, untracked="keep")
        assert made.frame.tolist() == [5, 6]
        assert made.skeleton == skeleton


# -- whole bodies ------------------------------------------------------------------------------


def test_coco_wholebody_has_its_parts_beside_the_body(tmp_path: Path) -> None:
    parts = {"foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
    entry = {"image_id": 3, "keypoints": flat(COCO_17), "track_id": 1}
    entry |= {name: [50.0 + n, 7.0, 0.5] * n for name, n in parts.items()}
    entries = [entry, {"image_id": 4, "keypoints": flat(COCO_17), "track_id": 1}]
    made = posetrack.load(written(tmp_path / "r.json", entries), rate=10)
    assert made.skeleton == COCO_WHOLEBODY_133
    assert made.xy[0, 0, [0, 17, 23, 91, 112], 0].tolist() == [1, 56, 118, 71, 71]
    assert np.isnan(made.xy[1, 0, 17:]).all()
    truth = {"images": [{"id": 3, "file_name": "3.jpg"}], "annotations": [entry],
             "categories": [{"id": 1, "keypoints": list(COCO_17.keypoints)}]}  # fmt: skip
    made = posetrack.load(written(tmp_path / "a.json", truth), rate=10)
    assert made.skeleton == COCO_WHOLEBODY_133


@pytest.mark.parametrize("skeleton", [HALPE_26, COCO_WHOLEBODY_133, HALPE_136])
def test_whole_bodies_of_each_tool_are_known_by_their_count(
    tmp_path: Path, skeleton: Skeleton
) -> None:
    values = flat(skeleton)
    points = np.reshape(values, (-1, 3))
    person = {"keypoints": points[:, :2].tolist(), "keypoint_scores": points[:, 2].tolist()}
    for document in (
        [{"image_id": "0.jpg", "idx": 3, "keypoints": values}],
        [{"image_id": 0, "track_id": 3, "keypoints": values}],
        [{"frame_id": 0, "instances": [person | {"track_id": 3}]}],
        [person | {"track_id": 3}],
    ):
        made = posetrack.load(written(tmp_path / "a.json", document), rate=10)
        assert made.skeleton == skeleton
        assert made.ids.tolist() == [3]
        assert made.xy[0, 0, -1].tolist() == [len(skeleton), 10 * len(skeleton)]


def openpose_person(**parts: int) -> dict[str, Any]:
    person = {"person_id": [5], "pose_keypoints_2d": flat(BODY_25)}
    return person | {f"{name}_keypoints_2d": [9.0, 8.0, 0.5] * n for name, n in parts.items()}


def test_openpose_s_face_and_hands_are_read_with_the_body(tmp_path: Path) -> None:
    whole = openpose_person(face=70, hand_left=21, hand_right=21)
    written(tmp_path / "a_0_keypoints.json", {"people": [openpose_person()]})
    written(tmp_path / "a_1_keypoints.json", {"people": [whole]})
    written(tmp_path / "a_2_keypoints.json", {"people": [whole | {"pose_keypoints_2d": []}]})
    made = posetrack.load(tmp_path, rate=10)
    assert made.skeleton == OPENPOSE_137
    assert np.isfinite(made.xy[:, 0, :, 0]).sum(axis=1).tolist() == [25, 137, 112]
    with pytest.warns(UserWarning, match="1 without body keypoints"):
        body = posetrack.load(tmp_path, rate=10, skeleton=BODY_25)
    assert body.skeleton == BODY_25
    assert body.frame.tolist() == [0, 1, 2]


def test_openpose_s_whole_body_model_is_read_by_its_number_of_keypoints(tmp_path: Path) -> None:
    person = openpose_person() | {"pose_keypoints_2d": flat(BODY_135)}
    written(tmp_path / "a_1_keypoints.json", {"people": [person]})
    made = posetrack.load(tmp_path, rate=10)
    assert made.skeleton == BODY_135
    by_name = dict(zip(made.skeleton.keypoints, range(1, 136), strict=True))
    # 17 as COCO's, then neck and head, feet, 20 of each hand from the thumb on, and the face.
    # fmt: off
    places = {"right_ankle": 17, "head_top": 19, "left_heel": 22, "left_thumb1": 26,
              "left_pinky_finger4": 45, "right_thumb1": 46, "face-0": 66, "face-69": 135}
    # fmt: on
    assert places.items() <= by_name.items()
    assert made.xy[0, 0, by_name["right_thumb1"] - 1, 0] == flat(BODY_135)[3 * 45]
    assert ("left_wrist", "left_thumb1") in made.skeleton.edges


@pytest.mark.parametrize(
    ("parts", "count"), [({"hand_left": 21}, 67), ({"face": 68}, 93), ({"hand_right": 0}, 25)]
)
def test_openpose_may_have_hands_or_a_face_alone(
    tmp_path: Path, parts: dict[str, int], count: int
) -> None:
    written(tmp_path / "a_1_keypoints.json", {"people": [openpose_person(**parts)]})
    assert len(posetrack.load(tmp_path, rate=10).skeleton) == count


def test_a_note_beside_openpose_s_files_changes_nothing(tmp_path: Path) -> None:
    written(tmp_path / "a_1_keypoints.json", {"people": [openpose_person()]})
    (tmp_path / "readme.md").write_text("from the left camera")
    (tmp_path / "notes.txt").write_text("from the left camera")
    (tmp_path / "settings.yaml").write_text("model: BODY_25")
    assert posetrack.load(tmp_path, rate=10).frame.tolist() == [1]


def test_openpose_s_hands_of_an_odd_count_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "a_1_keypoints.json", {"people": [openpose_person(hand_left=20)]})
    with pytest.raises(ValueError, match="hands of 20 and 0 keypoints"):
        posetrack.load(tmp_path, rate=10)


def test_whole_bodies_are_written_for_openpose_and_read_again(tmp_path: Path) -> None:
    xy = np.random.default_rng(0).uniform(1, 99, (2, 1, 137, 2)).round(3)
    made = Trajectories([0, 1], [0, 0.1], [4], xy, np.full((2, 1, 137), 0.5), OPENPOSE_137)
    writer_of("openpose", Namespace(skeleton=None, metres_per_pixel=None))(tmp_path / "w", made)
    found = posetrack.load(tmp_path / "w", rate=10)
    assert found.skeleton == OPENPOSE_137
    np.testing.assert_allclose(found.xy, made.xy, atol=0.001)


# -- COCO results ------------------------------------------------------------------------------


def test_results_of_others_go_by_their_images(tmp_path: Path) -> None:
    entries = [
        {"image_id": image, "category_id": 1, "keypoints": flat(COCO_17), "track_id": 2}
        for image in (900, 700)
    ]
    path = written(tmp_path / "results.json", entries)
    images = written(tmp_path / "truth.json", {"images": [{"id": 700}, {"id": 800}, {"id": 900}]})
    made = posetrack.load(path, rate=10, images=read_images(images))
    assert made.frame.tolist() == [0, 2]
    assert posetrack.load(path, rate=10).frame.tolist() == [700, 900]
    with pytest.raises(ValueError, match="entry 0: image 900 is not among"):
        posetrack.load(path, rate=10, images=[700])


def test_names_of_images_are_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("b.jpg\na.jpg\n\n")
    assert read_images(tmp_path / "names.txt") == ["b.jpg", "a.jpg"]
    (tmp_path / "twice.txt").write_text("a.jpg\na.jpg\n")
    with pytest.raises(ValueError, match="twice"):
        read_images(tmp_path / "twice.txt")


# -- PoseTrack ---------------------------------------------------------------------------------


def posetrack18(**more: Any) -> dict[str, Any]:
    images = [{"id": n, "file_name": f"images/val/000001_mpii/{n:06d}.jpg"} for n in (3, 5)]
    person = {"image_id": 5, "track_id": 0, "keypoints": [9, 8, 1, *[0] * 48], "bbox": [1, 2, 3, 4]}
    category = {"name": "person", "id": 1, "keypoints": list(POSETRACK_17.keypoints)}
    return {"images": images, "annotations": [person | more], "categories": [category]}


def test_annotations_of_2018_have_frames_by_name_and_marks_for_what_is_seen(tmp_path: Path) -> None:
    made = posetrack.load(written(tmp_path / "a.json", posetrack18()), rate=10)
    assert made.skeleton == POSETRACK_17
    assert made.frame.tolist() == [3, 5]
    assert made.xy[1, 0, 0].tolist() == [9, 8]
    assert np.isnan(made.xy[1, 0, 1:]).all()
    assert made.boxes[1, 0].tolist() == [1, 2, 4, 6]


def test_annotations_of_2017_are_lists_of_one(tmp_path: Path) -> None:
    point = {"id": [0], "x": [5.5], "y": [6], "is_visible": [1]}
    person = {"track_id": [2], "annopoints": [{"point": [point]}], "x1": [1]}
    images = [
        {"image": [{"name": "val/00001_mpii/00000001.jpg"}], "annorect": [person]},
        {"image": [{"name": "val/00001_mpii/00000002.jpg"}], "annorect": []},
    ]
    made = posetrack.load(written(tmp_path / "a.json", {"annolist": images}), rate=10)
    assert made.skeleton == POSETRACK_15
    assert made.frame.tolist() == [1, 2]
    assert made.xy[0, 0, 0].tolist() == [5.5, 6]


# -- DeepLabCut, SLEAP, movement ---------------------------------------------------------------


def test_a_single_animal_has_three_header_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("scorer,net,net,net\nbodyparts,paw,paw,paw\ncoords,x,y,likelihood\n0,1,2,0.5\n")
    made = posetrack.load(path, rate=10)
    assert made.skeleton.keypoints == ("paw",)
    assert made.ids.tolist() == [1]
    assert made.xy.ravel().tolist() == [1, 2]
    assert made.metadata["individuals"] == {"1": "individual"}


@pytest.mark.parametrize(
    "saved",
    [
        ",scorer,net,net.1,net.2\n0,bodyparts,paw,paw,paw\n1,coords,x,y,likelihood\n2,3,1,2,0.5\n",
        "Unnamed: 0,scorer,net,net.1,net.2\n0,bodyparts,paw,paw,paw\n1,coords,x,y,likelihood\n"
        "2,3,1,2,0.5\n",
        "bodyparts,paw,paw,paw\ncoords,x,y,likelihood\n3,1.0,2.0,0.5\n",
        ",bodyparts,paw,paw,paw\n,coords,x,y,likelihood\n0,3,1.0,2.0,0.5\n",
        "scorer,net,net.1,net.2\nbodyparts,paw,paw,paw\ncoords,x,y,likelihood\n3.0,1,2,0.5\n",
        "scorer,net,net,net\nbodyparts,paw,paw,paw\ncoords,x,y,likelihood\nframe,,,\n3,1,2,0.5\n",
    ],
)
def test_tables_that_pandas_saved_again_are_what_they_were(tmp_path: Path, saved: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(saved)
    made = posetrack.load(path, rate=10)
    assert made.skeleton.keypoints == ("paw",)
    assert made.frame.tolist() == [3]
    assert made.xy.ravel().tolist() == [1, 2]
    assert made.scores.ravel().tolist() == [0.5]


def test_a_first_line_that_is_no_tables_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{'x' * 200_000},y\n1,2\n")
    with pytest.raises(ValueError, match=r"a\.csv: the first line"):
        posetrack.load(path, rate=10)


@pytest.mark.parametrize(
    "header", ["scorer,net\ncoords,x\n0,1\n", "bodyparts,paw\n0,1\n", "scorer,net\n0,1\n"]
)
def test_header_rows_that_are_missing_are_named(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(header)
    with pytest.raises(ValueError, match=r"a\.csv: expected DeepLabCut's header rows scorer"):
        posetrack.load(path, rate=10)


def test_names_of_individuals_stay_beside_the_ids(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [["scorer", *["net"] * 4], ["individuals", "Ada", "Ada", "Ben", "Ben"]]
    rows += [["bodyparts", *["paw"] * 4], ["coords", "x", "y", "x", "y"], ["2", "1", "2", "", ""]]
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    made = posetrack.load(path, rate=10)
    assert made.metadata["individuals"] == {"1": "Ada", "2": "Ben"}
    assert made.ids.tolist() == [1]
    posetrack.trajectories.save(made, tmp_path / "b.parquet")
    assert posetrack.load(tmp_path / "b.parquet").metadata["individuals"]["1"] == "Ada"


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    kind = np.dtype([("index", "i8"), ("values_block_0", "f8", (3,))])
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["non_index_axes"] = np.bytes_(pickle.dumps([(1, [Evil()])], protocol=0))
        group.create_dataset("table", data=np.zeros(2, kind))
    with pytest.raises(ValueError, match=r"a\.h5: names of columns cannot be read: .* not a plain"):
        posetrack.load(tmp_path / "a.h5", rate=10)
    assert not ran.exists()


def sleap(path: Path, shape: tuple[int, ...], order: list[str] | None = None) -> Path:
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    with h5py.File(path, "w") as file:
        values = np.arange(np.prod(shape), dtype=float).reshape(shape)
        file.create_dataset("tracks", data=values)
        if order:
            file["tracks"].attrs["dims"] = json.dumps(order)
        file.create_dataset("node_names", data=np.array([b"paw", b"tail", b"nose"]))
        file.create_dataset("track_names", data=np.array([b"track_0", b"track_1"]))
    return path


def test_sleap_s_axes_may_be_in_any_order(tmp_path: Path) -> None:
    usual = posetrack.load(sleap(tmp_path / "a.h5", (2, 2, 3, 4)), rate=10)
    assert usual.ids.tolist() == [0, 1]
    assert usual.xy.shape == (4, 2, 3, 2)
    assert usual.xy[1, 0, 0].tolist() == [1, 13]
    order = ["frame", "track", "node", "xy"]
    other = posetrack.load(sleap(tmp_path / "b.h5", (4, 2, 3, 2), order), rate=10)
    assert other.xy[1, 0, 0].tolist() == [12, 13]


def test_a_small_file_that_claims_a_huge_shape_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    for name, shape in (("a", (10**6, 2, 10**4, 10**4)), ("b", (2, 2, 17, 10**6))):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset("tracks", shape, "f8", chunks=(1, 2, 17, 100))
        with pytest.raises(ValueError, match=rf"{name}\.h5: 'tracks' claims"):
            posetrack.load(tmp_path / f"{name}.h5", rate=10)


def test_data_that_lies_in_another_file_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    (tmp_path / "raw").write_bytes(bytes(8 * 12))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("tracks", (1, 2, 3, 2), "f8", external=[(str(tmp_path / "raw"), 0, 96)])
    with pytest.raises(ValueError, match=r"a\.h5: 'tracks' lies in other files"):
        posetrack.load(tmp_path / "a.h5", rate=10)


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{", "not JSON"),
        ("a.json", "[" * 5000, "not JSON"),
        ("a.json", '{"a": ' * 5000 + "NaN", "not JSON"),
        ("a.json", "3", "list of objects"),
        ("a.json", '{"people": []}', "JSON with people"),
        ("a.json", '[{"image_id": 1}]', "COCO keypoint results"),
        ("a.json", '[{"image_id": 1, "keypoints": [1, 2]}]', "entry 0: 'keypoints' holds 2"),
        (
            "a.json",
            '[{"image_id": 1, "keypoints": ["1", 2, 3]}]',
            r"\[0\]: expected a number",
        ),
        ("a.json", '[{"image_id": -1, "keypoints": [1, 2, 3]}]', "entry 0: image_id -1"),
        ("a.json", '{"annolist": [{"annorect": 3}]}', r"annolist\[0\]\.annorect: expected a list"),
        ("a.json", '{"instance_info": [{"frame_id": 0, "instances": []}]}', "counts from 1"),
        ("a.json", '{"images": [{"id": 1}, {"id": 1}], "annotations": []}', "one id"),
        ("a.json", '{"images": [], "annotations": [{"image_id": 4}]}', "annotation 0: image 4"),
        ("a.txt", "1,2,3\n", "line 1"),
        ("a.txt", "1,1,0,0,5,5,1\n1,1,0,0,5,5,1\n", "id 1 occurs twice in frame 0"),
        ("a.txt", "1,1,0,0,-5,5,1\n", "line 1: a box"),
        ("a.txt", "1,-1,0,0,5,5,1\n", "no identity"),
        ("a.txt", "1e30,1,0,0,5,5,1\n", "line 1"),
        ("a.csv", "scorer,n\nindividuals,a\nbodyparts,p\n", "coords"),
        ("a.csv", "scorer,n\nbodyparts,p\ncoords,x\nzero,1\n", "neither a frame's number nor"),
        ("a.csv", "scorer,n,n\nbodyparts,p,p\ncoords,x,x\n0,1,2\n", "or twice"),
        ("a.h5", "no HDF5", "not a whole HDF5 file"),
        ("a.nc", "", "not a whole HDF5 file"),
        ("a.xyz", "", "expected a folder"),
    ],
)
def test_what_is_broken_is_refused_by_name_and_place(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    if name.endswith((".h5", ".nc")):
        pytest.importorskip("h5py", reason="needs h5py")
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message) as refused:
        posetrack.load(tmp_path / name, rate=10)
    assert str(refused.value).startswith(str(tmp_path / name))


def test_a_file_that_tells_no_times_needs_a_rate(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1,1,0,0,5,5,1\n")
    with pytest.raises(ValueError, match=r"a\.txt: the file has no times; give rate="):
        posetrack.load(tmp_path / "a.txt")
    for rate in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="positive"):
            posetrack.load(tmp_path / "a.txt", rate=rate)


def test_the_file_s_own_times_win_over_a_rate(tmp_path: Path) -> None:
    entry = {"image_id": 0, "track_id": 1, "keypoints": flat(COCO_17), "frame": 4, "seconds": 0.5}
    path = written(tmp_path / "a.json", [entry])
    assert posetrack.load(path, rate=10).seconds.tolist() == [0.5]


def test_a_skeleton_that_does_not_fit_is_told_with_what_to_give(tmp_path: Path) -> None:
    entries = [{"image_id": 0, "track_id": 1, "keypoints": flat(BODY_25)}]
    path = written(tmp_path / "a.json", entries)
    with pytest.raises(ValueError, match="25 keypoints, coco_17 has 17; give skeleton="):
        posetrack.load(path, rate=10)
    assert posetrack.load(path, rate=10, skeleton=BODY_25).skeleton == BODY_25


NO_FILES = ("openpose", "nwb", "yolo", "yolo-tracks", "dlc-labels", "slp", "trc", "c3d")
"""Folders, and what needs more than the other formats do."""


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small file of each format that is a file and both read and written, by its name."""
    for library in ("h5py", "h5netcdf", "xarray", "tables"):
        pytest.importorskip(library, reason=f"needs {library}")
    rng = np.random.default_rng(0)
    xy = rng.uniform(1, 99, (3, 2, 17, 2))
    made = Trajectories([0, 1, 2], [0, 0.1, 0.2], [1, 2], xy, np.ones((3, 2, 17)), COCO_17)
    folder = tmp_path_factory.mktemp("whole")
    files = {}
    for name, known in FORMATS.items():
        if known.reads and known.writes and name not in NO_FILES:
            path = folder / f"w{known.ending}"
            writer_of(name, Namespace(skeleton=None, metres_per_pixel=None))(path, made)
            files[path.name] = path.read_bytes()
    return files


FILES = [f"w{known.ending}" for name, known in FORMATS.items()
         if known.reads and known.writes and name not in NO_FILES]  # fmt: skip
PLACES = st.floats(0, 1, exclude_max=True)


@given(
    name=st.sampled_from(FILES),
    end=PLACES | st.none(),
    changes=st.lists(st.tuples(PLACES, st.sampled_from(b'0-9.,:{}[]"eE\n\0nN\xff ')), max_size=4),
)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_torn_and_altered_files_are_read_or_refused_and_nothing_else(
    whole: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    end: float | None,
    changes: list[tuple[float, int]],
) -> None:
    content = bytearray(whole[name])
    if not name.endswith((".h5", ".nc", ".parquet")):  # altered, this is their libraries' matter
        for place, value in changes:
            content[int(place * len(content))] = value
    if end is not None:
        content = content[: int(end * len(content))]
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(bytes(content))
    assert name in refusal(path)


def refusal(path: Path) -> str:
    """Why a file is refused; its name if it is not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of people left out: no refusal
            read_any(path, Hints(rate=10))
    except ValueError as error:
        return str(error)
    return path.name


CASES = {
    "mot_nine_columns.txt": (3, 2),
    "bom/results.json": (3, 1),
    "openpose_halpe26": (3, 1),
    "dlc_float_index.csv": (3, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_files_that_users_have_are_read(shared: Path, name: str) -> None:
    made = posetrack.load(shared / "cases" / name, rate=25, untracked=True)
    assert (len(made), len(made.ids)) == CASES[name]


OPENPOSE_KEYS = [
    {"people": [{"pose_keypoints_2d": flat(COCO_17)}]},
    {"people": [{"pose_keypoints": flat(BODY_25)}]},
    {"version": 0.1, "bodies": [{"joints": flat(HALPE_26)}]},
    {"people": [{"pose_keypoints_2d": flat(OPENPOSE_MPI_15)}]},
    {"people": [{"pose_keypoints_2d": flat(COCO_WHOLEBODY_133)}]},
    {"people": [{"pose_keypoints_2d": flat(HALPE_136)}]},
]


@pytest.mark.parametrize("document", OPENPOSE_KEYS)
@pytest.mark.parametrize("name", ["000003_keypoints.json", "cam 1_3_pose.json", "walk-3.json"])
def test_openpose_s_older_keys_and_other_names_are_read(
    tmp_path: Path, document: dict[str, Any], name: str
) -> None:
    written(tmp_path / name, document)
    made = posetrack.load(tmp_path, rate=25, untracked=True)
    assert made.frame.tolist() == [3]
    (person,) = next(value for value in document.values() if isinstance(value, list))
    assert made.skeleton in KNOWN_SKELETONS.values()
    assert 3 * len(made.skeleton) == len(*person.values())
    assert made.xy[0, 0, -1].tolist() == [len(made.skeleton), 10 * len(made.skeleton)]


FOURTEEN = Skeleton("fourteen", COCO_17.keypoints[:14], (), (), (0.1,) * 14)


def test_openpose_with_keypoints_of_an_unknown_count_needs_the_skeleton(tmp_path: Path) -> None:
    written(tmp_path / "a_0.json", {"people": [{"pose_keypoints_2d": flat(FOURTEEN)}]})
    with pytest.raises(ValueError, match=r"a_0\.json: person 0: 14 keypoints; .*skeleton="):
        posetrack.load(tmp_path, rate=25, untracked=True)
    made = posetrack.load(tmp_path, rate=25, untracked=True, skeleton=FOURTEEN)
    assert made.skeleton == FOURTEEN


DLC = {
    "an index with a name": (
        "scorer,m,m,m\nbodyparts,n,n,n\ncoords,x,y,likelihood\nframe,,,\n", "7"),
    "labelled data": ("scorer,m,m\nbodyparts,n,n\ncoords,x,y\n", "labeled-data/a/img0007.png"),
    "labelled data in three columns": (
        "scorer,,,m,m\nbodyparts,,,n,n\ncoords,,,x,y\n", "labeled-data,a,img0007.png"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DLC)
def test_deeplabcut_s_index_is_read_however_it_is_written(tmp_path: Path, kind: str) -> None:
    header, index = DLC[kind]
    likelihood = ",0.5" if "likelihood" in header else ""
    path = tmp_path / "CollectedData_me.csv"
    path.write_text(f"{header}{index},3,4{likelihood}\n")
    made = posetrack.load(path, rate=25)
    assert made.frame.tolist() == [7]
    assert made.xy[0, 0, 0].tolist() == [3, 4]


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["w.dlc.csv", "w.csv", "w.json", "w.coco.json", "w.mot.txt"])
def test_a_byte_order_mark_and_line_ends_of_windows_are_read_away(
    whole: dict[str, bytes], tmp_path: Path, name: str, end: str, mark: str
) -> None:
    text = whole[name].decode().replace("\n", end)
    (tmp_path / name).write_bytes((mark + text).encode())
    made = posetrack.load(tmp_path / name, rate=10, skeleton=COCO_17)
    assert (len(made), len(made.ids)) == (3, 2)


def test_what_is_left_out_is_counted_and_all_left_out_is_no_success(tmp_path: Path) -> None:
    one = {"image_id": 0, "track_id": 1, "keypoints": flat(COCO_17)}
    path = written(tmp_path / "a.json", [one, {**one, "category_id": 2}])
    with pytest.warns(UserWarning, match=r"a\.json: left out: 1 of another category"):
        assert posetrack.load(path, rate=10).ids.tolist() == [1]
    written(path, [{**one, "category_id": 2.0}])
    with pytest.raises(ValueError, match=r"a\.json: everybody in it is left out: 1 of another"):
        posetrack.load(path, rate=10)
