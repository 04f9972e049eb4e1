"""Ctrl-C and SIGTERM while files are being finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import PATIENCE

from posetrack.files import PartialFile
from posetrack.runs.interruptions import hold_interruptions, interrupt_at_sigterm
from posetrack.video import VideoWriter, open_video


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_begun_is_finished_and_the_interruption_counts_at_the_end(number: int) -> None:
    done = []

    def finish() -> None:
        with interrupt_at_sigterm(), hold_interruptions():
            signal.raise_signal(number)
            done.append(1)

    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt):
        finish()
    assert done == [1]
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_interruption_counts_at_once() -> None:
    done = []

    def finish() -> None:
        with hold_interruptions():
            signal.raise_signal(signal.SIGINT)
            done.append(1)
            signal.raise_signal(signal.SIGINT)
            done.append(2)

    with pytest.raises(KeyboardInterrupt):
        finish()
    assert done == [1]


def test_an_error_is_not_hidden_by_an_interruption() -> None:
    def finish() -> None:
        with hold_interruptions():
            signal.raise_signal(signal.SIGINT)
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        finish()


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with hold_interruptions():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_an_interruption_while_pieces_are_joined_leaves_them_and_no_broken_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = VideoWriter(tmp_path / "video.mp4", rate=25)
    noise = np.random.default_rng(0)
    for _ in range(40):
        writer.write(noise.integers(0, 255, (96, 128, 3), np.uint8))
    good = PartialFile.write

    def interrupt(file: PartialFile, data: bytes) -> None:
        if file.partial.suffix == ".joining":
            os.kill(os.getpid(), signal.SIGINT)
        good(file, data)

    monkeypatch.setattr(PartialFile, "write", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["video.partial.mp4"]
    assert "video.partial.mp4, which plays" in caught.value.__notes__[0]
    with open_video(tmp_path / "video.partial.mp4") as video:
        assert len(list(video)) == 40


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_while_a_command_starts_is_a_line() -> None:
    code = (
        "import os, signal, sys\n"
        "import posetrack.cli as cli\n"
        "def slow(name): os.kill(os.getpid(), signal.SIGINT)\n"
        "cli.importlib.import_module = slow\n"
        "sys.exit(cli.main(['track', 'a.mp4']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (130, "posetrack: interrupted\n")
