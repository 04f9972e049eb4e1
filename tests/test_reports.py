"""The report page: what is in it, what it needs, and how it does with less than everything."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from analysis_made import of_scene

from posetrack.analysis import angle, find_repetitions
from posetrack.audit.edits import apply_edits, parse_edits
from posetrack.cli import main
from posetrack.cluster.jobs import Done, Job
from posetrack.cluster.summary import write_summary
from posetrack.formats import describe_run
from posetrack.reports import find_results
from posetrack.reports.facts import networks_of, read_ledger, video_facts
from posetrack.reports.result_files import source_of
from posetrack.testing import crossing
from posetrack.trajectories import Trajectories, load, save
from posetrack.video import VideoWriter
from posetrack.world import squats

for library in ("altair", "vl_convert", "jinja2"):
    pytest.importorskip(library, reason='the extra "report" is not installed')


class Reader(HTMLParser):
    """Text, tags, and all that a page would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.hidden = ""
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = tag
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "poster")]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.hidden += data
        elif self._inside != "style":
            self.text += data


def figures_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', page, re.S)
    return json.loads(found[1])


@pytest.fixture(scope="module")
def gym(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squats, without their video."""
    path = tmp_path_factory.mktemp("gym") / "gym.parquet"
    save(of_scene(squats(people=1, frames=150, seed=1), noise=1.0), path)
    return path


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two who cross, one under a name that is a script, an exchange of ids, and their video."""
    folder = tmp_path_factory.mktemp("street")
    scene = crossing(frames=40)
    video = folder / "<script>alert(1)<.mp4"
    with VideoWriter(video, rate=25, queue=0) as writer:
        for image in scene:
            writer.write(image)
    times = np.arange(40)
    truth = Trajectories(times, times / 25, [1, 2], scene.xy, np.ones((40, 2, 17)), scene.skeleton)
    wrong = apply_edits(truth, parse_edits("swap 1 2 from f12"))
    weights = {"estimator": {"file": "pose_light.safetensors", "bytes": 1, "sha256": "ab" * 32}}
    metadata = {
        "image_size": next(iter(scene)).shape[1::-1],
        "individuals": {"2": "<script>alert(2)</script>"},
        "provenance": describe_run(source=video, settings={"memory": 10}, weights=weights),
    }
    save(replace(wrong, metadata=metadata), folder / "street.parquet")
    (folder / "street.frames.csv").write_text(
        "frame,seconds,status\n0,0.0,decoded\n1,0.04,corrupt\n2,0.08,decoded\n"
    )
    (folder / "rules.toml").write_text(
        '[[rule]]\nname = "both <b>here</b>"\nwhen = "near"\n'
        'keypoints = ["nose"]\nof_other = ["nose"]\ncloser_than = 99\n'
    )
    return folder


@pytest.fixture(scope="module")
def page(street: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("pages")
    assert main(["report", str(street), "--rules", str(street / "rules.toml"), "-o", str(out)]) == 0
    return (out / "street.report.html").read_text(encoding="utf-8")


def test_the_page_loads_nothing_from_elsewhere(page: str) -> None:
    loads = Reader(page).loads
    assert len(loads) > 5
    assert [one for one in loads if not one.startswith(("data:", "#"))] == []
    assert "default-src 'none'" in page
    assert len(page.encode()) < 10_000_000


def test_names_that_are_scripts_are_text(page: str) -> None:
    found = Reader(page)
    assert found.tags.count("script") == 3  # the charts, their runtime, and what starts it
    assert "<script>alert(1)<.mp4" in found.text
    assert "<script>alert(2)</script>" in found.text
    assert "both <b>here</b>" in found.text
    assert "<script>alert" not in page


def test_the_page_has_people_doubts_events_frames_and_networks(page: str) -> None:
    found = Reader(page)
    assert "swap 1 2 from f12" in found.text
    assert "2 decoded, 1 corrupt" in found.text
    assert "(pose_light.safetensors)" in found.text
    assert "MIT" in found.text
    kinds = [re.match(r"data:(\w+/\w+)", one)[1] for one in found.loads if one[:5] == "data:"]
    assert kinds.count("video/mp4") == 1
    # Portraits, five of the event, the doubts; the frame below the trails.
    assert kinds.count("image/jpeg") >= 2 + 5 + 1 + 1


def test_curves_in_the_page_are_those_of_the_analysis(page: str, street: Path) -> None:
    person = load(street / "street.parquet").person(1)
    lines = figures_of(page)["angles-1"]["datasets"]["angles"].splitlines()
    column = lines[0].split(",").index("left_knee")
    shown = [float(line.split(",")[column] or "nan") for line in lines[1:]]
    there = person.present[:, 0]
    np.testing.assert_allclose(shown, angle(person, "left_knee")[there, 0], atol=0.06)


def test_repetitions_are_counted_and_drawn(gym: Path, tmp_path: Path) -> None:
    assert main(["report", str(gym), "-o", str(tmp_path)]) == 0
    page = (tmp_path / "gym.report.html").read_text(encoding="utf-8")
    complete = [one for one in find_repetitions(load(gym), "squat") if one.outcome == "complete"]
    assert complete
    assert f"{len(complete)} repetitions of squat" in Reader(page).text
    assert "push-up" not in Reader(page).text
    bands = json.dumps(figures_of(page)["repetitions-0-1"])
    assert all(f'"turn": {round(one.turn, 3)}' in bands for one in complete)


def test_without_video_the_page_says_so(
    gym: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyse", str(gym), "--report", "-o", str(tmp_path)]) == 0
    assert "There are no pictures" in capsys.readouterr().err
    page = Reader((tmp_path / "gym.report.html").read_text(encoding="utf-8"))
    assert "There are no pictures" in page.text
    assert "img" not in page.tags


def test_where_faces_were_covered_pictures_come_from_the_overlay_alone(
    street: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = load(street / "street.parquet")
    provenance = dict(whole.metadata["provenance"])
    provenance["settings"] = {"blur_faces": "blur"}
    metadata = {**whole.metadata, "provenance": provenance}
    save(replace(whole, metadata=metadata), tmp_path / "street.parquet")
    assert main(["report", str(tmp_path)]) == 0
    assert "faces were covered" in capsys.readouterr().err
    assert "img" not in Reader((tmp_path / "street.report.html").read_text()).tags
    video = next(street.glob("*.mp4"))
    (tmp_path / "street.mp4").write_bytes(video.read_bytes())
    assert main(["report", str(tmp_path)]) == 0
    assert "cut from the overlay" in capsys.readouterr().err


def test_nobody_and_several_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = crossing(frames=3)
    times = np.arange(3)
    nobody = np.full((3, 2, 17, 2), np.nan)
    empty = Trajectories(times, times / 25, [1, 2], nobody, np.zeros((3, 2, 17)), scene.skeleton)
    for name in ("a", "b"):
        save(empty, tmp_path / f"{name}.csv")
    assert main(["report", str(tmp_path)]) == 0
    assert "Nobody" in Reader((tmp_path / "b.report.html").read_text()).text
    assert main(["report", str(tmp_path), "--video", "x.mp4"]) == 1
    capsys.readouterr()
    assert main(["report", str(tmp_path / "none")]) == 1
    assert "no such" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / "empty")]) == 1
    assert "no table of tracks" in capsys.readouterr().err


def test_the_table_of_a_batchs_videos_is_no_table_of_tracks(street: Path, tmp_path: Path) -> None:
    out = shutil.copytree(street, tmp_path / "out")
    write_summary(out, [Job("street", "street.mp4")], [Done(9, 2)])
    assert [one.name for one in find_results(out)] == [one.name for one in find_results(street)]
    (out / "street.parquet").replace(out / "batch.parquet")
    assert "batch" in [one.name for one in find_results(out)], "a video may be called so"


def test_a_page_that_would_be_too_large_leaves_its_clip_out(street: Path, tmp_path: Path) -> None:
    from posetrack.reports import write_report

    (results,) = find_results(street)
    path = tmp_path / "whole.html"
    write_report(results, path)
    least = path.stat().st_size
    notes = write_report(results, path, most_bytes=least - 1)
    assert "Without the clip" in notes[-1]
    assert path.stat().st_size < least
    assert "data:video" not in path.read_text()
    notes = write_report(results, path, most_bytes=1000)
    assert "larger than" in notes[-1]
    assert not any("events" in note for note in notes)  # there were no pictures of any


def test_a_broken_ledger_is_refused_by_name_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.frames.csv"
    path.write_text("frame,seconds,status\n0,zero,decoded\n")
    with pytest.raises(ValueError, match=r"a\.frames\.csv: line 2"):
        read_ledger(path)
    path.write_text(f"frame,seconds,status\n0,0,{'x' * 200_000}\n")
    with pytest.raises(ValueError, match=r"a\.frames\.csv: not a table"):
        read_ledger(path)


@pytest.mark.parametrize(
    "source", [{"file": "x" * 5000}, {"file": "a\udce9.mp4"}, {"bytes": 10**400}, {"bytes": True}]
)
def test_a_strange_source_in_a_table_loses_no_page(gym: Path, source: dict) -> None:
    odd = replace(load(gym), metadata={"provenance": {"source": source}})
    facts = video_facts(odd, None)
    assert "".join(value for _, value in facts).encode()
    assert source_of(odd.metadata, gym) is None


def test_networks_that_nobody_knows_have_no_licence(gym: Path) -> None:
    whole = load(gym)
    weights = {"estimator": {"file": "mine.onnx", "bytes": 1, "sha256": "cd" * 32}, "odd": 3}
    mine = replace(whole, metadata={"provenance": {"weights": weights}})
    assert [(one.name, one.licence) for one in networks_of(mine)] == [("mine.onnx", ""), ("", "")]
