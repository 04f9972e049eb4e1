"""Predictions of MMPose as tables: its demos' JSON and its inferencer's.

Source: MMPose's documentation, "Inference with existing models", and what its demos save:
``meta_info`` and ``instance_info``, frames from 1; the inferencer saves the frames alone, from 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from posetrack.files import read_json
from posetrack.formats.coco import is_object
from posetrack.formats.hints import NO_HINTS, Hints, skeleton_of_names
from posetrack.formats.numbers import Number, array_of, number, whole
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import COCO_17, Skeleton, skeleton_of_count


class _Instance(msgspec.Struct):
    """A person; lists may stand in lists of one."""

    keypoints: list[list[Number | list[Number]]]
    keypoint_scores: list[Number | list[Number]]
    bbox: list[Number | list[Number]] | None = None
    bbox_score: Number | list[Number] | None = None
    track_id: Number | None = None


class _Frame(msgspec.Struct):
    instances: list[_Instance]
    frame_id: Number | None = None


class _Document(msgspec.Struct):
    instance_info: list[_Frame]
    meta_info: Any = None


def read_mmpose(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read 2-D predictions for a video.

    Identities are ``track_id``, which MMPose's own demos do not write: give ``untracked`` to read
    the poses alone.

    Parameters
    ----------
    path
        A ``.json`` file.
    hints
        Its ``rate`` is needed: the file has no times. Its ``skeleton`` is needed where the file
        names no keypoints and they are not 17, 26, 133 or 136.

    Raises
    ------
    ValueError
        If it is not such a file or without identities; the message names the file and the place.

    Examples
    --------
    >>> import json, tempfile
    >>> person = {"keypoints": [[5.0, 6.0]] * 17, "keypoint_scores": [0.9] * 17, "track_id": 4}
    >>> document = [{"frame_id": 0, "instances": [person]}]
    >>> path = Path(tempfile.mkdtemp()) / "results_walk.json"
    >>> _ = path.write_text(json.dumps(document))
    >>> read_mmpose(path, Hints(rate=25)).ids.tolist()
    [4]
    """
    path = Path(path)
    described: Mapping[str, Any] = {}
    first = 0
    if not is_object(path):
        try:
            frames = read_json(path, list[_Frame], nan=True)
        except ValueError as error:
            try:  # what the inferencer writes of a picture: its people, without a frame
                frames = [_Frame(read_json(path, list[_Instance], nan=True))]
            except ValueError:
                raise error from None
    else:
        document = read_json(path, _Document, nan=True)
        first, frames = 1, document.instance_info
        if isinstance(document.meta_info, Mapping):
            described = document.meta_info
    people = People(str(path), hints)
    for n, frame in enumerate(frames):
        given = n + first if frame.frame_id is None else frame.frame_id
        index = whole(given, f"{path}, frame {n}: 'frame_id'") - first
        if index < 0:
            raise ValueError(f"{path}, frame {n}: 'frame_id' counts from {first}")
        people.add_frame(index)
        for m, instance in enumerate(frame.instances):
            _add(people, index, instance, f", frame {n}, instance {m}")
    return people.table(_skeleton(described, people.keypoints, path, hints))


def _add(people: People, frame: int, instance: _Instance, part: str) -> None:
    title = f"{people.where}{part}"
    xy = array_of(_alone(instance.keypoints, 2), f"{title}: 'keypoints'", -1, 2)
    scores = _alone(instance.keypoint_scores, 1)
    row_scores = array_of(scores, f"{title}: 'keypoint_scores'", len(xy))
    box = instance.bbox
    xyxy = None if box is None else array_of(_alone(box, 1), f"{title}: 'bbox'", 4)
    given = _alone(instance.bbox_score, 0)
    score = number(given if isinstance(given, int | float) else None, f"{title}: 'bbox_score'")
    track = instance.track_id
    identity = None if track is None else whole(track, f"{title}: 'track_id'")
    points = np.column_stack([xy, row_scores])
    points[~points.any(axis=1), :2] = np.nan
    people.add(frame, identity, points, xyxy, score, part=part)


def _alone(value: Any, depth: int) -> Any:
    """Lists of a depth, without lists of one around them, as the inferencer writes them.

    Examples
    --------
    >>> _alone([[1, 2, 3]], 1), _alone([0.5], 0), _alone([1, 2], 1)
    ([1, 2, 3], 0.5, [1, 2])
    """
    while isinstance(value, list) and len(value) == 1:
        inner, levels = value, 0
        while isinstance(inner, list) and inner:
            inner, levels = inner[0], levels + 1
        if levels <= depth:
            break
        value = value[0]
    return value


def _skeleton(
    described: Mapping[str, Any], keypoints: int | None, path: Path, hints: Hints
) -> Skeleton:
    """By the names that the file has, else by the hint or the count."""
    named = described.get("keypoint_id2name")
    if isinstance(named, Mapping) and all(isinstance(name, str) for name in named.values()):
        count = keypoints or len(named)
        names = [named.get(str(number)) for number in range(count)]
        if names and all(isinstance(name, str) for name in names):
            try:
                return skeleton_of_names([str(name) for name in names], path.stem, hints.skeleton)
            except ValueError as error:
                raise ValueError(f"{path}: 'keypoint_id2name': {error}") from error
    if hints.skeleton is not None:
        return hints.skeleton
    return (None if keypoints is None else skeleton_of_count(keypoints)) or COCO_17
