"""Multi-person pose tracking in video.

    from posetrack import Tracker

    tracker = Tracker()
    for image in images:
        people = tracker.update(image)
        for person in people:
            print(person.id, person["left_wrist"])

Conventions, everywhere: images are uint8 BGR arrays of shape (H, W, 3), as OpenCV reads them.
Pixel centres lie at integers, x to the right, y down. A keypoint that was not observed is NaN with
score 0. Boxes are xyxy: left, top, right, bottom. Similarities lie in [0, 1], larger is closer.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "BODY_25": "skeletons",
    "COCO_17": "skeletons",
    "COCO_18": "skeletons",
    "HALPE_26": "skeletons",
    "MPII_16": "skeletons",
    "POSETRACK_15": "skeletons",
    "POSETRACK_17": "skeletons",
    "Detections": "structures",
    "Person": "structures",
    "Poses": "structures",
    "Skeleton": "skeletons",
    "Tracker": "tracking.tracker",
    "Tracks": "structures",
    "Trajectories": "trajectories",
    "load": "trajectories",
    "read_skeleton": "skeletons",
}

if TYPE_CHECKING:
    from posetrack.skeletons import (
        BODY_25,
        COCO_17,
        COCO_18,
        HALPE_26,
        MPII_16,
        POSETRACK_15,
        POSETRACK_17,
        Skeleton,
        read_skeleton,
    )
    from posetrack.structures import Detections, Person, Poses, Tracks
    from posetrack.tracking.tracker import Tracker
    from posetrack.trajectories import Trajectories, load

__all__ = [
    "BODY_25",
    "COCO_17",
    "COCO_18",
    "HALPE_26",
    "MPII_16",
    "POSETRACK_15",
    "POSETRACK_17",
    "Detections",
    "Person",
    "Poses",
    "Skeleton",
    "Tracker",
    "Tracks",
    "Trajectories",
    "__version__",
    "load",
    "read_skeleton",
]


def __getattr__(name: str) -> Any:
    # Loaded on first use: `import posetrack` alone must not load torch or compiled kernels.
    if name not in _WHERE:
        raise AttributeError(f"module 'posetrack' has no attribute {name!r}")
    return getattr(import_module(f"posetrack.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
