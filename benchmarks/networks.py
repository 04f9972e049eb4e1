"""What each real network at hand finds on four COCO images: AP, and PCK of the people found.

Run ``python benchmarks/networks.py``; it needs the reference data beside the checkout and
pycocotools. A network that sees crops is given the boxes of each detector. AP is pycocotools' over
everybody annotated, in percent; PCK@0.1 is of all annotated keypoints, within a tenth of the box's
longer side of those of the pose that is most like the person (who is not found has none right).
Four images with twelve people say which networks work and are fed as they should be, not which is
better by a few percent.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posetrack.build import bundled_detector, bundled_estimator
from posetrack.detectors.onnx import OnnxDetector
from posetrack.estimators.from_file import load_estimator
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.evaluation import evaluate_coco
from posetrack.skeletons import COCO_17
from posetrack.structures import Poses

DATA = Path(__file__).resolve().parents[2] / "shared/data"
MODELS = DATA / "models"
Image = np.ndarray[Any, Any]


def main() -> None:
    names = f"{'detector':16}{'pose network':34}{'AP':>6}{'AP50':>7}{'PCK@0.1':>9}{'poses':>7}"
    print(names)
    for (detector, network), find in networks().items():
        ap, ap50, share, count = measured(find)
        print(f"{detector:16}{network:34}{ap:6.1f}{ap50:7.1f}{share:9.2f}{count:7}")


def networks() -> dict[tuple[str, str], Callable[[Image], Poses]]:
    """All pairs of detector and pose network, and the networks that need no detector."""
    detectors = {
        "FastestDet": OnnxDetector(MODELS / "fastestdet_352.onnx", min_score=0.3),
        "YOLOX-nano": OnnxDetector(MODELS / "yolox_nano_416.onnx", min_score=0.3),
        "RTMDet-nano": OnnxDetector(MODELS / "rtmdet_nano_person.onnx", min_score=0.3),
        "bundled": bundled_detector("cpu", min_score=0.3),
    }
    crops = {
        "SimplePose": OnnxTopDown(MODELS / "simplepose_256x192.onnx"),
        "bundled": bundled_estimator("cpu"),
    }
    tfjs = MODELS / "posenet_075_tfjs"
    whole = {
        "YOLO11n-pose 256, from int8": load_estimator(MODELS / "yolo11n_pose_256.onnx"),
        "PoseNet 0.75, stride 16": load_estimator(tfjs, device="cpu"),
        "PoseNet 0.75, stride 8": load_estimator(tfjs, device="cpu", output_stride=8),
        "Lightweight OpenPose, from int8": load_estimator(MODELS / "lightweight_openpose.onnx"),
    }
    found: dict[tuple[str, str], Callable[[Image], Poses]] = {}
    for detector, detect in detectors.items():
        for network, estimate in crops.items():
            found[detector, network] = lambda image, d=detect, e=estimate: e(image, d(image))
    return found | {("none", network): estimate for network, estimate in whole.items()}


def measured(find: Callable[[Image], Poses]) -> tuple[float, float, float, int]:
    """AP, AP50, PCK@0.1 and the number of poses."""
    truth = DATA / "coco/test_coco.json"
    document = json.loads(truth.read_text())
    results: list[dict[str, Any]] = []
    right = labelled = 0
    for row in document["images"]:
        poses = find(cv2.imread(str(DATA / "coco" / row["file_name"])))
        poses = poses if poses.skeleton == COCO_17 else poses.to(COCO_17)
        xy = np.nan_to_num(poses.xy)
        for pose, scores, box in zip(xy, poses.scores, poses.boxes.scores, strict=True):
            points = np.column_stack([pose, np.ones(17)]).ravel().tolist()
            seen = scores[scores > 0.2]
            score = float(box * (seen.mean() if len(seen) else 0))
            results.append(
                {"image_id": row["id"], "category_id": 1, "keypoints": points, "score": score}
            )
        for person in document["annotations"]:
            if person["image_id"] == row["id"] and person["num_keypoints"]:
                points = np.array(person["keypoints"], float).reshape(17, 3)
                seen = points[:, 2] > 0
                limit = 0.1 * max(person["bbox"][2:])
                with np.errstate(invalid="ignore"):
                    near = np.linalg.norm(poses.xy - points[:, :2], axis=2)[:, seen] <= limit
                right += int(near.sum(axis=1).max(initial=0))
                labelled += int(seen.sum())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        path.write_text(json.dumps(results))
        result = evaluate_coco(truth, path)
    values = dict(zip(result.names, result.values, strict=True))
    return 100 * values["AP"], 100 * values["AP50"], right / labelled, len(results)


if __name__ == "__main__":
    main()
