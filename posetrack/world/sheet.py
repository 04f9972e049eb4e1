"""One picture of many: people from near, training pictures, scenes; to look at by eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import Image
from posetrack.world.motion import standing
from posetrack.world.motion.poses import random_pose
from posetrack.world.people.body import random_body
from posetrack.world.places.scenery import random_ground
from posetrack.world.randomisation import random_frame
from posetrack.world.rendering.background import random_backdrop
from posetrack.world.rendering.lighting import random_light
from posetrack.world.rendering.mesh import Surface
from posetrack.world.rendering.perspective import looking_at
from posetrack.world.rendering.render import render
from posetrack.world.scene import Scene

Shape = tuple[int, int]


def contact_sheet(
    scenes: Sequence[Scene], *, seed: int = 0, people: Shape = (2, 12), pictures: Shape = (4, 6)
) -> Image:
    """People standing and posing, then pictures to train on, then four moments of each scene.

    Parameters
    ----------
    scenes
        To show, of the same size.
    seed
        Draws people and pictures.
    people, pictures
        How many rows of how many.

    Returns
    -------
    sheet
        (H, W, 3) uint8 BGR, about 1900 pixels wide.
    """
    width = 1920
    blocks = [
        _grid([person(seed, n) for n in range(people[0] * people[1])], people[1], width),
        _grid(
            [random_frame(seed, n)[0] for n in range(pictures[0] * pictures[1])], pictures[1], width
        ),
    ]
    for scene in scenes:
        moments = np.linspace(0, len(scene) - 1, 6).astype(int).tolist()
        blocks.append(_grid([scene.render(moment) for moment in moments], 6, width))
    return np.concatenate([block for block in blocks if len(block)])


def person(seed: int, number: int, *, size: tuple[int, int] = (160, 240)) -> Image:
    """One person from near: every other one stands, the others are in any pose."""
    rng = np.random.default_rng((seed, number, 5))
    body = random_body(rng)
    pose = random_pose(rng, body) if number % 2 else standing(body, heading=-1.2)(0.0)
    vertices = body.apply_pose(pose)
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    reach = float((vertices.max(axis=0) - vertices.min(axis=0)).max())
    eye = middle + np.array([0.0, -2.6 * reach, 0.35 * reach])
    camera = looking_at(eye, middle, focal=2.1 * size[1], size=size)
    surfaces = [Surface(body.mesh, vertices, vertices, owner=1)]
    floor = random_ground(rng)
    surfaces.append(Surface(floor, floor.vertices, floor.vertices))
    return render(surfaces, camera, light=random_light(rng), backdrop=random_backdrop(rng)).image


def _grid(images: Sequence[Image], columns: int, width: int) -> NDArray[np.uint8]:
    import cv2

    across = width // columns
    height = round(across * images[0].shape[0] / images[0].shape[1])
    small = [cv2.resize(image, (across, height), interpolation=cv2.INTER_AREA) for image in images]
    rows = [np.hstack(small[n : n + columns]) for n in range(0, len(small), columns)]
    grid = np.zeros((height * len(rows), width, 3), np.uint8)
    for number, row in enumerate(rows):
        grid[number * height : (number + 1) * height, : row.shape[1]] = row
    return grid
