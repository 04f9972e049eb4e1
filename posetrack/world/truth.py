"""The truth of a picture: everybody's keypoints and their visibility, boxes, pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from posetrack.skeletons import COCO_17, KNOWN_SKELETONS, Skeleton
from posetrack.skeletons.skeleton import pairs_by_name, sigma_of
from posetrack.structures import Detections, Poses
from posetrack.testing.fakes import KnownPeople
from posetrack.world.rendering.mesh import Mesh, Part
from posetrack.world.rendering.perspective import Camera

Float64Array = NDArray[np.float64]


def _part_of(keypoint: str) -> str:
    return keypoint.removeprefix("left_").removeprefix("right_")


_THICKNESS: Final[Mapping[str, float]] = {
    "nose": 0.04, "eye": 0.04, "ear": 0.06, "head": 0.15, "head_top": 0.10, "head_bottom": 0.14,
    "upper_neck": 0.14, "neck": 0.14, "thorax": 0.16, "chest": 0.18, "shoulder": 0.14,
    "elbow": 0.09, "wrist": 0.08, "mid_hip": 0.18, "pelvis": 0.18, "hip": 0.17,
    "knee": 0.12, "ankle": 0.10, "big_toe": 0.07, "small_toe": 0.07, "heel": 0.08,
}  # fmt: skip
"""How deep in the body a keypoint that counts as visible may lie, metres at a height of 1.75 m.

A joint lies inside its limb. More of the body in front than this is another part of it: an arm in
front of the hip, the trunk in front of the far shoulder.
"""
_NAMES = tuple(
    name
    for name in dict.fromkeys(
        name for known in KNOWN_SKELETONS.values() for name in known.keypoints
    )
    if _part_of(name) in _THICKNESS
)
EVERY_KEYPOINT: Final = Skeleton(
    "world", _NAMES, (), pairs_by_name(_NAMES), tuple(sigma_of(name) for name in _NAMES)
)
"""Every keypoint of the skeletons we know that a body here has: a `Truth` has them all, whatever
it shows. Bodies have neither a face of 68 points nor fingers.
"""
_HEIGHT = 1.75
_SKIRT = 0.12  # metres more where a skirt is in front: knees under it show through its shape
_NEAREST = 0.05  # metres; what is nearer to the camera has no place in the picture


class Visibility(IntEnum):
    """Whether a keypoint can be seen; the numbers are those of COCO's files.

    Examples
    --------
    >>> Visibility(2).name
    'VISIBLE'
    """

    OUTSIDE = 0
    """Outside the picture, or behind the camera."""
    HIDDEN = 1
    """Behind something, someone, or another part of the own body."""
    VISIBLE = 2


class Pixels(Protocol):
    """What a renderer knows of each pixel; H x W are the picture's."""

    @property
    def owner(self) -> NDArray[Any]:
        """(H, W), 0 for scenery and backdrop, else the person's id."""
        ...

    @property
    def part(self) -> NDArray[Any]:
        """(H, W), a `Part` each."""
        ...

    @property
    def depth(self) -> NDArray[Any]:
        """(H, W) metres along the camera's axis."""
        ...

    @property
    def flow(self) -> NDArray[Any]:
        """(H, W, 2) pixels to the next frame."""
        ...


