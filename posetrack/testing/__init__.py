"""Public fakes and small synthetic scenes: to test a tracker, or a program around one.

A `Scene` knows every person's keypoints, identity and box in every frame, and draws them as
textured stick people whom optical flow can follow. `SceneDetector` and `SceneEstimator` are
backends that read the truth and add faults at rates given. No weights, no downloads.
"""

from posetrack.testing.fakes import SceneDetector, SceneEstimator
from posetrack.testing.scenes import Scene, camera_pan, crossing, leaving, walking

__all__ = [
    "Scene",
    "SceneDetector",
    "SceneEstimator",
    "camera_pan",
    "crossing",
    "leaving",
    "walking",
]
