"""OpenSim's files: markers (``.trc``, one person a file) and named columns over time (``.mot``).

Sources: OpenSim's documentation, "Marker (.trc) Files" and "Storage (.sto) and Motion (.mot)
Files"; what its ``TRCFileAdapter`` accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.files import read_text, write_together, write_whole
from posetrack.formats.dense import MOST_VALUES
from posetrack.formats.hints import NO_HINTS, Hints, skeleton_of_names
from posetrack.formats.markers import Markers, markers, table_in_image
from posetrack.formats.table import TrackTable

_KEYS: Final = (
    "DataRate",
    "CameraRate",
    "NumFrames",
    "NumMarkers",
    "Units",
    "OrigDataRate",
    "OrigDataStartFrame",
    "OrigNumFrames",
)
_ROWS = 1000
_MOST_BYTES = 1_000_000_000
_IDENTITY = re.compile(r"(?:\.id_|_person)(-?\d{1,18})$", re.ASCII)  # ours, Sports2D's


def trc_path(path: str | Path, person_id: int) -> Path:
    """The file of one person: ``walk.trc`` is ``walk.id_3.trc``.

    Examples
    --------
    >>> trc_path("out/walk.trc", 3).name
    'walk.id_3.trc'
    """
    path = Path(path)
    return path.with_name(f"{path.stem}.id_{person_id}{path.suffix or '.trc'}")


def write_trc(
    path: str | Path, table: TrackTable, *, metres_per_pixel: float | None = None
) -> list[Path]:
    """Write a marker file for each person, all or none; see `markers` for units and axes.

    Keypoints are the markers. A gap is left empty, which OpenSim reads as missing; at a row's end,
    where OpenSim would count fewer cells, it is ``NaN``. Scores, boxes and identities are not in
    the files; the id is in the name.

    Parameters
    ----------
    path
        ``walk.trc`` gives ``walk.id_3.trc`` and so on.
    table
        What to write.
    metres_per_pixel
        The scale; without one the files are in pixels.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    ValueError
        If the scale is not positive, or a keypoint's name holds a blank or tab.
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.trc"
    >>> [file.name for file in write_trc(path, table)]
    ['walk.id_1.trc', 'walk.id_2.trc']
    """
    names = table.skeleton.keypoints
    for name in names:
        if not name or any(sign.isspace() for sign in name):
            raise ValueError(f"{path}: marker {name!r} has a blank in its name; rename it")
    people = markers(table, metres_per_pixel=metres_per_pixel)
    files = [trc_path(path, person.person) for person in people]
    write_together(
        *((file, _trc(file.name, p, names)) for file, p in zip(files, people, strict=True))
    )
    return files


def _trc(name: str, person: Markers, names: tuple[str, ...]) -> Iterator[bytes]:
    count, rate = len(person.frame), f"{person.rate:.9g}"
    values = (rate, rate, count, len(names), person.units, rate, 1, count)
    head = [f"PathFileType\t4\t(X/Y/Z)\t{name}", "\t".join(_KEYS), "\t".join(map(str, values))]
    head.append("Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t")
    axes = "\t".join(f"X{n}\tY{n}\tZ{n}" for n in range(1, len(names) + 1))
    yield ("\n".join([*head, "\t\t" + axes]) + "\n\n").encode()
    for start in range(0, count, _ROWS):
        rows = slice(start, start + _ROWS)
        flat = person.xyz[rows].reshape(-1, 3 * len(names))
        text = np.char.mod("%.6f", flat)
        text[np.isnan(flat)] = ""
        # A tab at the end would do for OpenSim, and shift what Pose2Sim reads by a cell.
        text[:, -3:][np.isnan(flat[:, -3:])] = "NaN"
        yield "".join(
            f"{frame + 1}\t{at:.6f}\t" + "\t".join(row) + "\n"
            for frame, at, row in zip(
                person.frame[rows].tolist(), person.seconds[rows].tolist(), text.tolist(),
                strict=True,
            )
        ).encode()  # fmt: skip


def read_trc(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a marker file of one person, whose id is the number after ``id_`` in its name, else 1.

    Sports2D's files end in ``_person00``.

    Places are in the file's units, y down, and so is what is written again; see
    `posetrack.formats.markers.table_in_image`. The first frame, 1 in such files, is 0.

    Parameters
    ----------
    path
        A ``.trc`` file.
    hints
        Its ``rate`` is needed where there is neither a time nor a rate in the file.

    Raises
    ------
    ValueError
        If it is not such a file or damaged; the message names the file and the line.

    Warns
    -----
    UserWarning
        If the markers do not lie in a plane.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.trc"
    >>> first, second = write_trc(path, table)
    >>> read_trc(second).ids.tolist()
    [2, 2, 2]
    """
    path = Path(path)
    lines = read_text(path, _MOST_BYTES).split("\n")
    comma = "\t" not in "".join(lines[3:4])  # saved by a spreadsheet: commas for tabs
    parting = "," if comma else "\t"
    head = [line.rstrip(f"{parting} ").split(parting) for line in lines[:5]]
    if (
        len(head) < 5
        or not head[0][0].startswith("PathFileType")
        or not head[3][0].startswith("Frame")
    ):
        raise ValueError(f"{path}: not a marker file: expected PathFileType, and Frame# in line 4")
    header = _header_of(head[1], head[2])
    names = [name.strip() for name in head[3][2:] if name.strip()]
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"{path}, line 4: markers are there twice, or there are none")
    rows = [(n, line) for n, line in enumerate(lines[5:], 6) if line.strip(", \t")]
    if len(rows) * len(names) > MOST_VALUES // 3:
        raise ValueError(f"{path}: over {MOST_VALUES:,} numbers; at most that are read")
    values = np.full((len(rows), 2 + 3 * len(names)), np.nan)
    for row, (n, line) in enumerate(rows):
        words = (line if comma else line.replace(",", ".")).split(parting)[: values.shape[1]]
        try:
            values[row, : len(words)] = [float(word) if word.strip() else np.nan for word in words]
        except ValueError as error:
            raise ValueError(f"{path}, line {n}: not numbers: {error}") from error
    frames = values[:, 0]
    whole_numbers = np.isfinite(frames) & (frames % 1 == 0) & (np.abs(frames) < 2**53)
    if not whole_numbers.all() or (np.diff(frames) <= 0).any():
        raise ValueError(f"{path}: frame numbers must be whole and grow")
    frames = frames.astype(np.int64) - (1 if frames.min(initial=1) >= 1 else 0)
    rate = _rate(header.get("DataRate"))
    seconds = values[:, 1]
    if not np.isfinite(seconds).all():
        seconds = hints.seconds(frames, str(path), rate)
    identity = _IDENTITY.search(path.stem)
    ids = np.array([int(identity[1]) if identity else 1], np.int64)
    xyz = values[:, 2:].reshape(len(rows), 1, len(names), 3)
    skeleton = skeleton_of_names(names, path.stem, hints.skeleton)
    units, metadata = header.get("Units", ""), {"rate": hints.rate or rate}
    return table_in_image(str(path), frames, seconds, ids, xyz, skeleton, units, metadata)


