"""Start-up: ``import posetrack``, and the first ``update`` of a process.

    python benchmarks/startup.py

Goals: the import under 0.3 s; after the first run on a machine no pause for compiling over 0.5 s.
Each row is the median over fresh processes. The compiled kernels are cached on disk by the first.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

SCENE = """
import time
from posetrack.testing import SceneDetector, SceneEstimator, crossing
from posetrack.flows.dis import DisFlow
from posetrack import Tracker
scene = crossing(frames=3)
images = [scene.render(frame) for frame in range(3)]
tracker = Tracker(SceneDetector(scene), SceneEstimator(scene), DisFlow())
for image in images[:{before}]:
    tracker.update(image)
start = time.perf_counter()
tracker.update(images[{before}])
print(time.perf_counter() - start)
"""
IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def seconds(code: str, repeats: int = 5) -> float:
    """Median of what the code prints in fresh processes, the first not counted."""
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(repeats + 1)
    ]
    return statistics.median(runs[1:])


if __name__ == "__main__":
    rows = {
        "import posetrack": IMPORT.format("posetrack"),
        "import numpy": IMPORT.format("numpy"),
        "import cv2": IMPORT.format("cv2"),
        "import torch": IMPORT.format("torch"),
        "first update (loads kernels)": SCENE.format(before=0),
        "second update (first with flow)": SCENE.format(before=1),
        "third update": SCENE.format(before=2),
    }
    taken = {name: seconds(code) for name, code in rows.items()}
    print(f"{'':34}{'s':>8}{'ratio to import torch':>24}")
    for name, value in taken.items():
        print(f"{name:34}{value:8.3f}{value / taken['import torch']:24.3f}")
