"""``posetrack plot`` and the pictures of ``posetrack track --plot``."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cleaning_made import walkers

import posetrack
from posetrack import plots
from posetrack.cli import main
from posetrack.draw import find_heads
from posetrack.runs import writer
from posetrack.runs.writer import write_plots
from posetrack.trajectories import Trajectories, save
from posetrack.video import VideoWriter, open_video

pytest.importorskip("matplotlib")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    save(walkers(30, 2), tmp_path / "walk.parquet")
    return tmp_path / "walk.parquet"


def run(*words: str | Path) -> int:
    return main(["plot", *map(str, words)])


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the functions that draw were given, and nothing is drawn."""
    calls: dict[str, Any] = {}
    for name in ("keypoint", "angle", "presence", "trails", "strip", "heatmap"):

        def note(part: Trajectories, *values: Any, _name: str = name, **more: Any) -> None:
            calls[_name] = (part, values, more)

        monkeypatch.setattr(plots, f"plot_{name}", note, raising=False)
    return calls


def test_a_keypoint_of_a_person_at_some_times(
    table: Path, drawn: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--keypoint", "nose,left_wrist", "--person", "2", "--from", "200ms", "--to", "0.5s"]
    assert run(table, *words, "--quantity", "speed", "--no-raw") == 0
    part, (names, out), more = drawn["keypoint"]
    assert part.ids.tolist() == [2]
    assert part.frame.tolist() == list(range(6, 15))
    assert names == ["nose", "left_wrist"]
    assert out == table.with_name("walk-keypoint.png")
    assert more == {"quantities": ["speed"], "raw": False}
    assert "keypoint of 1 people" in capsys.readouterr().out


def test_a_person_is_an_id_some_ids_or_a_ranking(table: Path, drawn: dict[str, Any]) -> None:
    for who, ids in (("2,1", [2, 1]), ("largest", [1]), (None, [1, 2])):
        words = [] if who is None else ["--person", who]
        assert run(table, "--kind", "timeline", *words) == 0
        assert drawn["presence"][0].ids.tolist() in (ids, [2] if who == "largest" else ids)


def test_trails_and_heat_maps_lie_over_the_frame_asked_for(
    table: Path, tmp_path: Path, drawn: dict[str, Any]
) -> None:
    with VideoWriter(tmp_path / "grey.mp4", rate=30) as writer:
        for value in range(30):
            writer.write(np.full((48, 64, 3), 8 * value, np.uint8))
    video = ["--video", tmp_path / "grey.mp4"]
    assert run(table, "--kind", "heatmap", *video, "--at", "0.2s", "--bandwidth", "5") == 0
    more = drawn["heatmap"][2]
    assert abs(int(more["image"].mean()) - 48) <= 2
    assert (more["point"], more["bandwidth"]) == ("feet", 5.0)
    assert run(table, "--kind", "trails", *video, "--point", "nose") == 0
    more = drawn["trails"][2]
    assert abs(int(more["image"].mean()) - 232) <= 3  # the last one
    assert more["point"] == "nose"


def test_an_angle_has_its_repetitions_and_a_strip_its_figures(
    table: Path, drawn: dict[str, Any]
) -> None:
    assert run(table, "--angle", "left_knee,trunk", "--exercise", "squat") == 0
    assert drawn["angle"][1][0] == ["left_knee", "trunk"]
    assert drawn["angle"][2]["repetitions"] == []  # nobody squats
    assert run(table, "--kind", "strip", "--person", "1", "--figures", "4") == 0
    assert drawn["strip"][2] == {"figures": 4}


@pytest.mark.parametrize("kind", ["timeline", "trails", "heatmap"])
def test_a_picture_is_there(table: Path, kind: str) -> None:
    out = table.with_name("picture.svg")
    assert run(table, "--kind", kind, "-o", out) == 0
    assert "</svg>" in out.read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "--kind keypoint, angle"),
        (["--kind", "angle"], "needs --angle"),
        (["--kind", "strip"], "--person of [1, 2]"),
        (["--kind", "trails", "--figures", "3"], "--figures goes with --kind strip"),
        (["--kind", "timeline", "--no-raw"], "--raw goes with"),
        (["--keypoint", "no_such"], "no_such"),
        (["--angle", "no_such"], "no_such"),
        (["--angle", "left_knee", "--exercise", "no_such"], "no_such"),
        (["--kind", "timeline", "--person", "77"], "no person 77"),
        (["--kind", "timeline", "--person", "tallest"], "--person"),
        (["--kind", "timeline", "--from", "90s"], "nobody"),
        (["--kind", "trails", "--at", "1s"], "--video"),
        (["--kind", "trails", "--video", "none.mp4"], "none.mp4"),
        (["--kind", "timeline", "-o", "x.bmp"], ".png"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_a_line(
    table: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    before = sorted(table.parent.iterdir())
    assert run(table, *words) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") <= 2
    assert sorted(table.parent.iterdir()) == before


def test_a_run_writes_more_pictures_of_a_person_who_was_chosen(
    tmp_path: Path, drawn: dict[str, Any]
) -> None:
    tr = walkers(12, 2)

    def place(ending: str) -> Path:
        return tmp_path / f"walk{ending}"

    three = [tmp_path / f"walk-{kind}.png" for kind in ("timeline", "trails", "heatmap")]
    assert write_plots(tr, place, video=None, chosen=False) == three
    assert set(drawn) == {"presence", "trails", "heatmap"}
    more = [tmp_path / f"walk-{kind}.png" for kind in ("keypoints", "angles", "strip")]
    assert write_plots(tr.person(2), place, video="gone.mp4", chosen=True) == [*three, *more]
    assert "left_knee" in drawn["angle"][1][0]
    assert drawn["trails"][2]["image"] is None  # a video that is gone is no reason to fail
    assert write_plots(tr.select(frames=(99, 100)), place, video=None, chosen=False) == []


@pytest.mark.parametrize("words", [[], ["--select", "longest"]])
def test_a_run_draws_pictures_and_covers_the_faces_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
    pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")
    from test_cli_track import Folder

    given: list[tuple[Trajectories, Any]] = []
    monkeypatch.setattr(writer, "write_plots", lambda tr, _place, **more: given.append((tr, more)))
    folder = Folder(tmp_path)
    assert folder.track("--format", "csv", "--plot", "--blur-faces", "fill", *words) == 0
    found, more = given[0]
    assert more == {"video": str(folder.video), "chosen": bool(words)}
    assert len(found.ids) == (1 if words else 2)
    table = posetrack.load(folder.out / ("clip.raw.parquet" if words else "clip.csv"))
    assert len(table.ids) == 2
    with open_video(folder.out / "clip.mp4") as video:
        image = next(frame.image for frame in video if frame.index == 3)
    for person in range(2):
        x, y, across, _ = find_heads(next(islice(table.to_table().frames(), 3, 4))[2]).ellipses[
            person
        ]
        # In a ring inside the region, where no skeleton is drawn, most is the grey of the cover.
        rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
        apart = np.hypot(columns - x, rows - y) / across
        ring = image[(apart < 0.9) & (apart > 0.6)].astype(int)
        assert (np.abs(ring - 96).max(axis=-1) < 25).mean() > 0.5


def test_pictures_that_cannot_be_made_are_refused_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "none.mp4"
    assert main(["track", str(video), "--plot", "--format", "coco", "-o", str(tmp_path)]) == 1
    assert "add parquet or csv" in capsys.readouterr().err
    assert main(["track", str(video), "--no-overlay", "--blur-faces", "-o", str(tmp_path)]) == 1
    assert "--no-overlay" in capsys.readouterr().err
