"""Identities for given poses, 20 people, against norfair: time a frame, and switches.

    python benchmarks/association.py

Both get the same poses: 20 people who walk about and cross, jittered, some missed. norfair's
settings are its defaults for keypoints where it has any: mean distance of the points, threshold a
third of a person's height. Goal: a tenth of norfair's time, and fewer switches.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from posetrack import COCO_17, Poses, Tracker
from posetrack.testing import walking

PEOPLE, FRAMES, HEIGHT = 20, 200, 160.0
# Share of people missed, noise in pixels, speed in pixels a frame.
KINDS = {"easy": (0.1, 2.0, 4.0), "gaps": (0.3, 2.0, 4.0), "fast": (0.1, 2.0, 8.0)}


def scene(kind: str, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each frame: (N, 17, 2) keypoints of those found, and who they are."""
    miss, noise, speed = KINDS[kind]
    rng = np.random.default_rng(seed)
    start = rng.uniform((50, 180), (1230, 700), (PEOPLE, 2))
    steps = rng.uniform((-speed, -0.5), (speed, 0.5), (PEOPLE, 2))
    paths = start + np.arange(FRAMES)[:, None, None] * steps
    paths[..., 0] = np.abs((paths[..., 0] - 50) % 2400 - 1200) + 40  # to and fro
    xy = walking(paths, height=HEIGHT, size=(1280, 720), seed=seed).xy
    frames = []
    for frame in range(FRAMES):
        who = np.flatnonzero(rng.random(PEOPLE) > miss)
        frames.append((xy[frame, who] + rng.normal(0, noise, (len(who), 17, 2)), who))
    return frames


def ours() -> Callable[[np.ndarray], list[int]]:
    tracker = Tracker(memory=10)

    def step(xy: np.ndarray) -> list[int]:
        poses = Poses.from_keypoints(xy, None, COCO_17)
        return list(tracker.update(poses=poses).ids.tolist())

    return step


def norfairs() -> Callable[[np.ndarray], list[int]]:
    from norfair import Detection, Tracker

    tracker = Tracker(
        distance_function="mean_euclidean", distance_threshold=HEIGHT / 3, initialization_delay=0
    )

    def step(xy: np.ndarray) -> list[int]:
        detections = [Detection(points=person) for person in xy]
        objects = tracker.update(detections=detections)
        by_detection = {id(item.last_detection): item.id for item in objects}
        return [int(by_detection.get(id(detection)) or 0) for detection in detections]

    return step


def run(make: Callable[[], Callable[[np.ndarray], list[int]]]) -> tuple[float, dict[str, int]]:
    """Median seconds a frame, and how often a person's id changed, over three scenes a kind."""
    seconds: list[float] = []
    switches = dict.fromkeys(KINDS, 0)
    for kind in KINDS:
        for seed in range(3):
            step, last = make(), {}
            for xy, who in scene(kind, seed):
                start = time.perf_counter()
                ids = step(xy)
                seconds.append(time.perf_counter() - start)
                for person, identity in zip(who.tolist(), ids, strict=True):
                    switches[kind] += last.get(person, identity) != identity
                    last[person] = identity
    return statistics.median(seconds), switches


if __name__ == "__main__":
    run(ours)  # compiled kernels are loaded
    rows = {"posetrack": run(ours)}
    try:
        rows["norfair"] = run(norfairs)
    except ModuleNotFoundError:
        print('norfair is not installed: pip install "posetrack[benchmark]"')
    base = rows.get("norfair", rows["posetrack"])[0]
    print(f"{f'{PEOPLE} people, deque of 10':28}{'ms a frame':>12}{'ratio':>8}  switches")
    for name, (seconds, switches) in rows.items():
        counted = ", ".join(f"{kind} {count}" for kind, count in switches.items())
        print(f"{name:28}{seconds * 1e3:12.3f}{seconds / base:8.3f}  {counted}")
