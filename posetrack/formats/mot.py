"""MOT Challenge text: a person's box a line, read and written.

Boxes for the tracker, truths and results for the evaluation, and tables are taken from `Boxes`.
Source: motchallenge.net, "Submission format".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posetrack.files import read_text, write_whole
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.people import People
from posetrack.formats.plain_csv import words_of
from posetrack.formats.table import TrackTable
from posetrack.skeletons import COCO_17

_ROWS = 50_000
_MOST_BYTES = 1_000_000_000
_WIDTH = 10
_LARGEST = 1e18
_PEOPLE = (1, 2, 7)  # pedestrian, person on a vehicle, static person


def write_mot(path: str | Path, table: TrackTable) -> None:
    r"""Write boxes as ``frame,id,left,top,width,height,score,-1,-1,-1``.

    Frames and pixels count from 1 in the file. Boxes, ids and scores are kept (to a hundredth of
    a pixel and six decimals), keypoints and times are not.

    Raises
    ------
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> import tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> one = np.ones(1, np.int64)
    >>> table = TrackTable(one, np.ones(1), one * 4, np.array([[9.0, 9, 19, 29]]), np.ones(1),
    ...                    one * 0, np.ones((1, 17, 2)), np.ones((1, 17)), COCO_17)
    >>> path = Path(tempfile.mkdtemp()) / "match.txt"
    >>> write_mot(path, table)
    >>> path.read_text()
    '2,4,10.00,10.00,10.00,20.00,1.000000,-1,-1,-1\n'
    """
    write_whole(path, _lines(table))


def _lines(table: TrackTable) -> Iterator[bytes]:
    boxes = table.xyxy.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    boxes[:, :2] += 1
    for start in range(0, len(table), _ROWS):
        rows = slice(start, start + _ROWS)
        columns = (table.frame[rows] + 1, table.ids[rows], boxes[rows], table.box_scores[rows])
        yield "".join(
            f"{frame},{track_id},{x:.2f},{y:.2f},{width:.2f},{height:.2f},{score:.6f},-1,-1,-1\n"
            for frame, track_id, (x, y, width, height), score in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ).encode()


@dataclass(frozen=True, eq=False)
class Boxes:
    """R lines of a file.

    Parameters
    ----------
    line
        (R,) numbers of the lines, from 1.
    frame
        (R,) from 0.
    ids
        (R,); -1 for no id.
    xywh
        (R, 4) left, top, width and height as the file has them, where pixels count from 1.
    confidences
        (R,) the seventh number: a score, or in ground truth whether the box counts; NaN without.
    classes
        (R,) the eighth; NaN without.
    columns
        (R,) how many numbers the line has, at most ten counted.
    """

    line: NDArray[np.int64]
    frame: NDArray[np.int64]
    ids: NDArray[np.int64]
    xywh: NDArray[np.float64]
    confidences: NDArray[np.float64]
    classes: NDArray[np.float64]
    columns: NDArray[np.int64]

    @property
    def xyxy(self) -> NDArray[np.float64]:
        """(R, 4) left, top, right, bottom with pixels counted from 0."""
        corner = self.xywh[:, :2] - 1
        return np.concatenate([corner, corner + self.xywh[:, 2:]], axis=1)

    @property
    def scores(self) -> NDArray[np.float64]:
        """(R,), 1 where the file has none."""
        return np.where(
            np.isnan(self.confidences) | (self.confidences == -1), 1.0, self.confidences
        )

    @property
    def of_people(self) -> NDArray[np.bool_]:
        """(R,), False for lines of ground truth that are to be ignored or of something else.

        Ground truth has nine numbers, of which the eighth is a class; where it is -1, as in
        results, there are no classes.
        """
        truth = (self.columns == 9) & (self.classes != -1)
        ignored = (self.confidences == 0) | ~np.isin(self.classes, _PEOPLE)
        return np.asarray(~(truth & ignored))


def read_lines(path: str | Path, *, least: int = 6) -> Boxes:
    """All lines of a file, checked.

    Parameters
    ----------
    path
        Text with ``frame, id, left, top, width, height[, score, ...]`` a line, parted by commas
        or blanks.
    least
        How many numbers a line must have.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If a line is not in the format; the message names the file and the line.
    """
    words: list[list[str]] = []
    places: list[int] = []
    for number, line in enumerate(read_text(path, _MOST_BYTES).split("\n"), start=1):
        row = words_of(line)
        if row and not (number == 1 and len(row) == 1 and row[0].startswith("sep=")):
            words.append(row[:_WIDTH])
            places.append(number)
    columns = np.array([len(row) for row in words], np.int64)
    lines = np.array(places, np.int64)
    padded = [row + ["nan"] * (_WIDTH - len(row)) for row in words]
    try:
        table = np.array(padded, np.float64).reshape(-1, _WIDTH)
    except ValueError:
        table = np.array([_numbers(row) for row in padded]).reshape(-1, _WIDTH)
    names = ("frame", "id", "left", "top", "width", "height", "score", "class")
    more = "[, score, ...]" if least == 6 else " and perhaps more"
    box = table[:, 2:6]
    wrong = {
        f"expected numbers {', '.join(names[:least])}{more}": (columns < least)
        | np.isinf(table[:, 9]),
        "frames are whole numbers from 1": ~_is_whole(table[:, 0]) | (table[:, 0] < 1),
        "ids are whole numbers": ~_is_whole(table[:, 1]),
        "a box is left, top, width, height, finite and not negative in size": (
            ~(np.abs(box) < _LARGEST).all(axis=1) | (box[:, 2:] < 0).any(axis=1)
        ),
        "expected a finite score": (columns > 6) & ~(np.abs(table[:, 6]) < _LARGEST),
    }
    first = np.array([bad.argmax() if bad.any() else len(table) for bad in wrong.values()])
    if len(table) and first.min() < len(table):
        bad = int(first.min())
        reason = list(wrong)[int(first.argmin())]
        text = f"{path}, line {lines[bad]}: {reason}; got {','.join(words[bad])[:60]!r}"
        # A label of YOLO's: a class, and a box in fractions of the image.
        is_label = (
            columns[bad] >= 5 and (table[bad, 1:5] >= 0).all() and (table[bad, 1:5] <= 1).all()
        )
        more = "; for labels of YOLO give their folder" if is_label and table[bad, 0] < 1e3 else ""
        raise ValueError(text + more)
    ids = table[:, 1].astype(np.int64)
    for large in np.flatnonzero(np.abs(table[:, 1]) >= 2**53).tolist():
        ids[large] = int(words[large][1].split(".")[0])  # a float64 has not all of its digits
    return Boxes(
        lines,
        table[:, 0].astype(np.int64) - 1,
        ids,
        table[:, 2:6].copy(),
        table[:, 6].copy(),
        table[:, 7].copy(),
        columns,
    )


def _is_whole(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((np.floor(values) == values) & (np.abs(values) < _LARGEST))


def _numbers(words: list[str]) -> list[float]:
    """The numbers of a line; all infinite if one of its fields is no number."""
    try:
        return [float(word) for word in words]
    except ValueError:
        return [np.inf] * len(words)


def read_mot(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    r"""Read boxes; keypoints, which the format does not have, are all unseen.

    Ground truth has a mark for rows to be ignored, 0, and a class: rows with mark 0 and classes
    other than 1, 2 and 7 (people) are left out. An id of -1 means no id.

    Parameters
    ----------
    path
        Text with ``frame, id, left, top, width, height[, score, ...]`` a line.
    hints
        Its ``rate`` is needed; its ``skeleton`` (COCO's when None) says which keypoints are unseen.

    Raises
    ------
    ValueError
        If a line is not in the format, or all are left out; the message names the file and the
        line.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "match.txt"
    >>> _ = path.write_text("1,4,11,21,30,60,0.9\n2,4,12,21,30,60,0.9")
    >>> boxes = read_mot(path, Hints(rate=25))
    >>> boxes.frame.tolist(), boxes.ids.tolist(), boxes.xyxy[0].tolist()
    ([0, 1], [4, 4], [10.0, 20.0, 40.0, 80.0])
    """
    path = Path(path)
    boxes = read_lines(path)
    skeleton = COCO_17 if hints.skeleton is None else hints.skeleton
    unseen = np.full((len(skeleton), 3), np.nan)
    people = People(str(path), hints)
    columns = (boxes.line, boxes.frame, boxes.ids, boxes.xyxy, boxes.scores, boxes.of_people)
    for line, frame, track_id, xyxy, score, counts in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        if counts:
            known = None if track_id == -1 else track_id
            people.add(frame, known, unseen, xyxy, score, part=f", line {line}")
        else:
            people.leave_out("marked as to be ignored or of no person")
    return people.table(skeleton)
