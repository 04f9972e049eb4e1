"""The tracker on scenes with known identities, with fakes that make mistakes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack import COCO_17, POSETRACK_17, Detections, Poses, Tracker, Tracks
from posetrack.ops.boxes import iou_matrix
from posetrack.ops.matching import match_optimally
from posetrack.testing import (
    Scene,
    SceneDetector,
    SceneEstimator,
    camera_pan,
    crossing,
    leaving,
    walking,
)
from posetrack.tracking.association import box_similarity
from posetrack.tracking.explanation import Reason


def make(scene: Scene, *, detector: Any = None, **settings: Any) -> Tracker:
    return Tracker(
        detector or SceneDetector(scene, jitter=0.01),
        SceneEstimator(scene, jitter=0.005),
        **settings,
    )


def true_ids(scene: Scene, frame: int, people: Tracks) -> list[int]:
    """Who each tracked person really is (0: nobody), by the box."""
    truth, ids = scene.truth(frame)
    overlap = iou_matrix(people.boxes.xyxy, truth.boxes.xyxy)
    if not overlap.size:
        return [0] * len(people)
    best = overlap.argmax(axis=1)
    return [int(ids[b]) if overlap[row, b] > 0.3 else 0 for row, b in enumerate(best)]


def names_used(scene: Scene, tracker: Tracker) -> dict[int, set[int]]:
    """For each true person, the ids the tracker gave them over the scene."""
    used: dict[int, set[int]] = {}
    for frame, image in enumerate(scene):
        people = tracker.update(image)
        for person, truth in zip(people, true_ids(scene, frame, people), strict=True):
            used.setdefault(truth, set()).add(person.id)
    return used


def test_two_people_who_cross_keep_their_identities() -> None:
    scene = crossing()
    used = names_used(scene, make(scene))
    assert sorted(used) == [1, 2]
    assert all(len(ids) == 1 for ids in used.values())


def test_a_camera_pan_changes_no_identity() -> None:
    scene = camera_pan(frames=40)
    used = names_used(scene, make(scene))
    assert sorted(used) == [1, 2, 3]
    assert all(len(ids) == 1 for ids in used.values())


def test_flow_carries_people_past_the_detectors_misses() -> None:
    scene = camera_pan(frames=40, seed=1)
    detector = SceneDetector(scene, miss=0.4, jitter=0.01, seed=3)
    settings = {"probation": 0.0, "min_hits": 1}
    carried = make(scene, detector=detector, **settings)
    alone = make(scene, detector=detector, flow_boxes=False, **settings)
    present = int(scene.present.sum())
    with_flow = sum(len(carried.update(image)) for image in scene)
    without = sum(len(alone.update(image)) for image in scene)
    assert with_flow >= 0.95 * present
    assert without <= 0.75 * present


def test_the_detector_runs_every_fifth_frame_when_asked() -> None:
    scene = crossing(frames=20)
    calls = []
    detector = SceneDetector(scene)

    def counting(image: np.ndarray) -> Detections:
        calls.append(scene.frame_of(image))
        return detector(image)

    tracker = make(scene, detector=counting, detect_every=5)
    people = [tracker.update(image) for image in scene]
    assert calls == [0, 5, 10, 15]
    assert [p.source for p in people[7]] == ["flow", "flow"]
    assert [p.flow_age for p in people[7]] == [2, 2]
    assert [p.source for p in people[10]] == ["detector", "detector"]
    assert [p.ids.tolist() for p in people] == [[1, 2]] * 20


def test_a_ghost_that_lives_on_flow_alone_dies() -> None:
    scene = walking(np.full((30, 1, 2), (100.0, 200.0)))
    real = SceneDetector(scene)

    def once(image: np.ndarray) -> Detections:
        return real(image) if scene.frame_of(image) == 0 else Detections.empty()

    lasting = {}
    for recency in (0.01, 0.001):
        tracker = make(scene, detector=once, box_recency=recency)
        found = [len(tracker.update(image)) for image in scene]
        lasting[recency] = sum(found)
        assert found == sorted(found, reverse=True)
    assert 1 < lasting[0.001] < lasting[0.01] < len(scene)


def test_someone_who_stays_and_someone_who_leaves() -> None:
    scene = leaving()
    tracker = make(scene, box_recency=0.01)
    used = names_used(scene, tracker)
    assert len(used[1]) == 1
    assert len(used[3]) == 1
    assert not used[3] & (used[1] | used[2])


@pytest.mark.parametrize("spread", [0.0, 1.0, 3.0])
def test_who_comes_in_where_another_has_walked_out_is_somebody_else(spread: float) -> None:
    used = names_used(leaving(), make(leaving(), box_recency=0.01, spread=spread, memory=30))
    assert not used[3] & used[2]


class Grids:
    """An estimator that finds somebody in every box: points all over it."""

    skeleton = COCO_17

    def __call__(self, image: np.ndarray, boxes: Detections, /) -> Poses:
        steps = np.stack([(np.arange(17) * 0.618) % 1, np.arange(17) / 16], axis=1)
        low, sides = boxes.xyxy[:, None, :2], (boxes.xyxy[:, 2:] - boxes.xyxy[:, :2])[:, None]
        return Poses(low + steps * sides, np.full((len(boxes), 17), 0.6), boxes, COCO_17)


def people_at_a_border(lefts: list[float | None], beyond: bool = False) -> Iterator[Tracks]:
    """Whoever's box of 40 pixels begins there, in a picture 200 wide, which may cut the box."""
    image = np.zeros((150, 200, 3), np.uint8)
    tracker = Tracker(None, Grids(), Still())
    for left in lefts:
        found = Detections.empty()
        if left is not None:
            right = left + 40 if beyond else min(left + 40, 199)
            found = Detections([[left if beyond else max(left, 0), 20, right, 120]], [0.9])
        yield tracker.update(image, detections=found)


