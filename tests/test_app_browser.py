"""The app in a real browser: upload, run, play, click, move the cursor, edit, undo, download."""

from __future__ import annotations

import csv
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest
from processes import PATIENCE

pytest.importorskip("streamlit", reason='the extra "app" is not installed')
pytest.importorskip("playwright", reason="Playwright is not installed")

from playwright.sync_api import sync_playwright

from posetrack.analysis import angle
from posetrack.cli import parser
from posetrack.cli.app import command, environment
from posetrack.runs.pictures import encode_picture
from posetrack.trajectories import load
from posetrack.video import VideoWriter, open_video

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
LIMIT = 120_000

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
]


@dataclass
class Server:
    """A running app."""

    address: str
    folder: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sessions")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = parser("app").parse_args(
        f"app --no-browser --port {port} --max-upload 3 --max-seconds 5".split()
    )
    surroundings = environment(arguments, folder)
    given = json.loads(surroundings["POSETRACK_APP"]) | {"grace": 0.5}
    process = subprocess.Popen(
        command(arguments),
        env={**surroundings, "POSETRACK_APP": json.dumps(given)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + PATIENCE
    while True:
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.2)
    yield Server(f"http://127.0.0.1:{port}", folder)
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture(scope="module")
def photo(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's camera sees: a picture of people, as motion JPEG of one frame."""
    path = tmp_path_factory.mktemp("camera") / "people.mjpeg"
    with open_video(shared / "data" / "videos" / "lab.mp4", stop=1) as video:
        image = cv2.resize(next(iter(video)).image, (544, 960))
    path.write_bytes(encode_picture(image, "jpg"))
    return path


@pytest.fixture(scope="module")
def browser(photo: Path) -> Iterator[Any]:
    camera = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={photo}",
    ]
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *camera])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def clip(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some frames of a video of two people."""
    path = tmp_path_factory.mktemp("clip") / "lab.mp4"
    with (
        open_video(shared / "data" / "videos" / "lab.mp4", stop=12) as video,
        VideoWriter(path, rate=video.rate, size=(544, 960), queue=0) as writer,
    ):
        for frame in video:
            writer.write(frame.image, frame.seconds)
    return path


def open_page(browser: Any, server: Server) -> Any:
    page = browser.new_page()
    page.set_viewport_size({"width": 1300, "height": 1400})
    page.set_default_timeout(LIMIT)
    page.goto(server.address)
    page.get_by_text("Choose a video or a picture").wait_for()
    return page


def people_line(page: Any, ids: list[int]) -> None:
    page.get_by_text(re.compile(re.escape(f"people: ids {ids}"))).wait_for()


def the_player(page: Any) -> tuple[Any, Any]:
    """The frame of the player, to find things in and to ask by script, with its video there."""
    player = page.frame_locator('iframe[title*="posetrack_player"]')
    player.locator("body[data-ready=yes]").wait_for()
    inside = next(one for one in page.frames if "player" in one.url)
    inside.wait_for_function("video.readyState >= 2")
    return player, inside


def click_person(page: Any, column: int = 0) -> int:
    """Click in the middle of somebody's box; gives their id."""
    player, inside = the_player(page)
    middle = inside.evaluate(
        f"(() => {{ const one = tracks.people[{column}], n = one.at.get(rowNow()),"
        " [l, t, r, b] = one.boxes[n], box = drawn.getBoundingClientRect(),"
        " s = box.width / tracks.size[0];"
        " return { x: (l + r) / 2 * s, y: (t + b) / 2 * s }; })()"
    )
    player.locator("#drawn").click(position=middle)
    found: int = inside.evaluate(f"tracks.people[{column}].id")
    page.get_by_role("button", name=f"Heat maps of person {found} at").wait_for()
    return found


def move_slider(page: Any, label: str, keys: str, count: int) -> None:
    slider = page.get_by_role("slider", name=label)
    slider.focus()
    for _ in range(count):
        page.keyboard.press(keys)


def edit(page: Any, line: str) -> None:
    page.get_by_label(re.compile("An edit")).fill(line)
    page.get_by_role("button", name="Apply").click()


def download(page: Any, name: str, path: Path) -> Path:
    with page.expect_download() as expected:
        page.get_by_role("button", name=name, exact=True).click()
    expected.value.save_as(path)
    return path


def test_a_video_goes_from_upload_to_an_edited_table(
    browser: Any, server: Server, clip: Path, tmp_path: Path
) -> None:
    page = open_page(browser, server)
    hosts: set[str] = set()
    page.on("request", lambda asked: hosts.add(asked.url.partition("://")[2].partition("/")[0]))
    page.locator("input[type=file]").first.set_input_files(clip)

    # Thresholds are tried on one frame; the networks run once for it.
    page.get_by_role("button", name="Run the networks").click()
    kept = page.get_by_text(re.compile(r"^\d+ of \d+ poses are kept"))
    kept.wait_for()
    some, everybody = (int(word) for word in re.findall(r"\d+", kept.inner_text()))
    assert 2 <= some <= everybody
    move_slider(page, "Pose score", "End", 1)
    page.get_by_text(f"0 of {everybody} poses are kept").wait_for()
    move_slider(page, "Pose score", "Home", 1)
    page.get_by_text(f"{everybody} of {everybody} poses are kept").wait_for()
    move_slider(page, "Pose score", "ArrowRight", 10)
    page.get_by_text(f"{some} of {everybody} poses are kept").wait_for()
    assert len(list(server.folder.glob("session-*/try-*"))) == 1

    page.get_by_role("button", name="Track").click()
    people_line(page, [1, 2])
    player, inside = the_player(page)

    player.locator("#play").click()
    inside.wait_for_function("video.ended")
    assert inside.evaluate("video.error") is None

    assert click_person(page) == 1

    # A click on the curves moves the cursor and the video, and the values are the analysis's.
    wide = player.locator("#curve").bounding_box()["width"]
    player.locator("#curve").click(position={"x": 56 + (wide - 64) * 0.5, "y": 60})
    row = inside.evaluate("rowNow()")
    assert 4 <= row <= 7
    table = load(next(server.folder.glob("session-*/run-*/lab.parquet"))).person(1)
    left, right = (angle(table, f"{side}_knee")[row, 0] for side in ("left", "right"))
    page.get_by_role("button", name=f"Heat maps of person 1 at frame {row}").click()
    shown = player.locator("#readout").inner_text()
    assert f"{table.seconds[row]:.3f} s, frame {row}, person 1" in shown
    assert f"left knee {left:.2f}°, right knee {right:.2f}°" in shown

    # The heatmaps of this person: of all keypoints, then of one by itself.
    page.get_by_text("Keypoint", exact=True).wait_for()
    assert len(list(server.folder.glob("session-*/maps-*/maps.npz"))) == 1
    pictures = page.locator("[data-testid=stImage] img")
    pictures.first.wait_for()
    before = pictures.first.evaluate("(one) => one.naturalWidth")
    page.get_by_role("combobox", name="Keypoint").click()
    page.get_by_role("option", name="left_knee").click()
    page.wait_for_function(
        f"document.querySelector('[data-testid=stImage] img').naturalWidth > {before}"
    )

    page.get_by_text("Doubts and edits").click()
    edit(page, "rename 1 to 7")
    people_line(page, [2, 7])
    edit(page, "swap 1 2 from nonsense")
    page.get_by_text("got 'nonsense'").wait_for()
    page.get_by_role("button", name="Undo").click()
    people_line(page, [1, 2])
    for line, ids in (
        ("swap 1 2 from f6", [1, 2]),
        ("split 1 at f6", [1, 2, 3]),
        ("merge 3 into 1", [1, 2]),
        ("delete 2", [1]),
    ):
        edit(page, line)
        page.get_by_text(re.compile(f"{line}$")).wait_for()
        people_line(page, ids)
    for ids in ([1, 2], [1, 2, 3], [1, 2], [1, 2]):
        page.get_by_role("button", name="Undo").click()
        people_line(page, ids)
    page.get_by_text("no edits").wait_for()
    edit(page, "rename 1 to 7")
    people_line(page, [2, 7])

    page.get_by_text("Files", exact=True).click()
    with download(page, "lab.csv", tmp_path / "lab.csv").open(newline="") as file:
        assert {line["id"] for line in csv.DictReader(file)} == {"2", "7"}
    assert download(page, "Edits", tmp_path / "edits.txt").read_text() == "rename 1 to 7\n"
    assert hosts == {server.address.partition("://")[2]}
    page.close()


def test_a_camera_picture_goes_through_a_network_of_ones_own(
    browser: Any, server: Server, shared: Path, tmp_path: Path
) -> None:
    page = open_page(browser, server)
    page.context.grant_permissions(["camera"], origin=server.address)
    page.get_by_text("Camera picture").click()
    page.get_by_role("button", name="Take Photo").click()
    page.get_by_role("button", name="Track").wait_for()

    def choose_own(path: Path) -> None:
        page.locator("input[type=file]").last.set_input_files(path)

    page.get_by_role("combobox", name="Pose network").click()
    page.keyboard.type("a file of my own")
    page.keyboard.press("Enter")
    page.get_by_text("Give the file of your network").wait_for()
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network at all")
    choose_own(broken)
    page.get_by_text(re.compile("^broken.onnx:?.*ONNX")).wait_for()
    assert page.get_by_role("button", name="Track").count() == 0
    choose_own(shared / "data" / "models" / "simplepose_256x192.onnx")
    page.get_by_role("button", name="Track").wait_for()
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.get_by_role("button", name="Track").click()
    page.get_by_text(re.compile(r"^1 frames?, \d people: ids")).wait_for()
    click_person(page)
    made = next(
        path
        for path in server.folder.glob("session-*/run-*/camera*.parquet")
        if ".audit" not in path.name
    )
    assert "simplepose" in str(load(made).metadata)
    page.close()


def test_bad_uploads_are_a_clear_word_and_the_app_lives(
    browser: Any, server: Server, clip: Path, tmp_path: Path
) -> None:
    page = open_page(browser, server)
    bad = {
        "cut.mp4": clip.read_bytes()[:400],
        "<img src=x onerror=alert(1)>.mp4": b"no video",
        "huge.mp4": bytes(3_300_000),
        "program.exe": b"MZ",
    }
    words = ("cut.mp4", "onerror", "exceed|3MB|3.0MB|large", "not allowed|file type|program.exe")
    page.on("dialog", lambda opened: pytest.fail("a name was run as a script"))
    for (name, content), word in zip(bad.items(), words, strict=True):
        path = tmp_path / name
        path.write_bytes(content)
        page.locator("input[type=file]").first.set_input_files(path)
        page.get_by_text(re.compile(word)).first.wait_for()
        page.reload()
        page.get_by_text("Choose a video or a picture").wait_for()
    page.locator("input[type=file]").first.set_input_files(clip)
    page.get_by_role("button", name="Track").wait_for()
    page.close()


def test_sessions_are_apart_and_leave_nothing(browser: Any, server: Server, clip: Path) -> None:
    first, second = (open_page(browser.new_context(), server) for _ in range(2))
    first.locator("input[type=file]").first.set_input_files(clip)
    first.get_by_role("button", name="Track").click()
    first.get_by_role("button", name="Stop, and keep").wait_for()
    assert second.get_by_text("Choose a video or a picture").is_visible()
    assert second.get_by_role("button", name="Track").count() == 0
    assert list(server.folder.glob("session-*/run-*"))
    # The same video in the other one is another upload, of which nothing has been run.
    second.locator("input[type=file]").first.set_input_files(clip)
    second.get_by_role("button", name="Track", exact=True).wait_for()
    assert second.get_by_role("button", name="Stop, and keep").count() == 0
    assert second.get_by_text("people: ids").count() == 0
    runs = [folder.parent for folder in server.folder.glob("session-*/run-*")]
    uploads = [folder.parent for folder in server.folder.glob("session-*/upload-*")]
    assert (len(set(runs)), len(set(uploads))) == (1, 2)
    for page in (first, second):
        page.context.close()  # while it runs
    until = time.monotonic() + PATIENCE
    while list(server.folder.glob("session-*")) and time.monotonic() < until:
        time.sleep(0.2)
    assert list(server.folder.glob("session-*")) == []
