"""Rejects implausible values: low scores and outliers."""

from __future__ import annotations

import numpy as np

from posetrack.cleaning.changes import apply_changes, check_positive, seen, sizes
from posetrack.trajectories import Origin, Trajectories


def gate_scores(trajectories: Trajectories, min_score: float) -> Trajectories:
    """Without the keypoints whose score is below ``min_score``; flagged as rejected.

    Parameters
    ----------
    trajectories
        Left as they are.
    min_score
        A higher one drops more true keypoints with the wrong ones.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> scores = np.linspace(0, 0.9, 17)[None, None]
    >>> tr = Trajectories([0], [0.0], [7], np.ones((1, 1, 17, 2)), scores, COCO_17)
    >>> int(np.isfinite(gate_scores(tr, 0.5).xy[..., 0]).sum())
    8
    """
    if not np.isfinite(min_score):
        raise ValueError(f"min_score must be a number, got {min_score}")
    low = seen(trajectories) & (trajectories.scores < min_score)
    return apply_changes(trajectories, np.array(np.nan), np.array(0.0), low, Origin.REJECTED)


def reject_outliers(
    trajectories: Trajectories,
    *,
    window: float = 0.5,
    sigmas: float = 3.0,
    min_distance: float = 0.03,
) -> Trajectories:
    """Without the keypoints that are far from where they are just before and after (Hampel).

    A keypoint goes where its x or its y is more than ``sigmas`` robust standard deviations
    (1.4826 times the median distance from the median) away from the median of the window around
    it. Its place is then unseen: `fill_gaps` puts something there.

    Parameters
    ----------
    trajectories
        Left as they are.
    window
        Seconds, centred. Longer ones see outliers that last longer (up to nearly half the window)
        and take the peaks of fast motion for outliers.
    sigmas
        How many standard deviations are too many.
    min_distance
        As a fraction of the person's size (root of the median box area): nothing nearer to the
        median is an outlier, however still the person is.

    References
    ----------
    F. R. Hampel, *The influence curve and its role in robust estimation*, JASA 69, 1974.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.arange(17.0)[:, None] * 10 + np.zeros((9, 1, 17, 2))
    >>> xy[4, 0, 3] += 99
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], xy, np.ones((9, 1, 17)), COCO_17)
    >>> np.argwhere(~np.isfinite(reject_outliers(tr).xy[..., 0])).tolist()
    [[4, 0, 3]]
    """
    from posetrack.cleaning.kernels import hampel

    check_positive(window=window, sigmas=sigmas)
    if not min_distance >= 0:
        raise ValueError(f"min_distance must be at least 0, got {min_distance}")
    far = np.zeros(trajectories.scores.shape, bool)
    for row, size in enumerate(sizes(trajectories)):
        far[:, row] = hampel(
            np.array(trajectories.xy[:, row], np.float64),
            np.array(trajectories.seconds),
            window / 2,
            sigmas,
            min_distance * size,
        )
    return apply_changes(trajectories, np.array(np.nan), np.array(0.0), far, Origin.REJECTED)