def ids_at_a_border(lefts: list[float | None]) -> list[list[int]]:
    return [people.ids.tolist() for people in people_at_a_border(lefts)]


LEAVING: list[float | None] = [float(left) for left in range(120, 196, 4)]


@pytest.mark.parametrize("side", ["right", "left"])
def test_who_comes_in_where_flow_would_hold_a_box_of_who_left_is_somebody_else(side: str) -> None:
    lefts = [*LEAVING, *[None] * 4, *(196.0 - 5 * step for step in range(10))]
    if side == "left":
        lefts = [None if left is None else 160 - left for left in lefts]
    ids = ids_at_a_border(lefts)
    assert ids[len(LEAVING) - 1] == [1]
    assert ids[len(LEAVING) + 1 : len(LEAVING) + 4] == [[]] * 3  # no ghost stays
    assert ids[-1] == [2]


def test_who_may_have_turned_behind_the_border_comes_back_as_who_they_were() -> None:
    tracked = people_at_a_border([*LEAVING, *[None] * 14, 190.0, 184.0, 178.0])
    assert [people.ids.tolist() for people in tracked][-3:] == [[1]] * 3


def test_who_stands_at_a_border_is_carried_through_misses() -> None:
    lefts: list[float | None] = [175.0] * 15 + [None] * 8 + [175.0] * 3
    assert ids_at_a_border(lefts) == [[1]] * len(lefts)


def test_a_detection_that_reaches_beyond_the_border_supports_the_box_of_flow_cut_there() -> None:
    people = [*people_at_a_border([185.0] * 12, beyond=True)]
    assert [tracks.ids.tolist() for tracks in people] == [[1]] * 12
    assert {person.source for tracks in people for person in tracks} == {"detector"}


def test_false_boxes_do_not_become_people() -> None:
    scene = crossing(frames=40)
    tracker = make(scene, detector=SceneDetector(scene, false=2.0, jitter=0.01))
    used = names_used(scene, tracker)
    assert used.get(0, set()) == set()


def test_ids_are_never_reused_and_grow() -> None:
    tracker = Tracker(min_hits=1, probation=0.0, memory=2)
    highest = 0
    for step in range(12):
        xy = np.random.default_rng(step).uniform(0, 50, (2, 17, 2)) + 500 * step
        people = tracker.update(poses=Poses.from_keypoints(xy, None, COCO_17))
        assert people.ids.min() > highest
        highest = int(people.ids.max())


def test_somebody_new_waits_for_min_hits_frames_but_not_at_the_start() -> None:
    paths = np.zeros((12, 2, 2))
    paths[:, 0], paths[:, 1] = (80, 200), (230, 200)
    present = np.ones((12, 2), bool)
    present[:4, 1] = False
    scene = walking(paths, present=present)
    seen = list(counts(scene, make(scene, min_hits=3, probation=0.0)))
    assert seen == [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]
    assert list(counts(scene, make(scene, min_hits=1, probation=0.0)))[4] == 2


