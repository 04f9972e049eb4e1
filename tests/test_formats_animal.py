"""DeepLabCut, SLEAP and movement: their own readers find the same numbers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import posetrack
from posetrack import COCO_17, Trajectories
from posetrack.formats.dlc import write_dlc, write_dlc_h5, write_dlc_labels
from posetrack.formats.movement import write_movement
from posetrack.formats.sleap import write_sleap


def walk() -> Trajectories:
    rng = np.random.default_rng(3)
    xy = rng.uniform(0, 900, (6, 2, 17, 2))
    xy[:, :, 3] = np.nan
    xy[4, 1] = np.nan
    frame = np.array([2, 3, 4, 5, 6, 7])
    scores = rng.uniform(0.1, 1, xy.shape[:3])
    return Trajectories(frame, frame / 25, [4, 7], xy, scores, COCO_17, metadata={"rate": 25.0})


def assert_same(xy: np.ndarray, scores: np.ndarray, made: Trajectories, first: int) -> None:
    """(T, 2, K, N) and (T, K, N) as those of ``made``, ``first`` rows before it empty."""
    assert not np.isfinite(xy[:first]).any()
    found = xy[first:].transpose(0, 3, 2, 1).astype(np.float32)
    np.testing.assert_array_equal(found, made.xy)
    seen = np.isfinite(made.xy[..., 0])
    wanted = np.where(seen, made.scores, np.nan)
    np.testing.assert_array_equal(scores[first:].transpose(0, 2, 1).astype(np.float32), wanted)


def test_dlc_has_four_header_rows_and_a_row_a_frame(tmp_path: Path) -> None:
    made = walk()
    write_dlc(tmp_path / "w.csv", made.to_table())
    rows = list(csv.reader((tmp_path / "w.csv").read_text().splitlines()))
    assert [row[0] for row in rows[:4]] == ["scorer", "individuals", "bodyparts", "coords"]
    assert [row[1] for row in rows[:4]] == ["posetrack", "id_4", "nose", "x"]
    assert [row[0] for row in rows[4:]] == [str(number) for number in range(8)]


def test_pandas_opens_dlc_as_deeplabcut_does(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    made = walk()
    write_dlc(tmp_path / "w.csv", made.to_table())
    read = pandas.read_csv(tmp_path / "w.csv", header=[0, 1, 2, 3], index_col=0)
    values = read.to_numpy(np.float32).reshape(8, 2, 17, 3).transpose(0, 3, 2, 1)
    assert_same(values[:, :2], values[:, 2], made, first=2)
    knee = read["posetrack"]["id_7"]["left_knee"]["x"].loc[3]
    assert np.float32(knee) == made.xy[1, 1, COCO_17.index("left_knee"), 0]


def test_pandas_opens_dlc_hdf5_as_deeplabcut_does(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("tables", reason="needs PyTables")
    made = walk()
    write_dlc_h5(tmp_path / "w.h5", made.to_table())
    read = pandas.read_hdf(tmp_path / "w.h5", "df_with_missing")
    assert list(read.columns.names) == ["scorer", "individuals", "bodyparts", "coords"]
    assert read.columns[0] == ("posetrack", "id_4", "nose", "x")
    values = read.to_numpy(np.float32).reshape(8, 2, 17, 3).transpose(0, 3, 2, 1)
    assert_same(values[:, :2], values[:, 2], made, first=2)


def test_more_people_than_the_hdf5_layout_can_name_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("tables", reason="needs PyTables")
    many = np.ones((1, 60, 17, 2))
    made = Trajectories([0], [0.0], np.arange(60), many, np.ones((1, 60, 17)), COCO_17)
    with pytest.raises(ValueError, match="write its CSV"):
        write_dlc_h5(tmp_path / "w.h5", made.to_table())
    assert list(tmp_path.iterdir()) == []


def test_sleap_file_has_the_layout_that_readers_expect(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    made = walk()
    write_sleap(tmp_path / "w.h5", made.to_table())
    with h5py.File(tmp_path / "w.h5") as file:
        assert file["tracks"].shape == (2, 2, 17, 8)
        assert file["track_occupancy"].shape == (8, 2)
        assert [name.decode() for name in file["node_names"]] == list(COCO_17.keypoints)
        assert [name.decode() for name in file["track_names"]] == ["id_4", "id_7"]
        tracks, scores = file["tracks"][:], file["point_scores"][:]
    assert_same(tracks.transpose(3, 1, 2, 0), scores.transpose(2, 1, 0), made, first=2)


def test_xarray_opens_what_is_for_movement(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray", reason="needs xarray")
    pytest.importorskip("h5netcdf", reason="needs h5netcdf")
    made = walk()
    write_movement(tmp_path / "w.nc", made.to_table())
    with xarray.open_dataset(tmp_path / "w.nc", engine="h5netcdf", decode_times=False) as data:
        assert data["position"].dims == ("time", "space", "keypoint", "individual")
        assert data.attrs["ds_type"] == "poses"
        assert data.attrs["fps"] == 25
        np.testing.assert_array_equal(data["time"], made.seconds)
        assert data["individual"].values.tolist() == ["id_4", "id_7"]
        assert_same(data["position"].values, data["confidence"].values, made, first=0)


@pytest.mark.parametrize("write", [write_dlc, write_sleap, write_movement])
def test_nobody_is_a_file_too(tmp_path: Path, write: object) -> None:
    if write is not write_dlc:
        pytest.importorskip("h5py", reason="needs h5py")
        pytest.importorskip("h5netcdf", reason="needs h5netcdf")
        pytest.importorskip("xarray", reason="needs xarray")
    nobody = Trajectories([0], [0.0], [], np.ones((1, 0, 17, 2)), np.ones((1, 0, 17)), COCO_17)
    write(tmp_path / "w", nobody.to_table())
    assert [file.name for file in tmp_path.iterdir()] == ["w"]


def test_a_keypoint_that_would_break_a_header_is_refused(tmp_path: Path) -> None:
    from posetrack import Skeleton

    hand = Skeleton("hand", ("left, thumb",), (), (), (0.1,))
    made = Trajectories([0], [0.0], [1], np.ones((1, 1, 1, 2)), np.ones((1, 1, 1)), hand)
    with pytest.raises(ValueError, match="left, thumb"):
        write_dlc(tmp_path / "w.csv", made.to_table())
    assert list(tmp_path.iterdir()) == []


def test_movement_loads_dlc_and_sleap_files_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("movement", reason="needs movement")
    from movement.io import load_poses

    made = walk()
    write_dlc(tmp_path / "w.csv", made.to_table())
    write_sleap(tmp_path / "w.h5", made.to_table())
    write_dlc_h5(tmp_path / "d.h5", made.to_table())
    for data in (
        load_poses.from_dlc_file(tmp_path / "w.csv", fps=25),
        load_poses.from_sleap_file(tmp_path / "w.h5", fps=25),
        load_poses.from_dlc_file(tmp_path / "d.h5", fps=25),
    ):
        who = data["individual" if "individual" in data else "individuals"]
        assert who.values.tolist() == ["id_4", "id_7"]
        assert_same(data["position"].values, data["confidence"].values, made, first=2)


def test_movement_takes_its_own_dataset_as_valid(tmp_path: Path) -> None:
    pytest.importorskip("movement", reason="needs movement")
    xarray = pytest.importorskip("xarray", reason="needs xarray")
    from movement.validators import datasets

    if "individual" not in datasets.ValidPosesInputs.DIM_NAMES:
        pytest.skip("needs movement 0.17 or later")
    write_movement(tmp_path / "w.nc", walk().to_table())
    with xarray.open_dataset(tmp_path / "w.nc", engine="h5netcdf", decode_times=False) as data:
        datasets.ValidPosesInputs.validate(data)


@pytest.mark.parametrize("names", [("keypoint", "individual"), ("keypoints", "individuals")])
@pytest.mark.parametrize("confidence", ["each", "whole", "none", None])
def test_both_generations_of_movement_are_read(
    tmp_path: Path, names: tuple[str, str], confidence: str | None
) -> None:
    xarray = pytest.importorskip("xarray", reason="needs xarray")
    pytest.importorskip("h5netcdf", reason="needs h5netcdf")
    made = walk()
    dims = ("time", "space", *names)
    each = {
        "each": (("time", *names), made.scores.transpose(0, 2, 1)),
        "whole": (("time", names[1]), np.full((6, 2), 0.25)),
        "none": (("time", *names), np.full((6, 17, 2), np.nan)),
    }
    data = {"position": (dims, made.xy.transpose(0, 3, 2, 1))}
    data |= {} if confidence is None else {"confidence": each[confidence]}
    coords = {
        "time": made.seconds,
        "space": ["x", "y"],
        names[0]: list(COCO_17.keypoints),
        names[1]: ["Ada", "Ben"],
    }
    attributes = {"fps": 25.0, "time_unit": "seconds", "ds_type": "poses", "source_software": "DLC"}
    xarray.Dataset(data, coords, attributes).to_netcdf(tmp_path / "m.nc", engine="h5netcdf")
    found = posetrack.load(tmp_path / "m.nc")
    np.testing.assert_array_equal(found.xy, made.xy)
    assert found.frame.tolist() == made.frame.tolist()
    assert found.metadata["individuals"] == {"1": "Ada", "2": "Ben"}
    seen = np.isfinite(made.xy[..., 0])
    expected = {"each": made.scores, "whole": np.float32(0.25)}.get(confidence, np.float32(1))
    np.testing.assert_array_equal(found.scores, np.where(seen, expected, 0))


def test_boxes_and_views_of_movement_are_refused_with_the_reason(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray", reason="needs xarray")
    pytest.importorskip("h5netcdf", reason="needs h5netcdf")
    boxes = {name: (("time", "space", "individual"), np.ones((1, 2, 1))) for name in
             ("position", "shape")}  # fmt: skip
    xarray.Dataset(boxes, attrs={"ds_type": "bboxes"}).to_netcdf(tmp_path / "b.nc")
    with pytest.raises(ValueError, match=r"b\.nc: a dataset of bboxes, without keypoints"):
        posetrack.load(tmp_path / "b.nc")
    views = {"position": (("time", "space", "keypoint", "individual", "view"), np.ones((1,) * 5))}
    xarray.Dataset(views, {"view": ["left"]}).to_netcdf(tmp_path / "v.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"v\.nc: a dataset of several views; select one"):
        posetrack.load(tmp_path / "v.nc")


# -- DeepLabCut's labelled data ----------------------------------------------------------------


def labelled(names: list[str], parts: list[object], individuals: list[str]) -> Any:
    """A table as DeepLabCut saves it, images by their paths."""
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("tables", reason="needs PyTables")
    levels = [["me"], individuals, parts, ["x", "y"]]
    columns = pandas.MultiIndex.from_product(
        levels, names=["scorer", "individuals", "bodyparts", "coords"]
    )
    values = np.arange(float(len(names) * len(columns))).reshape(len(names), -1)
    values[0, :2] = np.nan
    index = pandas.MultiIndex.from_tuples([tuple(name.split("/")) for name in names])
    return pandas.DataFrame(values, columns=columns, index=index)


NAMES = [f"labeled-data/walk/img{n}.png" for n in ("003", "010", "007")]


@pytest.mark.parametrize("name", ["CollectedData_me.csv", "CollectedData_me.h5", "old.h5"])
@pytest.mark.filterwarnings("ignore:object name")
def test_labelled_data_is_read_by_its_images(tmp_path: Path, name: str) -> None:
    data = labelled(NAMES, ["nose", "1"], ["Ada", "Ben"])
    if name == "old.h5":  # one text an image, as versions before 2.2 have it
        data.index = NAMES
    if name.endswith(".csv"):
        data.to_csv(tmp_path / name)
    else:
        data.to_hdf(tmp_path / name, key="df_with_missing", mode="w")
    made = posetrack.load(tmp_path / name, rate=10)
    assert made.frame.tolist() == [3, 7, 10]
    assert made.skeleton.keypoints == ("nose", "1")
    assert made.metadata["individuals"] == {"1": "Ada", "2": "Ben"}
    assert made.xy[1, 1].tolist() == [[20, 21], [22, 23]]
    assert np.isnan(made.xy[0, 0, 0]).all()
    assert (made.scores[1] == 1).all()
    chosen = posetrack.load(tmp_path / name, rate=10, images=[n.split("/")[-1] for n in NAMES])
    assert chosen.frame.tolist() == [0, 1, 2]


def test_images_without_numbers_of_their_own_count_in_order(tmp_path: Path) -> None:
    for names in (["a/b/cat.png", "a/b/dog.png"], ["a/b/img1.png", "a/c/img1.png"]):
        labelled(names, ["nose"], ["Ada"]).to_csv(tmp_path / "CollectedData_me.csv")
        assert posetrack.load(tmp_path, rate=10).frame.tolist() == [0, 1]


@pytest.mark.parametrize("layout", ["fixed", "table"])
def test_body_parts_may_be_numbers_and_the_key_another(tmp_path: Path, layout: str) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("tables", reason="needs PyTables")
    columns = pandas.MultiIndex.from_product(
        [["net"], [0, 1], ["x", "y", "likelihood"]], names=["scorer", "bodyparts", "coords"]
    )
    data = pandas.DataFrame(np.arange(12.0).reshape(2, 6), columns=columns, index=[4, 9])
    data.to_hdf(tmp_path / "a.h5", key="keypoints", mode="w", format=layout)
    made = posetrack.load(tmp_path / "a.h5", rate=10)
    assert made.skeleton.keypoints == ("0", "1")
    assert made.frame.tolist() == [4, 9]
    assert made.xy[1, 0].tolist() == [[6, 7], [9, 10]]


def test_codes_that_name_nothing_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    labelled(NAMES, ["nose"], ["Ada"]).to_hdf(tmp_path / "a.h5", key="df_with_missing", mode="w")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["df_with_missing/axis1_label2"][0] = 9
    with pytest.raises(ValueError, match=r"a\.h5: axis1_label2 names values that are not there"):
        posetrack.load(tmp_path / "a.h5", rate=10)


def test_labels_to_correct_are_what_pandas_and_deeplabcut_open(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("tables", reason="needs PyTables")
    made = walk()
    write_dlc_labels(tmp_path / "walk.labeled-data", made.to_table())
    names = [tmp_path / "walk.labeled-data" / f"CollectedData_posetrack.{e}" for e in ("csv", "h5")]
    sheets = [
        pandas.read_csv(names[0], header=[0, 1, 2, 3], index_col=[0, 1, 2]),
        pandas.read_hdf(names[1]),
    ]
    for sheet in sheets:
        assert sheet.index[0] == ("labeled-data", "walk", "img0002.png")
        assert list(sheet.columns.names) == ["scorer", "individuals", "bodyparts", "coords"]
        knee = sheet["posetrack"]["id_7"]["left_knee"]["x"].iloc[1]
        np.testing.assert_allclose(knee, made.xy[1, 1, COCO_17.index("left_knee"), 0], rtol=1e-6)
    for path in (*names, names[0].parent):
        found = posetrack.load(path, rate=25)
        np.testing.assert_allclose(found.xy, made.xy, rtol=1e-6)
        assert found.frame.tolist() == made.frame.tolist()
    with pytest.raises(FileExistsError, match="there already"):
        write_dlc_labels(tmp_path / "walk.labeled-data", made.to_table())
