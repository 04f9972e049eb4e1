"""People drawn over an image: limbs, keypoints, boxes and labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.draw.colours import Colour, colour_of, mix
from posetrack.draw.lines import clip_segments, dashes
from posetrack.draw.trails import Trails
from posetrack.interfaces import Image
from posetrack.skeletons import Skeleton
from posetrack.structures import Person, Tracks

_SHIFT: Final = 4
_ONE: Final = 1 << _SHIFT
"""OpenCV takes coordinates as whole sixteenths of a pixel."""

_BLACK: Final = (0, 0, 0)
_WHITE: Final = (255, 255, 255)
_DARK: Final = (24, 24, 24)
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT: Final = 22
"""Height of a capital of that font at scale 1, in pixels."""

_CENTRE, _LEFT, _RIGHT = 0, 1, 2

Fixed = NDArray[np.int32]


def draw_tracks(
    image: Image,
    tracks: Tracks,
    *,
    trails: Trails | None = None,
    boxes: bool = True,
    labels: bool | Callable[[Person], str] = True,
    min_score: float = 0.2,
    thickness: float | None = None,
    out: Image | None = None,
) -> Image:
    """Draw people over an image: each in the colour of their id.

    Left limbs are lighter and right limbs darker than the trunk. A box that came from optical
    flow instead of the detector is dashed. Nearer people (those who stand lower) cover others.

    Parameters
    ----------
    image
        uint8, (H, W, 3), BGR; comes back untouched unless it is also ``out``.
    tracks
        Who to draw. Keypoints outside the image are fine.
    trails
        Where people were, drawn below them; this frame's places are added to them.
    boxes
        Whether to draw boxes.
    labels
        True writes ids; a function of a person writes what it returns; False nothing.
    min_score
        Keypoints that score less, and limbs that end in one, are left out.
    thickness
        Of a limb in pixels; grows with image and person when None.
    out
        Where to draw: an image of the same shape, e.g. a buffer used again and again, or
        ``image`` itself. A new one when None.

    Returns
    -------
    Image
        ``out``, or a new image.

    Raises
    ------
    ValueError
        If ``image`` is not uint8 (H, W, 3), or ``out`` is not like it.

    Examples
    --------
    >>> from posetrack.skeletons import COCO_17
    >>> from posetrack.structures import Poses
    >>> image = np.zeros((48, 64, 3), np.uint8)
    >>> xy = np.random.default_rng(0).uniform(8, 40, (1, 17, 2))
    >>> people = Tracks(Poses.from_keypoints(xy, None, COCO_17), [1])
    >>> bool(draw_tracks(image, people).any()), bool(image.any())
    (True, False)
    """
    canvas = _canvas(image, out)
    if trails is not None:
        trails.push(tracks)
        trails.draw(canvas)
    if not len(tracks) or not canvas.size:
        return canvas
    widths = _limb_widths(tracks, canvas, thickness)
    # Those who stand lower in the picture are nearer to the camera.
    order = np.argsort(tracks.boxes.xyxy[:, 3], kind="stable").tolist()
    colours = [colour_of(track_id) for track_id in tracks.ids.tolist()]
    if boxes:
        for row in order:
            _draw_box(canvas, tracks, row, colours[row], widths[row])
    limbs = _limbs(canvas, tracks, min_score)
    for row in order:
        _draw_limbs(canvas, limbs, row, colours[row], widths[row])
        _draw_keypoints(canvas, tracks, row, min_score, colours[row], widths[row])
    if labels:
        texts = [labels(p) if callable(labels) else str(p.id) for p in tracks]
        _draw_labels(canvas, tracks.boxes.xyxy, texts, colours, order)
    return canvas


def draw_note(image: Image, text: str) -> None:
    """Write a line into an image's lower left corner.

    Examples
    --------
    >>> image = np.zeros((90, 160, 3), np.uint8)
    >>> draw_note(image, "lag 0.1 s")
    >>> bool(image[60:, :80].any()), bool(image[:45].any())
    (True, False)
    """
    height, width = image.shape[:2]
    size = max(10.0, min(height, width) / 30)
    scale, stroke = size / _FONT_HEIGHT, max(1, round(size / 10))
    foot = round(size / 2), height - round(size / 2)
    for colour, wide in ((_DARK, 3 * stroke), ((255, 255, 255), stroke)):
        cv2.putText(image, text, foot, _FONT, scale, colour, wide, cv2.LINE_AA)


def _canvas(image: Image, out: Image | None) -> Image:
    """The array to draw on, with the image in it."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        got = f"{getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}"
        raise ValueError(f"image must be uint8 (H, W, 3) in BGR, got {got}")
    if out is None:
        return image.copy(order="C")
    if out.shape != image.shape or out.dtype != np.uint8:
        raise ValueError(
            f"out must be uint8 {image.shape} as image is, got {out.dtype} {out.shape}"
        )
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError("out must be contiguous and writeable; pass None for a new image")
    if out is not image:
        np.copyto(out, image)
    return out


