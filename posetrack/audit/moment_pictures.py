"""Doubtful moments drawn: the people before, at and after, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from posetrack.audit.moments import Moment
from posetrack.draw import draw_tracks
from posetrack.interfaces import Image
from posetrack.structures import Detections, Poses, Tracks
from posetrack.trajectories import Trajectories

if TYPE_CHECKING:
    from posetrack.video import Frame

_REACH: Final = 0.4  # seconds before and after
_HEIGHT: Final = 420
_WIDEST: Final = 720
_LINE: Final = 26


def draw_moments(
    frames: Iterable[Frame], trajectories: Trajectories, moments: Sequence[Moment]
) -> Iterator[tuple[int, Image]]:
    """Draw moments in one pass over the video; only the cut-out parts are kept meanwhile.

    Parameters
    ----------
    frames
        The open video.
    trajectories
        Everybody's keypoints over time.
    moments
        Which to draw.

    Yields
    ------
    number
        Which moment, from 0, as they become complete.
    image
        (H, W, 3) uint8 BGR.

    Examples
    --------
    >>> import numpy as np
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.testing import crossing
    >>> from posetrack.video import Frame
    >>> scene = crossing(frames=4)
    >>> seconds = np.arange(4) / 25
    >>> frames = [Frame(scene.render(t), t, seconds[t]) for t in range(4)]
    >>> people = Trajectories(range(4), seconds, [1, 2], scene.xy, np.ones((4, 2, 17)), COCO_17)
    >>> moment = Moment(0.9, 2, 0.08, (1, 2), "they crossed")
    >>> [(number, image.ndim) for number, image in draw_moments(frames, people, [moment])]
    [(0, 3)]
    """
    wanted = [_rows(trajectories, moment) for moment in moments]
    asked: dict[int, list[tuple[int, int]]] = {}
    for number, rows in enumerate(wanted):
        for slot, row in enumerate(rows):
            asked.setdefault(int(trajectories.frame[row]), []).append((number, slot))
    panels: dict[int, dict[int, Image]] = {}
    for frame in frames:
        for number, slot in asked.pop(frame.index, ()):
            moment, rows = moments[number], wanted[number]
            mine = panels.setdefault(number, {})
            mine[slot] = draw_panel(frame.image, trajectories, moment.ids, rows, rows[slot])
            if len(mine) == len(rows):
                yield number, _join_panels(moment, [panels[number][n] for n in range(len(rows))])
                del panels[number]
        if not asked:
            break


def _rows(trajectories: Trajectories, moment: Moment) -> list[int]:
    """The frames before, at and after in which someone of the moment is there."""
    columns = [int(np.flatnonzero(trajectories.ids == person)[0]) for person in moment.ids]
    there = np.flatnonzero(trajectories.present[:, columns].any(axis=1))
    at = int(np.searchsorted(trajectories.frame, moment.frame))
    before, after = there[there < at], there[there > at]
    seconds = trajectories.seconds

    def nearest(rows: NDArray[np.intp], when: float) -> int:
        return int(rows[np.abs(seconds[rows] - when).argmin()]) if len(rows) else at

    first, last = nearest(before, moment.seconds - _REACH), nearest(after, moment.seconds + _REACH)
    just_before = int(before[-1]) if len(before) else at
    return [first, just_before, at, last]


def draw_panel(
    image: Image,
    trajectories: Trajectories,
    people: Sequence[int],
    rows: Sequence[int],
    row: int,
    *,
    height: int = _HEIGHT,
    drawn: bool = True,
) -> Image:
    """One frame, cut to where the people are in several, with them drawn, under its time.

    Parameters
    ----------
    image
        The frame's, (H, W, 3) uint8 BGR.
    trajectories
        Everybody's keypoints over time.
    people
        Ids, each of them there in one of the rows at least.
    rows
        Of the trajectories: those over which the cut is the same.
    row
        The frame's, one of them.
    height
        Pixels of the part of the image.
    drawn
        Whether to draw the people; they may be in the image already.
    """
    import cv2

    columns = [int(np.flatnonzero(trajectories.ids == person)[0]) for person in people]
    boxes = trajectories.boxes[np.ix_(rows, columns)].reshape(-1, 4)
    left, top, right, bottom = _cut(boxes[np.isfinite(boxes[:, 0])], image.shape[1::-1])
    part = image[top:bottom, left:right]
    scale = min(height / part.shape[0], _WIDEST / part.shape[1])
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    part = np.ascontiguousarray(cv2.resize(part, size, interpolation=method))
    here = [column for column in columns if drawn and trajectories.present[row, column]]
    corner = np.array([left, top], np.float32)
    shown = Detections(
        (trajectories.boxes[row, here] - np.tile(corner, 2)) * np.float32(scale),
        trajectories.box_scores[row, here],
    )
    xy = (trajectories.xy[row, here] - corner) * np.float32(scale)
    poses = Poses(xy, trajectories.scores[row, here], shown, trajectories.skeleton)
    part = draw_tracks(part, Tracks(poses, trajectories.ids[here]), out=part)
    seconds, frame = float(trajectories.seconds[row]), int(trajectories.frame[row])
    return _with_line(part, f"f{frame}  {seconds:.2f} s")


def _cut(boxes: NDArray[np.float32], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of the picture to show, a fifth larger than the boxes, inside it."""
    width, height = size
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    reach = 0.2 * float((high - low).max()) + 8
    left, top = np.clip(low - reach, 0, (width - 2, height - 2)).astype(int).tolist()
    right, bottom = np.clip(high + reach, (left + 2, top + 2), (width, height)).astype(int).tolist()
    return left, top, right, bottom


def _with_line(image: Image, text: str) -> Image:
    """An image under a line of text."""
    import cv2

    line = np.full((_LINE, image.shape[1], 3), 24, np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(line, text, (6, _LINE - 8), font, 0.5, (235, 235, 235), 1, cv2.LINE_AA)
    return np.concatenate([line, image])


def _join_panels(moment: Moment, panels: list[Image]) -> Image:
    """Panels side by side under what there is to say."""
    tall = max(panel.shape[0] for panel in panels)
    padded = [np.pad(one, ((0, tall - len(one)), (0, 6), (0, 0))) for one in panels]
    whole = np.concatenate(padded, axis=1)
    for text in (moment.edit, f"{moment.score:.2f}  {moment.reason}"):
        whole = _with_line(whole, text) if text else whole
    return whole
