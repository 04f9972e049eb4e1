"""PoseTrack 2018 and 2021 files: ``images`` and ``annotations``, after COCO's manner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.evaluation.sequences import AnnotatedSequence, Floats, Ints, Region

_MAX_ID = 10**18


def read_posetrack18(document: Any, source: str, name: str) -> AnnotatedSequence:
    """Arrays of a parsed PoseTrack18 or PoseTrack21 file.

    What one of the two protocols refuses and the other does not read (categories, head boxes,
    numbers of scores, annotations without image) is passed on for the protocol to judge.

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
        If something is missing or not what its name says; the message names the file, the
        annotation and the key.
    """
    images = _list_of_objects(document, "images", source)
    annotations = _list_of_objects(document, "annotations", source)
    image_ids = tuple(_require(image, "id", f"{source}: image {i}") for i, image in _all(images))
    frame, strays = _frames(annotations, image_ids, source)
    order = np.argsort(frame, kind="stable")[strays:]
    rows = [annotations[i] for i in order.tolist()]
    frame = frame[order]
    keypoints = _keypoints(rows, source)
    scores, score_counts = _scores(rows, keypoints.shape[1], source)
    ids = _track_ids(rows, source)
    return AnnotatedSequence(
        source=source,
        name=name,
        image_names=tuple(str(image.get("file_name", "")) for image in images),
        image_ids=image_ids,
        labelled=tuple(_flag(image, source) for image in images),
        regions=tuple(image_regions(image, f"{source}: image {i}") for i, image in _all(images)),
        annotated=np.bincount(frame, minlength=len(images)) > 0,
        frame=frame,
        ids=ids,
        keypoints=keypoints,
        scores=scores,
        score_counts=score_counts,
        heads=_heads(rows, source),
        areas=_areas(rows),
        landmarks=_landmarks(document),
        whole_numbers=np.array([_is_whole(row["keypoints"]) for row in rows], np.bool_),
        strays=strays,
    )


def _all(values: Sequence[Any]) -> Any:
    return enumerate(values)


def _list_of_objects(document: Any, key: str, source: str) -> list[dict[str, Any]]:
    if not isinstance(document, Mapping) or key not in document:
        raise ValueError(
            f"{source}: no {key!r}. Expected a PoseTrack18 file with 'images' and 'annotations', "
            "or a PoseTrack17 file with 'annolist'"
        )
    values = document[key]
    if not isinstance(values, list) or not all(type(value) is dict for value in values):
        raise ValueError(f"{source}: {key!r} must be a list of objects")
    return values


def _require(row: Mapping[str, Any], key: str, where: str) -> Any:
    try:
        return row[key]
    except KeyError:
        raise ValueError(f"{where}: no {key!r}") from None


def _frames(
    annotations: list[dict[str, Any]], image_ids: tuple[Any, ...], source: str
) -> tuple[Ints, int]:
    """Position of each annotation's image, -1 where the file has none such, and how many have."""
    try:
        where = {image: i for i, image in enumerate(image_ids)}
        if len(where) != len(image_ids):
            twice = next(image for image in image_ids if image_ids.count(image) > 1)
            raise ValueError(f"{source}: image id {twice} occurs twice")
        frame = np.array([where.get(row["image_id"], -1) for row in annotations], np.int64)
    except KeyError:
        raise ValueError(f"{source}: an annotation has no 'image_id'") from None
    except TypeError:
        raise ValueError(f"{source}: image ids must be numbers or strings") from None
    return frame, int(np.count_nonzero(frame < 0))


def _keypoints(rows: list[dict[str, Any]], source: str) -> Floats:
    if not rows:
        return np.zeros((0, 17, 3))
    try:
        values = np.array([row["keypoints"] for row in rows])
    except KeyError:
        bad = next(i for i, row in enumerate(rows) if "keypoints" not in row)
        raise ValueError(f"{_person(source, rows[bad])}: no 'keypoints'") from None
    except ValueError:  # lists of different lengths
        raise ValueError(f"{source}: the numbers of keypoints differ between people") from None
    values = _numbers(values.reshape(len(rows), -1), f"{source}: keypoints")
    if values.shape[1] == 0 or values.shape[1] % 3:
        raise ValueError(
            f"{source}: keypoints must be x, y and visibility of each; "
            f"{values.shape[1]} numbers are not a multiple of three"
        )
    return values.reshape(len(rows), -1, 3)


def _numbers(values: NDArray[Any], where: str) -> Floats:
    """``values`` as floats; strings, nulls and truth values are not taken for numbers."""
    if values.dtype.kind not in "iuf" and values.size:
        raise ValueError(f"{where} must be numbers, all of them")
    numbers = values.astype(np.float64, copy=False)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{where} must be finite")
    return numbers


