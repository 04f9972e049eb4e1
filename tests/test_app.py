"""The app: its pages by Streamlit's own testing, its runs, and what is left when browsers go."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import PATIENCE

pytest.importorskip("streamlit", reason='the extra "app" is not installed')

from streamlit.testing.v1 import AppTest

from posetrack.analysis import angle
from posetrack.app import page, player
from posetrack.app.choices import PRECISIONS, SHOWN, Choices, finds_boxes, networks, words_of
from posetrack.app.maps import box_at, maps_picture
from posetrack.app.sessions import Session, Sessions
from posetrack.app.sidebar import Source, look_at_file
from posetrack.app.subprocesses import Job, State, words_of_job
from posetrack.app.worker import MAPS, VIEW, make_view, read_words
from posetrack.audit.edits import apply_edits, parse_edits
from posetrack.cli import parser
from posetrack.cli.app import check_free, command, run
from posetrack.files import dump_json
from posetrack.skeletons import COCO_17
from posetrack.testing import crossing
from posetrack.trajectories import Trajectories, load, save
from posetrack.video import VideoWriter

PAGE = str(Path(page.__file__))


class Ended:
    """A run that has ended, with its results in a folder."""

    def __init__(self, folder: Path, state: State) -> None:
        self.folder, self._state = folder, state

    def state(self) -> State:
        return self._state


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two who cross."""
    path = tmp_path_factory.mktemp("videos") / "two.mp4"
    with VideoWriter(path, rate=25, queue=0) as writer:
        for image in crossing(frames=20):
            writer.write(image)
    return path


@pytest.fixture
def tracked(video: Path, tmp_path: Path) -> Path:
    """The results of a run in which two people were exchanged."""
    scene = crossing(frames=20)
    times = np.arange(20)
    size = next(iter(scene)).shape[1::-1]
    truth = Trajectories(
        times, times / 25, [1, 2], scene.xy, np.ones((20, 2, 17)), scene.skeleton,
        metadata={"image_size": size, "rate": 25.0},
    )  # fmt: skip
    folder = tmp_path / "run"
    folder.mkdir()
    save(apply_edits(truth, parse_edits("swap 1 2 from f12")), folder / "two.parquet")
    return folder


def open_page(
    monkeypatch: pytest.MonkeyPatch, base: Path, *, job: Ended | None = None, **given: object
) -> AppTest:
    """The page, with a run that has ended, if any."""
    values = {"folder": str(base), "allow_paths": True, "max_seconds": 60.0, **given}
    monkeypatch.setenv(page.OPTIONS, json.dumps(values))
    shown = AppTest.from_file(PAGE, default_timeout=PATIENCE)
    if job is not None:
        shown.session_state["job"] = job
    return shown.run()


def choose(shown: AppTest, path: Path | str) -> AppTest:
    shown.radio(key="from").set_value("Path").run()
    return shown.text_input(key="path").set_value(str(path)).run()


def view(shown: AppTest, name: str) -> AppTest:
    return shown.radio(key="view").set_value(name).run()


def texts(shown: AppTest) -> str:
    return "\n".join(one.value for one in shown.text)


def test_the_page_opens_and_asks_for_a_video(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = open_page(monkeypatch, tmp_path, allow_paths=False)
    assert not shown.exception
    assert shown.info[0].value == "Choose a video or a picture at the left."
    assert shown.radio(key="from").options == ["Upload", "Camera picture"]
    assert not shown.get("markdown")  # nothing but what is meant is shown
    assert {*SHOWN} <= {one.key for one in shown.number_input}


def test_networks_are_shown_with_size_and_licence_and_posenet_with_its_stride(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = open_page(monkeypatch, tmp_path)
    assert "bundled: 7 MB, MIT" in shown.selectbox(key="pose").options
    assert shown.selectbox(key="detector").value == "bundled"
    posenet = next(name for name in networks("pose") if name.startswith("posenet"))
    shown.selectbox(key="pose").set_value(posenet).run()
    assert not shown.exception
    assert shown.selectbox(key="stride").value == 16
    assert "detector" not in [one.key for one in shown.selectbox]
    own = networks("pose")
    assert "keypointrcnn_resnet50_fpn" in own
    assert [name for name in own if finds_boxes(name)] == [
        "rtmo_s", "rtmo_m", "rtmo_l", "posenet_050", "posenet_075", "posenet_100",
        "keypointrcnn_resnet50_fpn",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "empty.mp4"),
        (b"no video at all" * 99, "text.mp4"),
        (b"", "<script>alert(1)<.mp4"),
        (None, "nowhere.mp4"),
    ],
)
def test_a_bad_video_is_a_clear_word_and_the_page_lives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, name: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    shown = choose(open_page(monkeypatch, tmp_path), path)
    assert not shown.exception
    (error,) = shown.error
    assert name in error.value
    assert str(tmp_path) not in error.value
    assert "\n" not in error.value.strip()


