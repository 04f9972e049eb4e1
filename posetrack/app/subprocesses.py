"""Runs that a page starts, follows and stops; each in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from posetrack.app.worker import JOB, PROGRESS, STOP
from posetrack.files import dump_json, read_json, write_whole

ENDS: Final = ("done", "stopped", "failed")
_LOG: Final = "log.txt"


@dataclass(frozen=True)
class State:
    """How far a run is.

    Parameters
    ----------
    name
        preparing, running, finishing, done, stopped or failed.
    frames, total, people
        How many so far; ``total`` is None where it is not known.
    rate
        Frames a second; None before the second frame.
    error
        Why it failed.
    """

    name: str
    frames: int = 0
    total: int | None = None
    people: int = 0
    rate: float | None = None
    error: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.name in ENDS


def words_of_job(folder: Path) -> list[str]:
    """The words that a job in a folder was given."""
    words: list[str] = read_json(folder / JOB)["words"]
    return words[:-2]  # its own folder


class Job:
    """One run in a folder of its own.

    Parameters
    ----------
    folder
        Empty; for the results and notes.
    words
        Of ``posetrack track``, without the folder for results.
    task
        Which of `posetrack.app.worker.TASKS` it is.
    **asked
        What else the task needs.
    """

    def __init__(
        self, folder: Path, words: Sequence[str], task: str = "track", **asked: object
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        content = {"words": [*words, "-o", str(folder)], "task": task, **asked}
        write_whole(folder / JOB, dump_json(content))
        with (folder / _LOG).open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "posetrack.app.worker", str(folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def state(self) -> State:
        """How far it is, from its notes."""
        ended = self._process.poll() is not None  # before the notes are read: none comes after
        try:
            noted: dict[str, Any] = read_json(self.folder / PROGRESS)
        except (OSError, ValueError):
            noted = {"state": "preparing"}
        state = State(
            str(noted.get("state")),
            int(noted.get("frames") or 0),
            noted.get("total"),
            int(noted.get("people") or 0),
            noted.get("rate"),
            str(noted.get("error", "")),
        )
        if ended and not state.ended:
            return State("failed", error=self._last_line() or "the run ended by itself")
        return state

    def note(self, name: str) -> Any:
        """Something else that it noted; None where it did not."""
        try:
            return read_json(self.folder / PROGRESS).get(name)
        except (OSError, ValueError):
            return None

    def stop(self) -> None:
        """End it after the frame that it is at; what is done is kept."""
        (self.folder / STOP).touch()

    def kill(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def wait(self, seconds: float) -> State:
        """Its state when it has ended, or after this long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self.state()

    def _last_line(self) -> str:
        text = (self.folder / _LOG).read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1][-300:] if lines else ""
