"""``posetrack analyse`` and ``track --angles``: files, their columns, and refusals."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from analysis_made import CAMERA, of_scene

from posetrack.cli import main
from posetrack.cli.analyse import read_floor
from posetrack.trajectories import save
from posetrack.world import squats


@pytest.fixture(scope="session")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tracks") / "gym.parquet"
    save(of_scene(squats(people=2, frames=150, seed=1), noise=1.0), path)
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_everything_is_written_and_says_what_is_true(
    tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    rules, floor = tmp_path / "rules.toml", tmp_path / "floor.toml"
    rules.write_text('[[rule]]\nname = "down"\nwhen = "angle"\nangle = "hip_height"\n'
                     "below = 0.75\nleave = 0.85\n")  # fmt: skip
    places = np.array([[-3, -2], [3, -2], [3, 3], [-3, 3]], float)
    pixels, _ = CAMERA.project(np.column_stack([places, np.zeros(4)]))
    floor.write_text(f"pixels = {pixels.tolist()}\nmetres = {places.tolist()}\n")
    command = f"analyse {tracks} --angles --repetitions squat,left_elbow:150:90 --rules {rules}"
    command += f" --floor {floor} --height 180cm --report -o {tmp_path / 'o'}"
    assert main(command.split()) == 0
    out = tmp_path / "o"
    true = list(squats(people=2, frames=150, seed=1).events)
    angles = rows(out / "gym.angles.csv")
    assert len(angles) == 300
    assert {"frame", "seconds", "id", "left_knee", "trunk"} <= set(angles[0])
    found = rows(out / "gym.repetitions.csv")
    assert [row["outcome"] for row in found].count("complete") == len(true)
    assert {row["exercise"] for row in found} == {"squat"}
    events = rows(out / "gym.events.csv")
    assert len(events) >= len(true)
    assert {row["rule"] for row in events} == {"down"}
    assert len(rows(out / "gym.floor.csv")) == 300
    report = (out / "gym.report.md").read_text()
    assert "## Person 2" in report
    assert "| squat | 1 |" in report
    long = rows(out / "gym.report.csv")
    counts = {row["id"]: row["value"] for row in long if row["what"] == "repetitions"}
    assert counts == {who: str(sum(e.person == int(who) for e in true)) for who in ("1", "2")}
    assert "x squat" in capsys.readouterr().out


def test_one_person_and_some_angles(tracks: Path, tmp_path: Path) -> None:
    assert main(f"analyse {tracks} --angles trunk,knee --person 2 -o {tmp_path}".split()) == 0
    table = rows(tmp_path / "gym.angles.csv")
    assert list(table[0]) == ["frame", "seconds", "id", "trunk", "knee"]
    assert {row["id"] for row in table} == {"2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "nothing to do"),
        ("--angles tail", "no angle 'tail'"),
        ("--repetitions plank", "ANGLE:REST:REACHED"),
        ("--repetitions left_elbow:90:90", "ANGLE:REST:REACHED"),
        ("--angles --person 9", "--person: no person 9"),
    ],
)
def test_what_cannot_be_done_is_told(
    tracks: Path, tmp_path: Path, capsys: pytest.CaptureFixture, options, message
) -> None:
    assert main(["analyse", str(tracks), *options.split(), "-o", str(tmp_path / "o")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pixels = [[0, 0]]", "expected pixels and metres"),
        ("pixels = 3\nmetres = []", "'pixels' must be a list of points"),
        ("pixels = [[0, 0]]\nmetres = [[0, 0]]", "at least 4 points"),
        ("pixels", "not a TOML file"),
    ],
)
def test_mistakes_in_a_floor_file_are_told(tmp_path: Path, text, message) -> None:
    path = tmp_path / "floor.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"floor\.toml: .*{message}"):
        read_floor(path)


def test_track_writes_angles(tmp_path: Path, shared: Path) -> None:
    video = shared / "data" / "videos" / "lab.mp4"
    boxes = tmp_path / "boxes.txt"
    boxes.write_text("1,-1,100,100,200,400,0.9,-1,-1,-1\n2,-1,100,100,200,400,0.9,-1,-1,-1\n")
    model = shared / "data" / "models" / "simplepose_256x192.onnx"
    command = f"track {video} --boxes {boxes} --estimator {model} --no-overlay --stop 2"
    command += f" --format csv --angles left_knee -o {tmp_path / 'o'} --min-hits 1"
    assert main(command.split()) == 0
    header = (tmp_path / "o" / "lab.angles.csv").read_text().splitlines()[0]
    assert header == "frame,seconds,id,left_knee"
