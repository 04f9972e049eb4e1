"""Heatmaps of 20 people (17 x 64 x 48) to keypoints; the flip average; the colours of crops.

Run ``python benchmarks/heatmaps.py``. One thread, all in turn, medians. The named alternative to
the decoding is the loop over people and keypoints that the authors' training code runs after
numpy's arg-max; the yardstick is that arg-max alone.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from timing import interleaved

from posetrack.ops.crops import IMAGENET_RGB, normalise
from posetrack.ops.heatmaps import average_flipped, decode_argmax, decode_dark, decode_quarter
from posetrack.skeletons import COCO_17

REPEATS = 60
PEOPLE = 20
Maps = NDArray[np.float32]


def heatmaps() -> Maps:
    """A Gaussian somewhere in each map, and a little noise."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(2, 45, (2, PEOPLE, 17, 1, 1))
    y *= 64 / 48
    columns, rows = np.arange(48), np.arange(64)[:, None]
    peaks = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8)
    return (peaks + rng.normal(0, 0.01, peaks.shape)).astype(np.float32)


def loop(maps: Maps) -> NDArray[np.float32]:
    """Arg-max, then the quarter shift in a loop over people and keypoints."""
    people, keypoints, height, width = maps.shape
    flat = maps.reshape(people, keypoints, -1)
    index, best = flat.argmax(axis=2), flat.max(axis=2)
    xy = np.stack([index % width, index // width], axis=2).astype(np.float32)
    xy *= (best > 0)[..., None]
    for n in range(people):
        for k in range(keypoints):
            heatmap = maps[n, k]
            x, y = int(np.floor(xy[n, k, 0] + 0.5)), int(np.floor(xy[n, k, 1] + 0.5))
            if 1 < x < width - 1 and 1 < y < height - 1:
                step = np.array(
                    [
                        heatmap[y, x + 1] - heatmap[y, x - 1],
                        heatmap[y + 1, x] - heatmap[y - 1, x],
                    ]
                )
                xy[n, k] += np.sign(step) * 0.25
    return xy


def flip_in_numpy(maps: Maps, mirrored: Maps) -> Maps:
    back = mirrored[:, COCO_17.mirror_order][..., ::-1].copy()
    back[..., 1:] = back[..., :-1].copy()
    return (maps + back) * np.float32(0.5)


def normalise_in_numpy(crops: NDArray[np.uint8]) -> Maps:
    colours = crops[..., ::-1].astype(np.float32) / 255
    colours = (colours - np.float32(IMAGENET_RGB.mean)) / np.float32(IMAGENET_RGB.std)
    return np.ascontiguousarray(colours.transpose(0, 3, 1, 2))


def main() -> None:
    cv2.setNumThreads(1)
    maps = heatmaps()
    mirrored = np.ascontiguousarray(maps[..., ::-1])
    crops = np.random.default_rng(1).integers(0, 256, (5, 256, 192, 3), dtype=np.uint8)
    assert np.array_equal(loop(maps), decode_quarter(maps)[0])
    order = COCO_17.mirror_order
    groups: list[dict[str, Callable[[], object]]] = [
        {
            "loop": lambda: loop(maps),
            "numpy's argmax alone": lambda: maps.reshape(PEOPLE, 17, -1).argmax(axis=2),
            "decode_argmax": lambda: decode_argmax(maps),
            "decode_quarter": lambda: decode_quarter(maps),
            "decode_dark": lambda: decode_dark(maps),
        },
        {
            "flip average in numpy": lambda: flip_in_numpy(maps, mirrored),
            "average_flipped": lambda: average_flipped(maps, mirrored, order),
        },
        {
            "colours of 5 crops in numpy": lambda: normalise_in_numpy(crops),
            "cv2.dnn.blobFromImages, no deviation": lambda: cv2.dnn.blobFromImages(
                list(crops), 1 / 255, swapRB=True
            ),
            "normalise": lambda: normalise(crops, IMAGENET_RGB),
        },
    ]
    print(f"python {platform.python_version()}, numpy {np.__version__}, OpenCV {cv2.__version__}\n")
    print(f"{'':40} {'ms':>8} {'of the first':>13} {'of the second':>14}")
    for runs in groups:
        seconds = interleaved(runs, REPEATS)
        first, second = list(seconds.values())[:2]
        for name, taken in seconds.items():
            print(f"{name:40} {taken * 1e3:8.3f} {taken / first:13.3f} {taken / second:14.3f}")
        print()


if __name__ == "__main__":
    main()
