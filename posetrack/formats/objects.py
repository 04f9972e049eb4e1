"""People of other libraries in memory: supervision, Ultralytics and MediaPipe.

Their libraries are imported only to create their objects: objects passed in are recognised by their
attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import require_library
from posetrack.interfaces import Image
from posetrack.skeletons import COCO_17, Skeleton
from posetrack.skeletons.skeleton import pairs_by_name, sigma_of
from posetrack.structures import Detections, Poses, Tracks

_FACE = ("eye_inner", "eye", "eye_outer")
_BY_SIDE = ("shoulder", "elbow", "wrist", "pinky", "index", "thumb")
_LEGS = ("hip", "knee", "ankle", "heel", "foot_index")
_SIDES = ("left", "right")
_NAMES = (
    "nose",
    *(f"{side}_{part}" for side in _SIDES for part in _FACE),
    *(f"{side}_{part}" for part in ("ear", "mouth", *_BY_SIDE, *_LEGS) for side in _SIDES),
)
_CHAINS = (
    ("shoulder", "elbow", "wrist"),
    ("wrist", "pinky"),
    ("wrist", "index"),
    ("wrist", "thumb"),
    ("shoulder", "hip", "knee", "ankle", "heel", "foot_index"),
)
_ACROSS = tuple((f"left_{part}", f"right_{part}") for part in ("shoulder", "hip", "mouth"))

MEDIAPIPE_33: Final = Skeleton(
    "mediapipe_33",
    _NAMES,
    (
        *_ACROSS,
        *(
            (f"{side}_{start}", f"{side}_{end}")
            for side in _SIDES
            for chain in _CHAINS
            for start, end in pairwise(chain)
        ),
    ),
    pairs_by_name(_NAMES),
    tuple(sigma_of(name) for name in _NAMES),
)
"""MediaPipe's pose landmarks; its ``mouth_left`` is ``left_mouth`` here, so that sides are paired.

