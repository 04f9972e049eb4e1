"""AlphaPose's results, which look like COCO's. Source: its documentation, "Output format"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from posetrack.files import read_json
from posetrack.formats.coco import frame_of, is_object, points_of
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.numbers import Id, Number, whole, xyxy_of
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import BODY_25, COCO_17, COCO_18, MPII_16, skeleton_of_count

_NUMBER = re.compile(r"(?:.*\D)?(\d{1,18})(?:\.\w+)?", re.ASCII | re.DOTALL)


class _Result(msgspec.Struct):
    image_id: Id | None = None
    keypoints: list[Number] | None = None
    box: list[Number] | None = None
    idx: Any = None


class _Person(msgspec.Struct):
    joints: list[Number] | None = None
    pose_keypoints_2d: list[Number] | None = None
    idx: Any = None


class _Frame(msgspec.Struct):
    bodies: list[_Person] | None = None
    people: list[_Person] | None = None


def read_alphapose(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read AlphaPose's results: 17 keypoints (COCO), 16 (MPII), 26, 133 or 136 (whole bodies).

    The frame is the number that ``image_id`` ends in (``7.jpg``), or its place in
    ``hints.images``; identities are ``idx``, which AlphaPose writes when it tracks. Its forms
    ``--format open`` and ``cmu``, a table of frames in OpenPose's form by image, are read, too.

    Parameters
    ----------
    path
        ``alphapose-results.json``.
    hints
        Its ``rate`` is needed: the file has no times.

    Raises
    ------
    ValueError
        If it is not such a file or without identities; the message names the file and the entry.
    """
    path = Path(path)
    people = People(str(path), hints)
    frames: dict[Any, int] = {name: index for index, name in enumerate(hints.images or ())}
    for n, row in enumerate(_results(path)):
        title = f"{path}, entry {n}"
        image = row.image_id
        named = _NUMBER.fullmatch(image) if isinstance(image, str) and not frames else None
        frame = int(named[1]) if named else frame_of(image, frames, title)
        points = points_of(row.keypoints, f"{title}: 'keypoints'")
        box = xyxy_of(row.box, f"{title}: 'box'") if row.box else None
        people.add(frame, _identity(row.idx, title), points, box, part=f", entry {n}")
    count = people.keypoints or len(COCO_17)
    usual = {len(known): known for known in (MPII_16, COCO_18, BODY_25)}
    skeleton = hints.skeleton or skeleton_of_count(count) or usual.get(count, COCO_17)
    return people.table(skeleton)


def _results(path: Path) -> Iterator[_Result]:
    """Entries of a list, or people of a table by image."""
    if not is_object(path):
        yield from read_json(path, list[_Result], nan=True)
        return
    for image, frame in read_json(path, dict[str, _Frame], nan=True).items():
        for person in frame.bodies or frame.people or ():
            yield _Result(image, person.joints or person.pose_keypoints_2d, None, person.idx)


def _identity(value: Any, title: str) -> int | None:
    """``idx``: a number, in some versions within lists or with a fraction of 0."""
    while isinstance(value, list) and value:
        value = value[0]
    return None if value is None or value == [] else whole(value, f"{title}: 'idx'")
