"""Where networks run: devices by name, and how many cores there are.

Nothing here imports torch before a torch device is asked for.

What a library has open is opened again in processes that come later, see `Reopening`: forked
children, copies, pickles. A fork copies memory but no threads: a library that waits for its threads
in the child waits for ever. What onnxruntime and OpenVINO have open is therefore opened again
there, from the file or bytes that it came from. Torch has no such thing to open again; in children
it computes with one thread, as in its own data loaders.

A child ends with ``os._exit``, as those of `multiprocessing` do: what onnxruntime itself does at
the end of a process (1.32) waits for the parent's threads, whether the child used it or not.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """The torch device of a name; ``"auto"`` is the first GPU, or the CPU without one.

    Parameters
    ----------
    device
        "auto", "cpu", "cuda", "cuda:1", "mps", or a torch device.

    Raises
    ------
    ValueError
        If the device does not exist, or torch does not see it here.

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

    False without torch.

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
    """Execution providers for ONNX Runtime; None lets it take CUDA if available.

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

    ``OMP_NUM_THREADS`` counts where it is lower: what gives out a machine's cores (Ray, Slurm, a
    batch of ours) says with it how many are for this process.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    declared = os.environ.get("OMP_NUM_THREADS", "")
    most = int(declared) if declared.isdecimal() and len(declared) < 9 else 0
    if hasattr(os, "sched_getaffinity"):
        there = len(os.sched_getaffinity(0))
    else:
        there = os.cpu_count() or 1
    return max(1, min(there, most) if most else there)


class Reopening:
    """A library's open object, opened again in forked children and in copies.

    Its attributes are those of what is open.

    Parameters
    ----------
    open_it
        Opens it; a function of a module, so that it can be pickled.
    *arguments, **settings
        For that function.

    Examples
    --------
    >>> import io, pickle
    >>> session = Reopening(io.StringIO, "what was read")
    >>> session.getvalue()
    'what was read'
    >>> pickle.loads(pickle.dumps(session)).getvalue()
    'what was read'
    """

    def __init__(self, open_it: Callable[..., Any], *arguments: Any, **settings: Any) -> None:
        self._source = (open_it, arguments, settings)
        self._opened, self._process = open_it(*arguments, **settings), os.getpid()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked for by copy and pickle before there is a state
            raise AttributeError(name)
        return getattr(self.in_this_process(), name)

    def in_this_process(self) -> Any:
        """The object opened in this process."""
        if self._process != os.getpid():
            open_it, arguments, settings = self._source
            # The parent's is kept: to end it would be to wait for its threads.
            _keep_for_ever(self._opened)
            self._opened, self._process = open_it(*arguments, **settings), os.getpid()
        return self._opened

    def __del__(self) -> None:
        # A child that ends would end the parent's, too, and wait for its threads.
        with suppress(Exception):  # at the end of a process modules are gone in any order
            if self._process not in (None, os.getpid()):
                _keep_for_ever(self._opened)

    def __getstate__(self) -> dict[str, Any]:
        return {"_source": self._source, "_opened": None, "_process": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


def _keep_for_ever(opened: Any) -> None:
    """Never end it, not even when the process does."""
    if opened is not None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(opened))


@cache
def prepare_torch_for_forks() -> None:
    """From now on torch has one thread in forked children, where it would wait for more for ever.

    Those who know that nothing ran before the fork may call ``torch.set_num_threads`` there.
    """
    if hasattr(os, "register_at_fork"):
        import torch

        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
