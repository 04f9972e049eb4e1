"""What a GPU is spared, seen on the CPU with fakes that count; ids are the same either way."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_torch_topdown import Tiles, picture
from torch import nn

from posetrack import COCO_17, Detections, Poses, Tracker
from posetrack.detectors.light import LightDetector, fit, with_torch
from posetrack.estimators.top_down import TopDown
from posetrack.flows.raft import RaftFlow, shrink_on_device
from posetrack.flows.scaling import shrink
from posetrack.networks.light_trunk import LightTrunk
from posetrack.networks.person_detector import PersonDetector
from posetrack.runtimes.cuda_graphs import BATCH_SIZES, Graphs, choose_batch_size
from posetrack.runtimes.torch import without_tf32
from posetrack.runtimes.torch_crops import DeviceCrops
from posetrack.runtimes.uploads import Uploaded, Uploader, send_array
from posetrack.testing import Scene, SceneDetector, SceneEstimator, camera_pan, crossing
from posetrack.tracking.pipeline import track_video
from posetrack.video import Frame

CPU = torch.device("cpu")


class Done:
    """The end of a copy, which somebody may have waited for."""

    def __init__(self) -> None:
        self.waited = False

    def synchronize(self) -> None:
        self.waited = True


class SlowLane:
    """Copies that are never done before they are waited for; it remembers all of them."""

    def __init__(self, device: torch.device) -> None:
        self.buffers: list[torch.Tensor] = []
        self.sent: list[tuple[int, Done]] = []

    def allocate(self, size: int) -> torch.Tensor:
        self.buffers.append(torch.zeros(size, dtype=torch.uint8))
        return self.buffers[-1]

    def send(self, buffer: torch.Tensor, shape: tuple[int, ...]) -> tuple[torch.Tensor, Done]:
        done = Done()
        before = [done for address, done in self.sent if address == buffer.data_ptr()]
        assert all(other.waited for other in before), "a buffer was filled while it was read"
        self.sent.append((buffer.data_ptr(), done))
        return buffer.view(shape).clone(), done


def images(count: int, height: int = 6, width: int = 8) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (count, height, width, 3), np.uint8))


def test_two_buffers_take_turns_and_none_is_filled_before_its_copy_is_done() -> None:
    lanes: list[SlowLane] = []

    def open_lane(device: torch.device) -> SlowLane:
        lanes.append(SlowLane(device))
        return lanes[-1]

    upload = Uploader(CPU, open_lane)
    pictures = images(5)
    for image in pictures:
        assert np.array_equal(upload(image).pixels.numpy(), image)
    (lane,) = lanes
    assert len(lane.buffers) == 2
    places = [address for address, _ in lane.sent]
    assert places[0] != places[1]
    assert places == [places[0], places[1], places[0], places[1], places[0]]
    assert [done.waited for _, done in lane.sent] == [True, True, True, False, False]


def test_a_larger_image_gets_a_larger_buffer_and_a_smaller_one_the_same() -> None:
    lane = SlowLane(CPU)
    upload = Uploader(CPU, lambda device: lane)
    for size in ((4, 4), (4, 4), (8, 8), (2, 2), (3, 3)):
        (image,) = images(1, *size)
        assert np.array_equal(upload(image).pixels.numpy(), image)
    assert [len(buffer) for buffer in lane.buffers] == [48, 48, 192]


def test_what_is_on_the_device_is_not_sent_again() -> None:
    lane = SlowLane(CPU)
    upload = Uploader(CPU, lambda device: lane)
    sent = upload(images(1)[0])
    assert upload(sent) is sent
    assert len(lane.sent) == 1


def test_an_image_that_cannot_be_written_is_sent_without_a_warning() -> None:
    (image,) = images(1)
    image.flags.writeable = False
    assert np.array_equal(Uploader(CPU)(image).pixels.numpy(), image)


def test_an_uploader_can_be_copied_and_pickled() -> None:
    upload = Uploader(CPU)
    upload(images(1)[0])
    for other in (copy.deepcopy(upload), pickle.loads(pickle.dumps(upload))):
        assert other(images(1)[0]).pixels.shape == (6, 8, 3)


def test_small_arrays_come_as_they_are() -> None:
    assert send_array(np.arange(6.0).reshape(2, 3).T, CPU).tolist() == [[0, 3], [1, 4], [2, 5]]


# ---- One upload an image ----


class OnDevice:
    """A detector on the device that answers by a scene, and sees that it gets the upload."""

    def __init__(self, scene: Scene, upload: Uploader) -> None:
        self.upload, self.image_device, self.images_at_once = upload, CPU, 4
        self.runs: list[int] = []
        self.answer = SceneDetector(scene, miss=0.2, false=0.3, jitter=0.02, seed=1)

    def __call__(self, image: Any, /) -> Detections:
        return self.detect_all([image])[0]

    def detect_all(self, images: Any, /) -> list[Detections]:
        self.runs.append(len(images))
        assert all(isinstance(image, Uploaded) for image in images)
        return [self.answer(image.host) for image in images]


class EstimatorOnDevice:
    """The same for poses."""

    def __init__(self, scene: Scene, upload: Uploader) -> None:
        self.upload, self.image_device, self.skeleton = upload, CPU, scene.skeleton
        self.answer = SceneEstimator(scene, jitter=0.01)

    def __call__(self, image: Any, boxes: Detections, /) -> Poses:
        assert isinstance(image, Uploaded)
        return self.answer(image.host, boxes)


def still(first: torch.Tensor, second: torch.Tensor, num_flow_updates: int) -> list[torch.Tensor]:
    return [torch.zeros(1, 2, *first.shape[2:])]


def on_device(scene: Scene, **settings: Any) -> tuple[Tracker, SlowLane, OnDevice]:
    lane = SlowLane(CPU)
    upload = Uploader(CPU, lambda device: lane)
    detector = OnDevice(scene, upload)
    flow = RaftFlow(still, device="cpu")
    flow._shrinks_on_device = True  # as on a GPU
    flow.upload = upload
    tracker = Tracker(detector, EstimatorOnDevice(scene, upload), flow, **settings)
    return tracker, lane, detector


def on_host(scene: Scene, **settings: Any) -> Tracker:
    return Tracker(
        SceneDetector(scene, miss=0.2, false=0.3, jitter=0.02, seed=1),
        SceneEstimator(scene, jitter=0.01),
        RaftFlow(still, device="cpu"),
        **settings,
    )


def ids_of(found: Any) -> list[list[int]]:
    return [people.ids.tolist() for people in found]


def test_an_image_is_sent_once_for_detector_estimator_and_flow() -> None:
    scene = crossing(frames=5)
    tracker, lane, _ = on_device(scene)
    for image in scene:
        tracker.update(image)
    assert len(lane.sent) == 5


def test_a_backend_on_the_host_gets_the_image_and_not_the_upload() -> None:
    scene = crossing(frames=3)
    tracker, lane, _ = on_device(scene)
    seen = []

    def detect(image: np.ndarray) -> Detections:
        seen.append(type(image))
        return scene.truth(scene.frame_of(image))[0].boxes

    tracker.detector = detect
    for image in scene:
        tracker.update(image)
    assert seen == [np.ndarray] * 3
    assert len(lane.sent) == 3


@settings(max_examples=12)
@given(
    seed=st.integers(0, 50),
    every=st.sampled_from([1, 2, 5]),
    together=st.sampled_from([None, 1, 3, 4]),
    ahead=st.sampled_from([0, 1, 2]),
)
def test_ids_are_those_of_a_plain_loop_on_the_host(
    seed: int, every: int, together: int | None, ahead: int
) -> None:
    scene = camera_pan(frames=13, seed=seed)
    frames = [Frame(image, number, number / 25) for number, image in enumerate(scene)]
    plain = on_host(scene, detect_every=every)
    wanted = [plain.update(frame.image) for frame in frames]
    tracker, lane, _ = on_device(scene, detect_every=every)
    run = track_video(frames, tracker, ahead=ahead, images_at_once=together)
    found = [people for _, people in run]
    assert ids_of(found) == ids_of(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours.xy, theirs.xy)
    assert len(lane.sent) == len(frames)


def small_detector() -> PersonDetector:
    return PersonDetector(trunk=partial(LightTrunk, (4, 6, 8, 10), (1, 0, 2, 1), 4), channels=8)


def light_on_device(scene: Scene, lane: SlowLane) -> LightDetector:
    """The light detector as on a GPU, its images sent through a lane that counts."""
    torch.manual_seed(0)
    network = small_detector()
    torch.nn.init.zeros_(network.centres[1].bias)  # it finds somebody, untrained as it is
    detect = LightDetector(with_torch(network, device="cpu"), long_side=96, min_score=0.1)
    run: Any = detect._run
    run.image_device = CPU
    run.upload = Uploader(CPU, lambda device: lane)
    return detect


def test_the_light_detector_needs_no_upload_of_its_own() -> None:
    scene = crossing(frames=5)
    frames = [Frame(image, number, number / 25) for number, image in enumerate(scene)]
    tracker, lane, _ = on_device(scene)
    tracker.detector = light_on_device(scene, lane)
    assert len(list(track_video(frames, tracker))) == 5
    assert len(lane.sent) == 5


@pytest.mark.parametrize("long_side", [64, 96, 500])
def test_the_light_detector_finds_on_a_device_what_it_finds_on_the_host(long_side: int) -> None:
    scene = crossing(frames=3)
    pictures = [*scene, picture(60, 130)]  # one of another size
    there = light_on_device(scene, SlowLane(CPU))
    here = LightDetector(there._run, long_side=long_side, min_score=0.1)
    there.long_side = long_side
    run: Any = there._run
    found = there.detect_all(pictures)
    run.image_device = None
    for ours, theirs in zip(found, here.detect_all(pictures), strict=True):
        assert len(theirs) > 0
        assert ours.scores.max() == pytest.approx(theirs.scores.max(), abs=2e-3)
        np.testing.assert_allclose(ours.xyxy[:5], theirs.xyxy[:5], atol=0.5)


def test_images_of_one_size_go_through_the_light_detector_together() -> None:
    scene = crossing(frames=4)
    detect = light_on_device(scene, SlowLane(CPU))
    run: Any = detect._run
    batches: list[int] = []
    rows = run._rows

    def count(batch: torch.Tensor) -> torch.Tensor:
        batches.append(len(batch))
        return rows(batch)

    run._rows = count
    detect.detect_all([*scene, picture(60, 130)])
    assert batches == [4, 1]


def test_each_network_is_waited_for_once_an_image_and_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[str] = []

    def note_wait(name: str) -> nullcontext[None]:
        waits.append(name)
        return nullcontext()

    monkeypatch.setattr(torch.profiler, "record_function", note_wait)
    scene = crossing(frames=3)
    tracker, lane, _ = on_device(scene)
    tracker.detector = light_on_device(scene, lane)
    estimate = estimator_with(None)
    estimate._on_device.upload = tracker.flow.upload  # type: ignore[union-attr]
    tracker.estimator = estimate
    seen = []
    for image in scene:
        before = len(waits)
        tracks = tracker.update(image, detections=tracker.detect(image, 0))
        seen.append((image.mean(), tracks.xy[:, 0], tracks.scores.mean(axis=1)))
        assert sorted(waits[before:]) in (
            ["wait: boxes", "wait: keypoints"],  # nobody to move yet
            ["wait: boxes", "wait: flow", "wait: keypoints"],
        )
    assert "wait: flow" in waits, seen


# ---- Several frames at once ----


def test_the_detector_taken_where_none_is_given_sees_the_first_frames_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = crossing(frames=10)
    frames = [Frame(image, number, number / 25) for number, image in enumerate(scene)]
    known, _, detector = on_device(scene)
    networks = {"detector": detector, "estimator": known.estimator}

    def stand_in(*kinds: str, **settings: Any) -> dict[str, Any]:
        return {kind: networks[kind] for kind in kinds}

    monkeypatch.setattr("posetrack.build.default_networks", stand_in)
    tracker = Tracker(flow=known.flow)
    found = [people for _, people in track_video(frames, tracker)]
    assert detector.runs == [4, 4, 2]
    assert [len(people) for people in found] == [2] * 10


def test_a_detector_sees_the_frames_of_a_list_several_at_once() -> None:
    scene = crossing(frames=10)
    frames = [Frame(image, number, number / 25) for number, image in enumerate(scene)]
    tracker, _, detector = on_device(scene)
    assert len(list(track_video(frames, tracker))) == 10
    assert detector.runs == [4, 4, 2]


def test_of_frames_at_once_only_those_that_are_due_are_detected() -> None:
    scene = crossing(frames=10)
    frames = [Frame(image, number, number / 25) for number, image in enumerate(scene)]
    tracker, _, detector = on_device(scene, detect_every=2)
    list(track_video(frames, tracker))
    assert detector.runs == [2, 2, 1]


class Camera:
    """Frames that come as they happen."""

    live = True

    def __init__(self, frames: list[Frame]) -> None:
        self.frames, self.taken = frames, 0

    def __iter__(self) -> Iterator[Frame]:
        for frame in self.frames:
            self.taken += 1
            yield frame


def test_frames_that_come_as_they_happen_are_not_waited_for() -> None:
    scene = crossing(frames=5)
    frames = [Frame(image, number, number / 25) for number, image in enumerate(scene)]
    tracker, _, detector = on_device(scene)
    list(track_video(Camera(frames), tracker))
    assert detector.runs == [1] * 5


def note(seen: list[int], run: Any) -> None:
    """Which frames come before it fails."""
    for frame, _ in run:
        seen.append(frame.index)


def test_a_detector_that_fails_among_several_frames_fails_after_those_before_it() -> None:
    scene = crossing(frames=8)
    frames = [Frame(image, number, number / 25) for number, image in enumerate(scene)]
    tracker, _, detector = on_device(scene)
    answer = detector.answer

    def fail(image: np.ndarray) -> Detections:
        if scene.frame_of(image) == 6:
            raise RuntimeError("no memory left")
        return answer(image)

    detector.answer = fail  # type: ignore[assignment]
    seen: list[int] = []
    with pytest.raises(RuntimeError, match="no memory left"):
        note(seen, track_video(frames, tracker))
    assert seen == [0, 1, 2, 3, 4, 5]


def test_a_reader_that_fails_among_several_frames_fails_after_those_before_it() -> None:
    scene = crossing(frames=8)

    def frames() -> Iterator[Frame]:
        for number, image in enumerate(scene):
            if number == 6:
                raise OSError("the disk is gone")
            yield Frame(image, number, number / 25)

    tracker, _, _ = on_device(scene)
    seen: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"):
        note(seen, track_video(frames(), tracker, images_at_once=4))
    assert seen == [0, 1, 2, 3, 4, 5]


# ---- Graphs ----


class Recorder:
    """Stands for CUDA graphs: replays by running again, on the fixed input; it counts."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.replays = 0

    def __call__(self, work: Any, given: torch.Tensor, pool: Any) -> Any:
        self.shapes.append(tuple(given.shape))
        answer = work(given).clone()

        def repeat() -> None:
            self.replays += 1
            answer.copy_(work(given))

        return repeat, answer


