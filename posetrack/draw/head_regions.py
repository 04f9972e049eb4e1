"""Where the heads of people in a frame are, or may be.

This errs on the side of large: a face that is not seen is guessed from shoulders or box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from posetrack.skeletons import Skeleton
from posetrack.structures import Tracks

FloatArray = NDArray[np.float64]

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
