"""What is wrong in a line is told before networks are loaded, with the names that come near."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from posetrack.cli import main
from posetrack.video.checking import check_live

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one image; nothing may be built."""

    def build(*_: object, **__: object) -> None:
        raise AssertionError("a network was built before all was checked")

    monkeypatch.setattr("posetrack.cli.track.build_detector", build)
    monkeypatch.setattr("posetrack.cli.track.build_estimator", build)
    monkeypatch.setattr("posetrack.cli.track.find_defaults", build)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "0.png"), np.zeros((60, 80, 3), np.uint8))
    return tmp_path / "images"


@pytest.mark.parametrize("networks", ["", "--detector bundled --estimator bundled"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("images --format posetrack81", "no format 'posetrack81' (did you mean 'posetrack18'?)"),
        ("images --skeleton coco17", "no skeleton 'coco17' (did you mean 'coco_17'"),
        ("images --angles left_nee", "no angle 'left_nee' (did you mean 'left_knee'"),
        ("images -o images/0.png/x", "is a file, not a folder"),
        ("nothere.mp4", "nothere.mp4: no such file or folder"),
        ("images nothere.mp4", "nothere.mp4: no such file or folder"),
        ("99", "camera 99"),
        ("ftp://127.0.0.1/x.mp4", "expected a URL that begins with one of"),
        ("rtsp://127.0.0.1:9/door", "127.0.0.1 refuses at port 9"),
        ("http://127.0.0.1:9/door.mp4", "127.0.0.1 refuses at port 9"),
    ],
)
def test_a_wrong_line_is_refused_before_any_network(
    images: Path, capsys: pytest.CaptureFixture[str], line: str, networks: str, message: str
) -> None:
    assert main(["track", "-o", str(images.parent / "out"), *networks.split(), *line.split()]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--detector bundeld",
            "--detector: no detector is called 'bundeld'; did you mean 'bundled",
        ),
        ("--estimator pose_resnet50_coco_256x19", "did you mean 'pose_resnet50_coco_256x192'"),
        ("--estimator raft_small", "is a flow model; expected a pose model"),
        ("--detector nothere.onnx", "nothere.onnx: no such file"),
        ("--estimator nothere.pth", "nothere.pth: no such file"),
        ("--decode yolx", "--decode goes with an ONNX detector"),
        ("--flow raft-small --offline", "downloads are switched off"),
    ],
)
def test_a_network_that_is_not_there_is_refused_before_any_other(
    images: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: str,
    message: str,
) -> None:
    monkeypatch.setenv("POSETRACK_HOME", str(images.parent / "home"))
    assert main(["track", str(images), *options.split()]) == 1
    assert message in capsys.readouterr().err


def test_a_choice_that_comes_near_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["track", "images", "--flow", "farnebak"])
    assert "invalid choice: 'farnebak'; did you mean 'farneback'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["trak", "images"])
    assert "invalid choice: 'trak'; did you mean 'track'" in capsys.readouterr().err


def test_a_host_that_answers_passes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_live(f"rtsp://127.0.0.1:{server.getsockname()[1]}/door")


def test_a_password_is_not_shown() -> None:
    with pytest.raises(ConnectionError) as caught:
        check_live("rtsp://me:secret@127.0.0.1:9/door")
    assert "secret" not in str(caught.value)
