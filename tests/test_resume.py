"""A run that is stopped goes on in another process to the bytes of one that never was."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_made import make_audio, with_damaged_packet

from posetrack import Tracker
from posetrack.cli import main
from posetrack.cli import track as command
from posetrack.files import PartialFile
from posetrack.formats.posetrack18 import SmallIds
from posetrack.runs import resuming
from posetrack.runs.outputs import FORMATS
from posetrack.runs.results import Outcome, Run, Wanted
from posetrack.runs.resuming import Point, Points, fingerprint, read_point
from posetrack.runs.writer import ResultPaths, RunWriter
from posetrack.testing import SceneDetector, SceneEstimator, crossing
from posetrack.video import VideoWriter, open_video
from posetrack.video.sound import add_sound, has_sound

LENGTH = 40
SCENE = crossing(frames=LENGTH)
EVERYTHING = Wanted(FORMATS, trails=5, blur_faces="fill", angles=True)
CLEANED = Wanted(
    FORMATS, trails=5, cleaning={"smooth": "butterworth", "fill": 0.3, "join": 0.5}, angles=True
)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A point wherever there may be one, and one date."""
    monkeypatch.setattr(resuming, "EVERY", 0.0)
    monkeypatch.setattr(resuming, "MOST_OF_THE_TIME", 1e9)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    with VideoWriter(path, rate=25) as writer:
        for image in SCENE:
            writer.write(image)
    return path


def tracker(*, flow: bool = False) -> Tracker:
    from posetrack.build import build_flow

    return Tracker(
        SceneDetector(SCENE, miss=0.1),
        SceneEstimator(SCENE),
        build_flow("lk"),
        flow_boxes=flow,
        flow_similarity=flow,
    )


def run(
    source: Path, out: Path, wanted: Wanted = EVERYTHING, *, resume: bool = True, **more: Any
) -> Outcome:
    made = more.pop("tracker", None) or tracker()
    given = {"settings": {"min_oks": 0.3}, "weights": {}, "reading": {}} | more
    return Run(source, made, wanted, ResultPaths(out, "walk"), resume=resume, **given).track()


