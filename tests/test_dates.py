"""Dates in files: today's, or that of ``SOURCE_DATE_EPOCH``, and the same bytes with it."""

from __future__ import annotations

import ast
import datetime as dates
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import posetrack
from posetrack import COCO_17, Trajectories, files
from posetrack.cli import main
from posetrack.files import date_of_writing
from posetrack.trajectories import save

PACKAGE = Path(posetrack.__file__).parent
PLAIN = "parquet,csv,posetrack17,posetrack18,coco,openpose,dlc,mot,trc,opensim-mot"
CLOCKS = {
    "time": {"time", "time_ns", "ctime", "asctime", "gmtime", "localtime", "strftime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}


def test_the_date_is_now_unless_the_environment_gives_one(monkeypatch: Any) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    before = dates.datetime.now(dates.UTC)
    assert before <= date_of_writing() <= dates.datetime.now(dates.UTC)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert before <= date_of_writing() <= dates.datetime.now(dates.UTC)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert date_of_writing() == dates.datetime(1970, 1, 1, tzinfo=dates.UTC)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "253402300799")
    assert date_of_writing().year == 9999


@pytest.mark.parametrize(
    "text", ["yesterday", "-1", "1.5", "1_0", " 5", "٣", "253402300800", "9" * 5000]
)
def test_a_date_that_is_no_whole_number_of_seconds_is_refused(monkeypatch: Any, text: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(ValueError, match=r"SOURCE_DATE_EPOCH is .*seconds since 1970") as caught:
        date_of_writing()
    assert len(str(caught.value)) < 200


def test_a_command_says_in_one_line_that_the_date_is_wrong(
    walk: Path, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    picture = tmp_path / "walk.svg"
    assert main(["plot", str(walk), "--keypoint", "nose", "-o", str(picture)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not picture.exists()


AGES = {"ops/compilation.py", "weights/hosts.py"}
"""These compare now with the age of a file or of a silence, and write it into no result."""


def test_one_function_alone_asks_what_day_it_is() -> None:
    asking = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).as_posix() not in ("files.py", *AGES)
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in CLOCKS.get(last_name(node.value), ()))
        or (isinstance(node, ast.ImportFrom) and node.module == "time")
    ]
    assert asking == []


def last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    xy = rng.uniform(50, 90, (4, 2, 17, 2))
    scores = rng.uniform(0.5, 1, (4, 2, 17))
    made = Trajectories(np.arange(4), np.arange(4) / 25, [3, 8], xy, scores, COCO_17)
    save(made, tmp_path / "walk.parquet")
    return tmp_path / "walk.parquet"


def set_clock(monkeypatch: Any, seconds: float) -> None:
    """What Python's clocks show, wherever they are asked, from now on."""

    class At(dates.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return dates.datetime.fromtimestamp(seconds, tz)

    monkeypatch.setattr(files, "datetime", At)
    monkeypatch.setattr(time, "time", lambda: seconds)
    monkeypatch.setattr(time, "localtime", lambda at=seconds, now=time.localtime: now(at))
    monkeypatch.setattr(time, "gmtime", lambda at=seconds, now=time.gmtime: now(at))


def written(folder: Path, words: list[str]) -> dict[str, bytes]:
    folder.mkdir()
    assert main([word.replace("OUT", str(folder)) for word in words]) == 0
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("words", "library"),
    [
        (["demo", "--frames", "6", "--fakes", "-o", "OUT"], "pyarrow"),
        (["convert", "WALK", "--to", PLAIN, "-o", "OUT"], "pyarrow"),
        (["convert", "WALK", "--to", "movement", "-o", "OUT"], "h5netcdf"),
        (["convert", "WALK", "--to", "sleap,dlc-h5", "-o", "OUT"], "h5py"),
        (["convert", "WALK", "--to", "c3d", "-o", "OUT"], "ezc3d"),
        (["overlay", "WALK", "--background", "black", "-o", "OUT/walk.mp4"], "av"),
        (["plot", "WALK", "--keypoint", "nose", "-o", "OUT/walk.svg"], "matplotlib"),
        (["plot", "WALK", "--kind", "timeline", "-o", "OUT/walk.pdf"], "matplotlib"),
        (["plot", "WALK", "--kind", "trails", "-o", "OUT/walk.png"], "matplotlib"),
    ],
    ids=lambda value: " ".join(value[:1] + value[-3:]) if isinstance(value, list) else "",
)  # fmt: skip
def test_two_runs_at_different_times_give_the_same_bytes(
    walk: Path, tmp_path: Path, monkeypatch: Any, words: list[str], library: str
) -> None:
    pytest.importorskip(library)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    words = [word.replace("WALK", str(walk)) for word in words]
    runs = []
    for seconds in (1_000_000_000.0, 1_900_000_000.5):
        with monkeypatch.context() as patch:
            set_clock(patch, seconds)
            runs.append(written(tmp_path / f"at_{seconds:.0f}", words))
    assert runs[0].keys() == runs[1].keys()
    assert runs[0]
    assert [name for name in runs[0] if runs[0][name] != runs[1][name]] == []


@pytest.mark.parametrize(
    ("name", "library"), [("movement", "h5netcdf"), ("sleap", "h5py"), ("dlc-h5", "tables")]
)
def test_no_part_of_an_hdf5_file_keeps_when_it_was_written(
    walk: Path, tmp_path: Path, name: str, library: str
) -> None:
    pytest.importorskip(library)
    h5py = pytest.importorskip("h5py")
    assert main(["convert", str(walk), "--to", name, "-o", str(tmp_path / "out")]) == 0
    (path,) = (tmp_path / "out").iterdir()
    times = {}
    with h5py.File(path) as file:
        # HDF5 asks the clock by itself, below Python.
        file.visititems(lambda key, part: times.update({key: h5py.h5g.get_objinfo(part.id).mtime}))
    assert times
    assert {key: seconds for key, seconds in times.items() if seconds} == {}


def test_without_the_variable_files_carry_the_day_they_were_written(
    walk: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    pytest.importorskip("matplotlib")
    set_clock(monkeypatch, 1_000_000_000.0)
    made = written(tmp_path / "out", ["plot", str(walk), "--keypoint", "nose", "-o", "OUT/a.svg"])
    assert b"2001-09-09T01:46:40" in made["a.svg"]
