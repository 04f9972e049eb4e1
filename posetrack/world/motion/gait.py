"""People who walk and run: feet that stay where they are put."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.motion.legs import SIDES, Sole, leg_length, reach, with_feet
from posetrack.world.motion.manners import Manner, manner_of
from posetrack.world.motion.poses import angles_of, with_collar
from posetrack.world.people.body import Body
from posetrack.world.people.flesh import smooth
from posetrack.world.people.rig import JOINT, BodyPose, rotations_from, turn_z

Float64Array = NDArray[np.float64]
Path = ArrayLike | Callable[[float], ArrayLike]
"""Corners (n, 2) in metres, walked at a speed, or seconds to a place (2,)."""

_WINDOWS: Final = tuple(0.4 * 1.25**number for number in range(18))  # seconds, up to 18


@dataclass(frozen=True, eq=False)
class Gait:
    """Walking or running along a path.

    Parameters
    ----------
    body
        Who goes.
    position
        Seconds to (2,) metres on the ground.
    speed
        Metres a second, from which the length of the stride follows.
    running
        Whether the feet are both in the air between steps.
    phase
        0 to 1, where in the stride second 0 is.
    manner
        Posture and arms. Runners hold nothing.
    """

    body: Body
    position: Callable[[float], Float64Array]
    speed: float
    running: bool
    phase: float
    manner: Manner
    _planted: dict[tuple[float, float], tuple[Float64Array, float]] = field(
        default_factory=dict, init=False, repr=False
    )  # a landing is asked for in every frame of its steps

    @cached_property
    def step(self) -> float:
        """Metres from where one foot lands to where the other does."""
        size = leg_length(self.body) / 0.86
        # Step length over step rate, the walk ratio, is nearly constant in people.
        ratio = 0.36 if self.running else 0.40
        return float(np.sqrt(ratio * max(self.speed, 0.3) * size**1.5))

    @cached_property
    def period(self) -> float:
        """Seconds of a stride, two steps."""
        return 2 * self.step / max(self.speed, 0.3)

    @cached_property
    def duty(self) -> float:
        """Share of the stride in which a foot is on the ground."""
        return 0.36 if self.running else float(np.clip(0.68 - 0.05 * self.speed, 0.56, 0.68))

    def heading(self, seconds: float) -> float:
        """Radians, where the path goes, smoothed over 0.8 seconds; at its end, where it went."""
        for window in _WINDOWS:
            motion_vector = self.position(seconds + window) - self.position(seconds - window)
            if math.hypot(*motion_vector) > 0.01 * window:
                return math.atan2(motion_vector[1], motion_vector[0])
        return 0.0

    def __call__(self, seconds: float) -> BodyPose:
        """The pose at a time."""
        body, cycle = self.body, seconds / self.period + self.phase
        heading = self.heading(seconds)
        soles, shares = {}, {}
        for side, sign in SIDES:
            own = cycle + (0.0 if sign > 0 else 0.5)
            soles[side] = self._sole(own, sign)
            swung = max(0.0, (own % 1 - self.duty) / (1 - self.duty))
            shares[side] = float(smooth(abs(swung - 0.5), 0.25, 0.5))
        pace = np.hypot(*(self.position(seconds + 0.1) - self.position(seconds - 0.1))) / 0.2
        effort = float(np.clip(pace / max(self.speed, 0.3), 0, 1.3))
        sway = 0.018 * body.shape.size * effort * np.sin(2 * np.pi * cycle - 0.25)
        at = self.position(seconds) + sway * turn_z(heading)[:2, 1]
        root = np.array([*at, self._height(cycle, effort)])
        pose = BodyPose(self._upper(cycle, effort), root, heading)
        pose = pose.translate((0, 0, -reach(body, pose, soles, shares)))
        return with_feet(body, pose, soles)

    def _height(self, cycle: float, effort: float) -> float:
        """Metres of the hips above the ground before the legs pull them down."""
        leg = leg_length(self.body)
        wave = 0.5 - 0.5 * np.cos(4 * np.pi * (cycle - self.duty / 2))  # 0 in mid-stance
        if self.running:  # lowest over the standing leg
            down = 0.05 - 0.06 * effort * wave
        else:  # highest there, lowest with both feet on the ground, legs apart
            apart = min(0.45 * self.step * effort / leg, 0.8)
            down = 0.012 + (1 - np.sqrt(1 - apart**2)) * wave
        return float(leg * (1 - down) + self.body.shape.ankle)

    def _plant(self, stride: float, sign: float) -> tuple[Float64Array, float]:
        """Ball (3,) and heading of the foot that lands in a stride (a whole number)."""
        key = (stride, sign)
        if key not in self._planted:
            if len(self._planted) > 10_000:
                self._planted.clear()
            self._planted[key] = self._landing(stride, sign)
        return self._planted[key]

    def _landing(self, stride: float, sign: float) -> tuple[Float64Array, float]:
        middle = (stride + self.duty / 2 - self.phase) * self.period
        middle -= 0.0 if sign > 0 else 0.5 * self.period
        heading = self.heading(middle)
        width = (0.045 if not self.running else 0.025) * self.body.shape.size
        toe = self.body.rig.offsets[JOINT["left_toe"]][0]
        ahead = turn_z(heading)[:2, 0]
        aside = turn_z(heading)[:2, 1]
        # The hips are over the front of the ankle in the middle of the stance.
        ball = (
            self.position(middle)
            + aside * sign * width
            + ahead * ((0.2 if self.running else 0.5) * toe)
        )
        return np.array([*ball, 0.0]), heading + sign * np.deg2rad(5)

    def _sole(self, cycle: float, sign: float) -> Sole:
        """The foot, on the ground or in the air."""
        stride = np.floor(cycle)
        part = (cycle - stride) / self.duty
        ball, heading = self._plant(stride, sign)
        land, push = self._pitches()
        if part < 1:
            following, _ = self._plant(stride + 1, sign)
            going = min(1.0, float(np.hypot(*(following - ball)[:2])) / 0.4)
            if part < 0.15:
                pitch = land * (1 - part / 0.15)
            else:
                late = max(0.0, (part - 0.55) / 0.45)
                pitch = push * late**1.6
            return Sole(ball, heading, pitch * going)
        return self._swing((part - 1) * self.duty / (1 - self.duty), stride, sign)

    def _pitches(self) -> tuple[float, float]:
        """Radians of the foot when it lands and when it leaves."""
        if self.running:
            return float(np.deg2rad(4)), float(np.deg2rad(-56))
        brisk = np.clip(self.speed / 1.4, 0.4, 1.3)
        return float(np.deg2rad(18 * brisk)), float(np.deg2rad(-48 * brisk))

    def _swing(self, part: float, stride: float, sign: float) -> Sole:
        """The foot in the air; ``part`` 0 when it leaves, 1 when it lands."""
        before, from_heading = self._plant(stride, sign)
        after, to_heading = self._plant(stride + 1, sign)
        gone = float(np.hypot(*(after - before)[:2]))
        going = min(1.0, gone / 0.4)
        land, push = self._pitches()
        share = part**2 * (3 - 2 * part)
        share = 0.5 * share + 0.5 * share**2 * (3 - 2 * share) if not self.running else share
        turn = (to_heading - from_heading + np.pi) % (2 * np.pi) - np.pi
        pitch = push * (1 - part) ** 2 * (1 + 1.2 * part) + land * part**2
        lift = np.sin(np.pi * part**0.8) * (0.05 if not self.running else 0.0)
        if self.running:
            lift = 0.30 * np.sin(np.pi * part**0.75) ** 2 * min(self.speed / 3.0, 1.5)
            pitch -= np.deg2rad(45) * np.sin(np.pi * part**0.75) ** 2 * (1 - part)
        ball = before + share * (after - before)
        height = lift * going * self.body.shape.size + 0.02 * going * np.sin(np.pi * part)
        return Sole(ball + np.array([0, 0, height]), from_heading + share * turn, pitch * going)

    def _upper(self, cycle: float, effort: float) -> Float64Array:
        """(J, 3, 3) rotations of trunk and arms."""
        manner = self.manner
        turn = 2 * np.pi * (cycle - 0.02)
        swing = float(np.cos(turn)) * effort  # left leg ahead
        if self.running:
            lean, arm, bend = 8 + 1.5 * self.speed, 38.0, 85.0
        else:
            lean, arm, bend = 2.0, float(np.clip(18 * self.speed, 7, 36)), 10 + 7 * self.speed
        lean, arm = (lean + manner.lean) * effort, arm * manner.swing
        bend = max((bend + manner.bend) * (0.3 + 0.7 * effort), 0.36 * arm * abs(effort))
        out = 7 + 25 * max(self.body.shape.girth - 1, 0.0)
        given: dict[str, tuple[float, float, float]] = {
            "pelvis": (lean, 3 * np.sin(turn) * effort, -4 * swing),
            "spine": (0.3 * lean, -2 * np.sin(turn) * effort, 4 * swing),
            "chest": (0.0, 0.0, 5 * swing),
            "neck": (0.4 * manner.nod, 0.0, 0.4 * manner.turn),
            "head": (0.6 * manner.nod - 0.8 * lean, 0.0, 0.6 * manner.turn - 4 * swing),
            "left_shoulder": (-arm * swing - 4, out, 0.0),
            "right_shoulder": (arm * swing - 4, out, 0.0),
            "left_elbow": (bend - 0.3 * arm * swing + 4, 0.0, 0.0),
            "right_elbow": (bend + 0.3 * arm * swing + 4, 0.0, 0.0),
        }
        if not self.running:
            both = {
                joint: angles
                for name, angles in manner.held.items()
                for joint in ((name,) if name in JOINT else (f"left_{name}", f"right_{name}"))
            }
            given |= both
        return rotations_from(with_collar(angles_of(given)))


def along(path: Path, speed: float) -> Callable[[float], Float64Array]:
    """A path as seconds to a place (2,): corners are rounded over 0.8 seconds, the end is kept.

    Before second 0 the first side is prolonged backward.

    Raises
    ------
    ValueError
        If the corners are not (n, 2) with n of 1 or more, or the speed is not positive.

    Examples
    --------
    >>> place = along([(0, 0), (3, 0), (3, 4)], speed=1.0)
    >>> place(5.0).tolist(), place(99.0).tolist()
    ([3.0, 2.0], [3.0, 4.0])
    """
    if callable(path):
        return lambda seconds: np.asarray(path(seconds), np.float64)[:2]
    corners = np.asarray(path, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or not len(corners):
        raise ValueError(f"a path has corners (n, 2), got shape {corners.shape}")
    if not speed > 0:
        raise ValueError(f"speed must be positive, got {speed}; use standing for who stays")
    if len(corners) == 1:
        return lambda _: corners[0]
    steps = np.diff(corners, axis=0)
    gone = np.concatenate([[0.0], np.hypot(*steps.T).cumsum()])
    first = steps[0] / max(gone[1], 1e-9)
    rounding = speed * np.linspace(-0.4, 0.4, 9)

    def position(seconds: float) -> Float64Array:
        ways = speed * seconds + rounding
        places = np.stack([np.interp(ways, gone, corners[:, axis]) for axis in (0, 1)], axis=-1)
        return np.asarray((places + np.minimum(ways, 0)[:, None] * first).mean(axis=0))

    return position


def walking(
    body: Body,
    path: Path,
    *,
    speed: float = 1.35,
    phase: float = 0.0,
    manner: Manner | None = None,
) -> Gait:
    """Walk along a path.

    Parameters
    ----------
    body
        Who walks.
    path
        Corners (n, 2), walked from second 0 and then stood at the last one, or any function of
        seconds that gives a place (2,) in metres.
    speed
        Metres a second; for a function, its usual speed.
    phase
        0 to 1, where in the stride second 0 is.
    manner
        Posture and arms; the body's own unless given.

    Examples
    --------
    >>> from posetrack.world.people.body import random_body
    >>> body = random_body(np.random.default_rng(0))
    >>> walk = walking(body, [(0, 0), (10, 0)], speed=1.2)
    >>> bool(abs(walk(5.0).root[0] - 6.0) < 0.05)
    True
    """
    own = manner_of(body) if manner is None else manner
    return Gait(body, along(path, speed), speed, False, phase, own)


def running(
    body: Body,
    path: Path,
    *,
    speed: float = 3.2,
    phase: float = 0.0,
    manner: Manner | None = None,
) -> Gait:
    """Run along a path; see `walking`."""
    own = manner_of(body) if manner is None else manner
    return Gait(body, along(path, speed), speed, True, phase, own)
