"""Faces covered for privacy: heads are blurred, pixelated or filled, and for a moment remembered.

This errs on the side of covering: regions are larger than a head, a face that is not seen is
guessed from shoulders or box, and its last place stays covered for a moment. People whom the
tracker did not find stay as they are: watch the video before you pass it on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.interfaces import Image
from posetrack.skeletons import Skeleton
from posetrack.structures import Tracks

FloatArray = NDArray[np.float64]
Cover = Literal["blur", "pixelate", "fill"]

_CELLS: Final = 6
_GREY: Final = 96


class FaceCover:
    """What to cover in each frame, as it comes: heads, and for a moment where they were.

    A face that is seen surely is covered there, where it was in the frame before, and where it
    was a fifth of a second ago.
    One that is not is covered wherever it may be and, as that of a person who was lost, where it
    was seen last, in a region that grows, until ``memory`` seconds have passed.

    Parameters
    ----------
    memory
        Seconds.
    growth
        By how much of itself a remembered region grows within ``memory``.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.structures import Poses, Tracks
    >>> xy = np.random.default_rng(0).uniform(0, 99, (1, 17, 2))
    >>> cover = FaceCover(memory=1.0)
    >>> nobody = Tracks.empty(COCO_17)
    >>> frames = [Tracks(Poses.from_keypoints(xy, None, COCO_17), [7]), nobody, nobody]
    >>> [len(cover.update(find_heads(who), t)) for who, t in zip(frames, (0.0, 0.9, 1.1))]
    [1, 1, 0]
    """

    def __init__(self, *, memory: float = 1.0, growth: float = 0.5) -> None:
        if not memory >= 0 or not growth >= 0:
            raise ValueError(f"memory and growth are at least 0, got {memory} and {growth}")
        self.memory, self.growth = memory, growth
        self._linger = min(0.2, memory)
        self._last: dict[int, list[tuple[float, FloatArray]]] = {}

    def update(self, heads: Heads, seconds: float) -> FloatArray:
        """(M, 4) ellipses to cover in this frame; time may also run backwards, but one way."""
        regions = list(heads.ellipses)
        seen = set(heads.ids[heads.sure].tolist())
        for person, places in list(self._last.items()):
            limit = self._linger if person in seen else self.memory
            kept = [(then, spot) for then, spot in places if abs(seconds - then) <= self.memory]
            if not kept:
                del self._last[person]
                continue
            self._last[person] = kept
            # The last place, and an older one in case the face is taken for something else now.
            for then, spot in (kept[-1], kept[0])[: len(kept)]:
                if abs(seconds - then) <= limit:
                    grown = self._growth(abs(seconds - then))
                    regions.append(spot * [1, 1, grown, grown])
        for person, spot, sure in zip(heads.ids.tolist(), heads.ellipses, heads.sure, strict=True):
            if sure:
                recent = self._last.setdefault(person, [])
                recent[:] = [one for one in recent if abs(seconds - one[0]) <= self._linger]
                recent.append((seconds, spot))
        return np.array(regions, np.float64).reshape(-1, 4)

    @property
    def state(self) -> list[Any]:
        """All it remembers, in what JSON can hold."""
        return [
            [person, [[then, spot.tolist()] for then, spot in places]]
            for person, places in self._last.items()
        ]

    def load_state(self, state: Iterable[Any]) -> None:
        """Go on where another's `state` was taken."""
        self._last = {
            int(person): [(float(then), np.array(spot, np.float64)) for then, spot in places]
            for person, places in state
        }

    def _growth(self, age: float) -> float:
        return 1 + self.growth * age / self.memory if self.memory else 1.0


def faces_over_time(
    frames: Iterable[tuple[int, float, Heads]], *, memory: float = 1.0
) -> dict[int, FloatArray]:
    """What to cover in each frame of what is known as a whole: also for a moment before.

    Parameters
    ----------
    frames
        Index, seconds and heads of every frame to be shown, in order.
    memory
        Seconds, see `FaceCover`.

    Returns
    -------
    By index, (M, 4) ellipses.

    Examples
    --------
    >>> nobody = Heads(np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, bool))
    >>> one = Heads(np.array([7]), np.array([[5.0, 5, 2, 2]]), np.array([True]))
    >>> found = faces_over_time([(0, 0.0, nobody), (1, 0.5, one), (2, 1.0, nobody)])
    >>> {index: len(regions) for index, regions in found.items()}
    {0: 1, 1: 1, 2: 1}
    """
    known = list(frames)
    forward, backward = FaceCover(memory=memory), FaceCover(memory=memory)
    found = {index: forward.update(heads, seconds) for index, seconds, heads in known}
    for index, seconds, heads in reversed(known):
        before = backward.update(heads, seconds)[len(heads.ids) :]  # the heads are there already
        found[index] = np.concatenate([found[index], before])
    return found


