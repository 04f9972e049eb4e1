"""HDF5 of other programs, opened within bounds.

A small file may claim any shape, unpack to any size, and name other files as parts of itself.
Before anything of it is read, all that is in it is looked at.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import no_such_file, require_library
from posetrack.files import count_unpacked_bytes

MOST_NUMBERS: Final = 200_000_000
"""Numbers that are read from one dataset at most."""

_MOST_RATIO = 1100  # gzip packs at most so much
_FREE = 64_000_000
_MOST_PARTS = 100_000
_MOST_IN_ATTRIBUTE = 10_000_000


def library(name: str) -> Any:
    """An optional library by name.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; the message names the extra.
    """
    with require_library(f"this format needs {name}", "posetrack[formats]"):
        return import_module(name)


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading, after checking its links, sizes and chunks.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If something in it lies in other files, claims more than is read at once or than its bytes
        could hold, or unpacks to more than it claims; and instead of what h5py says of a broken
        file.
    """
    h5py = library("h5py")
    if not path.is_file():
        raise no_such_file(Path(path))
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path}: not a whole HDF5 file: {error}") from error
    with file:
        try:
            _require_harmless(file, path)
            yield file
        except (OSError, KeyError, RuntimeError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: damaged or of another layout: {error}") from error
        except MemoryError as error:
            raise ValueError(f"{path}: damaged, it claims more than the memory") from error


def _require_harmless(file: Any, path: Path) -> None:
    """Look at every link, dataset and attribute; nothing but chunks to be unpacked is read."""
    h5py = library("h5py")
    names: list[bytes] = []
    soft: list[bytes] = []
    elsewhere: list[bytes] = []

    def visit(name: bytes, link: Any) -> bool | None:
        if link.type == h5py.h5l.TYPE_HARD:
            names.append(name)
        elif link.type == h5py.h5l.TYPE_SOFT:
            soft.append(name)
        else:
            elsewhere.append(name)
        return True if elsewhere or len(names) + len(soft) > _MOST_PARTS else None

    file.id.links.visit(visit, info=True)
    if elsewhere:
        name = elsewhere[0].decode(errors="replace")
        raise ValueError(f"{path}: {name!r} lies in other files; give one file that holds it")
    if len(names) + len(soft) > _MOST_PARTS:
        raise ValueError(f"{path}: over {_MOST_PARTS:,} parts; that is not what is read here")
    for raw in (*names, *soft):
        _require_text(raw, path)
    for raw in (b"/", *names):
        found, name = file[raw], raw.decode(errors="replace")
        for attribute in found.attrs:
            _require_text(attribute, path)
            count = _count(found.attrs.get_id(attribute).shape)
            if count > _MOST_IN_ATTRIBUTE:
                raise ValueError(f"{path}: {attribute!r} of {name!r} claims {count:,} values")
        if isinstance(found, h5py.Dataset):
            _require_within_bounds(found, name, path)


def _require_text(name: bytes | str, path: Path) -> None:
    """Refuse a name that is not UTF-8: h5py gives it as bytes, which nothing after it expects."""
    try:
        name = name if isinstance(name, str) else name.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: damaged, the name {name!r} in it is not text") from error


def _count(shape: tuple[int, ...] | None) -> int:
    return 0 if shape is None else int(np.prod(shape, dtype=object))


def _require_within_bounds(found: Any, name: str, path: Path) -> None:
    """Refuse a dataset of other files, or one too large to be true."""
    if found.is_virtual or found.external:
        raise ValueError(f"{path}: {name!r} lies in other files; give one file that holds it")
    count = _count(found.shape)
    held = found.id.get_storage_size()
    if count > MOST_NUMBERS:
        raise ValueError(
            f"{path}: {name!r} claims {count:,} numbers; at most {MOST_NUMBERS:,} are read"
        )
    if count * found.dtype.itemsize > _MOST_RATIO * held + _FREE:
        raise ValueError(f"{path}: {name!r} claims {count:,} numbers in {held:,} bytes")
    if found.chunks is not None:
        _require_honest_chunks(found, name, path)


def _require_honest_chunks(found: Any, name: str, path: Path) -> None:
    """Refuse chunks that unpack to more than a chunk: HDF5 would unpack all of it."""
    h5py = library("h5py")
    creation = found.id.get_create_plist()
    filters = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    # A checksum stands at the end and hides nothing; whatever else comes after deflate would.
    filters = [code for code in filters if code != h5py.h5z.FILTER_FLETCHER32]
    size = _count(found.chunks) * found.dtype.itemsize
    if size > _MOST_RATIO * found.id.get_storage_size() + _FREE:
        raise ValueError(f"{path}: {name!r} claims chunks of {size:,} bytes")
    if h5py.h5z.FILTER_DEFLATE not in filters:
        return
    if filters not in (
        [h5py.h5z.FILTER_DEFLATE],
        [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE],
    ):
        raise ValueError(f"{path}: {name!r} is packed more than once; save it anew with gzip alone")
    chunks: list[Any] = []
    found.id.chunk_iter(chunks.append)
    for chunk in chunks:
        _, packed = found.id.read_direct_chunk(chunk.chunk_offset)
        if count_unpacked_bytes(packed, size + 4) > size + 4:  # a checksum may be packed, too
            raise ValueError(f"{path}: {name!r} unpacks to more than the numbers it claims")


def dataset(group: Any, name: str, path: Path, ndim: int) -> Any:
    """A dataset by name; its size was checked when `open_hdf5` opened the file.

    Raises
    ------
    ValueError
        If it is not there, or of another rank.
    """
    h5py = library("h5py")
    found = group.get(name, getlink=False)
    if not isinstance(found, h5py.Dataset) or len(found.shape) != ndim:
        raise ValueError(f"{path}: expected a dataset {name!r} of {ndim} dimensions")
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
    if not found.shape[0]:
        return []  # of whatever type: h5py's for an empty list is a number's
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
