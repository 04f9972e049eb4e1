"""How the people of the synthetic world move."""

from collections.abc import Callable

import numpy as np
import pytest

from posetrack.skeletons import HALPE_26
from posetrack.world.motion import (
    Gait,
    Manner,
    Motion,
    bending,
    falling,
    gesturing,
    jumping_jacks,
    lying,
    push_ups,
    random_manner,
    running,
    sitting_down,
    squats,
    standing,
    walking,
    wave_arms,
)
from posetrack.world.motion.legs import Sole, ankle_of, two_links
from posetrack.world.people.body import Body, random_body
from posetrack.world.people.rig import JOINT, LIMITS, PARENTS, angles_from

STRAIGHT = [(0.0, 0.0), (20.0, 0.0)]
CORNER = [(0.0, 0.0), (3.0, 0.0), (3.0, 3.0)]

MOTIONS: dict[str, Callable[[Body], Motion]] = {
    "walking": lambda body: walking(body, STRAIGHT),
    "strolling": lambda body: walking(body, STRAIGHT, speed=0.6),
    "round a corner": lambda body: walking(body, CORNER),
    "in a circle": lambda body: walking(
        body, lambda t: (2 * np.cos(0.5 * t), 2 * np.sin(0.5 * t)), speed=1.0
    ),
    "running": lambda body: running(body, STRAIGHT),
    "standing": standing,
    "gesturing": gesturing,
    "arms raised": wave_arms,
    "bending": bending,
    "squats": squats,
    "jumping jacks": jumping_jacks,
    "sitting down": sitting_down,
    "falling": falling,
    "falling back": lambda body: falling(body, forward=False),
    "lying": lying,
    "push-ups": push_ups,
}


@pytest.fixture(scope="session")
def bodies() -> list[Body]:
    """An adult and a child."""
    return [random_body(np.random.default_rng(1), child=child) for child in (False, True)]


def track(body: Body, motion: Motion, seconds: np.ndarray) -> np.ndarray:
    """(T, K, 3) Halpe's keypoints over time."""
    return np.array([body.keypoints(motion(t), HALPE_26) for t in seconds])


@pytest.mark.parametrize("name", MOTIONS)
def test_bones_keep_their_lengths_and_joints_their_limits(name: str, bodies: list[Body]) -> None:
    for body in bodies:
        motion = MOTIONS[name](body)
        for t in np.arange(0, 4, 0.17):
            pose = motion(t)
            _, places = body.rig.locate(pose)
            bones = np.linalg.norm(places[1:] - places[list(PARENTS[1:])], axis=1)
            np.testing.assert_allclose(bones, np.linalg.norm(body.rig.offsets[1:], axis=1))
            angles = angles_from(pose.rotations)[1:]
            over = np.maximum(LIMITS[1:, :, 0] - angles, angles - LIMITS[1:, :, 1])
            assert over.max() < np.deg2rad(3)


@pytest.mark.parametrize("name", MOTIONS)
def test_nobody_sinks_into_the_ground_or_floats(name: str, bodies: list[Body]) -> None:
    airborne = name in ("running", "jumping jacks")
    for body in bodies:
        lowest = [
            body.apply_pose(motion(t))[:, 2].min()
            for motion in [MOTIONS[name](body)]
            for t in np.arange(0, 4, 0.23)
        ]
        assert min(lowest) > -0.03
        assert max(lowest) < (0.2 if airborne else 0.03)


@pytest.mark.parametrize("name", [name for name in MOTIONS if not name.startswith("falling")])
def test_nothing_jumps(name: str, bodies: list[Body]) -> None:
    step = 1 / 240
    xyz = track(bodies[0], MOTIONS[name](bodies[0]), np.arange(1, 2.5, step))
    assert np.linalg.norm(np.diff(xyz, axis=0), axis=-1).max() / step < 13


@pytest.mark.parametrize("gait", [walking, running])
@pytest.mark.parametrize("speed", [0.7, 1.4, 2.0])
def test_a_foot_on_the_ground_stays_where_it_is(
    gait: Callable[..., Gait], speed: float, bodies: list[Body]
) -> None:
    for body in bodies:
        motion = gait(body, STRAIGHT, speed=speed * (2 if gait is running else 1))
        step = motion.period / 120
        places = np.array([body.rig.locate(motion(2 + i * step))[1] for i in range(240)])
        for side in ("left", "right"):
            ball = places[:, JOINT[f"{side}_toe"]]
            own = (2 + np.arange(240) * step) / motion.period + (0.0 if side == "left" else 0.5)
            # After the heel has come down and before the toes leave.
            held = (own % 1 > 0.16 * motion.duty) & (own % 1 < motion.duty * 0.98)
            slid = np.linalg.norm(np.diff(ball, axis=0), axis=1)[held[1:] & held[:-1]]
            assert held.sum() > 50
            assert slid.max() / step < 0.03
            swung = np.linalg.norm(np.diff(ball, axis=0), axis=1)[~held[1:] & ~held[:-1]]
            assert swung.max() / step > 1.5 * motion.speed