def crops_on(capture: Any) -> DeviceCrops:
    return DeviceCrops(Tiles(), COCO_17, CPU, half=False, capture=capture)


def estimator_with(capture: Any, **more: Any) -> TopDown:
    estimate = TopDown(Tiles(), COCO_17, input_size=(48, 64), device="cpu", on_device=True, **more)
    estimate._on_device = crops_on(capture)
    return estimate


def boxes(count: int, seed: int = 0) -> Detections:
    corner = np.random.default_rng(seed).uniform(0, 100, (count, 2))
    return Detections(np.concatenate([corner, corner + 60], axis=1), np.ones(count))


@pytest.mark.parametrize("flip_test", [False, True])
def test_graphs_of_few_sizes_serve_every_number_of_people(flip_test: bool) -> None:
    recorder = Recorder()
    replayed = estimator_with(recorder, flip_test=flip_test, max_batch=16)
    plain = estimator_with(None, flip_test=flip_test, max_batch=16)
    image = picture()
    for count in (1, 2, 5, 7, 8, 20, 5, 7):
        ours, theirs = replayed(image, boxes(count, count)), plain(image, boxes(count, count))
        np.testing.assert_allclose(ours.xy, theirs.xy, atol=1e-4)
        np.testing.assert_allclose(ours.scores, theirs.scores, rtol=1e-5)
    several = [image, image], [boxes(3, 1), boxes(4, 2)]
    for ours, theirs in zip(
        replayed.estimate_all(*several), plain.estimate_all(*several), strict=True
    ):
        np.testing.assert_allclose(ours.xy, theirs.xy, atol=1e-4)
    counts = [shape[0] for shape in recorder.shapes]
    assert len(counts) == len(set(counts))
    assert set(counts) <= {*BATCH_SIZES, 16}
    assert recorder.replays >= 8


