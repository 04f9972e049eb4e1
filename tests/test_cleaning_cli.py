"""``posetrack clean`` and the cleaning options of ``posetrack track``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from cleaning_made import jittered, walkers, with_gaps

import posetrack
from posetrack.cleaning import butterworth, fill_gaps, undo
from posetrack.cli import main
from posetrack.cli.cleaning import ranking_from
from posetrack.cli.options import seconds_from
from posetrack.trajectories import Origin, save


@pytest.fixture
def table(tmp_path: Path) -> Path:
    raw, _ = with_gaps(jittered(walkers(120, 2)))
    save(raw, tmp_path / "walk.parquet")
    return tmp_path / "walk.parquet"


def run(*words: str | Path) -> int:
    return main(["clean", *map(str, words)])


def test_a_stored_table_is_cleaned_as_by_the_library(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = table.with_name("clean.parquet")
    assert run(table, "--fill", "0.3s", "--smooth", "butterworth", "-o", out) == 0
    raw, found = posetrack.load(table), posetrack.load(out)
    wanted = butterworth(fill_gaps(raw, 0.3))
    np.testing.assert_array_equal(found.xy, wanted.xy)
    np.testing.assert_array_equal(found.origin, wanted.origin)
    np.testing.assert_array_equal(undo(found).xy, raw.xy)
    told = capsys.readouterr().out
    assert "2 of 2 people; of 4080 keypoints" in told
    assert f"{int(((wanted.origin & Origin.FILLED) > 0).sum())} filled" in told
    steps = found.metadata["provenance"]["cleaned"]
    assert steps[0]["settings"]["fill"] == 0.3


def test_every_format_and_step_at_once(table: Path) -> None:
    folder = table.parent / "clean"
    steps = ["--gate", "0.1", "--swaps", "--outliers", "--join", "2s", "--min-length", "500ms"]
    steps += ["--max-people", "2", "--select", "longest", "--fill", "0.3", "--fill-with", "pchip"]
    steps += ["--smooth", "loess", "--smooth-window", "0.4s"]
    formats = "csv,parquet,posetrack18,coco"
    assert run(table, *steps, "-o", folder, "--format", formats) == 0
    names = {path.name for path in folder.iterdir()}
    assert {"walk.csv", "walk.parquet", "walk.json", "walk.coco.json"} <= names
    assert len(posetrack.load(folder / "walk.csv").ids) == 1
    assert json.loads((folder / "walk.json").read_text())["annotations"]


def test_a_cleaned_table_gives_its_raw_values_back(table: Path) -> None:
    out, again = table.with_name("clean.csv"), table.with_name("again.parquet")
    assert run(table, "--smooth", "median", "-o", out) == 0
    assert run(out, "--from-raw", "-o", again) == 0
    found = posetrack.load(again)
    np.testing.assert_array_equal(found.xy, posetrack.load(table).xy)
    assert found.raw is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to do"),
        (["--select", "tallest"], "--select: expected largest, longest, central, moving"),
        (["--select", "77"], "nobody has the id 77"),
        (["--select", "5,5@1s"], "nobody is at the place 5, 5"),
        (["--fill", "0"], "--fill must be more than 0"),
        (["--smooth", "kalman", "--smooth-cutoff", "3"], "--smooth-cutoff goes with"),
        (["--smooth", "kalman", "--smooth-window", "3"], "--smooth-window goes with"),
        (["--smooth", "butterworth", "--smooth-cutoff", "99"], "below half the frame rate"),
        (["--swaps", "--video", "x.mp4"], "--video is for --join"),
        (["--swaps", "--format", "dlc"], "no format 'dlc'; there are"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(
    table: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(table, *words, "-o", table.parent / "out") == 1
    assert message in capsys.readouterr().err
    assert not (table.parent / "out").exists()


def test_the_table_that_is_read_is_never_replaced(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = table.read_bytes()
    assert run(table, "--swaps", "-o", table) == 1
    assert run(table, "--swaps", "-o", table.parent) == 1
    assert "is what is read" in capsys.readouterr().err
    assert table.read_bytes() == before


@pytest.mark.parametrize("text", ["", "3 h", "-1s", "1e3s", "s"])
def test_times_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a time"):
        seconds_from(text)


@pytest.mark.parametrize("text", ["x", "1,2", "1,2,3@4", "4,4,2,2@1", "1,2@", "nan,1@2"])
def test_people_who_are_none_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected largest"):
        ranking_from(text)


def test_a_run_with_cleaning_keeps_the_raw_tracks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
    pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")
    from test_cli_track import LENGTH, Folder

    from posetrack.video import open_video

    monkeypatch.chdir(tmp_path)
    folder = Folder(tmp_path)
    assert folder.track("--format", "parquet", "--no-overlay") == 0
    plain = posetrack.load(folder.out / "clip.parquet")
    steps = ["--select", "largest", "--smooth", "median", "--join", "1s"]
    assert folder.track("--format", "parquet,csv,frames", *steps) == 0
    assert folder.left() == {
        "clip.raw.parquet", "clip.parquet", "clip.csv", "clip.csv.meta.json", "clip.frames.csv",
        "clip.mp4",
    }  # fmt: skip
    raw, made = (posetrack.load(folder.out / name) for name in ("clip.raw.parquet", "clip.parquet"))
    np.testing.assert_array_equal(raw.xy, plain.xy)
    assert raw.raw is None
    assert len(raw.ids) == 2
    assert len(made.ids) == 1
    np.testing.assert_array_equal(posetrack.load(folder.out / "clip.csv").xy, made.xy)
    assert "cleaned: 1 of 2 people" in capsys.readouterr().out
    with open_video(folder.out / "clip.mp4") as video:
        assert sum(1 for _ in video) == LENGTH


def test_a_run_whose_cleaning_fails_says_where_the_tracks_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
    pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")
    from test_cli_track import Folder

    monkeypatch.chdir(tmp_path)
    folder = Folder(tmp_path)
    assert folder.track("--select", "99") == 1
    told = capsys.readouterr().err
    assert "nobody has the id 99" in told
    assert "clip.raw.parquet; try `posetrack clean`" in told
    assert folder.left() == {"clip.raw.parquet", "clip.audit.parquet"}
