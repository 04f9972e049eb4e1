"""Every block of Python on a page runs; all pages of the site are reached."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
pytest.importorskip("pandas", reason="needs the extra posetrack[formats]")

import posetrack
from posetrack import build
from posetrack.testing import crossing
from posetrack.video import Frame, VideoWriter, open_video

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LISTED = (Path(__file__).with_name("public_names.txt")).read_text(encoding="utf-8").split()


def blocks(page: Path) -> list[str]:
    """Python that is shown and not a session; sessions are run by doctest."""
    found = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [block for block in found if not block.startswith(">>>")]


class Camera:
    """Gives a file's frames as a live source gives its newest."""

    ready = True

    def __init__(self, path: Path) -> None:
        self._video = open_video(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._video.close()

    def __next__(self) -> Frame:
        return replace(next(self._video), lag=0.02)


WITH_BLOCKS = [page for page in PAGES if blocks(page)]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run_one_after_the_other(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Videos and cameras are a short scene; networks to be fetched, those inside the package."""
    monkeypatch.chdir(tmp_path)
    scene = crossing(frames=4)
    images, people = list(scene), scene.truth(0)[0]
    for name in ("match", "squat"):
        with VideoWriter(tmp_path / f"{name}.mp4", rate=25) as video:
            for image in images:
                video.write(image)

    def open_any(source: Any, *, live: bool = False, **settings: Any) -> Any:
        return Camera(tmp_path / "match.mp4") if live else open_video(source, **settings)

    monkeypatch.setattr("posetrack.video.open_video", open_any)

    def estimator(_: Any, boxes: posetrack.Detections) -> posetrack.Poses:
        rows = np.arange(len(boxes)) % len(people)
        return posetrack.Poses(people.xy[rows], people.scores[rows], boxes, people.skeleton)

    found = {"detector": lambda _: people.boxes, "estimator": estimator}
    monkeypatch.setattr(build, "build_default", lambda default, **_: found[default.kind])
    monkeypatch.setattr(build, "default_networks", lambda *kinds, **_: found)
    for kind, network in found.items():
        monkeypatch.setattr(build, f"build_{kind}", lambda *_, network=network, **__: network)

    def bundled(kind: Any, *_: object, **__: object) -> build.DefaultNetwork:
        return build.DefaultNetwork(kind, "bundled", build.find_bundled_file(kind))

    monkeypatch.setattr(build, "find_default", bundled)
    if "out/match.parquet" in page.read_text(encoding="utf-8"):
        posetrack.track("match.mp4", **found, out="out", overlay=False)
    if 'load("match' in page.read_text(encoding="utf-8"):
        posetrack.save(posetrack.track("match.mp4", **found), "match.csv")
    names: dict[str, Any] = {"images": images, **found}
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), names)


def test_there_are_blocks_to_run() -> None:
    assert {"README", "use", "own_video", "moving"} <= {page.stem for page in WITH_BLOCKS}


def test_every_page_is_in_a_contents_list() -> None:
    listed = set()
    for page in PAGES:
        for contents in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.DOTALL):
            words = [line for line in contents.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / word).resolve() for word in words}
    notebooks = (ROOT / "docs").rglob("*.ipynb")
    every = {page.with_suffix("") for page in [*PAGES[1:], *notebooks]}
    assert every - listed == {ROOT / "docs" / "index"}


def test_every_room_with_public_names_has_a_page_of_the_reference() -> None:
    text = "".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    shown = set(re.findall(r"automodule:: (\S+)", text))
    rooms = {name.rpartition(".")[0] for name in LISTED}
    # A class of one file is told on the page of networks.
    files = ("detectors.onnx", "estimators.onnx", "tracking.pipeline")
    single = {f"posetrack.{name}" for name in files}
    assert rooms - single - shown == set()


def test_notebooks_without_a_run_are_empty_and_of_the_newest_form() -> None:
    for path in (ROOT / "docs").rglob("*.ipynb"):
        notebook = json.loads(path.read_text())
        assert notebook["nbformat"] == 4
        assert all(not cell.get("outputs") for cell in notebook["cells"])


def test_the_citation_names_this_version() -> None:
    assert f"\nversion: {posetrack.__version__}\n" in (ROOT / "CITATION.cff").read_text()
