"""The anchors of edits as a file beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from posetrack.audit.edits.anchors import Anchor
from posetrack.audit.edits.syntax import Edit
from posetrack.files import dump_json, read_json, write_whole

_FORMAT: Final = "posetrack anchors"


def save_anchors(
    path: str | Path, edits: Sequence[Edit], anchors: Sequence[tuple[Anchor, ...]]
) -> None:
    """Write the anchors of edits as JSON."""
    rows = [
        {"edit": str(edit), "anchors": [_row_of(anchor) for anchor in found]}
        for edit, found in zip(edits, anchors, strict=True)
    ]
    write_whole(path, dump_json({"format": _FORMAT, "version": 1, "edits": rows}))


def load_anchors(path: str | Path, edits: Sequence[Edit]) -> tuple[tuple[Anchor, ...] | None, ...]:
    """The anchors of each edit; None for one that was not there when they were written.

    Raises
    ------
    ValueError
        If the file is something else, or broken.
    """
    document: Any = read_json(path)
    if not isinstance(document, Mapping) or document.get("format") != _FORMAT:
        raise ValueError(f"{path}: expected the anchors of edits, written beside them")
    waiting: dict[str, list[tuple[Anchor, ...]]] = {}
    try:
        for row in document["edits"]:
            found = tuple(_anchor_from(anchor) for anchor in row["anchors"])
            waiting.setdefault(str(row["edit"]), []).append(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: broken anchors ({error}); remove the file") from error
    return tuple(known.pop(0) if (known := waiting.get(str(edit))) else None for edit in edits)


def _row_of(anchor: Anchor) -> dict[str, Any]:
    """An anchor as JSON; ``who`` is the key of the person's id since the first version."""
    others = {name: value for name, value in vars(anchor).items() if name != "person"}
    return {"who": anchor.person, **others}


def _anchor_from(row: Mapping[str, Any]) -> Anchor:
    box = tuple(float(value) for value in row["box"])
    points = {str(name): (float(x), float(y)) for name, (x, y) in row["keypoints"].items()}
    numbers = np.array([*box, *(value for pair in points.values() for value in pair)])
    if len(box) != 4 or not np.isfinite(numbers).all():
        raise ValueError("a box or keypoint is not finite")
    return Anchor(int(row["who"]), int(row["frame"]), float(row["seconds"]), box, points)
