"""Reads any file of tracks as a table; its format is recognised by its content.

The formats are those of `posetrack.formats.registry`, each with what its files hold.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from posetrack.checks import no_such_file
from posetrack.files import (
    MAX_JSON_BYTES,
    are_json_lines,
    errors_naming,
    parse_json,
    read_bytes,
    read_json,
    read_text,
    text_of,
)
from posetrack.formats.coco import Picture
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.registry import FORMATS
from posetrack.formats.table import TrackTable

_SORTS = {
    ".parquet": "arrow", ".arrows": "arrow", ".csv": "csv", ".json": "json", ".txt": "text",
    ".jsonl": "json", ".ndjson": "json", ".xml": "xml", ".zip": "zip",
    ".trc": "trc", ".c3d": "c3d",
    ".h5": "hdf5", ".hdf5": "hdf5", ".nc": "hdf5", ".nc4": "hdf5",
    ".nwb": "hdf5", ".slp": "hdf5",
}  # fmt: skip
_MOST_NAMES = 500_000_000
_LOOKED_AT = 1000


class Contents(NamedTuple):
    """The container of a file, and the names in it by which its format is recognised."""

    sort: str
    names: frozenset[str]


def read_any(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read tracks from a file or folder in any known format.

    Parameters
    ----------
    path
        The file, or a folder: of files a frame, or an export with its file somewhere in it; or a
        zip of one, or a path that goes on within a zip, as ``export.zip/train/labels.json``.
    hints
        What the file may not say.

    Raises
    ------
    ValueError
        If it is of no kind that is read, broken, or a hint is needed; the message names the file.
    FileNotFoundError
        If it is not there.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "match.txt"
    >>> _ = path.write_text("1,4,11,21,30,60,0.9")
    >>> read_any(path, Hints(rate=25)).ids.tolist()
    [4]
    """
    path = Path(path)
    from posetrack.formats.exports import find_export, split_at_zip, unpack

    if path.is_dir():
        path = find_export(path) or path
    elif (packed := split_at_zip(path)) is not None:
        with unpack(packed[0]) as folder:
            return read_any(folder / packed[1], hints)
    module, _, name = FORMATS[format_of(path)].reader.partition(":")
    read = getattr(import_module(f"posetrack.formats.{module}"), name)
    with errors_naming(path):
        table: TrackTable = read(path, hints)
    return table


