"""Folders of item files (JSON) that Dataloop exports: people are poses, keypoints are points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import no_such_file
from posetrack.files import read_json
from posetrack.formats.hints import plain_name, skeleton_of_names
from posetrack.skeletons import KNOWN_SKELETONS, Skeleton
from posetrack.training.annotations import (
    ANNOTATED,
    MAX_PIXEL,
    at_one_point,
    box_within,
    check_people,
    image_file,
    is_number,
)
from posetrack.training.samples import Broken, Problem, Samples


def _system_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the platform itself says of an item or annotation.

    Examples
    --------
    >>> _system_of({"metadata": {"system": {"width": 640}}}), _system_of({"metadata": None})
    ({'width': 640}, {})
    """
    metadata = row.get("metadata")
    system = metadata.get("system") if isinstance(metadata, dict) else None
    return system if isinstance(system, dict) else {}


def words_of(row: Mapping[str, Any]) -> set[str]:
    """Attributes of an annotation: a list in old files, a table of answers in newer ones.

    Examples
    --------
    >>> sorted(words_of({"attributes": {"1": "visible", "2": ["late"]}}))
    ['late', 'visible']
    """
    words: set[str] = set()
    for values in (row.get("attributes"), _system_of(row).get("attributes")):
        found = list(values.values()) if isinstance(values, dict) else values
        for value in found if isinstance(found, list) else []:
            words |= {word for word in (value if isinstance(value, list) else [value])
                      if isinstance(word, str)}  # fmt: skip
    return words


def _id_of(row: Mapping[str, Any]) -> Any:
    """An annotation's id, under its newer or its older name.

    Examples
    --------
    >>> _id_of({"id": "a"}), _id_of({"_id": "b"}), _id_of({"id": []})
    ('a', 'b', None)
    """
    return _first_plain(row.get("id"), row.get("_id"))


def _object_of(row: Mapping[str, Any]) -> Any:
    """Id of the object that an annotation is a part of; None without one.

    Examples
    --------
    >>> _object_of({"coordinates": {"instanceId": 3}}), _object_of({})
    (3, None)
    """
    coordinates = row.get("coordinates")
    instance = coordinates.get("instanceId") if isinstance(coordinates, dict) else None
    return _first_plain(_system_of(row).get("objectId"), instance)


def _first_plain(*values: Any) -> int | str | None:
    """The first value that may be a key.

    Examples
    --------
    >>> _first_plain(None, [], "a", 1)
    'a'
    """
    return next((value for value in values if isinstance(value, int | str)), None)


def _corners_of(coordinates: Any) -> list[float] | None:
    """Left, top, width and height of a box given by two corners or more; None if it is not one.

    Examples
    --------
    >>> _corners_of([{"x": 5, "y": 9}, {"x": 1, "y": 2}])
    [1.0, 2.0, 4.0, 7.0]
    """
    if not isinstance(coordinates, list) or len(coordinates) < 2:
        return None
    values = [point.get(axis) if isinstance(point, dict) else None for point in coordinates
              for axis in "xy"]  # fmt: skip
    if not all(is_number(value) for value in values):
        return None
    corners = np.array(values, np.float64).reshape(-1, 2)
    low, sides = corners.min(axis=0), np.ptp(corners, axis=0)
    return [float(value) for value in (*low, *sides)]


def _is_recipe(document: Any) -> bool:
    """Whether a JSON document is a recipe with templates of poses.

    Examples
    --------
    >>> _is_recipe({"metadata": {"system": {"collectionTemplates": []}}}), _is_recipe([])
    (True, False)
    """
    return _templates(document) is not None


def _skeleton_for(labels: tuple[str, ...], recipes: Sequence[Any], path: Path) -> Skeleton:
    """The skeleton that points of these labels belong to.

    Parameters
    ----------
    labels
        All names of points, in order of first appearance.
    recipes
        Recipes; the first template that has all labels counts.
    path
        For messages.

    Returns
    -------
    skeleton
        That of the template, else one that we know with just these names, else these names.

    Raises
    ------
    ValueError
        If a template's names or edges are no skeleton.

    Examples
    --------
    >>> arm = {"name": "arm", "order": ["Elbow", "Wrist"], "arcs": [["Elbow", "Wrist"]]}
    >>> recipe = {"metadata": {"system": {"collectionTemplates": [arm]}}}
    >>> _skeleton_for(("wrist",), [recipe], Path("folder")).edges
    (('elbow', 'wrist'),)
    >>> _skeleton_for(("wrist", "elbow"), [], Path("folder")).keypoints
    ('wrist', 'elbow')
    """
    for recipe in recipes:
        for template in _templates(recipe) or []:
            order = _words(template.get("order") if isinstance(template, dict) else None)
            if set(labels) <= set(order):
                arcs = [_words(arc) for arc in template.get("arcs") or []]
                edges = tuple(dict.fromkeys((arc[0], arc[1]) for arc in arcs if len(arc) == 2))
                try:
                    return skeleton_of_names(order, ANNOTATED, edges=edges)
                except ValueError as error:
                    raise ValueError(f"{path}: template {template.get('name')}: {error}") from error
    for known in KNOWN_SKELETONS.values():
        if set(known.keypoints) == set(labels):
            return known
    return skeleton_of_names(labels, ANNOTATED)


