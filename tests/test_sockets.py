"""No command speaks to other machines unless it is asked to."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import PATIENCE

from posetrack.cli import USAGE_STATISTICS, main, parser

ASKED = {("models", "download"), ("models", "check")}
"""To fetch, and to see which hosts answer, is what they are for."""

SERVING = {("app",), ("serve",)}
"""They do not end by themselves; where they listen is looked at in their own tests."""

WATCHED = """\
import json, sys
from contextlib import redirect_stdout
from ipaddress import ip_address
from pathlib import Path

folder = Path(sys.argv[1])
log = (folder / "contacts.txt").open("a", buffering=1)  # of forked children, too


def is_here(host):
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    try:
        return host in (None, "", "localhost") or ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def watch(event, values):
    # Every name that is looked up, and every address that is bound, connected to or sent to.
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        host = values[0]
    elif event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"):
        address = values[1]
        host = address[0] if isinstance(address, tuple) else None  # else a socket in the files
    else:
        return
    if not is_here(host):
        log.write(f"{event} {values[1:] if 'addr' not in event else values}\\n")


sys.addaudithook(watch)

from posetrack.cli import main

ended = []
for words in json.loads((folder / "commands.json").read_text()):
    with redirect_stdout(sys.stderr):
        ended.append(main(words))
(folder / "ended.json").write_text(json.dumps(ended))
"""


def leaves(top: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that does something."""
    below = [a for a in top._actions if isinstance(a, argparse._SubParsersAction)]
    for action in below:
        for name, inner in action.choices.items():
            yield from leaves(inner, (*words, name))
    if not below:
        yield words


def commands(data: Path, out: Path) -> list[list[str]]:
    """Each command once, on little, with the networks of the package and small ones."""
    table, video = out / "demo.parquet", data / "videos" / "street.mp4"
    scene = out / "synth" / "crossing.json"
    coco, truth = data / "coco", data / "coco" / "test_coco.json"
    bundled = ["--detector", "bundled", "--estimator", "bundled", "--device", "cpu"]
    people = ["--data", "coco", "--images", coco, "--annotations", truth, "--size", "64x64"]
    small = [*people, "--device", "cpu", "--no-flip-test"]
    weights = out / "trained" / "best.safetensors"
    labels = out / "labels.csv"
    labels.write_text("frame,id,label\n" + "".join(f"{n},1,{'ab'[n % 2]}\n" for n in range(12)))
    every: list[list[Any]] = [
        ["demo", "--fakes", "--frames", "12", "-o", out],
        ["track", video, *bundled, "--stop", "2", "-o", out / "tracked"],
        ["batch", video, *bundled, "--stop", "2", "--workers", "1", "--no-overlay",
         "-o", out / "batched"],
        ["clean", table, "--outliers", "-o", out / "cleaned"],
        ["plot", table, "--keypoint", "nose", "-o", out / "nose.png"],
        ["overlay", table, "--background", "black", "-o", out / "drawn.mp4"],
        ["analyse", table, "--angles", "-o", out / "analysed"],
        ["report", table, "-o", out / "pages"],
        ["postures", "train", table, labels, "-o", out / "postures.npz"],
        ["postures", "apply", table, "--model", out / "postures.npz", "-o", out / "labelled.csv"],
        ["link", out / "demo.json", "--rate", "25", "-o", out / "linked"],
        ["audit", table, "-o", out / "audited"],
        ["convert", table, "--to", "csv,posetrack18,mot", "-o", out / "converted"],
        ["recover", out],
        ["synth", "crossing", "--frames", "3", "--size", "256x144", "-o", out / "synth"],
        *(
            ["eval", kind, "--gt", scene, "--pred", scene, "-o", out]
            for kind in ("posetrack17", "posetrack18", "posetrack21", "poses")
        ),
        ["eval", "posetrack21-boxes", "--gt", out / "boxes", "--pred", out / "boxes", "-o", out],
        ["eval", "coco", "--gt", truth, "--pred", out / "results.json", "-o", out],
        ["eval", "mpii", "--gt", out / "mpii.json", "--pred", out / "preds.json", "-o", out],
        ["doctor"],
        ["samples", "-o", out / "samples"],
        ["completion", "bash"],
        ["bench", video, *bundled, "--stop", "2", "--repeat", "1"],
        ["models", "list"],
        ["models", "path", "bundled_pose"],
        ["train", *small, "--arch", "light", "--epochs", "1", "--batch-size", "6", "--quiet",
         "-o", out / "trained"],
        ["validate", *small, "--weights", weights],
        ["inspect", *people, "--device", "cpu", "--count", "1", "-o", out / "seen"],
        ["curves", out / "trained", "-o", out / "curves.png"],
        ["models", "convert", weights, "-o", out / "converted.safetensors"],
        ["export", weights, "--to", "onnx", "--size", "64x64", "--crops", "2", "--repeats", "1",
         "--batch", "1", "-o", out / "net.onnx"],
        ["ablation", "--quick", "--scenes", "crossing", "--blocks", "matching", "--frames", "8",
         "-o", out / "ablation"],
    ]  # fmt: skip
    return [[str(word) for word in words] for words in every]


