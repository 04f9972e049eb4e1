"""One person's postures in a row: stick figures at regular times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.draw.colours import mix, paper_colour_of
from posetrack.plots.paper import (
    check_path,
    check_people,
    empty_figure,
    frame_step,
    name_of,
    save_figure,
)
from posetrack.trajectories import Origin, Trajectories

_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_DARK, _LIGHT = (30, 30, 30), (255, 255, 255)


def plot_strip(
    trajectories: Trajectories,
    path: str | Path | None = None,
    *,
    person: int | None = None,
    figures: int = 10,
    min_score: float = 0.2,
) -> Any:
    """Draw one person as stick figures side by side, at regular times, all to one scale.

    Left limbs are light, right ones dark, the trunk between; limbs that end in a filled keypoint
    are dotted. Heights are those in the picture, so that a jump or a squat shows; places along it
    are not. Where the person was not there the place stays empty.

    Parameters
    ----------
    trajectories
        Of anybody; select times before.
    path
        Where to write the picture, if anywhere: .png, .svg or .pdf.
    person
        Whose; may be None where there is one person alone.
    figures
        How many, at most 200; in rows of up to twelve.
    min_score
        Keypoints that score less are left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    KeyError
        If there is no such person.
    ValueError
        If several people are there and none is chosen, nobody is there, or the path has another
        ending.
    ModuleNotFoundError
        If matplotlib is not installed.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.random.default_rng(0).uniform(0, 99, (9, 1, 17, 2))
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], xy, np.ones((9, 1, 17)), COCO_17)
    >>> [text.get_text() for text in plot_strip(tr, figures=3).axes[0].texts]
    ['0.00 s', '0.16 s', '0.32 s']
    """
    if not 1 <= figures <= 200:
        raise ValueError(f"figures must lie in 1 .. 200, got {figures}")
    if person is None and len(trajectories.ids) > 1:
        raise ValueError(f"say whose figures: person is one of {trajectories.ids.tolist()[:20]}")
    one = trajectories if person is None else trajectories.person(person)
    check_people(one)
    check_path(path)
    times, rows = strip_times(one, figures)
    per_row = min(12, figures)
    lines = -(-figures // per_row)
    seen = (one.scores[:, 0] >= min_score) & np.isfinite(one.xy[:, 0]).all(axis=-1)
    xy = np.where(seen[..., None], one.xy[:, 0], np.nan).astype(np.float64)
    low, high, wide = _extent(xy[[row for row in rows if row is not None]])
    # As high as the figures are at full width, with room for the times below.
    tall = min(max(10.2 * (high - low) * 1.02 / (wide * per_row), 0.8), 3.2)
    figure = empty_figure(width=11, height=(tall + 0.25) * lines + 0.35)
    grid = figure.subplots(lines, 1, squeeze=False)[:, 0]
    for number, (time, row) in enumerate(zip(times, rows, strict=True)):
        axes = grid[number // per_row]
        centre = (number % per_row + 0.5) * wide
        if row is not None:
            _stick_figure(axes, one, row, xy[row], centre)
        axes.annotate(
            f"{time:.2f} s", (centre, high), xytext=(0, -4), textcoords="offset points",
            ha="center", va="top", fontsize=8, color="0.25" if row is not None else "0.7",
        )  # fmt: skip
    for axes in grid:
        axes.set(xlim=(0, wide * per_row), ylim=(high + 0.02 * (high - low), low))
        axes.set_aspect("equal")
        axes.set(xticks=[], ylabel="y (px)")
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.tick_params(labelsize=8)
    figure.suptitle(
        f"{name_of(one, int(one.ids[0]))}: left limbs light, right limbs dark", fontsize=9,
        color="0.25",
    )  # fmt: skip
    return save_figure(figure, path)


def strip_times(trajectories: Trajectories, count: int) -> tuple[list[float], list[int | None]]:
    """Regular times from a person's first to last frame, and the row of each; None if not there.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((9, 1, 17, 2))
    >>> xy[3:6] = np.nan
    >>> tr = Trajectories(range(9), np.arange(9.0), [7], xy, np.ones((9, 1, 17)), COCO_17)
    >>> strip_times(tr, 3)
    ([0.0, 4.0, 8.0], [0, None, 8])
    """
    there = np.flatnonzero(trajectories.present[:, 0])
    seconds = trajectories.seconds
    step = frame_step(trajectories)
    times = np.linspace(seconds[there[0]], seconds[there[-1]], count).tolist()
    rows: list[int | None] = []
    for time in times:
        nearest = int(there[np.abs(seconds[there] - time).argmin()])
        rows.append(nearest if abs(seconds[nearest] - time) <= 0.75 * step else None)
    return times, rows


def _extent(xy: NDArray[np.float64]) -> tuple[float, float, float]:
    """Top and bottom of all figures with a margin, and the width of each one's place."""
    flat = xy[np.isfinite(xy).all(axis=-1)]
    if not len(flat):
        raise ValueError("no keypoint is seen at these times; lower min_score or take others")
    top, bottom = float(flat[:, 1].min()), float(flat[:, 1].max())
    high = max(bottom - top, 1.0)
    reach = 0.0
    for pose in xy:
        known = pose[np.isfinite(pose).all(axis=-1)]
        if len(known):
            reach = max(reach, float(np.ptp(known[:, 0])) / 2)
    return top - 0.05 * high, bottom + 0.03 * high, max(2.25 * reach, 0.35 * high)


