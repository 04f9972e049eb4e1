"""PoseTrack18 JSON: what the official evaluation reads is there, in its form."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracks_made import frames

from posetrack.formats import PoseTrack18Writer
from posetrack.formats.posetrack18 import ID_LIMIT, SmallIds, first_image_id, sequence_name
from posetrack.skeletons import COCO_17, POSETRACK_15, POSETRACK_17, Skeleton
from posetrack.structures import Poses, Tracks


def people(*ids: int, skeleton: Skeleton = COCO_17, scale: float = 1.0) -> Tracks:
    xy = np.random.default_rng(0).uniform(1, 400, (len(ids), len(skeleton), 2)) * scale
    scores = np.full(xy.shape[:2], 0.8)
    return Tracks(Poses.from_keypoints(xy, scores, skeleton), ids)


def written(path: Path, *made: Tracks, skeleton: Skeleton = COCO_17, **more: Any) -> Any:
    with PoseTrack18Writer(path, skeleton, **more) as file:
        for index, tracks in enumerate(made):
            file.write(index, index / 25, tracks)
    return json.loads(path.read_text())


def test_the_file_has_the_layout_of_the_dataset(tmp_path: Path, shared: Path) -> None:
    real = next((shared / "data/posetrack18/annotations/val").glob("*.json"))
    official = json.loads(real.read_text())
    ours = written(tmp_path / real.name, people(1, 2), image_size=(1920, 1080))
    assert ours["categories"][0]["keypoints"] == official["categories"][0]["keypoints"]
    assert ours["categories"][0]["id"] == official["categories"][0]["id"]
    first, theirs = ours["images"][0], official["images"][0]
    for key in ("id", "frame_id", "vid_id", "is_labeled", "width", "height"):
        assert first[key] == theirs[key], key
    assert Path(first["file_name"]).parts[-2:] == Path(theirs["file_name"]).parts[-2:]
    # What the evaluation needs of a person is there, of the same type.
    for key in ("image_id", "category_id", "track_id", "keypoints", "bbox", "scores", "id"):
        assert type(ours["annotations"][0][key]) is type(official["annotations"][0][key]), key


def test_annotated_people_come_through_unchanged(tmp_path: Path, shared: Path) -> None:
    merged = shared / "data/posetrack18/annotations/test_posetrack18_val.json"
    for number, theirs in enumerate(json.loads(merged.read_text())["annotations"]):
        points = np.array(theirs["keypoints"]).reshape(1, 17, 3)
        xy = np.where(points[..., 2:] > 0, points[..., :2], np.nan)
        tracks = Tracks(Poses.from_keypoints(xy, None, POSETRACK_17), [theirs["track_id"]])
        ours = written(tmp_path / f"{number}.json", tracks, skeleton=POSETRACK_17)
        person = ours["annotations"][0]
        np.testing.assert_allclose(person["keypoints"], theirs["keypoints"], atol=0.0051)
        assert person["track_id"] == theirs["track_id"]
        assert person["num_keypoints"] == theirs["num_keypoints"]


@given(made=frames(POSETRACK_15))
@settings(max_examples=25)
def test_every_frame_is_an_image_and_every_person_an_annotation(made: Any) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "000001_bonn_x.json"
        with PoseTrack18Writer(path, POSETRACK_15) as file:
            for frame in made:
                file.write(*frame)
        found = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert [image["id"] - 20000010000 for image in found["images"]] == [f[0] for f in made]
    assert {image["nframes"] for image in found["images"]} <= {len(made)}
    persons = iter(found["annotations"])
    for index, _, tracks in made:
        xy, scores = POSETRACK_15.map_to(POSETRACK_17, tracks.xy, tracks.scores)
        for row in range(len(tracks)):
            person = next(persons)
            assert person["image_id"] == 20000010000 + index
            assert person["track_id"] < ID_LIMIT
            points = np.array(person["keypoints"]).reshape(17, 3)
            seen = np.isfinite(xy[row]).all(axis=-1)
            np.testing.assert_array_equal(points[:, 2] == 1, seen)
            np.testing.assert_allclose(points[seen, :2], xy[row][seen], atol=0.0051, rtol=1e-6)
            assert not points[~seen].any()
            np.testing.assert_allclose(person["scores"], scores[row], atol=1e-6)
    assert next(persons, None) is None
    ids = [person["id"] for person in found["annotations"]]
    assert len(set(ids)) == len(ids)


def test_heads_of_coco_networks_are_placed_unless_told_not_to(tmp_path: Path) -> None:
    tracks = people(1)
    top = 3 * POSETRACK_17.index("head_top") + 2
    bottom = 3 * POSETRACK_17.index("head_bottom") + 2
    placed = written(tmp_path / "a.json", tracks)["annotations"][0]
    assert placed["keypoints"][top] == placed["keypoints"][bottom] == 1
    bare = written(tmp_path / "b.json", tracks, approximate_head=False)["annotations"][0]
    assert bare["keypoints"][top] == bare["keypoints"][bottom] == 0
    assert bare["scores"][1] == 0
    assert bare["num_keypoints"] == 15


def test_scores_are_not_cut_where_all_coordinates_are_whole_numbers(tmp_path: Path) -> None:
    tracks = Tracks(Poses.from_keypoints(np.full((1, 17, 2), 7.0), None, POSETRACK_17), [1])
    person = written(tmp_path / "a.json", tracks, skeleton=POSETRACK_17)["annotations"][0]
    assert np.array(person["keypoints"]).dtype.kind == "f"


def test_keypoints_below_the_least_score_are_not_predicted(tmp_path: Path) -> None:
    person = written(tmp_path / "a.json", people(1), min_score=0.9)["annotations"][0]
    assert not any(person["keypoints"])
    assert not any(person["scores"])
    person = written(tmp_path / "b.json", people(1), min_score=0.5)["annotations"][0]
    assert person["num_keypoints"] == 17


def test_large_ids_get_small_ones_and_small_ones_stay(tmp_path: Path) -> None:
    made = [people(5, 123456), people(9999, 5), people(123456, 9999)]
    persons = written(tmp_path / "a.json", *made)["annotations"]
    assert [person["track_id"] for person in persons] == [5, 9999, 9998, 5, 9999, 9998]
    assert [person.get("original_track_id") for person in persons] == [
        *(None, 123456, 9999),
        *(None, 123456, 9999),
    ]


@given(st.lists(st.integers(-2, 14), max_size=40))
def test_small_ids_are_one_to_one_while_there_is_room(given_ids: list[int]) -> None:
    small = SmallIds(limit=20)
    pairs = {(track_id, small(track_id)) for track_id in given_ids}
    assert len({own for own, _ in pairs}) == len(pairs) == len({new for _, new in pairs})
    assert all(0 <= new < 20 for _, new in pairs)


def test_longer_videos_than_the_evaluation_takes_are_written_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with PoseTrack18Writer(path, COCO_17, first_number=9998) as file:
        file.write(1, 0.0, people(1))
        with pytest.warns(UserWarning, match="below 10000"):
            file.write(2, 0.1, people(1))
        file.write(3, 0.2, people(1))  # said once
    assert len(json.loads(path.read_text())["images"]) == 3


@pytest.mark.parametrize(
    ("name", "sequence"),
    [
        ("003418_mpii_test", "003418_mpii_test"),
        ("000001_mpiinew", "000001_mpiinew"),
        ("lab", "000000_mpii_lab"),
        ("00_other", "000000_mpii_00-other"),
        ("Über / x", "000000_mpii_-ber-x"),
    ],
)
def test_sequences_are_named_as_the_dataset_names_them(name: str, sequence: str) -> None:
    assert sequence_name(name) == sequence
    assert first_image_id(sequence) >= 10**10


def test_a_sequence_of_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="003418_mpii_test"):
        PoseTrack18Writer(tmp_path / "a.json", COCO_17, sequence="match")


def test_provenance_is_kept_where_the_evaluation_does_not_look(tmp_path: Path) -> None:
    found = written(tmp_path / "a.json", people(1), provenance={"source": "x"}, rate=25.0)
    assert found["info"]["provenance"] == {"source": "x"}
    assert found["info"]["tracked_skeleton"]["name"] == "coco_17"
