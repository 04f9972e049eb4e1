"""A world in which everything is known: people, scenes, and pictures of them with exact truth.

A `Scene` renders people who walk, run, exercise and fall in front of a camera, and knows for every
frame where all their keypoints are, which of them are visible, who hides whom, and how every pixel
moves. No data set, no download; a seed gives the same pictures everywhere.

>>> from posetrack.world import crossing
>>> scene = crossing(people=3, frames=50, seed=7, size=(320, 180))
>>> image, truth = scene.frame(25)
>>> image.shape, truth.ids.tolist(), truth.xy.shape, truth.flow.shape
((180, 320, 3), [1, 2, 3], (3, 17, 2), (180, 320, 2))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posetrack._lazy import export_lazily

if TYPE_CHECKING:
    from posetrack.world.exercises import falling as falling
    from posetrack.world.exercises import jumping_jacks as jumping_jacks
    from posetrack.world.exercises import squats as squats
    from posetrack.world.motion.poses import random_pose as random_pose
    from posetrack.world.people.body import Body as Body
    from posetrack.world.people.body import random_body as random_body
    from posetrack.world.people.rig import BodyPose as BodyPose
    from posetrack.world.randomisation import random_frame as random_frame
    from posetrack.world.randomisation import random_frames as random_frames
    from posetrack.world.rendering.background import Backdrop as Backdrop
    from posetrack.world.rendering.effects import Effects as Effects
    from posetrack.world.rendering.lighting import Light as Light
    from posetrack.world.rendering.mesh import Mesh as Mesh
    from posetrack.world.rendering.mesh import Part as Part
    from posetrack.world.rendering.mesh import Surface as Surface
    from posetrack.world.rendering.perspective import Camera as Camera
    from posetrack.world.rendering.perspective import looking_at as looking_at
    from posetrack.world.rendering.render import Render as Render
    from posetrack.world.scene import Actor as Actor
    from posetrack.world.scene import Event as Event
    from posetrack.world.scene import Scene as Scene
    from posetrack.world.scene_files import write_scene as write_scene
    from posetrack.world.scenes import behind_pole as behind_pole
    from posetrack.world.scenes import camera_pan as camera_pan
    from posetrack.world.scenes import coming_back as coming_back
    from posetrack.world.scenes import crossing as crossing
    from posetrack.world.scenes import crowd as crowd
    from posetrack.world.scenes import detector_gaps as detector_gaps
    from posetrack.world.scenes import entering_leaving as entering_leaving
    from posetrack.world.scenes import fast_motion as fast_motion
    from posetrack.world.scenes import low_frame_rate as low_frame_rate
    from posetrack.world.scenes import same_clothes as same_clothes
    from posetrack.world.scenes import street as street
    from posetrack.world.sheet import contact_sheet as contact_sheet
    from posetrack.world.training_files import write_training_files as write_training_files
    from posetrack.world.truth import Truth as Truth
    from posetrack.world.truth import Visibility as Visibility

# Loaded on first use: the tracker's tests need none of it, and kernels take time to load.
__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "exercises": ["falling", "jumping_jacks", "squats"],
        "motion.poses": ["random_pose"],
        "people.body": ["Body", "random_body"],
        "people.rig": ["BodyPose"],
        "randomisation": ["random_frame", "random_frames"],
        "rendering.background": ["Backdrop"],
        "rendering.perspective": ["Camera", "looking_at"],
        "rendering.effects": ["Effects"],
        "rendering.lighting": ["Light"],
        "rendering.mesh": ["Mesh", "Part", "Surface"],
        "rendering.render": ["Render"],
        "scene": ["Actor", "Event", "Scene"],
        "scene_files": ["write_scene"],
        "scenes": [
            "behind_pole",
            "camera_pan",
            "coming_back",
            "crossing",
            "crowd",
            "detector_gaps",
            "entering_leaving",
            "fast_motion",
            "low_frame_rate",
            "same_clothes",
            "street",
        ],
        "sheet": ["contact_sheet"],
        "training_files": ["write_training_files"],
        "truth": ["Truth", "Visibility"],
    },
)
