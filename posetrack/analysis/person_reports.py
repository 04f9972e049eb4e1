"""A report for each person: who, when, how long, angles, repetitions, steps, symmetry, speed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from posetrack.analysis.gait import Symmetry, cadence, symmetry
from posetrack.analysis.measures import body_height
from posetrack.analysis.metres import Floor, feet, floor_speed
from posetrack.analysis.repetitions import Exercise, Repetition, find_repetitions
from posetrack.analysis.rules import RuleEvent
from posetrack.analysis.series import angle, rate_of_change
from posetrack.ops.angles import JOINTS, angle_names
from posetrack.trajectories import Trajectories

_MIN_RANGES = 20.0  # degrees, both sides together


@dataclass(frozen=True)
class AngleRange:
    """Degrees of an angle over time: 5th centile, median, 95th centile, and share of time known.

    Examples
    --------
    >>> AngleRange(95.0, 160.0, 175.0, known=0.9).range
    80.0
    """

    low: float
    middle: float
    high: float
    known: float

    @property
    def range(self) -> float:
        """Degrees from low to high."""
        return self.high - self.low


@dataclass(frozen=True)
class PersonReport:
    """The report of one person.

    Parameters
    ----------
    person
        Id.
    start, end
        Seconds of the first and the last frame with the person.
    present
        Seconds in the picture.
    angles
        By name.
    repetitions
        Of the exercises asked for.
    cadence
        Steps a minute; NaN for people who do not walk.
    symmetries
        Of the joints that have two sides.
    speed
        Mean; metres a second with a scale or a floor, else body heights a second.
    speed_unit
        ``"m/s"`` or ``"body heights/s"``.
    events
        Of the rules asked for.

    Examples
    --------
    >>> PersonReport(7, start=0.0, end=12.4, present=11.0).count("squat")
    0
    """

    person: int
    start: float
    end: float
    present: float
    angles: dict[str, AngleRange] = field(default_factory=dict)
    repetitions: tuple[Repetition, ...] = ()
    cadence: float = float("nan")
    symmetries: tuple[Symmetry, ...] = ()
    speed: float = float("nan")
    speed_unit: str = "body heights/s"
    events: tuple[RuleEvent, ...] = ()

    def count(self, exercise: str) -> int:
        """How many complete repetitions of an exercise."""
        return sum(
            one.exercise == exercise and one.outcome == "complete" for one in self.repetitions
        )


def reports(
    trajectories: Trajectories,
    *,
    exercises: Sequence[str | Exercise] = (),
    events: Sequence[RuleEvent] = (),
    metres_per_pixel: float | None = None,
    floor: Floor | None = None,
) -> list[PersonReport]:
    """A report for each person who appears in any frame.

    Parameters
    ----------
    trajectories
        Anybody's.
    exercises
        Whose repetitions are counted.
    events
        What `find_events` returned; each person's report lists theirs.
    metres_per_pixel, floor
        For speeds in metres a second; the floor comes first.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.random.default_rng(0).uniform(0, 9, (9, 1, 17, 2))
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], xy, np.ones((9, 1, 17)), COCO_17)
    >>> one, = reports(tr)
    >>> one.person, one.end, round(one.present, 2)
    (7, 0.32, 0.36)
    """
    found = []
    step = float(np.median(np.diff(trajectories.seconds))) if len(trajectories) > 1 else 0.0
    repetitions = [one for each in exercises for one in find_repetitions(trajectories, each)]
    names = angle_names(trajectories.skeleton)
    both = [name for name in JOINTS if {f"left_{name}", f"right_{name}"} <= set(names)]
    for person_id in trajectories.ids.tolist():
        person = trajectories.person(person_id)
        there = np.flatnonzero(person.present[:, 0])
        if not len(there):
            continue
        speed, unit = _speed(person, metres_per_pixel, floor)
        found.append(
            PersonReport(
                person_id,
                float(person.seconds[there[0]]),
                float(person.seconds[there[-1]]),
                len(there) * step,
                {name: _range(angle(person, name)[there, 0]) for name in names},
                tuple(one for one in repetitions if one.person == person_id),
                float(cadence(person)[0]),
                tuple(symmetry(person, name) for name in both),
                speed,
                unit,
                tuple(event for event in events if person_id in (event.person, event.other)),
            )
        )
    return found


def _range(degrees: np.ndarray) -> AngleRange:
    known = degrees[np.isfinite(degrees)]
    if not len(known):
        return AngleRange(np.nan, np.nan, np.nan, 0.0)
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95]).tolist()
    return AngleRange(low, middle, high, len(known) / len(degrees))


def _speed(
    person: Trajectories, metres_per_pixel: float | None, floor: Floor | None
) -> tuple[float, str]:
    """Mean speed of where the person stands, and its unit."""
    if floor is not None:
        speeds, unit = floor_speed(person, floor), "m/s"
    else:
        course = rate_of_change(feet(person), person.seconds, window=1.0)
        pixels = np.hypot(course[..., 0], course[..., 1])
        scale = 1 / body_height(person) if metres_per_pixel is None else metres_per_pixel
        speeds, unit = pixels * scale, "body heights/s" if metres_per_pixel is None else "m/s"
    known = speeds[np.isfinite(speeds)]
    return (float(known.mean()) if len(known) else float("nan")), unit


def to_markdown(people: Sequence[PersonReport], *, title: str = "Report") -> str:
    """The reports as a text with tables.

    Examples
    --------
    >>> one = PersonReport(7, 0.0, 2.0, 2.0, {"left_knee": AngleRange(95, 160, 175, 0.9)})
    >>> print(to_markdown([one]).split("## ")[1])
    Person 7
    <BLANKLINE>
    From 0.00 s to 2.00 s, 2.00 s in the picture.
    <BLANKLINE>
    | angle | low | median | high | range | seen |
    |---|---|---|---|---|---|
    | left_knee | 95 | 160 | 175 | 80 | 90% |
    <BLANKLINE>
    """
    lines = [f"# {title}", "", f"{len(people)} people. Angles are of the picture, in degrees."]
    for one in people:
        lines += ["", f"## Person {one.person}", ""]
        lines.append(
            f"From {one.start:.2f} s to {one.end:.2f} s, {one.present:.2f} s in the picture."
            + (f" Mean speed {one.speed:.2f} {one.speed_unit}." if np.isfinite(one.speed) else "")
            + (f" {one.cadence:.0f} steps a minute." if np.isfinite(one.cadence) else "")
        )
        lines += _table(
            ("angle", "low", "median", "high", "range", "seen"),
            [
                (name, *(f"{v:.0f}" for v in (a.low, a.middle, a.high, a.range)), f"{a.known:.0%}")
                for name, a in one.angles.items()
                if a.known > 0
            ],
        )
        lines += _table(
            ("joint", "left", "right", "difference", "right after left", "phase"),
            [
                (s.angle, f"{s.left_range:.0f}", f"{s.right_range:.0f}", f"{s.index:+.0f} %",
                 f"{s.lag:+.2f} s", "" if np.isnan(s.phase) else f"{s.phase:.2f}")
                for s in one.symmetries
                if s.left_range + s.right_range > _MIN_RANGES  # of a still joint it is noise
            ],
        )  # fmt: skip
        lines += _table(
            ("exercise", "number", "start", "turn", "end", "duration", "depth", "outcome"),
            [
                (r.exercise, str(r.number or ""), *(f"{t:.2f}" for t in (r.start, r.turn, r.end)),
                 f"{r.duration:.2f} s", f"{r.depth:.2f}", r.outcome)
                for r in one.repetitions
            ],
        )  # fmt: skip
        lines += _table(
            ("event", "with", "start", "end", "peak"),
            [
                (e.rule, "" if e.other is None else f"{e.person} and {e.other}",
                 f"{e.start:.2f}", f"{e.end:.2f}", f"{e.peak:.2f}")
                for e in one.events
            ],
        )  # fmt: skip
    return "\n".join(lines) + "\n"


def to_csv(people: Sequence[PersonReport]) -> str:
    """The reports as a long table: ``id,what,name,value,unit``.

    Examples
    --------
    >>> one = PersonReport(7, 0.0, 2.0, 2.0, {"left_knee": AngleRange(95, 160, 175, 0.9)})
    >>> to_csv([one]).splitlines()[-1]
    '7,angle,left_knee high,175,deg'
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("id", "what", "name", "value", "unit"))
    for one in people:
        rows: list[tuple[str, str, float, str]] = [
            ("time", "start", one.start, "s"),
            ("time", "end", one.end, "s"),
            ("time", "present", one.present, "s"),
            ("speed", "mean", one.speed, one.speed_unit),
            ("cadence", "steps", one.cadence, "1/min"),
        ]
        for name, a in one.angles.items():
            parts = {"low": a.low, "median": a.middle, "high": a.high}
            rows += [("angle", f"{name} {part}", value, "deg") for part, value in parts.items()]
        for s in one.symmetries:
            rows += [("symmetry", f"{s.angle} difference", s.index, "%")]
            rows += [("symmetry", f"{s.angle} lag", s.lag, "s")]
        for name in dict.fromkeys(r.exercise for r in one.repetitions):
            rows.append(("repetitions", name, one.count(name), ""))
        for name in dict.fromkeys(e.rule for e in one.events):
            rows.append(("events", name, sum(e.rule == name for e in one.events), ""))
        for what, name, value, unit in rows:
            table.writerow((one.person, what, name, f"{value:.6g}", unit))
    return out.getvalue()


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table after an empty line; nothing where there are no rows."""
    if not rows:
        return []
    return [
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
    ]
