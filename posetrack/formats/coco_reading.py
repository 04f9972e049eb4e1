"""COCO keypoint results and AlphaPose's, which look alike, as tables.

Sources: cocodataset.org, "Results format"; AlphaPose's documentation, "Output format".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.files import read_json
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.json_reading import entries, number, numbers, whole, xywh_to_xyxy
from posetrack.formats.metadata import parse_metadata, sidecar_path
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import COCO_17, HALPE_26, MPII_16, Skeleton

_NUMBER = re.compile(r"(?:.*\D)?(\d{1,18})(?:\.\w+)?", re.ASCII | re.DOTALL)


def read_coco_results(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a list of keypoint results.

    The frame is the entry's ``frame`` as ours have it, else the place of ``image_id`` in
    ``hints.images``, else ``image_id`` itself. Identities are ``track_id``.

    Parameters
    ----------
    path
        A ``.json`` file; a ``.json.meta.json`` beside it tells skeleton and rate.
    hints
        Its ``rate`` is needed where entries do not have ``seconds``; its ``skeleton`` where there
        are not 17 keypoints.

    Raises
    ------
    ValueError
        If it is no such file or without identities; the message names the file and the entry.
    """
    path = Path(path)
    return coco_table(read_json(path, nan=True), path, hints)


def coco_table(document: Any, path: Path, hints: Hints) -> TrackTable:
    """The table of a parsed file."""
    people = People(str(path), hints)
    frames = {name: place for place, name in enumerate(hints.images or ())}
    for n, row in enumerate(entries(document, str(path))):
        where = f"{path}, entry {n}"
        if "frame" in row:
            frame = whole(row["frame"], f"{where}: 'frame'")
            people.add_frame(frame, number(row.get("seconds", np.nan), f"{where}: 'seconds'"))
        else:
            frame = _place(row.get("image_id"), frames, where)
        if row.get("category_id", 1) != 1:
            continue
        points = _points(row, where)
        box = xywh_to_xyxy(row["bbox"], f"{where}: 'bbox'") if row.get("bbox") else None
        given = row.get("track_id")
        who = None if given is None else whole(given, f"{where}: 'track_id'")
        score = number(row.get("box_score", np.nan), f"{where}: 'box_score'")
        people.add(frame, who, points, box, score, place=f", entry {n}")
    described: dict[str, Any] = {}
    beside = sidecar_path(path)
    if beside.is_file():
        described = parse_metadata(beside.read_bytes(), str(beside))
    skeleton = hints.skeleton or COCO_17
    if "skeleton" in described:
        skeleton = Skeleton.from_json(described["skeleton"], str(beside))
    metadata = {key: described.get(key) for key in ("provenance", "image_size")}
    return people.table(skeleton, rate=described.get("rate"), metadata=metadata)


def _points(row: Mapping[str, Any], where: str) -> Any:
    """(K, 3); what has score 0 was not seen."""
    points = numbers(row.get("keypoints"), f"{where}: 'keypoints'", -1)
    if not len(points) or len(points) % 3:
        raise ValueError(f"{where}: 'keypoints' holds {len(points)} numbers, not three each")
    points = points.reshape(-1, 3)
    # A point may have been placed and given no confidence; only (0, 0) with 0 says "not there".
    points[~points.any(axis=1), :2] = np.nan
    return points


def _place(image: Any, frames: Mapping[int | str, int], where: str) -> int:
    if frames:
        if not isinstance(image, int | str) or image not in frames:
            raise ValueError(f"{where}: image {image!r:.60} is not among images=")
        return frames[image]
    index = whole(image, f"{where}: 'image_id'")
    if index < 0:
        raise ValueError(f"{where}: image_id {index} counts no frames; give images=")
    return index


def read_alphapose(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read AlphaPose's results: 17 keypoints (COCO), 16 (MPII), 26 or 136 (Halpe).

    The frame is the number that ``image_id`` ends in (``7.jpg``), or its place in
    ``hints.images``; identities are ``idx``, which AlphaPose writes when it tracks. Of Halpe's
    136 keypoints the 26 of the body are read.

    Parameters
    ----------
    path
        ``alphapose-results.json``.
    hints
        Its ``rate`` is needed: the file tells no times.

    Raises
    ------
    ValueError
        If it is no such file or without identities; the message names the file and the entry.
    """
    path = Path(path)
    return alphapose_table(read_json(path, nan=True), path, hints)


def alphapose_table(document: Any, path: Path, hints: Hints) -> TrackTable:
    """The table of a parsed file."""
    people = People(str(path), hints)
    frames = {name: place for place, name in enumerate(hints.images or ())}
    for n, row in enumerate(entries(document, str(path))):
        where = f"{path}, entry {n}"
        image = row.get("image_id")
        named = _NUMBER.fullmatch(image) if isinstance(image, str) and not frames else None
        frame = int(named[1]) if named else _place(image, frames, where)
        points = _points(row, where)
        if len(points) == 136:
            points = points[:26]
        box = xywh_to_xyxy(row["box"], f"{where}: 'box'") if row.get("box") else None
        people.add(frame, _index(row, where), points, box, place=f", entry {n}")
    by_count: dict[int | None, Skeleton] = {17: COCO_17, 16: MPII_16, 26: HALPE_26}
    skeleton = hints.skeleton or by_count.get(people.keypoints, COCO_17)
    return people.table(skeleton)


def _index(row: Mapping[str, Any], where: str) -> int | None:
    """``idx``: a number, in some versions within lists or with a fraction of 0."""
    value = row.get("idx")
    while isinstance(value, list) and value:
        value = value[0]
    if value is None or value == []:
        return None
    found = number(value, f"{where}: 'idx'")
    if not found.is_integer():
        raise ValueError(f"{where}: 'idx' must be a whole number, got {value!r:.40}")
    return int(found)
