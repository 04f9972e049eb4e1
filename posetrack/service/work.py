"""A client's file through the networks to an answer: the work of the server and of functions."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from posetrack.interfaces import Image
from posetrack.service.answers import (
    MEDIA,
    Answer,
    Out,
    answer_with_json,
    answer_with_picture,
    people_of,
)
from posetrack.service.content import Content, recognise_file
from posetrack.service.limits import Deadline, Limits, RefusedError, refuse_unreadable

if TYPE_CHECKING:
    from posetrack.structures import Tracks
    from posetrack.tracking.tracker import Tracker

OUTS: Final[dict[Content, tuple[Out, ...]]] = {
    "image": ("json", "jpg", "png"),
    "video": ("json", "mp4"),
}
"""What is made of each kind of content; the first if nothing is asked for."""


class Finder:
    """Finds the people in clients' files, one picture through the networks at a time.

    It may be called by several threads: between two frames of a video there is room for a picture.

    Parameters
    ----------
    tracker
        Its networks and settings are used; it remembers nothing of what is asked.
    limits
        What is accepted.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack import Tracker
    >>> from posetrack.runs.pictures import write_picture
    >>> from posetrack.testing import SceneDetector, SceneEstimator, crossing
    >>> scene = crossing(frames=1)
    >>> finder = Finder(Tracker(SceneDetector(scene), SceneEstimator(scene)), Limits())
    >>> path = Path(tempfile.mkdtemp()) / "two.png"
    >>> write_picture(next(iter(scene)), path)
    >>> answer = finder.answer(path, "image", "json", Deadline(60))
    >>> answer.media, answer.body.count(b'"box"')
    ('application/json', 2)
    """

    def __init__(self, tracker: Tracker, limits: Limits) -> None:
        self._tracker, self.limits = tracker, limits
        self._one_at_a_time = threading.Lock()
        self._usual = 0.0

    def warm_up(self) -> None:
        """Compile and load on a grey picture what the first client would wait for."""
        tracker = self._tracker.twin()
        tracker.update(np.full((240, 320, 3), 127, np.uint8))

    def check(self, path: Path, expected: Content | None, out: str | None) -> tuple[Content, Out]:
        """What a file is and what to make of it, from its first bytes: it costs next to nothing.

        Parameters
        ----------
        path
            What the client sent.
        expected
            What it has to be; None: either.
        out
            What to make of it, see `OUTS`; None: JSON.

        Raises
        ------
        RefusedError
            If it is not what is expected, or a picture that claims too many pixels.
        """
        from posetrack.video.headers import image_size

        kind = check_content(recognise_file(path), expected)
        chosen = choose_out(kind, out)
        if kind == "image":
            with path.open("rb") as file:
                width, height = image_size(file) or (0, 0)
            if width * height > self.limits.pixels:
                most = self.limits.pixels / 1e6
                raise RefusedError(
                    413, f"the picture claims {width}x{height} pixels, more than {most:.1f} million"
                )
        return kind, chosen

    def answer(
        self, path: Path, expected: Content | None, out: str | None, deadline: Deadline
    ) -> Answer:
        """Find the people in a file.

        Parameters
        ----------
        path, expected, out
            See `check`.
        deadline
            By when.

        Raises
        ------
        RefusedError
            If it is not what is expected, broken, too large, or there is no time for it.
        """
        kind, chosen = self.check(path, expected, out)
        if deadline.seconds <= (self._usual if kind == "image" else 0):
            raise RefusedError(503, "busy: its turn did not come in time, try again later")
        if kind == "video":
            return self._answer_video(path, chosen, deadline)
        started = time.monotonic()
        try:
            return self._answer_picture(path, chosen)
        finally:
            # The longest lately; never so long that one which need not wait is refused.
            usual = max(0.7 * self._usual, time.monotonic() - started)
            self._usual = min(usual, self.limits.picture_seconds / 2)

    def _answer_picture(self, path: Path, out: Out) -> Answer:
        from posetrack.video.image_folders import read_image

        with refuse_unreadable(path, "the picture"):
            image = read_image(path, max_pixels=self.limits.pixels)
        tracker = self._tracker.twin()
        tracker.flow_boxes = tracker.flow_similarity = False  # there is no next image
        tracks = self._find(tracker, image, 0, None)
        if out in ("jpg", "png"):
            return answer_with_picture(image, tracks, out)
        height, width = image.shape[:2]
        document = {"width": width, "height": height, "people": people_of(tracks)}
        return answer_with_json(document, tracks)

    def _answer_video(self, path: Path, out: Out, deadline: Deadline) -> Answer:
        from posetrack.video import open_video

        most = self.limits.video_frames
        with refuse_unreadable(path, "the video"):
            video = open_video(
                path, stop=most + 1, prefetch=0, threads=1, max_pixels=self.limits.pixels
            )
        with video, self._result(video, path, out) as result:
            if video.counted and (video.count or 0) > most:
                raise _too_long(most)
            tracker, done = self._tracker.twin(), 0
            frames = iter(video)
            while True:
                with refuse_unreadable(path, "the video"):
                    frame = next(frames, None)
                if frame is None:
                    break
                done += 1
                if done > most:
                    raise _too_long(most)
                if not deadline.seconds:
                    raise RefusedError(
                        503, f"too long for the time there is: {done - 1} frames were tracked"
                    )
                tracks = self._find(tracker, frame.image, tracker.frame, frame.seconds)
                result.add(frame, tracks)
            return result.answer()

    def _result(self, video: Any, path: Path, out: Out) -> _Drawn | _Listed:
        with refuse_unreadable(path, "the video"):
            return _Drawn(path, video.rate) if out == "mp4" else _Listed(video)

    def _find(self, tracker: Tracker, image: Image, number: int, seconds: float | None) -> Tracks:
        with self._one_at_a_time:
            boxes = tracker.detect(image, number)
            if boxes is not None and len(boxes) > self.limits.people:
                best = np.argsort(-boxes.scores, kind="stable")[: self.limits.people]
                boxes = boxes[np.sort(best)]
            return tracker.update(image, detections=boxes, seconds=seconds)


def check_content(found: Content | None, expected: Content | None) -> Content:
    """Refuse what is not expected.

    Examples
    --------
    >>> check_content("video", "image")
    Traceback (most recent call last):
    posetrack.service.limits.RefusedError: expected a picture, this is a video: POST it to /video
    """
    nouns = {"image": "picture", "video": "video", None: "picture or a video"}
    if found is None:
        raise RefusedError(415, f"expected a {nouns[expected]}, this is of no kind that is read")
    if expected not in (None, found):
        raise RefusedError(
            415, f"expected a {nouns[expected]}, this is a {nouns[found]}: POST it to /{found}"
        )
    return found


def choose_out(kind: Content, out: str | None) -> Out:
    """What to make of a picture or video.

    Examples
    --------
    >>> choose_out("image", None), choose_out("video", "mp4")
    ('json', 'mp4')
    """
    for known in OUTS[kind]:
        if out in (None, known):
            return known
    raise RefusedError(400, f"out: expected {' or '.join(OUTS[kind])}, got {out!r:.40}")


def _too_long(most: int) -> RefusedError:
    return RefusedError(413, f"the video has more than the {most} frames that are taken")


class _Listed:
    """A video's people as JSON, frame by frame."""

    def __init__(self, video: Any) -> None:
        self._video, self._frames = video, list[dict[str, Any]]()
        self._tracks: Tracks | None = None

    def __enter__(self) -> _Listed:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def add(self, frame: Any, tracks: Tracks) -> None:
        self._tracks = tracks
        self._frames.append(
            {
                "frame": frame.index,
                "seconds": round(float(frame.seconds), 6),
                "people": people_of(tracks),
            }
        )

    def answer(self) -> Answer:
        width, height = self._video.size
        document = {"width": width, "height": height, "frames": self._frames}
        return answer_with_json(document, self._tracks)


class _Drawn:
    """A video with its people drawn over it."""

    def __init__(self, path: Path, rate: Any) -> None:
        from posetrack.video import VideoWriter

        # Beside the client's file, in a folder that goes with it.
        self._path = path.with_name("drawn.mp4")
        self._writer = VideoWriter(self._path, rate=rate, queue=0)

    def __enter__(self) -> _Drawn:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.abort()

    def add(self, frame: Any, tracks: Tracks) -> None:
        from posetrack.draw.overlay import draw_tracks

        self._writer.write(draw_tracks(frame.image, tracks, out=frame.image), frame.seconds)

    def answer(self) -> Answer:
        self._writer.close()
        if not self._path.exists():
            raise RefusedError(422, "the video: it holds no frame")
        return Answer(self._path.read_bytes(), MEDIA["mp4"])