def _templates(document: Any) -> list[Any] | None:
    node = document
    for key in ("metadata", "system", "collectionTemplates"):
        node = node.get(key) if isinstance(node, dict) else None
    return node if isinstance(node, list) else None


def _words(values: Any) -> tuple[str, ...]:
    rows = values if isinstance(values, list) else []
    return tuple(plain_name(word.rsplit(".", 1)[-1]) for word in rows if isinstance(word, str))


_HIDDEN = {"not-visible", "not_visible"}


class _Person(NamedTuple):
    """Points by name (None where marked as not there), a box or None, and a name."""

    points: dict[str, tuple[float, float] | None]
    box: list[float] | None
    name: str


class _Item(NamedTuple):
    """An image, its width and height (infinite where not known), and its people."""

    image: Path
    size: tuple[float, float]
    people: list[_Person]


def read_dataloop(
    path: str | Path,
    images: str | Path | None = None,
    *,
    skeleton: Skeleton | None = None,
    broken: Broken = "refuse",
) -> Samples:
    """People of a folder exported by Dataloop: a JSON file for each image.

    Parameters
    ----------
    path
        The folder of item files, searched through (Dataloop writes ``json/`` beside ``items/``),
        or one file. A recipe among them (``recipe.json``) gives the keypoints' order and edges.
    images
        The folder that the items' ``filename`` start from; when None ``items`` in or beside the
        folder, else the folder itself.
    skeleton
        The keypoints wanted, found by name. When None those of the recipe, else those of the
        annotations: a skeleton that we know with these names, or else they in order of first
        appearance.
    broken
        ``"refuse"`` or ``"skip"`` what is wrong, see `posetrack.training.read_coco`.

    Returns
    -------
    samples
        In the order of the files' names. A person is a ``pose``; its points are those whose
        parent it is, or that have its object id, and so is its box, if it has any. Points of no
        pose but with an object id are people too. A point is called by the last part of its
        label (``person.nose``). One marked ``not-visible`` counts as labelled, as COCO's hidden
        keypoints do; one marked both ``visible`` and ``not-visible`` does not.

    Raises
    ------
    FileNotFoundError
        If the folder is missing.
    ValueError
        If there are no item files, something in one is wrong and not skipped, or nobody is left.

    Notes
    -----
    The fields are those of Dataloop's Python SDK (``dtlpy.entities``) and the marks those of its
    COCO converter. That converter writes a point that is missing as hidden at (0, 0), so these
    files are better to learn from than what it makes of them.
    """
    path = Path(path)
    documents = _documents(path)
    root = _image_folder(path, None if images is None else Path(images))
    recipes = [document for _, document in documents if _is_recipe(document)]
    problems: list[Problem] = []
    items = [
        item
        for file, document in documents
        if not _is_recipe(document) and (item := _item(file, document, root, problems)) is not None
    ]
    labels = dict.fromkeys(
        name for item in items for person in item.people for name in person.points
    )
    if not labels:
        return check_people(path, _samples(skeleton or _NOTHING, [], problems, 0), broken)
    own = _skeleton_for(tuple(labels), recipes, path)
    rows, left_out = _rows(items, own, problems)
    people = _samples(own, rows, problems, left_out)
    return check_people(path, people if skeleton is None else people.map_to(skeleton), broken)


_NOTHING = Skeleton("annotated", ("nothing",), (), (), (1.0,))
_Row = tuple[Path, NDArray[np.float64], list[float], str]


def _documents(path: Path) -> list[tuple[Path, Any]]:
    if path.is_file():
        return [(path, read_json(path))]
    if not path.is_dir():
        raise no_such_file(path)
    files = sorted(path.rglob("*.json"))
    if not files:
        raise ValueError(f"{path}: no .json files in this folder; expected Dataloop's item files")
    return [(file, read_json(file)) for file in files]


def _image_folder(path: Path, images: Path | None) -> Path:
    if images is not None:
        return images
    folder = path if path.is_dir() else path.parent
    near = (folder / "items", folder.parent / "items")
    return next((coordinates for coordinates in near if coordinates.is_dir()), folder)


def _item(file: Path, document: Any, root: Path, problems: list[Problem]) -> _Item | None:
    name = document.get("filename") if isinstance(document, dict) else None
    rows = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(name, str) or not isinstance(rows, list):
        problems.append(Problem("an item without filename and annotations", file.name))
        return None
    # Names start with a slash that stands for the data set.
    image = image_file(root, name.lstrip("/"))
    if image is None:
        problems.append(Problem("a filename that leads out of the folder", file.name))
        return None
    people = _people(rows, file, problems)
    if people and not image.is_file():
        problems.append(Problem("an image file that is missing", str(image)))
        return None
    system = _system_of(document)
    width, height = (
        float(side) if is_number(side) and side > 0 else math.inf
        for side in (system.get("width"), system.get("height"))
    )
    return _Item(image, (width, height), people)


