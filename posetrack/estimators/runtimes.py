"""Running a torch network on the CPU, by whatever runs it fastest there.

A *runtime* is a function ``(network, input_size, keypoints) -> run``, where ``run`` takes a batch
(N, 3, height, width) float32 and gives heatmaps (N, keypoints, h, w) float32. Give one to
`posetrack.estimators.torch_topdown.TorchTopDown`, or a function of your own.

ResNet-50 at 192 x 256 on two quiet cores, as parts of torch's time (see
``benchmarks/pose_network.py``):
batch normalisation folded and channels last, 0.9 to 1 for one person and 0.7 for eight;
onnxruntime 0.7 and 0.7; OpenVINO 0.5 to 0.6 and 0.6. Where other programs run beside it, torch
falls much further behind. So OpenVINO is taken where it is installed, then onnxruntime, then
torch; none is less exact. OpenVINO in bfloat16 needs 0.3, but its heatmaps differ by a hundredth
of the highest peak; it has to be asked for.
"""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posetrack.estimators.exporting import export, exported_path
from posetrack.networks.pose_resnet import PoseResNet, fold_batch_norm

Batch: TypeAlias = NDArray[np.float32]
Run: TypeAlias = Callable[[Batch], Batch]
Runtime: TypeAlias = Callable[[nn.Module, tuple[int, int], int], Run]

MAX_DIFFERENCE = 1e-3
"""Largest difference from torch's heatmaps, relative to their largest value, that is accepted."""


def run_with_torch(network: nn.Module, input_size: tuple[int, int], keypoints: int) -> Run:
    """Run with torch itself, channels last, with batch normalisation folded where that is safe.

    Parameters
    ----------
    network
        Left as it is.
    input_size
        Width and height of its input.
    keypoints
        Not needed here.

    Examples
    --------
    >>> run = run_with_torch(PoseResNet(18, 17), (32, 64), 17)
    >>> run(np.zeros((1, 3, 64, 32), np.float32)).shape
    (1, 17, 16, 8)
    """
    del keypoints
    ready = for_inference(network, input_size).to(memory_format=torch.channels_last)

    def run(batch: Batch) -> Batch:
        with torch.inference_mode():
            images = torch.from_numpy(batch).to(memory_format=torch.channels_last)
            return cast(Batch, ready(images).float().numpy())

    return run