def test_a_walk_goes_along_its_path_at_its_speed_and_stops_at_the_end(bodies: list[Body]) -> None:
    walk = walking(bodies[0], CORNER, speed=1.2)
    for t, place in ((0.0, (0, 0)), (2.0, (2.4, 0)), (4.0, (3.0, 1.8)), (9.0, (3, 3))):
        np.testing.assert_allclose(walk(t).root[:2], place, atol=0.05)
    assert walk(1.0).heading == pytest.approx(0, abs=0.01)
    assert walk(4.5).heading == pytest.approx(np.pi / 2, abs=0.05)
    still = track(bodies[0], walk, np.arange(9, 11, 0.1))
    assert np.ptp(still, axis=0).max() < 0.05


def test_arms_swing_against_the_legs(bodies: list[Body]) -> None:
    walk = walking(bodies[0], STRAIGHT, manner=Manner())
    seconds = 2 + np.linspace(0, 2 * walk.period, 80)
    xyz = track(bodies[0], walk, seconds)
    roots = np.array([walk(t).root for t in seconds])
    for side, other in (("left", "right"), ("right", "left")):
        ankle = xyz[:, HALPE_26.index(f"{side}_ankle"), 0] - roots[:, 0]
        wrist = xyz[:, HALPE_26.index(f"{other}_wrist"), 0] - roots[:, 0]
        assert np.corrcoef(ankle, wrist)[0, 1] > 0.7


def test_people_walk_each_in_their_own_way_and_always_the_same(bodies: list[Body]) -> None:
    first, again, other = (walking(body, STRAIGHT) for body in (bodies[0], *bodies))
    assert first.manner == again.manner != other.manner
    rng = np.random.default_rng(0)
    manners = [random_manner(rng) for _ in range(60)]
    holding = [manner for manner in manners if manner.held]
    assert 8 < len(holding) < 35
    for manner in holding[:10]:
        walk = walking(bodies[0], STRAIGHT, manner=manner)
        angles = [angles_from(walk(t).rotations)[1:] for t in (2.0, 2.3, 2.6)]
        assert all((a < LIMITS[1:, :, 1] + 0.05).all() for a in angles)
        assert all((a > LIMITS[1:, :, 0] - 0.05).all() for a in angles)


def test_faster_walks_take_longer_and_quicker_steps(bodies: list[Body]) -> None:
    slow, fast = (walking(bodies[0], STRAIGHT, speed=speed) for speed in (0.8, 1.6))
    assert fast.period < slow.period
    assert fast.step > slow.step
    child = walking(bodies[1], STRAIGHT, speed=0.8)
    assert child.step < slow.step


def test_runners_fly_and_walkers_do_not(bodies: list[Body]) -> None:
    body = bodies[0]
    for gait, flies in ((walking(body, STRAIGHT), False), (running(body, STRAIGHT), True)):
        seconds = 2 + np.linspace(0, gait.period, 60)
        lowest = np.array([body.apply_pose(gait(t))[:, 2].min() for t in seconds])
        assert (lowest > 0.02).any() == flies


@pytest.mark.parametrize(
    ("make", "keypoint", "axis"),
    [
        (squats, "mid_hip", 2),
        (bending, "nose", 2),
        (jumping_jacks, "left_wrist", 2),
        (push_ups, "nose", 2),
    ],
)
@pytest.mark.parametrize("period", [1.2, 2.5])
def test_repetitions_come_at_their_period(
    make: Callable[..., Motion], keypoint: str, axis: int, period: float, bodies: list[Body]
) -> None:
    body = bodies[0]
    seconds = np.linspace(0, 4 * period, 400, endpoint=False)
    values = track(body, make(body, period=period), seconds)[:, HALPE_26.index(keypoint), axis]
    spectrum = np.abs(np.fft.rfft(values - values.mean()))
    assert spectrum.argmax() == 4  # four repetitions
    assert np.ptp(values) > 0.15
    np.testing.assert_allclose(values[:100], values[100:200], atol=1e-6)


