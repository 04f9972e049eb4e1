"""PoseTrack18-like files of any size, with the defects that trackers have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

NAMES = (
    "nose", "head_bottom", "head_top", "left_ear", "right_ear", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
    "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip


def write_scenes(folder: Path, sequences: int, frames: int, people: float, seed: int = 0) -> int:
    """Write ``gt/`` and ``pred/`` below ``folder``; return the number of true poses."""
    rng = np.random.default_rng(seed)
    for side in ("gt", "pred"):
        (folder / side).mkdir(parents=True, exist_ok=True)
    poses = 0
    for s in range(sequences):
        count = max(1, int(rng.poisson(people)))
        true, predicted = _sequence(rng, s + 1, frames, count)
        poses += len(true["annotations"])
        name = f"{s + 1:06}_mpii_test.json"
        for side, document in (("gt", true), ("pred", predicted)):
            (folder / side / name).write_text(json.dumps(document, separators=(",", ":")))
    return poses


def _sequence(rng, number: int, frames: int, count: int) -> tuple[dict, dict]:
    images = [
        {
            "id": 10**10 + number * 10**4 + t,
            "file_name": f"images/val/{number:06}_mpii_test/{t:06}.jpg",
            "is_labeled": True,
            "ignore_regions_x": [[1200.0, 1279.0, 1279.0, 1200.0]] if t % 10 == 0 else [],
            "ignore_regions_y": [[0.0, 0.0, 90.0, 90.0]] if t % 10 == 0 else [],
        }
        for t in range(frames)
    ]
    height = rng.uniform(80, 400, count)
    start = rng.uniform((50, 100), (1200, 600), (count, 2))
    speed = rng.normal(0, 3, (count, 2))
    body = np.stack([rng.uniform(-0.2, 0.2, 17), np.linspace(0, 1, 17)], axis=1)
    ids = np.arange(count)
    true, predicted = [], []
    next_id = count
    for t, image in enumerate(images):
        xy = start[:, None] + speed[:, None] * t + body[None] * height[:, None, None]
        if rng.random() < 0.03 and count > 1:  # two people swap their ids
            a, b = rng.choice(count, 2, replace=False)
            ids[a], ids[b] = ids[b], ids[a]
        for p in range(count):
            seen = rng.random(17) < 0.9
            true.append(_person(image["id"], p, xy[p], seen, height[p], None))
            if rng.random() < 0.02:  # a track breaks
                ids[p], next_id = next_id, next_id + 1
            if rng.random() < 0.9:
                noisy = xy[p] + rng.normal(0, 0.02 * height[p], (17, 2))
                scores = rng.random(17).round(4)
                some = rng.random(17) < 0.95
                predicted.append(_person(image["id"], int(ids[p]), noisy, some, height[p], scores))
        if rng.random() < 0.3:  # a false person
            wrong = rng.uniform((0, 0), (1280, 720)) + body * 150
            scores = (0.5 * rng.random(17)).round(4)
            predicted.append(_person(image["id"], next_id, wrong, np.ones(17, bool), 150, scores))
            next_id += 1
    category = [{"id": 1, "name": "person", "keypoints": list(NAMES)}]
    return (
        {"images": images, "annotations": true, "categories": category},
        {"images": images, "annotations": predicted, "categories": category},
    )


def _person(image_id, track, xy, seen, height, scores) -> dict:
    points = np.where(seen[:, None], xy.round(2), 0)
    flat = np.column_stack([points, seen.astype(float)])
    flat[3:5] = 0  # the ears are never annotated
    head = [*xy[2].round(1).tolist(), round(0.1 * height, 1), round(0.15 * height, 1)]
    person = {
        "image_id": image_id,
        "track_id": int(track),
        "category_id": 1,
        "keypoints": flat.ravel().tolist(),
        "bbox_head": head,
        "bbox": [*xy.min(axis=0).round(1).tolist(), *np.ptp(xy, axis=0).round(1).tolist()],
    }
    if scores is not None:
        person["scores"] = scores.tolist()
    return person
