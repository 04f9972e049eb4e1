"""People that someone labelled in images, as readers of label formats give them.

A format's file is read once, into `Labels`. The table of tracks is one view of them, the people
that a network learns from (`posetrack.training.reading_labels`) the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from posetrack.formats.hints import Hints
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import COCO_17, Skeleton, skeleton_of_count

_NUMBER = re.compile(r"(?:.*\D)?(\d{1,15})(?:\.\w+)?", re.ASCII | re.DOTALL)


@dataclass(frozen=True, eq=False)
class LabelledPerson:
    """A person in an image.

    Parameters
    ----------
    points
        (K, 3): x and y in pixels, NaN where not labelled, and a score.
    xyxy
        The box, or None.
    score
        Of the box; NaN where not known.
    identity
        Who; None where the file does not say.
    name
        What messages call the person.
    """

    points: NDArray[np.float64]
    xyxy: NDArray[np.float64] | None = None
    score: float = np.nan
    identity: int | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image and its people.

    Parameters
    ----------
    name
        As the file calls it, with its folders.
    people
        Perhaps nobody.
    size
        Width and height of the image that the labels are of; None where not known.
    frame
        Its index in a video, where the file says it; else None.
    """

    name: str
    people: tuple[LabelledPerson, ...]
    size: tuple[int, int] | None = None
    frame: int | None = None


@dataclass(frozen=True, eq=False)
class Labels:
    """All images of a file or folder.

    Parameters
    ----------
    skeleton
        What the keypoints are; None where the file neither names nor counts them usually.
    images
        In the file's order.
    problems
        What is wrong in the file and was left out, each with where.
    left_out
        How many were left out for reasons that are none of the file's faults.
    rate
        Frames a second, where the file says it.
    """

    skeleton: Skeleton | None
    images: tuple[LabelledImage, ...]
    problems: tuple[tuple[str, str], ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)
    rate: float | None = None


def table_of_labels(labels: Labels, where: str, hints: Hints) -> TrackTable:
    """The people as tracks, each image a frame.

    A frame's index is what the file says, else the place of its image's name in ``hints.images``,
    else the number that the name ends in; where names do not end in different numbers, images
    count in order of the file.

    Raises
    ------
    ValueError
        If something in the file is wrong, someone has no identity (see `Hints.untracked`), or no
        rate is known; the message names the file and the place.
    """
    if labels.problems:
        kind, at = labels.problems[0]
        raise ValueError(f"{where}: {at}: {kind}")
    people = People(where, hints)
    for reason, count in labels.left_out.items():
        people.leave_out(reason, count)
    frames = frames_of(labels.images, where, hints)
    for index, image in zip(frames, labels.images, strict=True):
        people.add_frame(index)
        for person in image.people:
            at = f", {person.name or image.name}"
            people.add(index, person.identity, person.points, person.xyxy, person.score, part=at)
    usual = None if people.keypoints is None else skeleton_of_count(people.keypoints)
    sizes = {image.size for image in labels.images}
    size = sizes.pop() if len(sizes) == 1 else None
    metadata = {"image_size": None if size is None else list(size)}
    skeleton = labels.skeleton or hints.skeleton or usual or COCO_17
    if hints.skeleton is not None and len(hints.skeleton) == len(skeleton):
        skeleton = hints.skeleton
    return people.table(skeleton, rate=labels.rate, metadata=metadata)


def frames_of(images: Sequence[LabelledImage], where: str, hints: Hints) -> list[int]:
    r"""Indices of frames; see `table_of_labels`.

    Examples
    --------
    >>> a, b = LabelledImage("x/img0007.png", ()), LabelledImage("x/img0003.png", ())
    >>> frames_of([a, b], "here", Hints()), frames_of([a, a], "here", Hints())
    ([7, 3], [0, 1])
    >>> frames_of([LabelledImage(r"D:\x\b.png", ())], "here", Hints(images=["y/a.png", "y/b.png"]))
    [1]
    """
    if hints.images:
        known = {str(name): index for index, name in enumerate(hints.images)}
        # By their names alone where these differ: folders are another machine's.
        alone = {_last(name): index for name, index in known.items()}
        alone = known | (alone if len(alone) == len(known) else {})
        found = [known.get(i.name, alone.get(_last(i.name))) for i in images]
        if None in found:
            raise ValueError(f"{where}: image {images[found.index(None)].name!r} is not in images=")
        return [index for index in found if index is not None]
    given = [image.frame for image in images if image.frame is not None]
    if len(given) == len(images) and len(set(given)) == len(given):
        return given
    matches = [_NUMBER.fullmatch(image.name) for image in images]
    numbers = [int(match[1]) for match in matches if match]
    if len(numbers) == len(images) and len(set(numbers)) == len(numbers):
        return numbers
    return list(range(len(images)))


def _last(name: str) -> str:
    """A file's name without its folders, Windows' too."""
    return PurePosixPath(name.replace("\\", "/")).name
