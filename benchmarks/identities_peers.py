"""Peers' share of `identities.py`, run by an environment of its own.

It knows nothing of this package: for each path on a line of stdin it reads an .npz of boxes,
keypoints and images, and writes a line of JSON: for each peer and frame the boxes and identities.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

Frames = list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
Answer = list[tuple[list[list[float]], list[int]]]


def norfair(frames: Frames, rate: float) -> Answer:
    """Boxes by IoU with its defaults but for the distance."""
    library: Any = import_module("norfair")
    tracker = library.Tracker(distance_function="iou", distance_threshold=0.7)
    answer: Answer = []
    for xyxy, scores, _, _ in frames:
        given = [
            library.Detection(points=box.reshape(2, 2), scores=np.full(2, score))
            for box, score in zip(xyxy, scores, strict=True)
        ]
        objects = tracker.update(detections=given)
        found = [item for item in objects if any(item.last_detection is g for g in given)]
        boxes = [item.last_detection.points.reshape(4).tolist() for item in found]
        answer.append((boxes, [int(item.id) for item in found]))
    return answer


def of_trackers(name: str) -> Callable[[Frames, float], Answer]:
    """One of the library ``trackers``, defaults but for the rate."""

    def follow(frames: Frames, rate: float) -> Answer:
        boxes_of: Any = import_module("supervision").Detections
        tracker = getattr(import_module("trackers"), name)(frame_rate=rate)
        answer: Answer = []
        for xyxy, scores, _, _ in frames:
            given = boxes_of(
                xyxy=xyxy.reshape(-1, 4), confidence=scores, class_id=np.zeros(len(xyxy), int)
            )
            found = tracker.update(given)
            ids = np.full(len(found), -1) if found.tracker_id is None else found.tracker_id
            kept = np.flatnonzero(ids >= 0)
            answer.append((found.xyxy[kept].tolist(), (ids[kept] + 1).tolist()))
        return answer

    return follow


def of_boxmot(name: str, **settings: Any) -> Callable[[Frames, float], Answer]:
    """One of ``boxmot``, defaults but for those given."""

    def follow(frames: Frames, rate: float) -> Answer:
        tracker = getattr(import_module("boxmot"), name)(**settings)
        answer: Answer = []
        for xyxy, scores, _, image in frames:
            rows = np.column_stack([xyxy, scores, np.zeros(len(scores))]).astype(np.float32)
            found = np.asarray(tracker.update(rows.reshape(-1, 6), image), float)
            found = found.reshape(-1, 8)
            answer.append((found[:, :4].tolist(), found[:, 4].astype(int).tolist()))
        return answer

    return follow


def rtmlib(frames: Frames, rate: float) -> Answer:
    """Its IoU matcher: boxes around keypoints against those of the frame before."""
    module: Any = import_module("rtmlib.tools.solution.pose_tracker")
    ids: list[int] = []
    boxes: list[np.ndarray] = []
    count, answer = 0, []
    for xyxy, _, keypoints, _ in frames:
        now, names, free = [], [], list(range(len(boxes)))
        for pose in keypoints:
            box = module.pose_to_bbox(pose)
            overlap = [module.compute_iou(box, boxes[i]) for i in free]
            if overlap and max(overlap) > 0.3:
                names.append(ids[free.pop(int(np.argmax(overlap)))])
            else:
                count += 1
                names.append(count)
            now.append(box)
        boxes, ids = now, names
        answer.append((xyxy.tolist(), list(names)))
    return answer


PEERS: dict[str, Callable[[Frames, float], Answer]] = {
    "norfair": norfair,
    "ByteTrack": of_trackers("ByteTrackTracker"),
    "SORT": of_trackers("SORTTracker"),
    "OC-SORT": of_boxmot("OcSort"),
    "BoT-SORT": of_boxmot("BotSort", use_embeddings=False),
    "rtmlib": rtmlib,
}

if __name__ == "__main__":
    # What libraries print must not come between the answers.
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        held = np.load(line.rstrip("\n"))
        cuts = np.cumsum(held["people"])[:-1]
        parts = [np.split(held[name], cuts) for name in ("xyxy", "scores", "xy")]
        frames = list(zip(*parts, held["images"], strict=True))
        answers: dict[str, Any] = {}
        for peer, follow in PEERS.items():
            try:
                answers[peer] = follow(frames, float(held["rate"]))
            except Exception as error:  # one that does not run must not hide the others
                print(f"{peer}: {type(error).__name__}: {error}", file=sys.stderr)
        print(json.dumps(answers), file=out, flush=True)
