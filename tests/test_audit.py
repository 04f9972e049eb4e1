"""The audit: planted errors of identity come first, and the edits it proposes mend them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from cleaning_made import idf1, jittered, of_keypoints, walkers

import posetrack
from posetrack import COCO_17, Detections, Poses, Tracker, Tracks, Trajectories
from posetrack.audit import (
    MatchWriter,
    Moment,
    colours_over_time,
    draw_moments,
    find_moments,
    matches_path,
    read_matches,
    write_moments,
)
from posetrack.audit.edits import apply_edits, parse_edits
from posetrack.cli import main
from posetrack.formats import recover
from posetrack.testing import SceneDetector, SceneEstimator, camera_pan, crossing, walking
from posetrack.tracking.explanation import Explanation, Reason
from posetrack.trajectories import save
from posetrack.video import Frame


def edited(tr: Trajectories, *lines: str) -> Trajectories:
    return apply_edits(tr, parse_edits("\n".join(lines)))


def crowd(seed: int, *, frames: int = 150, people: int = 6) -> Trajectories:
    """Six who walk to and fro through each other in a picture of 1280 x 480, with jitter."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None]
    speed = rng.choice([-1, 1], people) * rng.uniform(2, 5, people)
    start = np.where(speed > 0, rng.uniform(150, 500, people), rng.uniform(750, 1150, people))
    x = 150 + np.abs((start - 150 + speed * t) % 1960 - 980)  # they turn at the walls
    y = np.broadcast_to(rng.uniform(330, 440, people), x.shape)
    heights = rng.uniform(200, 290, people)
    scene = walking(np.stack([x, y], axis=-1), height=heights, size=(1280, 480), seed=seed)
    truth = jittered(of_keypoints(scene.xy), 1.0, seed=seed)
    made = of_keypoints(truth.xy)
    return Trajectories(
        made.frame, made.seconds, made.ids, made.xy, made.scores, COCO_17,
        metadata={"image_size": (1280, 480)},
    )  # fmt: skip


def mended(wrong: Trajectories, moment: Moment) -> Trajectories:
    return edited(wrong, moment.edit)


@pytest.mark.parametrize("seed", range(6))
def test_two_exchanged_far_apart_come_first_and_the_edit_mends_them(seed: int) -> None:
    truth = crowd(seed)
    wrong = edited(truth, "swap 2 5 from f70")
    assert idf1(truth, wrong) < 1.0
    first = find_moments(wrong)[0]
    assert (first.frame, sorted(first.ids), first.edit) == (70, [2, 5], "swap 2 5 from f70")
    assert idf1(truth, mended(wrong, first)) == 1.0


@pytest.mark.parametrize("seed", range(6))
def test_one_id_for_two_people_comes_first(seed: int) -> None:
    truth = crowd(seed)
    wrong = edited(truth, "delete 3 from f60", "delete 4 f0..f60", "merge 4 into 3")
    first = find_moments(wrong)[0]
    assert first.edit == "split 3 at f60"
    right = edited(truth, "delete 3 from f60", "delete 4 f0..f60")
    assert idf1(right, mended(wrong, first)) == 1.0


@pytest.mark.parametrize("seed", range(6))
def test_one_person_under_two_ids_comes_first_and_the_edit_mends_it(seed: int) -> None:
    truth = crowd(seed)
    wrong = edited(truth, "split 1 at f80 as 7")
    first = find_moments(wrong)[0]
    assert (first.frame, first.edit) == (80, "merge 7 into 1")
    assert idf1(truth, mended(wrong, first)) == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_several_errors_at_once_are_the_most_doubtful_moments(seed: int) -> None:
    truth = crowd(seed)
    wrong = edited(truth, "swap 1 6 from f30", "split 2 at f60 as 9", "swap 3 4 from f110")
    found = find_moments(wrong)
    assert {one.edit for one in found[:4]} >= {
        "swap 1 6 from f30", "merge 9 into 2", "swap 3 4 from f110",
    }  # fmt: skip
    assert len({(one.frame, one.ids) for one in found}) == len(found)