def _header_of(keys: list[str], values: list[str]) -> dict[str, str]:
    """Values of a header by name; tabs may stand twice between them."""
    found = [[word.strip() for word in words if word.strip()] for words in (keys, values)]
    if len(found[0]) != len(found[1]):
        found = [[word.strip() for word in words] for words in (keys, values)]
    return dict(zip(*found, strict=False))


def _rate(text: str | None) -> float | None:
    try:
        rate = float((text or "").replace(",", "."))
    except ValueError:
        return None
    return rate if 0 < rate < 1e9 else None


@dataclass(frozen=True, eq=False)
class Motion:
    """Named columns over time, such as angles.

    Parameters
    ----------
    seconds
        (T,).
    columns
        (T,) by name, in the file's order.
    in_degrees
        Whether angles are degrees; else radians.
    """

    seconds: NDArray[np.float64]
    columns: dict[str, NDArray[np.float64]]
    in_degrees: bool


def read_opensim_mot(path: str | Path) -> Motion:
    r"""Read a motion or storage file of OpenSim's, ``.mot`` or ``.sto``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such a file or damaged; the message names the file and the line.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "walk.mot"
    >>> write_opensim_mot(file, [0.0, 0.04], {"left_knee": [170.0, 165.5]})
    >>> motion = read_opensim_mot(file)
    >>> motion.columns["left_knee"].tolist(), motion.in_degrees
    ([170.0, 165.5], True)
    """
    path = Path(path)
    lines = read_text(path, _MOST_BYTES).split("\n")
    end = next(
        (n for n, line in enumerate(lines) if line.strip(", \t").lower() == "endheader"), None
    )
    if end is not None and lines[end].strip().endswith(","):  # saved by a spreadsheet
        lines = [line.replace(",", " ") for line in lines]
    if end is None or end + 1 >= len(lines):
        raise ValueError(f"{path}: not a motion file: no line 'endheader'")
    header = {
        key.strip().lower(): value.strip().lower()
        for key, equals, value in (line.partition("=") for line in lines[:end])
        if equals
    }
    while end + 2 < len(lines) and not lines[end + 1].strip():
        end += 1
    names = lines[end + 1].split()
    if not names or names[0].lower() != "time" or len(set(names)) < len(names):
        raise ValueError(f"{path}, line {end + 2}: expected time and columns, each once")
    rows = [(n, line.split()) for n, line in enumerate(lines[end + 2 :], end + 3) if line.strip()]
    values = np.full((len(rows), len(names)), np.nan)
    for row, (n, words) in enumerate(rows):
        try:
            values[row] = [float(word) for word in words]
        except ValueError as error:
            raise ValueError(f"{path}, line {n}: expected {len(names)} numbers: {error}") from error
    count = header.get("nrows", header.get("datarows", ""))
    if count.isdecimal() and int(count) != len(rows):
        raise ValueError(f"{path}: says {count} rows and has {len(rows)}")
    if not np.isfinite(values[:, 0]).all():
        raise ValueError(f"{path}: a time is not finite")
    columns = dict(zip(names[1:], values[:, 1:].T, strict=True))
    return Motion(values[:, 0], columns, header.get("indegrees", "yes") != "no")