Source: MediaPipe's documentation, "Pose landmark detection guide".
"""


def from_mediapipe(result: Any, image_size: tuple[int, int]) -> Poses:
    """Poses from MediaPipe's pose landmarks.

    Parameters
    ----------
    result
        What the pose landmarker (a list of landmarks a person) or the older ``Pose`` solution (one
        person, or None) returned, or an array (N, 33, 4) of x, y, z, visibility.
    image_size
        Width and height in pixels: landmarks are fractions of it.

    Returns
    -------
    Poses
        Visibility is the score; z is dropped. Fractions count from the image's edge, pixels here
        from the first one's centre, so 0 becomes -0.5.

    Raises
    ------
    ValueError
        If a person does not have 33 landmarks.

    Examples
    --------
    >>> poses = from_mediapipe(np.full((1, 33, 4), 0.5), (640, 480))
    >>> poses.xy[0, 0].tolist(), float(poses.scores[0, 0])
    ([319.5, 239.5], 0.5)
    """
    found = getattr(result, "pose_landmarks", result)
    if found is not None and hasattr(found, "landmark"):
        found = [found.landmark]
    if isinstance(found, np.ndarray):
        values = found.astype(np.float64)
    else:
        people = [[_landmark(point) for point in person] for person in found or []]
        if any(len(person) != len(MEDIAPIPE_33) for person in people):
            raise ValueError(f"expected 33 landmarks a person, got {[len(p) for p in people]}")
        values = np.array(people, np.float64).reshape(-1, len(MEDIAPIPE_33), 4)
    if values.ndim != 3 or values.shape[1:] != (len(MEDIAPIPE_33), 4):
        raise ValueError(f"expected landmarks (N, 33, 4), got {values.shape}")
    xy = values[..., :2] * image_size - 0.5
    return Poses.from_keypoints(xy, np.nan_to_num(values[..., 3]), MEDIAPIPE_33)


def _landmark(point: Any) -> tuple[float, float, float, float]:
    visibility = getattr(point, "visibility", None)
    return point.x, point.y, point.z, 1.0 if visibility is None else visibility


def to_supervision(tracks: Tracks) -> Any:
    """Tracks as a ``supervision.KeyPoints``, ids as ``tracker_id`` among its data.

    A keypoint that was not seen is (0, 0) with confidence 0, which supervision does not draw.

    Raises
    ------
    ModuleNotFoundError
        If supervision is not installed.
    """
    outcome: Any = _library("supervision").KeyPoints(
        xy=np.nan_to_num(tracks.xy).astype(np.float32),
        class_id=np.zeros(len(tracks), int),
        keypoint_confidence=tracks.scores.astype(np.float32),
        detection_confidence=tracks.boxes.scores.astype(np.float32),
        data={"tracker_id": np.array(tracks.ids)},
    )
    return outcome


def to_supervision_detections(tracks: Tracks) -> Any:
    """Tracks' boxes as a ``supervision.Detections`` with ``tracker_id``.

    Raises
    ------
    ModuleNotFoundError
        If supervision is not installed.
    """
    outcome: Any = _library("supervision").Detections(
        xyxy=np.array(tracks.boxes.xyxy, np.float32),
        confidence=np.array(tracks.boxes.scores, np.float32),
        class_id=np.zeros(len(tracks), int),
        tracker_id=np.array(tracks.ids, int),
    )
    return outcome


def from_supervision(
    key_points: Any, detections: Any = None, *, skeleton: Skeleton = COCO_17
) -> Poses:
    """Poses from a ``supervision.KeyPoints``.

    Parameters
    ----------
    key_points
        N people; (0, 0) with confidence 0 or none, NaN, and what is marked not visible, is not
        seen.
    detections
        A ``supervision.Detections`` of the same people, for their boxes; else those of the seen
        keypoints, with ``detection_confidence`` where there is one.
    skeleton
        What the keypoints are.

    Raises
    ------
    ValueError
        If numbers of people or keypoints disagree.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(xy=np.full((1, 17, 2), 5.0), keypoint_confidence=np.ones((1, 17)))
    >>> from_supervision(found).xy[0, 0].tolist()
    [5.0, 5.0]
    """
    xy = np.array(key_points.xy, np.float32).reshape(-1, len(skeleton), 2)
    given = getattr(key_points, "keypoint_confidence", None)
    scores = None if given is None else np.array(given, np.float32).reshape(xy.shape[:2])
    visible = getattr(key_points, "visible", None)
    if visible is not None:
        xy[~np.asarray(visible, bool)] = np.nan
    if detections is not None:
        boxes = Detections(detections.xyxy, _or_ones(detections.confidence, len(detections.xyxy)))
        return _poses(xy, scores, boxes, skeleton)
    poses = _poses(xy, scores, None, skeleton)
    sure = getattr(key_points, "detection_confidence", None)
    if sure is None:
        return poses
    return Poses(poses.xy, poses.scores, Detections(poses.boxes.xyxy, sure), skeleton)


def tracks_from_supervision(
    key_points: Any, detections: Any = None, *, skeleton: Skeleton = COCO_17
) -> Tracks:
    """The same with identities: ``tracker_id`` of the detections, else among the data.

    Raises
    ------
    ValueError
        If there are no identities.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(xy=np.full((1, 17, 2), 5.0), data={"tracker_id": [4]})
    >>> tracks_from_supervision(found).ids.tolist()
    [4]
    """
    ids = getattr(detections, "tracker_id", None)
    if ids is None:
        ids = (getattr(key_points, "data", None) or {}).get("tracker_id")
    poses = from_supervision(key_points, detections, skeleton=skeleton)
    if ids is None:
        if len(poses):
            raise ValueError("no tracker_id; give poses to a tracker: update(poses=...)")
        ids = []
    return Tracks(poses, np.asarray(ids, np.int64))


def from_ultralytics(result: Any, *, skeleton: Skeleton = COCO_17) -> Poses:
    """Poses from one Ultralytics ``Results`` of a pose network.

    Parameters
    ----------
    result
        With ``boxes`` and ``keypoints``, on whatever device; (0, 0) is not seen.
    skeleton
        What the keypoints are.

    Raises
    ------
    ValueError
        If it has no keypoints, or they are not the skeleton's.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> keypoints = SimpleNamespace(xy=np.full((1, 17, 2), 5.0), conf=np.ones((1, 17)))
    >>> boxes = SimpleNamespace(xyxy=[[0.0, 0.0, 10.0, 20.0]], conf=[0.9])
    >>> from_ultralytics(SimpleNamespace(keypoints=keypoints, boxes=boxes)).xy[0, 0].tolist()
    [5.0, 5.0]
    """
    if getattr(result, "keypoints", None) is None:
        raise ValueError("the result has no keypoints: was it a pose network's?")
    xy = _array(result.keypoints.xy).reshape(-1, len(skeleton), 2)
    given = result.keypoints.conf
    scores = None if given is None else _array(given).reshape(xy.shape[:2])
    boxes = result.boxes
    return _poses(xy, scores, Detections(_array(boxes.xyxy), _array(boxes.conf)), skeleton)


def tracks_from_ultralytics(result: Any, *, skeleton: Skeleton = COCO_17) -> Tracks:
    """The same with identities, where its ``track`` gave some.

    Raises
    ------
    ValueError
        If there are no identities.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> keypoints = SimpleNamespace(xy=np.full((1, 17, 2), 5.0), conf=None)
    >>> boxes = SimpleNamespace(xyxy=[[0.0, 0.0, 10.0, 20.0]], conf=[0.9], id=[4.0])
    >>> tracks_from_ultralytics(SimpleNamespace(keypoints=keypoints, boxes=boxes)).ids.tolist()
    [4]
    """
    poses = from_ultralytics(result, skeleton=skeleton)
    ids = result.boxes.id
    if ids is None and len(poses):
        raise ValueError("the result has no ids; give its poses to a tracker: update(poses=...)")
    given = np.zeros(0) if ids is None else _array(ids)
    return Tracks(poses, given.astype(np.int64))


def to_ultralytics(tracks: Tracks, image: Image) -> Any:
    """Tracks as an Ultralytics ``Results`` on this image, with ids.

    Raises
    ------
    ValueError
        If an id is 2^24 or more: its ids are float32.
    ModuleNotFoundError
        If ultralytics is not installed.
    """
    if len(tracks) and np.abs(tracks.ids).max() >= 2**24:
        raise ValueError(f"ids must be smaller than {2**24}, got {tracks.ids.tolist()}")
    results = _library("ultralytics.engine.results")
    people = np.zeros((len(tracks), 1), np.float32)
    boxes = [tracks.boxes.xyxy, tracks.ids[:, None], tracks.boxes.scores[:, None], people]
    points = np.concatenate([np.nan_to_num(tracks.xy), tracks.scores[..., None]], axis=-1)
    outcome: Any = results.Results(
        image,
        path="",
        names={0: "person"},
        boxes=np.concatenate(boxes, axis=1).astype(np.float32),
        keypoints=points.astype(np.float32),
    )
    return outcome


def _poses(
    xy: NDArray[Any], scores: NDArray[Any] | None, boxes: Detections | None, skeleton: Skeleton
) -> Poses:
    nothing = (xy == 0).all(axis=-1)
    if scores is not None:
        nothing &= ~(scores > 0)
    xy = np.where(nothing[..., None], np.nan, xy)
    outcome = Poses.from_keypoints(xy, None if scores is None else np.nan_to_num(scores), skeleton)
    return outcome if boxes is None else Poses(outcome.xy, outcome.scores, boxes, skeleton)


def _or_ones(scores: Sequence[float] | None, count: int) -> Any:
    return np.ones(count, np.float32) if scores is None else scores


def _array(values: Any) -> NDArray[np.float32]:
    """An array of a tensor on whatever device, or of an array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.array(values, np.float32)


def _library(name: str) -> Any:
    package = name.split(".", maxsplit=1)[0]
    with require_library(f"this needs {package}", package):
        return import_module(name)
