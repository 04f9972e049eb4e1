"""Poses datasets of ``movement`` as netCDF, read and written.

Source: movement's documentation, "Poses datasets", and its ``validators/datasets.py``: dimensions
``time``, ``space``, ``keypoint``, ``individual``; variables ``position`` and ``confidence``. Before
version 0.17 the last two dimensions were ``keypoints`` and ``individuals``.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.files import write_whole
from posetrack.formats.checked_table import table_of_arrays
from posetrack.formats.dense import dense, score_columns
from posetrack.formats.hdf5 import dataset, library, open_hdf5
from posetrack.formats.hints import NO_HINTS, Hints, ids_of_names, skeleton_of_names
from posetrack.formats.table import TrackTable

_DIMS: Final = ("time", "space", "keypoint", "individual")
_BEFORE_0_17: Final = {"keypoints": "keypoint", "individuals": "individual"}
_EACH: Final = ("time", "individual", "keypoint")


def write_movement(path: str | Path, table: TrackTable) -> None:
    """Write a poses dataset of movement 0.17 and later: ``xarray.open_dataset`` opens it.

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

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.nc"
    >>> write_movement(path, table)
    >>> read_movement(path).ids.tolist()
    [1, 2, 1, 2, 1, 2]
    """
    xarray = library("xarray")
    library("h5netcdf")
    filled = dense(table)
    attributes: dict[str, Any] = {"source_software": "posetrack", "ds_type": "poses"}
    attributes["time_unit"] = "seconds"
    if table.metadata.get("rate"):
        attributes["fps"] = float(table.metadata["rate"])
    data = xarray.Dataset(
        {
            "position": (_DIMS, filled.xy.transpose(0, 3, 2, 1)),
            "confidence": (("time", *_DIMS[2:]), score_columns(filled).transpose(0, 2, 1)),
        },
        {
            "time": filled.seconds,
            "frame": ("time", filled.frame),
            "space": ["x", "y"],
            "keypoint": list(table.skeleton.keypoints),
            "individual": [f"id_{person}" for person in filled.ids.tolist()],
        },
        attributes,
    )
    packed = {name: {"zlib": True} for name in ("position", "confidence")} if filled.xy.size else {}
    buffer = io.BytesIO()
    data.to_netcdf(buffer, engine="h5netcdf", encoding=packed)
    write_whole(path, buffer.getvalue())


def read_movement(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a poses dataset of movement, of version 0.17 and later or before.

    Times are the file's own where its unit is seconds; frames are its ``frame``, else the times
    at its ``fps``, else counted. Where its unit is frames, a rate is needed. A confidence of the
    whole individual is that of each keypoint; one that is NaN counts as 1.

    Raises
    ------
    ModuleNotFoundError
        If xarray or h5netcdf is not installed.
    ValueError
        If it is not such a file or damaged, of boxes, several views or three dimensions of space.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.nc"
    >>> write_movement(path, table)
    >>> read_movement(path).xy.shape
    (6, 17, 2)
    """
    path = Path(path)
    xarray = library("xarray")
    library("h5netcdf")
    with open_hdf5(path) as file:
        kind = file.attrs.get("ds_type", "boxes")
        kind = kind.decode() if isinstance(kind, bytes) else kind
        if "shape" in file and not {"keypoint", "keypoints"} & set(file):
            raise ValueError(f"{path}: a dataset of {kind}, without keypoints; poses are read")
        if "view" in file:
            raise ValueError(f"{path}: a dataset of several views; select one: data.sel(view=...)")
        dataset(file, "position", path, 4)
        if "confidence" in file and file["confidence"].ndim not in (2, 3):
            dataset(file, "confidence", path, 3)
    try:
        with xarray.open_dataset(path, engine="h5netcdf", decode_times=False) as data:
            return _table(path, data, hints)
    except (KeyError, MemoryError, OSError, RuntimeError, TypeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no poses dataset of movement: {error}") from error


def _table(path: Path, data: Any, hints: Hints) -> TrackTable:
    data = data.rename({old: new for old, new in _BEFORE_0_17.items() if old in data.dims})
    position = data["position"]
    if set(position.dims) != set(_DIMS):
        raise ValueError(f"{path}: 'position' has {position.dims}, expected {_DIMS}")
    if [str(name) for name in data["space"].values] != ["x", "y"]:
        raise ValueError(f"{path}: 'space' must be x and y, got {data['space'].values.tolist()}")
    xy = _values(position.transpose(*_EACH, "space"))
    if xy.dtype.kind != "f":
        raise ValueError(f"{path}: 'position' holds {xy.dtype}, expected floating-point numbers")
    scores = np.ones(xy.shape[:3], np.float32)
    if "confidence" in data:
        scores = _confidence(path, data["confidence"], xy.shape[2])
    frames, seconds = _times(path, data, hints)
    ids, named = ids_of_names([str(name) for name in _values(data["individual"])])
    names = [str(name) for name in _values(data["keypoint"])]
    skeleton = skeleton_of_names(names, path.stem, hints.skeleton)
    rate = hints.rate if hints.rate is not None else data.attrs.get("fps")
    metadata = {"rate": None if rate is None else float(rate), "individuals": named or None}
    return table_of_arrays(str(path), frames, seconds, ids, xy, scores, skeleton, metadata)


def _confidence(path: Path, confidence: Any, keypoints: int) -> NDArray[Any]:
    """(T, N, K)."""
    dims = _EACH if "keypoint" in confidence.dims else _EACH[:2]
    if set(confidence.dims) != set(dims):
        raise ValueError(f"{path}: 'confidence' has {confidence.dims}, expected {dims}")
    values = _values(confidence.transpose(*dims))
    if values.dtype.kind != "f":
        raise ValueError(f"{path}: 'confidence' holds {values.dtype}, expected numbers")
    return values if values.ndim == 3 else np.repeat(values[..., None], keypoints, axis=2)


def _times(path: Path, data: Any, hints: Hints) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    time = np.asarray(_values(data["time"]), np.float64)
    if not np.isfinite(time).all():
        raise ValueError(f"{path}: a time is not finite")
    if data.attrs.get("time_unit") != "seconds":
        frames = time.astype(np.int64)
        return frames, hints.seconds(frames, str(path), data.attrs.get("fps"))
    if "frame" in data and data["frame"].dims == ("time",):
        return _values(data["frame"]).astype(np.int64), time
    if data.attrs.get("fps"):
        return np.round(time * float(data.attrs["fps"])).astype(np.int64), time
    return np.arange(len(time), dtype=np.int64), time


def _values(variable: Any) -> NDArray[Any]:
    """All of a variable; HDF5 cannot read from one of no size."""
    values: NDArray[Any] = variable.values if variable.size else np.zeros(variable.shape)
    return values
