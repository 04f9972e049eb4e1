"""Stages are counted once each, measuring changes nothing, and the command writes what it found."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_torch_topdown import Tiles

from posetrack import COCO_17, Tracker
from posetrack.cli import main
from posetrack.estimators.top_down import TopDown
from posetrack.runs.bench import Bench, Clip, Variant, load_clips, run_bench, table_of
from posetrack.runtimes.torch import run_with_torch
from posetrack.testing import Scene, SceneDetector, SceneEstimator, crossing
from posetrack.tracking.stages import StageClock, measure_stages, summarise
from posetrack.video import Frame


class Ticking(StageClock):
    """A clock that a test moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.time_now = 0.0

    def now(self) -> float:
        return self.time_now


def test_what_is_inside_another_stage_counts_there_only() -> None:
    clock = Ticking()
    with clock.stage("association"):
        clock.time_now += 1
        with clock.stage("crops"):
            clock.time_now += 2
            with clock.stage("network"):
                clock.time_now += 4
            clock.time_now += 8
        clock.time_now += 16
    clock.next_frame()
    assert clock.rows == [{"network": 4.0, "crops": 10.0, "association": 17.0}]


def test_a_stage_that_fails_is_counted_and_the_next_is_right() -> None:
    clock = Ticking()

    def fail() -> None:
        clock.time_now += 3
        raise RuntimeError

    with pytest.raises(RuntimeError):
        clock.time("network", fail)()
    with clock.stage("flow"):
        clock.time_now += 1
    clock.next_frame()
    assert clock.rows == [{"network": 3.0, "flow": 1.0}]


def test_a_frame_without_a_stage_took_no_time_in_it() -> None:
    found = summarise([{"detector": 0.004, "flow": 0.001}, {"flow": 0.001}, {"flow": 0.001}])
    assert list(found) == ["detector", "flow"]
    assert found["detector"]["median_ms"] == 0
    assert found["detector"]["share"] == pytest.approx(4 / 7)


def clip_of(scene: Scene) -> Clip:
    frames = [Frame(image, number, number / 25) for number, image in enumerate(scene)]
    return Clip("crossing", frames, [0.001] * len(frames))


def tracker_for(scene: Scene) -> Tracker:
    estimate = TopDown(Tiles(), COCO_17, input_size=(48, 64), runtime=run_with_torch, device="cpu")
    return Tracker(SceneDetector(scene), estimate, min_pose_score=0.0, min_new_score=0.0)


@pytest.mark.parametrize("fakes", [True, False])
def test_a_measured_tracker_gives_what_the_other_gives(fakes: bool) -> None:
    scene = crossing(frames=5)
    tracker = tracker_for(scene)
    if fakes:
        tracker = Tracker(SceneDetector(scene), SceneEstimator(scene))
    wanted = [tracker.update(image) for image in scene]
    clock = StageClock()
    measured = measure_stages(tracker, clock)
    assert tracker.frame == 5
    found = [measured.update(image) for image in scene]
    clock.next_frame()
    assert tracker.frame == 5
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours.xy, theirs.xy)
        assert ours.ids.tolist() == theirs.ids.tolist()
    stages = {"upload", "detector", "network", "flow", "association"}
    assert set(clock.rows[0]) == (stages if fakes else stages | {"crops", "keypoints"})


def test_two_variants_are_compared_on_the_same_boxes() -> None:
    scene = crossing(frames=4)

    def build(variant: Variant) -> Tracker:
        tracker = tracker_for(scene)
        if variant.runtime == "torch":
            plain = tracker.estimator

            def shifted(image: np.ndarray, boxes: object) -> object:
                found = plain(image, boxes)  # type: ignore[operator, misc]
                return type(found)(
                    found.xy + np.array([3, 4]), found.scores, found.boxes, found.skeleton
                )

            shifted.skeleton = COCO_17  # type: ignore[attr-defined]
            tracker.estimator = shifted  # type: ignore[assignment]
        return tracker

    clips, seen = [clip_of(scene)], []  # type: ignore[var-annotated]
    benches = [
        run_bench(Variant(name), build, clips, repeat=2, seen=seen) for name in ("usual", "torch")
    ]
    assert [bench.problem for bench in benches] == ["", ""]
    assert benches[0].differences == {}
    assert benches[1].differences["median"] == pytest.approx(5, abs=0.01)
    assert (benches[0].frames, benches[0].people) == (8, 16)
    assert benches[0].peak_bytes[0] > 10**7
    shown = table_of(benches)
    assert "| keypoints differ by, px: median, p99 | - | 5.00, 5.00 |" in shown
    for stage in ("decode", "detector", "network", "flow", "association", "drawing", "writing"):
        assert f"| {stage} |" in shown


def test_a_variant_that_cannot_be_built_is_left_out_with_the_reason() -> None:
    def refuse(variant: Variant) -> Tracker:
        raise ValueError("half precision is torch's here")

    bench = run_bench(Variant("openvino", "half"), refuse, [clip_of(crossing(frames=2))])
    assert bench.problem == "half precision is torch's here"
    assert "openvino" not in table_of([bench, Bench("usual float32")])


def test_half_precision_goes_with_torch_only() -> None:
    assert Variant("torch", "half").settings() == {"half": True, "on_device": True}
    with pytest.raises(ValueError, match="half precision is torch's here, not openvino's"):
        Variant("openvino", "half").settings()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "walk"
    images.mkdir()
    for number, image in enumerate(crossing(frames=3)):
        cv2.imwrite(str(images / f"{number}.png"), image)
    return images


def test_frames_that_take_too_much_memory_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posetrack.runs.bench.LARGEST_BYTES", 300_000)
    with pytest.raises(ValueError, match="take fewer with --stop"):
        load_clips([str(folder)])
    assert len(load_clips([str(folder)], stop=1)[0].frames) == 1


def test_the_command_prints_a_table_and_writes_json(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bench.json"
    words = ["bench", str(folder), "--detector", "bundled", "--estimator", "bundled"]
    assert main([*words, "--repeat", "1", "--stop", "2", "--json", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("| ms: median, p95, share | usual float32 |")
    assert shown.err == ""
    found = json.loads(path.read_text())
    assert (found["videos"], found["frames"], found["repeat"]) == (["walk"], 2, 1)
    (result,) = found["results"]
    assert result["variant"] == "usual float32"
    assert {"decode", "detector", "flow", "association", "drawing"} <= set(result["stages"])
    assert result["stages"]["drawing"]["share"] is None
    assert result["frames_per_second"] > 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--repeat", "0"], "--repeat must be at least 1, got 0"),
        (["--runtimes", "torhc"], "(did you mean 'torch'?)"),
        (["--precisions", ","], "--precisions: expected a list of float32, half"),
    ],
)
def test_wrong_use_ends_in_one_line(
    folder: Path, words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", str(folder), *words]) == 1
    said = capsys.readouterr().err
    assert line in said
    assert len(said.splitlines()) == 1
