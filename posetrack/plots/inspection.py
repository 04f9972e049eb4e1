"""Grids of training data, targets and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.draw.colours import Colour
from posetrack.interfaces import Image
from posetrack.skeletons import Skeleton

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class View:
    """One person's crop with what is known and what was found.

    Parameters
    ----------
    name
        Of the person and their image.
    crop
        (H, W, 3) uint8 BGR.
    xy
        (K, 2) pixels of the crop, NaN where not labelled.
    targets
        (K, h, w) heatmaps to learn.
    answer
        (K, h, w) heatmaps of a network, if there is one.
    found
        (K, 2) pixels of the crop, decoded from them.
    note
        Numbers to write below the name.
    """

    name: str
    crop: Image
    xy: Array
    targets: Array
    answer: Array | None = None
    found: Array | None = None
    note: str = ""


def heatmap_grid(
    views: Sequence[View],
    skeleton: Skeleton,
    keypoints: Sequence[int] | None = None,
    *,
    height: int = 192,
) -> Image:
    """Heatmaps of a network over the crops: a row for each person.

    Parameters
    ----------
    views
        People, with answers.
    skeleton
        Of the keypoints.
    keypoints
        Which have a column of their own, beside the one of all together; all when None.
    height
        Of a crop in the picture, pixels.

    Returns
    -------
    image
        BGR. Captions say how high each peak is.
    """
    chosen = range(len(skeleton)) if keypoints is None else keypoints
    colours = side_colours(skeleton)
    rows = []
    for view in views:
        assert view.answer is not None
        crop = enlarge(view.crop, height)
        row = [
            _tile(crop, view.name, view.note),
            _tile(with_heatmaps(crop, view.answer, colours), "all keypoints"),
        ]
        for k in chosen:
            shown = with_heatmaps(crop, view.answer[k : k + 1], [colours[k]])
            row.append(_tile(shown, skeleton.keypoints[k], f"{view.answer[k].max():.2f}"))
        rows.append(row)
    return grid(rows)


def target_grid(
    views: Sequence[View],
    skeleton: Skeleton,
    keypoints: Sequence[int] | None = None,
    *,
    height: int = 256,
) -> Image:
    """Targets beside what a network answers: a row for each person.

    Parameters
    ----------
    views
        People, with answers or without.
    skeleton
        Of the keypoints.
    keypoints
        Which to show, each by itself; all together when None.
    height
        Of a crop in the picture, pixels.
    """
    colours = side_colours(skeleton)
    groups = [(f"{len(skeleton)} keypoints", list(range(len(skeleton))))]
    if keypoints is not None:
        groups = [(skeleton.keypoints[k], [k]) for k in keypoints]
    rows = []
    for view in views:
        crop = enlarge(view.crop, height)
        row = [_tile(_with_points(view, skeleton, height), view.name, view.note)]
        for name, group in groups:
            hues = [colours[k] for k in group]
            row.append(_tile(with_heatmaps(crop, view.targets[group], hues), "target", name))
            if view.answer is not None:
                shown = with_heatmaps(crop, view.answer[group], hues)
                row.append(_tile(shown, "prediction", name))
        rows.append(row)
    return grid(rows)


def worst_grid(
    views: Sequence[View], skeleton: Skeleton, *, columns: int = 4, height: int = 256
) -> Image:
    """People with true keypoints (rings) joined to those found (crosses), in the order given.

    Parameters
    ----------
    views
        People, the worst first.
    skeleton
        Of the keypoints.
    columns
        Tiles in a row.
    height
        Of a crop in the picture, pixels.
    """
    tiles = [
        _tile(_with_points(view, skeleton, height), f"#{number} {view.name}", view.note)
        for number, view in enumerate(views, 1)
    ]
    return grid([tiles[i : i + columns] for i in range(0, len(tiles), columns)])


def augmentation_grid(
    rows: Sequence[tuple[str, Sequence[tuple[Image, Array]]]],
    skeleton: Skeleton,
    *,
    height: int = 224,
) -> Image:
    """Augmented crops of people: a row for each, the plain crop first.

    Parameters
    ----------
    rows
        Name of a person, and their crops with keypoints (K, 2) in pixels of the crop.
    skeleton
        Of the keypoints; left is orange and right is blue, however the crop was mirrored.
    height
        Of a crop in the picture, pixels.
    """
    shown = []
    for name, crops in rows:
        row = []
        for number, (crop, xy) in enumerate(crops):
            image = enlarge(crop, height)
            draw_skeleton(image, xy, skeleton, height / crop.shape[0])
            row.append(_tile(image, name if number == 0 else f"epoch {number}"))
        shown.append(row)
    return grid(shown)


def _with_points(view: View, skeleton: Skeleton, height: int) -> Image:
    image = enlarge(view.crop, height)
    if view.found is None:
        draw_skeleton(image, view.xy, skeleton, height / view.crop.shape[0])
    else:
        draw_faults(image, view.xy, view.found, height / view.crop.shape[0])
    return image


def _tile(image: Image, *lines: str) -> Image:
    return add_caption(image, *(line for line in lines if line), least_width=image.shape[1])


LEFT: Final[Colour] = (40, 140, 255)
RIGHT: Final[Colour] = (255, 170, 40)
MIDDLE: Final[Colour] = (90, 230, 90)
TRUTH: Final[Colour] = (90, 230, 90)
FOUND: Final[Colour] = (60, 60, 255)

_PAPER: Final = (255, 255, 255)
_INK: Final = (20, 20, 20)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_LINE: Final = 17
"""Pixels from one line of a caption to the next."""
_GAP: Final = 6


def side_colours(skeleton: Skeleton) -> list[Colour]:
    """A colour for each keypoint: left ones orange, right ones blue, others green.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> colours = side_colours(COCO_17)
    >>> colours[0] == MIDDLE, colours[1] == LEFT, colours[2] == RIGHT
    (True, True, True)
    """
    sides = {name: (LEFT if "right" not in name else RIGHT) for name, _ in skeleton.mirrored}
    sides |= {name: (RIGHT if "left" not in name else LEFT) for _, name in skeleton.mirrored}
    return [sides.get(name, MIDDLE) for name in skeleton.keypoints]


def enlarge(crop: Image, height: int) -> Image:
    """A crop at another height in pixels, its shape kept."""
    width = max(1, round(crop.shape[1] * height / crop.shape[0]))
    how = cv2.INTER_AREA if height < crop.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (width, height), interpolation=how), np.uint8)


def with_heatmaps(crop: Image, maps: NDArray[Any], colours: Sequence[Colour]) -> Image:
    """Heatmaps glowing over a darkened crop, each in its colour.

    Parameters
    ----------
    crop
        (H, W, 3) uint8 BGR.
    maps
        (K, h, w), of any size; shown from 0 to 1.
    colours
        K.
    """
    size = (crop.shape[1], crop.shape[0])
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    strengths = [cv2.resize(np.clip(m, 0, 1).astype(np.float32), size) for m in maps]
    # A pixel has the colour of its strongest heatmap: sums of orange and blue would be neither.
    strongest = np.argmax(strengths, axis=0)
    covered = np.max(strengths, axis=0)[:, :, None]
    glow = covered * np.array(colours, np.float32)[strongest]
    mixed = 0.55 * grey * (1 - 0.8 * covered) + glow
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def draw_skeleton(
    image: Image, xy: NDArray[Any], skeleton: Skeleton, scale: float, *, rings: bool = False
) -> None:
    """Draw keypoints and their edges into an image, in the colours of their sides.

    Parameters
    ----------
    image
        Enlarged crop, changed in place.
    xy
        (K, 2) pixels of the crop, NaN where there is none.
    skeleton
        Names and edges.
    scale
        Pixels of the image for one of the crop.
    rings
        Draw rings instead of dots, to see what is below.
    """
    places, colours = (xy + 0.5) * scale - 0.5, side_colours(skeleton)
    for first, second in skeleton.edge_indices:
        if np.isfinite(places[[first, second]]).all():
            ends = [tuple(np.round(places[end]).astype(int).tolist()) for end in (first, second)]
            cv2.line(image, ends[0], ends[1], _INK, 3, cv2.LINE_AA)
            colour = colours[first] if colours[first] == colours[second] else MIDDLE
            cv2.line(image, ends[0], ends[1], colour, 1, cv2.LINE_AA)
    for corner, colour in zip(places, colours, strict=True):
        if np.isfinite(corner).all():
            middle = tuple(np.round(corner).astype(int).tolist())
            cv2.circle(image, middle, 4, _INK, 3 if rings else -1, cv2.LINE_AA)
            cv2.circle(image, middle, 4 if rings else 3, colour, 1 if rings else -1, cv2.LINE_AA)


def draw_faults(image: Image, truth: NDArray[Any], found: NDArray[Any], scale: float) -> None:
    """Draw green rings where labelled keypoints are, and red lines to crosses where they are found.

    Parameters
    ----------
    image
        Enlarged crop, changed in place.
    truth, found
        (K, 2) pixels of the crop; keypoints that are NaN in ``truth`` are left out.
    scale
        Pixels of the image for one of the crop.
    """
    pairs = [(np.round((row + 0.5) * scale - 0.5)) for row in (truth, found)]
    for corner, guess in zip(*pairs, strict=True):
        if not (np.isfinite(corner).all() and np.isfinite(guess).all()):
            continue
        here, there = (tuple(end.astype(int).tolist()) for end in (corner, guess))
        cv2.line(image, here, there, _INK, 3, cv2.LINE_AA)
        cv2.line(image, here, there, FOUND, 1, cv2.LINE_AA)
        for colour, width in ((_INK, 3), (TRUTH, 1)):
            cv2.circle(image, here, 5, colour, width, cv2.LINE_AA)
        for colour, width in ((_INK, 3), (FOUND, 2)):
            cv2.drawMarker(image, there, colour, cv2.MARKER_TILTED_CROSS, 9, width, cv2.LINE_AA)


def add_caption(image: Image, *lines: str, least_width: int = 0) -> Image:
    """An image below lines of text, which are shortened in the middle to fit.

    Examples
    --------
    >>> add_caption(np.zeros((20, 30, 3), np.uint8), "one", "two", least_width=40).shape
    (58, 40, 3)
    """
    width = max(image.shape[1], least_width)
    left = (width - image.shape[1]) // 2
    bar = np.full((len(lines) * _LINE + 4, width, 3), _PAPER, np.uint8)
    for number, line in enumerate(lines):
        corner = (2, _LINE * (number + 1) - 3)
        cv2.putText(bar, _fitting(line, width - 4), corner, _FONT, 0.42, _INK, 1, cv2.LINE_AA)
    sides = ((0, 0), (left, width - left - image.shape[1]), (0, 0))
    body = np.pad(image, sides, constant_values=255)
    return np.concatenate([bar, body]).astype(np.uint8)


def grid(rows: Sequence[Sequence[Image]]) -> Image:
    """Images in rows on white paper, columns as wide as their widest.

    Raises
    ------
    ValueError
        If there is no image.

    Examples
    --------
    >>> tile = np.zeros((10, 20, 3), np.uint8)
    >>> grid([[tile, tile], [tile]]).shape
    (38, 58, 3)
    """
    if not any(len(row) for row in rows):
        raise ValueError("no image to show")
    columns = max(map(len, rows))
    widths = [max(row[i].shape[1] for row in rows if i < len(row)) for i in range(columns)]
    heights = [max(tile.shape[0] for tile in row) for row in rows if row]
    paper = np.full(
        (sum(heights) + _GAP * (len(heights) + 1), sum(widths) + _GAP * (columns + 1), 3),
        _PAPER,
        np.uint8,
    )
    top = _GAP
    for row, height in zip((row for row in rows if row), heights, strict=True):
        left = _GAP
        for tile, width in zip(row, widths, strict=False):
            low = top + height  # tiles stand on one line, whatever their captions
            paper[low - tile.shape[0] : low, left : left + tile.shape[1]] = tile
            left += width + _GAP
        top += height + _GAP
    return paper


def _fitting(text: str, width: int) -> str:
    plain = text.encode("ascii", "replace").decode()
    count = len(plain)
    while count > 3 and cv2.getTextSize(plain, _FONT, 0.42, 1)[0][0] > width:
        count -= 1
        half = (count - 2) // 2
        plain = f"{text[: count - 2 - half]}..{text[len(text) - half :]}"
        plain = plain.encode("ascii", "replace").decode()
    return plain
