"""The ablation: what it measures is right, and the tracker's steps help where they should."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posetrack import Detections, Poses, Tracks
from posetrack.cli import main
from posetrack.tracking.association import box_similarity
from posetrack.world import crossing
from posetrack.world.ablation import (
    STEPS,
    WORLDS,
    Block,
    ExactFlow,
    OwnMotionFlow,
    RecordedScene,
    Row,
    Setting,
    StandingFlow,
    World,
    run_ablation,
)
from posetrack.world.ablation.findings import change, csv_text, markdown, summarise
from posetrack.world.ablation.running import run_setting
from posetrack.world.ablation.scores import MEASURES, keypoint_ap, measure, recall_after_misses
from posetrack.world.ablation.settings import with_tracker
from posetrack.world.scoring import frame_similarities

SIZE = (240, 135)
NO_GAPS = (("gaps", 0.0), ("miss", 0.0))

Recorded = Callable[..., RecordedScene]


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    kept: dict[tuple[str, int, int], RecordedScene] = {}

    def record(name: str, *, seed: int, frames: int) -> RecordedScene:
        key = (name, seed, frames)
        if key not in kept:
            world = next(world for world in WORLDS if world.name == name)
            kept[key] = world.shorten(frames=frames).record(seed, SIZE)
        return kept[key]

    return record


@pytest.fixture(scope="session")
def pair() -> RecordedScene:
    return RecordedScene(crossing(people=2, frames=4, seed=2, size=(160, 90)))


def mean(scenes: list[RecordedScene], setting: Setting, name: str) -> float:
    """Of a measure over scenes; the scene's seed is that of the faults."""
    return float(np.mean([run_setting(setting, s, seed=s.scene.seed)[name] for s in scenes]))


# What the paper says of its steps.


def test_flow_boxes_find_people_whom_the_detector_misses(recorded: Recorded) -> None:
    scenes = [recorded("detector_gaps", seed=0, frames=25)]
    with_boxes, without = Setting("with"), with_tracker("without", flow_boxes=False)
    assert mean(scenes, without, "missed") < 5
    assert mean(scenes, with_boxes, "missed") > 70
    assert mean(scenes, with_boxes, "recall") > mean(scenes, without, "recall") + 10
    assert mean(scenes, with_boxes, "MOTA") > mean(scenes, without, "MOTA") + 10


def test_flow_similarity_beats_boxes_and_plain_poses_under_fast_motion(recorded: Recorded) -> None:
    scenes = [recorded("fast_halved", seed=seed, frames=25) for seed in (0, 1)]
    still = {"flow_similarity": False, "memory": 1}
    boxes = Setting("boxes", (("similarity", box_similarity), *still.items()), faults=NO_GAPS)
    poses = Setting("poses", tuple(still.items()), faults=NO_GAPS)
    flow = Setting("flow", (("memory", 1),), faults=NO_GAPS)
    score = mean(scenes, flow, "IDF1")
    assert score > mean(scenes, boxes, "IDF1") + 3
    assert score > mean(scenes, poses, "IDF1") + 3
    exact = Setting("exact", (("memory", 1),), flow=ExactFlow, faults=NO_GAPS)
    assert mean(scenes, exact, "IDF1") > score


def test_several_frames_beat_one_across_occlusions(recorded: Recorded) -> None:
    # The detector misses nobody who can be seen: whoever is gone is hidden. Frames are the paper's
    # last ones; spread over a second even the newest alone reaches across.
    scenes = [recorded("crossing", seed=seed, frames=40) for seed in (0, 1)]
    for boxes in (True, False):
        one, several = (
            Setting(
                "", (("flow_boxes", boxes), ("memory", memory), ("spread", 0.0)), faults=NO_GAPS
            )
            for memory in (1, 10)
        )
        assert mean(scenes, several, "IDF1") > mean(scenes, one, "IDF1") + 3
        assert mean(scenes, several, "switches") < mean(scenes, one, "switches")


# Flows that know the truth.


def test_the_exact_flow_moves_only_from_a_frame_to_the_next(pair: RecordedScene) -> None:
    flow = ExactFlow(pair)
    with pytest.raises(ValueError, match="leads from frame 0 to the next, not 2"):
        flow.move(flow.prepare(pair.images[0]), flow.prepare(pair.images[2]), [[1, 1]])


def test_the_exact_flow_loses_points_outside_the_picture(pair: RecordedScene) -> None:
    moved, valid = ExactFlow(pair).move(0, 1, [[-3.0, 5.0], [np.nan, 1.0], [159.4, 89.4]])
    assert np.isnan(moved[:2]).all()
    assert valid.tolist()[:2] == [False, False]
    assert np.isfinite(moved[2]).all()