def cover_regions(
    image: Image, ellipses: ArrayLike, *, cover: Cover = "blur", out: Image | None = None
) -> Image:
    """Cover parts of an image; all other pixels stay as they are.

    Blurred and pixelated regions keep about six values across, in which no face is known again
    by eye; a program may guess more from many frames. Filling leaves nothing.

    Parameters
    ----------
    image
        uint8, (H, W, 3), BGR; comes back untouched unless it is also ``out``.
    ellipses
        (M, 4) centre x and y, half width and half height in pixels.
    cover
        ``"blur"``, ``"pixelate"``, or ``"fill"`` with grey.
    out
        Where to draw: ``image`` itself or one of its shape; a new one when None.

    Examples
    --------
    >>> image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    >>> covered = cover_regions(image, [[20, 20, 10, 10]], cover="fill")
    >>> changed = (covered != image).any(axis=2)
    >>> bool(changed[20, 20]), bool(changed[20, 9]), bool(changed[5, 20])
    (True, False, False)
    """
    if cover not in ("blur", "pixelate", "fill"):
        raise ValueError(f"cover is blur, pixelate or fill, got {cover!r}")
    canvas = image.copy() if out is None else out
    if canvas is not image and out is not None:
        np.copyto(canvas, image)
    height, width = canvas.shape[:2]
    for x, y, across, down in np.asarray(ellipses, np.float64).reshape(-1, 4).tolist():
        left, right = max(int(x - across), 0), min(int(x + across) + 2, width)
        top, bottom = max(int(y - down), 0), min(int(y + down) + 2, height)
        if left >= right or top >= bottom or across <= 0 or down <= 0:
            continue
        rows, columns = np.ogrid[top:bottom, left:right]
        inside = ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1
        part = canvas[top:bottom, left:right]
        part[inside] = _cover(part, cover, 2 * max(across, down))[inside]
    return canvas


def _cover(part: Image, cover: Cover, size: float) -> Image:
    """A rectangle of an image with about six values across a face left of it."""
    if cover == "fill":
        return np.full_like(part, _GREY)
    high, wide = part.shape[:2]
    cell = size / _CELLS
    few = max(round(wide / cell), 1), max(round(high / cell), 1)
    small = cv2.resize(part, few, interpolation=cv2.INTER_AREA)
    resize_method = cv2.INTER_NEAREST if cover == "pixelate" else cv2.INTER_LINEAR
    return cv2.resize(small, (wide, high), interpolation=resize_method).astype(np.uint8)


_FACE: Final = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_TOPS: Final = ("head_top", "head")
_CHINS: Final = ("head_bottom", "upper_neck", "neck")
# In heights of a head (13 % of the standing height): Drillis and Contini, 1966.
_OF_SHOULDERS, _OF_TRUNK, _OF_BOX, _SHOULDERS_TO_HEAD = 0.6, 0.46, 0.13, 0.9
_OF_EARS, _OF_EAR_AND_NOSE, _OF_HEAD_ENDS = 1.6, 2.1, 1.1
_RADIUS, _RADIUS_OF_ONE, _RADIUS_OF_GUESS = 0.68, 0.85, 1.0
_MOST_OF_BOX: Final = 0.5
_MOST_OF_BODY: Final = 1.5


@dataclass(frozen=True, eq=False)
class Heads:
    """Where the heads of people in a frame are, or may be.

    Parameters
    ----------
    ids
        (M,) whose. A person whose face is not seen surely may have several places.
    ellipses
        (M, 4) pixels: centre x and y, half width and half height.
    sure
        (M,) whether keypoints of the face or head say so.
    """

    ids: NDArray[np.int64]
    ellipses: FloatArray
    sure: NDArray[np.bool_]


def find_heads(tracks: Tracks, *, min_score: float = 0.3) -> Heads:
    """Where heads are, from the keypoints of the face, else of the trunk, else from the box.

    The size is the largest of those estimated from ears, ends of the head, shoulders, trunk and
    box, since each looks shorter when it points at the camera; at most half of the box.

    Parameters
    ----------
    tracks
        People in a frame.
    min_score
        Keypoints that score less are not trusted: they add a place and take none away.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.structures import Poses
    >>> xy = np.full((1, 17, 2), np.nan)
    >>> xy[0, :5] = [[50, 50], [54, 46], [46, 46], [60, 48], [40, 48]]  # nose, eyes, ears
    >>> xy[0, [11, 12]] = [[62, 200], [38, 200]]
    >>> heads = find_heads(Tracks(Poses.from_keypoints(xy, None, COCO_17), [7]))
    >>> heads.ids.tolist(), heads.sure.tolist(), heads.ellipses.round().tolist()
    ([7], [True], [[50.0, 48.0, 22.0, 22.0]])
    """
    ids, places, sure = [], [], []
    for row, person in enumerate(tracks.ids.tolist()):
        xyxy = tracks.boxes.xyxy[row].astype(np.float64)
        found, trusted = _heads_of(
            tracks.xy[row].astype(np.float64), tracks.scores[row], xyxy, tracks.skeleton, min_score
        )
        ids += [person] * len(found)
        places += found
        sure += [trusted] * len(found)
    return Heads(
        np.array(ids, np.int64), np.array(places, np.float64).reshape(-1, 4), np.array(sure, bool)
    )


