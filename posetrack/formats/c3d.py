"""C3D, the binary format of motion capture, through ezc3d. Source: c3d.org, "User Guide"."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np

from posetrack.checks import require_library
from posetrack.files import write_whole
from posetrack.formats.dense import every_frame
from posetrack.formats.markers import in_space, rate_of
from posetrack.formats.table import TrackTable


def write_c3d(
    path: str | Path, table: TrackTable, *, metres_per_pixel: float | None = None
) -> None:
    """Write keypoints as points called ``id_3:left_knee``, a frame each from frame 0 on.

    Axes and units are those of `posetrack.formats.markers.markers`; a keypoint that was not seen
    is an invalid point. Scores and boxes are not kept.

    Parameters
    ----------
    path
        The file.
    table
        What to write.
    metres_per_pixel
        The scale; without one the file is in pixels.

    Raises
    ------
    ModuleNotFoundError
        If ezc3d is not installed.
    ValueError
        If the scale is not positive, or the video too long to lay out at once.
    OSError
        If nothing can be written there.
    """
    with require_library("this format needs ezc3d", "posetrack[c3d]"):
        ezc3d = import_module("ezc3d")
    path = Path(path)
    whole_table = every_frame(table)
    xyz = in_space(table, whole_table, metres_per_pixel).reshape(len(whole_table.frame), -1, 3)
    file = ezc3d.c3d()
    points = file["parameters"]["POINT"]
    points["RATE"]["value"] = [rate_of(table, whole_table)]
    points["UNITS"]["value"] = ["px" if metres_per_pixel is None else "m"]
    points["LABELS"]["value"] = [
        f"id_{person}:{name}"
        for person in whole_table.ids.tolist()
        for name in table.skeleton.keypoints
    ]
    file["data"]["points"] = np.ones((4, xyz.shape[1], len(xyz)))
    file["data"]["points"][:3] = xyz.transpose(2, 1, 0)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "draft.c3d"
        file.write(str(draft))
        write_whole(path, draft.read_bytes())