def _people(rows: Sequence[Any], file: Path, problems: list[Problem]) -> list[_Person]:
    """Poses with their points, in the order in which they appear."""
    people: dict[Any, _Person] = {}
    by_object: dict[Any, Any] = {}
    for row in rows:
        if isinstance(row, dict) and row.get("type") == "pose":
            key = _id_of(row)
            if key is None or key in people:
                problems.append(Problem("a pose without an id of its own", f"{file.stem} {key}"))
                continue
            people[key] = _Person({}, None, f"{file.stem} {key}")
            by_object.setdefault(_object_of(row), key)
    # Boxes go first: a point may have one for its parent, which then stands for the person.
    for row in sorted((row for row in rows if isinstance(row, dict)), key=_is_point):
        kind, where = row.get("type"), f"{file.stem} {_id_of(row)}"
        if kind not in ("point", "box"):
            continue
        key = _owner(row, people, by_object)
        if key is None and kind == "box":
            if _corners_of(row.get("coordinates")) is None or _id_of(row) is None:
                continue  # of a person that the file does not list
            people.setdefault(_id_of(row), _Person({}, None, where))
            key = _id_of(row)
        elif key is None and _object_of(row) is not None:
            key = by_object.setdefault(_object_of(row), ("object", _object_of(row)))
            people.setdefault(key, _Person({}, None, f"{file.stem} object {_object_of(row)}"))
        wrong = "a point that belongs to no pose" if key is None else _add(people, key, row)
        if wrong:
            problems.append(Problem(wrong, where))
    problems += [
        Problem("an annotation that is not an object", f"{file.stem} {position}")
        for position, row in enumerate(rows)
        if not isinstance(row, dict)
    ]
    return [person for person in people.values() if person.points]


def _add(people: dict[Any, _Person], key: Any, row: Mapping[str, Any]) -> str | None:
    """Give a person a point or a box; what is wrong with it, if anything is."""
    coordinates = row.get("coordinates")
    if row["type"] == "box":
        box = _corners_of(coordinates)
        if box is None:
            return "a box that is not two corners"
        people[key] = people[key]._replace(box=box)
        return None
    values: list[Any] = (
        [coordinates.get(axis) for axis in "xy"] if isinstance(coordinates, dict) else []
    )
    if len(values) != 2 or not all(is_number(value) for value in values):
        return "a point without x and y"
    if max(map(abs, values)) > MAX_PIXEL:
        return "a keypoint more than a million pixels away"
    if not isinstance(row.get("label"), str):
        return "a point without label"
    name = plain_name(row["label"].rsplit(".", 1)[-1])
    if name in people[key].points:
        return "a keypoint that a person has twice"
    words = words_of(row)
    absent = "visible" in words and bool(words & _HIDDEN)
    people[key].points[name] = None if absent else (float(values[0]), float(values[1]))
    return None


def _rows(
    items: Sequence[_Item], skeleton: Skeleton, problems: list[Problem]
) -> tuple[list[_Row], int]:
    rows: list[_Row] = []
    left_out = 0
    for item in items:
        for person in item.people:
            xy = np.full((len(skeleton), 2), np.nan)
            for name, coordinates in person.points.items():
                if coordinates is not None and name in skeleton.keypoints:
                    xy[skeleton.index(name)] = coordinates
            if not np.isfinite(xy).any() or (person.box is None and at_one_point(xy)):
                left_out += 1
                continue
            box = box_within(person.box, xy, *item.size)
            if box is None:
                problems.append(Problem("a box that is not inside the image", person.name))
            else:
                rows.append((item.image, xy, box, person.name))
    return rows, left_out


def _samples(
    skeleton: Skeleton, rows: Sequence[_Row], problems: list[Problem], left_out: int
) -> Samples:
    boxes = np.array([row[2] for row in rows], np.float64).reshape(-1, 4)
    return Samples(
        skeleton,
        tuple(row[0] for row in rows),
        np.array([row[1] for row in rows], np.float64).reshape(-1, len(skeleton), 2),
        boxes,
        None,
        None,
        (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=1.0),
        tuple(row[3] for row in rows),
        (),
        tuple(problems),
        left_out,
    )


def _owner(row: Mapping[str, Any], people: Mapping[Any, _Person], by_object: Any) -> Any:
    """Key of the person that an annotation is a part of, by its parent, else by its object."""
    parent = _first_plain(row.get("parentId"), _system_of(row).get("parentId"))
    if parent is not None and parent in people:
        return parent
    number = _object_of(row)
    return None if number is None else by_object.get(number)


def _is_point(row: Mapping[str, Any]) -> bool:
    return row.get("type") == "point"