def write_evaluated(out: Path) -> None:
    """Truth and predictions for the evaluations that take neither tracks nor photographs."""
    sequence = out / "boxes" / "one"
    (sequence / "gt").mkdir(parents=True)
    for path in (sequence / "gt" / "gt.txt", out / "boxes" / "one.txt"):
        path.write_text("1,1,2,3,4,5,1,-1,-1,-1\n")
    (sequence / "image_info.json").write_text('[{"frame_id": 0}]')
    (out / "results.json").write_text("[]")
    joints = [[k + 3, 2 * k + 2.5] for k in range(16)]
    person = {"image": "a.png", "center": [20, 20], "scale": 0.5, "joints": joints,
              "joints_vis": [1] * 16, "head_box": [1, 2, 20, 30]}  # fmt: skip
    (out / "mpii.json").write_text(json.dumps([person]))
    (out / "preds.json").write_text(json.dumps({"preds": [[[*xy, 0.5] for xy in joints]]}))


def run_watched(folder: Path, words: list[list[str]]) -> list[str]:
    """Run commands in one process; what it says to whom, a line each."""
    (folder / "commands.json").write_text(json.dumps(words))
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(folder)],
        cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "MPLBACKEND": "agg"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ended = json.loads((folder / "ended.json").read_text())
    assert ended == [0] * len(words), done.stderr
    return (folder / "contacts.txt").read_text().splitlines()


def test_every_command_is_among_those_that_are_run(tmp_path: Path) -> None:
    tried = {
        leaf
        for words in commands(tmp_path, tmp_path)
        for leaf in leaves(parser())
        if tuple(words[: len(leaf)]) == leaf
    }
    assert set(leaves(parser())) - ASKED - SERVING == tried


@pytest.mark.slow
def test_no_command_looks_up_or_calls_another_machine(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")
    pytest.importorskip("sklearn", reason="needs the extra posetrack[analysis]")
    pytest.importorskip("vl_convert", reason="needs the extra posetrack[report]")
    out = tmp_path / "out"
    out.mkdir()
    write_evaluated(out)
    assert run_watched(tmp_path, commands(shared / "data", out)) == []


def test_one_that_does_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "commands.json").write_text("[]")
    code = f"{WATCHED}\nimport socket\n" + (
        "try:\n    socket.create_connection(('192.0.2.1', 9), timeout=0.01)\n"
        "except OSError:\n    pass\n"
        "socket.getaddrinfo('localhost', 9)\n"
        "socket.socket().bind(('127.0.0.1', 0))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=PATIENCE)
    seen = (tmp_path / "contacts.txt").read_text()
    assert "socket.connect" in seen
    assert "192.0.2.1" in seen
    assert "localhost" not in seen
    assert "127.0.0.1" not in seen


def test_partners_are_kept_from_reporting_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: dict[str, str | None] = {}

    def run(_: argparse.Namespace) -> int:
        seen.update({name: os.environ.get(name) for name in USAGE_STATISTICS})
        return 0

    monkeypatch.setattr("posetrack.cli.demo.run", run)
    for name in USAGE_STATISTICS:
        monkeypatch.delenv(name, raising=False)
    assert main(["demo"]) == 0
    assert seen == dict(USAGE_STATISTICS)
    assert not set(USAGE_STATISTICS) & set(os.environ)
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    assert main(["demo"]) == 0
    assert seen["DO_NOT_TRACK"] == "0"
