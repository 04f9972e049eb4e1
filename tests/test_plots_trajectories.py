"""Pictures of trajectories: what lines, bars, places and figures hold."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cleaning_made import jittered, of_keypoints, walkers, with_gaps

from posetrack import plots
from posetrack.cleaning import butterworth, fill_gaps, gate_scores
from posetrack.draw.colours import paper_colour_of
from posetrack.plots.presence_bars import ABSENT, DETECTED, FILLED, FLOW, runs
from posetrack.plots.strip import strip_times
from posetrack.trajectories import Origin, Raw, Trajectories

pytest.importorskip("matplotlib")


def drawn(axes: object, gid: str) -> list:
    return [line for line in axes.lines if line.get_gid() == gid]


def rgb(who: int) -> tuple[float, ...]:
    return tuple(part / 255 for part in paper_colour_of(who)[::-1])


def test_a_keypoint_is_one_line_a_person_in_the_colour_of_the_id() -> None:
    tr = walkers(30, 3)
    figure = plots.plot_keypoint(tr, "left_wrist")
    across, down = figure.axes
    lines = drawn(across, "line")
    assert [line.get_color() for line in lines] == [rgb(1), rgb(2), rgb(3)]
    place = tr.skeleton.index("left_wrist")
    for column, line in enumerate(lines):
        np.testing.assert_allclose(line.get_xdata(), tr.seconds)
        np.testing.assert_allclose(line.get_ydata(), tr.xy[:, column, place, 0])
    bottom, top = down.get_ylim()
    assert bottom > top  # y grows downward, as in the picture
    assert across.get_xlabel() == "time (s)"


def test_a_line_breaks_where_a_keypoint_is_not_seen_and_where_frames_are_missing() -> None:
    tr, gone = with_gaps(walkers(60, 1))
    kept = np.r_[0:20, 30:60]
    cut = Trajectories(
        tr.frame[kept], tr.seconds[kept], tr.ids, tr.xy[kept], tr.scores[kept], tr.skeleton
    )
    line = drawn(plots.plot_keypoint(cut, "nose", quantities=["x"]).axes[0], "line")[0]
    values = line.get_ydata()
    assert len(values) == 51
    assert np.isnan(values[20])
    np.testing.assert_array_equal(np.isnan(np.delete(values, 20)), gone[kept, 0, 0])


def test_filled_smoothed_measured_and_raw_values_are_drawn_apart() -> None:
    raw, gone = with_gaps(jittered(walkers(90, 1)))
    tr = fill_gaps(raw, 0.3)
    axes = plots.plot_keypoint(tr, "nose", quantities=["x"]).axes[0]
    hidden = gone[:, 0, 0]
    solid = drawn(axes, "line")[0].get_ydata()
    np.testing.assert_array_equal(np.isnan(solid), hidden)
    measured = drawn(axes, "measured")[0].get_ydata()
    np.testing.assert_array_equal(np.isfinite(measured), ~hidden)
    dotted = np.isfinite(drawn(axes, "filled")[0].get_ydata())
    assert dotted[hidden].all()
    assert dotted.sum() < hidden.sum() * 3 + 1  # and their neighbours alone
    cleaned = butterworth(tr)
    smooth = plots.plot_keypoint(cleaned, "nose", quantities=["x"])
    untouched = cleaned.origin[:, 0, 0] == 0
    assert untouched.sum() < 5
    dots = np.isfinite(drawn(smooth.axes[0], "measured")[0].get_ydata())
    np.testing.assert_array_equal(dots, untouched)
    behind = drawn(smooth.axes[0], "raw")[0].get_ydata()
    np.testing.assert_allclose(behind, raw.xy[:, 0, 0, 0])
    told = [text.get_text() for text in smooth.legends[0].get_texts()]
    assert [name for name in told if name != "measured"] == [
        "person 1",
        "smoothed",
        "filled",
        "before cleaning",
    ]
    assert not drawn(plots.plot_keypoint(tr, "nose", raw=False).axes[0], "raw")


def test_rejected_values_are_crosses_where_they_were_measured() -> None:
    tr = walkers(20, 1)
    scores = tr.scores.copy()
    scores[5, 0, 0] = 0.1
    axes = plots.plot_keypoint(gate_scores(replace(tr, scores=scores), 0.5), "nose").axes[0]
    cross = drawn(axes, "rejected")[0]
    np.testing.assert_allclose(cross.get_xydata(), [[tr.seconds[5], tr.xy[5, 0, 0, 0]]])


def test_speed_and_score_have_their_units() -> None:
    figure = plots.plot_keypoint(walkers(20, 1), ["nose"], quantities=["speed", "score"])
    assert [axes.get_ylabel() for axes in figure.axes] == ["nose speed (px/s)", "nose score"]
    speed = drawn(figure.axes[0], "line")[0].get_ydata()
    assert 100 < np.nanmedian(speed) < 140  # 4 pixels a frame at 30 a second


def test_an_angle_is_filled_where_any_of_its_keypoints_is() -> None:
    tr = walkers(40, 1)
    xy = tr.xy.copy()
    xy[10:13, 0, tr.skeleton.index("left_ankle")] = np.nan
    axes = plots.plot_angle(fill_gaps(replace(tr, xy=xy), 0.3), "left_knee").axes[0]
    solid = drawn(axes, "line")[0].get_ydata()
    assert np.flatnonzero(np.isnan(solid)).tolist() == [10, 11, 12]
    assert axes.get_ylabel() == "left knee (°)"
    assert np.nanmax(solid) <= 180


def test_repetitions_are_bands_with_numbers_and_turning_points() -> None:
    one = {"exercise": "squat", "person": 1, "depth": 0.0}
    marks = [
        SimpleNamespace(number=1, start=0.2, turn=0.4, end=0.6, outcome="complete", **one),
        SimpleNamespace(number=0, start=0.8, turn=0.9, end=1.0, outcome="partial", **one),
        SimpleNamespace(number=1, start=5.0, turn=5.1, end=5.2, outcome="complete", **one),
    ]
    axes = plots.plot_angle(walkers(40, 1), "left_knee", repetitions=marks).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1", "partial"]
    spans = [patch.get_x() for patch in axes.patches]
    assert spans == [0.2, 0.8]
    turns = [line.get_xdata()[0] for line in drawn(axes, "turn")]
    np.testing.assert_allclose(turns, [0.4, 0.9])


def test_presence_has_a_bar_a_stretch_of_each_kind() -> None:
    tr = walkers(10, 3)
    xy = tr.xy.copy()
    xy[4:6, 1] = np.nan
    xy[:3, 2] = np.nan
    age = np.zeros((10, 3), int)
    age[7:, 0] = 1
    origin = np.zeros(tr.scores.shape, int)
    origin[8, 1] = int(Origin.FILLED)
    made = Trajectories(
        tr.frame, tr.seconds, tr.ids, xy, tr.scores, tr.skeleton, flow_age=age, origin=origin
    )
    states = plots.presence(made)
    assert states[:, 0].tolist() == [DETECTED] * 7 + [FLOW] * 3
    assert states[:, 1].tolist() == [DETECTED] * 4 + [ABSENT] * 2 + [DETECTED] * 2 + [
        FILLED,
        DETECTED,
    ]
    axes = plots.plot_presence(made).axes[0]
    bars = {(bar.get_gid(), len(bar.get_paths())) for bar in axes.collections if bar.get_gid()}
    assert ("carried by flow", 1) in bars
    assert ("detected", 3) in bars  # of the second person
    assert ("filled", 1) in bars
    told = [label.get_text() for label in axes.texts]
    assert told == ["0.3 s", "0.3 s", "0.2 s"]
    assert len(plots.plot_presence(made, by="score").axes) == 2


def test_runs_break_where_frames_are_missing() -> None:
    frame = np.array([0, 1, 2, 6, 7])
    assert runs(np.ones(5, int), frame) == [(0, 3, 1), (3, 5, 1)]


def test_joined_tracklets_are_marked_in_the_timeline() -> None:
    tr = walkers(10, 1)
    ids = np.array([[1]] * 6 + [[4]] * 4)
    axes = plots.plot_presence(replace(tr, raw=Raw(tr.xy, tr.scores, ids))).axes[0]
    marks = [made for made in axes.collections if made.get_gid() == "joined"]
    assert len(marks) == 1
    assert marks[0].get_segments()[0][0, 0] == pytest.approx(5.5 / 30)


def test_trails_follow_the_chosen_point_and_break_in_gaps() -> None:
    tr = walkers(20, 2)
    xy = tr.xy.copy()
    xy[8:10, 0] = np.nan
    image = np.full((480, 1920, 3), 90, np.uint8)
    axes = plots.plot_trails(replace(tr, xy=xy), image=image, point="left_ankle").axes[0]
    seen = [made for made in axes.collections if made.get_gid() == "seen"]
    assert [len(made.get_segments()) for made in seen] == [16, 19]
    start = seen[1].get_segments()[0][0]
    np.testing.assert_allclose(start, tr.xy[0, 1, tr.skeleton.index("left_ankle")])
    assert [text.get_text() for text in axes.texts] == ["1", "2"]
    assert axes.get_xlim() == (-0.5, 1919.5)
    assert axes.get_ylim() == (479.5, -0.5)
    assert len(axes.images) == 1
    assert not plots.plot_trails(tr).axes[0].images


def test_feet_are_ankles_else_the_lower_edge_of_the_box() -> None:
    tr = walkers(2, 1)
    xy = tr.xy.copy()
    ankles = [tr.skeleton.index(f"{side}_ankle") for side in ("left", "right")]
    xy[1, 0, ankles] = np.nan
    places = plots.places_of(replace(tr, xy=xy), "feet")
    np.testing.assert_allclose(places[0, 0], tr.xy[0, 0, ankles].mean(axis=0), rtol=1e-6)
    left, _, right, bottom = tr.boxes[1, 0]
    np.testing.assert_allclose(places[1, 0], [(left + right) / 2, bottom])


def test_a_heat_map_holds_the_time_that_people_spent_where_they_were() -> None:
    xy = np.zeros((60, 2, 17, 2))
    xy[:, 0] = (100, 150)
    xy[:, 1] = (300, 50)
    tr = of_keypoints(xy)
    heat = plots.time_density(tr, (400, 200), point="nose", bandwidth=6)
    cell = 400 * 200 / heat.size
    assert heat.sum() * cell == pytest.approx(4.0, rel=1e-3)  # two people, two seconds
    rows, columns = heat.shape
    left = heat[:, : columns // 2]
    row, column = np.unravel_index(left.argmax(), left.shape)
    assert abs(column * 400 / columns - 100) < 2
    assert abs(row * 200 / rows - 150) < 2
    assert heat[rows // 2, columns // 2] < 1e-6 * heat.max()
    with pytest.raises(ValueError, match="bandwidth"):
        plots.time_density(tr, (400, 200), bandwidth=0)


def test_a_strip_has_a_figure_a_time_and_dots_for_filled_limbs() -> None:
    tr = walkers(31, 2)
    origin = tr.origin.copy()
    origin[30, 1, tr.skeleton.index("left_wrist")] = int(Origin.FILLED)
    xy = tr.xy.copy()
    xy[14:17, 1] = np.nan
    made = replace(tr, xy=xy, origin=origin, boxes=None)
    axes = plots.plot_strip(made, person=2, figures=3).axes[0]
    assert [text.get_text() for text in axes.texts] == ["0.00 s", "0.50 s", "1.00 s"]
    assert len(drawn(axes, "joint")) == 2  # nobody was there at the middle time
    assert len(drawn(axes, "filled limb")) == 1
    assert len(drawn(axes, "limb")) + 1 == 2 * len(tr.skeleton.edges)
    assert strip_times(made.person(2), 3)[1] == [0, None, 30]
    with pytest.raises(ValueError, match="whose"):
        plots.plot_strip(made)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_are_written_whole_and_in_each_kind(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"nose.{ending}"
    plots.plot_keypoint(walkers(10, 1), "nose", path)
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert path.read_bytes().startswith(starts[ending])
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_what_cannot_be_drawn_is_refused_by_name(tmp_path: Path) -> None:
    tr = walkers(5, 1)
    with pytest.raises(KeyError, match="no_such"):
        plots.plot_keypoint(tr, "no_such")
    with pytest.raises(ValueError, match="ends in"):
        plots.plot_keypoint(tr, "nose", tmp_path / "nose.bmp")
    with pytest.raises(FileNotFoundError, match="no folder"):
        plots.plot_presence(tr, tmp_path / "none" / "x.png")
    with pytest.raises(ValueError, match="nobody"):
        plots.plot_trails(tr.select(seconds=(9, 10)))
    with pytest.raises(ValueError, match="no quantity 'z'; there are x, y"):
        plots.plot_keypoint(tr, "nose", quantities=["z"])


def test_a_notebooks_way_to_show_figures_that_is_not_installed_here_hinders_no_plot() -> None:
    backend = "module://nowhere.backend_inline"
    program = (
        "import os; from posetrack.plots.canvas import new_figure; "
        "print(new_figure(width=2, height=1).get_size_inches(), os.environ['MPLBACKEND'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MPLBACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == (f"[2. 1.] {backend}\n", 0), done.stderr
