"""PoseTrack18 documents as PoseTrack17 ones and back, as the official converter makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from posetrack.evaluation.sequences import IMAGE_SOURCES, image_numbers
from posetrack.skeletons import POSETRACK_15, POSETRACK_17

_GROWTH: Final = 1.3
_CORNERS: Final = ("x1", "x2", "y1", "y2")
_SKELETON: Final = [
    [16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9],
    [8, 10], [9, 11], [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7],
]  # fmt: skip


def posetrack18_to_17(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The videos of a PoseTrack18 document, each as a PoseTrack17 document.

    Parameters
    ----------
    document
        Parsed JSON with ``images``, ``annotations`` and ``categories``.

    Returns
    -------
    documents
        One a video, distinguished by the number in front of the image's folder, in order of their
        first images. A frame counts as labelled if it has people, whatever the file's flag says.

    Raises
    ------
    ValueError
        If a part is missing, keypoints are not those of PoseTrack, or an image is not named as
        PoseTrack's are.

    Examples
    --------
    >>> name = "images/val/000342_mpii_test/000003.jpg"
    >>> person = [{"name": "person", "keypoints": list(POSETRACK_17.keypoints)}]
    >>> document = {"images": [{"id": 1, "file_name": name}], "annotations": [],
    ...             "categories": person}
    >>> posetrack18_to_17(document)[0]["annolist"][0]["imgnum"]
    [4]
    """
    columns = _columns(document)
    people: dict[Any, list[Mapping[str, Any]]] = {}
    for row in _get(document, "annotations", "the document"):
        people.setdefault(_get(row, "image_id", "an annotation"), []).append(row)
    videos: dict[str, list[dict[str, Any]]] = {}
    for image in _get(document, "images", "the document"):
        name = _get(image, "file_name", "an image")
        video, _, frame = image_numbers(name)
        entry: dict[str, Any] = {"image": [{"name": name}], "imgnum": [frame + 1]}
        regions = _regions_17(image)
        if regions:
            entry["ignore_regions"] = regions
        rows = people.get(_get(image, "id", "an image"), [])
        entry["annorect"] = [_person_17(row, columns) for row in rows]
        entry["is_labeled"] = [1 if rows else 0]
        videos.setdefault(video, []).append(entry)
    return [{"annolist": frames} for frames in videos.values()]


def posetrack17_to_18(document: Mapping[str, Any]) -> dict[str, Any]:
    """A PoseTrack17 document as a PoseTrack18 one with 17 keypoints, both ears unseen.

    Parameters
    ----------
    document
        Parsed JSON with ``annolist``, of one video.

    Raises
    ------
    ValueError
        If a part is missing, or images are of several videos or not named as PoseTrack's are.

    Notes
    -----
    A keypoint that is not there becomes (0, 0, 0); one without ``is_visible`` gets 1. As soon as
    one keypoint of a person has a score, those without get 0. The person's box is the extent of
    the keypoints, 1.3 times as large.

    Examples
    --------
    >>> point = {"id": [0], "x": [30.0], "y": [40.0], "is_visible": [1]}
    >>> person = {"track_id": [7], "annopoints": [{"point": [point]}]}
    >>> person |= {f"{corner}{end}": [10.0] for corner in "xy" for end in "12"}
    >>> name = "images/bonn_mpii_test_5sec/00001_mpii/00000001.jpg"
    >>> document = {"annolist": [{"image": [{"name": name}], "annorect": [person]}]}
    >>> converted = posetrack17_to_18(document)
    >>> len(converted["annotations"]), converted["annotations"][0]["track_id"]
    (1, 7)
    """
    entries = _get(document, "annolist", "the document")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    first_video = None
    for entry in entries:
        name = _get(_get(entry, "image", "an entry")[0], "name", "an image")
        video, source, frame = image_numbers(name, suffix=True)
        first_video = video if first_video is None else first_video
        if video != first_video:
            raise ValueError(f"images of two videos in one file: {first_video} and {video}")
        image_id = (IMAGE_SOURCES.index(source) + 1) * 10**10 + int(video) * 10**4 + frame
        rows = entry.get("annorect", [])
        image = {
            "file_name": name,
            "has_no_densepose": True,
            "is_labeled": bool(rows),
            "frame_id": image_id,
            "vid_id": video,
            "nframes": len(entries),
            "id": image_id,
        }
        if "ignore_regions" in entry:
            for axis in "xy":
                image[f"ignore_regions_{axis}"] = [
                    [point[axis][0] for point in region["point"]]
                    for region in entry["ignore_regions"]
                ]
        images.append(image)
        annotations += [
            {**_person_18(row), "image_id": image_id, "id": image_id * 100 + i}
            for i, row in enumerate(rows)
        ]
    category = {
        "supercategory": "person",
        "id": 1,
        "name": "person",
        "keypoints": list(POSETRACK_17.keypoints),
        "skeleton": [list(edge) for edge in _SKELETON],
    }
    return {"images": images, "annotations": annotations, "categories": [category]}


