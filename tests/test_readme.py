"""What the README and the pages of docs/ tell people to type is what is run here."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from posetrack.cli import parser
from posetrack.formats.registry import as_markdown

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


def test_the_table_of_formats_is_the_one_in_the_code() -> None:
    text = (ROOT / "docs" / "formats.md").read_text()
    (table,) = re.findall(r"<!-- formats -->\n(.*?)\n<!-- /formats -->", text, re.DOTALL)
    assert table.strip() == as_markdown().strip()


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands() -> list[str]:
    """Every line that the pages tell people to type, without its comment."""
    texts = [re.sub(r"\s*\\\n\s*", " ", page.read_text()) for page in PAGES]
    lines = [line for text in texts for line in text.splitlines()]
    # In a container it is the words after the image.
    lines = [re.sub(r"^    docker run .* posetrack:\w+ ", "    posetrack ", line) for line in lines]
    return [
        re.sub(r"\s+#.*", "", line).strip() for line in lines if line.startswith("    posetrack ")
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text())
    inner = [link for link in links if "://" not in link]
    assert [link for link in inner if not (page.parent / link).exists()] == []


def test_every_page_is_reached_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    pages = [page for page in PAGES[1:] if page.parent.name != "api" and page.stem != "index"]
    names = [page.relative_to(ROOT).as_posix() for page in pages]
    assert [name for name in names if name not in text] == []


def subparser(words: list[str]) -> argparse.ArgumentParser:
    """The parser of a command, and of its own commands (``models list``)."""
    found = parser()
    for word in words:
        choices = [a for a in found._actions if isinstance(a, argparse._SubParsersAction)]
        if not choices or word not in choices[0].choices:
            break
        found = choices[0].choices[word]
    return found


@pytest.mark.parametrize("line", commands())
def test_every_command_has_the_options_that_the_pages_give_it(line: str) -> None:
    words = shlex.split(line)[1:]
    command = subparser(words)
    assert command.prog.split()[1] == words[0]
    known = {option for action in command._actions for option in action.option_strings}
    assert {word for word in words if word.startswith("-")} <= known
