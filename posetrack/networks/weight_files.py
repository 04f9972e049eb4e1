"""Reading of weight files as data: no code in them is run, whoever made them.

A PyTorch file is a pickle, and a pickle can ask for any function to be called. PyTorch's own
restricted reader (``weights_only=True``) allows tensors, numbers, text and containers. Published
files of mmpose 1.x also hold a few NumPy arrays beside the weights, and training checkpoints a
NumPy number, so exactly what these need is allowed besides. Everything else is refused by name.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from posetrack.networks.plain_tensors import read_tensors


@dataclass(frozen=True, eq=False)
class WeightFile:
    """What a weight file holds.

    Parameters
    ----------
    tensors
        The state dict, names as in the file.
    meta
        What the file says of itself (mmpose's ``meta``); empty if it says nothing.
    """

    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any] = field(default_factory=dict)


def read_weights(path: str | Path) -> WeightFile:
    """Tensors of a PyTorch or safetensors file, on the CPU.

    Parameters
    ----------
    path
        A file made by ``torch.save`` (old or new format), of a state dict or of a dict that has
        one under ``state_dict``; or a safetensors file, for which that package is not needed.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ValueError
        If it is empty, truncated, something else than a weight file, or asks for code to be run.
        Nothing is run in any case.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.pth")
    ...     torch.save({"state_dict": {"bias": torch.zeros(3)}}, path)
    ...     list(read_weights(path).tensors)
    ['bias']
    """
    path = Path(path)
    start = _first_bytes(path)
    if path.suffix == ".safetensors" or start[8:9] == b"{":
        return WeightFile(read_tensors(path))
    content = _read_pickle(path)
    if not isinstance(content, Mapping):
        raise ValueError(
            f"{path}: expected a dict of tensors, the file holds {type(content).__name__}"
        )
    nested = content.get("state_dict", content)
    if not isinstance(nested, Mapping) or not nested:
        raise ValueError(f"{path}: expected a dict of tensors under 'state_dict', found none")
    strangers = [name for name, value in nested.items() if not _is_plain_tensor(name, value)]
    if strangers:
        raise ValueError(
            f"{path}: expected names with ordinary tensors, but {_some(strangers)} "
            "are none. Save the state dict alone: torch.save(network.state_dict(), path)"
        )
    meta = content.get("meta") if nested is not content else None
    return WeightFile(dict(nested), dict(meta) if isinstance(meta, Mapping) else {})


def _first_bytes(path: Path) -> bytes:
    """The first 512 bytes, after refusing what is plainly something else."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise ValueError(f"{path} is empty; was a download broken off? Fetch it again")
    text = start.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise ValueError(
            f"{path} is a web page, not weights: the host answered with a page (a login, a quota "
            "or a virus-scan notice). Open the link in a browser and save the file itself"
        )
    if text.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path} is a Git LFS pointer, not weights; fetch it with 'git lfs pull'")
    return start


def _allowed() -> list[Any]:
    """NumPy's array, number and types, under the names NumPy 1 and 2 give them in a pickle."""
    core = np._core if hasattr(np, "_core") else np.core
    rebuild, scalar = core.multiarray._reconstruct, core.multiarray.scalar
    return [
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (rebuild, "numpy._core.multiarray._reconstruct"),
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.ndarray,
        np.dtype,
        np.dtypes.UInt8DType,
        np.dtypes.Float32DType,
        np.dtypes.Float64DType,
    ]


def _read_pickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_allowed()):
            # PyTorch warns of pickle protocols it did not write; what it cannot read, it refuses.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way; each means the same
        raise ValueError(_why_refused(path, error)) from error


def _why_refused(path: Path, error: Exception) -> str:
    """PyTorch's refusal in our words; it advises to switch the protection off, we do not."""
    named = re.search(r"GLOBAL ([\w.]+)|[Uu]nsupported class (\S+)", str(error))
    if named:
        wanted = next(filter(None, named.groups()))
        return (
            f"{path} wants to use {wanted}, which weights do not need; nothing of it was run. "
            "Take the published file instead of a training checkpoint, or, where you trust "
            "it, save its state dict alone: torch.save(network.state_dict(), path)"
        )
    if "TorchScript" in str(error):
        return f"{path} is a TorchScript program, not weights; save the state dict instead"
    size = path.stat().st_size
    return (
        f"{path} ({size:,} bytes) is not a PyTorch weight file, or is damaged or cut short "
        f"({type(error).__name__}). Compare its size and hash with the publisher's, fetch it again"
    )


def _is_plain_tensor(name: Any, value: Any) -> bool:
    return (
        isinstance(name, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
        and not value.is_complex()
    )


def _some(names: list[Any]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
