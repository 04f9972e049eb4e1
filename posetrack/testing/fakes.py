"""Backends that read the truth of a scene and add faults at rates given."""

from __future__ import annotations

import numpy as np

from posetrack.boxes import iou_matrix
from posetrack.interfaces import Image
from posetrack.structures import Detections, Poses
from posetrack.testing.scenes import Scene


class SceneDetector:
    """A detector that knows the truth of a scene and makes mistakes at the rates given.

    Parameters
    ----------
    scene
        Whose images it will see.
    miss
        Share of people it does not find, drawn for each person and frame.
    false
        Mean number of boxes a frame where nobody is.
    jitter
        Standard deviation of the boxes' edges as a fraction of the person's height.
    seed
        The same seed makes the same mistakes for the same frame, in whatever order asked.

    Examples
    --------
    >>> from posetrack.testing import crossing
    >>> scene = crossing(frames=3)
    >>> len(SceneDetector(scene)(scene.render(1)))
    2
    """

    def __init__(
        self,
        scene: Scene,
        *,
        miss: float = 0.0,
        false: float = 0.0,
        jitter: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.scene, self.miss, self.false, self.jitter, self.seed = scene, miss, false, jitter, seed

    def __call__(self, image: Image, /) -> Detections:
        """Boxes of the people in a picture of the scene."""
        frame = self.scene.frame_of(image)
        rng = np.random.default_rng((self.seed, frame))
        boxes = self.scene.boxes(frame)
        height = self.scene.heights(frame)
        found = rng.random(len(boxes)) >= self.miss
        boxes = boxes + rng.normal(0, 1, boxes.shape) * self.jitter * height[:, None]
        scores = rng.uniform(0.7, 0.95, len(boxes))
        keep = found & self.scene.present[frame]
        width, tall = self.scene.size
        corner = rng.uniform(0, 1, (rng.poisson(self.false), 2)) * (0.8 * width, 0.5 * tall)
        ghosts = np.concatenate([corner, corner + np.array([0.15 * width, 0.45 * tall])], axis=1)
        xyxy = np.concatenate([boxes[keep], ghosts])
        xyxy[:, 2:] = np.maximum(xyxy[:, 2:], xyxy[:, :2] + 1)
        return Detections(xyxy, np.concatenate([scores[keep], rng.uniform(0.3, 0.6, len(ghosts))]))


class SceneEstimator:
    """A pose estimator that knows the truth of a scene: the person who fills the box best.

    Parameters
    ----------
    scene
        Whose images it will see.
    jitter
        Standard deviation of keypoints as a fraction of the person's height.
    seed
        As for `SceneDetector`.
    """

    def __init__(self, scene: Scene, *, jitter: float = 0.0, seed: int = 0) -> None:
        self.scene, self.jitter, self.seed = scene, jitter, seed
        self.skeleton = scene.skeleton

    def __call__(self, image: Image, boxes: Detections, /) -> Poses:
        """A pose for each box; where nobody is, keypoints all over the box with low scores."""
        frame = self.scene.frame_of(image)
        truth, _ = self.scene.truth(frame)
        overlap = iou_matrix(boxes.xyxy, truth.boxes.xyxy)
        keypoints = len(self.skeleton)
        xy = np.zeros((len(boxes), keypoints, 2))
        scores = np.zeros((len(boxes), keypoints))
        for row, box in enumerate(boxes.xyxy):
            rng = np.random.default_rng((self.seed, frame, row))
            if overlap.shape[1] and overlap[row].max() > 0.3:
                person = int(overlap[row].argmax())
                noise = rng.normal(0, 1, (keypoints, 2)) * self.jitter
                xy[row] = truth.xy[person] + noise * np.ptp(truth.xy[person][:, 1])
                scores[row] = rng.uniform(0.75, 0.95, keypoints)
            else:
                xy[row] = rng.uniform(box[:2], box[2:] + 1e-3, (keypoints, 2))
                scores[row] = rng.uniform(0.0, 0.15, keypoints)
        return Poses(xy, scores, boxes, self.skeleton)
