"""Shared by readers of annotations: names, numbers, boxes and files as others write them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Final, TypeGuard

import numpy as np

from posetrack.training.samples import Broken, Samples, settle
from posetrack.video.headers import image_orientation, image_size

MAX_PIXEL = 1e6
"""Coordinates further away are mistakes."""


ANNOTATED: Final = "annotated"
"""The name of a skeleton that only an annotation file knows."""


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value of a JSON file is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def image_file(root: Path, name: str) -> Path | None:
    """Path of an image that an annotation file names; None if it leads out of the folder.

    Parameters
    ----------
    root
        The images' folder.
    name
        Relative to it, or to a folder above: leading folders that ``root`` ends with are left
        out where there is no such file with them. Backslashes part folders too.

    Examples
    --------
    >>> image_file(Path("photos"), "a/b.jpg").as_posix(), image_file(Path("photos"), "../b.jpg")
    ('photos/a/b.jpg', None)
    """
    parts = Path(name).parts
    if "\\" in name and not (root / name).is_file():
        parts = PureWindowsPath(name).parts
    if ".." in parts or Path(*parts).is_absolute() or PureWindowsPath(*parts).drive:
        return None
    file = root.joinpath(*parts)
    if not file.is_file():
        for count in range(len(parts) - 1, 0, -1):
            shorter = root.joinpath(*parts[count:])
            if root.resolve().parts[-count:] == parts[:count] and shorter.is_file():
                return shorter
    return file


@dataclass(frozen=True)
class Placement:
    """An image file, and how its annotations lie on it.

    Networks are trained on pixels as they are stored, and annotations are of these. Tools that
    show a phone's photo upright give those of the turned picture: then the file's width and
    height are exchanged, and `xy` and `xywh` turn them back.

    Parameters
    ----------
    file
        The image.
    width, height
        As stored; infinite where not known.
    turn
        How the picture was turned, see `posetrack.video.headers.image_orientation`; only turns
        that exchange width and height are undone.
    """

    file: Path
    width: float = math.inf
    height: float = math.inf
    turn: tuple[bool, bool, bool] = (False, False, False)

    def xy(self, points: Any) -> Any:
        """(..., 2) places of the annotations on the pixels as stored.

        Examples
        --------
        >>> turned = Placement(Path("a.jpg"), 640, 480, (True, False, True))
        >>> turned.xy(np.array([[0.0, 10.0]])).tolist()
        [[10.0, 479.0]]
        """
        transposed, up_down, left_right = self.turn
        if not transposed:
            return points
        down, across = points[..., 0], points[..., 1]
        down = self.height - 1 - down if left_right else down
        across = self.width - 1 - across if up_down else across
        return np.stack([across, down], axis=-1)

    def xywh(self, box: Sequence[float]) -> list[float]:
        """A box of left, top, width and height of the annotations on the pixels as stored.

        Examples
        --------
        >>> turned = Placement(Path("a.jpg"), 640, 480, (True, False, True))
        >>> turned.xywh([0, 10, 30, 20])
        [10.0, 450.0, 20.0, 30.0]
        """
        if not self.turn[0] or len(box) != 4:
            return list(box)
        x, y, width, height = box
        corners = self.xy(np.array([[x, y], [x + width - 1, y + height - 1]], np.float64))
        low, high = corners.min(axis=0), corners.max(axis=0) + 1
        return [float(value) for value in (*low, *(high - low))]


def find_placement(file: Path, width: Any, height: Any) -> Placement | str:
    """Find how annotations that give an image's size lie on its pixels, or what is wrong.

    Parameters
    ----------
    file
        The image.
    width, height
        As the annotations have them; what is no size is passed over.
    """
    if not all(is_number(side) and side > 0 for side in (width, height)):
        return Placement(file)
    with file.open("rb") as stream:
        stored = image_size(stream)
        if stored is None or stored == (width, height):
            return Placement(file, float(width), float(height))
        turn = image_orientation(stream)
    if stored == (height, width) and turn[0]:
        return Placement(file, float(stored[0]), float(stored[1]), turn)
    return f"an image whose size is not that of its file ({width:g} x {height:g})"


def box_within(values: Any, keypoints: Any, width: float, height: float) -> list[float] | None:
    """Corners of a box within the image, or None if it is not one.

    Parameters
    ----------
    values
        Left, top, width and height; None for a box around the keypoints.
    keypoints
        (K, 2), NaN where not labelled.
    width, height
        Of the image, infinite where not known.

    Examples
    --------
    >>> box_within([-5, 10, 20, 30], None, 100, 100)
    [0.0, 10.0, 19.0, 39.0]
    """
    if values is None or values == []:
        x, y, wide, tall = _around_keypoints(keypoints)
        wide, tall = max(wide, 2.0), max(tall, 2.0)
    elif isinstance(values, list) and len(values) == 4 and all(is_number(v) for v in values):
        x, y, wide, tall = values
    else:
        return None
    left, top = max(0.0, x), max(0.0, y)
    right = min(width - 1, left + max(0.0, wide - 1))
    bottom = min(height - 1, top + max(0.0, tall - 1))
    if right <= left or bottom <= top or max(abs(right), abs(bottom)) > MAX_PIXEL:
        return None
    return [float(left), float(top), float(right), float(bottom)]


def _around_keypoints(xy: Any) -> tuple[float, float, float, float]:
    """Left, top, width and height around keypoints (K, 2), 15 % longer on each axis.

    Examples
    --------
    >>> _around_keypoints(np.array([[10.0, 10.0], [30.0, 50.0]]))
    (8.5, 7.0, 23.0, 46.0)
    """
    low, high = np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)
    corner, sides = low - (high - low) * 0.075, (high - low) * 1.15
    return float(corner[0]), float(corner[1]), float(sides[0]), float(sides[1])


def check_people(path: Path, people: Samples, broken: Broken) -> Samples:
    """Return the people; raise if there are none, or problems that are not to be skipped.

    Raises
    ------
    ValueError
        Else.
    """
    settle(path, people.problems, broken)
    if not len(people):
        raise ValueError(
            f"{path}: nobody with a labelled keypoint; {people.left_out} people left out"
        )
    return people


def at_one_point(xy: Any) -> bool:
    """Whether labelled keypoints (K, 2) are all at one point, so that they give no size.

    Examples
    --------
    >>> at_one_point(np.array([[3.0, 4.0], [np.nan, np.nan]])), at_one_point(np.eye(2))
    (True, False)
    """
    low, high = np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)
    return bool((low == high).all())
