"""The tidy table: what is written comes back, in CSV and Parquet, whole or interrupted."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracks_made import Frame, frames

from posetrack.formats import CsvWriter, ParquetWriter, read_table, recover
from posetrack.formats.table import column_names
from posetrack.skeletons import COCO_17, POSETRACK_15, Skeleton
from posetrack.structures import Poses, Tracks

WRITERS = {".csv": CsvWriter, ".parquet": ParquetWriter}
HAND = Skeleton("hand", ("left, thumb", "right, thumb"), (), (), (0.1, 0.1))


def walk(count: int, people: int = 2, skeleton: Skeleton = COCO_17) -> list[Frame]:
    """``people`` people in each of ``count`` frames, nobody in every fifth."""
    made = []
    for index in range(count):
        here = 0 if index % 5 == 4 else people
        xy = np.arange(here * len(skeleton) * 2).reshape(here, len(skeleton), 2) / 7 + index
        xy[:, 3] = np.nan
        poses = Poses.from_keypoints(xy, np.full(xy.shape[:2], 0.7), skeleton)
        made.append((index, index / 25, Tracks(poses, np.arange(here) + 1, np.arange(here))))
    return made


def write(path: Path, made: Sequence[Frame], skeleton: Skeleton = COCO_17, **more: Any) -> Path:
    with WRITERS[path.suffix](path, skeleton, **more) as table:
        for frame in made:
            table.write(*frame)
    return path


def assert_same(found: Sequence[Frame], expected: Sequence[Frame]) -> None:
    assert [frame[0] for frame in found] == [frame[0] for frame in expected]
    for (_, at, got), (_, then, want) in zip(found, expected, strict=True):
        if len(want):
            assert at == then
        else:
            assert at == pytest.approx(then, abs=0.002)
        for name in ("ids", "xy", "scores", "flow_age"):
            np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
        np.testing.assert_array_equal(got.boxes.xyxy, want.boxes.xyxy)
        np.testing.assert_array_equal(got.boxes.scores, want.boxes.scores)
        assert got.skeleton == want.skeleton


@pytest.mark.parametrize("suffix", WRITERS)
@given(made=frames(POSETRACK_15))
@settings(max_examples=25)
def test_what_is_written_comes_back_to_the_last_bit(suffix: str, made: list[Frame]) -> None:
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / f"t{suffix}", made, POSETRACK_15)
        assert_same(list(read_table(path).frames()), made)
        written = {path.name, path.name + ".meta.json"} if suffix == ".csv" else {path.name}
        assert {file.name for file in Path(folder).iterdir()} == written


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_file_says_what_made_it(tmp_path: Path, suffix: str) -> None:
    path = write(
        tmp_path / f"t{suffix}",
        walk(7),
        image_size=(64, 48),
        rate=25.0,
        provenance={"settings": {"min_oks": 0.25}},
    )
    said = read_table(path).metadata
    assert said["provenance"] == {"settings": {"min_oks": 0.25}}
    assert (said["image_size"], said["rate"]) == ([64, 48], 25.0)
    assert (said["frames"], said["rows"]) == (7, 12)
    assert said["skeleton"]["sigmas"] == list(COCO_17.sigmas)


def test_plain_csv_readers_see_one_row_a_person_a_frame(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", walk(6))
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert tuple(rows[0]) == column_names(COCO_17)
    assert len(rows) == 10
    assert [row["source"] for row in rows[:2]] == ["detector", "flow"]
    assert rows[0]["left_ear_x"] == ""
    assert rows[0]["left_ear_score"] == "0"
    assert rows[0]["right_wrist_score"] == "0.7"  # the shortest that gives the float32 back


@pytest.mark.parametrize("suffix", WRITERS)
def test_pandas_opens_it_with_no_options(tmp_path: Path, suffix: str) -> None:
    pandas = pytest.importorskip("pandas")
    path = write(tmp_path / f"t{suffix}", walk(6))
    table = (pandas.read_csv if suffix == ".csv" else pandas.read_parquet)(path)
    assert tuple(table.columns) == column_names(COCO_17)
    assert table.left_ear_x.isna().all()
    assert table.nose_x.notna().all()
    assert str(table.id.dtype) == "int64"
    assert table[table.id == 2].frame.tolist() == [0, 1, 2, 3, 5]
    assert set(table.source) == {"detector", "flow"}


@pytest.mark.parametrize("suffix", WRITERS)
def test_more_rows_than_a_block_and_one_very_full_frame(tmp_path: Path, suffix: str) -> None:
    made = [*walk(70, people=90), (99, 4.0, walk(1, people=5000)[0][2])]
    assert_same(list(read_table(write(tmp_path / f"t{suffix}", made)).frames()), made)


def test_names_with_commas_survive_csv(tmp_path: Path) -> None:
    xy = np.ones((1, 2, 2))
    made = [(3, 0.1, Tracks(Poses.from_keypoints(xy, None, HAND), [5]))]
    assert_same(list(read_table(write(tmp_path / "t.csv", made, HAND)).frames()), made)


def test_a_csv_alone_tells_its_skeleton_by_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", walk(3))
    (tmp_path / "t.csv.meta.json").unlink()
    assert read_table(path).skeleton == COCO_17
    path = write(tmp_path / "h.csv", [], HAND)
    (tmp_path / "h.csv.meta.json").unlink()
    assert read_table(path).skeleton.keypoints == HAND.keypoints


def test_a_keypoint_that_would_double_a_column_is_refused(tmp_path: Path) -> None:
    odd = Skeleton("odd", ("box",), (), (), (0.1,))
    with pytest.raises(ValueError, match="box_score"):
        CsvWriter(tmp_path / "t.csv", odd)


@pytest.mark.parametrize("suffix", WRITERS)
def test_an_edited_table_reads_in_order_of_frames(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / "t.parquet", walk(4))
    table = pq.read_table(path).append_column("note", pa.array(range(8)))
    shuffled = table.take([7, 6, 1, 0, 3, 2])
    if suffix == ".csv":
        path = tmp_path / "t.csv"
        pa.csv.write_csv(shuffled, path)
    else:
        pq.write_table(shuffled, path)
    found = read_table(path)
    assert found.frame.tolist() == [0, 0, 1, 1, 3, 3]
    assert found.ids.tolist() == [2, 1, 2, 1, 2, 1]


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_leaves_what_there_was_and_the_old_file(
    tmp_path: Path, suffix: str, error: type[BaseException]
) -> None:
    path = write(tmp_path / f"t{suffix}", walk(2))
    before = path.read_bytes()
    made = walk(12)

    def run() -> None:
        with WRITERS[suffix](path, COCO_17) as table:
            for frame in made:
                table.write(*frame)
            assert path.read_bytes() == before
            raise error

    with pytest.raises(error):
        run()
    assert path.read_bytes() == before
    assert_same(list(read_table(tmp_path / f"t.partial{suffix}").frames()), made)


def test_a_killed_process_leaves_a_spool_that_becomes_parquet(tmp_path: Path) -> None:
    table = ParquetWriter(tmp_path / "t.parquet", COCO_17, provenance={"source": "a"})
    made = walk(4)
    for frame in made:
        table.write(*frame)
    table._flush()
    spool = tmp_path / "t.partial.arrows"
    killed = tmp_path / "k.partial.arrows"
    killed.write_bytes(spool.read_bytes())
    table.write(5, 1.0, walk(1)[0][2])
    table._flush()
    torn = tmp_path / "torn.partial.arrows"
    torn.write_bytes(spool.read_bytes()[:-7])
    for left in (killed, torn):
        assert len(read_table(left)) == 8
        found = read_table(recover(left))
        assert found.frame.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
        assert found.metadata["provenance"] == {"source": "a"}
    with pytest.raises(FileExistsError):
        recover(killed)
    table.abort()


def test_a_torn_last_line_of_an_unfinished_csv_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", walk(4))
    torn = tmp_path / "t.partial.csv"
    torn.write_bytes(path.read_bytes()[:-3])
    assert len(read_table(torn)) == 7
    only_half_a_header = tmp_path / "u.partial.csv"
    only_half_a_header.write_bytes(b"frame,sec")
    with pytest.raises(ValueError, match=r"u\.partial\.csv"):
        read_table(only_half_a_header)


def test_memory_of_empty_frames_is_one_run(tmp_path: Path) -> None:
    nobody = Tracks.empty(COCO_17)
    path = write(tmp_path / "t.csv", [(i, i / 29.97, nobody) for i in range(5000)])
    said = json.loads((tmp_path / "t.csv.meta.json").read_text())
    assert said["empty_frames"] == [[0, 4999, 1, 0.0, pytest.approx(4999 / 29.97)]]
    assert len(list(read_table(path).frames())) == 5000


def csv_with(tmp_path: Path, old: str, new: str) -> Path:
    path = write(tmp_path / "t.csv", walk(3))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("nose_x", "nase_x", "columns are missing: nose_x"),
        ("nose_y", "nose_x", "occur twice: nose_x"),
        ("\n1,0.04,", "\nx,0.04,", "'frame'.*'x'"),
        ("\n1,0.04,", "\n,0.04,", "'frame', row 3"),
        ("\n1,0.04,", "\n-1,0.04,", "'frame', row 3"),
        ("\n1,0.04,", "\n1,,", "'seconds', row 3"),
        ("\n1,0.04,1", "\n1,0.04,2", "id 2 occurs twice in frame 1"),
        ("\n1,0.04,1,", "\n1,0.04,1,9999,", "Expected 62 columns, got 63"),
        ("frame,", "", "first line"),
    ],
)
def test_a_broken_csv_is_refused_by_file_column_and_row(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = csv_with(tmp_path, old, new)
    with pytest.raises(ValueError, match=said) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("skeleton", 3, "'skeleton'"),
        ("skeleton", {"keypoints": "nose"}, "'keypoints'"),
        ("skeleton", {"keypoints": ["nose"], "sigmas": ["x"]}, "'sigmas'"),
        ("skeleton", {"keypoints": ["a"], "sigmas": [1], "edges": [["a"]]}, "'edges'"),
        ("empty_frames", 1, "'empty_frames'"),
        ("empty_frames", [[0, 10**15, 1, 0, 1]], "frames without people"),
        ("empty_frames", [[5, 4, 1, 0, 1]], "'empty_frames' 0"),
    ],
)
def test_broken_metadata_is_refused(tmp_path: Path, key: str, value: object, said: str) -> None:
    path = write(tmp_path / "t.csv", walk(3))
    beside = tmp_path / "t.csv.meta.json"
    beside.write_text(json.dumps(json.loads(beside.read_text()) | {key: value}))
    with pytest.raises(ValueError, match=said):
        read_table(path)


def test_a_parquet_file_that_is_none_or_cut_short_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", walk(50))
    whole = path.read_bytes()
    for bad in (b"", b"PAR1", whole[: len(whole) // 2], b"x" * 1000, whole[:-100] + bytes(100)):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"t\.parquet"):
            read_table(path)


@pytest.mark.parametrize("suffix", WRITERS)
def test_larger_tables_than_asked_for_are_refused(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"t{suffix}", walk(3))
    with pytest.raises(ValueError, match="max_rows"):
        read_table(path, max_rows=5)


@given(st.binary(max_size=300))
@settings(max_examples=50)
def test_any_bytes_are_refused_with_a_plain_error(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        for suffix in (".csv", ".parquet", ".arrows"):
            path = Path(folder) / f"t{suffix}"
            path.write_bytes(data)
            with pytest.raises(ValueError, match=f"t{suffix}"):
                read_table(path)
