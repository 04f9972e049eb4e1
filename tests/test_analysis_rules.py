"""Rules: events of made scenes at their true times, hysteresis, files and their mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from analysis_made import CAMERA, body, of_people, of_scene
from hypothesis import given
from hypothesis import strategies as st

from posetrack import analysis
from posetrack.analysis import Rule, find_events, read_rules
from posetrack.analysis.conditions import apply_hysteresis
from posetrack.analysis.rule_conditions import depth_inside
from posetrack.skeletons import COCO_17
from posetrack.trajectories import Trajectories
from posetrack.world import crossing, falling, motion, squats


def points_moving(x: np.ndarray, *, people: int = 1, rate: float = 25.0) -> Trajectories:
    """Standing stick figures whose middle goes along x (T,) or (T, N)."""
    xy = np.zeros((len(x), people, 17, 2))
    xy[..., 1] = [0, 0, 0, 0, 0, 40, 40, 60, 60, 80, 80, 100, 100, 150, 150, 200, 200]
    xy[..., 0] += np.asarray(x, float).reshape(len(x), -1)[:, :, None]
    ids, t = np.arange(1, people + 1), np.arange(len(x))
    return Trajectories(t, t / rate, ids, xy, np.ones(xy.shape[:-1]), COCO_17)


@pytest.mark.parametrize(("seed", "noise"), [(0, 0.0), (1, 2.0)])
def test_falls_are_found_when_they_happen_and_last(seed, noise) -> None:
    scene = falling(people=2, frames=100, seed=seed)
    rules = [Rule("fell", analysis.Fallen(), 0.3), Rule("lies", analysis.lying(), 0.3)]
    events = find_events(of_scene(scene, noise=noise), rules)
    for rule in ("fell", "lies"):
        mine = {event.person: event for event in events if event.rule == rule}
        assert len(mine) == sum(event.rule == rule for event in events) == 2
        for fall in scene.events:
            assert fall.start < mine[fall.person].start <= fall.end + 0.08
            assert mine[fall.person].end_frame == len(scene) - 1


def test_squatting_bending_sitting_and_walking_are_no_falls() -> None:
    who = body()
    doing = (motion.squats, motion.bending, motion.sitting_down)
    people = [(who, do(who, (2 * n - 2, 0), -1.2)) for n, do in enumerate(doing)]
    rules = [Rule("fell", analysis.Fallen()), Rule("lies", analysis.lying(), 0.1)]
    assert find_events(of_people(people, frames=120, noise=2), rules) == []
    assert find_events(of_scene(crossing(people=3, frames=120)), rules) == []


def test_who_lies_from_the_start_has_not_fallen() -> None:
    who = body()
    tr = of_people([(who, motion.lying(who, (0, 0), 0.5))], frames=50)
    rules = [Rule("fell", analysis.Fallen()), Rule("lies", analysis.lying())]
    assert [event.rule for event in find_events(tr, rules)] == ["lies"]


def test_hands_are_raised_between_the_true_times() -> None:
    who = body()
    down, up = motion.standing(who), motion.wave_arms(who, sides=("left",))
    tr = of_people([(who, lambda t: up(t) if 1.0 <= t < 2.5 else down(t))], frames=100, noise=1)
    one = Rule("asks", analysis.hands_raised(which="any"), min_duration=0.5)
    both = Rule("gives up", analysis.hands_raised(which="all"))
    (event,) = find_events(tr, [one, both])
    assert (event.rule, event.start_frame, event.end_frame) == ("asks", 25, 62)
    assert event.duration == pytest.approx(37 / 25)


def test_feet_cross_a_line_and_a_zone_when_they_are_there() -> None:
    who = body()
    walk = motion.walking(who, [(-2, 0), (6, 0)], speed=1.2)
    tr = of_people([(who, walk)], frames=80)
    ground = [[0, -1, 0], [0, 1, 0], [1, 1, 0], [1, -1, 0]]
    pixels, _ = CAMERA.project(np.array(ground, float))
    line = analysis.beyond(["feet"], pixels[:2], "right", which="all")
    zone = analysis.inside(["feet"], pixels + [[0, -15]] * 4, which="any")
    events = {event.rule: event for event in find_events(tr, [Rule("l", line), Rule("z", zone)])}
    x = np.array([walk(t).root[0] for t in tr.seconds])
    crossed = tr.seconds[np.argmax(x > 0)]
    left = tr.seconds[np.argmax(x > 1)]
    assert events["l"].start == pytest.approx(crossed, abs=0.4)  # a step is 0.6 s
    assert events["l"].end_frame == 79
    assert events["z"].start == pytest.approx(crossed, abs=0.4)
    assert events["z"].end == pytest.approx(left, abs=0.4)


def test_a_hand_near_somebody_elses_leg_names_both() -> None:
    x = np.concatenate([np.full(20, 300.0), np.full(20, 120.0), np.full(20, 300.0)])
    tr = points_moving(np.stack([np.full(60, 100.0), x], axis=1), people=2)
    xy = tr.xy.copy()
    xy[:, 1, 9, 1] = 125  # the second's left hand at the height of the thigh, between keypoints
    tr = Trajectories(tr.frame, tr.seconds, tr.ids, xy, tr.scores, COCO_17)
    near = analysis.near(["left_wrist"], ["legs"], closer_than=0.1)
    (event,) = find_events(tr, [Rule("touches", near)])
    assert (event.person, event.other) == (2, 1)
    assert (event.start_frame, event.end_frame) == (20, 39)
    assert event.peak == pytest.approx(20 / analysis.body_height(tr)[0].mean(), rel=1e-3)


def test_an_angle_below_and_a_fast_hand() -> None:
    scene = squats(people=1, frames=150, seed=1)
    tr = of_scene(scene)
    down = Rule("down", analysis.angle_is("hip_height", below=0.75, leave=0.85))
    events = find_events(tr, [down])
    assert len(events) == sum(event.start + 1.2 < 6 for event in scene.events)
    still = points_moving(np.full(50, 9.0))
    quick = points_moving(np.concatenate([np.full(25, 9.0), 9 + 8 * np.arange(25.0)]))
    hurry = Rule("hurry", analysis.faster(["hands"], 0.3))
    assert find_events(still, [hurry]) == []
    (event,) = find_events(quick, [hurry])
    assert event.start_frame == pytest.approx(25, abs=3)


def test_all_and_any_of_conditions() -> None:
    tr = points_moving(np.arange(60.0))
    past = [analysis.beyond(["nose"], [[x, 0], [x, 1]], "right") for x in (20, 40)]
    before = analysis.beyond(["nose"], [[30, 0], [30, 1]], "left")
    found = {
        event.rule: (event.start_frame, event.end_frame)
        for event in find_events(
            tr,
            [
                Rule("both", analysis.AllOf([past[0], before])),
                Rule("one", analysis.AnyOf(past)),
            ],
        )
    }
    assert found["both"][0] == 20
    assert found["both"][1] == pytest.approx(35, abs=1)  # to 0.02 body heights beyond the line
    assert found["one"] == (20, 59)


def test_jitter_within_the_two_levels_gives_one_event() -> None:
    rng = np.random.default_rng(0)
    tr = points_moving(100 + 30 * (np.arange(200) > 100) + rng.normal(0, 2, 200))
    line = [[130, 0], [130, 1]]
    firm = Rule("firm", analysis.beyond(["nose"], line, "right", leave=-0.06), max_gap=0.0)
    loose = Rule("loose", analysis.beyond(["nose"], line, "right", leave=0.0), max_gap=0.0)
    events = find_events(tr, [firm, loose])
    assert sum(event.rule == "firm" for event in events) == 1
    assert sum(event.rule == "loose" for event in events) > 10


def test_short_gaps_are_closed_before_short_events_are_left_out() -> None:
    inside = np.zeros(100, bool)
    inside[10:20] = inside[24:40] = inside[70:73] = True
    tr = points_moving(np.where(inside, 90.0, 0.0))
    rule = Rule("in", analysis.beyond(["nose"], [[50, 0], [50, 1]], "right"), 0.5, 0.25)
    assert [(e.start_frame, e.end_frame) for e in find_events(tr, [rule])] == [(10, 39)]


def test_who_is_not_seen_goes_on_for_the_gap_and_no_longer() -> None:
    values = np.array([0.0, 1, *[np.nan] * 10, 0.6, 0])
    on = apply_hysteresis(values, np.arange(14) / 10, 1.0, 0.5, 0.3)
    assert np.flatnonzero(on).tolist() == [1, 2, 3, 4]


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=60))
def test_switching_is_what_a_plain_loop_does(values) -> None:
    state, expected = False, []
    for value in values:
        state = value >= 1 or (state and value >= -1)
        expected.append(state)
    found = apply_hysteresis(np.array(values), np.arange(len(values)) / 10, 1.0, -1.0, 0.5)
    assert found.tolist() == expected


@given(st.floats(0, 10), st.floats(0, 10))
def test_depth_in_a_concave_zone_has_the_right_sign(x, y) -> None:
    notched = np.array([[0, 0], [10, 0], [10, 10], [5, 5], [0, 10]], float)
    depth = depth_inside(np.array([x, y]), notched)
    assert (depth >= -1e-9) == (y <= max(x, 10 - x) + 1e-9) or abs(depth) < 1e-6


GOOD = """
[[rule]]
name = "feet on the seats"
when = "inside"
keypoints = ["feet"]
zone = [[0, 180], [400, 180], [400, 220], [0, 220]]
min_duration = 0.5
max_gap = 0.2

