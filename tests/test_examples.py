"""The short programs in ``examples/`` run as they stand."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import PATIENCE

from posetrack.cli import main

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def run(name: str, *words: str | Path, folder: Path) -> str:
    """What an example prints; warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, words)],
        cwd=folder, capture_output=True, text=True, timeout=PATIENCE,
        env={**os.environ, "MPLBACKEND": "agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def models(shared: Path) -> Path:
    pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
    return shared / "data" / "models"


def test_there_are_six_and_each_says_how_it_is_run() -> None:
    files = sorted(EXAMPLES.glob("*.py"))
    assert [path.stem for path in files] == [
        "count_squats", "own_detector", "own_poses", "plot_keypoints", "track_file", "webcam",
    ]  # fmt: skip
    for path in files:
        text = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert f"python examples/{path.name}" in text
        assert len(path.read_text().splitlines()) <= 50


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_everything_that_an_example_imports_from_here_exists(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("posetrack"):
            module = importlib.import_module(node.module or "")
            assert all(hasattr(module, name.name) for name in node.names)


@pytest.mark.slow
def test_count_squats_counts_those_of_a_made_scene(tmp_path: Path) -> None:
    lines = run("count_squats.py", folder=tmp_path).splitlines()
    assert [line[:20] for line in lines] == [
        *(f"person 1: complete {number}" for number in (1, 2, 3, 4)),
        *(f"person 2: complete {number}" for number in (1, 2, 3)),
    ]


@pytest.mark.slow
def test_own_poses_gives_two_people_two_ids(tmp_path: Path) -> None:
    lines = run("own_poses.py", folder=tmp_path).splitlines()
    assert len(lines) == 10
    noses: dict[str, list[float]] = {}
    for line in lines:
        words = line.replace("[", "").replace(",", "").split()
        noses.setdefault(words[1], []).append(float(words[4]))
    assert set(noses) == {"1", "2"}
    moves = {identity: places[-1] - places[0] for identity, places in noses.items()}
    assert sorted(round(move / 32) for move in moves.values()) == [-1, 1]


@pytest.mark.slow
def test_own_detector_tracks_what_moves(models: Path, shared: Path, tmp_path: Path) -> None:
    video = shared / "data" / "videos" / "football.mp4"
    estimator = models / "simplepose_256x192.onnx"
    lines = run("own_detector.py", video, "--estimator", estimator, folder=tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == list("01234")


@pytest.mark.slow
def test_plot_keypoints_draws_what_a_run_wrote(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    assert main(["demo", "--frames", "6", "-o", str(tmp_path)]) == 0
    for table in ("demo.csv", "demo.parquet"):
        picture = tmp_path / f"{table}.png"
        run("plot_keypoints.py", tmp_path / table, "left_wrist", picture, folder=tmp_path)
        assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_track_file_prints_wrists(models: Path, shared: Path, tmp_path: Path) -> None:
    video = shared / "data" / "videos" / "football.mp4"
    out = run(
        "track_file.py",
        video,
        "--detector",
        models / "fastestdet_352.onnx",
        "--estimator",
        models / "simplepose_256x192.onnx",
        folder=tmp_path,
    )
    assert {line.split()[3] for line in out.splitlines()} >= {"1", "2"}
