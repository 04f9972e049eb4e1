"""Memory stays flat, however long the stream."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from posetrack import Tracker, Tracks
from posetrack.flows.dis import DisFlow
from posetrack.formats import CsvWriter, ParquetWriter, PoseTrack18Writer, read_table
from posetrack.testing import Scene, SceneDetector, SceneEstimator, walking
from posetrack.tracking.pipeline import track_video
from posetrack.video import Frame

STATM = Path("/proc/self/statm")
pytestmark = pytest.mark.skipif(not STATM.exists(), reason="resident memory is read from /proc")
LENGTH = 10_000
SETTLED = 2_000
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


@pytest.fixture(scope="module")
def scene() -> Scene:
    return to_and_fro()


def test_ten_thousand_frames_leave_resident_memory_as_it_was(scene: Scene, tmp_path: Path) -> None:
    images = list(scene)
    frames = (Frame(images[n % CYCLE], n, n / 25) for n in range(LENGTH))
    detector = SceneDetector(scene, miss=0.1, false=0.1, jitter=0.01)
    tracker = Tracker(detector, SceneEstimator(scene, jitter=0.005), DisFlow(scale=0.5))
    formats = {"csv": CsvWriter, "parquet": ParquetWriter, "json": PoseTrack18Writer}
    writers = [kind(tmp_path / f"out.{name}", scene.skeleton) for name, kind in formats.items()]
    held = {}
    for frame, people in track_video(frames, tracker):
        for writer in writers:
            writer.write(frame.index, frame.seconds, people)
        if frame.index in (SETTLED, LENGTH - 1):
            held[frame.index] = resident()
    assert abs(held[LENGTH - 1] - held[SETTLED]) < 8, held
    before = resident()
    for writer in writers:
        writer.close()
    # Finishing a file takes a bounded piece of it at a time.
    assert resident() - before < 150
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
    assert len(set(sizes[10:])) == 1


def test_an_unfinished_table_is_on_the_disk_and_not_in_memory(tmp_path: Path) -> None:
    scene = to_and_fro()
    poses, ids = scene.truth(0)
    people = Tracks(poses, ids)
    writer = ParquetWriter(tmp_path / "out.parquet", scene.skeleton)
    for number in range(2_000):
        writer.write(number, number / 25, people)
    before = resident()
    for number in range(2_000, 30_000):
        writer.write(number, number / 25, people)
    assert resident() - before < 6
    writer.abort()
