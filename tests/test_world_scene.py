"""Scenes and random pictures: the same seed gives the same pixels, and fakes know them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from posetrack import POSETRACK_17, Detections
from posetrack.testing import SceneDetector, SceneEstimator
from posetrack.world import (
    Scene,
    Visibility,
    behind_pole,
    camera_pan,
    coming_back,
    crossing,
    crowd,
    detector_gaps,
    entering_leaving,
    falling,
    fast_motion,
    jumping_jacks,
    low_frame_rate,
    random_frame,
    random_frames,
    same_clothes,
    squats,
    street,
)
from posetrack.world.rendering.cameras import following, panning, shaking, standing
from posetrack.world.rendering.perspective import looking_at

TINY = (128, 72)
MAKERS = (
    crossing, behind_pole, entering_leaving, coming_back, crowd, same_clothes, fast_motion,
    low_frame_rate, camera_pan, detector_gaps, squats, jumping_jacks, falling, street,
)  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_scene_gives_the_same_frame_in_any_order(make: Callable[..., Scene]) -> None:
    one, same = (make(people=2, frames=20, seed=5, size=TINY) for _ in range(2))
    other = make(people=2, frames=20, seed=6, size=TINY)
    assert len(one) == 20
    assert one.size == TINY
    later, earlier = one.frame(17), one.frame(3)
    image, truth = same.frame(3)
    np.testing.assert_array_equal(image, earlier[0])
    np.testing.assert_array_equal(truth.xy, earlier[1].xy)
    np.testing.assert_array_equal(same.render(17), later[0])
    assert truth.ids.tolist() == [1, 2]
    assert (other.render(3) != image).mean() > 0.2


def test_threads_do_not_change_the_picture() -> None:
    from dataclasses import replace

    scene = crossing(people=2, frames=5, size=TINY)
    np.testing.assert_array_equal(replace(scene, threads=3).render(2), scene.render(2))


def test_a_scene_has_no_other_frames() -> None:
    scene = crossing(people=1, frames=3, size=TINY)
    for number in (-1, 3):
        with pytest.raises(IndexError, match=r"frames 0 \.\. 2"):
            scene.frame(number)


def shares(scene: Scene, step: int = 4) -> np.ndarray:
    return np.array([scene.facts(number).share for number in range(0, len(scene), step)])


def test_people_hide_each_other_where_they_cross() -> None:
    assert shares(crossing(people=4, frames=200, size=TINY), 5).min() < 0.4


def test_pillars_hide_people_wholly() -> None:
    seen = shares(behind_pole(people=3, frames=200, size=TINY), 5)
    assert (seen.min(axis=0) < 0.1).any()
    assert (seen.max(axis=0) > 0.9).all()


def test_people_come_in_and_leave() -> None:
    scene = entering_leaving(people=4, frames=300, size=TINY, seed=1)
    inside = shares(scene, 10) > 0.5
    assert inside.any(axis=0).all()
    assert not inside.all(axis=0).any()
    for column in inside.T:  # once in, once out
        assert np.abs(np.diff(column.astype(int))).sum() <= 2


def test_people_come_back() -> None:
    inside = shares(coming_back(people=3, frames=300, size=TINY, seed=1), 10) > 0.3
    returned = [(np.diff(column.astype(int)) == 1).any() for column in inside.T]
    assert any(returned)


def test_fast_people_move_far_between_frames_and_slow_cameras_see_jumps() -> None:
    def step(scene: Scene) -> float:
        pairs = [(scene.facts(n), scene.facts(n + 1)) for n in (2, 6, 10)]
        moved = [np.hypot(*(b.xy - a.xy).reshape(-1, 2).T).mean() for a, b in pairs]
        return float(np.mean(moved)) / TINY[0]

    usual = step(crossing(people=3, frames=20, size=TINY))
    assert step(fast_motion(people=3, frames=20, size=TINY)) > 2.5 * usual
    assert step(low_frame_rate(people=3, frames=20, size=TINY)) > 2.5 * usual


def test_the_same_clothes_are_the_same() -> None:
    bodies = [actor.body for actor in same_clothes(people=3, frames=2).people]
    assert len({id(body.looks.clothes) for body in bodies}) == 1


def test_events_lie_in_the_scene_and_people_squat_at_them() -> None:
    scene = squats(people=2, frames=250, size=TINY)
    assert {event.person for event in scene.events} == {1, 2}
    for event in scene.events:
        assert 0 <= event.start < event.end <= len(scene) / scene.rate
    first = scene.events[0]
    motion = scene.people[first.person - 1].motion
    middle = (first.start + first.end) / 2
    assert motion(middle).root[2] < 0.8 * motion(first.start).root[2]


# --- cameras


def test_cameras_move_as_they_say() -> None:
    camera = looking_at((0, -5, 1), (0, 0, 1), focal=100, size=TINY)
    still = standing(camera)
    assert panning(still, angle=0.2, period=4)(0.0).rotation.tolist() == camera.rotation.tolist()
    shaken = shaking(still, angle=0.01, seed=1)
    turns = [np.arccos(np.clip(shaken(t).rotation[2] @ camera.rotation[2], -1, 1))
             for t in np.linspace(0, 20, 200)]  # fmt: skip
    assert 0.005 < np.sqrt(np.mean(np.square(turns))) < 0.03
    np.testing.assert_allclose(shaken(3.3).rotation, shaken(3.3).rotation)
    rotation = shaken(1.7).rotation
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    with_somebody = following(lambda t: (t, 0, 1), offset=(0, -4, 0.5), focal=100, size=TINY)
    xy, _ = with_somebody(7.0).project((7.0, 0, 1))
    np.testing.assert_allclose(xy, (np.array(TINY) - 1) / 2, atol=1e-9)


# --- random pictures


def test_a_random_picture_is_the_same_alone_and_in_a_row() -> None:
    row = list(random_frames(3, 3, start=4, size=TINY))
    for number, (image, truth) in zip((4, 5, 6), row, strict=True):
        again, facts = random_frame(3, number, size=TINY)
        np.testing.assert_array_equal(image, again)
        np.testing.assert_array_equal(truth.xy, facts.xy)
    assert (random_frame(4, 4, size=TINY)[0] != row[0][0]).mean() > 0.2


def test_random_pictures_are_empty_and_full_and_cut_people_off() -> None:
    counts, cut, far, near = [], 0, 0, 0
    for _, truth in random_frames(1, 14, size=TINY):
        counts.append(len(truth))
        for row in truth.visible_rows():
            heights = (truth.boxes[row, 3] - truth.boxes[row, 1]) / TINY[1]
            cut += (truth.visibility[row] == Visibility.OUTSIDE).any()
            far += heights < 0.3
            near += heights > 0.9
    assert min(counts) == 0
    assert max(counts) >= 4
    assert min(cut, far, near) > 1


def test_how_many_people_is_obeyed_and_checked() -> None:
    assert {len(truth) for _, truth in random_frames(0, 8, size=TINY, people=(0, 0))} == {0}
    with pytest.raises(ValueError, match="fewest and most"):
        random_frame(0, 0, people=(3, 2))


# --- fakes


@pytest.fixture(scope="session")
def group() -> Scene:
    return detector_gaps(people=4, frames=40, size=TINY, seed=1)


@pytest.fixture(scope="session")
def images(group: Scene) -> list[np.ndarray]:
    return list(group.images())


def test_a_scene_knows_its_own_pictures_only(group: Scene, images: list[np.ndarray]) -> None:
    assert [group.frame_of(image) for image in images] == list(range(40))
    changed = images[3].copy()
    changed[0, 0, 0] ^= 1
    with pytest.raises(ValueError, match="not a picture that this scene has rendered"):
        group.frame_of(changed)


def test_fakes_without_faults_tell_the_truth(group: Scene, images: list[np.ndarray]) -> None:
    truth = group.truth(7)
    found = SceneDetector(group)(images[7])
    np.testing.assert_allclose(found.xyxy, truth.clipped_boxes, atol=1e-3)
    poses = SceneEstimator(group)(images[7], found)
    np.testing.assert_allclose(poses.xy, truth.xy, atol=1e-3)
    hidden = truth.visibility == Visibility.HIDDEN
    assert poses.scores[~hidden].min() > 0.7 > 0.5 > poses.scores[hidden].max()


def test_estimators_of_another_skeleton_come_with_the_scene() -> None:
    from dataclasses import replace

    scene = replace(crossing(people=2, frames=2, size=TINY), skeleton=POSETRACK_17)
    image = scene.render(1)
    assert SceneEstimator(scene)(image, SceneDetector(scene)(image)).skeleton == POSETRACK_17


def test_people_in_hiding_are_not_found() -> None:
    scene = behind_pole(people=3, frames=200, size=TINY)
    for number in range(0, 200, 20):
        image, truth = scene.frame(number)
        assert len(SceneDetector(scene, min_share=0.3)(image)) == (truth.share >= 0.3).sum()


def test_bursts_of_misses_have_their_share_and_length(group: Scene) -> None:
    detector = SceneDetector(group, gaps=0.3, gap_length=8)
    ids = np.arange(1, 41)
    missed = np.array([detector._in_gap(ids, frame) for frame in range(400)])
    assert 0.22 < missed.mean() < 0.38
    lengths = [len(run) for column in missed.T
               for run in "".join("x" if m else " " for m in column).split()]  # fmt: skip
    assert 6 < np.mean(lengths) < 10
    assert not missed[0].any()


def test_gaps_take_people_out_of_what_is_found(group: Scene, images: list[np.ndarray]) -> None:
    detector = SceneDetector(group, gaps=0.4, gap_length=6, seed=2)
    counts = [len(detector(image)) for image in images]
    assert min(counts) < 4 == max(counts)
    again = SceneDetector(group, gaps=0.4, gap_length=6, seed=2)
    assert [len(again(image)) for image in reversed(images)] == counts[::-1]


def test_doubles_and_swaps_come_at_their_rates(group: Scene, images: list[np.ndarray]) -> None:
    twice = [len(SceneDetector(group, doubled=0.3)(image)) for image in images]
    assert 0.2 < np.mean(twice) / 4 - 1 < 0.4
    swapping, honest = SceneEstimator(group, swapped=0.25), SceneEstimator(group)
    swapped = []
    for image in images:
        boxes = SceneDetector(group)(image)
        there, wrong = honest(image, boxes), swapping(image, boxes)
        mirrored = there.xy[:, group.skeleton.mirror_order]
        swapped += np.isclose(wrong.xy, mirrored).all(axis=(1, 2)).tolist()
    assert 0.15 < np.mean(swapped) < 0.35


def test_rates_that_cannot_be_are_refused(group: Scene) -> None:
    with pytest.raises(ValueError, match="gaps must lie"):
        SceneDetector(group, gaps=1.0)
    with pytest.raises(ValueError, match="swapped"):
        SceneEstimator(group, swapped=1.5)


def test_nobody_gets_no_pose(group: Scene, images: list[np.ndarray]) -> None:
    estimator = SceneEstimator(group, jitter=0.01)
    assert len(estimator(images[0], Detections.empty())) == 0
    poses = estimator(images[0], Detections([[0, 0, 4, 4]], [0.9]))
    assert poses.scores.max() < 0.2
