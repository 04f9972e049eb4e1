"""Parts of trajectories: ranges of time, and skeletons of some keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.skeletons import Skeleton


def in_range(
    values: NDArray[Any], span: tuple[float, float] | tuple[int, int] | None
) -> NDArray[np.bool_]:
    """Which values lie in a half-open range; all when None.

    Examples
    --------
    >>> in_range(np.arange(4), (1, 3)).tolist()
    [False, True, True, False]
    """
    if span is None:
        return np.ones(len(values), bool)
    first, end = span
    inside: NDArray[np.bool_] = (values >= first) & (values < end)
    return inside


def part_of_skeleton(skeleton: Skeleton, keypoints: Sequence[str]) -> Skeleton:
    """A skeleton with some of its keypoints, in the order given, under its own name.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> part_of_skeleton(COCO_17, ["left_hip", "left_knee"]).edges
    (('left_hip', 'left_knee'),)
    """
    chosen = set(keypoints)
    return Skeleton(
        skeleton.name,
        tuple(keypoints),
        tuple(pair for pair in skeleton.edges if chosen.issuperset(pair)),
        tuple(pair for pair in skeleton.mirrored if chosen.issuperset(pair)),
        tuple(skeleton.sigmas[skeleton.index(name)] for name in keypoints),
    )
