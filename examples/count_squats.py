"""Count somebody's squats, and show how deep and how long each was.

    python examples/count_squats.py out/gym.parquet
    python examples/count_squats.py

Without a table of tracks the squats are those of a made scene, by the true places of its keypoints.
"""

import sys

import numpy as np

import posetrack
from posetrack.analysis import find_repetitions
from posetrack.trajectories import Trajectories


def made_scene() -> Trajectories:
    """Two people who squat in front of a camera; nothing is rendered."""
    from posetrack.world import squats

    scene = squats(people=2, frames=250, seed=1)
    seconds = np.arange(len(scene)) / scene.rate
    xy = np.array(
        [
            [
                scene.camera(t).project(one.body.keypoints(one.motion(t), scene.skeleton))[0]
                for one in scene.people
            ]
            for t in seconds
        ]
    )
    return Trajectories(
        range(len(scene)), seconds, [1, 2], xy, np.ones(xy.shape[:3]), scene.skeleton
    )


tracks = posetrack.load(sys.argv[1]) if len(sys.argv) > 1 else made_scene()
for squat in find_repetitions(tracks, "squat"):
    print(
        f"person {squat.person}: {squat.outcome} {squat.number or ''} at {squat.turn:5.2f} s, "
        f"{squat.duration:.2f} s, hips {squat.depth:.2f} leg lengths above the ankles"
    )
