"""Networks that find all people and their keypoints in one go; no detector is needed.

RTMO (Lu et al., *RTMO: Towards High-Performance One-Stage Real-Time Multi-Person Pose Estimation*,
CVPR 2024), the pose networks of the YOLO family (v8, 11, 26) and RF-DETR's keypoint preview
(Robinson et al., arXiv:2511.09554, and the package rfdetr 1.8 to 1.11), from exported files. A
network of another family needs a decode function and a line in `LAYOUTS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import check_fraction
from posetrack.detectors.decode_functions import (
    DecodeContext,
    Outputs,
    class_names,
    logistic,
    person_by_name,
    person_class,
    run_on_image,
    shapes,
)
from posetrack.detectors.filtering import check_thresholds, select_people
from posetrack.detectors.onnx_guess import MOST_ROWS, usual_size
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.ops.crops import BGR_255, IMAGENET_RGB, UNIT, Normalisation
from posetrack.ops.resizing import Resize, letterbox, letterbox_corner, stretch
from posetrack.runtimes.session import Session
from posetrack.skeletons import Skeleton, skeleton_of_count
from posetrack.structures import Detections, FloatArray, Poses

_MOST_VALUES = 16
"""Of a keypoint in RF-DETR, which has 8; masks have the same number of axes, and larger."""

_MOST_CLASSES = 80
"""Of a pose network; published ones know people alone."""


class People(NamedTuple):
    """A decode function's result, in pixels of the image.

    Parameters
    ----------
    xyxy, scores
        (N, 4) and (N,), boxes.
    xy, keypoint_scores
        (N, K, 2) and (N, K).
    covariance
        (N, K, 2, 2) where the network says how sure it is of each place.
    """

    xyxy: FloatArray
    scores: FloatArray
    xy: FloatArray
    keypoint_scores: FloatArray
    covariance: FloatArray | None = None


DecodePeople: TypeAlias = Callable[[Outputs, DecodeContext, int], People]
"""From a network's outputs, the geometry and the number of keypoints to people."""


@dataclass(frozen=True)
class PeopleLayout:
    """A decode function and how the networks that need it are given their images."""

    decode: DecodePeople
    resize: Resize
    normalisation: Normalisation


