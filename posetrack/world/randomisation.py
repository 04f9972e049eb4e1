"""Random pictures, as different from each other as possible, to train networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import Image
from posetrack.skeletons import COCO_17, Skeleton
from posetrack.world import motion
from posetrack.world.motion.poses import random_pose
from posetrack.world.people.body import Body, random_body
from posetrack.world.people.rig import BodyPose
from posetrack.world.places.surroundings import random_surroundings
from posetrack.world.rendering.background import random_backdrop
from posetrack.world.rendering.cameras import turn_camera
from posetrack.world.rendering.effects import random_effects
from posetrack.world.rendering.lighting import random_light
from posetrack.world.rendering.mesh import Surface
from posetrack.world.rendering.perspective import Camera, looking_at
from posetrack.world.rendering.photographs import behind, light_like, random_cut, texture_of
from posetrack.world.rendering.render import render
from posetrack.world.truth import EVERY_KEYPOINT, Truth, Whereabouts, truth_of

Float64Array = NDArray[np.float64]

_TRIES = 12
_PHOTOGRAPHED, _LIT_ALIKE = 0.8, 0.75
"""Shares: of pictures with a photograph behind, where there are any; of these with its light."""

_TRAINING: Final[tuple[Callable[..., motion.Motion], ...]] = (
    motion.squats, motion.jumping_jacks, motion.bending, motion.push_ups, motion.falling,
    motion.sitting_down,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Person:
    body: Body
    pose: BodyPose
    then: BodyPose  # a frame later, for the blur


def random_frames(
    seed: int,
    count: int,
    *,
    start: int = 0,
    size: tuple[int, int] = (640, 360),
    people: tuple[int, int] = (0, 6),
    skeleton: Skeleton = COCO_17,
    photographs: Sequence[Path] = (),
) -> Iterator[tuple[Image, Truth]]:
    """Pictures ``start`` .. ``start + count - 1`` of a seed, see `random_frame`.

    Examples
    --------
    >>> for image, truth in random_frames(1, 2, size=(96, 64), people=(1, 1)):
    ...     print(image.shape, len(truth))
    (64, 96, 3) 1
    (64, 96, 3) 1
    """
    for number in range(start, start + count):
        yield random_frame(
            seed, number, size=size, people=people, skeleton=skeleton, photographs=photographs
        )


def random_frame(
    seed: int,
    number: int,
    *,
    size: tuple[int, int] = (640, 360),
    people: tuple[int, int] = (0, 6),
    skeleton: Skeleton = COCO_17,
    photographs: Sequence[Path] = (),
) -> tuple[Image, Truth]:
    """One picture and its truth; the same two numbers always give the same.

    People from far away to half out of the picture stand, walk and pose in front of cameras from
    low to high, behind and before things that hide them and things that look a little like them,
    in any light, with any faults that cameras have. Some pictures have nobody in them.

    Parameters
    ----------
    seed, number
        Which picture.
    size
        Width and height in pixels.
    people
        Fewest and most.
    skeleton
        Of the truth.
    photographs
        Image files without people: they are behind most pictures, on some things, and the light
        is mostly like theirs. Without any all is drawn by rule.

    Raises
    ------
    ValueError
        If the numbers of people are negative or in the wrong order, or a photograph is not an
        image.

    Examples
    --------
    >>> image, truth = random_frame(0, 3, size=(96, 64), people=(1, 2))
    >>> image.shape, 1 <= len(truth) <= 2
    ((64, 96, 3), True)
    """
    least, most = people
    if not 0 <= least <= most:
        raise ValueError(f"people must be fewest and most, such as (0, 6), got {people}")
    rng = np.random.default_rng((seed, number))
    camera = _random_camera(rng, size)
    # A few pictures have the fewest people, usually none; else any number is equally likely.
    few = rng.random() < 0.08
    count = least if few else int(rng.integers(min(least + 1, most), most + 1))
    group = _random_people(rng, camera, count)
    roots = [person.pose.root for person in group]
    cut = random_cut(rng, photographs) if photographs and rng.random() < _PHOTOGRAPHED else None
    if cut is None:
        things = random_surroundings(rng, camera, roots)
    else:
        texture = texture_of(random_cut(rng, photographs))
        things = random_surroundings(rng, camera, roots, bare=True, texture=texture)
    surfaces = [Surface(mesh, mesh.vertices, mesh.vertices) for mesh in things]
    everybody = []
    for identity, person in enumerate(group, 1):
        body, pose = person.body, person.pose
        vertices = body.apply_pose(pose)
        surfaces.append(Surface(body.mesh, vertices, body.apply_pose(person.then), owner=identity))
        points = np.asarray(body.keypoints(pose, EVERY_KEYPOINT), float)
        everybody.append(Whereabouts(identity, body.mesh, vertices, points, body.height))
    alike = cut is not None and rng.random() < _LIT_ALIKE
    drawn = render(
        surfaces,
        camera,
        _next_camera(rng, camera),
        light=light_like(rng, cut) if alike and cut is not None else random_light(rng),
        backdrop=random_backdrop(rng) if cut is None else behind(rng, cut, camera),
    )
    truth = truth_of(everybody, camera, drawn, skeleton=skeleton)
    return random_effects(rng)(drawn, rng), truth


def _random_stance(rng: np.random.Generator, body: Body) -> tuple[BodyPose, BodyPose]:
    """A person at the origin in an ordinary motion, or in any pose; now and 1/25 s later."""
    kind, seconds = rng.random(), float(rng.uniform(0, 4))
    heading, seed = float(rng.uniform(-np.pi, np.pi)), int(rng.integers(2**31))
    direction = np.array([np.cos(heading), np.sin(heading)])
    if kind < 0.45:
        pose = random_pose(rng, body)
        speed = rng.gamma(1.0, 0.5)
        return pose, pose.translate((*(speed / 25 * direction), 0.0))
    moving: motion.Motion
    if kind < 0.65:
        speed = float(rng.uniform(0.6, 2.0))
        moving = motion.walking(body, [-9 * direction, 9 * direction], speed=speed)
    elif kind < 0.71:
        moving = motion.running(
            body, [-25 * direction, 25 * direction], speed=float(rng.uniform(2, 5))
        )
    elif kind < 0.92:
        stay = (motion.standing, motion.gesturing, motion.wave_arms)
        moving = stay[rng.choice(3, p=[0.5, 0.3, 0.2])](body, (0, 0), heading, seed=seed)
    else:
        moving = _TRAINING[rng.integers(len(_TRAINING))](body, (0, 0), heading)
    return moving(seconds), moving(seconds + 1 / 25)


def _random_camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    """From a knee's height to a first floor's, looking up or down, level or a little askew."""
    width, _ = size
    height = float(rng.choice([rng.uniform(0.3, 1.0), rng.uniform(1.1, 2.0), rng.uniform(2.0, 7.0)],
                              p=[0.2, 0.5, 0.3]))  # fmt: skip
    focal = width / 2 / np.tan(np.deg2rad(rng.uniform(30, 85)) / 2)
    ahead = rng.uniform(3, 12)
    aim = (0.0, ahead, np.clip(rng.normal(0.9, 0.5), -0.5, height + 1.0))
    camera = looking_at((0.0, 0.0, height), aim, focal=float(focal), size=size)
    roll = rng.normal(0, np.deg2rad(2 if rng.random() < 0.8 else 12))
    return turn_camera(camera, roll=float(roll))


def _next_camera(rng: np.random.Generator, camera: Camera) -> Camera:
    """The camera a frame later: mostly still, else turning."""
    still = rng.random() < 0.7
    right, up = rng.normal(0, 1e-5 if still else 0.008, 2).tolist()
    return turn_camera(camera, right=right, up=up)


def _random_people(rng: np.random.Generator, camera: Camera, count: int) -> list[_Person]:
    """People where the camera sees at least a part of them, not inside each other."""
    group: list[_Person] = []
    for _ in range(count):
        body = random_body(rng)
        pose, then = _random_stance(rng, body)
        shift = -pose.root[:2]
        for _ in range(_TRIES):
            near = group[rng.integers(len(group))] if group and rng.random() < 0.35 else None
            position = _beside(rng, near) if near else _somewhere(rng, camera)
            apart = [np.hypot(*(position - other.pose.root[:2])) for other in group]
            moved = pose.translate((*(shift + position), 0.0))
            if min(apart, default=9.0) > 0.35 and _is_seen(camera, body, moved):
                group.append(_Person(body, moved, then.translate((*(shift + position), 0.0))))
                break
    return group


def _somewhere(rng: np.random.Generator, camera: Camera) -> Float64Array:
    """A place on the ground whose person would be from a twelfth to twice the picture tall."""
    width, height = camera.size
    tall = height * float(np.exp(rng.uniform(np.log(0.14), np.log(1.9))))
    distance = float(np.clip(1.7 * camera.focal / tall, 0.9, 45.0))
    x = rng.uniform(-0.05, 1.05) * width - width / 2
    return np.array([x / camera.focal * distance, distance])


def _beside(rng: np.random.Generator, near: _Person) -> Float64Array:
    angle, apart = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.2)
    position: Float64Array = near.pose.root[:2] + apart * np.array([np.cos(angle), np.sin(angle)])
    return position


def _is_seen(camera: Camera, body: Body, pose: BodyPose) -> bool:
    """Whether at least a fifth of the body is in the picture."""
    xy, depth = camera.project(body.apply_pose(pose)[::7])
    inside = (depth > 0.3) & (xy >= 0).all(axis=1) & (xy < camera.size).all(axis=1)
    return float(inside.mean()) > 0.2
