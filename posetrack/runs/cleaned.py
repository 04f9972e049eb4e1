"""What cleaning came to, and tables of cleaned trajectories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from posetrack.checks import no_such

if TYPE_CHECKING:
    from posetrack.trajectories import Trajectories

RANKINGS: Final[Mapping[str, str]] = {
    "largest": "largest",
    "longest": "longest",
    "central": "most_central",
    "moving": "most_moving",
}
"""By what they are called on the line, rankings of people in `posetrack.cleaning`."""


def ranking_of(name: str) -> Any:
    """A ranking of people by its name.

    Raises
    ------
    ValueError
        If no ranking has this name.

    Examples
    --------
    >>> ranking_of("central").__name__
    'most_central'
    """
    if name not in RANKINGS:
        raise ValueError(no_such("ranking", name, RANKINGS))
    return getattr(import_module("posetrack.cleaning"), RANKINGS[name])


def describe_cleaning(before: Trajectories, after: Trajectories) -> str:
    """One line on it: how many people stayed, and what became of how many of their keypoints.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.cleaning import gate_scores
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.trajectories import Trajectories
    >>> one = np.ones((1, 1, 17, 2))
    >>> tr = Trajectories([0], [0.0], [7], one, np.zeros((1, 1, 17)), COCO_17)
    >>> describe_cleaning(tr, gate_scores(tr, 0.5))
    '1 of 1 people; of 17 keypoints: 17 rejected'
    """
    from posetrack.trajectories import Origin

    flags = (Origin.REJECTED, Origin.SWAPPED, Origin.FILLED, Origin.SMOOTHED)
    there = after.present
    origin = after.origin[there]
    names = {Origin.REJECTED: "rejected", Origin.SWAPPED: "swapped back"}
    names |= {Origin.FILLED: "filled", Origin.SMOOTHED: "smoothed"}
    counts = {names[flag]: int(((origin & int(flag)) > 0).sum()) for flag in flags}
    listed = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    people = f"{len(after.ids)} of {len(before.ids)} people"
    return f"{people}; of {origin.size} keypoints: {listed or 'none touched'}"


def write_formats(
    trajectories: Trajectories, formats: list[str], path_for: Callable[[str], Path]
) -> None:
    """Write the tables of `posetrack.runs.outputs.FORMATS`; ``path_for`` gives each its path."""
    from posetrack.formats import CocoWriter, PoseTrack18Writer
    from posetrack.trajectories import save

    writers: dict[str, Any] = {"posetrack18": PoseTrack18Writer, "coco": CocoWriter}
    for name in formats:
        path = path_for(name)
        if name in ("csv", "parquet"):
            save(trajectories, path)
            continue
        with writers[name](path, trajectories.skeleton, **dict(trajectories.metadata)) as sink:
            for frame in trajectories.to_table().frames():
                sink.write(*frame)