def _heads_of(
    xy: FloatArray,
    scores: NDArray[np.float32],
    xyxy: FloatArray,
    skeleton: Skeleton,
    min_score: float,
) -> tuple[list[FloatArray], bool]:
    """One ellipse where the face is seen, else every place it may be."""
    seen = np.isfinite(xy).all(axis=1)
    trusted = np.where((seen & (scores >= min_score))[:, None], xy, np.nan)
    size = _head_size(trusted, xyxy, skeleton)
    face = _face(trusted, skeleton)
    if len(face):
        return [_circle(face, size)], True
    places = [_circle(low, size)] if len(low := _face(xy, skeleton)) else []
    return [*places, _guess(trusted, xyxy, skeleton, size)], False


def _face(xy: FloatArray, skeleton: Skeleton) -> FloatArray:
    """(M, 2) what is seen of face and head: its points, or the middle between top and chin."""
    points = [_point(xy, skeleton, (name,)) for name in _FACE]
    top, chin = _point(xy, skeleton, _TOPS), _point(xy, skeleton, _CHINS)
    points += [top + share * (chin - top) for share in (0.25, 0.75)]
    known: FloatArray = np.array(points)
    return np.asarray(known[np.isfinite(known).all(axis=1)])


def _circle(points: FloatArray, size: float) -> FloatArray:
    """Around points of a head; wider where there is one alone, which may be at its side."""
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = float(np.hypot(*(points - centre).T).max())
    radius = max((_RADIUS if len(points) > 1 else _RADIUS_OF_ONE) * size, reach + 0.2 * size)
    return np.array([*centre, radius, radius])


def _guess(xy: FloatArray, xyxy: FloatArray, skeleton: Skeleton, size: float) -> FloatArray:
    """Above the shoulders along the trunk, or in the upper third of the box."""
    shoulders, hips = (_middle(xy, skeleton, joint) for joint in ("shoulder", "hip"))
    if np.isfinite(shoulders).all():
        upward = shoulders - hips
        long = float(np.hypot(*upward))
        up = upward / long if np.isfinite(long) and long > 0 else np.array([0.0, -1.0])
        centre = shoulders + up * size * _SHOULDERS_TO_HEAD
        return np.array([*centre, size * _RADIUS_OF_GUESS, size * _RADIUS_OF_GUESS])
    left, top, right, bottom = xyxy
    high = (bottom - top) / 6
    return np.array([(left + right) / 2, top + 0.8 * high, (right - left) / 2, 1.2 * high])


def _head_size(xy: FloatArray, xyxy: FloatArray, skeleton: Skeleton) -> float:
    """Pixels from the top of the head to the chin."""
    left_ear, right_ear, nose = (
        _point(xy, skeleton, (name,)) for name in ("left_ear", "right_ear", "nose")
    )
    shoulders = [_point(xy, skeleton, (f"{side}_shoulder",)) for side in ("left", "right")]
    trunk = _middle(xy, skeleton, "shoulder") - _middle(xy, skeleton, "hip")
    ends = _point(xy, skeleton, _TOPS) - _point(xy, skeleton, _CHINS[:2])
    longest = float(max(xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]))
    of_face = [
        _OF_EARS * np.hypot(*(left_ear - right_ear)),
        _OF_EAR_AND_NOSE * np.hypot(*(left_ear - nose)),
        _OF_EAR_AND_NOSE * np.hypot(*(right_ear - nose)),
        _OF_HEAD_ENDS * np.hypot(*ends),
        0.0,
    ]
    of_body = [
        _OF_SHOULDERS * np.hypot(*(shoulders[0] - shoulders[1])),
        _OF_TRUNK * np.hypot(*trunk),
    ]
    face, body = float(np.nanmax(of_face)), float(np.nanmax([*of_body, _OF_BOX * longest]))
    if np.isfinite(of_body).any():  # a misplaced ear makes no giant
        face = min(face, _MOST_OF_BODY * body)
    return max(min(max(face, body), _MOST_OF_BOX * longest), 2.0)


def _point(xy: FloatArray, skeleton: Skeleton, names: tuple[str, ...]) -> FloatArray:
    """The first of some keypoints that the skeleton has and is seen; NaN if none is."""
    for name in names:
        if name in skeleton.keypoints and np.isfinite(spot := xy[skeleton.index(name)]).all():
            return np.asarray(spot)
    return np.full(2, np.nan)


def _middle(xy: FloatArray, skeleton: Skeleton, joint: str) -> FloatArray:
    """Between left and right, or the one that is seen."""
    left, right = (_point(xy, skeleton, (f"{side}_{joint}",)) for side in ("left", "right"))
    both = (left + right) / 2
    return np.where(np.isfinite(both), both, np.where(np.isfinite(left), left, right))
