"""Scores of the tracker in short rendered scenes, which may not fall.

``python tests/test_world_scores.py`` measures them anew and writes the table; do that where a
change is meant, and say in the commit why.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posetrack import Tracker
from posetrack.testing import SceneDetector, SceneEstimator
from posetrack.world import (
    Scene,
    behind_pole,
    camera_pan,
    coming_back,
    crossing,
    crowd,
    detector_gaps,
    fast_motion,
    low_frame_rate,
    same_clothes,
)
from posetrack.world.scoring import score_tracks

TABLE = Path(__file__).with_name("world_scores.json")
SIZE = (320, 180)
MAY_FALL = 1.5  # points: other versions of OpenCV see slightly other flow
SCENES: dict[str, tuple[Callable[..., Scene], dict[str, Any], dict[str, Any]]] = {
    # Scene, its settings, and the detector's faults beside those of all.
    "crossing": (crossing, {"people": 3, "frames": 50}, {}),
    "behind_pole": (behind_pole, {"people": 2, "frames": 60}, {}),
    "coming_back": (coming_back, {"people": 2, "frames": 60, "rate": 12.5}, {}),
    "crowd": (crowd, {"people": 7, "frames": 40}, {}),
    "same_clothes": (same_clothes, {"people": 3, "frames": 50}, {}),
    "fast_motion": (fast_motion, {"people": 2, "frames": 40}, {}),
    "low_frame_rate": (low_frame_rate, {"people": 3, "frames": 40}, {}),
    "camera_pan": (camera_pan, {"people": 3, "frames": 50}, {}),
    "detector_gaps": (detector_gaps, {"people": 3, "frames": 50}, {"gaps": 0.35, "gap_length": 8}),
}
FAULTS = {"miss": 0.1, "false": 0.2, "jitter": 0.02, "doubled": 0.05}


def measured(name: str) -> dict[str, float]:
    """MOTA, IDF1 and recall in a scene, in percent."""
    make, settings, faults = SCENES[name]
    scene = make(seed=11, size=SIZE, **settings)
    detector = SceneDetector(scene, **{**FAULTS, **faults})
    tracker = Tracker(detector, SceneEstimator(scene, jitter=0.01, swapped=0.02))
    tracks = [tracker.update(image) for image in scene.images()]
    truths = [scene.facts(number) for number in range(len(scene))]
    row = score_tracks(truths, tracks).rows()["poses"]
    return {key: round(row[key], 2) for key in ("MOTA", "IDF1", "Rec")}


@pytest.mark.parametrize("name", SCENES)
def test_the_score_in_a_scene_has_not_fallen(name: str) -> None:
    stored = json.loads(TABLE.read_text())[name]
    now = measured(name)
    fallen = {
        key: (value, now[key]) for key, value in stored.items() if now[key] < value - MAY_FALL
    }
    assert not fallen, f"{name}: stored and measured now: {fallen}"


def test_every_scene_has_its_score() -> None:
    assert list(json.loads(TABLE.read_text())) == list(SCENES)


if __name__ == "__main__":
    table = {name: measured(name) for name in SCENES}
    TABLE.write_text(json.dumps(table, indent=2) + "\n")
    print(TABLE.read_text())
