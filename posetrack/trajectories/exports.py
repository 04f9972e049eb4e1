"""What trajectories give: data types of pandas and xarray, angles."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posetrack.formats.table import column_names
from posetrack.ops.angles import angle, is_segment, unwrapped

if TYPE_CHECKING:
    from posetrack.trajectories.values import Trajectories


def pandas_of(made: Trajectories) -> Any:
    """See `Trajectories.to_pandas`."""
    pandas = import_module("pandas")

    table = made.to_table()
    person = [table.frame, table.seconds, table.ids, *table.xyxy.T, table.box_scores]
    source = np.where(table.flow_age > 0, "flow", "detector").astype(object)
    person += [table.scores.mean(axis=1), source, table.flow_age]
    points = np.concatenate([table.xy, table.scores[..., None]], axis=-1)
    columns = [*person, *points.reshape(len(table), 3 * len(made.skeleton)).T]
    names = column_names(made.skeleton)
    return pandas.DataFrame(dict(zip(names, columns, strict=True)))


def xarray_of(made: Trajectories) -> Any:
    """See `Trajectories.to_xarray`."""
    try:
        xarray = import_module("xarray")
    except ModuleNotFoundError as error:
        message = 'this needs xarray: pip install "posetrack[formats]"'
        raise ModuleNotFoundError(message) from error
    each = ("time", "person", "keypoint")
    return xarray.Dataset(
        {
            "xy": ((*each, "space"), made.xy),
            "score": (each, made.scores),
            "origin": (each, made.origin),
            "box": (("time", "person", "corner"), made.boxes),
            "box_score": (("time", "person"), made.box_scores),
            "flow_age": (("time", "person"), made.flow_age),
        },
        {
            "time": made.seconds,
            "frame": ("time", made.frame),
            "person": made.ids,
            "keypoint": list(made.skeleton.keypoints),
            "space": ["x", "y"],
            "corner": ["left", "top", "right", "bottom"],
        },
        {"skeleton": made.skeleton.name},
    )


def angle_of(made: Trajectories, name: str) -> NDArray[np.float64]:
    """See `Trajectories.angle`."""
    if len(made.ids) != 1:
        raise ValueError(
            f"angle({name!r}) is of one person, here are {len(made.ids)}: take person(id) first, "
            "or posetrack.analysis.angle for everybody's"
        )
    found = angle(made.xy[:, 0], made.skeleton, name)
    return unwrapped(found) if is_segment(name) else found
