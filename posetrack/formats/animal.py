"""Files of the animal-behaviour tools: DeepLabCut CSV, SLEAP analysis HDF5, movement netCDF.

All three hold one array a video. Sources: DeepLabCut's documentation, "Standardized file
structure" (multi-animal: four header rows); SLEAP's, "Analysis files"; movement's, "Poses
datasets" (dimensions ``time``, ``space``, ``keypoints``, ``individuals``).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.formats.dense import MOST_VALUES, Dense, dense
from posetrack.formats.sinks import write_whole
from posetrack.formats.table import TrackTable

_ROWS = 1000


def write_dlc(path: str | Path, table: TrackTable) -> None:
    """Write DeepLabCut's multi-animal CSV: a row a frame from 0 on, x, y and likelihood.

    Individuals are called ``id_`` and their id. Numbers are exact; boxes and times are not kept.

    Raises
    ------
    ValueError
        If the video is too long to lay out at once.
    OSError
        If nothing can be written there.
    """
    made = _every_frame(table)
    names = [f"id_{who}" for who in made.ids.tolist()]
    for name in table.skeleton.keypoints:
        if set(name) & set(',"\r\n'):
            raise ValueError(f"{path}: keypoint {name!r} cannot stand in a header; rename it")
    write_whole((Path(path), _dlc_lines(made, names, table.skeleton.keypoints)))


def _dlc_lines(made: Dense, names: list[str], keypoints: tuple[str, ...]) -> Iterator[bytes]:
    columns = [(who, point, part) for who in names for point in keypoints for part in _PARTS]
    head = [["scorer", *["posetrack"] * len(columns)]]
    for title, place in (("individuals", 0), ("bodyparts", 1), ("coords", 2)):
        head.append([title, *(column[place] for column in columns)])
    yield "".join(",".join(row) + "\n" for row in head).encode()
    seen = _seen(made)
    for start in range(0, len(made.frame), _ROWS):
        rows = slice(start, start + _ROWS)
        marks = np.where(seen[rows], made.scores[rows], np.nan)[..., None]
        values = np.concatenate([made.xy[rows], marks], axis=-1)
        flat = values.reshape(len(values), -1)
        text = np.char.mod("%.9g", flat) if flat.size else flat.astype(str)
        # Not empty: pandas takes an empty first row for names of the index.
        text[~np.isfinite(flat)] = "nan"
        yield "".join(
            f"{start + number}," + ",".join(row) + "\n" for number, row in enumerate(text.tolist())
        ).encode()


_PARTS = ("x", "y", "likelihood")


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
    """
    h5py = _library("h5py")
    made = _every_frame(table)
    seen = _seen(made)
    there = np.isfinite(made.boxes[..., 0])
    skeleton = table.skeleton
    data = {
        "tracks": made.xy.transpose(1, 3, 2, 0),
        "point_scores": np.where(seen, made.scores, np.nan).transpose(1, 2, 0),
        "instance_scores": np.where(there, made.scores.mean(axis=-1), np.nan).T,
        "tracking_scores": np.where(there, 1.0, np.nan).T,
        "track_occupancy": there.astype(np.uint8),
        "track_names": _bytes(f"id_{who}" for who in made.ids.tolist()),
        "node_names": _bytes(skeleton.keypoints),
        "edge_names": _bytes(name for pair in skeleton.edges for name in pair).reshape(-1, 2),
        "edge_inds": skeleton.edge_indices.astype(np.int64),
    }
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, values in data.items():
            packed = {"compression": "gzip"} if values.size > 1000 else {}
            file.create_dataset(name, data=values, **packed)
        for name in ("labels_path", "video_path", "provenance"):
            file.create_dataset(name, data="{}" if name == "provenance" else "")
        file.create_dataset("video_ind", data=0)
    write_whole((Path(path), [buffer.getvalue()]))


def write_movement(path: str | Path, table: TrackTable) -> None:
    """Write a poses dataset of movement as netCDF: ``xarray.open_dataset`` opens it.

    ``position`` and ``confidence`` over ``time`` in seconds (the video's own), and ``frame``
    beside it. Individuals are called ``id_`` and their id. Boxes are not kept.

    Raises
    ------
    ModuleNotFoundError
        If xarray or h5netcdf is not installed.
    ValueError
        If the video is too long to lay out at once.
    OSError
        If nothing can be written there.
    """
    xarray = _library("xarray")
    _library("h5netcdf")
    made = dense(table)
    seen = _seen(made)
    dims = ("time", "space", "keypoints", "individuals")
    marks = np.where(seen, made.scores, np.nan).astype(np.float32)
    attributes: dict[str, Any] = {"source_software": "posetrack", "ds_type": "poses"}
    attributes["time_unit"] = "seconds"
    if table.metadata.get("rate"):
        attributes["fps"] = float(table.metadata["rate"])
    data = xarray.Dataset(
        {
            "position": (dims, made.xy.transpose(0, 3, 2, 1)),
            "confidence": (("time", *dims[2:]), marks.transpose(0, 2, 1)),
        },
        {
            "time": made.seconds,
            "frame": ("time", made.frame),
            "space": ["x", "y"],
            "keypoints": list(table.skeleton.keypoints),
            "individuals": [f"id_{who}" for who in made.ids.tolist()],
        },
        attributes,
    )
    packed = {name: {"zlib": True} for name in ("position", "confidence")} if made.xy.size else {}
    buffer = io.BytesIO()
    data.to_netcdf(buffer, engine="h5netcdf", encoding=packed)
    write_whole((Path(path), [buffer.getvalue()]))


def _bytes(names: Any) -> NDArray[np.bytes_]:
    """Names as the fixed-width bytes that HDF5 keeps."""
    encoded = [name.encode() for name in names]
    return np.array(encoded, f"S{max(map(len, encoded), default=1)}")


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        message = f'this format needs {name}: pip install "posetrack[formats]"'
        raise ModuleNotFoundError(message) from error


def _every_frame(table: TrackTable) -> Dense:
    """Laid out from frame 0 to the last without gaps: these formats count rows, not frames."""
    made = dense(table)
    count = int(made.frame[-1]) + 1 if len(made.frame) else 0
    if count == len(made.frame):
        return made
    values = count * len(made.ids) * len(table.skeleton)
    if max(values, count) > MOST_VALUES:
        raise ValueError(f"{count:,} frames from 0 on would be {values:,} values; select fewer")

    def spread(array: NDArray[Any], blank: float) -> Any:
        whole = np.full((count, *array.shape[1:]), blank, array.dtype)
        whole[made.frame] = array
        return whole

    return Dense(
        np.arange(count),
        np.interp(np.arange(count), made.frame, made.seconds),
        made.ids,
        spread(made.xy, np.nan),
        spread(made.scores, 0),
        spread(made.boxes, np.nan),
        spread(made.box_scores, 0),
        spread(made.flow_age, 0),
    )


def _seen(made: Dense) -> NDArray[np.bool_]:
    """(T, N, K)."""
    seen: NDArray[np.bool_] = np.isfinite(made.xy[..., 0])
    return seen
