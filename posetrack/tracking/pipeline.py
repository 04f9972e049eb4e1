"""A whole video through a tracker, with decoding, detection and tracking overlapped.

What comes out is the same as from a plain loop over `posetrack.Tracker.update`; it only comes
sooner. OpenCV, ONNX Runtime and torch let go of Python's lock while they work, so threads do.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import nullcontext
from itertools import islice
from types import TracebackType
from typing import Generic, Self, TypeAlias, TypeVar

from posetrack.interfaces import Image
from posetrack.runtimes.uploads import Uploaded
from posetrack.structures import Detections, Poses, Tracks
from posetrack.tracking.tracker import Tracker, detect_in, estimate_in
from posetrack.video import Frame
from posetrack.video.prefetch import Prefetch

Item = TypeVar("Item")


def track_video(
    frames: Iterable[Frame],
    tracker: Tracker,
    *,
    boxes: Callable[[int], Detections] | None = None,
    ahead: int = 2,
    images_at_once: int | None = None,
    tracked: int = 0,
    before: Callable[[Frame], None] | None = None,
) -> Generator[tuple[Frame, Tracks], None, None]:
    """Track the people in a video.

    Parameters
    ----------
    frames
        An open video, or any frames in order.
    tracker
        Updated with each frame. Its detector runs in a background thread while the frame before
        is still being tracked; its other parts run in this one.
    boxes
        From a frame's index to its boxes, in place of the tracker's detector; asked as often as
        that would be (``detect_every``).
    ahead
        For how many frames the detector may be ahead; 0 keeps everything in this thread.
    images_at_once
        How many frames are taken together, so that the detector sees those that are due in one
        run; frames ahead are then at least as many. None: as many as the detector likes where the
        frames are of a file or a list, 1 where they come as they happen.
    tracked
        How many of the first frames the tracker has seen already: they only complete the first
        run of the detector, which then sees what it saw before.
    before
        Called with each frame just before the tracker is updated with it.

    Yields
    ------
    frame, tracks
        For every frame.

    Examples
    --------
    >>> from posetrack.testing import SceneDetector, SceneEstimator, crossing
    >>> scene = crossing(frames=4)
    >>> frames = [Frame(image, index, index / 25) for index, image in enumerate(scene)]
    >>> tracker = Tracker(SceneDetector(scene), SceneEstimator(scene))
    >>> [people.ids.tolist() for _, people in track_video(frames, tracker)]
    [[1, 2], [1, 2], [1, 2], [1, 2]]
    """
    together = images_at_once or choose_batch(frames, tracker, ahead=ahead, boxes=boxes)
    if ahead == 0:
        together = 1
    if boxes is None and together > 1:
        ahead = max(ahead, together)
        detected = _detected_together(frames, tracker, together, tracked)
    else:
        detected = _detected(frames, tracker, boxes)
    with Prefetch(detected, ahead) if ahead else nullcontext(detected) as ready:
        for frame, image, detections in ready:
            if before is not None:
                before(frame)
            yield frame, tracker.update(image, detections=detections, seconds=frame.seconds)


def choose_batch(
    frames: Iterable[Frame],
    tracker: Tracker,
    *,
    ahead: int,
    boxes: Callable[[int], Detections] | None = None,
) -> int:
    """How many frames `track_video` takes together.

    To wait for more is to be late where they happen now.
    """
    if boxes is not None or ahead == 0:
        return 1
    at_hand = isinstance(frames, Sequence) or getattr(frames, "live", True) is False
    return tracker.images_at_once if at_hand else 1


def update_together(trackers: Sequence[Tracker], frames: Sequence[Frame]) -> list[Tracks]:
    """Update several trackers, each with the frame of its own source.

    A detector or a top-down pose network that several of them share is run once for all, where it
    takes several images (`posetrack.interfaces.BatchDetector`, `BatchEstimator`). Each tracker
    comes to what its own `Tracker.update` gives, up to how the network rounds in a larger batch.

    Parameters
    ----------
    trackers
        Each once.
    frames
        One for each.

    Returns
    -------
    tracks
        Of each.

    Examples
    --------
    >>> from posetrack.testing import SceneDetector, SceneEstimator, crossing
    >>> scene = crossing(frames=4)
    >>> networks = SceneDetector(scene), SceneEstimator(scene)
    >>> hall, door = Tracker(*networks), Tracker(*networks)
    >>> frame = Frame(scene.render(0), 0, 0.0)
    >>> [people.ids.tolist() for people in update_together([hall, door], [frame, frame])]
    [[1, 2], [1, 2]]
    """
    images = [one.upload(frame.image) for one, frame in zip(trackers, frames, strict=True)]
    found: list[Detections | None] = [None] * len(images)
    due = [row for row, one in enumerate(trackers) if one.detector_is_due(one.frame)]
    for rows in _sharing([trackers[row].detector for row in due], due):
        answers = detect_in(trackers[rows[0]].detector, [images[row] for row in rows])
        for row, answer in zip(rows, answers, strict=True):
            found[row] = answer
    tracks: dict[int, Tracks] = {}
    asking = [
        one.update_in_steps(image, detections=boxes, seconds=frame.seconds)
        for one, image, boxes, frame in zip(trackers, images, found, frames, strict=True)
    ]
    waiting: dict[int, tuple[Image | Uploaded, Detections]] = {}

    def go_on(row: int, poses: Poses | None) -> None:
        try:
            waiting[row] = next(asking[row]) if poses is None else asking[row].send(poses)
        except StopIteration as end:
            tracks[row] = end.value

    for row in range(len(asking)):
        go_on(row, None)
    while waiting:
        asked, waiting = waiting, {}
        for rows in _sharing([trackers[row].network for row in asked], list(asked)):
            network = trackers[rows[0]].network
            poses = estimate_in(network, *zip(*(asked[row] for row in rows), strict=True))
            for row, found_there in zip(rows, poses, strict=True):
                go_on(row, found_there)
    return [tracks[row] for row in range(len(asking))]


def _sharing(networks: Sequence[object], rows: Sequence[int]) -> list[list[int]]:
    """The rows that have the same network, together."""
    groups: dict[int, list[int]] = {}
    for network, row in zip(networks, rows, strict=True):
        groups.setdefault(id(network), []).append(row)
    return list(groups.values())


_Detected: TypeAlias = tuple[Frame, Image | Uploaded, Detections | None]


def track_images(
    frames: Iterable[Frame],
    tracker: Tracker,
    *,
    boxes: Callable[[int], Detections] | None = None,
    ahead: int = 2,
    last: int = 0,
) -> Generator[tuple[Frame, Tracks], None, None]:
    """Find the people in images that have nothing to do with each other.

    Each is a stream of one image: nobody is looked for where somebody was in the image before. Ids
    go on, so that none is given twice.

    Parameters
    ----------
    frames, boxes, ahead
        See `track_video`.
    tracker
        Reset before each image.
    last
        The largest id that was given before.

    Yields
    ------
    frame, tracks
        For every frame.

    Examples
    --------
    >>> from posetrack.testing import SceneDetector, SceneEstimator, crossing
    >>> scene = crossing(frames=3)
    >>> frames = [Frame(image, index, index / 25) for index, image in enumerate(scene)]
    >>> tracker = Tracker(SceneDetector(scene), SceneEstimator(scene))
    >>> [people.ids.tolist() for _, people in track_images(frames, tracker)]
    [[1, 2], [3, 4], [5, 6]]
    """
    detected = (
        (frame, tracker.detect(frame.image, 0) if boxes is None else boxes(frame.index))
        for frame in frames
    )
    with Prefetch(detected, ahead) if ahead else nullcontext(detected) as ready:
        for frame, detections in ready:
            tracker.reset()
            tracks = tracker.update(frame.image, detections=detections)
            tracks = Tracks(tracks.poses, tracks.ids + last, tracks.flow_age)
            last = int(tracks.ids.max(initial=last))
            yield frame, tracks


def _detected(
    frames: Iterable[Frame], tracker: Tracker, boxes: Callable[[int], Detections] | None
) -> Generator[_Detected, None, None]:
    """Each frame with its detections, None where the detector is not due."""
    for number, frame in enumerate(frames, tracker.frame):
        image = tracker.upload(frame.image)
        if boxes is None:
            yield frame, image, tracker.detect(image, number)
        else:
            yield frame, image, None if number % tracker.detect_every else boxes(frame.index)


def _detected_together(
    frames: Iterable[Frame], tracker: Tracker, together: int, tracked: int
) -> Generator[_Detected, None, None]:
    """The same, for which the detector is run on several frames at once."""
    number, coming = tracker.frame - tracked, iter(frames)
    while True:
        waiting: list[Frame] = []
        failed: Exception | None = None
        try:
            waiting.extend(islice(coming, together))
        except Exception as error:  # of reading: the frames before it come first
            failed = error
        images = [tracker.upload(frame.image) for frame in waiting]
        try:
            found = tracker.detect_all(images, number)
        except Exception:  # one of them; those before it come first
            for row, (frame, image) in enumerate(zip(waiting, images, strict=True)):
                if row >= tracked:
                    yield frame, image, tracker.detect(image, number + row)
        else:
            yield from islice(zip(waiting, images, found, strict=True), tracked, None)
        tracked = 0
        number += len(waiting)
        if failed is not None:
            raise failed
        if len(waiting) < together:
            return


class Background(Generic[Item]):
    """Do something with one item after another in a thread of its own, in order.

    Parameters
    ----------
    work
        Called with each item.
    waiting
        How many items may wait before `put` blocks.

    Examples
    --------
    >>> done = []
    >>> with Background(done.append) as background:
    ...     background.put(3)
    >>> done
    [3]
    """

    def __init__(self, work: Callable[[Item], None], *, waiting: int = 4) -> None:
        self._work = work
        self._items: queue.Queue[Item | None] = queue.Queue(maxsize=waiting)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="posetrack-background", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over an item; raises what an earlier item's work raised."""
        if self._error is not None:
            raise self._error
        self._items.put(item)

    def wait(self) -> None:
        """Wait until all that was handed over is done; raises what the work raised."""
        self._items.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait until all is done; raises what the work raised."""
        self._items.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def drain(self) -> None:
        """Wait until all is done, whatever the work raised: another error is the one to show."""
        self._items.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            if self._error is None:
                try:
                    self._work(item)
                except BaseException as error:  # carried to the thread that waits for the result
                    self._error = error
            self._items.task_done()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.drain()