def test_a_deeper_squat_is_deeper_and_the_feet_stay(bodies: list[Body]) -> None:
    body = bodies[0]
    low = [squats(body, depth=depth)(1.0).root[2] for depth in (0.3, 0.6, 1.0)]
    assert low[0] > low[1] > low[2]
    xyz = track(body, squats(body), np.linspace(0, 2, 40))
    for name in ("left_ankle", "right_ankle", "left_big_toe", "right_heel"):
        assert np.ptp(xyz[:, HALPE_26.index(name)], axis=0).max() < 0.005


def test_who_sits_down_is_at_the_seats_height_and_may_rise(bodies: list[Body]) -> None:
    body = bodies[0]
    sit = sitting_down(body, begin=1.0, duration=1.0, seat=0.45, rise=4.0)
    seconds = (0.5, 3.0, 6.0)
    before, seated, after = (sit(t).root for t in seconds)
    under = body.apply_pose(sit(3.0))
    seat = under[(under[:, 0] < seated[0] + 0.1), 2].min()
    assert seat == pytest.approx(0.45, abs=0.06)
    assert seated[0] < before[0] - 0.2
    np.testing.assert_allclose(before, after, atol=0.01)


@pytest.mark.parametrize("forward", [True, False])
def test_who_falls_stands_before_and_lies_afterwards(forward: bool, bodies: list[Body]) -> None:
    body = bodies[0]
    fall = falling(body, (1.0, 2.0), 0.5, begin=1.0, duration=0.8, forward=forward)
    heights = [body.keypoints(fall(t), HALPE_26)[:, 2].max() for t in (0.9, 1.5, 2.5)]
    assert heights[0] > 0.95 * body.height
    assert heights[2] < 0.45
    lies = body.keypoints(fall(2.5), HALPE_26)
    ahead = np.array([np.cos(0.5), np.sin(0.5)]) * (1 if forward else -1)
    assert (lies[0, :2] - (1.0, 2.0)) @ ahead > 0.7 * body.height
    nose, neck = lies[0, 2], lies[HALPE_26.index("neck"), 2]
    assert (nose < neck) == forward  # face down or up


def test_raised_arms_are_above_the_head(bodies: list[Body]) -> None:
    body = bodies[0]
    xyz = body.keypoints(wave_arms(body, sides=("left",))(0.0), HALPE_26)
    left, right, top = (HALPE_26.index(name) for name in ("left_wrist", "right_wrist", "head"))
    assert xyz[left, 2] > xyz[top, 2] > xyz[right, 2]


def test_motions_depend_on_nothing_but_the_time(bodies: list[Body]) -> None:
    for name, make in MOTIONS.items():
        forth, back = make(bodies[0]), make(bodies[0])
        _ = back(3.0)
        np.testing.assert_array_equal(forth(1.3).rotations, back(1.3).rotations, err_msg=name)
        np.testing.assert_array_equal(forth(1.3).root, back(1.3).root, err_msg=name)


def test_seeds_stand_differently(bodies: list[Body]) -> None:
    first, second = (standing(bodies[0], seed=seed)(1.0).rotations for seed in (0, 1))
    assert not np.allclose(first, second)


def test_two_links_reach_what_is_in_reach() -> None:
    rng = np.random.default_rng(0)
    down = np.array([0.0, 0.0, -1.0])
    for _ in range(50):
        target = rng.normal(size=3)
        target *= rng.uniform(0.3, 0.79) / np.linalg.norm(target)
        first, second = two_links(0.42, 0.40, target, np.array([1.0, 0.2, 0.1]))
        end = first @ down * 0.42 + first @ second @ down * 0.40
        np.testing.assert_allclose(end, target, atol=1e-9)


def test_heel_up_keeps_the_ball_and_toes_up_keep_the_heel(bodies: list[Body]) -> None:
    body = bodies[0]
    toe = body.rig.offsets[JOINT["left_toe"]]
    heel = np.array([-0.25 * 0.152 * body.height, 0.0, -body.shape.ankle])
    flat, flat_turn = ankle_of(body, Sole(np.array([1.0, 2.0, 0.0]), 0.3))
    up, up_turn = ankle_of(body, Sole(np.array([1.0, 2.0, 0.0]), 0.3, -0.5))
    np.testing.assert_allclose(up + up_turn @ toe, flat + flat_turn @ toe)
    assert up[2] > flat[2]
    land, land_turn = ankle_of(body, Sole(np.array([1.0, 2.0, 0.0]), 0.3, 0.3))
    np.testing.assert_allclose(land + land_turn @ heel, flat + flat_turn @ heel)


def test_a_path_that_is_none_is_refused(bodies: list[Body]) -> None:
    with pytest.raises(ValueError, match="corners"):
        walking(bodies[0], [1.0, 2.0])
    with pytest.raises(ValueError, match="speed must be positive"):
        walking(bodies[0], STRAIGHT, speed=0.0)
