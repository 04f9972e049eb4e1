"""Exported forms of ResNet-50, 256x192, against torch as it is read: drift and time a crop.

Run ``python benchmarks/export.py [--crops 8] [--repeats 5]``. Weights are random but damped, so
that values stay in range; the crops are of real people (../shared/data/coco) where that is there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch

from posetrack.cli import main as posetrack
from posetrack.networks.pose_resnet import PoseResNet

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from filled import fill_network

COCO = Path(__file__).resolve().parents[2] / "shared" / "data" / "coco"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    network = PoseResNet(50, 17)
    fill_network(network, 0.45)
    real = ["--images", str(COCO), "--annotations", str(COCO / "test_coco.json")]
    # Peaks of random weights are no peaks of people: what drifts is shown, not held against it.
    common = ["--size", "256x192", "--max-drift", "1e9", "--repeats", str(arguments.repeats)]
    common += ["--crops", str(arguments.crops), *(real if COCO.is_dir() else [])]
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "resnet50.pth")
        torch.save(network.state_dict(), weights)
        start = ["export", str(weights), "-o", folder, "--to"]
        forms = ["onnx", "torch-export", "openvino"]
        runs = [[*forms, *common], [*forms, *common, "--half"]]
        if COCO.is_dir():
            runs.append(["onnx", *common, "--int8", "--calibrate", str(COCO)])
        for run in runs:
            if posetrack([*start, *run]) == 130:
                sys.exit(130)


if __name__ == "__main__":
    main()
