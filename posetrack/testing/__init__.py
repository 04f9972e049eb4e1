"""Public fakes and small synthetic scenes: to test a tracker, or a program around one.

A `Scene` knows every person's keypoints, identity and box in every frame, and draws them as
textured stick people whom optical flow can follow; that takes a millisecond. The scenes of
`posetrack.world` are rendered, with bodies, shadows and things that hide people, and take thirty.
`SceneDetector` and `SceneEstimator` are backends that read the truth of either, or of any other
`KnownScene`, and add faults at given rates. No weights, no downloads.
"""

from posetrack.testing.fakes import KnownPeople, KnownScene, SceneDetector, SceneEstimator
from posetrack.testing.walkers import Scene, camera_pan, crossing, leaving, walking

__all__ = [
    "KnownPeople",
    "KnownScene",
    "Scene",
    "SceneDetector",
    "SceneEstimator",
    "camera_pan",
    "crossing",
    "leaving",
    "walking",
]
