"""Charts of the page as Vega-Lite, by Altair: presence, angles, keypoints, repetitions."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.analysis import Exercise, Repetition, angle, measure, speed
from posetrack.checks import require_library
from posetrack.draw.colours import paper_colour_of
from posetrack.ops.angles import JOINTS, SIDES, angle_names
from posetrack.plots.paper import frame_step, name_of, with_breaks
from posetrack.plots.presence_bars import DETECTED, FILLED, FLOW, presence, runs
from posetrack.trajectories import Trajectories

Spec = dict[str, Any]

_MOST_POINTS: Final = 500
_WIDTH: Final = 400
_WIDE: Final = 860
_LEFT, _RIGHT, _MIDDLE = "#e07b00", "#1f6fb2", "#444444"
_STATES: Final = {DETECTED: "detected", FLOW: "carried by flow", FILLED: "filled"}


def altair() -> Any:
    """The library, or an error that says how to get it.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    with require_library("reports need Altair", "posetrack[report]"):
        import altair as library
    return library


@lru_cache
def runtime_script() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, which defines ``vegaEmbed``.

    Raises
    ------
    ModuleNotFoundError
        If Altair or vl-convert is not installed.
    """
    with require_library("reports need vl-convert", "posetrack[report]"):
        import vl_convert
    version = ".".join(altair().VEGALITE_VERSION.lstrip("v").split(".")[:2])
    # Its stubs want a snippet, which the function itself does not.
    make_bundle: Callable[..., str] = vl_convert.javascript_bundle
    script = make_bundle(vl_version=version)
    return script.replace("</script", r"<\/script")


def hex_of(person: int) -> str:
    """A person's colour on white paper, as in plots.

    Examples
    --------
    >>> len(hex_of(3))
    7
    """
    blue, green, red = paper_colour_of(person)
    return f"#{red:02x}{green:02x}{blue:02x}"


def presence_chart(trajectories: Trajectories, people: Sequence[int]) -> Spec:
    """When each person was there: a bar a person, paler where flow carried it or it was filled."""
    alt = altair()
    states, step = presence(trajectories), frame_step(trajectories)
    ids = trajectories.ids.tolist()
    names = {person: name_of(trajectories, person) for person in people}
    bars = [
        {
            "person": names[person],
            "from": round(float(trajectories.seconds[first]), 3),
            "to": round(float(trajectories.seconds[stop - 1]) + step, 3),
            "what": _STATES[state],
        }
        for person in people
        for first, stop, state in runs(states[:, ids.index(person)], trajectories.frame)
        if state in _STATES
    ]
    listed = [names[person] for person in people]
    chart = (
        alt.Chart(alt.InlineData(values=bars))
        .mark_bar(height={"band": 0.7})
        .encode(
            x=alt.X("from:Q", title="time (s)", scale=alt.Scale(zero=False, nice=False)),
            x2="to:Q",
            y=alt.Y("person:N", title=None, sort=listed),
            color=alt.Color(
                "person:N", legend=None,
                scale=alt.Scale(domain=listed, range=[hex_of(person) for person in people]),
            ),
            opacity=alt.Opacity(
                "what:O", title=None,
                scale=alt.Scale(domain=list(_STATES.values()), range=[1.0, 0.55, 0.3]),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=["person:N", "what:N", "from:Q", "to:Q"],
        )
        .properties(width=_WIDE, height=alt.Step(22 if len(people) <= 40 else 12))
    )  # fmt: skip
    return _spec_of(chart)


def angles_chart(person: Trajectories) -> Spec | None:
    """A person's angles against time: a panel a joint, left and right in it, with a cursor.

    None where no angle is known at any time.
    """
    names = list(angle_names(person.skeleton))
    values = {name: angle(person, name)[:, 0] for name in names}
    known = [name for name in names if np.isfinite(values[name]).any()]
    groups = [
        [name for name in (f"{side}_{joint}" for side in SIDES) if name in known]
        for joint in JOINTS
    ]
    grouped = {name for group in groups for name in group}
    groups = [group for group in groups if group]
    groups += [[name] for name in known if name not in grouped and name in ("trunk", "neck")]
    if not groups:
        return None
    shown = [name for group in groups for name in group]
    table = as_csv(person, {name: values[name] for name in shown}, digits=1)
    return {**_angles_spec(tuple(map(tuple, groups))), "datasets": {"angles": table}}


@lru_cache
def _angles_spec(groups: tuple[tuple[str, ...], ...]) -> Spec:
    """Panels for some angles, without values."""
    alt = altair()
    shown = [name for group in groups for name in group]
    data, hover = alt.NamedData(name="angles", format=_csv_format(shown)), _cursor(alt)
    panels = [
        _panel(alt, data, hover, group, f"{_title(group)} (°)").properties(width=_WIDTH, height=110)
        for group in groups
    ]
    with _one_cursor():
        return _spec_of(alt.concat(*panels, columns=2))


def keypoint_chart(person: Trajectories) -> Spec:
    """A keypoint's place and speed against time, the keypoint chosen from a list."""
    rows: dict[str, NDArray[np.float64]] = {}
    for column, name in enumerate(person.skeleton.keypoints):
        for axis, letter in enumerate("xy"):
            rows[f"{name} {letter}"] = person.xy[:, 0, column, axis].astype(np.float64)
        rows[f"{name} speed"] = speed(person, name)[:, 0]
    table = as_csv(person, rows, digits=1)
    return {**_keypoint_spec(person.skeleton.keypoints), "datasets": {"keypoints": table}}


