"""Scenes rendered once and looked at by many trackers, and the exact flow between their images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.flows.points import check_points
from posetrack.interfaces import Image, Points
from posetrack.ops.motion import inside_image
from posetrack.skeletons import Skeleton
from posetrack.testing.fakes import KnownPeople
from posetrack.world import (
    Scene,
    behind_pole,
    camera_pan,
    coming_back,
    crossing,
    crowd,
    detector_gaps,
    fast_motion,
    low_frame_rate,
    same_clothes,
)
from posetrack.world.rendering.effects import Effects


@dataclass(frozen=True)
class World:
    """A kind of scene and how much of it to look at.

    Parameters
    ----------
    name
        What tables call it.
    make
        One of `posetrack.world`'s scenes, or a function like them.
    settings
        Its arguments but seed and size.
    faults
        Of `posetrack.testing.SceneDetector`, instead of those that all worlds share.
    """

    name: str
    make: Callable[..., Scene]
    settings: Mapping[str, Any] = field(default_factory=dict)
    faults: Mapping[str, float] = field(default_factory=dict)

    def shorten(self, *, frames: int) -> World:
        """The same with another number of frames."""
        return replace(self, settings={**self.settings, "frames": frames})

    def record(self, seed: int, size: tuple[int, int]) -> RecordedScene:
        """Render it."""
        return RecordedScene(self.make(seed=seed, size=size, **self.settings))


class RecordedScene:
    """All images, truths and flows of a scene in memory; fakes take it for the scene.

    Parameters
    ----------
    scene
        Rendered here, every frame once.

    Attributes
    ----------
    images, truths
        One a frame; truths without what is as large as the picture.
    flows
        (H, W, 2) float32 pixels from each frame to the next.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.images: list[Image] = []
        self.flows: list[NDArray[np.float32]] = []
        for image, truth in scene:
            self.images.append(image)
            self.flows.append(np.asarray(truth.flow, np.float32))
        self.truths = [scene.facts(number) for number in range(len(scene))]
        self._known = [scene.everybody(number) for number in range(len(scene))]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.scene.rate

    @property
    def skeleton(self) -> Skeleton:
        """The scene's."""
        return self.scene.skeleton

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.scene.size

    def frame_of(self, image: Image, /) -> int:
        """Which frame an image is, see `posetrack.world.Scene.frame_of`."""
        return self.scene.frame_of(image)

    def everybody(self, frame: int, /) -> KnownPeople:
        """What fakes need to know."""
        return self._known[frame]


class ExactFlow:
    """The flow that the renderer knows: no method that looks at pixels can do better.

    Like any flow it moves what is seen at a place: the keypoint of someone hidden goes along with
    whoever is in front.

    Parameters
    ----------
    scene
        Whose images it will be given, one after the other.

    Examples
    --------
    >>> from posetrack.world import crossing
    >>> scene = RecordedScene(crossing(people=1, frames=2, size=(160, 90)))
    >>> flow = ExactFlow(scene)
    >>> before, after = (flow.prepare(image) for image in scene.images)
    >>> hip = scene.truths[0].xy[:, 11]
    >>> moved, valid = flow.move(before, after, hip)
    >>> bool(np.abs(moved - scene.truths[1].xy[:, 11]).max() < 1), valid.tolist()
    (True, [True])
    """

    def __init__(self, scene: RecordedScene) -> None:
        self._scene = scene

    def prepare(self, image: Image, /) -> int:
        """The image's number."""
        return self._scene.frame_of(image)

    def move(self, before: int, after: int, xy: ArrayLike, /) -> tuple[Points, NDArray[np.bool_]]:
        """Move (P, 2) points by the flow of the pixel that each lies on.

        Raises
        ------
        ValueError
            If the second image is not the one after the first.
        """
        if after != before + 1:
            raise ValueError(f"the exact flow leads from frame {before} to the next, not {after}")
        points, field_of = check_points(xy), self._scene.flows[before]
        moved = np.full_like(points, np.nan)
        known = inside_image(points, self._scene.size)
        columns, rows = np.rint(points[known]).astype(np.intp).T
        height, width = field_of.shape[:2]
        # Half a pixel beyond the last centre still lies on the last pixel.
        rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
        moved[known] = points[known] + field_of[rows, columns]
        return moved, inside_image(moved, self._scene.size)


