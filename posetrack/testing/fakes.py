"""Backends that read the truth of a scene and add faults at rates given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import check_at_least, check_fraction
from posetrack.interfaces import Image
from posetrack.ops.boxes import iou_matrix
from posetrack.skeletons import Skeleton
from posetrack.structures import Detections, Poses


@dataclass(frozen=True, eq=False)
class KnownPeople:
    """Everybody of a scene at one frame, in an order that is the same in all frames.

    Parameters
    ----------
    ids
        (N,), the same person has the same in every frame.
    xy
        (N, K, 2) pixels; NaN where a keypoint is nowhere in the plane of the picture.
    visible
        (N, K) in [0, 1]: 1 where a keypoint can be seen, 0.5 where it is hidden, 0 outside.
    boxes
        (N, 4) xyxy pixels, around the whole body, hidden or not.
    heights
        (N,) pixels from head to feet, what jitter is measured by.
    share
        (N,), how much of the body can be seen, in [0, 1]; 0 for people who are absent.

    Examples
    --------
    >>> shapes = (2, (2, 17, 2), (2, 17), (2, 4), 2, 2)
    >>> two = KnownPeople(*(np.zeros(shape) for shape in shapes))
    >>> len(two), len(two.there())
    (2, 0)
    """

    ids: NDArray[np.int64]
    xy: NDArray[np.float64]
    visible: NDArray[np.float64]
    boxes: NDArray[np.float64]
    heights: NDArray[np.float64]
    share: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def there(self, min_share: float = 0.0) -> NDArray[np.intp]:
        """Rows of the people of whom something, and at least this share, can be seen."""
        return np.flatnonzero((self.share > 0) & (self.share >= min_share))


class KnownScene(Protocol):
    """A scene that recognises its pictures and knows the people in them."""

    @property
    def skeleton(self) -> Skeleton:
        """What the keypoints are."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        ...

    def frame_of(self, image: Image, /) -> int:
        """Which frame a picture of the scene is."""
        ...

    def everybody(self, frame: int, /) -> KnownPeople:
        """The people in a frame and where they are."""
        ...


class SceneDetector:
    """A detector that knows the truth of a scene and makes mistakes at the rates given.

    Parameters
    ----------
    scene
        Whose images it will see, drawn or rendered.
    miss
        Share of people it does not find, drawn for each person and frame.
    false
        Mean number of false boxes a frame.
    jitter
        Standard deviation of the boxes' edges as a fraction of the person's height.
    doubled
        Share of people found twice, the second time with a box beside the first.
    gaps
        Share of the time that each person is not found in bursts, below 1.
    gap_length
        Mean length of a burst in frames.
    min_share
        People of whom less than this can be seen are not found.
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
        scene: KnownScene,
        *,
        miss: float = 0.0,
        false: float = 0.0,
        jitter: float = 0.0,
        doubled: float = 0.0,
        gaps: float = 0.0,
        gap_length: float = 10.0,
        min_share: float = 0.2,
        seed: int = 0,
    ) -> None:
        check_fraction(miss=miss, doubled=doubled, min_share=min_share)
        check_at_least(0, false=false, jitter=jitter)
        if not (0 <= gaps < 1 and gap_length >= 1):
            raise ValueError(
                f"gaps must lie in [0, 1) and gap_length be at least 1, got {gaps} and {gap_length}"
            )
        self.scene, self.miss, self.false, self.jitter, self.seed = scene, miss, false, jitter, seed
        self.doubled, self.min_share = doubled, min_share
        self.gaps, self.gap_length = gaps, gap_length

    def __call__(self, image: Image, /) -> Detections:
        """Boxes of the people in a picture of the scene."""
        frame = self.scene.frame_of(image)
        known = self.scene.everybody(frame)
        rng = np.random.default_rng((self.seed, frame))
        found = rng.random(len(known)) >= self.miss
        boxes = known.boxes + (
            rng.normal(0, 1, known.boxes.shape) * self.jitter * known.heights[:, None]
        )
        scores = rng.uniform(0.7, 0.95, len(boxes))
        rows = known.there(self.min_share)
        rows = rows[found[rows] & ~self._in_gap(known.ids[rows], frame)]
        ghosts = self._ghosts(rng)
        ghost_scores = rng.uniform(0.3, 0.6, len(ghosts))
        twice, twice_scores = self._doubles(known, rows, frame)
        xyxy = np.concatenate([boxes[rows], ghosts, twice])
        xyxy[:, 2:] = np.maximum(xyxy[:, 2:], xyxy[:, :2] + 1)
        return Detections(xyxy, np.concatenate([scores[rows], ghost_scores, twice_scores]))

    def _ghosts(self, rng: np.random.Generator) -> NDArray[np.float64]:
        width, tall = self.scene.size
        corner = rng.uniform(0, 1, (rng.poisson(self.false), 2)) * (0.8 * width, 0.5 * tall)
        return np.concatenate([corner, corner + np.array([0.15 * width, 0.45 * tall])], axis=1)

    def _doubles(
        self, known: KnownPeople, rows: NDArray[np.intp], frame: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Second boxes, a quarter of the width to a side and somewhat smaller."""
        rng = np.random.default_rng((self.seed, frame, 1))
        chosen = rng.random(len(known)) < self.doubled
        side = rng.choice([-0.25, 0.25], len(known))
        scores = rng.uniform(0.4, 0.7, len(known))
        rows = rows[chosen[rows]]
        boxes = known.boxes[rows].copy()
        size = boxes[:, 2:] - boxes[:, :2]
        boxes[:, [0, 2]] += (side[rows] * size[:, 0])[:, None]
        boxes[:, 3] -= 0.1 * size[:, 1]
        return boxes, scores[rows]

    def _in_gap(self, ids: NDArray[np.int64], frame: int) -> NDArray[np.bool_]:
        """(T, N), who is missed: bursts of hits and misses of random lengths, alternating."""
        if not self.gaps:
            return np.zeros(len(ids), bool)
        means = (self.gap_length * (1 - self.gaps) / self.gaps, self.gap_length)
        inside = []
        for person in ids.tolist():
            rng = np.random.default_rng((self.seed, person, 2))
            end, missed = rng.geometric(min(1.0, 1 / means[0])), False
            while end <= frame:
                missed = not missed
                end += rng.geometric(min(1.0, 1 / means[missed]))
            inside.append(missed)
        return np.array(inside, bool)