@lru_cache
def _keypoint_spec(names: tuple[str, ...]) -> Spec:
    """Three panels and a list of keypoints, without values."""
    alt = altair()
    columns = [f"{name} {what}" for name in names for what in ("x", "y", "speed")]
    first = next((name for name in ("left_wrist", "nose") if name in names), names[0])
    chosen = alt.param(
        name="keypoint", value=first,
        bind=alt.binding_select(options=list(names), name="keypoint: "),
    )  # fmt: skip
    hover = _cursor(alt)
    data = alt.NamedData(name="keypoints", format=_csv_format(columns))
    panels = []
    for number, (what, unit) in enumerate((("x", "px"), ("y", "px"), ("speed", "px/s"))):
        value = f"datum[keypoint + ' {what}']"
        shared = alt.Chart(data).transform_calculate(value=value).encode(
            x=alt.X("t:Q", title="time (s)" if number == 2 else None, scale=_time(alt))
        )  # fmt: skip
        line = shared.mark_line(strokeWidth=1.6, color=_MIDDLE).encode(
            y=alt.Y("value:Q", title=f"{what} ({unit})",
                    scale=alt.Scale(zero=what == "speed", reverse=what == "y"))
        )  # fmt: skip
        rule = shared.mark_rule(color="#999").encode(
            opacity=alt.condition(hover, alt.value(0.8), alt.value(0), empty=False),
            tooltip=[alt.Tooltip("t:Q", title="time (s)"), alt.Tooltip("value:Q", title=what)],
        )
        panels.append(alt.layer(line, rule.add_params(hover)).properties(width=_WIDE, height=90))
    with _one_cursor():
        return _spec_of(alt.vconcat(*panels).add_params(chosen))


def repetitions_chart(
    person: Trajectories, exercise: Exercise, repetitions: Sequence[Repetition]
) -> Spec | None:
    """The measure that is counted, with its two levels, and a band a repetition.

    None where the exercise's measure has no name.
    """
    if not isinstance(exercise.measure, str):
        return None
    alt = altair()
    values = measure(person, exercise.measure)[:, 0]
    bands = [
        {
            "start": round(one.start, 3), "end": round(one.end, 3), "turn": round(one.turn, 3),
            "depth": round(one.depth, 3), "outcome": one.outcome,
            "number": str(one.number or one.outcome),
        }
        for one in repetitions
    ]  # fmt: skip
    spans = alt.Chart(alt.InlineData(values=bands))
    data = alt.NamedData(name="measure", format=_csv_format([exercise.measure]))
    band = spans.mark_rect(opacity=0.16, stroke="#444", strokeWidth=1).encode(
        x=alt.X("start:Q", title="time (s)", scale=_time(alt)),
        x2="end:Q",
        color=alt.Color(
            "outcome:N", title=None, legend=alt.Legend(orient="bottom"),
            scale=alt.Scale(
                domain=["complete", "partial", "cut off"], range=["#2a8a4a", "#d08a00", "#888888"]
            ),
        ),
        tooltip=["number:N", "start:Q", "turn:Q", "end:Q", "depth:Q", "outcome:N"],
    )  # fmt: skip
    curve = alt.Chart(data).mark_line(strokeWidth=1.8, color=_MIDDLE).encode(
        x=alt.X("t:Q", scale=_time(alt)),
        y=alt.Y(f"{exercise.measure}:Q", title=exercise.measure.replace("_", " "),
                scale=alt.Scale(zero=False)),
        tooltip=["t:Q", f"{exercise.measure}:Q"],
    )  # fmt: skip
    turns = spans.mark_point(shape="triangle-up", filled=True, size=70, color="black").encode(
        x="turn:Q", y="depth:Q", tooltip=["number:N", "turn:Q", "depth:Q", "outcome:N"]
    )
    labels = spans.mark_text(dy=-8, fontSize=11).encode(x="turn:Q", y="depth:Q", text="number:N")
    levels = alt.InlineData(
        values=[
            {"level": exercise.rest, "what": "rest"},
            {"level": exercise.reached, "what": "reached"},
        ]
    )
    rules = (
        alt.Chart(levels)
        .mark_rule(strokeDash=[4, 3], color="#888")
        .encode(y="level:Q", tooltip=["what:N", "level:Q"])
    )
    chart = alt.layer(band, rules, curve, turns, labels).properties(width=_WIDE, height=200)
    table = as_csv(person, {exercise.measure: values}, digits=3)
    spec = _spec_of(chart)
    return {**spec, "datasets": {**spec.get("datasets", {}), "measure": table}}


