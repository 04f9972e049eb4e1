"""What the README tells people to type is what is run here."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def command(word: str) -> str:
    """The README's indented line with a word in it."""
    lines = (ROOT / "README.md").read_text().splitlines()
    (found,) = [
        line.strip() for line in lines if line.startswith("    python3 -m venv") and word in line
    ]
    return found


def test_ci_runs_the_readmes_test_command() -> None:
    script = ROOT / ".ci" / "run"
    if not script.is_file():
        pytest.skip("not a checkout")
    assert command("pytest") in script.read_text().splitlines()


def test_the_first_command_installs_and_runs_the_demo() -> None:
    assert command("posetrack demo").endswith("&& .venv/bin/posetrack demo")