def content(folder: Path) -> dict[str, bytes]:
    """All but the record of the run."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.name: path.read_bytes() for path in files if path.suffix != ".resume"}


def snapshots(
    monkeypatch: pytest.MonkeyPatch, out: Path, folder: Path, at: Callable[[int], bool]
) -> list[Path]:
    """Copies of a run's folder while it runs: what a process killed then would leave.

    After frames of these numbers, and around each file that takes its name.
    """
    taken: list[Path] = []

    def take() -> None:
        taken.append(folder / f"killed-{len(taken)}")
        shutil.copytree(out, taken[-1])

    write, publish = RunWriter.write, PartialFile.publish

    def spied_write(self: RunWriter, frame: Any, tracks: Any) -> None:
        write(self, frame, tracks)
        if at(self.frames):
            take()

    def spied_publish(self: PartialFile) -> None:
        watched = self.path.parent == out and self.path.suffix != ".resume"
        if watched and at(0):
            take()
        publish(self)
        if watched and at(0):
            take()

    monkeypatch.setattr(RunWriter, "write", spied_write)
    monkeypatch.setattr(PartialFile, "publish", spied_publish)
    return taken


@pytest.mark.parametrize(
    ("wanted", "moments"),
    [(EVERYTHING, (1, 30)), (CLEANED, (23,)), (EVERYTHING, (0,)), (CLEANED, (0,))],
    ids=["everything", "cleaned", "everything at its end", "cleaned at its end"],
)
def test_killed_at_any_moment_a_run_goes_on_to_the_same_bytes(
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wanted: Wanted,
    moments: tuple[int, ...],
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        taken = snapshots(patched, out, tmp_path, moments.__contains__)
        whole = run(video, out, wanted, tracker=tracker(flow=True))
    expected = content(out)
    assert taken
    assert not [name for name in expected if ".partial" in name]
    monkeypatch.setattr(resuming, "EVERY", 1e9)
    before = []
    for left in taken if wanted is EVERYTHING else taken[::-5]:
        outcome = run(video, left, wanted, tracker=tracker(flow=True))
        assert (outcome.frames, outcome.people, outcome.lines) == (
            whole.frames, whole.people, whole.lines,
        )  # fmt: skip
        assert content(left) == expected
        before.append(outcome.before)
        assert run(video, left, wanted).passed_over
    assert max(before) == LENGTH if moments == (0,) else max(before) > 0


@pytest.fixture(scope="module")
def whole(video: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run writes that cannot be resumed."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SOURCE_DATE_EPOCH", "1700000000")
        run(video, out, resume=False)
    assert not list(out.glob("*.resume"))
    return content(out)


def test_a_run_that_may_be_resumed_writes_what_another_writes(
    video: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    run(video, tmp_path)
    assert content(tmp_path) == whole
    assert (tmp_path / "walk.resume").exists()


def test_interrupted_or_on_a_full_disk_a_run_goes_on_as_well(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes]
) -> None:
    for error in (KeyboardInterrupt(), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))):
        out = tmp_path / type(error).__name__
        write = RunWriter.write

        def broken(self: RunWriter, frame: Any, tracks: Any, error: BaseException = error) -> None:
            write(self, frame, tracks)  # noqa: B023
            if self.frames == 30:
                raise error

        with monkeypatch.context() as patched:
            patched.setattr(RunWriter, "write", broken)
            with pytest.raises(type(error)) as caught:
                run(video, out)
        assert "the same command goes on from there" in caught.value.__notes__[0]
        assert 0 < run(video, out).before < 30
        assert content(out) == whole


def test_stopped_twice_it_goes_on_twice(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes]
) -> None:
    write = RunWriter.write
    for last in (16, 30):

        def stop(self: RunWriter, frame: Any, tracks: Any, last: int = last) -> None:
            write(self, frame, tracks)
            if self.frames == last:
                raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(RunWriter, "write", stop)
            with pytest.raises(KeyboardInterrupt):
                run(video, tmp_path / "out")
    assert run(video, tmp_path / "out").before > 16
    assert content(tmp_path / "out") == whole


def test_a_detector_of_several_images_sees_the_same_ones_together(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[list[int]] = []

    def made() -> Tracker:
        sizes.append([])
        seen = sizes[-1]

        class Noting(SceneDetector):
            images_at_once = 8

            def detect_all(self, images: Any) -> list[Any]:
                seen.append(len(images))
                return [self(image) for image in images]

        return Tracker(Noting(SCENE), SceneEstimator(SCENE))

    out, wanted = tmp_path / "out", Wanted(("csv",), overlay=False)
    with monkeypatch.context() as patched:
        taken = snapshots(patched, out, tmp_path, (21,).__contains__)
        run(video, out, wanted, tracker=made())
    (left,) = taken
    assert read_point(left / "walk.resume").tracked == 20 % 8
    run(video, left, wanted, tracker=made())
    assert content(left) == content(out)
    assert sizes[0] == [8] * 5
    assert sizes[1] == sizes[0][20 // 8 :]


@pytest.mark.parametrize("stride", [1, 3])
def test_damage_before_the_stop_does_not_change_what_follows(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stride: int
) -> None:
    damaged = tmp_path / "walk.mp4"
    damaged.write_bytes(video.read_bytes())
    with_damaged_packet(damaged, 4)
    with open_video(damaged) as reader:
        list(reader)
    assert len(reader.ledger.where(1))
    out, more = tmp_path / "out", {"reading": {"stride": stride}}
    with monkeypatch.context() as patched:
        taken = snapshots(patched, out, tmp_path, (11,).__contains__)
        whole = run(damaged, out, **more)
    again = run(damaged, taken[0], **more)
    assert again.problems == whole.problems
    assert content(taken[0]) == content(out)


def test_images_that_are_no_video_go_on_with_the_ids_that_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    folder, out = tmp_path / "images", tmp_path / "out"
    folder.mkdir()
    for number in range(12):
        cv2.imwrite(str(folder / f"{number}.png"), SCENE.render(number))
    wanted = Wanted(("parquet", "posetrack18"))
    with monkeypatch.context() as patched:
        taken = snapshots(patched, out, tmp_path, (7,).__contains__)
        run(folder, out, wanted, unrelated=True)
    assert run(folder, taken[0], wanted, unrelated=True).before == 6
    assert content(taken[0]) == content(out)
    assert len([name for name in content(out) if name.endswith(".png")]) == 12


def test_a_picture_that_a_killed_process_left_half_goes_and_others_files_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    folder, out = tmp_path / "images", tmp_path / "out"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), SCENE.render(number))
    drawn = out / "walk"
    drawn.mkdir(parents=True)
    for mine in (drawn / "0.partial.png", drawn / "notes.partial.txt", out / "other.partial.png"):
        mine.write_bytes(b"of somebody")
    wanted = Wanted(("csv",))
    with monkeypatch.context() as patched:
        taken = snapshots(patched, out, tmp_path, (3,).__contains__)
        run(folder, out, wanted, unrelated=True)
    (left,) = taken
    (left / "walk" / "2.partial.png").write_bytes(b"half")
    (left / "walk" / "3.partial-2.png").write_bytes(b"half")
    assert run(folder, left, wanted, unrelated=True).before == 2
    names = sorted(path.name for path in (left / "walk").iterdir())
    assert names == ["0.partial.png", "0.png", "1.png", "2.png", "3.png", "notes.partial.txt"]
    assert (left / "other.partial.png").exists()


def test_sound_that_was_not_added_yet_is_added(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "walk.mp4", tmp_path / "out"
    shutil.copy(video, source)
    assert add_sound(source, make_audio(tmp_path / "tone.mp4"), begin=0, end=1)
    with monkeypatch.context() as patched:
        taken = snapshots(patched, out, tmp_path, (0,).__contains__)
        run(source, out, Wanted(("csv",)))
    assert has_sound(out / "walk.mp4")
    silent = [left for left in taken if (left / "walk.mp4").exists()
              and not has_sound(left / "walk.mp4")]  # fmt: skip
    assert silent
    for left in silent:
        run(source, left, Wanted(("csv",)))
        assert content(left) == content(out)


# What is refused, and what is passed over.


def test_what_changed_since_is_refused_by_name(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(video, out, Wanted(("csv",), overlay=False))
    before = content(tmp_path)
    other = tmp_path / "walk.mp4"
    other.write_bytes(video.read_bytes()[:-1] + b"x")
    weights = tmp_path / "other.onnx"
    weights.write_bytes(b"other")
    for change, words in [
        ({"settings": {"min_oks": 0.4}}, r"settings min_oks \(0.3 then, 0.4 now\)"),
        ({"weights": {"estimator": weights}}, "networks estimator"),
        ({"reading": {"stop": 9}}, "reading stop"),
        ({"wanted": Wanted(("csv", "coco"), overlay=False)}, "outputs formats"),
        ({"source": other}, "changed since: the video"),
    ]:
        with pytest.raises(ValueError, match=words) as caught:
            run(
                **{"source": video, "out": out, "wanted": Wanted(("csv",), overlay=False), **change}
            )
        assert f"remove {out / 'walk.resume'} to begin again" in str(caught.value)
    assert {name: content(tmp_path)[name] for name in before} == before


def test_a_copy_of_the_video_elsewhere_is_the_same_video(video: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    shutil.copy(video, copy)
    assert fingerprint(copy) == fingerprint(video)


def test_a_finished_run_whose_files_are_gone_is_made_again(video: Path, tmp_path: Path) -> None:
    wanted = Wanted(("csv", "parquet"), overlay=False)
    run(video, tmp_path, wanted)
    expected = content(tmp_path)
    (tmp_path / "walk.csv").unlink()
    assert not run(video, tmp_path, wanted).passed_over
    assert content(tmp_path) == expected
    outcome = run(video, tmp_path, wanted)
    assert outcome.passed_over
    assert len(outcome.trajectories().frame) == LENGTH


@pytest.mark.parametrize("spoil", [b"", b"nonsense\n", b'{"format":"posetrack resume 1"}\n',
                                    b'{"format":"posetrack resume 1","arrays":[]}\n'])  # fmt: skip
def test_a_record_that_cannot_be_read_is_named(video: Path, tmp_path: Path, spoil: bytes) -> None:
    (tmp_path / "walk.resume").write_bytes(spoil)
    with pytest.raises(ValueError, match=r"walk\.resume: .*; remove .*walk\.resume to begin"):
        run(video, tmp_path)


def test_a_record_that_claims_more_than_it_holds_is_refused_before_memory_is_taken() -> None:
    data = Point("tracking", tracker={"a": np.zeros(3)}).to_bytes()
    with pytest.raises(ValueError, match="not whole"):
        Point.from_bytes(data.replace(b"[3]", b"[2000000000]"), "here")
    with pytest.raises(ValueError, match="no number of a frame: begin"):
        Point.from_bytes(data.replace(b'"begin":0', b'"begin":"x"'), "here")
    with pytest.raises(ValueError, match="no array"):
        Point.from_bytes(data.replace(b'"<f8"', b'"|O8"'), "here")


def test_an_unfinished_file_that_is_gone_is_named(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        taken = snapshots(patched, out, tmp_path, (20,).__contains__)
        run(video, out)
    (taken[0] / "walk.partial.arrows").unlink()
    with pytest.raises(FileNotFoundError, match=r"walk\.partial\.arrows"):
        run(video, taken[0])


def test_what_comes_once_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="camera or an address cannot"):
        fingerprint("rtsp://camera.local/live")


def test_points_are_rare_where_they_cost_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(resuming, "EVERY", 5.0)
    monkeypatch.setattr(resuming, "MOST_OF_THE_TIME", 0.005)
    monkeypatch.setattr(resuming.time, "monotonic", lambda: now[0])
    points = Points(ResultPaths(tmp_path, "walk"), {})

    def slow() -> Point:
        now[0] += 0.1
        return Point("tracking")

    now[0] = 5.0
    assert points.due
    points.write(slow)
    now[0] += 19.9
    assert not points.due
    now[0] += 0.2
    assert points.due


def test_small_ids_go_on_as_one(tmp_path: Path) -> None:
    del tmp_path
    numbers = [3, 12, 9, 12, 14, 7, 8, 20, 3, 14, 21]
    whole, first = SmallIds(10), SmallIds(10)
    expected = [whole(number) for number in numbers]
    begun = [first(number) for number in numbers[:5]]
    second = SmallIds.from_state(first.state)
    assert begun + [second(number) for number in numbers[5:]] == expected


def test_the_command_goes_on_and_says_so(
    video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "open_tracker", lambda _: (tracker(), {}))
    line = ["track", str(video), "-o", str(tmp_path / "out"), "--format", "csv", "--resume"]
    write = RunWriter.write

    def stop(self: RunWriter, frame: Any, tracks: Any) -> None:
        write(self, frame, tracks)
        if self.frames == 30:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RunWriter, "write", stop)
        assert main(line) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert main(["recover", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "walk.partial.csv" in said
    assert "goes on" in said
    assert main(line) == 0
    assert "of them before" in capsys.readouterr().out
    assert main(line) == 0
    assert "walk: finished before" in capsys.readouterr().out
    assert main([*line, "--min-similarity", "0.5"]) == 1
    assert "settings min_similarity (0.15 then, 0.5 now)" in capsys.readouterr().err