def exercises_in(repetitions: Sequence[Repetition], known: Sequence[Exercise]) -> list[Exercise]:
    """Those exercises of which somebody did a whole repetition.

    Examples
    --------
    >>> exercises_in([Repetition("squat", 1, 1, 0, 1, 2, 0.6, "complete")],
    ...              [Exercise("squat", "hip_height", 0.9, 0.7)])[0].name
    'squat'
    """
    done = {one.exercise for one in repetitions if one.outcome == "complete"}
    return [one for one in known if one.name in done]


def as_csv(person: Trajectories, columns: dict[str, NDArray[np.float64]], *, digits: int) -> str:
    """``t`` and a column a series, thinned to some hundred rows, empty where unknown or absent.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((2, 1, 17, 2))
    >>> tr = Trajectories([0, 1], [0.0, 0.04], [7], xy, np.ones((2, 1, 17)), COCO_17)
    >>> as_csv(tr, {"knee": np.array([90.0, np.nan])}, digits=1).splitlines()
    ['t,knee', '0.0,90.0', '0.04,']
    """
    there = np.flatnonzero(person.present[:, 0])
    first, stop = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)
    chosen = np.arange(first, stop, thinning(stop - first))
    series = [np.asarray(values)[chosen] for values in columns.values()]
    times, *series = with_breaks(person.frame[chosen], person.seconds[chosen], *series)
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(("t", *columns))
    for row, seconds in enumerate(times.tolist()):
        cells = ("" if v[row] != v[row] else round(float(v[row]), digits) for v in series)
        table.writerow(("" if seconds != seconds else round(seconds, 3), *cells))
    return out.getvalue()


def thinning(rows: int) -> int:
    """Every how many-th row is in the charts.

    Examples
    --------
    >>> thinning(500), thinning(501)
    (1, 2)
    """
    return max(1, -(-rows // _MOST_POINTS))


def _csv_format(names: Sequence[str]) -> Any:
    alt = altair()
    return alt.CsvDataFormat(type="csv", parse={"t": "number"} | dict.fromkeys(names, "number"))


def _cursor(alt: Any) -> Any:
    """A line at the pointer, in all panels."""
    return alt.selection_point(
        name="at", fields=["t"], nearest=True, on="pointerover", clear="pointerout", empty=False
    )


@contextmanager
def _one_cursor() -> Iterator[None]:
    """The cursor is meant to be one in all panels; newer versions of Altair remark on it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Automatically deduplicated")
        yield


def _time(alt: Any) -> Any:
    return alt.Scale(zero=False, nice=False)


def _panel(alt: Any, data: Any, hover: Any, names: Sequence[str], title: str) -> Any:
    """Lines of some columns over time, and the cursor with their values."""
    shared = alt.Chart(data).encode(x=alt.X("t:Q", title="time (s)", scale=_time(alt)))
    colours = [_LEFT if "left" in name else _RIGHT if "right" in name else _MIDDLE
               for name in names]  # fmt: skip
    lines = [
        shared.mark_line(strokeWidth=1.6, color=colour).encode(
            y=alt.Y(f"{name}:Q", title=title, scale=alt.Scale(zero=False))
        )
        for name, colour in zip(names, colours, strict=True)
    ]
    rule = shared.mark_rule(color="#999").encode(
        opacity=alt.condition(hover, alt.value(0.8), alt.value(0), empty=False),
        tooltip=[
            alt.Tooltip("t:Q", title="time (s)"),
            *(alt.Tooltip(f"{name}:Q", title=name.replace("_", " ")) for name in names),
        ],
    )
    return alt.layer(*lines, rule.add_params(hover))


def _title(names: Sequence[str]) -> str:
    """The joint's name, without its side where both are there."""
    name = names[0].replace("_", " ")
    return name.removeprefix("left ").removeprefix("right ") if len(names) > 1 else name


def _spec_of(chart: Any) -> Spec:
    """A chart as Vega-Lite, with the looks that all have."""
    looks = chart.configure_axis(grid=True, gridColor="#eee", labelFontSize=10)
    spec: Spec = looks.configure_view(stroke="#ddd").to_dict(validate=False)
    return spec