def _get(row: Mapping[str, Any], key: str, where: str) -> Any:
    try:
        return row[key]
    except (KeyError, TypeError):
        raise ValueError(f"{where} has no {key!r}") from None


def _columns(document: Mapping[str, Any]) -> list[int]:
    """For each keypoint of the file its PoseTrack17 id; -1 for those that have none."""
    categories = _get(document, "categories", "the document")
    if len(categories) != 1 or categories[0].get("name") != "person":
        raise ValueError("'categories' must hold exactly one entry, named 'person'")
    names = _get(categories[0], "keypoints", "the category")
    missing = [name for name in POSETRACK_15.keypoints if name not in names]
    if missing or len(names) not in (15, 17):
        raise ValueError(
            f"{len(names)} keypoints, without {', '.join(missing) or 'a gap'}; expected the 15 of "
            "PoseTrack, or these and two ears"
        )
    return [POSETRACK_15.keypoints.index(n) if n in POSETRACK_15.keypoints else -1 for n in names]


def _regions_17(image: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "ignore_regions_x" not in image or "ignore_regions_y" not in image:
        return []
    return [
        {"point": [{"x": [x], "y": [y]} for x, y in zip(xs, ys, strict=True)]}
        for xs, ys in zip(image["ignore_regions_x"], image["ignore_regions_y"], strict=True)
    ]


def _person_17(row: Mapping[str, Any], columns: list[int]) -> dict[str, Any]:
    person: dict[str, Any] = {
        "track_id": [_get(row, "track_id", "a person")],
        "annopoints": [{"point": list(_points_17(row, columns))}],
    }
    if "bbox_head" in row:
        x, y, width, height = row["bbox_head"]
        for key, value in zip(_CORNERS, (x, x + width, y, y + height), strict=True):
            person[key] = [value]
    if row.get("score"):
        person["score"] = [row["score"]]
    return person


def _points_17(row: Mapping[str, Any], columns: list[int]) -> Iterator[dict[str, Any]]:
    keypoints = np.array(_get(row, "keypoints", "a person"))
    if keypoints.size != 3 * len(columns):
        raise ValueError(
            f"a person with {keypoints.size} numbers in 'keypoints'; expected {3 * len(columns)}"
        )
    scores = row.get("scores")
    points = keypoints.reshape(-1, 3).tolist()
    for k, (keypoint, (x, y, visible)) in enumerate(zip(columns, points, strict=True)):
        if keypoint < 0 or (x == 0 and y == 0 and visible == 0):
            continue
        point = {"id": [keypoint], "x": [x], "y": [y]}
        if scores:
            point["score"] = [scores[k]]
        point["is_visible"] = [visible]
        yield point


def _person_18(row: Mapping[str, Any]) -> dict[str, Any]:
    holder = row.get("annopoints")
    given = holder[0].get("point", []) if holder else []
    points: dict[int, Mapping[str, Any]] = {}
    for point in given:
        points.setdefault(point["id"][0], point)
    scored = any("score" in point for point in given)
    keypoints: list[float] = []
    scores: list[float] = []
    for name in POSETRACK_17.keypoints:
        known = POSETRACK_15.keypoints.index(name) if name in POSETRACK_15.keypoints else -1
        found = points.get(known)
        if found is None:
            keypoints += [0, 0, 0]
        else:
            visible = found["is_visible"][0] if "is_visible" in found else 1
            keypoints += [found["x"][0], found["y"][0], visible]
        if scored:
            scores.append(found["score"][0] if found and "score" in found else 0.0)
    x1, x2, y1, y2 = (_get(row, key, "a person")[0] for key in _CORNERS)
    person = {
        "track_id": _get(row, "track_id", "a person")[0],
        "category_id": 1,
        "keypoints": keypoints,
        "scores": scores,
        "bbox_head": [x1, y1, x2 - x1, y2 - y1],
    }
    if given:
        person["bbox"] = _box([p["x"][0] for p in given], [p["y"][0] for p in given])
    return person


def _box(xs: list[float], ys: list[float]) -> list[float]:
    """Left, top, width, height of the extent grown about its middle."""
    low, high = [], []
    for values in (xs, ys):
        middle = (max(values) + min(values)) / 2
        reach = (max(values) - min(values)) * (_GROWTH / 2)
        low.append(middle - reach)
        high.append(middle + reach)
    return [*low, high[0] - low[0], high[1] - low[1]]