class OneStage:
    """Finds everybody's box and keypoints; a `posetrack.interfaces.BottomUpEstimator`.

    Parameters
    ----------
    network
        An exported network, open (`posetrack.runtimes.session.open_exported`).
    skeleton
        What its keypoints are. When None: by how many they are.
    input_size
        (width, height) the image is scaled to fit. When None: as the file says, else 640 x 640.
    layout
        How it answers and is fed. When None: seen from its outputs.
    normalisation
        The input's colours. When None: as the file says, else what is usual for the layout.
    min_score
        People whose box scores less are dropped. Lower finds more people and more ghosts.
    max_iou
        Of two boxes that overlap more, the weaker is dropped. Lower loses people close together.
    max_people
        At most this many are kept, those with the best scores; None for all.
    min_keypoint_score
        Keypoints that score less are unseen.

    Raises
    ------
    ValueError
        If it is no such network, it has not as many keypoints as the skeleton, or a setting is out
        of range. In a call: if a box it is sure of is not finite.

    Notes
    -----
    A keypoint that is not finite is NaN with score 0.

    Examples
    --------
    >>> from pathlib import Path
    >>> answer = [np.zeros((1, 0, 5), np.float32), np.zeros((1, 0, 17, 3), np.float32)]
    >>> network = Session(Path("rtmo.onnx"), lambda images: answer, "numpy", batch=1)
    >>> estimate = OneStage(network, input_size=(640, 640))
    >>> estimate(np.zeros((90, 120, 3), np.uint8))
    Poses(xy (0, 17, 2), scores (0, 17), coco_17)
    """

    bottom_up = True

    def __init__(
        self,
        network: Session,
        skeleton: Skeleton | None = None,
        *,
        input_size: tuple[int, int] | None = None,
        layout: PeopleLayout | None = None,
        normalisation: Normalisation | None = None,
        min_score: float = 0.3,
        max_iou: float = 0.65,
        max_people: int | None = 100,
        min_keypoint_score: float = 0.0,
    ) -> None:
        check_thresholds(min_score=min_score, max_iou=max_iou, max_people=max_people)
        check_fraction(min_keypoint_score=min_keypoint_score)
        self.min_keypoint_score = min_keypoint_score
        self.min_score, self.max_iou, self.max_people = min_score, max_iou, max_people
        self.input_size = network.size_for(input_size, usual_size(network))
        self._network = network = network.for_one_image()
        # Run once: what a file gives is seen only by running it, and the first run is slow.
        outputs = network(np.zeros((1, 3, *self.input_size[::-1]), np.float32))
        wanted = skeleton or network.card.skeleton
        name, count = recognise_people(
            outputs, network.metadata, None if wanted is None else len(wanted)
        )
        if name is None and layout is None:
            raise ValueError(
                f"{network}: its answer ({shapes(outputs)}) is not one of {', '.join(LAYOUTS)}"
            )
        layout = layout or LAYOUTS[str(name)]
        self.decode, self.resize = layout.decode, layout.resize
        self.normalisation = normalisation or network.card.normalisation or layout.normalisation
        self._skeleton = _skeleton_for(network, skeleton, count)
        self._person = person_by_name(network.metadata) if name == "yolo_pose" else None

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        return self._skeleton

    def __call__(self, image: Image, /) -> Poses:
        """Everybody's poses, the surest first, with the network's own boxes.

        Raises
        ------
        TypeError, ValueError
            If it is not an image, see `posetrack.images.as_bgr`, or the network's answer cannot be
            read.
        """
        image = as_bgr(image)
        outputs, context = run_on_image(
            self._network,
            image,
            input_size=self.input_size,
            resize=self.resize,
            normalisation=self.normalisation,
            min_score=self.min_score,
            person=self._person,
        )
        try:
            found = self.decode(outputs, context, len(self._skeleton))
            boxes, rows = select_people(
                found.xyxy,
                found.scores,
                image_size=context.image_size,
                min_score=self.min_score,
                max_iou=self.max_iou,
                max_people=self.max_people,
            )
        except ValueError as error:
            raise ValueError(f"{self._network}: {error}") from error
        xy = np.array(found.xy[rows], np.float32)
        scores = np.array(found.keypoint_scores[rows], np.float32)
        with np.errstate(invalid="ignore"):
            known = np.isfinite(scores) & (scores >= self.min_keypoint_score)
        unseen = ~(np.isfinite(xy).all(axis=2) & known)
        xy[unseen], scores[unseen] = np.nan, 0
        people = Detections(boxes, np.asarray(found.scores, np.float32)[rows])
        covariance = found.covariance
        if covariance is not None:
            covariance = np.array(covariance[rows], np.float32)
            covariance[unseen] = np.nan
        return Poses(xy, scores, people, self._skeleton, covariance)

    def __repr__(self) -> str:
        width, height = self.input_size
        return f"OneStage({self._skeleton.name}, {width} x {height}, {self._network})"


def _skeleton_for(network: Session, skeleton: Skeleton | None, count: int | None) -> Skeleton:
    """The skeleton given, in the file or of that many keypoints, which must fit."""
    found = skeleton or network.card.skeleton or (skeleton_of_count(count) if count else None)
    if found is None:
        raise ValueError(
            f"{network}: {count or 'an unknown number of'} keypoints, and no skeleton is usual for "
            "that; give the one it was trained for"
        )
    if count is not None and count != len(found):
        raise ValueError(
            f"{network}: {count} keypoints, the skeleton {found.name!r} has {len(found)}. Give the "
            "skeleton it was trained for"
        )
    return found


def decode_rtmo(outputs: Outputs, context: DecodeContext, keypoints: int) -> People:
    """RTMO as MMDeploy exports it, doubles mostly suppressed in the graph.

    Parameters
    ----------
    outputs
        In any order: boxes (1, N, 5), left, top, right, bottom and score, and keypoints
        (1, N, K, 3), x, y and score; pixels of the input.
    context
        The geometry.
    keypoints
        K.

    Returns
    -------
    people
        As a decode function gives them.

    Raises
    ------
    ValueError
        If the shapes are others.

    Examples
    --------
    >>> answer = [np.array([[[20, 0, 40, 40, 0.8]]]), np.full((1, 1, 17, 3), 0.5)]
    >>> decode_rtmo(answer, DecodeContext((64, 64), (64, 64)), 17).xyxy.tolist()
    [[20.0, 0.0, 40.0, 40.0]]
    """
    points = [output for output in outputs if output.ndim == 4]
    boxes = [output for output in outputs if output.ndim == 3]
    wanted = f"(1, N, 5) and (1, N, {keypoints}, 3)"
    if len(points) != 1 or len(boxes) != 1 or not len(points[0]) == len(boxes[0]) == 1:
        raise ValueError(f"expected outputs {wanted}, got {shapes(outputs)}")
    rows, people = boxes[0][0], points[0][0]
    if rows.shape != (len(people), 5) or people.shape[1:] != (keypoints, 3):
        raise ValueError(f"expected outputs {wanted}, got {shapes(outputs)}")
    sure = rows[:, 4] >= context.min_score
    return _people(rows[sure, :4], rows[sure, 4], people[sure], context)


