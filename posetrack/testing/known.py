"""What a fake needs to know of a scene, drawn or rendered: a protocol and the value it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from posetrack.interfaces import Image
from posetrack.skeletons import Skeleton


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
        (N,), how much of the body can be seen, in [0, 1]; 0 for those who are not there.

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
        """Rows of those of whom something, and at least this share, can be seen."""
        return np.flatnonzero((self.share > 0) & (self.share >= min_share))


class KnownScene(Protocol):
    """A scene that recognises its pictures and knows who is in them."""

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

    def known(self, frame: int, /) -> KnownPeople:
        """Who is where in a frame."""
        ...
