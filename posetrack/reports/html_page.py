"""The page: everything that a run came to in one HTML file, which needs nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from posetrack import __version__
from posetrack.analysis import (
    EXERCISES,
    Exercise,
    Floor,
    PersonReport,
    Repetition,
    Rule,
    RuleEvent,
    find_events,
    reports,
    step_times,
)
from posetrack.audit import Moment, review_table
from posetrack.checks import require_library
from posetrack.files import date_of_writing, printable, write_whole
from posetrack.plots.paper import name_of, picture_size, with_breaks
from posetrack.plots.places import places_of
from posetrack.reports import charts
from posetrack.reports.excerpts import Pictures, cut_pictures
from posetrack.reports.facts import (
    Facts,
    NetworkFacts,
    networks_of,
    read_ledger,
    run_facts,
    settings_of,
    video_facts,
)
from posetrack.reports.result_files import Results, source_of
from posetrack.trajectories import Trajectories, load

_MOST_BYTES: Final = 10_000_000
_MOST_PEOPLE: Final = 12
_MOST_MOMENTS: Final = 12
_MOST_EVENTS: Final = 24
_MOST_BARS: Final = 80
_MOST_POINTS: Final = 800  # of a trail


@dataclass(frozen=True)
class PersonPart:
    """One person on the page.

    Parameters
    ----------
    label, colour
        As on the page, and in charts.
    report
        What the analysis found.
    steps
        How many steps.
    trail
        Pieces of a line, each as an SVG path's points.
    figures
        Names of charts, with what they show.
    portrait
        A picture; may be empty.
    """

    label: str
    colour: str
    report: PersonReport
    steps: int
    trail: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    portrait: str = ""


@dataclass(frozen=True)
class Page:
    """All that the page shows, before it is text.

    Parameters
    ----------
    title
        Of the page.
    video, run, settings
        Names and values.
    networks
        Those that were run.
    lost
        Index, seconds and fate of frames that were not decoded.
    people
        Those shown in full, the longest in the picture first.
    others
        The reports of those for whom there was no room.
    events, moments
        Those shown, with their pictures.
    more_events, more_moments
        How many are left out.
    figures
        Charts by name, as Vega-Lite.
    pictures
        What was cut out of the video.
    size
        Width and height of the video's pictures.
    notes
        What is missing, and why.
    """

    title: str
    video: Facts
    run: Facts
    settings: Facts
    networks: list[NetworkFacts]
    lost: tuple[tuple[int, float, str], ...]
    people: list[PersonPart]
    others: list[tuple[str, PersonReport]]
    events: list[RuleEvent]
    moments: list[Moment]
    more_events: int
    more_moments: int
    figures: dict[str, dict[str, Any]]
    pictures: Pictures
    size: tuple[int, int]
    notes: list[str] = field(default_factory=list)


def write_report(
    results: Results,
    path: str | Path,
    *,
    video: str | Path | None = None,
    exercises: Sequence[Exercise] | None = None,
    rules: Sequence[Rule] = (),
    person: int | None = None,
    metres_per_pixel: float | None = None,
    floor: Floor | None = None,
    most_bytes: int = _MOST_BYTES,
) -> list[str]:
    """Write the report of one video's results.

    Parameters
    ----------
    results
        Of `find_results`.
    path
        Where the page goes; it appears whole.
    video
        What was tracked; None: the file that the table names, if it is there, else the overlay.
    exercises
        Whose repetitions are counted; None: all known ones, of which those that nobody did
        whole are left out.
    rules
        Whose events are listed.
    person
        This one only; None: everybody.
    metres_per_pixel, floor
        For speeds, see `posetrack.analysis.reports`.
    most_bytes
        In a larger page the clip, then pictures are left out; curves never are.

    Returns
    -------
    notes
        What the page lacks, and why, a sentence each; they are on the page, too.

    Raises
    ------
    ModuleNotFoundError
        If Altair, vl-convert or Jinja is not installed.
    ValueError, OSError
        If the table, or a video that was given, cannot be read.
    """
    script = charts.runtime_script()
    page = _fitting(
        compose_page(
            results, video=video, exercises=exercises, rules=rules, person=person,
            metres_per_pixel=metres_per_pixel, floor=floor,
        ),
        script,
        most_bytes,
    )  # fmt: skip
    write_whole(path, render_page(page, script))
    return page.notes


def compose_page(
    results: Results,
    *,
    video: str | Path | None = None,
    exercises: Sequence[Exercise] | None = None,
    rules: Sequence[Rule] = (),
    person: int | None = None,
    metres_per_pixel: float | None = None,
    floor: Floor | None = None,
) -> Page:
    """Gather what the page shows; see `write_report`."""
    whole = load(results.table)
    events = find_events(whole, rules)  # of everybody: a rule may be of two
    source, drawn, notes = _pictured(results, whole, video)
    moments = review_table(results.table, whole, video=None if drawn else source)
    if person is not None:
        events = [one for one in events if person in (one.person, one.other)]
        moments = [one for one in moments if person in one.ids]
    part = whole if person is None else whole.person(person)
    counted = list(EXERCISES.values()) if exercises is None else list(exercises)
    able = [one for one in counted if exercises is not None or _measurable(part, one)]
    found = reports(
        part, exercises=able, events=events, metres_per_pixel=metres_per_pixel, floor=floor
    )
    repetitions = [one for each in found for one in each.repetitions]
    able = able if exercises is not None else charts.exercises_in(repetitions, able)
    names = {one.name for one in able}
    found = [
        replace(one, repetitions=tuple(r for r in one.repetitions if r.exercise in names))
        for one in sorted(found, key=lambda one: -one.present)
    ]
    shown = [one.person for one in found[:_MOST_PEOPLE]]
    pictures = Pictures()
    if source is not None:
        pictures = cut_pictures(
            source, whole, shown, moments[:_MOST_MOMENTS], events[:_MOST_EVENTS], drawn=drawn
        )
    figures: dict[str, dict[str, Any]] = {}
    if found:
        first_seen = sorted(found, key=lambda one: one.start)[:_MOST_BARS]
        ids = [one.person for one in first_seen]
        figures["presence"] = charts.presence_chart(part, ids)
    else:
        notes.append("Nobody was found in this video.")
    people = [
        _person_part(part, one, able, figures, pictures.portraits.get(one.person, ""))
        for one in found[:_MOST_PEOPLE]
    ]
    if len(found) > _MOST_PEOPLE:
        notes.append(
            f"The {_MOST_PEOPLE} people who are longest in the picture are shown in full, "
            f"{len(found) - _MOST_PEOPLE} others in a table."
        )
    ledger = None if results.ledger is None else read_ledger(results.ledger)
    return Page(
        title=printable(results.name),
        video=video_facts(whole, ledger),
        run=[*run_facts(whole), ("report", __version__)],
        settings=settings_of(whole),
        networks=networks_of(whole),
        lost=() if ledger is None else ledger.lost,
        people=people,
        others=[(name_of(part, one.person), one) for one in found[_MOST_PEOPLE:]],
        events=events[:_MOST_EVENTS],
        moments=moments[:_MOST_MOMENTS],
        more_events=max(0, len(events) - _MOST_EVENTS),
        more_moments=max(0, len(moments) - _MOST_MOMENTS),
        figures=figures,
        pictures=pictures,
        size=picture_size(whole),
        notes=notes,
    )


def _pictured(
    results: Results, whole: Trajectories, video: str | Path | None
) -> tuple[Path | str | None, bool, list[str]]:
    """The video that pictures are cut from, whether people are drawn in it, and notes."""
    if video is not None:
        return video, False, []
    provenance = whole.metadata.get("provenance")
    settings = provenance.get("settings") if isinstance(provenance, dict) else None
    covered = isinstance(settings, dict) and bool(settings.get("blur_faces"))
    source = None if covered else source_of(whole.metadata, results.table)
    if source is not None:
        return source, False, []
    if results.overlay is not None:
        reason = (
            "faces were covered in this run" if covered else "the video itself is not here any more"
        )
        return results.overlay, True, [f"Pictures are cut from the overlay: {reason}."]
    reason = "faces were covered in this run, and its overlay is not here" if covered else (
        "neither the video nor its overlay is here; give it with --video"
    )  # fmt: skip
    return None, False, [f"There are no pictures: {reason}."]


def _measurable(part: Trajectories, exercise: Exercise) -> bool:
    """Whether the skeleton has the keypoints that an exercise needs."""
    from posetrack.analysis import find_repetitions

    try:
        find_repetitions(part.select(frames=(0, 0)), exercise)
    except KeyError:
        return False
    return True


def _person_part(
    part: Trajectories,
    report: PersonReport,
    exercises: Sequence[Exercise],
    figures: dict[str, dict[str, Any]],
    portrait: str,
) -> PersonPart:
    """One person's part; their charts are added to ``figures``."""
    person = part.person(report.person)
    drawn: list[tuple[str, str]] = []

    def add(kind: str, title: str, spec: dict[str, Any] | None) -> None:
        if spec is not None:
            figures[f"{kind}-{report.person}"] = spec
            drawn.append((f"{kind}-{report.person}", title))

    for exercise in exercises:
        mine = [one for one in report.repetitions if one.exercise == exercise.name]
        if mine:
            spec = charts.repetitions_chart(person, exercise, mine)
            add(f"repetitions-{len(drawn)}", f"{_count_text(mine)} of {exercise.name}", spec)
    add("angles", "Angles: left orange, right blue", charts.angles_chart(person))
    add("keypoint", "A keypoint", charts.keypoint_chart(person))
    return PersonPart(
        name_of(part, report.person),
        charts.hex_of(report.person),
        report,
        _steps(person),
        trail_lines(person),
        tuple(drawn),
        portrait,
    )


