"""The callables a tracker is made of. A function or a small class of yours already fits.

Nobody inherits from these and nothing is registered: they are protocols, for type checkers and
for reading. Images are uint8 BGR arrays of shape (H, W, 3), as OpenCV reads them; pixel centres
lie at integers, x to the right, y down. A backend never changes the image it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from posetrack.skeletons import Skeleton
from posetrack.structures import Detections, Poses

Image: TypeAlias = NDArray[np.uint8]
"""uint8, (H, W, 3), BGR."""

Points: TypeAlias = NDArray[np.float32]
"""float32, (P, 2), x and y in pixels."""


class Detector(Protocol):
    """Finds people: image in, boxes of people only out."""

    def __call__(self, image: Image, /) -> Detections:
        """People's boxes in ``image``, in any order; none is fine."""
        ...


@runtime_checkable
class PoseEstimator(Protocol):
    """Top-down: the keypoints of the person in each given box."""

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        ...

    def __call__(self, image: Image, boxes: Detections, /) -> Poses:
        """One pose for each box, in the boxes' order, with ``boxes`` passed through."""
        ...


@runtime_checkable
class BatchEstimator(Protocol):
    """A `PoseEstimator` that is quicker with the people of several images at once."""

    def estimate_all(self, images: Sequence[Any], boxes: Sequence[Detections], /) -> list[Poses]:
        """The poses in each image, as one call for each gives them."""
        ...


@runtime_checkable
class BottomUpEstimator(Protocol):
    """All poses of an image at once; a tracker with one needs no detector.

    ``bottom_up = True`` distinguishes it from a `PoseEstimator`.
    """

    bottom_up: bool

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        ...

    def __call__(self, image: Image, /) -> Poses:
        """All people's poses in ``image``, in any order."""
        ...


class TakesUploads(Protocol):
    """A detector, estimator or flow whose images are taken from a device.

    A tracker sends an image there once, by the first of them, and gives each of the others that
    names the same device what came of it, in place of the image.
    """

    @property
    def image_device(self) -> Any:
        """The torch device where images are wanted; None for images on the host."""
        ...

    def upload(self, image: Image, /) -> Any:
        """The image there, a `posetrack.runtimes.uploads.Uploaded`."""
        ...


@runtime_checkable
class BatchDetector(Protocol):
    """A detector that is quicker with several images at once, where they are at hand."""

    @property
    def images_at_once(self) -> int:
        """How many it likes to get, at least 1."""
        ...

    def detect_all(self, images: Sequence[Any], /) -> list[Detections]:
        """People's boxes in each image, as one call for each gives them."""
        ...


@runtime_checkable
class SharedNetwork(Protocol):
    """One network that finds boxes and, in these or any others, keypoints.

    As with flows, ``prepare`` does once what an image needs, and its state is handed on: the
    tracker calls it once an image, then ``detect`` where the detector is due, then ``estimate``
    with these boxes and those that flow proposes. Given as a tracker's estimator it needs no
    detector; with one beside it, its own boxes are not asked for. A state holds no reference to
    the caller's image buffer.
    """

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the poses."""
        ...

    def prepare(self, image: Image, /) -> Any:
        """Whatever ``detect`` and ``estimate`` need to know of ``image``."""
        ...

    def detect(self, state: Any, /) -> Detections:
        """People's boxes, in any order; none is fine."""
        ...

    def estimate(self, state: Any, boxes: Detections, /) -> Poses:
        """One pose for each box, in the boxes' order, with ``boxes`` passed through."""
        ...


class FlowEstimator(Protocol):
    """Moves points from one image to the next.

    ``prepare`` does once what an image needs (grey, pyramid, upload); the tracker calls it once an
    image and uses the state as ``after`` now and as ``before`` for the next image. A state holds
    no reference to the caller's image buffer, which may be reused.
    """

    def prepare(self, image: Image, /) -> Any:
        """Whatever ``move`` needs to know of ``image``."""
        ...

    def move(self, before: Any, after: Any, xy: Points, /) -> tuple[Points, NDArray[np.bool_]]:
        """Move points of ``before`` to where they are in ``after``.

        Parameters
        ----------
        before, after
            States from ``prepare``, of images of the same size.
        xy
            (P, 2) pixels; NaN rows stay NaN and are not valid.

        Returns
        -------
        xy
            (P, 2) pixels, the moved points.
        valid
            (P,), False where a point left the image or could not be followed.
        """
        ...
