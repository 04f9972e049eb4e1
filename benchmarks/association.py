"""Identities for given poses, 20 people, against norfair: time a frame, and switches.

    python benchmarks/association.py [--peer PYTHON]

Both get the same poses: 20 people who walk about and cross, jittered, some missed. norfair's
settings are its defaults for keypoints where it has any: mean distance of the points, threshold a
third of a person's height. Goal: a tenth of norfair's time, and fewer switches.

norfair allows no NumPy from 2 on, which this package needs. So it gets an environment of its own,
whose Python is named to this script:

    python3 -m venv .venv-peers && .venv-peers/bin/pip install norfair
    python benchmarks/association.py --peer .venv-peers/bin/python
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

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


Frames = list[np.ndarray]


def ours(frames: Frames) -> tuple[list[float], list[list[int]]]:
    """Seconds and identities of each frame's keypoints."""
    tracker = Tracker(memory=10)
    seconds, identities = [], []
    for xy in frames:
        start = time.perf_counter()
        poses = Poses.from_keypoints(xy, None, COCO_17)
        ids = list(tracker.update(poses=poses).ids.tolist())
        seconds.append(time.perf_counter() - start)
        identities.append(ids)
    return seconds, identities


def norfairs(python: str, frames: Frames) -> tuple[list[float], list[list[int]]]:
    """The same by norfair, in a process of its environment; both time the tracker alone."""
    held = io.BytesIO()
    people = [len(xy) for xy in frames]
    np.savez(held, xy=np.concatenate(frames), people=people, height=HEIGHT)
    script = Path(__file__).with_name("association_norfair.py")
    answer = subprocess.run(
        [python, script], input=held.getvalue(), stdout=subprocess.PIPE, check=True
    )
    seconds, identities = json.loads(answer.stdout)
    return seconds, identities


def run(
    follow: Callable[[Frames], tuple[list[float], list[list[int]]]],
) -> tuple[float, dict[str, int]]:
    """Median seconds a frame, and how often a person's id changed, over three scenes a kind."""
    seconds: list[float] = []
    switches = dict.fromkeys(KINDS, 0)
    for kind in KINDS:
        for seed in range(3):
            frames = scene(kind, seed)
            taken, identities = follow([xy for xy, _ in frames])
            seconds += taken
            last: dict[int, int] = {}
            for (_, who), ids in zip(frames, identities, strict=True):
                for person, identity in zip(who.tolist(), ids, strict=True):
                    switches[kind] += last.get(person, identity) != identity
                    last[person] = identity
    return statistics.median(seconds), switches


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", help="the Python of an environment with norfair in it")
    peer = parser.parse_args().peer
    run(ours)  # compiled kernels are loaded
    rows = {"posetrack": run(ours)}
    if peer:
        rows["norfair"] = run(partial(norfairs, peer))
    else:
        print("without norfair; the head of this file says how it is installed and named")
    base = rows.get("norfair", rows["posetrack"])[0]
    print(f"{f'{PEOPLE} people, deque of 10':28}{'ms a frame':>12}{'ratio':>8}  switches")
    for name, (seconds, switches) in rows.items():
        counted = ", ".join(f"{kind} {count}" for kind, count in switches.items())
        print(f"{name:28}{seconds * 1e3:12.3f}{seconds / base:8.3f}  {counted}")
