"""Trajectories from and to the project's own tables, and Parquet too large for the memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posetrack.trajectories.values import Trajectories, part_of_skeleton

if TYPE_CHECKING:
    from posetrack.skeletons import Skeleton


def load(path: str | Path) -> Trajectories:
    """Read a whole table of tracks, ``.parquet`` or ``.csv``, with origins where it has them.

    Raises
    ------
    ValueError
        If it is no such table or too large to lay out at once: then `scan` it.
    FileNotFoundError
        If it is not there.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "walk.parquet"
    >>> save(Trajectories([3], [0.1], [7], np.ones((1, 1, 17, 2)), np.ones((1, 1, 17)), COCO_17),
    ...      path)
    >>> load(path).ids.tolist()
    [7]
    """
    from posetrack.formats.table_reading import read_table
    from posetrack.formats.whole_tables import read_origins

    path = Path(path)
    table = read_table(path)
    made = Trajectories.from_table(table)
    rows = read_origins(path, table.skeleton)
    return made if rows is None else _with_origins(path, made, *rows)


def _with_origins(
    path: Path, made: Trajectories, frame: Any, ids: Any, values: Any
) -> Trajectories:
    """Origins of rows, in whatever order the file has them, at their places."""
    bad = (values < 0) | (values > 4)
    if bad.any():
        row = int(np.flatnonzero(bad.any(axis=1))[0])
        raise ValueError(f"{path}: row {row + 1}: an origin is not of 0 to 4")
    origin = made.origin.copy()
    order = np.argsort(made.ids)
    who = order[np.searchsorted(made.ids[order], ids)]
    origin[np.searchsorted(made.frame, frame), who] = values
    return replace(made, origin=origin)


def save(trajectories: Trajectories, path: str | Path) -> None:
    """Write the project's own table, ``.parquet`` or ``.csv``; `load` gives the same back.

    Columns ``NAME_origin`` follow the others where an origin is not what ``flow_age`` says. A
    person who is in no frame is not kept; a frame without people has no row, so its time is kept
    to 2 ms.

    Raises
    ------
    ValueError
        If the name ends otherwise.
    OSError
        If nothing can be written there; what was there then stays.
    """
    path = Path(path)
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise ValueError(f"{path}: expected a name that ends in .parquet or .csv")
    table = trajectories.to_table()
    at = trajectories.present
    usual = np.broadcast_to((table.flow_age > 0)[:, None], trajectories.origin[at].shape)
    origin = trajectories.origin[at]
    from posetrack.formats.whole_tables import write_table

    write_table(path, table, None if (origin == usual).all() else origin)


@dataclass(frozen=True)
class Scan:
    """A Parquet file of tracks, opened and not read: select first, then `load` the part.

    Row groups without the frames wanted are skipped, and columns of keypoints not wanted are not
    read, so that the memory needed is that of the part and one group of rows.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from posetrack.skeletons import COCO_17
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "walk.parquet"
    >>> save(Trajectories([3], [0.1], [7], np.ones((1, 1, 17, 2)), np.ones((1, 1, 17)), COCO_17),
    ...      path)
    >>> scan(path).select(frames=(0, 9), keypoints=["nose"]).load().xy.tolist()
    [[[[1.0, 1.0]]]]
    """

    path: Path
    skeleton: Skeleton
    rows: int
    seconds: tuple[float, float] | None = None
    frames: tuple[int, int] | None = None
    ids: tuple[int, ...] | None = None
    keypoints: tuple[str, ...] | None = None

    def select(
        self,
        *,
        seconds: tuple[float, float] | None = None,
        frames: tuple[int, int] | None = None,
        ids: Sequence[int] | None = None,
        keypoints: Sequence[str] | None = None,
    ) -> Scan:
        """Narrow to a half-open range of time or frames, people, keypoints; replaces what was."""
        if keypoints is not None:
            for name in keypoints:
                self.skeleton.index(name)  # raises by name
        return replace(
            self,
            seconds=self.seconds if seconds is None else seconds,
            frames=self.frames if frames is None else frames,
            ids=self.ids if ids is None else tuple(int(who) for who in ids),
            keypoints=self.keypoints if keypoints is None else tuple(keypoints),
        )

    def load(self) -> Trajectories:
        """Read what was selected; a person who is not in it has no place in ``ids``."""
        from posetrack.formats.whole_tables import read_part

        skeleton = self.skeleton
        if self.keypoints is not None:
            skeleton = part_of_skeleton(skeleton, self.keypoints)
        table, origins = read_part(
            self.path, skeleton, frames=self.frames, seconds=self.seconds, ids=self.ids
        )
        made = Trajectories.from_table(table)
        return made if origins is None else _with_origins(self.path, made, *origins)


def scan(path: str | Path) -> Scan:
    """Open a Parquet file of tracks without reading its rows.

    Raises
    ------
    ValueError
        If it is no such file.
    FileNotFoundError
        If it is not there.
    """
    from posetrack.formats.whole_tables import parquet_skeleton

    skeleton, rows = parquet_skeleton(Path(path))
    return Scan(Path(path), skeleton, rows)
