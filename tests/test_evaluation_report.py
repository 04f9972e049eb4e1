"""Tables, metrics.json, the event CSV, timelines and the command."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_made import document, people_apart, sequence

from posetrack.cli import evaluate
from posetrack.evaluation import evaluate_poses, evaluate_posetrack, evaluate_posetrack21
from posetrack.evaluation.score_tables import metrics_json, tables
from posetrack.plots import person_timeline, plot_timeline


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """``gt``, a run with a swap and a run without."""
    for number in (1, 2):
        xy = people_apart(6, 2, number)
        ids = np.tile([0, 1], (6, 1))
        swapped = ids.copy()
        swapped[3:] = [1, 0]
        scores = np.full((6, 2, 17), 0.5)
        for side, of_side in (("gt", ids), ("good", ids), ("swapped", swapped)):
            (tmp_path / side).mkdir(exist_ok=True)
            content = document(xy, of_side, scores=scores, number=number)
            (tmp_path / side / f"{number:06}_mpii_test.json").write_text(json.dumps(content))
    return tmp_path


def command(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    evaluate.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["eval", *map(str, arguments)])
    status: int = parsed.run(parsed)
    return status


def test_the_command_prints_runs_side_by_side_and_writes_metrics(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folders / "out"
    runs = ("--pred", folders / "good", "--pred", folders / "swapped")
    assert command("posetrack18", "--gt", folders / "gt", *runs, "-o", out, "--events") == 0
    printed = capsys.readouterr().out
    assert "good" in printed
    assert "swapped" in printed
    content = json.loads((out / "metrics.json").read_text())
    assert (content["format"], content["version"]) == ("posetrack-metrics", 1)
    assert content["runs"]["good"]["tables"]["MOTA"]["MOTA"] == 100
    assert content["runs"]["swapped"]["details"]["events"]["switch"] == 2 * 2 * 15
    assert content["made_by"]["settings"]["drop_last_frame"] is True
    assert (out / "events-1.csv").exists()
    with (out / "events-2.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["event"] for row in rows} == {"switch"}
    assert {row["frame"] for row in rows} == {"3"}
    first = rows[0]
    assert (first["sequence"], first["true_id"]) == ("000001_mpii_test", "0")
    assert (first["predicted_id"], first["previous_id"]) == ("1", "0")


@pytest.mark.parametrize("protocol", ["posetrack17", "posetrack21", "poses"])
@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_every_protocol_prints_every_form(
    folders: Path, protocol: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--gt", folders / "gt", "--pred", folders / "good", "-o", folders / "out")
    assert command(protocol, *arguments, "--format", form) == 0
    assert "100.0" in capsys.readouterr().out


def test_flags_reach_the_evaluation(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--gt", folders / "gt", "--pred", folders / "swapped", "-o", folders / "out")
    assert command("posetrack18", *arguments, "--no-tracking") == 0
    content = json.loads((folders / "out" / "metrics.json").read_text())
    assert list(content["runs"]["swapped"]["tables"]) == ["AP"]
    assert "MOTA" not in capsys.readouterr().out


@pytest.mark.parametrize("protocol", ["posetrack18", "posetrack21", "poses"])
def test_sequences_and_keypoints_are_printed_if_asked(
    folders: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--gt", folders / "gt", "--pred", folders / "swapped", "-o", folders / "out")
    command(protocol, *arguments)
    assert "000002_mpii_test" not in capsys.readouterr().out
    command(protocol, *arguments, "--per-sequence", "--per-keypoint")
    printed = capsys.readouterr().out
    assert "000002_mpii_test" in printed
    assert ("left_wrist" in printed) == (protocol != "poses")


def test_a_failed_evaluation_leaves_the_old_metrics(folders: Path) -> None:
    out = folders / "out"
    good = ("--gt", folders / "gt", "--pred", folders / "good", "-o", out)
    command("posetrack18", *good)
    before = (out / "metrics.json").read_text()
    with pytest.raises(FileNotFoundError):
        command("posetrack18", *good[:2], "--pred", folders / "nowhere", "-o", out)
    assert (out / "metrics.json").read_text() == before
    assert [path.name for path in out.iterdir()] == ["metrics.json"]


def test_numbers_that_do_not_exist_are_null_and_dashes() -> None:
    xy, ids = people_apart(3, 1, 0), np.zeros((3, 1), int)
    nobody = np.zeros((3, 1), bool)
    result = evaluate_posetrack(
        [sequence(xy, ids, present=nobody)], [sequence(xy, ids, present=nobody)]
    )
    content = metrics_json("posetrack18", {"nobody": result})
    assert content["runs"]["nobody"]["tables"]["MOTA"]["MOTA"] is None
    json.dumps(content, allow_nan=False)
    assert " - " in tables({"nobody": result})[1].text() + " "


def test_hota_in_metrics_has_means_and_alphas() -> None:
    made = sequence(people_apart(3, 2, 0), np.tile([0, 1], (3, 1)))
    details: Any = metrics_json("posetrack21", {"run": evaluate_posetrack21([made], [made])})
    hota = details["runs"]["run"]["details"]["hota"]
    assert len(hota["alphas"]) == 19
    assert len(hota["by_alpha"]["hota"]) == 19
    assert len(hota["mean"]["hota"]) == 16


def test_latex_escapes_names() -> None:
    made = sequence(people_apart(3, 2, 0), np.tile([0, 1], (3, 1)))
    result = evaluate_posetrack([made], [made])
    assert r"my\_run & 100.0" in tables({"my_run": result})[0].latex()


def test_a_timeline_shows_ids_and_misses(tmp_path: Path) -> None:
    xy, ids = people_apart(6, 2, 0), np.tile([5, 6], (6, 1))
    present = np.ones((6, 2), bool)
    present[2, 0] = False
    swapped = ids.copy()
    swapped[4:] = [6, 5]
    for result in (
        evaluate_posetrack([sequence(xy, ids)], [sequence(xy, swapped, present=present)]),
        evaluate_poses([sequence(xy, ids)], [sequence(xy, swapped, present=present)]),
    ):
        assert result.events is not None
        people, frames, shown = person_timeline(result.events)
        assert people.tolist() == [5, 6]
        assert shown[0][:5] == [5, 5, "missed", 5, 6]
        assert shown[1][:5] == [6, 6, 6, 6, 5]
        pytest.importorskip("matplotlib", reason="needs matplotlib")
        path = tmp_path / f"{len(frames)}.png"
        plot_timeline(result.events, "made", path)
        assert path.read_bytes()[:4] == b"\x89PNG"
    assert result.events is not None
    with pytest.raises(KeyError, match="nowhere"):
        plot_timeline(result.events, "nowhere", tmp_path / "x.png")
