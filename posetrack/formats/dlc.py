"""DeepLabCut's tables, multi-animal and single: CSV and HDF5, read and written.

A row a frame, and three columns (x, y, likelihood) for each body part of each individual. Sources:
DeepLabCut's documentation, "Standardized file structure" and "Data, analyzed by DeepLabCut"
(``df_with_missing``); the HDF5 layout is that of pandas' "table" format.
"""

from __future__ import annotations

import csv
import io
import pickle
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.files import text_of, write_whole
from posetrack.formats.checked_table import table_of_arrays
from posetrack.formats.dense import MOST_VALUES, Dense, every_frame, score_columns
from posetrack.formats.hdf5 import dataset, library, open_hdf5
from posetrack.formats.hints import NO_HINTS, Hints, ids_of_names, skeleton_of_names
from posetrack.formats.table import TrackTable

_KEY: Final = "df_with_missing"
_PARTS: Final = ("x", "y", "likelihood")
_LEVELS: Final = ("scorer", "individuals", "bodyparts", "coords")
_ROWS = 1000
_LONGEST_LINE = 10_000_000
_MOST_COLUMNS = 100_000
_IMAGE = re.compile(r"(?:.*\D)?(\d{1,15})(?:\.\w+)?", re.ASCII | re.DOTALL)
_MOST_NAMES = 60_000  # bytes of the names in HDF5, which keeps them in one attribute of 64 kB


def write_dlc(path: str | Path, table: TrackTable) -> None:
    """Write DeepLabCut's multi-animal CSV: a row a frame from 0 on, x, y and likelihood.

    Individuals are called ``id_`` and their id. Numbers are exact; boxes and times are not kept.

    Raises
    ------
    ValueError
        If the video is too long to lay out at once, or a name cannot stand in a header.
    OSError
        If nothing can be written there.
    """
    for name in table.skeleton.keypoints:
        if set(name) & set(',"\r\n'):
            raise ValueError(f"{path}: keypoint {name!r} cannot stand in a header; rename it")
    whole_table = every_frame(table)
    write_whole(path, _lines(whole_table, _columns(whole_table, table.skeleton.keypoints)))


def write_dlc_h5(path: str | Path, table: TrackTable) -> None:
    """Write DeepLabCut's multi-animal HDF5, as ``pandas.read_hdf`` and DeepLabCut open it.

    The same table as `write_dlc` makes, under the key ``df_with_missing``.

    Raises
    ------
    ModuleNotFoundError
        If pandas or PyTables is not installed.
    ValueError
        If nobody is in it, if the video is too long to lay out at once, or has more columns than
        the layout's one attribute holds the names of (about 30 people of 17 keypoints).
    OSError
        If nothing can be written there.
    """
    library("tables")
    pandas = library("pandas")
    whole_table = every_frame(table)
    columns = _columns(whole_table, table.skeleton.keypoints)
    if not columns:
        raise ValueError(f"{path}: nobody is in it, and the layout has no empty table; write CSV")
    size = sum(24 + sum(map(len, column)) for column in columns)
    if size > _MOST_NAMES:
        raise ValueError(
            f"{path}: {len(columns)} columns are more than DeepLabCut's HDF5 layout can name; "
            "write its CSV, or select fewer people"
        )
    labels = pandas.MultiIndex.from_tuples(columns, names=_LEVELS)
    frame = pandas.DataFrame(_values(whole_table, slice(None)).astype(np.float64), columns=labels)
    store = pandas.HDFStore(path, "w", driver="H5FD_CORE", driver_core_backing_store=0)
    with store:
        # An index would speed up queries inside the file, and keep the time of writing.
        store.put(_KEY, frame, format="table", track_times=False, index=False)
        image = store._handle.get_file_image()
    write_whole(path, image)


def _columns(whole_table: Dense, keypoints: tuple[str, ...]) -> list[tuple[str, ...]]:
    names = [f"id_{individuals}" for individuals in whole_table.ids.tolist()]
    return [("posetrack", w, point, part) for w in names for point in keypoints for part in _PARTS]


def _values(whole_table: Dense, rows: slice) -> NDArray[np.float32]:
    """(rows, N x K x 3)."""
    part = Dense(**{name: values[rows] if name != "ids" else values for name, values in
                    vars(whole_table).items()})  # fmt: skip
    values = np.concatenate([part.xy, score_columns(part)[..., None]], axis=-1)
    return values.reshape(len(values), int(np.prod(values.shape[1:])))


