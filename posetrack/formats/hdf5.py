"""HDF5 of other programs, opened within bounds: a small file may claim any shape."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_NUMBERS: Final = 200_000_000
"""Numbers that are read from one dataset at most."""

_MOST_RATIO = 1100  # gzip packs at most so much
_FREE = 64_000_000


def library(name: str) -> Any:
    """An optional library by name.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; the message names the extra.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        message = f'this format needs {name}: pip install "posetrack[formats]"'
        raise ModuleNotFoundError(message) from error


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """An HDF5 file for reading; what h5py says of a broken one becomes a ValueError."""
    h5py = library("h5py")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path}: not a whole HDF5 file: {error}") from error
    with file:
        try:
            yield file
        except (OSError, KeyError, RuntimeError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: damaged or of another layout: {error}") from error


def dataset(group: Any, name: str, path: Path, ndim: int) -> Any:
    """A dataset by name, its size checked and nothing of it read.

    Raises
    ------
    ValueError
        If it is not there, of another rank, or claims more than is read at once or than its
        bytes could hold.
    """
    h5py = library("h5py")
    found = group.get(name, getlink=False)
    if not isinstance(found, h5py.Dataset) or len(found.shape) != ndim:
        raise ValueError(f"{path}: expected a dataset {name!r} of {ndim} dimensions")
    if found.is_virtual or found.external:
        raise ValueError(f"{path}: {name!r} lies in other files; give one file that holds it")
    count = int(np.prod(found.shape, dtype=object))
    held = found.id.get_storage_size()
    if count > MOST_NUMBERS:
        raise ValueError(
            f"{path}: {name!r} claims {count:,} numbers; at most {MOST_NUMBERS:,} are read"
        )
    if count * found.dtype.itemsize > _MOST_RATIO * held + _FREE:
        raise ValueError(f"{path}: {name!r} claims {count:,} numbers in {held:,} bytes")
    return found


def floats(group: Any, name: str, path: Path, ndim: int) -> NDArray[np.floating[Any]]:
    """All numbers of a dataset."""
    found = dataset(group, name, path, ndim)
    if found.dtype.kind not in "fiu":
        raise ValueError(f"{path}: {name!r} holds {found.dtype}, expected numbers")
    values: NDArray[np.floating[Any]] = found[()]
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def strings(group: Any, name: str, path: Path) -> list[str]:
    """All texts of a dataset."""
    found = dataset(group, name, path, 1)
    if found.dtype.kind not in "SO":
        raise ValueError(f"{path}: {name!r} holds {found.dtype}, expected text")
    return [item.decode() if isinstance(item, bytes) else str(item) for item in found[()].tolist()]


def image_of(fill: Any) -> bytes:
    """The bytes of an HDF5 file that ``fill`` puts datasets into."""
    h5py = library("h5py")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return buffer.getvalue()
