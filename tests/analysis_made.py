"""Trajectories of people in a made world, by projection: exact, and nothing is rendered."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from posetrack.skeletons import COCO_17, Skeleton
from posetrack.trajectories import Trajectories
from posetrack.world import Body, Camera, Scene, looking_at, random_body

CAMERA = looking_at((0.0, -6.0, 1.7), (0.0, 0.0, 0.95), focal=620.0, size=(640, 360))


def of_scene(scene: Scene, *, noise: float = 0.0, skeleton: Skeleton = COCO_17) -> Trajectories:
    """What a perfect tracker would say of a scene; person n has id n + 1."""
    actors = [(actor.body, actor.motion) for actor in scene.people]
    camera = scene.camera(0.0)
    return of_people(
        actors, frames=scene.frames, rate=scene.rate, camera=camera, noise=noise, skeleton=skeleton
    )


def of_people(
    people: list[tuple[Body, Callable]],
    *,
    frames: int,
    rate: float = 25.0,
    camera: Camera = CAMERA,
    noise: float = 0.0,
    skeleton: Skeleton = COCO_17,
) -> Trajectories:
    """People in motion, each with a body; ``noise`` is a standard deviation in pixels."""
    seconds = np.arange(frames) / rate
    points = [[body.keypoints(motion(t), skeleton) for body, motion in people] for t in seconds]
    xy, _ = camera.project(np.array(points))
    xy = xy + np.random.default_rng(1).normal(0, noise, xy.shape) if noise else xy
    ids = np.arange(1, len(people) + 1)
    metadata = {"image_size": camera.size, "rate": rate}
    scores = np.ones(xy.shape[:-1])
    return Trajectories(np.arange(frames), seconds, ids, xy, scores, skeleton, metadata=metadata)


@lru_cache
def body(seed: int = 0) -> Body:
    """A grown-up, made once."""
    return random_body(np.random.default_rng(seed), child=False)
