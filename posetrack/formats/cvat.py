"""CVAT's own XML: skeletons in images and in tracks of a video.

Source: CVAT's documentation, "CVAT format", version 1.1. Its exports as COCO keypoints and as
Ultralytics YOLO Pose are read as what they are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from posetrack.formats.hints import NO_HINTS, Hints, plain_name, skeleton_of_names
from posetrack.formats.labels import LabelledImage, LabelledPerson, Labels, table_of_labels
from posetrack.formats.table import TrackTable
from posetrack.formats.xml import read_xml
from posetrack.skeletons import Skeleton

_MOST_PEOPLE: Final = 20_000_000
_TAG: Final = re.compile(r"<(circle|line)\b([^>]*)>", re.ASCII)
_ATTRIBUTE: Final = re.compile(r'data-([a-z-]+)="([^"]*)"', re.ASCII)


def read_cvat(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read ``annotations.xml``, for images or for video, as tracks.

    Identities are those of tracks, or an attribute ``track_id`` of a skeleton; images have none.

    Parameters
    ----------
    path
        The file. CVAT puts it into a zip, which `posetrack.load` takes, too.
    hints
        Its ``rate`` is needed: the file tells no times. Its ``skeleton`` is needed where points
        have no names.

    Raises
    ------
    ValueError
        If it is no such file or broken; the message names the file and the line.

    Examples
    --------
    >>> import tempfile
    >>> nose = '<points label="nose" outside="0" points="5.0,6.0"/>'
    >>> skeleton = f'<skeleton frame="3" outside="0">{nose}</skeleton>'
    >>> track = f'<track id="0" label="person">{skeleton}</track>'
    >>> path = Path(tempfile.mkdtemp()) / "annotations.xml"
    >>> _ = path.write_text(f"<annotations>{track}</annotations>")
    >>> people = read_cvat(path, Hints(rate=25))
    >>> people.frame.tolist(), people.xy.tolist()
    ([3], [[[5.0, 6.0]]])
    """
    path = Path(path)
    return table_of_labels(read_cvat_labels(path, hints), str(path), hints)


class _Person:
    """What is known of a person while the file is walked through."""

    def __init__(self, label: str, line: int, frame: int | None, identity: int | None) -> None:
        self.label, self.line, self.frame, self.identity = label, line, frame, identity
        self.points: dict[str, tuple[float, float] | None] = {}
        self.outside = False


