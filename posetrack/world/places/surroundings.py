"""What stands around the people of a random picture: ground, walls, things in front and behind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from posetrack.world.places.distractors import random_distractor
from posetrack.world.places.furniture import box, pole, tree
from posetrack.world.places.scenery import ground, random_thing, wall
from posetrack.world.rendering.mesh import Mesh
from posetrack.world.rendering.perspective import Camera
from posetrack.world.rendering.textures import (
    Texture,
    random_ground_texture,
    random_texture,
    random_wall_texture,
)

Float64Array = NDArray[np.float64]


def random_surroundings(
    rng: np.random.Generator,
    camera: Camera,
    people: Sequence[Float64Array],
    *,
    bare: bool = False,
    texture: Texture | None = None,
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
    bare
        Mostly neither ground nor wall, so that what lies behind is seen.
    texture
        (h, w, 3), of half of the odd things.
    """
    things: list[Mesh] = []
    if rng.random() < (0.2 if bare else 0.88):
        floor = random_ground_texture if rng.random() < 0.7 else random_texture
        things.append(ground(floor(rng), tile=float(rng.uniform(1, 6))))
    if rng.random() < (0.1 if bare else 0.3):
        things.append(_behind(rng, people))
    for _ in range(rng.poisson(1.6)):
        spot = _free_spot(rng, camera, people)
        if spot is not None and rng.random() < 0.55:
            things.append(random_thing(rng, position=(*spot, 0.0)))
        elif spot is not None:
            given = texture is not None and rng.random() < 0.5
            look = texture if given and texture is not None else random_texture(rng)
            things.append(random_distractor(rng, look, position=(*spot, 0.0)))
    things += [_in_front(rng, camera, root) for root in people if rng.random() < 0.16]
    return things


def _behind(rng: np.random.Generator, people: Sequence[Float64Array]) -> Mesh:
    """A long wall behind everybody."""
    beyond = max((float(root[1]) for root in people), default=4.0) + float(rng.uniform(0.8, 6))
    slope, height = rng.normal(0, 0.15), float(rng.choice([rng.uniform(0.6, 1.5), 3.0, 6.0]))
    ends = (
        (-40.0, beyond + 40 * abs(slope) - 40 * slope),
        (40.0, beyond + 40 * abs(slope) + 40 * slope),
    )
    texture = random_wall_texture(rng)
    return wall(texture, *ends, height=height, tile=float(rng.uniform(1, 5)))


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
    """Something that hides a part of a person: a pole, a tree, a box, a low wall."""
    eye = camera.position[:2]
    share = rng.uniform(0.55, 0.85)
    x, y = eye + share * (root[:2] - eye) + rng.normal(0, 0.15, 2)
    kind = rng.random()
    if kind < 0.4:
        radius, height = float(rng.uniform(0.03, 0.2)), float(rng.uniform(1, 4))
        return pole(random_texture(rng), position=(x, y, 0), height=height, radius=radius)
    if kind < 0.55:
        return tree(rng, position=(x, y, 0), height=float(rng.uniform(3, 7)))
    if kind < 0.8:
        size = (*rng.uniform(0.2, 1.0, 2), rng.uniform(0.3, 1.3))
        return box(random_texture(rng), size, position=(x, y, 0), turn=float(rng.uniform(0, 6.28)))
    half, height = float(rng.uniform(0.4, 2.5)), float(rng.uniform(0.3, 1.2))
    return wall(random_wall_texture(rng), (x - half, y), (x + half, y), height=height)
