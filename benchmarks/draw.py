"""Drawing people over a 1088x1920 image, against the plain loop of lines and dots.

Run ``python benchmarks/draw.py``. Three people as large as in a real picture, one thread; all in
turn, medians. The plain loop copies the image and draws one anti-aliased line an edge, one dot a
keypoint, a rectangle and the id, as programs around pose networks do, without the dark outlines,
dashes and labels that move out of each other's way.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

import cv2
import numpy as np

from posetrack.draw import Trails, draw_tracks
from posetrack.skeletons import COCO_17
from posetrack.structures import Detections, Poses, Tracks

STANDING = [
    *((0.5, 0.08), (0.53, 0.06), (0.47, 0.06), (0.57, 0.07), (0.43, 0.07), (0.65, 0.2)),
    *((0.35, 0.2), (0.72, 0.35), (0.28, 0.35), (0.75, 0.48), (0.25, 0.48), (0.6, 0.52)),
    *((0.4, 0.52), (0.62, 0.74), (0.38, 0.74), (0.63, 0.95), (0.37, 0.95)),
]
BOXES = [(400, 460, 810, 1240), (490, 770, 1088, 1760), (0, 310, 125, 745)]
REPEATS = 200


def people() -> Tracks:
    boxes = np.array(BOXES, float)
    xy = boxes[:, None, :2] + np.array(STANDING) * (boxes[:, 2:] - boxes[:, :2])[:, None]
    poses = Poses(xy, np.ones((3, 17)), Detections(boxes, np.ones(3)), COCO_17)
    return Tracks(poses, [1, 2, 3], [0, 1, 0])


def plain_loop(image: np.ndarray, tracks: Tracks, out: np.ndarray) -> None:
    np.copyto(out, image)
    for person in tracks:
        points = person.xy.round().astype(int).tolist()
        for start, end in COCO_17.edge_indices.tolist():
            cv2.line(out, points[start], points[end], (80, 200, 20), 6, cv2.LINE_AA)
        for point in points:
            cv2.circle(out, point, 5, (240, 240, 240), -1, cv2.LINE_AA)
        left, top, right, bottom = person.box.astype(int).tolist()
        cv2.rectangle(out, (left, top), (right, bottom), (80, 200, 20), 2)
        cv2.putText(out, str(person.id), (left, top), 0, 1.2, (80, 200, 20), 2, cv2.LINE_AA)


def main() -> None:
    cv2.setNumThreads(1)
    image = np.random.default_rng(0).integers(0, 255, (1920, 1088, 3), dtype=np.uint8)
    out, own, tracks, trails = image.copy(), image.copy(), people(), Trails(30)
    cases: dict[str, Callable[[], object]] = {
        "plain loop": lambda: plain_loop(image, tracks, out),
        "copy of the image alone": lambda: np.copyto(out, image),
        "draw_tracks": lambda: draw_tracks(image, tracks, out=out),
        "draw_tracks, in place": lambda: draw_tracks(own, tracks, out=own),
        "draw_tracks, skeletons only": lambda: draw_tracks(
            image, tracks, out=out, boxes=False, labels=False
        ),
        "draw_tracks, with trails": lambda: draw_tracks(image, tracks, out=out, trails=trails),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(REPEATS):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            times[name].append(time.perf_counter() - start)
    print(f"python {platform.python_version()}, OpenCV {cv2.__version__}; 3 people, 1088x1920\n")
    base = float(np.median(times["plain loop"]))
    print(f"{'':30}{'ms':>8}{'fastest':>9}{'of the plain loop':>19}")
    for name, taken in times.items():
        middle = float(np.median(taken))
        print(f"{name:30}{middle * 1e3:8.2f}{min(taken) * 1e3:9.2f}{middle / base:19.2f}")


if __name__ == "__main__":
    main()
