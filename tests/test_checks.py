"""What is wrong in a line is told before networks are loaded, with the names that come near."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from posetrack.cli import main
from posetrack.video.reachability import check_live

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


DATA = "--data coco --images run --annotations tracks.csv"
LINES = (
    ("link nothere.json", "nothere.json: no such file or folder"),
    ("link tracks.csv --video vido.mp4", "vido.mp4: no such file or folder; near it: video.mp4"),
    ("link tracks.csv --video rtsp://127.0.0.1:9/x", "127.0.0.1 refuses at port 9"),
    ("audit track.csv", "track.csv: no such file or folder; near it: tracks.csv"),
    ("audit tracks.csv --video vido.mp4", "near it: video.mp4"),
    ("audit tracks.csv --video http://127.0.0.1:9/x.mp4", "127.0.0.1 refuses at port 9"),
    ("audit tracks.csv --apply edits", "edits: no such file or folder"),
    ("audit tracks.csv --out tracks.csv/x", "is a file, not a folder"),
    ("clean track.csv --fill 1s", "near it: tracks.csv"),
    ("clean tracks.csv --join 1s --video vido.mp4", "near it: video.mp4"),
    ("clean tracks.csv --select larges", "did you mean 'largest' or 'longest'?"),
    ("overlay track.csv --background black -o new.mp4", "near it: tracks.csv"),
    ("overlay tracks.csv --video vido.mp4 -o new.mp4", "near it: video.mp4"),
    ("overlay tracks.csv --video rtsp://127.0.0.1:9/x -o new.mp4", "refuses at port 9"),
    ("overlay tracks.csv --background black -o new.mp3", "expected a name that ends in .mp4"),
    ("overlay tracks.csv --background black -o no/new.mp4", "there is no folder no"),
    ("eval poses --gt nothere --pred tracks.csv", "nothere: no such file or folder"),
    ("eval poses --gt tracks.csv --pred track.csv", "near it: tracks.csv"),
    ("eval poses --gt tracks.csv --pred tracks.csv -o tracks.csv", "expected a folder"),
    ("eval pose --gt a --pred b", "did you mean 'poses'"),
    ("curves runn", "runn: no such file or folder; near it: run"),
    ("curves run -o curves.pgn", "expected a name that ends in .png"),
    ("ablation --blocks stepz", "no block 'stepz' (did you mean 'steps'?)"),
    ("ablation --scenes crosing", "no scene 'crosing' (did you mean 'crossing'?)"),
    ("analyse track.csv --angles", "near it: tracks.csv"),
    ("analyse tracks.csv --rules nothere.toml", "nothere.toml: no such file or folder"),
    ("analyse tracks.csv --repetitions squatt", "did you mean 'squat'?"),
    ("plot track.csv --kind trails", "near it: tracks.csv"),
    ("plot tracks.csv --kind trails --video vido.mp4", "near it: video.mp4"),
    ("postures apply tracks.csv --model nothere.npz -o new.csv", "nothere.npz: no such file"),
    ("convert track.csv --to coco", "near it: tracks.csv"),
    ("convert tracks.csv --to coc", "did you mean 'coco'?"),
    ("convert tracks.csv --to coco --skeleton coco17", "did you mean 'coco_17'"),
    ("synth crosing", "did you mean 'crossing'?"),
    ("synth train --backgrounds nothere", "nothere: no such file or folder"),
    ("export nothere.pth --to onnx", "nothere.pth: no such file or folder"),
    ("export bundeld --to onnx", "did you mean 'bundled'"),
    ("export bundled --to onyx", "did you mean 'onnx'?"),
    ("export bundled --to onnx --images nothere", "nothere: no such file or folder"),
    (
        "export bundled --to onnx -o video.mp4/net.onnx",
        "video.mp4: expected a folder, this is a file",
    ),
    ("models convert nothere.pth -o new.safetensors", "nothere.pth: no such file or folder"),
    ("models convert tracks.csv -o new", "expected a name that ends in .safetensors"),
    ("models download raft_smal", "did you mean 'raft_small'"),
    (f"train {DATA} -o tracks.csv", "--out tracks.csv: expected a folder, this is a file"),
    (f"train {DATA} -o new --init bundeld", "did you mean 'bundled'"),
    (f"train {DATA} -o new --val-annotations track.csv", "near it: tracks.csv"),
    (f"train {DATA} -o new --skeleton coco17", "did you mean 'coco_17'"),
    (f"train {DATA} -o new --resume run/las.pth", "run/las.pth: no such file"),
    ("train --data coco --images runn --annotations tracks.csv -o new", "near it: run"),
    (f"validate {DATA} --weights bundeld", "did you mean 'bundled'"),
    (f"inspect {DATA} -o new --weights nothere.pth", "nothere.pth: no such file or folder"),
    ("track video.mp4 --faces", "did you mean '--blur-faces'"),
    ("demo --framez 3", "there is no option --framez; did you mean '--frames'"),
    ("recover nothere", "nothere: expected a folder with results"),
)


def test_every_command_refuses_a_wrong_line_without_torch(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "tracks.csv").write_text("frame\n")
    (tmp_path / "video.mp4").write_bytes(b"")
    code = (
        "import contextlib, io, json, sys; sys.modules['torch'] = None\n"
        "from posetrack.cli import main\n"
        "said = []\n"
        "for line in json.load(sys.stdin):\n"
        "    with contextlib.redirect_stderr(io.StringIO()) as error:\n"
        "        try:\n"
        "            status = main(line.split())\n"
        "        except SystemExit as end:\n"
        "            status = end.code\n"
        "    said.append((status, error.getvalue()))\n"
        "print(json.dumps(said))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([line for line, _ in LINES]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    wrong = {
        line: (status, said)
        for (line, expected), (status, said) in zip(LINES, json.loads(done.stdout), strict=True)
        if status not in (1, 2) or expected not in said or "Traceback" in said
    }
    assert wrong == {}
    assert {path.name for path in tmp_path.iterdir()} == {"run", "tracks.csv", "video.mp4"}