def _steps(person: Trajectories) -> int:
    """How many steps; 0 for skeletons without ankles."""
    if not {"left_ankle", "right_ankle"} <= set(person.skeleton.keypoints):
        return 0
    return len(step_times(person)[0])


def _count_text(repetitions: Sequence[Repetition]) -> str:
    complete = sum(one.outcome == "complete" for one in repetitions)
    others = len(repetitions) - complete
    return f"{complete} repetitions" + (f" and {others} partial or cut off" if others else "")


def trail_lines(person: Trajectories) -> tuple[str, ...]:
    """The path of the hips as points of SVG lines; a new line after each time of absence.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((3, 1, 17, 2)) + np.array([[0.0], [1], [2]])[:, None, None]
    >>> trail_lines(Trajectories([0, 1, 2], [0, 1, 2], [7], xy, np.ones((3, 1, 17)), COCO_17))
    ('0.0,0.0 1.0,1.0 2.0,2.0',)
    """
    places = places_of(person)[:, 0]
    step = max(1, -(-len(places) // _MOST_POINTS))
    (walked,) = with_breaks(person.frame[::step], places[::step])
    known = np.isfinite(walked).all(axis=1)
    pieces = [
        [walked[row] for row in rows] for there, rows in itertools.groupby(
            range(len(walked)), key=lambda row: bool(known[row])
        ) if there
    ]  # fmt: skip
    return tuple(
        " ".join(f"{x:.1f},{y:.1f}" for x, y in piece) for piece in pieces if len(piece) > 1
    )


def _fitting(page: Page, script: str, most_bytes: int) -> Page:
    """The page without what makes it too large: the clip first, then strips and moments."""
    drops: tuple[tuple[str, dict[str, Any]], ...] = (
        ("the clip", {"clip": ""}),
        ("pictures of events", {"strips": {}}),
        ("pictures of doubtful moments", {"moments": {}}),
    )
    for title, empty in drops:
        if len(render_page(page, script).encode()) <= most_bytes:
            return page
        (field,) = empty
        if not getattr(page.pictures, field):
            continue
        note = f"Without {title}, since the page would be over {most_bytes / 1e6:.0f} MB."
        page = replace(page, pictures=replace(page.pictures, **empty), notes=[*page.notes, note])
    if len(render_page(page, script).encode()) > most_bytes:
        note = f"With so many people the page is larger than {most_bytes / 1e6:.0f} MB."
        page = replace(page, notes=[*page.notes, f"{note} Choose a person for a smaller one."])
    return page


def render_page(page: Page, script: str) -> str:
    """The page as text; all that comes from files is escaped.

    Parameters
    ----------
    page
        What to show.
    script
        Of `posetrack.reports.charts.runtime_script`.
    """
    with require_library("reports need Jinja", "posetrack[report]"):
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
    environment = Environment(
        loader=PackageLoader("posetrack.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number_text
    template = environment.get_template("page.html")
    written = date_of_writing().isoformat(sep=" ", timespec="minutes")
    return template.render(page=page, script=Markup(script), written=written)


def number_text(value: float | None, digits: int = 2) -> str:
    """A number as text, a dash where there is none.

    Examples
    --------
    >>> number_text(1.0), number_text(float("nan")), number_text(3.14159, 0)
    ('1.00', '-', '3')
    """
    return "-" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"
