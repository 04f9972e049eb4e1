"""Box NMS of a frame's boxes, against torchvision's and OpenCV's.

Run ``python benchmarks/nms.py``. One thread, all in turn, medians. Each gets the arrays it likes
best (tensors, lists of xywh), so their conversion is not counted.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from timing import interleaved

from posetrack.ops.boxes import nms

REPEATS = 50
MAX_IOU = 0.5


def boxes(count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Three boxes around each of some people, and scores."""
    rng = np.random.default_rng(0)
    people = -(-count // 3)
    place, size = rng.uniform(0, 1500, (people, 2)), rng.uniform(50, 200, (people, 2))
    xyxy = np.repeat(np.concatenate([place, place + size], axis=1), 3, axis=0)[:count]
    xyxy += rng.normal(0, 8, xyxy.shape)
    return xyxy.astype(np.float32), rng.random(count).astype(np.float32)


def alternatives(
    xyxy: NDArray[np.float32], scores: NDArray[np.float32]
) -> dict[str, Callable[[], object]]:
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1).tolist()
    marks = scores.tolist()
    found: dict[str, Callable[[], object]] = {
        "cv2.dnn": lambda: cv2.dnn.NMSBoxes(xywh, marks, 0.0, MAX_IOU)
    }
    try:
        import torch
        from torchvision.ops import nms as torchvision_nms
    except ImportError:
        print("torchvision is not installed")
        return found
    torch.set_num_threads(1)
    tensors = torch.from_numpy(xyxy), torch.from_numpy(scores)
    wanted = torchvision_nms(*tensors, MAX_IOU).tolist()
    assert nms(xyxy, scores, max_iou=MAX_IOU).tolist() == wanted
    return {"torchvision": lambda: torchvision_nms(*tensors, MAX_IOU), **found}


def times(function: Callable[[], object], count: int) -> None:
    for _ in range(count):
        function()


def main() -> None:
    cv2.setNumThreads(1)
    print(f"python {platform.python_version()}, numpy {np.__version__}; microseconds\n")
    for count in (5, 20, 100, 1000):
        xyxy, scores = boxes(count)
        calls = {
            **alternatives(xyxy, scores),
            "nms": partial(nms, xyxy, scores, max_iou=MAX_IOU),
        }
        each = 100 if count <= 100 else 5
        runs = {name: partial(times, call, each) for name, call in calls.items()}
        seconds = {name: taken / each for name, taken in interleaved(runs, REPEATS).items()}
        row = "".join(f"{name:>14} {taken * 1e6:8.2f}" for name, taken in seconds.items())
        ratio = seconds["nms"] / next(iter(seconds.values()))
        print(f"{count:5} boxes {row}   ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
