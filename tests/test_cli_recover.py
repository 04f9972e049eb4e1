"""``posetrack recover``: what a killed process left becomes tables, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PATIENCE

from posetrack.cli import main
from posetrack.formats import read_table
from posetrack.video import open_video

KILLED = """
import os, sys
from pathlib import Path
import numpy as np
from posetrack.formats import CsvWriter, ParquetWriter, PoseTrack18Writer
from posetrack.skeletons import COCO_17
from posetrack.structures import Poses, Tracks
from posetrack.video import VideoWriter

out = Path(sys.argv[1])
people = Tracks(Poses.from_keypoints(np.full((2, 17, 2), 9.0), None, COCO_17), [4, 7])
tables = [
    CsvWriter(out / "match.csv", COCO_17),
    ParquetWriter(out / "match.parquet", COCO_17),
    PoseTrack18Writer(out / "match.json", COCO_17),
]
video = VideoWriter(out / "match.mp4", rate=10, queue=0)
for index in range(65):
    video.write(np.full((48, 64, 3), index, np.uint8))
    for table in tables:
        table.write(index, index / 10, people)
for table in tables:
    getattr(table, "_flush", lambda: None)()
os._exit(9)
"""


def killed_run(folder: Path) -> None:
    words = [sys.executable, "-c", KILLED, str(folder)]
    assert subprocess.run(words, timeout=PATIENCE, check=False).returncode == 9


def test_what_a_killed_run_left_is_finished_once_and_nothing_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed_run(tmp_path)
    (tmp_path / "match.csv").write_text("of an earlier run")
    left = {path.name for path in tmp_path.iterdir()}
    assert main(["recover", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = {line.partition(": ")[0]: line.partition(": ")[2] for line in lines}
    assert sorted(Path(name).name for name in told) == [
        "match.partial.arrows", "match.partial.csv", "match.partial.jsonl", "match.partial.mp4",
    ]  # fmt: skip
    assert told[str(tmp_path / "match.partial.arrows")].startswith("finished as match.partial.pa")
    assert "finished as match.recovered.mp4, 6" in told[str(tmp_path / "match.partial.mp4")]
    with open_video(tmp_path / "match.partial.mp4") as left_video:
        count = len(list(left_video))
    assert count >= 60  # all but the last half second
    with open_video(tmp_path / "match.recovered.mp4") as video:
        assert len(list(video)) == count
    data = (tmp_path / "match.recovered.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert b"moof" not in data
    assert len(read_table(tmp_path / "match.partial.parquet")) > 0
    assert len(json.loads((tmp_path / "match.partial.json").read_text())["images"]) > 0
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(files) - left == {
        "match.partial.parquet", "match.partial.json", "match.recovered.mp4",
    }  # fmt: skip
    assert files["match.csv"] == b"of an earlier run"

    assert main(["recover", str(tmp_path)]) == 0
    assert "finished already, as match.partial.parquet" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_a_file_that_cannot_be_used_is_named_and_the_others_are_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed_run(tmp_path)
    (tmp_path / "a.partial.arrows").write_bytes(b"nonsense")
    (tmp_path / "b.partial-2.mp4").write_bytes(b"nonsense")
    (tmp_path / "c.partial.csv").touch()
    assert main(["recover", str(tmp_path)]) == 1
    said = capsys.readouterr()
    for name in ("a.partial.arrows", "b.partial-2.mp4", "c.partial.csv"):
        assert sum(name in line for line in said.err.splitlines()) == 1
    assert len(said.err.splitlines()) == 3
    assert (tmp_path / "match.partial.parquet").exists()


@pytest.mark.parametrize("where", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("cut", [True, False])
def test_of_a_video_that_breaks_off_or_is_damaged_what_comes_before_is_joined(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], where: float, cut: bool
) -> None:
    killed_run(tmp_path)
    video = tmp_path / "match.partial.mp4"
    data = bytearray(video.read_bytes())
    place = int(len(data) * where)
    if cut:
        del data[place:]
    else:
        data[place : place + 400] = bytes(400)
    video.write_bytes(data)
    status = main(["recover", str(tmp_path)])
    made = tmp_path / "match.recovered.mp4"
    assert "Traceback" not in capsys.readouterr().err
    if status:
        assert not made.exists()
    else:
        with open_video(made) as reader:
            values = [round(float(frame.image[..., 0].mean())) for frame in reader]
        assert values == sorted(values)
        assert len(values) >= (60 * where - 10 if cut else 1)
    assert not list(tmp_path.glob("*.joining"))
    assert status == 0 or not cut


def test_what_joining_left_is_said_to_be_of_no_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "match.partial-2.joining").write_bytes(b"some")
    assert main(["recover", str(tmp_path)]) == 0
    assert "can be removed" in capsys.readouterr().out


def test_a_folder_without_unfinished_files_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "match.csv").write_text("whole")
    (tmp_path / "my.partially.csv").write_text("whole")
    assert main(["recover", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path}: nothing unfinished\n"
    assert main(["recover", str(tmp_path / "nowhere")]) == 2