def test_the_flow_of_people_moves_keypoints_exactly_even_hidden_ones(pair: RecordedScene) -> None:
    before, after = pair.truths[1], pair.truths[2]
    flow = OwnMotionFlow(pair)
    for person in range(2):
        moved, _ = flow.move(1, 2, before.xy[person])
        np.testing.assert_allclose(moved, after.xy[person], atol=1e-3)


def test_the_flow_of_people_leaves_what_is_nobody_to_the_pixels(pair: RecordedScene) -> None:
    corner = [[2.0, 2.0]]
    moved, _ = OwnMotionFlow(pair).move(0, 1, corner)
    np.testing.assert_array_equal(moved, ExactFlow(pair).move(0, 1, corner)[0])


def test_nothing_moves_by_a_standing_flow() -> None:
    moved, valid = StandingFlow().move(None, None, [[3.0, 4.0], [np.nan, 2.0]])
    assert moved[0].tolist() == [3, 4]
    assert valid.tolist() == [True, False]


# Measures.


def everybody(scene: RecordedScene) -> list[Tracks]:
    return [Tracks(truth.poses(0.1), truth.ids[truth.visible_rows(0.1)]) for truth in scene.truths]


def test_the_truth_scores_full_marks(pair: RecordedScene) -> None:
    scores = measure(pair.truths, everybody(pair), [None] * len(pair))
    full = dict.fromkeys(("mAP", "MOTA", "IDF1", "HOTA", "recall", "missed"), 100.0)
    assert {name: round(scores[name], 6) for name in full} == full
    assert scores["switches"] == 0


def test_recall_of_missed_counts_whom_no_box_covers(pair: RecordedScene) -> None:
    tracks = everybody(pair)
    first = [Tracks(people.poses[[0]], people.ids[[0]]) for people in tracks]
    pairs = frame_similarities(pair.truths, first)
    boxes = [
        Detections(truth.clipped_boxes[[1]], np.ones(1)) for truth in pair.truths
    ]  # the second is detected, the first is missed and found
    assert recall_after_misses(pair.truths, boxes, pairs) == 100.0
    nobody = [None] * len(pair)
    assert recall_after_misses(pair.truths, nobody, pairs) == 50.0
    all_found = [Detections(truth.clipped_boxes, np.ones(2)) for truth in pair.truths]
    assert np.isnan(recall_after_misses(pair.truths, all_found, pairs))


def test_precision_falls_with_keypoints_that_are_off(pair: RecordedScene) -> None:
    tracks = everybody(pair)
    shifted = []
    for people in tracks:
        xy = people.xy.copy()
        xy[:, 9] += 40  # the left wrist, more than half a head away
        poses = Poses(xy, people.poses.scores, people.boxes, people.skeleton)
        shifted.append(Tracks(poses, people.ids))
    pairs = frame_similarities(pair.truths, shifted)
    assert keypoint_ap(pair.truths, shifted, pairs) == pytest.approx(100 * 16 / 17, abs=0.1)


def test_empty_tracks_score_nothing_and_do_not_fail(pair: RecordedScene) -> None:
    nobody = [Tracks(people.poses[[]], people.ids[[]]) for people in everybody(pair)]
    scores = measure(pair.truths, nobody, [None] * len(pair))
    assert (scores["mAP"], scores["recall"], scores["missed"]) == (0, 0, 0)


# Running and reporting.


class CountedWorld:
    """How often a scene is made."""

    def __init__(self) -> None:
        self.seeds: list[int] = []

    def __call__(self, *, seed: int, size: tuple[int, int]) -> object:
        self.seeds.append(seed)
        return crossing(people=2, frames=4, seed=seed, size=size)


def test_each_scene_is_rendered_once_and_equal_settings_run_once() -> None:
    counted = CountedWorld()
    made = []

    def flow(scene: RecordedScene) -> StandingFlow:
        made.append(scene)
        return StandingFlow()

    one, same = Setting("one", flow=flow), Setting("same", flow=flow)
    other = Setting("other", (("memory", 1),), flow=flow)
    blocks = [Block("a", "A", (one, other)), Block("b", "B", (same,))]
    world = World("tiny", counted)  # type: ignore[arg-type]
    told: list[str] = []
    rows = run_ablation(blocks, [world], seeds=[3, 4], size=(96, 54), report=told.append)
    assert counted.seeds == [3, 4]
    assert len(made) == 4
    assert told == ["tiny, seed 3", "tiny, seed 4"]
    assert [(row.block, row.setting) for row in rows[:3]] == [
        ("a", "one"),
        ("a", "other"),
        ("b", "same"),
    ]
    assert rows[0].scores == rows[2].scores
    assert set(rows[0].scores) == set(MEASURES)