def read_own(path: Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read the project's own table; it needs no hints."""
    from posetrack.formats.table_reading import read_table

    del hints
    return read_table(path)


def format_of(path: Path) -> str:
    """Name of a file's format, by what is in it.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is of none that is read; the message says what was found and what is known.
    """
    found = contents(path)
    known = [
        (len(wanted), name)
        for name, entry in FORMATS.items()
        for sort, *wanted in entry.known_by
        if sort == found.sort and found.names.issuperset(wanted)
    ]
    there = ", ".join(sorted(found.names)[:8]) or "nothing"
    if found.sort == "folder" and not found.names & {f"*{ending}" for ending in _SORTS}:
        raise FileNotFoundError(f"{path}: no file in it that is read, but {there}")
    if known:
        return max(known, key=lambda one: one[0])[1]
    kind = _SORT_NAMES.get(found.sort, found.sort)
    for sort, names, reason in _OF_OTHERS:
        if sort == found.sort and names <= found.names:
            raise ValueError(f"{path}: {kind} of {reason}")
    titles = dict.fromkeys(
        entry.title
        for entry in FORMATS.values()
        if any(sort == found.sort and wanted for sort, *wanted in entry.known_by)
    )
    expected = ", ".join(titles) or "what posetrack convert --formats shows"
    raise ValueError(f"{path}: {kind} with {there}; expected one of {expected}")


_OF_OTHERS = (
    ("object", {"skeletons", "labels"}, "SLEAP's first versions; open it there and save a .slp"),
    ("object", {"_via_img_metadata"}, "VIA, whose regions belong to nobody; label in CVAT"),
    ("object", {"regions within"}, "VIA, whose regions belong to nobody; label in CVAT"),
)
"""Files that are known and not read: what holds them, names within, and what to do."""

_SORT_NAMES = {
    "object": "JSON", "list": "a JSON list of entries", "list of lists": "a JSON list of lists",
    "lines": "JSON lines", "hdf5": "HDF5", "csv": "CSV", "xml": "XML",
}  # fmt: skip


def is_own(path: Path) -> bool:
    """Whether a file is the project's own table, by its name and first line."""
    sort = _SORTS.get(path.suffix.lower())
    return sort == "arrow" or (sort == "csv" and path.is_file() and format_of(path) == "csv")


def contents(path: Path) -> Contents:
    """The container of a file, and the names in it."""
    if path.is_dir():
        return Contents("folder", _folder_names(path))
    if not path.is_file():
        raise no_such_file(Path(path))
    sort = _SORTS.get(path.suffix.lower())
    if sort is None and path.suffix.lower() in (".mot", ".sto"):
        raise ValueError(
            f"{path}: columns over time, such as angles, and no keypoints; "
            "posetrack.formats.read_opensim_mot reads them"
        )
    if sort is None:
        known = ", ".join(_SORTS)
        raise ValueError(f"{path}: expected a folder or a file that ends in {known}")
    if sort == "json":
        return _json_contents(path)
    if sort == "xml":
        from posetrack.formats.xml import root_of

        return Contents(sort, frozenset([root_of(path)]))
    if sort == "hdf5":
        from posetrack.formats.hdf5 import open_hdf5

        with open_hdf5(path) as file:
            return Contents(sort, frozenset(_hdf5_names(file)))
    return Contents(sort, _csv_names(path) if sort == "csv" else frozenset())


def _hdf5_names(file: Any) -> Iterator[str]:
    """Names of what it holds; NWB is known by an attribute, pandas by one of a group."""
    yield from file
    yield from (name for name in file.attrs if name == "nwb_version")
    if any("pandas_type" in part.attrs for part in file.values()):
        yield "pandas_type within"


def _csv_names(path: Path) -> frozenset[str]:
    """What tells tables apart; ``frame`` for whatever else, which the own reader judges."""
    from posetrack.formats.dlc import is_header
    from posetrack.formats.plain_csv import first_row

    row = first_row(path)
    if is_header(row):
        return frozenset(["scorer"])
    return frozenset(["frame_idx" if "frame_idx" in row and "frame" not in row else "frame"])


def _folder_names(path: Path) -> frozenset[str]:
    """What sorts of files lie in a folder, and in those below it."""
    from posetrack.formats.exports import find_files

    files = find_files(path)
    endings = {f"*{file.suffix.lower()}" for file in files}
    if any(file.name.endswith(".predictions.json") for file in files):
        endings.add("*.predictions.json")
    if any(file.name.endswith("_keypoints.json") for file in files):
        endings.add("*_keypoints.json")
    return frozenset(endings)


def _json_contents(path: Path) -> Contents:
    """Keys of the object, or of the first of a list of objects; values are passed over."""
    data = read_bytes(path, MAX_JSON_BYTES)
    try:
        document = msgspec.json.decode(data, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = text_of(data, str(path))
        lines = text.lstrip("\n").split("\n", 1)
        if len(lines) == 2 and lines[1].strip() and are_json_lines(lines[0]):
            parts = (parse_json(line, str(path), nan=True) for line in text.splitlines() if line)
            return Contents("lines", _names_within(parts))
        document = parse_json(text, str(path), nan=True)  # NaN, a byte-order mark, or an error
    if isinstance(document, dict):
        values = list(itertools.islice(document.values(), _LOOKED_AT))
        inner = _names_within(_plain(value, path) for value in values)
        return Contents("object", frozenset([*document, *(f"{name} within" for name in inner)]))
    if not isinstance(document, list):
        raise ValueError(f"{path}: expected an object or a list of objects, got {document!r:.60}")
    if not document:
        return Contents("empty list", frozenset())
    first = _plain(document[0], path)
    if isinstance(first, list):
        return Contents("list of lists", _names_within(_plain(value, path) for value in document))
    if not isinstance(first, dict):
        raise ValueError(f"{path}: expected a list of objects, got one of {first!r:.60}")
    image = first.get("image_id")
    words = ["image_id in words"] if isinstance(image, str) else []
    words += [] if "image_id" in first else ["no image_id"]
    return Contents("list", frozenset([*first, *words]))


def _plain(value: Any, path: Path) -> Any:
    """A value that was passed over, parsed; what is wrong within it is said of the file."""
    if not isinstance(value, msgspec.Raw):
        return value
    return parse_json(bytes(value), str(path), nan=True)


def _names_within(values: Iterable[Any]) -> frozenset[str]:
    """Keys of the first object among values, or among the lists that they are."""
    for value in itertools.islice(values, _LOOKED_AT):
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, dict) and first:
            return frozenset(first)
    return frozenset()


class _Images(msgspec.Struct):
    images: list[Picture]


def read_images(path: str | Path) -> list[int | str]:
    """Images of a video in order: ids from a COCO file's ``images``, else a name a line.

    Raises
    ------
    ValueError
        If a JSON file has no ``images``, or one is there twice.
    """
    path = Path(path)
    found: list[Any]
    if path.suffix.lower() == ".json":
        found = [image.id for image in read_json(path, _Images, nan=True).images]
    else:
        lines = read_text(path, _MOST_NAMES).splitlines()
        found = [line.strip() for line in lines if line.strip()]
    if None in found or len(set(found)) < len(found):
        raise ValueError(f"{path}: an image has no id, or one is there twice")
    return found
