"""Devices by name, and how precisely they compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch


def device_named(device: str | torch.device) -> torch.device:
    """A device; ``"auto"`` is the first GPU, or the CPU where there is none.

    Examples
    --------
    >>> device_named("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def half_of(device: torch.device) -> torch.dtype:
    """The 16 bit numbers that a device is quick with.

    Examples
    --------
    >>> half_of(torch.device("cpu"))
    torch.bfloat16
    """
    return torch.float16 if device.type == "cuda" else torch.bfloat16


def precision(device: torch.device, half: bool) -> AbstractContextManager[Any]:
    """16 bits where asked for; else full 32, without the 19 of TF32 that cuDNN takes by default.

    Examples
    --------
    >>> with precision(torch.device("cpu"), half=True):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.bfloat16
    """
    if half:
        return torch.autocast(device.type, dtype=half_of(device))
    return without_tf32() if device.type == "cuda" else nullcontext()


@contextmanager
def without_tf32() -> Iterator[None]:
    """Convolutions in full float32; a switch of the whole process, put back at once.

    Examples
    --------
    >>> with without_tf32():
    ...     pass
    """
    cudnn: Any = torch.backends.cudnn
    newer = hasattr(cudnn, "conv")  # since PyTorch 2.9
    switch, name = (cudnn.conv, "fp32_precision") if newer else (cudnn, "allow_tf32")
    before = getattr(switch, name)
    setattr(switch, name, "ieee" if newer else False)
    try:
        yield
    finally:
        setattr(switch, name, before)
