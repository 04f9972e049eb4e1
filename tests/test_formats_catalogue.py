"""The table of what formats keep, as the command and docs show it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import posetrack
from posetrack.cli import main
from posetrack.cli.convert import writer_of
from posetrack.formats.checked_table import make_table
from posetrack.formats.registry import FORMATS, as_markdown, as_text, rows
from posetrack.formats.table import TrackTable


def test_markdown_has_a_row_a_format_and_as_many_cells_in_each() -> None:
    lines = as_markdown().splitlines()
    assert len(lines) == len(FORMATS) + 2
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    for (title, name, *_), line in zip(rows()[1:], lines[2:], strict=True):
        assert line.startswith(f"| {title} | {name} | ")


def test_the_command_shows_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "--formats"]) == 0
    shown = capsys.readouterr().out
    assert shown == as_text() + "\n"
    for name in FORMATS:
        assert f"\n{name} " in shown


def test_each_format_is_read_or_written_and_has_an_ending() -> None:
    for name, known in FORMATS.items():
        assert known.reads or known.writes, name
        assert known.ending.startswith("."), name


def test_a_format_is_added_by_a_file_and_an_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is a module here; what reads, writes and lists formats finds it by the entry."""

    def read_toy(path: Path, hints: object) -> TrackTable:
        del hints
        people = json.loads(path.read_text())["toy"]
        frame = np.arange(len(people))
        xy = np.repeat(np.array(people, float).reshape(-1, 1, 2), 17, axis=1)
        return make_table(
            str(path), frame, frame * 0 + 4, xy, np.ones(xy.shape[:2]), posetrack.COCO_17,
            frames=frame, seconds=frame / 25,
        )  # fmt: skip

    def write_toy(path: Path, table: TrackTable) -> None:
        path.write_text(json.dumps({"toy": table.xy[:, 0].tolist()}))

    module = ModuleType("posetrack.formats.toy")
    vars(module).update(read_toy=read_toy, write_toy=write_toy)
    entry = replace(
        FORMATS["mot"], title="Toy", ending=".toy.json",
        reader="toy:read_toy", writer="toy:write_toy", known_by=(("object", "toy"),),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(FORMATS, "toy", entry)
    path, again = tmp_path / "a.json", tmp_path / "b.json"
    path.write_text('{"toy": [[1.0, 2.0], [3.0, 4.0]]}')
    found = posetrack.load(path)
    assert found.xy[:, 0, 5].tolist() == [[1, 2], [3, 4]]
    writer_of("toy", SimpleNamespace(metres_per_pixel=None, skeleton=None))(again, found)
    assert json.loads(again.read_text()) == json.loads(path.read_text())
    assert "toy: Toy" in as_text()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.json",
            '{"labels": [], "skeletons": [], "videos": []}',
            "JSON of SLEAP's first versions",
        ),
        ("a.json", '{"_via_settings": {}, "_via_img_metadata": {}}', "JSON of VIA"),
        ("a.json", '{"a.jpg1": {"filename": "a.jpg", "regions": {}}}', "JSON of VIA"),
        (
            "a.json",
            '{"learning_rate": 1}',
            "JSON with learning_rate; expected one of PoseTrack 2017",
        ),
        ("a.xml", "<OpenSimDocument/>", "XML with OpenSimDocument; expected one of CVAT XML$"),
        ("frame_1.txt", "0 0.5 0.5 0.2 0.4 0.1 0.1 2\n", "for labels of YOLO give their folder$"),
        ("frames/a.png", "", r"no file in it that is read, but \*\.png$"),
    ],
)
def test_files_that_are_not_read_are_refused_in_a_line_that_says_why(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path = path.parent if path.parent != tmp_path else path
    with pytest.raises((ValueError, FileNotFoundError), match=message) as raised:
        posetrack.load(path, rate=25)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