def test_two_exchanged_while_they_pass_are_told_from_two_who_are_not() -> None:
    scene = crossing(frames=60)
    truth = jittered(of_keypoints(scene.xy), 0.7)
    innocent = find_moments(truth)
    assert all(one.score < 0.3 for one in innocent)
    wrong = edited(truth, "swap 1 2 from f30")
    first = find_moments(wrong)[0]
    assert first.score > 0.7
    assert abs(first.frame - 30) <= 2
    assert idf1(truth, mended(wrong, first)) > 0.95


def test_exchanged_and_back_are_two_moments_whose_edits_mend_both() -> None:
    truth = walkers(90, 2)
    wrong = edited(truth, "swap 1 2 f40..f55")
    found = find_moments(wrong)
    assert [one.edit for one in sorted(found[:2], key=lambda one: one.frame)] == [
        "swap 1 2 from f40", "swap 1 2 from f55",
    ]  # fmt: skip
    assert idf1(truth, edited(wrong, *(one.edit for one in found[:2]))) == 1.0


def test_nothing_is_doubtful_where_people_walk_apart() -> None:
    assert find_moments(jittered(walkers(90, 3), 1.0)) == []
    nobody = Trajectories([], [], [], np.zeros((0, 0, 17, 2)), np.zeros((0, 0, 17)), COCO_17)
    assert find_moments(nobody) == []


def frames_of(scene: object) -> list[Frame]:
    return [Frame(image, index, index / 30) for index, image in enumerate(scene)]  # type: ignore[arg-type]


def test_clothes_tell_who_was_exchanged_where_motion_does_not() -> None:
    standing = np.zeros((45, 2, 2)) + np.array([[110.0, 200.0], [150.0, 200.0]])
    scene = walking(standing, height=150.0)
    truth = of_keypoints(scene.xy)
    gone = edited(truth, "delete 1 f20..f26", "delete 2 f20..f26")
    wrong = edited(gone, "swap 1 2 from f26")
    colours = colours_over_time(frames_of(scene), wrong)
    with_video = find_moments(wrong, colours=colours)[0]
    assert with_video.edit == "swap 1 2 from f26"
    assert "wear each other's colours" in with_video.reason
    fair = find_moments(gone, colours=colours_over_time(frames_of(scene), gone))
    assert not any(one.score > 0.5 for one in fair)


def test_moments_are_drawn_before_at_and_after() -> None:
    scene = crossing(frames=40)
    wrong = edited(of_keypoints(scene.xy), "swap 1 2 from f12")
    moments = find_moments(wrong)
    drawn = dict(draw_moments(frames_of(scene), wrong, moments))
    assert sorted(drawn) == list(range(len(moments)))
    assert drawn[0].dtype == np.uint8
    assert drawn[0].shape[1] > 2 * drawn[0].shape[0]


def test_the_table_of_moments_has_one_a_line(tmp_path: Path) -> None:
    moments = [Moment(0.9, 12, 0.4, (1, 2), "1 and 2 look exchanged", "swap 1 2 from f12")]
    write_moments(tmp_path / "m.csv", moments)
    rows = list(csv.DictReader((tmp_path / "m.csv").read_text().splitlines()))
    assert rows == [
        {"rank": "1", "score": "0.900", "frame": "12", "seconds": "0.400", "ids": "1 2",
         "reason": "1 and 2 look exchanged", "edit": "swap 1 2 from f12"}
    ]  # fmt: skip


def posed(*places: float) -> Poses:
    """One pose at each place along the picture."""
    body = np.random.default_rng(0).uniform(0, 60, (17, 2))
    xy = (
        np.stack([body + np.array([place, 0]) for place in places])
        if places
        else np.zeros((0, 17, 2))
    )
    return Poses.from_keypoints(xy, None, COCO_17)


def test_the_tracker_says_why_each_got_its_identity() -> None:
    tracker = Tracker()
    assert len(tracker.explanation) == 0
    tracker.update(poses=posed(0, 300))
    assert tracker.explanation.reason.tolist() == [Reason.NEW] * 2
    assert np.isnan(tracker.explanation.margin).all()
    tracker.update(poses=posed(302, 1))
    found = tracker.explanation
    assert found.ids.tolist() == [2, 1]
    assert found.reason.tolist() == [Reason.COASTED] * 2
    assert (found.similarity > 0.9).all()
    assert (found.margin > 0.8).all()
    tracker.update(poses=posed())
    tracker.update(poses=posed(3, 600))
    found = tracker.explanation
    assert found.reason.tolist() == [Reason.REENTERED, Reason.NEW]
    assert found.gap.tolist() == [2, 0]
    tracker.reset()
    assert len(tracker.explanation) == 0


