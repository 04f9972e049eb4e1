"""Variations of a clip for `identities.py`: the same people, seen and found otherwise.

Nobody can choose settings for all of these at once by looking at one video: each is a stand-in for
video that is not here. What errs in them errs for every tracker alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from posetrack import Detections
from posetrack.flows.farneback import FarnebackFlow
from posetrack.flows.lucas_kanade import LucasKanadeFlow
from posetrack.interfaces import FlowEstimator
from posetrack.ops.boxes import area, clip_boxes

LEAST_INSIDE = 0.3  # of a true box, for the person to be in a cropped picture


@dataclass(frozen=True)
class Footage:
    """Images, when each was, its number in the video, and who is where in it."""

    images: list[np.ndarray]
    seconds: list[float]
    frames: list[int]
    ids: list[np.ndarray]
    xyxy: list[np.ndarray]


@dataclass(frozen=True)
class Variation:
    """How a clip is changed.

    Parameters
    ----------
    name
        What tables call it, behind the clip's name.
    film
        What happens to the footage.
    pixels
        Whether that changes the images, so that networks must be asked anew.
    err
        What happens to the detections of the frame of that number.
    detector
        File of another network to find people.
    flow
        Makes another flow.
    """

    name: str
    film: Callable[[Footage], Footage] = lambda footage: footage
    pixels: bool = False
    err: Callable[[Detections, int], Detections] = lambda detections, frame: detections
    detector: str = "fastestdet_352.onnx"
    flow: Callable[[], FlowEstimator] | None = None


def every(step: int) -> Callable[[Footage], Footage]:
    """Some of the frames only, at the times at which they were."""

    def thin(footage: Footage) -> Footage:
        return Footage(*(values[::step] for values in vars(footage).values()))

    return thin


def reverse(footage: Footage) -> Footage:
    """Time runs backwards: who left comes in."""
    turned = Footage(*(values[::-1] for values in vars(footage).values()))
    return replace(turned, seconds=[footage.seconds[-1] - at for at in turned.seconds])


def mirror(footage: Footage) -> Footage:
    """Left is right."""
    width = footage.images[0].shape[1]
    images = [np.ascontiguousarray(image[:, ::-1]) for image in footage.images]
    edge = np.array([width - 1, 0, width - 1, 0])
    xyxy = [edge + boxes[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) for boxes in footage.xyxy]
    return replace(footage, images=images, xyxy=xyxy)


def crop(footage: Footage) -> Footage:
    """The middle three fifths of the width: people come and go at borders that cut them."""
    width = footage.images[0].shape[1]
    left, right = width // 5, width - width // 5
    images = [np.ascontiguousarray(image[:, left:right]) for image in footage.images]
    size = images[0].shape[1], images[0].shape[0]
    ids, boxes = [], []
    for who, xyxy in zip(footage.ids, footage.xyxy, strict=True):
        moved = xyxy - [left, 0, left, 0]
        cut = clip_boxes(moved, size)
        inside = area(cut) >= LEAST_INSIDE * area(moved)
        ids.append(who[inside])
        boxes.append(cut[inside])
    return replace(footage, images=images, ids=ids, xyxy=boxes)


def halve(footage: Footage) -> Footage:
    """Half the width and height."""
    images = [
        cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        for image in footage.images
    ]
    return replace(footage, images=images, xyxy=[xyxy / 2 for xyxy in footage.xyxy])


def drop(share: float) -> Callable[[Detections, int], Detections]:
    """Every detection is missed with this probability."""

    def miss(detections: Detections, frame: int) -> Detections:
        return detections[_rng(frame).random(len(detections)) >= share]

    return miss


def jitter(detections: Detections, frame: int) -> Detections:
    """Every edge is off by some 5 % of the box's side."""
    sides = np.tile(detections.xyxy[:, 2:] - detections.xyxy[:, :2], 2)
    off = 0.05 * _rng(frame).normal(size=sides.shape) * sides
    return Detections(detections.xyxy + off.astype(np.float32), detections.scores)


def double(detections: Detections, frame: int) -> Detections:
    """A fifth of the people are found twice, the second time a little off."""
    again = detections[_rng(frame).random(len(detections)) < 0.2]
    sides = np.tile(again.xyxy[:, 2:] - again.xyxy[:, :2], 2)
    off = 0.12 * _rng(frame + 1).normal(size=sides.shape) * sides
    return Detections(
        np.concatenate([detections.xyxy, again.xyxy + off.astype(np.float32)]),
        np.concatenate([detections.scores, 0.8 * again.scores]),
    )


def _rng(frame: int) -> np.random.Generator:
    return np.random.default_rng([20181, frame])


PLAIN = Variation("")
VARIATIONS = (
    PLAIN,
    Variation("every 2nd", every(2)),
    Variation("every 3rd", every(3)),
    Variation("every 5th", every(5)),
    Variation("reversed", reverse),
    Variation("mirrored", mirror, pixels=True),
    Variation("cropped", crop, pixels=True),
    Variation("half size", halve, pixels=True),
    Variation("10 % missed", err=drop(0.1)),
    Variation("30 % missed", err=drop(0.3)),
    Variation("jittered", err=jitter),
    Variation("doubled", err=double),
    Variation("YOLOX-nano", detector="yolox_nano_416.onnx"),
    Variation("RTMDet-nano", detector="rtmdet_nano_person.onnx"),
    Variation("YOLO11n-pose", detector="yolo11n_pose_256.onnx"),
    Variation("Farneback", flow=FarnebackFlow),
    Variation("Lucas-Kanade", flow=LucasKanadeFlow),
)
