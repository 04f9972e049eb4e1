"""The component that plays a video with people drawn over it, and tells time and clicks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.analysis import angle, speed
from posetrack.draw.colours import colour_of
from posetrack.files import dump_json
from posetrack.ops.angles import angle_names
from posetrack.plots.paper import name_of
from posetrack.trajectories import Trajectories

FRONTEND: Final = Path(__file__).with_name("player")
QUANTITIES: Final = {"x": "px", "y": "px", "speed": "px/s", "score": ""}
_LINES: Final = ("#e07b00", "#1f6fb2", "#2a8a4a", "#a02070")


def tracks_json(trajectories: Trajectories, min_score: float = 0.2) -> bytes:
    """Everybody's boxes and keypoints for the page, in whole pixels; keypoints not seen are null.

    Parameters
    ----------
    trajectories
        Everybody's.
    min_score
        Keypoints that score less are left out.
    """
    seen = np.isfinite(trajectories.xy[..., 0]) & (trajectories.scores >= min_score)
    people = []
    for column, person in enumerate(trajectories.ids.tolist()):
        there = trajectories.present[:, column]
        blue, green, red = colour_of(person)
        rows = np.flatnonzero(there).tolist()
        people.append(
            {
                "id": person,
                "name": name_of(trajectories, person),
                "colour": f"rgb({red}, {green}, {blue})",
                "rows": rows,
                "boxes": _whole(trajectories.boxes[there, column]),
                "xy": [
                    [None if not known else [round(float(x)), round(float(y))]
                     for (x, y), known in zip(trajectories.xy[row, column].tolist(),
                                              seen[row, column].tolist(), strict=True)]
                    for row in rows
                ],
            }
        )  # fmt: skip
    width, height = trajectories.metadata.get("image_size") or (0, 0)
    return dump_json(
        {
            "size": [width, height],
            "frames": trajectories.frame.tolist(),
            "times": [round(one, 4) for one in trajectories.seconds.tolist()],
            "edges": trajectories.skeleton.edge_indices.tolist(),
            "people": people,
        }
    )


def curve_names(trajectories: Trajectories) -> list[str]:
    """Curves to choose from: angles, then each keypoint's quantities.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> tr = Trajectories([], [], [], np.zeros((0, 0, 17, 2)), np.zeros((0, 0, 17)), COCO_17)
    >>> curve_names(tr)[0], curve_names(tr)[-1]
    ('left_knee', 'right_ankle score')
    """
    points = trajectories.skeleton.keypoints
    return [
        *angle_names(trajectories.skeleton),
        *(f"{name} {what}" for name in points for what in QUANTITIES),
    ]


def curve_of(person: Trajectories, name: str) -> NDArray[np.float64]:
    """(T,) of one person's curve by its name, see `curve_names`."""
    point, _, what = name.partition(" ")
    if not what:
        return angle(person, name)[:, 0]
    column = person.skeleton.index(point)
    if what == "speed":
        return speed(person, point)[:, 0]
    if what == "score":
        return person.scores[:, 0, column].astype(np.float64)
    return person.xy[:, 0, column, "xy".index(what)].astype(np.float64)


def curves_for_page(
    trajectories: Trajectories, person: int | None, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Curves of one person as the component takes them; none where nobody is chosen."""
    if person is None or person not in trajectories.ids.tolist():
        return []
    one = trajectories.person(person)
    return [
        {
            "name": name.replace("_", " "),
            "unit": QUANTITIES[name.partition(" ")[2]] if " " in name else "°",
            "colour": _LINES[number % len(_LINES)],
            "values": [
                None if not np.isfinite(value) else round(value, 2)
                for value in curve_of(one, name).tolist()
            ],
        }
        for number, name in enumerate(names)
    ]


def _whole(values: NDArray[Any]) -> list[list[int]]:
    rounded: list[list[int]] = np.rint(values).astype(int).tolist()
    return rounded
