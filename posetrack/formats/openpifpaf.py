"""OpenPifPaf's predictions: a line of JSON a frame of a video, or a file an image.

Source: openpifpaf's ``video.py``, ``predict.py`` and ``annotation.py``, ``json_data``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from posetrack.files import as_kind, read_json, read_json_frames
from posetrack.formats.coco import points_of
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.labels import LabelledImage, LabelledPerson, Labels, table_of_labels
from posetrack.formats.numbers import Id, Number, number, whole, xyxy_of
from posetrack.formats.table import TrackTable

_ENDING = ".predictions.json"


class _Annotation(msgspec.Struct):
    keypoints: list[Number] | None = None
    bbox: list[Number] | None = None
    score: Number | None = None
    category_id: Id | None = None
    id_: Number | None = None


class _Frame(msgspec.Struct):
    predictions: list[_Annotation]
    frame: Number | None = None


def read_openpifpaf(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read the predictions for a video, or for images.

    OpenPifPaf counts a video's frames from 1. Identities are ``id_``, which its tracking writes.

    Parameters
    ----------
    path
        The file of ``openpifpaf.video --json-output``, a ``.predictions.json`` of an image, or a
        folder of these.
    hints
        Its ``rate`` is needed. Its ``skeleton`` is needed where keypoints are not 17, 26 or 133.

    Raises
    ------
    ValueError
        If it is no such file; the message names the file and the line.

    Examples
    --------
    >>> import json, tempfile
    >>> person = {"keypoints": [5.0, 6.0, 0.9] * 17, "bbox": [5, 6, 10, 20], "score": 0.9, "id_": 4}
    >>> document = {"frame": 1, "predictions": [person]}
    >>> path = Path(tempfile.mkdtemp()) / "walk.json"
    >>> _ = path.write_text(json.dumps(document))
    >>> read_openpifpaf(path, Hints(rate=25)).ids.tolist()
    [4]
    """
    path = Path(path)
    left_out: dict[str, int] = {}
    images = []
    if path.is_dir():
        for file in sorted(path.glob(f"*{_ENDING}")):
            rows = read_json(file, list[_Annotation], nan=True)
            people = _people(rows, str(file), left_out)
            images.append(LabelledImage(file.name.removesuffix(_ENDING), people))
        return table_of_labels(Labels(None, tuple(images), (), left_out), str(path), hints)
    documents = read_json_frames(path)
    if len(documents) == 1 and isinstance(documents[0], list):
        rows = as_kind(documents[0], str(path), list[_Annotation])
        images = [LabelledImage(path.stem, _people(rows, str(path), left_out), None, 0)]
        return table_of_labels(Labels(None, tuple(images), (), left_out), str(path), hints)
    frames = [
        as_kind(document, f"{path}, line {n}", _Frame) for n, document in enumerate(documents, 1)
    ]
    indices = [
        n if frame.frame is None else whole(frame.frame, f"{path}, line {n}: 'frame'")
        for n, frame in enumerate(frames, 1)
    ]
    first = min(1, min(indices, default=1))
    for n, (index, frame) in enumerate(zip(indices, frames, strict=True), 1):
        people = _people(frame.predictions, f"{path}, line {n}", left_out)
        images.append(LabelledImage(f"line {n}", people, None, index - first))
    return table_of_labels(Labels(None, tuple(images), (), left_out), str(path), hints)


def _people(
    rows: list[_Annotation], title: str, left_out: dict[str, int]
) -> tuple[LabelledPerson, ...]:
    people = []
    for n, row in enumerate(rows):
        where = f"{title}, prediction {n}"
        if row.keypoints is None or row.category_id not in (None, 1):
            reason = "without keypoints" if row.keypoints is None else "of another category than 1"
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        points = points_of(row.keypoints, f"{where}: 'keypoints'")
        points[points[:, 2] <= 0] = (np.nan, np.nan, 0)
        box: Any = None if row.bbox is None else xyxy_of(row.bbox, f"{where}: 'bbox'")
        identity = None if row.id_ is None else whole(row.id_, f"{where}: 'id_'")
        score = number(row.score, f"{where}: 'score'")
        people.append(LabelledPerson(points, box, score, identity, f"prediction {n}"))
    return tuple(people)
