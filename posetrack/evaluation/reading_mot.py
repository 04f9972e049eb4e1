"""PoseTrack21's box tracking files: MOT text and ``image_info.json``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.evaluation.reading import image_regions
from posetrack.evaluation.sequences import Floats, Ints, Region
from posetrack.files import read_json
from posetrack.formats.coco import Picture
from posetrack.formats.mot import read_lines

_COLUMNS = 7


@dataclass(frozen=True, eq=False)
class BoxSequence:
    """True and predicted boxes of a sequence, in the order of their files.

    Parameters
    ----------
    name
        The sequence.
    regions
        For each of the T frames the polygons to ignore.
    true_frame, true_ids, true_xywh, true_marks
        (P,) frame from 0, (P,) id, (P, 4) left, top, width, height in pixels, and the seventh
        number of each line: CLEAR metrics count only boxes where it is 1.
    frame, ids, xywh, scores
        The same of the predictions.
    """

    name: str
    regions: tuple[tuple[Region, ...], ...]
    true_frame: Ints
    true_ids: Ints
    true_xywh: Floats
    true_marks: Floats
    frame: Ints
    ids: Ints
    xywh: Floats
    scores: Floats


def read_box_sequences(truth: Path, predictions: Path) -> list[BoxSequence]:
    """Read all sequences of a folder by name.

    Parameters
    ----------
    truth
        A folder with, for each sequence, ``<sequence>/gt/gt.txt`` and
        ``<sequence>/image_info.json``.
    predictions
        A folder with ``<sequence>.txt`` (or ``<sequence>``) for each.

    Raises
    ------
    FileNotFoundError
        If something is missing.
    ValueError
        If a line is not frame, id, left, top, width, height and confidence, a frame is not in
        ``image_info.json``, or an id occurs twice in a frame.
    """
    if not truth.is_dir():
        raise FileNotFoundError(f"no folder of ground truth at {truth}")
    folders = sorted(path for path in truth.iterdir() if (path / "gt" / "gt.txt").is_file())
    if not folders:
        raise FileNotFoundError(f"no <sequence>/gt/gt.txt in {truth}")
    return [_read(folder, predictions) for folder in folders]


def _read(folder: Path, predictions: Path) -> BoxSequence:
    info_path = folder / "image_info.json"
    regions = tuple(
        image_regions(_nested(image), f"{info_path}: image {i}") or ()
        for i, image in enumerate(read_json(info_path, list[Picture]))
    )
    found = [predictions / (folder.name + end) for end in (".txt", "")]
    given = [path for path in found if path.is_file()]
    if not given:
        raise FileNotFoundError(f"no predictions for {folder.name}: expected {found[0]}")
    return BoxSequence(
        folder.name,
        regions,
        *_read_boxes(folder / "gt" / "gt.txt", len(regions), of_truth=True),
        *_read_boxes(given[0], len(regions), of_truth=False),
    )


def _nested(image: Picture) -> Picture:
    """A single polygon may stand without the list around it."""

    def nested(value: Any) -> Any:
        return [value] if value and not isinstance(value[0], list) else value

    return Picture(
        ignore_regions_x=nested(image.ignore_regions_x),
        ignore_regions_y=nested(image.ignore_regions_y),
    )


def _read_boxes(path: Path, frames: int, *, of_truth: bool) -> tuple[Ints, Ints, Floats, Floats]:
    boxes = read_lines(path, least=_COLUMNS + of_truth)
    if of_truth and (boxes.classes != -1).any():
        raise ValueError(f"{path}: the eighth number of every line must be -1")
    outside = boxes.frame >= frames
    if outside.any():
        raise ValueError(
            f"{path}: frame {int(boxes.frame[np.argmax(outside)]) + 1}; 'image_info.json' lists "
            f"{frames} images, counted from 1"
        )
    keys = np.stack([boxes.frame, boxes.ids], axis=1)
    keys, counts = np.unique(keys, axis=0, return_counts=True)
    if (counts > 1).any():
        twice = keys[np.argmax(counts > 1)]
        raise ValueError(f"{path}: id {twice[1]} occurs twice in frame {twice[0] + 1}")
    return boxes.frame, boxes.ids, boxes.xywh, boxes.marks
