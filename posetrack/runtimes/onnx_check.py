"""Checks of the data that an ONNX file refers to, before any library opens it.

An ONNX file may keep tensors in further files, which it names. Not every version of onnxruntime
refuses names that lead out of the file's folder, so here they are looked at first: the file is
walked through by lengths alone (protobuf's encoding, onnx.proto's numbers), nothing of it is built.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

Content: TypeAlias = mmap.mmap | bytes

_DEEPEST = 32
"""Graphs in graphs; a network has two or three."""

_PARTS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Messages of onnx.proto and the fields by which they lead to tensors."""

_DIMS, _TYPE, _RAW, _EXTERNAL = 1, 2, 9, 13
"""Fields of a tensor."""

_BITS: Mapping[int, int] = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64,
    15: 128, 16: 16,
}  # fmt: skip
"""Bits of one number of onnx.proto's types; others are not checked."""


class _NoMessageError(Exception):
    """Bytes that are no protobuf message."""


def require_own_data(path: str | Path) -> None:
    """Refuse an ONNX file that keeps tensors elsewhere than in files beside it.

    Parameters
    ----------
    path
        The file; not empty.

    Raises
    ------
    ValueError
        If it is no protobuf message, or a tensor's data is declared to be in a file of another
        folder (also through a link), beyond that file's end, or of more numbers than it has bytes
        for.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "net.onnx")
    ...     _ = path.write_bytes(b"any text")
    ...     require_own_data(path)
    Traceback (most recent call last):
    ...
    ValueError: ...net.onnx (8 bytes) is not an ONNX file, or is cut short...
    """
    path = Path(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        _check_all(path, content, alone=False)


def require_alone(content: bytes, path: Path) -> None:
    """Refuse an ONNX model in memory that keeps tensors elsewhere, or is damaged.

    Parameters
    ----------
    content
        The model.
    path
        What to call it in messages.

    Raises
    ------
    ValueError
        As `require_own_data`.
    """
    _check_all(path, content, alone=True)


def tensor_shapes(path: str | Path) -> set[tuple[int, ...]]:
    """Shapes of the tensors that an ONNX file keeps.

    Raises
    ------
    ValueError
        If it is no ONNX file.
    """
    path = Path(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            return {
                tuple(_dims(content, span))
                for span in _tensors(content, (0, len(content)), "model", 0)
            }
        except _NoMessageError as error:
            raise ValueError(f"{path} is not an ONNX file, or is cut short ({error})") from error


def _check_all(path: Path, content: Content, *, alone: bool) -> None:
    try:
        for span in _tensors(content, (0, len(content)), "model", 0):
            _check(path, content, span, alone=alone)
    except (_NoMessageError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} ({len(content):,} bytes) is not an ONNX file, or is cut short. Compare "
            f"its size with the publisher's and fetch it again ({error})"
        ) from error


def _tensors(
    content: Content, span: tuple[int, int], kind: str, depth: int
) -> Iterator[tuple[int, int]]:
    """Where in the file every tensor is."""
    if depth > _DEEPEST:
        raise _NoMessageError("graphs in graphs without end")
    for number, value in _fields(content, span):
        part = _PARTS[kind].get(number)
        if part is None or isinstance(value, int):
            continue
        if part == "tensor":
            yield value
        else:
            yield from _tensors(content, value, part, depth + 1)


def _fields(content: Content, span: tuple[int, int]) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """Numbers of a message's fields; a number, or where the bytes are."""
    at, end = span
    while at < end:
        key, at = _varint(content, at, end)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(content, at, end)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(content, at, end)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise _NoMessageError(f"a field of kind {wire}")
        if number == 0 or size > end - at:
            raise _NoMessageError(f"a field of {size:,} bytes where there are {end - at:,}")
        yield number, (at, at + size)
        at += size


def _varint(content: Content, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise _NoMessageError("it ends within a number")
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise _NoMessageError("a number without end")


def _dims(content: Content, span: tuple[int, int]) -> list[int]:
    """The shape of a tensor."""
    shape: list[int] = []
    for number, value in _fields(content, span):
        if number != _DIMS:
            continue
        if isinstance(value, int):
            shape.append(value)
            continue
        at, end = value
        while at < end:
            side, at = _varint(content, at, end)
            shape.append(side)
    return shape


def _check(path: Path, content: Content, span: tuple[int, int], *, alone: bool) -> None:
    """Refuse a tensor whose data are elsewhere, or fewer than its shape says."""
    kind, stored = 0, None
    outside: dict[str, str] = {}
    for number, value in _fields(content, span):
        if number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _RAW and not isinstance(value, int):
            stored = value[1] - value[0]
        elif number == _EXTERNAL and not isinstance(value, int):
            entry = {
                field: content[part[0] : part[1]].decode()
                for field, part in _fields(content, value)
                if not isinstance(part, int)
            }
            outside[entry.get(1, "")] = entry.get(2, "")
    needed = math.prod(_dims(content, span)) * _BITS.get(kind, 0) // 8
    if outside and alone:
        raise ValueError(
            f"{path}: its weights are in a further file, which is not looked for in or beside an "
            "archive; unpack it and give the .onnx file"
        )
    if outside:
        stored = _bytes_outside(path, outside)
    if stored is not None and needed > stored:
        raise ValueError(
            f"{path}: a tensor of {needed:,} bytes is declared to be in {stored:,} bytes; a "
            "damaged file, or its weights are in a further file, which is cut short"
        )


def _bytes_outside(path: Path, entries: Mapping[str, str]) -> int:
    """How many bytes a tensor has in a file beside this one."""
    location = entries.get("location", "")
    folder = path.parent.resolve()
    beside = (folder / location).resolve() if location and "\0" not in location else None
    start = f"{path}: its weights are in a further file, {location[:80]!r}, which is"
    if beside is None or not beside.is_relative_to(folder):
        raise ValueError(
            f"{start} outside the model's folder; nothing of it was read. Keep both files together "
            "as exported"
        )
    if not beside.is_file():
        raise ValueError(f"{start} missing. Keep both files together as exported")
    size = beside.stat().st_size
    numbers = [entries.get(name) or "0" for name in ("offset", "length")]
    if not all(text.isascii() and text.isdigit() and len(text) < 19 for text in numbers):
        raise ValueError(f"{start} said to hold them at {numbers}; a damaged file")
    offset, length = (int(text) for text in numbers)
    length = length if entries.get("length") else max(size - offset, 0)
    if offset + length > size:
        raise ValueError(
            f"{start} cut short: {size:,} bytes, {offset + length:,} are expected. Keep both files "
            "together as exported"
        )
    return length
