"""Ultralytics' results as JSON: what ``Results.summary()`` and ``to_json()`` give, both ways.

A list a frame; frames in a list, in a table by image, or a line each. Source: Ultralytics'
``engine/results.py``, ``summary``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from posetrack.files import as_kind, dump_json, read_json_frames, write_whole
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.labels import LabelledImage, LabelledPerson, Labels, table_of_labels
from posetrack.formats.numbers import Number, array_of, number, whole
from posetrack.formats.table import TrackTable
from posetrack.structures import Tracks

_FRAME_KEYS: Final = ("frame", "frame_id", "frame_idx", "frame_index", "frame_number")
_LIST_KEYS: Final = ("results", "detections", "summary", "predictions", "objects", "persons")
_NAME_KEYS: Final = ("image", "path", "file_name", "filename", "name")


class _Box(msgspec.Struct):
    x1: Number
    y1: Number
    x2: Number
    y2: Number


class _Keypoints(msgspec.Struct):
    x: list[Number]
    y: list[Number]
    visible: list[Number] | None = None


class _Found(msgspec.Struct):
    """A detection, with ``track_id`` where ``track`` made it."""

    box: _Box
    name: str | None = None
    confidence: Number | None = None
    keypoints: _Keypoints | None = None
    track_id: Number | None = None


def read_ultralytics(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read summaries of a pose network's results.

    Parameters
    ----------
    path
        JSON: a list of a frame's people, a list of such lists, a table of them by image's name,
        objects with ``frame`` and ``results``, or lines of any of these.
    hints
        Its ``rate`` is needed. Its ``image_size`` is needed where the summary was normalized, its
        ``skeleton`` where keypoints are not 17, 26 or 133.

    Raises
    ------
    ValueError
        If it is no such file or a hint is needed; the message names the file and the place.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.testing import crossing
    >>> table = crossing(frames=3).table()
    >>> path = Path(tempfile.mkdtemp()) / "walk.json"
    >>> write_ultralytics(path, table)
    >>> read_ultralytics(path, Hints(rate=25)).xy.shape
    (6, 17, 2)
    """
    path = Path(path)
    frames = list(_frames(path, read_json_frames(path)))
    found = [
        (name, index, as_kind(rows, title, list[_Found])) for name, index, rows, title in frames
    ]
    corners = [value for _, _, rows in found for row in rows for value in (row.box.x2, row.box.y2)]
    size = (1.0, 1.0)
    if corners and max(map(abs, corners)) <= 1.01:
        if hints.image_size is None:
            raise ValueError(
                f"{path}: places are fractions of the image (normalize=True); give image_size= "
                "(--image-size on the line)"
            )
        size = (float(hints.image_size[0]), float(hints.image_size[1]))
    left_out: dict[str, int] = {}
    images = []
    for name, index, rows in found:
        people = []
        for n, row in enumerate(rows):
            title = f"{path}, frame {index if name is None else name!r}, person {n}"
            if row.keypoints is None:
                left_out["without keypoints"] = left_out.get("without keypoints", 0) + 1
            else:
                people.append(_person(row, size, title))
        frame = index if name is None or str(name).isdecimal() else None
        images.append(
            LabelledImage(str(index) if name is None else name, tuple(people), None, frame)
        )
    return table_of_labels(Labels(None, tuple(images), (), left_out), str(path), hints)


def _frames(path: Path, documents: Sequence[Any]) -> Iterator[tuple[str | None, int, Any, str]]:
    """Name or None, index, people and title of each frame."""
    if len(documents) == 1:
        documents = _unfold(documents[0])
    for n, document in enumerate(documents):
        title = f"{path}, frame {n}"
        if isinstance(document, list):
            yield None, n, document, title
            continue
        if not isinstance(document, dict):
            raise ValueError(f"{title}: expected a list of people, got {document!r:.40}")
        index = next((document[key] for key in _FRAME_KEYS if key in document), None)
        name = next((document[k] for k in _NAME_KEYS if isinstance(document.get(k), str)), None)
        rows = next((document[k] for k in _LIST_KEYS if isinstance(document.get(k), list)), None)
        if rows is None:
            raise ValueError(f"{title}: no list of {', '.join(_LIST_KEYS)}")
        if index is not None:
            yield None, whole(index, f"{title}: the frame's number"), rows, title
        else:
            yield name, n, rows, title


def _unfold(document: Any) -> list[Any]:
    """Frames of a document."""
    if isinstance(document, Mapping):
        images = document.get("images")  # as Ultralytics' service answers
        if isinstance(images, list):
            return images
        if any(isinstance(document.get(key), list) for key in _LIST_KEYS):
            return [document]
        return [{"image": str(name), "results": rows} for name, rows in document.items()]
    if not isinstance(document, list):
        return [document]
    if document and all(isinstance(row, dict) and "box" in row for row in document):
        return [document]
    return document


def _person(row: _Found, size: tuple[float, float], title: str) -> LabelledPerson:
    given = row.keypoints
    assert given is not None
    count = len(given.x)
    xy = np.stack(
        [array_of(values, f"{title}: keypoints", count) for values in (given.x, given.y)], axis=1
    )
    visible = np.ones(count) if given.visible is None else given.visible
    scores = array_of(visible, f"{title}: 'visible'", count)
    unseen = (xy == 0).all(axis=1) | (scores <= 0)
    points = np.column_stack([xy * size, scores])
    points[unseen] = (np.nan, np.nan, 0)
    box = np.array([row.box.x1, row.box.y1, row.box.x2, row.box.y2], np.float64) * (*size, *size)
    identity = None if row.track_id is None else whole(row.track_id, f"{title}: 'track_id'")
    score = number(row.confidence, f"{title}: 'confidence'")
    return LabelledPerson(points, box, score, identity, title.partition(", ")[2])


def write_ultralytics(path: str | Path, table: TrackTable) -> None:
    """Write what ``[result.summary() for result in results]`` gives, a list a frame from 0 on.

    Places are to five decimals, scores to six; a keypoint that was not seen is (0, 0) and 0.

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
    >>> write_ultralytics(path, table)
    >>> read_ultralytics(path, Hints(rate=25)).ids.tolist()
    [1, 2, 1, 2, 1, 2]
    """
    write_whole(Path(path), _pieces(table))


def _pieces(table: TrackTable) -> Iterator[bytes]:
    yield b"["
    following = 0
    for index, _, tracks in table.frames():
        # Frames go by their place in the list.
        empty = ["[]"] * (index - following)
        rows = dump_json(_summary(tracks)).decode()
        yield ((",\n" if following else "") + ",\n".join([*empty, rows])).encode()
        following = index + 1
    yield b"]\n"


def _summary(tracks: Tracks) -> list[dict[str, Any]]:
    seen = np.asarray(np.isfinite(tracks.xy).all(axis=-1))
    xy = np.where(seen[..., None], tracks.xy, 0).astype(np.float64).round(5)
    scores = np.where(seen, tracks.scores, 0).astype(np.float64).round(6)
    boxes = tracks.boxes.xyxy.astype(np.float64).round(5).tolist()
    sure = tracks.boxes.scores.astype(np.float64).round(6).tolist()
    return [
        {
            "name": "person",
            "class": 0,
            "confidence": sure[n],
            "box": dict(zip(("x1", "y1", "x2", "y2"), boxes[n], strict=True)),
            "track_id": identity,
            "keypoints": {
                "x": xy[n, :, 0].tolist(),
                "y": xy[n, :, 1].tolist(),
                "visible": scores[n].tolist(),
            },
        }
        for n, identity in enumerate(tracks.ids.tolist())
    ]