def test_a_cut_video_and_one_that_is_too_long_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, video: Path
) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video.read_bytes()[:200])
    shown = choose(open_page(monkeypatch, tmp_path, max_seconds=0.5), cut)
    assert len(shown.error) == 1
    choose(shown, video)
    assert "at most" in shown.error[0].value


def test_what_is_chosen_becomes_words_that_the_command_takes(video: Path) -> None:
    chosen = Choices("bundled", "bundled", min_pose_score=0.3, stop=4, settings={"memory": 12})
    for tried in (None, 3):
        words = words_of(str(video), chosen, tried=tried)
        arguments = parser("track").parse_args(["track", *words, "-o", "x"])
        assert arguments.estimator == "bundled"
        assert arguments.min_pose_score == (0.3 if tried is None else 0)
        assert arguments.stop == 4
    assert arguments.start == 3
    assert "--detector" not in words_of(str(video), Choices("", "rtmo_s"))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_of_the_page_is_one_of_the_command(precision: str) -> None:
    words = words_of("a.mp4", Choices(precision=precision))
    assert read_words(words).precision == (precision or None)


def test_what_the_command_refuses_is_its_own_line() -> None:
    with pytest.raises(ValueError, match="--device: expected auto, cpu") as caught:
        read_words(words_of("a.mp4", Choices(device="gpu")))
    assert "usage" not in str(caught.value)
    assert "see posetrack" not in str(caught.value)


def test_curves_of_the_player_are_those_of_the_analysis(tracked: Path) -> None:
    whole = load(tracked / "two.parquet")
    (curve,) = player.curves_for_page(whole, 2, ["left_knee"])
    expected = angle(whole.person(2), "left_knee")[:, 0]
    np.testing.assert_allclose(np.array(curve["values"], float), expected, atol=0.006)
    assert player.curves_for_page(whole, None, ["left_knee"]) == []
    shown = json.loads(player.tracks_json(whole))
    assert [one["id"] for one in shown["people"]] == [1, 2]
    assert shown["frames"] == list(range(20))


def test_an_edit_is_written_as_the_command_line_writes_it_and_undone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, video: Path, tracked: Path
) -> None:
    job = Ended(tracked, State("done", 20, 20, 2))
    shown = view(choose(open_page(monkeypatch, tmp_path, job=job), video), "Doubts and edits")
    assert not shown.exception
    edits = tracked / "two.edits.txt"
    shown.button(key="0 Mend").click().run()
    assert not shown.exception
    assert edits.read_text() == "swap 1 2 from f12\n"
    assert (tracked / "two.edits.txt.anchors.json").exists()
    shown.text_input(key="line").set_value("rename 2 to 9")
    next(one for one in shown.button if one.label == "Apply").click()
    shown.run()
    assert edits.read_text() == "swap 1 2 from f12\nrename 2 to 9\n"
    assert "ids [1, 9]" in texts(shown)
    shown.button(key="undo").click().run()
    assert edits.read_text() == "swap 1 2 from f12\n"
    assert "ids [1, 2]" in texts(shown)


def test_an_edit_that_cannot_be_is_refused_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, video: Path, tracked: Path
) -> None:
    job = Ended(tracked, State("done", 20, 20, 2))
    shown = view(choose(open_page(monkeypatch, tmp_path, job=job), video), "Doubts and edits")
    for line, reason in (("delete 77", "77"), ("swap 1", "expected"), ("merge 1 into 2", "both")):
        shown.text_input(key="line").set_value(line)
        next(one for one in shown.button if one.label == "Apply").click()
        shown.run()
        assert not shown.exception
        assert reason in shown.error[0].value
        assert not (tracked / "two.edits.txt").exists()


def test_files_hold_the_edited_people(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, video: Path, tracked: Path
) -> None:
    (tracked / "two.edits.txt").write_text("rename 2 to 9\n")
    job = Ended(tracked, State("stopped", 20, 30, 2))
    shown = view(choose(open_page(monkeypatch, tmp_path, job=job), video), "Files")
    assert not shown.exception
    assert "Stopped after 20 frames" in shown.warning[0].value
    shown.selectbox(key="format").set_value("csv").run()
    assert not shown.exception
    (written,) = tracked.glob("files-*/two.csv")
    with written.open(newline="") as file:
        assert {row["id"] for row in csv.DictReader(file)} == {"1", "9"}


