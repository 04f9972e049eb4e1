"""Two small networks on two cores: how people are spread over runs, and whether threads spin.

Run ``python benchmarks/onnx_threads.py``. Needs the reference data beside the checkout.
First a pose network whose file is fixed to one crop a run, for 1, 3 and 6 people; then that
network for three people and a detector, one after the other and side by side.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from posetrack.detectors.onnx import OnnxDetector
from posetrack.estimators.onnx import OnnxTopDown
from posetrack.runtimes.onnxruntime import open_session

DATA = Path(__file__).resolve().parents[2] / "shared/data"
POSE, DETECTOR = DATA / "models/simplepose_256x192.onnx", DATA / "models/fastestdet_352.onnx"


def main() -> None:
    if not POSE.exists():
        print("no reference data beside this checkout: nothing to measure")
        return
    with ThreadPoolExecutor(2) as pool:
        spread(pool)
        together(pool)


def spread(pool: ThreadPoolExecutor) -> None:
    batch = np.random.default_rng(0).normal(size=(6, 3, 256, 192)).astype(np.float32)
    one, two, any_batch = open_session(POSE, threads=1), open_session(POSE, threads=2), changed()

    def in_turn(session: Any, people: int) -> None:
        for person in range(people):
            session.run(None, {"data": batch[person : person + 1]})

    def side_by_side(session: Any, people: int) -> None:
        list(pool.map(lambda n: session.run(None, {"data": batch[n : n + 1]}), range(people)))

    for people in (1, 3, 6):
        runs: dict[str, Callable[[], object]] = {
            "in turn, one thread": lambda: in_turn(one, people),  # noqa: B023
            "in turn, two threads": lambda: in_turn(two, people),  # noqa: B023
            "side by side, one thread each": lambda: side_by_side(one, people),  # noqa: B023
            "side by side, two threads (ours)": lambda: side_by_side(two, people),  # noqa: B023
        }
        if any_batch is not None:
            runs["file changed to any batch, two threads"] = lambda: any_batch.run(
                None,
                {"data": batch[:people]},  # noqa: B023
            )
        print(f"\n{people} people")
        report(runs, "in turn, one thread")


def report(runs: dict[str, Callable[[], object]], baseline: str) -> None:
    """Medians and, since threads suffer most from what else runs on a machine, the fastest."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(40):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            taken[name].append((time.perf_counter() - start) * 1e3)
    print(f"{'':42}{'ms':>8}{'fastest':>10}{'of ' + baseline:>44}")
    for name, times in taken.items():
        middle = median(times)
        ratio = middle / median(taken[baseline])
        print(f"{name:42}{middle:8.1f}{min(times):10.1f}{ratio:44.2f}")


def changed() -> Any:
    """The pose network with an open batch size; None without the onnx package."""
    try:
        import onnx
        import onnxruntime
    except ModuleNotFoundError:
        print("the onnx package is not installed: the changed file is not measured")
        return None
    model = onnx.load(str(POSE))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def together(pool: ThreadPoolExecutor) -> None:
    image = cv2.VideoCapture(str(DATA / "videos/lab.mp4")).read()[1]
    runs: dict[str, Callable[[], object]] = {}
    for kind, spin in (("sleeping", False), ("spinning", True)):
        with spinning(spin):
            detect, estimate = OnnxDetector(DETECTOR, threads=2), OnnxTopDown(POSE, threads=2)
        boxes = detect(image)[[0, 1, 2]]

        def in_turn(detect: Any = detect, estimate: Any = estimate, boxes: Any = boxes) -> None:
            detect(image)
            estimate(image, boxes)

        def beside(detect: Any = detect, estimate: Any = estimate, boxes: Any = boxes) -> None:
            found = pool.submit(detect, image)
            estimate(image, boxes)
            found.result()

        runs[f"detector, then poses; {kind} threads"] = in_turn
        runs[f"detector beside poses; {kind} threads"] = beside
    print("\ndetector and poses of three people, two threads each")
    report(runs, "detector, then poses; spinning threads")


@contextmanager
def spinning(wanted: bool) -> Iterator[None]:
    """Let sessions opened inside wait busily, as onnxruntime does unless told otherwise."""
    import onnxruntime

    options = onnxruntime.SessionOptions
    entry = options.add_session_config_entry

    def add(self: Any, key: str, value: str) -> None:
        entry(self, key, "1" if wanted and key.endswith("allow_spinning") else value)

    options.add_session_config_entry = add
    try:
        yield
    finally:
        options.add_session_config_entry = entry


if __name__ == "__main__":
    main()
