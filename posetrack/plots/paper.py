"""Shared by pictures of trajectories: colours of ids, gaps, frames below, saving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.draw.colours import colour_of, paper_colour_of
from posetrack.interfaces import Image
from posetrack.plots.canvas import new_figure, write_figure
from posetrack.trajectories import Trajectories

Float64Array = NDArray[np.float64]
Rgb = tuple[float, float, float]

ENDINGS: Final = (".png", ".svg", ".pdf")
GREY: Final = "0.45"
_DPI: Final = 150


def rgb_of(track_id: int, *, on_image: bool = False) -> Rgb:
    """An id's colour, red first and from 0 to 1: for white paper, or as drawn over images.

    Examples
    --------
    >>> [round(part, 2) for part in rgb_of(3, on_image=True)] == [
    ...     round(part / 255, 2) for part in colour_of(3)[::-1]]
    True
    """
    blue, green, red = colour_of(track_id) if on_image else paper_colour_of(track_id)
    return red / 255, green / 255, blue / 255


def empty_figure(*, width: float, height: float) -> Any:
    """A figure of this width and height in inches; loads matplotlib."""
    return new_figure(width=width, height=height)


def check_path(path: str | Path | None) -> None:
    """Refuse a picture of a kind that is not written, before it is drawn.

    Raises
    ------
    ValueError
        If the name does not end in .png, .svg or .pdf.
    FileNotFoundError
        If its folder does not exist.
    """
    if path is None:
        return
    if Path(path).suffix.lower() not in ENDINGS:
        raise ValueError(f"{path}: expected a name that ends in {', '.join(ENDINGS)}")
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {Path(path).parent}; make it first")


def save_figure(figure: Any, path: str | Path | None) -> Any:
    """Write a figure, if there is a path, so that it appears whole; gives the figure back."""
    if path is None:
        return figure
    check_path(path)
    write_figure(figure, path, dpi=_DPI)
    return figure


def with_breaks(frame: NDArray[np.int64], *arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """Arrays over time with an empty row wherever frames are missing, so that lines break there.

    Parameters
    ----------
    frame
        (T,) indices. A step of more than one and a half usual ones is a gap.
    arrays
        (T, ...) each; rows of NaN go into those of floats, of 0 into others.

    Examples
    --------
    >>> with_breaks(np.array([0, 1, 2, 7]), np.array([0.0, 1.0, 2.0, 7.0]))
    [array([ 0.,  1.,  2., nan,  7.])]
    """
    steps = np.diff(frame)
    usual = float(np.median(steps)) if len(steps) else 1.0
    places = np.flatnonzero(steps > 1.5 * usual) + 1
    return [
        np.insert(array, places, np.nan if array.dtype.kind == "f" else 0, axis=0)
        for array in arrays
    ]


def frame_step(trajectories: Trajectories) -> float:
    """Seconds between two frames, the median; of one frame alone 0.04."""
    steps = np.diff(trajectories.seconds)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else 0.04


def raw_of(trajectories: Trajectories) -> Trajectories | None:
    """The values before cleaning at the places of the cleaned; None if they are not kept."""
    raw = trajectories.raw
    if raw is None:
        return None
    return replace(trajectories, xy=raw.xy, scores=raw.scores, raw=None)


def check_people(trajectories: Trajectories) -> None:
    """Raise if there is nobody to draw.

    Raises
    ------
    ValueError
        If there is no frame or no person.
    """
    if not len(trajectories) or not trajectories.present.any():
        raise ValueError("there is nobody in these trajectories; choose other times or people")


def picture_size(trajectories: Trajectories, image: Image | None = None) -> tuple[int, int]:
    """Width and height of the video: of an image, as the file says, or what holds everybody."""
    if image is not None:
        return int(image.shape[1]), int(image.shape[0])
    size_in_table = trajectories.metadata.get("image_size")
    if isinstance(size_in_table, Sequence) and len(size_in_table) == 2 and min(size_in_table) > 0:
        return int(size_in_table[0]), int(size_in_table[1])
    corners = trajectories.boxes[trajectories.present]
    width, height = corners[:, 2:].max(axis=0) if len(corners) else (1, 1)
    return max(int(np.ceil(width)) + 1, 1), max(int(np.ceil(height)) + 1, 1)


def show_picture(axes: Any, size: tuple[int, int], image: Image | None, *, fade: float) -> None:
    """A frame, greyed and brightened by ``fade``, or an empty one; axes in pixels."""
    width, height = size
    if image is not None:
        grey = image.astype(np.float64) @ np.array([0.114, 0.587, 0.299])
        mixed = 0.5 * image[..., ::-1] + 0.5 * grey[..., None]
        shown = (mixed * (1 - fade) + 255 * fade).round().astype(np.uint8)
        axes.imshow(shown, extent=(-0.5, width - 0.5, height - 0.5, -0.5), zorder=0)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xlabel="x (px)", ylabel="y (px)")
    axes.set_aspect("equal")
    axes.tick_params(labelsize=8)


def picture_figure(size: tuple[int, int], *, bar: bool = False) -> tuple[Any, Any]:
    """A figure with one axes in the proportions of a picture."""
    side = float(min(8.0, max(2.5, 8.0 * size[0] / size[1])))
    height = min(max(side * size[1] / size[0], 1.2), 8.0)
    figure = empty_figure(width=side + (1.6 if bar else 0.7), height=height + 0.8)
    return figure, figure.subplots()


def time_axis(axes: Any, trajectories: Trajectories, *, label: bool = True) -> None:
    """From the first to the last frame, in seconds."""
    half = frame_step(trajectories) / 2
    axes.set_xlim(trajectories.seconds[0] - half, trajectories.seconds[-1] + half)
    if label:
        axes.set_xlabel("time (s)")


def name_of(trajectories: Trajectories, person: int) -> str:
    """A person's name: the file's, or the id."""
    named = trajectories.metadata.get("individuals")
    if isinstance(named, dict):
        name = named.get(person, named.get(str(person)))
        if name is not None:
            return str(name)
    return f"person {person}"