def test_settings_with_networks_are_left_out_without_and_run_with_them() -> None:
    tiny = World("tiny", crossing, {"people": 2, "frames": 4})
    blocks = [Block("networks", "N", (Setting("fakes"), Setting("real", networks=True)))]
    without = run_ablation(blocks, [tiny], seeds=[0], size=(96, 54))
    assert [row.setting for row in without] == ["fakes"]
    scene = tiny.record(0, (96, 54))
    with pytest.raises(ValueError, match="expected the networks"):
        run_setting(blocks[0].settings[1], scene)

    def blind(image: np.ndarray) -> Detections:
        return Detections.empty()

    class Unasked:
        skeleton = scene.skeleton

        def __call__(self, image: np.ndarray, boxes: Detections) -> Poses:
            return Poses.empty(self.skeleton)

    given = run_ablation(blocks, [tiny], seeds=[0], size=(96, 54), networks=(blind, Unasked()))
    assert given[1].scores["recall"] == 0


def test_blocks_look_only_where_they_say() -> None:
    tiny = World("tiny", crossing, {"people": 1, "frames": 3})
    blocks = [Block("elsewhere", "E", (Setting("x"),), ("other",))]
    assert run_ablation(blocks, [tiny], seeds=[0], size=(64, 36)) == []


def test_spread_is_between_seeds_of_means_over_scenes() -> None:
    values = {("a", 0): 10.0, ("b", 0): 30.0, ("a", 1): 20.0, ("b", 1): 40.0}
    rows = [Row("x", "s", world, seed, {"MOTA": v}) for (world, seed), v in values.items()]
    summary = summarise(rows)["s"]["MOTA"]
    assert summary.mean == 25.0
    assert summary.spread == pytest.approx(np.std([20, 30], ddof=1))


def test_what_is_not_known_is_left_out_of_means_and_drawn_as_a_dash() -> None:
    scores = dict.fromkeys(MEASURES, 1.0)
    rows = [
        Row("steps", "s", "w", seed, {**scores, "missed": value})
        for seed, value in enumerate((float("nan"), 8.0))
    ]
    assert summarise(rows)["s"]["missed"].mean == 8.0
    text = markdown(rows[:1], [Block("steps", "Steps", (Setting("s"),))])
    assert "| 1.0 | - | 1.0 |" in text


def test_a_change_compares_the_same_scenes() -> None:
    rows = [
        Row("b", setting, world, 0, {"MOTA": value})
        for setting, world, value in (
            ("x", "a", 10),
            ("x", "b", 90),
            ("y", "a", 12),
            ("y", "b", 89),
        )
    ]
    step = change(rows, "x", "y", "MOTA")
    assert (step.mean, step.better, step.worse) == (0.5, 1, 1)


def test_the_csv_has_a_line_for_each_run() -> None:
    rows = [Row("b", "s, t", "w", 7, dict.fromkeys(MEASURES, 1.25))]
    (line,) = csv.DictReader(csv_text(rows).splitlines())
    assert (line["setting"], line["seed"], line["mAP"]) == ("s, t", "7", "1.250")


def test_names_of_settings_differ_within_a_block() -> None:
    from posetrack.world.ablation import BLOCKS, NETWORK_STEPS

    known = {world.name for world in WORLDS}
    for block in (*BLOCKS, NETWORK_STEPS):
        names = [setting.name for setting in block.settings]
        assert len(set(names)) == len(names)
        assert set(block.worlds or ()) <= known


def test_the_command_writes_table_text_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra posetrack[eval]")
    out = tmp_path / "out"
    arguments = ["ablation", "--quick", "--scenes", "crossing", "--blocks", STEPS.name, "matching"]
    assert main([*arguments, "--frames", "4", "--size", "96x54", "-o", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {"ablation.csv", "ablation.md", "ablation.png"}
    assert STEPS.title in (out / "ablation.md").read_text(encoding="utf-8")
    assert "ablation.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenes", "moon"], "no scene 'moon'; there are crossing"),
        (["--blocks", "luck"], "no block 'luck'; there are steps"),
        (["--seeds", "0"], "--seeds must be at least 1"),
        (
            ["--scenes", "crowd", "--blocks", "misses", "--frames", "2", "--seeds", "1"],
            "nothing was",
        ),
    ],
)
def test_the_command_refuses_what_makes_no_sense(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablation", "-o", str(tmp_path / "out"), *arguments]) == 1
    assert said in capsys.readouterr().err