def test_two_who_stand_together_have_a_small_margin() -> None:
    # Poses from elsewhere as alike as these are one person, found twice, by default.
    tracker = Tracker(max_given_oks=1.0)
    tracker.update(poses=posed(0, 4))
    tracker.update(poses=posed(1, 3))
    found = tracker.explanation
    assert (found.margin < 0.3).all()
    assert found.runner_up.tolist() == [2, 1]


def test_explanations_go_with_the_tracks_of_networks_too() -> None:
    scene = camera_pan(frames=12)
    detector, estimator = SceneDetector(scene, miss=0.2), SceneEstimator(scene, jitter=0.01)
    for kind in (Reason.FLOW, Reason.STILL):
        by_flow = kind == Reason.FLOW
        tracker = Tracker(detector, estimator, flow_similarity=by_flow, coasting=False)
        reasons = set()
        for image in scene:
            tracks = tracker.update(image)
            found = tracker.explanation
            assert found.ids.tolist() == tracks.ids.tolist()
            old = found.reason != Reason.NEW
            assert (found.similarity[old] >= tracker.min_similarity).all()
            assert ((found.gap > 0) == old).all()
            reasons |= set(found.reason.tolist())
        assert {Reason.NEW, kind} <= reasons <= {Reason.NEW, kind, Reason.REENTERED}


def test_who_is_past_probation_is_said_to_be_confirmed_once() -> None:
    tracker = Tracker(min_hits=2, probation=0.1)  # a frame is 0.04 s
    reasons = []
    for frame in range(8):
        tracker.update(poses=posed(0, 300) if frame >= 3 else posed(0))
        found = tracker.explanation
        reasons.append(found.reason[found.ids == 2].tolist())
    assert reasons[:6] == [[]] * 6
    assert reasons[6:] == [[Reason.CONFIRMED], [Reason.COASTED]]


def test_those_on_probation_are_no_rivals_of_who_has_an_identity() -> None:
    tracker = Tracker(min_hits=3, max_given_oks=1.0, probation=1.0)
    for _ in range(3):
        tracker.update(poses=posed(0))
    for _ in range(2):
        tracker.update(poses=posed(0, 6))  # a double, too new to have an identity
    tracker.update(poses=posed(6))  # liker to the double, but the identity is matched first
    found = tracker.explanation
    assert found.ids.tolist() == [1]
    assert found.runner_up.tolist() == [0]
    assert found.margin[0] == pytest.approx(found.similarity[0])


def flown(frames: int, alone: slice) -> Trajectories:
    """One who walks, and whom flow alone carries for some frames."""
    walk = walkers(frames, 1)
    age = np.zeros((frames, 1), np.int64)
    age[alone, 0] = 1 + np.arange(len(age[alone]))
    return Trajectories(
        walk.frame, walk.seconds, walk.ids, walk.xy, walk.scores, COCO_17, flow_age=age
    )


def test_who_is_carried_by_flow_for_long_is_doubtful() -> None:
    assert find_moments(flown(90, slice(30, 40))) == []
    (found,) = find_moments(flown(90, slice(30, 70)))
    assert (found.frame, found.ids) == (30, (1,))
    assert "1 is carried by flow alone for 1." in found.reason
    assert "found again" not in found.reason
    last = find_moments(flown(90, slice(60, 90)))[0]
    assert "and not found again" in last.reason


def test_a_detector_that_is_seldom_run_makes_nobody_doubtful() -> None:
    walk = flown(120, slice(0, 0))
    age = (np.arange(120) % 30)[:, None]  # found every second
    seldom = Trajectories(
        walk.frame, walk.seconds, walk.ids, walk.xy, walk.scores, COCO_17, flow_age=age
    )
    assert find_moments(seldom) == []


