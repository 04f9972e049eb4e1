"""Annotated sequences as arrays, which readers return and metrics take."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.ops.compilation import compile_kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

Region = Floats
"""(V, 2), the corners of a polygon."""


@dataclass(frozen=True, eq=False, repr=False)
class AnnotatedSequence:
    """One sequence as its file holds it: T images and P people, in the file's order.

    Readers of all formats give this; a protocol then makes of it what it counts.

    Parameters
    ----------
    source
        The file, for messages.
    name
        The sequence.
    image_names
        T names.
    image_ids
        T ids as the file has them; the positions where the format has none.
    labelled
        T times whether the file says that the image is annotated; None where it says nothing.
    regions
        T times the polygons to ignore; None where the file does not have the key.
    annotated
        (T,), whether the image has any annotation, with keypoints or not.
    frame
        (P,), position of each person's image; rising.
    ids
        (P,) track ids.
    keypoints
        (P, K, 3): x and y in pixels and the visibility flag as the file has it.
    scores
        (P, K); NaN where there is none.
    score_counts
        (P,), how many scores the file gives the person; -1 where the key is missing.
    heads
        (P, 4), x and y of two corners of the head box in pixels; NaN where there is none.
    areas
        (P,), size of each person in square pixels: the file's ``area``, else that of its ``bbox``;
        NaN where it has neither.
    landmarks
        K names, or None where the file does not say what its keypoints are.
    whole_numbers
        (P,), whether all of the person's keypoints are written without a decimal point.
    repeated
        PoseTrack17 only: position of an image and a track id that occurs twice in it, rectangles
        without points included; None without one.
    strays
        How many annotations belong to no image of the file.
    spare
        PoseTrack17 only: points beyond the first of each known keypoint, in file order.
    """

    source: str
    name: str
    image_names: tuple[str, ...]
    image_ids: tuple[Any, ...]
    labelled: tuple[bool | None, ...]
    regions: tuple[tuple[Region, ...] | None, ...]
    annotated: Bools
    frame: Ints
    ids: Ints
    keypoints: Floats
    scores: Floats
    score_counts: Ints
    heads: Floats
    areas: Floats
    landmarks: tuple[str, ...] | None
    whole_numbers: Bools
    repeated: tuple[int, int] | None = None
    strays: int = 0
    spare: SparePoints | None = None

    def __len__(self) -> int:
        return len(self.image_names)

    def __repr__(self) -> str:
        return (
            f"AnnotatedSequence({self.name!r}, {len(self)} images, "
            f"keypoints {self.keypoints.shape})"
        )


@dataclass(frozen=True, eq=False)
class SparePoints:
    """Points of a PoseTrack17 file that count only if those before them are ignored.

    Parameters
    ----------
    person
        (Q,), row of the person.
    keypoint
        (Q,), 0 to 14, or -1 where the id is unknown.
    xy
        (Q, 2) pixels.
    scores
        (Q,), NaN where there is none.
    """

    person: Ints
    keypoint: Ints
    xy: Floats
    scores: Floats


@dataclass(frozen=True, eq=False)
class People:
    """One side of a sequence, true or predicted, as a protocol counts it: F frames, P people.

    Parameters
    ----------
    offsets
        (F + 1,): the people of frame f are rows ``offsets[f]`` to ``offsets[f + 1]``.
    ids
        (P,) track ids.
    xy
        (P, K, 2) pixels; where ``has`` is False the values mean nothing.
    has
        (P, K), which keypoints exist.
    scores
        (P, K).
    sizes
        (P,) head sizes in pixels; NaN where unknown.
    """

    offsets: Ints
    ids: Ints
    xy: Floats
    has: Bools
    scores: Floats
    sizes: Floats

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class SequencePair:
    """True and predicted people of the F frames of one sequence that count.

    Parameters
    ----------
    name
        The sequence.
    frames
        (F,), positions of the frames in the file.
    truth, predicted
        The people of these frames.
    """

    name: str
    frames: Ints
    truth: People
    predicted: People

    def __len__(self) -> int:
        return len(self.frames)

    def first(self, count: int) -> SequencePair:
        """The same with only the first ``count`` frames."""
        return SequencePair(
            self.name,
            self.frames[:count],
            _first(self.truth, count),
            _first(self.predicted, count),
        )


def _first(people: People, count: int) -> People:
    end = int(people.offsets[count])
    return People(
        people.offsets[: count + 1],
        people.ids[:end],
        people.xy[:end],
        people.has[:end],
        people.scores[:end],
        people.sizes[:end],
    )


def offsets_of(frame: Ints, frames: int) -> Ints:
    """(F + 1,) offsets of people by the frame that each belongs to, rising.

    Examples
    --------
    >>> offsets_of(np.array([0, 0, 2]), 3).tolist()
    [0, 2, 2, 3]
    """
    counts = np.bincount(frame, minlength=frames)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def find_repeat(frame: Ints, ids: Ints) -> tuple[int, int] | None:
    """A frame and an id that occurs twice in it, or None; ``frame`` rising.

    Examples
    --------
    >>> find_repeat(np.array([0, 0, 1, 1]), np.array([3, 4, 7, 7]))
    (1, 7)
    """
    order = np.lexsort((ids, frame))
    twice = (np.diff(frame[order]) == 0) & (np.diff(ids[order]) == 0)
    if not twice.any():
        return None
    row = order[int(np.argmax(twice))]
    return int(frame[row]), int(ids[row])


def refuse_repeat(source: str, repeat: tuple[int, int] | None) -> None:
    """Refuse a file in which `find_repeat` found an id.

    Raises
    ------
    ValueError
        With the file, the id and the frame.

    Examples
    --------
    >>> refuse_repeat("a.json", (1, 7))
    Traceback (most recent call last):
    ValueError: a.json: track id 7 occurs twice in frame 1
    """
    if repeat is not None:
        frame, track = repeat
        raise ValueError(f"{source}: track id {track} occurs twice in frame {frame}")


MISSING_SCORE: Final = -9999.0
"""What the official evaluators use where a prediction has no score."""

_HEAD_FACTOR: Final = 0.6

MAX_DISTANCE: Final = 0.5
"""A predicted keypoint is right if it is this many head sizes away at most (PCKh@0.5)."""


@compile_kernel
def frame_distances(
    true_xy: Floats, true_has: Bools, sizes: Floats, other_xy: Floats, other_has: Bools
) -> Floats:
    """(G, P, K) distances divided by the true person's head size; infinite without both points.

    A head of size 0 gives infinity, or NaN where the points coincide: never a match.
    """
    people, others, count = len(true_xy), len(other_xy), true_xy.shape[1]
    distance = np.full((people, others, count), np.inf)
    for g in range(people):
        for p in range(others):
            for k in range(count):
                if true_has[g, k] and other_has[p, k]:
                    dx = true_xy[g, k, 0] - other_xy[p, k, 0]
                    dy = true_xy[g, k, 1] - other_xy[p, k, 1]
                    distance[g, p, k] = np.sqrt(dx * dx + dy * dy) / sizes[g]
    return distance


IMAGE_SOURCES: Final = ("mpii", "bonn", "mpiinew")
"""Where PoseTrack's videos come from, as the names of their folders say."""


