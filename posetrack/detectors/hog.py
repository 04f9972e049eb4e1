"""OpenCV's people detector: histograms of gradients and a linear classifier, no weights to fetch.

It finds upright people who are seen whole and are not small: pedestrians. It mostly misses people
who bend, sit, lie or are cut off by the edge of the image; any of the networks is better. Its
advantage is that it is always available.
"""

from __future__ import annotations

import cv2
import numpy as np

from posetrack.detectors.filtering import check_thresholds, keep_people
from posetrack.devices import Reopening
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.ops.boxes import iou_matrix, nms
from posetrack.structures import Detections, FloatArray

_MARGIN_X, _MARGIN_Y = 0.18, 0.125
"""How much of the classifier's window lies beside and above (below) the person in it."""

_MAX_ASPECT = 4
"""Widest working image, in working heights."""


class HogDetector:
    """Histograms of oriented gradients and OpenCV's classifier, as a `Detector`.

    The classifier looks at windows of 64 x 128 pixels all over a pyramid of the image. A person
    is hit by several windows; they are averaged, and the more there are the surer it is.

    Parameters
    ----------
    working_height
        Pixels the image's height is scaled to. The smallest person found is 96 pixels of these
        tall. Larger finds smaller people; time grows with its square.
    pyramid_step
        Factor between neighbouring levels of the pyramid; smaller finds more, in more time.
    min_score
        Boxes below it are dropped; see Notes.
    max_iou
        Of two boxes that overlap more, the weaker is dropped.
    max_people
        At most this many are kept, those with the best scores; None for all.

    Raises
    ------
    ValueError
        If a setting is out of range.
    ModuleNotFoundError
        If this OpenCV was built without the detector.

    Notes
    -----
    The score of a person is ``1 - exp(-m)``, where m is the sum of the classifier's margins of all
    windows that hit it: 0.5 is a single window with margin 0.69, or three with 0.23 each. It is no
    probability.

    N. Dalal and B. Triggs, *Histograms of Oriented Gradients for Human Detection* (CVPR 2005).

    Examples
    --------
    >>> detect = HogDetector(working_height=160)
    >>> detect(np.zeros((120, 160, 3), np.uint8))
    Detections(xyxy (0, 4), scores (0,))
    """

    def __init__(
        self,
        *,
        working_height: int = 480,
        pyramid_step: float = 1.05,
        min_score: float = 0.5,
        max_iou: float = 0.5,
        max_people: int | None = 100,
    ) -> None:
        check_thresholds(min_score=min_score, max_iou=max_iou, max_people=max_people)
        if working_height < 128:
            raise ValueError(f"working_height must be at least 128, got {working_height}")
        if not pyramid_step > 1:
            raise ValueError(f"pyramid_step must be above 1, got {pyramid_step}")
        if not hasattr(cv2, "HOGDescriptor"):
            raise ModuleNotFoundError(
                "this OpenCV was built without HOGDescriptor: pip install opencv-contrib-python"
            )
        self.working_height, self.pyramid_step = working_height, pyramid_step
        self.min_score, self.max_iou, self.max_people = min_score, max_iou, max_people
        self._descriptor = Reopening(_open_descriptor)

    def __call__(self, image: Image, /) -> Detections:
        """People in the image, best first.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR.
        """
        image = as_bgr(image)
        xyxy, margins = self._windows(image)
        people, scores = merge_windows(xyxy, margins)
        return keep_people(
            people,
            scores,
            image_size=(image.shape[1], image.shape[0]),
            min_score=self.min_score,
            max_iou=self.max_iou,
            max_people=self.max_people,
        )

    def _windows(self, image: Image) -> tuple[FloatArray, FloatArray]:
        """Boxes (W, 4) of the people in the windows that were hit, and margins (W,)."""
        height, width = image.shape[:2]
        # A very wide image would become a huge one.
        scale = min(self.working_height / height, _MAX_ASPECT * self.working_height / width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(image, size, interpolation=method)
        # A narrow image gets a border, since the window must fit.
        beside, above = max(0, 65 - size[0]) // 2, max(0, 129 - size[1]) // 2
        if beside or above:
            small = cv2.copyMakeBorder(small, above, above, beside, beside, cv2.BORDER_REPLICATE)
        windows, margins = self._descriptor.detectMultiScale(
            small,
            hitThreshold=0.0,
            winStride=(8, 8),
            padding=(16, 16),
            scale=self.pyramid_step,
            groupThreshold=0,
        )
        xywh = np.asarray(windows, np.float32).reshape(-1, 4)
        inset = xywh[:, 2:] * np.array([_MARGIN_X, _MARGIN_Y], np.float32)
        corner = xywh[:, :2] - np.array([beside, above], np.float32)
        boxes = np.hstack([corner + inset, corner + xywh[:, 2:] - inset])
        factor = np.array([width / size[0], height / size[1]] * 2, np.float32)
        return boxes * factor, np.asarray(margins, np.float32).reshape(-1)


def merge_windows(
    xyxy: FloatArray, margins: FloatArray, *, min_iou: float = 0.5
) -> tuple[FloatArray, FloatArray]:
    """Windows that hit the same person as one box: their average, weighted by margin.

    Parameters
    ----------
    xyxy
        (W, 4) pixels.
    margins
        (W,), positive.
    min_iou
        Windows that overlap the best one of a person at least so much are that person's.

    Returns
    -------
    xyxy
        (N, 4), by falling margin of the best window.
    scores
        (N,) in [0, 1], ``1 - exp(-sum of margins)``.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 10, 20], [0, 2, 10, 22], [50, 0, 60, 20]], np.float32)
    >>> merged, scores = merge_windows(boxes, np.array([0.6, 0.6, 0.2], np.float32))
    >>> merged.round(1).tolist()
    [[0.0, 1.0, 10.0, 21.0], [50.0, 0.0, 60.0, 20.0]]
    >>> scores.round(2)
    array([0.7 , 0.18], dtype=float32)
    """
    if len(xyxy) == 0:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    best = nms(xyxy, margins, max_iou=min_iou)
    overlap = iou_matrix(xyxy[best], xyxy)
    person = overlap.argmax(axis=0)
    hits = (overlap >= min_iou) & (person == np.arange(len(best))[:, None])
    weights = np.where(hits, np.maximum(margins, 1e-6), 0)
    total = weights.sum(axis=1)
    merged = (weights @ xyxy) / total[:, None]
    return merged.astype(np.float32), (1 - np.exp(-total)).astype(np.float32)


def _open_descriptor() -> cv2.HOGDescriptor:
    descriptor = cv2.HOGDescriptor()
    people = np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32)
    descriptor.setSVMDetector(people)
    return descriptor