def test_what_was_drawn_before_an_edit_is_not_offered_after_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, video: Path, tracked: Path
) -> None:
    monkeypatch.setattr(
        "posetrack.reports.write_report",
        lambda results, path, video: path.write_text("a page") and [],
    )
    job = Ended(tracked, State("done", 20, 20, 2))
    shown = view(choose(open_page(monkeypatch, tmp_path, job=job), video), "Files")
    shown.button(key="report").click().run()
    assert not shown.exception
    assert list(tracked.glob("files-*/two.report.html"))
    assert "Report" in [one.label for one in shown.get("download_button")]
    (tracked / "two.edits.txt").write_text("rename 2 to 9\n")
    shown.run()
    assert not shown.exception
    assert "ids [1, 9]" in texts(shown)
    assert "Report" not in [one.label for one in shown.get("download_button")]


def test_a_video_that_cannot_be_drawn_over_is_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, video: Path, tracked: Path
) -> None:
    def draw(*_: object, **__: object) -> None:
        raise ValueError("this is the video of others")

    monkeypatch.setattr("posetrack.draw.draw_video", draw)
    job = Ended(tracked, State("done", 20, 20, 2))
    shown = view(choose(open_page(monkeypatch, tmp_path, job=job), video), "Files")
    shown.button(key="draw").click().run()
    assert not shown.exception
    assert shown.error[0].value == "this is the video of others"


def test_a_failed_run_is_a_word_without_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, video: Path, tracked: Path
) -> None:
    job = Ended(tracked, State("failed", error=f"{video}: broken"))
    shown = choose(open_page(monkeypatch, tmp_path, job=job), video)
    assert [one.value for one in shown.error] == ["two.mp4: broken"]


def test_thresholds_are_tried_without_the_networks(tracked: Path, video: Path) -> None:
    whole = load(tracked / "two.parquet").select(frames=(0, 1))
    folder = tracked / "tried"
    folder.mkdir()
    faint = np.array(whole.scores)
    faint[:, 1] = 0.3
    save(
        Trajectories(whole.frame, whole.seconds, whole.ids, whole.xy, faint, whole.skeleton,
                     metadata=whole.metadata),
        folder / "two.parquet",
    )  # fmt: skip
    kept = [page.kept_poses(video, folder, Choices(min_pose_score=m))[1:] for m in (0.05, 0.5, 1.1)]
    assert kept == [(2, 2), (1, 2), (0, 2)]


def test_a_run_is_followed_stopped_and_its_view_plays(tmp_path: Path, video: Path) -> None:
    words = words_of(str(video), Choices(device="cpu", stop=3))
    job = Job(tmp_path / "run", words, view=True)
    state = job.wait(PATIENCE)
    assert (state.name, state.frames) == ("done", 3), state
    assert load(tmp_path / "run" / "two.parquet").frame.tolist() == [0, 1, 2]
    assert (tmp_path / "run" / VIEW).stat().st_size > 0
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "stop").touch()
    stopped = Job(tmp_path / "next", words_of(str(video), Choices(device="cpu")))
    state = stopped.wait(PATIENCE)
    assert (state.name, state.frames) == ("stopped", 1), state
    assert load(tmp_path / "next" / "two.parquet").frame.tolist() == [0]


def test_a_run_that_cannot_be_says_why(tmp_path: Path, video: Path) -> None:
    job = Job(tmp_path / "run", words_of(str(video), Choices(estimator="rtmpose_x")))
    state = job.wait(PATIENCE)
    assert state.name == "failed"
    assert "rtmpose_x" in state.error


def test_a_view_holds_the_frames_of_the_table(tracked: Path, video: Path) -> None:
    from posetrack.video import open_video

    make_view(video, tracked)
    with open_video(tracked / VIEW) as frames:
        times = [frame.seconds for frame in frames]
    np.testing.assert_allclose(times, np.arange(20) / 25, atol=0.002)


def test_results_are_shown_with_their_own_video_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, video: Path, tracked: Path
) -> None:
    shown = open_page(monkeypatch, tmp_path, job=Ended(tracked, State("done", 20, 20, 2)))
    shown.session_state["job of"] = video
    other = tmp_path / "other.mp4"
    other.write_bytes(video.read_bytes())
    choose(shown, other)
    assert not shown.exception
    assert "people: ids" not in texts(shown)
    choose(shown, video)
    assert "people: ids" in texts(shown)


