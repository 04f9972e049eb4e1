"""One `Tracker.update`, split by stage; and what is left without networks and flow.

    python benchmarks/update.py

Goal: everything that is not a network or flow takes under 1 ms at 5 people and 3 ms at 20.
The networks are fakes that know the scene, and their time is taken out; flow is DIS on 1280x720.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from posetrack import Detections, Poses, Tracker
from posetrack.flows.dis import DisFlow
from posetrack.testing import Scene, walking


class Timed:
    """Calls something and remembers how long the call took."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call, self.seconds = call, 0.0

    def __call__(self, *arguments: Any) -> Any:
        start = time.perf_counter()
        result = self.call(*arguments)
        self.seconds += time.perf_counter() - start
        return result


class Known:
    """Detector and estimator with precomputed answers: a box gets the nearest person's pose."""

    def __init__(self, scene: Scene) -> None:
        self.skeleton = scene.skeleton
        self.truth = [scene.truth(frame)[0] for frame in range(len(scene))]
        self.scene, self.frame = scene, 0

    def detect(self, image: np.ndarray) -> Detections:
        self.frame = self.scene.frame_of(image)
        return self.truth[self.frame].boxes

    def estimate(self, image: np.ndarray, boxes: Detections) -> Poses:
        truth = self.truth[self.frame]
        middle = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
        there = (truth.boxes.xyxy[:, :2] + truth.boxes.xyxy[:, 2:]) / 2
        nearest = np.abs(middle[:, None] - there[None]).sum(axis=2).argmin(axis=1)
        return Poses(truth.xy[nearest], truth.scores[nearest] * 0.9, boxes, self.skeleton)


class Estimator:
    def __init__(self, known: Known) -> None:
        self.skeleton, self.timed = known.skeleton, Timed(known.estimate)

    def __call__(self, image: np.ndarray, boxes: Detections, /) -> Poses:
        return self.timed(image, boxes)


class Flow:
    def __init__(self) -> None:
        flow = DisFlow()
        self.prepare, self.move = Timed(flow.prepare), Timed(flow.move)


def crowd(people: int, frames: int = 40) -> Scene:
    rng = np.random.default_rng(people)
    start = np.stack([np.linspace(60, 1200, people), rng.uniform(350, 700, people)], axis=1)
    steps = rng.uniform(-2, 2, (people, 2)) * (1, 0.2)
    paths = start[None] + np.arange(frames)[:, None, None] * steps[None]
    return walking(paths, height=rng.uniform(150, 300, people), size=(1280, 720))


def measure(people: int) -> dict[str, float]:
    """Median seconds a frame of each stage."""
    scene = crowd(people)
    images = list(scene)
    known, flow = Known(scene), Flow()
    detector, estimator = Timed(known.detect), Estimator(known)
    tracker = Tracker(detector, estimator, flow, max_box_iou=0.95, max_oks=0.95)
    stages = {"detector": detector, "pose network": estimator.timed}
    stages |= {"flow: prepare": flow.prepare, "flow: move": flow.move}
    rows: dict[str, list[float]] = {name: [] for name in (*stages, "everything else", "all")}
    found = 0
    for image in images:
        for stage in stages.values():
            stage.seconds = 0.0
        start = time.perf_counter()
        found = len(tracker.update(image))
        whole = time.perf_counter() - start
        spent = 0.0
        for name, stage in stages.items():
            rows[name].append(stage.seconds)
            spent += stage.seconds
        rows["everything else"].append(whole - spent)
        rows["all"].append(whole)
    assert found >= 0.9 * people, (found, people)
    # The first frames load compiled kernels and fill the deque.
    return {name: statistics.median(values[12:]) for name, values in rows.items()}


if __name__ == "__main__":
    results = {people: measure(people) for people in (5, 20)}
    print(f"{'ms a frame, 1280x720, deque of 10':36}" + "".join(f"{n:>4} people" for n in results))
    for name in results[5]:
        cells = "".join(f"{results[n][name] * 1e3:11.3f}" for n in results)
        print(f"{name:36}{cells}")
    print("goal for everything else: under 1 ms at 5 people, 3 ms at 20")
