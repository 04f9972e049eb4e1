"""Variables of MATLAB files, read in a process of their own.

A damaged file makes scipy's compiled reader write and read where nothing is, which ends the
process: so it is another one, started anew and not forked, on every platform. It is given the
file's bytes and sends back numbers and texts alone. What it may use is bounded: the file's size
and what its packed parts unpack to everywhere, its time everywhere, its memory where the system
has such limits (POSIX).
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.files import count_unpacked_bytes, read_bytes

MAX_MAT_BYTES: Final = 1_000_000_000
"""Larger files, and files that unpack to more, are refused."""
MAX_SECONDS: Final = 120.0
"""A file that takes longer is given up."""

_MAX_MEMORY: Final = 8_000_000_000  # addresses, not pages: numerical libraries reserve many
_PACKED: Final = 15  # miCOMPRESSED
_CHILD: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from posetrack.formats.mat import answer; answer(sys.argv[2:])"
)

Variable = NDArray[np.float64] | list[str]
"""Numbers as they lie in the file, or the texts of a char array or of a cell array of texts."""


def read_mat(
    path: str | Path,
    names: tuple[str, ...],
    *,
    max_bytes: int = MAX_MAT_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> dict[str, Variable]:
    """Those of the named variables that are in a MATLAB file up to version 7.

    Parameters
    ----------
    path
        A ``.mat`` file. Version 7.3 is HDF5, and not read.
    names
        The variables wanted; nothing else is looked at.
    max_bytes
        Larger files, and files that unpack to more, are refused.
    max_seconds
        How long reading may take.

    Returns
    -------
    dict
        Numbers as float64 arrays of the file's shape, texts as lists.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is damaged, too large, too slow, or a variable is neither numbers nor texts; the
        message names the file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "damaged.mat"
    >>> path.write_bytes(b"MATLAB 5.0 MAT-file")
    19
    >>> read_mat(path, ("preds",))
    Traceback (most recent call last):
        ...
    ValueError: ...damaged.mat: not a MATLAB file up to version 7...
    """
    path = Path(path)
    data = read_bytes(path, max_bytes)
    command = [sys.executable, "-P", "-c", _CHILD, json.dumps(sys.path), str(max_bytes), *names]
    try:
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=max_seconds,
            check=False,
            # One thread reads; more would each reserve memory that counts against the limit.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(
            f"{path}: reading this MATLAB file took over {max_seconds:g} seconds; it is damaged, "
            "or this machine is too busy"
        ) from error
    except OSError as error:
        raise OSError(f"{path}: no process could be started to read it: {error}") from error
    if done.returncode:
        raise ValueError(
            f"{path}: a damaged MATLAB file: scipy broke down on it (exit code "
            f"{done.returncode}); save it anew with MATLAB's save -v7"
        )
    return _values(done.stdout, path)


def _values(message: bytes, path: Path) -> dict[str, Variable]:
    """The other process's answer, which a damaged file may have spoiled."""
    header, _, rest = message.partition(b"\n")
    try:
        described = json.loads(header)
        problem = described.get("error")
        values: dict[str, Variable] = dict(described.get("texts", {}))
        start = 0
        for name, shape in described.get("numbers", ()):
            count = math.prod(shape)
            values[name] = np.frombuffer(rest, "<f8", count, start).reshape(shape).copy()
            start += 8 * count
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: a damaged MATLAB file: nothing readable came of it") from error
    if problem is not None:
        raise ValueError(f"{path}: {problem}")
    return values


def answer(arguments: list[str]) -> None:
    """The program of the other process: the file comes on standard input, values go to the output.

    Parameters
    ----------
    arguments
        How many bytes it may unpack to, and the names of the variables.
    """
    most, *names = arguments
    sent = sys.stdout.buffer
    data = sys.stdin.buffer.read()
    try:
        _require_small(data, int(most))
        from scipy.io import loadmat

        _limit_memory()
        _send(loadmat(io.BytesIO(data), variable_names=names), names, sent)
    except MemoryError:
        _refuse("a damaged MATLAB file: it claims more than the memory", sent)
    except Exception as error:  # whatever scipy makes of a damaged file
        _refuse(
            f"not a MATLAB file up to version 7: {error or type(error).__name__}. Version 7.3 "
            "must be saved anew",
            sent,
        )
    sent.flush()
    os._exit(0)  # memory may be spoiled: nothing is tidied up


def _refuse(reason: str, sent: IO[bytes]) -> None:
    sent.write(json.dumps({"error": " ".join(reason.split())}).encode() + b"\n")


def _send(content: dict[str, Any], names: list[str], sent: IO[bytes]) -> None:
    texts, numbers = {}, {}
    for name in names:
        value = content.get(name)
        if value is None:
            continue
        kind = value.dtype.kind if isinstance(value, np.ndarray) else "?"
        if kind in "fiub":
            numbers[name] = np.ascontiguousarray(value, "<f8")
        elif kind in "UO":
            texts[name] = [_text(item, name) for item in value.ravel()]
        else:
            raise ValueError(f"{name!r} is neither numbers nor texts")
    shapes = [(name, array.shape) for name, array in numbers.items()]
    sent.write(json.dumps({"texts": texts, "numbers": shapes}).encode() + b"\n")
    for array in numbers.values():
        sent.write(array.data.cast("B") if array.size else b"")


def _text(item: Any, name: str) -> str:
    given = np.asarray(item)
    if given.dtype.kind != "U" or given.size > 1:
        raise ValueError(f"{name!r} is neither numbers nor texts")
    return str(given.item()) if given.size else ""


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):  # no such limits on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))


def _require_small(data: bytes, most: int) -> None:
    """Refuse a file of version 5 to 7 whose packed parts unpack to more than ``most`` bytes.

    Source: MathWorks, "MAT-File Format", level 5: a header of 128 bytes, then elements, each with
    its kind and its length.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    start, left = 128, most
    while order is not None and start + 8 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, start)
        start += 8
        if kind == _PACKED:
            left -= count_unpacked_bytes(data[start : start + length], left)
            if left < 0:
                raise ValueError(f"it unpacks to more than {most:,} bytes")
        start += length
