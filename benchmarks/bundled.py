"""What the two bundled networks find in real pictures, beside two real networks of their size.

Run ``python benchmarks/bundled.py [DETECTOR POSE]``; with the two files given, those are measured
in place of the bundled ones. The real pictures are four of COCO, five of MPII and three of
PoseTrack18, where the reference data is beside the checkout; they were never trained on. Poses are
asked for in the annotated boxes. The others are FastestDet and Ultralight-SimplePose, which were
trained on COCO's photographs. Pictures of the world, which the bundled ones know, come last. Behind
the first number of each row are the limits in which 95 % of bootstrap samples lie, of images for
boxes and of people for poses: the sets are small.

A second table has the processor time that torch and onnxruntime need for the same bundled weights,
and the seconds from starting Python to the first answer of each.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from posetrack import Detections, Poses
from posetrack.build import bundled_detector, bundled_estimator
from posetrack.detectors.light import load_light_detector
from posetrack.detectors.onnx import OnnxDetector
from posetrack.detectors.onnx_layouts import decode_fastestdet
from posetrack.estimators.from_file import load_estimator
from posetrack.training.detection import box_numbers
from posetrack.training.detection_data import AnnotatedImages, read_boxes
from posetrack.training.reading_coco import read_coco
from posetrack.training.reading_mpii import read_mpii
from posetrack.training.samples import Samples
from posetrack.training.validation import measure
from posetrack.world import randomisation

DATA = Path(__file__).resolve().parents[2] / "shared/data"
MIN_SCORE = 0.05
DRAWS = 300
Detect = Callable[[np.ndarray], Detections]


def main() -> None:
    detectors: dict[str, Detect] = {}
    estimators: dict[str, Callable[[np.ndarray, Detections], Poses]] = {}
    if len(sys.argv) == 3:
        detectors["bundled"] = load_light_detector(sys.argv[1], min_score=MIN_SCORE)
        estimators["bundled"] = load_estimator(sys.argv[2], flip_test=True)
    else:
        detectors["bundled"] = bundled_detector(min_score=MIN_SCORE)
        estimators["bundled"] = bundled_estimator(flip_test=True)
    if DATA.exists():
        fastestdet = DATA / "models/fastestdet_352.onnx"
        detectors["FastestDet"] = OnnxDetector(
            fastestdet, decode=decode_fastestdet, min_score=MIN_SCORE
        )
        estimators["SimplePose"] = load_estimator(
            DATA / "models/simplepose_256x192.onnx", flip_test=True
        )
    else:
        print("no reference data beside this checkout: only the world is measured")
    for name, annotated in boxes_of_real_pictures().items():
        report_boxes(name, annotated, [read(file) for file in annotated.images], detectors)
    for name, samples in people_of_real_pictures().items():
        report_poses(name, samples, [read(file) for file in samples.images], estimators)
    report_world(detectors, estimators)
    if len(sys.argv) != 3:
        report_speed()


def boxes_of_real_pictures() -> dict[str, AnnotatedImages]:
    if not DATA.exists():
        return {}
    posetrack = DATA / "posetrack18"
    return {
        "COCO": read_boxes(DATA / "coco/test_coco.json", DATA / "coco"),
        "PoseTrack18": read_boxes(
            posetrack / "annotations/test_posetrack18_val.json", posetrack, broken="skip"
        ),
    }


def people_of_real_pictures() -> dict[str, Samples]:
    if not DATA.exists():
        return {}
    posetrack = DATA / "posetrack18"
    return {
        "COCO": read_coco(DATA / "coco/test_coco.json", DATA / "coco"),
        "MPII": read_mpii(DATA / "mpii/test_mpii.json", DATA / "mpii"),
        "PoseTrack18": read_coco(
            posetrack / "annotations/test_posetrack18_val.json", posetrack, broken="skip"
        ),
    }


def report_boxes(
    name: str, annotated: AnnotatedImages, images: list[np.ndarray], detectors: dict[str, Detect]
) -> None:
    people = sum(len(boxes) for boxes in annotated.boxes)
    for label, detect in detectors.items():
        found = [detect(image) for image in images]

        def numbers(
            rows: np.ndarray,
            found: list[Detections] = found,
            annotated: AnnotatedImages = annotated,
        ) -> dict[str, float]:
            parts = (annotated.images, annotated.boxes, annotated.ignored)
            drawn = AnnotatedImages(*(tuple(part[row] for row in rows) for part in parts))
            return box_numbers([found[row] for row in rows], drawn)

        print(f"{name:12} {people:4} boxes   {label:11}", shown(numbers, len(images), "AP50"))


def report_poses(
    name: str, samples: Samples, images: list[np.ndarray], estimators: dict[str, Callable]
) -> None:
    boxes = boxes_of(samples)
    for label, estimate in estimators.items():
        xy = np.full(samples.xy.shape, np.nan, np.float32)
        scores = np.zeros(samples.xy.shape[:2], np.float32)
        for row, image in enumerate(images):
            found = estimate(image, Detections(boxes[row : row + 1], np.ones(1)))
            mapped = found.skeleton.map_to(samples.skeleton, found.xy, found.scores)
            xy[row], scores[row] = mapped[0][0], mapped[1][0]
        known = np.isfinite(xy).all(axis=2).any(axis=0)
        asked = dataclasses.replace(samples, xy=np.where(known[None, :, None], samples.xy, np.nan))

        def numbers(
            rows: np.ndarray,
            asked: Samples = asked,
            xy: np.ndarray = xy,
            scores: np.ndarray = scores,
        ) -> dict[str, float]:
            return measure(people_of(asked, rows), np.nan_to_num(xy[rows]), scores[rows])

        print(f"{name:12} {len(samples):4} people  {label:11}", shown(numbers, len(samples)))


def boxes_of(samples: Samples) -> np.ndarray:
    """Annotated boxes; MPII has centres and heights of 200 pixels in their place."""
    if samples.boxes is not None:
        return samples.boxes
    half = 100 * samples.scale / 1.25
    half = np.stack([half[:, 1] * 0.75, half[:, 1]], axis=1)
    return np.concatenate([samples.center - half, samples.center + half], axis=1)


def report_world(detectors: dict[str, Detect], estimators: dict[str, Callable]) -> None:
    images: list[np.ndarray] = []
    boxes: list[np.ndarray] = []
    rows: list[Poses] = []
    for image, truth in randomisation.random_frames(999, 40):
        images.append(image)
        rows.append(truth.poses(min_share=0.3))
        boxes.append(rows[-1].boxes.xyxy.astype(float))
    annotated = AnnotatedImages(
        tuple(Path(str(number)) for number in range(len(images))),
        tuple(boxes),
        tuple(np.zeros((0, 4)) for _ in images),
    )
    report_boxes("the world", annotated, images, detectors)
    xy = np.concatenate([poses.xy for poses in rows])
    seen = np.concatenate([poses.scores for poses in rows]) > 0
    several = [image for image, poses in zip(images, rows, strict=True) for _ in range(len(poses))]
    boxed = np.concatenate([poses.boxes.xyxy for poses in rows])
    samples = Samples(
        skeleton=rows[0].skeleton,
        images=tuple(Path(str(number)) for number in range(len(several))),
        xy=np.where(seen[..., None], xy, np.nan),
        boxes=boxed,
        center=None,
        scale=None,
        sizes=(boxed[:, 2:] - boxed[:, :2]).max(axis=1),
        names=tuple(str(number) for number in range(len(several))),
    )
    report_poses("the world", samples, several, estimators)


def read(file: Path) -> np.ndarray:
    return np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))


def people_of(samples: Samples, rows: np.ndarray) -> Samples:
    """Some of the people, some of them perhaps several times."""
    taken = {
        field: value[rows] if isinstance(value, np.ndarray) else tuple(value[row] for row in rows)
        for field in ("images", "xy", "boxes", "center", "scale", "sizes", "names")
        if (value := getattr(samples, field)) is not None
    }
    return dataclasses.replace(samples, **taken)


def shown(
    numbers: Callable[[np.ndarray], dict[str, float]], count: int, which: str | None = None
) -> str:
    """Numbers of all rows, and the interval of one of them, the first if not said."""
    rng = np.random.default_rng(0)
    whole = numbers(np.arange(count))
    which = which or next(iter(whole))
    drawn = [numbers(np.sort(rng.integers(count, size=count)))[which] for _ in range(DRAWS)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    limits = {which: f" ({low:.2f}-{high:.2f})"}
    return "  ".join(f"{name} {value:.3f}{limits.get(name, '')}" for name, value in whole.items())


def report_speed() -> None:
    """Processor time of torch and onnxruntime for an image and for three people."""
    from posetrack.runtimes.torch import run_with_torch

    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (360, 640, 3), dtype=np.uint8)
    boxes = Detections([[50, 40, 150, 330], [220, 40, 320, 330], [400, 40, 500, 330]], np.ones(3))
    detectors = {
        "torch": bundled_detector("cpu", half=False),
        "onnxruntime": bundled_detector("cpu"),
    }
    estimators = {
        "torch": bundled_estimator("cpu", runtime=run_with_torch),
        "onnxruntime": bundled_estimator("cpu"),
    }
    times = {
        label: [
            processor_ms(partial(detectors[label], image)),
            processor_ms(partial(estimators[label], image, boxes)),
            first_answer(label),
        ]
        for label in detectors
    }
    for row, what in enumerate(("ms detector", "ms three people", "s to first answer")):
        torch, onnx = times["torch"][row], times["onnxruntime"][row]
        print(f"{what:18} torch {torch:8.1f}  onnxruntime {onnx:8.1f}  ratio {torch / onnx:5.2f}")


def processor_ms(call: Callable[[], object], repeats: int = 9) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times))


def first_answer(label: str) -> float:
    """Processor seconds of a new Python until both networks have answered once."""
    given = {"torch": ("half=False", "half=False"), "onnxruntime": ("", "")}[label]
    code = (
        "import numpy as np; from posetrack import Detections, build;"
        "image = np.zeros((360, 640, 3), np.uint8);"
        f"build.bundled_detector('cpu', {given[0]})(image);"
        f"build.bundled_estimator('cpu', {given[1]})"
        "(image, Detections([[50, 40, 150, 330]], [1.0]));"
        "import resource; used = resource.getrusage(resource.RUSAGE_SELF);"
        "print(used.ru_utime + used.ru_stime)"
    )
    done = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    return min(float(run.stdout) for run in done)


if __name__ == "__main__":
    main()
