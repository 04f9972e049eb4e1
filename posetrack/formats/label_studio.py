"""Label Studio's exports, JSON and JSON-MIN: keypoints and the rectangles that they belong to.

Source: Label Studio's documentation, "Export annotations" and "Units of image annotations": places
are percents of the image. Its exports as COCO and YOLO are read as what they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from posetrack.files import as_kind, read_json
from posetrack.formats.exports import PICTURES
from posetrack.formats.hints import NO_HINTS, Hints, plain_name, skeleton_of_names
from posetrack.formats.labels import LabelledImage, LabelledPerson, Labels, table_of_labels
from posetrack.formats.numbers import Number
from posetrack.formats.table import TrackTable
from posetrack.skeletons import KNOWN_SKELETONS, Skeleton

_UPLOAD: Final = re.compile(r"[0-9a-f]{8}-(?=.)", re.ASCII)
_MOST_SIDE = 1_000_000


class _Value(msgspec.Struct):
    """A shape; percents of the image."""

    x: Number
    y: Number
    width: Number = 0
    height: Number = 0
    keypointlabels: list[str] | None = None
    rectanglelabels: list[str] | None = None
    original_width: Number | None = None
    original_height: Number | None = None
    id: str | int | None = None
    parent: str | int | None = msgspec.field(default=None, name="parentID")


class _Shape(NamedTuple):
    """A keypoint or a rectangle, in pixels."""

    key: str | None
    parent: str | None
    name: str
    xywh: NDArray[np.float64]


class _Task(NamedTuple):
    """An image with its keypoints and rectangles."""

    name: str
    size: tuple[int, int] | None
    points: list[_Shape]
    boxes: list[_Shape]
    links: list[tuple[str, str]]


_Group: TypeAlias = tuple[list[_Shape], _Shape | None]
"""A person's keypoints, and the rectangle if there is one."""


