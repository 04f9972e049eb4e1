"""Making training crops and targets from real COCO images, on one core: ours against a plain way.

The plain way is the paper's authors' pipeline as their paper and code describe it, written here
anew: decode, mirror the image for a flip, one affine warp, float conversion and normalisation of
the crop, targets joint by joint with NumPy. Both decode the same files anew each time.

    python benchmarks/training_data.py
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from posetrack.ops.crops import IMAGENET_BGR_AS_TRAINED, crop_matrices
from posetrack.training import Augmentation, CropDataset, read_coco
from posetrack.training.augmentation import draw, generator
from posetrack.training.dataset import centers_and_scales
from posetrack.training.validation import network_input

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "coco"
SIZE, MAP, REPEATS = (192, 256), (48, 64), 15


def plain_targets(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian patch for each joint, built and placed one by one."""
    maps = np.zeros((len(xy), MAP[1], MAP[0]), np.float32)
    weights = np.zeros((len(xy), 1), np.float32)
    for k, (x, y) in enumerate(xy):
        if np.isnan(x):
            continue
        cx, cy = int(x / 4 + 0.5), int(y / 4 + 0.5)
        left, top, right, bottom = cx - 6, cy - 6, cx + 7, cy + 7
        if left >= MAP[0] or top >= MAP[1] or right < 0 or bottom < 0:
            continue
        weights[k] = 1
        axis = np.arange(0, 13, 1, np.float32)
        patch = np.exp(-((axis - 6) ** 2 + (axis[:, None] - 6) ** 2) / 8)
        x0, x1, y0, y1 = max(0, left), min(right, MAP[0]), max(0, top), min(bottom, MAP[1])
        maps[k, y0:y1, x0:x1] = patch[y0 - top : y1 - top, x0 - left : x1 - left]
    return maps, weights


def plain(people, center, scale, augmentation: Augmentation, epoch: int) -> torch.Tensor:
    order = people.skeleton.mirror_order
    mean = torch.tensor(IMAGENET_BGR_AS_TRAINED.mean)[:, None, None]
    std = torch.tensor(IMAGENET_BGR_AS_TRAINED.std)[:, None, None]
    inputs, targets = [], []
    for index in range(len(people)):
        image = cv2.imread(
            str(people.images[index]), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        )
        change = draw(augmentation, generator(0, epoch, index))
        xy, middle = people.xy[index].copy(), center[index].copy()
        if change.mirrored:
            image = image[:, ::-1, :]
            xy = xy[order] * (-1, 1) + (image.shape[1] - 1, 0)
            middle[0] = image.shape[1] - 1 - middle[0]
        matrix = crop_matrices(
            middle[None], scale[index][None] * change.factor, SIZE, rotation=change.rotation
        )[0]
        crop = cv2.warpAffine(image, matrix, SIZE, flags=cv2.INTER_LINEAR)
        pixels = torch.from_numpy(crop.transpose(2, 0, 1).copy()).float().div(255)
        inputs.append(pixels.sub(mean).div(std))
        for k in range(len(xy)):
            if not np.isnan(xy[k, 0]):
                xy[k] = matrix @ np.array([xy[k, 0], xy[k, 1], 1.0])
        maps, weights = plain_targets(xy)
        targets.append((torch.from_numpy(maps), torch.from_numpy(weights)))
    torch.stack([maps for maps, _ in targets])
    return torch.stack(inputs)


def ours(data: CropDataset, epoch: int) -> torch.Tensor:
    batch = data.__getitems__([(epoch, index) for index in range(len(data))])
    return network_input(batch.crops, IMAGENET_BGR_AS_TRAINED).contiguous()


def main() -> int:
    if not DATA.is_dir():
        print(f"needs the COCO samples beside the checkout ({DATA})")
        return 1
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    people = read_coco(DATA / "test_coco.json", DATA)
    center, scale = centers_and_scales(people, SIZE)
    augmentation = Augmentation()
    data = CropDataset(people, input_size=SIZE, heatmap_size=MAP, augmentation=augmentation)

    def decode() -> None:
        for index in range(len(people)):
            cv2.imread(str(people.images[index]))

    # Mirrored crops round to the other side where a pixel is half way.
    away = (ours(data, 1) - plain(people, center, scale, augmentation, 1)).abs()
    print(f"largest difference of the inputs: {away.max():.4f} (a grey level is 0.0175)")
    times: dict[str, list[float]] = {"ours": [], "plain": [], "decoding alone": []}
    for epoch in range(REPEATS):
        for name, work in (
            ("ours", lambda: ours(data, epoch)),  # noqa: B023
            ("plain", lambda: plain(people, center, scale, augmentation, epoch)),  # noqa: B023
            ("decoding alone", decode),
        ):
            start = time.process_time()
            work()
            times[name].append((time.process_time() - start) / len(people) * 1000)
    middle = {name: statistics.median(values) for name, values in times.items()}
    print(f"{'':16}{'ms a crop':>12}{'crops a second and core':>26}")
    for name, value in middle.items():
        print(f"{name:16}{value:12.2f}{1000 / value:26.0f}")
    both = [(p, o) for p, o in zip(times["plain"], times["ours"], strict=True)]
    print(f"plain / ours: {statistics.median(p / o for p, o in both):.2f}")
    rest = middle["decoding alone"]
    print(f"without decoding: {(middle['plain'] - rest) / (middle['ours'] - rest):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
