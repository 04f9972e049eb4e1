"""COCO keypoint annotations, and what others write in that form: CrowdPose, PoseTrack18, CVAT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from posetrack.files import json_files
from posetrack.formats.coco import (
    Document,
    Person,
    Picture,
    have_whole_bodies,
    read_what_is_right,
)
from posetrack.formats.hints import plain_name, skeleton_of_names
from posetrack.formats.numbers import Id, Number
from posetrack.skeletons import COCO_17, COCO_WHOLEBODY_133, Skeleton
from posetrack.training.annotations import (
    ANNOTATED,
    MAX_PIXEL,
    Placement,
    at_one_point,
    box_within,
    check_people,
    find_placement,
    image_file,
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
    Annotations of a photo that was shown upright, by its EXIF orientation, are turned to lie on its
    pixels as they are stored, which is how images are read; the exchanged width and height reveal
    it. An image of another size than the file says is a problem.

    Boxes are cut to the image with the corners' pixels counted in, as the authors do, so that a
    box inside the image loses one pixel.
    """
    path, root = Path(path), Path(images)
    parts: list[Samples] = []
    for file in json_files(path) if path.is_dir() else [path]:
        parts.append(_read_file(file, root, skeleton or (parts[0].skeleton if parts else None)))
    if not parts:
        raise ValueError(f"{path}: no .json files in this folder")
    return check_people(path, _join_samples(parts), broken)


def _read_file(path: Path, root: Path, wanted: Skeleton | None) -> Samples:
    document, broken = read_what_is_right(path, needs=("images", "annotations", "categories"))
    skeletons = dict(_skeletons(document, path))
    whole_bodies = have_whole_bodies(document.annotations)
    if whole_bodies:
        skeletons = {
            key: COCO_WHOLEBODY_133 if known == COCO_17 else known
            for key, known in skeletons.items()
        }
    target = wanted or _most_used(skeletons, document.annotations)
    if not any(_shares(own, target) for own in skeletons.values()):
        names = next(iter(skeletons.values())).keypoints
        raise ValueError(
            f"{path}: nobody has a keypoint of {target.name} ({', '.join(target.keypoints)}); "
            f"the annotations have {', '.join(names)}"
        )
    problems = problems_of(broken)
    bad = {row_number for row_number, *_ in broken.get("annotations", ())}
    known = image_entries(document.images, root, problems)
    categories = {category.id for category in document.categories or []} | set(skeletons)
    rows: dict[Id, list[tuple[Any, ...]]] = {key: [] for key in known}
    left_out = 0
    for position, row in enumerate(document.annotations):
        if position in bad:
            continue
        if row.category_id is not None and row.category_id not in categories:
            name = f"annotation {position if row.id is None else row.id}"
            problems.append(
                Problem(f"an annotation of category {row.category_id}, which is not there", name)
            )
            continue
        person = _person(row, position, known, skeletons, problems)
        if person == ():
            left_out += 1
        elif person is not None:
            xy, box, name = person
            own = skeletons[cast(Id, row.category_id)]
            if own != target:
                is_known = np.isfinite(xy).all(axis=1)
                xy = own.map_to(target, xy, is_known)[0].astype(np.float64)
            if not np.isfinite(xy).any():
                left_out += 1
                continue
            rows[cast(Id, row.image_id)].append((xy, box, name))
    people = [(key, *person) for key, persons in rows.items() for person in persons]
    boxes = np.array([person[2] for person in people], np.float64).reshape(-1, 4)
    return Samples(
        target,
        tuple(known[person[0]].file for person in people),
        np.array([person[1] for person in people], np.float64).reshape(-1, len(target), 2),
        boxes,
        None,
        None,
        (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=1.0),
        tuple(person[3] for person in people),
        tuple(-1 if isinstance(person[0], str) else int(person[0]) for person in people),
        tuple(problems),
        left_out,
    )


def problems_of(broken: Mapping[str, Sequence[tuple[int, str, str]]]) -> list[Problem]:
    """Entries of a file whose values are of the wrong types, as problems."""
    names = {"images": "image", "annotations": "annotation", "categories": "category"}
    return [
        Problem(f"an {names[key]} of wrong types", f"{names[key]} {name}: {reason}")
        for key, found in broken.items()
        for _, name, reason in found
    ]