def run_with_onnxruntime(
    network: nn.Module, input_size: tuple[int, int], keypoints: int, *, threads: int | None = None
) -> Run:
    """Run with onnxruntime, from a file exported once.

    Parameters
    ----------
    network
        Left as it is.
    input_size
        Width and height of its input.
    keypoints
        How many heatmaps it gives.
    threads
        As many as torch uses when None.

    Raises
    ------
    ModuleNotFoundError
        If onnxruntime is not installed.
    RuntimeError
        If its heatmaps differ from torch's by more than `MAX_DIFFERENCE`.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'onnxruntime is not installed: pip install "posetrack[onnx]"'
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.log_severity_level = 3
    # Threads that wait busily make this alone a fifth faster, and all that runs beside it slower.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")

    def start(model: bytes) -> Run:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return lambda batch: cast(Batch, session.run(["heatmaps"], {"images": batch})[0])

    return _checked(start, network, input_size, keypoints, MAX_DIFFERENCE)


def run_with_openvino(
    network: nn.Module,
    input_size: tuple[int, int],
    keypoints: int,
    *,
    threads: int | None = None,
    bfloat16: bool = False,
) -> Run:
    """Run with OpenVINO, from a file exported once.

    What it returns must not be called from two threads at a time.

    Parameters
    ----------
    network
        Left as it is.
    input_size
        Width and height of its input.
    keypoints
        How many heatmaps it gives.
    threads
        As many as torch uses when None.
    bfloat16
        Compute in 16 bits where the processor can: about half the time, heatmaps that differ by
        a hundredth of the highest peak. Left to itself OpenVINO does so; here it is asked for.

    Raises
    ------
    ModuleNotFoundError
        If OpenVINO is not installed.
    RuntimeError
        If its heatmaps differ from torch's by more than `MAX_DIFFERENCE`, 50 times that with
        ``bfloat16``.
    """
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'OpenVINO is not installed: pip install "posetrack[openvino]"'
        ) from error
    settings = openvino_settings(threads, bfloat16=bfloat16)

    def start(model: bytes) -> Run:
        core = openvino.Core()
        request = core.compile_model(
            core.read_model(io.BytesIO(model)), "CPU", settings
        ).create_infer_request()
        return lambda batch: cast(Batch, request.infer({0: batch}, share_inputs=True)[0])

    limit = MAX_DIFFERENCE * (50 if bfloat16 else 1)
    return _checked(start, network, input_size, keypoints, limit)


def openvino_settings(threads: int | None = None, *, bfloat16: bool = False) -> dict[str, Any]:
    """What OpenVINO is told for one image after the other on the CPU; see `run_with_openvino`.

    Examples
    --------
    >>> openvino_settings(2)["INFERENCE_NUM_THREADS"]
    2
    """
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
        "INFERENCE_NUM_THREADS": threads or torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        # Threads bound to cores stand in the way of the video decoder's; it gains nothing here.
        "ENABLE_CPU_PINNING": False,
    }


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


def for_inference(network: nn.Module, input_size: tuple[int, int] | None = None) -> nn.Module:
    """Copy of a network in evaluation mode, without gradients, batch normalisation folded.

    Folding takes it that a normalisation stands right after the convolution that is registered
    before it. In this package's networks it does. For others that has to be seen.

    Parameters
    ----------
    network
        Left as it is.
    input_size
        Width and height. Given it, networks from elsewhere are folded, too, if their answer to
        noise stays the same.

    Examples
    --------
    >>> any(weight.requires_grad for weight in for_inference(nn.Linear(1, 1)).parameters())
    False
    """
    # A subclass may do anything between the two layers, so the class itself is asked for.
    ours = type(network).__module__.startswith("posetrack.networks.")
    plain = copy.deepcopy(network).eval().requires_grad_(False)
    if not any(isinstance(part, nn.BatchNorm2d) for part in plain.modules()):
        return plain
    if not ours and input_size is None:
        return plain
    folded = fold_batch_norm(cast(PoseResNet, plain)).requires_grad_(False)
    return folded if ours or _agree(folded, plain, input_size) else plain


def _agree(folded: nn.Module, plain: nn.Module, input_size: tuple[int, int] | None) -> bool:
    assert input_size is not None
    width, height = input_size
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    parameter = next(plain.parameters(), noise)
    noise = noise.to(parameter.device, parameter.dtype)
    with torch.inference_mode():
        pairs = zip(as_maps(folded(noise)), as_maps(plain(noise)), strict=True)
        return all(
            float((have - want).abs().max()) <= 1e-4 * max(float(want.abs().max()), 1e-12)
            for have, want in pairs
        )


def as_maps(output: Any) -> tuple[torch.Tensor, ...]:
    """A network's answer as a tuple, whether it gives one tensor or several.

    Examples
    --------
    >>> len(as_maps(torch.zeros(1)))
    1
    """
    return (output,) if isinstance(output, torch.Tensor) else tuple(output)


def _checked(
    start: Callable[[bytes], Run],
    network: nn.Module,
    input_size: tuple[int, int],
    keypoints: int,
    limit: float,
) -> Run:
    """Start a runtime on the exported network, and believe it once it agrees with torch.

    It is asked at every start, not only after the export: that also finds a file that was damaged
    or belongs to other code, for about the time of one image. Such a file is made anew, once.
    """
    width, height = input_size
    images = np.random.default_rng(0).normal(size=(1, 3, height, width)).astype(np.float32)
    ready = for_inference(network, input_size).cpu()
    with torch.inference_mode():
        wanted = ready(torch.from_numpy(images)).float().numpy()
    if wanted.ndim != 4 or wanted.shape[:2] != (1, keypoints):
        raise ValueError(
            f"the network should give heatmaps (1, {keypoints}, h, w), it gives {wanted.shape}"
        )
    path = exported_path(network, input_size)
    reason = ""
    for fresh in (False, True):
        if not fresh and not path.is_file():
            continue
        model = export(ready, input_size, path) if fresh else path.read_bytes()
        try:
            run = start(model)
            difference = _difference(run(images), wanted)
        except Exception as error:  # a damaged file fails in ways of each library's own
            if fresh:
                raise
            reason = str(error)
            continue
        if difference <= limit:
            return run
        reason = f"its heatmaps differ from torch's by {difference:.2g} of the largest value"
    raise RuntimeError(f"{reason}; at most {limit:g} is accepted")


def _difference(heatmaps: Batch, wanted: Batch) -> float:
    """Largest difference relative to the largest value; infinite where shapes or numbers fail."""
    if heatmaps.shape != wanted.shape or not np.isfinite(heatmaps).all():
        return float("inf")
    return float(np.abs(heatmaps - wanted).max() / max(float(np.abs(wanted).max()), 1e-12))
