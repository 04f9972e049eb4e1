"""Scenes of exercises and falls, whose times are known, to measure the analysis of movements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posetrack.world import motion
from posetrack.world.motion import Motion
from posetrack.world.people.body import random_body
from posetrack.world.scene import Actor, Event, Scene
from posetrack.world.staging import Generator, Shot, scene_maker, usual_scene


@scene_maker(people=1, frames=300)
def squats(shot: Shot, rng: Generator) -> Scene:
    """People who squat some times, each at an own pace; every repetition is an `Event`.

    Examples
    --------
    >>> scene = squats(frames=200)
    >>> len(scene.events) > 1, scene.events[0].kind
    (True, 'squat')
    """
    return _exercise(shot, rng, "squat", motion.squats, (1.6, 2.6))


@scene_maker(people=1, frames=250)
def jumping_jacks(shot: Shot, rng: Generator) -> Scene:
    """People who do jumping jacks some times; every repetition is an `Event`.

    Examples
    --------
    >>> {event.kind for event in jumping_jacks(people=1, frames=100).events}
    {'jumping_jack'}
    """
    return _exercise(shot, rng, "jumping_jack", motion.jumping_jacks, (0.9, 1.3))


@scene_maker(people=1, frames=150)
def falling(shot: Shot, rng: Generator) -> Scene:
    """People stand and then fall and lie; the falls are events, from upright to the ground.

    Examples
    --------
    >>> [event.kind for event in falling(people=1, frames=50).events]
    ['fall']
    """
    actors, events = [], []
    for identity, x in enumerate(_beside_each_other(shot.people, 2.2), 1):
        body, heading = random_body(rng), float(rng.uniform(-np.pi, np.pi))
        begin, duration = float(rng.uniform(0.2, 0.5) * shot.seconds), float(rng.uniform(0.7, 1.1))
        fall = motion.falling(
            body, (x, 0.0), heading, begin=begin, duration=duration,
            forward=bool(rng.random() < 0.5), seed=int(rng.integers(2**31)),
        )  # fmt: skip
        actors.append(Actor(body, fall))
        events.append(Event("fall", identity, begin, begin + duration))
    return usual_scene(shot, rng, actors, events=events)


def _exercise(
    shot: Shot,
    rng: Generator,
    kind: str,
    make: Callable[..., Motion],
    periods: tuple[float, float],
) -> Scene:
    """People beside each other who begin after a moment and repeat a movement."""
    actors: list[Actor] = []
    events: list[Event] = []
    for identity, x in enumerate(_beside_each_other(shot.people, 1.9), 1):
        body, heading = random_body(rng), -np.pi / 2 + float(rng.uniform(-1.2, 1.2))
        period, delay = float(rng.uniform(*periods)), float(rng.uniform(0.4, 1.2))
        count = max(int((shot.seconds - delay - 0.3) / period), 0)
        moving = make(body, (x, 0.0), heading, period=period)
        actors.append(Actor(body, _some_times(moving, delay, count * period)))
        begins = [delay + number * period for number in range(count)]
        events += [Event(kind, identity, begin, begin + period) for begin in begins]
    return usual_scene(shot, rng, actors, events=events, away=5.0)


def _some_times(moving: Motion, delay: float, duration: float) -> Motion:
    return lambda seconds: moving(min(max(seconds - delay, 0.0), duration))


def _beside_each_other(count: int, apart: float) -> list[float]:
    return [apart * (number - (count - 1) / 2) for number in range(count)]