def _lines(whole_table: Dense, columns: list[tuple[str, ...]]) -> Iterator[bytes]:
    head = [[title, *(column[n] for column in columns)] for n, title in enumerate(_LEVELS)]
    yield "".join(",".join(row) + "\n" for row in head).encode()
    for start in range(0, len(whole_table.frame), _ROWS):
        flat = _values(whole_table, slice(start, start + _ROWS))
        text = np.char.mod("%.9g", flat) if flat.size else flat.astype(str)
        # Not empty: pandas takes an empty first row for names of the index.
        text[~np.isfinite(flat)] = "nan"
        yield "".join(
            ",".join([str(start + number), *row]) + "\n" for number, row in enumerate(text.tolist())
        ).encode()


def read_dlc(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a CSV of DeepLabCut's, of several animals or of one, predictions or labels.

    Parameters
    ----------
    path
        With three or four header rows and an index of frame numbers, or labelled data
        (``CollectedData``), whose index is images' names that end in them.
    hints
        Its ``rate`` is needed: the file has no times.

    Raises
    ------
    ValueError
        If it is not such a file or damaged; the message names the file and the place.
    """
    import pyarrow as pa
    import pyarrow.csv

    path = Path(path)
    names, rows, lead = _header(path)
    labels = [str(number) for number in range(lead + len(names))]
    options = pa.csv.ReadOptions(use_threads=False, skip_rows=rows, column_names=labels)
    kinds = {label: pa.string() if int(label) < lead else pa.float64() for label in labels}
    convert = pa.csv.ConvertOptions(column_types=kinds, null_values=["", "nan", "NaN"])
    blocks: list[NDArray[np.float64]] = []
    index: list[str] = []
    try:
        with pa.csv.open_csv(path, options, convert_options=convert) as reader:
            for batch in reader:
                index += batch.column(lead - 1).to_pylist()
                columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns[lead:]]
                blocks.append(np.stack([np.zeros(len(batch)), *columns], axis=1))
                if sum(block.size for block in blocks) > MOST_VALUES:
                    raise ValueError(f"{path}: over {MOST_VALUES:,} numbers; at most that are read")
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: not DeepLabCut's numbers below the header: {error}") from error
    values = np.concatenate(blocks)[:, 1:] if blocks else np.zeros((0, len(names)))
    return _table(path, names, _frames(path, index), values, hints)


def _frames(path: Path, index: Sequence[Any]) -> NDArray[np.int64]:
    """Frames of rows: whole numbers, perhaps written as 3.0, or those in names of images."""
    try:
        numbers = np.array([np.nan if word is None else word for word in index], np.float64)
    except ValueError:
        found = [_IMAGE.fullmatch(str(word)) for word in index]
        if not all(found):
            bad = index[found.index(None)]
            raise ValueError(
                f"{path}: {bad!r:.60} is neither a frame's number nor an image's name with one"
            ) from None
        numbers = np.array([int(match[1]) for match in found if match], np.float64)
    return whole_frames(path, numbers)


def whole_frames(path: Path, numbers: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Numbers of frames as integers; what is missing or no whole number is refused."""
    if not np.isfinite(numbers).all():
        raise ValueError(f"{path}: a row has no frame number")
    broken = (numbers % 1 != 0) | (np.abs(numbers) >= 2**53)
    if broken.any():
        raise ValueError(f"{path}: {numbers[broken][0]:g} is not a frame number")
    return numbers.astype(np.int64)


def _header(path: Path) -> tuple[list[tuple[str, str, str]], int, int]:
    """Individual, body part and coordinate of each column, and the number of header rows.

    And how many columns stand before them: one, or the parts of an image's path in labelled data.
    """
    rows: list[list[str]] = []
    with path.open("rb") as stream:
        for wanted in (("scorer",), ("individuals", "bodyparts"), ("bodyparts", "coords")):
            rows.append(_header_row(path, stream.readline(_LONGEST_LINE), wanted))
        if rows[-1][0] == "bodyparts":
            rows.append(_header_row(path, stream.readline(_LONGEST_LINE), ("coords",)))
        below = stream.readline(_LONGEST_LINE)
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"{path}: header rows of different lengths")
    # pandas writes the name of the index, if it has one, into a row of its own.
    named = below.strip(b", \t\r\n").isalpha() and below.count(b",") == len(rows[0]) - 1
    lead = 1
    while lead < len(rows[0]) and not rows[-1][lead]:
        lead += 1
    levels = [row[lead:] for row in rows[1:]]
    if len(rows) == 3:
        levels.insert(0, ["individual"] * len(levels[0]))
    return list(zip(*levels, strict=True)), len(rows) + named, lead


