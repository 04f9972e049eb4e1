"""Where unlabelled people are in an image, so that finding them does not count as wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.files import json_files, read_json
from posetrack.training.annotations import Placement, find_placement, image_file

Polygons = tuple[NDArray[np.float64], ...]
"""Outlines (P, 2) in image pixels."""

_LARGEST = 1 << 26
"""Pixels of a run-length mask believed."""


def read_regions(path: str | Path, images: str | Path) -> dict[Path, Polygons]:
    """Outlines of crowds and of people without keypoints, by image file.

    Parameters
    ----------
    path
        A file in COCO's form or a folder of such files, see `posetrack.training.read_coco`.
    images
        The folder that the files' ``file_name`` start from.

    Returns
    -------
    regions
        Only of images that have any. An outline is the segmentation where there is one that can
        be read, else the box; PoseTrack18's ``ignore_regions_x`` and ``_y`` are among them. What
        is broken is passed over: that is for `read_coco` to say.

    Raises
    ------
    FileNotFoundError, ValueError
        If a file is missing or not JSON.
    """
    path, found = Path(path), dict[Path, Polygons]()
    for file in json_files(path) if path.is_dir() else [path]:
        document = read_json(file)
        if not isinstance(document, Mapping):
            continue
        names: dict[Any, Placement] = {}
        for row in _objects(document.get("images")):
            if isinstance(row.get("file_name"), str) and isinstance(row.get("id"), int | str):
                image = image_file(Path(images), row["file_name"])
                if image is None:
                    continue
                lies = (
                    find_placement(image, row.get("width"), row.get("height"))
                    if image.is_file()
                    else Placement(image)
                )
                names[row["id"]] = Placement(image) if isinstance(lies, str) else lies
                _add(found, names[row["id"]], _list_regions(row))
        for row in _objects(document.get("annotations")):
            key = row.get("image_id")
            if isinstance(key, int | str) and key in names and _is_unlabelled(row):
                _add(found, names[key], _outlines(row))
    return found


def cells_that_count(
    polygons: Polygons, matrix: NDArray[np.float64], map_size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Cells of a map that are in no region.

    Parameters
    ----------
    polygons
        In image pixels.
    matrix
        (2, 3), from image pixels to cells, whose centres lie at integers.
    map_size
        Width and height of the map.

    Returns
    -------
    counted
        (h, w).

    Examples
    --------
    >>> left = (np.array([[0.0, 0], [30, 0], [30, 60], [0, 60]]),)
    >>> cells_that_count(left, np.array([[0.1, 0, 0], [0, 0.1, 0]]), (6, 2))[0].tolist()
    [False, False, False, False, True, True]
    """
    covered = np.zeros((map_size[1], map_size[0]), np.uint8)
    for polygon in polygons:
        corners = np.rint(polygon @ matrix[:, :2].T + matrix[:, 2])
        whole = np.clip(corners, -(2**15), 2**15).astype(np.int32)
        cv2.fillPoly(covered, [whole], 1)
    return np.asarray(covered == 0)


def _objects(rows: Any) -> Iterator[Mapping[str, Any]]:
    return (row for row in rows if isinstance(row, Mapping)) if isinstance(rows, list) else iter(())


def _add(
    found: dict[Path, Polygons], image: Placement, polygons: list[NDArray[np.float64]]
) -> None:
    if polygons:
        turned = (image.xy(polygon) for polygon in polygons)
        found[image.file] = (*found.get(image.file, ()), *turned)


def _is_unlabelled(row: Mapping[str, Any]) -> bool:
    keypoints = row.get("keypoints")
    if row.get("iscrowd"):
        return True
    return not isinstance(keypoints, list) or not any(keypoints[2::3])


def _list_regions(row: Mapping[str, Any]) -> list[NDArray[np.float64]]:
    """PoseTrack18's regions of an image."""
    across, down = row.get("ignore_regions_x"), row.get("ignore_regions_y")
    if not (isinstance(across, list) and isinstance(down, list)):
        return []
    polygons = [_numbers([x, y]) for x, y in zip(across, down, strict=False)]
    return [np.ascontiguousarray(p.T) for p in polygons if p is not None and p.shape[0] == 2]


def _outlines(row: Mapping[str, Any]) -> list[NDArray[np.float64]]:
    """Of the segmentation, or the corners of the box."""
    segmentation = row.get("segmentation")
    if isinstance(segmentation, list) and segmentation:
        flat = [_numbers(part) for part in segmentation]
        whole = [p.reshape(-1, 2) for p in flat if p is not None and p.ndim == 1 and not p.size % 2]
        polygons = [polygon for polygon in whole if len(polygon) > 2]
    elif isinstance(segmentation, Mapping):
        polygons = _of_runs(segmentation)
    else:
        polygons = []
    box = _numbers(row.get("bbox"))
    if not polygons and box is not None and box.shape == (4,):
        x, y, width, height = box
        corners = [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]
        polygons = [np.array(corners)]
    return polygons


def _of_runs(segmentation: Mapping[str, Any]) -> list[NDArray[np.float64]]:
    """Outlines of a mask given as lengths of runs down its columns, off and on by turns."""
    size, runs = _numbers(segmentation.get("size")), _numbers(segmentation.get("counts"))
    if size is None or runs is None or size.shape != (2,) or runs.ndim != 1:
        return []
    height, width = (int(side) for side in size)
    total = runs.sum()
    if not (0 < height * width <= _LARGEST) or total != height * width or (runs < 0).any():
        return []
    on = np.repeat(np.arange(len(runs)) % 2, runs.astype(np.int64)).astype(np.uint8)
    mask = np.ascontiguousarray(on.reshape(width, height).T)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [np.asarray(outline, np.float64).reshape(-1, 2) for outline in outlines]


def _numbers(values: Any) -> NDArray[np.float64] | None:
    """Finite numbers as an array, or None."""
    if not isinstance(values, list) or not values:
        return None
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        return None
    return array if np.isfinite(array).all() else None