class _Walk:
    """Collects images, tracks and labels from the elements of a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open: list[str] = []
        self.images: dict[str, tuple[str, tuple[int, int] | None]] = {}
        self.people: list[tuple[str | None, _Person]] = []
        self.left_out: Counter[str] = Counter()
        self.parents: dict[str, list[str]] = {}
        self.drawings: dict[str, str] = {}
        self.size: list[int] = []
        self._image: str | None = None
        self._track: int | None = None
        self._track_label = ""
        self._person: _Person | None = None
        self._attribute = ""
        self._label: dict[str, str] = {}
        self._groups: dict[str, _Person] = {}

    def start(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        self.open.append(name)
        if name == "image":
            self._image = str(len(self.images))
            self._groups = {}
            sides = [attributes.get(side, "") for side in ("width", "height")]
            size = (int(sides[0]), int(sides[1])) if all(map(str.isdecimal, sides)) else None
            self.images[self._image] = attributes.get("name", ""), size
        elif name == "track":
            self._track = self._whole(attributes, "id", line)
            self._track_label = attributes.get("label", "")
        elif name == "skeleton":
            self._person = self._new(attributes, line)
        elif name == "points":
            self._add(attributes, line)
        elif name in ("box", "polygon", "polyline", "mask", "ellipse", "cuboid"):
            self.left_out["without keypoints"] += 1
        elif name == "attribute":
            self._attribute = attributes.get("name", "")

    def _new(self, attributes: Mapping[str, str], line: int) -> _Person:
        frame = None if self._track is None else self._whole(attributes, "frame", line)
        label = attributes.get("label") or self._track_label
        person = _Person(label, line, frame, self._track)
        person.outside = attributes.get("outside") == "1"
        if len(self.people) >= _MOST_PEOPLE:
            raise ValueError(f"{self.path}: over {_MOST_PEOPLE:,} people")
        self.people.append((self._image, person))
        return person

    def _whole(self, attributes: Mapping[str, str], key: str, line: int) -> int:
        text = attributes.get(key, "")
        if not text.isdecimal() or len(text) > 15:
            raise ValueError(f"{self.path}, line {line}: {key!r} is no number: {text!r:.40}")
        return int(text)

    def _add(self, attributes: Mapping[str, str], line: int) -> None:
        """A point of a skeleton; or points by themselves, of one person or one of a group."""
        points = self._places(attributes.get("points", ""), line)
        label = attributes.get("label", "")
        outside = attributes.get("outside") == "1"
        if self._person is not None:
            if len(points) != 1 or label in self._person.points:
                reason = "is there twice" if len(points) == 1 else f"has {len(points)} places"
                raise ValueError(f"{self.path}, line {line}: point {label!r:.40} {reason}")
            self._person.points[label] = None if outside else points[0]
            return
        if len(points) > 1 or self._track is not None:
            person = self._new(attributes, line)
            numbered = {f"#{number}": one for number, one in enumerate(points)}
            person.points = dict.fromkeys(numbered) if outside else dict(numbered)
            return
        group = attributes.get("group_id", "")
        if group not in self._groups or label in self._groups[group].points:
            self._groups[group] = self._new({}, line)
        self._groups[group].points[label] = points[0] if points else None

    def _places(self, text: str, line: int) -> list[tuple[float, float]]:
        try:
            numbers = [[float(word) for word in pair.split(",")] for pair in text.split(";")]
            places = [(x, y) for x, y in numbers]
        except ValueError:
            places = [(math.inf, math.inf)]
        if not all(abs(value) < 1e9 for pair in places for value in pair):
            raise ValueError(f"{self.path}, line {line}: expected x,y of points, got {text!r:.40}")
        return places

    def end(self, name: str, text: str) -> None:
        self.open.pop()
        if name == "image":
            self._image = None
        elif name == "track":
            self._track = None
        elif name == "skeleton":
            self._person = None
        elif name == "attribute" and self._person is not None and text.isdecimal():
            if self._attribute == "track_id" and self._person.identity is None:
                self._person.identity = int(text[:15])
        elif "original_size" in self.open and name in ("width", "height") and text.isdecimal():
            self.size.append(int(text))
        elif self.open and self.open[-1] == "label":
            self._label[name] = text
        elif name == "label":
            label, parent = self._label.get("name", ""), self._label.get("parent")
            if parent is not None:
                self.parents.setdefault(parent, []).append(label)
            if "svg" in self._label:
                self.drawings[label] = self._label["svg"]
            self._label = {}


def read_cvat_labels(path: Path, hints: Hints = NO_HINTS) -> Labels:
    """People of all images or frames; of several skeletons those of the one that most have.

    Raises
    ------
    ValueError, FileNotFoundError
        See `read_cvat`.
    """
    walk = _Walk(path)
    read_xml(path, walk.start, walk.end)
    labels = [person.label for _, person in walk.people if person.points]
    # Points by themselves may be of anything, such as a car's wheels.
    counts = Counter([label for label in labels if label in walk.parents] or labels)
    label = counts.most_common(1)[0][0] if counts else ""
    found = dict.fromkeys(
        name for _, person in walk.people if person.label == label for name in person.points
    )
    named = walk.parents.get(label, [])
    names = list(dict.fromkeys([*(named if set(named) & set(found) else ()), *found]))
    skeleton = _skeleton(path, walk, label, names, hints)
    left_out = walk.left_out
    of_images: dict[str, list[LabelledPerson]] = {key: [] for key in walk.images}
    of_frames: dict[int, list[LabelledPerson]] = {}
    for image, person in walk.people:
        if person.label != label:
            left_out["of another skeleton"] += 1
            continue
        if image is None and person.frame is not None:
            people = of_frames.setdefault(person.frame, [])
        elif image is not None:
            people = of_images[image]
        else:
            continue
        points = np.full((max(len(names), 1), 3), np.nan)
        points[:, 2] = 0
        for name, xy in person.points.items():
            if xy is not None and not person.outside:
                points[names.index(name)] = (*xy, 1)
        if np.isfinite(points[:, 0]).any():
            name = f"line {person.line}"
            people.append(LabelledPerson(points, None, np.nan, person.identity, name))
    size = (walk.size[0], walk.size[1]) if len(walk.size) == 2 else None
    images = [
        LabelledImage(walk.images[key][0], tuple(people), walk.images[key][1])
        for key, people in of_images.items()
    ]
    images += [
        LabelledImage(f"frame_{frame:06d}", tuple(people), size, frame)
        for frame, people in sorted(of_frames.items())
    ]
    return Labels(skeleton, tuple(images), (), dict(left_out))


def _skeleton(
    path: Path, walk: _Walk, label: str, names: list[str], hints: Hints
) -> Skeleton | None:
    """By the names of points; None where they have none."""
    if not names or all(name.startswith("#") for name in names):
        return None
    plain = [plain_name(name) for name in names]
    if len(set(plain)) < len(plain):
        plain = names
    by_number: dict[str, str] = {}
    lines: list[tuple[str, str]] = []
    for kind, text in _TAG.findall(walk.drawings.get(label, "")):
        found = dict(_ATTRIBUTE.findall(text))
        if kind == "circle":
            by_number[found.get("node-id", "")] = plain_name(found.get("label-name", ""))
        else:
            lines.append((found.get("node-from", ""), found.get("node-to", "")))
    edges = [(by_number[a], by_number[b]) for a, b in lines if a in by_number and b in by_number]
    try:
        return skeleton_of_names(plain, label or path.stem, hints.skeleton, edges)
    except ValueError as error:
        raise ValueError(f"{path}: skeleton {label!r}: {error}") from error