def image_numbers(image_name: str, *, suffix: bool = False) -> tuple[str, str, int]:
    """Video, source and frame number from the name of an image.

    Parameters
    ----------
    image_name
        As the files have it.
    suffix
        Allow ``_...`` after the frame number, as in some files of 2017.

    Raises
    ------
    ValueError
        If the name is not ``.../<number>_<source>[_...]/<frame>.<extension>`` with a known
        source and a frame number below 10000, by which the official tools number images.

    Examples
    --------
    >>> image_numbers("images/val/000342_mpii_test/000007.jpg")
    ('000342', 'mpii', 7)
    """
    folder, file_name = posixpath.split(image_name)
    video, _, rest = posixpath.basename(folder).partition("_")
    source = rest.split("_")[0]
    try:
        int(video)
        number = file_name.split(".")[0]
        frame = int(number.split("_")[0] if suffix else number)
        known = source in IMAGE_SOURCES and 0 <= frame < 10_000
    except ValueError:
        known = False
    if not known:
        raise ValueError(
            f"image name {image_name!r}; expected .../<number>_<{'|'.join(IMAGE_SOURCES)}>[_...]/"
            "<frame number below 10000>.<extension>, by which the official tools number images"
        )
    return video, source, frame


def head_sizes(corners: Floats) -> Floats:
    """(P,) head sizes from the (P, 4) corners of the head boxes: 0.6 times the diagonal.

    Examples
    --------
    >>> head_sizes(np.array([[0.0, 0.0, 30.0, 40.0]])).tolist()
    [30.0]
    """
    with np.errstate(over="ignore", invalid="ignore"):  # an absurd box is infinitely large
        across = corners[:, 2:] - corners[:, :2]
        return _HEAD_FACTOR * np.sqrt(across[:, 0] ** 2 + across[:, 1] ** 2)
