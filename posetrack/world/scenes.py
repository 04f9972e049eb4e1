"""Scenes of what trackers get wrong.

Every scene takes ``people``, ``frames``, ``seed``, ``size`` and ``rate``; the same arguments give
the same pixels. Metres and seconds; the camera looks north.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from posetrack.world import motion
from posetrack.world.background import random_backdrop
from posetrack.world.body import Body, random_body
from posetrack.world.camera import looking_at
from posetrack.world.cameras import CameraPath, panning, shaking, standing
from posetrack.world.distractors import lathe
from posetrack.world.effects import Effects
from posetrack.world.light import random_light
from posetrack.world.looks import random_clothes
from posetrack.world.mesh import Mesh
from posetrack.world.motion import Motion
from posetrack.world.scene import Actor, Event, Scene
from posetrack.world.scenery import ground
from posetrack.world.textures import random_ground_texture, random_wall_texture

Size = tuple[int, int]
Generator = np.random.Generator
Float64Array = NDArray[np.float64]

_HALF = 3.4  # metres to each side that the usual camera sees at the people
_NORTH = np.pi / 2


def crossing(
    *,
    people: int = 4,
    frames: int = 250,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """People walk to and fro side by side and hide each other where they cross.

    Examples
    --------
    >>> crossing(people=2, frames=10)
    Scene(crossing, 2 people, 10 frames, 640x360 at 25/s)
    """
    rng = generator_of("crossing", seed)
    bodies = [random_body(rng) for _ in range(people)]
    actors = _strollers(rng, bodies, _lanes(people, 0.75), frames / rate, speed=(1.0, 1.6))
    return usual_scene("crossing", rng, actors, frames=frames, size=size, rate=rate, seed=seed)


def behind_pole(
    *,
    people: int = 3,
    frames: int = 250,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """People walk to and fro behind two pillars that hide them for a while."""
    rng = generator_of("behind_pole", seed)
    bodies = [random_body(rng) for _ in range(people)]
    actors = _strollers(rng, bodies, _lanes(people, 0.8), frames / rate, speed=(0.9, 1.4))
    front = -0.5 * 0.8 * (people - 1) - 1.6
    pillars = [_pillar(rng, x, front) for x in (-1.5, 1.2)]
    return usual_scene(
        "behind_pole", rng, actors, frames=frames, size=size, rate=rate, seed=seed, things=pillars
    )


def entering_leaving(
    *,
    people: int = 6,
    frames: int = 250,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """People come in on one side, one after the other, and leave on the other for good."""
    rng = generator_of("entering_leaving", seed)
    bodies = [random_body(rng) for _ in range(people)]
    actors = []
    duration = frames / rate
    for number, (body, y) in enumerate(zip(bodies, _lanes(people, 0.7), strict=True)):
        side = 1 if rng.random() < 0.5 else -1
        speed = float(rng.uniform(1.1, 1.7))
        edge = _HALF + 0.35 * max(y, 0) + 1.0
        # From one who is leaving when the scene begins to one who has just come when it ends.
        begins = (duration + 2) * (number + 0.5) / people - 4.0
        first = -edge - speed * begins
        path = [(side * first, y), (side * (first + speed * (duration + 9)), y)]
        actors.append(_walker(rng, body, path, speed))
    return usual_scene(
        "entering_leaving", rng, actors, frames=frames, size=size, rate=rate, seed=seed
    )


def coming_back(
    *,
    people: int = 3,
    frames: int = 300,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """People walk out of the picture and come back after one to four seconds."""
    rng = generator_of("coming_back", seed)
    bodies = [random_body(rng) for _ in range(people)]
    actors = []
    for body, y in zip(bodies, _lanes(people, 0.9), strict=True):
        side = 1 if rng.random() < 0.5 else -1
        beyond = _HALF + 0.35 * max(y, 0) + float(rng.uniform(0.9, 2.5))
        corners = [(-side * rng.uniform(0, 2), y), (side * beyond, y), (side * (beyond - 0.1), y)]
        corners += _to_and_fro(-side * 1.5, side * beyond, y, frames / rate * 2)
        speed = float(rng.uniform(1.2, 1.6))
        actors.append(_walker(rng, body, corners, speed))
    return usual_scene("coming_back", rng, actors, frames=frames, size=size, rate=rate, seed=seed)


def crowd(
    *,
    people: int = 10,
    frames: int = 200,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """Many people walk and stand in rows behind each other, seen from a little above."""
    rng = generator_of("crowd", seed)
    bodies = [random_body(rng) for _ in range(people)]
    lanes = _lanes(people, 0.65)
    movers = _strollers(rng, bodies, lanes, frames / rate, speed=(0.7, 1.5))
    actors = [
        _stander(rng, body, float(rng.uniform(-2.5, 2.5)), y) if rng.random() < 0.3 else mover
        for body, y, mover in zip(bodies, lanes, movers, strict=True)
    ]
    return usual_scene(
        "crowd", rng, actors, frames=frames, size=size, rate=rate, seed=seed, height=2.6, away=9.0
    )


def same_clothes(
    *,
    people: int = 4,
    frames: int = 250,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """The crossing of people who are dressed alike."""
    rng = generator_of("same_clothes", seed)
    clothes = random_clothes(rng, female=0.0)
    bodies = [random_body(rng, clothes=clothes, child=False) for _ in range(people)]
    actors = _strollers(rng, bodies, _lanes(people, 0.75), frames / rate, speed=(1.0, 1.6))
    return usual_scene("same_clothes", rng, actors, frames=frames, size=size, rate=rate, seed=seed)


def fast_motion(
    *,
    people: int = 3,
    frames: int = 150,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """People run past each other close to a slow shutter: large steps between frames, and blur."""
    rng = generator_of("fast_motion", seed)
    bodies = [random_body(rng, child=False) for _ in range(people)]
    actors = _strollers(
        rng, bodies, _lanes(people, 0.9), frames / rate, speed=(4.0, 6.0), gait=motion.running
    )
    return usual_scene(
        "fast_motion", rng, actors, frames=frames, size=size, rate=rate, seed=seed, away=5.5,
        effects=Effects(shutter=0.7, noise=3.0),
    )  # fmt: skip


def low_frame_rate(
    *,
    people: int = 4,
    frames: int = 60,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 5.0,
) -> Scene:
    """The crossing as a camera with few frames a second sees it."""
    rng = generator_of("low_frame_rate", seed)
    bodies = [random_body(rng) for _ in range(people)]
    actors = _strollers(rng, bodies, _lanes(people, 0.75), frames / rate, speed=(1.0, 1.6))
    return usual_scene(
        "low_frame_rate", rng, actors, frames=frames, size=size, rate=rate, seed=seed
    )


def camera_pan(
    *,
    people: int = 4,
    frames: int = 250,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """A camera in a hand swings to and fro past people who stand and stroll."""
    rng = generator_of("camera_pan", seed)
    bodies = [random_body(rng) for _ in range(people)]
    lanes = _lanes(people, 0.8)
    movers = _strollers(rng, bodies, lanes, frames / rate, speed=(0.7, 1.3))
    spots = rng.permutation(np.linspace(-2.2, 2.2, people))
    actors = [
        _stander(rng, body, float(x), y) if number % 2 else mover
        for number, (body, x, y, mover) in enumerate(zip(bodies, spots, lanes, movers, strict=True))
    ]
    scene = usual_scene("camera_pan", rng, actors, frames=frames, size=size, rate=rate, seed=seed)
    moving = panning(shaking(scene.camera, angle=0.006, seed=seed), angle=0.22, period=4.0)
    return replace(scene, camera=moving)


def detector_gaps(
    *,
    people: int = 4,
    frames: int = 200,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """A group side by side, in plain sight, for detectors that lose people (see the fakes)."""
    rng = generator_of("detector_gaps", seed)
    actors = []
    for x in np.linspace(-2.5, 2.5, people) if people > 1 else [0.0]:
        body, y = random_body(rng), float(rng.uniform(-0.6, 0.8))
        if rng.random() < 0.5:
            actors.append(_stander(rng, body, float(x), y))
        else:
            corners = _to_and_fro(x - 0.5, x + 0.5, y, frames / rate)
            actors.append(_walker(rng, body, corners, float(rng.uniform(0.6, 1.0))))
    return usual_scene("detector_gaps", rng, actors, frames=frames, size=size, rate=rate, seed=seed)


def _pillar(rng: Generator, x: float, y: float) -> Mesh:
    texture = random_wall_texture(rng)
    return lathe([(0.24, 0.0), (0.24, 4.0), (0.0, 4.0)], texture, place=(x, y, 0.0))


def generator_of(name: str, seed: int) -> Generator:
    """All chance of a scene."""
    return np.random.default_rng((seed, crc32(name.encode())))


def _lanes(count: int, apart: float) -> list[float]:
    """How far north each of ``count`` people goes, the last in front."""
    return [apart * ((count - 1) / 2 - number) for number in range(count)]


def _to_and_fro(left: float, right: float, y: float, way: float) -> list[tuple[float, float]]:
    """Corners of a way to and fro that is at least ``way`` metres long, twice over."""
    turns = int(np.ceil(2.2 * way / max(abs(right - left), 0.1))) + 4
    return [(right if number % 2 else left, y) for number in range(turns)]


def _strollers(
    rng: Generator,
    bodies: Sequence[Body],
    lanes: Sequence[float],
    duration: float,
    *,
    speed: tuple[float, float],
    gait: Callable[..., Motion] = motion.walking,
) -> list[Actor]:
    """People who go to and fro, each on a line of their own."""
    actors = []
    for number, (body, y) in enumerate(zip(bodies, lanes, strict=True)):
        pace = float(rng.uniform(*speed))
        reach = 0.78 * _HALF + 0.25 * y
        side = 1 if number % 2 else -1
        start = -side * float(rng.uniform(0.0, reach))
        corners = [(start, y), *_to_and_fro(side * reach, -side * reach, y, duration * pace)]
        actors.append(Actor(body, gait(body, corners, speed=pace, phase=float(rng.random()))))
    return actors


def _walker(rng: Generator, body: Body, path: Sequence[tuple[float, float]], speed: float) -> Actor:
    return Actor(body, motion.walking(body, path, speed=speed, phase=float(rng.random())))


def _stander(rng: Generator, body: Body, x: float, y: float) -> Actor:
    heading = -_NORTH + float(rng.normal(0, 0.7))
    return Actor(body, motion.standing(body, (x, y), heading, seed=int(rng.integers(2**31))))


def usual_scene(
    name: str,
    rng: Generator,
    actors: Sequence[Actor],
    *,
    frames: int,
    size: Size,
    rate: float,
    seed: int,
    things: Sequence[Mesh] = (),
    height: float = 1.7,
    away: float = 7.0,
    effects: Effects | None = None,
    events: Sequence[Event] = (),
) -> Scene:
    """The usual place and camera around some people."""
    camera: CameraPath = standing(
        looking_at((0.0, -away, height), (0.0, 0.0, 0.95), focal=0.98 * size[0], size=size)
    )
    return Scene(
        name,
        tuple(actors),
        camera,
        frames,
        scenery=(ground(random_ground_texture(rng)), *things),
        light=random_light(rng),
        backdrop=random_backdrop(rng),
        effects=Effects(noise=2.0) if effects is None else effects,
        rate=rate,
        seed=seed,
        events=tuple(events),
    )
