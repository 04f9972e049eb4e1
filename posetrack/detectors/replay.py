"""A detector that finds nothing itself: it answers with boxes that someone found before."""

from __future__ import annotations

from collections.abc import Mapping

from posetrack.interfaces import Image
from posetrack.structures import Detections


class ReplayDetector:
    """A detector that answers with boxes known before: call by call, one frame after the other.

    It cannot see which frame it is asked about, it only counts. Where frames are skipped, or the
    detector is not run on each (``detect_every``), give the boxes to the tracker instead:
    ``tracker.update(image, detections=replay.at(frame))``.

    Parameters
    ----------
    boxes
        By frame, as `posetrack.formats.boxes.read_boxes` gives them. A frame that is not there
        has no people.
    start
        The frame of the first call.

    Examples
    --------
    >>> import numpy as np
    >>> replay = ReplayDetector({1: Detections([[0, 0, 10, 20]], [0.9])})
    >>> image = np.zeros((32, 32, 3), np.uint8)
    >>> [len(replay(image)) for _ in range(3)]
    [0, 1, 0]
    >>> len(replay.at(1))
    1
    """

    def __init__(self, boxes: Mapping[int, Detections], *, start: int = 0) -> None:
        self._boxes = dict(boxes)
        self.frame = start

    def __call__(self, image: Image, /) -> Detections:
        """Boxes of the next frame; the image is not looked at."""
        del image
        found = self.at(self.frame)
        self.frame += 1
        return found

    def at(self, frame: int) -> Detections:
        """Boxes of a frame; none where the file has none."""
        return self._boxes.get(frame, Detections.empty())
