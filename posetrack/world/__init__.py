"""A world in which everything is known: people, scenes, and pictures of them with exact truth.

A `Scene` renders people who walk, run, exercise and fall in front of a camera, and tells for every
frame where all their keypoints are, which of them can be seen, who hides whom, and how every
pixel moves. No data set, no download; a seed gives the same pictures everywhere.

>>> from posetrack.world import crossing
>>> scene = crossing(people=3, frames=50, seed=7, size=(320, 180))
>>> image, truth = scene.frame(25)
>>> image.shape, truth.ids.tolist(), truth.xy.shape, truth.flow.shape
((180, 320, 3), [1, 2, 3], (3, 17, 2), (180, 320, 2))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_WHERE = {
    "Actor": "scene",
    "BodyPose": "people.rig",
    "Backdrop": "rendering.background",
    "Body": "people.body",
    "Camera": "rendering.camera",
    "Effects": "rendering.effects",
    "Event": "scene",
    "Light": "rendering.light",
    "Mesh": "rendering.mesh",
    "Part": "rendering.mesh",
    "Render": "rendering.render",
    "Scene": "scene",
    "Surface": "rendering.mesh",
    "Truth": "truth",
    "Visibility": "truth",
    "behind_pole": "scenes",
    "camera_pan": "scenes",
    "coming_back": "scenes",
    "contact_sheet": "sheet",
    "crossing": "scenes",
    "crowd": "scenes",
    "detector_gaps": "scenes",
    "entering_leaving": "scenes",
    "falling": "exercises",
    "fast_motion": "scenes",
    "jumping_jacks": "exercises",
    "looking_at": "rendering.camera",
    "low_frame_rate": "scenes",
    "random_body": "people.body",
    "random_frame": "randomisation",
    "random_frames": "randomisation",
    "random_pose": "motion.poses",
    "same_clothes": "scenes",
    "squats": "exercises",
    "street": "scenes",
    "write_scene": "scene_files",
    "write_training_files": "training_files",
}

if TYPE_CHECKING:
    from posetrack.world.exercises import falling, jumping_jacks, squats
    from posetrack.world.motion.poses import random_pose
    from posetrack.world.people.body import Body, random_body
    from posetrack.world.people.rig import BodyPose
    from posetrack.world.randomisation import random_frame, random_frames
    from posetrack.world.rendering.background import Backdrop
    from posetrack.world.rendering.camera import Camera, looking_at
    from posetrack.world.rendering.effects import Effects
    from posetrack.world.rendering.light import Light
    from posetrack.world.rendering.mesh import Mesh, Part, Surface
    from posetrack.world.rendering.render import Render
    from posetrack.world.scene import Actor, Event, Scene
    from posetrack.world.scene_files import write_scene
    from posetrack.world.scenes import (
        behind_pole,
        camera_pan,
        coming_back,
        crossing,
        crowd,
        detector_gaps,
        entering_leaving,
        fast_motion,
        low_frame_rate,
        same_clothes,
        street,
    )
    from posetrack.world.sheet import contact_sheet
    from posetrack.world.training_files import write_training_files
    from posetrack.world.truth import Truth, Visibility

__all__ = [
    "Actor",
    "Backdrop",
    "Body",
    "BodyPose",
    "Camera",
    "Effects",
    "Event",
    "Light",
    "Mesh",
    "Part",
    "Render",
    "Scene",
    "Surface",
    "Truth",
    "Visibility",
    "behind_pole",
    "camera_pan",
    "coming_back",
    "contact_sheet",
    "crossing",
    "crowd",
    "detector_gaps",
    "entering_leaving",
    "falling",
    "fast_motion",
    "jumping_jacks",
    "looking_at",
    "low_frame_rate",
    "random_body",
    "random_frame",
    "random_frames",
    "random_pose",
    "same_clothes",
    "squats",
    "street",
    "write_scene",
    "write_training_files",
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: the tracker's tests need none of it, and kernels take time to load.
    if name not in _WHERE:
        raise AttributeError(f"module 'posetrack.world' has no attribute {name!r}")
    return getattr(import_module(f"posetrack.world.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
