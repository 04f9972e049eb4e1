"""AlphaPose's results, which look like COCO's. Source: its documentation, "Output format"."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from posetrack.files import read_json
from posetrack.formats.coco import frame_of, points_of
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.numbers import Id, Number, whole, xyxy_of
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import COCO_17, HALPE_26, MPII_16, Skeleton

_NUMBER = re.compile(r"(?:.*\D)?(\d{1,18})(?:\.\w+)?", re.ASCII | re.DOTALL)


class _Result(msgspec.Struct):
    image_id: Id | None = None
    keypoints: list[Number] | None = None
    box: list[Number] | None = None
    idx: Any = None


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
    people = People(str(path), hints)
    frames: dict[Any, int] = {name: index for index, name in enumerate(hints.images or ())}
    for n, row in enumerate(read_json(path, list[_Result], nan=True)):
        title = f"{path}, entry {n}"
        image = row.image_id
        named = _NUMBER.fullmatch(image) if isinstance(image, str) and not frames else None
        frame = int(named[1]) if named else frame_of(image, frames, title)
        points = points_of(row.keypoints, f"{title}: 'keypoints'")
        if len(points) == 136:
            points = points[:26]
        box = xyxy_of(row.box, f"{title}: 'box'") if row.box else None
        people.add(frame, _identity(row.idx, title), points, box, part=f", entry {n}")
    by_count: dict[int | None, Skeleton] = {17: COCO_17, 16: MPII_16, 26: HALPE_26}
    skeleton = hints.skeleton or by_count.get(people.keypoints, COCO_17)
    return people.table(skeleton)


def _identity(value: Any, title: str) -> int | None:
    """``idx``: a number, in some versions within lists or with a fraction of 0."""
    while isinstance(value, list) and value:
        value = value[0]
    return None if value is None or value == [] else whole(value, f"{title}: 'idx'")
