"""A detector beside poses found without one: boxes, identities, and what each row says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_tracker import true_ids

from posetrack import COCO_17, Detections, Poses, Tracker, Tracks
from posetrack.ops.boxes import area, iou_matrix
from posetrack.testing import Scene, SceneDetector, crossing, leaving, walking
from posetrack.tracking.association import lie_in
from posetrack.tracking.explanation import Reason

SHARE = 0.3  # of boxes, and of poses, that are dropped


class WholeImage:
    """Everybody's pose, but for those that are dropped, with the box of the keypoints alone."""

    bottom_up = True
    skeleton = COCO_17

    def __init__(self, scene: Scene, *, dropped: float = 0.0, seed: int = 0) -> None:
        self.scene, self.dropped, self.seed = scene, dropped, seed

    def __call__(self, image: np.ndarray) -> Poses:
        frame = self.scene.frame_of(image)
        poses, _ = self.scene.truth(frame)
        rng = np.random.default_rng((self.seed, frame))
        xy = poses.xy + rng.normal(0, 1, poses.xy.shape)
        found = Poses.from_keypoints(xy, np.where(np.isnan(xy[..., 0]), 0, 0.8), COCO_17)
        return found[rng.random(len(found)) >= self.dropped]


def nobody(image: np.ndarray) -> Poses:
    return Poses.empty(COCO_17)


def whole_image(answer: Any) -> Any:
    """A function as an estimator that sees the image whole."""

    class Estimator:
        bottom_up = True
        skeleton = COCO_17
        __call__ = staticmethod(answer)

    return Estimator()


def run(scene: Scene, tracker: Tracker) -> list[Tracks]:
    return [tracker.update(image) for image in scene]


def identities(scene: Scene, people: list[Tracks]) -> dict[int, set[int]]:
    used: dict[int, set[int]] = {}
    for frame, tracks in enumerate(people):
        for person, truth in zip(tracks, true_ids(scene, frame, tracks), strict=True):
            used.setdefault(truth, set()).add(person.id)
    return used


@pytest.mark.parametrize("seed", [0, 1])
def test_boxes_and_poses_that_are_dropped_stand_in_for_each_other(seed: int) -> None:
    scene = crossing(frames=50)
    detector = SceneDetector(scene, miss=SHARE, jitter=0.01, seed=seed)
    estimator = WholeImage(scene, dropped=SHARE, seed=seed + 7)
    people = run(scene, Tracker(detector, estimator))
    last = max(frame for frame, tracks in enumerate(people) if len(tracks) == 2)
    truth_then = true_ids(scene, last, people[last])
    names = dict(zip(people[last].ids.tolist(), truth_then, strict=True))
    assert sorted(names) == sorted(names.values()) == [1, 2]
    wrong = 0
    for frame, tracks in enumerate(people):
        truth = scene.truth(frame)[0].boxes.xyxy
        exchanged = [names[who] for who in tracks.ids.tolist()] != true_ids(scene, frame, tracks)
        # Where one is before the other, the box of one may be dropped and the other's pose.
        assert not exchanged or iou_matrix(truth[:1], truth[1:])[0, 0] > 0.3
        wrong += exchanged
    assert wrong <= 2
    whole = int(scene.present.sum())
    found = sum(map(len, people))
    alone = sum(map(len, run(scene, Tracker(None, estimator))))
    # Unseen is whom both miss, and a newcomer on probation.
    assert found >= (1 - SHARE**2) * whole - 8
    assert alone <= (1 - 0.7 * SHARE) * whole


