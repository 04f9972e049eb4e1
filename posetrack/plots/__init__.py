"""Pictures: of trajectories, of an evaluation, of training runs, of what a network sees.

Charts need matplotlib (``pip install "posetrack[eval]"``); grids of images are drawn by OpenCV.
Each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from posetrack._lazy import export_lazily

if TYPE_CHECKING:
    from posetrack.plots.evaluation import id_colour as id_colour
    from posetrack.plots.evaluation import person_timeline as person_timeline
    from posetrack.plots.evaluation import plot_timeline as plot_timeline
    from posetrack.plots.places import places_of as places_of
    from posetrack.plots.places import plot_heatmap as plot_heatmap
    from posetrack.plots.places import plot_trails as plot_trails
    from posetrack.plots.places import time_density as time_density
    from posetrack.plots.presence_bars import plot_presence as plot_presence
    from posetrack.plots.presence_bars import presence as presence
    from posetrack.plots.strip import plot_strip as plot_strip
    from posetrack.plots.training import best_epochs as best_epochs
    from posetrack.plots.training import plot_curves as plot_curves
    from posetrack.plots.training import read_runs as read_runs
    from posetrack.plots.trajectories import keypoints_of_angle as keypoints_of_angle
    from posetrack.plots.trajectories import plot_angle as plot_angle
    from posetrack.plots.trajectories import plot_keypoint as plot_keypoint

__getattr__, __dir__, __all__ = export_lazily(
    __name__,
    {
        "evaluation": ["id_colour", "person_timeline", "plot_timeline"],
        "presence_bars": ["plot_presence", "presence"],
        "places": ["places_of", "plot_heatmap", "plot_trails", "time_density"],
        "strip": ["plot_strip"],
        "training": ["best_epochs", "plot_curves", "read_runs"],
        "trajectories": ["keypoints_of_angle", "plot_angle", "plot_keypoint"],
    },
)