def counts(scene: Scene, tracker: Tracker) -> Iterator[int]:
    for image in scene:
        yield len(tracker.update(image))


@pytest.mark.parametrize(
    "settings",
    [
        {"flow_boxes": False},
        {"flow_similarity": False},
        {"flow_boxes": False, "flow_similarity": False},
        {"similarity": box_similarity},
        {"memory": 1},
        {"recency": 1.0},
        {"match": match_optimally},
        {"detect_every": 3},
    ],
    ids=lambda settings: ",".join(settings),
)
def test_every_step_of_the_ablation_can_be_switched(settings: dict[str, Any]) -> None:
    scene = crossing(frames=15)
    assert list(counts(scene, make(scene, **settings))) == [2] * 15


def test_flow_similarity_keeps_ids_where_plain_oks_loses_them() -> None:
    scene = camera_pan(frames=30, speed=25.0)
    settings = {"flow_boxes": False, "coasting": False, "min_similarity": 0.25, "memory": 1}
    moved = names_used(scene, make(scene, **settings))
    still = names_used(scene, make(scene, flow_similarity=False, **settings))
    assert sum(map(len, moved.values())) < sum(map(len, still.values()))


def test_without_images_people_are_taken_to_go_on_as_they_did() -> None:
    paths = np.full((12, 1, 2), 200.0)
    paths[:, 0, 0] = 14 * np.arange(12)
    scene = walking(paths, size=(640, 240))
    poses = [scene.truth(frame)[0] for frame in range(12)]
    poses[5:8] = [Poses.empty(COCO_17)] * 3  # missed; found again 56 px further

    def ids(tracker: Tracker) -> list[list[int]]:
        return [tracker.update(poses=pose).ids.tolist() for pose in poses]

    assert ids(Tracker()) == [[1]] * 5 + [[]] * 3 + [[1]] * 4
    still = Tracker(flow_similarity=False, coasting=False, min_hits=1, probation=0.0)
    assert ids(still) == [[1]] * 5 + [[]] * 3 + [[2]] * 4