def _skeletons(document: Document, path: Path) -> Iterator[tuple[Id, Skeleton]]:
    found = False
    for category in document.categories or []:
        if category.keypoints:
            found = True
            plain = tuple(plain_name(name) for name in category.keypoints)
            if category.id is None:
                raise ValueError(f"{path}: a category without id: {category.name}")
            try:
                yield (
                    category.id,
                    skeleton_of_names(plain, ANNOTATED, edges=_edges(category.skeleton, plain)),
                )
            except ValueError as error:
                raise ValueError(f"{path}: category {category.id}: {error}") from error
    if not found:
        lengths = {len(row.keypoints) for row in document.annotations if row.keypoints is not None}
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


def _most_used(skeletons: Mapping[Id, Skeleton], annotations: Sequence[Person]) -> Skeleton:
    counts = Counter(row.category_id for row in annotations)
    return skeletons[max(skeletons, key=lambda key: counts[key])]


def _shares(own: Skeleton, target: Skeleton) -> bool:
    moved, _ = own.map_to(target, np.zeros((len(own), 2)), np.ones(len(own)))
    return bool(np.isfinite(moved).any())


def image_entries(
    rows: Sequence[Picture], root: Path, problems: list[Problem]
) -> dict[Id, Placement]:
    """The images that are there by id; what is wrong with others is added to ``problems``."""
    known: dict[Id, Placement] = {}
    for position, row in enumerate(rows):
        if row.file_name is None or row.id is None:
            problems.append(Problem("an image without id or file_name", f"image {position}"))
            continue
        file = image_file(root, row.file_name)
        if row.id in known:
            problems.append(Problem("an image id that is there twice", f"image {row.id}"))
        elif file is None:
            problems.append(Problem("a file_name that leads out of the folder", f"image {row.id}"))
        elif not file.is_file():
            problems.append(Problem("an image file that is missing", str(file)))
        else:
            found = find_placement(file, row.width, row.height)
            if isinstance(found, str):
                problems.append(Problem(found, str(file)))
            else:
                known[row.id] = found
    return known


def _person(
    row: Person,
    position: int,
    images: Mapping[Id, Placement],
    skeletons: Mapping[Id, Skeleton],
    problems: list[Problem],
) -> tuple[Any, ...] | None:
    """Keypoints, box and name; nothing in it if there is nothing to learn; None if broken."""
    name = f"annotation {position if row.id is None else row.id}"
    if row.category_id is None or row.category_id not in skeletons or row.iscrowd:
        return ()
    if row.keypoints is None:
        problems.append(Problem("an annotation without keypoints", name))
        return None
    if row.image_id is None or row.image_id not in images:
        problems.append(Problem("an annotation of an image that is not there", name))
        return None
    image = images[row.image_id]
    own = skeletons[row.category_id]
    values = row.whole_body if own == COCO_WHOLEBODY_133 else row.keypoints
    keypoints = _keypoints(values or [], len(own))
    if isinstance(keypoints, str):
        problems.append(Problem(keypoints, name))
        return None
    if not np.isfinite(keypoints).any() or (not row.bbox and at_one_point(keypoints)):
        return ()
    keypoints = image.xy(keypoints)
    given = image.xywh(row.bbox) if row.bbox else None
    box = box_within(given, keypoints, image.width, image.height)
    if box is None:
        problems.append(Problem("a bbox that is not x, y, width, height inside the image", name))
        return None
    return keypoints, box, name


def _keypoints(values: Sequence[Number], count: int) -> Any:
    """(K, 2) with NaN where not labelled, or what is wrong."""
    if len(values) != 3 * count:
        return f"keypoints that are not {count} times x, y and visibility"
    rows = np.array([float(min(max(value, -1e18), 1e18)) for value in values]).reshape(count, 3)
    if not np.isin(rows[:, 2], (0, 1, 2)).all():
        return "a visibility that is not 0, 1 or 2"
    labelled = rows[:, 2] > 0
    if (np.abs(rows[labelled, :2]) > MAX_PIXEL).any():
        return "a keypoint more than a million pixels away"
    return np.where(labelled[:, None], rows[:, :2], np.nan)


def _join_samples(parts: list[Samples]) -> Samples:
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