def test_each_row_says_where_its_box_is_from_and_whether_it_has_a_pose() -> None:
    scene = crossing(frames=40)
    detector = SceneDetector(scene, miss=SHARE, seed=2)
    estimator = WholeImage(scene, dropped=SHARE, seed=3)
    seen = set()
    for frame, tracks in enumerate(run(scene, Tracker(detector, estimator))):
        image = scene.render(frame)
        boxes, poses = detector(image), estimator(image)
        assert tracks.source == [person.source for person in tracks]
        for row, person in enumerate(tracks):
            has_pose = bool(person.scores.any())
            seen.add((person.source, has_pose))
            assert np.isnan(person.xy).all() == (not has_pose)
            overlap = iou_matrix(tracks.boxes.xyxy[row : row + 1], boxes.xyxy)
            if person.source == "detector":
                assert overlap.max() == 1
                assert person.box_score == boxes.scores[overlap.argmax()]
            else:
                extents = iou_matrix(tracks.boxes.xyxy[row : row + 1], poses.boxes.xyxy)
                assert 0.6 < extents.max() < 1  # grown around the keypoints
    assert seen == {("detector", True), ("detector", False), ("pose", True)}


def test_without_a_detector_nothing_changes() -> None:
    scene = crossing(frames=10)
    estimator = WholeImage(scene)
    for frame, tracks in enumerate(run(scene, Tracker(None, estimator))):
        assert tracks.source == ["detector"] * 2
        given = estimator(scene.render(frame)).boxes.xyxy
        np.testing.assert_array_equal(tracks.boxes.xyxy, given)


def test_a_box_without_a_pose_starts_nobody_but_keeps_who_had_one() -> None:
    scene = crossing(frames=27)
    estimator = WholeImage(scene)

    def at_first(image: np.ndarray) -> Poses:
        return estimator(image) if 6 <= scene.frame_of(image) < 10 else nobody(image)

    people = run(scene, Tracker(SceneDetector(scene), whole_image(at_first)))
    assert [tracks.ids.tolist() for tracks in people] == [[]] * 8 + [[1, 2]] * 19
    assert identities(scene, people) == {1: {1}, 2: {2}}
    assert [bool(tracks.scores.any()) for tracks in people[8:]] == [True] * 2 + [False] * 17


def test_who_never_has_a_pose_is_followed_by_the_box_where_that_is_wanted() -> None:
    scene = crossing(frames=40)
    detector = SceneDetector(scene, miss=0.1, jitter=0.01)
    tracker = Tracker(detector, whole_image(nobody), min_new_score=0)
    people, reasons = [], set()
    for image in scene:
        people.append(tracker.update(image))
        reasons |= set(tracker.explanation.reason.tolist())
    used = identities(scene, people)
    assert set(used) == {1, 2}
    assert all(not tracks.scores.any() for tracks in people)
    assert reasons <= {Reason.NEW, Reason.BOX, Reason.REENTERED}
    apart = [frame for frame, tracks in enumerate(people) if len(tracks) == 2]
    assert len(apart) > 30


def test_by_the_box_somebody_is_followed_where_a_camera_turns() -> None:
    paths = np.tile((60.0, 160.0), (24, 1, 1)) + np.arange(24)[:, None, None] * (10.0, 0.0)
    scene = walking(paths, height=60.0, size=(400, 240))
    tracker = Tracker(SceneDetector(scene), whole_image(nobody), min_new_score=0)
    for frame, image in enumerate(scene):  # ten pixels a frame, with boxes of twenty
        gap = 8 <= frame < 12
        people = tracker.update(image, detections=Detections.empty() if gap else None)
        assert people.ids.tolist() == ([] if gap else [1])


def test_who_comes_in_where_a_box_has_walked_out_is_somebody_else() -> None:
    scene = leaving()
    people = run(scene, Tracker(SceneDetector(scene), whole_image(nobody), min_new_score=0))
    used = identities(scene, people)
    assert not used[3] & used[2]


def test_detect_every_leaves_the_frames_between_to_the_poses() -> None:
    scene = crossing(frames=12)
    asked = []
    detector = SceneDetector(scene)

    def counting(image: np.ndarray) -> Detections:
        asked.append(scene.frame_of(image))
        return detector(image)

    people = run(scene, Tracker(counting, WholeImage(scene), detect_every=5))
    assert asked == [0, 5, 10]
    assert [tracks.ids.tolist() for tracks in people] == [[1, 2]] * 12
    sources = [set(tracks.source) for tracks in people]
    assert sources == [{"detector"} if frame in asked else {"pose"} for frame in range(12)]


