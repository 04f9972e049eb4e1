"""Motions with known truth, and the faults that cleaning mends, for the tests of cleaning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posetrack import COCO_17, Trajectories
from posetrack.evaluation import FrameSimilarities, evaluate_similarities, iou_similarities
from posetrack.testing import walking

RATE = 30.0


def walkers(frames: int = 180, people: int = 2, *, seed: int = 0) -> Trajectories:
    """People who walk across a picture, each keypoint known exactly."""
    t = np.arange(frames)[:, None]
    start = 100 + 400 * np.arange(people)
    paths = np.stack([start + 4.0 * t, np.full((frames, people), 400.0)], axis=-1)
    scene = walking(paths, height=300.0, size=(1920, 480), seed=seed)
    return of_keypoints(scene.xy)


def of_keypoints(xy: np.ndarray, scores: np.ndarray | None = None, **more: object) -> Trajectories:
    """Trajectories at 30 frames a second, ids from 1."""
    frames, people = xy.shape[:2]
    marks = np.ones(xy.shape[:3]) if scores is None else scores
    index = np.arange(frames)
    return Trajectories(index, index / RATE, np.arange(people) + 1, xy, marks, COCO_17, **more)


def jittered(truth: Trajectories, sigma: float = 3.0, *, seed: int = 1) -> Trajectories:
    """With white noise of ``sigma`` pixels; boxes stay."""
    noise = np.random.default_rng(seed).normal(0, sigma, truth.xy.shape)
    return replace(truth, xy=truth.xy + noise)


def with_gaps(
    truth: Trajectories, *, longest: int = 6, seed: int = 2
) -> tuple[Trajectories, np.ndarray]:
    """With keypoints unseen for 1 to ``longest`` frames here and there; and which (T, N, K)."""
    rng = np.random.default_rng(seed)
    gone = np.zeros(truth.scores.shape, bool)
    for person, point in np.ndindex(gone.shape[1:]):
        for start in range(10, len(truth) - 20, 30):
            first = start + int(rng.integers(0, 10))
            gone[first : first + int(rng.integers(1, longest + 1)), person, point] = True
    return replace(truth, xy=np.where(gone[..., None], np.nan, truth.xy)), gone


def swapped(truth: Trajectories, spans: list[tuple[int, int, list[str]]]) -> Trajectories:
    """With the sides of some keypoints exchanged over some frames, for everybody."""
    xy, scores = truth.xy.copy(), truth.scores.copy()
    order = truth.skeleton.mirror_order
    for start, stop, names in spans:
        for name in names:
            for k in (truth.skeleton.index(f"{side}_{name}") for side in ("left", "right")):
                xy[start:stop, :, k] = truth.xy[start:stop, :, order[k]]
                scores[start:stop, :, k] = truth.scores[start:stop, :, order[k]]
    return replace(truth, xy=xy, scores=scores)


def error(found: Trajectories, truth: Trajectories) -> float:
    """Root mean square distance of what is seen from the truth, in pixels."""
    apart = ((found.xy.astype(np.float64) - truth.xy) ** 2).sum(axis=-1)
    return float(np.sqrt(np.nanmean(apart)))


def idf1(truth: Trajectories, found: Trajectories) -> float:
    """IDF1 of boxes at IoU 0.5."""

    def people(made: Trajectories, t: int) -> tuple[np.ndarray, np.ndarray]:
        here = made.present[t]
        boxes = made.boxes[t, here].astype(np.float64)
        return made.ids[here], np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)

    true, other = ([people(made, t) for t in range(len(truth))] for made in (truth, found))
    near = [iou_similarities(a[1], b[1]) for a, b in zip(true, other, strict=True)]
    sequence = FrameSimilarities(
        "made",
        np.arange(len(truth)),
        tuple(ids for ids, _ in true),
        tuple(ids for ids, _ in other),
        tuple(near),
    )
    return float(evaluate_similarities([sequence]).idf1[-1])