def _limb_widths(tracks: Tracks, canvas: Image, thickness: float | None) -> list[int]:
    """Pixels across a limb for each person: about a hundredth of their size."""
    if thickness is not None:
        return [max(1, round(thickness))] * len(tracks)
    most = max(2.0, min(canvas.shape[:2]) / 150)
    xyxy = tracks.boxes.xyxy.astype(np.float64)
    sizes = np.maximum(xyxy[:, 2] - xyxy[:, 0], xyxy[:, 3] - xyxy[:, 1])
    return [round(min(max(size / 90, 1), most)) for size in sizes.tolist()]


@lru_cache(maxsize=64)
def _sides(skeleton: Skeleton) -> tuple[int, ...]:
    """For each edge: left, right, or neither."""
    left = {first for first, _ in skeleton.mirrored}
    right = {second for _, second in skeleton.mirrored}
    return tuple(
        _LEFT if set(edge) <= left else _RIGHT if set(edge) <= right else _CENTRE
        for edge in skeleton.edges
    )


def _limbs(canvas: Image, tracks: Tracks, min_score: float) -> dict[int, list[list[Fixed]]]:
    """For each person, the limbs of centre, left and right that can be seen, as fixed points."""
    edges = tracks.skeleton.edge_indices
    limbs: dict[int, list[list[Fixed]]] = {row: [[], [], []] for row in range(len(tracks))}
    shown = np.isfinite(tracks.xy).all(axis=-1) & (tracks.scores >= min_score)
    rows, numbers = np.nonzero(shown[:, edges[:, 0]] & shown[:, edges[:, 1]])
    starts = tracks.xy[rows, edges[numbers, 0]]
    ends = tracks.xy[rows, edges[numbers, 1]]
    kept, points = clip_segments(starts, ends, canvas.shape)
    fixed = (points * _ONE).round().astype(np.int32)
    sides = _sides(tracks.skeleton)
    for segment, row, number in zip(
        fixed, rows[kept].tolist(), numbers[kept].tolist(), strict=True
    ):
        limbs[row][sides[number]].append(segment)
    return limbs


def _draw_limbs(
    canvas: Image, limbs: dict[int, list[list[Fixed]]], row: int, colour: Colour, width: int
) -> None:
    """Coloured lines over wider dark ones, so that they are seen on any background."""
    every = [segment for side in limbs[row] for segment in side]
    if not every:
        return
    rim = 2 if width > 1 else 1  # small people must not drown in their outlines
    cv2.polylines(canvas, every, False, _DARK, width + rim, cv2.LINE_AA, _SHIFT)
    shades = (colour, mix(colour, _WHITE, 0.4), mix(colour, _BLACK, 0.3))
    for shade, segments in zip(shades, limbs[row], strict=True):
        if segments:
            cv2.polylines(canvas, segments, False, shade, width, cv2.LINE_AA, _SHIFT)


