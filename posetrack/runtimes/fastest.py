"""Running a torch network on the CPU, by whatever runs it fastest there.

A *runtime* is a function ``(network, input_size, keypoints) -> run``, where ``run`` takes a batch
(N, 3, height, width) float32 and gives heatmaps (N, keypoints, h, w) float32. Give one to
`posetrack.estimators.top_down.TopDown`, or a function of your own.

ResNet-50 at 192 x 256 on two quiet cores, as parts of torch's time (see
``benchmarks/pose_network.py``):
batch normalisation folded and channels last, 0.9 to 1 for one person and 0.7 for eight;
onnxruntime 0.7 and 0.7; OpenVINO 0.5 to 0.6 and 0.6. Where other programs run beside it, torch
falls much further behind. So OpenVINO is taken where it is installed, then onnxruntime, then
torch; none is less exact. OpenVINO in bfloat16 needs 0.3, but its heatmaps differ by a hundredth
of the highest peak; it has to be asked for.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec

from torch import nn

from posetrack.runtimes.onnxruntime import run_with_onnxruntime
from posetrack.runtimes.openvino import run_with_openvino
from posetrack.runtimes.session import Run
from posetrack.runtimes.torch import run_with_torch


def run_with_best(network: nn.Module, input_size: tuple[int, int], keypoints: int) -> Run:
    """Run with OpenVINO, else onnxruntime, else torch: the first that is installed and agrees.

    Warns
    -----
    RuntimeWarning
        If one is installed and fails; the next is taken.
    """
    for name, runtime in (("openvino", run_with_openvino), ("onnxruntime", run_with_onnxruntime)):
        if find_spec(name) is None:
            continue
        try:
            return runtime(network, input_size, keypoints)
        except Exception as error:  # whatever fails in there, torch can still run the network
            warnings.warn(
                f"{name} cannot run this network, trying the next runtime: {error}",
                RuntimeWarning,
                stacklevel=2,
            )
    return run_with_torch(network, input_size, keypoints)
