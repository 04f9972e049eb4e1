"""SLEAP's analysis files: HDF5, read and written, and CSV, read.

Source: SLEAP's documentation, "Analysis files"; its ``csv.py`` for the columns.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.files import write_whole
from posetrack.formats.checked_table import table_of_arrays
from posetrack.formats.dense import every_frame, score_columns
from posetrack.formats.hdf5 import dataset, floats, image_of, open_hdf5, strings
from posetrack.formats.hints import NO_HINTS, Hints, ids_of_names, skeleton_of_names
from posetrack.formats.people import People
from posetrack.formats.plain_csv import Source, read_csv
from posetrack.formats.table import TrackTable

_AXES: Final = ("frame", "track", "node", "xy")
_USUAL: Final = ("track", "xy", "node", "frame")
_CSV_ENDS: Final = (".x", ".y", ".score")


def write_sleap(path: str | Path, table: TrackTable) -> None:
    """Write SLEAP's analysis HDF5, in the layout that its own readers and movement take.

    ``tracks`` (N, 2, K, T) and ``point_scores`` (N, K, T) from frame 0 on; tracks are called
    ``id_`` and their id. Boxes and times are not kept.

    Raises
    ------
    ModuleNotFoundError
        If h5py is not installed.
    ValueError
        If the video is too long to lay out at once.
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.h5"
    >>> write_sleap(path, table)
    >>> read_sleap(path, Hints(rate=25)).ids.tolist()
    [1, 2, 1, 2, 1, 2]
    """
    whole_table = every_frame(table)
    there = np.isfinite(whole_table.boxes[..., 0])
    skeleton = table.skeleton
    data = {
        "tracks": whole_table.xy.transpose(1, 3, 2, 0),
        "point_scores": score_columns(whole_table).transpose(1, 2, 0),
        "instance_scores": np.where(there, whole_table.scores.mean(axis=-1), np.nan).T,
        "tracking_scores": np.where(there, 1.0, np.nan).T,
        "track_occupancy": there.astype(np.uint8),
        "track_names": _bytes(f"id_{person}" for person in whole_table.ids.tolist()),
        "node_names": _bytes(skeleton.keypoints),
        "edge_names": _bytes(name for pair in skeleton.edges for name in pair).reshape(-1, 2),
        "edge_inds": skeleton.edge_indices.astype(np.int64),
    }

    def fill(file: Any) -> None:
        for name, values in data.items():
            packed = {"compression": "gzip"} if values.size > 1000 else {}
            file.create_dataset(name, data=values, **packed)
        for name in ("labels_path", "video_path", "provenance"):
            file.create_dataset(name, data="{}" if name == "provenance" else "")
        file.create_dataset("video_ind", data=0)

    write_whole(path, image_of(fill))


def _bytes(names: Any) -> NDArray[np.bytes_]:
    """Names as the fixed-width bytes that HDF5 keeps."""
    encoded = [name.encode() for name in names]
    return np.array(encoded, f"S{max(map(len, encoded), default=1)}")


def read_sleap(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read SLEAP's analysis HDF5, the axes in whatever order its ``dims`` says, or its CSV.

    Parameters
    ----------
    path
        An ``.h5`` file with ``tracks``, or a ``.csv`` with ``track``, ``frame_idx`` and
        ``nose.x``; not SLEAP's project files, ``.slp``.
    hints
        Its ``rate`` is needed: the file has no times.

    Raises
    ------
    ModuleNotFoundError
        If h5py is not installed.
    ValueError
        If it is not such a file or damaged; the message names the file and the dataset.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.h5"
    >>> write_sleap(path, table)
    >>> read_sleap(path, Hints(rate=25)).xy.shape
    (6, 17, 2)
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        return read_csv(path, lambda source: _read_csv(path, source, hints))
    with open_hdf5(path) as file:
        order = _order(path, dataset(file, "tracks", path, 4))
        nodes = strings(file, "node_names", path)
        names = strings(file, "track_names", path) if "track_names" in file else []
        tracks = floats(file, "tracks", path, 4)
        has_scores = "point_scores" in file
        scores = floats(file, "point_scores", path, 3) if has_scores else None
    without_tracks = not names and tracks.shape[order.index("track")] > 1
    xy = tracks.transpose([order.index(axis) for axis in _AXES])
    if not names and xy.shape[1] == 1:
        names = ["track_1"]  # SLEAP names no track where it tracked nobody
    elif not names and xy.shape[1] > 1:
        if not hints.untracked:
            raise ValueError(
                f"{path}: {xy.shape[1]} instances a frame and no tracks; link the poses first, or "
                "read them with untracked=True (--untracked on the line)"
            )
        # Places in each frame and no identities; -1, -2, ... where only they are meant.
        names = [f"id_{n}" for n in range(1, xy.shape[1] + 1)]
    if xy.shape[1:] != (len(names), len(nodes), 2):
        raise ValueError(
            f"{path}: 'tracks' has {tracks.shape}, {len(names)} tracks and {len(nodes)} nodes "
            "are named"
        )
    flat = tuple(axis for axis in order if axis != "xy")
    given = np.ones(xy.shape[:3], np.float32)
    if scores is not None:
        given = scores.transpose([flat.index(axis) for axis in _AXES[:3]]).astype(np.float32)
        if given.shape != xy.shape[:3]:
            raise ValueError(f"{path}: 'point_scores' has {scores.shape}, 'tracks' {tracks.shape}")
    ids, named = ids_of_names(names)
    if without_tracks and hints.untracked == "keep":
        ids, named = -ids, {}
    frames = np.arange(len(xy), dtype=np.int64)
    skeleton = skeleton_of_names(nodes, path.stem, hints.skeleton)
    metadata = {"rate": hints.rate, "individuals": named or None}
    seconds = hints.seconds(frames, str(path))
    return table_of_arrays(str(path), frames, seconds, ids, xy, given, skeleton, metadata)


def _order(path: Path, tracks: Any) -> tuple[str, ...]:
    """Names of the axes as they are stored."""
    dims = tracks.attrs.get("dims")
    if dims is None:
        return _USUAL
    try:
        axes = tuple(json.loads(dims))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: 'dims' of 'tracks' cannot be read: {error}") from error
    if sorted(map(str, axes)) != sorted(_AXES):
        raise ValueError(f"{path}: 'dims' of 'tracks' must be {', '.join(_AXES)}; got {axes!r:.80}")
    return axes


def _read_csv(path: Path, source: Source, hints: Hints) -> TrackTable:
    """A row an instance; numbers that are missing are left empty."""
    with source() as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        rows = csv.DictReader(text)
        columns = list(rows.fieldnames or ())
        nodes = [name[:-2] for name in columns if name[-2:] == ".x" and f"{name[:-2]}.y" in columns]
        if not nodes or "inst0.track" in columns:
            raise ValueError(
                f"{path}: no row an instance with columns NAME.x and NAME.y; of sleap-io's layouts "
                "those called sleap, instances and dlc are read"
            )
        found = list(enumerate(rows, 2))
    names = list(dict.fromkeys(row.get("track") or "" for _, row in found))
    names = [name for name in names if name]
    ids, named = ids_of_names(names)
    people = People(str(path), hints)
    for line, row in found:

        def number_of(name: str, row: dict[str, str] = row, line: int = line) -> float:
            try:
                return float(row.get(name) or np.nan)
            except ValueError as error:
                raise ValueError(f"{path}, line {line}: {name!r}: {error}") from error

        frame = number_of("frame_idx")
        if not 0 <= frame < 2**53 or frame % 1:
            raise ValueError(f"{path}, line {line}: {frame:g} is no frame's number")
        points = np.array([[number_of(f"{n}{end}") for end in _CSV_ENDS] for n in nodes])
        seen = np.isfinite(points[:, :2]).all(axis=1)
        points[:, 2] = np.where(seen & np.isnan(points[:, 2]), 1, points[:, 2])
        points[~seen] = (np.nan, np.nan, 0)
        people.add_frame(int(frame))
        if not seen.any():
            people.leave_out("without keypoints")
            continue
        track = row.get("track")
        identity = int(ids[names.index(track)]) if track else None
        score = number_of("instance.score" if "instance.score" in columns else "score")
        people.add(int(frame), identity, points, None, score, part=f", line {line}")
    skeleton = skeleton_of_names(nodes, path.stem, hints.skeleton)
    return people.table(skeleton, metadata={"individuals": named or None})
