"""The pictures that ``posetrack track --plot`` writes beside its tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

_KEYPOINTS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
_ANGLES = ("left_elbow", "right_elbow", "left_knee", "right_knee")


def write_plots(
    trajectories: Any, place: Callable[[str], Path], *, video: str | None, chosen: bool
) -> list[Path]:
    """A timeline, trails and a heat map; of a chosen person also keypoints, angles and a strip.

    Parameters
    ----------
    trajectories
        What was tracked; of nobody there are no pictures.
    place
        Gives an ending its path.
    video
        What was tracked, to draw over its last frame; None where it comes once.
    chosen
        Whether these are of one person who was selected.
    """
    from posetrack import plots
    from posetrack.ops.angles import angle_names

    if not trajectories.present.any():
        return []
    image = None if video is None else _last_image(video, trajectories)
    paths: list[Path] = []

    def path(kind: str) -> Path:
        paths.append(place(f"-{kind}.png"))
        return paths[-1]

    plots.plot_presence(trajectories, path("timeline"))
    plots.plot_trails(trajectories, path("trails"), image=image)
    plots.plot_heatmap(trajectories, path("heatmap"), image=image)
    if not chosen or len(trajectories.ids) != 1:
        return paths
    keypoints = [name for name in _KEYPOINTS if name in trajectories.skeleton.keypoints]
    angles = [name for name in _ANGLES if name in angle_names(trajectories.skeleton)]
    if keypoints:
        plots.plot_keypoint(trajectories, keypoints, path("keypoints"))
    if angles:
        plots.plot_angle(trajectories, angles, path("angles"))
    plots.plot_strip(trajectories, path("strip"))
    return paths


def _last_image(video: str, trajectories: Any) -> Any:
    """The last frame that was tracked; nothing where the source is not to be read again."""
    from posetrack.cli.plot import frame_of

    try:
        return frame_of(video, int(trajectories.frame[-1]))
    except (OSError, ValueError):
        return None
