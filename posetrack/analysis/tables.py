"""Results of the analysis as CSV: angles, repetitions, events, places on the floor, postures."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from posetrack.analysis.metres import Floor, floor_places, floor_speed
from posetrack.analysis.repetitions import Repetition
from posetrack.analysis.rules import RuleEvent
from posetrack.analysis.series import angle
from posetrack.ops.angles import angle_names
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]


def angles_csv(trajectories: Trajectories, names: Sequence[str] | None = None) -> str:
    r"""``frame,seconds,id`` and a column of degrees for each angle; empty where unknown.

    Joint angles in [0, 180]; segment angles go on without jumps, see `posetrack.ops.angles`.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.full((1, 1, 17, 2), np.nan)
    >>> xy[0, 0, [11, 13, 15]] = [[50, 0], [50, 40], [90, 40]]
    >>> tr = Trajectories([3], [0.12], [7], xy, np.ones((1, 1, 17)), COCO_17)
    >>> angles_csv(tr, ["left_knee", "trunk"]).splitlines()
    ['frame,seconds,id,left_knee,trunk', '3,0.120000,7,90.00,']
    """
    columns = list(angle_names(trajectories.skeleton) if names is None else names)
    values = [angle(trajectories, name) for name in columns]
    return _by_person(trajectories, columns, values, 2)


def floor_csv(trajectories: Trajectories, floor: Floor) -> str:
    """``frame,seconds,id,x_metres,y_metres,metres_per_second``.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> floor = Floor(np.diag([0.01, 0.01, 1.0]))  # seen straight from above, a centimetre a pixel
    >>> xy = np.zeros((2, 1, 17, 2))
    >>> xy[..., 1] = [0, 0, 0, 0, 0, 100, 100, 0, 0, 0, 0, 200, 200, 300, 300, 400, 400]
    >>> tr = Trajectories([0, 1], [0.0, 0.04], [7], xy, np.ones((2, 1, 17)), COCO_17)
    >>> floor_csv(tr, floor).splitlines()[1]
    '0,0.000000,7,0.0000,4.1502,0.0000'
    """
    places = floor_places(trajectories, floor)
    columns = [places[..., 0], places[..., 1], floor_speed(trajectories, floor)]
    return _by_person(trajectories, ["x_metres", "y_metres", "metres_per_second"], columns, 4)


def postures_csv(trajectories: Trajectories, postures: NDArray[np.str_]) -> str:
    """``frame,seconds,id,posture``, from (T, N) postures; empty where the posture is unknown.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> tr = Trajectories([3], [0.12], [7], np.ones((1, 1, 17, 2)), np.ones((1, 1, 17)), COCO_17)
    >>> postures_csv(tr, np.array([["sitting"]])).splitlines()
    ['frame,seconds,id,posture', '3,0.120000,7,sitting']
    """
    when, people = np.nonzero(trajectories.present)
    rows = (
        (
            trajectories.frame[t],
            f"{trajectories.seconds[t]:.6f}",
            trajectories.ids[n],
            postures[t, n],
        )
        for t, n in zip(when.tolist(), people.tolist(), strict=True)
    )
    return _text(("frame", "seconds", "id", "posture"), rows)


def repetitions_csv(repetitions: Sequence[Repetition]) -> str:
    """``exercise,id,number,start,turn,end,duration,depth,outcome``; times in seconds.

    Examples
    --------
    >>> squat = Repetition("squat", 7, 1, 0.5, 1.25, 2.0, 0.4, "complete")
    >>> repetitions_csv([squat]).splitlines()[1]
    'squat,7,1,0.500,1.250,2.000,1.500,0.4,complete'
    """
    head = (
        "exercise", "id", "number", "start", "turn", "end", "duration", "depth", "outcome",
    )  # fmt: skip
    rows = (
        (one.exercise, one.person, one.number or "", *(f"{t:.3f}" for t in
         (one.start, one.turn, one.end, one.duration)), f"{one.depth:.4g}", one.outcome)
        for one in repetitions
    )  # fmt: skip
    return _text(head, rows)


def events_csv(events: Sequence[RuleEvent]) -> str:
    """``rule,id,other_id,start,end,start_frame,end_frame,duration,peak``.

    Examples
    --------
    >>> event = RuleEvent("in the pool", 7, None, 2.0, 3.5, 50, 87, 0.25)
    >>> events_csv([event]).splitlines()[1]
    'in the pool,7,,2.000,3.500,50,87,1.500,0.25'
    """
    head = (
        "rule", "id", "other_id", "start", "end", "start_frame", "end_frame", "duration", "peak",
    )  # fmt: skip
    rows = (
        (one.rule, one.person, "" if one.other is None else one.other, f"{one.start:.3f}",
         f"{one.end:.3f}", one.start_frame, one.end_frame, f"{one.duration:.3f}",
         f"{one.peak:.4g}")
        for one in events
    )  # fmt: skip
    return _text(head, rows)


def _by_person(
    trajectories: Trajectories, names: Sequence[str], values: Sequence[Float64Array], digits: int
) -> str:
    """One row a person a frame; series (T, N) as columns."""
    at = trajectories.present
    when, people = np.nonzero(at)
    table = np.stack([column[at] for column in values], axis=1) if values else np.zeros((0, 0))
    rows = (
        (frame, f"{seconds:.6f}", one, *("" if v != v else f"{v:.{digits}f}" for v in row))
        for frame, seconds, one, row in zip(
            trajectories.frame[when].tolist(),
            trajectories.seconds[when].tolist(),
            trajectories.ids[people].tolist(),
            table.tolist(),
            strict=True,
        )
    )
    return _text(("frame", "seconds", "id", *names), rows)


def _text(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(head)
    table.writerows(rows)
    return out.getvalue()
