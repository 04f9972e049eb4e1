"""Fields of Dataloop's annotations, which have moved from release to release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from posetrack.training.annotations import is_number


def system_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the platform itself says of an item or annotation.

    Examples
    --------
    >>> system_of({"metadata": {"system": {"width": 640}}}), system_of({"metadata": None})
    ({'width': 640}, {})
    """
    metadata = row.get("metadata")
    system = metadata.get("system") if isinstance(metadata, dict) else None
    return system if isinstance(system, dict) else {}


def marks_of(row: Mapping[str, Any]) -> set[str]:
    """Attributes of an annotation: a list in old files, a table of answers in newer ones.

    Examples
    --------
    >>> sorted(marks_of({"attributes": {"1": "visible", "2": ["late"]}}))
    ['late', 'visible']
    """
    marks: set[str] = set()
    for values in (row.get("attributes"), system_of(row).get("attributes")):
        found = list(values.values()) if isinstance(values, dict) else values
        for value in found if isinstance(found, list) else []:
            marks |= {word for word in (value if isinstance(value, list) else [value])
                      if isinstance(word, str)}  # fmt: skip
    return marks


def id_of(row: Mapping[str, Any]) -> Any:
    """An annotation's id, under its newer or its older name.

    Examples
    --------
    >>> id_of({"id": "a"}), id_of({"_id": "b"}), id_of({"id": []})
    ('a', 'b', None)
    """
    return first_plain(row.get("id"), row.get("_id"))


def object_of(row: Mapping[str, Any]) -> Any:
    """Id of the object that an annotation is a part of; None without one.

    Examples
    --------
    >>> object_of({"coordinates": {"instanceId": 3}}), object_of({})
    (3, None)
    """
    coordinates = row.get("coordinates")
    instance = coordinates.get("instanceId") if isinstance(coordinates, dict) else None
    return first_plain(system_of(row).get("objectId"), instance)


def first_plain(*values: Any) -> int | str | None:
    """The first value that may be a key.

    Examples
    --------
    >>> first_plain(None, [], "a", 1)
    'a'
    """
    return next((value for value in values if isinstance(value, int | str)), None)


def corners_of(coordinates: Any) -> list[float] | None:
    """Left, top, width and height of a box given by two corners or more; None if it is none.

    Examples
    --------
    >>> corners_of([{"x": 5, "y": 9}, {"x": 1, "y": 2}])
    [1.0, 2.0, 4.0, 7.0]
    """
    if not isinstance(coordinates, list) or len(coordinates) < 2:
        return None
    values = [point.get(axis) if isinstance(point, dict) else None for point in coordinates
              for axis in "xy"]  # fmt: skip
    if not all(is_number(value) for value in values):
        return None
    corners = np.array(values, np.float64).reshape(-1, 2)
    low, sides = corners.min(axis=0), np.ptp(corners, axis=0)
    return [float(value) for value in (*low, *sides)]
