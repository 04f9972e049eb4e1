"""``posetrack demo``: tables and an overlay with nothing to download, and what it is made of."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from posetrack.cli import main
from posetrack.formats import read_table
from posetrack.video import open_video


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    assert main(["demo", "--frames", "40", "-o", str(out)]) == 0
    return out


def test_the_demo_writes_tables_and_an_overlay(demo: Path) -> None:
    names = {path.name for path in demo.iterdir()}
    assert names == {"demo.csv", "demo.csv.meta.json", "demo.parquet", "demo.json", "demo.mp4"}
    with open_video(demo / "demo.mp4") as video:
        assert video.size == (640, 360)
        assert sum(1 for _ in video) == 40
    table = read_table(demo / "demo.csv")
    assert set(table.frame.tolist()) == set(range(40))
    assert read_table(demo / "demo.parquet").ids.tolist() == table.ids.tolist()
    assert len(json.loads((demo / "demo.json").read_text())["images"]) == 40
    assert table.metadata["provenance"]["settings"] == {
        "frames": 40,
        "people": 3,
        "seed": 2,
        "fakes": False,
    }


def test_the_scores_are_measured_and_high(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "-o", str(tmp_path)]) == 0
    said = re.search(r"MOTA ([\d.]+)  IDF1 ([\d.]+)", capsys.readouterr().out)
    assert said is not None
    assert min(float(said[1]), float(said[2])) >= 90


def test_it_says_plainly_what_finds_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--frames", "4", "--fakes", "-o", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "read the truth and make mistakes on purpose" in said
    assert main(["demo", "--frames", "4", "-o", str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "trained on rendered people only" in said
    assert "posetrack track VIDEO" in said
    assert str(tmp_path / "demo.mp4") in said


def test_the_same_seed_gives_the_same_table(tmp_path: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert main(["demo", "--frames", "5", "--seed", seed, "-o", str(tmp_path / name)]) == 0
    one, same, other = ((tmp_path / name / "demo.csv").read_bytes() for name in "abc")
    assert one == same
    assert one != other


@pytest.mark.parametrize("frames", ["0", "-3", "65537"])
def test_a_length_that_cannot_be_is_refused_and_nothing_is_made(
    frames: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--frames", frames, "-o", str(tmp_path / "out")]) == 1
    assert "--frames must lie in 1 .. 65536" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
