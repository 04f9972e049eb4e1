"""Pictures in, pictures out; what a word on the line stands for; a window; samples."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

import posetrack
from posetrack.cli import main
from posetrack.runs.pictures import picture_names
from posetrack.runs.sources import expand_sources
from posetrack.runs.window import Window, check_display
from posetrack.testing import SceneDetector, SceneEstimator, crossing
from posetrack.video.image_folders import read_image

SCENE = crossing(frames=5)


def pictures(folder: Path, names: list[str]) -> Path:
    """The scene's images under these names."""
    for name, image in zip(names, SCENE, strict=False):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), image)
    return folder


def tracked(source: Path, out: Path, **settings: Any) -> posetrack.Trajectories:
    found = {"detector": SceneDetector(SCENE), "estimator": SceneEstimator(SCENE), **settings}
    return posetrack.track(source, out=out, formats=["csv"], **found)


def drawn(folder: Path) -> list[str]:
    found = [path for path in folder.rglob("*") if path.suffix in (".jpg", ".png", ".mp4")]
    return sorted(path.relative_to(folder).as_posix() for path in found)


@pytest.mark.parametrize(
    ("names", "kind", "expected"),
    [
        (["2.png", "10.png"], True, ["walk/10.png", "walk/2.png"]),
        (["a.jpg", "b.jpeg"], True, ["walk/a.jpg", "walk/b.jpg"]),
        (["a.png", "b.png"], "jpg", ["walk/a.jpg", "walk/b.jpg"]),
        (["a.png", "b.png"], "mp4", ["walk.mp4"]),
        (["a.png"], True, ["walk.png"]),
        (["a.png"], False, []),
    ],
)
def test_a_folder_of_images_gives_images_of_their_names(
    tmp_path: Path, names: list[str], kind: Any, expected: list[str]
) -> None:
    walk = pictures(tmp_path / "walk", names)
    tracked(walk, tmp_path / "out", overlay=kind)
    assert drawn(tmp_path / "out") == expected


def test_people_are_drawn_over_the_image_of_their_frame(tmp_path: Path) -> None:
    walk = pictures(tmp_path / "walk", ["0.png", "1.png", "2.png"])
    tracked(walk, tmp_path / "out")
    for index in range(3):
        before = read_image(walk / f"{index}.png").astype(int)
        after = read_image(tmp_path / "out" / "walk" / f"{index}.png").astype(int)
        changed = np.argwhere(np.abs(after - before).max(axis=2) > 40)[:, ::-1]
        boxes = SCENE.truth(index)[0].boxes.xyxy
        low, high = boxes[:, :2].min(axis=0) - 30, boxes[:, 2:].max(axis=0) + 30
        assert len(changed) > 100
        assert (changed >= low).all()
        assert (changed <= high).all()


def test_what_is_read_is_never_written_over(tmp_path: Path) -> None:
    walk = pictures(tmp_path / "walk", ["0.png", "1.png"])
    before = {path: path.read_bytes() for path in walk.iterdir()}
    tracked(walk, tmp_path)
    assert {path: path.read_bytes() for path in walk.iterdir()} == before
    assert drawn(tmp_path / "walk-tracked") == ["0.png", "1.png"]
    tracked(walk / "0.png", walk, overlay=True)
    assert (walk / "0.png").read_bytes() == before[walk / "0.png"]
    assert (walk / "0-tracked.png").is_file()


def test_a_video_can_be_drawn_as_pictures(tmp_path: Path) -> None:
    with posetrack.video.VideoWriter(tmp_path / "two.mp4", rate=25) as video:
        for image in SCENE:
            video.write(image)
    boxes = SCENE.truth(0)[0].boxes
    tracked(
        tmp_path / "two.mp4", tmp_path / "out", overlay="jpg", start=3,
        detector=lambda _: boxes, estimator=lambda _, found: SCENE.truth(0)[0][: len(found)],
        flow_boxes=False,
    )  # fmt: skip
    assert drawn(tmp_path / "out") == ["two/two_000003.jpg", "two/two_000004.jpg"]


