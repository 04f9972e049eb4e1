"""The server: what clients send, within bounds, and what they get."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from posetrack import Tracker
from posetrack.runs.pictures import encode_picture
from posetrack.service.content import recognise
from posetrack.service.limits import Deadline, Limits, RefusedError
from posetrack.service.work import Finder
from posetrack.structures import Detections
from posetrack.testing import SceneDetector, SceneEstimator, crossing
from posetrack.video import VideoWriter, open_video

SCENE = crossing(frames=5)
PICTURE = encode_picture(next(iter(SCENE)), "png")
OTHER_KINDS = {
    "text": b"hello",
    "a playlist": b"#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n",
    "a list of files": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "a script": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


def finder(**limits: Any) -> Finder:
    return Finder(Tracker(SceneDetector(SCENE), SceneEstimator(SCENE)), Limits(**limits))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "two.mp4"
    with VideoWriter(path, rate=25) as writer:
        for image in SCENE:
            writer.write(image)
    return path


def claiming(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def answer(work: Finder, path: Path, kind: Any = None, out: str | None = None) -> Any:
    return work.answer(path, kind, out, Deadline(600))


def refusal(work: Finder, path: Path, kind: Any = None, out: str | None = None) -> RefusedError:
    with pytest.raises(RefusedError) as found:
        answer(work, path, kind, out)
    return found.value


def test_a_picture_becomes_everybody_in_it(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(PICTURE)
    found = json.loads(answer(finder(), path).body)
    height, width = next(iter(SCENE)).shape[:2]
    assert (found["width"], found["height"]) == (width, height)
    truth = SCENE.truth(0)[0]
    xy = np.array([person["keypoints"] for person in found["people"]])[..., :2]
    np.testing.assert_allclose(xy, truth.xy, atol=0.01)
    assert found["skeleton"]["keypoints"] == list(truth.skeleton.keypoints)


@pytest.mark.parametrize("out", ["jpg", "png"])
def test_a_picture_is_drawn(out: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(PICTURE)
    found = answer(finder(), path, "image", out)
    drawn = cv2.imdecode(np.frombuffer(found.body, np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape == next(iter(SCENE)).shape
    assert found.media == {"jpg": "image/jpeg", "png": "image/png"}[out]
    assert np.abs(drawn.astype(int) - next(iter(SCENE))).max() > 100


def test_a_video_becomes_everybody_in_each_frame_with_identities(video: Path) -> None:
    found = json.loads(answer(finder(), video).body)
    assert [frame["frame"] for frame in found["frames"]] == [0, 1, 2, 3, 4]
    assert {tuple(one["id"] for one in frame["people"]) for frame in found["frames"]} == {(1, 2)}


def test_a_video_is_drawn_and_nothing_is_left_of_it_but_the_answer(
    video: Path, tmp_path: Path
) -> None:
    found = answer(finder(), video, "video", "mp4")
    drawn = tmp_path / "answer.mp4"
    drawn.write_bytes(found.body)
    with open_video(drawn) as frames:
        assert sum(1 for _ in frames) == 5


def test_clients_do_not_see_each_other(video: Path) -> None:
    work = finder()
    assert answer(work, video).body == answer(work, video).body


def test_the_people_scored_highest_are_kept_where_there_are_more_than_are_taken(
    tmp_path: Path,
) -> None:
    path = tmp_path / "picture"
    path.write_bytes(PICTURE)
    boxes = SCENE.truth(0)[0].boxes
    scored = Detections(boxes.xyxy, np.array([0.5, 0.9]))
    asked: list[list[float]] = []

    def estimate(image: Any, found: Detections) -> Any:
        asked.extend(found.xyxy.tolist())
        return SceneEstimator(SCENE)(image, found)

    work = Finder(Tracker(lambda image: scored, estimate), Limits(people=1))
    answer(work, path)
    assert asked == [boxes.xyxy[1].tolist()]


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_what_is_neither_picture_nor_video_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(OTHER_KINDS[name])
    assert recognise(OTHER_KINDS[name]) is None
    assert refusal(finder(), path).status == 415


def test_what_claims_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(claiming(60_000, 60_000))
    found = refusal(finder(), path)
    assert (found.status, "60000x60000" in str(found)) == (413, True)


def test_a_damaged_picture_is_refused_without_its_place_here(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(claiming(100, 100))
    found = refusal(finder(), path)
    assert found.status == 422
    assert str(found).startswith("the picture: damaged image")
    assert str(tmp_path) not in str(found)


def test_a_damaged_video_is_refused_without_its_place_here(tmp_path: Path, video: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(video.read_bytes()[:400])
    for out in ("json", "mp4"):
        found = refusal(finder(), path, "video", out)
        assert found.status == 422
        assert str(tmp_path) not in str(found)
        assert "\n" not in str(found)


def test_a_video_of_more_frames_than_are_taken_is_refused(video: Path) -> None:
    assert refusal(finder(video_frames=4), video).status == 413
    assert answer(finder(video_frames=5), video).media == "application/json"


def test_a_video_is_given_up_when_its_time_is_over(video: Path) -> None:
    work = finder()
    late = Deadline(600)
    detector = SceneDetector(SCENE)

    def slow(image: Any) -> Any:
        late._at = 0  # the clock strikes with the first frame
        return detector(image)

    work._tracker.detector = slow
    with pytest.raises(RefusedError, match="1 frames were tracked") as found:
        work.answer(video, None, None, late)
    assert found.value.status == 503


def test_another_kind_and_another_answer_are_refused_by_name(video: Path) -> None:
    assert "POST it to /video" in str(refusal(finder(), video, "image"))
    assert refusal(finder(), video, "video", "png").status == 400


# The server.

pytest_server = pytest.mark.usefixtures("_server_libraries")


@pytest.fixture
def _server_libraries() -> None:
    for name in ("fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(name, reason=f"{name} is not installed: posetrack[serve]")


@contextmanager
def serving(work: Finder, **settings: Any) -> Iterator[int]:
    """A server in a thread; gives its port."""
    from posetrack.service.server import open_server

    with open_server(work, port=0, **settings) as (run, stop, address):
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield int(address.rpartition(":")[2])
        finally:
            stop()
            thread.join()


def ask(
    port: int, path: str, body: bytes = b"", method: str = "POST", **headers: str
) -> tuple[int, bytes, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        found = connection.getresponse()
        return found.status, found.read(), found.headers
    finally:
        connection.close()


@pytest_server
def test_it_answers_pictures_videos_and_questions_about_itself(video: Path) -> None:
    with serving(finder()) as port:
        status, body, headers = ask(port, "/image", PICTURE)
        assert (status, headers["content-type"]) == (200, "application/json")
        assert len(json.loads(body)["people"]) == 2
        assert ask(port, "/image?out=jpg", PICTURE)[1][:2] == b"\xff\xd8"
        assert len(json.loads(ask(port, "/video", video.read_bytes())[1])["frames"]) == 5
        assert json.loads(ask(port, "/health", method="GET")[1])["status"] == "ok"
        figures = ask(port, "/metrics", method="GET")[1].decode()
    assert 'posetrack_answers_total{path="/image",status="200"} 2.0' in figures
    assert "posetrack_held_bytes 0.0" in figures


REFUSED: dict[str, tuple[int, str, bytes, dict[str, str]]] = {
    "nothing": (400, "/image", b"", {}),
    "another kind": (415, "/video", PICTURE, {}),
    "text": (415, "/image", b"hello", {}),
    "too much": (413, "/image", bytes(2_000_000), {}),
    "a packed body": (415, "/image", PICTURE, {"Content-Encoding": "gzip"}),
    "a form": (415, "/image", PICTURE, {"Content-Type": "multipart/form-data; boundary=x"}),
    "an address": (415, "/image", b'{"url": "http://a.b/"}', {"Content-Type": "application/json"}),
    "another answer": (400, "/image?out=exe", PICTURE, {}),
    "another path": (404, "/etc/passwd", b"", {}),
}


@pytest_server
def test_what_is_wrong_is_refused_in_one_line_and_the_next_is_answered(tmp_path: Path) -> None:
    found = {}
    with serving(finder(image_bytes=1_000_000)) as port:
        for name, (_, path, body, headers) in REFUSED.items():
            status, line, _ = ask(port, path, body, **headers)
            found[name] = status
            assert len(line.splitlines()) == 1
            assert not any(word in line for word in (b"Traceback", b"File ", b"/tmp", b".py"))
        assert ask(port, "/image", PICTURE)[0] == 200
    assert found == {name: status for name, (status, *_) in REFUSED.items()}


@pytest_server
def test_json_that_is_no_address_is_refused() -> None:
    with serving(finder(), fetches=True) as port:
        for body in (b'{"url": ', b"[" * 5000, b'{"url": 3}', b"{}", b'{"url": "a", "x": "b"}'):
            assert ask(port, "/image", body, Content_Type="application/json")[0] == 400
        inside = b'{"url": "http://127.0.0.1:%d/health"}' % port
        status, line, _ = ask(port, "/image", inside, Content_Type="application/json")
    assert (status, b"not on the public internet" in line) == (403, True)


@pytest_server
def test_beyond_the_queue_a_request_is_refused_at_once_and_those_in_it_are_answered() -> None:
    begun, go_on = threading.Event(), threading.Event()
    detector = SceneDetector(SCENE)

    def slow(image: Any) -> Any:
        begun.set()
        go_on.wait(60)
        return detector(image)

    work = Finder(Tracker(slow, SceneEstimator(SCENE)), Limits(queue=1, picture_seconds=600))
    first: list[int] = []
    with serving(work) as port:
        client = threading.Thread(target=lambda: first.append(ask(port, "/image", PICTURE)[0]))
        client.start()
        begun.wait(60)
        status, line, headers = ask(port, "/image", PICTURE)
        go_on.set()
        client.join()
        assert ask(port, "/image", PICTURE)[0] == 200  # there is room again
    assert (status, headers["retry-after"], first) == (429, "1", [200])
    assert b"queue is full" in line


@pytest_server
def test_bodies_together_are_bounded() -> None:
    with serving(finder(held_bytes=len(PICTURE) - 1)) as port:
        assert ask(port, "/image", PICTURE)[0] == 429
    with serving(finder(held_bytes=len(PICTURE))) as port:
        assert [ask(port, "/image", PICTURE)[0] for _ in range(2)] == [200, 200]


def rest_of(port: int, *pieces: bytes) -> bytes:
    """What comes for these bytes until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as stream:
        for piece in pieces:
            stream.sendall(piece)
        found = b""
        while piece := stream.recv(65536):
            found += piece
    return found


