"""Boxes that someone found before, read from a file, by frame.

Frames are counted from 0, in the order of the video, and coordinates are pixels with centres at
integers, whatever the file's own custom is.

===========================  ====================================================================
file                         what is read
===========================  ====================================================================
PoseTrack18 JSON             ``bbox`` of the annotations; the frame is the place of the image among
                             ``images``
COCO annotations JSON        the same
COCO results JSON (a list)   ``bbox`` and ``score``; the frame is ``image_id`` itself, or the place
                             of that id in ``image_ids``
MOT Challenge text           ``frame, id, left, top, width, height, score, ...``; frames and pixels
                             count from 1 in the file
===========================  ====================================================================
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from posetrack.formats.coco import Category, Person, Picture, is_object, read_document, read_results
from posetrack.formats.mot import read_lines
from posetrack.formats.numbers import Id, whole
from posetrack.structures import Detections

Row: TypeAlias = tuple[int, tuple[float, float, float, float], float]
"""Frame from 0; left, top, right, bottom; score."""


def read_boxes(
    path: str | Path,
    *,
    image_ids: Sequence[int] | None = None,
    video: str | None = None,
    min_score: float | None = None,
) -> dict[int, Detections]:
    r"""People's boxes in a file, by frame.

    Parameters
    ----------
    path
        PoseTrack18 or COCO JSON (``.json``), or MOT text (any other ending).
    image_ids
        The video's image ids in order, for COCO results, which do not say it.
    video
        ``vid_id`` of the sequence wanted, for a JSON file with several.
    min_score
        Boxes below it are left out.

    Returns
    -------
    boxes
        Frames counted from 0. With ``images`` in the file, or ``image_ids``, every frame is
        there, also those without people; else only frames with boxes are.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If the file does not exist.
    ValueError
        If it is not one of these, too large, or a box is not four finite numbers with width and
        height of at least 0; the message names the file and the line or annotation.

    Notes
    -----
    People only: category 1, or the one that the file calls "person". Score 1 where the file has
    none (in MOT text, none or -1). MOT ground truth of nine columns has a mark for rows to be
    ignored, 0, and a class: rows with mark 0 and classes other than 1, 2 and 7 (people) are left
    out. Crowd regions (``iscrowd``) are left out.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "det.txt"
    >>> _ = path.write_text("1,-1,11,21,30,60,0.9\n3,-1,1,1,10,20,0.8\n")
    >>> boxes = read_boxes(path)
    >>> list(boxes), boxes[0].xyxy.tolist()
    ([0, 2], [[10.0, 20.0, 40.0, 80.0]])
    """
    path = Path(path)
    if path.suffix.lower() == ".json":
        rows, frames = _json_rows(path, image_ids, video)
    elif image_ids is not None or video is not None:
        raise ValueError(f"{path}: image_ids and video go with JSON; MOT text has frame numbers")
    else:
        rows, frames = _mot_rows(path), range(0)
    wanted = [row for row in rows if min_score is None or row[2] >= min_score]
    return _by_frame(wanted, frames)


def _by_frame(rows: Iterable[Row], frames: Iterable[int]) -> dict[int, Detections]:
    grouped: dict[int, list[Row]] = {frame: [] for frame in frames}
    for row in rows:
        grouped.setdefault(row[0], []).append(row)
    return {
        frame: Detections(
            np.array([xyxy for _, xyxy, _ in found], np.float32).reshape(-1, 4),
            np.array([score for _, _, score in found], np.float32),
        )
        for frame, found in sorted(grouped.items())
    }


def _mot_rows(path: Path) -> list[Row]:
    boxes = read_lines(path)
    people = boxes.of_people
    _check_left_out(path, {"marked as to be ignored or of no person": int((~people).sum())}, people)
    rows = []
    columns = (boxes.line, boxes.frame, boxes.xyxy, boxes.scores)
    for line, frame, xyxy, score in zip(*(c[people].tolist() for c in columns), strict=True):
        title = f"{path}, line {line}"
        if not all(map(_is_sane, xyxy)):
            raise ValueError(f"{title}: a box is finite and in pixels; got {xyxy}")
        rows.append((frame, tuple(xyxy), _score(score, title)))
    return rows


def _json_rows(
    path: Path, image_ids: Sequence[int] | None, video: str | None
) -> tuple[list[Row], Iterable[int]]:
    order: Sequence[Id] | None = image_ids
    annotations: list[Person]
    if is_object(path):
        document = read_document(path, nan=True)
        annotations, person = document.annotations, _person(document.categories or [])
        in_file = _images_of(document.images, path, video)
        order = in_file if image_ids is None else image_ids
    elif video is not None:
        raise ValueError(f"{path}: a list of results has no videos; give image_ids= instead")
    else:
        annotations, person = read_results(path, nan=True), 1
    frame_of = None if order is None else {image: frame for frame, image in enumerate(order)}
    left_out = {"of no person": 0, "crowds": 0}
    elsewhere = 0
    rows = []
    for number, annotation in enumerate(annotations):
        title = f"{path}, annotation {number}"
        if annotation.image_id is None:
            raise ValueError(f"{title}: no 'image_id'")
        frame = _frame(annotation.image_id, frame_of, title)
        if frame is None:
            elsewhere += 1
        elif annotation.category_id not in (None, person):
            left_out["of no person"] += 1
        elif annotation.iscrowd:
            left_out["crowds"] += 1
        else:
            score = 1.0 if annotation.score is None else annotation.score
            rows.append((frame, _corners(annotation.bbox, title), _score(score, title)))
    if elsewhere and not rows and not any(left_out.values()) and video is None:
        raise ValueError(f"{path}: all {elsewhere} boxes are of images that are not in the list")
    _check_left_out(path, left_out, rows)
    return rows, range(0 if order is None else len(order))


def _check_left_out(path: Path, left_out: Mapping[str, int], kept: Any) -> None:
    """Say what is left out; refuse where nothing else is there."""
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
    if reasons and not np.any(np.asarray([len(kept)]) if isinstance(kept, list) else kept):
        raise ValueError(f"{path}: all boxes are left out: {reasons}")
    if reasons:
        warnings.warn(f"{path}: boxes left out: {reasons}", UserWarning, stacklevel=4)


def _frame(image: Id, frame_of: Mapping[Id, int] | None, title: str) -> int | None:
    if frame_of is not None:
        return frame_of.get(image)
    frame = whole(image, f"{title}: 'image_id'")
    if frame < 0:
        raise ValueError(f"{title}: image_id counts frames from 0, got {frame}")
    return frame


def _images_of(images: Sequence[Picture], path: Path, video: str | None) -> list[Id]:
    """Ids of the images of one video, in the file's order."""
    videos = sorted({str(image.vid_id) for image in images if image.vid_id is not None})
    if video is None and len(videos) > 1:
        raise ValueError(f"{path} has {len(videos)} videos; choose with video=: {videos[:20]}")
    if video is not None and video not in videos:
        raise ValueError(f"{path} has no video {video!r}; it has {videos[:20]}")
    wanted = [image.id for image in images if video is None or str(image.vid_id) == video]
    ids = [image for image in wanted if image is not None]
    if len(ids) < len(wanted):
        raise ValueError(f"{path}: an image has no 'id'")
    if len(set(ids)) != len(ids):
        raise ValueError(f"{path}: an image id occurs twice")
    return ids


def _person(categories: Sequence[Category]) -> Id:
    """Number of the category called person; 1 where the file does not say."""
    found = (category.id for category in categories if category.name == "person")
    return next((number for number in found if number is not None), 1)


def _corners(xywh: Sequence[float] | None, title: str) -> tuple[float, float, float, float]:
    if xywh is None or len(xywh) != 4:
        raise ValueError(f"{title}: expected 'bbox' as four numbers, got {str(xywh)[:80]}")
    left, top, width, height = xywh
    if not all(map(_is_sane, xywh)) or width < 0 or height < 0:
        raise ValueError(
            f"{title}: a box is left, top, width, height, finite and not negative in size; got "
            f"{[left, top, width, height]}"
        )
    return float(left), float(top), float(left + width), float(top + height)


def _score(value: float, title: str) -> float:
    if not _is_sane(value):
        raise ValueError(f"{title}: expected a finite score, got {value}")
    return float(value)


def _is_sane(value: float) -> bool:
    """Whether a number is finite in float32, as those of a box must be."""
    return abs(value) <= _LARGEST


_LARGEST: Final = 1e9
