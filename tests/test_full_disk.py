"""Where the disk is full the last lines say what is kept, and where."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from posetrack.cli import main
from posetrack.files import PartialFile
from posetrack.runs.writer import ResultPaths, RunWriter
from posetrack.skeletons import COCO_17
from posetrack.structures import Tracks

FRAME = SimpleNamespace(image=np.zeros((4, 4, 3), np.uint8), index=0)
NOBODY = Tracks.empty(COCO_17)


class Table:
    """A sink of one file; a full one cannot be finished."""

    def __init__(self, path: Path, *, full: bool) -> None:
        self.path, self.partial, self._full = path, path.with_suffix(".partial.csv"), full

    def write(self, frame: Any, tracks: Any) -> None:
        self.partial.write_text(f"{frame.index}\n")

    def close(self) -> None:
        if self._full:
            raise no_space(self.partial)
        self.partial.replace(self.path)

    def abort(self) -> Path:
        if self._full:
            raise no_space(self.partial)
        return self.partial


def no_space(path: Path) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def written(folder: Path, *names: str) -> RunWriter:
    sinks = [
        lambda run, _opening, name=name: Table(run.results(f".{name}.csv"), full=name == "full")
        for name in names
    ]
    return RunWriter(ResultPaths(folder, "walk"), sinks)


def test_a_table_that_cannot_be_closed_leaves_the_line_on_what_is_kept(
    tmp_path: Path,
) -> None:
    def close() -> None:
        with written(tmp_path, "a", "full", "b") as run:
            run.write(FRAME, NOBODY)

    with pytest.raises(OSError, match="No space") as caught:
        close()
    # One that cannot be closed does not keep the others from being whole.
    kept = [tmp_path / name for name in ("walk.b.csv", "walk.full.partial.csv", "walk.a.csv")]
    (said,) = caught.value.__notes__
    assert said == f"walk: 1 frames so far are in {', '.join(map(str, kept))}"
    assert all(path.exists() for path in kept)


def test_what_cannot_even_be_kept_whole_is_a_note_of_the_first_error(tmp_path: Path) -> None:
    def break_off() -> None:
        with written(tmp_path, "full") as run:
            run.write(FRAME, NOBODY)
            raise RuntimeError("first")

    with pytest.raises(RuntimeError, match="first") as caught:
        break_off()
    (note,) = caught.value.__notes__
    assert note.startswith("walk: what there is of walk.full.csv is beside them, and ")
    assert f"posetrack recover {tmp_path}" in note


def test_an_unfinished_file_that_cannot_grow_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = PartialFile(tmp_path / "a.csv")
    file.write(b"row\n")
    stream = file._stream

    def full(_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    wrapped = SimpleNamespace(
        write=full, tell=stream.tell, seek=stream.seek, truncate=stream.truncate
    )
    monkeypatch.setattr(file, "_stream", wrapped)
    with pytest.raises(OSError, match=r"a\.partial\.csv"):
        file.write(b"another\n")
    monkeypatch.setattr(file, "_stream", stream)
    assert file.keep().read_bytes() == b"row\n"


def test_notes_of_an_error_are_shown_by_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: object) -> int:
        error = no_space(tmp_path / "a.partial.csv")
        error.add_note("9 frames so far are in b")
        raise error

    monkeypatch.setattr("posetrack.cli.recover.run", run)
    assert main(["recover", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"posetrack: {tmp_path / 'a.partial.csv'}: no space left on device",
        "9 frames so far are in b",
    ]
