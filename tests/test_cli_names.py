"""Names that are not UTF-8 are told in one line by every command."""

import os

import pytest

from posetrack.cli import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_is_not_utf_8_is_told_in_one_line(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = os.fsdecode(b"walk/\xff.mp4")
    assert main([command, name]) == 2
    said = capsys.readouterr().err
    assert said.startswith("posetrack: walk/")
    assert "not text in UTF-8" in said
    assert len(said.splitlines()) == 1
