"""Identities for poses without any: IDF1 against the truth of scenes, with and without pixels.

Poses are the truth with a tenth missed, jitter of 1 % of the person's height and no order; a tenth
missed leaves an IDF1 of at most 0.95. "where found" compares with past poses where they were found
(plain OKS), "moved on" where their own velocity takes them, "flow" where optical flow does, "both"
in the likelier of the last two places, as `link` does with a video.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cleaning_made import idf1
from test_link import frames_of, nameless, truth_of

from posetrack.testing import Scene, camera_pan, crossing, leaving
from posetrack.tracking.linking import link

SCENES = {
    "crossing": lambda seed: crossing(frames=60, seed=seed),
    "crossing, fast": lambda seed: crossing(frames=30, speed=8.0, seed=seed),
    "leaving": lambda seed: leaving(frames=80, seed=seed),
    "camera pan": lambda seed: camera_pan(frames=60, seed=seed),
    "camera pan, fast": lambda seed: camera_pan(frames=60, speed=14.0, seed=seed),
}
SEEDS = 3


def scored(scene: Scene) -> tuple[list[float], list[float]]:
    truth = truth_of(scene)
    poses, frames = nameless(truth, miss=0.1, jitter=0.01), frames_of(scene)
    still = {"flow_similarity": False, "coasting": False}
    ways = (still, {}, {"video": frames, "coasting": False}, {"video": frames})
    scores, times = [idf1(truth, poses)], []
    for way in ways:
        start = time.process_time()
        scores.append(idf1(truth, link(poses, **way)))
        times.append((time.process_time() - start) / len(poses) * 1e3)
    return scores, times


if __name__ == "__main__":
    print(f"{'scene (IDF1)':20}{'unlinked':>10}{'where found':>13}{'moved on':>10}"
          f"{'flow':>8}{'both':>8}")  # fmt: skip
    spent = []
    for name, make in SCENES.items():
        rows = [scored(make(seed)) for seed in range(SEEDS)]
        spent += [times for _, times in rows]
        mean = np.mean([scores for scores, _ in rows], axis=0)
        print(f"{name:20}{mean[0]:10.3f}{mean[1]:13.3f}{mean[2]:10.3f}{mean[3]:8.3f}{mean[4]:8.3f}")
    middle = np.median(spent, axis=0)
    print(
        f"{'CPU ms a frame':30}{middle[0]:13.2f}{middle[1]:10.2f}{middle[2]:8.2f}{middle[3]:8.2f}"
    )
