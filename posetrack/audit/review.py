"""Doubtful moments of a stored table, with all that lies beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posetrack.audit.clothing import colours_over_time
from posetrack.audit.matches import matches_path, read_matches
from posetrack.audit.moments import Moment, find_moments

if TYPE_CHECKING:
    from posetrack.trajectories import Trajectories


def review_table(
    table: str | Path,
    trajectories: Trajectories,
    *,
    video: str | Path | None = None,
    min_score: float = 0.2,
) -> list[Moment]:
    """Find the doubtful moments of a table, by the tracker's notes on matches if they lie beside.

    Parameters
    ----------
    table
        The file that the trajectories were read from.
    trajectories
        Everybody's.
    video
        What was tracked: then also by the colours that people wear, from one pass over it.
    min_score
        Less doubtful moments are left out.

    Returns
    -------
    moments
        The most doubtful first.

    Raises
    ------
    ValueError, OSError
        If the notes or the video cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.trajectories import Trajectories
    >>> one = np.zeros((9, 1, 17, 2)) + np.arange(17.0)[:, None]
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], one, np.ones((9, 1, 17)), COCO_17)
    >>> review_table("alone.parquet", tr, min_score=0.5)
    []
    """
    notes = matches_path(table)
    matches = read_matches(notes) if notes.is_file() else None
    colours = None
    if video is not None:
        from posetrack.video.reader import open_tracked

        with open_tracked(video, trajectories.metadata.get("image_size")) as frames:
            colours = colours_over_time(frames, trajectories)
    return find_moments(trajectories, matches=matches, colours=colours, min_score=min_score)
