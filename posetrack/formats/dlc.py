"""DeepLabCut's tables, multi-animal and single: CSV and HDF5, read and written.

A row a frame, and three columns (x, y, likelihood) for each body part of each individual; in
labelled data (``CollectedData``) a row an image, and x and y alone. Sources: DeepLabCut's
documentation, "Standardized file structure" and "Data, analyzed by DeepLabCut"
(``df_with_missing``); the HDF5 layouts are those of pandas' "table" and "fixed" formats.
"""

from __future__ import annotations

import csv
import io
import pickle
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posetrack.files import text_of, write_whole
from posetrack.formats.checked_table import table_of_arrays
from posetrack.formats.dense import MOST_VALUES, Dense, dense, every_frame, score_columns
from posetrack.formats.exports import PICTURES
from posetrack.formats.hdf5 import dataset, floats, library, open_hdf5
from posetrack.formats.hints import NO_HINTS, Hints, ids_of_names, skeleton_of_names
from posetrack.formats.labels import LabelledImage, LabelledPerson, Labels, frames_of
from posetrack.formats.plain_csv import Source, read_csv
from posetrack.formats.table import TrackTable

_KEY: Final = "df_with_missing"
_PARTS: Final = ("x", "y", "likelihood")
_LEVELS: Final = ("scorer", "individuals", "bodyparts", "coords")
_HEADERS: Final = (_LEVELS, _LEVELS[1:], ("scorer", *_LEVELS[2:]), _LEVELS[2:])
_ROWS = 1000
_LONGEST_LINE = 10_000_000
_MOST_COLUMNS = 100_000
_MOST_LEVELS = 10
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

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.csv"
    >>> write_dlc(path, table)
    >>> path.read_text().splitlines()[1][:30]
    'individuals,id_1,id_1,id_1,id_'
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

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.h5"
    >>> write_dlc_h5(path, table)
    >>> read_dlc_h5(path, Hints(rate=25)).ids.tolist()
    [1, 2, 1, 2, 1, 2]
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


class _Sheet(NamedTuple):
    """A file's numbers: T rows, C columns."""

    columns: list[tuple[str, str, str]]
    """Individual, body part and coordinate of each."""
    rows: Sequence[Any]
    """Frames' numbers or images' names."""
    values: NDArray[np.float64]