def _scores(rows: list[dict[str, Any]], count: int, source: str) -> tuple[Floats, Ints]:
    """(P, K) scores, cut or filled with NaN to K, and how many the file gives."""
    given = [row.get("scores") for row in rows]
    scores = np.full((len(rows), count), np.nan)
    try:
        counts = np.array([-1 if v is None else len(v) for v in given], np.int64)
        for length in np.unique(counts[counts > 0]):
            same = np.flatnonzero(counts == length)
            values = np.array([given[i] for i in same])
            values = _numbers(values, f"{source}: scores")
            scores[same, :length] = values[:, :count]
    except (TypeError, IndexError):
        raise ValueError(f"{source}: 'scores' must be a list of numbers, one a keypoint") from None
    return scores, counts


def _track_ids(rows: list[dict[str, Any]], source: str) -> Ints:
    try:
        values = [row["track_id"] for row in rows]
    except KeyError:
        bad = next(row for row in rows if "track_id" not in row)
        raise ValueError(f"{_person(source, bad)}: no 'track_id'") from None
    return np.array([_whole(v, r, source) for v, r in zip(values, rows, strict=True)], np.int64)


def _whole(value: Any, row: dict[str, Any], source: str) -> int:
    if type(value) in (int, float) and abs(value) < _MAX_ID and value == int(value):
        return int(value)
    raise ValueError(
        f"{_person(source, row)}: 'track_id' must be a whole number of at most 18 digits, got "
        f"{value!r}"
    )


def repeated_id(frame: Ints, ids: Ints) -> tuple[int, int] | None:
    """A frame and an id that occurs twice in it, or None; ``frame`` rising.

    Examples
    --------
    >>> repeated_id(np.array([0, 0, 1, 1]), np.array([3, 4, 7, 7]))
    (1, 7)
    """
    order = np.lexsort((ids, frame))
    twice = (np.diff(frame[order]) == 0) & (np.diff(ids[order]) == 0)
    if not twice.any():
        return None
    row = order[int(np.argmax(twice))]
    return int(frame[row]), int(ids[row])


def _heads(rows: list[dict[str, Any]], source: str) -> Floats:
    """Corners as the official tools compute them: x + w is rounded once."""
    heads = np.full((len(rows), 4), np.nan)
    have = [i for i, row in enumerate(rows) if "bbox_head" in row]
    if not have:
        return heads
    try:
        xywh = np.array([rows[i]["bbox_head"] for i in have]).reshape(len(have), 4)
    except ValueError:
        raise ValueError(
            f"{source}: 'bbox_head' must be x, y, width and height of the head box"
        ) from None
    xywh = _numbers(xywh, f"{source}: 'bbox_head'")
    heads[have] = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    return heads


def _areas(rows: list[dict[str, Any]]) -> Floats:
    return np.array([_area(row) for row in rows], np.float64)


def _area(row: Mapping[str, Any]) -> float:
    """Size of a person; NaN if the file does not tell, or not in numbers."""
    area, box = row.get("area"), row.get("bbox")
    try:
        return float(box[2] * box[3]) if area is None else float(area)  # type: ignore[index]
    except (TypeError, IndexError, KeyError, ValueError):
        return float("nan")


def _flag(image: Mapping[str, Any], source: str) -> bool | None:
    value = image.get("is_labeled")
    if isinstance(value, list):
        raise ValueError(f"{source}: 'is_labeled' must be true or false")
    return None if value is None else bool(value)


def image_regions(image: Mapping[str, Any], where: str) -> tuple[Region, ...] | None:
    """Polygons to ignore in an image; None if the file does not have both keys."""
    if "ignore_regions_x" not in image or "ignore_regions_y" not in image:
        return None
    all_x, all_y = image["ignore_regions_x"], image["ignore_regions_y"]
    if not all_x and not all_y:
        return ()
    shape_message = (
        f"{where}: 'ignore_regions_x' and 'ignore_regions_y' must be lists of polygons of equal "
        "lengths, each polygon a list of numbers"
    )
    if not isinstance(all_x, list) or not isinstance(all_y, list) or len(all_x) != len(all_y):
        raise ValueError(shape_message)
    regions = []
    for xs, ys in zip(all_x, all_y, strict=True):
        if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
            raise ValueError(shape_message)
        regions.append(polygon(xs, ys, where))
    return tuple(regions)


def polygon(xs: Sequence[Any], ys: Sequence[Any], where: str) -> Region:
    """A polygon from its coordinates; one or two corners are refused, none is allowed."""
    if 0 < len(xs) < 3:
        raise ValueError(f"{where}: a polygon of {len(xs)} corners; expected at least three")
    try:
        corners = np.array([xs, ys]).reshape(2, -1)
    except ValueError:
        raise ValueError(f"{where}: a polygon's coordinates must be numbers") from None
    return _numbers(corners, f"{where}: a polygon's coordinates").T.copy()


def _landmarks(document: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of the keypoints if the file has exactly one category, called person."""
    categories = document.get("categories")
    if not isinstance(categories, list) or len(categories) != 1:
        return None
    only = categories[0]
    if not isinstance(only, Mapping) or only.get("name") != "person":
        return None
    names = only.get("keypoints")
    return tuple(str(name) for name in names) if isinstance(names, list) else None


def _is_whole(keypoints: Any) -> bool:
    return all(type(value) is int for value in keypoints)


def _person(source: str, row: Mapping[str, Any]) -> str:
    return f"{source}: a person of image {row.get('image_id')}"