def _draw_keypoints(
    canvas: Image, tracks: Tracks, row: int, min_score: float, colour: Colour, width: int
) -> None:
    """A light dot with a dark rim at each keypoint."""
    height, across = canvas.shape[:2]
    xy = tracks.xy[row]
    reach = 2 * width + 2
    with np.errstate(invalid="ignore"):  # NaN compares as False: not drawn
        shown = (
            (tracks.scores[row] >= min_score)
            & (xy > -reach).all(axis=1)
            & (xy[:, 0] < across + reach)
            & (xy[:, 1] < height + reach)
        )
    light = mix(colour, _WHITE, 0.75)
    radius = round((0.55 * width + 0.6) * _ONE)
    rim = round(min(1.0, 0.25 * width) * _ONE)
    for x, y in (xy[shown] * _ONE).round().astype(np.int32).tolist():
        cv2.circle(canvas, (x, y), radius + rim, _DARK, -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(canvas, (x, y), radius, light, -1, cv2.LINE_AA, _SHIFT)


def _draw_box(canvas: Image, tracks: Tracks, row: int, colour: Colour, width: int) -> None:
    """A thin frame, dashed where it is not the detector's."""
    assert tracks.flow_age is not None  # set by Tracks
    left, top, right, bottom = tracks.boxes.xyxy[row].astype(np.float64).tolist()
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    starts, ends = corners, np.roll(corners, -1, axis=0)
    _, sides = clip_segments(starts, ends, canvas.shape)
    thin = max(1, round(width / 3))
    if tracks.flow_age[row]:
        sides = dashes(sides, 6.0 * width + 4)
    if len(sides):
        fixed = list((sides * _ONE).round().astype(np.int32))
        if width > 2:
            cv2.polylines(canvas, fixed, False, _DARK, thin + 2, cv2.LINE_8, _SHIFT)
        cv2.polylines(canvas, fixed, False, colour, thin, cv2.LINE_8, _SHIFT)


def _draw_labels(
    canvas: Image,
    xyxy: NDArray[Any],
    texts: Sequence[str],
    colours: Sequence[Colour],
    order: Sequence[int],
) -> None:
    """Text on a patch of the person's colour above their box, moved off earlier patches."""
    height, across = canvas.shape[:2]
    size = max(10.0, min(height, across) / 42)
    scale, stroke = size / _FONT_HEIGHT, max(1, round(size / 10))
    pad = math.ceil(size / 3)
    placed: list[tuple[int, int, int, int]] = []
    for row in reversed(order):  # the nearest person's label stays where it belongs
        text = texts[row]
        left, top, right, bottom = xyxy[row].astype(np.float64).tolist()
        hidden = right < 0 or bottom < 0 or left > across or top > height
        if not text or hidden:
            continue
        wide = cv2.getTextSize(text, _FONT, scale, stroke)[0][0] + 2 * pad
        high = math.ceil(size) + 2 * pad
        x = int(min(max(left, 0), max(across - wide, 0)))
        y = int(min(max(top - high, 0), max(height - high, 0)))
        y = _free_row(x, y, wide, high, height, placed)
        placed.append((x, y, wide, high))
        cv2.rectangle(canvas, (x - 1, y - 1), (x + wide, y + high), _DARK, -1)
        cv2.rectangle(canvas, (x, y), (x + wide - 1, y + high - 1), colours[row], -1)
        foot = (x + pad, y + high - pad)
        cv2.putText(canvas, text, foot, _FONT, scale, _DARK, stroke, cv2.LINE_AA)


def _free_row(
    x: int, y: int, wide: int, high: int, height: int, placed: Sequence[tuple[int, int, int, int]]
) -> int:
    """The y nearest to the one wanted where a label covers none of those placed."""
    for offset in (0, -1, 1, -2, 2, 3):
        moved = y + offset * (high + 2)
        covers = any(
            x < left + w and left < x + wide and moved < top + h and top < moved + high
            for left, top, w, h in placed
        )
        if 0 <= moved <= max(height - high, 0) and not covers:
            return moved
    return y