def test_a_video_is_looked_at_once_and_again_when_it_has_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, video: Path
) -> None:
    seen: list[Path] = []

    def look(path: Path, max_seconds: float) -> Source:
        seen.append(path)
        return Source(path)

    monkeypatch.setattr("posetrack.app.sidebar.look_at_video", look)
    path = tmp_path / "a.mp4"
    path.write_bytes(video.read_bytes())
    shown = choose(open_page(monkeypatch, tmp_path), path)
    shown.slider(key="min_pose_score").set_value(0.4).run()
    assert seen == [path]
    os.utime(path, (1, 1))
    shown.run()
    assert seen == [path, path]


def test_a_file_of_ones_own_says_whether_it_needs_a_detector(shared: Path, tmp_path: Path) -> None:
    session = Session(tmp_path)
    models = shared / "data" / "models"
    facts = [
        look_at_file(session, models / name, "pose")
        for name in ("yolo11n_pose_256.onnx", "simplepose_256x192.onnx")
    ]
    assert facts == [{"finds_boxes": True}, {"finds_boxes": False}]


def test_a_file_that_is_no_network_is_a_word(tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(b"no network")
    (reason,) = look_at_file(Session(tmp_path), path, "pose").values()
    assert "cut.onnx" in reason
    assert "\n" not in reason.strip()


def test_heatmaps_of_a_person_peak_where_their_keypoints_are(tmp_path: Path, video: Path) -> None:
    scene = crossing(frames=20)
    xy = scene.xy[3, 0]
    box = [*(xy.min(axis=0) - 4).tolist(), *(xy.max(axis=0) + 4).tolist()]
    size = next(iter(scene)).shape[1::-1]
    words = words_of(str(video), Choices(device="cpu"))
    job = Job(tmp_path / "maps", words, "maps", frame=3, xyxy=box, size=size)
    assert job.wait(PATIENCE) == State("done")
    assert words_of_job(job.folder) == words
    with np.load(job.folder / MAPS) as found:
        crop, maps = found["crop"], found["maps"]
    assert crop.shape == (256, 192, 3)
    assert len(maps) == 17
    alone, both = (maps_picture(crop, maps, COCO_17, name) for name in (None, "left_knee"))
    assert both.shape[1] > alone.shape[1]


def test_a_box_is_of_somebody_who_is_there(tracked: Path) -> None:
    whole = load(tracked / "two.parquet")
    assert box_at(whole, 1, 3) == pytest.approx(whole.boxes[3, 0], abs=0.006)
    assert box_at(whole, 3, 3) is box_at(whole, 1, 99) is box_at(whole, 1, None) is None


def test_a_port_that_another_program_holds_is_refused_before_a_browser_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda address: pytest.fail(f"{address} was opened"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} is taken by another program"):
            run(parser("app").parse_args(["app", "--port", str(port)]))
    check_free(parser("app").parse_args(["app", "--port", str(port)]))


def test_a_session_whose_browser_is_gone_leaves_nothing(tmp_path: Path) -> None:
    here = {"one": True, "two": True}
    sessions = Sessions(tmp_path, lambda name: here[name], grace=-1.0)
    first, second = sessions.of("one"), sessions.of("two")
    assert first.folder != second.folder
    assert sessions.of("one") is first
    (first.folder / "video.mp4").write_bytes(b"1")
    sleeper = Job.__new__(Job)
    sleeper._process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    first.jobs.append(sleeper)
    here["one"] = False
    assert sessions.sweep() == ["one"]
    assert not first.folder.exists()
    assert sleeper._process.poll() is not None
    assert second.folder.exists()


def test_the_server_listens_here_alone_and_reports_to_nobody() -> None:
    words = command(parser("app").parse_args(["app"]))
    assert "--server.headless=true" in words  # else it asks for an address, and waits
    assert "--server.address=127.0.0.1" in words
    assert "--browser.gatherUsageStats=false" in words
    assert "--server.maxUploadSize=500" in words


def test_a_workers_notes_are_read_while_they_are_written(tmp_path: Path) -> None:
    job = Job.__new__(Job)
    job.folder = tmp_path
    job._process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        assert job.state() == State("preparing")
        notes = {"state": "running", "frames": 3, "total": 9, "people": 2, "rate": 4.0}
        (tmp_path / "progress.json").write_bytes(dump_json(notes))
        assert job.state() == State("running", 3, 9, 2, 4.0)
    finally:
        job.kill()
    (tmp_path / "log.txt").write_text("it broke\n")
    assert job.state() == State("failed", error="it broke")