class OwnMotionFlow:
    """A flow that knows how people move, hidden or not: each point goes as its person does.

    What `ExactFlow` lacks, since behind someone or something a pixel's flow is not that of the
    person looked for. Points nearer to a true keypoint than ``reach`` go along with it, others with
    the exact flow.

    Parameters
    ----------
    scene
        Whose images it will be given, one after the other.
    reach
        Part of the person's height.
    """

    def __init__(self, scene: RecordedScene, *, reach: float = 0.06) -> None:
        self._scene, self._pixels, self._reach = scene, ExactFlow(scene), reach

    def prepare(self, image: Image, /) -> int:
        """The image's number."""
        return self._pixels.prepare(image)

    def move(self, before: int, after: int, xy: ArrayLike, /) -> tuple[Points, NDArray[np.bool_]]:
        """Move (P, 2) points; raises as `ExactFlow` does."""
        points = check_points(xy)
        moved, valid = self._pixels.move(before, after, points)
        first, second = self._scene.truths[before], self._scene.truths[after]
        shared = np.flatnonzero(np.isin(first.ids, second.ids))
        if not len(shared) or not len(points):
            return moved, valid
        keypoints = first.xy[shared]
        steps = second.xy[np.searchsorted(second.ids, first.ids[shared])] - keypoints
        away = np.linalg.norm(points[:, None] - keypoints.reshape(-1, 2), axis=2)
        away = np.where(np.isfinite(away), away, np.inf)
        nearest = away.argmin(axis=1)
        tall = first.boxes[shared, 3] - first.boxes[shared, 1]
        near = away.min(axis=1) < self._reach * tall[nearest // keypoints.shape[1]]
        moved[near] = points[near] + steps.reshape(-1, 2)[nearest[near]]
        return moved, inside_image(moved, self._scene.size)


def _every_second_frame(*, rate: float = 12.5, **settings: Any) -> Scene:
    """Every second frame of the runners: steps twice as long, the blur as it was."""
    scene = fast_motion(rate=rate, **settings)
    return replace(scene, effects=Effects(shutter=0.35, noise=3.0))


class StandingFlow:
    """A flow by which nothing moves: what boxes are worth that are carried on where they were.

    Examples
    --------
    >>> StandingFlow().move(None, None, [[1, 2], [np.nan, 0]])[1].tolist()
    [True, False]
    """

    def prepare(self, image: Image, /) -> None:
        """Nothing is needed."""

    def move(self, before: None, after: None, xy: ArrayLike, /) -> tuple[Points, NDArray[np.bool_]]:
        """The same points."""
        del before, after
        points = check_points(xy)
        return points, np.asarray(np.isfinite(points).all(axis=1))


WORLDS = (
    World("crossing", crossing, {"people": 4, "frames": 50, "rate": 12.5}),
    World("behind_pole", behind_pole, {"people": 3, "frames": 50, "rate": 12.5}),
    World("coming_back", coming_back, {"people": 3, "frames": 50, "rate": 12.5}),
    World("crowd", crowd, {"people": 9, "frames": 40, "rate": 12.5}),
    World("same_clothes", same_clothes, {"people": 4, "frames": 50, "rate": 12.5}),
    World("fast_motion", fast_motion, {"people": 3, "frames": 50, "rate": 25.0}),
    World("fast_halved", _every_second_frame, {"people": 3, "frames": 35}),
    World("low_frame_rate", low_frame_rate, {"people": 4, "frames": 40, "rate": 5.0}),
    World("camera_pan", camera_pan, {"people": 4, "frames": 50, "rate": 12.5}),
    World(
        "detector_gaps",
        detector_gaps,
        {"people": 4, "frames": 50, "rate": 25.0},
        {"gaps": 0.35, "gap_length": 8.0},
    ),
)
"""What trackers get wrong, a few seconds each. Walks at 12.5 frames a second: more happens."""

QUICK = tuple(
    world.shorten(frames=25)
    for world in WORLDS
    if world.name in ("crossing", "behind_pole", "fast_halved", "detector_gaps")
)
"""Four of them, half as long."""
