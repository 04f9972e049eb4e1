"""`posetrack.track`: a video in one call, which does what the command does."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")

from test_cli_track import LENGTH, Folder

import posetrack
from posetrack import Trajectories, Video
from posetrack.cli import main, parser
from posetrack.runs.presets import PRESETS
from posetrack.runs.track import track as track_function

ARRAYS = ("frame", "seconds", "ids", "xy", "scores", "boxes", "box_scores", "flow_age", "origin")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "weights"))
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


def called(folder: Folder, **settings: object) -> Trajectories:
    return posetrack.track(
        folder.video, detector=folder.detector, estimator=folder.estimator, **settings
    )


def differing(first: Trajectories, second: Trajectories) -> list[str]:
    """Arrays that are not the same to the last bit."""
    return [
        name
        for name in ARRAYS
        if not np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True)
    ]


def test_the_call_gives_what_the_command_writes(folder: Folder) -> None:
    assert folder.track("--format", "parquet", "--no-overlay") == 0
    written = posetrack.load(folder.out / "clip.parquet")
    people = called(folder)
    assert differing(people, written) == []
    assert len(people.ids) == 2
    assert people.metadata["rate"] == written.metadata["rate"]
    assert list(people.metadata["image_size"]) == list(written.metadata["image_size"])


@pytest.mark.parametrize(
    ("cleaning", "words"),
    [
        ({"fill": 0.2, "smooth": "butterworth"}, ["--fill", "0.2s", "--smooth", "butterworth"]),
        ({"select": "largest"}, ["--select", "largest"]),
        ({"join": 1.0}, ["--join", "1s"]),
    ],
    ids=lambda value: "",
)
def test_cleaning_in_the_call_is_that_of_the_command(
    folder: Folder, cleaning: dict[str, object], words: list[str]
) -> None:
    assert folder.track("--format", "parquet", "--no-overlay", *words) == 0
    people = called(folder, cleaning=cleaning)
    assert differing(people, posetrack.load(folder.out / "clip.parquet")) == []


def test_files_are_written_where_out_says_so_and_nowhere_else(folder: Folder) -> None:
    before = set(folder.root.iterdir()) | {folder.root / "weights"}  # the cache
    called(folder, stop=3)
    assert set(folder.root.iterdir()) <= before
    people = called(folder, stop=3, out=folder.out, formats=["csv"], trails=2)
    assert folder.left() == {"clip.csv", "clip.csv.meta.json", "clip.mp4"}
    assert differing(people, posetrack.load(folder.out / "clip.csv")) == []
    assert Video(folder.out / "clip.mp4").count == 3


def test_frame_by_frame_it_is_the_same(folder: Folder) -> None:
    people = called(folder)
    frames = posetrack.track_frames(
        folder.video, detector=folder.detector, estimator=folder.estimator
    )
    given = [(frame.index, frame.seconds, tracks) for frame, tracks in frames]
    assert len(given) == LENGTH
    assert differing(people, Trajectories.from_tracks(given)) == []


def test_the_defaults_are_the_commands() -> None:
    words = vars(parser().parse_args(["track", "video.mp4"]))
    parameters = inspect.signature(track_function).parameters
    # Where nothing is asked for, a line has nothing and a call an empty value.
    ours = {
        name: one.default or None
        for name, one in parameters.items()
        if one.kind is one.KEYWORD_ONLY and name not in ("out", "cleaning", "preset", "progress")
    }
    ours["formats"] = ",".join(parameters["formats"].default)
    assert ours == {name: words[name] or None for name in ours}


def test_settings_of_the_tracker_go_to_it_and_others_are_refused_by_name(folder: Folder) -> None:
    people = called(folder, min_hits=50, min_new_score=1.0, stop=5)
    settings = people.metadata["provenance"]["settings"]
    assert (settings["box_memory"], settings["min_new_score"]) == (0.4, 1.0)  # as they count
    assert people.metadata["provenance"]["settings"]["min_hits"] == 50
    with pytest.raises(TypeError, match=r"no setting 'coastin' \(did you mean 'coasting'"):
        called(folder, coastin=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cleaning": {"smoth": "butterworth"}}, "smoth"),
        ({"cleaning": {"smooth_cutoff": 3.0}}, "smooth_cutoff goes with"),
        ({"cleaning": {"select": "largst"}}, "did you mean 'largest'"),
        ({"preset": "papr"}, "did you mean 'paper'"),
        ({"formats": ["cvs"], "out": "out"}, "did you mean 'csv'"),
        ({"angles": True, "formats": ["coco"], "out": "out"}, "add parquet or csv"),
        ({"boxes": "boxes.json"}, "boxes take the place of a detector"),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused_before_a_network_is_made(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object], message: str
) -> None:
    monkeypatch.setattr("posetrack.runs.track.build_tracker", None)
    with pytest.raises(ValueError, match=message):
        called(folder, **wrong)


def test_a_preset_sets_what_is_not_given_beside_it(folder: Folder) -> None:
    made = called(folder, preset="paper", stop=2).metadata["provenance"]["settings"]
    assert {name: made[name] for name in PRESETS["paper"].settings} == PRESETS["paper"].settings
    made = called(folder, preset="paper", recency=0.5, stop=2).metadata["provenance"]["settings"]
    assert made["recency"] == 0.5


def test_no_frame_between_start_and_stop_is_an_error_that_says_so(folder: Folder) -> None:
    with pytest.raises(ValueError, match="no frame between start 90 and stop 95"):
        called(folder, start=90, stop=95)


def test_a_video_is_read_as_often_as_wanted_and_knows_how_it_is_read(folder: Folder) -> None:
    video = Video(folder.video, start=2, stride=3)
    assert [frame.index for frame in video] == [frame.index for frame in video] == [2, 5, 8, 11]
    assert video.count == LENGTH
    assert np.array_equal(video.image(5), next(f.image for f in video if f.index == 5))
    with pytest.raises(ValueError, match="has no frame 99"):
        video.image(99)
    people = posetrack.track(video, detector=folder.detector, estimator=folder.estimator)
    assert people.frame.tolist() == [2, 5, 8, 11]


def test_tracks_of_different_skeletons_are_not_laid_out() -> None:
    nobody = [posetrack.Tracks.empty(one) for one in (posetrack.COCO_17, posetrack.MPII_16)]
    with pytest.raises(ValueError, match="coco_17 and mpii_16"):
        Trajectories.from_tracks((index, index / 25, who) for index, who in enumerate(nobody))


def test_on_a_real_video_the_call_and_the_command_agree(shared: Path, tmp_path: Path) -> None:
    lab = str(shared / "data" / "videos" / "lab.mp4")
    words = ["--detector", "bundled", "--estimator", "bundled", "--stop", "6", "--device", "cpu"]
    line = ["track", lab, *words, "--no-overlay", "--format", "csv", "-o", str(tmp_path)]
    assert main(line) == 0
    people = posetrack.track(lab, detector="bundled", estimator="bundled", stop=6, device="cpu")
    assert len(people.ids) > 0
    assert differing(people, posetrack.load(tmp_path / "lab.csv")) == []
