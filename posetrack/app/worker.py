"""A run of ``posetrack track`` in a process of its own: ``python -m posetrack.app.worker FOLDER``.

The folder holds ``job.json``: the words of the command, and which of `TASKS` it is. Into it go
``progress.json``, the results, and ``view.mp4``, a small copy of the video for the page. A file
``stop`` in it ends the run with what it has; so does the end of the process that started this one.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, Final, TypeAlias

from posetrack.checks import reason_of
from posetrack.files import dump_json, read_json, write_whole

PROGRESS: Final = "progress.json"
JOB: Final = "job.json"
STOP: Final = "stop"
VIEW: Final = "view.mp4"
MAPS: Final = "maps.npz"
_EVERY: Final = 0.25  # seconds between two notes
_VIEW_SIDE: Final = 960


class Progress:
    """Notes how far a run is, in a file that appears whole."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._parent = folder, os.getppid()
        self._noted, self._begun = 0.0, time.monotonic()
        self.stopped = False
        self._last: dict[str, Any] = {}

    def watch(self, frames: int, total: int | None, people: int) -> bool:
        """Note it; whether to go on."""
        now = time.monotonic()
        if frames == 1:
            self._begun = now  # networks are loaded
        self._last = {"frames": frames, "total": total, "people": people}
        if now - self._noted >= _EVERY:
            elapsed = now - self._begun
            rate = (frames - 1) / elapsed if elapsed > 0 and frames > 1 else None
            self.note("running", **self._last, rate=rate)
            self._noted = now
        self.stopped = (self._folder / STOP).exists() or os.getppid() != self._parent
        return not self.stopped

    def note(self, state: str, **values: object) -> None:
        """Write a state: preparing, running, finishing, done, stopped or failed."""
        content = dump_json({"state": state, **self._last, **values})
        write_whole(self._folder / PROGRESS, content, durable=False)


Task: TypeAlias = Callable[[Mapping[str, Any], Path, Progress], dict[str, Any]]


def main(folder: Path) -> int:
    """Run the job of a folder; every end of it is in its notes."""
    progress = Progress(folder)
    progress.note("preparing")
    try:
        job = read_json(folder / JOB)
        noted = TASKS[job["task"]](job, folder, progress)
    except OSError as error:
        progress.note("failed", error=reason_of(error))
        return 1
    except Exception as error:
        progress.note("failed", error=str(error) or type(error).__name__)
        return 1
    progress.note("stopped" if progress.stopped else "done", **noted)
    return 0


def track_video(job: Mapping[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Run the command; with ``view`` a small copy of the video is made for the page."""
    from posetrack.cli.track import run

    arguments = read_words(job["words"])
    run(arguments, watch=progress.watch)
    if job.get("view"):
        progress.note("finishing")
        make_view(Path(arguments.sources[0]), folder)
    return {}


def find_maps(job: Mapping[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """The pose network's heatmaps of the person in the box ``xyxy`` at ``frame``, into `MAPS`."""
    import numpy as np

    from posetrack.cli.network_options import build_estimator
    from posetrack.structures import Detections
    from posetrack.video.reader import read_image

    del progress
    arguments = read_words(job["words"])
    estimator = build_estimator(arguments)
    find: Any = getattr(estimator, "find_heatmaps", None)
    if find is None:
        raise ValueError("this network gives keypoints and no heatmaps")
    image = read_image(arguments.sources[0], job["frame"], job["size"])
    crops, maps = find(image, Detections(np.array([job["xyxy"]]), np.ones(1)))
    np.savez(folder / MAPS, crop=crops[0], maps=maps[0])
    return {}


def look_at_file(job: Mapping[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Whether a file holds a network of a ``kind``, and whether that finds people by itself."""
    from posetrack.cli.network_options import build_detector, build_estimator
    from posetrack.runs.networks import finds_boxes

    del folder, progress
    arguments = read_words(job["words"])
    if job["kind"] == "detector":
        build_detector(arguments)
        return {"finds_boxes": True}
    return {"finds_boxes": finds_boxes(build_estimator(arguments))}


TASKS: Final[Mapping[str, Task]] = {
    "track": track_video,
    "maps": find_maps,
    "look": look_at_file,
}
"""What a job may be; each gives what else is noted at its end."""


def read_words(words: Sequence[str]) -> argparse.Namespace:
    """The arguments of ``posetrack track``.

    Raises
    ------
    ValueError
        With the line that the command would end with.
    """
    from posetrack.cli import parser

    lines = io.StringIO()
    try:
        with redirect_stderr(lines):
            return parser("track").parse_args(["track", *words])
    except SystemExit as error:
        line = lines.getvalue().strip().rpartition("\n")[2]
        raise ValueError(line.partition("error: ")[2].partition(" (see ")[0] or line) from error


def make_view(source: Path, folder: Path) -> None:
    """Copy what was tracked of a video into a small one that browsers play, without drawings."""
    from posetrack.reports import find_results
    from posetrack.trajectories import load
    from posetrack.video.reader import open_tracked
    from posetrack.video.writer import VideoWriter

    (results,) = find_results(folder)
    trajectories = load(results.table)
    if not len(trajectories):
        return
    wanted = set(trajectories.frame.tolist())
    first, last = int(trajectories.frame[0]), int(trajectories.frame[-1])
    size = trajectories.metadata.get("image_size")
    with open_tracked(str(source), size, start=first, stop=last + 1) as frames:
        scale = min(1.0, _VIEW_SIDE / max(frames.size))
        width, height = (max(2, round(side * scale)) & ~1 for side in frames.size)
        with VideoWriter(
            folder / VIEW, rate=frames.rate, size=(width, height), quality=26.0
        ) as view:
            for frame in frames:
                if frame.index in wanted:
                    view.write(frame.image, frame.seconds)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
