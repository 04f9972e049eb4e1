"""Pictures: of trajectories, of an evaluation, of training runs, of what a network sees.

Charts need matplotlib (``pip install "posetrack[eval]"``); grids of images are drawn by OpenCV.
Each name is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_WHERE = {
    "best_epochs": "training",
    "id_colour": "evaluation",
    "keypoints_of_angle": "trajectories",
    "person_timeline": "evaluation",
    "places_of": "places",
    "plot_angle": "trajectories",
    "plot_curves": "training",
    "plot_heatmap": "places",
    "plot_keypoint": "trajectories",
    "plot_presence": "people",
    "plot_strip": "strip",
    "plot_timeline": "evaluation",
    "plot_trails": "places",
    "presence": "people",
    "read_runs": "training",
    "time_density": "places",
}

if TYPE_CHECKING:
    from posetrack.plots.evaluation import id_colour, person_timeline, plot_timeline
    from posetrack.plots.people import plot_presence, presence
    from posetrack.plots.places import places_of, plot_heatmap, plot_trails, time_density
    from posetrack.plots.strip import plot_strip
    from posetrack.plots.training import best_epochs, plot_curves, read_runs
    from posetrack.plots.trajectories import keypoints_of_angle, plot_angle, plot_keypoint

__all__ = [
    "best_epochs",
    "id_colour",
    "keypoints_of_angle",
    "person_timeline",
    "places_of",
    "plot_angle",
    "plot_curves",
    "plot_heatmap",
    "plot_keypoint",
    "plot_presence",
    "plot_strip",
    "plot_timeline",
    "plot_trails",
    "presence",
    "read_runs",
    "time_density",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'posetrack.plots' has no attribute {name!r}")
    return getattr(import_module(f"posetrack.plots.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