def decode_yolo_pose(outputs: Outputs, context: DecodeContext, keypoints: int) -> People:
    """Pose networks of the YOLO family, with and without suppression of doubles in the graph.

    Parameters
    ----------
    outputs
        One array. Without: (1, 4 + C + D K, A), centre, size, class scores and K times x, y and,
        where D is 3, a score; or with the last two axes exchanged. With, as
        YOLO26 always has it and v8 and 11 with ``nms=True``: (1, N, 6 + D K), rows of left, top,
        right, bottom, score, class and keypoints. Pixels of the input.
    context
        The geometry; the person is class 0 unless it says otherwise.
    keypoints
        K.

    Returns
    -------
    people
        As a decode function gives them; where a keypoint has no score it has its box's.

    Raises
    ------
    ValueError
        If the shape is another.

    Examples
    --------
    >>> answer = np.zeros((1, 56, 84), np.float32)
    >>> answer[0, :5, 3] = [30, 20, 20, 40, 0.8]
    >>> context = DecodeContext((64, 64), (64, 64), min_score=0.5)
    >>> decode_yolo_pose([answer], context, 17).xyxy.tolist()
    [[20.0, 0.0, 40.0, 40.0]]
    """
    found = _yolo_shape(outputs, keypoints, classes=range(2, _MOST_CLASSES))
    if found is None:
        raise ValueError(
            f"expected an output (1, {5 + 3 * keypoints}, A) or (1, N, {6 + 3 * keypoints}), got "
            f"{shapes(outputs)}"
        )
    rows, suppressed, values = found
    if suppressed:
        is_person = rows[:, 5] == person_class(context, 0)
        sure = rows[(rows[:, 4] >= context.min_score) & is_person]
        boxes, scores = sure[:, :4], sure[:, 4]
    else:
        scores = rows[:, 4 + person_class(context, 0, rows.shape[1] - 4 - values * keypoints)]
        certain = scores >= context.min_score
        sure, scores = rows[certain], scores[certain]
        half = sure[:, 2:4] / 2
        boxes = np.hstack([sure[:, :2] - half, sure[:, :2] + half])
    points = sure[:, sure.shape[1] - values * keypoints :].reshape(-1, keypoints, values)
    if values == 2:
        own = np.broadcast_to(scores[:, None, None], (*points.shape[:2], 1))
        points = np.concatenate([points, own], axis=2)
    return _people(boxes, scores, points, context)


SPREAD_WEIGHT: Final = 0.2
"""How much a large spread of its keypoints lowers a box's score in RF-DETR."""


