"""Where people were in the picture: trails over a frame, and a heat map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from posetrack.checks import check_known
from posetrack.interfaces import Image
from posetrack.plots.paper import (
    Float64Array,
    check_path,
    check_people,
    frame_step,
    picture_figure,
    picture_size,
    rgb_of,
    save_figure,
    show_picture,
    with_breaks,
)
from posetrack.trajectories import Trajectories


def _draw_trail(
    axes: Any,
    path: Float64Array,
    seconds: Float64Array,
    filled: Any,
    trajectories: Trajectories,
    person: int,
    on_image: bool,
) -> None:
    """Segments as two collections: what was seen over a dark rim, and what was filled."""
    from matplotlib.collections import LineCollection

    colour = rgb_of(person, on_image=on_image)
    rim = (0.1, 0.1, 0.1) if on_image else (1.0, 1.0, 1.0)
    segments = np.stack([path[:-1], path[1:]], axis=1)
    good = np.isfinite(segments).all(axis=(1, 2))
    whole = max(float(trajectories.seconds[-1] - trajectories.seconds[0]), 1e-9)
    age = np.nan_to_num((seconds[1:] - trajectories.seconds[0]) / whole)
    dotted = good & ((filled[1:] > 0) | (filled[:-1] > 0))
    for chosen, style, gid in ((good & ~dotted, "-", "seen"), (dotted, (0, (0.5, 1.2)), "filled")):
        widths = 1.0 + 2.0 * age[chosen]
        for extra, paint, order in ((1.6, rim, 2.0), (0.0, colour, 3.0)):
            alpha = 0.45 + 0.55 * age[chosen]
            lines = LineCollection(
                list(segments[chosen]), linewidths=widths + extra, linestyles=[style],
                colors=[(*paint, float(a)) for a in alpha], zorder=order, capstyle="round",
                gid=gid if not extra else None,
            )  # fmt: skip
            axes.add_collection(lines, autolim=False)
    known = np.flatnonzero(np.isfinite(path).all(axis=-1))
    first, last = path[known[0]], path[known[-1]]
    edge = {"markeredgecolor": rim, "zorder": 4}
    axes.plot(*first, "o", color=rim, markersize=8, zorder=4)
    axes.plot(*first, "o", markersize=6, markerfacecolor="white", markeredgewidth=1.8, zorder=4.1,
              markeredgecolor=colour)  # fmt: skip
    axes.plot(*last, "o", color=colour, markersize=8, **edge)
    axes.annotate(
        str(person), last, xytext=(7, -1), textcoords="offset points", fontsize=9, va="center",
        fontweight="bold", color="black" if on_image else colour, zorder=5, annotation_clip=True,
        bbox={"boxstyle": "round,pad=0.2", "facecolor": colour if on_image else "white",
              "edgecolor": "none", "alpha": 0.9},
    )  # fmt: skip


_PARTS = {"feet": ("ankle", "foot", "heel"), "hips": ("hip",)}


def places_of(trajectories: Trajectories, point: str = "hips") -> Float64Array:
    """(T, N, 2) pixels where each was, NaN where they were not there.

    Parameters
    ----------
    trajectories
        Whose.
    point
        ``"hips"``: the middle of the hips that are seen, else of all keypoints. ``"feet"``: the
        middle of the ankles that are seen, else of the lower edge of the box. Or a keypoint.

    Raises
    ------
    KeyError
        If there is no such keypoint.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.zeros((1, 1, 17, 2))
    >>> xy[0, 0, [15, 16]] = [[10, 90], [20, 94]]
    >>> tr = Trajectories([0], [0.0], [7], xy, np.ones((1, 1, 17)), COCO_17)
    >>> places_of(tr, "feet").tolist(), places_of(tr, "left_ankle").tolist()
    ([[[15.0, 92.0]]], [[[10.0, 90.0]]])
    """
    skeleton = trajectories.skeleton
    check_known("point", point, (*_PARTS, *skeleton.keypoints), has=f"{skeleton.name} has")
    if point not in _PARTS:
        return trajectories.xy[:, :, skeleton.index(point)].astype(np.float64)
    chosen = [
        position
        for position, name in enumerate(skeleton.keypoints)
        if name.removeprefix("left_").removeprefix("right_") in _PARTS[point]
    ]
    found = _nan_mean(trajectories.xy[:, :, chosen].astype(np.float64))
    boxes = trajectories.boxes.astype(np.float64)
    if point == "feet":
        other = np.stack([(boxes[..., 0] + boxes[..., 2]) / 2, boxes[..., 3]], axis=-1)
    else:
        other = _nan_mean(trajectories.xy.astype(np.float64))
    found = np.where(np.isfinite(found), found, other)
    return np.where(trajectories.present[..., None], found, np.nan)


def plot_trails(
    trajectories: Trajectories,
    path: str | Path | None = None,
    *,
    image: Image | None = None,
    point: str = "hips",
) -> Any:
    """Draw the path of each person over a frame: a line from a ring to a dot with the id.

    Lines grow wider and stronger with time, break where the person was not there, and are dotted
    where the place was filled.

    Parameters
    ----------
    trajectories
        Whose; select people and times before.
    path
        Where to write the picture, if anywhere: .png, .svg or .pdf.
    image
        A frame of the video to draw over, (H, W, 3) uint8 BGR; plain when None.
    point
        What of a person: ``"hips"``, ``"feet"`` or a keypoint, see `places_of`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    KeyError
        If there is no such keypoint.
    ValueError
        If there is nobody to draw, or the path has another ending.
    ModuleNotFoundError
        If matplotlib is not installed.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> walk = np.arange(9.0)[:, None, None, None] + np.zeros((9, 1, 17, 2))
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], walk, np.ones((9, 1, 17)), COCO_17)
    >>> [text.get_text() for text in plot_trails(tr).axes[0].texts]
    ['7']
    """
    check_people(trajectories)
    places = places_of(trajectories, point)
    check_path(path)
    size = picture_size(trajectories, image)
    figure, axes = picture_figure(size)
    show_picture(axes, size, image, fade=0.25)
    filled = _fill_mask(trajectories)
    for column, person in enumerate(trajectories.ids.tolist()):
        walked, seconds, dotted = with_breaks(
            trajectories.frame, places[:, column], trajectories.seconds, filled[:, column]
        )
        known = np.flatnonzero(np.isfinite(walked).all(axis=-1))
        if len(known):
            _draw_trail(axes, walked, seconds, dotted, trajectories, person, image is not None)
    start, end = trajectories.seconds[0], trajectories.seconds[-1]
    axes.set_title(
        f"{_title(point)}, {start:.2f} s (ring) to {end:.2f} s (dot)", fontsize=9, color="0.25"
    )
    return save_figure(figure, path)


def plot_heatmap(
    trajectories: Trajectories,
    path: str | Path | None = None,
    *,
    image: Image | None = None,
    point: str = "feet",
    bandwidth: float | None = None,
) -> Any:
    """Draw where people spent their time, over a frame: a kernel density in seconds.

    The bar shows how long people, all together, were in a square of this many pixels.

    Parameters
    ----------
    trajectories
        Whose, all together; select people and times before.
    path
        Where to write the picture, if anywhere: .png, .svg or .pdf.
    image
        A frame of the video to draw over, (H, W, 3) uint8 BGR; plain when None.
    point
        What of a person: ``"feet"``, ``"hips"`` or a keypoint, see `places_of`.
    bandwidth
        Standard deviation of the kernel in pixels; 2 % of the picture's diagonal when None.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    KeyError
        If there is no such keypoint.
    ValueError
        If there is nobody, or nobody is in the picture, the bandwidth is not above 0, or the path
        has another ending.
    ModuleNotFoundError
        If matplotlib is not installed.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> walk = np.arange(9.0)[:, None, None, None] + np.zeros((9, 1, 17, 2))
    >>> tr = Trajectories(range(9), np.arange(9) / 25, [7], walk, np.ones((9, 1, 17)), COCO_17)
    >>> plot_heatmap(tr, bandwidth=15).axes[1].get_ylabel()
    'time (s) per 10 x 10 px'
    """
    check_people(trajectories)
    check_path(path)
    size = picture_size(trajectories, image)
    reach = 0.02 * float(np.hypot(*size)) if bandwidth is None else float(bandwidth)
    density = time_density(trajectories, size, point=point, bandwidth=reach)
    side = _round_side(reach)
    heat = density * side**2
    if not heat.any():
        raise ValueError("nobody's place lies in the picture; choose another point or times")
    figure, axes = picture_figure(size, bar=True)
    show_picture(axes, size, image, fade=0.35)
    top, strongest = float(heat.max()), 1.0 if image is None else 0.85
    shown = axes.imshow(
        heat, cmap="inferno" if image is not None else "magma_r", vmin=0, vmax=top, zorder=1,
        alpha=np.clip(heat / ((0.1 if image is None else 0.25) * top), 0, 1) * strongest,
        extent=(-0.5, size[0] - 0.5, size[1] - 0.5, -0.5), interpolation="bilinear",
    )  # fmt: skip
    from matplotlib.cm import ScalarMappable

    scale = ScalarMappable(norm=shown.norm, cmap=shown.cmap)  # the bar without transparency
    bar = figure.colorbar(scale, ax=axes, fraction=0.04, pad=0.02)
    bar.set_label(f"time (s) per {side} x {side} px", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    people = int(trajectories.present.any(axis=0).sum())
    axes.set_title(
        f"{_title(point)} of {people} {'person' if people == 1 else 'people'}, "
        f"{trajectories.seconds[0]:.2f} to {trajectories.seconds[-1]:.2f} s",
        fontsize=9, color="0.25",
    )  # fmt: skip
    return save_figure(figure, path)


def time_density(
    trajectories: Trajectories,
    size: tuple[int, int],
    *,
    point: str = "feet",
    bandwidth: float = 20.0,
    max_cells: int = 250_000,
) -> Float64Array:
    """(rows, columns) person-seconds a square pixel: a Gaussian kernel density over the picture.

    Cells are as large as leaves a picture of at most ``max_cells``. Times outside the picture are
    left out; the part of a kernel beyond its border is lost.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> there = np.full((25, 1, 17, 2), 50.0)
    >>> tr = Trajectories(range(25), np.arange(25) / 25, [7], there, np.ones((25, 1, 17)), COCO_17)
    >>> round(float(time_density(tr, (100, 100), bandwidth=5).sum()), 3)
    1.0
    """
    if not (np.isfinite(bandwidth) and bandwidth > 0):
        raise ValueError(f"bandwidth is in pixels, above 0, got {bandwidth}")
    from scipy.ndimage import gaussian_filter

    width, height = size
    side = max(1.0, float(np.sqrt(width * height / max_cells)))
    cells = max(round(height / side), 1), max(round(width / side), 1)
    places = places_of(trajectories, point).reshape(-1, 2)
    places = places[np.isfinite(places).all(axis=-1)]
    counts, _, _ = np.histogram2d(
        places[:, 1], places[:, 0], cells, [[-0.5, height - 0.5], [-0.5, width - 0.5]]
    )
    sizes = height / cells[0], width / cells[1]
    sigma = [bandwidth / one for one in sizes]
    smooth = gaussian_filter(counts, sigma, mode="constant", truncate=4.0)
    return np.asarray(smooth * frame_step(trajectories) / (sizes[0] * sizes[1]), np.float64)


def _round_side(bandwidth: float) -> int:
    """1, 2 or 5 and noughts, no more than the bandwidth: people spent about so long in a square.

    Examples
    --------
    >>> [_round_side(value) for value in (0.3, 14.7, 44.0, 50.0)]
    [1, 10, 20, 50]
    """
    power = 10 ** int(np.floor(np.log10(max(bandwidth, 1.0))))
    return int(max(step * power for step in (1, 2, 5) if step * power <= max(bandwidth, 1.0)))


def _nan_mean(xy: Float64Array) -> Float64Array:
    """The mean over the last but one axis of what is not NaN; NaN where nothing is."""
    seen = np.isfinite(xy[..., :1])
    count = seen.sum(axis=-2)
    total = np.where(seen, xy, 0.0).sum(axis=-2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _fill_mask(trajectories: Trajectories) -> Any:
    """(T, N) whether most of what is seen of a person was filled."""
    from posetrack.plots.presence_bars import FILLED, presence

    return (presence(trajectories) == FILLED).astype(np.int8)


def _title(point: str) -> str:
    return point.replace("_", " ")
