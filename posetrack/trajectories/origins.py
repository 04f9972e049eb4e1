"""Where a value came from and what cleaning did to it."""

from __future__ import annotations

from enum import IntFlag


class Origin(IntFlag):
    """Where a value came from and what was done to it; flags, which combine, also in files.

    Examples
    --------
    >>> Origin.FILLED | Origin.SMOOTHED
    <Origin.FILLED|SMOOTHED: 6>
    """

    DETECTED = 0
    """Measured in the box that a detector gave."""
    FLOW = 1
    """Measured in a box that optical flow carried here."""
    FILLED = 2
    """Not measured here: put between what was seen before and after."""
    SMOOTHED = 4
    """Moved by a filter."""
    SWAPPED = 8
    """Left and right were exchanged."""
    REJECTED = 16
    """What was measured here was taken out: its score was too low, or it was an outlier."""


ALL_ORIGINS = Origin(31)
