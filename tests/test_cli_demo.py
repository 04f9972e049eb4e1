"""``posetrack demo``: tables and an overlay with nothing to download, and what it is made of."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from posetrack.cli import main
from posetrack.formats import read_table
from posetrack.video import open_video

FRAMES = 120
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the command writes as it stands, and what it prints."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(["demo", "-o", str(out)]) == 0
    return out, " ".join(printed.getvalue().split())


def test_the_demo_writes_tables_and_an_overlay(demo: tuple[Path, str]) -> None:
    out, _ = demo
    names = {path.name for path in out.iterdir()}
    assert names == {"demo.csv", "demo.csv.meta.json", "demo.parquet", "demo.json", "demo.mp4"}
    with open_video(out / "demo.mp4") as video:
        assert video.size == (640, 360)
        assert sum(1 for _ in video) == FRAMES
    table = read_table(out / "demo.csv")
    assert set(table.frame.tolist()) == set(range(FRAMES))
    assert read_table(out / "demo.parquet").ids.tolist() == table.ids.tolist()
    assert len(json.loads((out / "demo.json").read_text())["images"]) == FRAMES
    assert table.metadata["provenance"]["settings"] == {
        "frames": FRAMES,
        "people": 3,
        "seed": 2,
        "fakes": False,
    }


def test_the_scores_are_measured_and_high(demo: tuple[Path, str]) -> None:
    printed = re.search(r"MOTA ([\d.]+) IDF1 ([\d.]+)", demo[1])
    assert printed is not None
    assert min(float(printed[1]), float(printed[2])) >= 90


def test_it_says_plainly_what_finds_people(
    demo: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, printed = demo
    assert "trained on rendered people only" in printed
    assert "posetrack track VIDEO" in printed
    assert str(out / "demo.mp4") in printed
    assert main(["demo", "--frames", "4", "--fakes", "-o", str(tmp_path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "read the truth and make mistakes on purpose" in printed


def test_the_same_seed_gives_the_same_table(tmp_path: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert main(["demo", "--frames", "3", "--seed", seed, "-o", str(tmp_path / name)]) == 0
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
