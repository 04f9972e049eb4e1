"""Results in segments: each is whole once the next begins, and ids and times go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_resume import LENGTH, SCENE, content, snapshots, tracker

import posetrack
from posetrack.cli import main
from posetrack.cli import track as command
from posetrack.runs import results as room
from posetrack.runs import resuming
from posetrack.runs.outputs import FORMATS
from posetrack.runs.results import Outcome, Run, Wanted
from posetrack.runs.segments import Position, Segments
from posetrack.runs.writer import ResultPaths
from posetrack.trajectories import load
from posetrack.video import VideoWriter, open_video

SEGMENTS = Wanted(FORMATS, trails=5, angles=True, segment=1.0)
ENDINGS = (
    ".angles.csv", ".audit.parquet", ".coco.json", ".coco.json.meta.json", ".csv",
    ".csv.meta.json", ".frames.csv", ".json", ".mp4", ".parquet",
)  # fmt: skip


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "EVERY", 0.0)
    monkeypatch.setattr(resuming, "MOST_OF_THE_TIME", 1e9)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 frames a second, none between 1.2 and 3.2 seconds."""
    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    with VideoWriter(path, rate=25) as writer:
        for index, image in enumerate(SCENE):
            writer.write(image, index / 25 + 2 * (index >= 30))
    return path


def run(source: Path, out: Path, wanted: Wanted = SEGMENTS, **more: Any) -> Outcome:
    given: dict[str, Any] = {"settings": {}, "weights": {}, "reading": {}} | more
    return Run(source, tracker(), wanted, ResultPaths(out, "walk"), **given).track()


@pytest.fixture(scope="module")
def whole(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SOURCE_DATE_EPOCH", "1700000000")
        assert run(video, out).frames == LENGTH
    return out


def test_each_segment_is_a_set_of_files_named_after_its_time(whole: Path) -> None:
    numbers = ("0000", "0001", "0003")  # nothing happened in the third second
    assert sorted(content(whole)) == sorted(
        f"walk-{number}{ending}" for number in numbers for ending in ENDINGS
    )
    frames = [load(whole / f"walk-{n}.csv").frame.tolist() for n in numbers]
    assert [(min(part), max(part)) for part in frames] == [(0, 24), (25, 29), (30, 39)]
    for number, part in zip(numbers, frames, strict=True):
        with open_video(whole / f"walk-{number}.mp4") as drawn:
            assert len(list(drawn)) == len(part)


def test_all_segments_together_are_the_run_in_one_piece(
    video: Path, whole: Path, tmp_path: Path
) -> None:
    run(video, tmp_path, Wanted(("csv", "frames", "audit"), overlay=False))
    for ending in (".csv", ".frames.csv"):
        parts = [path.read_text().partition("\n") for path in sorted(whole.glob(f"*[0-9]{ending}"))]
        assert (
            "".join([*parts[0][:2], *(rows for _, _, rows in parts)])
            == (tmp_path / f"walk{ending}").read_text()
        )


def test_a_segment_is_whole_before_the_first_frame_of_the_next_is_written(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, seen = Segments.write, []

    def spied(self: Segments, frame: Any, tracks: Any) -> None:
        if frame.index == 25:
            seen.extend(path.name for path in tmp_path.iterdir())
        write(self, frame, tracks)

    monkeypatch.setattr(Segments, "write", spied)
    run(video, tmp_path)
    assert sorted(seen) == sorted(f"walk-0000{ending}" for ending in ENDINGS)


@pytest.mark.parametrize("moments", [(1, 26, 33), (0,)], ids=["in a segment", "at its end"])
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(
    video: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moments: tuple[int, ...],
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        taken = snapshots(patched, out, tmp_path, moments.__contains__)
        run(video, out, resume=True)
    assert content(out) == content(whole)
    monkeypatch.setattr(resuming, "EVERY", 1e9)
    for left in taken if len(moments) > 1 else taken[5::8]:
        assert run(video, left, resume=True).frames == LENGTH
        assert content(left) == content(whole)
        assert run(video, left, resume=True).passed_over


def test_whole_segments_may_be_taken_away_while_the_run_goes_on(
    video: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Segments.write

    def stop(self: Segments, frame: Any, tracks: Any) -> None:
        write(self, frame, tracks)
        if frame.index == 35:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Segments, "write", stop)
        with pytest.raises(KeyboardInterrupt) as caught:
            run(video, tmp_path, resume=True)
    assert "the same command goes on from there" in caught.value.__notes__[0]
    for path in tmp_path.glob("walk-0000*"):
        path.unlink()
    assert run(video, tmp_path, resume=True).before > 25
    left = content(tmp_path)
    assert left == {n: data for n, data in content(whole).items() if "-0000" not in n}


def test_in_a_program_all_segments_come_back_as_one(video: Path, tmp_path: Path) -> None:
    made = tracker()
    people = posetrack.track(
        video, detector=made.detector, estimator=made.estimator, ahead=0, out=tmp_path,
        formats=["csv"], overlay=False, segment=1, flow_boxes=False, flow_similarity=False,
    )  # fmt: skip
    assert len(people) == LENGTH
    assert people.ids.tolist() == [1, 2, 3, 4]  # the gap is longer than the memory
    last = load(tmp_path / "walk-0003.csv")
    np.testing.assert_array_equal(people.xy[30:, 2:], last.xy)
    with pytest.raises(ValueError, match="give a folder"):
        posetrack.track(video, detector=made.detector, estimator=made.estimator, ahead=0, segment=1)


def test_the_command_says_when_a_segment_is_whole(
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "open_tracker", lambda _: (tracker(), {}))
    line = ["track", str(video), "-o", str(tmp_path), "--format", "csv,coco,frames,audit"]
    assert main([*line, "--segment", "1s"]) == 0
    said = capsys.readouterr()
    assert "walk: walk-0001 is whole, 5 frames" in said.err
    assert "40 frames, 4 people -> 15 files" in said.out
    assert main([*line, "--segment", "0.01h", "--smooth", "butterworth"]) == 1
    assert "cleaning looks at a whole run" in capsys.readouterr().err
    assert main([*line, "--segment", "500ms"]) == 1
    assert "segments have 1 second or more, got 0.5" in capsys.readouterr().err
    assert main([*line, "--segment", "1s", "--unrelated"]) == 1
    assert "segments are of a video" in capsys.readouterr().err


def test_a_window_that_is_closed_leaves_a_run_that_may_be_resumed_to_be_gone_on_with(
    video: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Window:
        def __init__(self, title: str) -> None:
            del title
            self.closed = False
            self.shown = 0

        def show(self, frame: Any, tracks: Any) -> None:
            del tracks
            self.closed = frame.index == 35

        def close(self) -> None: ...

    with monkeypatch.context() as patched:
        patched.setattr(room, "Window", Window)
        with pytest.raises(KeyboardInterrupt) as caught:
            run(video, tmp_path, resume=True, show=True)
    assert "the same command goes on" in caught.value.__notes__[0]
    assert run(video, tmp_path, resume=True).before > 25
    assert content(tmp_path) == content(whole)


@pytest.mark.parametrize(
    "record",
    [
        None,
        [1, 0.0, 0, 0, 0],
        [1, 0.0, 0, 0, -1, []],
        [1, 0.0, 0, 0, 0, [3]],
        ["1", 0, 0, 0, 0, []],
    ],
)
def test_a_place_of_something_else_is_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="no position among segments"):
        Position.from_json(record)