def read_label_studio(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read keypoints of images as tracks, each image a frame by the number in its name.

    Keypoints belong to the rectangle that is their parent, that a relation ties them to, or that
    they lie in; without rectangles all of an image are one person's, and so are those of names
    that no rectangle's keypoints have. There are no identities. Of several annotations of an image
    the one marked as ground truth counts, else the first that was not skipped; predictions and
    whatever is labelled in videos are left out.

    Parameters
    ----------
    path
        A ``.json`` file, JSON or JSON-MIN; `posetrack.load` takes the folder or zip, too.
    hints
        Its ``rate`` is needed.

    Raises
    ------
    ValueError
        If it is no such file or a keypoint belongs to nobody; the message names the file and the
        task.

    Examples
    --------
    >>> import json, tempfile
    >>> point = {"x": 50.0, "y": 25.0, "width": 0.3, "keypointlabels": ["nose"]}
    >>> nose = {"type": "keypointlabels", "original_width": 200, "original_height": 100}
    >>> nose |= {"id": "a", "from_name": "kp", "to_name": "image", "value": point}
    >>> task = {"id": 1, "data": {"image": "walk_0007.jpg"}, "annotations": [{"result": [nose]}]}
    >>> document = [task]
    >>> path = Path(tempfile.mkdtemp()) / "export.json"
    >>> _ = path.write_text(json.dumps(document))
    >>> read_label_studio(path, Hints(rate=25, untracked=True)).xy.tolist()
    [[[100.0, 25.0]]]
    """
    path = Path(path)
    return table_of_labels(read_label_studio_labels(path, hints), str(path), hints)


def read_label_studio_labels(path: Path, hints: Hints = NO_HINTS) -> Labels:
    """People of all images; keypoints that cannot be grouped into people are problems.

    Raises
    ------
    ValueError, FileNotFoundError
        See `read_label_studio`.
    """
    problems: list[tuple[str, str]] = []
    left_out: Counter[str] = Counter()
    tasks = []
    for n, row in enumerate(read_json(path, list[dict[str, Any]], nan=True)):
        task = _task(row, f"{path}, task {row.get('id', n)!s:.40}", left_out)
        if task is not None:
            tasks.append(task)
    names = list(dict.fromkeys(point.name for task in tasks for point in task.points))
    skeleton = _skeleton(path, names, hints, left_out)
    grouped = [_group(task, problems) for task in tasks]
    in_rectangles = {
        point.name for people, _ in grouped for points, _ in people for point in points
    }
    images = []
    for task, (people, alone) in zip(tasks, grouped, strict=True):
        if alone:
            stray = next((point.name for point in alone if point.name in in_rectangles), None)
            if stray is not None:
                problems.append((f"a keypoint {stray!r} in no rectangle", task.name))
            else:
                people.extend(_without_doubles([(alone, None)], task, problems))
        rows = [
            _person(points, box, skeleton, f"{task.name}, person {n}")
            for n, (points, box) in enumerate(people)
        ]
        images.append(LabelledImage(task.name, tuple(rows), task.size))
    return Labels(skeleton, tuple(images), tuple(problems), dict(left_out))


def _skeleton(
    path: Path, names: Sequence[str], hints: Hints, left_out: Mapping[str, int]
) -> Skeleton:
    """The known skeleton with exactly these names, else one of the names as they appear."""
    for known in (*([hints.skeleton] if hints.skeleton else []), *KNOWN_SKELETONS.values()):
        if set(known.keypoints) == set(names) or (known is hints.skeleton and not names):
            return known
    if not names:
        there = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise ValueError(
            f"{path}: no keypoints in it{f', but {there}' if there else ''}; export annotations of "
            "keypoints"
        )
    return skeleton_of_names(names, path.stem, hints.skeleton)


def _task(row: Mapping[str, Any], title: str, left_out: Counter[str]) -> _Task | None:
    """A task; None where nobody has finished it."""
    shapes: list[tuple[Any, str]] = []
    links: list[tuple[str, str]] = []
    if isinstance(row.get("data"), dict):
        data = row["data"]
        done = [one for one in _objects(row.get("annotations", row.get("completions")))
                if not one.get("was_cancelled")]  # fmt: skip
        if not done:
            predicted = any(_objects(row.get("predictions")))
            left_out["images with predictions alone" if predicted else "images not annotated"] += 1
            return None
        if len(done) > 1:
            left_out["annotations of images that have several"] += len(done) - 1
        chosen_one = next((one for one in done if one.get("ground_truth") is True), done[0])
        for result in _objects(chosen_one.get("result")):
            if str(result.get("type")).startswith("video"):
                left_out["labels of videos"] += 1
            elif result.get("type") == "relation":
                links.append((str(result.get("from_id")), str(result.get("to_id"))))
            elif isinstance(result.get("value"), dict):
                more = {key: result.get(key) for key in
                        ("id", "parentID", "original_width", "original_height")}  # fmt: skip
                shapes.append((more | result["value"], title))
    else:
        data = row
        shapes = [(one, title) for rows in row.values() for one in _objects(rows)]
    names = [value for value in data.values() if isinstance(value, str) and "." in value]
    chosen = [data[key] for key in ("image", "img") if isinstance(data.get(key), str)]
    chosen += [value for value in names if _file_name(value).lower().endswith(PICTURES)]
    name = _file_name((chosen or names or [""])[0])
    size: tuple[int, int] | None = None
    points: list[_Shape] = []
    boxes: list[_Shape] = []
    for found, where in shapes:
        if not ("keypointlabels" in found or "rectanglelabels" in found):
            continue
        value: _Value = as_kind(found, where, _Value)
        sides = value.original_width, value.original_height
        if None in sides or not all(1 <= (side or 0) < _MOST_SIDE for side in sides):
            raise ValueError(f"{where}: a shape without original_width and original_height")
        size = int(sides[0] or 0), int(sides[1] or 0)
        xywh = np.array([value.x, value.y, value.width, value.height]) / 100 * (*size, *size)
        if not (np.abs(xywh) < 1e9).all():
            raise ValueError(f"{where}: a shape that lies far outside the image")
        keys = [None if key is None else str(key) for key in (value.id, value.parent)]
        label = (value.keypointlabels or value.rectanglelabels or [""])[0]
        shape = _Shape(keys[0], keys[1], plain_name(label), xywh)
        (points if value.keypointlabels else boxes).append(shape)
    return _Task(name, size, points, boxes, links)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects in a list; nothing of whatever else."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict):
            yield one


def _file_name(text: str) -> str:
    r"""The image's name in a link to it, without what Label Studio puts before what it was given.

    Examples
    --------
    >>> _file_name("/data/upload/1/0a1b2c3d-frame_0007.jpg")
    'frame_0007.jpg'
    >>> _file_name("/data/local-files/?d=shots/a%20b.png")
    'shots/a b.png'
    >>> _file_name(r"C:\shots\frame_0007.jpg")
    'frame_0007.jpg'
    """
    parts = urlsplit(text.replace("\\", "/"))
    given = parse_qs(parts.query).get("d")
    if given:
        return given[0].replace("\\", "/")
    name = unquote(parts.path).rsplit("/", 1)[-1]
    return _UPLOAD.sub("", name, count=1) if _UPLOAD.match(name) else name


def _group(task: _Task, problems: list[tuple[str, str]]) -> tuple[list[_Group], list[_Shape]]:
    """Keypoints of each person, with the rectangle; and those in none, where there are some."""
    by_key = {box.key: number for number, box in enumerate(task.boxes) if box.key}
    linked = {a: b for pair in task.links for a, b in (pair, pair[::-1]) if b in by_key}
    owned: list[list[_Shape]] = [[] for _ in task.boxes]
    alone: list[_Shape] = []
    for point in task.points:
        key = point.parent if point.parent in by_key else linked.get(point.key or "")
        if key is not None:
            owned[by_key[key]].append(point)
            continue
        within = [n for n, box in enumerate(task.boxes) if _lies_in(point.xywh, box.xywh)]
        if len(within) == 1:
            owned[within[0]].append(point)
        elif within:
            problems.append((f"a keypoint {point.name!r} in two rectangles", task.name))
        else:
            alone.append(point)
    groups: list[_Group] = list(zip(owned, task.boxes, strict=True))
    if alone and not task.boxes:
        groups, alone = [(alone, None)], []
    return _without_doubles(groups, task, problems), alone


def _without_doubles(
    groups: Sequence[_Group], task: _Task, problems: list[tuple[str, str]]
) -> list[_Group]:
    """Those with keypoints, each once; others are problems."""
    kept = []
    for points, box in groups:
        names = [point.name for point in points]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            problems.append((f"keypoint {twice!r} twice in one person", task.name))
        elif points:
            kept.append((points, box))
    return kept


def _lies_in(point: NDArray[np.float64], box: NDArray[np.float64]) -> bool:
    inside = (point[:2] >= box[:2]) & (point[:2] <= box[:2] + box[2:])
    return bool(inside.all())


def _person(
    points: Sequence[_Shape], box: _Shape | None, skeleton: Skeleton, name: str
) -> LabelledPerson:
    rows = np.full((len(skeleton), 3), np.nan)
    rows[:, 2] = 0
    for point in points:
        rows[skeleton.index(point.name)] = (*point.xywh[:2], 1)
    xyxy = None
    if box is not None:
        xyxy = np.concatenate([box.xywh[:2], box.xywh[:2] + box.xywh[2:]])
    return LabelledPerson(rows, xyxy, np.nan, None, name)
