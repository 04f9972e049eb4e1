"""MOT Challenge text: a person's box a line. Source: motchallenge.net, "Submission format"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from posetrack.formats.sinks import write_whole
from posetrack.formats.table import TrackTable

_ROWS = 50_000


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
    write_whole((Path(path), _lines(table)))


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