def _header_row(path: Path, line: bytes, wanted: tuple[str, ...]) -> list[str]:
    try:
        row = next(csv.reader(io.StringIO(text_of(line, str(path)))), [])
    except csv.Error as error:
        raise ValueError(f"{path}: the header is not text: {error}") from error
    if not row or row[0] not in wanted or len(row) > _MOST_COLUMNS:
        raise ValueError(f"{path}: expected a header row of DeepLabCut's, {' or '.join(wanted)}")
    return row


def read_dlc_h5(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read DeepLabCut's HDF5: the key ``df_with_missing`` in pandas' "table" format.

    h5py is enough. The names of the columns are a pickle, of which nothing but lists, tuples,
    numbers and text is taken.

    Raises
    ------
    ModuleNotFoundError
        If h5py is not installed.
    ValueError
        If it is not such a file or damaged; the message names the file and the place.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        if f"{_KEY}/table" not in file:
            raise ValueError(f"{path}: no {_KEY}/table; save it as pandas' format='table'")
        names = [column[-3:] for column in _names(path, file[_KEY].attrs["non_index_axes"])]
        table = dataset(file[_KEY], "table", path, 1)
        fields = table.dtype.fields or {}
        blocks = [name for name in fields if name.startswith("values_block_")]
        if "index" not in fields or fields["index"][0].kind not in "if" or len(blocks) != 1:
            raise ValueError(f"{path}: expected frame numbers and one block of numbers")
        if fields[blocks[0]][0].shape != (len(names),):
            raise ValueError(f"{path}: {len(names)} names of columns, numbers {table.dtype}")
        if table.shape[0] * len(names) > MOST_VALUES:
            raise ValueError(f"{path}: over {MOST_VALUES:,} numbers; at most that are read")
        rows = table[()]
    values = rows[blocks[0]].reshape(len(rows), len(names)).astype(np.float64)
    return _table(path, names, whole_frames(path, rows["index"].astype(np.float64)), values, hints)


class _NamesOnly(pickle.Unpickler):
    """Reads lists, tuples, numbers and text; whatever would call code is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is not a plain value")


def _names(path: Path, packed: Any) -> list[tuple[str, ...]]:
    try:
        (_, labels), *_ = _NamesOnly(io.BytesIO(bytes(packed))).load()
    except Exception as error:  # whatever a broken pickle makes of itself
        raise ValueError(f"{path}: names of columns cannot be read: {error}") from error
    well_formed = isinstance(labels, list) and all(
        isinstance(label, tuple)
        and len(label) in (3, 4)
        and all(isinstance(part, str) for part in label)
        for label in labels
    )
    if not well_formed:
        raise ValueError(f"{path}: columns must have names of scorer, individual, part and coord")
    return [label if len(label) == 4 else (label[0], "individual", *label[1:]) for label in labels]


def _table(
    path: Path,
    columns: Sequence[Sequence[str]],
    frame: NDArray[np.int64],
    values: NDArray[np.float64],
    hints: Hints,
) -> TrackTable:
    """(T, C) numbers in columns of (individual, body part, coordinate)."""
    individuals = list(dict.fromkeys(column[0] for column in columns))
    parts = list(dict.fromkeys(column[1] for column in columns))
    order = np.argsort(frame, kind="stable")
    count = len(frame) * len(individuals) * len(parts)
    if count > MOST_VALUES:
        raise ValueError(f"{path}: {count:,} keypoints; at most {MOST_VALUES:,} are read")
    laid = np.full((len(frame), len(individuals), max(len(parts), 1), 3), np.nan, np.float32)
    taken = set()
    for number, (individual, part, coordinate) in enumerate(columns):
        if coordinate not in _PARTS or (individual, part, coordinate) in taken:
            raise ValueError(f"{path}: column {number + 2}: {coordinate!r} of {part!r}, or twice")
        taken.add((individual, part, coordinate))
        cell = (
            slice(None),
            individuals.index(individual),
            parts.index(part),
            _PARTS.index(coordinate),
        )
        laid[cell] = values[order, number]
    skeleton = hints.skeleton if not parts else skeleton_of_names(parts, path.stem, hints.skeleton)
    if skeleton is None:
        raise ValueError(f"{path}: nobody is in it; give skeleton= (--skeleton on the line)")
    if not parts:
        laid = np.zeros((len(frame), 0, len(skeleton), 3), np.float32)
    ids, named = ids_of_names(individuals)
    frames = frame[order]
    metadata = {"rate": hints.rate, "individuals": named or None}
    seconds = hints.seconds(frames, str(path))
    xy, scores = laid[..., :2], laid[..., 2]
    return table_of_arrays(str(path), frames, seconds, ids, xy, scores, skeleton, metadata)