def read_dlc(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a CSV of DeepLabCut's, of several animals or of one, predictions or labels.

    Parameters
    ----------
    path
        With two to four header rows, also as pandas saves them, and an index of frame numbers, or
        labelled data (``CollectedData``), whose index is images' names. Frames are the numbers
        that these end in, or count where they do not end in different ones, or go by
        ``hints.images``.
    hints
        Its ``rate`` is needed: the file has no times.

    Raises
    ------
    ValueError
        If it is not such file or damaged; the message names the file and the row or column.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.csv"
    >>> write_dlc(path, table)
    >>> read_dlc(path, Hints(rate=25)).xy.shape
    (6, 17, 2)
    """
    path = Path(path)
    return read_csv(path, lambda source: _table(path, _read_csv(path, source), hints))


def _read_csv(path: Path, source: Source) -> _Sheet:
    import pyarrow as pa
    import pyarrow.csv

    with source() as stream:
        names, rows, lead, numbered = _header(path, stream)
    lead += numbered
    labels = [str(number) for number in range(lead + len(names))]
    options = pa.csv.ReadOptions(use_threads=False, skip_rows=rows, column_names=labels)
    kinds = {label: pa.string() if int(label) < lead else pa.float64() for label in labels}
    convert = pa.csv.ConvertOptions(column_types=kinds, null_values=["", "nan", "NaN"])
    blocks: list[NDArray[np.float64]] = []
    index: list[Any] = []
    try:
        with (
            source() as stream,
            pa.csv.open_csv(stream, options, convert_options=convert) as reader,
        ):
            for batch in reader:
                heads = [column.to_pylist() for column in batch.columns[numbered:lead]]
                index += heads[0] if len(heads) == 1 else map(_join_path, zip(*heads, strict=True))
                columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns[lead:]]
                blocks.append(np.stack([np.zeros(len(batch)), *columns], axis=1))
                if sum(block.size for block in blocks) > MOST_VALUES:
                    raise ValueError(f"{path}: over {MOST_VALUES:,} numbers; at most that are read")
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: not DeepLabCut's numbers below the header: {error}") from error
    values = np.concatenate(blocks)[:, 1:] if blocks else np.zeros((0, len(names)))
    return _Sheet(names, index, values)


def _join_path(parts: Sequence[Any]) -> str:
    """An image's path of its parts."""
    return "/".join(str(part) for part in parts if part not in (None, ""))


def _frames(path: Path, index: Sequence[Any], hints: Hints) -> NDArray[np.int64]:
    """Frames of rows: whole numbers, perhaps written as 3.0, or those of images by name."""
    try:
        numbers = np.array([np.nan if word is None else word for word in index], np.float64)
    except ValueError:
        images = [LabelledImage(str(word), ()) for word in index]
        bad = next((i.name for i in images if not i.name.lower().endswith(PICTURES)), None)
        if bad is not None:
            raise ValueError(
                f"{path}: {bad!r:.60} is neither a frame's number nor an image's name"
            ) from None
        return np.array(frames_of(images, str(path), hints), np.int64)
    return whole_frames(path, numbers)


def whole_frames(path: Path, numbers: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Numbers of frames as integers; what is missing or no whole number is refused."""
    if not np.isfinite(numbers).all():
        raise ValueError(f"{path}: a row has no frame number")
    broken = (numbers % 1 != 0) | (np.abs(numbers) >= 2**53)
    if broken.any():
        raise ValueError(f"{path}: {numbers[broken][0]:g} is not a frame number")
    return numbers.astype(np.int64)


def is_header(row: Sequence[str]) -> bool:
    """Whether a CSV's first row is a header of DeepLabCut's, perhaps saved again by pandas.

    Examples
    --------
    >>> is_header(["scorer", "net"]), is_header(["", "scorer", "net"]), is_header(["frame", "id"])
    (True, True, False)
    """
    return _level(row) in _LEVELS[:-1]


def _level(row: Sequence[str]) -> str:
    """What stands at a row's head, behind the number that pandas may have put there."""
    return "".join(row[_is_numbered(row) :][:1])


def _is_numbered(row: Sequence[str]) -> bool:
    """Whether pandas' numbers of lines stand before the first level of a header."""
    return len(row) > 1 and row[0] in ("", "Unnamed: 0") and row[1] in _LEVELS


def _header(path: Path, stream: BinaryIO) -> tuple[list[tuple[str, str, str]], int, int, bool]:
    """Individual, body part and coordinate of each column, and the number of header rows.

    And how many columns stand before them: one, or the parts of an image's path in labelled data;
    and whether pandas' numbers of the lines stand before all.
    """
    rows = [_cells(path, stream.readline(_LONGEST_LINE))]
    numbered = _is_numbered(rows[0])
    below = b""
    while rows[-1][numbered:][:1] and rows[-1][numbered] in _LEVELS and len(rows) <= 4:
        below = stream.readline(_LONGEST_LINE)
        rows.append(_cells(path, below))
    rows = [row[numbered:] for row in rows[:-1]]
    found = tuple(row[0] for row in rows)
    if found not in _HEADERS:
        raise ValueError(
            f"{path}: expected DeepLabCut's header rows scorer, individuals, bodyparts and coords, "
            f"the first two perhaps left out; got {', '.join(found) or 'none of them'}"
        )
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"{path}: header rows of different lengths")
    # pandas writes the name of the index, if it has one, into a row of its own.
    named = below.strip(b", \t\r\n").isalpha() and (
        below.count(b",") == numbered + len(rows[0]) - 1
    )
    lead = 1
    while lead < len(rows[0]) and not rows[-1][lead]:
        lead += 1
    parts, coordinates = (row[lead:] for row in rows[-2:])
    individuals = rows[-3][lead:] if "individuals" in found else ["individual"] * len(parts)
    columns = list(zip(individuals, parts, coordinates, strict=True))
    return columns, len(rows) + named, lead, numbered


def _cells(path: Path, line: bytes) -> list[str]:
    try:
        row = next(csv.reader(io.StringIO(text_of(line, str(path)))), [])
    except csv.Error as error:
        raise ValueError(f"{path}: the header is not text: {error}") from error
    if len(row) > _MOST_COLUMNS:
        raise ValueError(f"{path}: over {_MOST_COLUMNS:,} columns; at most that are read")
    return row


def read_dlc_h5(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read DeepLabCut's HDF5, predictions or labels, as `read_dlc` reads its CSV.

    h5py is enough. In pandas' "table" format the names of the columns are a pickle, of which
    nothing but lists, tuples, numbers and text is taken; "fixed" needs none.

    Raises
    ------
    ModuleNotFoundError
        If h5py is not installed.
    ValueError
        If it is not such file or damaged; the message names the file and the part.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.h5"
    >>> write_dlc_h5(path, table)
    >>> read_dlc_h5(path, Hints(rate=25)).xy.shape
    (6, 17, 2)
    """
    path = Path(path)
    return _table(path, _read_h5(path), hints)


def _read_h5(path: Path) -> _Sheet:
    with open_hdf5(path) as file:
        keys = [_KEY] if _KEY in file else [key for key in file if "pandas_type" in file[key].attrs]
        if len(keys) != 1:
            raise ValueError(f"{path}: no {_KEY}, but {', '.join(list(file)[:5]) or 'nothing'}")
        group = file[keys[0]]
        if "block0_values" in group:
            return _read_fixed(path, group)
        return _read_pandas_table(path, group)


def _read_pandas_table(path: Path, group: Any) -> _Sheet:
    if "table" not in group or "non_index_axes" not in group.attrs:
        raise ValueError(f"{path}: no {_KEY}/table; save it with pandas' to_hdf")
    names = _names(path, group.attrs["non_index_axes"])
    table = dataset(group, "table", path, 1)
    fields = table.dtype.fields or {}
    blocks = [name for name in fields if name.startswith("values_block_")]
    if "index" not in fields or fields["index"][0].kind not in "ifS" or len(blocks) != 1:
        raise ValueError(f"{path}: expected frame numbers and one block of numbers")
    if fields[blocks[0]][0].shape != (len(names),):
        raise ValueError(f"{path}: {len(names)} names of columns, numbers {table.dtype}")
    if table.shape[0] * len(names) > MOST_VALUES:
        raise ValueError(f"{path}: over {MOST_VALUES:,} numbers; at most that are read")
    rows = table[()]
    values = rows[blocks[0]].reshape(len(rows), len(names)).astype(np.float64)
    return _Sheet(names, _texts(rows["index"]), values)


def _read_fixed(path: Path, group: Any) -> _Sheet:
    columns = _axis(path, group, "axis0")
    index = _axis(path, group, "axis1")
    at = {column: number for number, column in enumerate(columns)}
    values = np.full((len(index), len(columns)), np.nan)
    blocks = [
        name.removesuffix("_values") for name in group if re.fullmatch(r"block\d+_values", name)
    ]
    for block in blocks:
        items = _axis(path, group, f"{block}_items")
        numbers = floats(group, f"{block}_values", path, 2)
        if numbers.shape != (len(index), len(items)) or not set(items) <= set(at):
            raise ValueError(f"{path}: {block} has {numbers.shape}, {len(index)} rows are named")
        values[:, [at[item] for item in items]] = numbers
    rows = [row[0] if len(row) == 1 else _join_path(row) for row in index]
    return _Sheet([_column(path, column) for column in columns], rows, values)


def _axis(path: Path, group: Any, name: str) -> list[tuple[Any, ...]]:
    """Entries of an axis, each a tuple of its levels."""
    if name in group:
        return [(value,) for value in _texts(dataset(group, name, path, 1)[()])]
    levels = []
    for number in range(_MOST_LEVELS):
        if f"{name}_level{number}" not in group:
            break
        values = np.array(_texts(dataset(group, f"{name}_level{number}", path, 1)[()]), object)
        codes = floats(group, f"{name}_label{number}", path, 1).astype(np.int64)
        if codes.size and not 0 <= codes.min() <= codes.max() < len(values):
            raise ValueError(f"{path}: {name}_label{number} names values that are not there")
        levels.append(values[codes].tolist())
    if not levels or len({len(level) for level in levels}) > 1:
        raise ValueError(f"{path}: no {name}, or its levels are of different lengths")
    return list(zip(*levels, strict=True))


def _texts(values: NDArray[Any]) -> list[Any]:
    """Text as it is, numbers as numbers."""
    if values.dtype.kind == "S":
        return [value.decode() for value in values.tolist()]
    if values.dtype.kind not in "iuf":
        raise ValueError(f"expected text or numbers, got {values.dtype}")
    numbers: list[Any] = values.tolist()
    return numbers


def _column(path: Path, parts: Sequence[Any]) -> tuple[str, str, str]:
    """Individual, body part and coordinate by the levels of a column; parts may be numbers."""
    words = [str(part) for part in parts]
    if len(words) not in (3, 4):
        raise ValueError(f"{path}: columns must have names of scorer, individual, part and coord")
    return (words[1] if len(words) == 4 else "individual"), words[-2], words[-1]


def read_dlc_labels(path: Path) -> Labels:
    """People of labelled data, ``CollectedData`` in CSV or HDF5, image by image.

    Raises
    ------
    ValueError, FileNotFoundError, ModuleNotFoundError
        See `read_dlc` and `read_dlc_h5`.
    """
    is_csv = path.suffix.lower() == ".csv"
    sheet = read_csv(path, partial(_read_csv, path)) if is_csv else _read_h5(path)
    laid, individuals, parts = _lay_out(path, sheet)
    images = []
    for row, name in enumerate(sheet.rows):
        people = [
            LabelledPerson(_mark(laid[row, n]), None, np.nan, None, f"{name}, {individual}")
            for n, individual in enumerate(individuals)
            if np.isfinite(laid[row, n, :, :2]).all(axis=-1).any()
        ]
        images.append(LabelledImage(str(name), tuple(people)))
    return Labels(skeleton_of_names(parts, path.stem) if parts else None, tuple(images))


def _mark(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """(K, 3) with a score of 1 where someone labelled a point."""
    marked = points.astype(np.float64)
    marked[:, 2] = np.isfinite(marked[:, :2]).all(axis=1)
    return marked


class _NamesOnly(pickle.Unpickler):
    """Reads lists, tuples, numbers and text; whatever would call code is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is not a plain value")


def _names(path: Path, packed: Any) -> list[tuple[str, str, str]]:
    try:
        (_, labels), *_ = _NamesOnly(io.BytesIO(bytes(packed))).load()
    except Exception as error:  # whatever a broken pickle makes of itself
        raise ValueError(f"{path}: names of columns cannot be read: {error}") from error
    well_formed = isinstance(labels, list) and all(
        isinstance(label, tuple) and all(isinstance(part, str | int) for part in label)
        for label in labels
    )
    if not well_formed:
        raise ValueError(f"{path}: columns must have names of scorer, individual, part and coord")
    return [_column(path, label) for label in labels]


def _lay_out(path: Path, sheet: _Sheet) -> tuple[NDArray[np.float32], list[str], list[str]]:
    """(T, N, K, 3) of the rows in their order, and the names of individuals and body parts."""
    individuals = list(dict.fromkeys(column[0] for column in sheet.columns))
    parts = list(dict.fromkeys(column[1] for column in sheet.columns))
    count = len(sheet.rows) * len(individuals) * len(parts)
    if count > MOST_VALUES:
        raise ValueError(f"{path}: {count:,} keypoints; at most {MOST_VALUES:,} are read")
    laid = np.full((len(sheet.rows), len(individuals), max(len(parts), 1), 3), np.nan, np.float32)
    if any(coordinate == "z" for *_, coordinate in sheet.columns):
        raise ValueError(f"{path}: places in space; those in images are read")
    taken = set()
    for number, (individual, part, coordinate) in enumerate(sheet.columns):
        if coordinate not in _PARTS or (individual, part, coordinate) in taken:
            raise ValueError(f"{path}: column {number + 2}: {coordinate!r} of {part!r}, or twice")
        taken.add((individual, part, coordinate))
        cell = (
            slice(None),
            individuals.index(individual),
            parts.index(part),
            _PARTS.index(coordinate),
        )
        laid[cell] = sheet.values[:, number]
    return laid, individuals, parts


def _table(path: Path, sheet: _Sheet, hints: Hints) -> TrackTable:
    laid, individuals, parts = _lay_out(path, sheet)
    frame = _frames(path, sheet.rows, hints)
    order = np.argsort(frame, kind="stable")
    frames, laid = frame[order], laid[order]
    skeleton = hints.skeleton if not parts else skeleton_of_names(parts, path.stem, hints.skeleton)
    if skeleton is None:
        raise ValueError(f"{path}: nobody is in it; give skeleton= (--skeleton on the line)")
    if not parts:
        laid = np.zeros((len(frames), 0, len(skeleton), 3), np.float32)
    ids, named = ids_of_names(individuals)
    metadata = {"rate": hints.rate, "individuals": named or None}
    seconds = hints.seconds(frames, str(path))
    xy, scores = laid[..., :2], laid[..., 2]
    return table_of_arrays(str(path), frames, seconds, ids, xy, scores, skeleton, metadata)


def write_dlc_labels(folder: str | Path, table: TrackTable) -> None:
    """Write tracks as labelled data to correct in DeepLabCut: ``CollectedData`` in CSV and HDF5.

    Put the folder into the project as ``labeled-data/NAME``, the frames beside the files as
    ``img0012.png`` for frame 12, and name the individuals (``id_`` and the id) and the scorer
    ``posetrack`` in its ``config.yaml``. Only frames with people are in it; scores, boxes and
    times are not kept.

    Parameters
    ----------
    folder
        Must not exist; it appears with its files or not at all. NAME is what it is called, without
        an ending.
    table
        What to write.

    Raises
    ------
    ModuleNotFoundError
        If pandas or PyTables is not installed.
    ValueError
        If the video is too long to lay out at once, or a name cannot stand in a header.
    FileExistsError
        If the folder is there.
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk"
    >>> write_dlc_labels(path, table)
    >>> sorted(file.name for file in path.iterdir())
    ['CollectedData_posetrack.csv', 'CollectedData_posetrack.h5']
    """
    folder = Path(folder)
    library("tables")
    pandas = library("pandas")
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; move it away first")
    if not folder.parent.is_dir():
        raise FileNotFoundError(f"cannot write {folder}: there is no folder {folder.parent}")
    name = folder.name.split(".")[0]
    for word in (*table.skeleton.keypoints, name):
        if set(word) & set(',"\r\n'):
            raise ValueError(f"{folder}: {word!r} cannot stand in a header; rename it")
    laid = dense(table)
    seen = np.asarray(np.isfinite(laid.xy).all(axis=-1))
    rows = np.flatnonzero(
        seen.reshape(len(laid.frame), seen.size // max(len(laid.frame), 1)).sum(axis=1)
    )
    digits = max(4, len(str(int(laid.frame[-1]))) if len(laid.frame) else 4)
    images = [f"img{frame:0{digits}d}.png" for frame in laid.frame[rows].tolist()]
    columns = [column for column in _columns(laid, table.skeleton.keypoints) if column[-1] in "xy"]
    values = laid.xy[rows].astype(np.float64).reshape(len(rows), len(columns))
    sheet = pandas.DataFrame(
        values,
        columns=pandas.MultiIndex.from_tuples(columns, names=_LEVELS) if columns else None,
        index=pandas.MultiIndex.from_arrays(
            [["labeled-data"] * len(rows), [name] * len(rows), images]
        ),
    )
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    try:
        # Its reader does without an HDF5 of nobody, which pandas cannot write.
        lines = _label_lines(columns, name, images, values)
        (draft / "CollectedData_posetrack.csv").write_bytes(b"".join(lines))
        if columns and len(rows):
            file = draft / "CollectedData_posetrack.h5"
            sheet.to_hdf(str(file), key=_KEY, mode="w")
        draft.chmod(0o755)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _label_lines(
    columns: list[tuple[str, ...]], name: str, images: list[str], values: NDArray[np.float64]
) -> Iterator[bytes]:
    for n, title in enumerate(_LEVELS):
        yield (",".join([title, "", "", *(column[n] for column in columns)]) + "\n").encode()
    text = np.char.mod("%.9g", values) if values.size else values.astype(str)
    text[~np.isfinite(values)] = ""
    for image, row in zip(images, text.tolist(), strict=True):
        yield (",".join(["labeled-data", name, image, *row]) + "\n").encode()