def write_opensim_mot(
    path: str | Path,
    seconds: ArrayLike,
    columns: Mapping[str, ArrayLike],
    *,
    in_degrees: bool = True,
) -> None:
    r"""Write named columns over time as an OpenSim motion file.

    Parameters
    ----------
    path
        A ``.mot`` (or ``.sto``) file.
    seconds
        (T,) growing.
    columns
        (T,) each by name: angles, or coordinates of a model. NaN is written as ``nan``.
    in_degrees
        Whether angles are degrees; OpenSim turns them to radians by this.

    Raises
    ------
    ValueError
        If lengths disagree, times do not grow, or a name is empty, holds a blank, or is ``time``.
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "walk.mot"
    >>> write_opensim_mot(file, [0.0, 0.04], {"left_knee": [170.0, 165.5]})
    >>> file.read_text().splitlines()[-3:-1]
    ['time\tleft_knee', '0.000000\t170.000000']
    """
    path = Path(path)
    at = np.asarray(seconds, np.float64)
    if at.ndim != 1 or not np.isfinite(at).all() or (np.diff(at) <= 0).any():
        raise ValueError(f"{path}: seconds must be finite and grow")
    table: list[NDArray[Any]] = [at]
    for name, values in columns.items():
        column = np.asarray(values, np.float64)
        if column.shape != at.shape:
            raise ValueError(f"{path}: column {name!r} has {column.shape}, seconds {at.shape}")
        if not name or name == "time" or any(sign.isspace() for sign in name):
            raise ValueError(f"{path}: a column cannot be called {name!r}")
        table.append(column)
    head = [path.stem, "version=1", f"nRows={len(at)}", f"nColumns={len(table)}"]
    head += [f"inDegrees={'yes' if in_degrees else 'no'}", "endheader"]
    head.append("\t".join(["time", *columns]))
    rows = np.char.mod("%.6f", np.stack(table, axis=1)).tolist()
    lines = (("\t".join(row) + "\n").encode() for row in rows)
    write_whole(path, [("\n".join(head) + "\n").encode(), *lines])
