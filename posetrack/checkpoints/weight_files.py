"""Reading of weight files as data: no code in them is run, whoever made them.

A PyTorch file is a pickle, and a pickle can ask for any function to be called. PyTorch's own
restricted reader (``weights_only=True``) allows tensors, numbers, text and containers. Published
files of mmpose 1.x also hold a few NumPy arrays beside the weights, and training checkpoints a
NumPy number, so exactly what these need is allowed besides. Everything else is refused by name.

A safetensors file is eight bytes with the length of a header, the header in JSON, then all tensors
one after the other: nothing in it can be run. The layout is published by Hugging Face
(safetensors, "Format"); it is read and written here without that package.
"""

from __future__ import annotations

import json
import math
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class WeightFile:
    """What a weight file holds.

    Parameters
    ----------
    tensors
        The state dict, names as in the file.
    meta
        What the file says of itself (mmpose's ``meta``); empty if it says nothing.
    options
        Settings of the network that are to be read from the file beside its weights.
    """

    tensors: Mapping[str, Tensor]
    meta: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


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
        If the file does not exist.
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
    _refuse_torchscript(path)
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


def _refuse_torchscript(path: Path) -> None:
    """Refuse a TorchScript program, before PyTorch looks at it.

    Operators in such a program read and write files, some while it is still being loaded, and
    PyTorch has deprecated the kind.

    Raises
    ------
    ValueError
        With what to take in its place.
    """
    try:
        with zipfile.ZipFile(path) as file:
            # Files of weights have no constants.
            found = any(name.split("/")[-1] == "constants.pkl" for name in file.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return
    if found:
        raise ValueError(
            f"{path} is a TorchScript program, which is not opened: such a program can read and "
            "write files while it is being loaded. Export the network as torch.export (.pt2) or "
            "ONNX (.onnx), or save its weights: torch.save(network.state_dict(), path)"
        )


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


def _safe_globals() -> list[Any]:
    """NumPy's array, number and types, under the names NumPy 1 and 2 give them in a pickle."""
    # The functions that NumPy itself names in a pickle, without naming its private modules here.
    rebuild: Any = np.empty(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
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
        with warnings.catch_warnings(), torch.serialization.safe_globals(_safe_globals()):
            # PyTorch warns of pickle protocols it did not write; what it cannot read, it refuses.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way; each means the same
        raise ValueError(_refusal(path, error)) from error


def _refusal(path: Path, error: Exception) -> str:
    """PyTorch's refusal in our words; it advises to switch the protection off, we do not."""
    named = re.search(r"GLOBAL ([\w.]+)|[Uu]nsupported class (\S+)", str(error))
    if named:
        wanted = next(filter(None, named.groups()))
        return (
            f"{path} wants to use {wanted}, which weights do not need; nothing of it was run. "
            "Take the published file instead of a training checkpoint, or, where you trust "
            "it, save its state dict alone: torch.save(network.state_dict(), path)"
        )
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


_KINDS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}

_LARGEST_HEADER = 16 * 2**20
"""Bytes; a thousand layers take a hundred thousand."""


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, on the CPU.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If the file does not exist.
    ValueError
        If it is not such a file, or damaged or cut short, or a tensor is of a kind that PyTorch
        does not have.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.safetensors")
    ...     _ = path.write_bytes(tensors_as_bytes({"x": torch.ones(2)}))
    ...     read_tensors(path)
    {'x': tensor([1., 1.])}
    """
    content = bytearray(Path(path).read_bytes())
    try:
        size = int.from_bytes(content[:8], "little")
        if not 2 <= size <= min(_LARGEST_HEADER, len(content) - 8):
            raise ValueError(f"a header of {size} bytes in a file of {len(content)}")
        header = json.loads(bytes(content[8 : 8 + size]))
        if not isinstance(header, dict):
            raise ValueError("its header is not an object")
        header.pop("__metadata__", None)
        rest = len(content) - 8 - size
        spans = {name: _span(name, row, rest) for name, row in header.items()}
        _require_apart([span for _, _, span in spans.values()], rest)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not a safetensors file, or is damaged or cut short: {error}"
        ) from error
    return {
        name: torch.frombuffer(
            content, dtype=kind, count=math.prod(shape), offset=8 + size + span[0]
        )
        .reshape(shape)
        .clone()
        if span[1] > span[0]
        else torch.empty(shape, dtype=kind)
        for name, (kind, shape, span) in spans.items()
    }


def _span(name: str, row: Any, rest: int) -> tuple[torch.dtype, list[int], tuple[int, int]]:
    """Type, shape and bytes of one tensor, after checking that they agree."""
    if not isinstance(row, dict) or row.get("dtype") not in _KINDS:
        raise ValueError(f"{name} is of no kind known here: {str(row)[:80]}")
    kind = _KINDS[row["dtype"]]
    shape, span = _counts(name, row.get("shape")), _counts(name, row.get("data_offsets"))
    if len(span) != 2 or not span[0] <= span[1] <= rest:
        raise ValueError(f"{name} would be at {span} of {rest} bytes")
    if math.prod(shape) * kind.itemsize != span[1] - span[0]:
        raise ValueError(f"{name} of shape {shape} does not take the bytes {span}")
    return kind, shape, (span[0], span[1])


def _counts(name: str, values: Any) -> list[int]:
    if not isinstance(values, list) or any(type(value) is not int or value < 0 for value in values):
        raise ValueError(f"{name} has a shape or a place of {str(values)[:80]}")
    return values


def _require_apart(spans: list[tuple[int, int]], rest: int) -> None:
    """All bytes belong to one tensor: a small file must not become much memory."""
    end = 0
    for first, last in sorted(spans):
        if first != end:
            raise ValueError(f"tensors overlap, or leave a gap, at byte {min(first, end)}")
        end = last
    if end != rest:
        raise ValueError(f"{rest - end} bytes too many")


def tensors_as_bytes(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> bytes:
    """A safetensors file's content.

    Parameters
    ----------
    tensors
        By name, of any shape and device.
    metadata
        Text by name, for the header.

    Raises
    ------
    ValueError
        If a tensor is of a kind that the layout does not have.
    """
    names = {kind: name for name, kind in _KINDS.items()}
    # Larger kinds first, so that each starts at a multiple of its size.
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    parts, end = [], 0
    for name in order:
        tensor = tensors[name].detach().cpu().contiguous()
        if tensor.dtype not in names:
            raise ValueError(f"{name} is of {tensor.dtype}, which safetensors does not have")
        parts.append(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [end, end + len(parts[-1])],
        }
        end += len(parts[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)
