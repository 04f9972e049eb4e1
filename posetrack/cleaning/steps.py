"""All steps of cleaning as one call, each by a keyword, in the order that works."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final, Literal, TypeAlias

from posetrack.cleaning.gaps import fill_gaps
from posetrack.cleaning.gating import gate_scores, reject_outliers
from posetrack.cleaning.joining import join_tracklets
from posetrack.cleaning.selection import Ranking, drop_short, keep, select_person
from posetrack.cleaning.swaps import mend_swaps
from posetrack.trajectories import Trajectories

Seconds: TypeAlias = float
Hertz: TypeAlias = float
Interpolation: TypeAlias = Literal["linear", "pchip", "cubic"]
Smoother: TypeAlias = Literal[
    "butterworth", "savitzky-golay", "median", "loess", "kalman", "one-euro"
]

CUTOFFS: Final[Mapping[str, str]] = {"butterworth": "cutoff", "one-euro": "min_cutoff"}
"""Smoothers with a cut-off frequency, and what they call it."""

WINDOWS: Final = ("savitzky-golay", "median", "loess")
"""Smoothers with a window."""


def clean(
    trajectories: Trajectories,
    *,
    gate: float | None = None,
    swaps: bool = False,
    outliers: bool = False,
    join: Seconds | None = None,
    min_length: Seconds | None = None,
    max_people: int | None = None,
    select: Ranking | None = None,
    fill: Seconds | None = None,
    fill_with: Interpolation = "linear",
    smooth: Smoother | None = None,
    smooth_cutoff: Hertz | None = None,
    smooth_window: Seconds | None = None,
    colours: Mapping[int, Any] | None = None,
) -> Trajectories:
    """Take out what is wrong, mend, join, select, fill and smooth, in this order.

    Parameters
    ----------
    trajectories
        Tracks as they were measured.
    gate
        Take out keypoints scored below.
    swaps
        Mend left and right where exchanged.
    outliers
        Take out keypoints that jump.
    join
        One id for a person who is lost and found again within this time.
    min_length
        Drop people seen for less.
    max_people
        Keep the N people who are there longest.
    select
        Keep one person: see `posetrack.cleaning.select_person`.
    fill
        Fill gaps no longer than this.
    fill_with
        Interpolation that fills gaps.
    smooth
        Filter that smooths what is left.
    smooth_cutoff
        Cut-off frequency of butterworth and one-euro.
    smooth_window
        Window of savitzky-golay, median and loess.
    colours
        Of people's clothes by id, which help joining; see `posetrack.cleaning.collect_colours`.

    Returns
    -------
    trajectories
        Cleaned; ``origin`` and ``raw`` say what was done.

    Raises
    ------
    ValueError
        If a setting is out of range, goes with another smoother, or selects nobody.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.skeletons import COCO_17
    >>> one = np.ones((1, 1, 17, 2))
    >>> tr = Trajectories([0], [0.0], [7], one, np.zeros((1, 1, 17)), COCO_17)
    >>> bool(np.isnan(clean(tr, gate=0.5).xy).all())
    True
    """
    if gate is not None:
        trajectories = gate_scores(trajectories, gate)
    if swaps:
        trajectories = mend_swaps(trajectories)
    if outliers:
        trajectories = reject_outliers(trajectories)
    if join is not None:
        trajectories = join_tracklets(trajectories, max_gap=join, colours=colours)
    if min_length is not None:
        trajectories = drop_short(trajectories, min_length)
    if max_people is not None:
        trajectories = keep(trajectories, max_people)
    if select is not None:
        trajectories = select_person(trajectories, select)
    cleaning = import_module("posetrack.cleaning")
    if fill is not None:
        trajectories = fill_gaps(trajectories, fill, interpolate=getattr(cleaning, fill_with))
    if smooth is not None:
        filtered: Trajectories = getattr(cleaning, smooth.replace("-", "_"))(
            trajectories, **smoother_settings(smooth, smooth_cutoff, smooth_window)
        )
        return filtered
    return trajectories


def smoother_settings(
    smooth: str | None, cutoff: float | None, window: float | None
) -> dict[str, float]:
    """Keywords of a smoother.

    Raises
    ------
    ValueError
        If the smoother has no such setting.

    Examples
    --------
    >>> smoother_settings("one-euro", 1.5, None)
    {'min_cutoff': 1.5}
    """
    if cutoff is not None and smooth not in CUTOFFS:
        raise ValueError("smooth_cutoff goes with butterworth or one-euro")
    if window is not None and smooth not in WINDOWS:
        raise ValueError("smooth_window goes with savitzky-golay, median or loess")
    settings = {} if cutoff is None else {CUTOFFS[str(smooth)]: cutoff}
    return settings if window is None else settings | {"window": window}
