"""Memory stays flat, however long the stream."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from processes import in_a_fresh_process

from posetrack import Tracker, Tracks
from posetrack.flows.dis import DisFlow
from posetrack.formats import CsvWriter, ParquetWriter, PoseTrack18Writer, read_table
from posetrack.testing import Scene, SceneDetector, SceneEstimator, walking
from posetrack.tracking.pipeline import track_video
from posetrack.video import Frame

STATM = Path("/proc/self/statm")
pytestmark = [
    pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc"),
    pytest.mark.slow,
]
LENGTH = 5_000
SETTLED = 1_000
CYCLE = 40


def resident() -> float:
    """Resident memory of this process in MB."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def to_and_fro() -> Scene:
    """Two people who walk to and fro so that the last picture is followed by the first."""
    step = np.sin(np.arange(CYCLE) * 2 * np.pi / CYCLE)
    paths = np.zeros((CYCLE, 2, 2))
    paths[:, 0] = np.stack([40 + 10 * step, np.full(CYCLE, 105)], axis=1)
    paths[:, 1] = np.stack([115 - 10 * step, np.full(CYCLE, 108)], axis=1)
    return walking(paths, height=80.0, size=(160, 120))


@pytest.fixture(scope="session")
def scene() -> Scene:
    return to_and_fro()


def track_many_frames(folder: Path) -> tuple[float, float]:
    """By how much a long run grows, and the ends of its files after it; MB."""
    scene = to_and_fro()
    images = list(scene)
    frames = (Frame(images[n % CYCLE], n, n / 25) for n in range(LENGTH))
    detector = SceneDetector(scene, miss=0.1, false=0.1, jitter=0.01)
    tracker = Tracker(detector, SceneEstimator(scene, jitter=0.005), DisFlow(scale=0.5))
    formats = {"csv": CsvWriter, "parquet": ParquetWriter, "json": PoseTrack18Writer}
    writers = [kind(folder / f"out.{name}", scene.skeleton) for name, kind in formats.items()]
    held = {}
    for frame, people in track_video(frames, tracker):
        for writer in writers:
            writer.write(frame.index, frame.seconds, people)
        if frame.index in (SETTLED, LENGTH - 1):
            held[frame.index] = resident()
    before = resident()
    for writer in writers:
        writer.close()
    return held[LENGTH - 1] - held[SETTLED], resident() - before


# Memory is that of a process, in which other tests take and free some: these have their own.


def test_thousands_of_frames_leave_resident_memory_as_it_was(tmp_path: Path) -> None:
    grown, grown_at_the_end = in_a_fresh_process(track_many_frames, tmp_path)
    assert abs(grown) < 4  # a kilobyte a frame
    # Finishing a file takes a bounded piece of it at a time.
    assert grown_at_the_end < 150
    table = read_table(tmp_path / "out.csv")
    assert len(np.unique(table.frame)) + len(table.empty) == LENGTH
    people_a_frame = len(table) / LENGTH
    assert people_a_frame > 1.9


def test_what_is_remembered_does_not_grow(scene: Scene) -> None:
    images = list(scene)
    tracker = Tracker(SceneDetector(scene), SceneEstimator(scene), DisFlow(scale=0.5), memory=5)
    sizes = []
    for number in range(3 * CYCLE):
        tracker.update(images[number % CYCLE])
        sizes.append(sum(values.nbytes for values in tracker.state_dict().values()))
    # Which five poses are kept goes by the stream's time, so the number changes a little within a
    # second; it comes to the same in each.
    assert max(sizes[2 * CYCLE :]) == max(sizes[CYCLE : 2 * CYCLE])
    assert np.bincount(tracker.state_dict()["past.ids"]).max() <= 5


def write_thirty_thousand_frames(folder: Path) -> float:
    """By how much a table grows that nobody closes; MB."""
    scene = to_and_fro()
    poses, ids = scene.truth(0)
    people = Tracks(poses, ids)
    writer = ParquetWriter(folder / "out.parquet", scene.skeleton)
    for number in range(2_000):
        writer.write(number, number / 25, people)
    before = resident()
    for number in range(2_000, 30_000):
        writer.write(number, number / 25, people)
    grown = resident() - before
    writer.abort()
    return grown


def test_an_unfinished_table_is_on_the_disk_and_not_in_memory(tmp_path: Path) -> None:
    assert in_a_fresh_process(write_thirty_thousand_frames, tmp_path) < 6
