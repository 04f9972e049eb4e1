"""OpenPose's JSON: there and back, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack import BODY_25, COCO_17, COCO_18, Skeleton, Trajectories
from posetrack.formats.hints import Hints
from posetrack.formats.openpose import read_openpose, write_openpose


def people(skeleton: Skeleton, seed: int, count: int = 3) -> Trajectories:
    rng = np.random.default_rng(seed)
    xy = rng.uniform(1, 900, (5, count, len(skeleton), 2)).round(3)
    xy[rng.random(xy.shape[:3]) < 0.2] = np.nan
    xy[3] = np.nan
    scores = rng.uniform(0.1, 1, xy.shape[:3]).round(6)
    ids = rng.permutation(np.arange(1, 99))[:count]
    return Trajectories(np.arange(5), np.arange(5) / 10, np.sort(ids), xy, scores, skeleton)


@pytest.mark.parametrize("skeleton", [BODY_25, COCO_18])
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 3))
@settings(max_examples=15)
def test_keypoints_and_ids_come_back(skeleton: Skeleton, seed: int, count: int) -> None:
    made = people(skeleton, seed, count)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "walk.openpose"
        write_openpose(path, made.to_table(), skeleton)
        found = Trajectories.from_table(read_openpose(path, Hints(rate=10)))
    assert found.ids.tolist() == made.ids.tolist()
    assert found.frame.tolist() == made.frame.tolist()
    if count:
        np.testing.assert_allclose(found.xy, made.xy, atol=0.0006)
        np.testing.assert_allclose(found.scores, made.scores, atol=1e-6)
    np.testing.assert_allclose(found.seconds, made.seconds, atol=1e-9)


def test_files_are_named_and_filled_as_openpose_does(tmp_path: Path) -> None:
    write_openpose(tmp_path / "walk.openpose", people(COCO_17, 0).to_table())
    files = sorted(file.name for file in (tmp_path / "walk.openpose").iterdir())
    assert files[0] == "walk_000000000000_keypoints.json"
    assert len(files) == 5
    person = json.loads((tmp_path / "walk.openpose" / files[0]).read_text())["people"][0]
    assert len(person["pose_keypoints_2d"]) == 75
    assert person["face_keypoints_2d"] == []
    heel = BODY_25.index("left_heel")
    assert person["pose_keypoints_2d"][3 * heel : 3 * heel + 3] == [0, 0, 0]


def test_a_folder_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    with pytest.raises(FileExistsError, match="move it away"):
        write_openpose(tmp_path / "w", people(BODY_25, 0).to_table())
    assert list((tmp_path / "w").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object, got "),
        ('{"people": [{"person_id": [-2], "pose_keypoints_2d": []}]}', "not an identity"),
        (
            '{"people": [{"person_id": [1], "pose_keypoints_2d": [1, 2, 3]}]}',
            "1 keypoints; 15, 16, 17",
        ),
        ('{"people": [{"person_id": [1], "pose_keypoints_2d": "x"}]}', "walk_7_keypoints"),
    ],
)
def test_what_is_broken_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "walk_7_keypoints.json").write_text(text)
    with pytest.raises(ValueError, match=message) as refused:
        read_openpose(tmp_path, Hints(rate=25))
    assert "walk_7_keypoints.json" in str(refused.value)


def test_a_folder_without_such_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no files called"):
        read_openpose(tmp_path, Hints(rate=25))


def test_poses_without_identity_are_read_when_asked_for(tmp_path: Path) -> None:
    person = {"person_id": [-1], "pose_keypoints_2d": [5, 6, 0.5] * 25}
    (tmp_path / "walk_7_keypoints.json").write_text(json.dumps({"people": [person, person]}))
    with pytest.raises(ValueError, match=r"frame 7.*no identity"):
        read_openpose(tmp_path, Hints(rate=25))
    table = read_openpose(tmp_path, Hints(rate=25, untracked=True))
    assert table.ids.tolist() == [1, 2]
    assert table.frame.tolist() == [7, 7]
