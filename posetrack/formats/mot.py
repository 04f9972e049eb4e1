"""MOT Challenge text: a person's box a line, both ways.

Source: motchallenge.net, "Submission format".
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posetrack.files import write_whole
from posetrack.formats.hints import NO_HINTS, Hints
from posetrack.formats.people import People
from posetrack.formats.table import TrackTable
from posetrack.skeletons import COCO_17

_ROWS = 50_000
_MOST_BYTES = 1_000_000_000
_LONGEST_LINE = 10_000


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
            f"{frame},{who},{x:.2f},{y:.2f},{width:.2f},{height:.2f},{score:.6f},-1,-1,-1\n"
            for frame, who, (x, y, width, height), score in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ).encode()


def read_mot(path: str | Path, hints: Hints = NO_HINTS) -> TrackTable:
    """Read boxes; keypoints, which the format does not have, are all unseen.

    Ground truth of nine columns has a mark for rows to be ignored, 0, and a class: rows with mark
    0 and classes other than 1, 2 and 7 (people) are left out. An id of -1 is none.

    Parameters
    ----------
    path
        Text with ``frame, id, left, top, width, height[, score, ...]`` a line.
    hints
        Its ``rate`` is needed; its ``skeleton`` (COCO's when None) says which keypoints are unseen.

    Raises
    ------
    ValueError
        If a line is none of the format's; the message names the file and the line.
    """
    path = Path(path)
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size:,} bytes; at most {_MOST_BYTES:,} are read")
    skeleton = COCO_17 if hints.skeleton is None else hints.skeleton
    unseen = np.full((len(skeleton), 3), np.nan)
    people = People(str(path), hints)
    with path.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(_LONGEST_LINE), b""), start=1):
            if line.strip():
                row = _row(line, f"{path}, line {number}")
                if row is not None:
                    frame, who, box, score = row
                    people.add(frame, who, unseen, box, score, place=f", line {number}")
    return people.table(skeleton)


def _row(line: bytes, where: str) -> tuple[int, int | None, list[float], float] | None:
    """Frame from 0, id, xyxy and score of a line; None if it is of nobody."""
    try:
        values = [float(part) for part in line.replace(b",", b" ").split()]
    except ValueError:
        values = []
    finite = len(values) >= 6 and all(abs(value) < 1e18 for value in values)
    if not finite or not values[0].is_integer() or not values[1].is_integer() or values[0] < 1:
        raise ValueError(
            f"{where}: expected frame from 1, id, left, top, width, height[, score, ...]; got "
            f"{line[:60]!r}"
        )
    mark = values[6] if len(values) > 6 else -1.0
    if len(values) == 9 and (mark == 0 or values[7] not in (1, 2, 7)):
        return None
    left, top, width, height = values[2:6]
    if width < 0 or height < 0:
        raise ValueError(f"{where}: a box of negative width or height")
    box = [left - 1, top - 1, left - 1 + width, top - 1 + height]
    who = None if values[1] == -1 else int(line.replace(b",", b" ").split()[1].split(b".")[0])
    return int(values[0]) - 1, who, box, 1.0 if mark == -1 else mark
