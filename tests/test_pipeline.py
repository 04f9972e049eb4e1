"""A whole video through a tracker: the same as a plain loop, ahead or not, and ended cleanly."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np
import pytest
from processes import PATIENCE

from posetrack import COCO_17, Detections, Poses, Tracker, Tracks
from posetrack.testing import Scene, SceneDetector, SceneEstimator, camera_pan, crossing
from posetrack.tracking.pipeline import Background, track_video
from posetrack.video import Frame
from posetrack.video.prefetch import Prefetch

LENGTH = 16


@pytest.fixture(scope="session")
def scene() -> Scene:
    return camera_pan(frames=LENGTH, seed=2)


@pytest.fixture(scope="session")
def frames(scene: Scene) -> list[Frame]:
    return [Frame(image, index, index / 25) for index, image in enumerate(scene)]


def tracker_for(scene: Scene, **settings: Any) -> Tracker:
    detector = SceneDetector(scene, miss=0.3, false=0.5, jitter=0.02, seed=1)
    return Tracker(detector, SceneEstimator(scene, jitter=0.01), **settings)


def same(one: list[Tracks], other: list[Tracks]) -> None:
    assert [people.ids.tolist() for people in one] == [people.ids.tolist() for people in other]
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.xy, second.xy)
        np.testing.assert_array_equal(first.flow_age, second.flow_age)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    ours = [
        thread.name
        for thread in set(threading.enumerate()) - before
        if thread.name.startswith("posetrack") and "onnx" not in thread.name
    ]
    assert ours == []


@pytest.mark.parametrize("ahead", [0, 1, 2, 50])
@pytest.mark.parametrize("every", [1, 4])
def test_it_is_the_same_as_a_plain_loop(
    scene: Scene, frames: list[Frame], ahead: int, every: int
) -> None:
    plain = tracker_for(scene, detect_every=every)
    expected = [plain.update(frame.image) for frame in frames]
    pairs = list(track_video(frames, tracker_for(scene, detect_every=every), ahead=ahead))
    assert [frame for frame, _ in pairs] == frames
    same([people for _, people in pairs], expected)


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize("cut", [1, 6])
def test_a_video_in_two_parts_is_as_one(
    scene: Scene, frames: list[Frame], ahead: int, cut: int
) -> None:
    # The detector is due by the tracker's count, which goes on.
    whole = [people for _, people in track_video(frames, tracker_for(scene, detect_every=4))]
    tracker = tracker_for(scene, detect_every=4)
    parts = [
        people
        for part in (frames[:cut], frames[cut:])
        for _, people in track_video(part, tracker, ahead=ahead)
    ]
    same(parts, whole)


@pytest.mark.parametrize("ahead", [0, 2])
def test_boxes_of_the_users_are_asked_by_index_and_as_often_as_the_detector(
    scene: Scene, ahead: int
) -> None:
    asked = []

    def boxes(index: int) -> Detections:
        asked.append(index)
        return scene.truth(index)[0].boxes

    def never(image: np.ndarray) -> Detections:
        raise AssertionError("the detector was run")

    frames = [Frame(scene.render(index), index, index / 25) for index in range(1, LENGTH, 2)]
    tracker = Tracker(never, SceneEstimator(scene), detect_every=3)
    found = list(track_video(frames, tracker, boxes=boxes, ahead=ahead))
    assert asked == [1, 7, 13]
    assert all(len(people) == 3 for _, people in found)


def test_no_frames_give_nothing(scene: Scene) -> None:
    assert list(track_video([], tracker_for(scene))) == []


def test_a_bottom_up_estimator_needs_no_detector(scene: Scene, frames: list[Frame]) -> None:
    class BottomUp:
        bottom_up = True
        skeleton = COCO_17

        def __call__(self, image: np.ndarray) -> Poses:
            return scene.truth(scene.frame_of(image))[0]

    found = list(track_video(frames, Tracker(None, BottomUp())))
    assert [people.ids.tolist() for _, people in found] == [[1, 2, 3]] * LENGTH


class Counting:
    """Frames, and how many have been taken."""

    def __init__(self, frames: list[Frame]) -> None:
        self.frames, self.taken = frames, 0

    def __iter__(self) -> Iterator[Frame]:
        for frame in self.frames:
            self.taken += 1
            yield frame


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_frames_are_taken_ahead_but_never_more_than_asked(
    scene: Scene, frames: list[Frame], ahead: int
) -> None:
    counting = Counting(frames)
    with closing(track_video(counting, tracker_for(scene), ahead=ahead)) as tracked:  # type: ignore[type-var]
        for given, _ in enumerate(islice(tracked, 8), start=1):
            # One more is in the thread's hands.
            assert counting.taken <= given + ahead + bool(ahead)


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_detector_that_fails_fails_after_the_frames_before_it(
    scene: Scene, frames: list[Frame], ahead: int
) -> None:
    detector = SceneDetector(scene)

    def failing(image: np.ndarray) -> Detections:
        if scene.frame_of(image) == 5:
            raise RuntimeError("out of memory")
        return detector(image)

    tracker = Tracker(failing, SceneEstimator(scene))
    found = track_video(frames, tracker, ahead=ahead)
    assert [frame.index for frame, _ in islice(found, 5)] == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="out of memory"):
        next(found)
    assert tracker.frame == 5


@pytest.mark.parametrize("ahead", [0, 2])
def test_a_video_that_fails_fails_after_the_frames_before_it(
    scene: Scene, frames: list[Frame], ahead: int
) -> None:
    def torn() -> Iterator[Frame]:
        yield from frames[:3]
        raise OSError("the disk is gone")

    found = track_video(torn(), tracker_for(scene), ahead=ahead)
    assert [frame.index for frame, _ in islice(found, 3)] == [0, 1, 2]
    with pytest.raises(OSError, match="disk is gone"):
        next(found)


def test_leaving_early_stops_the_thread_and_closes_the_frames(
    scene: Scene, frames: list[Frame]
) -> None:
    closed = threading.Event()

    def source() -> Iterator[Frame]:
        try:
            yield from frames
        finally:
            closed.set()

    opened = source()
    for frame, _ in track_video(opened, tracker_for(scene)):
        if frame.index == 3:
            break
    opened.close()  # type: ignore[attr-defined]
    assert closed.is_set()


def test_ahead_below_zero_is_refused(scene: Scene, frames: list[Frame]) -> None:
    with pytest.raises(ValueError, match="ahead"):
        next(track_video(frames, tracker_for(scene), ahead=-1))


def test_background_work_is_done_in_order_and_all_of_it() -> None:
    done: list[int] = []
    with Background(done.append, waiting=2) as background:
        for number in range(50):
            background.put(number)
    assert done == list(range(50))


def test_background_work_is_done_in_a_thread_of_its_own() -> None:
    names: list[str] = []
    with Background(lambda _: names.append(threading.current_thread().name)) as background:
        background.put(1)
    assert names == ["posetrack-background"]


def failing_at(number: int, done: list[int]) -> Any:
    def work(item: int) -> None:
        if item == number:
            raise OSError("no space left")
        done.append(item)

    return work


def put_all(work: Any, items: range, error: BaseException | None = None) -> None:
    """Hand all items over, then fail with the error."""
    with Background(work, waiting=1) as background:
        for item in items:
            background.put(item)
        if error is not None:
            raise error


def test_an_error_in_the_background_comes_back_and_nothing_more_is_done() -> None:
    done: list[int] = []
    with pytest.raises(OSError, match="no space left"):
        put_all(failing_at(3, done), range(1000))
    assert done == [0, 1, 2]


def test_an_error_at_the_last_item_comes_back_on_closing() -> None:
    done: list[int] = []
    background = Background(failing_at(1, done))
    background.put(0)
    background.put(1)
    with pytest.raises(OSError, match="no space left"):
        background.close()
    assert done == [0]


def test_after_an_error_of_the_callers_what_waits_is_still_done() -> None:
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        put_all(done.append, range(3), KeyboardInterrupt())
    assert done == [0, 1, 2]


def test_the_callers_error_is_the_one_to_see() -> None:
    with pytest.raises(KeyError, match="mine"):
        put_all(failing_at(0, []), range(1), KeyError("mine"))


def test_drawing_on_a_frame_afterwards_does_not_disturb_what_follows(scene: Scene) -> None:
    def fresh() -> list[Frame]:
        return [Frame(image, index, index / 25) for index, image in enumerate(scene)]

    expected = [people for _, people in track_video(fresh(), tracker_for(scene))]
    found = []
    for frame, people in track_video(fresh(), tracker_for(scene)):
        frame.image[:] = 0  # as the overlay does
        found.append(people)
    same(found, expected)


def test_two_videos_at_once_do_as_alone(frames: list[Frame], scene: Scene) -> None:
    other = crossing(frames=LENGTH)
    others = [Frame(image, index, index / 25) for index, image in enumerate(other)]
    alone = [
        [people for _, people in track_video(frames, tracker_for(scene))],
        [people for _, people in track_video(others, tracker_for(other))],
    ]
    pairs = zip(
        track_video(frames, tracker_for(scene)),
        track_video(others, tracker_for(other)),
        strict=True,
    )
    together = [(one, two) for (_, one), (_, two) in pairs]
    same([one for one, _ in together], alone[0])
    same([two for _, two in together], alone[1])


def test_closing_frees_a_thread_that_waits_for_an_item() -> None:
    started, hold = threading.Event(), threading.Event()

    def slow() -> Generator[int, None, None]:
        started.set()
        hold.wait(PATIENCE)
        yield 1

    ready = Prefetch(slow(), 1, patience=0.1)
    got: list[int] = []
    waiting = threading.Thread(target=lambda: got.extend(ready))
    waiting.start()
    assert started.wait(PATIENCE)
    ready.close()
    waiting.join(PATIENCE)
    hold.set()  # and the thread inside the generator may end, too
    for thread in threading.enumerate():
        if thread.name == "posetrack-prefetch":
            thread.join(PATIENCE)
    assert not waiting.is_alive()
    assert got == []
