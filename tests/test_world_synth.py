"""``posetrack synth``: scenes and training pictures on the disk, the same however they are made."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.cli import main
from posetrack.cli.synth import SCENES, scene_of
from posetrack.evaluation import evaluate_posetrack
from posetrack.training import read_coco
from posetrack.video import open_video
from posetrack.world import contact_sheet, crossing
from posetrack.world.training_files import Pictures, make_chunk, write_training_files

TINY = Pictures(seed=3, size=(96, 64), people=(0, 3))


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def chunks_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posetrack.world.training_files.CHUNK", 3)


def test_a_scene_comes_with_all_its_truth(tmp_path: Path) -> None:
    options = ["--people", "2", "--frames", "4", "--size", "128x72", "--seed", "7"]
    assert main(["synth", "crossing", *options, "-o", str(tmp_path)]) == 0
    with open_video(tmp_path / "crossing.mp4") as video:
        assert video.size == (128, 72)
        assert sum(1 for _ in video) == 4
    truth = tmp_path / "crossing.json"
    assert evaluate_posetrack(truth, truth).rows()["MOTA"]["MOTA"] == 100
    document = json.loads((tmp_path / "crossing.coco.json").read_text())
    assert len(document["images"]) == 4
    assert (tmp_path / "crossing" / "gt" / "gt.txt").read_text().count("\n") >= 6
    assert len(list((tmp_path / "crossing" / "flow").glob("*.png"))) == 4


def test_images_in_place_of_a_video_are_where_the_coco_file_says(tmp_path: Path) -> None:
    options = ["--people", "2", "--frames", "3", "--size", "128x72", "--images", "--no-flow"]
    assert main(["synth", "street", *options, "-o", str(tmp_path)]) == 0
    samples = read_coco(tmp_path / "street.coco.json", tmp_path)
    assert len(samples) >= 3
    assert not (tmp_path / "street.mp4").exists()
    assert not (tmp_path / "street" / "flow").exists()


def test_training_pictures_do_not_depend_on_the_number_of_processes(
    tmp_path: Path, chunks_of_three: None
) -> None:
    write_training_files(tmp_path / "one", TINY, 7)
    write_training_files(tmp_path / "two", TINY, 7, processes=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    samples = read_coco(tmp_path / "one" / "annotations.json", tmp_path / "one" / "images")
    assert samples.problems == ()
    assert len(samples) > 3


def test_a_run_that_was_broken_off_goes_on_and_more_can_be_added(
    tmp_path: Path, chunks_of_three: None
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    write_training_files(whole, TINY, 8)
    write_training_files(broken, TINY, 4)  # ends within a chunk
    kept = (broken / "images" / "0000001.jpg").stat().st_mtime_ns
    counts: list[int] = []
    write_training_files(broken, TINY, 8, report=counts.append)
    assert counts == [6, 8]  # the first chunk was there
    assert (broken / "images" / "0000001.jpg").stat().st_mtime_ns == kept
    assert files(broken) == files(whole)


def test_a_picture_is_the_same_in_every_chunk(tmp_path: Path) -> None:
    for name, span in (("a", (0, 3)), ("b", (2, 4))):
        for part in ("images", "chunks"):
            (tmp_path / name / part).mkdir(parents=True)
        make_chunk(tmp_path / name, TINY, span)
    a, b = (cv2.imread(str(tmp_path / name / "images" / "0000002.jpg")) for name in "ab")
    np.testing.assert_array_equal(a, b)


def test_pictures_of_other_settings_are_not_mixed_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["synth", "train", "--frames", "1", "--size", "96x64", "-o", str(tmp_path)]
    assert main([*command, "--seed", "1"]) == 0
    assert "--data coco" in capsys.readouterr().out
    assert main([*command, "--seed", "2"]) == 1
    assert "take a new folder" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--frames", "0"], ["--quality", "0"], ["--processes", "0"]])
def test_numbers_that_cannot_be_are_refused(options: list[str], tmp_path: Path) -> None:
    assert main(["synth", "train", "--size", "32x32", *options, "-o", str(tmp_path / "x")]) == 1


def test_every_name_makes_a_scene() -> None:
    for name in SCENES:
        scene = scene_of(name, people=2, frames=3, seed=1, size=(64, 36), rate=None)
        assert (scene.name, len(scene), len(scene.people)) == (name, 3, 2)


def test_a_contact_sheet_shows_people_pictures_and_scenes() -> None:
    scene = crossing(people=1, frames=2, size=(96, 54))
    sheet = contact_sheet([scene], people=(1, 2), pictures=(1, 2))
    assert sheet.shape[1:] == (1920, 3)
    assert sheet.std() > 10


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder with a red and a blue one."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name, colour in (("a.png", (30, 30, 220)), ("b.jpg", (220, 40, 30))):
        cv2.imwrite(str(folder / name), np.full((60, 90, 3), colour, np.uint8))
    return folder


def test_photographs_stand_behind_people(tmp_path: Path, photographs: Path) -> None:
    options = ["--frames", "6", "--people", "1", "--seed", "2", "--size", "96x64"]
    out = tmp_path / "out"
    assert (
        main(["synth", "train", *options, "--backgrounds", str(photographs), "-o", str(out)]) == 0
    )
    assert main(["synth", "train", *options, "-o", str(tmp_path / "plain")]) == 0
    images = [cv2.imread(str(path)) for path in sorted((out / "images").iterdir())]
    vivid = [
        abs(float(image[..., 2].mean()) - float(image[..., 0].mean())) > 60 for image in images
    ]
    assert sum(vivid) >= 3
    # The people are those that they are without photographs.
    truths = [
        json.loads((folder / "annotations.json").read_text())["annotations"]
        for folder in (out, tmp_path / "plain")
    ]
    assert len(truths[0]) > 2
    assert {row["image_id"] for row in truths[0]} <= {row["image_id"] for row in truths[1]}
    # More pictures of the same kind are added, of another kind are not.
    assert (
        main(["synth", "train", *options, "--backgrounds", str(photographs), "-o", str(out)]) == 0
    )
    assert main(["synth", "train", *options, "-o", str(out)]) == 1


def test_photographs_are_for_training_pictures_and_must_be_there(
    tmp_path: Path, photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--backgrounds", str(photographs), "-o", str(tmp_path / "out")]
    assert main(["synth", "crossing", *given]) == 1
    assert "--backgrounds goes with 'train'" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["synth", "train", "--backgrounds", str(tmp_path / "empty"),
                 "-o", str(tmp_path / "out")]) == 1  # fmt: skip
    assert "expected images" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["3x3", "31x720", "640x8000", "0x0", "640", "axb"])
def test_a_size_in_which_nobody_is_seen_is_refused_with_what_is_allowed(
    tmp_path: Path, size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["synth", "squats", "--size", size, "-o", str(tmp_path / "x")])
    assert caught.value.code == 2
    assert "32 to 7680 pixels each" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
