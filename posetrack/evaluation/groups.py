"""The groups of keypoints that papers print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from posetrack.evaluation.sequences import Floats

GROUPS: Final = {
    "Head": ("head_top", "head_bottom", "nose"),
    "Shou": ("right_shoulder", "left_shoulder"),
    "Elb": ("right_elbow", "left_elbow"),
    "Wri": ("right_wrist", "left_wrist"),
    "Hip": ("right_hip", "left_hip"),
    "Knee": ("right_knee", "left_knee"),
    "Ankl": ("right_ankle", "left_ankle"),
}
"""Column of the papers' tables to the keypoints whose plain mean it is."""


def group_means(values: Floats, keypoints: Sequence[str]) -> dict[str, float]:
    """Means of the groups; NaN if one keypoint of the group is, as the official tools have it.

    Parameters
    ----------
    values
        (K,) or (K + 1,).
    keypoints
        Names of the K keypoints.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.skeletons import POSETRACK_15
    >>> group_means(np.arange(15.0), POSETRACK_15.keypoints)["Knee"]
    2.5
    """
    place = {name: k for k, name in enumerate(keypoints)}
    return {
        group: float(values[[place[name] for name in names]].mean())
        for group, names in GROUPS.items()
    }
