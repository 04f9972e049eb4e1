"""torch itself: networks made ready to run, and the precision of a device."""

from __future__ import annotations

import copy
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from posetrack.devices import pick_device, prepare_torch_for_forks
from posetrack.runtimes.session import Batch, Run, Session

Runtime: TypeAlias = Callable[[nn.Module, tuple[int, int], int], Run]
"""Makes a network ready for the CPU: ``(network, input_size, keypoints) -> run``; ``run`` takes a
batch (N, 3, height, width) float32 and gives heatmaps (N, keypoints, h, w) float32."""


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
    >>> import numpy as np
    >>> run = run_with_torch(nn.Conv2d(3, 17, 4, 4), (32, 64), 17)
    >>> run(np.zeros((1, 3, 64, 32), np.float32)).shape
    (1, 17, 16, 8)
    """
    del keypoints
    ready = for_inference(network, input_size).to(memory_format=torch.channels_last)

    prepare_torch_for_forks()
    return partial(_run_on_host, ready)


def _run_on_host(ready: nn.Module, batch: Batch) -> Batch:
    with torch.inference_mode():
        images = torch.from_numpy(batch).to(memory_format=torch.channels_last)
        return cast(Batch, ready(images).float().numpy())


def for_inference(network: nn.Module, input_size: tuple[int, int] | None = None) -> nn.Module:
    """Copy of a network in evaluation mode, without gradients, batch normalisation folded.

    Folding assumes that a normalisation directly follows the convolution that is registered before
    it. In this package's networks it does; check it for others.

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
    folded = fold_batch_norm(plain).requires_grad_(False)
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


def run_on_device(
    network: nn.Module, *, device: str | torch.device = "auto", half: bool | None = None
) -> Session:
    """A network that sees whole images as a session on a device.

    Parameters
    ----------
    network
        Takes normalised images (N, 3, H, W), gives one or several maps (N, C, h, w). It is
        copied, and its batch normalisation folded.
    device
        A torch device or its name; ``"auto"`` is the first GPU, or the CPU without one.
    half
        Convolve in 16 bits. When None: on a GPU.

    Examples
    --------
    >>> import numpy as np
    >>> run = run_on_device(nn.Conv2d(3, 17, 4, 4), device="cpu")
    >>> [maps.shape for maps in run(np.zeros((1, 3, 32, 48), np.float32))]
    [(1, 17, 8, 12)]
    """
    target = pick_device(device)
    in_half = target.type == "cuda" if half is None else half
    ready = for_inference(network).to(
        target,
        memory_format=torch.channels_last,  # type: ignore[call-overload]
    )

    run = partial(_run_whole, ready, target, in_half)
    return Session(Path(type(network).__name__), run, f"torch on {target}")


def _run_whole(
    ready: nn.Module, target: torch.device, in_half: bool, batch: Batch
) -> list[NDArray[Any]]:
    images = torch.from_numpy(batch).to(target, memory_format=torch.channels_last)
    with torch.inference_mode(), precision(target, in_half):
        maps = as_maps(ready(images))
    return [part.float().cpu().contiguous().numpy() for part in maps]


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Copy of a network in which every batch normalisation is part of the convolution before it.

    Same heatmaps up to rounding, fewer passes over memory. For inference only: the copy is in
    evaluation mode and its parameter names are no longer those of the files.

    Parameters
    ----------
    network
        Left as it is.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 1, 1), nn.BatchNorm2d(1)).eval()
    >>> any(isinstance(part, nn.BatchNorm2d) for part in fold_batch_norm(network).modules())
    False
    """
    folded = copy.deepcopy(network).eval()
    for module in list(folded.modules()):
        for convolution, norm in _pairs(module):
            before, after = module.get_submodule(convolution), module.get_submodule(norm)
            turned = isinstance(before, nn.ConvTranspose2d)
            fused = fuse_conv_bn_eval(
                cast(nn.Conv2d, before), cast(nn.BatchNorm2d, after), transpose=turned
            )
            setattr(module, convolution, fused)
            setattr(module, norm, nn.Identity())
    return folded


def _pairs(module: nn.Module) -> list[tuple[str, str]]:
    """Names of the convolutions directly in ``module``, each with the norm applied right after.

    In torchvision's blocks as in our head the two are registered one after the other.
    """
    children = list(module.named_children())
    return [
        (first, second)
        for (first, before), (second, after) in itertools.pairwise(children)
        if isinstance(before, nn.Conv2d | nn.ConvTranspose2d) and isinstance(after, nn.BatchNorm2d)
    ]


def half_of(device: torch.device) -> torch.dtype:
    """The 16-bit float type in which a device computes fastest.

    Examples
    --------
    >>> half_of(torch.device("cpu"))
    torch.bfloat16
    """
    return torch.float16 if device.type == "cuda" else torch.bfloat16


def precision(device: torch.device, half: bool) -> AbstractContextManager[Any]:
    """Compute in 16 bits if asked, else in full float32, without the TF32 of cuDNN's default.

    Examples
    --------
    >>> with precision(torch.device("cpu"), half=True):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.bfloat16
    """
    if half:
        return torch.autocast(device.type, dtype=half_of(device))
    return without_tf32() if device.type == "cuda" else nullcontext()


class _Switch:
    """Counts the threads that want TF32 off, and keeps the setting from before the first."""

    def __init__(self) -> None:
        self.lock, self.wanted = threading.Lock(), 0
        self.before: Any = None


_SWITCH = _Switch()


@contextmanager
def without_tf32() -> Iterator[None]:
    """Convolutions in full float32; a switch of the whole process, put back by the last thread.

    Examples
    --------
    >>> with without_tf32():
    ...     pass
    """
    cudnn: Any = torch.backends.cudnn
    newer = hasattr(cudnn, "conv")  # since PyTorch 2.9
    switch, name = (cudnn.conv, "fp32_precision") if newer else (cudnn, "allow_tf32")
    with _SWITCH.lock:
        if not _SWITCH.wanted:
            _SWITCH.before = getattr(switch, name)
            setattr(switch, name, "ieee" if newer else False)
        _SWITCH.wanted += 1
    try:
        yield
    finally:
        with _SWITCH.lock:
            _SWITCH.wanted -= 1
            if not _SWITCH.wanted:
                setattr(switch, name, _SWITCH.before)