HEAD = b"POST /image HTTP/1.1\r\nHost: x\r\n"


@pytest_server
@pytest.mark.parametrize("sent", [b"", b"POST /ima", HEAD + b"X: y\r\n"])
def test_a_head_that_does_not_come_to_its_end_ends_the_connection(sent: bytes) -> None:
    with serving(finder(head_seconds=0.05)) as port:
        assert rest_of(port, sent) == b""


@pytest_server
def test_a_body_that_does_not_come_is_refused() -> None:
    with serving(finder(body_seconds=0.05)) as port:
        found = rest_of(port, HEAD + b"Content-Length: 100\r\n\r\n", b"half")
    assert found.startswith(b"HTTP/1.1 408")


@pytest_server
def test_what_is_no_http_or_too_long_a_head_is_refused() -> None:
    with serving(finder()) as port:
        assert rest_of(port, b"\x16\x03\x01\r\n\r\n").startswith(b"HTTP/1.1 400")
        assert rest_of(port, HEAD + b"X: " + b"a" * 20_000).startswith(b"HTTP/1.1 400")


@pytest_server
def test_a_fault_of_ours_is_no_business_of_the_client(capfd: pytest.CaptureFixture[str]) -> None:
    def broken(image: Any) -> Any:
        raise KeyError("/home/me/secret")

    with serving(Finder(Tracker(broken, SceneEstimator(SCENE)), Limits())) as port:
        status, line, _ = ask(port, "/image", PICTURE)
    assert (status, line) == (500, b"Internal Server Error")
    assert "KeyError" in capfd.readouterr().err  # it is noted for those who run it


@pytest_server
def test_a_port_that_is_taken_is_refused_by_name() -> None:
    from posetrack.service.server import open_server

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(OSError, match=f"--port {port}: cannot listen"),
            open_server(finder(), port=port),
        ):
            pass
