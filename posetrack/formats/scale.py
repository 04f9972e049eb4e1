"""How long a pixel is, from a person whose height is known."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from posetrack.formats.table import TrackTable

_SEGMENTS: Final = (("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"))
_OF_HEIGHT: Final = 0.818 - 0.039
"""Shoulder to ankle over hip and knee, as a part of the standing height (Drillis and Contini 1966,
*Body Segment Parameters*; shoulders at 0.818 of it, ankles at 0.039)."""


def metres_per_pixel(table: TrackTable, height: float, *, who: int | None = None) -> float:
    """The scale at which a person's segments are as long as their height makes them.

    Trunk, thigh and shank are measured where all are seen, the longer side of each, and of all
    frames the ninth decile counts: a segment that points to the camera looks shorter, never longer.
    Good to some 5 %, for people who keep their distance from the camera.

    Parameters
    ----------
    table
        Tracks.
    height
        Metres.
    who
        Whose height it is; the person's who is in most frames when None.

    Raises
    ------
    ValueError
        If the height is not positive, the person is not there, or their segments are nowhere seen.
    KeyError
        If the skeleton lacks shoulders, hips, knees or ankles.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 17, 2))
    >>> xy[0, :, 1] = [0, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> one = np.ones(1, np.int64)
    >>> table = TrackTable(one, np.ones(1), one, np.zeros((1, 4)), np.ones(1), one * 0,
    ...                    xy, np.ones((1, 17)), COCO_17)
    >>> round(metres_per_pixel(table, 1.80), 6)  # 300 pixels are 0.779 of 1.80 m
    0.004674
    """
    if not (0 < height < math.inf):
        raise ValueError(f"a height must be positive metres, got {height}")
    ids, counts = np.unique(table.ids, return_counts=True)
    if not len(ids) or (who is not None and who not in ids):
        raise ValueError(f"no person {'' if who is None else who} to take the height of")
    rows = table.ids == (ids[counts.argmax()] if who is None else who)
    xy, skeleton = table.xy[rows].astype(np.float64), table.skeleton
    total = np.zeros(len(xy))
    for start, end in _SEGMENTS:
        sides = [
            xy[:, skeleton.index(f"{side}_{end}")] - xy[:, skeleton.index(f"{side}_{start}")]
            for side in ("left", "right")
        ]
        total += np.fmax(*(np.hypot(*side.T) for side in sides))
    total = total[np.isfinite(total)]
    if not len(total) or not np.quantile(total, 0.9) > 0:
        raise ValueError("shoulder, hip, knee and ankle are in no frame seen together")
    return float(_OF_HEIGHT * height / np.quantile(total, 0.9))
