"""Predictions of MMPose as tables: its demos' JSON and its inferencer's.

Source: MMPose's documentation, "Inference with existing models", and what its demos save:
``meta_info`` and ``instance_info``, frames from 1; the inferencer saves the frames alone, from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.files import read_json
from posetrack.formats.hints import NO_HINTS, Hints, skeleton_of_names
from posetrack.formats.json_reading import entries, number, numbers, whole
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import COCO_17, HALPE_26, Skeleton


def read_mmpose(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read 2-D predictions for a video.

    Identities are ``track_id``, which MMPose's own demos do not write: give ``untracked`` to read
    the poses alone.

    Parameters
    ----------
    path
        A ``.json`` file.
    hints
        Its ``rate`` is needed: the file tells no times. Its ``skeleton`` is needed where the file
        names no keypoints and they are not 17 or 26.

    Raises
    ------
    ValueError
        If it is no such file or without identities; the message names the file and the place.
    """
    path = Path(path)
    return mmpose_table(read_json(path, nan=True), path, hints)


def mmpose_table(document: Any, path: Path, hints: Hints) -> TrackTable:
    """The table of a parsed file."""
    described: Mapping[str, Any] = {}
    first, frames = 0, document
    if isinstance(document, Mapping):
        first, frames = 1, document.get("instance_info")
        if isinstance(document.get("meta_info"), Mapping):
            described = document["meta_info"]
    people = People(str(path), hints)
    for n, frame in enumerate(entries(frames, f"{path}: frames")):
        index = whole(frame.get("frame_id", n + first), f"{path}, frame {n}: 'frame_id'") - first
        if index < 0:
            raise ValueError(f"{path}, frame {n}: 'frame_id' counts from {first}")
        people.add_frame(index)
        given = entries(frame.get("instances"), f"{path}, frame {n}: 'instances'")
        for m, instance in enumerate(given):
            _add(people, index, instance, f", frame {n}, instance {m}")
    return people.table(_skeleton(described, people.keypoints, path, hints))


def _add(people: People, frame: int, instance: Mapping[str, Any], place: str) -> None:
    where = f"{people.where}{place}"
    places = instance.get("keypoints")
    if isinstance(places, list) and len(places) == 1 and isinstance(places[0], list):
        places = places[0] if places[0] and isinstance(places[0][0], list) else places
    xy = numbers(places, f"{where}: 'keypoints'", -1, 2)
    scores = instance.get("keypoint_scores")
    if isinstance(scores, list) and len(scores) == 1 and isinstance(scores[0], list):
        scores = scores[0]
    marks = numbers(scores, f"{where}: 'keypoint_scores'", len(xy))
    box = instance.get("bbox")
    while isinstance(box, list) and len(box) == 1:
        box = box[0]  # the inferencer writes a list in a list
    xyxy = None if box is None else numbers(box, f"{where}: 'bbox'", 4)
    score = instance.get("bbox_score")
    while isinstance(score, list) and len(score) == 1:
        score = score[0]
    sure = np.nan if score is None else number(score, f"{where}: 'bbox_score'")
    track = instance.get("track_id")
    who = None if track is None else whole(track, f"{where}: 'track_id'")
    points = np.column_stack([xy, marks])
    points[~points.any(axis=1), :2] = np.nan
    people.add(frame, who, points, xyxy, sure, place=place)


def _skeleton(
    described: Mapping[str, Any], keypoints: int | None, path: Path, hints: Hints
) -> Skeleton:
    """By the names that the file has, else by the hint or the count."""
    named = described.get("keypoint_id2name")
    if isinstance(named, Mapping) and all(isinstance(name, str) for name in named.values()):
        count = keypoints or len(named)
        names = [named.get(str(number)) for number in range(count)]
        if names and all(isinstance(name, str) for name in names):
            return skeleton_of_names([str(name) for name in names], path.stem, hints.skeleton)
    if hints.skeleton is not None:
        return hints.skeleton
    return HALPE_26 if keypoints == 26 else COCO_17
