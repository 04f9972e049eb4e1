"""Small synthetic scenes in which everybody's keypoints, box and identity are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import Image
from posetrack.skeletons import COCO_17, Skeleton
from posetrack.structures import Detections, Poses
from posetrack.testing.fakes import KnownPeople

if TYPE_CHECKING:
    from posetrack.formats.table import TrackTable

# A standing person of height 1 seen from the front, feet at y = 0, y down: COCO's order.
_STANDING = np.array(
    [
        (0.0, -0.9), (0.02, -0.92), (-0.02, -0.92), (0.045, -0.91),
        (-0.045, -0.91), (0.11, -0.78), (-0.11, -0.78), (0.14, -0.61),
        (-0.14, -0.61), (0.15, -0.46), (-0.15, -0.46), (0.075, -0.5),
        (-0.075, -0.5), (0.08, -0.27), (-0.08, -0.27), (0.08, -0.04),
        (-0.08, -0.04),
    ]
)  # fmt: skip
# How far each keypoint swings to the side in a step, by the phase of its limb (+ and - alternate).
_SWING = np.array([0, 0, 0, 0, 0, 0, 0, 0.05, -0.05, 0.11, -0.11, 0, 0, -0.06, 0.06, -0.13, 0.13])
_CODE_BITS = 16


@dataclass(frozen=True, eq=False)
class Scene:
    """People walking in front of a textured wall, with everything known.

    Parameters
    ----------
    xy
        (T, N, 17, 2) keypoints in pixels.
    present
        (T, N), True for people in the picture.
    size
        Width and height in pixels.
    pan
        (T, 2), where the camera looks, in pixels of the wall.
    rate
        Frames per second.
    seed
        Draws the wall and the clothes.

    Examples
    --------
    >>> scene = crossing(frames=5)
    >>> image = scene.render(3)
    >>> image.shape, scene.frame_of(image)
    ((240, 320, 3), 3)
    """

    xy: NDArray[np.float64]
    present: NDArray[np.bool_]
    size: tuple[int, int]
    pan: NDArray[np.float64]
    rate: float = 25.0
    seed: int = 0

    skeleton: Skeleton = COCO_17

    def __len__(self) -> int:
        return len(self.xy)

    def boxes(self, frame: int) -> NDArray[np.float64]:
        """(N, 4) xyxy around each person, head and feet included; also of those not present."""
        xy = self.xy[frame]
        low, high = xy.min(axis=1), xy.max(axis=1)
        reach = 0.06 * (high[:, 1:] - low[:, 1:])
        return np.concatenate([low - reach, high + reach], axis=1)

    def heights(self, frame: int) -> NDArray[np.float64]:
        """(N,) extent of each person from eye to ankle in pixels."""
        y: NDArray[np.float64] = self.xy[frame][:, :, 1]
        return np.asarray(y.max(axis=1) - y.min(axis=1))

    def truth(self, frame: int) -> tuple[Poses, NDArray[np.int64]]:
        """True poses of those present, and their ids (1, 2, ... in the order of ``xy``)."""
        here = np.flatnonzero(self.present[frame])
        boxes = Detections(self.boxes(frame)[here], np.ones(len(here)))
        xy = self.xy[frame][here]
        return Poses(xy, np.ones(xy.shape[:2]), boxes, self.skeleton), here + 1

    def table(self) -> TrackTable:
        """The truth of all frames, as a file of tracks is read.

        Examples
        --------
        >>> crossing(frames=3).table()
        TrackTable(6 rows, 2 ids, coco_17)
        """
        from posetrack.formats.table import TrackTable

        rows = [(frame, *self.truth(frame)) for frame in range(len(self))]
        counts = [len(ids) for _, _, ids in rows]
        frame = np.repeat(np.arange(len(self)), counts)
        return TrackTable(
            frame=frame,
            seconds=frame / self.rate,
            ids=np.concatenate([ids for _, _, ids in rows]),
            xyxy=np.concatenate([poses.boxes.xyxy for _, poses, _ in rows]),
            box_scores=np.ones(len(frame), np.float32),
            flow_age=np.zeros(len(frame), np.int64),
            xy=np.concatenate([poses.xy for _, poses, _ in rows]),
            scores=np.concatenate([poses.scores for _, poses, _ in rows]),
            skeleton=self.skeleton,
        )

    def everybody(self, frame: int) -> KnownPeople:
        """What a fake needs to know of a frame; people never hide each other."""
        xy, share = self.xy[frame], self.present[frame].astype(np.float64)
        ids = np.arange(1, len(xy) + 1)
        return KnownPeople(
            ids, xy, np.ones(xy.shape[:2]), self.boxes(frame), self.heights(frame), share
        )

    def render(self, frame: int) -> Image:
        """(H, W, 3) uint8 BGR; later people stand in front of earlier ones."""
        image = _wall(self.seed, self.size, self.pan[frame])
        rng = np.random.default_rng(self.seed)
        colours = rng.integers(20, 240, (self.xy.shape[1], 3, 3))
        colours[:, 2] = np.array([110, 150, 200]) * rng.uniform(0.4, 1.15, (len(colours), 1))
        for person in np.flatnonzero(self.present[frame]):
            _draw_person(image, self.xy[frame, person], colours[person], self.skeleton)
        bits = [(frame >> bit) & 1 for bit in range(_CODE_BITS)]
        image[0, :_CODE_BITS] = np.array(bits, np.uint8)[:, None] * 255
        return image

    def frame_of(self, image: Image) -> int:
        """Which frame a picture is: its number is written into the first pixels."""
        bits = (image[0, :_CODE_BITS, 0] > 127).astype(int)
        return int((bits << np.arange(_CODE_BITS)).sum())

    def __iter__(self) -> Iterator[Image]:
        return (self.render(frame) for frame in range(len(self)))


def walking(
    paths: NDArray[np.float64],
    *,
    height: NDArray[np.float64] | float = 150.0,
    present: NDArray[np.bool_] | None = None,
    size: tuple[int, int] = (320, 240),
    pan: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> Scene:
    """People who walk along given paths.

    Parameters
    ----------
    paths
        (T, N, 2), where each person's feet are on the wall, in pixels.
    height
        (N,) or one for all, pixels from top to feet.
    present
        (T, N), everybody always when None.
    size
        Width and height of the picture.
    pan
        (T, 2), the wall's point at the picture's corner; still when None.
    seed
        Draws the wall, the clothes and where in their step people start.

    Examples
    --------
    >>> scene = walking(np.array([[[50.0, 200.0]], [[54.0, 200.0]]]), height=100)
    >>> len(scene), scene.truth(1)[1].tolist(), scene.boxes(0).round().tolist()
    (2, [1], [[27.0, 103.0, 73.0, 201.0]])
    """
    frames, people = paths.shape[:2]
    pan = np.zeros((frames, 2)) if pan is None else pan
    start = np.random.default_rng(seed).uniform(0, 2 * np.pi, people)
    tall = np.broadcast_to(np.asarray(height, float), (people,))
    travelled: NDArray[np.float64] = np.cumsum(
        np.abs(np.diff(paths[..., 0], axis=0, prepend=paths[:1, :, 0])), axis=0
    )
    phase = start + travelled / (0.12 * tall)
    body = np.broadcast_to(_STANDING, (frames, people, 17, 2)).copy()
    body[..., 0] += np.sin(phase)[..., None] * _SWING
    xy = body * tall[None, :, None, None] + (paths - pan[:, None])[:, :, None]
    here = np.ones((frames, people), bool) if present is None else present
    return Scene(xy, here, size, pan, seed=seed)


def crossing(*, frames: int = 60, speed: float = 3.7, seed: int = 0) -> Scene:
    """Two people walk past each other at ``speed`` pixels a frame, the second in front.

    Examples
    --------
    >>> between = np.diff(crossing(frames=60).xy[..., 0, 0]).round()  # pixels, nose to nose
    >>> between[[0, -1], 0].tolist()
    [220.0, -217.0]
    """
    walked = speed * np.arange(frames)
    paths = np.zeros((frames, 2, 2))
    paths[:, 0] = np.stack([50 + walked, np.full(frames, 200)], axis=1)
    paths[:, 1] = np.stack([270 - walked, np.full(frames, 215)], axis=1)
    return walking(paths, height=np.array([150.0, 165.0]), seed=seed)


def leaving(*, frames: int = 80, speed: float = 6.0, seed: int = 0) -> Scene:
    """One person stays; another walks out of the picture on the right and a third comes in.

    Examples
    --------
    >>> scene = leaving()
    >>> scene.present[0].tolist(), scene.present[-1].tolist()
    ([True, True, False], [True, False, True])
    """
    walked = speed * np.arange(frames)
    paths = np.zeros((frames, 3, 2))
    paths[:, 0] = (60, 205)
    paths[:, 1] = np.stack([160 + walked, np.full(frames, 210)], axis=1)
    paths[:, 2] = np.stack([600 - walked, np.full(frames, 200)], axis=1)
    present = (paths[..., 0] > -30) & (paths[..., 0] < 350)
    return walking(paths, present=present, seed=seed)


def camera_pan(*, frames: int = 60, people: int = 3, speed: float = 6.0, seed: int = 0) -> Scene:
    """People stand and stroll while the camera pans by ``speed`` pixels a frame, to and fro.

    Examples
    --------
    >>> camera_pan(speed=6.0).pan[:3, 0].round(1).tolist()
    [0.0, 6.0, 11.7]
    """
    rng = np.random.default_rng(seed)
    pan = np.stack([np.sin(0.2 * np.arange(frames)) * speed / 0.2, np.zeros(frames)], axis=1)
    left = np.linspace(70, 250, people)
    paths = np.zeros((frames, people, 2))
    paths[..., 0] = left + rng.uniform(-0.3, 0.3, people) * np.arange(frames)[:, None]
    paths[..., 1] = 205 + rng.uniform(-5, 15, people)
    return walking(paths, height=rng.uniform(120, 150, people), pan=pan, seed=seed)


def _wall(seed: int, size: tuple[int, int], corner: NDArray[np.float64]) -> Image:
    """A textured wall, the same point of it wherever the camera looks."""
    import cv2

    tile, across, down = 512, 16, 32
    rng = np.random.default_rng((seed, 1))
    shade = rng.uniform(-28, 28, (down, across, 1)) + np.array([118, 138, 168])
    bricks = np.repeat(np.repeat(shade, tile // down, axis=0), tile // across, axis=1)
    bricks[:: tile // down] = bricks[1 :: tile // down] = 205
    for course in range(down):  # every other course is laid half a brick along
        rows = slice(course * tile // down, (course + 1) * tile // down)
        bricks[rows, :: tile // across] = 205
        bricks[rows] = np.roll(bricks[rows], (course % 2) * tile // across // 2, axis=1)
    grain = rng.normal(0, 9, (tile, tile, 1))
    texture = np.clip(bricks + grain, 0, 255).astype(np.uint8)
    shift = np.array([[1, 0, corner[0] % tile], [0, 1, corner[1] % tile]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(texture, shift, size, flags=flags, borderMode=cv2.BORDER_WRAP)
    return np.asarray(warped, np.uint8)


def _draw_person(
    image: Image, xy: NDArray[np.float64], colours: NDArray[np.int64], skeleton: Skeleton
) -> None:
    """Draw limbs as tubes and the trunk as a patch, striped so that flow can follow them."""
    import cv2

    tall = max(float(np.ptp(xy[:, 1])), 1.0)
    scale = 16  # cv2 draws at 1/16 pixel
    trunk, limbs, skin = (tuple(int(value) for value in colour) for colour in colours)

    def line(start: NDArray[np.float64], end: NDArray[np.float64], colour, width: float) -> None:  # type: ignore[no-untyped-def]
        ends = [tuple(int(v) for v in np.rint(point * scale)) for point in (start, end)]
        cv2.line(image, ends[0], ends[1], colour, max(1, round(width * tall)), cv2.LINE_AA, 4)

    corners = xy[[skeleton.index(name) for name in
                  ("left_shoulder", "right_shoulder", "right_hip", "left_hip")]]  # fmt: skip
    cv2.fillPoly(image, [np.rint(corners * scale).astype(np.int32)], trunk, cv2.LINE_AA, 4)
    for share in (0.25, 0.5, 0.75):
        left = corners[0] + share * (corners[3] - corners[0])
        right = corners[1] + share * (corners[2] - corners[1])
        line(left, right, limbs, 0.03)
    for start, end in skeleton.edge_indices:
        names = skeleton.keypoints[start], skeleton.keypoints[end]
        if all("shoulder" in name or "hip" in name for name in names):
            continue
        line(xy[start], xy[end], limbs, 0.07)
        line(
            xy[start] + 0.4 * (xy[end] - xy[start]),
            xy[start] + 0.6 * (xy[end] - xy[start]),
            skin,
            0.07,
        )
    head = tuple(int(value) for value in np.rint(xy[0] * scale))
    cv2.circle(image, head, round(0.065 * tall * scale), skin, -1, cv2.LINE_AA, 4)
