"""Draw the crops that int8 networks are calibrated on: ``posetrack/bundled/crops.jpg``.

Run ``python benchmarks/calibration_crops.py``. People are rendered, so their pictures may be given
away with the package; a row of the sheet has eight crops of 192 x 256.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import posetrack
from posetrack.ops.crops import box_to_center_scale, crop_matrices, crop_people
from posetrack.world import random_frames

SIZE, ACROSS, DOWN = (192, 256), 8, 6


def main() -> None:
    crops: list[np.ndarray] = []
    for image, truth in random_frames(7, 40, size=(960, 540), people=(2, 5)):
        rows = truth.visible_rows()
        boxes = truth.boxes[rows]
        tall = boxes[:, 3] - boxes[:, 1] > 120
        if not tall.any():
            continue
        center, scale = box_to_center_scale(boxes[tall], input_size=SIZE)
        crops += list(crop_people(image, crop_matrices(center, scale, SIZE), SIZE))
    chosen = np.stack(crops[: ACROSS * DOWN])
    sheet = chosen.reshape(DOWN, ACROSS, *chosen.shape[1:]).transpose(0, 2, 1, 3, 4)
    sheet = sheet.reshape(DOWN * SIZE[1], ACROSS * SIZE[0], 3)
    path = Path(posetrack.__file__).parent / "bundled" / "crops.jpg"
    cv2.imwrite(str(path), sheet, [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(f"{path}: {len(crops)} crops drawn, {len(chosen)} taken, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