def explained(ids: list[int], margin: float) -> Explanation:
    whole, real = np.ones(len(ids), np.int64), np.ones(len(ids))
    return Explanation(np.array(ids), whole, 0.8 * real, margin * real, 2 * whole, whole)


def test_matches_come_back_from_their_file_and_weigh_in(tmp_path: Path) -> None:
    truth = walkers(60, 2)
    now = [explained([1, 2], 0.5)]
    path = matches_path(tmp_path / "walk.parquet")
    assert path.name == "walk.audit.parquet"
    writer = MatchWriter(path, lambda: now[0])
    for index, seconds, tracks in truth.to_table().frames():
        now[0] = explained([1, 2], 0.01 if index == 33 else 0.5)
        writer.write(index, seconds, tracks)
    writer.close()
    matches = read_matches(path)
    assert len(matches) == 120
    assert matches.margin[matches.frame == 33] == pytest.approx([0.01, 0.01])
    assert find_moments(truth) == []
    (found,) = find_moments(truth, matches=matches)
    assert found.frame == 33
    assert "matched with similarity 0.80, only 0.01 more than another's" in found.reason


def test_matches_of_nobody_and_of_a_run_that_broke(tmp_path: Path) -> None:
    nobody = Tracks(Poses(np.zeros((0, 17, 2)), np.zeros((0, 17)), Detections.empty(), COCO_17), [])
    writer = MatchWriter(tmp_path / "a.parquet", Explanation.empty)
    writer.write(0, 0.0, nobody)
    assert writer.abort() is None
    assert list(tmp_path.iterdir()) == []
    MatchWriter(tmp_path / "a.parquet", Explanation.empty).close()
    assert len(read_matches(tmp_path / "a.parquet")) == 0
    broken = MatchWriter(tmp_path / "b.parquet", lambda: explained([1], 0.5))
    with pytest.raises(ValueError, match="not the one that is explained"):
        broken.write(0, 0.0, nobody)
    broken.close()
    (tmp_path / "c.parquet").write_bytes(b"PAR1 no")
    save(walkers(5, 1), tmp_path / "d.parquet")
    (tmp_path / "e.parquet").write_bytes(
        (tmp_path / "a.parquet").read_bytes().replace(b"frame", b"")
    )
    for name in ("c", "d", "e"):
        with pytest.raises(ValueError, match=f"{name}.parquet: cannot be read as matches"):
            read_matches(tmp_path / f"{name}.parquet")


def test_a_killed_run_leaves_the_rows_of_its_matches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posetrack.audit.matches._MOST_SECONDS", 0.0)
    writer = MatchWriter(tmp_path / "walk.audit.parquet", lambda: explained([1, 2], 0.5))
    for index, seconds, tracks in walkers(9, 2).to_table().frames():
        writer.write(index, seconds, tracks)
    (spool,) = tmp_path.iterdir()
    assert spool.name == "walk.audit.partial.arrows"
    left = tmp_path / "killed.partial.arrows"  # what a process killed now would leave
    left.write_bytes(spool.read_bytes())
    assert writer.abort() == tmp_path / "walk.audit.partial.parquet"
    matches = read_matches(recover(left))
    assert matches.frame.tolist() == np.repeat(np.arange(9), 2).tolist()
    assert matches.ids.tolist() == [1, 2] * 9


def test_the_command_ranks_and_proposes_edits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = walkers(90, 3)
    save(edited(truth, "swap 1 3 from f40"), tmp_path / "walk.parquet")
    run = ["audit", str(tmp_path / "walk.parquet"), "-o", str(tmp_path / "out")]
    assert main(run) == 0
    told = capsys.readouterr().out.splitlines()
    assert "swap 1 3 from f40" in told[0]
    assert "1 doubtful moments" in told[-1]
    edits = tmp_path / "out" / "walk.edits.txt"
    text = edits.read_text()
    assert "# swap 1 3 from f40  # " in text
    edits.write_text(text.replace("# swap", "swap"))
    assert main(run) == 0
    assert edits.read_text() != text, "the user's work stays"
    right = tmp_path / "right.parquet"
    assert main([*run[:2], "--apply", str(edits), "-o", str(right)]) == 0
    assert idf1(truth, posetrack.load(right)) == 1.0
