"""OpenSim's files: markers (``.trc``, one person a file) and named columns over time (``.mot``).

Sources: OpenSim's documentation, "Marker (.trc) Files" and "Storage (.sto) and Motion (.mot)
Files"; what its ``TRCFileAdapter`` accepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.files import write_together, write_whole
from posetrack.formats.markers import Markers, markers
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

    Keypoints are the markers. A gap is left empty, which OpenSim reads as missing. Scores, boxes
    and identities are not in the files; the id is in the name.

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
        # A tab after the last number, too: without it OpenSim counts an empty last one as absent.
        yield "".join(
            f"{frame + 1}\t{at:.6f}\t" + "\t".join(row) + "\t\n"
            for frame, at, row in zip(
                person.frame[rows].tolist(), person.seconds[rows].tolist(), text.tolist(),
                strict=True,
            )
        ).encode()  # fmt: skip


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
