"""Identities for anybody's poses: a whole video's, by the tracker that also works frame by frame.

With the video, optical flow carries past poses to each frame before they are compared; without
it they move on by their own velocity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import FlowEstimator, Image
from posetrack.structures import Detections, Poses
from posetrack.tracking.tracker import Tracker
from posetrack.trajectories import NOBODY, Trajectories
from posetrack.trajectories.identities import labels_of, relabel


class VideoFrame(Protocol):
    """An image with its place in the video, such as `posetrack.video.Frame`."""

    @property
    def image(self) -> Image:
        """(H, W, 3) uint8 BGR."""
        ...

    @property
    def index(self) -> int:
        """In the video, from 0."""
        ...


def link(
    poses: Trajectories,
    *,
    video: Iterable[VideoFrame] | None = None,
    keep_ids: bool = False,
    flow: FlowEstimator | None = None,
    **settings: Any,
) -> Trajectories:
    """Give poses identities.

    Parameters
    ----------
    poses
        Whose ids mean nothing, such as places in each frame; see ``untracked`` of
        `posetrack.load`.
    video
        Frames of the video that the poses are of, from the first on; those without poses are
        looked at, too, so that flow leads from each to the next. None: no pixels are needed.
    keep_ids
        Keep ids above 0, and find one for the others: the kept id that the same track has most
        often beside them, or a new one.
    flow
        What moves points from image to image; None: DIS. Used with ``video``.
    settings
        Keywords of `posetrack.Tracker`, such as ``memory`` and ``min_similarity``. What filters
        the poses, and how often somebody must be found to be somebody, are among them:
        ``min_pose_score``, ``max_given_oks``, ``min_new_score``, ``min_hits``, ``probation``. With
        ``min_hits=1, max_given_oks=1`` and the other three 0 every pose in which anything is seen
        is kept.

    Returns
    -------
    trajectories
        The same values under ids 1, 2, ... in the order in which people are sure to be there,
        from the first frame in which each was found. Poses of nobody are left out.

    Raises
    ------
    ValueError
        If a frame with poses is not in the video, or a setting is out of range.

    Examples
    --------
    Two people whose places in the list change in mid-video:

    >>> from posetrack.testing import crossing
    >>> scene = crossing(frames=4)
    >>> mixed = scene.xy.copy()
    >>> mixed[2:] = mixed[2:, ::-1]
    >>> times = np.arange(4)
    >>> tr = Trajectories(times, times / 25, [1, 2], mixed, np.ones((4, 2, 17)), scene.skeleton)
    >>> bool((link(tr).xy == scene.xy.astype(np.float32)).all())
    True
    """
    tracker = Tracker(flow=flow, **settings)
    labels = np.full(poses.present.shape, NOBODY)
    names: dict[int, int] = {}  # who was on probation, and the identity given later
    pixels = None if video is None else iter(video)
    step = float(np.median(np.diff(poses.seconds) / np.diff(poses.frame))) if len(poses) > 1 else 0
    for row, index in _schedule(poses, tracker.memory):
        image = None if pixels is None else _image_at(pixels, index)
        places = np.zeros(0, np.intp) if row is None else np.flatnonzero(poses.present[row])
        people = _people(poses, 0 if row is None else row, places)
        seconds = (
            poses.seconds[0] + step * (index - poses.frame[0])
            if row is None
            else (poses.seconds[row])
        )
        tracker.update(image, poses=people, seconds=float(seconds))
        names |= tracker.confirmed
        if row is not None:
            labels[row, places] = tracker.provisional
    for name, identity in names.items():
        labels[labels == name] = identity
    labels[labels <= 0] = NOBODY
    if keep_ids:
        labels = _filled(labels_of(poses), labels)
    made = relabel(poses, labels)
    # Other programs' names of people belong to their ids.
    known = {key: value for key, value in made.metadata.items() if key != "individuals"}
    return made if keep_ids else replace(made, metadata=known)


def _schedule(poses: Trajectories, memory: int) -> Iterator[tuple[int | None, int]]:
    """Rows of the poses with their frames, and frames between that hold nobody.

    A table made of every n-th frame has no others. Where a hole is longer than the tracker's
    memory, what lies beyond it does not matter.
    """
    frames = poses.frame.tolist()
    step = int(np.gcd.reduce(np.diff(poses.frame))) if len(frames) > 1 else 1
    last = None
    for row, index in enumerate(frames):
        if last is not None:
            between = range(last + step, index, step)
            yield from ((None, missing) for missing in between[: memory + 1])
        yield row, index
        last = index


def _image_at(frames: Iterator[VideoFrame], index: int) -> Image:
    """The image of a frame, from a video that has not passed it."""
    for frame in frames:
        if frame.index == index:
            return frame.image
        if frame.index > index:
            break
    raise ValueError(
        f"there are poses of frame {index}, which the video does not have; is it the same video?"
    )


def _people(poses: Trajectories, row: int, places: NDArray[np.intp]) -> Poses:
    if not len(places):
        return Poses.empty(poses.skeleton)
    boxes = Detections(poses.boxes[row, places], poses.box_scores[row, places])
    return Poses(poses.xy[row, places], poses.scores[row, places], boxes, poses.skeleton)


def _filled(given: NDArray[np.int64], linked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ids given where they are above 0; elsewhere by what was linked, never twice in a frame."""
    named, there = given > 0, linked != NOBODY
    made = np.where(named, given, NOBODY)
    made[~there] = NOBODY
    free = int(max(given.max(initial=0), 0)) + 1
    for track in np.unique(linked[there & ~named]).tolist():
        part = linked == track
        ids, counts = np.unique(made[part & named], return_counts=True)
        best = int(ids[counts.argmax()]) if len(ids) else 0
        rows, columns = np.nonzero(part & ~named)
        taken = (made[rows] == best).any(axis=1) | (best == 0)
        made[rows, columns] = np.where(taken, free, best)
        free += int(taken.any())
    return made
