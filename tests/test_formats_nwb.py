"""NWB with ndx-pose: what other programs wrote, and what they find in ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import posetrack
from posetrack import COCO_17, Skeleton, Trajectories
from posetrack.formats.nwb import write_nwb


def estimation(group: Any, name: str, points: dict[str, np.ndarray]) -> Any:
    """A ``PoseEstimation`` as pynwb lays it out; a series a keypoint, the times in the first."""
    made = group.create_group(name)
    made.attrs["neurodata_type"] = "PoseEstimation"
    for number, (keypoint, xy) in enumerate(points.items()):
        series = made.create_group(keypoint)
        series.attrs["neurodata_type"] = "PoseEstimationSeries"
        series.create_dataset("data", data=xy.astype(np.float32))
        series.create_dataset("confidence", data=np.full(len(xy), 0.5, np.float32))
        if number:
            first = f"{made.name}/{next(iter(points))}/timestamps"
            series["timestamps"] = made.file[first]
        else:
            series.create_dataset("timestamps", data=np.arange(len(xy)) / 10)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Any:
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    with h5py.File(tmp_path / "a.nwb", "w") as made:
        made.attrs["nwb_version"] = "2.8.0"
        skeleton = made.create_group("processing/behavior/Skeletons/mouse")
        skeleton.attrs["neurodata_type"] = "Skeleton"
        skeleton.create_dataset("nodes", data=[b"tail", b"snout"])
        skeleton.create_dataset("edges", data=np.array([[0, 1]], np.uint8))
        yield made


def points(start: float) -> dict[str, np.ndarray]:
    walk = np.arange(start, start + 8).reshape(4, 2)
    return {"snout": walk, "tail": walk + 100}


def test_each_estimation_is_a_person_and_the_skeleton_tells_the_order(
    file: Any, tmp_path: Path
) -> None:
    for name in ("track=4", "track=7"):
        made = estimation(file["processing/behavior"], name, points(float(name[-1])))
        made["mouse"] = file["processing/behavior/Skeletons/mouse"]
    file.close()
    found = posetrack.load(tmp_path / "a.nwb")
    assert found.skeleton.keypoints == ("tail", "snout")
    assert found.skeleton.edges == (("tail", "snout"),)
    assert found.ids.tolist() == [4, 7]
    assert found.seconds.tolist() == [0, 0.1, 0.2, 0.3]
    assert found.frame.tolist() == [0, 1, 2, 3]
    assert found.xy[0, 1].tolist() == [[107, 108], [7, 8]]
    assert (found.scores == 0.5).all()


def test_a_single_person_is_the_subject(file: Any, tmp_path: Path) -> None:
    estimation(file["processing/behavior"], "PoseEstimation", points(0))
    file.create_dataset("general/subject/subject_id", data="Ada")
    file.close()
    assert posetrack.load(tmp_path / "a.nwb").metadata["individuals"] == {"1": "Ada"}


def test_times_may_be_a_start_and_a_rate(file: Any, tmp_path: Path) -> None:
    made = estimation(file["processing/behavior"], "PoseEstimation", {"snout": np.ones((3, 2))})
    del made["snout/timestamps"]
    start = made["snout"].create_dataset("starting_time", data=2.0)
    start.attrs["rate"] = 4.0
    file.close()
    found = posetrack.load(tmp_path / "a.nwb")
    assert found.seconds.tolist() == [2.0, 2.25, 2.5]
    assert found.frame.tolist() == [8, 9, 10]


def test_places_in_space_are_refused_and_flat_ones_are_read(file: Any, tmp_path: Path) -> None:
    walk = np.ones((3, 3)) * [1, 2, 0]
    made = estimation(file["processing/behavior"], "PoseEstimation", {"snout": walk})
    file.flush()
    assert posetrack.load(tmp_path / "a.nwb").xy[0, 0, 0].tolist() == [1, 2]
    made["snout/data"][1, 2] = 5
    file.close()
    with pytest.raises(ValueError, match=r"a\.nwb, /processing/.*snout: places in space"):
        posetrack.load(tmp_path / "a.nwb")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda made: made.clear(), "without PoseEstimationSeries"),
        (lambda made: made.attrs.update(neurodata_type="Other"), "no PoseEstimation of ndx-pose"),
        (lambda made: made["snout"].pop("timestamps"), "no times"),
        (lambda made: made["snout/timestamps"].write_direct(np.full(4, np.nan)), "not finite"),
    ],
)
def test_what_is_missing_is_named(file: Any, tmp_path: Path, spoil: Any, message: str) -> None:
    spoil(estimation(file["processing/behavior"], "PoseEstimation", {"snout": np.ones((4, 2))}))
    file.close()
    with pytest.raises(ValueError, match=rf"a\.nwb.*{message}"):
        posetrack.load(tmp_path / "a.nwb")


def walk() -> Trajectories:
    rng = np.random.default_rng(3)
    xy = rng.uniform(0, 900, (6, 2, 17, 2))
    xy[:, :, 3] = np.nan
    xy[4, 1] = np.nan
    frame = np.array([2, 3, 4, 6, 7, 9])
    return Trajectories(frame, frame / 25, [4, 7], xy, rng.uniform(0.1, 1, xy.shape[:3]), COCO_17)


def test_movement_finds_the_same_in_ours(tmp_path: Path) -> None:
    pytest.importorskip("movement", reason="needs movement")
    from movement.io import load_poses

    made = walk()
    write_nwb(tmp_path / "two.nwb", made.to_table())
    write_nwb(tmp_path / "one.nwb", made.person(7).to_table())
    two = load_poses.from_nwb_file(tmp_path / "two.nwb", pose_estimation_key="id_7")
    one = load_poses.from_nwb_file(tmp_path / "one.nwb")
    for data in (two, one):
        keypoint = "keypoint" if "keypoint" in data.dims else "keypoints"
        place = data["position"].sel({keypoint: "left_knee"}).squeeze()
        np.testing.assert_array_equal(place, made.xy[:, 1, COCO_17.index("left_knee")])
    individual = "individual" if "individual" in one.coords else "individuals"
    assert one.coords[individual].values.tolist() == ["id_7"]


def test_a_name_that_would_be_a_folder_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("ndx_pose", reason="needs ndx-pose")
    hand = Skeleton("hand", ("left/thumb",), (), (), (0.1,))
    made = Trajectories([0], [0.0], [1], np.ones((1, 1, 1, 2)), np.ones((1, 1, 1)), hand)
    with pytest.raises(ValueError, match="left/thumb"):
        write_nwb(tmp_path / "w.nwb", made.to_table())
    assert list(tmp_path.iterdir()) == []
