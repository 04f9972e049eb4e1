"""Files of tensors in the layout of safetensors, read and written without that package.

Eight bytes with the length of a header, the header in JSON, then all tensors one after the other:
nothing in such a file can be run. The layout is published by Hugging Face (safetensors, "Format").
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

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
        If there is no such file.
    ValueError
        If it is no such file, or damaged or cut short, or a tensor is of a kind that PyTorch does
        not have.

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
            raise ValueError("its header is no object")
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


def halved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in float16, without the counts of batches, which nothing but training needs.

    Raises
    ------
    ValueError
        If a weight is too large for float16.

    Examples
    --------
    >>> halved({"weight": torch.ones(1), "bn.num_batches_tracked": torch.tensor(7)})
    {'weight': tensor([1.], dtype=torch.float16)}
    """
    kept = {
        name: value.half() if value.is_floating_point() else value
        for name, value in tensors.items()
        if not name.endswith(".num_batches_tracked")
    }
    broken = [name for name, value in kept.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"too large for float16, or not finite: {', '.join(broken[:6])}")
    return kept
