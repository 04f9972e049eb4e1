"""A folder for each session of the app, taken away when its browser is gone."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from posetrack.app.subprocesses import Job

_EVERY: Final = 2.0


@dataclass
class Session:
    """What belongs to one browser's page.

    Parameters
    ----------
    folder
        For all its files; nobody else's page gets its path.
    jobs
        Its runs.
    """

    folder: Path
    jobs: list[Job] = field(default_factory=list)
    seen: float = field(default_factory=time.monotonic)

    def close(self) -> None:
        """End its runs and take its folder away."""
        for job in self.jobs:
            job.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sessions:
    """All sessions of a server.

    Parameters
    ----------
    folder
        In which theirs are.
    is_active
        Whether the browser of a session, by its name, is there.
    grace
        Seconds that it may be away, such as for a reload.
    """

    def __init__(self, folder: Path, is_active: Callable[[str], bool], *, grace: float) -> None:
        self._folder, self._is_active, self._grace = folder, is_active, grace
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> Session:
        """A session by its name, made at its first call."""
        with self._lock:
            if name not in self._sessions:
                folder = Path(tempfile.mkdtemp(prefix="session-", dir=self._folder))
                self._sessions[name] = Session(folder)
            return self._sessions[name]

    def sweep(self) -> list[str]:
        """Close those whose browser has been away for too long; gives their names."""
        now, gone = time.monotonic(), []
        with self._lock:
            for name, session in list(self._sessions.items()):
                if self._is_active(name):
                    session.seen = now
                elif now - session.seen > self._grace:
                    gone.append((name, self._sessions.pop(name)))
        for _, session in gone:
            session.close()
        return [name for name, _ in gone]

    def watch(self) -> None:
        """Sweep from now on, in a thread that ends with the server."""

        def sweep_always() -> None:
            while True:
                time.sleep(_EVERY)
                self.sweep()

        threading.Thread(target=sweep_always, name="posetrack-sessions", daemon=True).start()