class Still:
    """A flow that sees nothing move, as real ones do where people move fast."""

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return image

    def move(self, before: Any, after: Any, xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return xy, np.isfinite(xy).all(axis=1)


def test_coasting_bridges_a_gap_where_flow_sees_nothing_move() -> None:
    paths = np.full((12, 1, 2), 200.0)
    paths[:, 0, 0] = 14 * np.arange(12)
    scene = walking(paths, size=(640, 240))
    poses = [scene.truth(frame)[0] for frame in range(12)]
    poses[5:8] = [Poses.empty(COCO_17)] * 3  # missed; found again 56 px further

    def named(tracker: Tracker) -> tuple[set[int], set[int]]:
        ids: set[int] = set()
        reasons: set[int] = set()
        for image, pose in zip(scene, poses, strict=True):
            ids |= set(tracker.update(image, poses=pose).ids.tolist())
            reasons |= set(tracker.explanation.reason.tolist())
        return ids, reasons

    alone = named(Tracker(flow=Still(), coasting=False, min_hits=1, probation=0.0))
    assert alone == ({1, 2}, {Reason.NEW, Reason.FLOW})
    helped = named(Tracker(flow=Still(), coasting=True))
    assert helped == ({1}, {Reason.NEW, Reason.FLOW, Reason.COASTED, Reason.REENTERED})


def test_coasting_leaves_who_is_moved_rightly_to_the_flow() -> None:
    scene = camera_pan(frames=20, speed=14.0)  # nobody goes on as before when the camera turns
    used = names_used(scene, make(scene, coasting=True))
    assert all(len(ids) == 1 for ids in used.values())


def test_users_detections_replace_the_detector() -> None:
    scene = crossing(frames=5)

    def never(image: np.ndarray) -> Detections:
        raise AssertionError("the detector was run")

    tracker = make(scene, detector=never)
    for frame, image in enumerate(scene):
        truth, _ = scene.truth(frame)
        assert len(tracker.update(image, detections=truth.boxes)) == 2


def test_users_poses_pass_the_filter_and_the_probation_and_all_come_back() -> None:
    scene = crossing(frames=12)
    tracker = Tracker()
    given = []
    for frame, image in enumerate(scene):
        poses, _ = scene.truth(frame)
        nobody = np.full((1, 17, 2), np.nan)
        weak, rng = np.full((1, 17), 0.15), np.random.default_rng(frame)
        ghost = rng.uniform(0, 100, (1, 17, 2)) + 60 * rng.integers(0, 4)
        rows = Poses.from_keypoints(
            np.concatenate([nobody, poses.xy, ghost]),
            np.concatenate([np.zeros((1, 17)), poses.scores, weak]),
            COCO_17,
        )
        people = tracker.update(image, poses=rows)
        np.testing.assert_array_equal(people.xy, rows.xy)
        given.append(people.ids.tolist())
    assert given == [[0, 1, 2, 0]] * 12


def test_a_newcomer_among_users_poses_has_id_0_until_confirmed() -> None:
    scene = crossing(frames=12)
    tracker = Tracker(min_hits=2, probation=0.1)  # from the third step of 0.04 s on
    ids = []
    for frame, image in enumerate(scene):
        poses, _ = scene.truth(frame)
        people = tracker.update(image, poses=poses if frame >= 5 else poses[:1])
        ids.append(people.ids.tolist())
    assert ids == [[1]] * 5 + [[1, 0]] * 3 + [[1, 2]] * 4


def test_time_may_be_given_and_never_runs_backwards() -> None:
    scene = crossing(frames=6)
    poses = [scene.truth(frame)[0] for frame in range(6)]
    tracker = Tracker()
    for pose, seconds in zip(poses, (10.0, 10.04, 9.0, 10.12, 10.12, 10.2), strict=True):
        assert tracker.update(poses=pose, seconds=seconds).ids.tolist() == [1, 2]
    with pytest.raises(ValueError, match="seconds must be a finite number"):
        tracker.update(poses=poses[0], seconds=float("nan"))


def test_who_has_an_identity_is_matched_before_who_is_on_probation() -> None:
    scene = crossing(frames=4)
    tracker = Tracker(min_hits=3, max_given_oks=1.0)
    one = [scene.truth(frame)[0][:1] for frame in range(4)]
    beside = [Poses(p.xy + 4, p.scores, p.boxes, p.skeleton) for p in one]
    both = Poses(np.concatenate([one[3].xy + 4]), one[3].scores, one[3].boxes, one[3].skeleton)
    for pose in one[:3]:
        tracker.update(poses=pose)
    double = np.concatenate([one[2].xy, beside[2].xy])
    tracker.update(poses=Poses.from_keypoints(double, None, COCO_17))
    # Now only the double is found: it is liker to the one on probation.
    assert tracker.update(poses=both).ids.tolist() == [1]


def test_users_poses_get_ids_in_their_order_and_none_is_dropped() -> None:
    scene = crossing(frames=30)
    tracker = Tracker()
    for frame, image in enumerate(scene):
        poses, ids = scene.truth(frame)
        order = np.array([1, 0]) if frame % 2 else np.array([0, 1])
        people = tracker.update(image, poses=poses[order])
        np.testing.assert_array_equal(people.xy, poses.xy[order])
        assert people.ids.tolist() == ids[order].tolist()


def test_a_bottom_up_estimator_needs_no_detector() -> None:
    scene = crossing(frames=10)

    class BottomUp:
        bottom_up = True
        skeleton = COCO_17

        def __call__(self, image: np.ndarray) -> Poses:
            return scene.truth(scene.frame_of(image))[0]

    tracker = Tracker(None, BottomUp())
    assert [tracker.update(image).ids.tolist() for image in scene] == [[1, 2]] * 10


def ids_of(scene: Scene, tracker: Tracker, frames: range) -> list[list[int]]:
    return [tracker.update(scene.render(frame)).ids.tolist() for frame in frames]


@settings(max_examples=8)
@given(cut=st.integers(1, 19), seed=st.integers(0, 3), coasting=st.booleans())
def test_a_run_split_at_any_frame_gives_the_same_ids(
    cut: int, seed: int, coasting: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scene = camera_pan(frames=20, seed=seed)
    detector = SceneDetector(scene, miss=0.3, false=0.5, jitter=0.02, seed=seed)
    ways: dict[str, Any] = {"detector": detector, "coasting": coasting}
    whole = ids_of(scene, make(scene, **ways), range(20))
    first = make(scene, **ways)
    halves = ids_of(scene, first, range(cut))
    path = tmp_path_factory.mktemp("state") / "state.npz"
    np.savez(path, **first.state_dict())
    second = make(scene, **ways)
    with np.load(path, allow_pickle=False) as saved:
        second.load_state_dict(saved)
    assert halves + ids_of(scene, second, range(cut, 20)) == whole


def test_a_state_that_is_loaded_names_nobody_of_the_stream_before() -> None:
    scene = crossing(frames=4)
    tracker = make(scene)
    fresh = tracker.state_dict()
    tracker.update(scene.render(0))
    assert len(tracker.provisional) == 2
    tracker.load_state_dict(fresh)
    assert len(tracker.provisional) == len(tracker.confirmed) == len(tracker.explanation) == 0


class Asking(SceneDetector):
    """A detector that asks for settings of the tracker."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.tracker_settings = {"min_new_score": 0.0}


def test_settings_that_a_detector_asks_for_count_where_none_are_given() -> None:
    scene = crossing(frames=1)
    usual = make(scene)
    assert (usual.min_new_score, usual.box_memory, usual.asked_for) == (0.3, 0.4, {})
    asked = make(scene, detector=Asking(scene))
    assert (asked.min_new_score, asked.box_memory) == (0.0, 0.4)
    assert asked.asked_for == {"min_new_score": 0.0}
    given = make(scene, detector=Asking(scene), min_new_score=0.5)
    assert (given.min_new_score, given.asked_for) == (0.5, {})
    wrong = Asking(scene)
    wrong.tracker_settings = {"memory": 3}
    with pytest.raises(ValueError, match="memory is none of"):
        make(scene, detector=wrong)


def test_two_trackers_never_affect_each_other() -> None:
    scenes = [camera_pan(frames=12, seed=seed) for seed in (0, 5)]
    alone = [ids_of(scene, make(scene), range(12)) for scene in scenes]
    trackers = [make(scene) for scene in scenes]
    mixed: list[list[list[int]]] = [[], []]
    for frame in range(12):
        for number, scene in enumerate(scenes):
            mixed[number] += ids_of(scene, trackers[number], range(frame, frame + 1))
    assert mixed == alone


def test_reset_equals_a_new_object() -> None:
    scene = crossing(frames=10)
    tracker = make(scene)
    first = ids_of(scene, tracker, range(10))
    tracker.reset()
    assert ids_of(scene, tracker, range(10)) == first


def test_inputs_are_left_as_they_were() -> None:
    scene = crossing(frames=3)
    tracker = make(scene)
    for image in scene:
        before = image.copy()
        tracker.update(image)
        np.testing.assert_array_equal(image, before)


def test_the_callers_buffer_may_be_used_again() -> None:
    scene = camera_pan(frames=15)
    untouched = make(scene)
    fresh = [untouched.update(image).xy for image in scene]
    buffer = np.empty_like(scene.render(0))
    tracker = make(scene)
    for frame, image in enumerate(scene):
        buffer[:] = image
        np.testing.assert_array_equal(tracker.update(buffer).xy, fresh[frame])


def test_nobody_is_not_an_error() -> None:
    scene = crossing(frames=3)
    tracker = make(scene, detector=lambda image: Detections.empty())
    for image in scene:
        people = tracker.update(image)
        assert people.xy.shape == (0, 17, 2)


def test_grey_and_bgra_images_are_taken() -> None:
    scene = crossing(frames=3)
    tracker = Tracker()
    poses, _ = scene.truth(0)
    for image in (
        scene.render(0)[..., 0],
        np.dstack([scene.render(0), np.zeros((240, 320), np.uint8)]),
        scene.render(0).astype(np.float32) / 255,
    ):
        assert tracker.update(image, poses=poses).ids.tolist() == [1, 2]


@pytest.mark.parametrize("flow_similarity", [True, False])
def test_a_new_size_in_mid_stream_keeps_the_ids(flow_similarity: bool) -> None:
    scene = crossing(frames=4)
    tracker = Tracker(flow_similarity=flow_similarity)
    poses, _ = scene.truth(0)
    assert tracker.update(scene.render(0), poses=poses).ids.tolist() == [1, 2]
    half = Poses.from_keypoints(poses.xy / 2, poses.scores, COCO_17)
    small = np.ascontiguousarray(scene.render(0)[::2, ::2])
    assert tracker.update(small, poses=half).ids.tolist() == [1, 2]
    assert tracker.update(small, poses=half).ids.tolist() == [1, 2]


def test_people_given_outside_the_picture_keep_their_ids() -> None:
    scene = crossing(frames=4)
    tracker = Tracker()
    for frame, image in enumerate(scene):
        inside, _ = scene.truth(frame)
        far = Poses.from_keypoints(inside.xy + 1000, None, COCO_17)
        assert tracker.update(image, poses=far).ids.tolist() == [1, 2]


def test_a_similarity_of_the_wrong_shape_is_refused_and_nan_in_it_says_nothing() -> None:
    scene = crossing(frames=3)
    poses, _ = scene.truth(0)
    wrong = Tracker(similarity=lambda past, now: np.ones((1, 1)))
    wrong.update(poses=poses)
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(1, 1\)"):
        wrong.update(poses=poses)

    def half_known(past: Poses, now: Poses, /) -> np.ndarray:
        alike = np.full((len(past), len(now)), np.nan)
        alike[:2] = np.eye(2)
        return alike

    tracker = Tracker(similarity=half_known)
    assert [tracker.update(poses=poses).ids.tolist() for _ in range(4)] == [[1, 2]] * 4


def test_a_failed_update_leaves_the_tracker_as_it_was() -> None:
    scene = crossing(frames=6)
    detector = SceneDetector(scene)
    broken = False

    def moody(image: np.ndarray) -> Detections:
        if broken:
            raise RuntimeError("the camera's cable")
        return detector(image)

    tracker = make(scene, detector=moody)
    expected = ids_of(scene, make(scene), range(6))
    got = ids_of(scene, tracker, range(3))
    before = tracker.state_dict()
    broken = True
    with pytest.raises(RuntimeError, match="cable"):
        tracker.update(scene.render(3))
    with pytest.raises(ValueError, match="empty"):
        tracker.update(np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="began with coco_17"):
        tracker.update(scene.render(3), poses=Poses.empty(POSETRACK_17))
    after = tracker.state_dict()
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
    broken = False
    assert got + ids_of(scene, tracker, range(3, 6)) == expected


def test_backends_that_break_their_contract_are_told_so() -> None:
    scene = crossing(frames=1)

    class OneForAll(SceneEstimator):
        def __call__(self, image: np.ndarray, boxes: Detections, /) -> Poses:
            return super().__call__(image, boxes)[:1]

    with pytest.raises(ValueError, match="1 poses for 2 boxes"):
        Tracker(SceneDetector(scene), OneForAll(scene)).update(scene.render(0))
    with pytest.raises(TypeError, match=r"posetrack\.Detections"):
        make(scene, detector=lambda image: np.zeros((1, 4))).update(scene.render(0))


def test_an_update_needs_something() -> None:
    with pytest.raises(ValueError, match="needs an image, or poses"):
        Tracker().update()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"memory": 0}, "memory"),
        ({"detect_every": 1.5}, "detect_every"),
        ({"max_oks": 1.2}, "max_oks"),
        ({"min_similarity": -0.1}, "min_similarity"),
        ({"box_growth": -1}, "box_growth"),
        ({"recency": 1.5}, "recency"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(settings: dict, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Tracker(**settings)
    with pytest.raises(TypeError):
        Tracker(min_okay=0.5)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.pop("version"),
        lambda state: state.update(version=np.array(99)),
        lambda state: state.pop("past.ids"),
        lambda state: state.update({"past.xy": np.zeros((1, 3, 2))}),
        lambda state: state.update(counters=np.zeros(2)),
        lambda state: state.update(skeleton=np.array("{")),
    ],
)
def test_a_state_that_is_none_is_refused_and_changes_nothing(damage: Any) -> None:
    scene = crossing(frames=4)
    tracker = make(scene)
    ids_of(scene, tracker, range(2))
    state = tracker.state_dict()
    damage(state)
    with pytest.raises(ValueError, match="state"):
        tracker.load_state_dict(state)
    assert ids_of(scene, tracker, range(2, 4)) == [[1, 2]] * 2
