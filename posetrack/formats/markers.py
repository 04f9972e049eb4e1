"""Keypoints as markers in a plane of space, for formats of motion capture."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.formats.checked_table import table_of_arrays
from posetrack.formats.dense import Dense, dense
from posetrack.formats.table import TrackTable
from posetrack.skeletons import Skeleton

LENGTHS: Final = ("m", "cm", "mm", "in", "ft")
"""Units of length that files of markers are in."""

_PIXELS: Final = "px"


@dataclass(frozen=True)
class Markers:
    """One person's keypoints as markers in space: T times, K markers.

    Parameters
    ----------
    person
        The person's id.
    frame, seconds
        (T,), from the person's first frame to the last.
    xyz
        (T, K, 3) in ``units``, NaN where not seen.
    units
        ``m`` with a scale, else ``px``.
    rate
        Frames a second.
    """

    person: int
    frame: NDArray[np.int64]
    seconds: NDArray[np.float64]
    xyz: NDArray[np.float64]
    units: str
    rate: float


def markers(table: TrackTable, *, metres_per_pixel: float | None = None) -> list[Markers]:
    """Each person's keypoints in a plane of space.

    With a scale: metres, x to the right, y **up** from the image's lower edge (where the file does
    not say how high the images are: from the lowest keypoint of all), z = 0, as OpenSim's models
    stand. Tracks that were read from such a file are in its units again. Else: pixels as in the
    image, y down, in units called ``px``, which OpenSim shows and does not fit a model to, since
    it cannot know how long a pixel is.

    Parameters
    ----------
    table
        What to lay out.
    metres_per_pixel
        The scale of the plane in which the people move.

    Raises
    ------
    ValueError
        If the scale is not positive, or the video too long to lay out at once.
    """
    filled = dense(table)
    xyz = in_space(table, filled, metres_per_pixel)
    units = units_of(table, metres_per_pixel)
    rate = rate_of(table, filled)
    found = []
    for column, person in enumerate(filled.ids.tolist()):
        seen = np.flatnonzero(np.isfinite(filled.xy[:, column, :, 0]).any(axis=1))
        rows = slice(int(seen[0]), int(seen[-1]) + 1) if len(seen) else slice(0, 0)
        columns = (filled.frame[rows], filled.seconds[rows], xyz[rows, column])
        found.append(Markers(person, *columns, units, rate))
    return found


def in_space(
    table: TrackTable, filled: Dense, metres_per_pixel: float | None
) -> NDArray[np.float64]:
    """(T, N, K, 3) places, NaN where not seen; see `markers` for axes and units.

    Raises
    ------
    ValueError
        If the scale is not positive.
    """
    if metres_per_pixel is not None and not (0 < metres_per_pixel < math.inf):
        raise ValueError(f"metres_per_pixel must be positive, got {metres_per_pixel}")
    xy = filled.xy.astype(np.float64)
    xyz = np.concatenate([xy, np.where(np.isnan(xy[..., :1]), np.nan, 0.0)], axis=-1)
    if metres_per_pixel is not None:
        xyz[..., 1] = _ground(table, filled) - xyz[..., 1]
        xyz *= metres_per_pixel
    elif units_of(table, None) != _PIXELS:
        xyz[..., 1] *= -1  # as it was read, see `table_in_image`
    return xyz


def units_of(table: TrackTable, metres_per_pixel: float | None) -> str:
    """``m`` with a scale, else those of the file that the table was read from, else ``px``."""
    given = table.metadata.get("units")
    if metres_per_pixel is not None:
        return "m"
    return given if isinstance(given, str) and given in LENGTHS else _PIXELS


def table_in_image(
    where: str,
    frames: NDArray[np.int64],
    seconds: NDArray[np.float64],
    ids: NDArray[np.int64],
    xyz: NDArray[np.float64],
    skeleton: Skeleton,
    units: str,
    metadata: Mapping[str, Any],
) -> TrackTable:
    """Markers of a file, (T, N, K, 3), as tracks: x to the right, y down, in the file's units.

    In units of length, where y points up in such files, y changes its sign; what is written again
    is as it was. ``metadata`` of the table says the units. Depth is left out.

    Raises
    ------
    ValueError
        If the units are neither ``px`` nor of length.

    Warns
    -----
    UserWarning
        If the markers do not lie in a plane.
    """
    words = units.strip().lower() or _PIXELS
    words = {"pixels": _PIXELS, "pixel": _PIXELS, "meters": "m", "metres": "m"}.get(words, words)
    if words not in (*LENGTHS, _PIXELS):
        raise ValueError(f"{where}: units {units!r:.20}; expected one of {', '.join(LENGTHS)}, px")
    depth = xyz[..., 2][np.isfinite(xyz[..., 2])]
    if depth.size and np.ptp(depth) > 0:
        warnings.warn(
            f"{where}: markers in space; x and y are read, z is left out", UserWarning, stacklevel=4
        )
    xy = xyz[..., :2] * ((1, -1) if words != _PIXELS else (1, 1))
    metadata = {**metadata, "units": None if words == _PIXELS else words}
    scores = np.ones(xy.shape[:3])
    return table_of_arrays(where, frames, seconds, ids, xy, scores, skeleton, metadata)


def _ground(table: TrackTable, filled: Dense) -> float:
    """The y, in pixels, that is height 0."""
    size = table.metadata.get("image_size")
    if size:
        return float(size[1]) - 1
    lowest = filled.xy[..., 1][np.isfinite(filled.xy[..., 1])]
    return float(lowest.max()) if lowest.size else 0.0


def rate_of(table: TrackTable, filled: Dense) -> float:
    """Rows a second: the median of the steps in time, else what the file says, else 1."""
    steps = np.diff(filled.seconds)
    if len(steps) and np.median(steps) > 0:
        return float(f"{1 / np.median(steps):.9g}")
    return float(table.metadata.get("rate") or 1.0)
