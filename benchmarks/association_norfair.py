"""norfair's share of `association.py`, run by an environment of its own: stdin to stdout.

It knows nothing of this package: it reads an .npz of keypoints, and writes JSON.
"""

from __future__ import annotations

import io
import json
import sys
import time

import numpy as np
from norfair import Detection, Tracker


def follow(frames: list[np.ndarray], height: float) -> tuple[list[float], list[list[int]]]:
    """Seconds and identities of each frame's (N, 17, 2) keypoints."""
    tracker = Tracker(
        distance_function="mean_euclidean", distance_threshold=height / 3, initialization_delay=0
    )
    seconds, identities = [], []
    for xy in frames:
        start = time.perf_counter()
        detections = [Detection(points=person) for person in xy]
        objects = tracker.update(detections=detections)
        by_detection = {id(item.last_detection): item.id for item in objects}
        ids = [int(by_detection.get(id(detection)) or 0) for detection in detections]
        seconds.append(time.perf_counter() - start)
        identities.append(ids)
    return seconds, identities


if __name__ == "__main__":
    given = np.load(io.BytesIO(sys.stdin.buffer.read()))
    frames = np.split(given["xy"], np.cumsum(given["people"])[:-1])
    json.dump(follow(frames, float(given["height"])), sys.stdout)