def _stick_figure(
    axes: Any, one: Trajectories, row: int, xy: NDArray[np.float64], centre: float
) -> None:
    """Limbs as lines around the middle of its place; the head as a ring, if there is a face."""
    known: NDArray[np.bool_] = np.asarray(np.isfinite(xy).all(axis=-1))
    if not known.any():
        return
    middle = float(xy[known, 0].min() + xy[known, 0].max()) / 2
    places = xy + np.array([centre - middle, 0.0])
    skeleton = one.skeleton
    left = {skeleton.index(a) for a, _ in skeleton.mirrored}
    right = {skeleton.index(b) for _, b in skeleton.mirrored}
    face = {skeleton.index(name) for name in skeleton.keypoints if name in _FACE}
    shade_of_side = paper_colour_of(int(one.ids[0]))
    filled: NDArray[np.bool_] = np.asarray((one.origin[row, 0] & Origin.FILLED) > 0)
    # Right limbs first or last would hide the other side; the left, lighter ones lie on top.
    for a, b in sorted(skeleton.edge_indices.tolist(), key=lambda edge: set(edge) <= left):
        if not (known[a] and known[b]):
            continue
        side = {a, b}
        shade = mix(shade_of_side, _LIGHT, 0.45) if side <= left else shade_of_side
        shade = mix(shade_of_side, _DARK, 0.55) if side <= right else shade
        dotted = bool(filled[a] or filled[b])
        axes.plot(
            places[[a, b], 0], places[[a, b], 1], linewidth=1.2 if side <= face else 2.4,
            color=tuple(part / 255 for part in shade[::-1]),
            linestyle=(0, (0.6, 0.9)) if dotted else "-",
            solid_capstyle="round", gid="filled limb" if dotted else "limb",
        )  # fmt: skip
    neck = _neck(one, places)
    if neck is not None:
        axes.plot(*neck.T, color="0.75", linewidth=1.4, zorder=1, gid="neck")
    axes.plot(
        places[known, 0], places[known, 1], ".", color="0.15", markersize=2.6, zorder=4, gid="joint"
    )


def _neck(one: Trajectories, places: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(2, 2) from between the shoulders to the face, for skeletons that do not connect them."""
    skeleton = one.skeleton
    names = set(skeleton.keypoints)
    if {"neck", "head_bottom", "upper_neck"} & names or "left_shoulder" not in names:
        return None
    shoulders = places[[skeleton.index(f"{side}_shoulder") for side in ("left", "right")]]
    face = places[[skeleton.index(name) for name in _FACE if name in names]]
    face = face[np.isfinite(face).all(axis=-1)]
    if not len(face) or not np.isfinite(shoulders).all():
        return None
    return np.array([shoulders.mean(axis=0), face.mean(axis=0)])
