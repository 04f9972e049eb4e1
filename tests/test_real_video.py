"""Whole runs on real video with two small real networks: who is who, however it is fed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import PATIENCE

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")

from posetrack import Tracker, Tracks
from posetrack.detectors.onnx import OnnxDetector
from posetrack.detectors.onnx_layouts import decode_fastestdet
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.tracking.pipeline import track_video
from posetrack.video import Frame, open_video

PART = 30  # frames, where the whole video would only take longer


@dataclass(frozen=True)
class Run:
    """All that a tracker said of a video, and the colour of everybody's trunk."""

    tracks: list[Tracks]
    colours: list[np.ndarray]

    @property
    def ids(self) -> list[list[int]]:
        return [people.ids.tolist() for people in self.tracks]

    def of(self, identity: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Box and colour of one person, frame after frame."""
        rows = [
            (people.boxes.xyxy[row], colours[row])
            for people, colours in zip(self.tracks, self.colours, strict=True)
            for row in np.flatnonzero(people.ids == identity)
        ]
        assert rows
        return rows


class Data:
    """The videos and the networks, opened once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        models = folder / "models"
        self.detector = OnnxDetector(models / "fastestdet_352.onnx", decode=decode_fastestdet)
        self.estimator = OnnxTopDown(models / "simplepose_256x192.onnx")

    def tracker(self, **settings: Any) -> Tracker:
        return Tracker(self.detector, self.estimator, **settings)

    def frames(self, name: str, stop: int | None = None) -> Iterator[Frame]:
        with open_video(self.folder / "videos" / f"{name}.mp4", stop=stop) as video:
            yield from video

    def run(self, name: str, *, stop: int | None = None, ahead: int = 2, **settings: Any) -> Run:
        run = Run([], [])
        tracked = track_video(self.frames(name, stop), self.tracker(**settings), ahead=ahead)
        for frame, people in tracked:
            run.tracks.append(people)
            run.colours.append(trunk_colours(frame.image, people))
        return run


def trunk_colours(image: np.ndarray, people: Tracks) -> np.ndarray:
    """(N, 3) median colour between shoulders and hips."""
    index = people.skeleton.index
    rows = [index(f"{side}_{name}") for name in ("shoulder", "hip") for side in ("left", "right")]
    shares = np.random.default_rng(0).dirichlet(np.ones(4), 60)
    places = np.rint(np.einsum("sk,nkc->nsc", shares, people.xy[:, rows])).astype(int)
    x = places[..., 0].clip(0, image.shape[1] - 1)
    y = places[..., 1].clip(0, image.shape[0] - 1)
    return np.median(image[y, x].astype(float), axis=1)


@pytest.fixture(scope="session")
def data(shared: Path) -> Data:
    return Data(shared / "data")


@pytest.fixture(scope="session")
def lab(data: Data) -> Run:
    return data.run("lab")


@pytest.fixture(scope="session")
def lab_every_fifth(data: Data) -> Run:
    return data.run("lab", detect_every=5)


@pytest.fixture(params=["lab", "lab_every_fifth"])
def lab_run(request: pytest.FixtureRequest) -> Run:
    run: Run = request.getfixturevalue(request.param)
    return run


def test_three_people_have_three_ids_in_every_frame(lab_run: Run) -> None:
    assert lab_run.ids == [[1, 2, 3]] * 100


def test_nobody_is_found_twice(lab_run: Run) -> None:
    for people in lab_run.tracks:
        for row, xy in enumerate(people.xy):
            height = np.ptp(xy[:, 1])
            for other in people.xy[row + 1 :]:
                assert np.linalg.norm(xy - other, axis=1).mean() > 0.15 * height


def test_everybody_moves_without_a_jump(lab_run: Run) -> None:
    for identity in (1, 2, 3):
        boxes = np.array([box for box, _ in lab_run.of(identity)])
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        steps = np.linalg.norm(np.diff(middle, axis=0), axis=1)
        assert (steps < 0.2 * (boxes[1:, 3] - boxes[1:, 1])).all()


def test_the_onlooker_stays_small_and_on_the_left(lab_run: Run) -> None:
    onlooker = np.array([box for box, _ in lab_run.of(3)])
    assert (onlooker[:, 2] < 250).all()
    for identity in (1, 2):
        others = np.array([box for box, _ in lab_run.of(identity)])
        assert (others[:, 3] - others[:, 1] > 1.2 * (onlooker[:, 3] - onlooker[:, 1])).all()


def test_everybody_keeps_the_colour_of_their_clothes(lab_run: Run) -> None:
    # The man and the woman cross; who took the other's id would change colour.
    usual = {
        identity: np.median([colour for _, colour in lab_run.of(identity)[:15]], axis=0)
        for identity in (1, 2, 3)
    }
    for identity in (1, 2, 3):
        for part in (slice(40, 60), slice(70, 85), slice(85, 100)):
            colour = np.median([colour for _, colour in lab_run.of(identity)[part]], axis=0)
            nearest = min(usual, key=lambda name: float(np.linalg.norm(usual[name] - colour)))
            assert nearest == identity, (part, colour, usual)


def test_the_detector_every_fifth_frame_finds_the_same_people(
    lab: Run, lab_every_fifth: Run
) -> None:
    apart = []
    for often, seldom in zip(lab.tracks, lab_every_fifth.tracks, strict=True):
        height = np.ptp(often.xy[..., 1], axis=1)
        apart.append(np.median(np.linalg.norm(often.xy - seldom.xy, axis=2), axis=1) / height)
    assert np.quantile(apart, 0.95) < 0.05
    sources = [person.source for people in lab_every_fifth.tracks for person in people]
    assert sources.count("flow") >= 0.75 * len(sources)


@pytest.mark.parametrize("settings", [{}, {"detect_every": 5}], ids=["all", "every fifth"])
def test_the_football_players_keep_their_ids(data: Data, settings: dict[str, int]) -> None:
    run = data.run("football", **settings)
    assert run.ids == [[1, 2]] * 5
    for people in run.tracks:
        middle = people.boxes.xyxy[:, [0, 2]].mean(axis=1)
        assert middle[1] - middle[0] > 150


def test_the_large_pedestrians_keep_their_ids(data: Data) -> None:
    run = data.run("street")
    first = run.tracks[0].boxes.xyxy
    large = run.tracks[0].ids[first[:, 3] - first[:, 1] > 100].tolist()
    assert len(large) == 4
    for identity in large:
        boxes = np.array([box for box, _ in run.of(identity)])
        assert len(boxes) == 5
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        steps = np.linalg.norm(np.diff(middle, axis=0), axis=1)
        assert (steps < 0.2 * (boxes[1:, 3] - boxes[1:, 1])).all()
    assert all(len(ids) == len(set(ids)) for ids in run.ids)


def same(one: list[Tracks], other: list[Tracks]) -> None:
    """The same people at the same places: to a thousandth of a pixel, for sums may differ."""
    assert [people.ids.tolist() for people in one] == [people.ids.tolist() for people in other]
    for first, second in zip(one, other, strict=True):
        np.testing.assert_allclose(first.xy, second.xy, atol=1e-3)
        assert first.flow_age is not None
        np.testing.assert_array_equal(first.flow_age, second.flow_age)


def test_detection_ahead_changes_nothing(data: Data, lab: Run, lab_every_fifth: Run) -> None:
    same(data.run("lab", stop=PART, ahead=0).tracks, lab.tracks[:PART])
    few = data.run("lab", stop=PART, ahead=0, detect_every=5)
    same(few.tracks, lab_every_fifth.tracks[:PART])
    same(data.run("lab", stop=PART, ahead=7).tracks, lab.tracks[:PART])


def test_a_plain_loop_over_update_says_the_same(data: Data, lab: Run) -> None:
    tracker = data.tracker()
    frames = islice(data.frames("lab"), PART)
    same(
        [tracker.update(frame.image, seconds=frame.seconds) for frame in frames], lab.tracks[:PART]
    )


SECOND_HALF = """
import sys, numpy as np
from posetrack import Tracker
from posetrack.detectors.onnx import OnnxDetector
from posetrack.detectors.onnx_layouts import decode_fastestdet
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.video import open_video
video, detector, estimator, state, start, stop, every, out = sys.argv[1:]
tracker = Tracker(OnnxDetector(detector, decode=decode_fastestdet), OnnxTopDown(estimator),
                  detect_every=int(every))
with np.load(state, allow_pickle=False) as saved:
    tracker.load_state_dict(saved)
with open_video(video, start=int(start), stop=int(stop)) as frames:
    tracks = [tracker.update(frame.image, seconds=frame.seconds) for frame in frames]
people = {f"ids{k}": found.ids for k, found in enumerate(tracks)}
np.savez(out, **people, **{f"xy{k}": found.xy for k, found in enumerate(tracks)})
"""


@pytest.mark.parametrize("every", [1, 5])
def test_the_second_half_in_another_process_goes_on_with_the_same_ids(
    data: Data, lab: Run, lab_every_fifth: Run, tmp_path: Path, every: int
) -> None:
    whole, cut = (lab if every == 1 else lab_every_fifth), 17
    tracker = data.tracker(detect_every=every)
    first = [
        tracker.update(frame.image, seconds=frame.seconds) for frame in data.frames("lab", stop=cut)
    ]
    np.savez(tmp_path / "state.npz", **tracker.state_dict())
    models = data.folder / "models"
    files = [
        data.folder / "videos" / "lab.mp4",
        models / "fastestdet_352.onnx",
        models / "simplepose_256x192.onnx",
        tmp_path / "state.npz",
    ]
    numbers = [cut, PART, every]
    words = [*map(str, files), *map(str, numbers), str(tmp_path / "out.npz")]
    subprocess.run([sys.executable, "-c", SECOND_HALF, *words], check=True, timeout=PATIENCE)
    same(first, whole.tracks[:cut])
    with np.load(tmp_path / "out.npz") as out:
        for number in range(PART - cut):
            expected = whole.tracks[cut + number]
            assert out[f"ids{number}"].tolist() == expected.ids.tolist()
            np.testing.assert_allclose(out[f"xy{number}"], expected.xy, atol=1e-3)


def test_two_trackers_on_two_videos_in_turn_do_as_alone(data: Data, lab: Run) -> None:
    alone = data.run("street")
    first, second = data.tracker(), data.tracker()
    mixed: tuple[list[Tracks], list[Tracks]] = ([], [])
    for one, other in zip(data.frames("lab"), data.frames("street"), strict=False):
        mixed[0].append(first.update(one.image, seconds=one.seconds))
        mixed[1].append(second.update(other.image, seconds=other.seconds))
    same(mixed[0], lab.tracks[: len(mixed[0])])
    same(mixed[1], alone.tracks)
