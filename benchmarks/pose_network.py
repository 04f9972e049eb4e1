"""ResNet-50 with deconvolutions, 192 x 256: each runtime against torch eager, on two threads.

Run ``python benchmarks/pose_network.py [--people 1 8] [--repeats 15]``. Weights are random: they
do not change the time. Where there is a GPU, the whole estimator's crops per second follow.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch

from posetrack.estimators.top_down import TopDown
from posetrack.networks.pose_resnet import PoseResNet
from posetrack.runtimes.onnxruntime import run_with_onnxruntime
from posetrack.runtimes.openvino import run_with_openvino
from posetrack.runtimes.torch import run_with_torch
from posetrack.skeletons import COCO_17
from posetrack.structures import Detections

SIZE = (192, 256)
THREADS = 2
NEEDED = {"onnxruntime": "onnxruntime", "OpenVINO": "openvino", "OpenVINO bfloat16": "openvino"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    network = PoseResNet(50, 17).eval()
    with tempfile.TemporaryDirectory() as home:
        os.environ["POSETRACK_HOME"] = home
        runs = runtimes(network)
        for people in arguments.people:
            table(runs, people, arguments.repeats)
    on_gpu(network)


def runtimes(network: PoseResNet) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    def eager(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(batch)).numpy()

    makers = {
        "torch, folded, channels last": run_with_torch,
        "onnxruntime": partial(run_with_onnxruntime, threads=THREADS),
        "OpenVINO": partial(run_with_openvino, threads=THREADS),
        "OpenVINO bfloat16": partial(run_with_openvino, threads=THREADS, bfloat16=True),
    }
    runs = {"torch eager": eager}
    for name, make in makers.items():
        library = NEEDED.get(name)
        if library and not (find_spec(library) and find_spec("onnx")):
            print(f"{name}: {library} and onnx are not both installed")
            continue
        start = time.perf_counter()
        runs[name] = make(network, SIZE, 17)
        print(f"{name}: ready after {time.perf_counter() - start:.1f} s")
    return runs


def table(runs: dict[str, Callable[[np.ndarray], np.ndarray]], people: int, repeats: int) -> None:
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(people, 3, SIZE[1], SIZE[0])).astype(np.float32)
    wanted = runs["torch eager"](batch)
    times: dict[str, list[float]] = {name: [] for name in runs}
    apart = {
        name: np.abs(run(batch) - wanted).max() / np.abs(wanted).max() for name, run in runs.items()
    }
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run(batch)
            times[name].append(time.perf_counter() - start)
    eager = np.median(times["torch eager"])
    print(f"\n{people} {'person' if people == 1 else 'people'}, {THREADS} threads")
    print(f"{'':30}{'ms':>9}{'of eager':>10}{'heatmaps apart':>16}")
    for name, taken in times.items():
        middle = np.median(taken)
        print(f"{name:30}{middle * 1e3:9.1f}{middle / eager:10.2f}{apart[name]:16.1e}")


def on_gpu(network: PoseResNet) -> None:
    if not torch.cuda.is_available():
        print("\nno GPU here: crops per second on one not measured")
        return
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    print(f"\n{torch.cuda.get_device_name()}: image to keypoints, 1920 x 1080")
    for people in (1, 8, 64):
        corner = rng.uniform(0, 800, (people, 2))
        boxes = Detections(np.concatenate([corner, np.add(corner, (100, 250))], 1), np.ones(people))
        for half in (False, True):
            estimate = TopDown(network, COCO_17, device="cuda", half=half)
            for _ in range(5):
                estimate(image, boxes)
            taken = []
            for _ in range(30):
                start = time.perf_counter()
                estimate(image, boxes)
                taken.append(time.perf_counter() - start)
            middle = np.median(taken)
            kind = "float16" if half else "float32"
            print(f"{people:4} {kind} {middle * 1e3:8.2f} ms {people / middle:9.0f} crops/s")


if __name__ == "__main__":
    main()
