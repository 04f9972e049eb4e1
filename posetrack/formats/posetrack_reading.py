"""PoseTrack's JSON of 2017, 2018 and 2021, predictions or annotations, as tables.

COCO's annotation files have the layout of 2018 and are read, too, where people have ``track_id``.
Sources: the annotation files of the datasets (posetrack.net; PoseTrack21's repository).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.files import read_json
from posetrack.formats.hints import NO_HINTS, Hints, skeleton_of_names
from posetrack.formats.json_reading import entries, number, numbers, whole, xywh_to_xyxy
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import COCO_17, POSETRACK_15, POSETRACK_17, Skeleton

_FRAME = re.compile(r"(?:.*\D)?(\d{1,18})\.\w+", re.ASCII | re.DOTALL)


def read_posetrack(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a file of one sequence, of whichever year.

    A frame's index is the number that its image's name ends in, or its place in the file where
    names do not end in different numbers. A keypoint marked 0 is not seen.

    Parameters
    ----------
    path
        A ``.json`` file.
    hints
        Its ``rate`` is needed where the images do not have ``seconds``, as ours do.

    Raises
    ------
    ValueError
        If it is no such file, of several videos, or without identities; the message names the
        file and the place.
    """
    path = Path(path)
    return posetrack_table(read_json(path, nan=True), path, hints)


def posetrack_table(document: Any, path: Path, hints: Hints) -> TrackTable:
    """The table of a parsed file."""
    if isinstance(document, Mapping) and "annolist" in document:
        return _of_2017(document, path, hints)
    if not isinstance(document, Mapping) or not {"images", "annotations"} <= set(document):
        raise ValueError(f"{path}: expected 'annolist', or 'images' and 'annotations'")
    return _of_2018(document, path, hints)


def _of_2018(document: Mapping[str, Any], path: Path, hints: Hints) -> TrackTable:
    people = People(str(path), hints)
    images = entries(document["images"], f"{path}: 'images'")
    videos = {str(image["vid_id"]) for image in images if "vid_id" in image}
    if len(videos) > 1:
        raise ValueError(f"{path}: {len(videos)} videos in one file: {sorted(videos)[:5]}")
    indices = _frames([str(image.get("file_name", "")) for image in images])
    frame_of: dict[Any, int] = {}
    for n, (index, image) in enumerate(zip(indices, images, strict=True)):
        where = f"{path}, image {n}"
        frame_of[whole(image.get("id"), f"{where}: 'id'")] = index
        people.add_frame(index, number(image.get("seconds", np.nan), f"{where}: 'seconds'"))
    if len(frame_of) < len(images):
        raise ValueError(f"{path}: two images have one id")
    for n, row in enumerate(entries(document["annotations"], f"{path}: 'annotations'")):
        place = f", annotation {n}"
        if row.get("image_id") not in frame_of:
            raise ValueError(f"{path}{place}: image {row.get('image_id')!r:.40} is not in the file")
        if "keypoints" in row and not row.get("iscrowd"):
            _add_2018(people, frame_of[row["image_id"]], row, place)
    skeleton = _skeleton(document, people.keypoints, path, hints)
    info = document.get("info")
    info = info if isinstance(info, Mapping) else {}
    provenance = info.get("provenance")
    size = {(image.get("width"), image.get("height")) for image in images}
    metadata = {"provenance": provenance if isinstance(provenance, Mapping) else None}
    if len(size) == 1 and all(isinstance(side, int) for side in next(iter(size))):
        metadata["image_size"] = list(next(iter(size)))  # type: ignore[assignment]
    return people.table(skeleton, rate=info.get("rate"), metadata=metadata)


def _add_2018(people: People, frame: int, row: Mapping[str, Any], place: str) -> None:
    where = f"{people.where}{place}"
    points = numbers(row["keypoints"], f"{where}: 'keypoints'", -1)
    if not len(points) or len(points) % 3:
        raise ValueError(f"{where}: 'keypoints' holds {len(points)} numbers, not three each")
    points = points.reshape(-1, 3)
    points[points[:, 2] == 0, :2] = np.nan
    if row.get("scores"):
        points[:, 2] = numbers(row["scores"], f"{where}: 'scores'", len(points))
    else:
        points[:, 2] = np.minimum(points[:, 2], 1)  # COCO marks visible keypoints with 2
    box = xywh_to_xyxy(row["bbox"], f"{where}: 'bbox'") if row.get("bbox") else None
    given = row.get("original_track_id", row.get("track_id"))
    who = None if given is None else whole(given, f"{where}: 'track_id'")
    score = row.get("box_score", np.nan)
    people.add(frame, who, points, box, number(score, f"{where}: 'box_score'"), place=place)


def _frames(names: list[str]) -> list[int]:
    """Indices of frames by the numbers that images' names end in, else by place."""
    found = [_FRAME.fullmatch(name) for name in names]
    indices = [int(match[1]) for match in found if match]
    if len(indices) == len(names) and len(set(indices)) == len(names):
        return indices
    return list(range(len(names)))


def _skeleton(
    document: Mapping[str, Any], keypoints: int | None, path: Path, hints: Hints
) -> Skeleton:
    categories = document.get("categories")
    if isinstance(categories, list) and len(categories) == 1 and isinstance(categories[0], Mapping):
        names = categories[0].get("keypoints")
        if isinstance(names, list) and all(isinstance(name, str) for name in names) and names:
            return skeleton_of_names(names, path.stem, hints.skeleton)
    if hints.skeleton is not None:
        return hints.skeleton
    return POSETRACK_15 if keypoints == 15 else POSETRACK_17 if keypoints in (17, None) else COCO_17


def _of_2017(document: Mapping[str, Any], path: Path, hints: Hints) -> TrackTable:
    people = People(str(path), hints)
    images = entries(document["annolist"], f"{path}: 'annolist'")
    names = [str(_first(image.get("image"), {}).get("name", "")) for image in images]
    for n, (index, image) in enumerate(zip(_frames(names), images, strict=True)):
        where = f"{path}, image {n}"
        seconds = _first(image.get("seconds"), np.nan)
        people.add_frame(index, number(seconds, f"{where}: 'seconds'"))
        for m, row in enumerate(entries(image.get("annorect", []), f"{where}: 'annorect'")):
            _add_2017(people, index, row, f", image {n}, person {m}")
    return people.table(POSETRACK_15, rate=_first(document.get("rate"), None))


def _add_2017(people: People, frame: int, row: Mapping[str, Any], place: str) -> None:
    where = f"{people.where}{place}"
    holder = _first(row.get("annopoints"), {})
    given = holder.get("point", []) if isinstance(holder, Mapping) else []
    points = np.full((len(POSETRACK_15), 3), np.nan)
    for point in entries(given, f"{where}: 'point'"):
        keypoint = whole(_first(point.get("id"), None), f"{where}: a point's 'id'")
        if not 0 <= keypoint < len(points) or np.isfinite(points[keypoint, 0]):
            continue  # of several with one id the first counts, as in the official evaluation
        score = _first(point.get("score"), 1.0)
        values = (_first(point.get("x"), None), _first(point.get("y"), None), score)
        points[keypoint] = [number(value, f"{where}: a point") for value in values]
    track = _first(row.get("track_id"), None)
    who = None if track is None else whole(track, f"{where}: 'track_id'")
    if np.isfinite(points[:, :2]).any():
        people.add(frame, who, points, place=place)


def _first(value: Any, otherwise: Any) -> Any:
    """PoseTrack17 keeps every value in a list of one."""
    if isinstance(value, list):
        return value[0] if value else otherwise
    return otherwise if value is None else value
