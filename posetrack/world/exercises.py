"""Scenes of exercises and falls, whose times are known: to measure what is told of movements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from posetrack.world import motion
from posetrack.world.body import random_body
from posetrack.world.motion import Motion
from posetrack.world.scene import Actor, Event, Scene
from posetrack.world.staging import Size, generator_of, usual_scene


def squats(
    *,
    people: int = 1,
    frames: int = 300,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """People who squat some times, each at an own pace; every repetition is an `Event`.

    Examples
    --------
    >>> scene = squats(frames=200)
    >>> len(scene.events) > 1, scene.events[0].kind
    (True, 'squat')
    """
    return _exercise("squats", "squat", motion.squats, (1.6, 2.6), people, frames, seed, size, rate)


def jumping_jacks(
    *,
    people: int = 1,
    frames: int = 250,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """People who do jumping jacks some times; every repetition is an `Event`."""
    return _exercise(
        "jumping_jacks", "jumping_jack", motion.jumping_jacks, (0.9, 1.3),
        people, frames, seed, size, rate,
    )  # fmt: skip


def falling(
    *,
    people: int = 1,
    frames: int = 150,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """People stand and then fall and lie; the falls are events, from upright to the ground."""
    rng = generator_of("falling", seed)
    actors, events = [], []
    for identity, x in enumerate(_beside_each_other(people, 2.2), 1):
        body, heading = random_body(rng), float(rng.uniform(-np.pi, np.pi))
        begin, duration = float(rng.uniform(0.2, 0.5) * frames / rate), float(rng.uniform(0.7, 1.1))
        fall = motion.falling(
            body, (x, 0.0), heading, begin=begin, duration=duration,
            forward=bool(rng.random() < 0.5), seed=int(rng.integers(2**31)),
        )  # fmt: skip
        actors.append(Actor(body, fall))
        events.append(Event("fall", identity, begin, begin + duration))
    return usual_scene(
        "falling", rng, actors, frames=frames, size=size, rate=rate, seed=seed, events=events
    )


def _exercise(
    name: str,
    kind: str,
    make: Callable[..., Motion],
    periods: tuple[float, float],
    people: int,
    frames: int,
    seed: int,
    size: Size,
    rate: float,
) -> Scene:
    """People beside each other who begin after a moment and repeat a movement."""
    rng = generator_of(name, seed)
    actors: list[Actor] = []
    events: list[Event] = []
    for identity, x in enumerate(_beside_each_other(people, 1.9), 1):
        body, heading = random_body(rng), -np.pi / 2 + float(rng.uniform(-1.2, 1.2))
        period, delay = float(rng.uniform(*periods)), float(rng.uniform(0.4, 1.2))
        count = max(int((frames / rate - delay - 0.3) / period), 0)
        moving = make(body, (x, 0.0), heading, period=period)
        actors.append(Actor(body, _some_times(moving, delay, count * period)))
        begins = [delay + number * period for number in range(count)]
        events += [Event(kind, identity, begin, begin + period) for begin in begins]
    return usual_scene(
        name, rng, actors, frames=frames, size=size, rate=rate, seed=seed, events=events, away=5.0
    )


def _some_times(moving: Motion, delay: float, duration: float) -> Motion:
    return lambda seconds: moving(min(max(seconds - delay, 0.0), duration))


def _beside_each_other(count: int, apart: float) -> list[float]:
    return [apart * (number - (count - 1) / 2) for number in range(count)]
