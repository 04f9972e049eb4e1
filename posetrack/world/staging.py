"""The parts of the named scenes: people on paths, and a usual setting."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from posetrack.world import motion
from posetrack.world.motion import Motion
from posetrack.world.people.body import Body
from posetrack.world.places.scenery import ground
from posetrack.world.rendering.background import Backdrop, random_backdrop
from posetrack.world.rendering.cameras import CameraPath, standing
from posetrack.world.rendering.effects import Effects
from posetrack.world.rendering.lighting import random_light
from posetrack.world.rendering.mesh import Mesh
from posetrack.world.rendering.perspective import looking_at
from posetrack.world.rendering.textures import random_ground_texture
from posetrack.world.scene import Actor, Event, Scene

Size = tuple[int, int]
Generator = np.random.Generator

HALF: Final = 3.4
"""Metres to each side that the usual camera sees at the people."""


@dataclass(frozen=True)
class Shot:
    """The arguments that every named scene takes.

    Parameters
    ----------
    name
        Of the scene.
    people
        How many.
    frames
        How many.
    seed
        Of all chance in the scene.
    size
        Width and height in pixels.
    rate
        Frames a second.
    """

    name: str
    people: int
    frames: int
    seed: int
    size: Size
    rate: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.frames / self.rate

    @property
    def generator(self) -> Generator:
        """The scene's random numbers, from their start."""
        return np.random.default_rng((self.seed, crc32(self.name.encode())))


class NamedScene(Protocol):
    """A scene by its name, at any length, size and number of people."""

    def __call__(
        self,
        *,
        people: int = ...,
        frames: int = ...,
        seed: int = ...,
        size: Size = ...,
        rate: float = ...,
    ) -> Scene:
        """The scene; see `Shot` for the arguments."""
        ...


def scene_maker(
    *, people: int, frames: int, rate: float = 25.0
) -> Callable[[Callable[[Shot, Generator], Scene]], NamedScene]:
    """Make a function of a shot and its chance into a scene of `NamedScene`'s arguments.

    Parameters
    ----------
    people, frames, rate
        The scene's own defaults.
    """
    own = {"people": people, "frames": frames, "seed": 0, "size": (640, 360), "rate": rate}

    def name(build: Callable[[Shot, Generator], Scene]) -> NamedScene:
        @wraps(build)
        def scene(**asked: Any) -> Scene:
            if unknown := asked.keys() - own.keys():
                raise TypeError(
                    f"{build.__name__}() takes {', '.join(own)}; got {', '.join(sorted(unknown))}"
                )
            shot = Shot(build.__name__, **{**own, **asked})
            return build(shot, shot.generator)

        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = [inspect.Parameter(key, keyword, default=own[key]) for key in own]
        scene.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return scene

    return name


def lanes(count: int, apart: float) -> list[float]:
    """How far north each of ``count`` people goes, the last in front."""
    return [apart * ((count - 1) / 2 - number) for number in range(count)]


def to_and_fro(left: float, right: float, y: float, length: float) -> list[tuple[float, float]]:
    """Corners of a path to and fro, at least ``length`` metres long, repeated twice."""
    turns = int(np.ceil(2.2 * length / max(abs(right - left), 0.1))) + 4
    return [(right if number % 2 else left, y) for number in range(turns)]


def strollers(
    rng: Generator,
    bodies: Sequence[Body],
    rows: Sequence[float],
    duration: float,
    *,
    speed: tuple[float, float],
    gait: Callable[..., Motion] = motion.walking,
) -> list[Actor]:
    """People who go to and fro, each on a line of their own."""
    actors = []
    for number, (body, y) in enumerate(zip(bodies, rows, strict=True)):
        pace = float(rng.uniform(*speed))
        reach = 0.78 * HALF + 0.25 * y
        side = 1 if number % 2 else -1
        start = -side * float(rng.uniform(0.0, reach))
        corners = [(start, y), *to_and_fro(side * reach, -side * reach, y, duration * pace)]
        actors.append(Actor(body, gait(body, corners, speed=pace, phase=float(rng.random()))))
    return actors


def walker(rng: Generator, body: Body, path: Sequence[tuple[float, float]], speed: float) -> Actor:
    """Someone who walks once along a path of corners."""
    return Actor(body, motion.walking(body, path, speed=speed, phase=float(rng.random())))


def stander(rng: Generator, body: Body, x: float, y: float) -> Actor:
    """Someone who stands and looks more or less towards the camera."""
    heading = -np.pi / 2 + float(rng.normal(0, 0.7))
    return Actor(body, motion.standing(body, (x, y), heading, seed=int(rng.integers(2**31))))


def usual_scene(
    shot: Shot,
    rng: Generator,
    actors: Sequence[Actor],
    *,
    things: Sequence[Mesh] = (),
    height: float = 1.7,
    away: float = 7.0,
    effects: Effects | None = None,
    events: Sequence[Event] = (),
    backdrop: Backdrop | None = None,
    floor: NDArray[np.uint8] | None = None,
) -> Scene:
    """The usual setting and camera around some people; whatever is None is drawn at random."""
    camera: CameraPath = standing(
        looking_at(
            (0.0, -away, height), (0.0, 0.0, 0.95), focal=0.98 * shot.size[0], size=shot.size
        )
    )
    return Scene(
        shot.name,
        tuple(actors),
        camera,
        shot.frames,
        scenery=(ground(random_ground_texture(rng) if floor is None else floor), *things),
        light=random_light(rng),
        backdrop=random_backdrop(rng) if backdrop is None else backdrop,
        effects=Effects(noise=2.0) if effects is None else effects,
        rate=shot.rate,
        seed=shot.seed,
        events=tuple(events),
    )
