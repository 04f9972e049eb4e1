"""PoseTrack 2017 files: ``annolist``, everything in lists of one element."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from posetrack.evaluation.reading_posetrack18 import polygon
from posetrack.evaluation.sequences import AnnotatedSequence, Region, SparePoints
from posetrack.skeletons import POSETRACK_15

_COUNT = len(POSETRACK_15)
_CORNERS = ("x1", "y1", "x2", "y2")


def read_posetrack17(document: Any, source: str, name: str) -> AnnotatedSequence:
    """Arrays of a parsed PoseTrack17 file.

    Rectangles without ``point`` are left out, as the official evaluator removes them; an image
    with such rectangles alone is annotated all the same. Of several points with one id the first
    counts; the others are spare, and so are points whose id is not 0 to 14.

    Parameters
    ----------
    document
        The parsed JSON.
    source
        The file, for messages.
    name
        The sequence.

    Raises
    ------
    ValueError
        If something is missing or not what its name says; the message says where.
    """
    images = _list(document, "annolist", source)
    people = _Rows()
    labelled: list[bool | None] = []
    repeated: tuple[int, int] | None = None
    for t, image in enumerate(images):
        where = f"{source}: image {t}"
        rectangles = _list(image, "annorect", where)
        seen: set[float] = set()
        for rectangle in rectangles:
            points = _points(rectangle, where)
            if "track_id" in rectangle:
                track = _one(rectangle, "track_id", where)
                if track in seen and repeated is None:
                    repeated = (t, int(track))
                seen.add(track)
            if points is not None:
                people.add(t, rectangle, points, where)
        flag = image.get("is_labeled")
        labelled.append(bool(flag[0]) if isinstance(flag, list) and flag else None)
    return people.finish(
        source=source,
        name=name,
        image_names=tuple(_image_name(image, source) for image in images),
        image_ids=tuple(range(len(images))),
        labelled=tuple(labelled),
        regions=tuple(_regions(image, f"{source}: image {t}") for t, image in enumerate(images)),
        repeated=repeated,
        annotated=np.array([bool(image["annorect"]) for image in images], np.bool_),
    )


def _list(value: Any, key: str, where: str) -> list[dict[str, Any]]:
    rows = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(rows, list) or not all(type(row) is dict for row in rows):
        raise ValueError(f"{where}: {key!r} must be there, a list of objects")
    return rows


def _points(rectangle: Mapping[str, Any], where: str) -> list[dict[str, Any]] | None:
    """The rectangle's list of points; None if it has none at all."""
    holder = rectangle.get("annopoints")
    if not holder:
        return None
    if isinstance(holder, list):
        holder = holder[0]
    if not isinstance(holder, Mapping) or "point" not in holder:
        return None
    points = holder["point"]
    if not isinstance(points, list) or not all(type(point) is dict for point in points):
        raise ValueError(f"{where}: 'point' must be a list of objects")
    return points


def _one(row: Mapping[str, Any], key: str, where: str) -> float:
    """The number in ``row[key]``, with or without a list around it."""
    value = row.get(key)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if type(value) not in (int, float):
        raise ValueError(f"{where}: {key!r} must be one number in a list, got {row.get(key)!r}")
    assert isinstance(value, int | float)
    return value


def _image_name(image: Mapping[str, Any], source: str) -> str:
    holder = image.get("image")
    try:
        return str(holder[0]["name"])  # type: ignore[index]
    except (TypeError, KeyError, IndexError):
        raise ValueError(f"{source}: 'image' must be a list of one object with a 'name'") from None


def _regions(image: Mapping[str, Any], where: str) -> tuple[Region, ...] | None:
    if "ignore_regions" not in image:
        return None
    regions = []
    for region in _list(image, "ignore_regions", where):
        corners = _list(region, "point", where)
        xs = [_one(corner, "x", where) for corner in corners]
        ys = [_one(corner, "y", where) for corner in corners]
        regions.append(polygon(xs, ys, where))
    return tuple(regions)


class _Rows:
    """Columns that grow person by person."""

    def __init__(self) -> None:
        self.frame: list[int] = []
        self.ids: list[int] = []
        self.keypoints: list[list[tuple[float, float, float]]] = []
        self.scores: list[list[float]] = []
        self.heads: list[list[float]] = []
        self.spare: list[tuple[int, int, float, float, float]] = []

    def add(
        self, frame: int, rectangle: Mapping[str, Any], points: list[dict[str, Any]], where: str
    ) -> None:
        if "track_id" not in rectangle:
            raise ValueError(f"{where}: a rectangle with points has no 'track_id'")
        track = _one(rectangle, "track_id", where)
        if track != int(track) or abs(track) >= 2**62:
            raise ValueError(f"{where}: 'track_id' must be a whole number, got {track}")
        places = [(np.nan, np.nan, 0.0)] * _COUNT
        scores = [np.nan] * _COUNT
        filled: set[int] = set()
        for keypoint, x, y, score in _read_points(points, where):
            if keypoint in filled or not 0 <= keypoint < _COUNT:
                known = keypoint if 0 <= keypoint < _COUNT else -1
                self.spare.append((len(self.ids), known, x, y, score))
            else:
                filled.add(keypoint)
                places[keypoint] = (x, y, 1.0)
                scores[keypoint] = score
        self.frame.append(frame)
        self.ids.append(int(track))
        self.keypoints.append(places)
        self.scores.append(scores)
        known_box = all(key in rectangle for key in _CORNERS)
        self.heads.append(
            [_one(rectangle, key, where) for key in _CORNERS] if known_box else [np.nan] * 4
        )

    def finish(self, **about: Any) -> AnnotatedSequence:
        spare = np.array(self.spare, np.float64).reshape(-1, 5)
        scores = np.array(self.scores, np.float64).reshape(-1, _COUNT)
        return AnnotatedSequence(
            frame=np.array(self.frame, np.int64),
            ids=np.array(self.ids, np.int64),
            keypoints=np.array(self.keypoints, np.float64).reshape(-1, _COUNT, 3),
            scores=scores,
            score_counts=np.where(np.isnan(scores).all(axis=1), -1, _COUNT),
            heads=np.array(self.heads, np.float64).reshape(-1, 4),
            areas=np.full(len(self.ids), np.nan),
            landmarks=POSETRACK_15.keypoints,
            whole_numbers=np.zeros(len(self.ids), np.bool_),
            spare=SparePoints(
                spare[:, 0].astype(np.int64),
                spare[:, 1].astype(np.int64),
                spare[:, 2:4].copy(),
                spare[:, 4].copy(),
            ),
            **about,
        )


def _read_points(
    points: list[dict[str, Any]], where: str
) -> Iterator[tuple[int, float, float, float]]:
    for point in points:
        holder = point.get("id")
        # The official evaluator passes over points whose id is null.
        keypoint = -1 if holder is None else _one(point, "id", where)
        score = _one(point, "score", where) if "score" in point else np.nan
        where_it_is = _one(point, "x", where), _one(point, "y", where)
        yield (int(keypoint) if keypoint == int(keypoint) else -1, *where_it_is, float(score))
