"""Line segments: the part inside an image, and dashes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

_MARGIN = 64.0


def clip_segments(
    starts: ArrayLike, ends: ArrayLike, shape: tuple[int, ...]
) -> tuple[NDArray[np.intp], FloatArray]:
    """The part of each segment in an image and a margin of 64 pixels around it.

    Drawing routines take small whole numbers; a keypoint far outside the picture would overflow
    them, and pulling it to the border would turn the line. (Liang and Barsky, 1984.)

    Parameters
    ----------
    starts, ends
        (M, 2) pixels; a segment with NaN or infinity is left out.
    shape
        (H, W, ...) of the image.

    Returns
    -------
    kept
        (L,) which segments have a part inside.
    segments
        (L, 2, 2) its start and end.

    Examples
    --------
    >>> kept, segments = clip_segments([[0, 5], [900, 0]], [[1e9, 5], [900, 9]], (10, 20))
    >>> kept.tolist(), segments.tolist()
    ([0], [[[0.0, 5.0], [84.0, 5.0]]])
    """
    first = np.asarray(starts, np.float64).reshape(-1, 2)
    last = np.asarray(ends, np.float64).reshape(-1, 2)
    low = -_MARGIN
    high = np.array([shape[1] + _MARGIN, shape[0] + _MARGIN])
    inside = ((first >= low) & (first <= high) & (last >= low) & (last <= high)).all(axis=1)
    if inside.all():
        return np.arange(len(first)), np.stack([first, last], axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        step = last - first
        to_low, to_high = (low - first) / step, (high - first) / step
        # Where a segment runs along an axis it is either within the limits throughout, or never.
        along = step == 0
        within = (first >= low) & (first <= high)
        enter = np.where(along, np.where(within, 0.0, 2.0), np.minimum(to_low, to_high))
        leave = np.where(along, np.where(within, 1.0, -1.0), np.maximum(to_low, to_high))
        begin = np.maximum(enter.max(axis=1, initial=0.0), 0.0)
        end = np.minimum(leave.min(axis=1, initial=1.0), 1.0)
        kept = np.flatnonzero((begin <= end) & np.isfinite(step).all(axis=1))
        ends_at = np.stack([begin[kept], end[kept]], axis=1)[..., None]
        segments = first[kept, None] + ends_at * step[kept, None]
    return kept, np.clip(segments, low, high)


def dashes(segments: FloatArray, length: float) -> FloatArray:
    """Segments cut into dashes with gaps as long between; each begins and ends with a dash.

    Parameters
    ----------
    segments
        (M, 2, 2) pixels.
    length
        About that of a dash, in pixels.

    Returns
    -------
    (L, 2, 2)

    Examples
    --------
    >>> dashes(np.array([[[0.0, 0.0], [50.0, 0.0]]]), 10)[:, :, 0].tolist()
    [[0.0, 10.0], [20.0, 30.0], [40.0, 50.0]]
    """
    parts = [np.zeros((0, 2, 2))]
    for start, end in segments:
        pieces = 2 * int(np.hypot(*(end - start)) / (2 * length)) + 1
        places = np.linspace(start, end, pieces + 1)
        parts.append(np.stack([places[:-1:2], places[1::2]], axis=1))
    return np.concatenate(parts)