def decode_rfdetr(outputs: Outputs, context: DecodeContext, keypoints: int) -> People:
    """RF-DETR's keypoint network as its package exports it.

    Parameters
    ----------
    outputs
        In any order: boxes (1, Q, 4), centre and size as fractions of the input; logits (1, Q, C)
        of classes; keypoints (1, Q, S K, D): x and y as fractions, the logit of being found, one
        of being visible, and, where D is 7 or more, the precision's Cholesky factor
        ``[[exp(a), 0], [b, exp(c)]]`` as a, b, c. S is 1, or 2 in files whose first class is the
        background.
    context
        The geometry; the person is the last of S classes unless it says otherwise.
    keypoints
        K.

    Returns
    -------
    people
        As a decode function gives them. A box's score is lowered where its keypoints' places are
        uncertain: the logistic function of ``log(score) - 0.2 log(spread)``, the spread being the
        mean trace of the covariances, weighted by the keypoints' scores. The network's own package
        does the same.

    Raises
    ------
    ValueError
        If the shapes are others.

    Examples
    --------
    >>> point = [0.5, 0.25, 4.0, 0.0, 3.0, 0.0, 2.0]
    >>> points = np.full((1, 1, 17, 7), point)
    >>> answer = [np.array([[[0.5, 0.5, 0.5, 1]]]), np.zeros((1, 1, 2)), points]
    >>> found = decode_rfdetr(answer, DecodeContext((64, 32), (64, 32)), 17)
    >>> found.xy[0, 0].tolist(), found.covariance[0, 0].round().tolist()
    ([32.0, 8.0], [[10.0, 0.0], [0.0, 19.0]])
    """
    roles = _rfdetr_roles(outputs)
    slots = roles[2].shape[1] // keypoints if roles else 0
    if roles is None or slots not in (1, 2) or roles[2].shape[1] != slots * keypoints:
        raise ValueError(
            f"expected outputs (1, Q, 4), (1, Q, C) and (1, Q, {keypoints}, D), got "
            f"{shapes(outputs)}"
        )
    boxes, logits, points = roles
    person = slots - 1 if context.person is None else context.person
    if person >= logits.shape[1]:
        raise ValueError(f"class {person} is not one of {logits.shape[1]}")
    places = points.reshape(len(points), slots, keypoints, -1)[:, slots - 1].astype(np.float64)
    found = logistic(places[..., 2])
    scores = np.asarray(logistic(logits[:, person]), np.float64)
    factor = places[..., 4:7] if places.shape[2] >= 7 else None
    if factor is not None:
        scores = _lower_where_uncertain(scores, factor, found)
    sure = scores >= context.min_score
    width, height = context.input_size
    centre, half = boxes[sure, :2], boxes[sure, 2:] / 2
    xyxy = np.hstack([centre - half, centre + half]) * (width, height, width, height)
    xy = np.concatenate([places[sure][..., :2] * (width, height), found[sure][..., None]], axis=2)
    people = _people(xyxy, scores[sure], xy, context)
    if factor is None:
        return people
    return people._replace(covariance=_covariances(factor[sure], context.image_size))