def test_names_of_pictures_are_kept_below_the_folder_that_all_are_in(tmp_path: Path) -> None:
    files = [(tmp_path / "a" / "1.png", 0), (tmp_path / "b" / "1.png", 0)]
    assert picture_names(files, "jpg") == ["a/1.jpg", "b/1.jpg"]


def test_unrelated_images_give_everybody_and_no_identity_twice(tmp_path: Path) -> None:
    walk = pictures(tmp_path / "walk", ["0.png", "1.png", "2.png", "3.png"])
    people = tracked(walk, tmp_path / "out", unrelated=True)
    assert people.ids.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert people.present.sum(axis=1).tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("pics", ["pics"]),
        ("vids", ["vids/2.mp4", "vids/10.avi"]),
        ("vids/*", ["vids/2.mp4", "vids/10.avi"]),
        ("vids/1?.avi", ["vids/10.avi"]),
        ("pics/*.png", ["pics/*.png"]),
        ("all", ["all/first", "all/second"]),
        ("empty", ["empty"]),
        ("match[1].mp4", ["match[1].mp4"]),
        ("0", ["0"]),
        ("rtsp://camera/1", ["rtsp://camera/1"]),
        ("nothere/*.mp4", ["nothere/*.mp4"]),
    ],
)
def test_a_word_is_one_video_or_those_of_a_folder_or_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, expected: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["pics/1.png", "vids/10.avi", "vids/2.mp4", "vids/notes.txt", "vids/.hidden.mp4"]
    names += ["all/first/1.png", "all/second/a.mp4", "all/third/notes.txt", "match[1].mp4"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    assert expand_sources([word]) == expected


# A window.


class Screen:
    """OpenCV's window functions, without a screen; a key is pressed at some image."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, key_at: int) -> None:
        self.shown: list[np.ndarray] = []
        self.destroyed: list[str] = []
        made = {
            "namedWindow": lambda *_: None,
            "resizeWindow": lambda *_: None,
            "imshow": lambda _, image: self.shown.append(image),
            "waitKey": lambda _: ord("q") if len(self.shown) == key_at else -1,
            "getWindowProperty": lambda *_: 1.0,
            "destroyWindow": self.destroyed.append,
        }
        for name, function in made.items():
            monkeypatch.setattr(cv2, name, function)


def test_the_window_shows_people_and_ends_the_run_with_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen(monkeypatch, key_at=3)
    monkeypatch.setattr("posetrack.runs.track.check_display", lambda: None)
    walk = pictures(tmp_path / "walk", ["0.png", "1.png", "2.png", "3.png", "4.png"])
    people = tracked(walk, tmp_path / "out", show=True)
    assert people.frame.tolist() == [0, 1, 2]
    assert drawn(tmp_path / "out") == ["walk/0.png", "walk/1.png", "walk/2.png"]
    last = read_image(tmp_path / "out" / "walk" / "2.png")
    assert np.array_equal(screen.shown[-1], last)


def test_a_window_goes_away_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen(monkeypatch, key_at=-1)
    window = Window("walk")
    image = np.zeros((48, 64, 3), np.uint8)
    window.show(SimpleNamespace(image=image), posetrack.Tracks.empty(posetrack.COCO_17))
    window.close()
    window.close()
    assert (window.closed, screen.destroyed) == (False, ["walk"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="is of X11 and Wayland")
def test_without_a_display_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    walk = pictures(tmp_path / "walk", ["0.png"])
    assert main(["track", str(walk), "--show", "--preset", "bundled", "-o", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is no display here" in line
    monkeypatch.setenv("DISPLAY", "127.0.0.1:999")
    with pytest.raises(RuntimeError, match="there is no display here"):
        check_display()


@pytest.mark.slow
def test_samples_are_pictures_and_a_clip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["samples", "-o", str(tmp_path)]) == 0
    assert drawn(tmp_path) == [*(f"pictures/street-{n}.jpg" for n in (1, 2, 3)), "street.mp4"]
    assert posetrack.Video(tmp_path / "street.mp4").count == 75
    assert "posetrack track" in capsys.readouterr().out
