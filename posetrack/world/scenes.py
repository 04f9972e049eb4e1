"""Scenes of what trackers get wrong.

Every scene takes ``people``, ``frames``, ``seed``, ``size`` and ``rate``, see
`posetrack.world.staging.Shot`; the same arguments give the same pixels. Metres and seconds; the
camera looks north.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posetrack.world import motion
from posetrack.world.people.body import random_body
from posetrack.world.people.looks import random_clothes
from posetrack.world.places.furniture import pole, tree
from posetrack.world.rendering.background import city
from posetrack.world.rendering.cameras import panning, shaking
from posetrack.world.rendering.effects import Effects
from posetrack.world.rendering.mesh import Mesh
from posetrack.world.rendering.textures import asphalt, random_wall_texture
from posetrack.world.scene import Actor, Scene
from posetrack.world.staging import (
    HALF,
    Generator,
    Shot,
    lanes,
    scene_maker,
    stander,
    strollers,
    to_and_fro,
    usual_scene,
    walker,
)


@scene_maker(people=4, frames=250)
def crossing(shot: Shot, rng: Generator) -> Scene:
    """People walk to and fro side by side and hide each other where they cross.

    Examples
    --------
    >>> crossing(people=2, frames=10)
    Scene(crossing, 2 people, 10 frames, 640x360 at 25/s)
    """
    bodies = [random_body(rng) for _ in range(shot.people)]
    actors = strollers(rng, bodies, lanes(shot.people, 0.75), shot.seconds, speed=(1.0, 1.6))
    return usual_scene(shot, rng, actors)


@scene_maker(people=3, frames=250)
def behind_pole(shot: Shot, rng: Generator) -> Scene:
    """People walk to and fro behind two pillars that hide them for a while.

    Examples
    --------
    >>> behind_pole(people=2, frames=10)
    Scene(behind_pole, 2 people, 10 frames, 640x360 at 25/s)
    """
    bodies = [random_body(rng) for _ in range(shot.people)]
    actors = strollers(rng, bodies, lanes(shot.people, 0.8), shot.seconds, speed=(0.9, 1.4))
    front = -0.5 * 0.8 * (shot.people - 1) - 1.6
    pillars = [_pillar(rng, x, front) for x in (-1.5, 1.2)]
    return usual_scene(shot, rng, actors, things=pillars)


@scene_maker(people=6, frames=250)
def entering_leaving(shot: Shot, rng: Generator) -> Scene:
    """People come in on one side, one after the other, and leave on the other for good.

    Examples
    --------
    >>> entering_leaving(people=2, frames=10)
    Scene(entering_leaving, 2 people, 10 frames, 640x360 at 25/s)
    """
    bodies = [random_body(rng) for _ in range(shot.people)]
    actors = []
    duration = shot.seconds
    for number, (body, y) in enumerate(zip(bodies, lanes(shot.people, 0.7), strict=True)):
        side = 1 if rng.random() < 0.5 else -1
        speed = float(rng.uniform(1.1, 1.7))
        edge = HALF + 0.35 * max(y, 0) + 1.0
        # From a person leaving as the scene begins to one who has just come as it ends.
        begins = (duration + 2) * (number + 0.5) / shot.people - 4.0
        first = -edge - speed * begins
        path = [(side * first, y), (side * (first + speed * (duration + 9)), y)]
        actors.append(walker(rng, body, path, speed))
    return usual_scene(shot, rng, actors)


@scene_maker(people=3, frames=300)
def coming_back(shot: Shot, rng: Generator) -> Scene:
    """People walk out of the picture and come back after one to four seconds.

    Examples
    --------
    >>> coming_back(people=2, frames=10)
    Scene(coming_back, 2 people, 10 frames, 640x360 at 25/s)
    """
    bodies = [random_body(rng) for _ in range(shot.people)]
    actors = []
    for body, y in zip(bodies, lanes(shot.people, 0.9), strict=True):
        side = 1 if rng.random() < 0.5 else -1
        beyond = HALF + 0.35 * max(y, 0) + float(rng.uniform(0.9, 2.5))
        corners = [(-side * rng.uniform(0, 2), y), (side * beyond, y), (side * (beyond - 0.1), y)]
        corners += to_and_fro(-side * 1.5, side * beyond, y, shot.seconds * 2)
        speed = float(rng.uniform(1.2, 1.6))
        actors.append(walker(rng, body, corners, speed))
    return usual_scene(shot, rng, actors)


@scene_maker(people=10, frames=200)
def crowd(shot: Shot, rng: Generator) -> Scene:
    """Many people walk and stand in rows behind each other, seen from a little above.

    Examples
    --------
    >>> crowd(people=2, frames=10)
    Scene(crowd, 2 people, 10 frames, 640x360 at 25/s)
    """
    bodies = [random_body(rng) for _ in range(shot.people)]
    rows = lanes(shot.people, 0.65)
    movers = strollers(rng, bodies, rows, shot.seconds, speed=(0.7, 1.5))
    actors = [
        stander(rng, body, float(rng.uniform(-2.5, 2.5)), y) if rng.random() < 0.3 else mover
        for body, y, mover in zip(bodies, rows, movers, strict=True)
    ]
    return usual_scene(shot, rng, actors, height=2.6, away=9.0)


@scene_maker(people=4, frames=250)
def same_clothes(shot: Shot, rng: Generator) -> Scene:
    """`crossing` with people dressed alike.

    Examples
    --------
    >>> same_clothes(people=2, frames=10)
    Scene(same_clothes, 2 people, 10 frames, 640x360 at 25/s)
    """
    clothes = random_clothes(rng, female=0.0)
    bodies = [random_body(rng, clothes=clothes, child=False) for _ in range(shot.people)]
    actors = strollers(rng, bodies, lanes(shot.people, 0.75), shot.seconds, speed=(1.0, 1.6))
    return usual_scene(shot, rng, actors)


@scene_maker(people=3, frames=150)
def fast_motion(shot: Shot, rng: Generator) -> Scene:
    """People run past each other close to a slow shutter: large steps between frames, and blur.

    Examples
    --------
    >>> fast_motion(people=2, frames=10)
    Scene(fast_motion, 2 people, 10 frames, 640x360 at 25/s)
    """
    bodies = [random_body(rng, child=False) for _ in range(shot.people)]
    actors = strollers(
        rng, bodies, lanes(shot.people, 0.9), shot.seconds, speed=(4.0, 6.0), gait=motion.running
    )
    return usual_scene(shot, rng, actors, away=5.5,
        effects=Effects(shutter=0.7, noise=3.0),
    )  # fmt: skip


@scene_maker(people=4, frames=60, rate=5.0)
def low_frame_rate(shot: Shot, rng: Generator) -> Scene:
    """The crossing as a camera with few frames a second sees it.

    Examples
    --------
    >>> low_frame_rate(people=2, frames=10)
    Scene(low_frame_rate, 2 people, 10 frames, 640x360 at 5/s)
    """
    bodies = [random_body(rng) for _ in range(shot.people)]
    actors = strollers(rng, bodies, lanes(shot.people, 0.75), shot.seconds, speed=(1.0, 1.6))
    return usual_scene(shot, rng, actors)


@scene_maker(people=4, frames=250)
def camera_pan(shot: Shot, rng: Generator) -> Scene:
    """A camera in a hand swings to and fro past people who stand and stroll.

    Examples
    --------
    >>> camera_pan(people=2, frames=10)
    Scene(camera_pan, 2 people, 10 frames, 640x360 at 25/s)
    """
    bodies = [random_body(rng) for _ in range(shot.people)]
    rows = lanes(shot.people, 0.8)
    movers = strollers(rng, bodies, rows, shot.seconds, speed=(0.7, 1.3))
    spots = rng.permutation(np.linspace(-2.2, 2.2, shot.people))
    actors = [
        stander(rng, body, float(x), y) if number % 2 else mover
        for number, (body, x, y, mover) in enumerate(zip(bodies, spots, rows, movers, strict=True))
    ]
    scene = usual_scene(shot, rng, actors)
    moving = panning(shaking(scene.camera, angle=0.006, seed=shot.seed), angle=0.22, period=4.0)
    return replace(scene, camera=moving)


@scene_maker(people=4, frames=200)
def detector_gaps(shot: Shot, rng: Generator) -> Scene:
    """A group side by side, in plain sight, for detectors that lose people (see the fakes).

    Examples
    --------
    >>> detector_gaps(people=2, frames=10)
    Scene(detector_gaps, 2 people, 10 frames, 640x360 at 25/s)
    """
    actors = []
    for x in np.linspace(-2.5, 2.5, shot.people) if shot.people > 1 else [0.0]:
        body, y = random_body(rng), float(rng.uniform(-0.6, 0.8))
        if rng.random() < 0.5:
            actors.append(stander(rng, body, float(x), y))
        else:
            corners = to_and_fro(x - 0.5, x + 0.5, y, shot.seconds)
            actors.append(walker(rng, body, corners, float(rng.uniform(0.6, 1.0))))
    return usual_scene(shot, rng, actors)


@scene_maker(people=5, frames=150)
def street(shot: Shot, rng: Generator) -> Scene:
    """People cross and pass behind a post on a square with trees; the camera turns a little.

    Examples
    --------
    >>> street(people=2, frames=10)
    Scene(street, 2 people, 10 frames, 640x360 at 25/s)
    """
    rows = lanes(shot.people, 0.7)
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
        pole(random_wall_texture(rng), position=(-1.1, front, 0), height=3.6, radius=0.06),
        *(
            tree(rng, position=(x, back + float(rng.uniform(0, 1)), 0), height=4.5)
            for x in (-4, 0.5, 4)
        ),
    ]
    scene = usual_scene(shot, rng, actors, things=things,
        away=6.5, backdrop=city(rng), floor=asphalt(rng),
    )  # fmt: skip
    return replace(scene, camera=panning(scene.camera, angle=0.06, period=8.0))


def _pillar(rng: Generator, x: float, y: float) -> Mesh:
    texture = random_wall_texture(rng)
    return pole(texture, position=(x, y, 0.0), height=4.0, radius=0.24)
