"""Multi-person pose tracking in video.

A whole video::

    import posetrack

    people = posetrack.track("match.mp4")           # everybody's keypoints over time
    people.to_pandas()                              # one row a person a frame
    posetrack.save(people, "match.csv")
    posetrack.draw_video(people, "drawn.mp4", video="match.mp4")

Image by image, in a program::

    tracker = posetrack.Tracker()
    for image in images:
        for person in tracker.update(image):
            print(person.id, person["left_wrist"])

Conventions, everywhere: images are uint8 BGR arrays of shape (H, W, 3), as OpenCV reads them.
Pixel centres lie at integers, x to the right, y down. A keypoint that was not observed is NaN with
score 0. Boxes are xyxy: left, top, right, bottom. Similarities lie in [0, 1], larger is closer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posetrack._lazy import export_lazily

__version__ = "0.1.0"

if TYPE_CHECKING:
    from posetrack.draw.overlay import draw_tracks as draw_tracks
    from posetrack.draw.video import draw_video as draw_video
    from posetrack.runs.track import track as track
    from posetrack.runs.track import track_frames as track_frames
    from posetrack.runs.track import track_live as track_live
    from posetrack.skeletons import BODY_25 as BODY_25
    from posetrack.skeletons import COCO_17 as COCO_17
    from posetrack.skeletons import COCO_18 as COCO_18
    from posetrack.skeletons import COCO_WHOLEBODY_133 as COCO_WHOLEBODY_133
    from posetrack.skeletons import HALPE_26 as HALPE_26
    from posetrack.skeletons import MPII_16 as MPII_16
    from posetrack.skeletons import POSETRACK_15 as POSETRACK_15
    from posetrack.skeletons import POSETRACK_17 as POSETRACK_17
    from posetrack.skeletons import Skeleton as Skeleton
    from posetrack.skeletons import read_skeleton as read_skeleton
    from posetrack.structures import Detections as Detections
    from posetrack.structures import Person as Person
    from posetrack.structures import Poses as Poses
    from posetrack.structures import Tracks as Tracks
    from posetrack.tracking.tracker import Tracker as Tracker
    from posetrack.trajectories import Trajectories as Trajectories
    from posetrack.trajectories import load as load
    from posetrack.trajectories import save as save
    from posetrack.video.again import Video as Video

# Loaded on first use: `import posetrack` alone must not load torch or compiled kernels.
__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "draw.overlay": ["draw_tracks"],
        "draw.video": ["draw_video"],
        "runs.track": ["track", "track_frames", "track_live"],
        "skeletons": [
            "BODY_25",
            "COCO_17",
            "COCO_18",
            "COCO_WHOLEBODY_133",
            "HALPE_26",
            "MPII_16",
            "POSETRACK_15",
            "POSETRACK_17",
            "Skeleton",
            "read_skeleton",
        ],
        "structures": ["Detections", "Person", "Poses", "Tracks"],
        "tracking.tracker": ["Tracker"],
        "trajectories": ["Trajectories", "load", "save"],
        "video.again": ["Video"],
    },
)
__all__ += ["__version__"]
