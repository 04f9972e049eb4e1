"""Crops to compare and calibrate networks on: of annotated people, of images, or made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Crops = NDArray[np.uint8]


def crops_of_annotations(
    path: Path, images: str, input_size: tuple[int, int], count: int
) -> tuple[Crops, str]:
    """Crops (N, height, width, 3) BGR of the first annotated people, and a sentence on them."""
    from posetrack.ops.crops import crop_matrices, crop_people
    from posetrack.training.dataset import centers_and_scales, read_image
    from posetrack.training.reading_coco import read_coco

    samples = read_coco(path, images, broken="skip")
    centers, scales = centers_and_scales(samples, input_size)
    rows = np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int)
    matrices = crop_matrices(centers, scales, input_size)
    crops = [crop_people(read_image(samples, int(row)), matrices[[row]], input_size)
             for row in rows]  # fmt: skip
    return np.concatenate(crops), f"{len(crops)} crops of people annotated in {path}"


def crops_of_images(source: str, input_size: tuple[int, int], count: int) -> tuple[Crops, str]:
    """Crops of the people that OpenCV's detector finds in images; of whole images without any.

    At most 32 images are looked at, spread over all there are.

    Raises
    ------
    ValueError
        If there is no image.
    """
    from posetrack.ops.crops import box_to_center_scale, crop_matrices, crop_people
    from posetrack.video import open_video

    detect = _detector()
    crops: list[Crops] = []
    found = 0
    with open_video(source) as video:
        step = max(1, (video.count or 0) // 32)
        for frame in video:
            if len(crops) >= count:
                break
            if frame.index % step:
                continue
            height, width = frame.image.shape[:2]
            people = detect(frame.image)
            boxes = people.xyxy if len(people) else [[0, 0, width, height]]
            found += len(people)
            center, scale = box_to_center_scale(boxes, input_size=input_size)
            matrices = crop_matrices(center, scale, input_size)
            crops.extend(crop_people(frame.image, matrices, input_size))
    if not crops:
        raise ValueError(f"{source}: no image in it to cut crops from")
    kept = crops[:count]
    return np.stack(kept), (
        f"{len(kept)} crops of {source}: of people that OpenCV's detector found ({found}), and of "
        "whole images where it found none"
    )


def random_crops(input_size: tuple[int, int], count: int) -> tuple[Crops, str]:
    """Crops of random texture, fine and coarse, always the same."""
    import cv2

    rng = np.random.default_rng(0)
    width, height = input_size
    crops = []
    for _ in range(count):
        total = np.zeros((height, width, 3))
        for cells in (2, 4, 8, 16, 32):
            noise = rng.normal(size=(cells + 1, cells + 1, 3)).astype(np.float32)
            total += cv2.resize(noise, input_size, interpolation=cv2.INTER_CUBIC)
        crops.append(np.clip(127 + 40 * total, 0, 255).astype(np.uint8))
    return np.stack(crops), (
        f"{count} crops of random texture, for no --images were given: drift on real people may be "
        "another"
    )


def _detector() -> Any:
    from posetrack.detectors.hog import HogDetector

    return HogDetector()