class SceneEstimator:
    """A pose estimator that knows the truth of a scene: the person who fills the box best.

    Keypoints that are hidden come with half the score and three times the jitter, those outside
    the picture with next to no score.

    Parameters
    ----------
    scene
        Whose images it will see, drawn or rendered.
    jitter
        Standard deviation of keypoints as a fraction of the person's height.
    swapped
        Share of poses whose left and right are mixed up.
    seed
        As for `SceneDetector`.

    Examples
    --------
    >>> from posetrack.testing import crossing
    >>> scene = crossing(frames=3)
    >>> image = scene.render(1)
    >>> SceneEstimator(scene)(image, SceneDetector(scene)(image)).xy.shape
    (2, 17, 2)
    """

    def __init__(
        self, scene: KnownScene, *, jitter: float = 0.0, swapped: float = 0.0, seed: int = 0
    ) -> None:
        check_fraction(swapped=swapped)
        check_at_least(0, jitter=jitter)
        self.scene, self.jitter, self.swapped, self.seed = scene, jitter, swapped, seed
        self.skeleton = scene.skeleton

    def __call__(self, image: Image, boxes: Detections, /) -> Poses:
        """A pose for each box; in false ones, keypoints all over the box with low scores."""
        frame = self.scene.frame_of(image)
        known = self.scene.everybody(frame)
        there = known.there()
        overlap = iou_matrix(boxes.xyxy, known.boxes[there])
        keypoints = len(self.skeleton)
        xy = np.zeros((len(boxes), keypoints, 2))
        scores = np.zeros((len(boxes), keypoints))
        for row, box in enumerate(boxes.xyxy):
            rng = np.random.default_rng((self.seed, frame, row))
            if overlap.shape[1] and overlap[row].max() > 0.3:
                person = int(there[overlap[row].argmax()])
                xy[row], scores[row] = self._pose(known, person, rng)
            else:
                xy[row] = rng.uniform(box[:2], box[2:] + 1e-3, (keypoints, 2))
                scores[row] = rng.uniform(0.0, 0.15, keypoints)
        return Poses(xy, scores, boxes, self.skeleton)

    def _pose(
        self, known: KnownPeople, person: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(K, 2) and (K,): the truth with faults."""
        xy, visible = known.xy[person], known.visible[person]
        noise = rng.normal(0, 1, xy.shape) * self.jitter * (1 + 4 * (1 - visible[:, None]))
        xy = xy + noise * known.heights[person]
        scores = rng.uniform(0.75, 0.95, len(xy)) * np.maximum(visible, 0.05)
        if self.swapped and rng.random() < self.swapped:
            xy, scores = xy[self.skeleton.mirror_order], scores[self.skeleton.mirror_order]
        return xy, scores
