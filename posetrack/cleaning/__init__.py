"""Cleaning of trajectories and choice of people: pure functions on `Trajectories`.

Every value that a step changes is flagged in ``origin``, and ``raw`` keeps what was measured;
`undo` restores it. All limits are in seconds. The order that `clean` uses, in which each step is
optional::

    tr = gate_scores(tr, 0.2)           # what the network itself doubts
    tr = mend_swaps(tr)                 # before outliers: an exchange looks like two of them
    tr = reject_outliers(tr)
    tr = join_tracklets(tr, max_gap=2)  # one id for one person
    tr = drop_short(tr, 0.5)
    tr = select_person(tr, largest)
    tr = fill_gaps(tr, 0.3)
    tr = butterworth(tr, cutoff=6)      # last: filters want pieces without gaps

`OnlineCleaner` does gating, filling and smoothing frame by frame.
"""

from posetrack.cleaning.changes import undo
from posetrack.cleaning.clothing import TorsoColours, collect_colours, torso_histogram
from posetrack.cleaning.even_filters import butterworth, savitzky_golay
from posetrack.cleaning.gaps import cubic, fill_gaps, linear, pchip
from posetrack.cleaning.gating import gate_scores, reject_outliers
from posetrack.cleaning.joining import join_tracklets
from posetrack.cleaning.online import OnlineCleaner
from posetrack.cleaning.selection import (
    Ranking,
    at_click,
    drop_short,
    in_box,
    keep,
    largest,
    longest,
    most_central,
    most_moving,
    select_person,
    with_id,
)
from posetrack.cleaning.smoothing import kalman, loess, median, one_euro
from posetrack.cleaning.steps import clean
from posetrack.cleaning.swaps import mend_swaps

__all__ = [
    "OnlineCleaner",
    "Ranking",
    "TorsoColours",
    "at_click",
    "butterworth",
    "clean",
    "collect_colours",
    "cubic",
    "drop_short",
    "fill_gaps",
    "gate_scores",
    "in_box",
    "join_tracklets",
    "kalman",
    "keep",
    "largest",
    "linear",
    "loess",
    "longest",
    "median",
    "mend_swaps",
    "most_central",
    "most_moving",
    "one_euro",
    "pchip",
    "reject_outliers",
    "savitzky_golay",
    "select_person",
    "torso_histogram",
    "undo",
    "with_id",
]
