"""PoseTrack17 JSON, read and written: 15 keypoints, everything in lists of one element.

Source: the annotation files of the dataset of 2017 (posetrack.net) and what the official evaluation
(``leonid-pishchulin/poseval``) reads in predictions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from posetrack.files import dump_json, read_json, write_whole
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.json_writer import round_nested
from posetrack.formats.numbers import Number, number, whole
from posetrack.formats.people import People
from posetrack.formats.posetrack18 import frames_by_name, sequence_name
from posetrack.formats.table import TrackTable
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Tracks

Value = TypeVar("Value")
One: TypeAlias = list[Number] | Number | None
"""A number in a list of one, as the dataset has it, or without."""


class Point(msgspec.Struct, gc=False):
    """A keypoint, or a corner of a region."""

    id: One = None
    x: One = None
    y: One = None
    score: One = None


class Points(msgspec.Struct, gc=False):
    """What holds the points of a person or a region."""

    point: list[Point] | None = None


class Rectangle(msgspec.Struct, gc=False):
    """A person; the corners are those of the head."""

    track_id: One = None
    annopoints: Points | list[Points] | None = None
    x1: One = None
    y1: One = None
    x2: One = None
    y2: One = None

    def points(self) -> list[Point] | None:
        """Of the person; None without any."""
        holder = first_of(self.annopoints)
        return None if holder is None else holder.point


class Name(msgspec.Struct, gc=False):
    """The name of an image."""

    name: str | None = None


class Frame(msgspec.Struct, gc=False):
    """An image with its people."""

    image: Name | list[Name] | None = None
    annorect: list[Rectangle] | None = None
    ignore_regions: list[Points] | None = None
    is_labeled: list[bool | Number] | bool | Number | None = None
    seconds: One = None

    @property
    def name(self) -> str | None:
        """The image's name."""
        holder = first_of(self.image)
        return None if holder is None else holder.name


class Document(msgspec.Struct):
    """A video."""

    annolist: list[Frame]
    rate: One = None


def first_of(value: list[Value] | Value | None) -> Value | None:
    """The value in a list of one, or the value itself.

    Examples
    --------
    >>> first_of([3]), first_of(3), first_of([])
    (3, 3, None)
    """
    if isinstance(value, list):
        return value[0] if value else None
    return value


def read_posetrack17(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read a file of one sequence, predictions or annotations.

    A frame's index is the number that its image's name ends in, or its place in the file where
    names do not end in different numbers. Of several points with one id the first counts, as in
    the official evaluation. People without a point are left out.

    Parameters
    ----------
    path
        A ``.json`` file.
    hints
        Its ``rate`` is needed where the images do not have ``seconds``, as ours do.

    Raises
    ------
    ValueError
        If it is not such a file, without identities, or all in it is left out; the message names
        the file and the place.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.json"
    >>> write_posetrack17(path, table)
    >>> read_posetrack17(path).xy.shape
    (6, 15, 2)
    """
    path = Path(path)
    document = read_json(path, Document, nan=True)
    people = People(str(path), hints)
    indices = frames_by_name([image.name or "" for image in document.annolist])
    for n, (index, image) in enumerate(zip(indices, document.annolist, strict=True)):
        seconds = number(first_of(image.seconds), f"{path}, image {n}: 'seconds'")
        people.add_frame(index, seconds)
        for m, row in enumerate(image.annorect or []):
            _add(people, index, row, f", image {n}, person {m}")
    return people.table(POSETRACK_15, rate=first_of(document.rate))


def _add(people: People, frame: int, row: Rectangle, part: str) -> None:
    title = f"{people.where}{part}"
    points = np.full((len(POSETRACK_15), 3), np.nan)
    for point in row.points() or []:
        keypoint = whole(first_of(point.id), f"{title}: a point's 'id'")
        if not 0 <= keypoint < len(points) or np.isfinite(points[keypoint, 0]):
            continue
        score = number(first_of(point.score), f"{title}: a point's 'score'", 1.0)
        values = first_of(point.x), first_of(point.y)
        if None in values:
            raise ValueError(f"{title}: a point without 'x' and 'y'")
        points[keypoint] = [*(number(value, f"{title}: a point") for value in values), score]
    track = first_of(row.track_id)
    identity = None if track is None else whole(track, f"{title}: 'track_id'")
    if np.isfinite(points[:, :2]).any():
        people.add(frame, identity, points, part=part)
    else:
        people.leave_out("without points")


def write_posetrack17(
    path: str | Path, table: TrackTable, *, approximate_head: bool = True
) -> None:
    """Write predictions as PoseTrack17 JSON.

    Keypoints go by name into PoseTrack's 15 slots; those that were not seen are left out. Places
    are to a hundredth of a pixel, scores to six decimals; boxes are not kept.

    Parameters
    ----------
    path
        The JSON file; the official evaluation pairs files by name.
    table
        What to write.
    approximate_head
        Place the ends of the head from nose and shoulders if the skeleton lacks them, see
        `posetrack.formats.PoseTrack18Writer`.

    Raises
    ------
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.json"
    >>> write_posetrack17(path, table)
    >>> read_posetrack17(path).ids.tolist()
    [1, 2, 1, 2, 1, 2]
    """
    path = Path(path)
    write_whole(path, _pieces(sequence_name(path.stem.split(".")[0]), table, approximate_head))


def _pieces(sequence: str, table: TrackTable, approximate_head: bool) -> Iterator[bytes]:
    yield b'{"annolist":['
    comma = b"\n"
    for index, seconds, tracks in table.frames():
        image = {
            "image": [{"name": f"images/{sequence}/{index:06d}.jpg"}],
            "imgnum": [index + 1],
            "seconds": [seconds],
            "annorect": _people(tracks, approximate_head),
            "is_labeled": [1],
        }
        yield comma + dump_json(image)
        comma = b",\n"
    rate = table.metadata.get("rate")
    yield b"]" + (b',"rate":' + dump_json([rate]) if rate else b"") + b"}\n"


def _people(tracks: Tracks, approximate_head: bool) -> list[dict[str, Any]]:
    xy, scores = tracks.skeleton.map_to(
        POSETRACK_15, tracks.xy, tracks.scores, approximate_head=approximate_head
    )
    seen: NDArray[np.bool_] = np.isfinite(xy[..., 0])
    places, score_lists = round_nested(xy, 2), round_nested(scores, 6)
    means = round_nested(tracks.scores.mean(axis=1), 6)
    return [
        {
            "track_id": [identity],
            "score": [means[row]],
            "annopoints": [
                {
                    "point": [
                        {"id": [k], "x": [x], "y": [y], "score": [score_lists[row][k]]}
                        for k, (x, y) in enumerate(places[row])
                        if seen[row, k]
                    ]
                }
            ],
        }
        for row, identity in enumerate(tracks.ids.tolist())
    ]
