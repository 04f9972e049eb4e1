"""AlphaPose's results, which look like COCO's. Source: its documentation, "Output format"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from posetrack.files import read_json
from posetrack.formats.coco import frame_of, is_object, points_of
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.labels import LabelledImage, frames_of
from posetrack.formats.numbers import Id, Number, whole, xyxy_of
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import BODY_25, COCO_17, COCO_18, MPII_16, skeleton_of_count


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
    ``hints.images``; where names do not end in different numbers, images count. Identities are
    ``idx``, which AlphaPose writes when it tracks. Its forms ``--format open`` and ``cmu``, a
    table of frames in OpenPose's form by image, are read, too.

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

    Examples
    --------
    >>> import json, tempfile
    >>> person = {"image_id": "7.jpg", "idx": 4, "score": 2.5, "keypoints": [5.0, 6.0, 0.9] * 17}
    >>> document = [person]
    >>> path = Path(tempfile.mkdtemp()) / "alphapose-results.json"
    >>> _ = path.write_text(json.dumps(document))
    >>> read_alphapose(path, Hints(rate=25)).ids.tolist()
    [4]
    """
    path = Path(path)
    people = People(str(path), hints)
    rows = list(_results(path))
    frames = _frames(path, [row.image_id for row in rows], hints)
    ids = [_identity(row.idx, f"{path}, entry {n}") for n, row in enumerate(rows)]
    if hints.untracked and len(set(zip(frames, ids, strict=True))) < len(rows):
        ids = [None] * len(rows)  # where it does not track, numbers of boxes, of which one is many
    for n, (row, frame, identity) in enumerate(zip(rows, frames, ids, strict=True)):
        title = f"{path}, entry {n}"
        points = points_of(row.keypoints, f"{title}: 'keypoints'")
        box = xyxy_of(row.box, f"{title}: 'box'") if row.box else None
        people.add(frame, identity, points, box, part=f", entry {n}")
    count = people.keypoints or len(COCO_17)
    usual = {len(known): known for known in (MPII_16, COCO_18, BODY_25)}
    skeleton = hints.skeleton or skeleton_of_count(count) or usual.get(count, COCO_17)
    return people.table(skeleton)


def _frames(path: Path, names: Sequence[Any], hints: Hints) -> list[int]:
    """Frames by their images' numbers or names; see `posetrack.formats.labels.frames_of`."""
    if not all(isinstance(name, str) for name in names):
        known: dict[Any, int] = {name: index for index, name in enumerate(hints.images or ())}
        return [frame_of(name, known, f"{path}, entry {n}") for n, name in enumerate(names)]
    images = list(dict.fromkeys(names))
    indices = frames_of([LabelledImage(name, ()) for name in images], str(path), hints)
    by_name = dict(zip(images, indices, strict=True))
    return [by_name[name] for name in names]


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
