"""COCO keypoint annotations, and what others write in that form: CrowdPose, PoseTrack18, CVAT."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.evaluation.documents import json_files
from posetrack.files import read_json
from posetrack.skeletons import COCO_17, Skeleton
from posetrack.training.annotations import (
    MAX_PIXEL,
    box_within,
    checked,
    image_file,
    is_number,
    one_place,
    plain_name,
    skeleton_of_names,
)
from posetrack.training.samples import Broken, Problem, Samples


def read_coco(
    path: str | Path,
    images: str | Path,
    *,
    skeleton: Skeleton | None = None,
    broken: Broken = "refuse",
) -> Samples:
    """People of a COCO keypoint file, or of several in a folder.

    Parameters
    ----------
    path
        A JSON file with ``images``, ``annotations`` and ``categories``, whose keypoints the
        categories name; or a folder of such files, as PoseTrack18 has them.
    images
        The folder that the files' ``file_name`` start from; it may also be the one that the first
        folders of ``file_name`` lead to (``export/images`` for ``images/a.jpg``).
    skeleton
        The keypoints wanted, found by name. When None, those of the category with the most
        annotations; people of others are left out unless they have keypoints of these names.
    broken
        ``"refuse"`` a file with anything wrong, or ``"skip"`` what is wrong and say so in the
        result's ``problems``.

    Returns
    -------
    samples
        In the order of the file's images, then of its annotations. Crowds and people without a
        labelled keypoint are left out and counted. A person without a box has one around the
        keypoints, 15 % longer on each axis, as the paper does for PoseTrack.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If it is not such a file, something in it is wrong and not skipped, or nobody is left.

    Notes
    -----
    Boxes are cut to the image with the corners' pixels counted in, as the authors do, so that a
    box inside the image loses one pixel.
    """
    path, root = Path(path), Path(images)
    parts: list[Samples] = []
    for file in json_files(path) if path.is_dir() else [path]:
        parts.append(_read_file(file, root, skeleton or (parts[0].skeleton if parts else None)))
    if not parts:
        raise ValueError(f"{path}: no .json files in this folder")
    return checked(path, _joined(parts), broken)


def _read_file(path: Path, root: Path, wanted: Skeleton | None) -> Samples:
    document = read_json(path)
    for key in ("images", "annotations", "categories"):
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            raise ValueError(f"{path}: no list {key!r}; expected COCO keypoint annotations")
    skeletons = dict(_skeletons(document, path))
    target = wanted or _most_used(skeletons, document["annotations"])
    if not any(_shares(own, target) for own in skeletons.values()):
        names = next(iter(skeletons.values())).keypoints
        raise ValueError(
            f"{path}: nobody has a keypoint of {target.name} ({', '.join(target.keypoints)}); "
            f"the annotations have {', '.join(names)}"
        )
    problems: list[Problem] = []
    known = _images(document["images"], root, problems)
    rows: dict[Any, list[tuple[Any, ...]]] = {key: [] for key in known}
    left_out = 0
    for position, row in enumerate(document["annotations"]):
        person = _person(row, position, known, skeletons, problems)
        if person == ():
            left_out += 1
        elif person is not None:
            xy, box, name = person
            own = skeletons[row["category_id"]]
            if own != target:
                marks = np.isfinite(xy).all(axis=1)
                xy = own.map_to(target, xy, marks)[0].astype(np.float64)
            if not np.isfinite(xy).any():
                left_out += 1
                continue
            rows[row["image_id"]].append((xy, box, name))
    people = [(key, *person) for key, persons in rows.items() for person in persons]
    boxes = np.array([person[2] for person in people], np.float64).reshape(-1, 4)
    return Samples(
        target,
        tuple(known[person[0]][0] for person in people),
        np.array([person[1] for person in people], np.float64).reshape(-1, len(target), 2),
        boxes,
        None,
        None,
        (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=1.0),
        tuple(person[3] for person in people),
        tuple(int(person[0]) if isinstance(person[0], int) else -1 for person in people),
        tuple(problems),
        left_out,
    )


def _skeletons(document: Mapping[str, Any], path: Path) -> Iterator[tuple[Any, Skeleton]]:
    found = False
    for category in document["categories"]:
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            found = True
            plain = tuple(plain_name(name) for name in names)
            key = category.get("id")
            if not isinstance(key, int | str):
                raise ValueError(f"{path}: a category without id: {category.get('name')}")
            try:
                yield key, skeleton_of_names(plain, _edges(category.get("skeleton"), plain))
            except ValueError as error:
                raise ValueError(f"{path}: category {category.get('id')}: {error}") from error
    if not found:
        lengths = {
            len(row["keypoints"])
            for row in document["annotations"]
            if isinstance(row, dict) and isinstance(row.get("keypoints"), list)
        }
        if lengths != {51}:
            raise ValueError(f"{path}: no category names its keypoints; expected a list of names")
        yield 1, COCO_17


def _edges(pairs: Any, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Edges by name from COCO's pairs of positions from 1 (or from 0, as some write them)."""
    rows = [
        tuple(pair)
        for pair in (pairs if isinstance(pairs, list) else [])
        if isinstance(pair, list) and len(pair) == 2 and all(type(end) is int for end in pair)
    ]
    start = 0 if any(0 in row for row in rows) else 1
    good = [
        (names[first - start], names[second - start])
        for first, second in rows
        if first != second and all(0 <= end - start < len(names) for end in (first, second))
    ]
    return tuple(dict.fromkeys(good))


