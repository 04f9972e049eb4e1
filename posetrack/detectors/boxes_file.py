"""Boxes that somebody found before, read from a file, by frame.

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

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from posetrack.interfaces import Image
from posetrack.structures import Detections

Row: TypeAlias = tuple[int, tuple[float, float, float, float], float]
"""Frame from 0; left, top, right, bottom; score."""

MAX_BYTES: Final = 1 << 30
"""Larger files are refused: boxes of hours of crowds need less."""


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
        If there is no such file.
    ValueError
        If it is none of these, too large, or a box is not four finite numbers with width and
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
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected a file of boxes, this is a folder")
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file of boxes")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size:,} bytes; boxes need at most {MAX_BYTES:,}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text (JSON or MOT), found bytes: {error}") from error
    if path.suffix.lower() == ".json":
        rows, frames = _json_rows(text, path, image_ids, video)
    elif image_ids is not None or video is not None:
        raise ValueError(f"{path}: image_ids and video go with JSON; MOT text has frame numbers")
    else:
        rows, frames = _mot_rows(text, path), range(0)
    wanted = [row for row in rows if min_score is None or row[2] >= min_score]
    return _by_frame(wanted, frames)


class ReplayDetector:
    """A detector that answers with boxes known before: call by call, one frame after the other.

    It cannot see which frame it is asked about, it only counts. Where frames are skipped, or the
    detector is not run on each (``detect_every``), give the boxes to the tracker instead:
    ``tracker.update(image, detections=replay.at(frame))``.

    Parameters
    ----------
    boxes
        By frame, as `read_boxes` gives them. A frame that is not there has no people.
    start
        The frame of the first call.

    Examples
    --------
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
        """Boxes of a frame; nobody where nothing is known."""
        return self._boxes.get(frame, Detections.empty())


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


def _mot_rows(text: str, path: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            values = [float(part) for part in line.replace(",", " ").split()]
        except ValueError:
            values = []
        if len(values) < 6:
            raise ValueError(
                f"{where}: expected numbers frame, id, left, top, width, height[, score, ...], "
                f"got {line[:80]!r}"
            )
        if not values[0].is_integer() or values[0] < 1:
            raise ValueError(f"{where}: frames are whole numbers from 1, got {values[0]:g}")
        mark = values[6] if len(values) > 6 else -1.0
        if len(values) == 9 and (mark == 0 or values[7] not in (1, 2, 7)):
            continue  # ground truth: to be ignored, or not a person
        left, top, right, bottom = _corners(values[2:6], where)
        score = _score(1.0 if mark == -1 else mark, where)
        rows.append((int(values[0]) - 1, (left - 1, top - 1, right - 1, bottom - 1), score))
    return rows


def _json_rows(
    text: str, path: Path, image_ids: Sequence[int] | None, video: str | None
) -> tuple[list[Row], Iterable[int]]:
    order: list[int] | None
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if isinstance(document, dict):
        annotations, person = _list(document, "annotations", path), _person(document)
        in_file = _images_of(document, path, video)
        order = in_file if image_ids is None else list(image_ids)
    elif video is not None:
        raise ValueError(f"{path}: a list of results has no videos; give image_ids= instead")
    else:
        annotations, person = document, 1
        order = None if image_ids is None else list(image_ids)
    if not isinstance(annotations, list):
        raise ValueError(
            f"{path}: expected a COCO or PoseTrack document or a list of results, got "
            f"{type(document).__name__}"
        )
    frame_of = None if order is None else {image: frame for frame, image in enumerate(order)}
    rows = []
    for number, annotation in enumerate(annotations):
        row = _json_row(annotation, frame_of, person, f"{path}, annotation {number}")
        if row is not None:
            rows.append(row)
    return rows, range(0 if order is None else len(order))


def _json_row(
    annotation: Any, frame_of: Mapping[int, int] | None, person: int, where: str
) -> Row | None:
    """One annotation; None if it is of no person or of no image wanted."""
    if not isinstance(annotation, dict) or not _is_whole(annotation.get("image_id")):
        raise ValueError(f"{where}: expected an object with a whole number 'image_id'")
    image = int(annotation["image_id"])
    frame = image if frame_of is None else frame_of.get(image)
    if frame is None or annotation.get("category_id", person) != person:
        return None
    if annotation.get("iscrowd"):
        return None
    if frame < 0:
        raise ValueError(f"{where}: image_id counts frames from 0, got {frame}")
    bbox = annotation.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        raise ValueError(f"{where}: expected 'bbox' as four numbers, got {str(bbox)[:80]}")
    score = annotation.get("score", 1.0)
    if not _is_number(score):
        raise ValueError(f"{where}: expected 'score' as a number, got {str(score)[:80]}")
    return frame, _corners(bbox, where), _score(score, where)


def _images_of(document: Mapping[str, Any], path: Path, video: str | None) -> list[int]:
    """Ids of the images of one video, in the file's order."""
    images = _list(document, "images", path)
    for number, image in enumerate(images):
        if not isinstance(image, dict) or not _is_whole(image.get("id")):
            raise ValueError(f"{path}, image {number}: expected an object with a whole number 'id'")
    videos = sorted({str(image["vid_id"]) for image in images if "vid_id" in image})
    if video is None and len(videos) > 1:
        raise ValueError(f"{path} has {len(videos)} videos; choose with video=: {videos[:20]}")
    if video is not None and video not in videos:
        raise ValueError(f"{path} has no video {video!r}; it has {videos[:20]}")
    ids = [int(i["id"]) for i in images if video is None or str(i.get("vid_id")) == video]
    if len(set(ids)) != len(ids):
        raise ValueError(f"{path}: an image id occurs twice")
    return ids


def _person(document: Mapping[str, Any]) -> int:
    """Number of the category called person; 1 where the file does not say."""
    categories = document.get("categories")
    for category in categories if isinstance(categories, list) else []:
        if isinstance(category, dict) and category.get("name") == "person":
            number = category.get("id")
            return number if isinstance(number, int) else 1
    return 1


def _list(document: Mapping[str, Any], key: str, path: Path) -> list[Any]:
    values = document.get(key)
    if not isinstance(values, list):
        raise ValueError(f"{path}: expected {key!r}, a list, as COCO and PoseTrack18 files have it")
    return values


def _corners(xywh: Sequence[float], where: str) -> tuple[float, float, float, float]:
    left, top, width, height = (float(value) for value in xywh)
    sane = all(map(_is_number, (left, top, width, height)))
    if not sane or width < 0 or height < 0:
        raise ValueError(
            f"{where}: a box is left, top, width, height, finite and not negative in size; got "
            f"{[left, top, width, height]}"
        )
    return left, top, left + width, top + height


def _score(value: float, where: str) -> float:
    if not _is_number(value):
        raise ValueError(f"{where}: expected a finite score, got {value}")
    return float(value)


def _is_number(value: Any) -> bool:
    """Whether it is a number that a box may have; NaN is not, nor is what float32 cannot hold."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and abs(value) <= _LARGEST


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_LARGEST: Final = 1e9
