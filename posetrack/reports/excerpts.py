"""Pictures and a clip for the page, cut out of the video in one pass, as data in addresses."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from posetrack.analysis import RuleEvent
from posetrack.audit import Moment, draw_moments
from posetrack.audit.moment_pictures import draw_panel
from posetrack.draw import draw_tracks
from posetrack.interfaces import Image
from posetrack.trajectories import Trajectories
from posetrack.video.reader import check_size, open_tracked

if TYPE_CHECKING:
    from posetrack.structures import Tracks
    from posetrack.video import Frame
    from posetrack.video.writer import VideoWriter

_STRIP: Final = 5  # pictures of an event
_STRIP_HEIGHT: Final = 180
_PORTRAIT_HEIGHT: Final = 260
_SCENE_WIDTH: Final = 960
_CLIP_SECONDS: Final = 20.0
_CLIP_SIDE: Final = 640
_CLIP_RATE: Final = 15.0
_CLIP_QUALITY: Final = 31.0
_QUALITY: Final = 78


@dataclass
class Pictures:
    """What was cut out, each as a ``data:`` address; empty where there is no video.

    Parameters
    ----------
    scene
        A frame, smaller, to draw trails over.
    portraits
        Each person where they were seen best.
    moments
        By place in the list of doubtful moments.
    strips
        By place in the list of events.
    clip
        A video with people drawn over it, and the seconds that it is of.
    span
        The seconds that the clip is of.
    """

    scene: str = ""
    portraits: dict[int, str] = field(default_factory=dict)
    moments: dict[int, str] = field(default_factory=dict)
    strips: dict[int, list[str]] = field(default_factory=dict)
    clip: str = ""
    span: tuple[float, float] = (0.0, 0.0)


def cut_pictures(
    video: str | Path,
    trajectories: Trajectories,
    people: Sequence[int],
    moments: Sequence[Moment],
    events: Sequence[RuleEvent],
    *,
    drawn: bool = False,
) -> Pictures:
    """Cut all pictures out of a video in one pass; only the small parts are kept meanwhile.

    Parameters
    ----------
    video
        What was tracked; or the overlay.
    trajectories
        Everybody's.
    people
        Who gets a portrait.
    moments, events
        Those that get a picture, and a strip of pictures.
    drawn
        Whether people are drawn in the video already.

    Raises
    ------
    ValueError, OSError
        If it cannot be read, or is another video: its pictures have another size.
    """
    found = Pictures()
    panels = _panels(trajectories, people, events)
    scene_row = _fullest(trajectories)
    addresses: dict[tuple[str, int], dict[int, str]] = {}
    size = trajectories.metadata.get("image_size")
    with ExitStack() as stack:
        frames = stack.enter_context(open_tracked(video, size))
        check_size(video, frames.size, size)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="posetrack-")))
        clip = _Clip(folder / "clip.mp4", trajectories, drawn)

        def pass_on() -> Iterator[Frame]:
            for frame in frames:
                clip.add(frame)
                for key, slot, ids, rows, height in panels.get(frame.index, ()):
                    panel = draw_panel(frame.image, trajectories, ids, rows, rows[slot],
                                       height=height, drawn=not drawn)  # fmt: skip
                    addresses.setdefault(key, {})[slot] = jpeg_address(panel)
                if scene_row is not None and frame.index == trajectories.frame[scene_row]:
                    found.scene = jpeg_address(_smaller(frame.image))
                yield frame

        passing = pass_on()
        for number, image in draw_moments(passing, trajectories, moments):
            found.moments[number] = jpeg_address(image)
        for _ in passing:
            pass
        clip.close()
        if clip.path.is_file():
            found.clip, found.span = data_address(clip.path.read_bytes(), "video/mp4"), clip.span
    for (kind, number), pictures in addresses.items():
        strip = [pictures[slot] for slot in sorted(pictures)]
        if kind == "event":
            found.strips[number] = strip
        else:
            found.portraits[number] = strip[0]
    return found


_Wanted = tuple[tuple[str, int], int, Sequence[int], list[int], int]
"""Whose picture, which of several, people, all rows, height."""


def _panels(
    trajectories: Trajectories, people: Sequence[int], events: Sequence[RuleEvent]
) -> dict[int, list[_Wanted]]:
    """The panels to cut from each frame."""
    wanted: dict[int, list[_Wanted]] = {}

    def ask(key: tuple[str, int], ids: Sequence[int], rows: list[int], height: int) -> None:
        for slot, row in enumerate(rows):
            wanted.setdefault(int(trajectories.frame[row]), []).append(
                (key, slot, ids, rows, height)
            )

    columns = {person: column for column, person in enumerate(trajectories.ids.tolist())}
    for person in people:
        ask(("person", person), [person], [best_row(trajectories, columns[person])],
            _PORTRAIT_HEIGHT)  # fmt: skip
    for number, event in enumerate(events):
        ids = [event.person] if event.other is None else [event.person, event.other]
        there = trajectories.present[:, columns[event.person]]
        during = (trajectories.frame >= event.start_frame) & (trajectories.frame <= event.end_frame)
        rows = np.flatnonzero(there & during)
        if len(rows):
            chosen = np.unique(rows[np.linspace(0, len(rows) - 1, _STRIP).round().astype(int)])
            ask(("event", number), ids, chosen.tolist(), _STRIP_HEIGHT)
    return wanted


def best_row(trajectories: Trajectories, column: int) -> int:
    """Where a person is seen best: large, with high scores.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.arange(17.0)[:, None] * np.array([[1.0, 2.0], [9.0, 9.0]])[:, None, None, :]
    >>> best_row(Trajectories([0, 1], [0, 1], [7], xy, np.ones((2, 1, 17)), COCO_17), 0)
    1
    """
    boxes = trajectories.boxes[:, column].astype(np.float64)
    side = np.sqrt(np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 0))
    worth = np.nan_to_num(side * trajectories.scores[:, column].mean(axis=1), nan=-1.0)
    return int(worth.argmax())


def _fullest(trajectories: Trajectories) -> int | None:
    """The row with most people, the one nearest the middle of these; None without frames."""
    if not len(trajectories):
        return None
    counts = trajectories.present.sum(axis=1)
    rows = np.flatnonzero(counts == counts.max(initial=0))
    return int(rows[len(rows) // 2])


class _Clip:
    """A small video of the time with most people, fed with the frames as they pass."""

    def __init__(self, path: Path, trajectories: Trajectories, drawn: bool) -> None:
        self.path, self.span = path, clip_span(trajectories)
        self._drawn, self._last = drawn, -np.inf
        self._people: Mapping[int, Tracks] = {
            index: tracks
            for index, seconds, tracks in trajectories.to_table().frames()
            if self.span[0] <= seconds <= self.span[1]
        }
        self._writer: VideoWriter | None = None

    def add(self, frame: Frame) -> None:
        """Write a frame of the span, at most fifteen a second."""
        from posetrack.video.writer import VideoWriter

        tracks = self._people.get(frame.index)
        if tracks is None or frame.seconds - self._last < 0.9 / _CLIP_RATE:
            return
        self._last = frame.seconds
        if self._writer is None:
            height, width = frame.image.shape[:2]
            scale = min(1.0, _CLIP_SIDE / max(height, width))
            size = (max(2, round(width * scale)) & ~1, max(2, round(height * scale)) & ~1)
            self._writer = VideoWriter(
                self.path, rate=_CLIP_RATE, size=size, quality=_CLIP_QUALITY, queue=0
            )
        image = frame.image if self._drawn else draw_tracks(frame.image, tracks)
        self._writer.write(image, frame.seconds - self.span[0])

    def close(self) -> None:
        """Finish the file, if a frame was written."""
        if self._writer is not None:
            self._writer.close()


def clip_span(trajectories: Trajectories) -> tuple[float, float]:
    """First and last second of the twenty with most people in the picture.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> xy = np.full((100, 1, 17, 2), np.nan)
    >>> xy[60:] = 5
    >>> tr = Trajectories(range(100), range(100), [7], xy, np.zeros((100, 1, 17)), COCO_17)
    >>> clip_span(tr)
    (60.0, 80.0)
    """
    seconds = trajectories.seconds
    if not len(seconds):
        return 0.0, 0.0
    before = np.concatenate([[0], np.cumsum(trajectories.present.sum(axis=1))])
    stop = np.searchsorted(seconds, seconds + _CLIP_SECONDS, side="right")
    first = int((before[stop] - before[:-1]).argmax())
    return float(seconds[first]), float(seconds[stop[first] - 1])


def _smaller(image: Image) -> Image:
    import cv2

    scale = _SCENE_WIDTH / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg_address(image: Image) -> str:
    """An image as JPEG in a ``data:`` address.

    Examples
    --------
    >>> jpeg_address(np.zeros((8, 8, 3), np.uint8))[:23]
    'data:image/jpeg;base64,'
    """
    import cv2

    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise RuntimeError(f"a picture of shape {image.shape} could not be encoded as JPEG")
    return data_address(data.tobytes(), "image/jpeg")


def data_address(content: bytes, kind: str) -> str:
    """Bytes as a ``data:`` address.

    Examples
    --------
    >>> data_address(b"abc", "text/plain")
    'data:text/plain;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