@dataclass(frozen=True, eq=False)
class Whereabouts:
    """A person at one moment, in the world.

    Parameters
    ----------
    id
        1, 2, ...
    mesh
        Whose triangles and parts the body has.
    vertices
        (V, 3) metres.
    keypoints
        (K, 3) metres, those of `EVERY_KEYPOINT`.
    height
        Metres.
    """

    id: int
    mesh: Mesh
    vertices: NDArray[Any]
    keypoints: Float64Array
    height: float


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """Everybody in the world at one frame, in the picture or not.

    Parameters
    ----------
    skeleton
        What ``xy`` and ``visibility`` are of; `to` gives another.
    size
        Width and height of the picture.
    ids
        (N,) int64, ascending.
    every_xy, every_visibility
        (N, 32, 2) pixels and (N, 32) `Visibility` of `EVERY_KEYPOINT`. Positions are given outside
        the picture and behind things, too; NaN only behind the camera.
    boxes
        (N, 4) xyxy pixels around the whole body, hidden and outside or not; NaN where all of it is
        behind the camera.
    visible_boxes
        (N, 4) xyxy, the first and last columns and rows with a pixel of the person; NaN without
        any.
    share
        (N,) how much of the surface that faces the camera can be seen, in [0, 1]. What the own
        body hides counts as seen: people with folded arms are whole.
    pixels
        (N,) how many pixels show the person.
    heads
        (N, 4) xyxy around the head, hidden or not.
    seconds
        Time of the frame.
    owner, part, depth, flow
        The renderer's, see `Pixels`; None in a truth that dropped them.
    """

    skeleton: Skeleton
    size: tuple[int, int]
    ids: NDArray[np.int64]
    every_xy: Float64Array
    every_visibility: NDArray[np.uint8]
    boxes: Float64Array
    visible_boxes: Float64Array
    share: Float64Array
    pixels: NDArray[np.int64]
    heads: Float64Array
    seconds: float = 0.0
    owner: NDArray[Any] | None = None
    part: NDArray[Any] | None = None
    depth: NDArray[Any] | None = None
    flow: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Truth(ids {self.ids.tolist()}, xy {self.xy.shape}, {self.skeleton.name})"

    @cached_property
    def xy(self) -> Float64Array:
        """(N, K, 2) pixels."""
        return self.every_xy[:, _columns(self.skeleton)]

    @cached_property
    def visibility(self) -> NDArray[np.uint8]:
        """(N, K), a `Visibility` each."""
        return self.every_visibility[:, _columns(self.skeleton)]

    @cached_property
    def clipped_boxes(self) -> Float64Array:
        """(N, 4) ``boxes`` cut to the picture; NaN where nothing is left of them."""
        edge = np.array([self.size[0] - 1, self.size[1] - 1] * 2, float)
        cut = np.clip(self.boxes, 0, edge)
        gone = ~((cut[:, 2:] > cut[:, :2]).all(axis=1))
        cut[gone] = np.nan
        return cut

    def to(self, skeleton: Skeleton) -> Truth:
        """The same with another skeleton's keypoints; each is the body's own, not a mean of others.

        Raises
        ------
        ValueError
            If the skeleton has a keypoint that the people of the world do not have.
        """
        _columns(skeleton)
        return replace(self, skeleton=skeleton)

    def visible_rows(self, min_share: float = 0.05) -> NDArray[np.intp]:
        """Rows of the people of whom at least this share, and at least one pixel, can be seen."""
        return np.flatnonzero((self.share >= min_share) & (self.pixels > 0))

    def poses(self, min_share: float = 0.05) -> Poses:
        """Poses of those who can be seen, boxes cut to the picture, keypoints outside it NaN."""
        rows = self.visible_rows(min_share)
        inside = (self.visibility[rows] != Visibility.OUTSIDE)[..., None]
        boxes = Detections(self.clipped_boxes[rows], np.ones(len(rows)))
        xy = np.where(inside, self.xy[rows], np.nan)
        return Poses(xy, inside[..., 0].astype(np.float32), boxes, self.skeleton)

    def everybody(self) -> KnownPeople:
        """What a fake needs of it."""
        heights = np.nan_to_num(self.boxes[:, 3] - self.boxes[:, 1])
        share = np.where((self.pixels > 0) & np.isfinite(self.clipped_boxes[:, 0]), self.share, 0)
        return KnownPeople(
            self.ids,
            self.xy,
            self.visibility / 2,
            np.nan_to_num(self.clipped_boxes),
            heights,
            share,
        )

    def without_pixels(self) -> Truth:
        """The same without the per-pixel arrays."""
        return replace(self, owner=None, part=None, depth=None, flow=None)


@lru_cache(maxsize=64)
def _columns(skeleton: Skeleton) -> NDArray[np.intp]:
    unknown = [name for name in skeleton.keypoints if name not in _NAMES]
    if unknown:
        raise ValueError(
            f"{skeleton.name}: people of this world have no {', '.join(unknown)}; they have "
            f"{', '.join(_NAMES)}"
        )
    return np.array([_NAMES.index(name) for name in skeleton.keypoints], np.intp)


