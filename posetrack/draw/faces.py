"""Faces covered for privacy: heads are blurred, pixelated or filled, and for a moment remembered.

This errs on the side of covering: regions are larger than a head, a face that is not seen is
guessed from shoulders or box, and its last place stays covered for a moment. People whom the
tracker did not find stay as they are: watch the video before you pass it on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from posetrack.draw.head_regions import Heads, find_heads
from posetrack.interfaces import Image

FloatArray = NDArray[np.float64]
Cover = Literal["blur", "pixelate", "fill"]

__all__ = ["Cover", "FaceCover", "Heads", "cover_regions", "faces_over_time", "find_heads"]

_CELLS: Final = 6
_GREY: Final = 96


class FaceCover:
    """What to cover in each frame, as it comes: heads, and for a moment where they were.

    A face that is seen surely is covered there, where it was in the frame before, and where it
    was a fifth of a second ago.
    One that is not is covered wherever it may be and, as that of a person who was lost, where it
    was seen last, in a region that grows, until ``memory`` seconds have passed.

    Parameters
    ----------
    memory
        Seconds.
    growth
        By how much of itself a remembered region grows within ``memory``.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.structures import Poses, Tracks
    >>> xy = np.random.default_rng(0).uniform(0, 99, (1, 17, 2))
    >>> cover = FaceCover(memory=1.0)
    >>> nobody = Tracks.empty(COCO_17)
    >>> frames = [Tracks(Poses.from_keypoints(xy, None, COCO_17), [7]), nobody, nobody]
    >>> [len(cover.update(find_heads(who), t)) for who, t in zip(frames, (0.0, 0.9, 1.1))]
    [1, 1, 0]
    """

    def __init__(self, *, memory: float = 1.0, growth: float = 0.5) -> None:
        if not memory >= 0 or not growth >= 0:
            raise ValueError(f"memory and growth are at least 0, got {memory} and {growth}")
        self.memory, self.growth = memory, growth
        self._linger = min(0.2, memory)
        self._last: dict[int, list[tuple[float, FloatArray]]] = {}

    def update(self, heads: Heads, seconds: float) -> FloatArray:
        """(M, 4) ellipses to cover in this frame; time may also run backwards, but one way."""
        regions = list(heads.ellipses)
        seen = set(heads.ids[heads.sure].tolist())
        for person, places in list(self._last.items()):
            limit = self._linger if person in seen else self.memory
            kept = [(then, spot) for then, spot in places if abs(seconds - then) <= self.memory]
            if not kept:
                del self._last[person]
                continue
            self._last[person] = kept
            # The last place, and an older one in case the face is taken for something else now.
            for then, spot in (kept[-1], kept[0])[: len(kept)]:
                if abs(seconds - then) <= limit:
                    grown = self._growth(abs(seconds - then))
                    regions.append(spot * [1, 1, grown, grown])
        for person, spot, sure in zip(heads.ids.tolist(), heads.ellipses, heads.sure, strict=True):
            if sure:
                recent = self._last.setdefault(person, [])
                recent[:] = [one for one in recent if abs(seconds - one[0]) <= self._linger]
                recent.append((seconds, spot))
        return np.array(regions, np.float64).reshape(-1, 4)

    def _growth(self, age: float) -> float:
        return 1 + self.growth * age / self.memory if self.memory else 1.0


def faces_over_time(
    frames: Iterable[tuple[int, float, Heads]], *, memory: float = 1.0
) -> dict[int, FloatArray]:
    """What to cover in each frame of what is known as a whole: also for a moment before.

    Parameters
    ----------
    frames
        Index, seconds and heads of every frame to be shown, in order.
    memory
        Seconds, see `FaceCover`.

    Returns
    -------
    By index, (M, 4) ellipses.

    Examples
    --------
    >>> nobody = Heads(np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, bool))
    >>> one = Heads(np.array([7]), np.array([[5.0, 5, 2, 2]]), np.array([True]))
    >>> found = faces_over_time([(0, 0.0, nobody), (1, 0.5, one), (2, 1.0, nobody)])
    >>> {index: len(regions) for index, regions in found.items()}
    {0: 1, 1: 1, 2: 1}
    """
    known = list(frames)
    forward, backward = FaceCover(memory=memory), FaceCover(memory=memory)
    found = {index: forward.update(heads, seconds) for index, seconds, heads in known}
    for index, seconds, heads in reversed(known):
        before = backward.update(heads, seconds)[len(heads.ids) :]  # the heads are there already
        found[index] = np.concatenate([found[index], before])
    return found


def cover_regions(
    image: Image, ellipses: ArrayLike, *, cover: Cover = "blur", out: Image | None = None
) -> Image:
    """Cover parts of an image; all other pixels stay as they are.

    Blurred and pixelated regions keep about six values across, in which no face is known again
    by eye; a program may guess more from many frames. Filling leaves nothing.

    Parameters
    ----------
    image
        uint8, (H, W, 3), BGR; comes back untouched unless it is also ``out``.
    ellipses
        (M, 4) centre x and y, half width and half height in pixels.
    cover
        ``"blur"``, ``"pixelate"``, or ``"fill"`` with grey.
    out
        Where to draw: ``image`` itself or one of its shape; a new one when None.

    Examples
    --------
    >>> image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    >>> covered = cover_regions(image, [[20, 20, 10, 10]], cover="fill")
    >>> changed = (covered != image).any(axis=2)
    >>> bool(changed[20, 20]), bool(changed[20, 9]), bool(changed[5, 20])
    (True, False, False)
    """
    if cover not in ("blur", "pixelate", "fill"):
        raise ValueError(f"cover is blur, pixelate or fill, got {cover!r}")
    canvas = image.copy() if out is None else out
    if canvas is not image and out is not None:
        np.copyto(canvas, image)
    height, width = canvas.shape[:2]
    for x, y, across, down in np.asarray(ellipses, np.float64).reshape(-1, 4).tolist():
        left, right = max(int(x - across), 0), min(int(x + across) + 2, width)
        top, bottom = max(int(y - down), 0), min(int(y + down) + 2, height)
        if left >= right or top >= bottom or across <= 0 or down <= 0:
            continue
        rows, columns = np.ogrid[top:bottom, left:right]
        inside = ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1
        part = canvas[top:bottom, left:right]
        part[inside] = _cover(part, cover, 2 * max(across, down))[inside]
    return canvas


def _cover(part: Image, cover: Cover, size: float) -> Image:
    """A rectangle of an image with about six values across a face left of it."""
    if cover == "fill":
        return np.full_like(part, _GREY)
    high, wide = part.shape[:2]
    cell = size / _CELLS
    few = max(round(wide / cell), 1), max(round(high / cell), 1)
    small = cv2.resize(part, few, interpolation=cv2.INTER_AREA)
    resize_method = cv2.INTER_NEAREST if cover == "pixelate" else cv2.INTER_LINEAR
    return cv2.resize(small, (wide, high), interpolation=resize_method).astype(np.uint8)
