"""Linking: identities for poses of anybody, with and without pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cleaning_made import idf1, of_keypoints

import posetrack
from posetrack import Trajectories
from posetrack.cli import main
from posetrack.formats.openpose import write_openpose
from posetrack.testing import Scene, camera_pan, crossing, leaving
from posetrack.tracking.linking import link
from posetrack.trajectories import NOBODY, save
from posetrack.trajectories.identities import labels_of, relabel
from posetrack.video import Frame

SCENES = {
    "crossing": lambda: crossing(frames=60),
    "leaving": lambda: leaving(frames=80),
    "camera pan": lambda: camera_pan(frames=60),
}


def truth_of(scene: Scene) -> Trajectories:
    made = of_keypoints(scene.xy)
    labels = np.where(scene.present, made.ids, NOBODY)
    return relabel(made, labels)


def nameless(truth: Trajectories, *, miss: float = 0.0, jitter: float = 0.0) -> Trajectories:
    """The poses in another order in each frame, ids being places; some missed, all jittered."""
    rng = np.random.default_rng(3)
    tall = (truth.boxes[..., 3] - truth.boxes[..., 1])[..., None, None]
    noisy = truth.xy + jitter * tall * rng.normal(0, 1, truth.xy.shape)
    moved = replace(truth, xy=noisy, boxes=None, box_scores=None)
    labels = labels_of(moved)
    for row in labels:
        here = np.flatnonzero((row != NOBODY) & (rng.random(len(row)) >= miss))
        gone = np.setdiff1d(np.arange(len(row)), here)
        row[here], row[gone] = rng.permutation(len(here)) + 1, NOBODY
    return relabel(moved, labels)


def frames_of(scene: Scene) -> list[Frame]:
    return [Frame(image, index, index / 30) for index, image in enumerate(scene)]


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("pixels", [False, True], ids=["without pixels", "with pixels"])
def test_people_keep_their_identities(name: str, pixels: bool) -> None:
    scene = SCENES[name]()
    truth = truth_of(scene)
    poses = nameless(truth, miss=0.1, jitter=0.01)
    made = link(poses, video=frames_of(scene) if pixels else None)
    assert idf1(truth, made) > 0.85
    assert made.present.sum() == poses.present.sum()


def test_perfect_poses_are_linked_perfectly() -> None:
    truth = truth_of(crossing(frames=60))
    poses = nameless(truth)
    assert idf1(truth, poses) < 0.8
    made = link(poses)
    assert idf1(truth, made) == 1.0
    assert made.ids.tolist() == [1, 2]


def test_every_value_goes_with_its_pose() -> None:
    truth = truth_of(leaving(frames=40))
    poses = nameless(truth, miss=0.2, jitter=0.01)
    made = link(poses)
    for row in range(len(poses)):
        before, after = poses.boxes[row, poses.present[row]], made.boxes[row, made.present[row]]
        assert sorted(before.tolist()) == sorted(after.tolist())
    assert np.array_equal(made.seconds, poses.seconds)


def test_every_third_frame_is_enough_and_holes_are_bridged() -> None:
    truth = truth_of(crossing(frames=60, speed=2.0))
    third = np.arange(0, 60, 3)
    poses = nameless(truth)
    some = Trajectories(
        poses.frame[third], poses.seconds[third], poses.ids, poses.xy[third],
        poses.scores[third], poses.skeleton,
    )  # fmt: skip
    kept = np.isin(truth.frame, some.frame)
    right = Trajectories(
        truth.frame[kept], truth.seconds[kept], truth.ids, truth.xy[kept], truth.scores[kept],
        truth.skeleton,
    )  # fmt: skip
    assert idf1(right, link(some)) == 1.0
    hole = poses.select(frames=(0, 30)), poses.select(frames=(34, 60))
    parts = [np.concatenate([getattr(part, name) for part in hole]) for name in
             ("frame", "seconds", "xy", "scores")]  # fmt: skip
    holed = Trajectories(parts[0], parts[1], poses.ids, parts[2], parts[3], poses.skeleton)
    assert len(link(holed).ids) == 2


def test_a_video_that_is_another_is_refused() -> None:
    scene = crossing(frames=10)
    poses = nameless(truth_of(scene))
    with pytest.raises(ValueError, match="poses of frame 7, which the video does not have"):
        link(poses, video=frames_of(scene)[:7])


def test_ids_that_are_there_can_be_kept() -> None:
    truth = truth_of(crossing(frames=40))
    labels = labels_of(truth)
    labels[labels == 1] = 11
    labels[10:20, 0] = -1  # a stretch in which nobody has named them
    labels[25:, 1] = -2
    partly = relabel(truth, labels)
    made = link(partly, keep_ids=True)
    assert made.ids.tolist() == [2, 11]
    assert idf1(truth, made) == 1.0
    assert link(partly).ids.tolist() == [1, 2]


def test_poor_and_doubled_poses_are_dropped_where_asked_for() -> None:
    truth = truth_of(crossing(frames=20))
    doubled = np.concatenate([truth.xy, truth.xy[:, :1] + 1], axis=1)
    scores = np.ones(doubled.shape[:3])
    scores[:, 2] = 0.5
    poses = Trajectories(truth.frame, truth.seconds, [1, 2, 3], doubled, scores, truth.skeleton)
    assert len(link(poses, max_given_oks=1.0, min_new_score=0.0).ids) == 3
    assert idf1(truth, link(poses)) == 1.0
    assert idf1(truth, link(poses, max_given_oks=1.0, min_pose_score=0.6)) == 1.0


def test_who_is_confirmed_is_there_from_the_first_frame_and_a_flash_is_nobody() -> None:
    truth = truth_of(crossing(frames=20))
    flash = np.full((20, 1, 17, 2), np.nan)
    flash[9] = truth.xy[9, :1] + 90
    late = truth.xy[:, 1:].copy()
    late[:6] = np.nan
    xy = np.concatenate([truth.xy[:, :1], late, flash], axis=1)
    poses = Trajectories(
        truth.frame, truth.seconds, [1, 2, 3], xy, np.isfinite(xy[..., 0]) * 1.0, truth.skeleton
    )
    made = link(poses)
    assert made.ids.tolist() == [1, 2]
    assert made.present.sum(axis=0).tolist() == [20, 14]


def test_nobody_and_nothing() -> None:
    empty = np.zeros((0, 0, 17, 2)), np.zeros((0, 0, 17))
    assert len(link(Trajectories([], [], [], *empty, posetrack.COCO_17))) == 0
    truth = truth_of(crossing(frames=5))
    nobody = relabel(truth, np.full((5, 2), NOBODY))
    assert link(nobody).ids.tolist() == []


def coco_results(path: Path, truth: Trajectories) -> None:
    """As a network's results are written: images and poses, nobody's identity."""
    rows = []
    for index, _, tracks in nameless(truth).to_table().frames():
        for person in tracks:
            points = np.concatenate([person.xy, person.scores[:, None]], axis=1)
            rows.append(
                {"image_id": index, "category_id": 1, "score": 0.9,
                 "keypoints": points.astype(float).ravel().round(3).tolist()}
            )  # fmt: skip
    path.write_text(json.dumps(rows))


def test_coco_results_and_openpose_folders_are_linked_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = truth_of(crossing(frames=40))
    coco_results(tmp_path / "poses.json", truth)
    write_openpose(tmp_path / "clip", truth.to_table(), skeleton=posetrack.BODY_25)
    for file in (tmp_path / "clip").iterdir():
        file.write_text(file.read_text().replace('"person_id":[2]', '"person_id":[-1]'))
    for source in ("poses.json", "clip"):
        run = ["link", str(tmp_path / source), "--rate", "30", "-o", str(tmp_path / "out")]
        assert main([*run, "--to", "parquet,csv"]) == 0
    assert "40 frames, 2 people" in capsys.readouterr().out
    for name in ("poses", "clip"):
        made = posetrack.load(tmp_path / "out" / f"{name}.parquet")
        assert idf1(truth, made) == 1.0
        assert made.metadata["provenance"]["linked"]["settings"]["memory"] == 10


def test_mixed_identities_are_kept_on_the_command_line(tmp_path: Path) -> None:
    truth = truth_of(crossing(frames=20))
    rows = []
    for index, _, tracks in truth.to_table().frames():
        for person in tracks:
            points = np.concatenate([person.xy, person.scores[:, None]], axis=1)
            row = {"image_id": index, "category_id": 1, "score": 0.9, "track_id": person.id + 40,
                   "keypoints": points.astype(float).ravel().tolist()}  # fmt: skip
            if index % 4:
                del row["track_id"]
            rows.append(row)
    (tmp_path / "poses.json").write_text(json.dumps(rows))
    run = ["link", str(tmp_path / "poses.json"), "--rate", "30", "--keep-ids", "-o", str(tmp_path)]
    assert main([*run, "--to", "parquet"]) == 0
    made = posetrack.load(tmp_path / "poses.parquet")
    assert made.ids.tolist() == [41, 42]
    assert idf1(truth, made) == 1.0


def test_wrong_lines_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(truth_of(crossing(frames=5)), tmp_path / "a.parquet")
    run = ["link", str(tmp_path / "a.parquet")]
    assert main([*run, "-o", str(tmp_path)]) == 1
    assert "would replace" in capsys.readouterr().err
    assert main([*run, "-o", str(tmp_path / "out"), "--to", "gif"]) == 1
    assert "--to: no format 'gif'; there are" in capsys.readouterr().err
    assert main([*run, "-o", str(tmp_path / "out"), "--memory", "0"]) == 1
    assert "memory" in capsys.readouterr().err