def truth_of(
    people: Sequence[Whereabouts],
    camera: Camera,
    pixels: Pixels,
    *,
    skeleton: Skeleton = COCO_17,
    seconds: float = 0.0,
) -> Truth:
    """The truth of a rendered picture.

    Parameters
    ----------
    people
        Everybody in the world, by ascending id.
    camera
        That took it.
    pixels
        What the renderer says of it.
    skeleton
        Keypoints of the truth's ``xy``.
    seconds
        Time of the picture.
    """
    count = len(people)
    _columns(skeleton)
    places = [person.keypoints for person in people]
    xy, depth = camera.project(np.reshape(places, (count, len(EVERY_KEYPOINT), 3)))
    boxes = np.full((count, 4), np.nan)
    heads = np.full((count, 4), np.nan)
    share = np.zeros(count)
    for row, person in enumerate(people):
        corners, away = camera.project(person.vertices)
        boxes[row] = _box(corners[away > _NEAREST])
        faces = person.mesh.faces[person.mesh.parts == Part.HEAD]
        top = np.unique(faces)
        heads[row] = _box(corners[top][away[top] > _NEAREST])
        share[row] = _visible_share(person, corners, away, pixels.owner)
    visible_boxes, counts = _visible_boxes(pixels.owner, [person.id for person in people])
    return Truth(
        skeleton=skeleton,
        size=camera.size,
        ids=np.array([person.id for person in people], np.int64),
        every_xy=xy,
        every_visibility=_visibility(xy, depth, people, pixels),
        boxes=boxes,
        visible_boxes=visible_boxes,
        share=share,
        pixels=counts,
        heads=heads,
        seconds=seconds,
        owner=pixels.owner,
        part=pixels.part,
        depth=pixels.depth,
        flow=pixels.flow,
    )


def _box(xy: Float64Array) -> Float64Array:
    if not len(xy):
        return np.full(4, np.nan)
    return np.concatenate([xy.min(axis=0), xy.max(axis=0)])


def _visible_boxes(
    owner: NDArray[Any], ids: Sequence[int]
) -> tuple[Float64Array, NDArray[np.int64]]:
    """Box around each person's pixels and their number."""
    from scipy.ndimage import find_objects

    boxes = np.full((len(ids), 4), np.nan)
    most = max(ids, default=0)
    counts = np.bincount(owner.ravel(), minlength=most + 1)
    places = find_objects(owner.astype(np.int32), most)
    for row, identity in enumerate(ids):
        if counts[identity]:
            down, across = places[identity - 1]
            boxes[row] = (across.start, down.start, across.stop - 1, down.stop - 1)
    return boxes, counts[list(ids)].astype(np.int64) if ids else np.zeros(0, np.int64)


def _visible_share(
    person: Whereabouts, xy: Float64Array, depth: Float64Array, owner: NDArray[Any]
) -> float:
    """Area of the faces towards the camera whose middle shows the person, of that of all such."""
    faces = person.mesh.faces
    ahead = (depth[faces] > _NEAREST).all(axis=1)
    a, b, c = (xy[faces[:, corner]] for corner in range(3))
    first, second = b - a, c - a
    # Counter-clockwise seen from outside is a negative turn where y points down.
    area = -(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    towards = ahead & (area > 0)
    whole = area[towards].sum()
    # What is behind the camera has no area in the picture; it counts by the number of faces.
    beyond = 1 - float(np.mean(ahead)) if len(faces) else 0.0
    if not whole > 0:
        return 0.0
    x, y = np.rint((a + b + c)[towards] / 3).astype(np.int64).T
    height, width = owner.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    shows = np.zeros(len(x), bool)
    shows[inside] = owner[y[inside], x[inside]] == person.id
    return float((1 - beyond) * area[towards][shows].sum() / whole)


def _visibility(
    xy: Float64Array, depth: Float64Array, people: Sequence[Whereabouts], pixels: Pixels
) -> NDArray[np.uint8]:
    """(N, K), a `Visibility` each."""
    height, width = pixels.owner.shape
    pixel = np.rint(np.nan_to_num(xy, nan=-9.0, posinf=-9.0, neginf=-9.0))
    x, y = np.clip(pixel, -9, 1e6).astype(np.int64)[..., 0], pixel[..., 1]
    y = np.clip(y, -9, 1e6).astype(np.int64)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (depth > _NEAREST)
    x, y = np.where(inside, x, 0), np.where(inside, y, 0)
    ids = np.array([person.id for person in people], np.int64).reshape(-1, 1)
    tall = np.array([person.height for person in people]).reshape(-1, 1) / _HEIGHT
    inner = tall * np.array([_thickness(name) for name in EVERY_KEYPOINT.keypoints])
    in_front = depth - pixels.depth[y, x]
    inner = inner + _SKIRT * (pixels.part[y, x] == Part.SKIRT)
    own = pixels.owner[y, x] == ids
    # Just beside the own outline there may be nothing near: only what is nearer hides.
    hidden = np.where(own, in_front > inner, in_front > 0)
    state = np.where(hidden, Visibility.HIDDEN, Visibility.VISIBLE)
    return np.where(inside, state, Visibility.OUTSIDE).astype(np.uint8)


def _thickness(keypoint: str) -> float:
    return _THICKNESS[_part_of(keypoint)]