[[rule]]
name = "crouches with hands up"
all = [{when = "angle", angle = "knee", below = 100}, {any = [{when = "hands_raised"}]}]

[[rule]]
name = "touch"
when = "near"
keypoints = ["hands"]
of_other = ["legs"]

[[rule]]
name = "rest"
any = [{when = "lying"}, {when = "fallen", within = 1.5},
       {when = "beyond", keypoints = ["nose"], line = [[0, 0], [9, 1]], side = "below"},
       {when = "faster", keypoints = ["hands"], than = 2}]
"""


def test_rules_from_a_file_do_what_they_say(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(GOOD)
    rules = read_rules(path)
    assert [rule.name for rule in rules][:2] == ["feet on the seats", "crouches with hands up"]
    assert (rules[0].min_duration, rules[0].max_gap) == (0.5, 0.2)
    events = find_events(points_moving(np.linspace(-50, 500, 100)), rules[:1])
    assert [(e.rule, e.start_frame) for e in events] == [("feet on the seats", 9)]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('when = "inside"', 'when = "within"', r"rule 1 \('feet on the seats'\): 'when' must be"),
        ("zone = [[0, 180], [400, 180], [400, 220], [0, 220]]", "zone = [[0, 1], [2, 3]]",
         r"rule 1 .*'zone' must be a list of at least 3 points"),
        ("max_gap = 0.2", "max_gap = -1", r"rule 1 .*'max_gap' must be seconds"),
        ("max_gap = 0.2", "gap = 1", r"rule 1 .*unknown key 'gap'; inside takes keypoints, zone"),
        ('of_other = ["legs"]', "", r"rule 3 \('touch'\): near needs 'of_other'"),
        ("below = 100", "below = true", r"rule 2 .*all 1: 'below' must be a number, got True"),
        ("below = 100", "below = nan", r"rule 2 .*all 1: 'below' must be a number"),
        ("below = 100", "below = 100, above = 3", r"rule 2 .*exactly one of above and below"),
        ('"beyond"', "3", r"rule 4 .*any 3: 'when' must be one of"),
        ('side = "below"', 'side = "under"', r"rule 4 .*'side' must be one of left"),
        ("[[0, 0], [9, 1]]", "[[0, 0], [0, 1]]", r"rule 4 .*has no side 'below'"),
        ("any = [{when = \"hands_raised\"}]", "any = []", r"rule 2 .*'any' must be a list"),
        ('name = "touch"', "", r"rule 3: 'name' must be a text"),
        ('name = "touch"', 'name = "rest"', "different names; twice"),
        ("[[rule]]", "[[rules]]", r"expected tables \[\[rule\]\]"),
        ("[[rule]]", "[[rule", "not a TOML file"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_file_rule_and_key(tmp_path: Path, before, after, message) -> None:
    path = tmp_path / "rules.toml"
    assert before in GOOD
    path.write_text(GOOD.replace(before, after))
    with pytest.raises(ValueError, match=rf"rules\.toml: {message}|rules\.toml: .*{message}"):
        read_rules(path)


def test_a_rule_of_a_keypoint_that_is_not_there_is_told_by_name() -> None:
    rule = Rule("tail up", analysis.beyond(["tail"], [[0, 0], [1, 0]], "above"))
    with pytest.raises(
        ValueError, match=r"rule 'tail up': coco_17 has no keypoint or group 'tail'"
    ):
        find_events(points_moving(np.zeros(3)), [rule])


@pytest.mark.parametrize(
    ("name", "near"), [("feets", "feet"), ("left_wirst", "left_wrist"), ("hand", "hands")]
)
@pytest.mark.parametrize("kind", ["inside", "faster"])
def test_a_misspelt_keypoint_or_group_is_refused_with_what_comes_near(
    kind: str, name: str, near: str
) -> None:
    when = {
        "inside": lambda: analysis.inside([name], [(0, 0), (9, 0), (9, 9)]),
        "faster": lambda: analysis.faster([name], 1.0),
    }[kind]()
    with pytest.raises(ValueError, match=f"did you mean '{near}'"):
        find_events(points_moving(np.arange(9.0)), [Rule("r", when)])
