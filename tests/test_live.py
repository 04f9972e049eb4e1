"""A live source gives its newest frame, and comes back after it was lost."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from processes import PATIENCE, wait_until

import posetrack.video as video_room
from posetrack import Tracker
from posetrack.cli import main
from posetrack.cli import track as command
from posetrack.files import without_credentials
from posetrack.runs import results
from posetrack.runs.results import Run, Wanted, track_together
from posetrack.runs.track import track_live
from posetrack.runs.writer import ResultPaths
from posetrack.testing import SceneDetector, SceneEstimator, crossing
from posetrack.trajectories import load
from posetrack.video import Status, live, open_video
from posetrack.video.camera import CameraSteps
from posetrack.video.frames import Facts, Frame, Row, Selection, Source, Step
from posetrack.video.live import LiveSteps
from posetrack.video.reader import VideoReader

SCENE = crossing(frames=12)


class Camera:
    """A source that gives the frames that are put to it; None ends it, an error is raised."""

    def __init__(self) -> None:
        self.coming: queue.Queue[int | BaseException | None] = queue.Queue()
        size = (SCENE.size[0], SCENE.size[1])
        self.facts = Facts(Source("hall", "stream"), size, Fraction(25), None, None, live=True)

    def steps(self) -> Iterator[Step]:
        while (item := self.coming.get(timeout=PATIENCE)) is not None:
            if isinstance(item, BaseException):
                raise item
            rows: list[Row] = [(0.0, Status.DECODED)]
            yield Step(rows, Frame(SCENE.render(item % 12), item, 0.0))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "FIRST_PAUSE", 0.001)


def once(camera: Camera) -> Callable[[], Camera]:
    """Opens it, and is refused the next time."""
    opened: list[int] = []

    def open_source() -> Camera:
        if opened:
            raise ConnectionError("refused")
        opened.append(1)
        return camera

    return open_source


def reader_of(steps: LiveSteps) -> VideoReader:
    return VideoReader(steps, Selection(), prefetch=0)


def test_the_newest_frame_is_taken_and_the_others_are_counted() -> None:
    camera = Camera()
    camera.coming.put(0)
    with reader_of(LiveSteps(once(camera), "hall", Selection(), patience=0)) as video:
        assert next(video).index == 0
        for number in (1, 2, 3, 4):
            camera.coming.put(number)
        camera.coming.put(None)
        wait_until(lambda: not any(t.name == "posetrack-live" for t in threading.enumerate()))
        frame = next(video)
        np.testing.assert_array_equal(frame.image, SCENE.render(4))
        assert frame.index == 4
        assert frame.lag is not None
        assert frame.lag >= 0
        assert list(video) == []
        assert video.ledger.counts == {Status.DECODED: 2, Status.CORRUPT: 0, Status.SKIPPED: 3}
        assert (np.diff(video.ledger.seconds) >= 0).all()


def test_a_source_that_is_lost_is_opened_again_and_both_are_told() -> None:
    cameras = [Camera(), Camera()]
    cameras[0].coming.put(0)
    cameras[0].coming.put(None)
    cameras[1].coming.put(5)
    opened: list[int] = []
    told: list[str] = []

    def open_source() -> Camera:
        opened.append(1)
        if len(opened) in (2, 3):
            raise ConnectionError("refused")
        return cameras[min(len(opened) - 1, 1)]

    steps = LiveSteps(open_source, "hall", Selection(), tell=told.append)
    with reader_of(steps) as video:
        first, second = next(video), next(video)
        cameras[1].coming.put(None)
    np.testing.assert_array_equal(second.image, SCENE.render(5))
    assert (first.index, second.index) == (0, 1)
    assert second.seconds > first.seconds
    assert told[0] == "hall: lost after 1 frames"
    assert told[1].startswith("hall: back after")


def test_a_source_that_stays_away_ends_with_a_line() -> None:
    camera = Camera()
    camera.coming.put(0)
    camera.coming.put(None)
    with reader_of(LiveSteps(once(camera), "hall", Selection(), patience=0)) as video:
        assert len(list(video)) == 1
    assert video.problem == ("hall: gone after 1 frames; it did not come back within 0 s (refused)")


def test_what_goes_wrong_in_reading_is_the_problem_and_no_frame_is_lost() -> None:
    camera = Camera()
    camera.coming.put(0)
    camera.coming.put(RuntimeError("strange"))
    with reader_of(LiveSteps(lambda: camera, "hall", Selection())) as video:
        assert len(list(video)) == 1
    assert video.problem == "hall: RuntimeError: strange"


def test_it_ends_at_stop_and_takes_no_stride() -> None:
    camera = Camera()
    for number in range(3):
        camera.coming.put(number)
    with VideoReader(
        LiveSteps(once(camera), "hall", Selection(stop=1), patience=0),
        Selection(stop=1),
        prefetch=0,
    ) as video:
        camera.coming.put(None)
        assert len(list(video)) <= 1
        assert len(video.ledger) == 1
    with pytest.raises(ValueError, match="leave start and stride away"):
        LiveSteps(lambda: camera, "hall", Selection(stride=2))


def test_ctrl_c_ends_a_live_source_with_whole_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = Camera()
    camera.coming.put(0)
    told: list[str] = []

    class Interrupted(SceneEstimator):
        seen = 0

        def __call__(self, image: Any, boxes: Any, /) -> Any:
            self.seen += 1
            if self.seen == 4:
                camera.coming.put(None)
                raise KeyboardInterrupt
            camera.coming.put(self.seen)
            return super().__call__(image, boxes)

    def opened(*_: Any, **settings: Any) -> VideoReader:
        assert settings.pop("live")
        return reader_of(LiveSteps(once(camera), "hall", Selection(), tell=settings["tell"]))

    monkeypatch.setattr(video_room, "open_video", opened)
    tracker = Tracker(SceneDetector(SCENE), Interrupted(SCENE), flow_boxes=False)
    outcome = Run(
        "rtsp://hall/live", tracker, Wanted(("csv", "parquet", "frames"), audio=False),
        ResultPaths(tmp_path, "hall"), settings={}, weights={}, reading={"live": True},
        tell=told.append,
    ).track()  # fmt: skip
    assert outcome.frames == 3
    assert {path.name for path in tmp_path.iterdir()} == {
        "hall.csv", "hall.csv.meta.json", "hall.parquet", "hall.frames.csv", "hall.mp4",
    }  # fmt: skip
    assert outcome.lines[-1].startswith("lag ")
    assert "4 frames taken, 0 left out" in outcome.lines[-1]


class Together(SceneEstimator):
    """Counts the images of each run."""

    def __init__(self) -> None:
        super().__init__(SCENE)
        self.sizes: list[int] = []

    def estimate_all(self, images: Any, boxes: Any, /) -> list[Any]:
        self.sizes.append(len(images))
        return [self(image, some) for image, some in zip(images, boxes, strict=True)]


def test_several_sources_are_followed_side_by_side_each_to_what_it_comes_to_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras = {name: Camera() for name in ("hall", "door", "yard")}
    # The yard says nothing after its second frame until the others have ended.
    shown = {"hall": range(12), "door": range(3, 9), "yard": range(6)}
    left = {name: iter(numbers) for name, numbers in shown.items()}
    for name, camera in cameras.items():
        camera.coming.put(next(left[name]))
    arrived, estimator = threading.Event(), Together()

    def opened(source: str, **settings: Any) -> VideoReader:
        assert settings.pop("live")
        steps = LiveSteps(
            once(cameras[source]), source, Selection(), patience=0, arrived=settings["arrived"]
        )
        return reader_of(steps)

    monkeypatch.setattr(video_room, "open_video", opened)
    networks = SceneDetector(SCENE), estimator
    first = Tracker(*networks, flow_boxes=False, flow_similarity=False)

    def feed(name: str) -> Callable[..., bool]:
        def watch(frames: int, *_: Any) -> bool:
            if name != "yard" or frames != 2:
                cameras[name].coming.put(next(left[name], None))
            return True

        return watch

    runs = [
        Run(
            name, first.twin(), Wanted(("csv",), overlay=False), ResultPaths(tmp_path, name),
            settings={}, weights={}, reading={"live": True}, arrived=arrived.set,
            watch=feed(name),
        )
        for name in cameras
    ]  # fmt: skip
    ended = []
    for number, outcome in track_together(runs, arrived):
        name = list(cameras)[number]
        ended.append(name)
        assert outcome.frames == len(shown[name])
        assert (tmp_path / f"{name}.csv").exists()  # whole while the others go on
        if len(ended) == 2:
            cameras["yard"].coming.put(next(left["yard"]))
    assert ended == ["door", "hall", "yard"]
    assert estimator.sizes[0] == 3
    for name, numbers in shown.items():
        alone, found = first.twin(), load(tmp_path / f"{name}.csv")
        for row, number in enumerate(numbers):
            people = alone.update(SCENE.render(number), seconds=float(found.seconds[row]))
            present = found.present[row]
            assert np.array(found.ids)[present].tolist() == people.ids.tolist()
            np.testing.assert_array_equal(found.xy[row][present], people.xy)


def test_the_command_follows_several_and_shows_what_became_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def opened(source: str, **settings: Any) -> VideoReader:
        camera = Camera()
        for item in (0, None):
            camera.coming.put(item)
        return reader_of(
            LiveSteps(
                once(camera), without_credentials(source), Selection(), patience=0,
                arrived=settings["arrived"],
            )
        )  # fmt: skip

    tracker = Tracker(SceneDetector(SCENE), SceneEstimator(SCENE), flow_boxes=False)
    monkeypatch.setattr(video_room, "open_video", opened)
    monkeypatch.setattr(command, "open_tracker", lambda _: (tracker, {}))
    monkeypatch.setattr(command, "check_video", lambda _: None)
    addresses = ["rtsp://me:secret@hall/live", "rtsp://me:secret@door/live"]
    line = ["track", *addresses, "--live", "--format", "csv", "--no-overlay", "-o", str(tmp_path)]
    assert main(line) == 0
    said = capsys.readouterr()
    for name in ("live", "live-2"):
        assert f"{name}: 1 frames, 2 people -> {tmp_path / name}.csv" in said.out
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"secret" not in written + said.out.encode() + said.err.encode()
    assert main([*line, "--resume"]) == 1
    assert "a camera or an address cannot" in capsys.readouterr().err


def test_in_a_program_several_sources_come_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = {name: Camera() for name in ("hall", "door")}

    def opened(source: str, **settings: Any) -> VideoReader:
        for item in (2, None):
            cameras[source].coming.put(item)
        return reader_of(
            LiveSteps(
                once(cameras[source]), source, Selection(), patience=0,
                arrived=settings["arrived"],
            )
        )  # fmt: skip

    monkeypatch.setattr(video_room, "open_video", opened)
    found = [
        (number, frame.index, people.ids.tolist())
        for number, frame, people in track_live(
            list(cameras), detector=SceneDetector(SCENE), estimator=SceneEstimator(SCENE)
        )
    ]
    assert sorted(found) == [(0, 0, [1, 2]), (1, 0, [1, 2])]


def test_a_gap_is_told_and_whether_identities_go_on() -> None:
    told: list[str] = []
    lags = results._Lags(told.append)
    for seconds in (0.0, 0.04, 2.0, 5.0):
        lags.note_gap(seconds, longest=2.5)
    assert told == [
        "2.0 s without a frame: identities go on",
        "3.0 s without a frame: nobody keeps an identity over more than 2.5 s (spread, recency)",
    ]


def test_silence_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 1000, 5))
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: float(next(now))))
    camera = Camera()
    told: list[str] = []
    camera.coming.put(0)

    class Stalled(Camera):
        def steps(self) -> Iterator[Step]:
            yield next(camera.steps())
            yield Step([], problem="hall: reading stopped before the end: Input/output error")

    with reader_of(
        LiveSteps(once(Stalled()), "hall", Selection(), patience=0, tell=told.append)
    ) as video:
        assert len(list(video)) == 1
    assert told == ["hall: silent for 5 s after 1 frames"]


def test_a_frame_of_before_a_silence_is_old_and_long_silence_is_a_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: clock.now))
    told: list[str] = []

    class Held(Camera):
        def steps(self) -> Iterator[Step]:
            # When it comes by this machine's clock, and its time by the source's.
            times = (0.0, 7.0), (0.04, 7.04), (3.0, 7.08), (3.04, 10.0), (13.0, 10.04)
            for now, seconds in times:
                clock.now = now
                yield Step([(seconds, Status.DECODED)], Frame(SCENE.render(0), 0, seconds))
            raise AssertionError("it was lost")

    steps = LiveSteps(once(Held()), "hall", Selection(), patience=-1, tell=told.append, silent=9.0)
    with reader_of(steps) as video:
        wait_until(lambda: bool(told))
        list(video)
    assert told == ["hall: silent for 10 s after 3 frames"]
    assert len(video.ledger) == 4  # what was old before the last one stands in it


def test_a_file_is_not_live(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clip.mp4"
    with video_room.VideoWriter(path, rate=25) as writer:
        writer.write(SCENE.render(0))
    with pytest.raises(ValueError, match="a file is read frame by frame"):
        open_video(path, live=True)
    del capsys


def test_a_camera_is_asked_for_size_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[int, float] = {}

    class Capture:
        def __init__(self, number: int) -> None:
            del number

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def set(self, what: int, value: float) -> None:
            asked[what] = value

        def get(self, what: int) -> float:
            return asked.get(what, 0.0)

        def release(self) -> None: ...

    monkeypatch.setattr("posetrack.video.camera.check_exists", lambda _: None)
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    facts = CameraSteps(0, Selection(), size=(1280, 720), rate=15).facts
    assert (facts.size, facts.rate) == ((1280, 720), 15)


class Mjpeg(BaseHTTPRequestHandler):
    """Thirty pictures, then the end without a word."""

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=F")
        self.end_headers()
        for number in range(30):
            jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 8 * number, np.uint8))[1].tobytes()
            head = f"--F\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")


def test_a_stream_over_http_is_followed_and_its_password_is_in_no_line() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mjpeg)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told: list[str] = []
    address = f"http://me:secret@127.0.0.1:{server.server_address[1]}/live"
    try:
        with open_video(address, live=True, tell=told.append) as video:
            assert next(video).image.shape == (48, 64, 3)
            wait_until(lambda: any("back" in line for line in told))
            server.shutdown()
            server.server_close()
            said = f"{told} {video.source} {video!r} {video.problem}"
    finally:
        server.server_close()
    assert "lost" in told[0]
    assert "secret" not in said


def test_the_command_knows_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["track", "0", "--live", "--camera-size", "wide"])
    assert "--camera-size" in capsys.readouterr().err
