"""Scenes of what trackers get wrong.

Every scene takes ``people``, ``frames``, ``seed``, ``size`` and ``rate``; the same arguments give
the same pixels. Metres and seconds; the camera looks north.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posetrack.world import motion
from posetrack.world.background import city
from posetrack.world.body import random_body
from posetrack.world.cameras import panning, shaking
from posetrack.world.effects import Effects
from posetrack.world.looks import random_clothes
from posetrack.world.mesh import Mesh
from posetrack.world.scene import Actor, Scene
from posetrack.world.scenery import pole, tree
from posetrack.world.staging import (
    HALF,
    Generator,
    Size,
    generator_of,
    lanes,
    stander,
    strollers,
    to_and_fro,
    usual_scene,
    walker,
)
from posetrack.world.textures import asphalt, random_wall_texture


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
    actors = strollers(rng, bodies, lanes(people, 0.75), frames / rate, speed=(1.0, 1.6))
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
    actors = strollers(rng, bodies, lanes(people, 0.8), frames / rate, speed=(0.9, 1.4))
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
    for number, (body, y) in enumerate(zip(bodies, lanes(people, 0.7), strict=True)):
        side = 1 if rng.random() < 0.5 else -1
        speed = float(rng.uniform(1.1, 1.7))
        edge = HALF + 0.35 * max(y, 0) + 1.0
        # From one who is leaving when the scene begins to one who has just come when it ends.
        begins = (duration + 2) * (number + 0.5) / people - 4.0
        first = -edge - speed * begins
        path = [(side * first, y), (side * (first + speed * (duration + 9)), y)]
        actors.append(walker(rng, body, path, speed))
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
    for body, y in zip(bodies, lanes(people, 0.9), strict=True):
        side = 1 if rng.random() < 0.5 else -1
        beyond = HALF + 0.35 * max(y, 0) + float(rng.uniform(0.9, 2.5))
        corners = [(-side * rng.uniform(0, 2), y), (side * beyond, y), (side * (beyond - 0.1), y)]
        corners += to_and_fro(-side * 1.5, side * beyond, y, frames / rate * 2)
        speed = float(rng.uniform(1.2, 1.6))
        actors.append(walker(rng, body, corners, speed))
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
    rows = lanes(people, 0.65)
    movers = strollers(rng, bodies, rows, frames / rate, speed=(0.7, 1.5))
    actors = [
        stander(rng, body, float(rng.uniform(-2.5, 2.5)), y) if rng.random() < 0.3 else mover
        for body, y, mover in zip(bodies, rows, movers, strict=True)
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
    actors = strollers(rng, bodies, lanes(people, 0.75), frames / rate, speed=(1.0, 1.6))
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
    actors = strollers(
        rng, bodies, lanes(people, 0.9), frames / rate, speed=(4.0, 6.0), gait=motion.running
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
    actors = strollers(rng, bodies, lanes(people, 0.75), frames / rate, speed=(1.0, 1.6))
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
    rows = lanes(people, 0.8)
    movers = strollers(rng, bodies, rows, frames / rate, speed=(0.7, 1.3))
    spots = rng.permutation(np.linspace(-2.2, 2.2, people))
    actors = [
        stander(rng, body, float(x), y) if number % 2 else mover
        for number, (body, x, y, mover) in enumerate(zip(bodies, spots, rows, movers, strict=True))
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
            actors.append(stander(rng, body, float(x), y))
        else:
            corners = to_and_fro(x - 0.5, x + 0.5, y, frames / rate)
            actors.append(walker(rng, body, corners, float(rng.uniform(0.6, 1.0))))
    return usual_scene("detector_gaps", rng, actors, frames=frames, size=size, rate=rate, seed=seed)


def street(
    *,
    people: int = 5,
    frames: int = 150,
    seed: int = 0,
    size: Size = (640, 360),
    rate: float = 25.0,
) -> Scene:
    """People cross and pass behind a post on a square with trees; the camera turns a little."""
    rng = generator_of("street", seed)
    rows = lanes(people, 0.7)
    actors = []
    for number, y in enumerate(rows):
        body, side = random_body(rng), 1 if number % 2 else -1
        if number % 3 == 2:
            seed_of = int(rng.integers(2**31))
            moving = motion.gesturing(body, (side * 1.4, y), -1.2 - 0.8 * side, seed=seed_of)
            actors.append(Actor(body, moving))
        else:
            # Some are in the picture at first, others come in one after the other.
            speed, begins = float(rng.uniform(1.0, 1.4)), 0.9 * number + float(rng.uniform(0, 0.5))
            start = (side * (0.4 + begins * speed), y)
            actors.append(walker(rng, body, [start, (-side * 20, y)], speed))
    front, back = rows[-1] - 1.0, rows[0] + 2.5
    things = [
        pole(random_wall_texture(rng), place=(-1.1, front, 0), height=3.6, radius=0.06),
        *(
            tree(rng, place=(x, back + float(rng.uniform(0, 1)), 0), height=4.5)
            for x in (-4, 0.5, 4)
        ),
    ]
    scene = usual_scene(
        "street", rng, actors, frames=frames, size=size, rate=rate, seed=seed, things=things,
        away=6.5, backdrop=city(rng), floor=asphalt(rng),
    )  # fmt: skip
    return replace(scene, camera=panning(scene.camera, angle=0.06, period=8.0))


def _pillar(rng: Generator, x: float, y: float) -> Mesh:
    texture = random_wall_texture(rng)
    return pole(texture, place=(x, y, 0.0), height=4.0, radius=0.24)
