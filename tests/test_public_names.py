"""What programs may import is a list beside this file, so that a change of it is seen.

That it holds all that rooms offer is looked at in test_layers.py.
"""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LISTED = (Path(__file__).with_name("public_names.txt")).read_text(encoding="utf-8").split()


def python_of(path: Path) -> str:
    """The program of an example, or those in the code blocks and examples of a page."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return text
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    lines = [
        re.sub(r"^(>>> |\.\.\. |>>>|\.\.\.)", "", line)
        for block in blocks
        for line in block.split("\n")
        if not block.lstrip().startswith(">>>") or line.startswith((">>>", "..."))
    ]
    return "\n".join(lines)


def imported(path: Path) -> set[str]:
    """Every name of the package that a page or an example imports."""
    return {
        f"{node.module}.{name.name}"
        for node in ast.walk(ast.parse(python_of(path)))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("posetrack")
        for name in node.names
    }


def test_the_list_is_sorted_and_names_each_once() -> None:
    assert sorted(set(LISTED)) == LISTED


def test_every_listed_name_is_there() -> None:
    split = [name.rpartition(".") for name in LISTED]
    missing = [
        f"{m}.{name}" for m, _, name in split if not hasattr(importlib.import_module(m), name)
    ]
    assert missing == []


@pytest.mark.parametrize(
    "path",
    [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted(ROOT.glob("examples/*.py")),
    ],
    ids=lambda path: path.name,
)
def test_the_list_holds_what_pages_and_examples_import(path: Path) -> None:
    assert imported(path) - set(LISTED) == set()