def test_poses_and_detections_given_both_count_and_the_poses_come_first() -> None:
    scene = crossing(frames=20)
    tracker = Tracker()
    for frame, image in enumerate(scene):
        poses, _ = scene.truth(frame)
        if not frame:
            assert tracker.update(image, poses=poses).ids.tolist() == [1, 2]
            continue
        blank = Poses.from_keypoints(np.full((1, 17, 2), np.nan), None, COCO_17)
        first = Poses.from_keypoints(np.concatenate([blank.xy, poses.xy[1:]]), None, COCO_17)
        people = tracker.update(image, poses=first, detections=poses.boxes)
        assert len(people) == 3
        np.testing.assert_array_equal(people.xy[:2], first.xy)
        assert np.isnan(people.xy[2]).all()
        assert people.ids.tolist() == [0, *people.ids[1:].tolist()]
        assert sorted(people.ids[1:].tolist()) == [1, 2]
        assert people.source[1:] == ["detector", "detector"]


def test_a_double_box_is_no_further_person() -> None:
    scene = crossing(frames=6)

    def doubled(image: np.ndarray) -> Detections:
        boxes = scene.truth(scene.frame_of(image))[0].boxes.xyxy
        return Detections(np.concatenate([boxes, boxes + 1]), [0.9, 0.9, 0.8, 0.8])

    for tracks in run(scene, Tracker(doubled, WholeImage(scene))):
        assert len(tracks) == 2


def test_of_two_boxes_a_pose_takes_the_one_that_it_fills() -> None:
    scene = walking(np.full((1, 2, 2), 100.0) + np.array([[0, 0], [12, 0]]), height=90.0)
    poses, _ = scene.truth(0)
    likeness = lie_in(poses.xy, poses.boxes.xyxy, poses.boxes.xyxy)
    assert likeness[0, 0] == likeness[1, 1] == 1
    assert not (likeness[[0, 1], [1, 0]] >= 1).any()
    people = Tracker().update(scene.render(0), poses=poses, detections=poses.boxes[[1, 0]])
    np.testing.assert_array_equal(people.boxes.xyxy, poses.boxes.xyxy)
    half = np.where(np.arange(17)[:, None] < 9, poses.xy, np.nan)  # head and arms alone
    assert lie_in(half, poses.boxes.xyxy, poses.boxes.xyxy)[0].argmax() == 0


def test_a_run_split_at_any_frame_goes_on_by_boxes_alone() -> None:
    scene = crossing(frames=20)

    def tracker() -> Tracker:
        return Tracker(
            SceneDetector(scene, miss=0.2, seed=4), WholeImage(scene, dropped=0.6, seed=5)
        )

    whole = run(scene, tracker())
    first, second = tracker(), tracker()
    parts = [first.update(scene.render(frame)) for frame in range(9)]
    second.load_state_dict(first.state_dict())
    parts += [second.update(scene.render(frame)) for frame in range(9, 20)]
    for one, other in zip(whole, parts, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        np.testing.assert_array_equal(one.boxes.xyxy, other.boxes.xyxy)


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_tables_keep_where_boxes_are_from_and_who_has_no_pose(tmp_path: Path, ending: str) -> None:
    from posetrack import load
    from posetrack.formats.table_writers import CsvWriter, ParquetWriter

    scene = crossing(frames=20)
    detector = SceneDetector(scene, miss=SHARE, seed=2)
    people = run(scene, Tracker(detector, WholeImage(scene, dropped=SHARE, seed=3)))
    path = tmp_path / f"two{ending}"
    with (CsvWriter if ending == ".csv" else ParquetWriter)(path, COCO_17) as table:
        for frame, tracks in enumerate(people):
            table.write(frame, frame / 25, tracks)
    found = load(path)
    for row, tracks in enumerate(people):
        here = np.flatnonzero(found.present[row])
        np.testing.assert_array_equal(found.flow_age[row, here], tracks.flow_age)
        np.testing.assert_array_equal(found.xy[row, here], tracks.xy)
    written = sorted(set(found.to_pandas().source))
    assert written == ["detector", "pose"]
    assert (area(found.boxes[found.present]) > 0).all()
