"""Seconds of a training step, waiting for data and computing, from the columns of a run's log.

Real COCO crops with the paper's augmentation, Adam, heatmaps; ResNet-50 at 256x192 and the light
network. On a GPU each also with and without half precision (AMP), in images a second, with worker
processes. The first epoch warms up and does not count.

    python benchmarks/training_step.py [--batch-size N] [--steps N] [--workers N] [--device cuda]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from posetrack.cli.train_crops import new_network
from posetrack.training import CropTask, Hardware, Recipe, Samples, read_coco, train

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "coco"
EPOCHS = 4


def repeated(people: Samples, count: int) -> Samples:
    """The same people again and again, so that an epoch has enough of them."""
    return people.of(np.arange(count) % len(people))


def measured(name: str, people: Samples, hardware: Hardware, batch: int) -> tuple[float, ...]:
    """Median milliseconds of a step, data and network, and images a second."""
    torch.manual_seed(0)
    network = new_network(name, len(people.skeleton))
    recipe = Recipe(epochs=EPOCHS, batch_size=batch)
    with tempfile.TemporaryDirectory() as folder:
        rows = train(
            network, CropTask(people), folder, recipe=recipe, hardware=hardware, save_every=EPOCHS
        )[1:]
    steps = -(-len(people) // batch)
    data, computing, whole = (
        statistics.median(row[f"seconds{part}"] for row in rows)
        for part in ("_data", "_network", "")
    )
    return data / steps * 1e3, computing / steps * 1e3, len(people) / whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, help="128 on a GPU, else 4")
    parser.add_argument("--steps", type=int, help="in an epoch: 20 on a GPU, else 2")
    parser.add_argument("--workers", type=int, help="all cores on a GPU, else 0")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"no data at {DATA}")
    fast = args.device != "cpu"
    batch = args.batch_size or (128 if fast else 4)
    workers = args.workers if args.workers is not None else (os.cpu_count() or 1) * fast
    people = repeated(
        read_coco(DATA / "test_coco.json", DATA), batch * (args.steps or 2 + 18 * fast)
    )
    place = torch.cuda.get_device_name() if fast else f"CPU, {torch.get_num_threads()} threads"
    print(f"{place}; batches of {batch}, {workers} worker processes, crops of 256x192")
    print(f"{'':24}{'ms data':>10}{'ms network':>12}{'data share':>12}{'images/s':>10}")
    for name in ("resnet50", "light"):
        for amp in (False, True) if fast else (False,):
            hardware = Hardware(torch.device(args.device), half_precision=amp, workers=workers)
            data, computing, rate = measured(name, people, hardware, batch)
            label = f"{name}{', AMP' if amp else ''}"
            share = data / (data + computing)
            print(f"{label:24}{data:10.1f}{computing:12.1f}{share:12.1%}{rate:10.1f}", flush=True)


if __name__ == "__main__":
    main()
