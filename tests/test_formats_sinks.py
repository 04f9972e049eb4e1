"""Files appear whole or not at all; what a run had is kept, whatever ends it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import PATIENCE, wait_until

from posetrack.files import PartialFile
from posetrack.formats import (
    CocoWriter,
    CsvWriter,
    FrameSink,
    ParquetWriter,
    PoseTrack18Writer,
    read_table,
    recover,
)
from posetrack.skeletons import COCO_17, POSETRACK_15
from posetrack.structures import Poses, Tracks

NAMES: dict[str, Any] = {
    "t.csv": CsvWriter,
    "t.parquet": ParquetWriter,
    "p.json": PoseTrack18Writer,
    "c.json": CocoWriter,
}
PARTIAL = {"t.csv": "t.partial.csv", "t.parquet": "t.partial.arrows"}
PARTIAL |= {"p.json": "p.partial.jsonl", "c.json": "c.partial.jsonl"}

# A run that never ends: the parent kills it, or its disk is full.
ENDLESS = """
import itertools, resource, sys
import numpy as np
from posetrack.formats import *
from posetrack.skeletons import COCO_17
from posetrack.structures import Poses, Tracks
name, limit = sys.argv[1], int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
writers = {"t.csv": CsvWriter, "t.parquet": ParquetWriter,
           "p.json": PoseTrack18Writer, "c.json": CocoWriter}
xy = np.random.default_rng(0).uniform(0, 1000, (60, 17, 2))
people = Tracks(Poses.from_keypoints(xy, None, COCO_17), range(1, 61))
with writers[name](name, COCO_17) as sink:
    for index in itertools.count():
        sink.write(index, index / 25, people)
        if index == 300:
            print("under way", flush=True)
"""


def people(skeleton: Any = COCO_17, count: int = 2) -> Tracks:
    xy = np.ones((count, len(skeleton), 2))
    return Tracks(Poses.from_keypoints(xy, None, skeleton), np.arange(count) + 1)


def rows_in(path: Path) -> int:
    """People in any of the finished files."""
    if path.suffix != ".json":
        return len(read_table(path))
    found = json.loads(path.read_text())
    return len(found if isinstance(found, list) else found["annotations"])


def start(name: str, limit: int, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ENDLESS, name, str(limit)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_run_leaves_its_frames_and_the_old_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    run = start(name, 0, tmp_path)
    assert run.stdout is not None
    assert run.stderr is not None
    try:
        assert run.stdout.readline() == "under way\n", run.stderr.read()
        # By now more than one block or second of frames has left the process.
        wait_until(lambda: (tmp_path / PARTIAL[name]).stat().st_size >= 50_000)
    finally:
        run.send_signal(signal.SIGKILL)
        run.communicate()
    left = tmp_path / PARTIAL[name]
    finished = left if name == "t.csv" else recover(left)
    assert rows_in(finished) >= 60
    assert rows_in(finished) % 60 == 0
    assert (tmp_path / name).read_text() == "old"


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_said_and_loses_nothing_written(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("old")
    run = start(name, 2_000_000, tmp_path)
    _, said = run.communicate(timeout=PATIENCE)
    assert run.returncode == 1
    assert "OSError" in said
    assert (tmp_path / name).read_text() == "old"
    left = sorted(file.name for file in tmp_path.glob("*partial*") if "meta" not in file.name)
    assert left in ([PARTIAL[name]], [name.replace(".", ".partial.")]), said
    found = tmp_path / left[0]
    if name.endswith(".json") and found.suffix == ".jsonl":
        found = recover(found)
    assert rows_in(found) > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_name_is_taken_only_on_closing_and_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("old")
    sink: FrameSink = NAMES[name](path, COCO_17)
    sink.write(0, 0.0, people())
    assert path.read_text() == "old"
    sink.close()
    sink.close()
    assert rows_in(path) == 2
    assert not list(tmp_path.glob("*partial*"))
    assert sink.abort() is None


@pytest.mark.parametrize("name", NAMES)
def test_a_new_run_spares_what_an_earlier_one_left(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    left = []
    for count in (1, 2, 3):
        sink = NAMES[name](path, COCO_17)
        for index in range(count):
            sink.write(index, index / 25, people())
        left.append(sink.abort())
    assert [file.name for file in left] == [
        name.replace(".", f".partial{number}.") for number in ("", "-2", "-3")
    ]
    assert [rows_in(file) for file in left] == [2, 4, 6]
    assert not path.exists()


@pytest.mark.parametrize("name", NAMES)
def test_two_runs_at_once_do_not_mix(tmp_path: Path, name: str) -> None:
    first, second = (NAMES[name](tmp_path / name, COCO_17) for _ in range(2))
    first.write(0, 0.0, people())
    second.write(0, 0.0, people())
    second.write(1, 0.1, people())
    second.close()
    first.close()
    assert rows_in(tmp_path / name) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_run_without_a_frame_leaves_nothing_when_it_fails(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeError), NAMES[name](tmp_path / name, COCO_17):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_nobody_at_all_is_a_whole_file(tmp_path: Path, name: str) -> None:
    with NAMES[name](tmp_path / name, COCO_17) as sink:
        sink.write(0, 0.0, Tracks.empty(COCO_17))
    assert rows_in(tmp_path / name) == 0


@pytest.mark.parametrize("name", NAMES)
def test_wrong_frames_are_refused_and_the_rest_goes_on(tmp_path: Path, name: str) -> None:
    with NAMES[name](tmp_path / name, COCO_17) as sink:
        sink.write(3, 0.0, people())
        for index in (3, 2, -1):
            with pytest.raises(ValueError, match=f"must grow from 0; got {index} after 3"):
                sink.write(index, 0.2, people())
        with pytest.raises(ValueError, match="frame 4 has no finite time"):
            sink.write(4, float("nan"), people())
        with pytest.raises(ValueError, match="posetrack_15"):
            sink.write(4, 0.2, people(POSETRACK_15))
        sink.write(4, 0.2, people())
    with pytest.raises(ValueError, match="closed"):
        sink.write(5, 0.2, people())
    assert rows_in(tmp_path / name) == 4


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_can_be_written_is_said_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        NAMES[name](tmp_path / "nowhere" / name, COCO_17)
    (tmp_path / "f.csv").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        NAMES[name](tmp_path / "f.csv", COCO_17)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_said_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot write"):
        CsvWriter(tmp_path / "t.csv", COCO_17)


def test_a_folder_that_refuses_is_said_by_the_name_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError, match=r"cannot write .*t\.csv"):
        PartialFile(tmp_path / "t.csv")


def test_a_write_that_fails_half_way_leaves_whole_pieces(tmp_path: Path) -> None:
    file = PartialFile(tmp_path / "t.txt")
    file.write(b"whole\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError, match="large"):
            file.write(b"torn apart\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.write(b"again\n")
    assert file.keep().read_text() == "whole\nagain\n"


def test_other_files_are_not_taken_for_spools(tmp_path: Path) -> None:
    for name, text, said in (
        ("a.txt", "", "ends in .arrows or .jsonl"),
        ("a.jsonl", "", "line 1: not JSON"),
        ("b.jsonl", '{"format":"x"}\n', "names no format"),
        ("c.jsonl", '{"format":"coco"}\n{"other":1}\n', "line 2: neither"),
        ("a.arrows", "ARROW?", "not an Arrow stream"),
    ):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            recover(path)
    assert not list(tmp_path.glob("*.json"))
    assert not list(tmp_path.glob("*.parquet"))
