"""The table of what formats keep, as the command and docs show it."""

from __future__ import annotations

import pytest

from posetrack.cli import main
from posetrack.formats.catalogue import FORMATS, as_markdown, as_text, rows


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
