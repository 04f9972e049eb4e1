"""What additions cost: the changes that docs/developers.md shows, applied to a copy and used."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import posetrack

PACKAGE = Path(posetrack.__file__).parent
PAGE = PACKAGE.parent / "docs" / "developers.md"

pytestmark = pytest.mark.skipif(
    not PAGE.is_file() or shutil.which("git") is None, reason="needs the page, and git to apply it"
)

USE = """
import json
import numpy as np
import torch
import posetrack
from posetrack.build import build_detector
from posetrack.checkpoints.loading import load_network
from posetrack.cli import parser
from posetrack.cli.network_options import check_networks
from posetrack.evaluation.mpii import MpiiResult, pck
from posetrack.evaluation.score_tables import metrics_json, tables
from posetrack.networks.tiny import Tiny

line = ["track", "x.mp4", "--detector", "whole", "--estimator", "bundled"]
check_networks(parser().parse_args(line))
boxes = build_detector("whole")(np.zeros((48, 64, 3), np.uint8)).xyxy.tolist()

torch.save(Tiny(17).state_dict(), "tiny.pth")
network, found = load_network("tiny.pth")

xy = np.zeros((1, 16, 2))
counts = pck(xy, np.ones((1, 16), bool), [10.0], xy + [1.5, 0])
result = MpiiResult(counts, true_tenth=False)
(table,) = tables({"run": result})
print(json.dumps({
    "package": posetrack.__file__, "boxes": boxes, "network": type(network).__name__,
    "columns": table.rows["run"],
    "json": json.dumps(metrics_json("mpii", {"run": result})),
}))
"""


def changes() -> list[str]:
    return re.findall(r"^```diff\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.S | re.M)


def files_of(change: str) -> tuple[list[str], list[str]]:
    """Files that a change adds, and those that it edits."""
    added = re.findall(r"^--- /dev/null\n\+\+\+ b/(.*)$", change, re.M)
    return added, re.findall(r"^--- a/(.*)$", change, re.M)


def test_each_addition_touches_the_files_that_the_page_says() -> None:
    assert [tuple(map(len, files_of(change))) for change in changes()] == [(1, 1), (1, 1), (0, 1)]
    for change in changes()[:2]:
        (_, edited) = change.split("--- a/")
        lines = [line for line in edited.splitlines() if re.match(r"\+(?!\+\+)", line)]
        assert len([line for line in lines if "import" not in line]) == 1


def test_a_detector_a_network_and_a_metric_are_there_once_they_are_added(tmp_path: Path) -> None:
    copy = tmp_path / "posetrack"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "bundled"))
    for number, change in enumerate(changes()):
        path = tmp_path / f"{number}.diff"
        path.write_text(change, encoding="utf-8")
        applied = subprocess.run(
            ["git", "apply", "--unidiff-zero", path.name],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env=os.environ | {"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)},
        )  # fmt: skip
        assert applied.returncode == 0, f"change {number} of the page: {applied.stderr}"
    run = subprocess.run(
        [sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    shown = json.loads(run.stdout)
    assert Path(shown["package"]).is_relative_to(tmp_path)
    assert shown["boxes"] == [[0, 0, 63, 47]]
    assert shown["network"] == "Tiny"
    assert (shown["columns"]["Mean@0.1"], shown["columns"]["Mean@0.2"]) == (0, 100)
    assert "Mean@0.2" in shown["json"]
