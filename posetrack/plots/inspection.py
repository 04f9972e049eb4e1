"""Grids of training data, targets and predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from posetrack.interfaces import Image
from posetrack.plots.tiles import (
    add_caption,
    draw_faults,
    draw_skeleton,
    enlarge,
    grid,
    side_colours,
    with_heatmaps,
)
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
