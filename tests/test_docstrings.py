"""Docstrings name the arguments that there are, and public functions have an example."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import posetrack

PACKAGE = Path(posetrack.__file__).parent
PUBLIC = Path(__file__).with_name("public_names.txt").read_text(encoding="utf-8").split()

WITHOUT_EXAMPLE = {
    "contact_sheet",  # renders people for seconds
    "bundled_detector",  # loads a network
    "bundled_estimator",
    "predict",  # runs one
    "train",
    "write_training_files",  # renders in other processes
    "plot_timeline",  # draws what a whole evaluation has found
    *("read_c3d", "write_c3d", "read_nwb", "write_nwb", "read_slp", "write_slp"),  # need
    *("to_supervision", "to_supervision_detections", "to_ultralytics"),  # other people's libraries
    "read_coco",  # need a folder of images and a tool's export
    "read_dataloop",
    "read_labels",
    "read_roboflow",
    "write_report",  # needs results and three more libraries
}
"""Functions whose example would cost the tests more than it shows."""


def arguments(node: ast.FunctionDef) -> set[str]:
    """Names that a call can give."""
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    rest = [one for one in (node.args.vararg, node.args.kwarg) if one is not None]
    return {one.arg for one in (*given, *rest)}


def own_names(node: ast.ClassDef | ast.FunctionDef) -> set[str]:
    """Arguments of a function; of a class those of its constructor, and its fields."""
    if isinstance(node, ast.FunctionDef):
        return arguments(node)
    fields = {
        part.target.id
        for part in node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            fields |= arguments(part)
    return fields


def documented(docstring: str) -> list[str]:
    """Names below ``Parameters``."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", docstring, re.S | re.M)
    if section is None:
        return []
    heads = re.findall(r"^(\S.*)$", section[1], re.M)
    names = [name for head in heads for name in re.split(r",\s*", head.split(" : ")[0])]
    return [name.strip("* ") for name in names]


def strangers(tree: ast.AST) -> Iterator[str]:
    """Names that a docstring explains and that its function or class does not have."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            wrong = set(documented(ast.get_docstring(node) or "")) - own_names(node)
            yield from (f"{node.name}: {name}" for name in sorted(wrong))


def test_every_documented_parameter_is_one() -> None:
    found = [
        f"{path.relative_to(PACKAGE)} {stranger}"
        for path in PACKAGE.rglob("*.py")
        for stranger in strangers(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_a_parameter_of_before_is_found() -> None:
    source = (
        'def f(a, *, b):\n    """Add.\n\n    Parameters\n    ----------\n    a, c\n        Two.\n'
        '    b\n        One.\n    """\n'
    )
    assert list(strangers(ast.parse(source))) == ["f: c"]


def without_example() -> set[str]:
    """Public functions, by full name, that have none."""
    found = set()
    for full in PUBLIC:
        home, _, name = full.rpartition(".")
        thing = inspect.unwrap(getattr(importlib.import_module(home), name))
        if inspect.isfunction(thing) and ">>>" not in (thing.__doc__ or ""):
            found.add(f"{thing.__module__.removeprefix('posetrack.')}.{thing.__name__}")
    return found


def test_every_public_function_has_an_example() -> None:
    found = {name.rpartition(".")[2] for name in without_example()}
    assert found - WITHOUT_EXAMPLE == set()


def test_no_exception_outlives_its_function() -> None:
    found = {name.rpartition(".")[2] for name in without_example()}
    assert WITHOUT_EXAMPLE - found == set()
