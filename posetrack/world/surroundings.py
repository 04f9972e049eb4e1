"""What stands around the people of a random picture: ground, walls, things in front and behind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from posetrack.world.camera import Camera
from posetrack.world.distractors import lathe, random_distractor
from posetrack.world.mesh import Mesh
from posetrack.world.scenery import ground
from posetrack.world.textures import random_ground_texture, random_texture

Float64Array = NDArray[np.float64]


def random_surroundings(
    rng: np.random.Generator, camera: Camera, people: Sequence[Float64Array]
) -> list[Mesh]:
    """Ground, walls and things drawn at random.

    Parameters
    ----------
    rng
        All chance comes from it.
    camera
        What looks at it: things stand before it, some between it and people.
    people
        (3,) metres each, where they are; nothing is put into them.
    """
    things: list[Mesh] = []
    if rng.random() < 0.85:
        floor = random_ground_texture if rng.random() < 0.7 else random_texture
        things.append(ground(floor(rng), tile=float(rng.uniform(1, 6))))
    for _ in range(rng.poisson(1.2)):
        spot = _free_spot(rng, camera, people)
        if spot is not None:
            things.append(random_distractor(rng, random_texture(rng), place=(*spot, 0.0)))
    for root in people:
        if rng.random() < 0.25:
            things.append(_in_front(rng, camera, root))
    return things


def _free_spot(
    rng: np.random.Generator, camera: Camera, people: Sequence[Float64Array]
) -> Float64Array | None:
    """A place on the ground in view, a metre from everybody and two from the camera."""
    half = camera.size[0] / 2 / camera.focal
    for _ in range(8):
        ahead = rng.uniform(2.5, 15)
        spot = np.array([rng.uniform(-half, half) * ahead, ahead])
        if all(np.hypot(*(root[:2] - spot)) > 1.0 for root in people):
            return spot
    return None


def _in_front(rng: np.random.Generator, camera: Camera, root: Float64Array) -> Mesh:
    """Something that hides a part of a person: a pole, a bin, a bush of a thing."""
    eye = camera.position[:2]
    share = rng.uniform(0.55, 0.85)
    spot = eye + share * (root[:2] - eye) + rng.normal(0, 0.15, 2)
    wide = float(rng.uniform(0.04, 0.22))
    tall = float(rng.choice([rng.uniform(0.4, 1.1), rng.uniform(2.0, 4.0)]))
    profile = [(wide, 0.0), (wide * rng.uniform(0.7, 1.2), tall), (0.0, tall)]
    return lathe(profile, random_texture(rng), place=(*spot, 0.0), around=12)
