"""People who stay where they stand: idle, gesturing, bending, squatting, sitting, jumping."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.world.motion.legs import Sole, leg_length
from posetrack.world.motion.stances import UPRIGHT, Motion, feet, plant_feet
from posetrack.world.people.body import Body
from posetrack.world.people.flesh import smooth
from posetrack.world.people.rig import BodyPose

Float64Array = NDArray[np.float64]


def standing(
    body: Body, position: ArrayLike = (0.0, 0.0), heading: float = 0.0, *, seed: int = 0
) -> Motion:
    """Stand and sway a little.

    Parameters
    ----------
    body
        Who stands.
    position
        (2,) metres.
    heading
        Radians, where to.
    seed
        Seed of the random posture.

    Examples
    --------
    >>> from posetrack.world.people.body import random_body
    >>> body = random_body(np.random.default_rng(0))
    >>> standing(body, (3.0, 1.0))(0.5).root.round(1)[:2].tolist()
    [3.0, 1.0]
    """
    rng = np.random.default_rng(seed)
    width, splay = rng.uniform(0.06, 0.12), rng.uniform(3, 18)
    soles = feet(body, position, heading, apart=width, out=splay)
    sway = _sway(rng)
    flexed, abducted, bent = rng.uniform((0, 5, 5), (8, 10, 25))

    def pose(seconds: float) -> BodyPose:
        wave = sway(seconds)
        given = _idle(wave) | {
            "shoulder": (flexed + 2 * wave[0], abducted, 0.0),
            "elbow": (bent + 3 * wave[5], 0.0, 0.0),
        }
        shift = (0.006 * wave[0], 0.012 * wave[1])
        return plant_feet(body, position, heading, soles, given, shift=shift)

    return pose


def gesturing(
    body: Body, position: ArrayLike = (0.0, 0.0), heading: float = 0.0, *, seed: int = 0
) -> Motion:
    """Stand and talk with the hands; see `standing`."""
    rng = np.random.default_rng(seed)
    soles = feet(body, position, heading, apart=rng.uniform(0.07, 0.13), out=10)
    sway, left, right = _sway(rng), _sway(rng, fast=3.0), _sway(rng, fast=3.0)
    middle = rng.uniform((10, 8, -25, 60), (45, 25, 5, 105), (2, 4))

    def pose(seconds: float) -> BodyPose:
        given: dict[str, tuple[float, float, float]] = dict(_idle(sway(seconds)))
        for side, wave, at in (
            ("left", left(seconds), middle[0]),
            ("right", right(seconds), middle[1]),
        ):
            given[f"{side}_shoulder"] = (
                at[0] + 22 * wave[0], at[1] + 14 * wave[1], at[2] + 22 * wave[2],
            )  # fmt: skip
            given[f"{side}_elbow"] = (at[3] + 32 * wave[3], 0.0, 30 * wave[4])
            given[f"{side}_wrist"] = (0.0, 25 * wave[5], 0.0)
        return plant_feet(body, position, heading, soles, given)

    return pose


def wave_arms(
    body: Body,
    position: ArrayLike = (0.0, 0.0),
    heading: float = 0.0,
    *,
    sides: tuple[str, ...] = ("left", "right"),
    waves: float = 0.8,
    seed: int = 0,
) -> Motion:
    """Stand with one arm up or both, waving ``waves`` times a second; see `standing`."""
    rng = np.random.default_rng(seed)
    soles = feet(body, position, heading, apart=rng.uniform(0.07, 0.16), out=10)
    sway = _sway(rng)
    up, bent = rng.uniform(145, 165), rng.uniform(10, 35)

    def pose(seconds: float) -> BodyPose:
        wave = float(np.sin(2 * np.pi * waves * seconds))
        given: dict[str, tuple[float, float, float]] = dict(_idle(sway(seconds)))
        given |= {"shoulder": (3.0, 7.0, 0.0), "elbow": (12.0, 0.0, 0.0)}
        for side in sides:
            given[f"{side}_shoulder"] = (25.0, up + 9 * wave, 0.0)
            given[f"{side}_elbow"] = (bent + 18 * wave, 0.0, 0.0)
        return plant_feet(body, position, heading, soles, given)

    return pose


def bending(
    body: Body,
    position: ArrayLike = (0.0, 0.0),
    heading: float = 0.0,
    *,
    period: float = 3.0,
    depth: float = 1.0,
) -> Motion:
    """Bend down to the ground and up again every ``period`` seconds, from upright at second 0.

    ``depth`` 1 brings the hands near the toes, smaller less far.
    """
    soles = feet(body, position, heading, apart=0.10, out=8)
    leg = leg_length(body)

    def pose(seconds: float) -> BodyPose:
        down = depth * _there_and_back(seconds, period)
        given = {
            "pelvis": (62 * down, 0.0, 0.0),
            "spine": (30 * down, 0.0, 0.0),
            "chest": (18 * down, 0.0, 0.0),
            "neck": (-15 * down, 0.0, 0.0),
            "shoulder": (3 + 82 * down, 5.0, 0.0),
            "elbow": (12.0, 0.0, 0.0),
        }
        drop = 0.06 * leg * down
        return plant_feet(
            body, position, heading, soles, given, drop=drop, shift=(-0.17 * leg * down, 0.0)
        )

    return pose


def squats(
    body: Body,
    position: ArrayLike = (0.0, 0.0),
    heading: float = 0.0,
    *,
    period: float = 2.0,
    depth: float = 1.0,
) -> Motion:
    """Squat every ``period`` seconds, upright at second 0; ``depth`` 1 brings thighs level.

    Examples
    --------
    >>> from posetrack.world.people.body import random_body
    >>> squat = squats(random_body(np.random.default_rng(0)), period=2.0)
    >>> bool(squat(1.0).root[2] < 0.7 * squat(0.0).root[2])
    True
    """
    soles = feet(body, position, heading, apart=0.16, out=20)
    leg = leg_length(body)

    def pose(seconds: float) -> BodyPose:
        down = depth * _there_and_back(seconds, period)
        given = {
            "pelvis": (38 * down, 0.0, 0.0),
            "spine": (8 * down, 0.0, 0.0),
            "neck": (-22 * down, 0.0, 0.0),
            "shoulder": (5 + 95 * down, 8.0, 0.0),
            "elbow": (15 - 5 * down, 0.0, 0.0),
        }
        shift = (-0.24 * leg * down, 0.0)
        return plant_feet(
            body,
            position,
            heading,
            soles,
            given,
            drop=0.47 * leg * down,
            shift=shift,
            knees_out=0.1,
        )

    return pose


def jumping_jacks(
    body: Body, position: ArrayLike = (0.0, 0.0), heading: float = 0.0, *, period: float = 1.1
) -> Motion:
    """Jump legs apart with arms up and back, once every ``period`` seconds; closed at second 0."""
    leg = leg_length(body)

    def pose(seconds: float) -> BodyPose:
        opened = _there_and_back(seconds, period)
        air = float(np.sin(2 * np.pi * seconds / period) ** 2)
        soles = {
            side: Sole(sole.ball + np.array([0, 0, 0.09 * leg * air]), sole.heading, -0.5 * air)
            for side, sole in feet(
                body, position, heading, apart=0.07 + 0.25 * opened, out=8 + 10 * opened
            ).items()
        }
        given = {
            "shoulder": (12.0, 9 + 148 * opened, 0.0),
            "elbow": (12 + 12 * opened, 0.0, 0.0),
            "spine": (3.0, 0.0, 0.0),
        }
        drop = 0.03 * leg * (1 - air) - 0.13 * leg * air
        return plant_feet(body, position, heading, soles, given, drop=drop)

    return pose


def sitting_down(
    body: Body,
    position: ArrayLike = (0.0, 0.0),
    heading: float = 0.0,
    *,
    begin: float = 1.0,
    duration: float = 1.4,
    seat: float = 0.45,
    rise: float | None = None,
) -> Motion:
    """Sit down on something behind that is ``seat`` metres high, and stay, or rise again.

    Parameters
    ----------
    body, position, heading
        As for `standing`; the feet stay at ``position``.
    begin, duration
        Seconds when to begin and how long it takes.
    seat
        Metres above the ground. Where the seat's middle is: about 0.4 metres behind ``position``.
    rise
        Seconds when to begin to stand up.
    """
    soles = feet(body, position, heading, apart=0.11, out=8)
    leg, size = leg_length(body), body.shape.size
    low = min(seat + 0.095 * size, 0.95 * leg)
    upright = UPRIGHT * leg + body.shape.ankle

    def pose(seconds: float) -> BodyPose:
        down = float(smooth(seconds, begin, begin + duration))
        if rise is not None:
            down *= 1 - float(smooth(seconds, rise, rise + duration))
        moving = 4 * down * (1 - down)
        given = {
            "pelvis": (32 * moving - 6 * down, 0.0, 0.0),
            "spine": (8 * down + 6 * moving, 0.0, 0.0),
            "chest": (5 * down, 0.0, 0.0),
            "neck": (-12 * moving, 0.0, 0.0),
            "shoulder": (3 + 24 * down + 15 * moving, 7.0, -12 * down),
            "elbow": (12 + 40 * down, 0.0, 0.0),
        }
        back = (-0.44 * leg * down, 0.0)
        return plant_feet(
            body, position, heading, soles, given, drop=(upright - low) * down, shift=back
        )

    return pose


def _there_and_back(seconds: float, period: float) -> float:
    """0 at second 0, 1 half a period later, 0 after the period."""
    return float(0.5 - 0.5 * np.cos(2 * np.pi * seconds / period))


def _sway(rng: np.random.Generator, fast: float = 1.0) -> Callable[[float], Float64Array]:
    """Six slow waves in -1 to 1, of seconds."""
    rates = fast * rng.uniform(0.12, 0.4, (2, 6))
    phases = rng.uniform(0, 2 * np.pi, (2, 6))
    return lambda seconds: np.sin(2 * np.pi * rates * seconds + phases).mean(axis=0)


def _idle(wave: Float64Array) -> dict[str, tuple[float, float, float]]:
    """Trunk and head of a person who waits."""
    return {
        "pelvis": (1 + 0.7 * wave[0], 1.5 * wave[1], 3 * wave[2]),
        "spine": (1.0, -1.2 * wave[1], 0.0),
        "neck": (2 * wave[3], 0.0, 9 * wave[4]),
        "head": (2 * wave[0], 1.5 * wave[5], 14 * wave[4]),
    }
