"""A file of edits applied to a table, with the anchors beside it; lines added and taken away."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from posetrack.audit.edits.anchors import Anchor, follow, load_anchors, save_anchors
from posetrack.audit.edits.apply import apply_edits
from posetrack.audit.edits.syntax import Edit, parse_edits
from posetrack.files import errors_naming, read_text, write_whole
from posetrack.trajectories import Trajectories

_MOST_BYTES: Final = 64_000_000


@dataclass(frozen=True, eq=False)
class Applied:
    """What a file of edits came to.

    Parameters
    ----------
    trajectories
        Corrected.
    asked
        The edits in the file.
    done
        Those that were applied, in the ids of these trajectories.
    notes
        A sentence for each that was left out or changed.
    anchors
        Of those in the file.
    """

    trajectories: Trajectories
    asked: tuple[Edit, ...]
    done: tuple[Edit, ...]
    notes: tuple[str, ...]
    anchors: tuple[tuple[Anchor, ...], ...]


def apply_file(trajectories: Trajectories, path: str | Path) -> Applied:
    """Apply a file of edits, by its anchors where these lie beside it.

    Raises
    ------
    ValueError
        If a line is no edit or cannot be applied; the message names the file.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    return _apply_text(trajectories, read_text(path, _MOST_BYTES), path)


def _apply_text(trajectories: Trajectories, text: str, path: Path) -> Applied:
    """Apply the lines that are, or will be, in a file of edits."""
    edits = parse_edits(text, str(path))
    beside = anchors_path(path)
    known = load_anchors(beside, edits) if beside.exists() else (None,) * len(edits)
    with errors_naming(path):
        followed = follow(trajectories, edits, known)
        edited = apply_edits(trajectories, followed.edits)
    return Applied(edited, edits, followed.edits, followed.notes, followed.anchors)


def anchors_path(path: str | Path) -> Path:
    """Where the anchors of a file of edits lie.

    Examples
    --------
    >>> anchors_path("edits.txt").name
    'edits.txt.anchors.json'
    """
    path = Path(path)
    return path.with_name(f"{path.name}.anchors.json")


def add_edit(trajectories: Trajectories, path: str | Path, line: str) -> Applied:
    """Add a line to a file of edits, if it can be applied after those before.

    Parameters
    ----------
    trajectories
        The original.
    path
        The file; made if it is not there.
    line
        One edit, see `posetrack.audit.edits`.

    Raises
    ------
    ValueError
        If it is no edit or cannot be applied; the file is then as it was.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> one = np.zeros((2, 1, 17, 2)) + np.arange(17.0)[:, None]
    >>> tr = Trajectories([0, 1], [0.0, 0.1], [7], one, np.ones((2, 1, 17)), COCO_17)
    >>> path = Path(tempfile.mkdtemp()) / "edits.txt"
    >>> add_edit(tr, path, "rename 7 to 3").trajectories.ids.tolist()
    [3]
    >>> undo_edit(path), path.read_text()
    ('rename 7 to 3', '')
    """
    path = Path(path)
    found = parse_edits(line)
    if len(found) != 1:
        raise ValueError(f"expected one edit, such as swap 3 5 from 12.4s, got {len(found)}")
    (edit,) = found
    before = read_text(path, _MOST_BYTES) if path.exists() else ""
    start = before if not before or before.endswith("\n") else f"{before}\n"
    try:
        applied = _apply_text(trajectories, f"{start}{edit}\n", path)
    except ValueError as error:
        raise ValueError(str(error).replace(f"{path}: ", "")) from error
    write_whole(path, f"{start}{edit}\n")
    save_anchors(anchors_path(path), applied.asked, applied.anchors)
    return applied


def undo_edit(path: str | Path) -> str:
    """Take the last edit out of a file; gives its line, or nothing where there is none."""
    path = Path(path)
    lines = read_text(path, _MOST_BYTES).splitlines() if path.exists() else []
    last = next((n for n in reversed(range(len(lines))) if parse_edits(lines[n])), None)
    if last is None:
        return ""
    line = lines.pop(last)
    write_whole(path, "".join(f"{one}\n" for one in lines))
    return line
