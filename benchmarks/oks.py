"""OKS of 20 x 200 poses of 17 keypoints: the loop of COCO's evaluation, vectorised numpy, ours.

Run ``python benchmarks/oks.py``. One thread, all in turn, medians. The loop is pycocotools' own
``computeOks`` where it is installed, else a loop over pairs with numpy inside, as in there.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray
from timing import interleaved

from posetrack.ops.oks import oks_matrix
from posetrack.skeletons import COCO_17

REPEATS = 30
SIGMAS = np.array(COCO_17.sigmas, np.float32)
Poses = NDArray[np.float32]


def people(count: int, seed: int) -> Poses:
    """Poses of about 200 pixels, spread over a large picture."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(0, 1500, (count, 1, 2))
    return (centers + rng.normal(0, 60, (count, 17, 2))).astype(np.float32)


def coco_loop(references: Poses, poses: Poses, areas: Poses) -> Callable[[], object]:
    try:
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        print("pycocotools is not installed: a loop like its own stands in")
        return lambda: pair_loop(references, poses, areas)
    evaluation = COCOeval(iouType="keypoints")
    evaluation.params.kpt_oks_sigmas = SIGMAS.astype(float)
    evaluation.params.maxDets = [len(poses)]
    seen = np.full((17, 1), 2.0)
    evaluation._gts[0, 0] = [
        {
            "keypoints": np.hstack([pose, seen]).ravel().tolist(),
            "area": float(area),
            "bbox": [0, 0, 1, 1],
        }
        for pose, area in zip(references, areas, strict=True)
    ]
    evaluation._dts[0, 0] = [
        {"keypoints": np.hstack([pose, seen]).ravel().tolist(), "score": float(-i)}
        for i, pose in enumerate(poses)
    ]
    return lambda: evaluation.computeOks(0, 0)


def pair_loop(references: Poses, poses: Poses, areas: Poses) -> NDArray[np.float64]:
    oks = np.zeros((len(references), len(poses)))
    variances = (SIGMAS.astype(float) * 2) ** 2
    for m, reference in enumerate(references.astype(float)):
        for n, pose in enumerate(poses.astype(float)):
            square = ((reference - pose) ** 2).sum(axis=1)
            exponent = square / variances / (areas[m] + np.spacing(1)) / 2
            oks[m, n] = np.exp(-exponent).sum() / len(exponent)
    return oks


def vectorised(references: Poses, poses: Poses, areas: Poses) -> Poses:
    difference = references[:, None] - poses[None]
    square = np.einsum("mnkd,mnkd->mnk", difference, difference)
    factor = -1 / (8 * areas[:, None] * SIGMAS**2)
    return np.exp(square * factor[:, None]).mean(axis=2)


def times(function: Callable[[], object], count: int) -> Callable[[], None]:
    """Call ``function`` ``count`` times: microseconds need more than one call to be measured."""

    def run() -> None:
        for _ in range(count):
            function()

    return run


def main() -> None:
    areas = np.random.default_rng(0).uniform(5e3, 5e4, 20).astype(np.float32)
    references, poses = people(20, 1), people(200, 2)
    poses[:20] = references + 5
    exact = [array.astype(float) for array in (references, poses, areas)]
    past, now, past_areas = people(200, 3), people(20, 4), np.full(200, 2e4, np.float32)
    half = poses.copy()
    half[np.random.default_rng(5).random(half.shape[:2]) < 0.3] = np.nan
    counts = {
        "pycocotools' loop": 1,
        "vectorised numpy, float32": 4,
        "oks_matrix, float64": 4,
        "oks_matrix, float32": 200,
        "oks_matrix, float32, common_only": 200,
        "oks_matrix, float32, 200 x 20": 200,
    }
    calls = [
        coco_loop(references, poses, areas),
        lambda: vectorised(references, poses, areas),
        lambda: oks_matrix(*exact, SIGMAS),
        lambda: oks_matrix(references, poses, areas, SIGMAS),
        lambda: oks_matrix(references, half, areas, SIGMAS, common_only=True),
        lambda: oks_matrix(past, now, past_areas, SIGMAS),
    ]
    runs = {
        name: times(call, count) for (name, count), call in zip(counts.items(), calls, strict=True)
    }
    seconds = {name: taken / counts[name] for name, taken in interleaved(runs, REPEATS).items()}

    ours = oks_matrix(references, poses, areas, SIGMAS)
    error = np.abs(ours - pair_loop(references, poses, areas)).max()
    print(f"python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}")
    print(f"20 x 200 poses, 17 keypoints; largest error of float32: {error:.1e}\n")
    loop, numpy_ = seconds["pycocotools' loop"], seconds["vectorised numpy, float32"]
    print(f"{'':34} {'ms':>9} {'loop is':>11} {'numpy is':>11}")
    for name, taken in seconds.items():
        slower = f"{loop / taken:8.1f} x  {numpy_ / taken:8.2f} x"
        print(f"{name:34} {taken * 1e3:9.4f} {slower:>23}")


if __name__ == "__main__":
    main()
