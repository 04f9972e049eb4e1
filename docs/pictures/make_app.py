"""Make the pictures of the guide to the app: a browser uses it on a rendered scene.

    python docs/pictures/make_app.py [CHROMIUM]

Needs ``posetrack[app]``, Playwright and a Chromium.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from PIL import Image as Pillow
from playwright.sync_api import Page, sync_playwright

from posetrack.video import VideoWriter
from posetrack.world import street

HERE = Path(__file__).resolve().parent
PORT = 8517
WIDTH, HEIGHT = 1180, 860


def main(chromium: str) -> None:
    """Render, serve, use, photograph."""
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder, "street.mp4")
        with VideoWriter(video, rate=25, queue=0) as writer:
            for image in street(people=3, frames=60, seed=2, rate=25, size=(640, 360)).images():
                writer.write(image)
        words = [sys.executable, "-m", "posetrack", "app", "--no-browser", "--port", str(PORT)]
        server = subprocess.Popen(words)
        try:
            wait_for(f"http://127.0.0.1:{PORT}/_stcore/health")
            with sync_playwright() as started:
                browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
                page.set_default_timeout(300_000)
                use(page, video)
        finally:
            server.terminate()
            server.wait()


def wait_for(address: str) -> None:
    """Return when a server answers."""
    while True:
        with suppress(OSError):
            urllib.request.urlopen(address).close()
            return
        time.sleep(0.2)


def use(page: Page, video: Path) -> None:
    """From an upload to an edit; a picture of each step."""
    page.goto(f"http://127.0.0.1:{PORT}")
    page.locator("input[type=file]").first.set_input_files(video)
    page.get_by_role("button", name="Run the networks").click()
    page.get_by_text("poses are kept").wait_for()
    photograph(page, "thresholds")
    page.get_by_role("button", name="Track").click()
    page.get_by_text("people: ids").wait_for()
    player = page.frame_locator('iframe[title*="posetrack_player"]')
    player.locator("body[data-ready=yes]").wait_for()
    inside = next(frame for frame in page.frames if "player" in frame.url)
    inside.wait_for_function("video.readyState >= 2")
    wide = player.locator("#curve").bounding_box()["width"]
    player.locator("#curve").click(position={"x": wide / 2, "y": 60})
    middle = inside.evaluate(
        "(() => { const one = tracks.people.find((one) => one.at.has(rowNow())),"
        " [l, t, r, b] = one.boxes[one.at.get(rowNow())], box = drawn.getBoundingClientRect(),"
        " s = box.width / tracks.size[0];"
        " return { x: (l + r) / 2 * s, y: (t + b) / 2 * s }; })()"
    )
    player.locator("#drawn").click(position=middle)
    heat = page.get_by_role("button", name="Heat maps")
    heat.wait_for()
    page.get_by_role("heading", name="posetrack").scroll_into_view_if_needed()
    photograph(page, "watch")
    heat.click()
    pictures = page.locator("[data-testid=stImage] img")
    pictures.first.wait_for()
    page.get_by_role("combobox", name="Keypoint").click()
    page.get_by_role("option", name="left_knee").click()
    page.wait_for_timeout(2000)
    pictures.first.scroll_into_view_if_needed()
    photograph(page, "heatmaps")
    page.get_by_text("Doubts and edits").click()
    page.get_by_text("Doubtful moments").wait_for()
    page.wait_for_timeout(8000)
    photograph(page, "doubts")


def photograph(page: Page, name: str) -> None:
    """A small picture of what the window shows."""
    page.mouse.move(5, 5)
    page.wait_for_timeout(1500)
    picture = Pillow.open(io.BytesIO(page.screenshot()))
    size = (picture.width * 2 // 3, picture.height * 2 // 3)
    picture.resize(size, Pillow.Resampling.LANCZOS).save(
        HERE / f"app_{name}.webp", quality=70, method=6
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else shutil.which("chromium") or "chromium")