def _rfdetr_roles(
    outputs: Outputs,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None:
    """Boxes (Q, 4), logits (Q, C) and keypoints (Q, S K, D); None for another network's answer."""
    points = [output[0] for output in outputs if output.ndim == 4 and len(output) == 1]
    flat = [output[0] for output in outputs if output.ndim == 3 and len(output) == 1]
    if len(points) != 1 or len(flat) != 2 or len(outputs) != 3:
        return None
    if not 3 <= points[0].shape[2] <= _MOST_VALUES:
        return None
    if not len(points[0]) == len(flat[0]) == len(flat[1]):
        return None
    # With four classes too, the boxes come first, as the package exports them.
    boxes = 0 if flat[0].shape[1] == 4 else 1
    if flat[boxes].shape[1] != 4:
        return None
    return flat[boxes], flat[1 - boxes], points[0]


def _lower_where_uncertain(
    scores: NDArray[np.float64], factor: NDArray[np.float64], found: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scores (N,) of boxes from Cholesky factors (N, K, 3) and scores of keypoints (N, K)."""
    a, b, c = np.moveaxis(factor, -1, 0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        trace = np.exp(-2 * a) + np.exp(-2 * c) + b**2 * np.exp(-2 * (a + c))
        spread = (trace * found).sum(axis=1) / found.sum(axis=1)
        lowered = logistic(np.log(scores) - SPREAD_WEIGHT * np.log(spread))
    # A network that is sure without end, or of nothing, says nothing about its box.
    return np.where(np.isfinite(spread) & (spread > 0), lowered, scores)


def _covariances(factor: NDArray[np.float64], size: tuple[int, int]) -> FloatArray:
    """(N, K, 2, 2) in pixels of the image: the precision L L^T inverted; NaN where infinite."""
    a, b, c = np.moveaxis(factor, -1, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        across = np.exp(-2 * a) * (1 + b**2 * np.exp(-2 * c))
        both = 0.0 - b * np.exp(-a - 2 * c)
        down = np.exp(-2 * c)
        rows = np.stack([across, both, both, down], axis=-1).reshape(*a.shape, 2, 2)
        scaled: FloatArray = (rows * np.outer(size, size)).astype(np.float32)
    scaled[~np.isfinite(scaled).all(axis=(2, 3))] = np.nan
    return scaled


LAYOUTS: Final[Mapping[str, PeopleLayout]] = {
    "rfdetr": PeopleLayout(decode_rfdetr, stretch, IMAGENET_RGB),
    "rtmo": PeopleLayout(decode_rtmo, letterbox_corner, BGR_255),
    "yolo_pose": PeopleLayout(decode_yolo_pose, letterbox, UNIT),
}
"""By name."""


def recognise_people(
    outputs: Outputs, metadata: Mapping[str, str] | None = None, keypoints: int | None = None
) -> tuple[str | None, int | None]:
    """The layout among `LAYOUTS` of an output, and its number of keypoints; None if ambiguous.

    Parameters
    ----------
    outputs
        The answer to any image; only shapes count.
    metadata
        Texts beside the graph; Ultralytics' ``kpt_shape`` is ``[K, D]``.
    keypoints
        How many the user says there are. Keypoints without scores are seen only where the file or
        the user says how many they are.

    Examples
    --------
    >>> recognise_people([np.zeros((1, 56, 8400))])
    ('yolo_pose', 17)
    >>> recognise_people([np.zeros((1, 7, 5)), np.zeros((1, 7, 26, 3))])
    ('rtmo', 26)
    """
    outputs = [output for output in outputs if output.ndim != 2]  # labels of people are all one
    ranks = sorted(output.ndim for output in outputs)
    if ranks == [3, 3, 4]:
        roles = _rfdetr_roles(outputs)
        if roles is None:
            return None, None
        count = roles[2].shape[1]
        both = keypoints is not None and count == 2 * keypoints  # the background's come first
        return "rfdetr", count // 2 if both or (keypoints is None and count == 34) else count
    if ranks == [3, 4]:
        points = next(output for output in outputs if output.ndim == 4)
        boxes = next(output for output in outputs if output.ndim == 3)
        fits = points.shape[3] == 3 and boxes.shape[2] == 5 and points.shape[1] == boxes.shape[1]
        return ("rtmo", points.shape[2]) if fits else (None, None)
    if ranks != [3]:
        return None, None
    stated = re.fullmatch(r"\[(\d{1,3}), ?([23])\]", (metadata or {}).get("kpt_shape", "").strip())
    likely = [*((17, 3), (26, 3), (133, 3)), *((count, 3) for count in range(1, 200))]
    if stated:
        likely = [(int(stated[1]), int(stated[2]))]
    elif keypoints is not None:
        likely = [(keypoints, 3), (keypoints, 2), *likely]
    # With scores of several classes many numbers of keypoints would do, but for one that is stated.
    several = (len(class_names(metadata or {})),) if stated else ()
    for count, values in likely:
        if count and _yolo_shape(outputs, count, (values,), classes=several) is not None:
            return "yolo_pose", count
    return None, None


def _yolo_shape(
    outputs: Outputs,
    keypoints: int,
    values_each: tuple[int, ...] = (3, 2),
    *,
    classes: Sequence[int] = (),
) -> tuple[NDArray[Any], bool, int] | None:
    """Rows of a YOLO's answer, whether doubles are suppressed, and values a keypoint.

    With one class rather than one of these numbers of ``classes``.
    """
    if len(outputs) != 1 or outputs[0].ndim != 3 or len(outputs[0]) != 1:
        return None
    answer = outputs[0][0]
    for values in values_each:
        if answer.shape[1] == 6 + values * keypoints and len(answer) <= MOST_ROWS:
            return answer, True, values
        plain = 5 + values * keypoints
        if answer.shape[0] == plain and answer.shape[1] > plain:
            return answer.T, False, values
        if answer.shape[1] == plain and answer.shape[0] > plain:
            return answer, False, values
    for values in values_each:
        for rows in (answer.T, answer):
            count = rows.shape[1] - 4 - values * keypoints
            if count in classes and len(rows) > rows.shape[1]:
                return rows, False, values
    return None


def _people(
    boxes: NDArray[Any], scores: NDArray[Any], points: NDArray[Any], context: DecodeContext
) -> People:
    """People in pixels of the input, taken to the image."""
    offset, scale = np.array(context.offset), np.array(context.scale)
    with np.errstate(invalid="ignore", over="ignore"):
        xy = np.asarray((points[..., :2] - offset) / scale, np.float32)
    return People(
        context.to_image(boxes),
        np.asarray(scores, np.float32),
        xy,
        np.asarray(points[..., 2], np.float32),
    )
