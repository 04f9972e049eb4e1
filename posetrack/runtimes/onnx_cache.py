"""Torch networks as ONNX models in the cache folder, made once for each network and checked.

A file's name is a fingerprint of all it depends on, so nothing in the folder is ever out of date;
it may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import io
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from posetrack.files import write_whole
from posetrack.runtimes.session import Batch, Run
from posetrack.runtimes.torch import for_inference
from posetrack.weights import cache_folder

_OPSET = 17

MAX_DIFFERENCE = 1e-3
"""Largest difference from torch's heatmaps, relative to their largest value, that is accepted."""


def _path_of_export(network: nn.Module, input_size: tuple[int, int]) -> Path:
    """Where a network's exported file is, or would be.

    Parameters
    ----------
    network
        Any; what its state dict, layers and class's source say goes into the name.
    input_size
        Width and height of its input.

    Examples
    --------
    >>> _path_of_export(nn.Linear(1, 1), (192, 256)).suffix
    '.onnx'
    """
    return cache_folder() / "exported" / f"{_fingerprint(network, input_size)}.onnx"


def export(network: nn.Module, input_size: tuple[int, int], path: Path) -> bytes:
    """An ONNX model of any batch size, also put at ``path`` where that can be written.

    The file appears whole or not at all, so processes that start together do no harm. Its input
    is called ``images``, its output ``heatmaps``.

    Parameters
    ----------
    network
        On the CPU, in evaluation mode; left as it is.
    input_size
        Width and height of its input.
    path
        Where the file is kept; its folder is made.

    Raises
    ------
    ModuleNotFoundError
        If the onnx package is not installed.

    Warns
    -----
    RuntimeWarning
        If the file cannot be written.
    """
    model = onnx_model(network, input_size, ["heatmaps"])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, model, durable=False)
    except OSError as error:
        warnings.warn(
            f"cannot keep the exported network at {path} ({error}); it is exported anew each "
            "time. Set POSETRACK_HOME to a folder that can be written",
            RuntimeWarning,
            stacklevel=2,
        )
    return model


def onnx_model(
    network: nn.Module,
    input_size: tuple[int, int],
    outputs: Sequence[str],
    *,
    opset: int = _OPSET,
    any_size: bool = False,
    keep_names: bool = False,
) -> bytes:
    r"""A network traced as ONNX, with any batch size.

    Parameters
    ----------
    network
        On the CPU, in evaluation mode; left as it is.
    input_size
        Width and height of its input, which is called ``images``.
    outputs
        Names for what it gives.
    opset
        Version of ONNX's operators.
    any_size
        Leave height and width open, too.
    keep_names
        Leave every weight as it is, under its name; else they are folded into each other.

    Raises
    ------
    ModuleNotFoundError
        If the onnx package is not installed.
    ValueError
        If PyTorch cannot say the network in this opset.

    Examples
    --------
    >>> onnx_model(nn.Conv2d(3, 1, 1), (8, 8), ["maps"])[:1]  # doctest: +SKIP
    b'\x08'
    """
    if find_spec("onnx") is None:
        raise ModuleNotFoundError(
            'exporting a network needs the onnx package: pip install "posetrack[onnx]"'
        )
    width, height = input_size
    file = io.BytesIO()
    sides = {2: "height", 3: "width"} if any_size else {}
    modes = torch.onnx.TrainingMode
    names = ("images", *outputs)
    axes = {name: {0: "people", **(sides if name == "images" else {})} for name in names}
    example = torch.zeros(2, 3, height, width)
    if any_size:
        with torch.no_grad():
            answer = network(example)
        several = (answer,) if isinstance(answer, torch.Tensor) else answer
        for name, part in zip(outputs, several, strict=True):
            # Maps (N, K, h, w), or rows (N, M, 5), of as many rows as the image has cells.
            sizes = {2: f"{name}_h", 3: f"{name}_w"} if part.ndim == 4 else {1: f"{name}_rows"}
            axes[name] = {0: "people", **sizes}
    with warnings.catch_warnings():
        # The tracing exporter is deprecated, but the new one needs another package and more time.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                network,
                (example,),
                cast(Any, file),
                dynamo=False,
                input_names=["images"],
                output_names=list(outputs),
                dynamic_axes=axes,
                opset_version=opset,
                do_constant_folding=not keep_names,
                training=modes.PRESERVE if keep_names else modes.EVAL,
            )
        except (torch.onnx.errors.OnnxExporterError, ValueError) as error:
            raise ValueError(
                f"this network cannot be expressed in ONNX's opset {opset}: {error}"
            ) from error
    return file.getvalue()


def run_checked(
    start: Callable[[bytes], Run],
    network: nn.Module,
    input_size: tuple[int, int],
    keypoints: int,
    limit: float,
) -> Run:
    """Start a runtime on the exported network, and check that it agrees with torch.

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
    path = _path_of_export(network, input_size)
    reason = ""
    for fresh in (False, True):
        if not fresh and not path.is_file():
            continue
        model = export(ready, input_size, path) if fresh else path.read_bytes()
        try:
            run = start(model)
            difference = _difference(run(images), wanted)
        except Exception as error:  # a damaged file raises each library's own errors
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


def _fingerprint(network: nn.Module, input_size: tuple[int, int]) -> str:
    """Name of all that an exported file depends on: weights, layers, code, sizes, versions."""
    digest = hashlib.blake2b(digest_size=16)
    facts: list[Any] = [torch.__version__, _OPSET, input_size, type(network).__qualname__, network]
    digest.update(repr(facts).encode())
    with contextlib.suppress(OSError, TypeError):  # classes made in a terminal have no source
        digest.update(inspect.getsource(type(network)).encode())
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(plain.view(torch.uint8).numpy().data)
    return digest.hexdigest()
