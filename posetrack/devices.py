"""Where networks run: devices by name, and how many cores there are.

Nothing here imports torch before a torch device is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from posetrack.forks import prepare_torch_for_forks

if TYPE_CHECKING:
    import torch


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """The torch device of a name; ``"auto"`` is the first GPU, or the CPU where there is none.

    Parameters
    ----------
    device
        "auto", "cpu", "cuda", "cuda:1", "mps", or a torch device.

    Raises
    ------
    ValueError
        If there is no such device, or torch does not see it here.

    Examples
    --------
    >>> pick_device("cpu")
    device(type='cpu')
    >>> pick_device("gpu")
    Traceback (most recent call last):
    ValueError: device 'gpu': expected "auto", "cpu", "cuda" or "cuda:1"
    """
    import torch

    prepare_torch_for_forks()
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f'device {device!r}: expected "auto", "cpu", "cuda" or "cuda:1"'
        ) from error
    if found.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count == 0:
            raise ValueError(
                f'device {str(device)!r}: torch sees no CUDA here; use "auto" or "cpu"'
            )
        if found.index is not None and found.index >= count:
            raise ValueError(
                f"device {str(device)!r}: torch sees {count} CUDA device(s) here, the first is "
                "cuda:0"
            )
    return found


def require_torch(title: object) -> None:
    """Say what to install where torch, which ``title`` needs, is not.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.

    Examples
    --------
    >>> require_torch("net.pt2")
    """
    if find_spec("torch") is None or find_spec("torchvision") is None:
        raise ModuleNotFoundError(
            f"{title} needs torch, which is not installed: pip install torch torchvision; ONNX "
            "networks run without it"
        )


def uses_cuda(device: str = "auto") -> bool:
    """Whether a name means a GPU here; torch is asked only where the name does not say.

    Without torch there is none.

    Examples
    --------
    >>> uses_cuda("cpu"), uses_cuda("cuda:1")
    (False, True)
    """
    if device != "auto":
        return device.startswith("cuda")
    return find_spec("torch") is not None and pick_device().type == "cuda"


ONNX_DEVICES: Mapping[str, str] = {
    "cuda": "CUDAExecutionProvider",
    "mps": "CoreMLExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Devices by name, and what ONNX Runtime calls that which runs on them."""


def onnx_providers(device: object) -> list[Any] | None:
    """What ONNX Runtime runs on; None lets it take CUDA where there is one.

    Parameters
    ----------
    device
        "auto", "cpu", or a key of `ONNX_DEVICES`, with a number where there are several:
        "cuda:1", "directml:1".

    Examples
    --------
    >>> onnx_providers("cpu")
    ['CPUExecutionProvider']
    >>> onnx_providers("coreml")
    ['CoreMLExecutionProvider', 'CPUExecutionProvider']
    """
    name, _, number = str(device).partition(":")
    if name == "auto":
        return None
    provider: Any = ONNX_DEVICES.get(name)
    if provider is None:
        return ["CPUExecutionProvider"]
    if name in ("cuda", "directml"):
        provider = (provider, {"device_id": int(number or 0)})
    return [provider, "CPUExecutionProvider"]


def usable_cores() -> int:
    """How many cores this process may use, at least 1.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
