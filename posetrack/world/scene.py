"""A scene: people, a camera, scenery, light; pictures of it with their truth, in any order."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import Image
from posetrack.skeletons import COCO_17, Skeleton
from posetrack.testing.fakes import KnownPeople
from posetrack.world.people.body import Body
from posetrack.world.rendering.background import Backdrop, plain
from posetrack.world.rendering.cameras import CameraPath
from posetrack.world.rendering.lighting import Light
from posetrack.world.rendering.mesh import Mesh, Surface
from posetrack.world.rendering.perspective import Camera
from posetrack.world.rendering.render import Render, render
from posetrack.world.truth import EVERY_KEYPOINT, Truth, Whereabouts, truth_of

Motion: TypeAlias = Callable[[float], Any]
"""Seconds to the body's pose at that moment."""

Effects: TypeAlias = Callable[[Render, np.random.Generator], Image]
"""From a `Render` and a generator to the picture that a camera would have given."""


@dataclass(frozen=True, eq=False)
class Actor:
    """A person in a scene.

    Parameters
    ----------
    body
        What the person looks like.
    motion
        Seconds to pose.
    enters, leaves
        Seconds between which the person is in the world; outside of it there is no such person.
    """

    body: Body
    motion: Motion
    enters: float = -np.inf
    leaves: float = np.inf


@dataclass(frozen=True)
class Event:
    """Something that happens in a scene at a known time, such as a repetition of an exercise.

    Parameters
    ----------
    kind
        What: ``"squat"``, ``"jump"``, ``"fall"``.
    person
        Whose id.
    start, end
        Seconds.
    """

    kind: str
    person: int
    start: float
    end: float


@dataclass(frozen=True, eq=False, repr=False)
class Scene:
    """People who move in front of a camera, with everything known.

    The same scene gives the same pixels for a frame, in whatever order frames are asked for.

    Parameters
    ----------
    name
        What it is called in files.
    people
        Person n has id n + 1, whether in the picture or not.
    camera
        Seconds to camera.
    frames
        How many.
    scenery
        What stands around and hides people.
    light, backdrop
        See the renderer.
    effects
        What the camera makes of the picture: blur, noise, JPEG; None leaves it clean.
    rate
        Frames a second.
    seed
        Of the noise in the pictures.
    skeleton
        What keypoints the truth shows.
    events
        What happens when, for those who measure that.
    threads
        How many draw; the pictures do not depend on it.

    Examples
    --------
    >>> from posetrack.world import crossing
    >>> scene = crossing(people=2, frames=3, size=(160, 120))
    >>> image, truth = scene.frame(2)
    >>> image.shape, truth.ids.tolist(), scene.frame_of(image)
    ((120, 160, 3), [1, 2], 2)
    """

    name: str
    people: tuple[Actor, ...]
    camera: CameraPath
    frames: int
    scenery: tuple[Mesh, ...] = ()
    light: Light = field(default_factory=Light)
    backdrop: Backdrop = field(default_factory=plain)
    effects: Effects | None = None
    rate: float = 25.0
    seed: int = 0
    skeleton: Skeleton = COCO_17
    events: tuple[Event, ...] = ()
    threads: int = 1
    _digests: dict[bytes, int] = field(default_factory=dict, init=False)
    _truths: OrderedDict[int, Truth] = field(default_factory=OrderedDict, init=False)

    def __len__(self) -> int:
        return self.frames

    def __repr__(self) -> str:
        width, height = self.size
        return (
            f"Scene({self.name}, {len(self.people)} people, {self.frames} frames, "
            f"{width}x{height} at {self.rate:g}/s)"
        )

    def __iter__(self) -> Iterator[tuple[Image, Truth]]:
        return (self.frame(number) for number in range(self.frames))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        return self.camera(0.0).size

    def frame(self, number: int) -> tuple[Image, Truth]:
        """A rendered picture and its truth.

        Raises
        ------
        IndexError
            If the scene has no such frame.
        """
        number = self._number(number)
        seconds = number / self.rate
        camera = self.camera(seconds)
        drawn, people = self._draw(number, camera)
        truth = truth_of(people, camera, drawn, skeleton=self.skeleton, seconds=seconds)
        image: Image = drawn.image
        if self.effects is not None:
            image = self.effects(drawn, np.random.default_rng((self.seed, number)))
        self._remember(number, image, truth)
        return image, truth

    def render(self, number: int) -> Image:
        """(H, W, 3) uint8 BGR, the picture alone."""
        return self.frame(number)[0]

    def truth(self, number: int) -> Truth:
        """The truth of a frame, per-pixel arrays included."""
        return self.frame(number)[1]

    def images(self) -> Iterator[Image]:
        """The pictures, one after the other."""
        return (image for image, _ in self)

    def facts(self, number: int) -> Truth:
        """The truth without per-pixel arrays; rendered only if it was not before."""
        number = self._number(number)
        if number not in self._truths:
            self.frame(number)
        return self._truths[number]

    def frame_of(self, image: Image) -> int:
        """Which frame a picture is, by its pixels: only what this scene has rendered, unchanged.

        Raises
        ------
        ValueError
            If the scene has not made such a picture.
        """
        number = self._digests.get(_digest(image))
        if number is None:
            raise ValueError(
                f"{self.name}: not a picture that this scene has rendered; fakes need the very "
                "pixels, not scaled or compressed"
            )
        return number

    def everybody(self, number: int) -> KnownPeople:
        """What a fake needs to know of a frame: everybody, those not there with nothing to see."""
        there = self.facts(number).everybody()
        rows = there.ids - 1
        count, keypoints = len(self.people), len(self.skeleton)
        xy, boxes = np.full((count, keypoints, 2), np.nan), np.zeros((count, 4))
        visible, heights, share = np.zeros((count, keypoints)), np.zeros(count), np.zeros(count)
        xy[rows], visible[rows], boxes[rows] = there.xy, there.visible, there.boxes
        heights[rows], share[rows] = there.heights, there.share
        return KnownPeople(np.arange(1, count + 1), xy, visible, boxes, heights, share)

    def _draw(self, number: int, camera: Camera) -> tuple[Render, list[Whereabouts]]:
        """The rendered frame and where the people are."""
        now, then = number / self.rate, (number + 1) / self.rate
        surfaces = [Surface(mesh, mesh.vertices, mesh.vertices) for mesh in self.scenery]
        people = []
        for identity, actor in enumerate(self.people, 1):
            if not actor.enters <= now < actor.leaves:
                continue
            body, pose = actor.body, actor.motion(now)
            vertices = body.apply_pose(pose)
            surfaces.append(
                Surface(body.mesh, vertices, body.apply_pose(actor.motion(then)), owner=identity)
            )
            points: NDArray[np.float64] = np.asarray(body.keypoints(pose, EVERY_KEYPOINT), float)
            people.append(Whereabouts(identity, body.mesh, vertices, points, body.height))
        drawn = render(
            surfaces,
            camera,
            self.camera(then),
            light=self.light,
            backdrop=self.backdrop,
            threads=self.threads,
        )
        return drawn, people

    def _number(self, number: int) -> int:
        if not 0 <= number < self.frames:
            raise IndexError(f"{self.name} has frames 0 .. {self.frames - 1}, got {number}")
        return int(number)

    def _remember(self, number: int, image: Image, truth: Truth) -> None:
        self._digests[_digest(image)] = number
        self._truths[number] = truth.without_pixels()


def _digest(image: Image) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