def _most_used(skeletons: Mapping[Any, Skeleton], annotations: list[Any]) -> Skeleton:
    counts = dict.fromkeys(skeletons, 0)
    for row in annotations:
        key = row.get("category_id") if isinstance(row, dict) else None
        if isinstance(key, int | str) and key in counts:
            counts[key] += 1
    return skeletons[max(counts, key=lambda key: counts[key])]


def _shares(own: Skeleton, target: Skeleton) -> bool:
    moved, _ = own.map_to(target, np.zeros((len(own), 2)), np.ones(len(own)))
    return bool(np.isfinite(moved).any())


def _images(
    rows: list[Any], root: Path, problems: list[Problem]
) -> dict[Any, tuple[Path, float, float]]:
    """File, width and height by id, of the images that are there."""
    known: dict[Any, tuple[Path, float, float]] = {}
    for position, row in enumerate(rows):
        name = row.get("file_name") if isinstance(row, dict) else None
        key = row.get("id") if isinstance(row, dict) else None
        if not isinstance(name, str) or not isinstance(key, int | str):
            problems.append(Problem("an image without id or file_name", f"image {position}"))
            continue
        file = image_file(root, name)
        if key in known:
            problems.append(Problem("an image id that is there twice", f"image {key}"))
        elif file is None:
            problems.append(Problem("a file_name that leads out of the folder", f"image {key}"))
        elif not file.is_file():
            problems.append(Problem("an image file that is missing", str(file)))
        else:
            size = [row.get(side) for side in ("width", "height")]
            wide, high = (float(s) if is_number(s) and s > 0 else math.inf for s in size)
            known[key] = (file, wide, high)
    return known


def _person(
    row: Any,
    position: int,
    images: Mapping[Any, tuple[Path, float, float]],
    skeletons: Mapping[Any, Skeleton],
    problems: list[Problem],
) -> tuple[Any, ...] | None:
    """Keypoints, box and name; nothing in it if there is nothing to learn; None if broken."""
    if not isinstance(row, dict):
        problems.append(Problem("an annotation that is no object", f"annotation {position}"))
        return None
    name = f"annotation {row.get('id', position)}"
    category = row.get("category_id")
    if not isinstance(category, int | str) or category not in skeletons or row.get("iscrowd"):
        return ()
    if not isinstance(row.get("keypoints"), list):
        problems.append(Problem("an annotation without keypoints", name))
        return None
    if not isinstance(row.get("image_id"), int | str) or row["image_id"] not in images:
        problems.append(Problem("an annotation of an image that is not there", name))
        return None
    keypoints = _keypoints(row["keypoints"], len(skeletons[category]))
    if isinstance(keypoints, str):
        problems.append(Problem(keypoints, name))
        return None
    if not np.isfinite(keypoints).any() or (not row.get("bbox") and one_place(keypoints)):
        return ()
    _, width, height = images[row["image_id"]]
    box = box_within(row.get("bbox"), keypoints, width, height)
    if box is None:
        problems.append(Problem("a bbox that is not x, y, width, height inside the image", name))
        return None
    return keypoints, box, name


def _keypoints(values: list[Any], count: int) -> Any:
    """(K, 2) with NaN where not labelled, or what is wrong."""
    if len(values) != 3 * count:
        return f"keypoints that are not {count} times x, y and visibility"
    if not all(is_number(value) for value in values):
        return "keypoints that are not numbers"
    rows = np.array(values, np.float64).reshape(count, 3)
    if not np.isin(rows[:, 2], (0, 1, 2)).all():
        return "a visibility that is not 0, 1 or 2"
    labelled = rows[:, 2] > 0
    if (np.abs(rows[labelled, :2]) > MAX_PIXEL).any():
        return "a keypoint more than a million pixels away"
    return np.where(labelled[:, None], rows[:, :2], np.nan)


def _joined(parts: list[Samples]) -> Samples:
    if len(parts) == 1:
        return parts[0]
    return Samples(
        parts[0].skeleton,
        tuple(image for part in parts for image in part.images),
        np.concatenate([part.xy for part in parts]),
        np.concatenate([part.boxes for part in parts if part.boxes is not None]),
        None,
        None,
        np.concatenate([part.sizes for part in parts]),
        tuple(name for part in parts for name in part.names),
        tuple(key for part in parts for key in part.image_ids),
        tuple(problem for part in parts for problem in part.problems),
        sum(part.left_out for part in parts),
    )
