"""Trajectories: shapes, parts, and the project's own files there and back."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracks_made import Frame, frames

import posetrack
from posetrack import COCO_17, Trajectories
from posetrack.formats import CsvWriter, ParquetWriter, read_table
from posetrack.skeletons import POSETRACK_15
from posetrack.trajectories import Origin, save, scan

ARRAYS = ("frame", "ids", "xy", "scores", "boxes", "box_scores", "flow_age", "origin")


def walk(count: int = 50, people: int = 3) -> Trajectories:
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 500, (count, people, 17, 2)).astype(np.float32)
    xy[rng.random((count, people)) < 0.2] = np.nan
    xy[:, :, 3] = np.nan
    xy[7] = np.nan
    origin = rng.integers(0, 5, xy.shape[:3])
    return Trajectories(
        np.arange(count) * 2,
        np.arange(count) / 25,
        np.arange(people) + 4,
        xy,
        rng.uniform(0, 1, xy.shape[:3]),
        COCO_17,
        origin=np.where(np.isfinite(xy[..., 0]).any(-1)[..., None], origin, 0),
        metadata={"rate": 25.0},
    )


def assert_same(found: Trajectories, wanted: Trajectories) -> None:
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), name)
    np.testing.assert_allclose(found.seconds, wanted.seconds, atol=0.002)
    assert found.skeleton == wanted.skeleton


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_own_files_keep_everything_origins_too(tmp_path: Path, suffix: str) -> None:
    made = walk()
    save(made, tmp_path / f"t{suffix}")
    found = posetrack.load(tmp_path / f"t{suffix}")
    assert_same(found, made)
    assert found.metadata["rate"] == 25.0


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@given(made=frames(POSETRACK_15))
@settings(max_examples=20)
def test_what_a_run_wrote_is_loaded_and_saved_without_loss(suffix: str, made: list[Frame]) -> None:
    with TemporaryDirectory() as folder:
        path, again = Path(folder) / f"a{suffix}", Path(folder) / f"b{suffix}"
        with (CsvWriter if suffix == ".csv" else ParquetWriter)(path, POSETRACK_15) as table:
            for frame in made:
                table.write(*frame)
        first = posetrack.load(path)
        assert first.frame.tolist() == [index for index, _, _ in made]
        save(first, again)
        assert_same(posetrack.load(again), first)
        for before, after in zip(
            read_table(path).frames(), read_table(again).frames(), strict=True
        ):
            order = np.argsort(before[2].ids)
            np.testing.assert_array_equal(before[2].xy[order], after[2].xy)
            np.testing.assert_array_equal(before[2].boxes.xyxy[order], after[2].boxes.xyxy)


@given(st.integers(0, 100), st.integers(0, 100), st.sets(st.sampled_from([4, 5, 6]), min_size=1))
@settings(max_examples=20)
def test_a_part_read_from_the_file_is_the_part_of_the_whole(
    first: int, end: int, ids: set[int]
) -> None:
    made = walk()
    chosen = {"frames": (first, end), "keypoints": ["left_knee", "nose"]}
    with TemporaryDirectory() as folder:
        save(made, Path(folder) / "t.parquet")
        found = scan(Path(folder) / "t.parquet").select(ids=sorted(ids), **chosen).load()
    wanted = made.select(ids=sorted(ids), **chosen)
    assert_same(found, wanted.select(ids=found.ids.tolist()))
    assert not wanted.present[:, ~np.isin(wanted.ids, found.ids)].any()


def test_selection_by_seconds_is_half_open_and_by_person_keeps_the_order() -> None:
    made = walk()
    part = made.select(seconds=(0.04, 0.12), ids=[6, 4])
    assert part.frame.tolist() == [2, 4]
    assert part.ids.tolist() == [6, 4]
    np.testing.assert_array_equal(part.xy, made.xy[1:3][:, [2, 0]])
    assert made.person(5).xy.shape == (50, 1, 17, 2)


def test_the_unknown_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="no person 9"):
        walk().person(9)
    with pytest.raises(KeyError, match="left_kne"):
        walk().select(keypoints=["left_kne"])


def test_arrays_are_copies_that_cannot_be_changed() -> None:
    xy = np.ones((1, 1, 17, 2), np.float32)
    made = Trajectories([0], [0.0], [1], xy, np.ones((1, 1, 17)), COCO_17)
    xy[:] = 5
    assert made.xy.max() == 1
    with pytest.raises(ValueError, match="read-only"):
        made.xy[0] = 2


def test_a_box_that_is_missing_is_that_of_the_seen_keypoints() -> None:
    xy = np.full((2, 1, 17, 2), np.nan)
    xy[0, 0, :2] = [[3, 9], [7, 1]]
    made = Trajectories([0, 1], [0, 1], [1], xy, np.full((2, 1, 17), 0.5), COCO_17)
    assert made.boxes[0, 0].tolist() == [3, 1, 7, 9]
    assert made.box_scores[0, 0] == 0.5
    assert made.present.tolist() == [[True], [False]]


def test_who_was_carried_by_flow_has_that_as_origin() -> None:
    age = [[0], [3]]
    ones = np.ones((2, 1, 17))
    xy = np.ones((2, 1, 17, 2))
    made = Trajectories([0, 1], [0, 1], [1], xy, ones, COCO_17, flow_age=age)
    assert made.origin[:, 0, 0].tolist() == [Origin.DETECTED, Origin.FLOW]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": [1, 1]}, "grow"),
        ({"seconds": [0, np.nan]}, "finite"),
        ({"ids": [3, 3]}, "twice"),
        ({"scores": np.ones((2, 2, 16))}, "scores must have shape"),
        ({"origin": np.full((2, 2, 17), 32)}, "origin"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    whole = {"frame": [0, 1], "seconds": [0, 1], "ids": [1, 2], "xy": np.ones((2, 2, 17, 2))}
    whole |= {"scores": np.ones((2, 2, 17)), "skeleton": COCO_17}
    with pytest.raises(ValueError, match=message):
        Trajectories(**(whole | change))


def test_what_would_not_fit_into_memory_is_refused_with_what_to_do() -> None:
    from posetrack.formats.dense import dense

    with pytest.raises(ValueError, match="Select a time range"):
        dense(walk().to_table(), max_values=100)


def test_pandas_has_the_columns_of_the_files(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    made = walk()
    save(made, tmp_path / "t.csv")
    read = pandas.read_csv(tmp_path / "t.csv")
    frame = made.to_pandas()
    assert list(frame.columns) == [name for name in read.columns if not name.endswith("_origin")]
    np.testing.assert_array_equal(frame["left_knee_x"], read["left_knee_x"].astype(np.float32))


def test_xarray_selects_by_name() -> None:
    pytest.importorskip("xarray", reason="needs xarray")
    made = walk()
    knee = made.to_xarray()["xy"].sel(person=5, keypoint="left_knee", space="y")
    np.testing.assert_array_equal(knee, made.xy[:, 1, COCO_17.index("left_knee"), 1])


def test_a_foreign_or_torn_file_is_refused_by_name(tmp_path: Path) -> None:
    save(walk(), tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "torn.parquet").write_bytes(whole[: len(whole) // 2])
    for opening in (posetrack.load, scan):
        with pytest.raises(ValueError, match=r"torn\.parquet: not a whole Parquet file"):
            opening(tmp_path / "torn.parquet")
        with pytest.raises(FileNotFoundError, match="absent"):
            opening(tmp_path / "absent.parquet")


def test_an_origin_out_of_range_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    save(walk(), path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], lines[2][:-1] + "99", *lines[3:]]) + "\n")
    with pytest.raises(ValueError, match=r"t\.csv: row 2: an origin"):
        posetrack.load(path)


def test_saving_leaves_what_was_there_until_the_new_file_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from posetrack.formats import table_writers

    path = tmp_path / "t.parquet"
    path.write_text("before")

    def fails(*_: object) -> None:
        raise OSError("disk full")
        yield

    monkeypatch.setattr(table_writers, "_batches", fails)
    with pytest.raises(OSError, match="disk full"):
        save(walk(), path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]


def test_a_byte_that_is_no_text_within_a_json_file_is_told_with_its_name(tmp_path: Path) -> None:
    whole = b'{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": []}'
    path = tmp_path / "people.json"
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + b"\xbf" + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"people\.json: "):
            posetrack.load(path, rate=25.0, untracked=True)