def test_answers_are_not_overwritten_by_the_next_replay() -> None:
    graphs = Graphs(Recorder())
    first = graphs.run("double", lambda batch: batch * 2, torch.ones(3))
    second = graphs.run("double", lambda batch: batch * 2, torch.full((3,), 5.0))
    assert (first.tolist(), second.tolist()) == ([2.0] * 3, [10.0] * 3)


def test_where_nothing_can_be_recorded_work_is_run_as_it_is_and_it_is_said_once() -> None:
    def refuse(work: Any, given: torch.Tensor, pool: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing")

    estimate = estimator_with(refuse)
    with pytest.warns(RuntimeWarning, match="not permitted when stream is capturing") as said:
        found = [estimate(picture(), boxes(3)) for _ in range(3)]
    assert len(said) == 1
    np.testing.assert_array_equal(found[0].xy, estimator_with(None)(picture(), boxes(3)).xy)


def test_a_recorded_estimator_can_be_copied_and_pickled() -> None:
    estimate = estimator_with(None)
    wanted = estimate(picture(), boxes(2)).xy
    for other in (copy.deepcopy(estimate), pickle.loads(pickle.dumps(estimate))):
        np.testing.assert_array_equal(other(picture(), boxes(2)).xy, wanted)


@given(count=st.integers(1, 200), most=st.integers(1, 64))
def test_a_choose_batch_size_holds_all_and_is_at_most_twice_as_much(count: int, most: int) -> None:
    count = min(count, most)
    size = choose_batch_size(count, most)
    assert count <= size <= max(most, count)
    assert size <= 2 * count or size == most


# ---- What comes back, and what is switched ----


class Watched(nn.Module):
    """A network that sees the shapes it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Tiles()

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        return self.inner(crops)


def test_only_keypoints_come_back_and_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[tuple[int, ...]] = []
    plain = torch.Tensor.cpu

    def count(tensor: torch.Tensor, *arguments: Any, **more: Any) -> torch.Tensor:
        fetched.append(tuple(tensor.shape))
        return plain(tensor, *arguments, **more)

    estimate = estimator_with(None, max_batch=4)
    monkeypatch.setattr(torch.Tensor, "cpu", count)
    estimate(picture(), boxes(10))
    assert fetched == [(10, 17, 3)]


@given(width=st.integers(1, 200), height=st.integers(1, 200), side=st.sampled_from([32, 64, 96]))
def test_the_light_detector_gets_the_same_input_on_a_device(
    width: int, height: int, side: int
) -> None:
    run: Any = with_torch(small_detector(), device="cpu")
    image = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3))
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    ours = run._fit(planes, side)[0].permute(1, 2, 0).numpy()
    theirs, _ = fit(image.astype(np.uint8), side)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("size", [(640, 360), (320, 180), (100, 41), (1280, 720), (1279, 719)])
def test_images_are_reduced_on_the_device_as_on_the_host(size: tuple[int, int]) -> None:
    image = picture(720, 1280)
    planes = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
    ours = shrink_on_device(planes, size)[0].permute(1, 2, 0).numpy()
    theirs = shrink(image, size).astype(np.float32)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 2  # a rounding in each step
    assert np.abs(ours - theirs).mean() < 0.25


def test_tf32_stays_off_until_the_last_thread_that_wants_it_off_is_done() -> None:
    conv: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = conv.fp32_precision
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with without_tf32():
            inside.set()
            leave.wait(60)

    with without_tf32():
        thread = threading.Thread(target=work)
        thread.start()
        assert inside.wait(60)
    assert conv.fp32_precision == "ieee"  # the other is still at work
    leave.set()
    thread.join(60)
    assert conv.fp32_precision == before
